import numpy as np

from tests.training.test_generation import box_tokens, random_generator
from training.decoding import Status, decode_tokens


def test_a_decoded_mesh_is_the_encoded_one() -> None:
    decoded = decode_tokens(box_tokens([1, 0.5, 0.25]), True, random_generator())
    assert decoded.status is Status.VALID
    assert decoded.mesh is not None
    np.testing.assert_allclose(np.ptp(decoded.mesh.vertices, axis=0), [1.9, 0.95, 0.475], atol=0.02)

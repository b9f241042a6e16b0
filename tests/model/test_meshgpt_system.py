"""MeshGPT as the trainer sees it: meshes in, codes between, meshes out."""

import numpy as np
import pytest
import tokenizer_rs
import torch

from model.meshgpt.config import MeshgptConfig
from model.meshgpt.faces import mesh_of_corners, ordered_faces
from model.meshgpt.modules import MeshAutoencoder, corners_of
from model.meshgpt.system import SYSTEM, MeshgptGenerator, codes_of
from model.meshgpt.transformer import MeshTransformer
from model.systems import Sample, SampleError, Sampling
from tests.shared_data import shared_path

SIZES = {
    "autoencoder": {
        "encoder_widths": [16, 16],
        "decoder_widths": [16, 16],
        "code_width": 8,
        "codebook_size": 16,
        "coordinate_width": 4,
        "normal_width": 4,
    },
    "transformer": {
        "codebook_size": 16,
        "width": 16,
        "depth": 1,
        "fine_depth": 1,
        "heads": 2,
        "head_width": 8,
        "max_tokens": 60,
    },
}
CONFIG = MeshgptConfig.model_validate(SIZES)
FIRST, SECOND = SYSTEM.stages
TETRAHEDRON = (
    np.array([[0.9, -0.9, 0], [-0.9, -0.9, 0], [0, -0.9, 0.9], [0, 0.8, 0.1]]),
    np.array([[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]]),
)


def sample(vertices: np.ndarray, faces: np.ndarray) -> Sample:
    return Sample("mesh", vertices, faces, None, None)


def generator() -> MeshgptGenerator:
    torch.manual_seed(0)
    networks = {stage.name: stage.build(CONFIG).eval() for stage in SYSTEM.stages}
    made = SYSTEM.generator(networks, None)
    assert isinstance(made, MeshgptGenerator)
    return made


@pytest.mark.parametrize("name", ["shelf_small", "candle", "column", "floor_dirt_small_D"])
def test_a_mesh_is_ordered_as_the_reference_orders_it(name: str) -> None:
    """The reference does not repair, but these meshes need none."""
    with np.load(shared_path("golden", "meshgpt", "ordering.npz")) as golden:
        stored = {key: golden[f"{name}/{key}"] for key in ("vertices_q", "faces", "face_edges", "vertices")}
    upright = stored["vertices"][:, [1, 2, 0]]  # stored as z, x, y
    mesh = ordered_faces(upright, stored["faces"], 128)
    np.testing.assert_array_equal(
        mesh.vertices, (stored["vertices_q"] + 0.5).astype(np.float32) / 128 * 2 - 1
    )
    np.testing.assert_array_equal(mesh.faces, stored["faces"])
    np.testing.assert_array_equal(mesh.pairs, stored["face_edges"])


def test_corners_become_the_mesh_they_came_from() -> None:
    mesh = ordered_faces(*TETRAHEDRON, 128)
    assert (mesh.vertices[:-1, 2] <= mesh.vertices[1:, 2]).all()
    vertices, faces = mesh_of_corners(mesh.vertices[mesh.faces], 128, repaired=False)
    assert len(vertices) == len(faces) == 4
    assert tokenizer_rs.measure(vertices, faces)["boundary_edges"] == 0
    np.testing.assert_allclose(np.sort(vertices, axis=0), np.sort(TETRAHEDRON[0], axis=0), atol=1 / 128)


def test_constrained_corners_become_manifold() -> None:
    fan = np.array([[0, 0, 0], [0, 0.9, 0], [0.5, 0, 0], [-0.5, 0, 0], [0, 0, 0.5]])
    corners = fan[np.array([[0, 1, 2], [0, 1, 3], [0, 1, 4]])]  # three faces on one edge
    assert most_faces_on_an_edge(mesh_of_corners(corners, 128, repaired=False)[1]) == 3
    _, faces = mesh_of_corners(corners, 128, repaired=True)
    assert most_faces_on_an_edge(faces) <= 2
    assert len(faces) == 3


def most_faces_on_an_edge(faces: np.ndarray) -> int:
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return int(np.unique(edges, axis=0, return_counts=True)[1].max())


def test_a_mesh_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(SampleError, match="no face has three different vertices on a grid of 128"):
        SECOND.prepare(sample(np.zeros((3, 3)), np.array([[0, 1, 2]])), CONFIG)


def test_the_codes_of_a_mesh_are_one_row_of_its_faces() -> None:
    torch.manual_seed(0)
    autoencoder = FIRST.build(CONFIG)
    assert isinstance(autoencoder, MeshAutoencoder)
    mesh = ordered_faces(*TETRAHEDRON, 128)
    codes = codes_of(autoencoder, mesh._asdict())
    assert codes.shape == (24,)
    batch = _batch([mesh])
    expected = autoencoder.tokenize(batch["vertices"], batch["faces"], batch["pairs"])
    np.testing.assert_array_equal(codes, expected.flatten().numpy())


def test_both_stages_learn_from_what_they_ask_for() -> None:
    torch.manual_seed(0)
    mesh = ordered_faces(*TETRAHEDRON, 128)
    batch = _batch([mesh])
    autoencoder, transformer = FIRST.build(CONFIG), SECOND.build(CONFIG)
    total, count = FIRST.loss_sum(autoencoder, batch, {})
    assert int(count) == 4 * 9
    total.backward()
    assert all(parameter.grad is not None for parameter in autoencoder.parameters())
    autoencoder.requires_grad_(False).eval()
    derived = SECOND.derive(mesh._asdict(), {"autoencoder": autoencoder})
    codes = torch.from_numpy(derived["codes"]).long().unsqueeze(0)
    total, count = SECOND.loss_sum(transformer, {"codes": codes}, {"autoencoder": autoencoder})
    assert int(count) == 4 * 6 + 1
    total.backward()
    assert isinstance(transformer, MeshTransformer)
    assert transformer.head.weight.grad is not None


def test_generated_rows_are_whole_faces_and_rows_of_their_own_seeds() -> None:
    made = generator()
    rows = made.generate(None, 3, Sampling(seed=5, temperature=1.0, max_tokens=60))
    later = made.generate(None, 2, Sampling(seed=6, temperature=1.0, max_tokens=60))
    for row, again in zip(rows[1:], later, strict=True):
        np.testing.assert_array_equal(row.tokens, again.tokens)
    assert rows[0].tokens.tolist() != rows[1].tokens.tolist()
    for row in rows:
        assert row.tokens.dtype == np.int32
        assert len(row.tokens) % 6 == 0
        assert row.tokens.max() < made.vocab_size
    coldest = made.generate(None, 2, Sampling(seed=5, temperature=0.0, max_tokens=60))
    np.testing.assert_array_equal(coldest[0].tokens, coldest[1].tokens)


def test_a_decoded_row_is_what_the_autoencoder_says() -> None:
    made = generator()
    mesh = ordered_faces(*TETRAHEDRON, 128)
    codes = codes_of(made.autoencoder, mesh._asdict())
    corners = made.autoencoder.coordinates(torch.from_numpy(codes).long().view(1, 4, 6))[0].numpy()
    vertices, _ = made.decode(codes, constrained=False)
    found = {tuple(np.round(vertex, 5).tolist()) for vertex in vertices}
    said = {
        tuple(np.round(corner, 5).tolist()) for corner in corners.reshape(-1, 3)[:, [1, 2, 0]].astype(float)
    }
    assert found <= said


def test_the_codes_of_both_networks_must_agree() -> None:
    with pytest.raises(ValueError, match=r"transformer\.codebook_size is 32, but the autoencoder's is 16"):
        MeshgptConfig.model_validate({**SIZES, "transformer": {**SIZES["transformer"], "codebook_size": 32}})


def test_reference_face_positions_are_the_models_own() -> None:
    mesh = ordered_faces(*TETRAHEDRON, 128)
    batch = _batch([mesh])
    corners = corners_of(batch["vertices"], batch["faces"])[0].numpy()
    np.testing.assert_array_equal(corners, mesh.vertices[mesh.faces])


def _batch(meshes: list) -> dict[str, torch.Tensor]:
    from training.batches import collate
    from training.data import Prepared

    return collate([Prepared(str(i), mesh._asdict()) for i, mesh in enumerate(meshes)]).tensors

"""What a visit makes of a mesh: where the draws lie, and what they depend on."""

from pathlib import Path

import numpy as np
import pytest
import tokenizer_rs
import trimesh

from tests.training.conftest import make_box, make_samples, tiny_config, write_data
from training.augmentation import augment
from training.config import ConfigError
from training.data import Prepared, ShardDataset
from training.order import Place
from training.settings import AugmentSettings
from training.surface import Mesh, condition_cloud, generator, normalize_half_extent, rotate_azimuth

STILL = {"rotate": False, "scale": False}
MESHGPT = AugmentSettings(**STILL, axis_scale_range=(0.75, 1.25))
BOX = make_box((1.0, 0.8, 0.5))
VISITS = 300


def visit(settings: AugmentSettings, index: int) -> np.ndarray:
    return np.asarray(_augmented(settings, index, BOX)[0].vertices)


def sides(vertices: np.ndarray) -> np.ndarray:
    return np.ptp(vertices, axis=0)


@pytest.mark.parametrize("rotate", [True, False])
@pytest.mark.parametrize("scale", [True, False])
def test_without_the_newer_options_a_visit_is_what_it_was(tmp_path: Path, rotate: bool, scale: bool) -> None:
    data = write_data(tmp_path / "data", make_samples(2, 0, 0))
    settings = {"rotate": rotate, "scale": scale}
    dataset = ShardDataset(data, "train", tiny_config(data={"augment": settings}))
    random = generator(0, "sample", 3, 1)
    degrees, bound = random.uniform(0, 360), random.uniform(0.75, 0.95)
    noise = 0.01 if random.random() < 0.5 else 0.0
    vertices, faces = dataset.mesh(1)
    if rotate or scale:
        turned = rotate_azimuth(vertices.astype(np.float64), degrees) if rotate else vertices
        vertices = normalize_half_extent(np.asarray(turned, dtype=np.float64), bound if scale else 0.95)
    sample = dataset[Place(3, 1)]
    assert isinstance(sample, Prepared)
    cloud = condition_cloud(Mesh(vertices, faces), 64, random, None, noise)
    np.testing.assert_array_equal(sample.arrays["points"], cloud)


def test_every_axis_has_its_factor_and_the_mesh_is_normalised_again() -> None:
    scaled = np.array([sides(visit(MESHGPT, index)) for index in range(VISITS)])
    np.testing.assert_allclose(scaled.max(axis=1), 1.9)
    relative = scaled / sides(BOX.vertices)
    for one, other in ((0, 1), (1, 2), (2, 0)):
        ratios = relative[:, one] / relative[:, other]
        assert 0.75 / 1.25 <= ratios.min() < 0.7
        assert 1.4 < ratios.max() <= 1.25 / 0.75
    centres = [visit(MESHGPT, index).min(axis=0) + visit(MESHGPT, index).max(axis=0) for index in range(5)]
    np.testing.assert_allclose(centres, 0, atol=1e-12)


def test_axes_are_scaled_before_the_mesh_is_turned() -> None:
    turning = AugmentSettings(rotate=True, scale=False, axis_scale_range=(0.75, 1.25))
    corners = visit(turning, 1)
    edges = corners[[1, 2, 4]] - corners[0]
    np.testing.assert_allclose(edges @ edges.T - np.diag((edges**2).sum(axis=1)), 0, atol=1e-9)


def test_a_shift_keeps_the_mesh_in_its_box() -> None:
    settings = AugmentSettings(**STILL, shift=(0.2, 0.05, 0.9))
    shifts = np.array([visit(settings, index).mean(axis=0) for index in range(VISITS)])
    room = 0.95 - BOX.vertices.max(axis=0)
    limits = np.minimum((0.2, 0.05, 0.9), room)
    assert limits.tolist() == pytest.approx([0, 0.05, room[2]])
    assert (np.abs(shifts) <= limits + 1e-6).all()
    np.testing.assert_allclose(shifts.max(axis=0), limits, atol=0.01)
    np.testing.assert_allclose(shifts.min(axis=0), -limits, atol=0.01)


def test_a_decimated_mesh_has_fewer_faces_and_its_shape() -> None:
    fine = trimesh.creation.box((2, 1.6, 1)).subdivide().subdivide().subdivide()
    ball = trimesh.creation.icosphere(2)
    settings = AugmentSettings(**STILL, decimate=(0.2, 0.9))
    counts = []
    for index in range(12):
        mesh, _ = _augmented(settings, index, _mesh_of(fine))
        counts.append(len(mesh.faces))
        assert _distance(mesh, _mesh_of(fine)) < 1e-3
    assert len(fine.faces) * 0.2 <= min(counts) < len(fine.faces) * 0.5
    assert len(fine.faces) * 0.7 < max(counts) <= len(fine.faces) * 0.9
    assert counts == [len(_augmented(settings, index, _mesh_of(fine))[0].faces) for index in range(12)]
    few = AugmentSettings(**STILL, decimate=(0.1, 0.2))
    whole, _ = _augmented(few, 0, _mesh_of(ball))
    assert len(whole.faces) == len(ball.faces)
    coarse, _ = _augmented(few.model_copy(update={"decimate_distance": 0.2}), 0, _mesh_of(ball))
    assert len(coarse.faces) < len(ball.faces) / 4


def test_one_option_does_not_move_the_others() -> None:
    plain, both = AugmentSettings(), AugmentSettings(axis_scale_range=(0.75, 1.25), shift=(0.2, 0.15, 0.2))
    for index in range(5):
        assert sides(visit(both, index)).max() == pytest.approx(sides(visit(plain, index)).max())
        shifted = visit(both, index) - visit(both.model_copy(update={"shift": None}), index)
        np.testing.assert_allclose(shifted, np.broadcast_to(shifted[0], shifted.shape), atol=1e-12)


def test_a_visit_depends_on_seed_epoch_and_sample_alone(box_data: Path) -> None:
    settings = {"augment": {**STILL, "axis_scale_range": [0.75, 1.25]}}
    config = tiny_config(data=settings)
    dataset, again = (ShardDataset(box_data, "train", config) for _ in range(2))
    places = [Place(0, 0), Place(1, 0), Place(0, 1)]
    tokens = [_tokens(dataset, place) for place in places]
    assert [_tokens(again, place) for place in reversed(places)] == tokens[::-1]
    other_seed = ShardDataset(box_data, "train", tiny_config(data=settings, seed=1))
    assert tokens[0] != tokens[1] != _tokens(other_seed, places[1])


def test_tokens_are_made_of_the_mesh_that_the_visit_sees(box_data: Path) -> None:
    config = tiny_config(data={"augment": {**STILL, "axis_scale_range": [0.5, 2.0]}})
    dataset = ShardDataset(box_data, "train", config)
    further = generator(config.seed, "augmentation", 4, 2)
    mesh, _ = augment(dataset.mesh(2), config.data.augment, generator(0, "any"), further)
    tokenizer = tokenizer_rs.Silksong(resolution=128, vertex_mode="block_offset")
    vertices, _ = tokenizer.decode(np.array(_tokens(dataset, Place(4, 2)), dtype=np.int32))
    np.testing.assert_allclose(sides(vertices), sides(mesh.vertices), atol=2 / 128)
    assert np.abs(sides(vertices) - sides(dataset.mesh(2).vertices)).max() > 0.1


@pytest.mark.parametrize(
    ("limits", "message"), [([1.25, 0.75], "1.25 is more than 0.75"), ([0, 1], "greater than 0")]
)
def test_factors_that_make_no_sense_are_refused(limits: list[float], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"data\.augment\.axis_scale_range.*{message}"):
        tiny_config(data={"augment": {"axis_scale_range": limits}})


def _augmented(settings: AugmentSettings, index: int, mesh: Mesh) -> tuple[Mesh, float]:
    return augment(mesh, settings, generator(0, "random", index), generator(0, "further", index))


def _mesh_of(mesh: trimesh.Trimesh) -> Mesh:
    vertices = normalize_half_extent(np.array(mesh.vertices), 0.95)
    return Mesh(vertices.astype(np.float32), np.array(mesh.faces, dtype=np.int32))


def _distance(mesh: Mesh, other: Mesh) -> float:
    return tokenizer_rs.vertex_distance((mesh.vertices, mesh.faces), (other.vertices, other.faces))


def _tokens(dataset: ShardDataset, place: Place) -> list[int]:
    sample = dataset[place]
    assert isinstance(sample, Prepared)
    return sample.arrays["tokens"].tolist()

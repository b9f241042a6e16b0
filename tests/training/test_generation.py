from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import tokenizer_rs
import torch

from model.silksong import SilksongModel
from model.silksong.system import SilksongGenerator
from model.systems import GeneratedRow
from pipelines.tokenizers import build_tokenizer
from tests.training.conftest import make_box, tiny_config
from training.generation import (
    TABLE_SCHEMA,
    Condition,
    Status,
    decode_tokens,
    file_names,
    generate_meshes,
    read_mesh,
    weights_digest,
)

CONFIG = tiny_config()


class Scripted(SilksongModel):
    """Answers each call with the next rows of a script."""

    def __init__(self, script: Sequence[tuple[np.ndarray, bool]]) -> None:
        super().__init__(CONFIG.model)
        self.script, self.calls = list(script), 0

    def generate_with_status(self, condition: torch.Tensor, *_: Any, **__: Any) -> list[GeneratedRow]:
        self.calls += 1
        rows, self.script = self.script[: len(condition)], self.script[len(condition) :]
        return [GeneratedRow(tokens, ended, 0.1) for tokens, ended in rows]


def box_tokens(sides: Sequence[float]) -> np.ndarray:
    box = make_box(sides)
    tokenizer = tokenizer_rs.Silksong()
    return tokenizer.encode(box.vertices.astype(np.float64), box.faces).tokens


def conditions(count: int) -> list[Condition]:
    boxes = [make_box([1, 0.9 - 0.1 * i, 0.5]) for i in range(count)]
    return [Condition(f"box {i}", f"file:///{i}", box.vertices, box.faces) for i, box in enumerate(boxes)]


def generator_of(network: SilksongModel) -> SilksongGenerator:
    return SilksongGenerator(network, build_tokenizer(CONFIG.tokenizer))


def random_generator() -> SilksongGenerator:
    torch.manual_seed(0)
    return generator_of(SilksongModel(CONFIG.model).eval())


def test_every_condition_is_a_row_whatever_came_of_it(tmp_path: Path) -> None:
    good = box_tokens([1, 0.5, 0.3])
    script = [(good, True), (good, False), (np.array([5, 5, 5]), True), (good, True), (good[:0], True)]
    given = conditions(5)
    given[3] = Condition("flat", "file:///flat", np.zeros((3, 3)), np.array([[0, 1, 2]]))
    table = generate_meshes(generator_of(Scripted(script)), CONFIG, given, tmp_path)
    assert dict(table.schema) == TABLE_SCHEMA
    assert table["name"].to_list() == ["box 0", "box 1", "box 2", "flat", "box 4"]
    assert table["status"].to_list()[:4] == ["valid", "not_ended", "syntax", "no_condition"]
    assert table["status"][4] in ("syntax", "empty")
    assert table["stop_reason"].to_list() == ["ended", "length", "ended", None, "ended"]
    assert table["code"][2] is not None
    assert table["file"].is_not_null().to_list() == [True, True, False, False, False]
    assert table["n_faces"].to_list() == [12, 12, 0, None, 0]
    mesh = read_mesh(tmp_path / table["file"][0])
    assert mesh.faces.shape == (12, 3)
    assert np.ptp(mesh.vertices, axis=0).max() == pytest.approx(1.9, abs=0.02)
    assert pl.read_parquet(tmp_path / "generated.parquet").equals(table)


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    good = box_tokens([1, 0.5, 0.3])
    module = Scripted([(good, True)] * 8)
    generator = generator_of(module)
    first = generate_meshes(generator, CONFIG, conditions(3), tmp_path, batch_size=2)
    assert module.calls == 2
    again = generate_meshes(generator, CONFIG, conditions(3), tmp_path, batch_size=2)
    assert module.calls == 2
    assert first.equals(again)
    more = generate_meshes(generator, CONFIG, conditions(4), tmp_path, batch_size=2)
    assert module.calls == 3
    assert more[:3].equals(first)
    (tmp_path / first["file"][1]).unlink()
    assert generate_meshes(generator, CONFIG, conditions(4), tmp_path).equals(more)
    assert module.calls == 4
    generate_meshes(generator, CONFIG, conditions(3), tmp_path, seed=1)
    assert module.calls == 5


def test_the_batch_size_does_not_matter(tmp_path: Path) -> None:
    generator, given = random_generator(), conditions(3)
    tables = [
        generate_meshes(
            generator, CONFIG, given, tmp_path / str(size), temperature=1.0, max_tokens=60, batch_size=size
        )
        for size in (1, 2, 3)
    ]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    assert tables[0]["seed"].to_list() == [0, 1, 2]
    assert tables[0]["tokens"][0].to_list() != tables[0]["tokens"][1].to_list()
    other = generate_meshes(generator, CONFIG, given, tmp_path / "s", seed=9, temperature=1.0, max_tokens=60)
    assert other["tokens"].to_list() != tables[0]["tokens"].to_list()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_constrained_random_weights_give_manifold_meshes_that_end(tmp_path: Path, temperature: float) -> None:
    generator, given = random_generator(), conditions(6)
    assert CONFIG.generation.constrained
    table = generate_meshes(generator, CONFIG, given, tmp_path, temperature=temperature, max_tokens=64)
    assert table["stop_reason"].unique().to_list() == ["ended"]
    assert set(table["status"]) <= {"valid", "empty"}
    assert table["code"].null_count() == len(given)
    tokenizer = build_tokenizer(CONFIG.tokenizer)
    for tokens in table["tokens"]:
        assert 0 < len(tokens) < 64
        _, faces = tokenizer.decode(np.array(tokens, dtype=np.int32))
        assert is_manifold_by_index(faces)


def test_unconstrained_generation_is_still_there(tmp_path: Path) -> None:
    generator, given = random_generator(), conditions(3)
    free = generate_meshes(
        generator, CONFIG, given, tmp_path / "free", temperature=1.0, max_tokens=40, constrained=False
    )
    assert set(free["status"]) <= {"not_ended", "syntax"}
    config = tiny_config(generation={"constrained": False})
    same = generate_meshes(generator, config, given, tmp_path / "same", temperature=1.0, max_tokens=40)
    assert same["tokens"].to_list() == free["tokens"].to_list()
    held = generate_meshes(generator, CONFIG, given, tmp_path / "free", temperature=1.0, max_tokens=40)
    assert held["tokens"].to_list() != free["tokens"].to_list(), "what was drawn freely must not be kept"


def is_manifold_by_index(faces: np.ndarray) -> bool:
    """Whether no edge has two faces in one direction and the faces of every vertex are one fan."""
    sides = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    if len(np.unique(sides, axis=0)) != len(sides):
        return False
    for vertex in np.unique(faces):
        around = [np.roll(face, -int(np.flatnonzero(face == vertex)[0])) for face in faces if vertex in face]
        following = {int(b): int(c) for _, b, c in around}
        starts = set(following) - set(following.values())
        at = starts.pop() if starts else next(iter(following))
        walked = 0
        while at in following and walked < len(following):
            at, walked = following[at], walked + 1
        if starts or walked != len(following):
            return False
    return True


def test_the_same_mesh_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give each mesh once"):
        generate_meshes(random_generator(), CONFIG, conditions(1) * 2, tmp_path)


def test_file_names_are_safe_and_unique() -> None:
    names = ["chair", "a/b", "a_b", "../../etc", "Chair", "", "x" * 300, "tür"]
    files = file_names([(name, f"file:///{i}") for i, name in enumerate(names)])
    assert files[2] != files[1]
    assert len({file.casefold() for file in files}) == len(names)
    assert all("/" not in file and not file.startswith(".") and len(file) < 100 for file in files)
    assert file_names([("chair", "a")]) == ["chair.glb"]


def test_a_decoded_mesh_is_the_encoded_one() -> None:
    decoded = decode_tokens(box_tokens([1, 0.5, 0.25]), True, random_generator())
    assert decoded.status is Status.VALID
    assert decoded.mesh is not None
    np.testing.assert_allclose(np.ptp(decoded.mesh.vertices, axis=0), [1.9, 0.95, 0.475], atol=0.02)


def test_the_digest_sees_every_weight() -> None:
    generator = random_generator()
    before = weights_digest(generator.networks)
    assert before == weights_digest(random_generator().networks)
    with torch.no_grad():
        generator.network.head.bias[3] += 1e-3
    assert weights_digest(generator.networks) != before

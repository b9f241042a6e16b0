"""Conditions are read when their turn comes, and what cannot be read is a row like any other."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizer_rs

from tests.training.conftest import make_samples, tiny_config, write_data, write_untrained_run
from tests.training.test_generation import CONFIG, Scripted, box_tokens, conditions
from training.checkpoints import RunError, load_draft
from training.conditions import UnreadCondition, conditions_of_split
from training.data import DataError
from training.generation import generate_meshes, generate_run
from training.surface import Mesh


class Counted:
    """Conditions that remember which of them were read."""

    def __init__(self, n: int, broken: dict[int, Exception] | None = None) -> None:
        self.reads: list[int] = []
        self.broken = broken or {}
        self.list = [
            UnreadCondition(of.name, of.uri, partial(self.read, i, of.mesh()))
            for i, of in enumerate(conditions(n))
        ]

    def read(self, i: int, mesh: Mesh) -> Mesh:
        self.reads.append(i)
        if i in self.broken:
            raise self.broken[i]
        return mesh


def test_a_condition_is_read_when_its_turn_comes(tmp_path: Path) -> None:
    generator, given = Scripted([(box_tokens([1, 0.5, 0.3]), True)] * 4), Counted(4)
    read_at: list[tuple[int, int]] = []

    def look(done: int, _: int) -> None:
        read_at.append((done, len(given.reads)))

    table = generate_meshes(generator, CONFIG, given.list, tmp_path, batch_size=1, on_progress=look)
    assert read_at == [(1, 1), (2, 2), (3, 3), (4, 4)]
    there = generate_meshes(generator, CONFIG, conditions(4), tmp_path)
    assert there.equals(table)
    assert generator.asked == [0, 1, 2, 3], "the same meshes are found again, however they were given"


def test_a_condition_that_cannot_be_read_is_a_row(tmp_path: Path) -> None:
    generator = Scripted([(box_tokens([1, 0.5, 0.3]), True)] * 4)
    with pytest.raises(tokenizer_rs.MeshError) as caught:
        tokenizer_rs.read_mesh(b"\0", "glb")
    given = Counted(4, {1: OSError("gone"), 2: caught.value})
    table = generate_meshes(generator, CONFIG, given.list, tmp_path)
    assert table["status"].to_list() == ["valid", "no_condition", "no_condition", "valid"]
    assert table["code"].to_list() == [None, "OSError", str(caught.value.code), None]
    given.broken.clear()
    mended = generate_meshes(generator, CONFIG, given.list, tmp_path)
    assert mended["status"].to_list() == ["valid"] * 4
    assert generator.asked == [0, 3, 1, 2]


def test_a_split_is_read_by_position(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", make_samples(2, 0, 5))
    found = conditions_of_split(data, "test", CONFIG)
    assert [of.uri for of in found] == [f"test/{of.name}" for of in found]
    assert len(found) == 5
    assert [of.name for of in conditions_of_split(data, "test", CONFIG, limit=2)] == [
        of.name for of in found[:2]
    ]
    assert all(np.ptp(of.mesh().vertices, axis=0).max() == pytest.approx(1.9) for of in found)
    with pytest.raises(DataError, match="split val"):
        conditions_of_split(data, "val", CONFIG)


def test_a_run_names_its_draft(tmp_path: Path) -> None:
    smaller = {**CONFIG.model.model_dump(), "width": 16}
    draft = write_untrained_run(tmp_path / "draft", tiny_config(model=smaller, seed=1))
    plain = tiny_config()
    named = tiny_config(generation={"draft": str(draft), "draft_tokens": 2})
    data = write_data(tmp_path / "data", make_samples(2, 0, 3))

    def generate(folder: str, config: Any, **options: Any) -> list[str]:
        run = tmp_path / folder
        if not run.exists():
            write_untrained_run(run, config)
        table = generate_run(
            run,
            lambda resolved: conditions_of_split(data, "test", resolved),
            run / "out",
            temperature=1.0,
            max_tokens=40,
            **options,
        )
        assert table["status"].is_in(["valid", "empty"]).all()
        return table["fingerprint"].to_list()

    by_config = generate("named", named)
    assert generate("plain", plain, draft=draft, draft_tokens=2) == by_config
    assert generate("plain", plain, draft=draft) != by_config
    assert set(generate("plain", plain)).isdisjoint(by_config)
    other = tiny_config(
        data={**CONFIG.data.model_dump(), "tokenizer": {"name": "silksong", "conformance": "reference"}}
    )
    with pytest.raises(RunError, match="another system or tokenizer"):
        load_draft(plain, run=write_untrained_run(tmp_path / "other", other))
    with pytest.raises(RunError, match="not a run"):
        load_draft(plain, run=tmp_path / "absent")

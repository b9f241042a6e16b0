import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import tokenizer_rs
import torch

from model.silksong import SilksongModel
from model.silksong.system import SilksongGenerator
from model.systems import Draft, GeneratedRow, RowRequest
from pipelines.tokenizers import build_tokenizer
from tests.training.conftest import make_box, tiny_config
from training.checkpoints import weights_digest
from training.decoding import read_mesh
from training.generated_table import TABLE_SCHEMA
from training.generation import Condition, generate_meshes

CONFIG = tiny_config()
REPOSITORY = Path(__file__).parents[2]


class Scripted(SilksongGenerator):
    """Answers each request with the row of a script; remembers what it was asked for."""

    def __init__(self, script: Sequence[tuple[np.ndarray, bool]]) -> None:
        network = SilksongModel(CONFIG.model)
        super().__init__(network, build_tokenizer(CONFIG.tokenizer))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.zero_()
        self.script, self.asked = script, list[int]()

    def generate_each(
        self, requests: Iterable[RowRequest], *_: Any, **__: Any
    ) -> Iterator[tuple[int, GeneratedRow]]:
        for request in requests:
            self.asked.append(request.index)
            yield request.index, GeneratedRow(*self.script[request.index], 0.1)


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
    table = generate_meshes(Scripted(script), CONFIG, given, tmp_path)
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
    generator = Scripted([(box_tokens([1, 0.5, 0.3]), True)] * 4)

    def asked(count: int, **options: int) -> tuple[list[int], pl.DataFrame]:
        generator.asked.clear()
        return generator.asked, generate_meshes(generator, CONFIG, conditions(count), tmp_path, **options)

    indices, first = asked(3)
    assert indices == [0, 1, 2]
    indices, again = asked(3)
    assert indices == []
    assert first.equals(again)
    indices, more = asked(4)
    assert indices == [3]
    assert more[:3].equals(first)
    (tmp_path / first["file"][1]).unlink()
    indices, repaired = asked(4)
    assert indices == [1]
    assert repaired.equals(more)
    assert asked(3, seed=1)[0] == [0, 1, 2]


def test_a_finished_mesh_is_on_disk_before_the_next_one_is(tmp_path: Path) -> None:
    generator, on_disk = Scripted([(box_tokens([1, 0.5, 0.3]), True)] * 3), []

    def look(done: int, _: int) -> None:
        lines = (tmp_path / "generated.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        assert all(read_mesh(tmp_path / row["file"]).faces.shape == (12, 3) for row in rows)
        on_disk.append((done, [row["name"] for row in rows]))

    table = generate_meshes(generator, CONFIG, conditions(3), tmp_path, batch_size=1, on_progress=look)
    assert on_disk == [(1, ["box 0"]), (2, ["box 0", "box 1"]), (3, ["box 0", "box 1", "box 2"])]
    assert not (tmp_path / "generated.jsonl").exists()
    seconds = json.loads((tmp_path / "timings.json").read_text())
    assert seconds == dict.fromkeys(table["file"], 0.1)


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.training import test_generation as test

def kill(done, total):
    if done == 6:
        os.kill(os.getpid(), signal.SIGKILL)

test.generate_boxes(Path(sys.argv[1]), kill)
"""


def generate_boxes(out: Path, on_progress: Callable[[int, int], None] | None = None) -> None:
    given = conditions(8)
    generate_meshes(
        random_generator(),
        CONFIG,
        given,
        out,
        temperature=1.0,
        max_tokens=50,
        batch_size=3,
        on_progress=on_progress,
    )


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    generate_boxes(whole)
    child = subprocess.run([sys.executable, "-c", KILLED, str(killed)], cwd=REPOSITORY, check=False)
    assert child.returncode == -signal.SIGKILL
    assert not (killed / "generated.parquet").exists()
    written = {path.name: path.stat().st_mtime_ns for path in killed.glob("*.glb")}
    assert 1 <= len(written) <= 6
    generate_boxes(killed)
    assert {path.name for path in killed.iterdir()} == {path.name for path in whole.iterdir()}
    for path in whole.iterdir():
        assert path.name == "timings.json" or (killed / path.name).read_bytes() == path.read_bytes()
    for name, time_ns in written.items():
        assert (killed / name).stat().st_mtime_ns == time_ns, "a mesh that has a row is not written again"


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


def test_the_digest_sees_every_weight() -> None:
    generator = random_generator()
    before = weights_digest(generator.networks)
    assert before == weights_digest(random_generator().networks)
    with torch.no_grad():
        generator.network.head.bias[3] += 1e-3
    assert weights_digest(generator.networks) != before


def test_a_draft_is_part_of_what_a_row_is_made_from(tmp_path: Path) -> None:
    generator, given = random_generator(), conditions(3)
    torch.manual_seed(1)
    smaller = generator_of(SilksongModel(CONFIG.model.model_copy(update={"width": 16})).eval())

    def generate(folder: str, **options: Any) -> pl.DataFrame:
        return generate_meshes(generator, CONFIG, given, tmp_path / folder, max_tokens=40, **options)

    plain = generate("plain", temperature=0.0)
    greedy = generate("plain", temperature=0.0, draft=Draft(smaller, 3))
    assert greedy["tokens"].equals(plain["tokens"])
    assert set(greedy["fingerprint"]).isdisjoint(plain["fingerprint"])
    drawn = generate("drawn", temperature=1.0, draft=Draft(smaller, 3))
    assert drawn["status"].is_in(["valid", "empty"]).all()
    one_by_one = generate("one", temperature=1.0, draft=Draft(smaller, 3), batch_size=1)
    assert one_by_one.equals(drawn)
    with pytest.raises(ValueError, match="sees no more"):
        generate("other", draft=Draft(generator_with_points(2 * CONFIG.model.encoder.points)))


def generator_with_points(points: int) -> SilksongGenerator:
    encoder = CONFIG.model.encoder.model_copy(update={"points": points})
    return generator_of(SilksongModel(CONFIG.model.model_copy(update={"encoder": encoder})))

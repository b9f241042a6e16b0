"""A comparison counts what the tokenizers really give, and loses no file."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import tokenizer_rs
import trimesh

from pipelines import tokenizer_trials
from pipelines.normalizing import normalize
from pipelines.reading import read_mesh
from pipelines.reasons import Reason
from pipelines.settings import WorkerLimits
from pipelines.tables import ComparedMeshes, TokenizerSummary, TokenizerTimes, TokenizerTrials, validate
from pipelines.tokenizer_comparison import available, compare_tokenizers, folder_files
from pipelines.tokenizer_trials import TOKENIZERS, try_tokenizer
from pipelines.tokenizers import TokenizerError

NAMES = available(128)
ONE_WORKER = WorkerLimits(workers=1)
TABLES = {
    "meshes": ComparedMeshes,
    "trials": TokenizerTrials,
    "times": TokenizerTimes,
    "summary": TokenizerSummary,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three good meshes, one that Silksong refuses, and three files that give none."""
    root = tmp_path_factory.mktemp("meshes")
    (root / "round").mkdir()
    trimesh.creation.torus(2.0, 0.7, major_sections=12, minor_sections=8).export(root / "round" / "torus.obj")
    trimesh.creation.icosphere(2).export(root / "round" / "sphere.ply")
    trimesh.creation.box().export(root / "box.stl")
    (root / "triangle.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (root / "page.stl").write_bytes(b"<html>not found</html>")
    (root / "point.obj").write_text("v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n")
    (root / "scene.fbx").write_bytes(b"Kaydara FBX Binary")
    return root


@pytest.fixture(scope="module")
def out(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("comparison")
    compare_tokenizers(folder_files(folder), out, limits=ONE_WORKER)
    return out


def repaired(path: Path, resolution: int = 128) -> tokenizer_rs.Repaired:
    mesh = read_mesh(path, path.suffix[1:])
    return tokenizer_rs.repair(normalize(mesh.vertices), mesh.faces, resolution=resolution)


def test_every_file_is_a_row(out: Path) -> None:
    meshes = pl.read_parquet(out / "meshes.parquet")
    assert dict(meshes.select("file", "reason").iter_rows()) == {
        "box.stl": None,
        "page.stl": Reason.NOT_A_MESH,
        "point.obj": Reason.ZERO_EXTENT,
        "round/sphere.ply": None,
        "round/torus.obj": None,
        "scene.fbx": Reason.UNSUPPORTED_FORMAT,
        "triangle.obj": None,
    }
    assert meshes["file"].is_sorted()
    assert meshes.filter(pl.col("file") == "box.stl")["n_vertices"].item() == 8
    for name, schema in TABLES.items():
        validate(schema, pl.read_parquet(out / f"{name}.parquet"))


def test_a_refused_mesh_is_a_row_with_its_code(out: Path) -> None:
    trials = pl.read_parquet(out / "trials.parquet")
    assert trials.height == 4 * len(NAMES)
    refused = trials.filter(tokenizer="silksong-reference", file="triangle.obj").row(0, named=True)
    assert (refused["code"], refused["n_tokens"], refused["is_exact"]) == ("NO_VALID_COMPONENT", None, None)
    summary = pl.read_parquet(out / "summary.parquet").filter(
        tokenizer="silksong-reference", meshes="accepted"
    )
    assert (summary["n_meshes"].item(), summary["n_refused"].item()) == (3, 1)


@pytest.mark.parametrize("name", NAMES)
def test_the_summary_is_what_the_tokenizer_gives(out: Path, folder: Path, name: str) -> None:
    tokenizer = TOKENIZERS[name](128)
    sequences, faces, nominal, ratios = [], 0, 0.0, []
    for file in ("box.stl", "round/sphere.ply", "round/torus.obj", "triangle.obj"):
        mesh = repaired(folder / file)
        try:
            tokens = tokenizer.encode(mesh.vertices, mesh.faces).tokens
        except tokenizer_rs.MeshError:
            continue
        sequences.append(tokens)
        faces += len(mesh.faces)
        nominal += tokenizer.nominal_bits(tokens)
        ratios.append(len(tokens) / (9 * len(mesh.faces)))
    row = (
        pl.read_parquet(out / "summary.parquet").filter(tokenizer=name, meshes="accepted").row(0, named=True)
    )
    n_tokens = sum(map(len, sequences))
    assert (row["n_faces"], row["n_tokens"], row["n_meshes"]) == (faces, n_tokens, len(sequences))
    expected = {
        "tokens_per_face": n_tokens / faces,
        "ratio_pooled": n_tokens / faces / 9,
        "ratio_mean": sum(ratios) / len(ratios),
        "vocabulary_bits_per_face": n_tokens * math.log2(tokenizer.vocab_size) / faces,
        "nominal_bits_per_face": nominal / faces,
        "order_0_bits_per_face": tokenizer_rs.adaptive_bits(sequences, tokenizer.vocab_size, 0) / faces,
        "order_2_bits_per_face": tokenizer_rs.adaptive_bits(sequences, tokenizer.vocab_size, 2) / faces,
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    assert row["nominal_bits_per_face"] < row["vocabulary_bits_per_face"]


def test_the_same_meshes_give_the_same_bytes(out: Path, folder: Path, tmp_path: Path) -> None:
    files = folder_files(folder)
    compare_tokenizers(files[::-1], tmp_path, limits=WorkerLimits(workers=2))
    names = sorted(path.name for path in out.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    assert len(names) == 7
    for name in names:
        if name != "times.parquet":
            assert (tmp_path / name).read_bytes() == (out / name).read_bytes(), name


def test_the_table_for_people_names_tokenizers_and_reasons(out: Path) -> None:
    text = (out / "comparison.md").read_text()
    for name in NAMES:
        assert f"| {name} |" in text
    assert "silksong-reference refused NO_VALID_COMPONENT 1" in text
    assert "3 files gave no mesh: NOT_A_MESH 1, UNSUPPORTED_FORMAT 1, ZERO_EXTENT 1" in text


def test_meshes_that_all_accept_are_summed_up_apart(out: Path) -> None:
    summary = pl.read_parquet(out / "summary.parquet")
    accepted, common = (
        summary.filter(meshes=name, tokenizer="edgerunner") for name in ("accepted", "common")
    )
    assert (accepted["n_meshes"].item(), common["n_meshes"].item()) == (4, 3)
    assert accepted["n_faces"].item() - common["n_faces"].item() == 1
    assert set(summary.filter(meshes="common")["n_faces"]) == {common["n_faces"].item()}
    assert "The 3 meshes that every tokenizer accepts:" in (out / "comparison.md").read_text()


def test_without_nominal_bits_they_are_null(folder: Path, tmp_path: Path) -> None:
    report = compare_tokenizers(
        folder_files(folder), tmp_path, 64, ["silksong-reference"], with_nominal_bits=False, limits=ONE_WORKER
    )
    assert report.summary["nominal_bits_per_face"].null_count() == report.summary.height
    assert report.resolution == 64


class _Changing:
    """A tokenizer whose decoder does something to the faces."""

    vocab_size = 10

    def __init__(self, change: Any):
        self.change = change

    def encode(self, vertices: np.ndarray, faces: np.ndarray) -> Any:
        self.mesh = vertices, faces
        return type("Encoding", (), {"tokens": np.arange(5, dtype=np.int32)})()

    def decode(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.change(*self.mesh)

    def nominal_bits(self, tokens: np.ndarray) -> float:
        raise _error()


def _error(*_: object) -> Exception:
    with pytest.raises(tokenizer_rs.MeshError) as caught:
        tokenizer_rs.Silksong().nominal_bits([1])
    return caught.value


def _renumbered(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same triangles: every corner a vertex of its own, corners and faces in another order."""
    turned = np.roll(faces[::-1], 1, axis=1)
    return vertices[turned].reshape(-1, 3), np.arange(turned.size).reshape(-1, 3)


CHANGES = {
    "renumbered": (_renumbered, True, True),
    "one face turned": (lambda v, f: (v, np.concatenate([f[:1, ::-1], f[1:]])), False, True),
    "one face lost": (lambda v, f: (v, f[1:]), False, False),
    "one face twice": (lambda v, f: (v, f[[*range(len(f)), 0]]), False, False),
    "one vertex moved": (lambda v, f: (v + (np.arange(len(v)) == 0)[:, None] / 64, f), False, False),
    "nothing left": (lambda v, f: (v[:0], f[:0]), False, False),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_what_comes_back_is_held_against_the_mesh(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    function, is_exact, is_same = CHANGES[change]
    monkeypatch.setitem(tokenizer_trials.TOKENIZERS, change, lambda _: _Changing(function))
    trial = try_tokenizer(change, *repaired_box(), 128)
    assert (trial.is_exact, trial.is_same_triangles, trial.code) == (is_exact, is_same, None)
    assert trial.nominal_bits is None
    assert "not allowed by its grammar" in str(trial.message)


def test_tokens_that_do_not_decode_are_not_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise _error()

    monkeypatch.setitem(tokenizer_trials.TOKENIZERS, "failing", lambda _: _Changing(fail))
    trial = try_tokenizer("failing", *repaired_box(), 128, with_nominal_bits=False)
    assert (trial.is_exact, trial.is_same_triangles, trial.decode_seconds) == (False, False, None)
    assert "do not decode" in str(trial.message)


def repaired_box() -> tuple[np.ndarray, np.ndarray]:
    box = trimesh.creation.box()
    mesh = tokenizer_rs.repair(box.vertices, box.faces, resolution=128)
    return mesh.vertices, mesh.faces


def test_a_sample_is_always_the_same(folder: Path) -> None:
    files = folder_files(folder)
    sampled = folder_files(folder, sample=3)
    assert len(sampled) == 3
    assert sampled == folder_files(folder, sample=3)
    assert [file for file in files if file in sampled] == sampled
    assert {file.name for file in folder_files(folder, sample=2)} < {file.name for file in sampled}
    assert folder_files(folder, sample=100) == files


def test_what_cannot_be_compared_is_an_error(folder: Path, tmp_path: Path) -> None:
    files = folder_files(folder)
    with pytest.raises(ValueError, match="choose from face-sequence"):
        compare_tokenizers(files, tmp_path, tokenizers=["bpt"])
    with pytest.raises(ValueError, match="choose from face-sequence"):
        compare_tokenizers(files, tmp_path, tokenizers=[])
    with pytest.raises(TokenizerError, match="resolution"):
        compare_tokenizers(files, tmp_path, resolution=1, tokenizers=["edgerunner"])
    with pytest.raises(ValueError, match="not a folder"):
        folder_files(folder / "absent")
    with pytest.raises(ValueError, match="holds no mesh"):
        folder_files(tmp_path)
    broken = [file for file in files if file.name == "page.stl"]
    with pytest.raises(ValueError, match=r"meshes\.parquet"):
        compare_tokenizers(broken, tmp_path, limits=ONE_WORKER)
    assert pl.read_parquet(tmp_path / "meshes.parquet")["reason"].to_list() == [Reason.NOT_A_MESH]

"""The command line as a user types it, in a process of its own where exit codes matter."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tokenizer_rs
import trimesh

from meshloom.demonstration import demo_sources
from training.config import load_config


def meshloom(*arguments: str | int | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "meshloom", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture
def torus(tmp_path: Path) -> Path:
    path = tmp_path / "torus.obj"
    trimesh.creation.torus(2.0, 0.7, major_sections=16, minor_sections=8).export(path)
    return path


def test_curate_makes_every_table(tmp_path: Path, torus: Path) -> None:
    (tmp_path / "broken.stl").write_bytes(b"<html>not found</html>")
    done = meshloom("curate", f"local:{tmp_path}", "--out", tmp_path / "out", "--preset", "silksong-v00")
    assert done.returncode == 0, done.stderr
    ledger = pl.read_parquet(tmp_path / "out/tables/ledger/**/*.parquet")
    assert {row["uri"].rsplit("/", 1)[1]: row["status"] for row in ledger.iter_rows(named=True)} == {
        "torus.obj": "kept",
        "broken.stl": "rejected",
    }
    assert list((tmp_path / "out/shards").glob("*.tar"))


def test_versions_are_told_apart_published_and_made_again(tmp_path: Path, torus: Path) -> None:
    (tmp_path / "meshes").mkdir()
    torus.rename(tmp_path / "meshes" / "torus.obj")
    data, published = tmp_path / "data", tmp_path / "published"
    for preset in ("silksong-v00", "silksong-v01"):
        done = meshloom("curate", f"local:{tmp_path}/meshes", "--out", data, "--preset", preset)
        assert done.returncode == 0, done.stderr
        done = meshloom("publish", data, "--out", published)
        assert done.returncode == 0, done.stderr
    after = json.loads((data / "manifest.json").read_text())["version"]
    [before] = {path.stem for path in published.glob("*.json")} - {after}

    done = meshloom(
        "diff", before[:10], published / f"{after}.json", "--data", data, "--out", tmp_path / "diff"
    )
    assert done.returncode == 0, done.stderr
    assert "removed kept -> RULE_NEVER, RULE_CHANGED: local:meshes/torus.obj" in done.stdout
    assert pl.read_parquet(tmp_path / "diff/changes.parquet").height == 1
    done = meshloom("rebuild", published / f"{before}.json", tmp_path / "again")
    assert done.returncode == 1
    assert "give each with --source, in this order: local:meshes" in done.stderr
    done = meshloom(
        "rebuild", published / f"{before}.json", tmp_path / "again", "--source", f"local:{tmp_path}/meshes"
    )
    assert done.returncode == 0, done.stderr
    assert f"equal: version {before}" in done.stdout


def test_duplicates_tells_what_curate_found(tmp_path: Path, torus: Path) -> None:
    mesh = trimesh.load(torus, process=False)
    mesh.apply_transform(trimesh.transformations.rotation_matrix(0.7, [1, 2, 3]))
    mesh.export(tmp_path / "turned.ply")
    assert meshloom("curate", f"local:{tmp_path}", "--out", tmp_path / "out").returncode == 0
    done = meshloom("duplicates", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "1 of 2 meshes are copies (0 by file, 0 by geometry, 1 by near), in 1 clusters" in done.stdout
    assert str(tmp_path / "out/tables/duplicate_pairs.parquet") in done.stdout


def test_tokenize_saves_what_the_tokenizer_gives(tmp_path: Path, torus: Path) -> None:
    done = meshloom("tokenize", torus, "--out", tmp_path / "tokens.npy")
    assert done.returncode == 0, done.stderr
    vertices, _ = tokenizer_rs.Silksong().decode(np.load(tmp_path / "tokens.npy"))
    assert len(vertices) == 16 * 8
    assert "token_length" in done.stdout


def test_config_show_prints_a_whole_that_is_read_back(tmp_path: Path) -> None:
    result = meshloom("config", "show", "demo", "schedule.steps=7")
    assert result.returncode == 0
    (tmp_path / "whole.yaml").write_text(result.stdout)
    assert load_config(tmp_path / "whole.yaml") == load_config("demo", ["schedule.steps=7"])


def test_repair_returns_a_manifold_mesh_in_its_own_place(tmp_path: Path) -> None:
    sheets = trimesh.util.concatenate(
        [
            trimesh.creation.box(),
            trimesh.creation.box(transform=trimesh.transformations.translation_matrix([1, 0, 0])),
        ]
    )
    sheets.merge_vertices()
    sheets.apply_translation([100, 0, 0])
    path, out = tmp_path / "two.stl", tmp_path / "repaired.ply"
    sheets.export(path)
    before = tokenizer_rs.measure(np.asarray(sheets.vertices), np.asarray(sheets.faces))
    assert before["nonmanifold_edges"] > 0
    done = meshloom("repair", path, "--out", out)
    assert done.returncode == 0, done.stderr
    mesh = trimesh.load(out, process=False, force="mesh")
    assert np.abs(mesh.bounds - sheets.bounds).max() < 2 / 1024
    edges = np.sort(mesh.edges, axis=1)
    assert np.unique(edges, axis=0, return_counts=True)[1].max() == 2


def test_inspect_writes_a_picture_and_a_page(tmp_path: Path, torus: Path) -> None:
    hostile = torus.rename(tmp_path / "[red]a<b>&'.obj")
    done = meshloom("inspect", hostile, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "silksong/block_offset/128/extended" in done.stdout
    assert hostile.name in done.stdout
    assert (tmp_path / "out/inspection.png").read_bytes().startswith(b"\x89PNG")
    assert "[red]a&lt;b&gt;&amp;&#39;.obj" in (tmp_path / "out/inspection.html").read_text()


def test_inspect_without_a_folder_writes_nothing(tmp_path: Path, torus: Path) -> None:
    done = meshloom("inspect", torus, "--resolution", "256")
    assert done.returncode == 0, done.stderr
    assert "silksong/xyz/256/extended" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == [torus.name]


def test_compare_tokenizers_says_what_it_found_and_where(tmp_path: Path, torus: Path) -> None:
    trimesh.creation.icosphere(1).export(tmp_path / "sphere.ply")
    (tmp_path / "broken.stl").write_bytes(b"<html>not found</html>")
    out = tmp_path / "comparison"
    done = meshloom(
        "compare-tokenizers",
        tmp_path,
        "--out",
        out,
        "--resolution",
        64,
        "--tokenizers",
        "edgerunner,silksong-reference",
        "--no-nominal",
    )
    assert done.returncode == 0, done.stderr
    for told in (
        "2 meshes",
        "grid 64",
        "edgerunner",
        "silksong-reference",
        "us/face to decode",
        "NOT_A_MESH 1",
        f"{out}/comparison.md",
    ):
        assert told in done.stdout
    trials = pl.read_parquet(out / "trials.parquet")
    assert trials.select("file", "tokenizer").rows() == [
        (file, tokenizer)
        for file in ("sphere.ply", "torus.obj")
        for tokenizer in ("edgerunner", "silksong-reference")
    ]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("curate", "nowhere:x", "--out", "OUT"), "nowhere"),
        (("curate", "local:OUT/absent", "--out", "OUT"), "absent"),
        (("curate", "builtin:", "--out", "OUT", "--preset", "silksong-v99"), "silksong-v11"),
        (("train", "demo", "schedule.stepz=1", "--data", "OUT", "--out", "OUT/run"), "schedule.stepz"),
        (("curate", "builtin:", "--out", "OUT", "--licences", "cc0,freeware"), "'freeware' unknown"),
        (("diff", "OUT/a", "OUT/b"), "no folder and no file"),
        (("publish", "OUT", "--out", "OUT/p"), "give a folder of a data set"),
        (("tokenize", "OUT/absent.obj"), "absent.obj"),
        (("duplicates", "OUT/absent"), "absent"),
        (("compare-tokenizers", "OUT/absent"), "absent"),
        (("compare-tokenizers", "OUT", "--tokenizers", "bpt", "--out", "OUT/c"), "no mesh"),
        (("inspect", "OUT/absent.obj"), "absent.obj"),
        (("evaluate", "OUT/absent", "--data", "OUT", "--out", "OUT/e"), "absent"),
    ],
)
def test_a_failure_is_one_line_that_names_the_cause(
    tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = meshloom(*(argument.replace("OUT", str(tmp_path)) for argument in arguments))
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error:")
    assert told in done.stderr


def test_the_demo_takes_the_best_meshes_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHLOOM_SHARED", str(tmp_path))
    assert demo_sources(None) == ["builtin:"]
    (tmp_path / "corpus" / "objaverse").mkdir(parents=True)
    assert demo_sources(None)[0] == f"objaverse:{tmp_path}/corpus/objaverse"
    assert demo_sources(tmp_path) == [f"local:{tmp_path}"]
    with pytest.raises(FileNotFoundError, match="not a folder"):
        demo_sources(tmp_path / "absent")

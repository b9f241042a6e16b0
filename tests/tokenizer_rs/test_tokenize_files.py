"""Many files to one stream of rows."""

import os

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import tokenizer_rs

from pipelines.normalizing import normalize
from tests.shared_data import shared_path

TETRAHEDRON = "v 0 0 0\nv 3 0 0\nv 0 3 0\nv 0 0 3\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n"


def tokenizers():
    return {
        "silksong": tokenizer_rs.Silksong(),
        "edgerunner": tokenizer_rs.EdgeRunner(repair=True),
        "face_sequence": tokenizer_rs.FaceSequence(),
        "loom": tokenizer_rs.Loom(),
        # Another repair at the same resolution, the same at another, and none.
        "without_collinear": tokenizer_rs.Silksong(drop_collinear=True),
        "fine": tokenizer_rs.Loom(resolution=512),
        "as_given": tokenizer_rs.FaceSequence(repair=False),
    }


@pytest.fixture
def files(tmp_path):
    paths = []
    for i in range(9):
        path = tmp_path / f"mesh {i}.obj"
        path.write_text(TETRAHEDRON.replace("3", str(i + 1), 3))
        paths.append(path)
    paths[2] = tmp_path / "missing.obj"
    paths[5].write_text("<html><body>Log in</body></html>")
    # A face on a line, which one tokenizer drops, and a third face on an edge, which the repair cuts.
    paths[4].write_text(TETRAHEDRON + "v 1 0 0\nv 1 2 3\nf 1 5 2\nf 2 1 6\n")
    paths[6].write_text("v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n")
    return paths


def test_a_row_says_what_single_calls_say(files):
    reader = tokenizer_rs.tokenize_files(files, tokenizers(), rows_per_batch=4)
    assert isinstance(reader, pa.RecordBatchReader)
    table = reader.read_all()
    table.validate(full=True)
    rows = table.to_pylist()
    assert [row["path"] for row in rows] == [str(path) for path in files]
    codes = {i: row["code"] for i, row in enumerate(rows) if row["code"]}
    assert codes == {2: "UNREADABLE_FILE", 5: "NOT_A_MESH", 6: "ZERO_EXTENT"}
    for path, row in zip(files, rows, strict=True):
        if row["code"]:
            assert row["message"]
            assert all(row[name] is None for name in ["topology", *tokenizers()])
            continue
        mesh = tokenizer_rs.read_mesh(path)
        vertices = normalize(mesh.vertices)
        counts = tokenizer_rs.measure(mesh.vertices, mesh.faces)
        assert dict(row["topology"]) == {name: counts[name] for name in dict(row["topology"])}
        for name, tokenizer in tokenizers().items():
            encoding = tokenizer.encode(vertices, mesh.faces)
            assert row[name]["tokens"] == encoding.tokens.tolist()
            assert row[name]["exact"] is encoding.exact
            assert row[name]["code"] is None
            assert row[name]["n_vertices"] == len(encoding.vertices)
            assert row[name]["n_faces"] == len(encoding.faces)
            statistics = dict(row[name]["statistics"])
            assert statistics == {key: encoding.statistics[key] for key in statistics}
    both = rows[4]["silksong"], rows[4]["without_collinear"]
    assert [row["n_faces"] for row in both] == [6, 5]


def test_batches_have_the_size_asked_for_and_one_schema(files):
    reader = tokenizer_rs.tokenize_files(files, tokenizers(), rows_per_batch=4)
    batches = list(reader)
    assert [batch.num_rows for batch in batches] == [4, 4, 1]
    assert all(batch.schema == reader.schema for batch in batches)
    assert tokenizer_rs.tokenize_files([], tokenizers()).read_all().schema == reader.schema


def test_the_number_of_threads_changes_nothing():
    corpus = shared_path("corpus")
    paths = sorted(corpus.glob("objaverse/hf-objaverse-v1/glbs/000-00*/*.glb"))[::40]
    assert len(paths) > 30
    one, two = (tokenizer_rs.tokenize_files(paths, tokenizers(), threads=n).read_all() for n in (1, 2))
    assert one.equals(two)
    assert pl.from_arrow(one).get_column("code").null_count() == len(paths)


def test_hostile_names_and_limits(tmp_path):
    names = ["日本語.obj", "-rf.obj", "a;b&c'.obj", "trailing..obj", "é" * 60 + ".obj"]
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.write_text(TETRAHEDRON)
    rows = tokenizer_rs.tokenize_files(paths, tokenizers()).read_all().to_pylist()
    assert [row["code"] for row in rows] == [None] * len(names)
    rows = tokenizer_rs.tokenize_files(paths[:1], {}, bytes_per_item=3_000).read_all().to_pylist()
    assert rows[0]["code"] == "TOO_MANY_FACES_RAW"
    rows = tokenizer_rs.tokenize_files([tmp_path], {}).read_all().to_pylist()
    assert rows[0]["code"] is not None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_that_nobody_writes_to_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.obj")
    rows = tokenizer_rs.tokenize_files([tmp_path / "pipe.obj"], {}, seconds_per_item=5).read_all().to_pylist()
    assert rows[0]["code"] == "UNREADABLE_FILE"


@pytest.mark.parametrize(
    "options",
    [{"threads": 0}, {"seconds_per_item": 0.0}, {"seconds_per_item": np.nan}, {"rows_per_batch": 0}],
)
def test_impossible_options(options):
    with pytest.raises(tokenizer_rs.MeshError) as caught:
        tokenizer_rs.tokenize_files([], tokenizers(), **options)
    assert caught.value.code == "INVALID_INPUT"


def test_a_tokenizer_may_not_be_named_like_a_column():
    with pytest.raises(tokenizer_rs.MeshError, match="column"):
        tokenizer_rs.tokenize_files([], {"path": tokenizer_rs.Silksong()})

"""Batches say the same as single calls, and a bad mesh is a row."""

import threading

import numpy as np
import pyarrow as pa
import pytest
import tokenizer_rs

from tests.tokenizer_rs.meshes import box

GOOD = [box(high=(0.5, 0.1 * i, 0.5)) for i in range(1, 8)]
MESHES = [*GOOD[:3], (GOOD[0][0] * 5, GOOD[0][1]), *GOOD[3:], (GOOD[0][0], [[0, 1, 99]]), "not a mesh"]


@pytest.fixture(params=["block_offset", "xyz"])
def tokenizer(request):
    return tokenizer_rs.Silksong(vertex_mode=request.param)


def test_a_batch_says_what_single_calls_say(tokenizer):
    batch = tokenizer.encode_batch(MESHES)
    assert isinstance(batch, pa.RecordBatch)
    batch.validate(full=True)
    assert batch.schema.field("tokens").type == pa.list_(pa.int32())
    assert batch.column("index").to_pylist() == list(range(len(MESHES)))
    for mesh, row in zip(MESHES, batch.to_pylist(), strict=True):
        try:
            encoding = tokenizer.encode(*mesh)
        except tokenizer_rs.MeshError as error:
            assert (row["code"], row["message"]) == (error.code, str(error))  # noqa: PT017
            assert row["tokens"] is None
            assert row["n_faces"] is row["exact"] is row["statistics"] is None
        except TypeError:
            assert row["code"] == "INVALID_INPUT"
        else:
            assert (row["code"], row["message"]) == (None, None)
            assert row["tokens"] == encoding.tokens.tolist()
            assert (row["n_tokens"], row["n_faces"]) == (len(encoding.tokens), len(encoding.faces))
            assert row["n_vertices"] == len(encoding.vertices)
            assert row["exact"] is encoding.exact
            counts = dict(row["statistics"])
            assert len(counts) >= 26
            assert counts == {name: encoding.statistics[name] for name in counts}


def test_only_the_bad_rows_have_a_code(tokenizer):
    codes = tokenizer.encode_batch(MESHES).column("code").to_pylist()
    assert [i for i, code in enumerate(codes) if code] == [3, 8, 9]
    assert {code for code in codes if code} == {"INVALID_INPUT"}


def test_the_number_of_threads_changes_nothing(tokenizer):
    one, two = (tokenizer.encode_batch(MESHES, threads=n) for n in (1, 2))
    assert one.equals(two)
    assert one.equals(tokenizer.encode_batch(MESHES))


@pytest.mark.parametrize("threads", [0, 5000])
def test_an_impossible_number_of_threads(tokenizer, threads):
    with pytest.raises(tokenizer_rs.MeshError, match="threads"):
        tokenizer.encode_batch(MESHES, threads=threads)


def test_an_empty_batch(tokenizer):
    batch = tokenizer.encode_batch([])
    assert batch.num_rows == 0
    assert batch.schema.equals(tokenizer.encode_batch(MESHES).schema)
    assert tokenizer.decode_batch([]) == []


def test_decoding_a_batch(tokenizer):
    sequences = [tokenizer.encode(*mesh).tokens for mesh in GOOD]
    sequences.insert(2, np.array([1, 0]))
    for threads in (None, 1, 2):
        results = tokenizer.decode_batch(sequences, threads=threads)
        assert isinstance(results[2], tokenizer_rs.MeshError)
        assert results[2].code == "INVALID_TOKENS"
        for i in (0, 1, 3, 7):
            vertices, faces = tokenizer.decode(sequences[i])
            np.testing.assert_array_equal(results[i][0], vertices)
            np.testing.assert_array_equal(results[i][1], faces)


def test_other_threads_run_during_a_batch(tokenizer):
    ticks, done = [0], threading.Event()

    def tick():
        while not done.is_set():
            ticks[0] += 1

    side = np.linspace(-0.9, 0.9, 60)
    grid = np.stack([*np.meshgrid(side, side), np.zeros((60, 60))], axis=-1).reshape(-1, 3)
    i = np.arange(59)[:, None] * 60 + np.arange(59)
    faces = np.stack([i, i + 1, i + 61], axis=-1).reshape(-1, 3)
    meshes = [(grid, faces)] * 40
    before_call = []
    thread = threading.Thread(target=tick)
    thread.start()
    try:
        before_call.append(ticks[0])
        tokenizer.encode_batch(meshes, threads=1)
        after_call = ticks[0]
    finally:
        done.set()
        thread.join()
    assert after_call - before_call[0] > 1000

"""Loom: exact on the corpus, short, canonical, and as documented."""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tokenizer_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.normalizing import normalize
from pipelines.reading import read_mesh
from tests.shared_data import shared_path
from tests.tokenizer_rs.meshes import box
from tests.tokenizer_rs.soups import shuffled, soups, triangles

SCHEMES = ("valence", "deferred")
RESOLUTIONS = (128, 256, 512, 1024)
EVERY = 10
"""The fast tests look at one corpus mesh in so many."""

BOUNDS = {
    ("valence", 128): 0.093,
    ("valence", 256): 0.105,
    ("valence", 512): 0.12,
    ("valence", 1024): 0.155,
    ("deferred", 128): 0.105,
    ("deferred", 256): 0.116,
    ("deferred", 512): 0.129,
    ("deferred", 1024): 0.167,
}
"""Most tokens over nine coordinates of each face, pooled, with the built-in table."""

PAGE = Path(__file__).parents[2] / "docs" / "loom-1.md"


@cache
def corpus(every=EVERY, first=0):
    """Normalised non-messy corpus meshes of 50 to 2,500 faces, by path."""
    folder = shared_path("corpus")
    rows = pl.read_parquet(folder / "manifest.parquet").filter(
        (pl.col("set") != "messy") & pl.col("faces").is_between(50, 2500)
    )
    meshes = []
    for path, kind in rows.sort("path").select("path", "format").rows()[first::every]:
        mesh = read_mesh(folder / path, kind)
        meshes.append((normalize(mesh.vertices), mesh.faces))
    return meshes


def encoded(tokenizer, meshes):
    batch = tokenizer.encode_batch(meshes).select(["code", "tokens", "n_faces", "exact"])
    rows = batch.to_pylist()
    assert all(row["code"] is None or row["code"] == "" for row in rows), [row["code"] for row in rows]
    assert all(row["exact"] for row in rows)
    return rows


def length(rows):
    return sum(len(row["tokens"]) for row in rows) / sum(9 * row["n_faces"] for row in rows)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_corpus_sample_is_exact_and_short(scheme, resolution):
    tokenizer = tokenizer_rs.Loom(resolution, scheme)
    assert tokenizer.vocab_size <= 10_000
    rows = encoded(tokenizer, corpus())
    assert length(rows) <= BOUNDS[scheme, resolution]


@pytest.mark.slow
@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_whole_corpus_is_exact_and_short(scheme, resolution):
    tokenizer = tokenizer_rs.Loom(resolution, scheme)
    assert length(encoded(tokenizer, corpus(1))) <= BOUNDS[scheme, resolution]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_decoding_gives_the_triangles_of_the_repaired_mesh(scheme):
    tokenizer = tokenizer_rs.Loom(scheme=scheme)
    for vertices, faces in corpus()[:12]:
        encoding = tokenizer.encode(vertices, faces)
        repaired = tokenizer_rs.repair(vertices, faces, resolution=128)
        expected = triangles(repaired.vertices, repaired.faces)
        assert triangles(*tokenizer.decode(encoding.tokens)) == expected
        assert sorted(encoding.face_order.tolist()) == list(range(len(expected)))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_grammar_allows_what_the_encoder_writes(scheme):
    tokenizer = tokenizer_rs.Loom(256, scheme)
    for vertices, faces in corpus()[::6]:
        grammar = tokenizer.grammar()
        for token in tokenizer.encode(vertices, faces).tokens[:400]:
            assert grammar.allowed()[token]
            grammar.advance(int(token))


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=150, deadline=None)
@given(soup=soups, seed=st.integers(0, 2**32 - 1))
def test_a_soup_is_exact_whatever_its_order(scheme, soup, seed):
    tokenizer = tokenizer_rs.Loom(scheme=scheme)
    try:
        encoding = tokenizer.encode(*soup)
    except tokenizer_rs.MeshError as error:
        assert error.code == "NO_VALID_COMPONENT"  # noqa: PT017
        return
    assert encoding.exact
    again = tokenizer.encode(*shuffled(*soup, seed))
    assert again.tokens.tolist() == encoding.tokens.tolist()


def test_the_order_of_the_input_does_not_matter():
    tokenizer = tokenizer_rs.Loom(512)
    for seed, (vertices, faces) in enumerate(corpus()[::5]):
        given_order = tokenizer.encode(vertices, faces).tokens
        other_order = tokenizer.encode(*shuffled(vertices, faces, seed)).tokens
        assert np.array_equal(given_order, other_order)


def test_threads_do_not_matter():
    tokenizer = tokenizer_rs.Loom()
    one, two = (tokenizer.encode_batch(corpus(), threads=n) for n in (1, 2))
    assert one.equals(two)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_malformed_sequences_are_refused_by_position(scheme):
    tokenizer = tokenizer_rs.Loom(scheme=scheme)
    good = tokenizer.encode(*box()).tokens.tolist()
    size = tokenizer.vocab_size
    for position, token in [(0, 0), (0, size - 1), (1, good[0]), (1, size - 1), (len(good), good[1])]:
        bad = [*good[:position], token]
        with pytest.raises(tokenizer_rs.MeshError, match=f"token {position}") as info:
            tokenizer.decode(bad)
        assert info.value.code == "INVALID_TOKENS"
    for end in (size, size + 1, -1, 2**40):
        vertices, faces = tokenizer.decode([*good, end, 3, 3])
        assert triangles(vertices, faces) == triangles(*tokenizer.decode(good))


@settings(max_examples=300, deadline=None)
@given(tokens=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 9900), max_size=60))
def test_decoding_takes_any_integers(tokens):
    for scheme in SCHEMES:
        try:
            tokenizer_rs.Loom(scheme=scheme).decode(tokens)
        except tokenizer_rs.MeshError as error:
            assert error.code == "INVALID_TOKENS"  # noqa: PT017


def test_learned_slots_and_merges_shorten_other_meshes(tmp_path):
    train, test = corpus(), corpus(first=EVERY // 2)
    table = tokenizer_rs.learn_slots(train, 128, "valence", 400)
    assert len(table) == 400
    table.save(tmp_path / "slots.json")
    assert tokenizer_rs.SlotTable.load(tmp_path / "slots.json") == table
    cut = json.loads(tokenizer_rs.SlotTable.structured("valence", 128).to_json())
    cut["slots"] = cut["slots"][:400]
    plain = tokenizer_rs.Loom(slots=tokenizer_rs.SlotTable.from_json(json.dumps(cut)))
    learned = tokenizer_rs.Loom(slots=tmp_path / "slots.json")
    assert learned.slots == table
    sequences = [row["tokens"] for row in encoded(learned, train)]
    merges = tokenizer_rs.Merges.learn(sequences, learned.vocab_size, 300)
    merges.save(tmp_path / "merges.json")
    merged = tokenizer_rs.Loom(slots=table, merges=tmp_path / "merges.json")
    assert merged.vocab_size == learned.vocab_size + 300
    assert merged.merges == merges
    assert plain.vocab_size == learned.vocab_size
    lengths = [length(encoded(tokenizer, test)) for tokenizer in (plain, learned, merged)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[2] <= 0.09


def test_tables_and_merges_of_another_tokenizer_are_refused():
    table = tokenizer_rs.SlotTable.structured("valence", 128)
    for resolution, scheme in [(256, "valence"), (128, "deferred")]:
        with pytest.raises(tokenizer_rs.MeshError, match="made for scheme") as info:
            tokenizer_rs.Loom(resolution, scheme, slots=table)
        assert info.value.code == "INVALID_INPUT"
    merges = tokenizer_rs.Merges.learn([[1, 2, 1, 2]], 7, 1)
    with pytest.raises(tokenizer_rs.MeshError):
        tokenizer_rs.Loom(merges=merges)
    for arguments in [(100,), (128, "both"), (128, "valence", "missing.json")]:
        with pytest.raises(tokenizer_rs.MeshError):
            tokenizer_rs.Loom(*arguments)


@pytest.mark.parametrize(("scheme", "letter"), [("valence", "V"), ("deferred", "D")])
def test_the_documented_example_is_right(scheme, letter):
    tokenizer = tokenizer_rs.Loom(scheme=scheme)
    text = PAGE.read_text(encoding="utf-8").split("## Worked example")[1].split("## Measured")[0]
    positions = np.array(json.loads(re.search(r"positions (\[\[.*?\]\])", text)[1]))
    faces = np.array(json.loads(re.search(r"faces (\[\[.*?\]\])", text)[1]))
    rows = re.findall(rf"^\| {letter} \| (\d+) \| (.*?) \|", text, re.MULTILINE)
    tokens = [int(token) for token, _ in rows]
    encoding = tokenizer.encode((positions + 0.5) / 64 - 1, faces)
    assert encoding.tokens.tolist() == tokens
    for token, description in rows:
        assert tokenizer.describe(int(token)) == description
    decoded, _ = tokenizer.decode(tokens)
    assert len(decoded) == len(positions)

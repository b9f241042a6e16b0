"""The extended level of Silksong on the development corpus: every mesh is taken and comes back."""

import numpy as np
import polars as pl
import pytest
import tokenizer_rs

from pipelines.normalizing import normalize
from pipelines.reading import read_mesh
from tests.shared_data import shared_path
from tests.tokenizer_rs.meshes import box
from tests.tokenizer_rs.test_silksong_golden import check_manifold

EVERY = 40
SHARE_EXACT = 1.0


def corpus(every):
    """Path, normalised vertices and faces of every so many meshes that are not damaged on purpose."""
    manifest = pl.read_parquet(shared_path("corpus", "manifest.parquet"))
    rows = manifest.filter(pl.col("set") != "messy").sort("path")[::every]
    for path, file_format in rows.select("path", "format").iter_rows():
        mesh = read_mesh(shared_path("corpus", *path.split("/")), file_format)
        yield path, normalize(np.asarray(mesh.vertices, dtype=np.float64)), np.asarray(mesh.faces)


def oriented_triangles(positions, faces, resolution=128):
    """Faces as sorted triples of position numbers, each turned to its lowest corner."""
    cells = positions.astype(np.int64) @ [resolution**2, resolution, 1]
    corners = cells[faces]
    first = corners.argmin(axis=1)[:, None]
    turned = np.take_along_axis(corners, (first + np.arange(3)) % 3, axis=1)
    return turned[np.lexsort(turned.T)]


def comes_back(tokenizer, encoding):
    vertices, faces = tokenizer.decode(encoding.tokens)
    positions = np.round((vertices + 1) * 64 - 0.5)
    decoded = oriented_triangles(positions, faces)
    return np.array_equal(decoded, oriented_triangles(encoding.vertices, encoding.faces))


def share_exact(tokenizer, every):
    """Share of exact meshes; what each encoding says of itself must be true."""
    n_exact, n_meshes = 0, 0
    for path, vertices, faces in corpus(every):
        encoding = tokenizer.encode(vertices, faces)
        assert comes_back(tokenizer, encoding) is encoding.exact, path
        assert encoding.exact == (encoding.statistics["n_inexact_components"] == 0), path
        assert sorted(encoding.face_order.tolist()) == list(range(len(encoding.faces)))
        n_exact += encoding.exact
        n_meshes += 1
    return n_exact / n_meshes


def test_a_sample_of_the_corpus_comes_back():
    assert share_exact(tokenizer_rs.Silksong(), EVERY) >= SHARE_EXACT


@pytest.mark.slow
@pytest.mark.parametrize("drop_collinear", [False, True])
def test_the_corpus_comes_back(drop_collinear):
    tokenizer = tokenizer_rs.Silksong(drop_collinear=drop_collinear)
    assert share_exact(tokenizer, 1) >= SHARE_EXACT


def test_published_sequences_decode_to_manifolds():
    reference = tokenizer_rs.Silksong(conformance="reference")
    n_closer = 0
    for _, vertices, faces in corpus(8 * EVERY):
        tokens = reference.encode(vertices, faces).tokens
        _, decoded = tokenizer_rs.Silksong().decode(tokens)
        check_manifold(decoded)
        n_closer += len(decoded) > 0
    assert n_closer > 0


def test_the_published_box_has_the_published_tokens():
    tokens = [
        tokenizer_rs.Silksong(conformance=level).encode(*box()).tokens for level in ("reference", "extended")
    ]
    np.testing.assert_array_equal(*tokens)


def test_inexact_sequences_are_told():
    # A component below the least size is left out, and the encoding says so.
    vertices, faces = box()
    lone = np.array([[0.7, 0.7, 0.7], [0.9, 0.7, 0.7], [0.7, 0.9, 0.7]])
    mesh = np.concatenate([vertices, lone]), np.concatenate([faces, [[8, 9, 10]]])
    tokenizer = tokenizer_rs.Silksong(limits={"min_CC_face": 2})
    encoding = tokenizer.encode(*mesh)
    assert not encoding.exact
    assert not comes_back(tokenizer, encoding)
    assert tokenizer_rs.Silksong().encode(*mesh).exact

"""The quality table holds a row for every mesh that loads, whatever happens, and rules read it."""

import hashlib
import json
import struct
from pathlib import Path

import polars as pl
import pytest
import tokenizer_rs

from pipelines.curation import curate
from pipelines.file_flags import file_flags
from pipelines.measuring import measure
from pipelines.normalizing import normalize, pre_clean
from pipelines.quality import QUANTIZATION_BITS, measure_quality
from pipelines.reading import read_mesh
from pipelines.reasons import Reason
from pipelines.settings import CurationSettings, QualitySettings, WorkerLimits
from pipelines.sources import parse_sources
from pipelines.stages.curated import build_curated
from pipelines.stages.quality import build_quality
from pipelines.storage import DataFolder
from pipelines.tables import QUALITY_GROUPS, Quality, polars_schema, validate
from pipelines.tokenizers import FAMILIES, build_tokenizer, tokenizer_named
from tests.pipelines import quality_meshes, topology_oracle
from tests.pipelines.test_curation import contents
from tests.shared_data import shared_path

SETTINGS = CurationSettings(
    tokenizer={"name": "silksong", "conformance": "reference"},
    preset="silksong-v00",
    duplicates="keep_all",  # some meshes are others, damaged
    limits=WorkerLimits(workers=2),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A data set of one mesh for each reason of a rule."""
    folder = tmp_path_factory.mktemp("quality")
    quality_meshes.write_meshes(folder / "meshes")
    curate([f"local:{folder / 'meshes'}"], folder / "data", SETTINGS)
    return folder


def rejected_by(folder: Path, rule: str, reason: str) -> dict[str, str]:
    """Reasons of the files that a preset of one rule rejects, by their names."""
    preset = folder / "one.yaml"
    rule_text = json.dumps({"keep": rule, "reason": reason, "description": "d"})
    preset.write_text(f"description: one\nrules: [{rule_text}]\n")
    data = DataFolder(folder / "data")
    build_curated(data, SETTINGS.model_copy(update={"preset": str(preset)}))
    ledger = data.scan("ledger").filter(status="rejected").collect()
    return {Path(row["uri"]).stem: row["reason"] for row in ledger.iter_rows(named=True)}


def test_every_reason_of_a_rule_has_a_rule_and_a_mesh():
    reasons = {reason.value for reason in Reason if reason.startswith("RULE_")}
    assert set(quality_meshes.RULES) == reasons
    assert set(quality_meshes.meshes()) == {*reasons, quality_meshes.GOOD}


@pytest.mark.parametrize("reason", quality_meshes.RULES)
def test_each_rule_rejects_its_mesh_for_its_reason(made, reason):
    rejected = rejected_by(made, quality_meshes.RULES[reason], reason)
    assert rejected[reason] == reason
    if reason not in quality_meshes.DROPS_ALL:
        assert quality_meshes.GOOD not in rejected


def test_changing_a_rule_measures_and_tokenises_nothing_again(made):
    data = DataFolder(made / "data")
    before = contents(made / "data")
    report = curate(
        [f"local:{made / 'meshes'}"], made / "data", SETTINGS.model_copy(update={"preset": "default"})
    )
    after = contents(made / "data")
    current = {stage.stage: stage.n_current == stage.n_partitions for stage in report.stages}
    assert {name for name, is_current in current.items() if is_current} >= {
        "raw_meshes", "mesh_table", "quality", "tokens",
    }  # fmt: skip
    assert not current["curated"]
    for stage in ("raw_meshes", "mesh_table", "quality", "tokens"):
        paths = [name for name in before if name.startswith(f"tables/{stage}/")]
        assert paths
        assert {name: before[name] for name in paths} == {name: after[name] for name in paths}
    assert "RULE_FACES" in report.reasons
    assert data.scan("quality").collect().height == len(quality_meshes.meshes())


def test_the_columns_are_those_of_each_mesh_measured_alone():
    corpus = shared_path("corpus")
    rows = pl.read_parquet(corpus / "manifest.parquet").filter(
        (pl.col("set") != "messy") & pl.col("faces").is_between(1, 1500)
    )
    for row in rows.gather_every(rows.height // 12).iter_rows(named=True):
        mesh = read_mesh(corpus / row["path"], row["format"])
        columns = measure_quality(mesh.vertices, mesh.faces, QualitySettings(), 16_000)
        counts = measure(mesh.vertices, mesh.faces)
        assert columns["duplicate_share"] == row["duplicate_faces"] / row["faces"]
        slow = topology_oracle.measure(mesh.vertices, mesh.faces)
        assert columns["degenerate_share"] == slow["degenerate_faces"] / row["faces"]
        is_closed = columns["surface_kind"] in ("solid", "inverted", "twisted")
        assert is_closed == row["watertight"] == counts["watertight"]
        assert (columns["surface_kind"] == "nonmanifold") == row["has_nonmanifold_edges"]
        n_paired = counts["edges"] - counts["boundary_edges"] - counts["nonmanifold_edges"]
        assert columns["winding_consistency"] == pytest.approx(
            1 - counts["inconsistent_edges"] / max(n_paired, 1)
        )
        cleaned = pre_clean(normalize(mesh.vertices), mesh.faces)
        for family in FAMILIES:
            encoding = build_tokenizer(tokenizer_named(family)).encode(*cleaned)
            assert columns[f"{family}_tokens"] == len(encoding.tokens)
            assert columns[f"{family}_exact"] == encoding.exact
        for bits in QUANTIZATION_BITS:
            (damage,) = tokenizer_rs.quantization_damage(mesh.vertices, mesh.faces, [bits])
            assert columns[f"dropped_faces_{bits}bit"] == damage["dropped_faces"]
            assert columns[f"merged_vertices_{bits}bit"] == damage["merged_vertices"]
            assert columns[f"quantization_distance_{bits}bit"] == damage["distance"]
        assert set(columns) | {"code"} <= set(polars_schema(Quality))


def test_a_group_that_is_switched_off_is_null(made, tmp_path):
    data = DataFolder(tmp_path)
    sources = [f"local:{made / 'meshes'}"]
    off = {"quantization": False, "intersections": False, "tokenizers": False}
    curate(sources, tmp_path, SETTINGS.model_copy(update={"quality": QualitySettings(**off)}))
    frame = validate(Quality, data.scan("quality").collect())
    for names in QUALITY_GROUPS.values():
        assert names
        assert all(frame[name].null_count() == frame.height for name in names)
    assert frame["sliver_share"].null_count() == 0
    build_quality(data, SETTINGS, parse_sources(sources))
    full = validate(Quality, data.scan("quality").collect())
    assert full["intersecting_share"].null_count() == full["dropped_faces_7bit"].null_count() == 0


def test_the_limit_of_pairs_leaves_crossings_null():
    vertices, faces = quality_meshes.meshes()["RULE_INTERSECTIONS"]
    measured = measure_quality(vertices, faces, QualitySettings(), 16_000)
    assert 0 < measured["n_intersecting_faces"] < len(faces)
    limited = measure_quality(vertices, faces, QualitySettings(pairs_limit=100), 16_000)
    assert "n_intersecting_faces" not in limited


def test_what_a_tokenizer_refuses_has_a_code():
    vertices, faces = quality_meshes.meshes()["good"]
    assert measure_quality(vertices, faces, QualitySettings(), 127)["loom_code"] == "TOO_MANY_FACES_RAW"
    flat = measure_quality(vertices * 0, faces, QualitySettings(), 16_000)
    assert {flat[f"{family}_code"] for family in FAMILIES} == {"ZERO_EXTENT"}
    assert "merged_vertices_7bit" not in flat
    assert flat["middle_extent_ratio"] is None
    line = measure_quality(vertices * [1, 0, 0], faces, QualitySettings(), 16_000)
    assert line["silksong_code"] == "NO_VALID_COMPONENT"
    assert line["sliver_share"] == 1


def test_a_worker_that_is_stopped_leaves_a_row_with_its_reason(made, tmp_path):
    data = DataFolder(tmp_path)
    sources = [f"local:{made / 'meshes'}"]
    curate(sources, tmp_path, SETTINGS)
    hurried = SETTINGS.model_copy(update={"limits": WorkerLimits(workers=1, seconds_per_item=1e-4)})
    results = build_quality(data, hurried, parse_sources(sources))
    frame = validate(Quality, data.scan("quality").collect())
    assert frame.height == sum(result.n_kept for result in results) == len(quality_meshes.meshes())
    late = frame.filter(code="TIME_LIMIT")
    assert late.height > 0
    assert late["surface_kind"].null_count() == late.height
    assert not list((tmp_path / "tables" / "rejected").glob("quality*"))
    assert all(result.was_current for result in build_quality(data, hurried, parse_sources(sources)))


def glb(document: bytes) -> bytes:
    """A GLB file of one JSON chunk."""
    padded = document + b" " * (-len(document) % 4)
    chunk = struct.pack("<I4s", len(padded), b"JSON") + padded
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunk)) + chunk


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b'{"textures": [{}], "skins": []}', (True, False, False)),
        (b'{"animations": [{}], "skins": [{}]}', (False, True, True)),
        (b'{"name": "\xff", "textures": [{}]}', (True, False, False)),
        (b'{"textures": [{}]}\0\0\0', (True, False, False)),
        (b"[]", (None, None, None)),
        (b"{", (None, None, None)),
        (b"[" * 100_000, (None, None, None)),
    ],
)
def test_flags_of_a_document(document, expected):
    for content, format in ((document, "gltf"), (glb(document), "glb")):
        assert tuple(file_flags(content, format).values()) == expected
    assert tuple(file_flags(glb(document)[:19], "glb").values()) == (None, None, None)


def test_flags_of_other_formats():
    assert tuple(file_flags(b"", "stl").values()) == (False, False, False)
    assert tuple(file_flags(b"", "obj").values()) == (None, False, False)


def test_flags_of_the_corpus_are_those_that_its_files_list():
    corpus = shared_path("corpus")
    rows = pl.read_parquet(corpus / "manifest.parquet").filter(
        (pl.col("format") == "glb") & (pl.col("set") == "objaverse")
    )
    found = set()
    for row in rows.gather_every(40).iter_rows(named=True):
        content = (corpus / row["path"]).read_bytes()
        length = int.from_bytes(content[12:16], "little")
        document = json.loads(content[20 : 20 + length])
        flags = file_flags(content, "glb")
        assert flags == {
            f"has_{name}": bool(document.get(name)) for name in ("textures", "animations", "skins")
        }
        found |= {hashlib.sha256(str(flags).encode()).hexdigest()}
    assert len(found) > 1

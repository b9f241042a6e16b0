"""What a source says of its files without opening them: columns that rules may ask for."""

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.curation import curate
from pipelines.reasons import Stage
from pipelines.settings import CurationSettings, QualitySettings, WorkerLimits
from pipelines.sources.builtin import BuiltinSource
from pipelines.storage import DataFolder

PRESET = """description: by what the source says
rules:
  - {keep: face_count <= 500, reason: RULE_FACES, description: few}
  - {keep: "array_contains(tags, 'chair')", reason: RULE_FACES, description: chairs}
"""
STATED: dict[str, dict[str, Any]] = {
    "a": {
        "name": "a chair \ud800",
        "faceCount": 400,
        "vertexCount": 210,
        "animationCount": 0,
        "archives": {"glb": {"textureCount": 2}},
        "tags": [{"name": "chair"}, {"name": "wood"}],
        "description": "A wooden chair",
    },
    "b": {"faceCount": 501, "tags": [{"name": "chair"}]},
    "c": {"faceCount": 12, "tags": [{"name": "line\nbreak \ud800"}], "description": "half a pair \udc00"},
    "d": {"faceCount": -3, "tags": "chair", "description": ["no text"]},
    "e": {},
}
STAGES = (Stage.RAW_MESHES, Stage.MESH_TABLE, Stage.TOKENS, Stage.CURATED)


@pytest.fixture
def objaverse(tmp_path) -> Path:
    """A folder laid out as Objaverse's, of five meshes."""
    root, source = tmp_path / "objaverse", BuiltinSource()
    (root / "glbs" / "000-000").mkdir(parents=True)
    for letter, file in zip(STATED, source.list_files("chair"), strict=False):
        (root / "glbs" / "000-000" / f"{letter * 32}.glb").write_bytes(source.read_bytes(file))
    (root / "metadata").mkdir()
    annotate(root, STATED)
    (tmp_path / "stated.yaml").write_text(PRESET)
    return root


def annotate(root: Path, stated: dict[str, dict[str, Any]]) -> None:
    content = json.dumps({letter * 32: annotation for letter, annotation in stated.items()})
    (root / "metadata" / "000-000.json.gz").write_bytes(gzip.compress(content.encode()))


def curated(root: Path) -> tuple[DataFolder, dict[str, bool]]:
    """The data set, and whether each stage had nothing to do."""
    settings = CurationSettings(
        preset=str(root.parent / "stated.yaml"),
        limits=WorkerLimits(workers=1),
        quality=QualitySettings(quantization=False, intersections=False, tokenizers=False),
    )
    report = curate([f"objaverse:{root}"], root.parent / "data", settings)
    was_current = {stage.stage: stage.n_current == stage.n_partitions for stage in report.stages}
    return DataFolder(root.parent / "data"), {stage: was_current[stage] for stage in STAGES}


def test_annotations_are_columns_and_rules_ask_for_them(objaverse):
    data, _ = curated(objaverse)
    names = ["face_count", "vertex_count", "texture_count", "animation_count", "tags", "caption"]
    rows = data.scan(Stage.RAW_MESHES).sort("uri").select(names).collect().rows()
    assert rows == [
        (400, 210, 2, 0, ["chair", "wood"], "A wooden chair"),
        (501, None, None, None, ["chair"], None),
        (12, None, None, None, ["line\nbreak ?"], "half a pair ?"),
        (None, None, None, None, None, None),
        (None, None, None, None, None, None),
    ]
    assert data.scan(Stage.CURATED).select("mesh_id", "name").collect().rows() == [("a" * 32, "a chair ?")]
    rejected = pl.read_parquet(data.tables / "rejected" / "curated" / "*" / "*.parquet").sort("uri")
    assert [detail.partition(";")[0] for detail in rejected["detail"]] == [
        "face_count = 501",
        "tags = ['line\\nbreak ?']",
        "face_count = None",
        "face_count = None",
    ]


def test_a_changed_annotation_measures_and_tokenises_nothing_again(objaverse):
    curated(objaverse)
    assert all(curated(objaverse)[1].values())
    annotate(objaverse, {**STATED, "b": {**STATED["b"], "faceCount": 500}})
    data, was_current = curated(objaverse)
    assert was_current == {
        Stage.RAW_MESHES: False,
        Stage.MESH_TABLE: True,
        Stage.TOKENS: True,
        Stage.CURATED: False,
    }
    assert data.scan(Stage.CURATED).collect()["mesh_id"].to_list() == ["a" * 32, "b" * 32]

"""A comparison of two tokenizers with two seeds on pieces of furniture: six steps of a tiny model each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
import trimesh
import yaml

from meshloom.training_commands import compare_training
from pipelines.furniture import build
from tests.training.conftest import TINY
from training.comparison import ComparisonSettings, load_comparison

FAMILIES = ("stairs", "table", "shelf")
CURATION = {
    "preset": "loom-default",
    "faces_limit": 160,
    "quality": {"quantization": False, "intersections": False, "tokenizers": False},
    "split": {"val": 0.25, "test": 0.25},
    "limits": {"workers": 1},
}


@dataclass(frozen=True)
class Compared:
    """A finished comparison, and what it was made of."""

    settings: ComparisonSettings
    curated: Mapping[str, Path]
    out: Path
    runs: pl.DataFrame


@pytest.fixture(scope="session")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    root = tmp_path_factory.mktemp("comparison")
    (root / "meshes").mkdir()
    for family in FAMILIES:
        for i in range(12):
            solid = build(family, i)
            mesh = trimesh.Trimesh(solid.vertices, solid.faces, process=False)
            mesh.export(root / "meshes" / f"{family}-{i:02d}.obj")
    tiny = {**TINY, "model": {**TINY["model"], "max_tokens": 320}, "batch_size": 4}  # type: ignore[dict-item]
    (root / "tiny.yaml").write_text(yaml.safe_dump(tiny))
    content = {
        "tokenizers": {"silksong": {"name": "silksong"}, "loom": {"name": "loom", "scheme": "deferred"}},
        "seeds": [3, 5],
        "curation": CURATION,
        "experiment": str(root / "tiny.yaml"),
        "overrides": ["model.encoder.points=32"],
        "meshes": 24,
        "evaluations": 3,
        "held_out_meshes": 4,
        "generated_meshes": 2,
        "slots": 2,
        "close": [0.5, 100.0],
    }
    (root / "comparison.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    out = root / "out"
    compare_training(str(root / "comparison.yaml"), [f"local:{root / 'meshes'}"], out)
    settings = load_comparison(root / "comparison.yaml")
    curated = {name: out / "curated" / name for name in settings.tokenizers}
    return Compared(settings, curated, out, pl.read_parquet(out / "runs.parquet"))

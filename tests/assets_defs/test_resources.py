"""Where the resource's defaults come from."""

from pathlib import Path

import pytest

from assets_defs.resources import PROJECT, DataSetResource, default_sources
from pipelines.storage import ShardKey


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MESHLOOM_SOURCES", "MESHLOOM_DATA", "MESHLOOM_RUNS", "MESHLOOM_SHARED"):
        monkeypatch.delenv(name, raising=False)


def test_sources_of_the_environment_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHLOOM_SOURCES", "local:chairs builtin:")
    assert default_sources() == ["local:chairs", "builtin:"]


def test_the_listed_folders_that_exist(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "corpus" / "local").mkdir(parents=True)
    monkeypatch.setenv("MESHLOOM_SHARED", str(tmp_path))
    assert default_sources() == [f"local:{tmp_path}/corpus/local"]


def test_builtin_where_nothing_is_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MESHLOOM_SHARED", str(tmp_path))
    assert default_sources() == ["builtin:"]


def test_relative_folders_count_from_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    data_set = DataSetResource(sources=["local:meshes", "builtin:"], folder="data/mine")
    assert data_set.data.root == PROJECT / "data" / "mine"
    assert data_set.runs_folder == PROJECT / "runs"
    assert data_set.source_texts() == [f"local:{PROJECT}/meshes", "builtin:"]


def test_every_shard_of_every_source_is_a_partition() -> None:
    keys = DataSetResource(sources=["builtin:"]).shard_keys()
    assert ShardKey("builtin", "chair") in keys
    assert keys == sorted(keys)


def test_places_elsewhere_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["hf:allenai/objaverse?lvis=chair", "s3://bucket/prefix", "fsspec:memory://a"]
    assert DataSetResource(sources=texts).source_texts() == texts
    filtered = DataSetResource(sources=["objaverse:cache?lvis=chair"])
    assert filtered.source_texts() == [f"objaverse:{PROJECT}/cache?lvis=chair"]
    monkeypatch.setattr("assets_defs.resources.yaml.safe_load", lambda _: [*texts, "local:/no/such/folder"])
    assert default_sources() == texts


def test_one_line_chooses_the_engine() -> None:
    assert DataSetResource(engine="ray").settings.engine.name == "ray"
    assert DataSetResource().settings.engine.name == "local"

"""Partitions on a Ray cluster of two nodes, one of which dies; and what is said where there is no cluster."""

import pickle
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial

import pytest
from pydantic import ValidationError

from meshloom import cli
from pipelines import engines
from pipelines.curation import curate
from pipelines.engines import EngineError, connected, folders_needed, over_partitions
from pipelines.settings import CurationSettings, EngineSettings, WorkerLimits
from pipelines.sources import parse_sources, without_listings
from pipelines.stages import PartitionResult, no_progress
from pipelines.stages.curated import build_curated
from pipelines.stages.partitions import UpstreamError
from pipelines.storage import DataFolder, ShardKey
from tests.pipelines.ray_cluster import ClusterStartError, TwoNodes
from tests.pipelines.test_curation import SETTINGS, hashes, write_furniture

PATIENCE_SECONDS = 120
KEYS = [ShardKey("local", f"hand-{i:02d}") for i in range(3)]


def on_ray(settings: CurationSettings, address: str | None = None) -> CurationSettings:
    return settings.model_copy(update={"engine": EngineSettings(name="ray", address=address)})


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("ray")
    with ExitStack() as stack:
        try:
            nodes = stack.enter_context(TwoNodes())
        except ClusterStartError as error:
            pytest.skip(str(error))
        yield nodes


def test_a_node_that_dies_leaves_no_trace(cluster, tmp_path):
    write_furniture(tmp_path / "meshes", 6)
    sources = [f"local:{tmp_path / 'meshes'}"]
    expected = curate(sources, tmp_path / "one", SETTINGS)
    settings = on_ray(SETTINGS.model_copy(update={"limits": WorkerLimits(workers=1)}), cluster.address)
    lost: list[str] = []

    def kill_at_work(stage: str, done: int, total: int) -> None:
        """When one partition of the stage has its table, take away the node that works on another."""
        if stage != "mesh_table" or lost:
            return
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (at_work := cluster.tasks_of_second()) and time.monotonic() < deadline:
            time.sleep(0.01)
        lost.extend(at_work)
        cluster.kill_second()

    report = curate(sources, tmp_path / "ray", settings, kill_at_work)
    assert [name for name in lost if name.startswith("mesh_table local:meshes-")]
    assert hashes(tmp_path / "ray") == hashes(tmp_path / "one")
    assert not list(tmp_path.rglob("*.partial"))
    assert report.version == expected.version
    counts = [(s.stage, s.n_partitions, s.n_kept, s.n_current, s.reasons) for s in report.stages]
    assert counts == [(s.stage, s.n_partitions, s.n_kept, s.n_current, s.reasons) for s in expected.stages]

    again = curate(sources, tmp_path / "ray", settings)
    assert all(stage.n_current == stage.n_partitions for stage in again.stages)

    data = DataFolder(tmp_path / "ray")
    key = data.partitions("tokens")[0]
    data.table("tokens", key).unlink()
    with pytest.raises(UpstreamError, match="run the earlier stages first"):
        build_curated(data, settings, [key])


def test_no_process_is_left_behind(cluster):
    cluster.look()
    assert len(cluster.alive()) > 1
    cluster.kill_second()
    cluster.stop()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while cluster.alive() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not cluster.alive()


def test_without_ray_it_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EngineError, match=r"pip install 'meshloom\[ray\]'"):
        curate(["builtin:"], tmp_path / "data", on_ray(CurationSettings()))
    (tmp_path / "settings.yaml").write_text("engine: ray\n")
    arguments = ["curate", "builtin:", "--out", str(tmp_path / "data")]
    monkeypatch.setattr(sys, "argv", ["meshloom", *arguments, "--settings", str(tmp_path / "settings.yaml")])
    with pytest.raises(SystemExit):
        cli.main()
    assert "pip install 'meshloom[ray]'" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_ray_is_imported_only_where_it_is_chosen():
    code = "import sys, pipelines.curation, meshloom.commands; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_one_line_chooses_the_engine():
    assert CurationSettings.model_validate({"engine": "ray"}).engine == EngineSettings(name="ray")
    named = CurationSettings.model_validate({"engine": {"name": "ray", "address": "head:6379"}})
    assert named.engine.address == "head:6379"
    assert CurationSettings().engine.name == "local"
    with pytest.raises(ValidationError, match="engine"):
        CurationSettings.model_validate({"engine": "spark"})
    with connected(EngineSettings()) as nothing:
        assert nothing is None


def build_nothing(keys: list[ShardKey], limits: WorkerLimits, progress: object) -> list[PartitionResult]:
    return [PartitionResult(key, limits.workers) for key in keys]


def test_here_all_partitions_are_given_at_once():
    settings = CurationSettings(limits=WorkerLimits(workers=3))
    results = over_partitions(build_nothing, KEYS, settings, ("stage", no_progress), [])
    assert [(result.key, result.n_kept) for result in results] == [(key, 3) for key in KEYS]


def test_a_node_with_other_software_or_without_the_folders_is_refused(tmp_path):
    software = engines._software()
    (key, *_), limits = KEYS, WorkerLimits()
    task = partial(engines._on_a_node, key=key)
    assert task((build_nothing, limits, [tmp_path], software)) == PartitionResult(key, 0)
    with pytest.raises(EngineError, match=r"does not see .*absent; mount it there"):
        task((build_nothing, limits, [tmp_path, tmp_path / "absent"], software))
    with pytest.raises(EngineError, match=r"other software .*\(polars differ\)"):
        task((build_nothing, limits, [tmp_path], {**software, "polars": "0.1"}))


def test_folders_that_every_node_needs(tmp_path):
    meshes = tmp_path / "meshes"
    meshes.mkdir()
    (meshes / "a.glb").write_bytes(b"x")
    sources = parse_sources([f"local:{meshes}", "builtin:"])
    data = DataFolder(tmp_path / "data")
    settings = CurationSettings.model_validate({"fetch": {"store": str(tmp_path / "store")}})
    assert folders_needed(data, settings, sources) == [data.root, tmp_path / "store", meshes]
    assert folders_needed(data, CurationSettings()) == [data.root]


def test_sources_travel_without_what_they_listed(tmp_path):
    for i in range(300):
        (tmp_path / f"a-file-with-some-name-{i}.glb").write_bytes(b"x")
    for text in (f"local:{tmp_path}", f"local:{tmp_path}?where=format = 'glb'"):
        (source,) = parse_sources([text])
        files = [source.list_files(shard) for shard in source.shards()]
        light = without_listings(source)
        assert len(pickle.dumps(light)) < 1500 < len(pickle.dumps(source))
        assert [light.list_files(shard) for shard in light.shards()] == files

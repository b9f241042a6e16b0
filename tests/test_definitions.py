"""The code location loads, and holds what the documents promise."""

import functools
import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from assets_defs.checks import SCHEMA
from assets_defs.definitions import defs

PROJECT = Path(__file__).parents[1]
TABLES = ["raw_meshes", "mesh_table", "quality", "tokens", "descriptors", "duplicates"]
TABLES += ["curated", "shards", "ledger"]
LINEAGE = [
    "raw_meshes",
    "mesh_table",
    "quality",
    "tokens",
    "descriptors",
    "duplicates",
    "curated",
    "shards",
    "dataset",
    "checkpoint",
    "generated_meshes",
]
GROUPS = {"ingest", "curate", "tokenize", "train", "evaluate", "generate"}


@functools.cache
def graph() -> AssetGraph:
    return defs.resolve_asset_graph()


def test_all_jobs_resolve() -> None:
    jobs = {job.name: job for job in defs.resolve_all_job_defs()}
    assert {"curate", "train", "evaluate", "rebuild"} <= set(jobs)
    keys = {key.to_user_string() for key in jobs["train"].asset_layer.executable_asset_keys}
    assert keys == {"checkpoint"}


def test_rebuild_holds_every_asset_but_what_is_made_on_request() -> None:
    rebuild = defs.resolve_job_def("rebuild")
    on_request = {dg.AssetKey("generations")}
    assert set(rebuild.asset_layer.executable_asset_keys) == graph().get_all_asset_keys() - on_request


def test_the_weekly_rebuild_exists_and_is_stopped() -> None:
    schedule = defs.resolve_schedule_def("weekly_rebuild")
    assert schedule.cron_schedule == "0 3 * * 1"
    assert schedule.job_name == "rebuild"
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_every_table_has_a_blocking_schema_check() -> None:
    for name in TABLES:
        check = graph().get(dg.AssetCheckKey(dg.AssetKey(name), SCHEMA))
        assert check.blocking, name


def test_every_asset_says_what_it_is() -> None:
    for key in graph().get_all_asset_keys():
        node = graph().get(key)
        assert node.group_name in GROUPS, key
        assert node.description, key
        assert node.owners, key
        assert node.kinds, key
        assert node.code_version, key


def test_tables_document_every_column() -> None:
    for name in TABLES:
        schema = graph().get(dg.AssetKey(name)).metadata["dagster/column_schema"]
        assert len(schema.columns) > 5, name


def test_the_lineage_runs_from_raw_meshes_to_evaluation() -> None:
    assert graph().root_materializable_asset_keys == {dg.AssetKey("raw_meshes")}
    ancestors = graph().get_ancestor_asset_keys(dg.AssetKey("evaluation"))
    assert {dg.AssetKey(name) for name in LINEAGE} <= ancestors


def test_loading_imports_nothing_heavy() -> None:
    heavy = ["torch", "webdataset", "pymeshlab", "matplotlib", "accelerate"]
    code = f"""
import json, sys, assets_defs.definitions
print(json.dumps([name for name in {heavy} if name in sys.modules]))"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    assert json.loads(done.stdout) == []


def test_the_workspace_file_validates(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", str(PROJECT / "workspace.yaml")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr

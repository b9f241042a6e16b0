"""Dagster's code versions are those of the stages: it knows what an older stage made."""

import json
import subprocess
import sys

import dagster as dg

from assets_defs.definitions import defs
from pipelines.versions.code import stage_versions
from tests.assets_defs.tiny import PROJECT

RAISED = """
import json
from pipelines.versions import code
for i, module in enumerate(code._STAGES):
    module.VERSION += 100 + i
from assets_defs.definitions import defs
specs = {spec.key.to_user_string(): spec.code_version for spec in defs.resolve_all_asset_specs()}
print(json.dumps(specs))"""


def test_every_asset_of_a_stage_carries_its_version() -> None:
    graph = defs.resolve_asset_graph()
    versions = stage_versions()
    assert {"raw_meshes", "mesh_table", "tokens", "curated", "ledger", "shards"} <= set(versions)
    for stage, version in versions.items():
        assert graph.get(dg.AssetKey(stage)).code_version == str(version), stage


def test_a_raised_version_is_a_new_code_version() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RAISED],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
    )
    found = json.loads(done.stdout)
    expected = {stage: str(version + 100 + i) for i, (stage, version) in enumerate(stage_versions().items())}
    assert {stage: found[stage] for stage in expected} == expected

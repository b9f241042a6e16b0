"""The instance on PostgreSQL, by the one line that this repository's dagster.yaml holds for it."""

import json
import re
from pathlib import Path

import dagster as dg
import pytest

from assets_defs.partitions import SOURCE_SHARDS
from assets_defs.resources import DataSetResource
from tests.assets_defs import postgres
from tests.assets_defs.tiny import PROJECT, as_config, launch, wait_for_end

pytest.importorskip("dagster_postgres", reason="needs the extra `postgres`")
pytestmark = pytest.mark.skipif(postgres.binaries() is None, reason="needs Debian's package postgresql")
LINE = re.compile(r"^# (storage: .*postgres.*DAGSTER_PG_URL.*)$", re.MULTILINE)


def home_with_the_line(home: Path) -> Path:
    """DAGSTER_HOME with this repository's dagster.yaml, its line for PostgreSQL switched on."""
    home.mkdir()
    shipped = (PROJECT / ".dagster" / "dagster.yaml").read_text()
    text, n = LINE.subn(r"\1", shipped)
    assert n == 1
    (home / "dagster.yaml").write_text(text)
    return home


def test_a_job_runs_with_everything_in_postgres(
    tmp_path: Path, data_set: DataSetResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg2

    home = home_with_the_line(tmp_path / "home")
    with postgres.postgres(tmp_path / "postgres.log") as address:
        monkeypatch.setenv("DAGSTER_PG_URL", address)
        run_id = launch("curate", json.dumps({"resources": as_config(data_set)}), home)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            assert wait_for_end(instance, run_id) is dg.DagsterRunStatus.SUCCESS
            keys = {str(key) for key in data_set.shard_keys()}
            assert set(instance.get_dynamic_partitions(SOURCE_SHARDS)) == keys
            run = instance.get_run_by_id(run_id)
            assert run is not None
            assert run.tags["meshloom/data_set"] == data_set.version()[:16]
        with psycopg2.connect(address.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT status FROM runs WHERE run_id = %s", (run_id,))
            assert cursor.fetchall() == [("SUCCESS",)]
            cursor.execute(
                "SELECT DISTINCT asset_key FROM event_logs WHERE run_id = %s "
                "AND dagster_event_type = 'ASSET_MATERIALIZATION'",
                (run_id,),
            )
            made = {json.loads(row[0])[0] for row in cursor.fetchall()}
    assert {"raw_meshes", "shards", "ledger", "dataset", "dataset_changes"} <= made
    assert not list(home.rglob("*.db")), "nothing lies in SQLite"

"""The notice about runs that nobody would start."""

from pathlib import Path

import dagster as dg
import pytest
import yaml

from assets_defs import launching

QUEUED = {"run_coordinator": {"module": "dagster._core.run_coordinator", "class": "QueuedRunCoordinator"}}


def instance_at(home: Path, config: dict | None = None) -> dg.DagsterInstance:
    if config is not None:
        (home / "dagster.yaml").write_text(yaml.safe_dump(config))
    return dg.DagsterInstance.from_config(str(home))


def test_a_queue_without_a_daemon_is_said(tmp_path: Path) -> None:
    with instance_at(tmp_path, QUEUED) as instance:
        notice = launching.queue_notice(instance)
    assert notice is not None
    assert "dagster-daemon run" in notice
    assert "\n" not in notice


def test_the_shipped_instance_starts_runs_at_once(dagster_home: Path) -> None:
    with instance_at(dagster_home) as instance:
        assert launching.queue_notice(instance) is None


def test_the_notice_comes_before_the_launch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(QUEUED))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    started: list[list[str]] = []

    class Done:
        returncode = 0

    def run(command: list[str], check: bool) -> Done:
        assert "notice:" in capsys.readouterr().err
        started.append(command)
        return Done()

    monkeypatch.setattr(launching.subprocess, "run", run)
    assert launching.main(["-j", "train"]) == 0
    assert started[0][-2:] == ["-j", "train"]

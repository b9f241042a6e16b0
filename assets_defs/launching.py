"""Launch a job as `dagster job launch` does, and say so where nothing would come of it.

    python -m assets_defs.launching -j train -c train.yaml

With a queued coordinator launching only enqueues; without a live daemon the run would wait for ever.
"""

import os
import subprocess
import sys
from collections.abc import Sequence

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator

from assets_defs.resources import PROJECT

DAEMON = "QUEUED_RUN_COORDINATOR"


def queue_notice(instance: dg.DagsterInstance) -> str | None:
    """One line where launched runs would wait for a daemon that is not there; else None."""
    if not isinstance(instance.run_coordinator, QueuedRunCoordinator):
        return None
    status = instance.get_daemon_statuses().get(DAEMON)
    if status is not None and status.healthy:
        return None
    return (
        "this instance queues its runs and no daemon is alive: the run stays QUEUED until one is started; "
        "run `dagster-daemon run` or `dagster dev -w workspace.yaml` with the same DAGSTER_HOME"
    )


def main(arguments: Sequence[str]) -> int:
    """Pass `arguments` to `dagster job launch` on this repository's workspace and instance."""
    os.environ.setdefault("DAGSTER_HOME", str(PROJECT / ".dagster"))
    with dg.DagsterInstance.get() as instance:
        notice = queue_notice(instance)
    if notice:
        print(f"notice: {notice}", file=sys.stderr)
    command = [
        sys.executable,
        "-m",
        "dagster",
        "job",
        "launch",
        "-w",
        str(PROJECT / "workspace.yaml"),
        *arguments,
    ]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

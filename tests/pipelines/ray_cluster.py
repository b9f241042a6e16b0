"""Two Ray nodes on this machine, and a view of the processes that they are made of."""

import os
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ATTEMPTS = 6
PORTS = ("metrics_agent_port", "runtime_env_agent_port", "dashboard_agent_listen_port", "metrics_export_port")
STORE_BYTES = 80 << 20


class ClusterStartError(RuntimeError):
    """Ray itself did not come up on this machine."""


class TwoNodes:
    """A cluster of a head and a second node of one core each, with little memory."""

    def __enter__(self) -> "TwoNodes":
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        self.seen: set[tuple[int, str]] = set()
        """Every process of the cluster that was looked at, by pid and start time."""
        for _ in range(ATTEMPTS):
            try:
                self._start()
                return self
            except Exception as error:  # Ray gives a node 15 seconds, which is little on a busy machine
                self.stop()
                last = error
        raise ClusterStartError(f"no Ray cluster came up in {ATTEMPTS} attempts: {last}") from last

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _start(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster: Any = Cluster()
        self._cluster.add_node(**_options(), include_dashboard=False)
        self._second = self._cluster.add_node(**_options())
        self.address: str = self._cluster.address

    def tasks_of_second(self) -> list[str]:
        """Names of the tasks that the second node works on."""
        self.look()
        raylet = self._second.all_processes["raylet"][0].process.pid
        titles = [_title(pid) for pid, _ in processes_below({raylet})]
        return [title.removeprefix("ray::") for title in titles if title.startswith("ray::")]

    def kill_second(self) -> None:
        """Take the second node away as if its power were cut, unless it is gone."""
        if self._second in self._cluster.worker_nodes:
            self._cluster.remove_node(self._second, allow_graceful=False)

    def stop(self) -> None:
        """End what is left of the cluster."""
        self.look()
        self._cluster.shutdown()

    def look(self) -> None:
        """Take note of the processes that are there now."""
        started = {
            info.process.pid
            for node in self._cluster.list_all_nodes()
            for infos in node.all_processes.values()
            for info in infos
        }
        self.seen |= processes_below(started)

    def alive(self) -> set[tuple[int, str]]:
        """Processes of the cluster that were seen and are there still."""
        return {process for process in self.seen if _identity(process[0]) == process}


def processes_below(ancestors: set[int]) -> set[tuple[int, str]]:
    """Processes (pid, start time) that these are or that descend from them."""
    parents = {pid: int(stat[1]) for pid in _pids() if (stat := _stat(pid))}
    found: set[int] = set()
    wanted = ancestors
    while wanted:
        found |= wanted
        wanted = {pid for pid, parent in parents.items() if parent in wanted}
    return {identity for pid in found if (identity := _identity(pid))}


def _options() -> dict[str, Any]:
    with ExitStack() as stack:  # all at once, so that they differ; given ports spare a wait for their names
        sockets = [stack.enter_context(socket.socket()) for _ in PORTS]
        for one in sockets:
            one.bind(("", 0))
        ports = [one.getsockname()[1] for one in sockets]
    return {"num_cpus": 1, "object_store_memory": STORE_BYTES, **dict(zip(PORTS, ports, strict=True))}


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on; none of a process that is gone, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if fields[0] == "Z" else fields


def _identity(pid: int) -> tuple[int, str] | None:
    stat = _stat(pid)
    return (pid, stat[19]) if stat else None


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""

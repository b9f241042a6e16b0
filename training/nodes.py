"""Several machines in one run: each starts the same command, and says which of them it is.

    meshloom train EXPERIMENT nodes=2 --data DATA --out RUN --node-rank 0 --rendezvous HOST:29500
    meshloom train EXPERIMENT nodes=2 --data DATA --out RUN --node-rank 1 --rendezvous HOST:29500

HOST is the first machine. It alone writes checkpoints and metrics, to its RUN; another one keeps its
configuration and log in its RUN/node-<rank>, so that they may share a file system or not.
"""

from dataclasses import dataclass
from pathlib import Path

from training.checkpoints import RunError
from training.config import ExperimentConfig

NODE_FOLDER = "node-"


@dataclass(frozen=True)
class Node:
    """Which of the machines this is, and where they meet."""

    rank: int = 0
    rendezvous: str | None = None
    """HOST:PORT of the machine of rank 0, reachable from all; the same on each."""

    def folder(self, run: Path) -> Path:
        """Where this machine's configuration, copies and log are."""
        return run if self.rank == 0 else run / f"{NODE_FOLDER}{self.rank}"

    def arguments(self, config: ExperimentConfig) -> list[str]:
        """How torch.distributed.run is told. Raises RunError where it does not fit the experiment."""
        ranks = ["--nproc_per_node", str(config.processes)]
        if config.nodes == 1:
            if self.rank or self.rendezvous:
                raise RunError(f"the experiment has nodes: 1; give nodes=N to train on N machines ({self})")
            return ["--standalone", *ranks]
        host, _, port = (self.rendezvous or "").rpartition(":")
        if not host or not port.isdecimal():
            raise RunError(
                f"the experiment has nodes: {config.nodes}, and --rendezvous is {self.rendezvous}; "
                "give HOST:PORT of the first machine, the same on all"
            )
        if not 0 <= self.rank < config.nodes:
            raise RunError(f"--node-rank {self.rank} is none of 0 to {config.nodes - 1}")
        return [
            *("--nnodes", str(config.nodes), "--node_rank", str(self.rank)),
            *("--rdzv_backend", "static", "--rdzv_endpoint", f"{host}:{port}", *ranks),
        ]

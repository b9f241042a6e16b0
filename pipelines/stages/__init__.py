"""The stages over partitions: raw_meshes, mesh_table, quality, tokens, descriptors, curated, shards.

Between descriptors and curated, `duplicates` looks at all partitions at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from pipelines.storage import ShardKey


@dataclass(frozen=True)
class PartitionResult:
    """What one stage did with one partition."""

    key: ShardKey
    n_kept: int
    reasons: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    was_current: bool = False
    cpu_seconds: float = 0.0
    """Of the processes that worked on it; 0 where nothing was done."""

    @property
    def n_rejected(self) -> int:
        """Rows rejected by this stage."""
        return sum(self.reasons.values())


Progress = Callable[[str, int, int], None]
"""Called with (stage, items done, items in all)."""


def no_progress(stage: str, done: int, total: int) -> None:
    """Report nothing."""

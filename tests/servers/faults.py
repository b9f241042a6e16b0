"""What goes wrong, and when: the same for the same seed, whatever the order of the requests."""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum


class Fault(StrEnum):
    """What can be done to the answer to one request for a body."""

    DROP = "drop"  # half of the bytes, then the connection is cut
    TRUNCATE = "truncate"  # half of the bytes, and headers that say that this is all
    CORRUPT = "corrupt"  # all bytes, one of them another
    STALL = "stall"  # half of the bytes, then silence
    TOO_MANY = "too_many"  # 429 with Retry-After: 1
    ERROR = "error"  # 500
    GONE = "gone"  # 404
    FORBIDDEN = "forbidden"  # 403


class Faults:
    """Faults planned for single paths, and faults that strike a share of all first requests."""

    def __init__(self, seed: int = 0, rate: float = 0.0, kinds: Iterable[Fault] = (), only: str = ""):
        self.seed, self.rate, self.kinds = seed, rate, list(kinds)
        self.only = only
        """Ending of the paths that suffer by chance."""
        self._planned: dict[str, list[Fault]] = defaultdict(list)
        self._always: dict[str, Fault] = {}
        self._n_requests: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()

    def plan(self, path: str, *faults: Fault) -> None:
        """Let these befall the next requests for a path that ends so."""
        self._planned[path] += faults

    def always(self, path: str, fault: Fault) -> None:
        """Let this befall every request for a path that ends so."""
        self._always[path] = fault

    def next(self, path: str) -> Fault | None:
        """What befalls this request."""
        with self._lock:
            self._n_requests[path] += 1
            for ending, fault in self._always.items():
                if path.endswith(ending):
                    return fault
            for ending, planned in self._planned.items():
                if path.endswith(ending) and planned:
                    return planned.pop(0)
            return self._by_chance(path, self._n_requests[path])

    def _by_chance(self, path: str, n_requests: int) -> Fault | None:
        """No path suffers more than two by chance, so that every fetch ends."""
        if not self.kinds or n_requests > 2 or not path.endswith(self.only):
            return None
        digest = hashlib.sha256(f"{self.seed} {path} {n_requests}".encode()).digest()
        if int.from_bytes(digest[:4]) >= self.rate * 2**32:
            return None
        return self.kinds[digest[4] % len(self.kinds)]

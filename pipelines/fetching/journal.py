"""What came of each file of a partition: one line of JSON when it is done, so that a kill loses nothing.

The file is append-only; a later line replaces an earlier one of the same uri, and half a line at the end,
left by a kill, is passed over.
"""

import json
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Entry:
    """What came of one file, and of which version of it."""

    uri: str
    state: str
    """found, modified, missing, too_large or unsafe."""
    version: list[str | None]
    """What the source knew of the file then: its validator and its sha256."""
    sha256: str | None = None
    size_bytes: int | None = None
    stored: str | None = None
    """Path relative to the store."""
    detail: str | None = None
    """Why it is unsafe."""
    sides: dict[str, str | None] = field(default_factory=dict)
    """Side files that it names, with their sha256; None where one is absent."""


class Journal:
    """Entries by uri; safe to use from several threads."""

    def __init__(self, path: Path):
        self.path = path
        self._lock = threading.Lock()
        self._entries, self._ends_well = _read(path)

    def get(self, uri: str) -> Entry | None:
        """What is known of a file."""
        return self._entries.get(uri)

    def entries(self) -> list[Entry]:
        """All that is known."""
        return list(self._entries.values())

    def add(self, entry: Entry) -> None:
        """Remember what came of a file."""
        line = json.dumps(asdict(entry), sort_keys=True) + "\n"
        with self._lock:
            if self._entries.get(entry.uri) == entry:
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as handle:
                handle.write(line if self._ends_well else "\n" + line)
            self._ends_well = True
            self._entries[entry.uri] = entry


def _read(path: Path) -> tuple[dict[str, Entry], bool]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}, True
    entries = {}
    for line in content.splitlines():
        entry = _parse(line)
        if entry is not None:
            entries[entry.uri] = entry
    return entries, not content or content.endswith(b"\n")


def _parse(line: bytes) -> Entry | None:
    try:
        value: Any = json.loads(line)
        return Entry(**value)
    except (ValueError, TypeError):
        return None

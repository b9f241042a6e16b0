"""Many files of one partition: what the journal knows is not asked for again, the rest comes in parallel."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.fetching.archived_files import Outcome, fetch_archived
from pipelines.fetching.downloads import Downloaded, Downloader
from pipelines.fetching.journal import Entry, Journal
from pipelines.fetching.single_files import fetch_single, stored_entry
from pipelines.fetching.store import ContentStore
from pipelines.reasons import Reason
from pipelines.settings import FetchSettings
from pipelines.sources import RawFile
from pipelines.storage import ShardKey
from pipelines.worker_process import Failed


@dataclass(frozen=True)
class Fetched:
    """A file whose bytes lie in the store."""

    path: Path
    """Where to read it; its side files lie beside it."""
    size_bytes: int
    sha256: str
    side_files: dict[str, str | None] = field(default_factory=dict)
    """Relative path and sha256 of the side files it names; None where the source has none such."""


class Fetcher:
    """Brings the files of one partition after another into a store."""

    def __init__(self, store: ContentStore, settings: FetchSettings, size_limit: int):
        self.store = store
        self.downloader = Downloader(store, settings)
        self.size_limit = size_limit

    def fetch(self, key: ShardKey, files: Iterable[RawFile]) -> dict[str, Fetched | Failed]:
        """What came of each file that lies elsewhere, by uri.

        Every file ends in the store, or with a reason: FETCH_MISSING, FETCH_MODIFIED, FETCH_FAILED, TOO_LARGE
        or ARCHIVE_UNSAFE. Raises OSError where the store cannot be written.
        """
        journal = Journal(self.store.journal(key))
        outcomes: dict[str, Fetched | Failed] = {}
        groups: dict[str, list[RawFile]] = {}
        for file in files:
            if file.remote is None:
                continue
            known = self._known(journal, file)
            if known is not None:
                outcomes[file.uri] = self._settle(known, journal)
            else:  # one download for all that need it: members of an archive, and the same url given twice
                groups.setdefault(file.remote.url, []).append(file)
        with ThreadPoolExecutor(self.downloader.settings.parallel) as threads:
            try:
                for settled in threads.map(lambda group: self._fetch_group(journal, group), groups.values()):
                    outcomes.update(settled)
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise
        return outcomes

    def _known(self, journal: Journal, file: RawFile) -> Outcome | None:
        """What need not be asked for: it is in the journal or in the store, or cannot be wanted."""
        remote, entry = file.remote, journal.get(file.uri)
        assert remote is not None
        if entry is not None and entry.version == remote.version and self._holds(entry, remote.validator):
            return entry
        if remote.size_bytes is not None and remote.member is None and remote.size_bytes > self.size_limit:
            return Entry(file.uri, "too_large", remote.version, size_bytes=remote.size_bytes)
        if remote.sha256 is not None and file.format != "gltf":
            path = self.store.path(remote.sha256)
            if path.is_file():
                self.downloader.forget(remote.url)
                found = Downloaded(remote.sha256, path.stat().st_size)
                return stored_entry(self.store, file, remote.version, found, {})
        return None

    def _holds(self, entry: Entry, validator: str | None) -> bool:
        """Whether what the journal says is still so."""
        if entry.state == "found":
            path = self.store.root / (entry.stored or "absent")
            return path.is_file() and path.stat().st_size == entry.size_bytes
        if entry.state == "too_large" and (entry.size_bytes or 0) <= self.size_limit:
            return False
        return validator is not None  # else only the host can say

    def _fetch_group(self, journal: Journal, group: Sequence[RawFile]) -> dict[str, Fetched | Failed]:
        remote = group[0].remote
        assert remote is not None
        outcomes: Iterable[tuple[RawFile, Outcome]]
        if remote.member is None:
            outcomes = [
                (file, fetch_single(self.downloader, file, file.remote, self.size_limit))
                for file in group
                if file.remote is not None
            ]
        else:
            outcomes = fetch_archived(self.downloader, journal, list(group), self.size_limit)
        return {file.uri: self._settle(outcome, journal) for file, outcome in outcomes}

    def _settle(self, outcome: Outcome, journal: Journal) -> Fetched | Failed:
        if isinstance(outcome, Failed):
            return outcome
        journal.add(outcome)
        if outcome.state == "found":
            path = self.store.root / str(outcome.stored)
            return Fetched(path, outcome.size_bytes or 0, str(outcome.sha256), outcome.sides)
        return _failed(outcome, self.size_limit)


def stored_paths(store: ContentStore, key: ShardKey) -> dict[str, Path]:
    """Where the fetched files of a partition lie, by uri."""
    journal = Journal(store.journal(key))
    return {entry.uri: store.root / entry.stored for entry in journal.entries() if entry.stored is not None}


def modified(sha256: str | None, listed: str | None) -> Failed:
    """Why a file is not taken whose bytes are not those listed."""
    return Failed(
        Reason.FETCH_MODIFIED,
        f"its sha256 is {sha256}, not the {listed} that the source lists; leave it out, or give a newer list",
    )


def _failed(entry: Entry, size_limit: int) -> Failed:
    if entry.state == "missing":
        return Failed(Reason.FETCH_MISSING, "the source lists it, but it is not there; leave it out")
    if entry.state == "modified":
        return modified(entry.sha256, entry.version[1])
    if entry.state == "too_large":
        return Failed(
            Reason.TOO_LARGE, f"{entry.size_bytes} bytes, more than {size_limit}; raise size_bytes_limit"
        )
    return Failed(Reason.ARCHIVE_UNSAFE, f"{entry.detail}; unpack it by hand if it is to be trusted")

"""Files that lie in one archive: it is brought once, and read in one pass for them, one for their sides."""

import hashlib
import posixpath
import secrets
from collections.abc import Iterator
from pathlib import Path

from pipelines.credentials import public_uri
from pipelines.fetching.archives import ArchiveError, Member, read_members
from pipelines.fetching.downloads import Downloaded, Downloader, ModifiedError, SizeError
from pipelines.fetching.journal import Entry, Journal
from pipelines.fetching.single_files import Sides, side_names, stored_entry
from pipelines.fetching.transfers import FetchError, GoneError
from pipelines.reasons import Reason
from pipelines.sources import RawFile, Remote
from pipelines.sources.files import uri_path
from pipelines.worker_process import Failed

Outcome = Entry | Failed


def fetch_archived(
    downloader: Downloader, journal: Journal, files: list[RawFile], size_limit: int
) -> Iterator[tuple[RawFile, Outcome]]:
    """Bring the archive that all `files` lie in, and then its members, into the store."""
    try:
        archive = _fetch_archive(downloader, journal, _remote(files[0]))
        found = _read(downloader, archive, {_member(file) for file in files}, size_limit)
        sides = _side_members(downloader, files, found)
        beside = _read(downloader, archive, sides, size_limit) if sides else {}
    except GoneError:
        yield from ((file, Entry(file.uri, "missing", _remote(file).version)) for file in files)
        return
    except ArchiveError as error:
        yield from ((file, _unsafe(file, f"its archive: {error}")) for file in files)
        return
    except FetchError as error:
        yield from ((file, Failed(Reason.FETCH_FAILED, f"its archive: {error}; run again")) for file in files)
        return
    for file in files:
        yield file, _outcome(downloader, file, found.get(_member(file)), beside)


def _fetch_archive(downloader: Downloader, journal: Journal, remote: Remote) -> Path:
    """Path of the archive: where it lies, or its place in the store."""
    if remote.url.startswith("file://"):
        path = uri_path(remote.url)
        if not path.is_file():
            raise GoneError("there is no such archive")
        return path
    uri, version = public_uri(remote.url), [remote.validator, remote.archive_sha256]
    known = journal.get(uri)
    if known and known.version == version and known.sha256 and downloader.store.path(known.sha256).is_file():
        return downloader.store.path(known.sha256)
    limit = downloader.settings.archive_bytes_limit
    try:
        found = downloader.download(remote.url, remote.archive_sha256, limit)
    except ModifiedError as error:
        raise FetchError(f"{error}, not the one listed") from None
    except SizeError as error:
        raise ArchiveError(f"{error}, more than {limit}") from None
    journal.add(Entry(uri, "found", version, found.sha256, found.size_bytes))
    return downloader.store.path(found.sha256)


def _read(
    downloader: Downloader, archive: Path, wanted: set[str], size_limit: int
) -> dict[str, Downloaded | Member | ArchiveError]:
    """Wanted members by name: in the store, or the member with its problem, or why its bytes are damaged."""
    outcomes: dict[str, Downloaded | Member | ArchiveError] = {}
    for member in read_members(archive, downloader.settings):
        if member.name not in wanted:
            continue
        if member.problem is not None or member.size_bytes > size_limit:
            outcomes[member.name] = member
            continue
        try:
            outcomes[member.name] = _store_member(downloader, member)
        except ArchiveError as error:
            outcomes[member.name] = error
    return outcomes


def _store_member(downloader: Downloader, member: Member) -> Downloaded:
    temporary = downloader.store.root / "partial" / f".{secrets.token_hex(16)}.partial"
    temporary.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with temporary.open("wb") as file:
            for chunk in member.chunks:
                digest.update(chunk)
                file.write(chunk)
        downloader.store.take(temporary, digest.hexdigest())
    finally:
        temporary.unlink(missing_ok=True)
    return Downloaded(digest.hexdigest(), member.size_bytes)


def _side_members(
    downloader: Downloader, files: list[RawFile], found: dict[str, Downloaded | Member | ArchiveError]
) -> set[str]:
    """Names of all side files that the files found name."""
    names: set[str] = set()
    for file in files:
        member = found.get(_member(file))
        if isinstance(member, Downloaded):
            named = side_names(downloader.store, file.format, member.sha256)
            names |= {_beside(file, name) for name in named}
    return names


def _outcome(
    downloader: Downloader,
    file: RawFile,
    found: Downloaded | Member | ArchiveError | None,
    beside: dict[str, Downloaded | Member | ArchiveError],
) -> Outcome:
    remote = _remote(file)
    if found is None:
        return Entry(file.uri, "missing", remote.version)
    if isinstance(found, ArchiveError):
        return _unsafe(file, str(found))
    if isinstance(found, Member):
        if found.problem is not None:
            return _unsafe(file, found.problem)
        return Entry(file.uri, "too_large", remote.version, size_bytes=found.size_bytes)
    if remote.sha256 not in {None, found.sha256}:
        return Entry(file.uri, "modified", remote.version, found.sha256)

    def side(name: str) -> str | None:
        member = beside.get(_beside(file, name))
        return member.sha256 if isinstance(member, Downloaded) else None

    sides: Sides = {name: side(name) for name in side_names(downloader.store, file.format, found.sha256)}
    return stored_entry(downloader.store, file, remote.version, found, sides)


def _unsafe(file: RawFile, detail: str) -> Entry:
    return Entry(file.uri, "unsafe", _remote(file).version, detail=detail)


def _beside(file: RawFile, name: str) -> str:
    return posixpath.join(posixpath.dirname(_member(file)), name)


def _remote(file: RawFile) -> Remote:
    assert file.remote is not None
    return file.remote


def _member(file: RawFile) -> str:
    member = _remote(file).member
    assert member is not None
    return member

"""A file with an address of its own, and the side files that it names."""

from urllib.parse import quote, urlsplit, urlunsplit

import tokenizer_rs

from pipelines.fetching.downloads import Downloaded, Downloader, ModifiedError, SizeError
from pipelines.fetching.journal import Entry
from pipelines.fetching.store import ContentStore
from pipelines.fetching.transfers import DISTANT_SCHEMES, GoneError, RefusedError, TransientError
from pipelines.reasons import Reason
from pipelines.sources import RawFile, Remote
from pipelines.worker_process import Failed

Sides = dict[str, str | None]
"""Relative path and sha256 of side files; None where the source has none such."""


def fetch_single(downloader: Downloader, file: RawFile, remote: Remote, size_limit: int) -> Entry | Failed:
    """Bring one file and its side files into the store."""
    version = remote.version
    try:
        found = downloader.download(remote.url, remote.sha256, size_limit)
        names = side_names(downloader.store, file.format, found.sha256)
        sides = {name: _fetch_side(downloader, remote, name, size_limit) for name in names}
    except GoneError:
        return Entry(file.uri, "missing", version)
    except ModifiedError as error:
        return Entry(file.uri, "modified", version, error.sha256)
    except SizeError as error:
        return Entry(file.uri, "too_large", version, size_bytes=error.size_bytes)
    except (RefusedError, TransientError) as error:
        return Failed(Reason.FETCH_FAILED, f"{error}; run again")
    return stored_entry(downloader.store, file, version, found, sides)


def side_names(store: ContentStore, format: str, sha256: str) -> list[str]:
    """Relative paths, within its folder, that a .gltf in the store names."""
    if format != "gltf":
        return []
    return sorted(set(tokenizer_rs.gltf_side_files(store.path(sha256).read_bytes())))


def stored_entry(
    store: ContentStore, file: RawFile, version: list[str | None], found: Downloaded, sides: Sides
) -> Entry:
    """Entry of a file that lies in the store, beside its side files where it has some."""
    present = {name: sha256 for name, sha256 in sides.items() if sha256 is not None}
    path = store.view(f"mesh.{file.format}", found.sha256, present) if sides else store.path(found.sha256)
    stored = path.relative_to(store.root).as_posix()
    return Entry(file.uri, "found", version, found.sha256, found.size_bytes, stored, sides=sides)


def _fetch_side(downloader: Downloader, remote: Remote, name: str, size_limit: int) -> str | None:
    try:
        return downloader.download(_beside(remote.url, name), None, size_limit).sha256
    except GoneError:
        return None
    except SizeError:
        raise RefusedError(f"its side file {name!r} is too large") from None


def _beside(url: str, name: str) -> str:
    """Url of a file that lies beside another."""
    if not url.startswith(DISTANT_SCHEMES):
        return f"{url.rpartition('/')[0]}/{name}"
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rpartition('/')[0]}/{quote(name)}", query=""))

"""One request for the bytes of a url, from a position on: HTTP, the local disk, and what fsspec knows.

    with open_transfer(url, offset=1000, version='"etag"', timeouts=(10, 60)) as transfer:
        transfer.offset, transfer.total_bytes, transfer.version
        for chunk in transfer.chunks: ...

What can go wrong is one of the errors below; none of them carries a url or the text of a library's error,
since those may hold credentials.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from pipelines.sources.files import open_regular, uri_path

CHUNK_BYTES = 1 << 18
DISTANT_SCHEMES = ("http://", "https://")
_local = threading.local()


class FetchError(Exception):
    """Bytes that could not be had; the text says why in one line."""


class GoneError(FetchError):
    """The file is not there."""


class RefusedError(FetchError):
    """The host will not give the file, however often it is asked."""


class TransientError(FetchError):
    """Worth another attempt, after `retry_after_seconds` where the host said so."""

    def __init__(self, text: str, retry_after_seconds: float | None = None, begin_again: bool = False):
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds
        self.begin_again = begin_again
        """Whether the bytes that came before are of no use."""


@dataclass(frozen=True)
class Transfer:
    """An answer whose bytes are still to come."""

    chunks: Iterator[bytes]
    offset: int
    """Position of the first byte; 0 where the host does not resume, or the file has changed."""
    total_bytes: int | None
    """Size of the whole file, where the host says so."""
    version: str | None
    """Strong ETag, or time: two answers with the same one are parts of the same file."""


@contextmanager
def open_transfer(
    url: str, offset: int, version: str | None, timeouts: tuple[float, float]
) -> Iterator[Transfer]:
    """Ask for the bytes of `url` from `offset` on; `version` is that of the bytes before.

    `timeouts`: seconds to connect, and to wait for the next bytes.
    Raises FetchError, here or while the chunks are read.
    """
    if url.startswith(DISTANT_SCHEMES):
        yield from _open_http(url, offset, version, timeouts)
    elif url.startswith("file://"):
        yield from _open_disk(url, offset)
    else:
        yield from _open_fsspec(url, offset, version)


def _open_http(
    url: str, offset: int, version: str | None, timeouts: tuple[float, float]
) -> Iterator[Transfer]:
    headers = {"Accept-Encoding": "identity", **hub_headers(url)}
    if offset and version:
        headers |= {"Range": f"bytes={offset}-", "If-Range": version}
    try:
        with _session().get(url, headers=headers, stream=True, timeout=timeouts) as answer:
            _check_status(answer)
            found = _strong(answer.headers.get("ETag")) or answer.headers.get("Last-Modified")
            start, total = _extent(answer)
            yield Transfer(_read_http(answer), start, total, found)
    except requests.RequestException as error:
        raise TransientError(f"the connection failed ({type(error).__name__})") from None


def _session() -> requests.Session:
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
    session: requests.Session = _local.session
    return session


def hub_headers(url: str) -> dict[str, str]:
    """Headers with the hub's token, for addresses of the hub and no others."""
    from huggingface_hub.utils import build_hf_headers

    if url.startswith(hub_endpoint() + "/"):
        return dict(build_hf_headers(library_name="meshloom"))
    return {"User-Agent": "meshloom"}


def hub_endpoint() -> str:
    """Address of the hub: HF_ENDPOINT, or huggingface.co."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def _check_status(answer: requests.Response) -> None:
    status = answer.status_code
    if status in {404, 410}:
        raise GoneError(f"the host says {status}")
    if status in {401, 403}:
        raise RefusedError(f"the host says {status}: ask for access, and set its credentials (HF_TOKEN)")
    if status in {408, 416, 425, 429} or status >= 500:
        wait = _retry_after(answer.headers.get("Retry-After"), answer.headers.get("Date"))
        raise TransientError(f"the host says {status}", wait, begin_again=status == 416)
    if status not in {200, 206}:
        raise RefusedError(f"the host says {status}")


def _retry_after(value: str | None, now: str | None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - parsedate_to_datetime(now or "")).total_seconds())
    except (ValueError, TypeError):
        return None


def _strong(etag: str | None) -> str | None:
    return etag if etag and etag.startswith('"') else None


def _extent(answer: requests.Response) -> tuple[int, int | None]:
    """Position of the first byte and size of the whole file."""
    try:
        if answer.status_code == 206:
            extent, _, total = answer.headers["Content-Range"].removeprefix("bytes ").partition("/")
            return int(extent.partition("-")[0]), None if total == "*" else int(total)
        length = answer.headers.get("Content-Length")
        return 0, None if length is None else int(length)
    except (KeyError, ValueError):
        raise TransientError("the host's answer has damaged headers") from None


def _read_http(answer: requests.Response) -> Iterator[bytes]:
    try:  # read1 gives what has come: a host that sends a byte a minute is noticed
        yield from iter(lambda: answer.raw.read1(CHUNK_BYTES), b"")
    except (OSError, HTTPError) as error:
        raise TransientError(f"the connection broke ({type(error).__name__})") from None


def _open_disk(url: str, offset: int) -> Iterator[Transfer]:
    path = uri_path(url)
    if not path.exists():
        raise GoneError("there is no such file")
    try:
        handle = os.fdopen(open_regular(path), "rb")
    except OSError as error:
        raise RefusedError(f"it cannot be read ({error})") from None
    with handle:
        handle.seek(offset)
        total = os.fstat(handle.fileno()).st_size
        yield Transfer(iter(lambda: handle.read(CHUNK_BYTES), b""), offset, total, None)


def _open_fsspec(url: str, offset: int, version: str | None) -> Iterator[Transfer]:
    with fsspec_errors():
        system, path = filesystem_of(url)
        details = system.info(path)
        found = file_version(details)
        start = offset if found == version else 0
        handle = system.open(path, "rb", block_size=8 * CHUNK_BYTES, cache_type="readahead")
    with handle:
        handle.seek(start)
        yield Transfer(_read_fsspec(handle), start, details.get("size"), found)


@contextmanager
def fsspec_errors() -> Iterator[None]:
    """Turn what a file system of fsspec raises into FetchError."""
    try:
        yield
    except FetchError:
        raise
    except FileNotFoundError:
        raise GoneError("the store says that there is no such file") from None
    except PermissionError:
        raise RefusedError("the store refuses it; set its credentials in the environment") from None
    except Exception as error:  # each store has errors of its own
        raise TransientError(f"the store failed ({type(error).__name__})") from None


def _read_fsspec(handle: Any) -> Iterator[bytes]:
    while True:
        with fsspec_errors():
            chunk = handle.read(CHUNK_BYTES)
        if not chunk:
            return
        yield chunk


def filesystem_of(url: str) -> tuple[Any, str]:
    """fsspec's file system of a url, and the path within it; raises FetchError where a package is missing."""
    import fsspec

    try:
        system, path = fsspec.url_to_fs(url)
    except ImportError as error:
        raise RefusedError(f"{error}; install meshloom[s3] or meshloom[gcs]") from None
    except ValueError as error:
        raise RefusedError(str(error)) from None
    return system, str(path)


def file_version(details: dict[str, Any]) -> str | None:
    """What changes with a file's bytes, as its store lists it: an ETag, a checksum, or its time."""
    for name in ("ETag", "etag", "md5Hash", "checksum", "LastModified", "last_modified", "mtime"):
        if details.get(name):
            return f"{details.get('size')} {details[name]}"
    return None

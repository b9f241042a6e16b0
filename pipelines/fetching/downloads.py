"""One file: resumed where a run was cut off, retried, held to a size, checked against its sum.

What has come of a file lies in `DIR/partial/<hash of its url>.partial`, beside it the version it belongs
to. A later attempt, or a later run, asks for the rest of exactly that version; where the host cannot say
which one it is, it begins again.
"""

import fcntl
import hashlib
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRandom
from pathlib import Path
from typing import IO

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from pipelines.fetching.hosts import Hosts
from pipelines.fetching.store import ContentStore
from pipelines.fetching.transfers import FetchError, Transfer, TransientError, open_transfer
from pipelines.settings import FetchSettings


class ModifiedError(FetchError):
    """The bytes are there, twice the same, and not those that the source lists."""

    def __init__(self, sha256: str):
        super().__init__(f"its sha256 is {sha256}")
        self.sha256 = sha256


class SizeError(FetchError):
    """The file is larger than allowed."""

    def __init__(self, size_bytes: int):
        super().__init__(f"{size_bytes} bytes")
        self.size_bytes = size_bytes


@dataclass(frozen=True)
class Downloaded:
    """A whole file in the store."""

    sha256: str
    size_bytes: int


class Downloader:
    """Downloads into one store; used by many threads."""

    def __init__(self, store: ContentStore, settings: FetchSettings):
        self.store = store
        self.settings = settings
        self.hosts = Hosts(settings.requests_per_second, settings.failures_until_down)

    def download(self, url: str, sha256: str | None, size_limit: int) -> Downloaded:
        """Bring the bytes of `url` into the store; `sha256` is what the source says they are.

        Raises FetchError: GoneError, RefusedError, ModifiedError, SizeError, or TransientError after the
        last attempt; what has come by then is kept for the next run.
        """
        if self.hosts.is_down(url):
            raise TransientError("its host failed too often in a row, so that it was not asked again")
        rejected_sums: set[str] = set()
        attempts = Retrying(
            stop=stop_after_attempt(self.settings.attempts),
            wait=self._wait_seconds,
            retry=retry_if_exception_type(TransientError),
            reraise=True,
        )
        try:
            downloaded = attempts(self._attempt, url, sha256, size_limit, rejected_sums)
        except TransientError:
            self.hosts.gave_up(url)
            raise
        except FetchError:
            self.hosts.answered(url)
            raise
        self.hosts.answered(url)
        return downloaded

    def forget(self, url: str) -> None:
        """Delete what has come of `url`, which is not wanted any more, unless another process is at it."""
        path = self.store.partial(url)
        if not path.exists():
            return
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            if _is_still(path, file):
                _discard(path)

    def _attempt(self, url: str, expected: str | None, size_limit: int, rejected: set[str]) -> Downloaded:
        with _partial_file(self.store.partial(url)) as (path, file):
            try:
                self._gather(url, path, file, size_limit)
            except SizeError:
                _discard(path)
                raise
            file.seek(0)
            sha256, size_bytes = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
            if expected is not None and sha256 != expected:
                _discard(path)
                if sha256 in rejected:
                    raise ModifiedError(sha256)
                rejected.add(sha256)
                raise TransientError("its sha256 is not the one listed")
            _version_path(path).unlink(missing_ok=True)  # first: it must not stay behind alone
            self.store.take(path, sha256)
            return Downloaded(sha256, size_bytes)

    def _gather(self, url: str, path: Path, file: BufferedRandom, size_limit: int) -> None:
        """Append to `file` until it is whole."""
        offset, version = file.seek(0, 2), _read_version(path)
        if version is None:
            offset = 0
        deadline = time.monotonic() + self.settings.seconds_per_file
        self.hosts.wait(url)
        timeouts = (self.settings.connect_seconds, self.settings.read_seconds)
        try:
            with open_transfer(url, offset, version, timeouts) as transfer:
                size = self._resume(transfer, offset, version, path, file)
                if (transfer.total_bytes or 0) > size_limit:
                    raise SizeError(transfer.total_bytes or 0)
                for chunk in transfer.chunks:
                    file.write(chunk)
                    size += len(chunk)
                    if size > size_limit:
                        raise SizeError(size)
                    if time.monotonic() > deadline:
                        raise TransientError(f"not whole after {self.settings.seconds_per_file} seconds")
                if transfer.total_bytes is not None and size != transfer.total_bytes:
                    raise TransientError(f"{size} of {transfer.total_bytes} bytes came")
        except TransientError as error:
            if error.retry_after_seconds is not None:
                self.hosts.pause(url, error.retry_after_seconds)
            if error.begin_again:
                file.truncate(0)
            raise
        finally:
            file.flush()

    @staticmethod
    def _resume(
        transfer: Transfer, offset: int, version: str | None, path: Path, file: BufferedRandom
    ) -> int:
        """Put the file to where the transfer begins; returns that position."""
        fits = transfer.offset == offset and (offset == 0 or transfer.version == version)
        if not fits and transfer.offset != 0:
            raise TransientError("the host sent another part than asked for", begin_again=True)
        file.truncate(transfer.offset)
        file.seek(transfer.offset)
        _version_path(path).write_text(transfer.version or "")
        return transfer.offset

    def _wait_seconds(self, state: RetryCallState) -> float:
        """Exponential back-off with full jitter; a pause that the host asked for is kept by `hosts`."""
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after_seconds if isinstance(error, TransientError) else None
        if asked is not None and asked > self.settings.longest_wait_seconds:
            raise TransientError(f"the host asks to wait for {asked:.0f} seconds; run again later")
        longest = min(
            self.settings.longest_wait_seconds,
            self.settings.first_wait_seconds * 2 ** (state.attempt_number - 1),
        )
        return random.uniform(0, longest)


@contextmanager
def _partial_file(path: Path) -> Iterator[tuple[Path, BufferedRandom]]:
    """Open a partial file for this process alone; another that fetches the same url waits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_still(path, file):
                yield path, file
                return


def _is_still(path: Path, file: IO[bytes]) -> bool:
    """Whether `path` names `file`, and was not moved into the store while waiting."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _version_path(path: Path) -> Path:
    return path.with_suffix(".version")


def _discard(path: Path) -> None:
    _version_path(path).unlink(missing_ok=True)
    path.unlink()


def _read_version(path: Path) -> str | None:
    try:
        return _version_path(path).read_text() or None
    except FileNotFoundError:
        return None

"""Members of zip and tar files, read as if they were meant to harm.

    for member in read_members(path, limits):
        if member.problem is None and member.name in wanted:
            for chunk in member.chunks: ...

Nothing is unpacked by its name, so that no name can lead anywhere; names that try to, links, devices,
encrypted members and members that unpack to more than the caps allow carry a problem instead of bytes.
"""

import bz2
import gzip
import lzma
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from pipelines.fetching.transfers import CHUNK_BYTES, FetchError
from pipelines.settings import FetchSettings

ARCHIVE_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")
RATIO_MATTERS_BYTES = 1 << 20
"""Smaller members may be packed as tightly as they like."""
HEADER_BYTES_LIMIT = 1 << 20
"""Of a tar's long names and extended headers, which are read whole."""
_PACKED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
"""First bytes of what a tar may be packed in."""
_ANYTHING = (Exception,)
_DAMAGED_DIRECTORY = (
    *(zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, struct.error),
)
"""What zipfile raises on a damaged directory; what a host that fails raises is not among them."""


class ArchiveError(FetchError):
    """An archive that cannot be used at all: why, in one line."""


@dataclass(frozen=True)
class Member:
    """One file of an archive; its bytes can be read until the next member is asked for."""

    name: str
    size_bytes: int
    problem: str | None = None
    """Why it must not be read."""
    chunks: Iterator[bytes] = field(default=iter(()), repr=False)
    """Raises ArchiveError where the bytes are damaged, or more than `size_bytes`."""


def read_members(path: Path, limits: FetchSettings) -> Iterator[Member]:
    """All files of an archive in their order, folders left out.

    Raises ArchiveError where it is no archive, or unpacks to more than the caps allow.
    """
    if path.stat().st_size > limits.archive_bytes_limit:
        raise ArchiveError(f"{path.stat().st_size} bytes packed, more than {limits.archive_bytes_limit}")
    with _damaged():
        if zipfile.is_zipfile(path):
            with path.open("rb") as file:
                yield from _zip_members(file, limits)
        else:
            yield from _tar_members(path, limits)


def list_zip(file: IO[bytes], limits: FetchSettings) -> list[Member]:
    """Files of a zip file by its directory alone; what is far away is not read whole.

    Raises ArchiveError, and what reading from afar raises.
    """
    with _damaged(_DAMAGED_DIRECTORY):
        members = list(_zip_members(file, limits))
    return [Member(member.name, member.size_bytes, member.problem) for member in members]


def name_problem(name: str) -> str | None:
    """Why a member's name must not be followed; None where it stays within its archive."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name:
        return "its name leads out of the archive"
    return None


def _zip_members(file: IO[bytes], limits: FetchSettings) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        if len(infos) > limits.archive_members_limit:
            raise ArchiveError(f"{len(infos)} members, more than {limits.archive_members_limit}")
        total = sum(info.file_size for info in infos)
        if total > limits.archive_bytes_limit:
            raise ArchiveError(f"it unpacks to {total} bytes, more than {limits.archive_bytes_limit}")
        for info in infos:
            problem = name_problem(info.orig_filename) or _zip_problem(info, limits.archive_ratio_limit)
            chunks = iter(()) if problem else _read_zip(archive, info)
            yield Member(info.filename, info.file_size, problem, chunks)


def _zip_problem(info: zipfile.ZipInfo, ratio_limit: float) -> str | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in {0, stat.S_IFREG}:
        return "it is a link or a device"
    if info.flag_bits & 1:
        return "it is encrypted"
    if info.file_size > RATIO_MATTERS_BYTES and info.file_size > ratio_limit * max(1, info.compress_size):
        return f"{info.compress_size} bytes unpack to {info.file_size}"
    return None


def _read_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    with _damaged(), archive.open(info) as file:
        yield from _capped(file, info.file_size)


def _tar_members(path: Path, limits: FetchSettings) -> Iterator[Member]:
    """A tar's directory is spread over it: sizes are known as they come, and so is a bomb."""
    total = n_members = 0
    packed = path.stat().st_size
    with _open_tar(path) as (archive, file):
        while (info := archive.next()) is not None:
            archive.members = []  # type: ignore[attr-defined]  # else every header stays in memory
            if info.size < 0:
                raise ArchiveError(f"a member of {info.size} bytes")
            n_members += 1
            total += info.size
            if n_members > limits.archive_members_limit:
                raise ArchiveError(f"more than {limits.archive_members_limit} members")
            if total > limits.archive_bytes_limit:
                raise ArchiveError(f"it unpacks to more than {limits.archive_bytes_limit} bytes")
            if total > RATIO_MATTERS_BYTES and total > limits.archive_ratio_limit * packed:
                raise ArchiveError(f"{packed} bytes unpack to more than {total}")
            if info.isdir():
                continue
            problem = name_problem(info.name) or (None if info.isreg() else "it is a link or a device")
            chunks = iter(()) if problem else _read_tar(archive, info)
            yield Member(info.name.removeprefix("./"), info.size, problem, chunks)
        file.check_end()


def _read_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    with _damaged():
        file: Any = archive.extractfile(info)
        yield from _capped(file, info.size)


@contextmanager
def _open_tar(path: Path) -> Iterator[tuple[tarfile.TarFile, "_TarStream"]]:
    with ExitStack() as stack:
        file: Any = stack.enter_context(path.open("rb"))
        beginning = file.read(8)
        file.seek(0)
        for magic, unpack in _PACKED.items():
            if beginning.startswith(magic):
                file = stack.enter_context(unpack(file))
        stream: Any = _TarStream(file)
        yield stack.enter_context(tarfile.open(fileobj=stream, mode="r:")), stream


class _TarStream:
    """The bytes of a tar, of which nobody reads much at once: a header may say that it has any length."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self._last = b""
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= HEADER_BYTES_LIMIT:
            raise ArchiveError(f"a header of {size} bytes, more than {HEADER_BYTES_LIMIT}")
        self._last = self._file.read(size)
        return self._last

    def check_end(self) -> None:
        """After the last member: tarfile takes a damaged header for the end, and leaves checksums unread."""
        if self._last.strip(b"\0"):
            raise ArchiveError("a header is damaged")
        self._file.read(HEADER_BYTES_LIMIT)


@contextmanager
def _damaged(kinds: tuple[type[Exception], ...] = _ANYTHING) -> Iterator[None]:
    """Turn what libraries raise on damaged bytes, those of `kinds`, into ArchiveError."""
    try:
        yield
    except ArchiveError:
        raise
    except kinds as error:
        raise ArchiveError(f"it is damaged ({type(error).__name__})") from None


def _capped(file: IO[bytes], size_bytes: int) -> Iterator[bytes]:
    """Chunks of a member that must have exactly so many bytes."""
    left = size_bytes
    while chunk := file.read(min(CHUNK_BYTES, left + 1)):
        left -= len(chunk)
        if left < 0:
            raise ArchiveError("it holds more bytes than it says")
        yield chunk
    if left:
        raise ArchiveError(f"{left} of its {size_bytes} bytes are absent")

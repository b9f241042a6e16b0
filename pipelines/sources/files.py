"""Files on disk as sources see them: names as uris, and bytes that are only read from regular files."""

import hashlib
import os
import re
import stat
import unicodedata
from pathlib import Path
from urllib.parse import unquote_to_bytes

READABLE_FORMATS = frozenset({"glb", "gltf", "obj", "ply", "stl", "off"})
"""Extensions of the formats that `pipelines.reading` reads."""
PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,120}")
ENCODED_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
"""Control characters, bytes that are not UTF-8, and line ends: everything else stays readable."""


class UnreadableFileError(OSError):
    """A path that is not a regular file, or that cannot be read."""


def file_uri(path: Path) -> str:
    """`file://` and the path, readable: only `%` and ENCODED_CATEGORIES are percent-encoded."""
    return "file://" + printable(os.path.abspath(path).replace("%", "%25"))


def printable(text: str) -> str:
    """Text of one line: ENCODED_CATEGORIES are percent-encoded, everything else stays as it is."""
    if text.isascii() and text.isprintable():  # as most names are
        return text
    return "".join(
        "".join(f"%{byte:02X}" for byte in character.encode(errors="surrogateescape"))
        if unicodedata.category(character) in ENCODED_CATEGORIES
        else character
        for character in text
    )


def uri_path(uri: str) -> Path:
    """Path that `file_uri` made the uri from."""
    if not uri.startswith("file://"):
        raise ValueError(f"{uri!r} is not a file:// uri")
    return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix("file://"))))


def display_name(name: str) -> str:
    """A file name as valid text: bytes that are not UTF-8 become the replacement character."""
    return name.encode(errors="surrogateescape").decode(errors="replace")


def mesh_id(preferred: str, source: str, identity: str) -> str:
    """`preferred` where it can stand as the name of a tar member, else a hash of `identity`."""
    if PLAIN_NAME.fullmatch(preferred):
        return preferred
    return f"{source}-{text_hash(identity)[:20]}"


def text_hash(text: str) -> str:
    """sha256 of a text, as hex; takes the surrogates of file names that are not UTF-8."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def extension(name: str) -> str:
    """Lower-case extension without its dot; empty for `name`, `name.` and `.name`."""
    return os.path.splitext(name)[1].lower().removeprefix(".")


def open_regular(path: Path) -> int:
    """File descriptor of a regular file; never waits for the other end of a pipe.

    Raises UnreadableFileError.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError as error:
        raise UnreadableFileError(error.strerror or str(error)) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnreadableFileError("not a regular file")
    return descriptor


def read_regular(path: Path) -> bytes:
    """Bytes of a regular file; raises UnreadableFileError."""
    with os.fdopen(open_regular(path), "rb") as handle:
        try:
            return handle.read()
        except OSError as error:
            raise UnreadableFileError(error.strerror or str(error)) from None


def hash_regular(path: Path) -> str:
    """sha256 of a regular file's bytes; raises UnreadableFileError."""
    with os.fdopen(open_regular(path), "rb") as handle:
        try:
            return hashlib.file_digest(handle, "sha256").hexdigest()
        except OSError as error:
            raise UnreadableFileError(error.strerror or str(error)) from None

"""Bytes of a text format as text, whatever wrote them."""

import codecs

from pipelines.reading.loaded import MeshReadError
from pipelines.reasons import Reason

BYTE_ORDER_MARKS = [
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
]


def decode(content: bytes) -> str:
    """Text by its byte-order mark, else UTF-8, else Latin-1 (names only: numbers are ASCII in all of them).

    Raises NOT_A_MESH where the bytes are no text.
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, errors="replace")
    if b"\x00" in content:
        if content[:1] == b"\x00" != content[1:2]:
            return content.decode("utf-16-be", errors="replace")
        if content[1:2] == b"\x00" != content[:1]:
            return content.decode("utf-16-le", errors="replace")
        raise MeshReadError(
            Reason.NOT_A_MESH, "a text format, but the file holds binary data; download it again"
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def lines(text: str) -> list[str]:
    """Lines at any of the three line ends; other separators of Unicode do not end a line."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

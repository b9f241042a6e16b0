"""Text of strangers (file names, titles, licences) where people read it: a terminal, a log, a page.

visible("a\\x1b[2J\\u202eb")   # 'a [2J b': nothing that moves a cursor or turns the text around
"""

import unicodedata

HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
LENGTH = 200


def visible(text: str, length: int | None = LENGTH) -> str:
    """The text as one line of what can be seen, at most `length` characters."""
    shown = "".join(
        " " if unicodedata.category(character) in HIDDEN_CATEGORIES else character for character in text
    )
    line = " ".join(shown.split())
    return line if length is None or len(line) <= length else f"{line[: length - 1]}…"

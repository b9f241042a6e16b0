"""Where a file lies within its source, apart from where the source lies on this machine.

    Places(["local:/home/me/meshes"]).of("file:///home/me/meshes/a/b.glb")   # local:meshes/a/b.glb

The tables of a data set name files by their whole path; what leaves the machine, and what two versions
are compared by, names them by their place.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from pipelines.sources import SourceError, parse_source
from pipelines.sources.files import file_uri

_FILE = "file://"
_CREDENTIALS = re.compile(r"^([a-z][a-z0-9+.-]*://)[^/?#]*@", re.IGNORECASE)


class Places:
    """The roots of a data set's sources, in the order in which they were given."""

    def __init__(self, sources_texts: Sequence[str]):
        self.prefixes: dict[str, str] = {}
        """Start of the uri of a source's files -> start of their place."""
        self.names: list[str] = []
        """What each source is called without its path; unique."""
        for text in sources_texts:
            kind, _, argument = text.partition(":")
            root = _root(text, argument)
            name = _unique(_name(kind, argument, root), self.names)
            self.names.append(name)
            if root is not None:
                start = name if name.endswith(":") else f"{name}/"
                self.prefixes[f"{file_uri(root).removesuffix('/')}/"] = start

    def of(self, uri: str) -> str:
        """Place of one file."""
        for start, place in self._longest_first():
            if uri.startswith(start):
                return place + uri.removeprefix(start)
        return _elsewhere(uri)

    def expression(self, column: str = "uri") -> pl.Expr:
        """Places of a column of uris."""
        uri = pl.col(column)
        place = uri.map_elements(_elsewhere, return_dtype=pl.String)
        for start, replacement in reversed(self._longest_first()):
            moved = pl.lit(replacement) + uri.str.strip_prefix(start)
            place = pl.when(uri.str.starts_with(start)).then(moved).otherwise(place)
        return place.alias(column)

    def _longest_first(self) -> list[tuple[str, str]]:
        return sorted(self.prefixes.items(), key=lambda item: (-len(item[0]), item[0]))


def _root(text: str, argument: str) -> Path | None:
    """Folder that the source's files lie below; also of a source that is gone."""
    if not argument or "://" in argument:
        return None
    try:
        root = getattr(parse_source(text), "root", None)
    except SourceError:
        root = Path(argument).expanduser()
    return Path(root).resolve() if root is not None else None


def _name(kind: str, argument: str, root: Path | None) -> str:
    if kind == "local" and root is not None:
        return f"local:{file_uri(Path('/') / root.name).removeprefix(f'{_FILE}/')}"
    if "://" in argument:
        return f"{kind}:{_elsewhere(argument)}"
    return f"{kind}:"


def _unique(name: str, taken: list[str]) -> str:
    """Two folders of the same name are told apart by the order in which they were given."""
    n_same, found = 1, name
    while found in taken:
        n_same += 1
        found = f"{name}~{n_same}" if not name.endswith(":") else f"{name[:-1]}~{n_same}:"
    return found


def _elsewhere(uri: str) -> str:
    """A uri that lies below no root: as it is, without anything that only this machine or user may know."""
    if uri.startswith(_FILE):
        return f"file:{_short_hash(uri)}/{uri.rpartition('/')[2]}"
    bare = _CREDENTIALS.sub(r"\1", uri)
    plain, question, _ = bare.partition("?")
    return f"{plain}?{_short_hash(uri)}" if question else plain  # signatures live in the query


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]

"""Bytes named by their sha256, each stored once.

DIR/sha256/ab/abcd...                 the bytes, read-only
DIR/views/ab/<hash>/scene.gltf        hard links to them, where a file names its neighbours
DIR/partial/<hash>.partial            what has come of a file so far; a later run goes on from there
DIR/journal/<source>/<shard>.jsonl    what came of each file
"""

import hashlib
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipelines.storage import ShardKey


@dataclass(frozen=True)
class ContentStore:
    """Paths of one store; creates nothing by itself."""

    root: Path

    def path(self, sha256: str) -> Path:
        """Where the bytes of this sha256 lie, whether they do or not."""
        return self.root / "sha256" / sha256[:2] / sha256

    def partial(self, url: str) -> Path:
        """Where the bytes of `url` are gathered."""
        return self.root / "partial" / f"{hashlib.sha256(url.encode()).hexdigest()}.partial"

    def journal(self, key: ShardKey) -> Path:
        """What came of the files of a partition."""
        return self.root / "journal" / key.source / f"{key.shard}.jsonl"

    def take(self, file: Path, sha256: str) -> Path:
        """Move a whole, checked file into the store; returns where it lies."""
        final = self.path(sha256)
        final.parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
        if final.is_file() and final.stat().st_size == file.stat().st_size:
            file.unlink()
            return final
        file.chmod(0o444)
        file.replace(final)
        return final

    def view(self, name: str, sha256: str, sides: Mapping[str, str]) -> Path:
        """Path of a file beside its side files (relative path to sha256), as the source has them.

        The folder is named by what it holds, and holds links: nothing is stored twice.
        """
        content = {PurePosixPath(name).name: sha256, **sides}
        identity = hashlib.sha256(repr(sorted(content.items())).encode()).hexdigest()
        folder = self.root / "views" / identity[:2] / identity
        if not folder.is_dir():
            temporary = folder.with_name(f".{identity}.{secrets.token_hex(4)}.partial")
            try:
                for relative, member in content.items():
                    link = temporary / relative
                    link.parent.mkdir(parents=True, exist_ok=True)
                    os.link(self.path(member), link)
                os.replace(temporary, folder)
            except OSError:
                if not folder.is_dir():  # else another process made the same view
                    raise
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return folder / PurePosixPath(name).name

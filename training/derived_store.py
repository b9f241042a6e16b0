"""Arrays that are computed once and kept beside the data set, each under the name of what it was made from.

    DIR/cache/derived/<what>-<fingerprint>/<ab>/<sha256 of the input>.safetensors

The fingerprint names whatever else decides the result, so an entry is right whoever reads it and whenever:
other ranks, workers, runs. Where the data set cannot be written to, the folder is in the run. It may be
deleted at any time.
"""

import hashlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from pipelines.storage import DataFolder, write_bytes

Arrays = Mapping[str, NDArray[Any]]


class DerivedStore:
    """Arrays by the content of what they were made from; one file each, whole or absent."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._is_writable = True

    @classmethod
    def of(cls, data: Path, run: Path, name: str) -> "DerivedStore":
        """The store of this name, beside a data set or, where that cannot be written to, in a run."""
        cache = DataFolder(Path(data)).cache
        beside = cache if cache.is_dir() else cache.parent
        folder = cache if os.access(beside, os.W_OK) else Path(run) / "cache"
        return cls(folder / "derived" / name)

    def read(self, key: str) -> dict[str, NDArray[Any]] | None:
        """What is kept; None where nothing is, or nothing that can be read."""
        try:
            return load(self._path(key).read_bytes())
        except (OSError, SafetensorError):
            return None

    def write(self, key: str, arrays: Arrays) -> None:
        """Keep arrays. Where the disk does not take them, warn once, and keep no more."""
        if not self._is_writable:
            return
        content = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
        try:
            write_bytes(self._path(key), content)
        except OSError as error:
            self._is_writable = False
            warnings.warn(
                f"{self.root} takes no more ({error}); what it lacks is computed on every visit", stacklevel=2
            )

    def _path(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}.safetensors"


def content_key(arrays: Arrays) -> str:
    """sha256 over names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()

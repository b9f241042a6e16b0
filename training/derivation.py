"""What the networks of earlier stages make of samples: computed once, and kept beside the data set.

    DIR/cache/derived/<stage>-<fingerprint>/<ab>/<sha256 of a prepared sample>.safetensors

The fingerprint names the earlier weights and their settings, what the stage makes of them, and the kind of
device, which may round otherwise. So an entry is right whoever reads it and whenever: other ranks, workers,
runs. Where the data set cannot be written to, the folder is in the run. It may be deleted at any time.
"""

import hashlib
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import nn

from model.systems import load_system
from pipelines.storage import DataFolder, fingerprint, write_bytes
from training.checkpoints import weights_digest
from training.config import ExperimentConfig
from training.data import Failed, Prepared

Arrays = Mapping[str, NDArray[Any]]
VERSION = 1


class DerivedStore:
    """Arrays by the content of what they were made from; one file each, whole or absent."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._is_writable = True

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


class Derivation:
    """Puts what a stage derives of samples in their place."""

    def __init__(
        self,
        config: ExperimentConfig,
        earlier: Mapping[str, nn.Module],
        device: torch.device,
        store: DerivedStore,
    ) -> None:
        self.stage, self.earlier, self.device, self.store = config.training_stage, earlier, device, store

    @classmethod
    def of(
        cls,
        config: ExperimentConfig,
        earlier: Mapping[str, nn.Module],
        device: torch.device,
        data: Path,
        run: Path,
    ) -> "Derivation | None":
        """What a run's stage derives, kept in its place; None for a stage that derives nothing."""
        stage, system = config.training_stage, load_system(config.system)
        if stage.derivation is None:
            return None
        settings = {
            "system": config.system,
            "stage": stage.name,
            "derivation": stage.derivation,
            "settings": {
                name: system.stage(name).settings(config.model).model_dump(mode="json") for name in earlier
            },
            "weights": weights_digest(earlier),
            "device": device.type,
        }
        name = f"{stage.name}-{fingerprint('derived', VERSION, settings, [])[:32]}"
        cache = DataFolder(Path(data)).cache
        beside = cache if cache.is_dir() else cache.parent
        folder = cache if os.access(beside, os.W_OK) else Path(run) / "cache"
        return cls(config, earlier, device, DerivedStore(folder / "derived" / name))

    def __call__(self, sample: Prepared | Failed, is_kept: bool) -> Prepared | Failed:
        """The sample with its derived arrays, which are looked up and kept where `is_kept`."""
        if isinstance(sample, Failed):
            return sample
        key = content_key(sample.arrays) if is_kept else None
        arrays = None if key is None else self.store.read(key)
        if arrays is None:
            with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
                arrays = self.stage.derive(sample.arrays, self.earlier)
            if key is not None:
                self.store.write(key, arrays)
        return Prepared(sample.mesh_id, arrays)


def content_key(arrays: Arrays) -> str:
    """sha256 over names, types, shapes and values."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()

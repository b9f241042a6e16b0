"""What the networks of earlier stages make of samples: computed once, and kept beside the data set.

Its place (see `training.derived_store`) is named after the earlier weights and their settings, what the stage
makes of them, and the kind of device, which may round otherwise.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from model.systems import load_system
from pipelines.storage import fingerprint
from training.batches import Derive
from training.checkpoints import weights_digest
from training.config import ExperimentConfig
from training.data import Failed, Prepared
from training.derived_store import DerivedStore, content_key
from training.text import Texts

VERSION = 1


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
        return cls(config, earlier, device, DerivedStore.of(data, run, name))

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


def derivations(
    config: ExperimentConfig, earlier: Mapping[str, nn.Module], device: torch.device, data: Path, run: Path
) -> Derive | None:
    """All that takes the place of a run's samples in their batches, or is added to them; None for nothing."""
    found = (Derivation.of(config, earlier, device, data, run), Texts.of(config, device, data, run))
    steps = [step for step in found if step is not None]
    if not steps:
        return None

    def derive(sample: Prepared | Failed, is_kept: bool) -> Prepared | Failed:
        for step in steps:
            sample = step(sample, is_kept)
        return sample

    return derive

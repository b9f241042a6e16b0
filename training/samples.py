"""Meshes generated while training, as pictures: RUN/samples/step-000100.png.

The same held-out conditions and the same random streams at every step, so that sheets can be compared.
Nothing of a run depends on them: the weights are those of a run without.
"""

import contextlib
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from model.systems import load_system
from pipelines.pictures import contact_sheet, pairs_sheet
from pipelines.storage import write_bytes
from pipelines.tokenizers import build_tokenizer
from training.averaging import WeightAverage
from training.conditions import held_out_conditions
from training.config import ExperimentConfig
from training.data import DataError, ShardDataset
from training.decoding import read_mesh
from training.generation import generate_meshes
from training.surface import Mesh

FOLDER = "samples"
MAX_SECONDS = 20.0
"""Of a mesh, where the system can stop at all: other ranks wait, and so does whoever wants the run to end."""
MAX_LENGTH = 2
"""Times the longest of the conditions: an untrained network seldom ends."""
_PICTURE_PIXELS = 128
_SHEET = re.compile(r"step-\d{6,}\.png")
_NO_MESH = Mesh(torch.zeros(0, 3).numpy(), torch.zeros(0, 3, dtype=torch.int64).numpy())


def newest_sheet(run: Path) -> Path | None:
    """The sheet of the highest step; None where there is none."""
    folder = Path(run) / FOLDER
    sheets = [path for path in folder.iterdir() if _SHEET.fullmatch(path.name)] if folder.is_dir() else []
    return max(sheets, key=lambda path: int(path.stem.split("-")[1]), default=None)


class SampleSheets:
    """The sheets of a run, of the average of its weights where it has one.

    `networks` are those of all stages, by their names, and whole.
    """

    def __init__(
        self,
        run: Path,
        config: ExperimentConfig,
        held_out: ShardDataset | None,
        networks: dict[str, nn.Module],
        average: WeightAverage | None = None,
    ) -> None:
        self._run, self._config, self._held_out = run, config, held_out
        self._networks, self._average = networks, average

    def is_due(self, step: int) -> bool:
        """Whether there is a sheet after this step. Only a system's last stage writes meshes."""
        config = self._config
        if config.samples_every is None or config.stage != load_system(config.system).stages[-1].name:
            return False
        return step % config.samples_every == 0 or step == config.schedule.steps

    def draw_if_due(self, step: int, say: Callable[[str], None]) -> None:
        """Write the sheet; where that fails, whatever for, a line says so, and the training goes on."""
        if not self.is_due(step):
            return
        weights = contextlib.nullcontext() if self._average is None else self._average.in_place()
        try:
            if self._held_out is None:
                raise DataError("there is no held-out mesh")
            with weights:
                draw_samples(self._run, step, self._config, self._held_out, self._networks)
        except Exception as error:
            say(f"no samples after step {step}: {type(error).__name__}: {error}")


@torch.no_grad()
def draw_samples(
    run: Path, step: int, config: ExperimentConfig, held_out: ShardDataset, networks: dict[str, nn.Module]
) -> Path:
    """Generate from the first held-out meshes with all stages' networks, and write the sheet.

    Neither the networks' mode nor torch's random numbers are other ones afterwards. Raises whatever
    generating does.
    """
    modes = {name: network.training for name, network in networks.items()}
    devices = {parameter.device for network in networks.values() for parameter in network.parameters()}
    with torch.random.fork_rng([device for device in devices if device.type == "cuda"]):
        try:
            for network in networks.values():
                network.eval()
            sheet = _sheet(config, held_out, networks)
        finally:
            for name, network in networks.items():
                network.train(modes[name])
    path = Path(run) / FOLDER / f"step-{step:06d}.png"
    write_bytes(path, sheet)
    return path


def _sheet(config: ExperimentConfig, held_out: ShardDataset, networks: dict[str, nn.Module]) -> bytes:
    """PNG of the inputs beside what was made of them, or of what was made where it is made of nothing."""
    n_meshes = min(config.samples_meshes, len(held_out))
    tokenizer = None if config.needs.vocab_size is None else build_tokenizer(config.tokenizer)
    generator = load_system(config.system).generator(networks, tokenizer)
    conditions = [given.loaded() for given in held_out_conditions(held_out, n_meshes)]
    longest = MAX_LENGTH * int(held_out.lengths[:n_meshes].max())
    limits = [
        limit for limit in (longest, generator.needs.max_tokens, config.max_tokens) if limit is not None
    ]
    with tempfile.TemporaryDirectory() as folder:
        generated = generate_meshes(
            generator,
            config,
            conditions,
            Path(folder),
            max_tokens=min(limits),
            batch_size=n_meshes,
            max_seconds=MAX_SECONDS,
        )
        made = [_made(row, Path(folder)) for row in generated.iter_rows(named=True)]
    titles = [_title(row) for row in generated.iter_rows(named=True)]
    if generator.needs.points:
        pairs = [
            (title, given.mesh(), mesh) for title, given, mesh in zip(titles, conditions, made, strict=True)
        ]
        return pairs_sheet(pairs, size=_PICTURE_PIXELS)
    return contact_sheet([(title, *(mesh or _NO_MESH)) for title, mesh in zip(titles, made, strict=True)])


def _made(row: dict[str, object], folder: Path) -> Mesh | None:
    return None if row["file"] is None else read_mesh(folder / str(row["file"]))


def _title(row: dict[str, object]) -> str:
    return f"{row['status']}: {row['n_faces'] or 0} faces"

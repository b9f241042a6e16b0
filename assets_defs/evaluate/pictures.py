"""What the network made, to look at."""

from pathlib import Path

import polars as pl

from pipelines.pictures import contact_sheet, pairs_sheet
from training.checkpoints import run_config
from training.data import ShardDataset
from training.decoding import read_mesh
from training.surface import Mesh

SHEET_MESHES = 24
PAIRS = 9
PAIR_PIXELS = 128


def generated_sheet(generated: pl.DataFrame, folder: Path) -> bytes:
    """PNG of the first generated meshes."""
    made = generated.filter(pl.col("file").is_not_null()).head(SHEET_MESHES)
    meshes = [(name, *read_mesh(folder / file)) for name, file in made.select("name", "file").iter_rows()]
    return contact_sheet(meshes)


def pairs_picture(generated: pl.DataFrame, data: Path, run: Path, split: str, folder: Path) -> bytes:
    """PNG of held-out meshes, each beside what was generated from its points."""
    held_out = ShardDataset(data, split, run_config(run))
    files = dict(generated.select("name", "file").iter_rows())
    rows: list[tuple[str, Mesh, Mesh | None]] = []
    for index in range(len(held_out)):
        name = held_out.mesh_id(index)
        if name in files and len(rows) < PAIRS:
            file = files[name]
            made = None if file is None else read_mesh(folder / file)
            rows.append((name, held_out.mesh(index), made))
    return pairs_sheet(rows, size=PAIR_PIXELS)

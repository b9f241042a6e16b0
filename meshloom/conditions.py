"""What `meshloom generate` is given to generate from: meshes, folders, lists and tables of them.

Only paths are read at once; a mesh is read when its turn comes.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from pipelines.normalizing import normalize, pre_clean
from pipelines.sources.files import READABLE_FORMATS
from training.conditions import UnreadCondition
from training.surface import Mesh


def conditions_of_paths(paths: Sequence[Path]) -> list[UnreadCondition]:
    """One condition a mesh file; see `mesh_files`. A file that is named twice is taken once."""
    files = dict.fromkeys(file for path in paths for file in mesh_files(path))
    return [UnreadCondition(file.stem, str(file), partial(_read, file)) for file in files]


def mesh_files(path: Path) -> Iterator[Path]:
    """The mesh files that a path stands for.

    A folder stands for those below it, by name; a `.txt` for one path a line, a `.parquet` for its column
    `path`, where relative ones begin at the file's own folder; anything else for itself.
    Raises ValueError where there are none, or no such path.
    """
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.suffix.lower().lstrip(".") in READABLE_FORMATS)
    elif not path.is_file():
        raise ValueError(f"{path} does not exist; give meshes, folders of them, or a list (.txt, .parquet)")
    elif path.suffix.lower() == ".txt":
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [path.parent / line.strip() for line in lines if line.strip()]
    elif path.suffix.lower() == ".parquet":
        found = [path.parent / text for text in _paths_of_table(path)]
    else:
        found = [path]
    if not found:
        raise ValueError(f"{path} names no mesh; the formats are {', '.join(sorted(READABLE_FORMATS))}")
    yield from found


def _paths_of_table(path: Path) -> list[str]:
    try:
        return pl.read_parquet(path, columns=["path"])["path"].cast(pl.String).drop_nulls().to_list()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise ValueError(f"{path} is no Parquet table with a column `path`: {error}") from None


def _read(file: Path) -> Mesh:
    from meshloom.commands import read_file, triangles

    vertices, faces = pre_clean(*triangles(read_file(file)))
    return Mesh(normalize(vertices), faces)

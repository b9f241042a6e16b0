"""Amazon Berkeley Objects: `abo:PATH`, the unpacked abo-3dmodels.tar.

    3dmodels/original/<last character>/<id>.glb      a shard is a last character
    3dmodels/metadata/3dmodels.csv.gz                3dmodel_id, textures, vertices, faces, and more

The licence is the text of the LICENSE file beside them, by its first line: releases differ.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipelines.sources import Annotations, SourceError
from pipelines.sources.layouts import Model

_COUNTS = ("textures", "vertices", "faces")


class ABO:
    """Layout of Amazon Berkeley Objects."""

    name = "abo"
    expected = "original/<character>/<id>.glb"

    def models(self, root: Path) -> Iterator[Model]:
        """The GLB files below original."""
        nested = root / "3dmodels"
        folder = nested if nested.is_dir() else root
        counts = _read_counts(folder / "metadata" / "3dmodels.csv.gz")
        licence = _read_licence([folder, root])
        for path in folder.glob("original/*/*.glb"):
            known = counts.get(path.stem)
            yield Model(path, path.stem, path.parent.name, path.stem, licence=licence, annotations=known)


def _read_counts(path: Path) -> dict[str, Annotations]:
    if not path.is_file():
        return {}
    try:
        frame = pl.read_csv(path, infer_schema=False).select("3dmodel_id", pl.col(_COUNTS).cast(pl.Int64))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(f"{path} is damaged ({str(error).splitlines()[0]}); unpack it again") from None
    return {
        row["3dmodel_id"]: Annotations(
            face_count=row["faces"], vertex_count=row["vertices"], texture_count=row["textures"]
        )
        for row in frame.iter_rows(named=True)
    }


def _read_licence(folders: list[Path]) -> str | None:
    """First line of the licence that came with the download."""
    for path in (path for folder in folders for path in sorted(folder.glob("LICENSE*"))):
        lines = path.read_text(errors="replace").strip().splitlines()
        if lines:
            return lines[0].strip()[:200]
    return None

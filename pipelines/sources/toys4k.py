"""Toys4K: `toys4k:PATH`, the unpacked toys4k_obj_files.zip.

<category>/<category>_<nnn>/**/*.obj      a shard is a category

Creative Commons and royalty-free objects; the licence of each is not stated and stays null.
"""

from collections.abc import Iterator
from pathlib import Path

from pipelines.sources.layouts import Model


class Toys4K:
    """Layout of Toys4K."""

    name = "toys4k"
    expected = "<category>/<category>_<nnn>/*.obj"

    def models(self, root: Path) -> Iterator[Model]:
        """The OBJ files of folders that are named after their category."""
        nested = root / "toys4k_obj_files"
        folder = nested if nested.is_dir() else root
        for path in folder.glob("*/*_*/**/*.obj"):
            category, toy = path.relative_to(folder).parts[:2]
            if toy.startswith(f"{category}_"):
                yield Model(path, path.relative_to(folder).as_posix(), category, toy, category)

"""Google Scanned Objects: `gso:PATH`, a folder of the unpacked models (CC BY 4.0).

<model>/meshes/model.obj      a shard is a bucket of names
<model>/metadata.pbtxt        categories: text with `first: "Shoe"`
"""

import re
from collections.abc import Iterator
from pathlib import Path

from pipelines.sources.layouts import Model, bucket

_CATEGORY = re.compile(r'categories\s*\{\s*first:\s*"([^"]+)"')


class GSO:
    """Layout of Google Scanned Objects."""

    name = "gso"
    expected = "<model>/meshes/model.obj"

    def models(self, root: Path) -> Iterator[Model]:
        """One model a folder."""
        for path in root.glob("*/meshes/model.obj"):
            name = path.parents[1].name
            yield Model(
                path,
                name,
                bucket(name),
                name.replace("_", " "),
                _category(path.parents[1] / "metadata.pbtxt"),
                licence="CC-BY-4.0",
                author="Google LLC",
            )


def _category(path: Path) -> str | None:
    try:
        found = _CATEGORY.search(path.read_text(errors="replace"))
    except OSError:
        return None
    return found[1] if found else None

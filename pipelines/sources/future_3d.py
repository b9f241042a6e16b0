"""3D-FUTURE: `3d-future:PATH`, the unpacked 3D-FUTURE-model.zip.

    3D-FUTURE-model/<model id>/raw_model.obj      what TRELLIS takes too; a shard is a bucket of ids
    3D-FUTURE-model/model_info.json               [{model_id, super-category, category, style, ...}]

Non-commercial, by application; the licence is not stated per model and stays null.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from pipelines.sources import Annotations, SourceError
from pipelines.sources.layouts import Model, bucket


class Future3D:
    """Layout of 3D-FUTURE."""

    name = "3d-future"
    expected = "<model id>/raw_model.obj"

    def models(self, root: Path) -> Iterator[Model]:
        """One model a folder."""
        nested = root / "3D-FUTURE-model"
        folder = nested if nested.is_dir() else root
        known = _read_info(folder / "model_info.json")
        for path in folder.glob("*/raw_model.obj"):
            identity = path.parent.name
            info = known.get(identity, {})
            category = info.get("category") or info.get("super-category")
            tags = tuple(
                info[key] for key in ("super-category", "style", "theme", "material") if info.get(key)
            )
            name = f"{category or 'model'} {identity[:8]}"
            yield Model(path, identity, bucket(identity), name, category, annotations=Annotations(tags=tags))


def _read_info(path: Path) -> dict[str, dict[str, str]]:
    try:
        entries = json.loads(path.read_bytes())
        texts = ({k: v for k, v in entry.items() if isinstance(v, str)} for entry in entries)
        return {entry["model_id"]: entry for entry in texts}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{path} is damaged ({error!r}); unpack it again, or delete it") from None

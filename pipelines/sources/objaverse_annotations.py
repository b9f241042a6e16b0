"""What Objaverse 1.0 says of its objects, wherever it lies.

metadata/<folder>.json.gz      {uid: annotation}: name, licence, author, counts
lvis-annotations.json.gz       {category: [uid, ...]}
object-paths.json.gz           {uid: "glbs/<folder>/<uid>.glb"}
"""

import gzip
import json
from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pipelines.sources import Annotations, RawFile, SourceError

Json = dict[str, Any]


def annotate(file: RawFile, annotation: Any, category: str | None) -> RawFile:
    """A listed object with what its annotation says; annotations may be absent, or have any form."""
    known = annotation if isinstance(annotation, dict) else {}
    user = known.get("user")
    author = (user.get("displayName") or user.get("username")) if isinstance(user, dict) else None
    return replace(
        file,
        name=_text(known.get("name")) or file.name,
        category=category,
        licence=_text(known.get("license")),
        author=_text(author),
        annotations=_annotations(known) if known else None,
    )


def size_bytes(annotation: Any) -> int | None:
    """Size of the GLB, as the annotation states it."""
    return _count(_archive(annotation if isinstance(annotation, dict) else {}).get("size"))


def categories_by_uid(lvis: Json, chosen: Iterable[str] | None) -> dict[str, str]:
    """LVIS category of each object; the first in alphabetical order where it has several.

    Raises SourceError where a chosen category is not among them.
    """
    unknown = sorted(set(chosen or ()) - set(lvis))
    if unknown:
        near = get_close_matches(unknown[0], list(lvis), n=3) or sorted(lvis)[:3]
        raise SourceError(f"{unknown[0]!r} is no LVIS category here; there are for example {', '.join(near)}")
    return {str(uid): category for category in sorted(lvis, reverse=True) for uid in lvis[category]}


def read_json(path: Path | None) -> Json:
    """Content of a gzipped JSON object; empty where the file is absent.

    Raises SourceError where it is damaged: names and licences would silently be lost otherwise.
    """
    if path is None:
        return {}
    try:
        with gzip.open(path, "rt", encoding="utf-8") as handle:
            content = json.load(handle)
    except FileNotFoundError:
        return {}
    except (OSError, EOFError, ValueError) as error:
        raise SourceError(f"{path} is damaged ({error}); download it again, or delete it") from None
    return content if isinstance(content, dict) else {}


def _annotations(known: Json) -> Annotations:
    tags = known.get("tags")
    tags = [tag for tag in tags if isinstance(tag, dict)] if isinstance(tags, list) else None
    return Annotations(
        face_count=_count(known.get("faceCount")),
        vertex_count=_count(known.get("vertexCount")),
        texture_count=_count(_archive(known).get("textureCount")),
        animation_count=_count(known.get("animationCount")),
        tags=None if tags is None else tuple(name for tag in tags if (name := _text(tag.get("name")))),
        caption=_text(known.get("description")),
    )


def _archive(known: Json) -> Json:
    archives = known.get("archives")
    glb = archives.get("glb") if isinstance(archives, dict) else None
    return glb if isinstance(glb, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 62 else None

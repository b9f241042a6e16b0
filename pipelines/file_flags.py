"""What a file holds besides triangles: textures, animations, skins.

file_flags(Path("fox.glb").read_bytes(), "glb")["has_animations"]
"""

import json
import struct
from typing import Any

_FLAGS = {"has_textures": "textures", "has_animations": "animations", "has_skins": "skins"}
"""Column -> list of a glTF document that must not be empty."""
_GLB_HEADER = struct.Struct("<4sIIII")
_JSON_CHUNK = 0x4E4F534A
_STATIC = frozenset({"obj", "ply", "stl", "off"})
"""Formats without animation."""
_PLAIN = frozenset({"stl", "off"})
"""Formats without textures."""

NO_FLAGS: dict[str, bool | None] = dict.fromkeys(_FLAGS)
"""Nothing is known."""


def file_flags(content: bytes, format: str) -> dict[str, bool | None]:
    """Flags of a file of a format of `pipelines.reading`; null where the bytes do not tell.

    An OBJ or PLY file may name a texture in a side file or a comment: null.
    """
    if format in _STATIC:
        return {
            "has_textures": False if format in _PLAIN else None,
            "has_animations": False,
            "has_skins": False,
        }
    document = _gltf_document(content, format)
    if document is None:
        return dict(NO_FLAGS)
    return {column: bool(document.get(key)) for column, key in _FLAGS.items()}


def _gltf_document(content: bytes, format: str) -> dict[str, Any] | None:
    text = content
    if format == "glb":
        if len(content) < _GLB_HEADER.size:
            return None
        magic, _, _, length, kind = _GLB_HEADER.unpack_from(content)
        if magic != b"glTF" or kind != _JSON_CHUNK:
            return None
        text = content[_GLB_HEADER.size : _GLB_HEADER.size + length]
    try:
        # as the reader takes it: padded with zeros, names in another encoding
        document = json.loads(text.decode(errors="replace").rstrip("\0 "))
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None

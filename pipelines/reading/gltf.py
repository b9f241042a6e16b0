"""glTF 2.0, as a text (.gltf) or with its buffer in one file (.glb): container and side files.

The scene itself is read by `gltf_scene`, arrays by `gltf_accessors`.
"""

import base64
import binascii
import json
import struct
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pipelines.reading.gltf_accessors import Buffers
from pipelines.reading.gltf_scene import scene_triangles
from pipelines.reading.loaded import LoadedMesh, MeshReadError, mesh
from pipelines.reasons import Reason
from pipelines.sources.files import UnreadableFileError, read_regular

HARMLESS_PREFIXES = (
    "KHR_materials_",
    "KHR_technique",
    "KHR_texture_",
    "EXT_texture_",
    "EXT_lights_",
    "KHR_lights_",
    "KHR_xmp",
)
HARMLESS_EXTENSIONS = {
    "KHR_mesh_quantization",
    "KHR_animation_pointer",
    "KHR_node_visibility",
    "MSFT_texture_dds",
    "MSFT_packing_occlusionRoughnessMetallic",
    "AGI_articulations",
    "CESIUM_primitive_outline",
    "EXT_structural_metadata",
    "EXT_mesh_features",
    "VRM",
    "VRMC_vrm",
}
"""Required extensions without which the triangles are still the right ones."""


def read_glb(content: bytes, folder: Path | None) -> LoadedMesh:
    """Read a GLB. Raises LOAD where it is cut off or of another version, and what `read_document` raises."""
    if len(content) < 20:
        raise MeshReadError(
            Reason.LOAD, f"{len(content)} bytes, less than the header of a GLB; download it again"
        )
    version, announced = struct.unpack_from("<II", content, 4)
    if version != 2:
        raise MeshReadError(Reason.LOAD, f"glTF container version {version}, only 2 can be read; convert it")
    if announced > len(content):
        raise MeshReadError(
            Reason.LOAD, f"announces {announced} bytes, has {len(content)}; download it again"
        )
    chunks: dict[bytes, bytes] = {}
    position = 12
    while position + 8 <= len(content):
        size, kind = struct.unpack_from("<I4s", content, position)
        if position + 8 + size > len(content):
            raise MeshReadError(
                Reason.LOAD,
                f"its chunk {kind!r} announces {size} bytes, {len(content) - position - 8} are there",
            )
        chunks.setdefault(kind, content[position + 8 : position + 8 + size])
        position += 8 + size
    if b"JSON" not in chunks:
        raise MeshReadError(Reason.LOAD, "no JSON chunk")
    return read_document(chunks[b"JSON"], chunks.get(b"BIN\x00"), folder)


def read_gltf(content: bytes, folder: Path | None) -> LoadedMesh:
    """Read a glTF text."""
    return read_document(content, None, folder)


def read_document(text: bytes, binary: bytes | None, folder: Path | None) -> LoadedMesh:
    """Read a glTF document whose buffer 0 may be `binary` and whose side files lie in `folder`.

    Raises NOT_A_MESH, NEEDS_DECODER, MISSING_SIDE_FILE or LOAD.
    """
    document = parse_document(text)
    check_decodable(document)
    buffers = [
        _buffer(index, buffer, binary, folder) for index, buffer in enumerate(document.get("buffers", []))
    ]
    vertices, faces, n_geometries = scene_triangles(document, Buffers(document, buffers))
    return mesh(vertices, faces, n_geometries)


def parse_document(text: bytes) -> dict[str, Any]:
    """JSON object of a glTF; bytes that are not UTF-8 are forgiven, since only names can hold them."""
    try:
        document = json.loads(text.strip(b"\x00 \r\n\t").decode("utf-8-sig", errors="replace"))
    except ValueError as error:
        raise MeshReadError(Reason.LOAD, f"its JSON is malformed: {error}") from None
    if not isinstance(document, dict):
        raise MeshReadError(Reason.LOAD, f"its JSON is a {type(document).__name__}, not an object")
    if not document.keys() & {"asset", "meshes", "nodes", "scenes"}:
        raise MeshReadError(
            Reason.NOT_A_MESH, f"a JSON text that is no glTF; its keys are {sorted(document)[:5]}"
        )
    version = str(document.get("asset", {}).get("version", "2.0"))
    if not version.startswith("2.") or isinstance(document.get("meshes"), dict):
        raise MeshReadError(Reason.LOAD, f"glTF {version}, only 2.0 can be read; convert it")
    return document


def check_decodable(document: dict[str, Any]) -> None:
    """Raise NEEDS_DECODER where a required extension changes the triangles."""
    required = document.get("extensionsRequired", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise MeshReadError(Reason.LOAD, "extensionsRequired is not a list of names")
    unknown = [
        name
        for name in required
        if name not in HARMLESS_EXTENSIONS and not name.startswith(HARMLESS_PREFIXES)
    ]
    if unknown:
        raise MeshReadError(
            Reason.NEEDS_DECODER, f"requires {', '.join(unknown)}; export it without, or decode it first"
        )


def side_files(content: bytes) -> list[str]:
    """Relative paths of the buffers that a .gltf text names; empty where it cannot be read."""
    try:
        buffers = parse_document(content).get("buffers", [])
        uris = [buffer.get("uri") for buffer in buffers]
    except (MeshReadError, TypeError, AttributeError, RecursionError):
        return []
    return [uri for uri in uris if isinstance(uri, str) and _is_relative(uri)]


def side_file_path(uri: str, folder: Path) -> Path:
    """Path of a side file; raises MISSING_SIDE_FILE where it is remote or outside `folder`."""
    if not _is_relative(uri):
        raise MeshReadError(
            Reason.MISSING_SIDE_FILE, f"its buffer {uri[:80]!r} is remote; put it beside the file"
        )
    path = folder / unquote(uri)
    if "\x00" in str(path) or not path.resolve().is_relative_to(folder.resolve()):
        raise MeshReadError(
            Reason.MISSING_SIDE_FILE,
            f"its buffer {uri[:80]!r} lies outside the file's folder; put it beside the file",
        )
    return path


def _is_relative(uri: str) -> bool:
    return not uri.startswith(("/", "\\", "data:")) and ":" not in uri.split("/")[0]


def _buffer(index: int, buffer: dict[str, Any], binary: bytes | None, folder: Path | None) -> bytes:
    """Bytes of one buffer, at least as many as it announces."""
    uri = buffer.get("uri")
    if uri is None:
        # a buffer without bytes is allowed where an extension replaces it
        content = binary if index == 0 and binary is not None else b""
    elif uri.startswith("data:"):
        content = _decode_data_uri(uri)
    elif folder is None:
        raise MeshReadError(
            Reason.MISSING_SIDE_FILE, f"its buffer {uri[:80]!r} is a side file, and no folder is given"
        )
    else:
        try:
            content = read_regular(side_file_path(uri, folder))
        except UnreadableFileError as error:
            raise MeshReadError(Reason.MISSING_SIDE_FILE, f"its buffer {uri[:80]!r}: {error}") from None
    n_announced = buffer["byteLength"]
    if len(content) < n_announced:
        raise MeshReadError(Reason.LOAD, f"buffer {index} announces {n_announced} bytes, has {len(content)}")
    return content


def _decode_data_uri(uri: str) -> bytes:
    header, comma, data = uri.partition(",")
    if not comma or not header.endswith(";base64"):
        raise MeshReadError(Reason.LOAD, f"a data uri that is not base64: {header[:60]!r}")
    try:
        return base64.b64decode(unquote(data), validate=True)
    except binascii.Error as error:
        raise MeshReadError(Reason.LOAD, f"a data uri with damaged base64: {error}") from None

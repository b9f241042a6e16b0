"""What a file holds, by its first bytes.

The commonest damage of downloads is a file that is no mesh: a login page, an error message, an LFS
pointer. A mesh of another format than the extension says is rejected as well, with its true format in the
detail: reading it silently would leave a `format` column that lies.
"""

from pipelines.reading.loaded import MeshReadError
from pipelines.reasons import Reason

SIGNATURES = [
    (b"glTF", "a GLB"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a RIFF file (WebP image, sound)"),
    (b"\x1f\x8b", "gzip data; unpack it first"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"BZh", "bzip2 data; unpack it first"),
    (b"\xfd7zXZ", "xz data; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "zstd data; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"%PDF", "a PDF document"),
    (b"Kaydara FBX", "an FBX scene"),
    (b"BLENDER", "a Blender scene"),
    (b"PXR-USDC", "a USD scene"),
    (b"\x00\x05\x16\x07", "an AppleDouble resource fork; delete it"),
    (b"version https://git-lfs", "a Git LFS pointer; run `git lfs pull`"),
]
TEXT_SIGNATURES = [
    (b"<!doctype html", "an HTML page; download it again"),
    (b"<html", "an HTML page; download it again"),
    (b"<?xml", "an XML document"),
    (b"<", "markup; download it again"),
]
OWN_SIGNATURE = {"glb": "a GLB", "gltf": "a JSON text", "ply": "a PLY"}
"""What must be found for the formats that start with a signature."""
HEAD_BYTES = 2048
EMPTY_STL_BYTES = 84
"""A binary STL without facets may be that many zeros."""


def describe_content(content: bytes) -> str | None:
    """What the bytes are, where their beginning says so."""
    head = content[:HEAD_BYTES]
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for signature, found in SIGNATURES:
        if head.startswith(signature):
            return found
    for signature, found in TEXT_SIGNATURES:
        if text.startswith(signature):
            return found
    if text[:3] == b"ply" and text[3:4] in {b"\n", b"\r", b" "}:
        return "a PLY"
    if text[:1] in {b"{", b"["}:
        return "a JSON text"
    if len(head) > EMPTY_STL_BYTES and not head.strip(b"\x00"):
        return "zero bytes only; download it again"
    return None


def check_content(content: bytes, format: str) -> None:
    """Raise EMPTY_FILE or NOT_A_MESH where the bytes are not what the extension says."""
    if not content:
        raise MeshReadError(Reason.EMPTY_FILE, "zero bytes")
    found = describe_content(content)
    expected = OWN_SIGNATURE.get(format)
    if found == expected:
        return
    if found is None:
        found = "a text that looks like OBJ" if _looks_like_obj(content) else f"bytes {content[:4].hex(' ')}"
    advice = "; rename it to its true extension" if _is_other_mesh(found) else ""
    raise MeshReadError(Reason.NOT_A_MESH, f"named .{format}, but holds {found}{advice}")


def _is_other_mesh(found: str) -> bool:
    return found in {"a GLB", "a PLY", "a text that looks like OBJ"}


def _looks_like_obj(content: bytes) -> bool:
    starts = [line.split(None, 1)[0] for line in content[:HEAD_BYTES].splitlines() if line.strip()]
    return starts.count(b"v") > 1

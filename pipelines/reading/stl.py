"""STL, binary and ASCII: told apart by the size, since binary files also start with "solid"."""

import numpy as np

from pipelines.reading.loaded import LoadedMesh, MeshReadError, mesh
from pipelines.reading.text import decode, lines
from pipelines.reasons import Reason

HEADER_BYTES = 84
FACET = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def read_stl(content: bytes) -> LoadedMesh:
    """Read an STL file; each facet has three vertices of its own. Parts are the solids.

    Raises LOAD where the count of a binary file does not fit its size, or an ASCII file ends within a facet.
    """
    n_facets = int.from_bytes(content[80:HEADER_BYTES], "little")
    if len(content) >= HEADER_BYTES and len(content) == HEADER_BYTES + n_facets * FACET.itemsize:
        corners = np.frombuffer(content, FACET, offset=HEADER_BYTES)["corners"]
        return mesh(corners, np.arange(3 * n_facets))
    head = content.removeprefix(b"\xef\xbb\xbf").lstrip()[:5].lower()
    if head == b"solid" and b"\x00" not in content:
        return _read_ascii(decode(content))
    if len(content) < HEADER_BYTES:
        raise MeshReadError(Reason.LOAD, f"{len(content)} bytes, less than the header of a binary STL")
    raise MeshReadError(
        Reason.LOAD,
        f"announces {n_facets} facets, has room for {(len(content) - HEADER_BYTES) / FACET.itemsize:g}; "
        "download it again",
    )


def _read_ascii(text: str) -> LoadedMesh:
    """Read the facets of all solids; `endsolid` may be absent."""
    coordinates: list[float] = []
    n_facets = n_finished = n_solids = 0
    solid_has_facets = False
    for number, line in enumerate(lines(text), start=1):
        words = line.split()
        keyword = words[0].lower() if words else ""
        if keyword == "vertex":
            try:
                x, y, z = words[1:4]
                coordinates += (float(x), float(y), float(z))
            except ValueError:
                raise MeshReadError(
                    Reason.LOAD,
                    f"line {number}: {line.strip()[:60]!r} is no vertex; it is cut off or damaged",
                ) from None
        elif keyword == "facet":
            n_facets += 1
            n_solids += not solid_has_facets
            solid_has_facets = True
        elif keyword == "endfacet":
            n_finished += 1
        elif keyword == "solid":
            solid_has_facets = False
    if n_facets != n_finished or len(coordinates) != 9 * n_facets:
        raise MeshReadError(
            Reason.LOAD,
            f"{n_facets} facets begun, {n_finished} finished, {len(coordinates) // 3} vertices; "
            "it is cut off or damaged",
        )
    return mesh(np.array(coordinates), np.arange(3 * n_facets), n_solids)

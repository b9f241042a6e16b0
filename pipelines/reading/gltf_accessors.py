"""Arrays of a glTF document: accessors over views over buffers, every number checked before it is used."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.reading.loaded import MeshReadError
from pipelines.reasons import Reason

COMPONENTS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
LARGEST_VALUES = {5120: 127, 5121: 255, 5122: 32_767, 5123: 65_535}
"""Divisors of normalised integers."""


class Buffers:
    """The buffers of one document, with its views and accessors."""

    def __init__(self, document: dict[str, Any], buffers: list[bytes]):
        self.buffers = buffers
        self.views = document.get("bufferViews", [])
        self.accessors = document.get("accessors", [])

    def positions(self, index: int) -> NDArray[np.float64]:
        """Accessor of three numbers a row, as (n, 3); normalised integers become -1..1."""
        accessor = item(self.accessors, index, "accessor")
        values = self._read(accessor, "VEC3").astype(np.float64)
        if accessor.get("normalized"):
            values = np.maximum(values / LARGEST_VALUES[accessor["componentType"]], -1)
        return values

    def indices(self, index: int) -> NDArray[np.int64]:
        """Accessor of one index a row, as (n,)."""
        return self._read(item(self.accessors, index, "accessor"), "SCALAR")[:, 0].astype(np.int64)

    def _read(self, accessor: dict[str, Any], expected_type: str) -> NDArray:
        """Rows of an accessor, sparse values applied."""
        if accessor["type"] != expected_type:
            raise MeshReadError(Reason.LOAD, f"an accessor is {accessor['type']}, not {expected_type}")
        component = COMPONENTS[accessor["componentType"]]
        count, width = _count(accessor), WIDTHS[expected_type]
        if "bufferView" in accessor:
            values = self._rows(accessor, component, width, count)
        else:
            values = np.zeros((_checked_size(count, accessor), width), dtype=component)
        sparse = accessor.get("sparse")
        if sparse is None:
            return values
        n_sparse = _count(sparse)
        places = self._rows(sparse["indices"], COMPONENTS[sparse["indices"]["componentType"]], 1, n_sparse)[
            :, 0
        ]
        if n_sparse and places.max() >= count:
            raise MeshReadError(
                Reason.LOAD, f"a sparse accessor of {count} rows changes row {int(places.max())}"
            )
        values = values.copy()
        values[places] = self._rows(sparse["values"], component, width, n_sparse)
        return values

    def _rows(self, accessor: dict[str, Any], component: str, width: int, count: int) -> NDArray:
        """Rows (count, width) at an accessor's place in its buffer view."""
        view = item(self.views, accessor["bufferView"], "buffer view")
        if "EXT_meshopt_compression" in view.get("extensions", {}) and not self.buffers[view["buffer"]]:
            raise MeshReadError(
                Reason.NEEDS_DECODER, "its buffers need EXT_meshopt_compression; export it without"
            )
        content = item(self.buffers, view["buffer"], "buffer")
        view_start, view_length = view.get("byteOffset", 0), view["byteLength"]
        if min(view_start, view_length) < 0 or view_start + view_length > len(content):
            raise MeshReadError(
                Reason.LOAD,
                f"a buffer view ends at byte {view_start + view_length} of a buffer of {len(content)}",
            )
        row_bytes = np.dtype(component).itemsize * width
        stride = view.get("byteStride") or row_bytes
        offset = accessor.get("byteOffset", 0)
        needed = offset + stride * (count - 1) + row_bytes if count else offset
        if offset < 0 or stride < row_bytes or needed > view_length:
            raise MeshReadError(
                Reason.LOAD,
                f"an accessor of {count} rows needs {needed} bytes of a buffer view of {view_length}",
            )
        if not count:
            return np.zeros((0, width), dtype=component)
        return np.ndarray(
            (count, width),
            dtype=component,
            buffer=content,
            offset=view_start + offset,
            strides=(stride, np.dtype(component).itemsize),
        )


def item(items: Any, index: Any, what: str) -> Any:
    """Element of a list of the document; raises LOAD where the index is not one of it."""
    if not isinstance(items, list) or type(index) is not int or not 0 <= index < len(items):
        n_items = len(items) if isinstance(items, list) else 0
        raise MeshReadError(Reason.LOAD, f"refers to {what} {index!r} of {n_items}; export it again")
    return items[index]


def _count(accessor: dict[str, Any]) -> int:
    count = accessor["count"]
    if type(count) is not int or count < 0:
        raise MeshReadError(Reason.LOAD, f"an accessor announces {count!r} rows")
    return count


def _checked_size(count: int, accessor: dict[str, Any]) -> int:
    """`count`, unless rows that are in no buffer are more than any file would mean."""
    if count > 1 << 24:
        raise MeshReadError(
            Reason.LOAD, f"an accessor without buffer view announces {accessor['count']} rows"
        )
    return count

"""PLY, ASCII and binary of both byte orders, polygons of any and of mixed size."""

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines.reading.loaded import LoadedMesh, MeshReadError, fan, mesh
from pipelines.reasons import Reason

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "int64": "i8", "uint64": "u8",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8", "float16": "f2",
}  # fmt: skip
CORNER_NAMES = ("vertex_indices", "vertex_index")
HEADER_END = re.compile(rb"^[ \t]*end_header[ \t]*(\r\n|\n|\r)", re.MULTILINE)
BYTE_ORDER = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass
class Element:
    """One kind of rows: its length, its properties in order, and their values once read."""

    name: str
    length: int
    properties: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name -> (type of the count, empty for a scalar; type of the values)."""
    columns: dict[str, list | NDArray] = field(default_factory=dict)
    """Scalars as an array, lists as a list of lists or as an array (length, n)."""


def read_ply(content: bytes) -> LoadedMesh:
    """Read vertices and faces of a PLY file; polygons are cut into fans.

    Raises LOAD where the header is malformed or the data is shorter or longer than it announces.
    """
    elements, byte_order, start = _read_header(content)
    if byte_order:
        rest = _read_binary(elements, byte_order, memoryview(content)[start:])
    else:
        rest = _read_ascii(elements, content[start:].split())
    if rest:
        raise MeshReadError(Reason.LOAD, f"{rest} left over behind the announced rows; the counts do not fit")
    by_name = {element.name: element for element in elements}
    vertex = by_name.get("vertex", Element("vertex", 0))
    if not vertex.length:
        return mesh(np.zeros(0), np.zeros(0))
    return mesh(np.column_stack([vertex.columns[axis] for axis in "xyz"]), _corners(by_name.get("face")))


def _read_header(content: bytes) -> tuple[list[Element], str, int]:
    """Elements, byte order (empty for ASCII) and where the data begins."""
    end = HEADER_END.search(content.replace(b"\r", b"\n") if b"\n" not in content[:64] else content)
    if end is None:
        raise MeshReadError(Reason.LOAD, "no end_header; the file is cut off or damaged")
    elements: list[Element] = []
    byte_order = None
    for line in content[: end.start()].decode("latin-1").splitlines():
        words = line.split()
        match words:
            case ["format", name, *_]:
                byte_order = BYTE_ORDER[name.lower()]
            case ["element", name, length]:
                elements.append(Element(name, int(length)))
            case ["property", "list", count_type, value_type, name]:
                elements[-1].properties[name] = (TYPES[count_type], TYPES[value_type])
            case ["property", value_type, name]:
                elements[-1].properties[name] = ("", TYPES[value_type])
    if byte_order is None:
        raise MeshReadError(Reason.LOAD, "no format line in the header")
    if any(element.length < 0 for element in elements):
        raise MeshReadError(Reason.LOAD, "the header announces a negative number of rows")
    return elements, byte_order, end.end()


def _read_ascii(elements: list[Element], words: list[bytes]) -> str:
    """Fill the columns of all elements; returns what is left over, in words."""
    position = 0
    for element in elements:
        if any(count_type for count_type, _ in element.properties.values()):
            position = _read_ascii_lists(element, words, position)
            continue
        width = len(element.properties)
        if element.length * width > len(words) - position:
            raise _too_short(element, (len(words) - position) // max(width, 1))
        values = np.array(words[position : position + element.length * width], dtype=np.float64)
        position += element.length * width
        table = values.reshape(element.length, width)
        element.columns = {name: table[:, i] for i, name in enumerate(element.properties)}
    return f"{len(words) - position} values" if position < len(words) else ""


def _read_ascii_lists(element: Element, words: list[bytes], position: int) -> int:
    columns: dict[str, list] = {name: [] for name in element.properties}
    for row in range(element.length):
        for name, (count_type, _) in element.properties.items():
            if position >= len(words):
                raise _too_short(element, row)
            n_values = int(words[position]) if count_type else 1
            position += bool(count_type)
            if n_values < 0 or n_values > len(words) - position:
                raise _too_short(element, row)
            values = [float(word) for word in words[position : position + n_values]]
            position += n_values
            columns[name].append(values if count_type else values[0])
    element.columns = dict(columns)
    return position


def _read_binary(elements: list[Element], byte_order: str, data: memoryview) -> str:
    """Fill the columns of all elements; returns what is left over, in words."""
    position = 0
    for element in elements:
        read = _read_uniform_rows(element, byte_order, data[position:])
        position += _read_rows(element, byte_order, data[position:]) if read is None else read
    return f"{len(data) - position} bytes" if position < len(data) else ""


def _read_uniform_rows(element: Element, byte_order: str, data: memoryview) -> int | None:
    """Read all rows at once where every list is as long as the first; returns the bytes read, else None."""
    fields: list[tuple] = []
    for name, (count_type, value_type) in element.properties.items():
        if not count_type:
            fields.append((name, byte_order + value_type))
            continue
        fields.append((f"{name} count", byte_order + count_type))
        offset = np.dtype(fields).itemsize
        if not element.length or offset > len(data):
            return None
        n_values = int(np.frombuffer(data, np.dtype(fields), 1)[f"{name} count"][0])
        if n_values < 0 or n_values > len(data):
            return None
        fields.append((name, byte_order + value_type, (n_values,)))
    dtype = np.dtype(fields)
    if element.length * dtype.itemsize > len(data):
        return None
    rows = np.frombuffer(data, dtype, element.length)
    for name, (count_type, _) in element.properties.items():
        if count_type and (rows[f"{name} count"] != rows[name].shape[1]).any():
            return None
    element.columns = {name: rows[name] for name in element.properties}
    return element.length * dtype.itemsize


def _read_rows(element: Element, byte_order: str, data: memoryview) -> int:
    """Read row by row; returns the bytes read."""
    columns: dict[str, list] = {name: [] for name in element.properties}
    types = [
        (columns[name], count_type and np.dtype(byte_order + count_type), np.dtype(byte_order + value_type))
        for name, (count_type, value_type) in element.properties.items()
    ]
    position = 0
    for row in range(element.length):
        for column, count_type, value_type in types:
            n_values = 1
            if count_type:
                if position + count_type.itemsize > len(data):
                    raise _too_short(element, row)
                n_values = int(np.frombuffer(data, count_type, 1, position)[0])
                position += count_type.itemsize
            if n_values < 0 or position + n_values * value_type.itemsize > len(data):
                raise _too_short(element, row)
            values = np.frombuffer(data, value_type, n_values, position).tolist()
            position += n_values * value_type.itemsize
            column.append(values if count_type else values[0])
    element.columns = dict(columns)
    return position


def _corners(element: Element | None) -> NDArray[np.int64]:
    """Corners of the triangles, flat."""
    if element is None or not element.length:
        return np.zeros(0, dtype=np.int64)
    lists = [name for name, (count_type, _) in element.properties.items() if count_type]
    name = next((name for name in CORNER_NAMES if name in lists), lists[0] if len(lists) == 1 else None)
    if name is None:
        raise MeshReadError(Reason.LOAD, f"faces have no list named {CORNER_NAMES[0]}")
    polygons = element.columns[name]
    if isinstance(polygons, np.ndarray) and polygons.shape[1] == 3:
        return polygons.astype(np.int64).ravel()
    rows = polygons.tolist() if isinstance(polygons, np.ndarray) else polygons
    return np.array([index for polygon in rows for index in fan(polygon)], dtype=np.int64)


def _too_short(element: Element, n_read: int) -> MeshReadError:
    return MeshReadError(
        Reason.LOAD,
        f"announces {element.length} rows of {element.name}, ends after {n_read}; download it again",
    )

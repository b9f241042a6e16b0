"""A file for each reason that a file can be rejected for before any rule is asked, named after it."""

import hashlib
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from pipelines.reasons import Reason
from tests.pipelines.test_reading import tetrahedron
from tests.pipelines.test_stages import sphere

SIZE_LIMIT = 4 << 20
FACES_LIMIT = 13_000
BYTES_PER_ITEM = 64 << 20
Arrays = tuple[list, list]


def obj(vertices: list, faces: list) -> str:
    lines = [f"v {x} {y} {z}" for x, y, z in vertices]
    return "\n".join(lines + ["f " + " ".join(str(i + 1) for i in face) for face in faces]) + "\n"


def ring(n: int, height: float) -> list:
    return [(np.cos(t), np.sin(t), height) for t in 2 * np.pi * np.arange(n) / n]


def capped_cylinder(n: int) -> Arrays:
    """Two vertices that n faces meet in."""
    vertices, faces = [*ring(n, 0), *ring(n, 0.5), (0, 0, 0), (0, 0, 0.5)], []
    for a, b in zip(range(n), [*range(1, n), 0], strict=True):
        faces += [[a, b, n + a], [b, n + b, n + a], [2 * n, b, a], [2 * n + 1, n + a, n + b]]
    return vertices, faces


def books(n: int) -> Arrays:
    """Three faces at each of n edges: two vertices each that are not manifold."""
    shape = np.array([[0, 0, 0], [0, 0, 1], [1, 0, 0.3], [-0.5, 0.8, 0.5], [-0.5, -0.8, 0.6]])
    vertices = np.concatenate([shape + 2.0 * np.array([k % 13, k // 13 % 13, k // 169]) for k in range(n)])
    return vertices.tolist(), [[5 * k, 5 * k + 1, 5 * k + i] for k in range(n) for i in (2, 3, 4)]


def moebius_band() -> Arrays:
    vertices = [
        (np.cos(t) * (1 + w * np.cos(t / 2)), np.sin(t) * (1 + w * np.cos(t / 2)), w * np.sin(t / 2))
        for t in np.arange(8) * np.pi / 4
        for w in (-0.4, 0.4)
    ]
    return vertices, [*strip(8), [14, 15, 1], [15, 0, 1]]


def strip(n: int) -> list:
    return [face for i in range(0, 2 * n - 2, 2) for face in ([i, i + 1, i + 2], [i + 1, i + 3, i + 2])]


def spiral(n: int) -> Arrays:
    """A band so long that a walk over it has hundreds of layers."""
    radius, angle = 1 + np.arange(n) / 300, np.arange(n) / 20
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return [(x, y, z) for x, y in points for z in (0, 0.3)], strip(n)


def grid(n: int) -> Arrays:
    """2 (n - 1)^2 faces."""
    corners = [i * n + j for i in range(n - 1) for j in range(n - 1)]
    faces = [face for a in corners for face in ([a, a + 1, a + n], [a + 1, a + n + 1, a + n])]
    return [(i, j, i * j % 7 / 10) for i in range(n) for j in range(n)], faces


def wide_cone(n_rings: int, step: int) -> Arrays:
    """Rings of step, 2 step, ... vertices around a tip that is the lowest point along every axis."""
    axis = np.ones(3) / np.sqrt(3)
    across = np.cross(axis, [1, 0, 0]) / np.linalg.norm(np.cross(axis, [1, 0, 0]))
    beside = np.cross(axis, across)
    vertices, inner, faces = [np.zeros(3)], [0], []
    for k in range(1, n_rings + 1):
        angles = 2 * np.pi * np.arange(step * k) / (step * k)
        outer = [len(vertices) + i for i in range(step * k)]
        vertices += [k * (0.6 * axis + across * np.cos(t) + beside * np.sin(t)) for t in angles]
        for x, vertex in enumerate(outer):
            y = x * len(inner) // len(outer)
            following = inner[((x + 1) * len(inner) // len(outer)) % len(inner)]
            faces.append([inner[y], vertex, outer[(x + 1) % len(outer)]])
            if following != inner[y]:
                faces.append([inner[y], outer[(x + 1) % len(outer)], following])
        inner = outer
    return vertices, faces


def gltf(**changes: object) -> bytes:
    """A .gltf whose buffer is not there, with changes."""
    content = tetrahedron([{"mesh": 0}])
    document = json.loads(content[20 : 20 + struct.unpack_from("<I", content, 12)[0]])
    document["buffers"][0]["uri"] = "absent.bin"
    return json.dumps({**document, **changes}).encode()


def many_instances(n: int) -> bytes:
    """A small file of n copies of one mesh."""
    return tetrahedron([{"children": list(range(1, n + 1))}] + [{"mesh": 0}] * n)


def text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


def mesh(make: Callable[..., Arrays], *arguments: int) -> Callable[[Path], object]:
    return lambda path: path.write_text(obj(*make(*arguments)))


TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
TWO_FACES = TRIANGLE + "v 1 1 1\nf 2 4 3\n"

IN_A_FOLDER: dict[Reason, tuple[str, Callable[[Path], object]]] = {
    Reason.UNREADABLE_FILE: ("obj", os.mkfifo),
    Reason.EMPTY_FILE: ("glb", Path.touch),
    Reason.UNSUPPORTED_FORMAT: ("fbx", text("Kaydara FBX Binary")),
    Reason.TOO_LARGE: ("stl", text("x" * (SIZE_LIMIT + 1))),
    Reason.NOT_A_MESH: ("glb", text("<!DOCTYPE html><html>log in</html>")),
    Reason.NEEDS_DECODER: (
        "gltf",
        lambda path: path.write_bytes(gltf(extensionsRequired=["EXT_meshopt_compression"])),
    ),
    Reason.MISSING_SIDE_FILE: ("gltf", lambda path: path.write_bytes(gltf())),
    Reason.LOAD: ("obj", text("v 0 0 0\nf 1 1 9\n")),
    Reason.NON_FINITE: ("obj", text(TRIANGLE.replace("1 0 0", "nan 0 0"))),
    Reason.NO_TRIANGLES: ("obj", text("v 0 0 0\nv 1 0 0\nl 1 2\n")),
    Reason.TOO_MANY_FACES_RAW: ("obj", mesh(grid, 83)),
    Reason.ZERO_EXTENT: ("obj", text("v 1 1 1\nv 1 1 1\nv 1 1 1\nf 1 2 3\n")),
    Reason.VALENCE_LIMIT: ("obj", mesh(capped_cylinder, 60)),
    Reason.NM_VERT_LIMIT: ("obj", mesh(books, 160)),
    Reason.NON_ORIENTABLE: ("obj", mesh(moebius_band)),
    Reason.TOO_MANY_FACES: ("obj", mesh(grid, 81)),
    Reason.LAYER_NUMBER_LIMIT: ("obj", mesh(spiral, 1500)),
    Reason.LAYER_VERTEX_LIMIT: ("obj", mesh(wide_cone, 7, 36)),
    Reason.NO_VALID_COMPONENT: ("obj", text(TWO_FACES)),
}
"""Reasons of one folder, with Silksong's published limits: extension and maker."""


def write_folder(folder: Path, reasons: dict[Reason, tuple[str, Callable[[Path], object]]]) -> None:
    folder.mkdir()
    for reason, (extension, write) in reasons.items():
        write(folder / f"{reason}.{extension}")


def write_sparse(path: Path) -> None:
    """More bytes than a worker may take, which take no room on disk."""
    with path.open("wb") as file:
        file.truncate(BYTES_PER_ITEM + (1 << 20))


COSTLY: dict[Reason, tuple[str, Callable[[Path], object]]] = {
    Reason.MEMORY_LIMIT: ("obj", write_sparse),
    # a library that has no memory for its lists aborts, and raises nothing
    Reason.WORKER_DIED: ("glb", lambda path: path.write_bytes(many_instances(200_000))),
}
"""Reasons of a folder whose workers have BYTES_PER_ITEM."""

FROM_AN_INDEX = (
    Reason.FILTERED_BEFORE_FETCH,
    Reason.FETCH_MISSING,
    Reason.FETCH_MODIFIED,
    Reason.FETCH_UNLISTED,
    Reason.ARCHIVE_UNSAFE,
    Reason.LICENCE,
    Reason.DUPLICATE,
)
"""Reasons of an archive that an index describes."""


def write_index(root: Path) -> None:
    """Objaverse-XL with one repository, whose files are named after their reasons, and two that are kept."""
    repository = root / "github" / "repos" / "somebody" / "meshes.zip"
    repository.parent.mkdir(parents=True)
    files = {name: sphere(n).encode() for n, name in enumerate(["KEPT", *FROM_AN_INDEX], start=8)}
    files["DUPLICATE"] = files["KEPT"]
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    files["FETCH_MODIFIED"] += b"# modified\n"
    del files["FETCH_MISSING"], sums["FETCH_UNLISTED"]
    files["ARCHIVE_UNSAFE"] = bytes(8 << 20)
    with zipfile.ZipFile(repository, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.obj", content)
    rows = [
        {
            "fileIdentifier": f"https://github.com/somebody/meshes/blob/c0ffee/{name}.obj",
            "source": "github",
            "license": {"LICENCE": None, "FILTERED_BEFORE_FETCH": "filtered"}.get(name, "by"),
            "fileType": "obj",
            "sha256": sha256,
            "metadata": "{}",
        }
        for name, sha256 in sums.items()
    ]
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(root / "github" / "github.parquet")

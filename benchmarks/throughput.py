"""Meshes per second of `meshloom curate` beside a plain Python loop, and what a mesh costs as data sets grow.

    .venv/bin/python benchmarks/throughput.py [--meshes 300] [--rounds 3] [--sizes 1000 10000] [--workers 2]

Both sides take the same files, evenly chosen from the development corpus below MESHLOOM_SHARED (builtin
furniture where it is absent), with the same number of processes, in rounds that alternate:

- curate: all of it, from the folder to tables, shards and manifest, with its process start;
- the loop: `trimesh.load`, pymeshlab's cleaning filters, and the statistics of the tables `mesh_table` and
  `quality` in numpy, scipy, trimesh and pymeshlab. No tokens, no descriptors, and nothing is written.

Prints medians of wall time and of processor time, which other work on the machine moves less; then seconds
by stage and size of each table, per mesh, for growing folders of copies with new names (of builtin meshes).
Files that trimesh does not load within LIMIT_SECONDS are left to neither side.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pymeshlab
import trimesh
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipelines.curation import CurationReport, curate
from pipelines.settings import CurationSettings, WorkerLimits
from pipelines.sources.builtin import BuiltinSource
from pipelines.sources.files import READABLE_FORMATS

LIMIT_SECONDS = 5.0
BITS = (7, 8, 9, 10)
SLIVER = 0.1


def load_and_measure(path: Path) -> dict[str, Any] | None:
    """The loop's work on one file; None where it gives no mesh."""
    try:
        mesh = trimesh.load(path, force="mesh")
        if not len(mesh.faces):
            return None
        vertices, faces, n_crossing = clean(mesh)
        return {"crossing": n_crossing, **topology(mesh), **shape(mesh), **quantization(vertices, faces)}
    except Exception:  # trimesh and pymeshlab raise anything on a damaged file
        return None


def clean(mesh: trimesh.Trimesh) -> tuple[NDArray[np.float64], NDArray[np.int32], int]:
    """pymeshlab's filters as the tokens stage applies them, and its count of faces that cross others."""
    meshes = pymeshlab.MeshSet(verbose=False)
    meshes.add_mesh(pymeshlab.Mesh(mesh.vertices, mesh.faces.astype(np.int32)))
    meshes.compute_selection_by_self_intersections_per_face()
    n_crossing = meshes.current_mesh().selected_face_number()
    meshes.meshing_remove_unreferenced_vertices()
    meshes.meshing_merge_close_vertices(threshold=pymeshlab.PercentageValue(0.01))
    meshes.meshing_remove_duplicate_faces()
    meshes.meshing_remove_null_faces()
    cleaned = meshes.current_mesh()
    cleaned.compact()
    return cleaned.vertex_matrix(), cleaned.face_matrix(), n_crossing


def topology(mesh: trimesh.Trimesh) -> dict[str, Any]:
    """Edges, loops, components, valences, orientation."""
    edges, uses = np.unique(mesh.edges_sorted, axis=0, return_counts=True)
    boundary = edges[uses == 1]
    n = len(mesh.vertices)
    sides = coo_array((np.ones(len(boundary)), tuple(boundary.T)), shape=(n, n))
    loops = connected_components(sides, directed=False)[1][np.unique(boundary)]
    return {
        "edges": len(edges),
        "boundary": len(boundary),
        "loops": len(np.unique(loops)),
        "nonmanifold": int((uses > 2).sum()),
        "components": mesh.body_count,
        "euler": mesh.euler_number,
        "watertight": mesh.is_watertight,
        "consistent": mesh.is_winding_consistent,
        "valences": np.bincount(mesh.vertex_degree).tolist(),
        "degenerate": int((~mesh.nondegenerate_faces()).sum()),
        "duplicate": len(mesh.faces) - len(np.unique(np.sort(mesh.faces, axis=1), axis=0)),
    }


def shape(mesh: trimesh.Trimesh) -> dict[str, Any]:
    """Area, volume, extents, quality of the triangles."""
    sides = np.linalg.norm(mesh.triangles - np.roll(mesh.triangles, 1, axis=1), axis=2)
    squares = np.maximum((sides**2).sum(axis=1), np.finfo(float).tiny)
    quality = 4 * np.sqrt(3) * mesh.area_faces / squares
    return {
        "area": mesh.area,
        "volume": mesh.volume,
        "extents": np.sort(mesh.extents).tolist(),
        "quality": float(quality.mean()),
        "slivers": float((quality < SLIVER).mean()),
    }


def quantization(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> dict[str, Any]:
    """What grids of 7 to 10 bits merge, drop and move."""
    low = vertices.min(axis=0)
    longest = (vertices.max(axis=0) - low).max()
    damage: dict[str, Any] = {}
    for bits in BITS:
        step = longest / (2**bits - 1)
        grid = np.rint((vertices - low) / step)
        cells, cell = np.unique(grid, axis=0, return_inverse=True)
        corners = np.sort(cell.reshape(-1)[faces], axis=1)
        whole = corners[(corners[:, 1:] != corners[:, :-1]).all(axis=1)]
        damage[f"merged_{bits}"] = len(vertices) - len(cells)
        damage[f"dropped_{bits}"] = len(faces) - len(np.unique(whole, axis=0))
        damage[f"distance_{bits}"] = float(np.linalg.norm(grid * step + low - vertices, axis=1).max())
    return damage


def loop(paths: list[Path], workers: int) -> int:
    """The plain loop over all files; how many gave a mesh."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return sum(row is not None for row in pool.map(load_and_measure, paths, chunksize=4))


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Wall seconds, processor seconds with those of child processes, and the result."""

    def used() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(usage.ru_utime + usage.ru_stime for usage in both)

    started, cpu = time.monotonic(), used()
    result = work()
    return time.monotonic() - started, used() - cpu, result


def corpus_files(n: int, limit_seconds: float) -> list[Path]:
    """Evenly chosen files of the corpus that trimesh loads soon enough; none where there is no corpus."""
    corpus = Path(os.environ.get("MESHLOOM_SHARED", "../shared")) / "corpus"
    folders = [corpus / name for name in ("local", "objaverse", "shapenet")]
    found = sorted(path for folder in folders for path in folder.rglob("*") if _is_alone(path))
    chosen = []
    for path in found[:: max(1, len(found) // n)][:n]:
        seconds, _, row = timed(lambda path=path: load_and_measure(path))
        if row is not None and seconds < limit_seconds:
            chosen.append(path)
    return chosen


def _is_alone(path: Path) -> bool:
    """Whether a file is a mesh by itself; a .gltf names others beside it, which would not come along."""
    return path.suffix[1:].lower() in READABLE_FORMATS - {"gltf"} and path.is_file()


def builtin_files(folder: Path) -> list[Path]:
    """The builtin furniture as files."""
    source, paths = BuiltinSource(), []
    folder.mkdir()
    for family in source.shards():
        for file in source.list_files(family):
            paths.append(folder / f"{file.mesh_id}.glb")
            paths[-1].write_bytes(source.read_bytes(file))
    return paths


def link(paths: list[Path], folder: Path, n: int) -> None:
    """`n` files below the folder, which are the paths again and again under new names."""
    folder.mkdir()
    for i in range(n):
        path = paths[i % len(paths)]
        copy = folder / f"{i // 1000:03d}" / f"{i:07d}{path.suffix}"
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())


def run_curate(folder: Path, out: Path, workers: int) -> CurationReport:
    """Curate one folder."""
    return curate([f"local:{folder}"], out, CurationSettings(limits=WorkerLimits(workers=workers)))


def compare(paths: list[Path], scratch: Path, rounds: int, workers: int) -> None:
    """Both sides over the same files, in alternating rounds."""
    n, folder = len(paths), scratch / "same"
    link(paths, folder, n)
    copies = sorted(path for path in folder.rglob("*") if path.is_file())
    ours, plain = [], []
    for number in range(rounds):
        ours.append(timed(lambda number=number: run_curate(folder, scratch / f"out-{number}", workers)))
        plain.append(timed(lambda: loop(copies, workers)))
    print(f"{n} files, {rounds} rounds, {workers} processes, load {os.getloadavg()[0]:.1f}")
    print("| | wall seconds | meshes/s | processor ms per mesh |\n| --- | --- | --- | --- |")
    medians = []
    for name, taken in (("curate", ours), ("plain loop", plain)):
        wall, cpu = (statistics.median(times[i] for times in taken) for i in (0, 1))
        medians.append((wall, cpu))
        print(f"| {name} | {wall:.1f} | {n / wall:.1f} | {cpu / n * 1e3:.1f} |")
    (wall, cpu), (plain_wall, plain_cpu) = medians
    print(
        f"curate: {plain_wall / wall:.2f} times the meshes/s, {plain_cpu / cpu:.2f} times by processor time"
    )
    print(by_stage(ours[-1][2], n))


def by_stage(report: CurationReport, n: int) -> str:
    """Wall milliseconds per mesh of each stage."""
    return ", ".join(f"{stage.stage} {stage.seconds / n * 1e3:.2f}" for stage in report.stages) + " ms each"


def grow(paths: list[Path], scratch: Path, sizes: list[int], workers: int) -> None:
    """Cost per mesh at each size."""
    for n in sizes:
        folder, out = scratch / f"meshes-{n}", scratch / f"data-{n}"
        link(paths, folder, n)
        wall, cpu, report = timed(lambda folder=folder, out=out: run_curate(folder, out, workers))
        again, _, _ = timed(lambda folder=folder, out=out: run_curate(folder, out, workers))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"\n{n:,} meshes: {n / wall:.1f} meshes/s, {cpu / n * 1e3:.1f} processor ms per mesh;", end=" ")
        print(
            f"again without a change {again:.1f} s; peak memory {peak:.2f} GB, load {os.getloadavg()[0]:.1f}"
        )
        print(by_stage(report, n))
        folders = [out / "geometry", out / "shards", *sorted((out / "tables").glob("[!r]*"))]
        folders += sorted((out / "tables").glob("r*"))
        print(", ".join(f"{path.name} {size_of(path) / n:.0f}" for path in folders), "bytes per mesh")


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--meshes", type=int, default=300, help="files of the comparison; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        furniture = builtin_files(scratch / "furniture")
        if given.meshes:
            paths = corpus_files(given.meshes, LIMIT_SECONDS) or furniture[: given.meshes]
            compare(paths, scratch, given.rounds, given.workers)
        grow(furniture, scratch, given.sizes, given.workers)


if __name__ == "__main__":
    main()

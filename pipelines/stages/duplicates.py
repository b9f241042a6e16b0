"""Over all partitions at once: which meshes are copies, and which one stands for each cluster.

-> tables/duplicates, one row per mesh of a partition; tables/duplicate_pairs.parquet, what was compared

Small beside the other stages: it reads descriptors and columns of numbers, compares near pairs only, and
remembers what it compared. A partition's table is written again only where its own rows change, so that a
new file touches the partitions of its cluster and no other.
"""

import hashlib
from time import monotonic

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipelines.duplicates import SharedVertices, neighbours_within
from pipelines.duplicates.alignment import compare_landmarks
from pipelines.duplicates.clusters import assign_clusters, connected
from pipelines.duplicates.descriptor import LANDMARKS, SIZE
from pipelines.reasons import Reason, Stage
from pipelines.rules import load_preset
from pipelines.settings import CurationSettings
from pipelines.stages import PartitionResult, Progress, no_progress
from pipelines.stages.descriptors import DESCRIPTORS
from pipelines.stages.partitions import IDENTITY, is_current
from pipelines.stages.verdicts import judge, tables_judged
from pipelines.storage import DataFolder, ShardKey, fingerprint, table_fingerprint, write_table
from pipelines.tables import DuplicatePairs, Duplicates, polars_schema, validate
from pipelines.workers import Ok, map_capped, n_workers

VERSION = 1
DUPLICATES = "duplicates"
"""Folder of the tables, and `stage` where one is asked for."""
CANDIDATE_DISTANCE = 0.05
"""Meshes whose descriptors are farther apart are not compared."""
SHARED_OF_FEWER, SHARED_OF_MORE = 0.85, 0.77
"""A duplicate shares at least so many of its vertices: one in ten may go, and its neighbours may move."""
SAME_SURFACE_DISTANCE, SAME_SURFACE_SHARED = 0.003, 0.95
"""The same surface cut into more triangles: the vertices of the coarser mesh are all there."""

_VERDICT = {"mesh_id": pl.String, "exact": pl.Boolean, "n_faces": pl.Int64, "is_kept": pl.Boolean}
_PAIR = ["first", "second", "distance"]
_IMPORTS = ("pipelines.duplicates.alignment", "tokenizer_rs")


def build_duplicates(
    data: DataFolder, settings: CurationSettings, progress: Progress = no_progress
) -> list[PartitionResult]:
    """Bring the clusters of all partitions that have descriptors up to date.

    Only what policy and rules keep may stand for others. Raises PresetError for a preset that cannot be
    used, UpstreamError where a table that a rule asks for is absent.
    """
    started = monotonic()
    keys = data.partitions(DESCRIPTORS)
    name = _fingerprint(data, settings, keys)
    pairs_path = data.duplicate_pairs
    if is_current(name, [pairs_path]) and all(table_fingerprint(data.table(DUPLICATES, key)) for key in keys):
        return [PartitionResult(key, _n_rows(data, key), was_current=True) for key in keys]
    meshes = _meshes(data, settings, keys)
    shapes = _shapes(meshes)
    pairs = _compare(data, settings, keys, shapes, _candidates(shapes, settings), progress)
    joined = pairs.filter("is_duplicate").select("i", "j").to_numpy().astype(np.int64)
    components = shapes.select("shape").with_columns(component=pl.Series(connected(shapes.height, joined)))
    clustered = assign_clusters(meshes.join(components, on="shape", how="left", maintain_order="left"))
    results = [_write_partition(data, key, clustered) for key in keys]
    frame = pairs.select(list(polars_schema(DuplicatePairs))).sort("first", "second", "distance")
    write_table(pairs_path, validate(DuplicatePairs, frame), name)  # last: a killed run is done again
    seconds = (monotonic() - started) / max(len(results), 1)
    return [PartitionResult(r.key, r.n_kept, {}, seconds, r.was_current) for r in results]


def is_duplicate(distance: float, shared: SharedVertices) -> bool:
    """Whether two meshes at this distance that share these vertices are one and the same."""
    is_copy = shared.of_fewer >= SHARED_OF_FEWER and shared.of_more >= SHARED_OF_MORE
    is_same_surface = distance <= SAME_SURFACE_DISTANCE and shared.of_fewer >= SAME_SURFACE_SHARED
    return distance <= CANDIDATE_DISTANCE and (is_copy or is_same_surface)


def _fingerprint(data: DataFolder, settings: CurationSettings, keys: list[ShardKey]) -> str:
    """Name of the result. The inputs' own fingerprints stand for their bytes: to hash all is not cheap."""
    preset = load_preset(settings.preset)
    rules = [rule.model_dump(mode="json") for rule in preset.rules]
    stages = (DESCRIPTORS, *tables_judged(preset))
    inputs = {str(key): [table_fingerprint(data.table(stage, key)) for stage in stages] for key in keys}
    used = {"rules": rules, "licences": settings.licences, "inputs": inputs}
    return fingerprint(DUPLICATES, VERSION, used, [])


def _n_rows(data: DataFolder, key: ShardKey) -> int:
    return int(pl.scan_parquet(data.table(DUPLICATES, key)).select(pl.len()).collect().item())


def _meshes(data: DataFolder, settings: CurationSettings, keys: list[ShardKey]) -> pl.DataFrame:
    """Every mesh with its shape, its descriptor, and what decides who stands for a cluster."""
    if not keys:
        raise FileNotFoundError(f"{data.tables / DESCRIPTORS} holds no table; run the descriptors first")
    described = pl.scan_parquet([data.table(DESCRIPTORS, key) for key in keys]).select(
        *IDENTITY,
        "descriptor",
        shape=pl.coalesce("geometry_hash", "sha256"),
        n_landmarks=pl.col("landmarks").list.len() // 3,
    )
    meshes = described.collect()
    stated = pl.scan_parquet([data.table(Stage.RAW_MESHES, key) for key in keys])
    verdicts = _verdicts(data, settings, keys)
    for frame in (verdicts, stated.select("mesh_id", "licence").collect()):
        meshes = meshes.join(frame, on="mesh_id", how="left", validate="1:1", maintain_order="left")
    return meshes.with_columns(pl.col("is_kept").fill_null(False))


def _verdicts(data: DataFolder, settings: CurationSettings, keys: list[ShardKey]) -> pl.DataFrame:
    """mesh_id, exact, n_faces and is_kept of the meshes that have tokens."""
    preset = load_preset(settings.preset)
    verdicts = [pl.DataFrame(schema=_VERDICT)]
    for key in keys:
        if data.table(Stage.TOKENS, key).exists():
            judged = judge(data, key, preset, settings.licences)
            is_kept = pl.col("rule").is_null() & pl.col("may_be_used")
            verdicts.append(judged.select("mesh_id", "exact", "n_faces", is_kept=is_kept))
    return pl.concat(verdicts)


def _shapes(meshes: pl.DataFrame) -> pl.DataFrame:
    """One row per shape, of its mesh with the smallest sha256, in the order of those."""
    return (
        meshes.select("mesh_id", "sha256", "shape", "descriptor", "n_landmarks")
        .sort("sha256", "shape", "mesh_id")
        .unique("shape", keep="first", maintain_order=True)
    )


def _candidates(shapes: pl.DataFrame, settings: CurationSettings) -> pl.DataFrame:
    """Pairs of rows of `shapes` that may be duplicates: i, j, distance, in order."""
    rows = shapes.with_row_index("row").filter(pl.col("descriptor").is_not_null())
    groups = rows.group_by("descriptor", maintain_order=True).agg(pl.col("row").cast(pl.Int64))
    found = pl.DataFrame(schema={"i": pl.Int64, "j": pl.Int64, "distance": pl.Float64})
    if groups.height:
        descriptors = groups["descriptor"].list.to_array(SIZE).to_numpy()
        pairs, distances = neighbours_within(descriptors, CANDIDATE_DISTANCE, n_workers(settings.limits))
        first = groups["row"].list.first().to_numpy()
        near = {"i": first[pairs[:, 0]], "j": first[pairs[:, 1]], "distance": distances}
        # rows of one descriptor were searched for as one
        equal = (
            groups.select(i=pl.col("row").list.first(), j="row")
            .explode("j")
            .filter(pl.col("i") < pl.col("j"))
        )
        found = pl.concat([pl.DataFrame(near), equal.with_columns(distance=0.0)])
    counts = shapes["n_landmarks"].to_numpy()
    fewer, more = np.sort(counts[found.select("i", "j").to_numpy()], axis=1).T
    is_possible = (fewer >= SHARED_OF_MORE / 2 * more) | (more == LANDMARKS)
    is_possible |= (found["distance"] <= SAME_SURFACE_DISTANCE).to_numpy()
    return found.filter(is_possible).sort("i", "j")


def _compare(
    data: DataFolder,
    settings: CurationSettings,
    keys: list[ShardKey],
    shapes: pl.DataFrame,
    candidates: pl.DataFrame,
    progress: Progress,
) -> pl.DataFrame:
    """Give candidates the vertices they share, compared now or in an earlier run, and the verdict."""
    sha256 = shapes["sha256"]
    named = candidates.with_columns(
        first=sha256.gather(candidates["i"]), second=sha256.gather(candidates["j"])
    )
    known = _known_pairs(data)
    shared: list[SharedVertices | None] = [known.get(row) for row in named.select(_PAIR).iter_rows()]
    missing = [row for row, found in enumerate(shared) if found is None]
    ends = candidates.select("i", "j").to_numpy()[missing]
    landmarks = _landmarks(data, keys, shapes, np.unique(ends))
    tasks = ((landmarks[i], landmarks[j]) for i, j in ends.tolist())
    for done, outcome in map_capped(compare_landmarks, tasks, settings.limits, Reason.INTERNAL, _IMPORTS):
        shared[missing[done]] = outcome.value if isinstance(outcome, Ok) else SharedVertices(0.0, 0.0)
        progress(DUPLICATES, done + 1, len(missing))
    found = [pair for pair in shared if pair is not None]
    verdicts = [is_duplicate(*pair) for pair in zip(candidates["distance"], found, strict=True)]
    return named.with_columns(
        pl.Series("shared_of_fewer", [pair.of_fewer for pair in found], dtype=pl.Float64),
        pl.Series("shared_of_more", [pair.of_more for pair in found], dtype=pl.Float64),
        pl.Series("is_duplicate", verdicts, dtype=pl.Boolean),
    )


def _known_pairs(data: DataFolder) -> dict[tuple[str, str, float], SharedVertices]:
    """What the last run compared. Equal distances too: then the shapes behind the hashes are the same."""
    if table_fingerprint(data.duplicate_pairs) is None:
        return {}
    frame = pl.read_parquet(data.duplicate_pairs)
    if frame.schema != pl.Schema(polars_schema(DuplicatePairs)):
        return {}
    columns = frame.select(*_PAIR, "shared_of_fewer", "shared_of_more")
    return {row[:3]: SharedVertices(*row[3:]) for row in columns.iter_rows()}


def _landmarks(
    data: DataFolder, keys: list[ShardKey], shapes: pl.DataFrame, rows: NDArray[np.int64]
) -> dict[int, NDArray[np.int16]]:
    """Landmarks (L, 3) of some rows of `shapes`."""
    if not len(rows):
        return {}
    row_of = dict(zip(shapes["mesh_id"].gather(rows), rows.tolist(), strict=True))
    found = (
        pl.scan_parquet([data.table(DESCRIPTORS, key) for key in keys])
        .filter(pl.col("mesh_id").is_in(list(row_of)))
        .select("mesh_id", "landmarks")
        .collect()
    )
    return {
        row_of[mesh_id]: np.array(flat, dtype=np.int16).reshape(-1, 3) for mesh_id, flat in found.iter_rows()
    }


def _write_partition(data: DataFolder, key: ShardKey, clustered: pl.DataFrame) -> PartitionResult:
    rows = clustered.filter(source=key.source, shard=key.shard).select(list(polars_schema(Duplicates)))
    content = hashlib.sha256(rows.write_json().encode()).hexdigest()
    path = data.table(DUPLICATES, key)
    was_current = is_current(content, [path])
    if not was_current:
        write_table(path, validate(Duplicates, rows), content)
    return PartitionResult(key, rows.height, was_current=was_current)

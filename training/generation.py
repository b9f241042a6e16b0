"""Meshes generated from conditions: one GLB and one row each, whatever happened.

    generator, config = load_generator(run)
    conditions = [Condition("chair", "file:///chair.glb", vertices, faces)]
    table = generate_meshes(generator, config, conditions, out)

OUT holds <name>.glb, generated.parquet (no row is ever left out) and timings.json. Called again with the same
weights, seed and settings, it only makes what is missing.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
import trimesh
from numpy.typing import NDArray

from model.systems import Generator, Networks, Sampling
from pipelines.storage import write_bytes, write_json, write_table
from training.config import ExperimentConfig
from training.surface import Mesh, NoSurfaceError, condition_cloud, face_cross_products
from training.surface import generator as random_generator

GENERATION_VERSION = 2
DEGENERATE_AREA = 1e-12  # of the squared bounding diagonal


class Status(StrEnum):
    """What came of one condition: the closed list."""

    VALID = "valid"  # ended by the end token, decoded, at least one face with an area
    NOT_ENDED = "not_ended"  # cut at the token limit; what decodes is written all the same
    SYNTAX = "syntax"  # the tokens do not decode; `code` is the tokenizer's
    EMPTY = "empty"  # decoded, without a face that has an area
    OUT_OF_RANGE = "out_of_range"  # coordinates not finite, or outside of [-1, 1]
    NO_CONDITION = "no_condition"  # the input has no surface to sample


@dataclass(frozen=True)
class Condition:
    """A mesh to generate from: vertices (V, 3), longest side 1.9 around 0, and faces (F, 3)."""

    name: str
    uri: str
    vertices: NDArray[np.floating]
    faces: NDArray[np.integer]


TABLE_SCHEMA: dict[str, Any] = {
    "name": pl.String,
    "uri": pl.String,
    "status": pl.String,  # Status
    "code": pl.String,  # the tokenizer's, where decoding failed
    "stop_reason": pl.String,  # ended, length; null without a condition
    "seed": pl.Int64,  # of this row's random numbers
    "temperature": pl.Float64,
    "n_tokens": pl.Int64,  # without the end
    "n_vertices": pl.Int64,
    "n_faces": pl.Int64,
    "file": pl.String,  # GLB below the folder; null where nothing decoded
    "tokens": pl.List(pl.Int32),
    "fingerprint": pl.String,  # of weights, condition and settings
}


def generate_meshes(
    generator: Generator,
    config: ExperimentConfig,
    conditions: Sequence[Condition],
    out: Path,
    seed: int = 0,
    temperature: float = 0.5,
    max_tokens: int | None = None,
    top_k: int | None = 50,
    top_p: float | None = 0.95,
    batch_size: int = 8,
    constrained: bool | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """Generate one mesh per condition into `out`; the rows of generated.parquet, in the order given.

    Row i draws from the random stream `seed + i`, so that neither the batch size nor what was already there
    moves it. `constrained` is the configuration's `generation.constrained` by default. `on_progress` gets the
    conditions done and their number.
    Raises ValueError where two conditions have the same name and uri, or `max_tokens` exceeds the model's.
    """
    if len({(condition.name, condition.uri) for condition in conditions}) != len(conditions):
        raise ValueError("two conditions have the same name and uri; give each mesh once")
    is_constrained = config.generation.constrained if constrained is None else constrained
    longest = max_tokens or config.data.max_tokens or generator.needs.max_tokens
    if longest is None:
        raise ValueError(f"{config.system} knows no longest sequence; give max_tokens")
    sampling = Sampling(seed, temperature, longest, top_k, top_p, is_constrained)
    weights = weights_digest(generator.networks)
    fingerprints = [
        _fingerprint(condition, weights, config, sampling, i) for i, condition in enumerate(conditions)
    ]
    out.mkdir(parents=True, exist_ok=True)
    rows = _rows_on_disk(out, fingerprints)
    seconds = _seconds_on_disk(out)
    pending = [i for i, fingerprint in enumerate(fingerprints) if fingerprint not in rows]
    files = file_names([(condition.name, condition.uri) for condition in conditions])
    for batch in _consecutive(pending, batch_size):
        for i, (row, took) in zip(
            batch, _generate_batch(generator, config, conditions, batch, sampling, out, files), strict=True
        ):
            rows[fingerprints[i]] = {**row, "fingerprint": fingerprints[i]}
            seconds[files[i]] = round(took, 3)
        done = [rows[fingerprint] for fingerprint in fingerprints if fingerprint in rows]
        write_table(out / "generated.parquet", pl.DataFrame(done, schema=TABLE_SCHEMA))
        write_json(out / "timings.json", seconds)
        if on_progress is not None:
            on_progress(len(done), len(conditions))
    table = pl.DataFrame([rows[fingerprint] for fingerprint in fingerprints], schema=TABLE_SCHEMA)
    write_table(out / "generated.parquet", table)
    return table


def file_names(identities: Sequence[tuple[str, str]]) -> list[str]:
    """GLB names that any file system takes, unique whatever the (name, uri) are."""
    names = []
    plain = [re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:80] or "mesh" for name, _ in identities]
    folded = [name.casefold() for name in plain]
    for (name, uri), safe, key in zip(identities, plain, folded, strict=True):
        is_unique = safe == name and folded.count(key) == 1
        mark = "" if is_unique else "-" + hashlib.sha256(f"{name}\0{uri}".encode()).hexdigest()[:8]
        names.append(f"{safe}{mark}.glb")
    return names


def weights_digest(networks: Networks) -> str:
    """sha256 over names and bytes of all weights."""
    digest = hashlib.sha256()
    named = {
        f"{stage}.{name}": tensor
        for stage in networks
        for name, tensor in networks[stage].state_dict().items()
    }
    for name, tensor in sorted(named.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _generate_batch(
    generator: Generator,
    config: ExperimentConfig,
    conditions: Sequence[Condition],
    batch: Sequence[int],
    sampling: Sampling,
    out: Path,
    files: Sequence[str],
) -> Iterator[tuple[dict[str, Any], float]]:
    points, is_there = _points(generator, config, [conditions[i] for i in batch], sampling.seed)
    with torch.inference_mode():
        of_batch = replace(sampling, seed=sampling.seed + batch[0])
        generated = generator.generate(points, len(batch), of_batch)
    for i, has_condition, result in zip(batch, is_there, generated, strict=True):
        row = {
            "name": conditions[i].name,
            "uri": conditions[i].uri,
            "seed": sampling.seed + i,
            "temperature": sampling.temperature,
        }
        if not has_condition:
            yield {**row, "status": Status.NO_CONDITION.value}, 0.0
            continue
        decoded = decode_tokens(result.tokens, result.ended, generator, sampling.constrained)
        if decoded.mesh is not None:
            _write_glb(out / files[i], decoded.mesh)
        yield (
            {
                **row,
                "status": decoded.status.value,
                "code": decoded.code,
                "stop_reason": "ended" if result.ended else "length",
                "n_tokens": len(result.tokens),
                "n_vertices": 0 if decoded.mesh is None else len(decoded.mesh.vertices),
                "n_faces": 0 if decoded.mesh is None else len(decoded.mesh.faces),
                "file": None if decoded.mesh is None else files[i],
                "tokens": result.tokens.tolist(),
            },
            result.seconds,
        )


@dataclass(frozen=True)
class Decoded:
    """What a token row stands for; without a mesh where it does not decode to any face."""

    status: Status
    mesh: Mesh | None = None
    code: str | None = None


def decode_tokens(
    tokens: NDArray[np.int32], ended: bool, generator: Generator, constrained: bool = True
) -> Decoded:
    """Decode one row of tokens (without its end) and say whether the result is valid."""
    import tokenizer_rs

    try:
        vertices, faces = generator.decode(tokens, constrained)
    except tokenizer_rs.MeshError as error:
        return Decoded(Status.SYNTAX if ended else Status.NOT_ENDED, code=str(error.code))
    mesh = Mesh(np.asarray(vertices, dtype=np.float64), np.asarray(faces, dtype=np.int64))
    if len(mesh.faces) == 0 or not _has_area(mesh):
        return Decoded(Status.EMPTY if ended else Status.NOT_ENDED)
    if not np.isfinite(mesh.vertices).all() or np.abs(mesh.vertices).max() > 1:
        return Decoded(Status.OUT_OF_RANGE if ended else Status.NOT_ENDED)
    return Decoded(Status.VALID if ended else Status.NOT_ENDED, mesh)


def read_mesh(path: Path) -> Mesh:
    """A GLB that `generate_meshes` wrote."""
    mesh = trimesh.load_mesh(path, process=False)
    return Mesh(np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int64))


def _points(
    generator: Generator, config: ExperimentConfig, conditions: Sequence[Condition], seed: int
) -> tuple[torch.Tensor | None, list[bool]]:
    """Clouds (B, P, 6) of the conditions, and which of them have one; None for a generator without."""
    count = generator.needs.points
    if not count:
        return None, [True] * len(conditions)
    # A row without a cloud keeps its place, since the random streams count from the batch's first row.
    stacked = np.zeros((len(conditions), count, 6), dtype=np.float32)
    is_there = []
    for row, condition in zip(stacked, conditions, strict=True):
        random = random_generator(seed, "condition", condition.name, condition.uri)
        try:
            row[:] = condition_cloud(
                Mesh(condition.vertices, condition.faces), count, random, config.data.point_pool
            )
            is_there.append(True)
        except NoSurfaceError:
            is_there.append(False)
    parameter = next(
        parameter for network in generator.networks.values() for parameter in network.parameters()
    )
    return torch.from_numpy(stacked).to(parameter.device, parameter.dtype), is_there


def _has_area(mesh: Mesh) -> bool:
    if len(mesh.faces) == 0:
        return False
    diagonal = np.linalg.norm(np.ptp(mesh.vertices, axis=0))
    areas = np.linalg.norm(face_cross_products(mesh), axis=1) / 2
    return bool((areas > DEGENERATE_AREA * diagonal**2).any())


def _write_glb(path: Path, mesh: Mesh) -> None:
    content = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(file_type="glb")
    assert isinstance(content, bytes)
    write_bytes(path, content)


def _fingerprint(
    condition: Condition, weights: str, config: ExperimentConfig, sampling: Sampling, position: int
) -> str:
    settings = [
        GENERATION_VERSION,
        weights,
        asdict(sampling),
        config.model.model_dump(mode="json"),
        None if config.needs.vocab_size is None else config.tokenizer.model_dump(mode="json"),
        config.data.point_pool,
        [condition.name, condition.uri, position],
    ]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(condition.vertices, dtype=np.float64).tobytes())
    digest.update(np.ascontiguousarray(condition.faces, dtype=np.int64).tobytes())
    return digest.hexdigest()


def _rows_on_disk(out: Path, wanted: Sequence[str]) -> dict[str, dict[str, Any]]:
    path = out / "generated.parquet"
    if not path.is_file():
        return {}
    frame = pl.read_parquet(path)
    if dict(frame.schema) != TABLE_SCHEMA:
        return {}
    rows = {row["fingerprint"]: row for row in frame.to_dicts()}
    return {
        key: row
        for key, row in rows.items()
        if key in set(wanted) and (row["file"] is None or (out / row["file"]).is_file())
    }


def _seconds_on_disk(out: Path) -> dict[str, float]:
    path = out / "timings.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def _consecutive(positions: Sequence[int], size: int) -> Iterator[list[int]]:
    """Runs of consecutive positions, each of at most `size`."""
    batch: list[int] = []
    for position in positions:
        if batch and (position != batch[-1] + 1 or len(batch) == size):
            yield batch
            batch = []
        batch.append(position)
    if batch:
        yield batch

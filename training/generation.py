"""Meshes generated from conditions: one GLB and one row each, whatever happened.

    generator, config = load_generator(run)
    conditions = [Condition("chair", "file:///chair.glb", vertices, faces)]
    table = generate_meshes(generator, config, conditions, out)

OUT holds <name>.glb, generated.parquet (no row is ever left out) and timings.json. A mesh is written as soon
as it is finished. Called again with the same weights, seed and settings, after a kill too, it only makes what
is missing.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from model.systems import Counts, Draft, GeneratedRow, Generator, RowRequest, Sampling
from training.checkpoints import load_draft, load_generator, weights_digest
from training.conditions import Condition, MeshCondition
from training.config import ExperimentConfig
from training.decoding import Status, decode_tokens, write_mesh
from training.generated_table import GeneratedTable, file_names
from training.surface import Mesh, NoSurfaceError, condition_cloud
from training.surface import generator as random_generator
from training.text import TextEncoder

GENERATION_VERSION = 3
__all__ = ["Condition", "generate_meshes", "generate_run", "weights_digest"]


def generate_run(
    run: Path,
    conditions_of: Callable[[ExperimentConfig], Sequence[MeshCondition]],
    out: Path,
    draft: Path | None = None,
    draft_tokens: int | None = None,
    raw_weights: bool = False,
    **options: Any,
) -> pl.DataFrame:
    """`generate_meshes` with the newest weights of a run and of the run of a draft; on a GPU if there is one.

    Where a run averages its weights these are the average, of the run itself with `raw_weights` the raw ones.
    Raises RunError besides, where a run has none.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator, config = load_generator(run, device, raw_weights)
    guessing = load_draft(config, device, draft, draft_tokens)
    return generate_meshes(generator, config, conditions_of(config), out, draft=guessing, **options)


def generate_meshes(
    generator: Generator,
    config: ExperimentConfig,
    conditions: Sequence[MeshCondition],
    out: Path,
    seed: int = 0,
    temperature: float = 0.5,
    max_tokens: int | None = None,
    top_k: int | None = 50,
    top_p: float | None = 0.95,
    batch_size: int = 8,
    constrained: bool | None = None,
    max_seconds: float | None = None,
    is_compiled: bool = False,
    draft: Draft | None = None,
    guidance: float = 1.0,
    n_faces: int | None = None,
    n_components: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """Generate one mesh per condition into `out`; the rows of generated.parquet, in the order given.

    Conditions are read one by one, as their turn comes. Row i draws from the random stream `seed + i`:
    neither the batch size nor what was already there moves it. `batch_size` meshes are written at once; where
    the system can, the next takes the place of one that is finished. `constrained` is the configuration's
    `generation.constrained` by default. What `max_seconds` (of one mesh) stops depends on the machine.
    `is_compiled` pays on a GPU, after minutes. With a `draft` (`training.checkpoints.load_draft`) the meshes
    are other ones of the same distribution. `guidance` above 1 goes further towards the texts. Where the
    network reads counts, `n_faces` and `n_components` are what each mesh should have, about. `on_progress`
    gets the conditions done and their number.
    Raises ValueError where two conditions have the same name and uri, `max_tokens` exceeds the model's or the
    draft's, the draft does not fit, or a text or a count is given to a network that reads none.
    """
    if len({(condition.name, condition.uri) for condition in conditions}) != len(conditions):
        raise ValueError("two conditions have the same name and uri; give each mesh once")
    is_constrained = config.generation.constrained if constrained is None else constrained
    longest = max_tokens or config.data.max_tokens or generator.needs.max_tokens
    if longest is None:
        raise ValueError(f"{config.system} knows no longest sequence; give max_tokens")
    sampling = Sampling(seed, temperature, longest, top_k, top_p, is_constrained, max_seconds, guidance)
    encode = _text_reader(generator, config, conditions)
    counts = _said_counts(generator, n_faces, n_components)
    weights = weights_digest(generator.networks)
    if draft is not None:
        weights += f" after {draft.n_tokens} of {weights_digest(draft.generator.networks)}"
    out.mkdir(parents=True, exist_ok=True)
    table = GeneratedTable(out)
    fingerprints: list[str] = []
    n_done = 0
    files = file_names([(condition.name, condition.uri) for condition in conditions])

    def keep(i: int, result: GeneratedRow | None, code: str | None = None) -> None:
        row = {
            "name": conditions[i].name,
            "uri": conditions[i].uri,
            "seed": seed + i,
            "temperature": temperature,
            "text": conditions[i].text,
            "asked_faces": n_faces,
            "asked_components": n_components,
            "fingerprint": fingerprints[i],
        }
        if result is None:
            row |= {"status": Status.NO_CONDITION.value, "code": code}
        else:
            row |= _write_result(result, generator, is_constrained, out, files[i])
        table.append(row, {files[i]: 0.0 if result is None else round(result.seconds, 3)})
        count()

    def count() -> None:
        nonlocal n_done
        n_done += 1
        if on_progress is not None and (n_done % batch_size == 0 or n_done == len(conditions)):
            on_progress(n_done, len(conditions))

    def requests() -> Iterator[RowRequest]:
        for i, condition in enumerate(conditions):
            mesh, code = _read(condition)
            fingerprints.append(_fingerprint(condition, mesh, weights, config, sampling, i, counts))
            if fingerprints[i] in table.rows:
                count()
            elif mesh is None:
                keep(i, None, code)
            else:
                try:
                    cloud = _cloud(generator, config, condition, mesh, seed)
                except NoSurfaceError:
                    keep(i, None)
                else:
                    yield RowRequest(i, cloud, encode(condition), counts)

    for i, result in generator.generate_each(requests(), sampling, batch_size, is_compiled, draft):
        keep(i, result)
    return table.finish(fingerprints)


def _write_result(
    result: GeneratedRow, generator: Generator, constrained: bool, out: Path, file: str
) -> dict[str, Any]:
    """Decode a row and write its mesh; what the table says of it."""
    decoded = decode_tokens(result.tokens, result.ended, generator, constrained)
    if decoded.mesh is not None:
        write_mesh(out / file, decoded.mesh)
    return {
        "status": decoded.status.value,
        "code": decoded.code,
        "stop_reason": result.stop_reason,
        "n_tokens": len(result.tokens),
        "n_vertices": 0 if decoded.mesh is None else len(decoded.mesh.vertices),
        "n_faces": 0 if decoded.mesh is None else len(decoded.mesh.faces),
        "file": None if decoded.mesh is None else file,
        "tokens": result.tokens.tolist(),
    }


def _read(condition: MeshCondition) -> tuple[Mesh | None, str | None]:
    """The mesh of a condition, or the error that reading it ended with."""
    try:
        return condition.mesh(), None
    except (OSError, ValueError) as error:
        return None, str(getattr(error, "code", type(error).__name__))


def _cloud(
    generator: Generator, config: ExperimentConfig, condition: MeshCondition, mesh: Mesh, seed: int
) -> torch.Tensor | None:
    """Cloud (P, 6) of a condition; None for a generator without. Raises NoSurfaceError."""
    if not generator.needs.points:
        return None
    random = random_generator(seed, "condition", condition.name, condition.uri)
    return _as_tensor(
        generator, condition_cloud(mesh, generator.needs.points, random, config.data.point_pool)
    )


def _said_counts(generator: Generator, n_faces: int | None, n_components: int | None) -> Counts:
    """What is said of every mesh. Raises ValueError."""
    said = {"n_faces": n_faces, "n_components": n_components}
    if wrong := [f"{name} is {count}" for name, count in said.items() if count is not None and count < 1]:
        raise ValueError(f"{', '.join(wrong)}; give at least 1, or leave it out")
    counts = Counts(n_faces or 0, n_components or 0)
    if any(counts) and not generator.needs.counts:
        raise ValueError(
            "this run reads no counts of faces or components; leave them out, or train with "
            "model.count_condition=true"
        )
    return counts


def _text_reader(
    generator: Generator, config: ExperimentConfig, conditions: Sequence[MeshCondition]
) -> Callable[[MeshCondition], torch.Tensor | None]:
    """From a condition to the features (S, C) of its text. Raises ConfigError or ValueError."""
    width = generator.needs.text_width
    has_texts = any(condition.text is not None for condition in conditions)
    if width is None:
        if has_texts:
            raise ValueError(f"this run of {config.system} reads no texts; give meshes, or a run that does")
        return lambda condition: None
    if not has_texts:
        nothing = np.zeros((0, width), dtype=np.float32)
        return lambda condition: _as_tensor(generator, nothing)
    encoder = TextEncoder.of(config, _parameter(generator).device)
    assert encoder is not None  # a run of such a model has one
    return lambda condition: _as_tensor(generator, encoder(condition.text or ""))


def _as_tensor(generator: Generator, array: NDArray[np.floating]) -> torch.Tensor:
    """On the device of the networks, in their precision."""
    parameter = _parameter(generator)
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(
        parameter.device, parameter.dtype
    )


def _parameter(generator: Generator) -> torch.nn.Parameter:
    return next(parameter for network in generator.networks.values() for parameter in network.parameters())


def _fingerprint(
    condition: MeshCondition,
    mesh: Mesh | None,
    weights: str,
    config: ExperimentConfig,
    sampling: Sampling,
    position: int,
    counts: Counts,
) -> str:
    settings = [
        GENERATION_VERSION,
        weights,
        {name: value for name, value in asdict(sampling).items() if name != "guidance"},
        config.model.model_dump(mode="json"),
        None if config.needs.vocab_size is None else config.tokenizer.model_dump(mode="json"),
        config.data.point_pool,
        [condition.name, condition.uri, position],
    ]
    if condition.text is not None:
        settings.append([condition.text, sampling.guidance])
    if any(counts):
        settings.append(counts._asdict())
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    if mesh is not None:
        digest.update(np.ascontiguousarray(mesh.vertices, dtype=np.float64).tobytes())
        digest.update(np.ascontiguousarray(mesh.faces, dtype=np.int64).tobytes())
    return digest.hexdigest()

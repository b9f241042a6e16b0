"""Samples of a data set, read by position, as a stage of a system needs them."""

import io
import json
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import tokenizer_rs
from numpy.typing import NDArray
from torch.utils.data import Dataset

from model.systems import NOTHING_SAID, Counts, Sample, SampleError
from pipelines.storage import DataFolder
from pipelines.tokenizers import TokenizerSettings, build_tokenizer, parse_tokenizer
from training.augmentation import augment
from training.config import ExperimentConfig
from training.order import Place
from training.surface import Mesh, NoSurfaceError, condition_cloud, generator

OPEN_FILES_LIMIT = 128


class DataError(ValueError):
    """The data set cannot be trained on; the message says what is missing."""


class SampleFailure(StrEnum):
    """Why a sample contributes nothing to its step: the closed list."""

    UNREADABLE = "UNREADABLE"  # its bytes are not where the index says
    NO_SURFACE = "NO_SURFACE"  # no face with an area
    TOKENIZER = "TOKENIZER"  # the turned or scaled mesh does not tokenise
    EMPTY = "EMPTY"  # nothing is left of it on the stage's grid
    TOO_LONG = "TOO_LONG"  # the turned or scaled mesh has more than max_tokens tokens


class Prepared(NamedTuple):
    """What of one mesh goes into a batch: arrays by name."""

    mesh_id: str
    arrays: dict[str, NDArray[Any]]


class Failed(NamedTuple):
    """A sample that could not be made."""

    mesh_id: str
    failure: SampleFailure
    detail: str


@dataclass(frozen=True)
class SplitCounts:
    """What the index holds of one split."""

    n_indexed: int
    n_too_long: int

    @property
    def n_used(self) -> int:
        """Samples that are read."""
        return self.n_indexed - self.n_too_long


class ShardDataset(Dataset[Prepared | Failed]):
    """Samples of one split; `dataset[Place(epoch, index)]` is a function of the seed and the place alone.

    Held-out splits are never turned, scaled or made noisy: their clouds are the same on every visit.
    Raises DataError where the index is absent or nothing of the split is short enough.
    """

    def __init__(self, data: Path, split: str, config: ExperimentConfig) -> None:
        self.folder = DataFolder(Path(data))
        self.split = split
        self.config = config
        index = read_index(self.folder)
        rows = index.filter(pl.col("split") == split)
        used = rows.filter(_is_short_enough(config))
        self.counts = SplitCounts(rows.height, rows.height - used.height)
        if used.is_empty():
            present = dict(sorted(index["split"].value_counts().iter_rows()))
            raise DataError(
                f"split {split} of {data} has {rows.height} samples, {self.counts.n_too_long} of them larger "
                f"than {_limits(config)}; nothing is left. Samples by split: {present or 'none'}"
            )
        self.index = used
        self._rows: list[dict[str, Any]] = used.to_dicts()
        self._descriptors: dict[str, int] = {}

    @property
    def is_fixed(self) -> bool:
        """Whether a sample is the same on every visit."""
        varies = self.config.data.augment.changes_mesh or self.config.needs.points > 0
        return self.split != "train" or not varies

    def __len__(self) -> int:
        return len(self._rows)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_descriptors": {}}

    def __getitem__(self, place: Place) -> Prepared | Failed:
        epoch, index = place
        mesh_id = self._rows[index]["mesh_id"]
        try:
            sample = self._sample(mesh_id, epoch, index)
            return Prepared(mesh_id, self.config.training_stage.prepare(sample, self.config.model))
        except SampleError as error:
            return Failed(mesh_id, SampleFailure.EMPTY, str(error))
        except tokenizer_rs.MeshError as error:
            return Failed(mesh_id, SampleFailure.TOKENIZER, f"{error.code}: {error}")
        except NoSurfaceError as error:
            return Failed(mesh_id, SampleFailure.NO_SURFACE, str(error))
        except (OSError, EOFError) as error:
            return Failed(mesh_id, SampleFailure.UNREADABLE, str(error))
        except _SampleError as error:
            return Failed(mesh_id, error.failure, str(error))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Nominal length of each sample, int64 (n,), at least 1: what a step's token budget counts.

        Stored tokens and their end, where the stage reads tokens (turned or scaled, a mesh may have a few
        more or fewer); else the labels that the stage names for each face.
        """
        needs = self.config.needs
        if needs.vocab_size is not None:
            lengths = self.index["n_tokens"].to_numpy() + 1
        else:
            lengths = self.index["n_faces"].to_numpy() * needs.labels_per_face
        return np.maximum(lengths, 1)

    def mesh(self, index: int) -> Mesh:
        """The cleaned, normalised mesh as stored: float32 (V, 3), int32 (F, 3).

        Raises OSError where the shard does not hold it.
        """
        return Mesh(self._member(index, "vertices"), self._member(index, "faces"))

    def tokens(self, index: int) -> NDArray[np.int32]:
        """The stored tokens. Raises OSError where the shard does not hold them."""
        return self._member(index, "tokens").astype(np.int32)

    def mesh_id(self, index: int) -> str:
        """Name of a sample."""
        return str(self._rows[index]["mesh_id"])

    def _sample(self, mesh_id: str, epoch: int, index: int) -> Sample:
        settings, needs = self.config.data, self.config.needs
        mesh, is_training = self.mesh(index), self.split == "train"
        random = generator(self.config.seed, "sample", epoch if is_training else self.split, index)
        tokens, points, noise = None, None, 0.0
        if is_training:
            further = generator(self.config.seed, "augmentation", epoch, index)
            mesh, noise = augment(mesh, settings.augment, random, further)
        is_moved, faces = is_training and settings.augment.changes_mesh, mesh.faces
        if needs.vocab_size is not None:
            tokens, faces = self._encode(mesh) if is_moved else (self.tokens(index), faces)
        if needs.points:
            points = condition_cloud(mesh, needs.points, random, settings.point_pool, noise)
        counts = NOTHING_SAID
        if needs.counts:
            row = self._rows[index]
            counts = count(faces) if is_moved else Counts(row["n_faces"], row["n_components"])
        return Sample(mesh_id, mesh.vertices, mesh.faces, tokens, points, counts)

    def _encode(self, mesh: Mesh) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Tokens, and the faces (F, 3) that they stand for."""
        encoded = build_tokenizer(self.config.tokenizer).encode(mesh.vertices.astype(np.float64), mesh.faces)
        tokens = np.asarray(encoded.tokens, dtype=np.int32)
        limit = self.config.max_tokens
        if limit is not None and len(tokens) > limit:
            raise _SampleError(SampleFailure.TOO_LONG, f"{len(tokens)} tokens")
        return tokens, np.asarray(encoded.faces)

    def _member(self, index: int, name: str) -> NDArray[Any]:
        row = self._rows[index]
        size = row[f"{name}_size"]
        content = os.pread(self._descriptor(row["shard_file"]), size, row[f"{name}_offset"])
        try:
            return np.load(io.BytesIO(content), allow_pickle=False)
        except ValueError as error:
            raise OSError(
                f"{row['shard_file']} has no {name} of {row['mesh_id']} at {row[f'{name}_offset']}"
            ) from error

    def _descriptor(self, shard_file: str) -> int:
        if shard_file not in self._descriptors:
            if len(self._descriptors) >= OPEN_FILES_LIMIT:
                self.close()
            self._descriptors[shard_file] = os.open(self.folder.shards / shard_file, os.O_RDONLY)
        return self._descriptors[shard_file]

    def close(self) -> None:
        """Close the shards; they open again when needed."""
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()


def count(faces: NDArray[np.integer]) -> Counts:
    """What a mesh of these faces (F, 3) has."""
    return Counts(len(faces), int(tokenizer_rs.edge_components(faces).max(initial=-1)) + 1)


class _SampleError(Exception):
    def __init__(self, failure: SampleFailure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure


def read_index(folder: DataFolder) -> pl.DataFrame:
    """Where each sample lies. Raises DataError where there are no shards."""
    path = folder.shards / "index.parquet"
    if not path.is_file():
        raise DataError(f"{folder.root} has no shards/index.parquet; run `meshloom curate` first")
    return pl.read_parquet(path)


def tokenizer_of(data: Path) -> TokenizerSettings | None:
    """The tokenizer that a data set's manifest names; None where there is no manifest that names one.

    Raises DataError for a manifest whose tokenizer this version does not know.
    """
    path = DataFolder(Path(data)).manifest
    try:
        content = json.loads(path.read_bytes())["settings"]["tokenizer"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    try:
        return parse_tokenizer(content)
    except ValueError as error:
        raise DataError(
            f"{path} names a tokenizer that is not known here; curate it again: {error}"
        ) from None


def with_tokenizer_of(config: ExperimentConfig, data: Path) -> ExperimentConfig:
    """The configuration with the data set's tokenizer filled in, where the stage reads tokens.

    Raises DataError where the configuration asks for another one, where neither names one, or where the
    model's vocabulary is not the tokenizer's.
    """
    wanted = config.needs.vocab_size
    if wanted is None:
        return config
    theirs, ours = tokenizer_of(data), config.data.tokenizer
    if theirs is not None and ours is not None and theirs != ours:
        raise DataError(
            f"data.tokenizer is {ours.label}, but {data} was made with {theirs.label}; leave data.tokenizer "
            f"out, or curate the data set with it"
        )
    settings = ours or theirs
    if settings is None:
        raise DataError(f"the manifest of {data} names no tokenizer; give data.tokenizer.name")
    n_ids = build_tokenizer(settings).vocab_size
    if n_ids != wanted:
        raise DataError(
            f"{settings.label} has {n_ids} ids, and the model {wanted}; give model.vocab_size={n_ids}"
        )
    filled = config.data.model_copy(update={"tokenizer": settings})
    return config.model_copy(update={"data": filled})


def _is_short_enough(config: ExperimentConfig) -> pl.Expr:
    limits = {"n_tokens": config.max_tokens, "n_faces": config.max_faces}
    short = [pl.col(name) <= limit for name, limit in limits.items() if limit is not None]
    return pl.all_horizontal(pl.lit(True), *short)


def _limits(config: ExperimentConfig) -> str:
    limits = {"tokens": config.max_tokens, "faces": config.max_faces}
    return " or ".join(f"{limit} {name}" for name, limit in limits.items() if limit is not None)

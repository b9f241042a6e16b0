"""Meshes to generate from: there already, or read one by one as their turn comes.

conditions = conditions_of_split(data, "test", config)     # thousands cost no memory
table = generate_meshes(generator, config, conditions, out)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from training.config import ExperimentConfig
from training.data import ShardDataset
from training.surface import Mesh
from training.text import captions_of_run


class MeshCondition(Protocol):
    """A mesh, or a text, by name and place; both together name it among others."""

    @property
    def name(self) -> str:
        """What its GLB is called."""

    @property
    def uri(self) -> str:
        """Where it lies."""

    @property
    def text(self) -> str | None:
        """What is said of it, for systems that read it; None says nothing."""

    def mesh(self) -> Mesh:
        """Vertices (V, 3), longest side 1.9 around 0, and faces (F, 3); none where there is only a text.

        Raises OSError or ValueError where it cannot be read, which is then what its row says.
        """


@dataclass(frozen=True)
class Condition:
    """A mesh to generate from: vertices (V, 3), longest side 1.9 around 0, and faces (F, 3)."""

    name: str
    uri: str
    vertices: NDArray[np.floating]
    faces: NDArray[np.integer]
    text: str | None = None

    def mesh(self) -> Mesh:
        """See `MeshCondition`."""
        return Mesh(self.vertices, self.faces)


@dataclass(frozen=True)
class UnreadCondition:
    """A mesh to generate from, read when its turn comes."""

    name: str
    uri: str
    read: Callable[[], Mesh]
    text: str | None = None

    def mesh(self) -> Mesh:
        """See `MeshCondition`."""
        return self.read()

    def loaded(self) -> Condition:
        """The same with its mesh in memory. Raises as `mesh` does."""
        mesh = self.mesh()
        return Condition(self.name, self.uri, mesh.vertices, mesh.faces, self.text)


def conditions_of_split(
    data: Path, split: str, config: ExperimentConfig, limit: int | None = None
) -> Sequence[MeshCondition]:
    """The first `limit` meshes of a split of a data set, in the order of its index, with their captions.

    Raises DataError where there is no data set, the split has no mesh of the configuration's sizes, or a run
    that reads texts has no captions.
    """
    return held_out_conditions(ShardDataset(data, split, config), limit)


def held_out_conditions(held_out: ShardDataset, limit: int | None = None) -> list[UnreadCondition]:
    """The first `limit` meshes, with their captions where the run reads texts. Raises DataError."""
    captions = captions_of_run(held_out.config, held_out.folder.root)
    return [
        UnreadCondition(
            name := held_out.mesh_id(i),
            f"{held_out.split}/{name}",
            partial(held_out.mesh, i),
            captions.get(name),
        )
        for i in range(len(held_out))[:limit]
    ]


def conditions_of_texts(texts: Sequence[str]) -> list[Condition]:
    """One condition a text, without a mesh."""
    nothing = np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    return [Condition(text, f"text:{i}", *nothing, text) for i, text in enumerate(texts)]

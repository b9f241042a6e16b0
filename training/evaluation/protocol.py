"""What exactly is compared, under a name: normalisation, points, seed and metrics.

    scores = PROTOCOLS["paired-10k"].score("chair", generated, truth)

`paired-10k` moves both meshes by the truth's transform (longest side 1) and samples 10 000 points;
`paired-1k-self` normalises each mesh by itself and samples 1 024, as the BPT evaluation does.
Each metric draws its own points, seeded by mesh and metric.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.evaluation.distances import (
    cd_l2_sum,
    f_score,
    find_neighbours,
    hausdorff,
    normal_consistency,
)
from training.evaluation.edges import edge_points
from training.evaluation.normalization import Normalization, bounding_diagonal
from training.surface import Mesh, generator, sample_surface

F_THRESHOLDS = {"f_001": 0.01, "f_002": 0.02, "f_005": 0.05}  # of the truth's longest side

Scores = dict[str, float]


@dataclass(frozen=True)
class Protocol:
    """A named way to score a prediction against the truth."""

    name: str
    normalization: str  # for people
    n_points: int
    metrics: tuple[str, ...]
    hausdorff_with_vertices: bool  # sampled points alone underestimate it
    normalize: Callable[[Mesh, Mesh], tuple[Mesh, Mesh]]

    def score(self, mesh_id: str, prediction: Mesh, truth: Mesh, seed: int = 0) -> Scores:
        """All metrics of one pair. Raises NoSurfaceError or ValueError where there is nothing to compare."""
        prediction, truth = self.normalize(prediction, truth)
        return self._score(mesh_id, prediction, truth, seed, "prediction")

    def floor(self, mesh_id: str, truth: Mesh, seed: int = 0) -> Scores:
        """The truth against independent samples of itself: what sampling alone costs."""
        truth = self.normalize(truth, truth)[1]
        return self._score(mesh_id, truth, truth, seed, "floor")

    def penalty(self, truth: Mesh) -> Scores:
        """Scores of an empty prediction: the truth's bounding diagonal as distance, no agreement at all."""
        diagonal = bounding_diagonal(self.normalize(truth, truth)[1].vertices)
        return {metric: diagonal if metric in DISTANCES else 0.0 for metric in self.metrics}

    def _score(self, mesh_id: str, p: Mesh, q: Mesh, seed: int, side: str) -> Scores:
        p_points, p_normals = sample_surface(p, self.n_points, generator(seed, mesh_id, "surface", side))
        q_points, q_normals = sample_surface(q, self.n_points, generator(seed, mesh_id, "surface", "truth"))
        near = find_neighbours(p_points, q_points)
        scores = {"cd_l2_sum": cd_l2_sum(near)}
        scores |= {name: f_score(near, tau)[2] for name, tau in F_THRESHOLDS.items()}
        scores["nc"], scores["nc_abs"] = normal_consistency(near, p_normals, q_normals)
        if "ecd" in self.metrics:
            scores["ecd"] = self._edge_distance(mesh_id, p, q, seed, side)
        scores["hd"] = self._hausdorff(mesh_id, p, q, seed, side)
        return {metric: scores[metric] for metric in self.metrics}

    def _hausdorff(self, mesh_id: str, p: Mesh, q: Mesh, seed: int, side: str) -> float:
        p_points, _ = sample_surface(p, self.n_points, generator(seed, mesh_id, "hd", side))
        q_points, _ = sample_surface(q, self.n_points, generator(seed, mesh_id, "hd", "truth"))
        if self.hausdorff_with_vertices:
            p_points = np.concatenate([p_points, _referenced(p)])
            q_points = np.concatenate([q_points, _referenced(q)])
        return hausdorff(find_neighbours(p_points, q_points))

    def _edge_distance(self, mesh_id: str, p: Mesh, q: Mesh, seed: int, side: str) -> float:
        p_points = edge_points(p, self.n_points, generator(seed, mesh_id, "ecd", side))
        q_points = edge_points(q, self.n_points, generator(seed, mesh_id, "ecd", "truth"))
        if len(p_points) and len(q_points):
            return cd_l2_sum(find_neighbours(p_points, q_points))
        return 0.0 if len(p_points) == len(q_points) else float("inf")


DISTANCES = frozenset({"cd_l2_sum", "hd", "ecd"})  # lower is better; the others are agreements up to 1


def _referenced(mesh: Mesh) -> NDArray[np.float64]:
    return np.asarray(mesh.vertices, dtype=np.float64)[np.unique(mesh.faces)]


def _by_truth(prediction: Mesh, truth: Mesh) -> tuple[Mesh, Mesh]:
    move = Normalization.unit_longest_side(_referenced(truth))
    return _moved(prediction, move), _moved(truth, move)


def _by_itself(prediction: Mesh, truth: Mesh) -> tuple[Mesh, Mesh]:
    own = Normalization.half_extent(_referenced(prediction), 0.95)
    return _moved(prediction, own), _moved(truth, Normalization.half_extent(_referenced(truth), 0.95))


def _moved(mesh: Mesh, normalization: Normalization) -> Mesh:
    return Mesh(normalization.apply(mesh.vertices), mesh.faces)


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="paired-10k",
            normalization="truth's bounding box: centre 0, longest side 1, applied to both",
            n_points=10_000,
            metrics=("cd_l2_sum", "hd", *F_THRESHOLDS, "nc", "nc_abs", "ecd"),
            hausdorff_with_vertices=True,
            normalize=_by_truth,
        ),
        Protocol(
            name="paired-1k-self",
            normalization="each mesh by its own bounding box: centre 0, longest side 1.9",
            n_points=1024,
            metrics=("cd_l2_sum", "hd"),
            hausdorff_with_vertices=False,
            normalize=_by_itself,
        ),
    )
}

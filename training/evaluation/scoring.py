"""One row of numbers per condition, whether or not anything was generated from it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from training.decoding import Status
from training.evaluation.confidence import bootstrap_interval
from training.evaluation.protocol import DISTANCES, Protocol
from training.evaluation.topology import clean_faces, measure_topology
from training.evaluation.triangles import bits_per_face, compression_ratio, triangle_quality
from training.surface import Mesh, NoSurfaceError

TOPOLOGY_SCHEMA: dict[str, Any] = {
    "n_boundary_edges": pl.Int64,
    "boundary_edge_ratio": pl.Float64,
    "n_nonmanifold_edges": pl.Int64,
    "n_nonmanifold_vertices": pl.Int64,
    "n_inconsistent_edges": pl.Int64,
    "n_components": pl.Int64,
    "is_manifold": pl.Boolean,
    "is_watertight": pl.Boolean,
    "is_consistent": pl.Boolean,
    "mean_triangle_quality": pl.Float64,
}


def metrics_schema(protocol: Protocol) -> dict[str, Any]:
    """Columns of metrics.parquet under one protocol."""
    scores = {metric: pl.Float64 for metric in protocol.metrics}
    return {
        "mesh_id": pl.String,
        "status": pl.String,  # training.generation.Status
        "code": pl.String,
        "stop_reason": pl.String,
        "file": pl.String,
        "n_tokens": pl.Int64,
        "n_vertices": pl.Int64,
        "n_faces": pl.Int64,
        "truth_n_vertices": pl.Int64,
        "truth_n_faces": pl.Int64,
        **scores,  # null unless status is valid
        **{f"{metric}_penalised": pl.Float64 for metric in scores},  # never null: failures score the penalty
        **{f"{metric}_floor": pl.Float64 for metric in scores},  # the truth against itself
        **TOPOLOGY_SCHEMA,  # of the generated mesh; null unless status is valid
    }


def score_row(
    row: Mapping[str, Any], prediction: Mesh | None, truth: Mesh, protocol: Protocol, seed: int
) -> dict[str, Any]:
    """One row of metrics.parquet from one row of generated.parquet."""
    name = row["name"]
    scored: dict[str, Any] = {
        "mesh_id": name,
        **{key: row[key] for key in ("status", "code", "stop_reason", "file", "n_tokens")},
        "n_vertices": row["n_vertices"],
        "n_faces": row["n_faces"],
        "truth_n_vertices": len(truth.vertices),
        "truth_n_faces": len(truth.faces),
    }
    try:
        scored |= {f"{key}_floor": value for key, value in protocol.floor(name, truth, seed).items()}
        penalty = protocol.penalty(truth)
    except (NoSurfaceError, ValueError):  # nothing to compare with: NO_CONDITION
        penalty = {metric: math.nan for metric in protocol.metrics}
    penalised = penalty
    if row["status"] == Status.VALID and prediction is not None:
        scores = protocol.score(name, prediction, truth, seed)
        scored |= scores | topology_columns(prediction)
        penalised = {
            metric: value if math.isfinite(value) else penalty[metric] for metric, value in scores.items()
        }
    return scored | {f"{metric}_penalised": value for metric, value in penalised.items()}


def topology_columns(mesh: Mesh) -> dict[str, Any]:
    """Topology after merging equal positions and dropping degenerate and duplicate faces."""
    faces = clean_faces(mesh.vertices, mesh.faces)
    topology = measure_topology(faces)
    return {
        "n_boundary_edges": topology.n_boundary_edges,
        "boundary_edge_ratio": topology.boundary_edge_ratio,
        "n_nonmanifold_edges": topology.n_nonmanifold_edges,
        "n_nonmanifold_vertices": topology.n_nonmanifold_vertices,
        "n_inconsistent_edges": topology.n_inconsistent_edges,
        "n_components": topology.n_components_edge,
        "is_manifold": topology.is_manifold,
        "is_watertight": topology.is_watertight,
        "is_consistent": topology.is_consistent,
        "mean_triangle_quality": float(triangle_quality(mesh.vertices, mesh.faces).mean()),
    }


def summarize(metrics: pl.DataFrame, protocol: Protocol, seed: int, vocabulary: int) -> dict[str, Any]:
    """Means with 95 % bootstrap intervals over shapes, rates over valid meshes, and failures by status."""
    valid = metrics.filter(pl.col("status") == Status.VALID.value)
    n_tokens, n_faces = int(valid["n_tokens"].sum()), int(valid["n_faces"].sum())
    return {
        "protocol": protocol.name,
        "normalization": protocol.normalization,
        "points_per_shape": protocol.n_points,
        "seed": seed,
        "post_processing": "none",
        "requested": metrics.height,
        "valid": valid.height,
        "scored": valid.height,
        "validity_rate": valid.height / metrics.height if metrics.height else 0.0,
        "status_counts": _counts(metrics["status"]),
        "code_counts": _counts(metrics["code"].drop_nulls()),
        "scores": {metric: _metric_summary(metrics, valid, metric, seed) for metric in protocol.metrics},
        "rates": {
            "manifold": _mean(valid["is_manifold"]),
            "watertight": _mean(valid["is_watertight"]),
            "consistent": _mean(valid["is_consistent"]),
            "single_component": _mean(valid["n_components"] == 1),
            "ended": _mean(metrics["stop_reason"] == "ended"),
        },
        "boundary_edge_ratio": _mean(valid["boundary_edge_ratio"]),
        "mean_triangle_quality": _mean(valid["mean_triangle_quality"]),
        "compression_ratio": compression_ratio(n_tokens, n_faces) if n_faces else None,
        "bits_per_face": bits_per_face(n_tokens, n_faces, vocabulary) if n_faces else None,
        "face_ratio": _mean(valid["n_faces"] / valid["truth_n_faces"]),
        "warnings": ["fewer than 100 shapes: the intervals are wide"] if metrics.height < 100 else [],
    }


def _metric_summary(metrics: pl.DataFrame, valid: pl.DataFrame, metric: str, seed: int) -> dict[str, Any]:
    values = valid[metric].drop_nulls()
    finite = values.filter(values.is_finite())
    penalised = _finite(metrics[f"{metric}_penalised"])
    floor = _finite(metrics[f"{metric}_floor"])
    return {
        "better": "lower" if metric in DISTANCES else "higher",
        "valid": _mean(finite),
        "valid_interval": bootstrap_interval(finite, seed),
        "penalised": _mean(penalised),
        "penalised_interval": bootstrap_interval(penalised, seed),
        "floor": _mean(floor),
        "infinite": len(values) - len(finite),
    }


def _finite(values: pl.Series) -> pl.Series:
    present = values.drop_nulls()
    return present.filter(present.is_finite())


def _mean(values: pl.Series | Sequence[float]) -> float | None:
    present = pl.Series(values).drop_nulls()
    return float(np.mean(present.to_numpy())) if len(present) else None


def _counts(values: pl.Series) -> dict[str, int]:
    return {str(key): int(count) for key, count in sorted(values.value_counts().iter_rows())}

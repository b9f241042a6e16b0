//! Topology counts.

use meshloom_tokenizer_core as core;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::mesh_from;
use crate::error::guarded;

/// Topology counts of a mesh whose equal positions (in single precision) count as one vertex.
#[pyfunction]
#[pyo3(name = "measure")]
pub fn measure<'py>(
    py: Python<'py>,
    vertices: &Bound<'py, PyAny>,
    faces: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let mesh = mesh_from(vertices, faces)?;
    let topology = guarded(py, || core::measure::measure(&mesh)).map_err(|f| f.into_error(py))?;
    let dict = PyDict::new(py);
    dict.set_item("vertices", topology.vertices)?;
    dict.set_item("faces", topology.faces)?;
    dict.set_item("edges", topology.edges)?;
    dict.set_item("boundary_edges", topology.boundary_edges)?;
    dict.set_item("nonmanifold_edges", topology.non_manifold_edges)?;
    dict.set_item("inconsistent_edges", topology.inconsistent_edges)?;
    dict.set_item("nonmanifold_vertices", topology.non_manifold_vertices)?;
    dict.set_item("components", topology.components)?;
    dict.set_item("degenerate_faces", topology.degenerate_faces)?;
    dict.set_item("duplicate_faces", topology.duplicate_faces)?;
    dict.set_item("watertight", topology.is_watertight)?;
    Ok(dict)
}

//! Topology counts.

use meshloom_tokenizer_core as core;
use meshloom_tokenizer_core::measure::Topology;
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
    for (name, count) in counts(&topology) {
        dict.set_item(name, count)?;
    }
    dict.set_item("watertight", topology.is_watertight)?;
    Ok(dict)
}

/// The counts with their names.
pub fn counts(topology: &Topology) -> [(&'static str, usize); 10] {
    [
        ("vertices", topology.vertices),
        ("faces", topology.faces),
        ("edges", topology.edges),
        ("boundary_edges", topology.boundary_edges),
        ("nonmanifold_edges", topology.non_manifold_edges),
        ("inconsistent_edges", topology.inconsistent_edges),
        ("nonmanifold_vertices", topology.non_manifold_vertices),
        ("components", topology.components),
        ("degenerate_faces", topology.degenerate_faces),
        ("duplicate_faces", topology.duplicate_faces),
    ]
}

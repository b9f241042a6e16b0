//! Topology counts, and bits of token sequences.

use meshloom_tokenizer_core as core;
use meshloom_tokenizer_core::measure::Topology;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3::IntoPyObjectExt;

use crate::arrays::{faces_from, indices_to_array, mesh_from, sequences_from};
use crate::error::{guarded, Failure};

/// One order, or several.
#[derive(FromPyObject)]
pub enum Orders {
    /// A number.
    One(i64),
    /// A list of numbers.
    Several(Vec<i64>),
}

/// Bits of all sequences, their ends included, for an adaptive coder of one order or of each of several.
#[pyfunction]
pub fn adaptive_bits<'py>(
    py: Python<'py>,
    sequences: &Bound<'py, PyAny>,
    vocab_size: i64,
    order: Orders,
) -> PyResult<Bound<'py, PyAny>> {
    let sequences = sequences_from(sequences)?;
    let bits_of = |orders: &[i64]| {
        let vocab_size = u32::try_from(vocab_size).map_err(|_| {
            Failure::invalid_input(format!(
                "vocab_size = {vocab_size}; give the number of ids of the tokenizer"
            ))
        })?;
        // What does not fit is above the highest order as well.
        let orders: Vec<usize> = orders
            .iter()
            .map(|&order| usize::try_from(order).unwrap_or(usize::MAX))
            .collect();
        let highest = orders.iter().copied().max().unwrap_or(0);
        guarded(py, || {
            let mut coder = core::measure::AdaptiveCoder::new(vocab_size, highest)?;
            sequences.iter().try_for_each(|tokens| coder.code(tokens))?;
            Ok(orders
                .iter()
                .map(|&j| coder.bits()[j])
                .collect::<Vec<f64>>())
        })
    };
    let fail = |failure: Failure| failure.into_error(py);
    match order {
        Orders::One(order) => bits_of(&[order]).map_err(fail)?[0].into_bound_py_any(py),
        Orders::Several(orders) => bits_of(&orders).map_err(fail)?.into_bound_py_any(py),
    }
}

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

/// See the type stub.
#[pyfunction]
pub fn edge_components<'py>(
    py: Python<'py>,
    faces: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray1<i32>>> {
    let faces = faces_from(faces, i64::from(i32::MAX))?;
    let of_face = guarded(py, || Ok(core::mesh::components::over_edges(&faces)));
    let of_face = of_face.map_err(|f| f.into_error(py))?;
    Ok(indices_to_array(py, &of_face))
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

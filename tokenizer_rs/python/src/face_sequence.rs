//! The tokenizer of sorted faces as a Python class, and face adjacency.

use std::sync::Arc;

use meshloom_tokenizer_core::mesh::face_edges;
use meshloom_tokenizer_core::tokenizer::face_sequence::{FaceSequence, Order};
use meshloom_tokenizer_core::Tokenizer;
use numpy::{IntoPyArray, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use crate::arrays::faces_from;
use crate::error::{guarded, Failure};
use crate::tokenizer::{with_base, PyTokenizer};

/// Sorted faces, nine coordinates each (arXiv 2311.15475 and 2405.20853).
#[pyclass(name = "FaceSequence", module = "tokenizer_rs", extends = PyTokenizer, frozen)]
pub struct PyFaceSequence(Arc<FaceSequence>);

#[pymethods]
impl PyFaceSequence {
    #[new]
    #[pyo3(signature = (resolution=128, order="meshgpt", repair=true, drop_duplicates=false))]
    fn new(
        py: Python<'_>,
        resolution: i64,
        order: &str,
        repair: bool,
        drop_duplicates: bool,
    ) -> PyResult<PyClassInitializer<Self>> {
        let build = || {
            let resolution = u32::try_from(resolution).unwrap_or(0);
            FaceSequence::new(
                resolution,
                Order::from_name(order)?,
                repair,
                drop_duplicates,
            )
        };
        let inner = Arc::new(build().map_err(|error| Failure::from(error).into_error(py))?);
        Ok(with_base(inner.clone(), Self(inner)))
    }

    /// In which order vertices and faces are written.
    #[getter]
    fn order(&self) -> &'static str {
        self.0.order().name()
    }

    /// Whether meshes are repaired before they are encoded.
    #[getter]
    fn repair(&self) -> bool {
        self.0.does_repair()
    }

    /// Whether only one of several faces with the same positions is written.
    #[getter]
    fn drop_duplicates(&self) -> bool {
        self.0.drops_duplicates()
    }

    fn __repr__(&self) -> String {
        let python_bool = |value| if value { "True" } else { "False" };
        format!(
            "FaceSequence(resolution={}, order={:?}, repair={}, drop_duplicates={})",
            self.0.resolution(),
            self.order(),
            python_bool(self.repair()),
            python_bool(self.drop_duplicates())
        )
    }
}

/// Ordered pairs (E, 2) of neighbouring faces.
#[pyfunction]
#[pyo3(name = "face_edges", signature = (faces, include_self=true))]
pub fn python_face_edges<'py>(
    py: Python<'py>,
    faces: &Bound<'py, PyAny>,
    include_self: bool,
) -> PyResult<Bound<'py, PyArray2<i64>>> {
    let faces = faces_from(faces, i64::from(i32::MAX))?;
    let pairs = guarded(py, || face_edges::face_edges(&faces, include_self));
    let pairs = pairs.map_err(|f| f.into_error(py))?;
    let flat: Vec<i64> = pairs.iter().flatten().map(|&f| i64::from(f)).collect();
    flat.into_pyarray(py).reshape([pairs.len(), 2])
}

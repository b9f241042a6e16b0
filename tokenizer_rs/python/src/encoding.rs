//! The result of encoding one mesh.

use meshloom_tokenizer_core::tokenizer::silksong::statistics::{Statistics, MEMORY_NAMES};
use meshloom_tokenizer_core::tokenizer::{silksong, Encoding};
use numpy::{IntoPyArray, PyArray1, PyArray2, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{indices_to_array, rows_to_array};

/// Tokens of a mesh and the mesh they describe; the same for every family.
#[pyclass(name = "Encoding", module = "tokenizer_rs", subclass, frozen)]
pub struct PyEncoding(pub Encoding);

type Rows<'py> = PyResult<Bound<'py, PyArray2<i32>>>;

fn faces_to_array<'py>(py: Python<'py>, faces: &[[u32; 3]]) -> Rows<'py> {
    rows_to_array(py, faces.iter().map(|face| face.map(|v| v as i32)))
}

#[pymethods]
impl PyEncoding {
    /// Token ids (T,), without begin, end or padding.
    #[getter]
    fn tokens<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        self.0.tokens.to_pyarray(py)
    }

    /// Grid positions (V, 3) of the mesh the tokens describe.
    #[getter]
    fn vertices<'py>(&self, py: Python<'py>) -> Rows<'py> {
        rows_to_array(py, self.0.mesh.vertices.iter().copied())
    }

    /// Faces (F, 3) of the mesh the tokens describe.
    #[getter]
    fn faces<'py>(&self, py: Python<'py>) -> Rows<'py> {
        faces_to_array(py, &self.0.mesh.faces)
    }

    /// Faces in the order in which the tokens name them.
    #[getter]
    fn face_order<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        indices_to_array(py, &self.0.face_order)
    }

    /// Whether decoding the tokens gives the oriented triangles of that mesh.
    #[getter]
    fn exact(&self) -> bool {
        self.0.exact
    }

    /// What was counted on the way, under names of the family's own.
    #[getter]
    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        for (name, value) in &self.0.statistics {
            dict.set_item(name, value)?;
        }
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!(
            "Encoding({} tokens, {} faces)",
            self.0.tokens.len(),
            self.0.mesh.faces.len()
        )
    }
}

/// Tokens of a mesh with everything the Silksong tokenizer found on the way.
#[pyclass(name = "SilksongEncoding", module = "tokenizer_rs", extends = PyEncoding, frozen)]
pub struct PySilksongEncoding(silksong::Encoding);

impl PySilksongEncoding {
    /// Both views of one encoding.
    pub fn new(py: Python<'_>, common: Encoding, detail: silksong::Encoding) -> PyResult<Py<Self>> {
        let base = PyClassInitializer::from(PyEncoding(common));
        Py::new(py, base.add_subclass(Self(detail)))
    }
}

#[pymethods]
impl PySilksongEncoding {
    /// What was found on the way, under the names of the published table and its in-memory names.
    #[getter]
    fn statistics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        statistics_to_dict(py, &self.0.statistics)
    }

    /// Faces (F1, 3) after cleaning only.
    #[getter]
    fn clean_faces<'py>(&self, py: Python<'py>) -> Rows<'py> {
        faces_to_array(py, &self.0.clean_faces)
    }

    /// Faces (F1, 3) after repairing, before any was turned.
    #[getter]
    fn repaired_faces<'py>(&self, py: Python<'py>) -> Rows<'py> {
        faces_to_array(py, &self.0.repaired_faces)
    }

    /// Component (F1,) of each face.
    #[getter]
    fn component_ids<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        indices_to_array(py, &self.0.component_ids)
    }

    /// Which components have enough faces to be tokenised.
    #[getter]
    fn component_valid<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<bool>> {
        self.0.component_valid.clone().into_pyarray(py)
    }

    /// Vertex (N,) of each position in token order.
    #[getter]
    fn sequence_vertices<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        indices_to_array(py, &self.0.sequence_vertices)
    }

    /// Layer (N,) of each position in token order.
    #[getter]
    fn sequence_layers<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        indices_to_array(py, &self.0.sequence_layers)
    }

    /// Component (N,) of each position in token order.
    #[getter]
    fn sequence_components<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        indices_to_array(py, &self.0.sequence_components)
    }

    fn __repr__(&self) -> String {
        let encoding = &self.0;
        format!(
            "SilksongEncoding({} tokens, {} faces, {} components)",
            encoding.tokens.len(),
            encoding.faces.len(),
            encoding.component_valid.len()
        )
    }
}

fn statistics_to_dict<'py>(
    py: Python<'py>,
    statistics: &Statistics,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in statistics.counts() {
        dict.set_item(name, value)?;
        for (_, second) in MEMORY_NAMES.iter().filter(|(first, _)| *first == name) {
            dict.set_item(second, value)?;
        }
    }
    dict.set_item("compression_rate", &statistics.compression_rate)?;
    dict.set_item("xyz_order", "y-z-x")?;
    dict.set_item("CC_max_layer", &statistics.cc_max_layer)?;
    let histogram = PyDict::new(py);
    for (name, count) in &statistics.token_statistic {
        histogram.set_item(name, count)?;
    }
    dict.set_item("token_statistic", histogram)?;
    let starts: Vec<Vec<u32>> = statistics
        .start_half_edges
        .iter()
        .map(|e| e.to_vec())
        .collect();
    dict.set_item("start_hes_list", starts)?;
    Ok(dict)
}

//! The Silksong tokenizer as a Python class.

use meshloom_tokenizer_core::tokenizer::silksong::{Conformance, Silksong, VertexMode};
use meshloom_tokenizer_core::{Limits, Tokenizer};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrays::{mesh_from, mesh_to_arrays, tokens_from, MeshArrays};
use crate::batch;
use crate::encoding::PyEncoding;
use crate::error::{guarded, Failure};

/// Mesh Silksong tokenizer (arXiv 2507.02477).
#[pyclass(name = "Silksong", module = "tokenizer_rs", frozen)]
pub struct PySilksong(Silksong);

#[pymethods]
impl PySilksong {
    #[new]
    #[pyo3(signature = (resolution=128, vertex_mode="block_offset", conformance="reference", limits=None))]
    fn new(
        py: Python<'_>,
        resolution: i64,
        vertex_mode: &str,
        conformance: &str,
        limits: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let mut values: Vec<(String, i64)> = Vec::new();
        for (name, value) in limits.into_iter().flatten() {
            let name: String = name.str()?.extract()?;
            let value = value.extract().map_err(|_| {
                Failure::invalid_input(format!("limit {name} = {value}; give a whole number"))
                    .into_error(py)
            })?;
            values.push((name, value));
        }
        let build = || {
            let mut limits = Limits::default();
            for (name, value) in &values {
                limits.set(name, *value)?;
            }
            Silksong::new(
                u32::try_from(resolution).unwrap_or(0),
                VertexMode::from_name(vertex_mode)?,
                Conformance::from_name(conformance)?,
                limits,
            )
        };
        build()
            .map(Self)
            .map_err(|error| Failure::from(error).into_error(py))
    }

    /// Number of ids the tokenizer writes.
    #[getter]
    fn vocab_size(&self) -> u32 {
        self.0.vocab_size()
    }

    /// Id that ends a sequence.
    #[getter]
    fn eos_id(&self) -> u32 {
        self.0.eos_id()
    }

    /// Id that fills a row after the end.
    #[getter]
    fn pad_id(&self) -> u32 {
        self.0.pad_id()
    }

    /// Bins per axis.
    #[getter]
    fn resolution(&self) -> u32 {
        self.0.vocabulary().resolution()
    }

    /// How positions are written.
    #[getter]
    fn vertex_mode(&self) -> &'static str {
        self.0.vocabulary().mode().name()
    }

    /// Tokens of a mesh whose coordinates lie in [-1, 1].
    fn encode(
        &self,
        py: Python<'_>,
        vertices: &Bound<'_, PyAny>,
        faces: &Bound<'_, PyAny>,
    ) -> PyResult<PyEncoding> {
        let mesh = mesh_from(vertices, faces)?;
        guarded(py, || self.0.encode(&mesh))
            .map(PyEncoding)
            .map_err(|f| f.into_error(py))
    }

    /// Vertices (V, 3) and faces (F, 3) of the mesh written as `tokens`.
    fn decode<'py>(&self, py: Python<'py>, tokens: &Bound<'_, PyAny>) -> PyResult<MeshArrays<'py>> {
        let tokens = tokens_from(tokens)?;
        let mesh = guarded(py, || self.0.decode(&tokens)).map_err(|f| f.into_error(py))?;
        mesh_to_arrays(py, &mesh)
    }

    /// One row per mesh, on all cores or on `threads` threads; a bad mesh is a row with a code.
    #[pyo3(signature = (meshes, threads=None))]
    fn encode_batch<'py>(
        &self,
        py: Python<'py>,
        meshes: &Bound<'_, PyAny>,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyAny>> {
        batch::encode_batch(py, &self.0, meshes, threads)
    }

    /// Vertices and faces of every sequence, or the error that it met.
    #[pyo3(signature = (sequences, threads=None))]
    fn decode_batch<'py>(
        &self,
        py: Python<'py>,
        sequences: &Bound<'_, PyAny>,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyList>> {
        batch::decode_batch(py, &self.0, sequences, threads)
    }

    fn __repr__(&self) -> String {
        format!(
            "Silksong(resolution={}, vertex_mode={:?}, conformance=\"reference\")",
            self.resolution(),
            self.vertex_mode()
        )
    }
}

//! The EdgeRunner tokenizer as a Python class.

use std::sync::Arc;

use meshloom_tokenizer_core::repair::Repairs;
use meshloom_tokenizer_core::tokenizer::edgerunner::{EdgeRunner, Engine, Sort};
use meshloom_tokenizer_core::Tokenizer;
use numpy::{IntoPyArray, PyArray1, PyArray2};
use pyo3::prelude::*;

use crate::arrays::{mesh_from, mesh_to_arrays, tokens_from};
use crate::encoding::PyEncoding;
use crate::error::{guarded, Failure};
use crate::tokenizer::{with_base, PyTokenizer};

/// EdgeRunner tokenizer (arXiv 2409.18114).
#[pyclass(name = "EdgeRunner", module = "tokenizer_rs", extends = PyTokenizer, frozen)]
pub struct PyEdgeRunner(Arc<EdgeRunner>);

type MeshAndTypes<'py> = (
    Bound<'py, PyArray2<f64>>,
    Bound<'py, PyArray2<i32>>,
    Bound<'py, PyArray1<i32>>,
);

#[pymethods]
impl PyEdgeRunner {
    #[new]
    #[pyo3(signature = (resolution=512, engine="lr_absco", sort="stable", repair=false))]
    fn new(
        py: Python<'_>,
        resolution: i64,
        engine: &str,
        sort: &str,
        repair: bool,
    ) -> PyResult<PyClassInitializer<Self>> {
        let build = || {
            EdgeRunner::new(
                u32::try_from(resolution).unwrap_or(0),
                Engine::from_name(engine)?,
                Sort::from_name(sort)?,
                repair,
            )
        };
        let inner = Arc::new(build().map_err(|error| Failure::from(error).into_error(py))?);
        Ok(with_base(inner.clone(), Self(inner)))
    }

    /// Operations and coding.
    #[getter]
    fn engine(&self) -> &'static str {
        self.0.vocabulary().engine().name()
    }

    /// In which order faces with equal centres come.
    #[getter]
    fn sort(&self) -> &'static str {
        self.0.sort().name()
    }

    /// Whether meshes are repaired before they are encoded.
    #[getter]
    fn repair(&self) -> bool {
        self.0.does_repair()
    }

    /// Tokens of a mesh whose coordinates lie in [-1, 1], with the operation after each face.
    fn encode(
        &self,
        py: Python<'_>,
        vertices: &Bound<'_, PyAny>,
        faces: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyEdgeRunnerEncoding>> {
        let mesh = mesh_from(vertices, faces)?;
        let encoded = guarded(py, || {
            let mut detail = self.0.encode_in_detail(&Repairs::new(&mesh))?;
            let face_types = std::mem::take(&mut detail.face_types);
            Ok((self.0.to_common(detail), face_types))
        });
        let (common, face_types) = encoded.map_err(|f| f.into_error(py))?;
        let base = PyClassInitializer::from(PyEncoding(common));
        Py::new(py, base.add_subclass(PyEdgeRunnerEncoding(face_types)))
    }

    /// Vertices (V, 3), faces (F, 3) and the operation after each face.
    fn decode_with_face_types<'py>(
        &self,
        py: Python<'py>,
        tokens: &Bound<'_, PyAny>,
    ) -> PyResult<MeshAndTypes<'py>> {
        let tokens = tokens_from(tokens)?;
        let decoded = guarded(py, || self.0.decode_with_face_types(&tokens));
        let (mesh, face_types) = decoded.map_err(|f| f.into_error(py))?;
        let (vertices, faces) = mesh_to_arrays(py, &mesh)?;
        Ok((vertices, faces, face_types.into_pyarray(py)))
    }

    fn __repr__(&self) -> String {
        format!(
            "EdgeRunner(resolution={}, engine={:?}, sort={:?}, repair={})",
            self.0.resolution(),
            self.engine(),
            self.sort(),
            if self.repair() { "True" } else { "False" }
        )
    }
}

/// Tokens of a mesh with the operation after each face.
#[pyclass(name = "EdgeRunnerEncoding", module = "tokenizer_rs", extends = PyEncoding, frozen)]
pub struct PyEdgeRunnerEncoding(Vec<i8>);

#[pymethods]
impl PyEdgeRunnerEncoding {
    /// Operation (F,) after each face in token order.
    #[getter]
    fn face_type<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i8>> {
        self.0.clone().into_pyarray(py)
    }

    fn __repr__(slf: PyRef<'_, Self>) -> String {
        let common = &slf.as_super().0;
        format!(
            "EdgeRunnerEncoding({} tokens, {} faces)",
            common.tokens.len(),
            common.mesh.faces.len()
        )
    }
}

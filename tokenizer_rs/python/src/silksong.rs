//! The Silksong tokenizer as a Python class.

use std::sync::Arc;

use meshloom_tokenizer_core::repair::Repairs;
use meshloom_tokenizer_core::tokenizer::silksong::{Conformance, Silksong, VertexMode};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::mesh_from;
use crate::encoding::PySilksongEncoding;
use crate::error::{guarded, Failure};
use crate::tokenizer::{whole_numbers, with_base, PyTokenizer};

/// Mesh Silksong tokenizer (arXiv 2507.02477).
#[pyclass(name = "Silksong", module = "tokenizer_rs", extends = PyTokenizer, frozen)]
pub struct PySilksong(Arc<Silksong>);

#[pymethods]
impl PySilksong {
    #[new]
    #[pyo3(signature = (resolution=128, vertex_mode="block_offset", conformance="extended", limits=None, drop_collinear=false))]
    fn new(
        py: Python<'_>,
        resolution: i64,
        vertex_mode: &str,
        conformance: &str,
        limits: Option<&Bound<'_, PyDict>>,
        drop_collinear: bool,
    ) -> PyResult<PyClassInitializer<Self>> {
        let values = whole_numbers(py, limits)?;
        let build = || -> meshloom_tokenizer_core::Result<Silksong> {
            let conformance = Conformance::from_name(conformance)?;
            let mut limits = conformance.limits();
            for (name, value) in &values {
                limits.set(name, *value)?;
            }
            let tokenizer = Silksong::new(
                u32::try_from(resolution).unwrap_or(0),
                VertexMode::from_name(vertex_mode)?,
                conformance,
                limits,
            )?;
            Ok(tokenizer.with_drop_collinear(drop_collinear))
        };
        let inner = Arc::new(build().map_err(|error| Failure::from(error).into_error(py))?);
        Ok(with_base(inner.clone(), Self(inner)))
    }

    /// How positions are written.
    #[getter]
    fn vertex_mode(&self) -> &'static str {
        self.0.vocabulary().mode().name()
    }

    /// Tokens of a mesh whose coordinates lie in [-1, 1], with everything that was found on the way.
    fn encode(
        &self,
        py: Python<'_>,
        vertices: &Bound<'_, PyAny>,
        faces: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PySilksongEncoding>> {
        let mesh = mesh_from(vertices, faces)?;
        let encoded = guarded(py, || {
            let detail = self.0.encode_in_detail(&Repairs::new(&mesh))?;
            Ok((self.0.to_common(&detail), detail))
        });
        let (common, detail) = encoded.map_err(|f| f.into_error(py))?;
        PySilksongEncoding::new(py, common, detail)
    }

    fn __repr__(&self) -> String {
        let vocabulary = self.0.vocabulary();
        format!(
            "Silksong(resolution={}, vertex_mode={:?}, conformance={:?})",
            vocabulary.resolution(),
            vocabulary.mode().name(),
            self.0.conformance().name()
        )
    }
}

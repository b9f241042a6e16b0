//! What all tokenizers have in common, as a Python base class.

use std::sync::Arc;

use meshloom_tokenizer_core as core;
use pyo3::prelude::*;
use pyo3::types::PyList;
use pyo3::PyClass;

use crate::arrays::{mesh_from, mesh_to_arrays, tokens_from, MeshArrays};
use crate::batch;
use crate::encoding::PyEncoding;
use crate::error::{guarded, Failure};
use crate::grammar::{PyGrammar, PyGrammarBatch};

/// Writes meshes as token ids and reads them back; one subclass per family.
#[pyclass(name = "Tokenizer", module = "tokenizer_rs", subclass, frozen)]
pub struct PyTokenizer(pub Arc<dyn core::Tokenizer>);

#[pymethods]
impl PyTokenizer {
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
        self.0.resolution()
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
        batch::encode_batch(py, self.0.as_ref(), meshes, threads)
    }

    /// Vertices and faces of every sequence, or the error that it met.
    #[pyo3(signature = (sequences, threads=None))]
    fn decode_batch<'py>(
        &self,
        py: Python<'py>,
        sequences: &Bound<'_, PyAny>,
        threads: Option<usize>,
    ) -> PyResult<Bound<'py, PyList>> {
        batch::decode_batch(py, self.0.as_ref(), sequences, threads)
    }

    /// The grammar state before the first token.
    fn grammar(&self, py: Python<'_>) -> PyResult<PyGrammar> {
        let state = guarded(py, || Ok(self.0.grammar())).map_err(|f| f.into_error(py))?;
        Ok(PyGrammar::new(state, self.0.vocab_size()))
    }

    /// Grammar states of `size` sequences that are written side by side.
    fn grammar_batch(&self, py: Python<'_>, size: usize) -> PyResult<PyGrammarBatch> {
        let states = guarded(py, || Ok((0..size).map(|_| self.0.grammar()).collect()));
        let states = states.map_err(|f| f.into_error(py))?;
        Ok(PyGrammarBatch::new(states, self.0.vocab_size()))
    }

    /// Bits of the sequence and its end where every token that may follow is equally likely.
    fn nominal_bits(&self, py: Python<'_>, tokens: &Bound<'_, PyAny>) -> PyResult<f64> {
        let tokens = tokens_from(tokens)?;
        guarded(py, || core::measure::nominal_bits(self.0.as_ref(), &tokens))
            .map_err(|f| f.into_error(py))
    }

    /// What a token stands for, in a few words.
    fn describe(&self, token: i64) -> String {
        self.0.describe(i32::try_from(token).unwrap_or(-1))
    }
}

/// A subclass over the base that both share.
pub fn with_base<T>(inner: Arc<dyn core::Tokenizer>, subclass: T) -> PyClassInitializer<T>
where
    T: PyClass<BaseType = PyTokenizer>,
{
    PyClassInitializer::from(PyTokenizer(inner)).add_subclass(subclass)
}

/// The limits or options of a `dict[str, int]`.
pub fn whole_numbers(
    py: Python<'_>,
    given: Option<&Bound<'_, pyo3::types::PyDict>>,
) -> PyResult<Vec<(String, i64)>> {
    let mut values = Vec::new();
    for (name, value) in given.into_iter().flatten() {
        let name: String = name.str()?.extract()?;
        let value = value.extract().map_err(|_| {
            Failure::invalid_input(format!("limit {name} = {value}; give a whole number"))
                .into_error(py)
        })?;
        values.push((name, value));
    }
    Ok(values)
}

//! Merged tokens.

use std::path::PathBuf;
use std::sync::Arc;

use meshloom_tokenizer_core::tokenizer::merges::{learn, Merged, Merges};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;

use crate::arrays::{sequences_from, tokens_from};
use crate::error::{guarded, Failure};
use crate::tokenizer::{with_base, PyTokenizer};

/// Merged tokens on top of a vocabulary.
#[pyclass(name = "Merges", module = "tokenizer_rs", frozen, eq)]
#[derive(PartialEq)]
pub struct PyMerges(pub Arc<Merges>);

type Tokens<'py> = PyResult<Bound<'py, PyArray1<i32>>>;

#[pymethods]
impl PyMerges {
    /// The commonest pairs of neighbours in the sequences, one merge after the other.
    #[staticmethod]
    fn learn(
        py: Python<'_>,
        sequences: &Bound<'_, PyAny>,
        base_vocab_size: i64,
        n_merges: i64,
    ) -> PyResult<Self> {
        let sequences = sequences_from(sequences)?;
        // What does not fit is above the limits as well.
        let base_vocab_size = u32::try_from(base_vocab_size).unwrap_or(u32::MAX);
        let n_merges = usize::try_from(n_merges).unwrap_or(usize::MAX);
        let work = || learn(&sequences, base_vocab_size, n_merges);
        Self::from_work(py, work)
    }

    /// The merges of a file that `save` wrote.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Self::from_work(py, || Merges::load(&path))
    }

    /// Writes the merges to a JSON file.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        guarded(py, || self.0.save(&path)).map_err(|f| f.into_error(py))
    }

    /// The sequence written with merged tokens.
    fn apply<'py>(&self, py: Python<'py>, tokens: &Bound<'_, PyAny>) -> Tokens<'py> {
        let tokens = tokens_from(tokens)?;
        let merged = guarded(py, || self.0.apply(&tokens)).map_err(|f| f.into_error(py))?;
        Ok(merged.into_pyarray(py))
    }

    /// The sequence written without merged tokens; ids outside the vocabulary become -1.
    fn expand<'py>(&self, py: Python<'py>, tokens: &Bound<'_, PyAny>) -> Tokens<'py> {
        let tokens = tokens_from(tokens)?;
        let expanded = guarded(py, || Ok(self.0.expand_all(&tokens)));
        Ok(expanded.map_err(|f| f.into_error(py))?.into_pyarray(py))
    }

    /// Number of ids that are not merged.
    #[getter]
    fn base_vocab_size(&self) -> u32 {
        self.0.base_vocab_size()
    }

    /// Number of ids, merged ones included.
    #[getter]
    fn vocab_size(&self) -> u32 {
        self.0.vocab_size()
    }

    /// The two ids that each merged token is made of, in the order of their ids.
    #[getter]
    fn pairs(&self) -> Vec<(i32, i32)> {
        self.0.pairs().iter().map(|&[a, b]| (a, b)).collect()
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __repr__(&self) -> String {
        format!(
            "Merges({} on {} ids)",
            self.0.len(),
            self.0.base_vocab_size()
        )
    }
}

impl PyMerges {
    fn from_work(
        py: Python<'_>,
        work: impl FnOnce() -> meshloom_tokenizer_core::Result<Merges> + Send,
    ) -> PyResult<Self> {
        let merges = guarded(py, work).map_err(|f| f.into_error(py))?;
        Ok(Self(Arc::new(merges)))
    }
}

/// Any tokenizer, with merged tokens on top.
#[pyclass(name = "Merged", module = "tokenizer_rs", extends = PyTokenizer, frozen)]
pub struct PyMerged {
    tokenizer: Py<PyTokenizer>,
    merges: Py<PyMerges>,
}

#[pymethods]
impl PyMerged {
    #[new]
    fn new(
        py: Python<'_>,
        tokenizer: Py<PyTokenizer>,
        merges: Py<PyMerges>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let base = Arc::clone(&tokenizer.get().0);
        let pairs = Arc::clone(&merges.get().0);
        let merged = guarded(py, || Merged::new(base, pairs));
        let inner = Arc::new(merged.map_err(|f: Failure| f.into_error(py))?);
        Ok(with_base(inner, Self { tokenizer, merges }))
    }

    /// The tokenizer below.
    #[getter]
    fn tokenizer(&self, py: Python<'_>) -> Py<PyTokenizer> {
        self.tokenizer.clone_ref(py)
    }

    /// The merges.
    #[getter]
    fn merges(&self, py: Python<'_>) -> Py<PyMerges> {
        self.merges.clone_ref(py)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let tokenizer = self.tokenizer.bind(py).repr()?;
        let merges = self.merges.bind(py).repr()?;
        Ok(format!("Merged({tokenizer}, {merges})"))
    }
}

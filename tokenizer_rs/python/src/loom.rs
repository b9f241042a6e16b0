//! The Loom tokenizer and its slot tables as Python classes.

use std::path::PathBuf;
use std::sync::Arc;

use meshloom_tokenizer_core as core;
use meshloom_tokenizer_core::tokenizer::loom::prediction::PREDICTOR_NAMES;
use meshloom_tokenizer_core::tokenizer::loom::table::SlotTable;
use meshloom_tokenizer_core::tokenizer::loom::{learn, Loom, Scheme};
use meshloom_tokenizer_core::tokenizer::merges::{Merged, Merges};
use pyo3::prelude::*;

use crate::batch::read_mesh;
use crate::error::{guarded, Failure};
use crate::merges::PyMerges;
use crate::tokenizer::{with_base, PyTokenizer};

/// Common places of a vertex relative to a predictor, each one token of Loom.
#[pyclass(name = "SlotTable", module = "tokenizer_rs", frozen, eq)]
#[derive(PartialEq)]
pub struct PySlotTable(SlotTable);

impl PySlotTable {
    fn from_work(
        py: Python<'_>,
        work: impl FnOnce() -> core::Result<SlotTable> + Send,
    ) -> PyResult<Self> {
        guarded(py, work)
            .map(Self)
            .map_err(|failure| failure.into_error(py))
    }
}

#[pymethods]
impl PySlotTable {
    /// The built-in table, made by rule.
    #[staticmethod]
    #[pyo3(signature = (scheme="valence", resolution=128))]
    fn structured(py: Python<'_>, scheme: &str, resolution: i64) -> PyResult<Self> {
        Self::from_work(py, || {
            SlotTable::structured(Scheme::from_name(scheme)?, bins(resolution))
        })
    }

    /// The table of a file that `save` wrote.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        Self::from_work(py, || SlotTable::load(&path))
    }

    /// Writes the table to a JSON file.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        guarded(py, || self.0.save(&path)).map_err(|failure| failure.into_error(py))
    }

    /// The table of such a file's text.
    #[staticmethod]
    fn from_json(py: Python<'_>, text: &str) -> PyResult<Self> {
        Self::from_work(py, || SlotTable::from_json(text))
    }

    /// The text of such a file.
    fn to_json(&self, py: Python<'_>) -> PyResult<String> {
        guarded(py, || self.0.to_json()).map_err(|failure| failure.into_error(py))
    }

    /// The scheme the table is made for.
    #[getter]
    fn scheme(&self) -> &'static str {
        self.0.scheme.name()
    }

    /// Bins per axis the table is made for.
    #[getter]
    fn resolution(&self) -> u32 {
        self.0.resolution
    }

    /// Predictor and residual of each slot, in order.
    #[getter]
    fn slots(&self) -> Vec<(&'static str, (i32, i32, i32))> {
        let slots = self.0.slots.list().iter();
        slots
            .map(|slot| (PREDICTOR_NAMES[slot.predictor], slot.residual.into()))
            .collect()
    }

    fn __len__(&self) -> usize {
        self.0.slots.len()
    }

    fn __repr__(&self) -> String {
        format!(
            "SlotTable({} slots, scheme={:?}, resolution={})",
            self.0.slots.len(),
            self.0.scheme.name(),
            self.0.resolution
        )
    }
}

/// The slots that save most tokens on meshes.
#[pyfunction]
pub fn learn_slots(
    py: Python<'_>,
    meshes: &Bound<'_, PyAny>,
    resolution: i64,
    scheme: &str,
    size: i64,
) -> PyResult<PySlotTable> {
    let meshes = meshes
        .try_iter()?
        .map(|item| read_mesh(&item?))
        .collect::<PyResult<Vec<_>>>()?;
    // What does not fit is above the limit as well.
    let size = usize::try_from(size).unwrap_or(0);
    PySlotTable::from_work(py, || {
        learn::learn_slots(&meshes, bins(resolution), Scheme::from_name(scheme)?, size)
    })
}

/// A slot table given as an object, by the name of the built-in one, or as a file.
#[derive(FromPyObject)]
enum GivenSlots<'py> {
    Table(PyRef<'py, PySlotTable>),
    File(PathBuf),
}

/// Merges given as an object or as a file.
#[derive(FromPyObject)]
enum GivenMerges<'py> {
    Merges(PyRef<'py, PyMerges>),
    File(PathBuf),
}

/// Loom, format loom-1.
#[pyclass(name = "Loom", module = "tokenizer_rs", extends = PyTokenizer, frozen)]
pub struct PyLoom {
    loom: Loom,
    merges: Option<Arc<Merges>>,
}

#[pymethods]
impl PyLoom {
    #[new]
    #[pyo3(signature = (resolution=128, scheme="valence", slots=None, merges=None))]
    fn new(
        py: Python<'_>,
        resolution: i64,
        scheme: &str,
        slots: Option<GivenSlots<'_>>,
        merges: Option<GivenMerges<'_>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let build = || {
            let (scheme, resolution) = (Scheme::from_name(scheme)?, bins(resolution));
            let table = match slots {
                None => None,
                Some(GivenSlots::File(path)) if path.as_os_str() == "structured" => None,
                Some(GivenSlots::File(path)) => Some(SlotTable::load(&path)?),
                Some(GivenSlots::Table(table)) => Some(table.0.clone()),
            };
            let loom = match table {
                None => Loom::structured(scheme, resolution)?,
                Some(table) => Loom::with_table(scheme, resolution, table)?,
            };
            let merges = match merges {
                None => None,
                Some(GivenMerges::File(path)) => Some(Arc::new(Merges::load(&path)?)),
                Some(GivenMerges::Merges(merges)) => Some(Arc::clone(&merges.0)),
            };
            let base: Arc<dyn core::Tokenizer> = Arc::new(loom.clone());
            let tokenizer = match &merges {
                None => base,
                Some(merges) => Arc::new(Merged::new(base, Arc::clone(merges))?),
            };
            Ok((tokenizer, Self { loom, merges }))
        };
        let (tokenizer, this) =
            build().map_err(|error: core::MeshError| Failure::from(error).into_error(py))?;
        Ok(with_base(tokenizer, this))
    }

    /// How connectivity is written.
    #[getter]
    fn scheme(&self) -> &'static str {
        self.loom.format().scheme.name()
    }

    /// The slot table.
    #[getter]
    fn slots(&self) -> PySlotTable {
        PySlotTable(self.loom.table())
    }

    /// The merged tokens on top.
    #[getter]
    fn merges(&self) -> Option<PyMerges> {
        self.merges.clone().map(PyMerges)
    }

    fn __repr__(&self) -> String {
        let format = self.loom.format();
        let merges = self.merges.as_ref().map_or(0, |merges| merges.len());
        format!(
            "Loom(resolution={}, scheme={:?}, {} slots, {merges} merges)",
            format.digits.resolution(),
            format.scheme.name(),
            format.slots.len()
        )
    }
}

/// Bins per axis; what does not fit is refused as any other number.
fn bins(resolution: i64) -> u32 {
    u32::try_from(resolution).unwrap_or(0)
}

//! Files to an Arrow stream of tokens.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use meshloom_tokenizer_core as core;
use meshloom_tokenizer_core::files::{FileLimits, FileResult, FileStream};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::batch::{add_encodings, Row};
use crate::columns::Columns;
use crate::error::{guarded, Failure};
use crate::measure::counts;
use crate::tokenizer::PyTokenizer;

/// See the type stub.
#[pyfunction]
#[pyo3(signature = (paths, tokenizers, threads=None, seconds_per_item=60.0, bytes_per_item=4 << 30, rows_per_batch=64))]
pub fn tokenize_files<'py>(
    py: Python<'py>,
    paths: Vec<PathBuf>,
    tokenizers: &Bound<'py, PyDict>,
    threads: Option<usize>,
    seconds_per_item: f64,
    bytes_per_item: u64,
    rows_per_batch: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let fail = |message: String| Failure::invalid_input(message).into_error(py);
    let time = Duration::try_from_secs_f64(seconds_per_item)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| {
            fail(format!(
                "seconds_per_item = {seconds_per_item}; give a positive number"
            ))
        })?;
    if rows_per_batch == 0 {
        return Err(fail("rows_per_batch = 0; give at least 1".into()));
    }
    let mut names: Vec<String> = Vec::new();
    let mut inner: Vec<Arc<dyn core::Tokenizer>> = Vec::new();
    for (name, tokenizer) in tokenizers {
        let name: String = name.extract()?;
        if FILE_COLUMNS.contains(&name.as_str()) {
            return Err(fail(format!(
                "{name:?} is a column of the file itself; name the tokenizer otherwise"
            )));
        }
        names.push(name);
        inner.push(Arc::clone(&tokenizer.cast::<PyTokenizer>()?.get().0));
    }
    let limits = FileLimits {
        time,
        bytes: bytes_per_item,
    };
    let stream = guarded(py, || FileStream::new(paths, inner, threads, limits));
    let batches = Bound::new(
        py,
        FileBatches {
            stream: stream.map_err(|f| f.into_error(py))?,
            names,
            rows_per_batch,
        },
    )?;
    let schema = batches
        .borrow()
        .to_batch(py, Vec::new())?
        .getattr("schema")?;
    py.import("pyarrow")?
        .getattr("RecordBatchReader")?
        .call_method1("from_batches", (schema, batches))
}

/// Columns beside those of the tokenizers and the topology counts.
const FILE_COLUMNS: [&str; 6] = [
    "path",
    "code",
    "message",
    "n_geometries",
    "n_unreferenced",
    "topology",
];

/// Iterates over record batches of file results.
#[pyclass(module = "tokenizer_rs")]
struct FileBatches {
    stream: FileStream,
    names: Vec<String>,
    rows_per_batch: usize,
}

#[pymethods]
impl FileBatches {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut results = Vec::new();
        while results.len() < self.rows_per_batch {
            let next = guarded(py, || Ok(self.stream.next())).map_err(|f| f.into_error(py))?;
            // Without this a batch could not be interrupted.
            py.check_signals()?;
            match next {
                Some(result) => results.push(result),
                None => break,
            }
        }
        if results.is_empty() {
            return Ok(None);
        }
        self.to_batch(py, results).map(Some)
    }
}

impl FileBatches {
    fn to_batch<'py>(
        &self,
        py: Python<'py>,
        results: Vec<FileResult>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let columns = Columns::new(py)?;
        let paths: Vec<_> = results.iter().map(|r| r.path.to_string_lossy()).collect();
        columns.texts("path", paths.iter().map(|path| Some(path.as_ref())))?;
        let failures: Vec<Option<Failure>> = results
            .iter()
            .map(|r| r.loaded.as_ref().err().cloned().map(Failure::from))
            .collect();
        let failure = || failures.iter().map(Option::as_ref);
        columns.texts("code", failure().map(|f| f.map(|f| f.code)))?;
        columns.texts("message", failure().map(|f| f.map(|f| f.message.as_str())))?;
        let loaded = || results.iter().map(|r| r.loaded.as_ref().ok());
        columns.numbers(
            "n_geometries",
            loaded().map(|l| l.map(|l| l.n_geometries as i64)),
        )?;
        columns.numbers(
            "n_unreferenced",
            loaded().map(|l| l.map(|l| l.n_unreferenced as i64)),
        )?;
        let topology = loaded().map(|l| {
            l.map(|l| {
                counts(&l.topology)
                    .map(|(name, n)| (name, n as i64))
                    .to_vec()
            })
        });
        columns.counts("topology", topology)?;

        let mut of_files: Vec<_> = results
            .into_iter()
            .map(|r| r.encodings.into_iter())
            .collect();
        for name in &self.names {
            let rows: Vec<Option<Row>> = of_files
                .iter_mut()
                .map(|encodings| encodings.next().map(|e| e.map_err(Failure::from)))
                .collect();
            let rows: Vec<Option<&Row>> = rows.iter().map(Option::as_ref).collect();
            let encoded = Columns::new(py)?;
            add_encodings(&encoded, &rows)?;
            let is_null = rows.iter().map(Option::is_none).collect();
            columns.structs(name, &encoded.into_batch()?, is_null)?;
        }
        columns.into_batch()
    }
}

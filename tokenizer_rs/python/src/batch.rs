//! Batches: Python lists in, an Arrow record batch or a list out, the work in between without the GIL.

use meshloom_tokenizer_core::batch;
use meshloom_tokenizer_core::tokenizer::Encoding;
use meshloom_tokenizer_core::{Result, Tokenizer, TriangleMesh};
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrays::{mesh_from, mesh_to_arrays, tokens_from};
use crate::error::{guarded, Failure, MeshError};

/// The converted inputs and, for those that could not be converted, why.
struct Inputs<T> {
    items: Vec<T>,
    failures: Vec<Option<Failure>>,
}

impl<T: Default> Inputs<T> {
    fn read(
        sequence: &Bound<'_, PyAny>,
        read: impl Fn(&Bound<'_, PyAny>) -> PyResult<T>,
    ) -> PyResult<Self> {
        let py = sequence.py();
        let mut inputs = Self {
            items: Vec::new(),
            failures: Vec::new(),
        };
        for item in sequence.try_iter()? {
            let (item, failure) = match read(&item?) {
                Ok(item) => (item, None),
                Err(error) if error.is_instance_of::<MeshError>(py) => {
                    let message = error.value(py).str()?.extract::<String>()?;
                    (T::default(), Some(Failure::invalid_input(message)))
                }
                Err(error) => return Err(error),
            };
            inputs.items.push(item);
            inputs.failures.push(failure);
        }
        Ok(inputs)
    }

    fn join<R>(self, results: Vec<Result<R>>) -> Vec<std::result::Result<R, Failure>> {
        let joined = results.into_iter().zip(self.failures);
        joined
            .map(|(result, failure)| failure.map_or(result.map_err(Failure::from), Err))
            .collect()
    }
}

fn read_mesh(item: &Bound<'_, PyAny>) -> PyResult<TriangleMesh> {
    let pair: (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract().map_err(|_| {
        Failure::invalid_input("a mesh must be a pair (vertices, faces)").into_error(item.py())
    })?;
    mesh_from(&pair.0, &pair.1)
}

/// See `Tokenizer.encode_batch`.
pub fn encode_batch<'py>(
    py: Python<'py>,
    tokenizer: &dyn Tokenizer,
    meshes: &Bound<'_, PyAny>,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyAny>> {
    let inputs = Inputs::read(meshes, read_mesh)?;
    let results = guarded(py, || {
        batch::encode_batch(tokenizer, &inputs.items, threads)
    })
    .map_err(|failure| failure.into_error(py))?;
    to_record_batch(py, &inputs.join(results))
}

/// See `Tokenizer.decode_batch`.
pub fn decode_batch<'py>(
    py: Python<'py>,
    tokenizer: &dyn Tokenizer,
    sequences: &Bound<'_, PyAny>,
    threads: Option<usize>,
) -> PyResult<Bound<'py, PyList>> {
    let inputs = Inputs::read(sequences, tokens_from)?;
    let results = guarded(py, || {
        batch::decode_batch(tokenizer, &inputs.items, threads)
    })
    .map_err(|failure| failure.into_error(py))?;
    let list = PyList::empty(py);
    for result in inputs.join(results) {
        match result {
            Ok(mesh) => list.append(mesh_to_arrays(py, &mesh)?)?,
            Err(failure) => list.append(failure.into_object(py)?)?,
        }
    }
    Ok(list)
}

type Row = std::result::Result<Encoding, Failure>;

fn to_record_batch<'py>(py: Python<'py>, rows: &[Row]) -> PyResult<Bound<'py, PyAny>> {
    let arrow = py.import("pyarrow")?;
    let columns = PyDict::new(py);
    let text = arrow.call_method0("string")?;
    let texts = |values: Vec<Option<&str>>| arrow.call_method1("array", (values, &text));
    let failure = |row: &'_ Row| row.as_ref().err().cloned();

    let index: Vec<i64> = (0..rows.len() as i64).collect();
    columns.set_item(
        "index",
        arrow.call_method1("array", (index.into_pyarray(py),))?,
    )?;
    columns.set_item(
        "code",
        texts(rows.iter().map(|r| failure(r).map(|f| f.code)).collect())?,
    )?;
    let messages = rows
        .iter()
        .map(|r| r.as_ref().err().map(|f| f.message.as_str()))
        .collect();
    columns.set_item("message", texts(messages)?)?;
    columns.set_item("tokens", token_lists(&arrow, rows)?)?;

    let is_null: Vec<bool> = rows.iter().map(Row::is_err).collect();
    let numbers = |name: &str, values: Vec<i64>| {
        let keywords = PyDict::new(py);
        keywords.set_item("mask", is_null.clone().into_pyarray(py))?;
        let column = arrow.call_method("array", (values.into_pyarray(py),), Some(&keywords))?;
        columns.set_item(name, column)
    };
    let counts = |count: fn(&Encoding) -> usize| -> Vec<i64> {
        let count = |row: &Row| row.as_ref().map_or(0, |e| count(e) as i64);
        rows.iter().map(count).collect()
    };
    numbers("n_tokens", counts(|e| e.tokens.len()))?;
    numbers("n_vertices", counts(|e| e.mesh.vertices.len()))?;
    numbers("n_faces", counts(|e| e.mesh.faces.len()))?;
    let exact: Vec<Option<bool>> = rows
        .iter()
        .map(|r| r.as_ref().ok().map(|e| e.exact))
        .collect();
    let boolean = arrow.call_method0("bool_")?;
    columns.set_item("exact", arrow.call_method1("array", (exact, boolean))?)?;
    columns.set_item("statistics", statistics_maps(&arrow, rows)?)?;
    arrow
        .getattr("RecordBatch")?
        .call_method1("from_pydict", (columns,))
}

/// What each family counted, as a column of maps: one type for all families.
fn statistics_maps<'py>(arrow: &Bound<'py, PyModule>, rows: &[Row]) -> PyResult<Bound<'py, PyAny>> {
    let text = arrow.call_method0("string")?;
    let number = arrow.call_method0("int64")?;
    let map = arrow.call_method1("map_", (text, number))?;
    let rows: Vec<Option<Vec<(&str, i64)>>> = rows
        .iter()
        .map(|row| row.as_ref().ok().map(|e| e.statistics.clone()))
        .collect();
    arrow.call_method1("array", (rows, map))
}

/// Tokens as a list column; Arrow copies neither offsets nor values.
fn token_lists<'py>(arrow: &Bound<'py, PyModule>, rows: &[Row]) -> PyResult<Bound<'py, PyAny>> {
    let py = arrow.py();
    let mut offsets = vec![0_i32];
    let mut values: Vec<i32> = Vec::new();
    for row in rows {
        if let Ok(encoding) = row {
            values.extend(&encoding.tokens);
        }
        let end = i32::try_from(values.len()).map_err(|_| {
            Failure::invalid_input("more than 2^31 tokens in a batch; give fewer meshes at a time")
                .into_error(py)
        })?;
        offsets.push(end);
    }
    let is_null: Vec<bool> = rows.iter().map(Row::is_err).collect();
    let keywords = PyDict::new(py);
    keywords.set_item(
        "mask",
        arrow.call_method1("array", (is_null.into_pyarray(py),))?,
    )?;
    arrow.getattr("ListArray")?.call_method(
        "from_arrays",
        (
            arrow.call_method1("array", (offsets.into_pyarray(py),))?,
            arrow.call_method1("array", (values.into_pyarray(py),))?,
        ),
        Some(&keywords),
    )
}

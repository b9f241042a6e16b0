//! Batches: Python lists in, an Arrow record batch or a list out, the work in between without the GIL.

use std::sync::Arc;

use meshloom_tokenizer_core::batch;
use meshloom_tokenizer_core::tokenizer::Encoding;
use meshloom_tokenizer_core::{Result, Tokenizer, TriangleMesh};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrays::{mesh_from, mesh_to_arrays, tokens_from};
use crate::columns::Columns;
use crate::encoding::PyEncoding;
use crate::error::{guarded, Failure, MeshError};
use crate::tokenizer::PyTokenizer;

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

/// A mesh from a pair of arrays.
pub fn read_mesh(item: &Bound<'_, PyAny>) -> PyResult<TriangleMesh> {
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

/// See the type stub.
#[pyfunction]
pub fn encode_all<'py>(
    py: Python<'py>,
    vertices: &Bound<'py, PyAny>,
    faces: &Bound<'py, PyAny>,
    tokenizers: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyDict>> {
    let mesh = mesh_from(vertices, faces)?;
    let mut inner: Vec<Arc<dyn Tokenizer>> = Vec::new();
    for tokenizer in tokenizers.values() {
        inner.push(Arc::clone(&tokenizer.cast::<PyTokenizer>()?.get().0));
    }
    let encodings = guarded(py, || Ok(batch::encode_all(&mesh, &inner)));
    let encodings = encodings.map_err(|failure| failure.into_error(py))?;
    let dict = PyDict::new(py);
    for (name, encoding) in tokenizers.keys().iter().zip(encodings) {
        let value = match encoding {
            Ok(encoding) => Bound::new(py, PyEncoding(encoding))?.into_any(),
            Err(error) => Failure::from(error).into_object(py)?,
        };
        dict.set_item(name, value)?;
    }
    Ok(dict)
}

/// The encoding of one mesh, or why there is none.
pub type Row = std::result::Result<Encoding, Failure>;

fn to_record_batch<'py>(py: Python<'py>, rows: &[Row]) -> PyResult<Bound<'py, PyAny>> {
    let columns = Columns::new(py)?;
    columns.numbers("index", (0..rows.len()).map(|i| Some(i as i64)))?;
    let rows: Vec<Option<&Row>> = rows.iter().map(Some).collect();
    add_encodings(&columns, &rows)?;
    columns.into_batch()
}

/// Adds the columns that are the same for every family; null where a row is absent.
pub fn add_encodings(columns: &Columns<'_>, rows: &[Option<&Row>]) -> PyResult<()> {
    let encodings: Vec<Option<&Encoding>> = rows
        .iter()
        .map(|row| row.and_then(|row| row.as_ref().ok()))
        .collect();
    let failures: Vec<Option<&Failure>> = rows
        .iter()
        .map(|row| row.and_then(|row| row.as_ref().err()))
        .collect();
    columns.texts("code", failures.iter().map(|f| f.map(|f| f.code)))?;
    columns.texts(
        "message",
        failures.iter().map(|f| f.map(|f| f.message.as_str())),
    )?;
    let each = || encodings.iter().copied();
    columns.lists("tokens", each().map(|e| e.map(|e| e.tokens.as_slice())))?;
    let counts = |name: &str, count: fn(&Encoding) -> usize| {
        columns.numbers(name, each().map(|e| e.map(|e| count(e) as i64)))
    };
    counts("n_tokens", |e| e.tokens.len())?;
    counts("n_vertices", |e| e.mesh.vertices.len())?;
    counts("n_faces", |e| e.mesh.faces.len())?;
    columns.booleans("exact", each().map(|e| e.map(|e| e.exact)))?;
    columns.counts(
        "statistics",
        each().map(|e| e.map(|e| e.statistics.clone())),
    )
}

//! Mesh files.

use std::path::PathBuf;

use meshloom_tokenizer_core::read::{self, Format, ReadLimits};
use numpy::ndarray::Array2;
use numpy::{IntoPyArray, PyArray2};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::error::{guarded, Failure};

/// Triangles of one file, nothing welded.
#[pyclass(name = "LoadedMesh", module = "tokenizer_rs", frozen, get_all)]
pub struct PyLoadedMesh {
    /// Positions (V, 3), every one used by a face.
    vertices: Py<PyArray2<f64>>,
    /// Corners (F, 3).
    faces: Py<PyArray2<i32>>,
    /// Parts that the file keeps apart.
    n_geometries: usize,
    /// Vertices left out.
    n_unreferenced: usize,
}

/// What is read.
#[derive(FromPyObject)]
pub enum Source {
    /// The bytes of a file.
    Bytes(PyBackedBytes),
    /// A file.
    Path(PathBuf),
}

/// Read a mesh file, or its bytes.
#[pyfunction]
#[pyo3(signature = (
    path_or_bytes,
    format=None,
    folder=None,
    max_triangles=ReadLimits::DEFAULT.max_triangles,
    max_bytes=ReadLimits::DEFAULT.max_bytes,
))]
pub fn read_mesh(
    py: Python<'_>,
    path_or_bytes: Source,
    format: Option<&str>,
    folder: Option<PathBuf>,
    max_triangles: usize,
    max_bytes: u64,
) -> PyResult<PyLoadedMesh> {
    let limits = ReadLimits {
        max_triangles,
        max_bytes,
    };
    let fail = |failure: Failure| failure.into_error(py);
    let format = match (format, &path_or_bytes) {
        (Some(format), _) => format.to_owned(),
        (None, Source::Path(path)) => {
            let extension = path.extension().unwrap_or_default();
            extension.to_string_lossy().into_owned()
        }
        (None, Source::Bytes(_)) => {
            return Err(fail(Failure::invalid_input(
                "bytes without a format; give format, such as \"glb\"",
            )))
        }
    };
    let loaded = guarded(py, || {
        let format = Format::from_extension(&format)?;
        match &path_or_bytes {
            Source::Bytes(content) => read::read(content, format, folder.as_deref(), &limits),
            Source::Path(path) => {
                let content = read::read_file(path, &limits)?;
                let folder = folder.as_deref().or(path.parent());
                read::read(&content, format, folder, &limits)
            }
        }
    });
    let loaded = loaded.map_err(fail)?;
    let faces = loaded.mesh.faces.into_iter();
    Ok(PyLoadedMesh {
        vertices: to_array(py, loaded.mesh.vertices)?,
        faces: to_array(py, faces.map(|face| face.map(|v| v as i32)).collect())?,
        n_geometries: loaded.n_geometries,
        n_unreferenced: loaded.n_unreferenced,
    })
}

/// Side files that a glTF text names.
#[pyfunction]
pub fn gltf_side_files(py: Python<'_>, content: PyBackedBytes) -> PyResult<Vec<String>> {
    guarded(py, || Ok(read::side_files(&content))).map_err(|failure| failure.into_error(py))
}

/// An array that takes over the rows.
fn to_array<T: numpy::Element>(py: Python<'_>, rows: Vec<[T; 3]>) -> PyResult<Py<PyArray2<T>>> {
    let n_rows = rows.len();
    let array = Array2::from_shape_vec((n_rows, 3), rows.into_flattened())
        .map_err(|error| Failure::invalid_input(error.to_string()).into_error(py))?;
    Ok(array.into_pyarray(py).unbind())
}

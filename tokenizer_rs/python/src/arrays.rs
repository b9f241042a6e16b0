//! Between Python arrays and owned Rust data.

use meshloom_tokenizer_core::TriangleMesh;
use numpy::ndarray::{ArrayView2, Axis};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArray};
use numpy::{PyUntypedArrayMethods, ToPyArray};
use pyo3::prelude::*;

use crate::error::Failure;

/// Positions and faces.
pub type MeshArrays<'py> = (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<i32>>);

/// An owned mesh from two arrays: (V, 3) of real numbers and (F, 3) of whole numbers, of any dtype.
pub fn mesh_from(vertices: &Bound<'_, PyAny>, faces: &Bound<'_, PyAny>) -> PyResult<TriangleMesh> {
    let vertices = points_from(vertices, "vertices")?;
    let faces = faces_from(faces, vertices.len() as i64)?;
    Ok(TriangleMesh { vertices, faces })
}

/// Owned positions from an array (N, 3) of real numbers of any dtype.
pub fn points_from(points: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<[f64; 3]>> {
    let points = converted(points, name, &[3], "fiu", "float64")?;
    let points: PyReadonlyArray2<f64> = points.extract()?;
    let rows = points.as_array();
    Ok(rows
        .axis_iter(Axis(0))
        .map(|row| [row[0], row[1], row[2]])
        .collect())
}

/// Owned faces from an array (F, 3) of whole numbers, each in `0..n_vertices`.
pub fn faces_from(faces: &Bound<'_, PyAny>, n_vertices: i64) -> PyResult<Vec<[u32; 3]>> {
    let py = faces.py();
    let faces = converted(faces, "faces", &[3], "iu", "int64")?;
    let faces: PyReadonlyArray2<i64> = faces.extract()?;
    let mut corners = Vec::with_capacity(faces.shape()[0]);
    for (f, row) in faces.as_array().axis_iter(Axis(0)).enumerate() {
        let face = [row[0], row[1], row[2]];
        let is_outside = |&v: &i64| v < 0 || v >= n_vertices || v > i64::from(i32::MAX);
        if face.iter().any(is_outside) {
            let message = format!(
                "face {f} = {face:?} names a vertex outside 0..{n_vertices}; give indices of existing vertices"
            );
            return Err(Failure::invalid_input(message).into_error(py));
        }
        corners.push(face.map(|v| v as u32));
    }
    Ok(corners)
}

/// Owned token ids from an array or sequence of whole numbers. Ids beyond 32 bits become the nearest ids, which
/// no vocabulary has either.
pub fn tokens_from(tokens: &Bound<'_, PyAny>) -> PyResult<Vec<i32>> {
    let array = converted(tokens, "tokens", &[], "iu", "int64")?;
    let array: PyReadonlyArray1<i64> = array.extract()?;
    Ok(array
        .as_array()
        .iter()
        .map(|&id| id.clamp(i32::MIN.into(), i32::MAX.into()) as i32)
        .collect())
}

/// Owned token ids of every sequence of an iterable.
pub fn sequences_from(sequences: &Bound<'_, PyAny>) -> PyResult<Vec<Vec<i32>>> {
    let items = sequences.try_iter()?;
    items.map(|tokens| tokens_from(&tokens?)).collect()
}

/// `value` as an array of `dtype` with trailing shape `inner`; its kind must be one of `kinds`.
pub fn converted<'py>(
    value: &Bound<'py, PyAny>,
    name: &str,
    inner: &[usize],
    kinds: &str,
    dtype: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let py = value.py();
    let fail = |message: String| Failure::invalid_input(message).into_error(py);
    let array = py
        .import("numpy")?
        .call_method1("asarray", (value,))
        .map_err(|error| fail(format!("{name} cannot be read as an array: {error}")))?;
    let shape = array.cast::<PyUntypedArray>()?.shape().to_vec();
    if shape.len() != inner.len() + 1 || shape[1..] != *inner {
        let wanted = if inner.is_empty() { "(N,)" } else { "(N, 3)" };
        return Err(fail(format!(
            "{name} have shape {shape:?}; give an array of shape {wanted}"
        )));
    }
    let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
    // An empty list has no kind of its own.
    if !kinds.contains(&kind) && shape[0] > 0 {
        let given = array.getattr("dtype")?;
        return Err(fail(format!(
            "{name} have dtype {given}; give an array convertible to {dtype}"
        )));
    }
    let keywords = pyo3::types::PyDict::new(py);
    keywords.set_item("copy", false)?;
    array.call_method("astype", (dtype,), Some(&keywords))
}

/// A (N, 3) array of `i32`.
pub fn rows_to_array<'py>(
    py: Python<'py>,
    rows: impl ExactSizeIterator<Item = [i32; 3]>,
) -> PyResult<Bound<'py, PyArray2<i32>>> {
    let flat: Vec<i32> = rows.flatten().collect();
    to_matrix(py, &flat, 3)
}

/// A (N, 2) array of `i32` from pairs of indices.
pub fn pairs_to_array<'py>(
    py: Python<'py>,
    pairs: &[[u32; 2]],
) -> PyResult<Bound<'py, PyArray2<i32>>> {
    let flat: Vec<i32> = pairs.iter().flatten().map(|&i| i as i32).collect();
    to_matrix(py, &flat, 2)
}

/// A (N, 3) array of positions.
pub fn positions_to_array<'py>(
    py: Python<'py>,
    positions: &[[f64; 3]],
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    to_matrix(py, positions.as_flattened(), 3)
}

/// Positions (N, 3) and faces (N, 3) of a mesh.
pub fn mesh_to_arrays<'py>(py: Python<'py>, mesh: &TriangleMesh) -> PyResult<MeshArrays<'py>> {
    let faces = mesh.faces.iter().map(|face| face.map(|v| v as i32));
    Ok((
        positions_to_array(py, &mesh.vertices)?,
        rows_to_array(py, faces)?,
    ))
}

/// Rows of `width` numbers as an array.
pub fn to_matrix<'py, T: numpy::Element + Clone>(
    py: Python<'py>,
    flat: &[T],
    width: usize,
) -> PyResult<Bound<'py, PyArray2<T>>> {
    let view = ArrayView2::from_shape((flat.len() / width, width), flat)
        .map_err(|error| Failure::invalid_input(error.to_string()).into_error(py))?;
    Ok(view.to_pyarray(py))
}

/// A one-dimensional array of `i32` from indices.
pub fn indices_to_array<'py>(py: Python<'py>, indices: &[u32]) -> Bound<'py, PyArray1<i32>> {
    indices
        .iter()
        .map(|&i| i as i32)
        .collect::<Vec<i32>>()
        .into_pyarray(py)
}

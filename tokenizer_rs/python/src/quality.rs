//! Shape of a mesh, what stays of it when it is moved, faces that cross, and what quantisation does to it.

use meshloom_tokenizer_core::measure::{self as core, Damage, Shape};
use numpy::{IntoPyArray, PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use crate::arrays::{mesh_from, points_from, to_matrix};
use crate::error::{guarded, Failure};

/// Lengths and landmarks.
type DescriptorArrays<'py> = (Bound<'py, PyArray1<u16>>, Bound<'py, PyArray2<i16>>);

/// See the type stub.
#[pyfunction]
pub fn measure_shape<'py>(
    py: Python<'py>,
    vertices: &Bound<'py, PyAny>,
    faces: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyDict>> {
    let mesh = mesh_from(vertices, faces)?;
    let shape = guarded(py, || core::shape(&mesh)).map_err(|f| f.into_error(py))?;
    shape_to_dict(py, &shape)
}

fn shape_to_dict<'py>(py: Python<'py>, shape: &Shape) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("kind", shape.kind.name())?;
    dict.set_item("is_orientable", shape.is_orientable)?;
    dict.set_item("consistent_share", shape.consistent_share)?;
    dict.set_item("genus", shape.genus)?;
    dict.set_item("boundary_loops", shape.boundary_loops)?;
    dict.set_item("components", shape.components)?;
    dict.set_item("valences", shape.valences.to_vec())?;
    dict.set_item("regular_share", shape.regular_share)?;
    dict.set_item("area", shape.area)?;
    dict.set_item("volume", shape.volume)?;
    dict.set_item("extents", shape.extents.to_vec())?;
    dict.set_item("mean_quality", shape.mean_quality)?;
    dict.set_item("sliver_share", shape.sliver_share)?;
    Ok(dict)
}

/// See the type stub.
#[pyfunction]
pub fn crossing_faces<'py>(
    py: Python<'py>,
    vertices: &Bound<'py, PyAny>,
    faces: &Bound<'py, PyAny>,
    max_pairs: usize,
) -> PyResult<Option<Bound<'py, PyArray1<bool>>>> {
    let mesh = mesh_from(vertices, faces)?;
    let found = guarded(py, || core::crossing_faces(&mesh, max_pairs));
    let found = found.map_err(|f| f.into_error(py))?;
    Ok(found.map(|crosses| crosses.into_pyarray(py)))
}

/// See the type stub.
#[pyfunction]
pub fn quantization_damage<'py>(
    py: Python<'py>,
    vertices: &Bound<'py, PyAny>,
    faces: &Bound<'py, PyAny>,
    bits: Vec<i64>,
) -> PyResult<Bound<'py, PyList>> {
    let mesh = mesh_from(vertices, faces)?;
    // What does not fit is no more a number of bits than 0 is.
    let bits: Vec<u32> = bits
        .into_iter()
        .map(|bits| u32::try_from(bits).unwrap_or(0))
        .collect();
    let found = guarded(py, || core::quantization_damage(&mesh, &bits));
    let found: Vec<Damage> = found.map_err(|f| f.into_error(py))?;
    let list = PyList::empty(py);
    for damage in found {
        let dict = PyDict::new(py);
        dict.set_item("merged_vertices", damage.merged_vertices)?;
        dict.set_item("dropped_faces", damage.dropped_faces)?;
        dict.set_item("distance", damage.distance)?;
        list.append(dict)?;
    }
    Ok(list)
}

/// See the type stub.
#[pyfunction]
pub fn vertex_distance(
    py: Python<'_>,
    mesh: (Bound<'_, PyAny>, Bound<'_, PyAny>),
    other: (Bound<'_, PyAny>, Bound<'_, PyAny>),
) -> PyResult<f64> {
    let mesh = mesh_from(&mesh.0, &mesh.1)?;
    let other = mesh_from(&other.0, &other.1)?;
    guarded(py, || core::vertex_distance(&mesh, &other))
        .map_err(|failure: Failure| failure.into_error(py))
}

/// See the type stub.
#[pyfunction]
pub fn describe_shape<'py>(
    py: Python<'py>,
    vertices: &Bound<'py, PyAny>,
    faces: &Bound<'py, PyAny>,
) -> PyResult<Option<DescriptorArrays<'py>>> {
    let mesh = mesh_from(vertices, faces)?;
    let found = guarded(py, || core::descriptor(&mesh)).map_err(|f| f.into_error(py))?;
    let Some(descriptor) = found else {
        return Ok(None);
    };
    let landmarks = to_matrix(py, descriptor.landmarks.as_flattened(), 3)?;
    Ok(Some((descriptor.lengths.into_pyarray(py), landmarks)))
}

/// See the type stub.
#[pyfunction]
pub fn best_alignment<'py>(
    py: Python<'py>,
    points: &Bound<'py, PyAny>,
    others: &Bound<'py, PyAny>,
    tolerance: f64,
) -> PyResult<Option<Bound<'py, PyArray2<f64>>>> {
    let points = points_from(points, "points")?;
    let others = points_from(others, "others")?;
    let found = guarded(py, || core::best_alignment(&points, &others, tolerance));
    let found = found.map_err(|f| f.into_error(py))?;
    found
        .map(|matrix| to_matrix(py, matrix.as_flattened(), 3))
        .transpose()
}

/// See the type stub.
#[pyfunction]
#[pyo3(signature = (points, others, within = f64::INFINITY))]
pub fn nearest_points<'py>(
    py: Python<'py>,
    points: &Bound<'py, PyAny>,
    others: &Bound<'py, PyAny>,
    within: f64,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let points = points_from(points, "points")?;
    let others = points_from(others, "others")?;
    let found = guarded(py, || core::nearest_points(&points, &others, within));
    let found = found.map_err(|f| f.into_error(py))?;
    let indices: Vec<i64> = found.into_iter().map(|i| i.map_or(-1, i64::from)).collect();
    Ok(indices.into_pyarray(py))
}

/// See the type stub.
#[pyfunction]
pub fn point_spacing<'py>(
    py: Python<'py>,
    points: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray1<f64>>> {
    let points = points_from(points, "points")?;
    let found = guarded(py, || core::point_spacing(&points)).map_err(|f| f.into_error(py))?;
    Ok(found.into_pyarray(py))
}

/// See the type stub.
#[pyfunction]
#[pyo3(signature = (vertices, faces, mirror_images = true))]
pub fn canonical_triangles<'py>(
    py: Python<'py>,
    vertices: &Bound<'py, PyAny>,
    faces: &Bound<'py, PyAny>,
    mirror_images: bool,
) -> PyResult<Bound<'py, PyArray2<u64>>> {
    let mesh = mesh_from(vertices, faces)?;
    let found = guarded(py, || core::canonical_triangles(&mesh, mirror_images));
    let triangles = found.map_err(|f| f.into_error(py))?;
    to_matrix(py, triangles.as_flattened(), 3)
}

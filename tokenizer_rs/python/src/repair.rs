//! The repair.

use meshloom_tokenizer_core::mesh::pre_clean::pre_clean as mesh_pre_clean;
use meshloom_tokenizer_core::mesh::quantize::dequantize;
use meshloom_tokenizer_core::mesh::GridPoint;
use meshloom_tokenizer_core::repair::{self as core, RepairLog, RepairOptions};
use meshloom_tokenizer_core::TriangleMesh;
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{
    indices_to_array, mesh_from, mesh_to_arrays, pairs_to_array, positions_to_array, rows_to_array,
    MeshArrays,
};
use crate::error::{guarded, Failure};

/// See the type stub.
#[pyfunction]
pub fn pre_clean<'py>(
    py: Python<'py>,
    vertices: &Bound<'py, PyAny>,
    faces: &Bound<'py, PyAny>,
) -> PyResult<MeshArrays<'py>> {
    let mesh = mesh_from(vertices, faces)?;
    let cleaned = guarded(py, || mesh_pre_clean(&mesh)).map_err(|f| f.into_error(py))?;
    mesh_to_arrays(py, &cleaned)
}

/// A repaired mesh and what was done to get there.
#[pyclass(name = "Repaired", module = "tokenizer_rs", frozen)]
pub struct PyRepaired {
    repaired: core::Repaired,
    grid_vertices: Option<Vec<GridPoint>>,
}

#[pymethods]
impl PyRepaired {
    /// Positions (V, 3); with a resolution the centres of bins.
    #[getter]
    fn vertices<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        positions_to_array(py, &self.repaired.vertices)
    }

    /// Bins (V, 3), or None without a resolution.
    #[getter]
    fn grid_vertices<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<i32>>>> {
        self.grid_vertices
            .as_ref()
            .map(|points| rows_to_array(py, points.iter().copied()))
            .transpose()
    }

    /// Faces (F, 3).
    #[getter]
    fn faces<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<i32>>> {
        rows_to_array(
            py,
            self.repaired
                .faces
                .iter()
                .map(|face| face.map(|v| v as i32)),
        )
    }

    /// For each vertex (V,) the lowest input vertex of its position.
    #[getter]
    fn source_vertex<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        indices_to_array(py, &self.repaired.source_vertex)
    }

    /// For each face (F,) the lowest input face it stands for.
    #[getter]
    fn source_face<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i32>> {
        indices_to_array(py, &self.repaired.source_face)
    }

    /// What was done: for each kind of change the indices (N,) or pairs (N, 2) of the input it names.
    #[getter]
    fn log<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        log_to_dict(py, &self.repaired.log)
    }

    fn __repr__(&self) -> String {
        format!(
            "Repaired({} vertices, {} faces, {} copies, {} faces dropped)",
            self.repaired.vertices.len(),
            self.repaired.faces.len(),
            self.repaired.log.n_copies(),
            self.repaired.log.n_dropped_faces()
        )
    }
}

/// An oriented manifold of the same triangles.
#[pyfunction]
#[pyo3(signature = (vertices, faces, resolution=None, weld=true, drop_collinear=false, outward=false))]
pub fn repair(
    py: Python<'_>,
    vertices: &Bound<'_, PyAny>,
    faces: &Bound<'_, PyAny>,
    resolution: Option<i64>,
    weld: bool,
    drop_collinear: bool,
    outward: bool,
) -> PyResult<PyRepaired> {
    let mesh = mesh_from(vertices, faces)?;
    let options = RepairOptions {
        // What does not fit is no more a resolution than 0 is.
        resolution: resolution.map(|bins| u32::try_from(bins).unwrap_or(0)),
        weld,
        drop_collinear,
        outward,
    };
    guarded(py, || repaired(&mesh, &options)).map_err(|failure: Failure| failure.into_error(py))
}

fn repaired(
    mesh: &TriangleMesh,
    options: &RepairOptions,
) -> meshloom_tokenizer_core::Result<PyRepaired> {
    let Some(resolution) = options.resolution else {
        return Ok(PyRepaired {
            repaired: core::repair(mesh, options)?,
            grid_vertices: None,
        });
    };
    let on_grid = core::repair_on_grid(mesh, resolution, options)?;
    let points = on_grid.mesh.vertices;
    Ok(PyRepaired {
        repaired: core::Repaired {
            vertices: points.iter().map(|p| dequantize(p, resolution)).collect(),
            faces: on_grid.mesh.faces,
            source_vertex: on_grid.source_vertex,
            source_face: on_grid.source_face,
            log: on_grid.log,
        },
        grid_vertices: Some(points),
    })
}

fn log_to_dict<'py>(py: Python<'py>, log: &RepairLog) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, indices) in [
        ("unreferenced_vertices", &log.unreferenced_vertices),
        ("degenerate_faces", &log.degenerate_faces),
        ("collinear_faces", &log.collinear_faces),
        ("flipped_faces", &log.flipped_faces),
    ] {
        dict.set_item(name, indices_to_array(py, indices))?;
    }
    for (name, pairs) in [
        ("welded_vertices", &log.welded_vertices),
        ("duplicate_faces", &log.duplicate_faces),
        ("cut_edges", &log.cut_edges),
        ("cut_loops", &log.cut_loops),
        ("detached_faces", &log.detached_faces),
        ("copied_vertices", &log.copied_vertices),
    ] {
        dict.set_item(name, pairs_to_array(py, pairs)?)?;
    }
    Ok(dict)
}

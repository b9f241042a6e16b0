//! Triangles as they are collected from a file, and the checks that every format needs at the end.

use super::{LoadedMesh, ReadLimits};
use crate::mesh::compact::{keep_vertices, used_vertices};
use crate::mesh::Face;
use crate::{MeshError, Result, TriangleMesh};

/// More triangles than this are never accepted, so that three vertices for each fit a signed 32-bit index.
const MOST_TRIANGLES: usize = 1 << 28;

/// Vertices and triangles in file order.
#[derive(Debug)]
pub struct Triangles {
    pub vertices: Vec<[f64; 3]>,
    pub faces: Vec<Face>,
    max_triangles: usize,
}

impl Triangles {
    pub fn new(limits: &ReadLimits) -> Self {
        Self {
            vertices: Vec::new(),
            faces: Vec::new(),
            max_triangles: max_triangles(limits),
        }
    }

    pub fn push_triangle(&mut self, face: Face) -> Result<()> {
        if self.faces.len() >= self.max_triangles {
            return Err(MeshError::TooManyTriangles {
                limit: self.max_triangles,
            });
        }
        self.faces.push(face);
        Ok(())
    }

    /// Cuts a polygon into a fan; fewer than three corners give nothing. A quad is cut along its first
    /// diagonal, its second triangle starting at the third corner, like trimesh does.
    pub fn push_polygon(&mut self, corners: &[u32]) -> Result<()> {
        if let [a, b, c, d] = *corners {
            self.push_triangle([a, b, c])?;
            return self.push_triangle([c, d, a]);
        }
        if let [first, rest @ ..] = corners {
            for pair in rest.windows(2) {
                self.push_triangle([*first, pair[0], pair[1]])?;
            }
        }
        Ok(())
    }

    /// The mesh without unreferenced vertices, where it has triangles and every number fits.
    pub fn finish(mut self, n_geometries: usize) -> Result<LoadedMesh> {
        check_indices(self.faces.as_flattened(), self.vertices.len())?;
        let n_before = self.vertices.len();
        if self.faces.is_empty() {
            return Err(MeshError::NoTriangles {
                n_vertices: n_before,
            });
        }
        let is_used = used_vertices(n_before, &self.faces);
        keep_vertices(&mut self.vertices, &mut self.faces, &is_used);
        check_finite(&self.vertices)?;
        Ok(LoadedMesh {
            n_unreferenced: n_before - self.vertices.len(),
            mesh: TriangleMesh {
                vertices: self.vertices,
                faces: self.faces,
            },
            n_geometries,
        })
    }
}

/// The limit on triangles that holds.
pub fn max_triangles(limits: &ReadLimits) -> usize {
    limits.max_triangles.min(MOST_TRIANGLES)
}

/// Refuses indices that point to no vertex.
pub fn check_indices(indices: &[u32], n_vertices: usize) -> Result<()> {
    let is_wrong = |&&index: &&u32| index as usize >= n_vertices;
    match indices.iter().find(is_wrong) {
        None => Ok(()),
        Some(first) => Err(MeshError::Load(format!(
            "{} of {} indices outside the {n_vertices} vertices, the first is {first}; export it again",
            indices.iter().filter(is_wrong).count(),
            indices.len(),
        ))),
    }
}

/// Refuses coordinates that are not finite or do not fit single precision.
pub fn check_finite(vertices: &[[f64; 3]]) -> Result<()> {
    let limit = f64::from(f32::MAX);
    // Written so that NaN is wrong as well.
    let is_wrong = |p: &[f64; 3]| !p.iter().all(|x| x.abs() <= limit);
    match vertices.iter().position(is_wrong) {
        None => Ok(()),
        Some(first) => Err(MeshError::NonFinite {
            found: vertices.iter().filter(|p| is_wrong(p)).count(),
            total: vertices.len(),
            first,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triangles(n_vertices: usize, polygons: &[&[u32]]) -> Triangles {
        let mut triangles = Triangles::new(&ReadLimits::default());
        triangles.vertices = (0..n_vertices).map(|i| [i as f64, 0.0, 0.0]).collect();
        for polygon in polygons {
            triangles.push_polygon(polygon).unwrap();
        }
        triangles
    }

    #[test]
    fn polygons_become_fans() {
        let polygons: [&[u32]; 5] = [&[], &[7, 8], &[0, 1, 2], &[0, 1, 2, 3], &[4, 0, 1, 2, 3]];
        assert_eq!(
            triangles(5, &polygons).faces,
            [
                [0, 1, 2],
                [0, 1, 2],
                [2, 3, 0],
                [4, 0, 1],
                [4, 1, 2],
                [4, 2, 3]
            ]
        );
    }

    #[test]
    fn stray_vertices_are_left_out_and_counted() {
        let mut triangles = triangles(6, &[&[1, 3, 5]]);
        triangles.vertices[4][1] = f64::NAN;
        let loaded = triangles.finish(1).unwrap();
        assert_eq!(loaded.mesh.faces, [[0, 1, 2]]);
        assert_eq!(loaded.mesh.vertices[1], [3.0, 0.0, 0.0]);
        assert_eq!(loaded.n_unreferenced, 3);
    }

    #[test]
    fn an_index_outside_the_vertices_is_refused() {
        let error = triangles(3, &[&[0, 1, 3]]).finish(1).unwrap_err();
        assert_eq!(error.code(), "LOAD");
    }

    #[test]
    fn coordinates_beyond_single_precision_are_refused() {
        for wrong in [f64::NAN, f64::INFINITY, -1e39] {
            let mut triangles = triangles(3, &[&[0, 1, 2]]);
            triangles.vertices[2][1] = wrong;
            let error = triangles.finish(1).unwrap_err();
            assert_eq!(
                error,
                MeshError::NonFinite {
                    found: 1,
                    total: 3,
                    first: 2
                }
            );
        }
    }

    #[test]
    fn the_limit_on_triangles_holds() {
        let limits = ReadLimits {
            max_triangles: 2,
            ..ReadLimits::default()
        };
        let mut triangles = Triangles::new(&limits);
        triangles.push_polygon(&[0, 1, 2, 3]).unwrap();
        let error = triangles.push_triangle([0, 1, 2]).unwrap_err();
        assert_eq!(error, MeshError::TooManyTriangles { limit: 2 });
    }
}

//! The repairs of one mesh, each made once however many tokenizers begin with it.

use std::cell::RefCell;
use std::rc::Rc;

use super::{repair_on_grid, RepairOptions, RepairedGrid};
use crate::{Result, TriangleMesh};

/// A mesh and what was repaired of it so far.
#[derive(Debug)]
pub struct Repairs<'a> {
    mesh: &'a TriangleMesh,
    /// Few enough to be searched one by one: as many as there are different resolutions and options.
    made: RefCell<Vec<(RepairOptions, Result<Rc<RepairedGrid>>)>>,
}

impl<'a> Repairs<'a> {
    /// Of a mesh of which nothing was repaired yet.
    pub fn new(mesh: &'a TriangleMesh) -> Self {
        Self {
            mesh,
            made: RefCell::default(),
        }
    }

    /// The mesh as given.
    pub fn mesh(&self) -> &'a TriangleMesh {
        self.mesh
    }

    /// What [`repair_on_grid`] makes of the mesh, errors included.
    pub fn on_grid(&self, resolution: u32, options: &RepairOptions) -> Result<Rc<RepairedGrid>> {
        let options = RepairOptions {
            resolution: Some(resolution),
            ..*options
        };
        let mut made = self.made.borrow_mut();
        if let Some((_, repaired)) = made.iter().find(|(other, _)| *other == options) {
            return repaired.clone();
        }
        let repaired = repair_on_grid(self.mesh, resolution, &options).map(Rc::new);
        made.push((options, repaired.clone()));
        repaired
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two triangles, one of them without area on any grid.
    fn mesh() -> TriangleMesh {
        TriangleMesh {
            vertices: vec![
                [0.0, 0.0, 0.0],
                [0.5, 0.0, 0.0],
                [0.0, 0.5, 0.0],
                [-0.5, 0.0, 0.0],
            ],
            faces: vec![[0, 1, 2], [1, 0, 3]],
        }
    }

    #[test]
    fn a_repair_is_made_once_for_each_resolution_and_options() {
        let mesh = mesh();
        let repairs = Repairs::new(&mesh);
        let keep = RepairOptions::default();
        let drop = RepairOptions {
            drop_collinear: true,
            ..keep
        };
        let mut made = Vec::new();
        for (resolution, options) in [(128, keep), (512, keep), (128, drop)] {
            let first = repairs.on_grid(resolution, &options).unwrap();
            assert_eq!(*first, repair_on_grid(&mesh, resolution, &options).unwrap());
            assert!(Rc::ptr_eq(
                &first,
                &repairs.on_grid(resolution, &options).unwrap()
            ));
            assert!(!made.contains(&first));
            made.push(first);
        }
    }

    #[test]
    fn what_cannot_be_repaired_fails_each_time() {
        let far = TriangleMesh {
            vertices: vec![[7.0; 3]],
            faces: Vec::new(),
        };
        let repairs = Repairs::new(&far);
        for _ in 0..2 {
            let error = repairs.on_grid(128, &RepairOptions::default()).unwrap_err();
            assert_eq!(
                Err(error),
                repair_on_grid(&far, 128, &RepairOptions::default())
            );
        }
    }
}

//! One file to triangles, or the reason why not.
//!
//! What counts is what a viewer would show: every triangle of the default scene, instances expanded, world
//! transforms applied, polygons cut into fans, stray vertices left out. Materials, skins and animations are
//! not read, and nothing is fetched over a network.
//!
//! A file is read whole or not at all: where announced counts, indices or references do not fit, it is
//! refused, since half a mesh is worse than none. Nothing is allocated on the word of a count: memory grows
//! with the bytes that are there and, where instances multiply them, up to [`ReadLimits`].
//!
//! ```
//! use meshloom_tokenizer_core::read::{read, Format, ReadLimits};
//!
//! let text = b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1 2 3 4\n";
//! let loaded = read(text, Format::Obj, None, &ReadLimits::default())?;
//! assert_eq!(loaded.mesh.faces, [[0, 1, 2], [2, 3, 0]]);
//! # Ok::<(), meshloom_tokenizer_core::MeshError>(())
//! ```

mod content;
mod file;
mod gltf;
mod obj;
mod off;
mod ply;
mod stl;
mod text;
mod triangles;

#[cfg(test)]
mod mutation_tests;

use std::path::Path;

pub use gltf::side_files;

use crate::{MeshError, Result, TriangleMesh};

/// The formats with a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// glTF 2.0 in one binary file.
    Glb,
    /// glTF 2.0 as a JSON text with its buffers inline or in side files.
    Gltf,
    /// Wavefront OBJ.
    Obj,
    /// Object File Format, ASCII.
    Off,
    /// Polygon file format, ASCII and binary.
    Ply,
    /// Stereolithography, ASCII and binary.
    Stl,
}

impl Format {
    /// The format of files with this extension, in any case and without its dot.
    pub fn from_extension(extension: &str) -> Result<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "glb" => Ok(Self::Glb),
            "gltf" => Ok(Self::Gltf),
            "obj" => Ok(Self::Obj),
            "off" => Ok(Self::Off),
            "ply" => Ok(Self::Ply),
            "stl" => Ok(Self::Stl),
            "" => Err(MeshError::UnsupportedFormat(
                "a file without extension".into(),
            )),
            other => Err(MeshError::UnsupportedFormat(other.into())),
        }
    }

    /// The extension, lower case and without its dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Glb => "glb",
            Self::Gltf => "gltf",
            Self::Obj => "obj",
            Self::Off => "off",
            Self::Ply => "ply",
            Self::Stl => "stl",
        }
    }
}

/// What one file may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadLimits {
    /// Most triangles, instances expanded; at most 2^28 whatever is given.
    pub max_triangles: usize,
    /// Most bytes of the file and its side files together.
    pub max_bytes: u64,
}

impl ReadLimits {
    /// Ten million triangles and a gibibyte.
    pub const DEFAULT: Self = Self {
        max_triangles: 10_000_000,
        max_bytes: 1 << 30,
    };
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A mesh as it lies in its file, nothing welded.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedMesh {
    /// Triangles in world coordinates; every vertex is finite, fits single precision and is used by a face.
    pub mesh: TriangleMesh,
    /// Parts that the file keeps apart: primitives, materials, solids.
    pub n_geometries: usize,
    /// Vertices that no face uses: they are left out, since nobody sees them and a stray one far away would
    /// decide the bounding box.
    pub n_unreferenced: usize,
}

/// Reads the bytes of a file; side files are looked for in `folder` alone, and refused where there is none.
///
/// Errors have one of the codes EMPTY_FILE, TOO_LARGE, NOT_A_MESH, NEEDS_DECODER, MISSING_SIDE_FILE, LOAD,
/// NON_FINITE, NO_TRIANGLES, TOO_MANY_FACES_RAW.
pub fn read(
    content: &[u8],
    format: Format,
    folder: Option<&Path>,
    limits: &ReadLimits,
) -> Result<LoadedMesh> {
    file::check_size(content.len() as u64, limits.max_bytes)?;
    content::check(content, format)?;
    match format {
        Format::Glb => gltf::read_glb(content, folder, limits),
        Format::Gltf => gltf::read_gltf(content, folder, limits),
        Format::Obj => obj::read(content, limits),
        Format::Off => off::read(content, limits),
        Format::Ply => ply::read(content, limits),
        Format::Stl => stl::read(content, limits),
    }
}

/// Reads a file by its extension, with the side files in its folder.
///
/// Errors have a code of [`read`], UNSUPPORTED_FORMAT or UNREADABLE_FILE.
pub fn read_path(path: &Path, limits: &ReadLimits) -> Result<LoadedMesh> {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let format = Format::from_extension(&extension)?;
    let content = read_file(path, limits)?;
    read(&content, format, path.parent(), limits)
}

/// The bytes of a regular file, refused with UNREADABLE_FILE or TOO_LARGE.
pub fn read_file(path: &Path, limits: &ReadLimits) -> Result<Vec<u8>> {
    match file::read_regular(path, limits.max_bytes)? {
        Ok(content) => Ok(content),
        Err(reason) => Err(MeshError::UnreadableFile(format!(
            "{reason}; make it a file that can be read"
        ))),
    }
}

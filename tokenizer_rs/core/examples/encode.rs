//! Encodes a mesh with the Silksong tokenizer of the reference level and tells how long that takes.
//!
//! ```text
//! cargo run --release --package meshloom-tokenizer-core --example encode -- mesh.obj [repetitions]
//! ```
//!
//! The mesh is an OBJ file of triangles in `[-1, 1]`. Prints the fastest repetition, which other programs on
//! the machine disturb least. Nothing disturbs the count of instructions: run it under
//! `valgrind --tool=callgrind` with one repetition and with two, and subtract.

use std::error::Error;
use std::time::Instant;

use meshloom_tokenizer_core::repair::Repairs;
use meshloom_tokenizer_core::tokenizer::silksong::{Conformance, Silksong, VertexMode};
use meshloom_tokenizer_core::{Limits, TriangleMesh};

const RESOLUTION: u32 = 1024;

/// Wide enough for any mesh that `benchmarks/tokenizer_speed.py` makes.
const LIMITS: [(&str, i64); 3] = [
    ("max_face_num_p", 10_000_000),
    ("layer_vertex_limit", 4_096),
    ("layer_number_limit", 100_000),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("give an OBJ file")?;
    let repetitions: usize = arguments.next().map_or(Ok(10), |n| n.parse())?;
    let mesh = read_obj(&std::fs::read_to_string(path)?)?;
    let mut limits = Limits::default();
    for (name, value) in LIMITS {
        limits.set(name, value)?;
    }
    let tokenizer = Silksong::new(RESOLUTION, VertexMode::Xyz, Conformance::Reference, limits)?;
    let mut seconds = f64::INFINITY;
    let mut n_tokens = 0;
    for _ in 0..repetitions {
        let start = Instant::now();
        n_tokens = tokenizer
            .encode_in_detail(&Repairs::new(&mesh))?
            .tokens
            .len();
        seconds = seconds.min(start.elapsed().as_secs_f64());
    }
    let n_faces = mesh.faces.len();
    let microseconds = seconds * 1e6 / n_faces as f64;
    println!("{n_faces} faces, {n_tokens} tokens, {microseconds:.3} microseconds a face");
    Ok(())
}

fn read_obj(text: &str) -> Result<TriangleMesh, Box<dyn Error>> {
    let mut mesh = TriangleMesh::default();
    for line in text.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match fields[..] {
            ["v", x, y, z] => mesh.vertices.push([x.parse()?, y.parse()?, z.parse()?]),
            ["f", a, b, c] => {
                let corner = |field: &str| -> Result<u32, Box<dyn Error>> {
                    let number: u32 = field.parse()?;
                    Ok(number.checked_sub(1).ok_or("corners are counted from 1")?)
                };
                mesh.faces.push([corner(a)?, corner(b)?, corner(c)?]);
            }
            _ => {}
        }
    }
    Ok(mesh)
}

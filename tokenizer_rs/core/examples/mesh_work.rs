//! All the work of many meshes, as `tokenize_files` does it, for profilers.
//!
//! ```text
//! cargo run --release --package meshloom-tokenizer-core --example mesh_work -- FOLDER [every-nth-file]
//! ```
//!
//! Reads each GLB below FOLDER, measures, normalises, quantises, repairs and tokenises it with the four families,
//! and checks the tokens. Prints processor time a face; run it under `valgrind --tool=callgrind` or `perf record`
//! to see where that goes.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use meshloom_tokenizer_core::files::{tokenize_file, FileLimits};
use meshloom_tokenizer_core::tokenizer::edgerunner::{EdgeRunner, Engine, Sort};
use meshloom_tokenizer_core::tokenizer::face_sequence::FaceSequence;
use meshloom_tokenizer_core::tokenizer::loom::{Loom, Scheme};
use meshloom_tokenizer_core::tokenizer::silksong::Silksong;
use meshloom_tokenizer_core::Tokenizer;

const LIMITS: FileLimits = FileLimits {
    time: Duration::from_secs(60),
    bytes: 4 << 30,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("give a folder of GLB files")?;
    let every: usize = arguments.next().map_or(Ok(1), |n| n.parse())?;
    let mut paths = Vec::new();
    collect(Path::new(&folder), &mut paths)?;
    paths.sort();
    let tokenizers: Vec<Arc<dyn Tokenizer>> = vec![
        Arc::new(Silksong::default()),
        Arc::new(EdgeRunner::new(512, Engine::LrAbsco, Sort::Stable, true)?),
        Arc::new(FaceSequence::default()),
        Arc::new(Loom::structured(Scheme::default(), 128)?),
    ];
    let start = Instant::now();
    let (mut n_files, mut n_faces, mut n_tokens) = (0, 0, 0);
    for path in paths.iter().step_by(every) {
        let result = tokenize_file(path, &tokenizers, &LIMITS);
        if let Ok(loaded) = &result.loaded {
            n_files += 1;
            n_faces += loaded.topology.faces;
            let tokens = result.encodings.iter().flatten().map(|e| e.tokens.len());
            n_tokens += tokens.sum::<usize>();
        }
    }
    let microseconds = start.elapsed().as_secs_f64() * 1e6 / n_faces as f64;
    println!("{n_files} files, {n_faces} faces, {n_tokens} tokens, {microseconds:.3} microseconds a face");
    Ok(())
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|e| e == "glb") {
            paths.push(path);
        }
    }
    Ok(())
}

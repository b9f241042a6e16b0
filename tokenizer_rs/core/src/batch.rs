//! Many meshes on all cores; one bad mesh is one error, not a stop.

use std::sync::Arc;

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::repair::Repairs;
use crate::tokenizer::Encoding;
use crate::{MeshError, Result, Tokenizer, TriangleMesh};

/// Encodes every mesh, in order, on `threads` threads or on all cores.
pub fn encode_batch(
    tokenizer: &dyn Tokenizer,
    meshes: &[TriangleMesh],
    threads: Option<usize>,
) -> Result<Vec<Result<Encoding>>> {
    in_pool(threads, || {
        meshes
            .par_iter()
            .map(|mesh| tokenizer.encode(mesh))
            .collect()
    })
}

/// What every tokenizer makes of a mesh; those that begin with the same repair share it.
pub fn encode_all(mesh: &TriangleMesh, tokenizers: &[Arc<dyn Tokenizer>]) -> Vec<Result<Encoding>> {
    let repairs = Repairs::new(mesh);
    let encode = |tokenizer: &Arc<dyn Tokenizer>| tokenizer.encode_sharing(&repairs);
    tokenizers.iter().map(encode).collect()
}

/// Decodes every sequence, in order, on `threads` threads or on all cores.
pub fn decode_batch(
    tokenizer: &dyn Tokenizer,
    sequences: &[Vec<i32>],
    threads: Option<usize>,
) -> Result<Vec<Result<TriangleMesh>>> {
    in_pool(threads, || {
        sequences
            .par_iter()
            .map(|tokens| tokenizer.decode(tokens))
            .collect()
    })
}

/// Runs `work` on a pool of its own, or on the shared one where no number is given.
pub fn in_pool<R: Send>(threads: Option<usize>, work: impl FnOnce() -> R + Send) -> Result<R> {
    match threads {
        None => Ok(work()),
        Some(threads) => Ok(pool(threads)?.install(work)),
    }
}

fn pool(threads: usize) -> Result<ThreadPool> {
    if !(1..=1024).contains(&threads) {
        return Err(MeshError::InvalidInput(format!(
            "threads = {threads}; give 1 to 1024, or none"
        )));
    }
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| {
            MeshError::InvalidInput(format!("{threads} threads cannot be started: {error}"))
        })
}

//! The tokenizers under test, each built once.

use std::sync::{Arc, LazyLock};

use meshloom_tokenizer_core::tokenizer::edgerunner::{EdgeRunner, Engine, Sort};
use meshloom_tokenizer_core::tokenizer::face_sequence::{FaceSequence, Order};
use meshloom_tokenizer_core::tokenizer::loom::{Loom, Scheme};
use meshloom_tokenizer_core::tokenizer::merges::{Merged, Merges};
use meshloom_tokenizer_core::tokenizer::silksong::{Conformance, Silksong, VertexMode};
use meshloom_tokenizer_core::{Limits, Result, Tokenizer};

/// A tokenizer and what it promises.
pub struct Family {
    pub tokenizer: Arc<dyn Tokenizer>,
    /// Whether decoding gives the encoded mesh, for every mesh.
    pub is_lossless: bool,
    /// Whether every mesh it decodes is an oriented manifold by index.
    pub decodes_manifold: bool,
}

type Families = LazyLock<Vec<Family>>;

fn family(
    tokenizer: Result<impl Tokenizer + 'static>,
    is_lossless: bool,
    decodes_manifold: bool,
) -> Family {
    Family {
        tokenizer: Arc::new(tokenizer.expect("the options are valid")),
        is_lossless,
        decodes_manifold,
    }
}

pub static SILKSONG: Families = LazyLock::new(|| {
    let silksong = |mode, level| Silksong::new(128, mode, level, Limits::default());
    let extended = Conformance::Extended;
    vec![
        family(silksong(VertexMode::BlockOffset, extended), false, true),
        family(silksong(VertexMode::Xyz, extended), false, true),
        family(
            silksong(VertexMode::BlockOffset, Conformance::Reference),
            false,
            false,
        ),
    ]
});

pub static EDGERUNNER: Families = LazyLock::new(|| {
    let edgerunner = |engine, sort, repair| EdgeRunner::new(128, engine, sort, repair);
    vec![
        family(edgerunner(Engine::LrAbsco, Sort::Stable, true), true, false),
        family(
            edgerunner(Engine::LrAbsco, Sort::Reference, false),
            false,
            false,
        ),
        family(edgerunner(Engine::Lr, Sort::Stable, false), false, false),
        family(edgerunner(Engine::Clers, Sort::Stable, false), false, false),
    ]
});

pub static FACE_SEQUENCE: Families = LazyLock::new(|| {
    let faces = |order, repair, drop| FaceSequence::new(128, order, repair, drop);
    vec![
        family(faces(Order::MeshGpt, true, true), true, false),
        family(faces(Order::MeshXl, true, true), true, false),
        family(faces(Order::MeshGpt, false, false), false, false),
    ]
});

pub static LOOM: Families = LazyLock::new(|| {
    let loom = |scheme, resolution| family(Loom::structured(scheme, resolution), true, true);
    vec![
        loom(Scheme::Valence, 128),
        loom(Scheme::Deferred, 128),
        loom(Scheme::Valence, 1024),
        loom(Scheme::Deferred, 256),
    ]
});

pub static MERGED: Families = LazyLock::new(|| {
    LOOM[..2]
        .iter()
        .map(|loom| {
            let base = Arc::clone(&loom.tokenizer);
            let size = base.vocab_size() as i32;
            // Pairs of neighbouring ids, then pairs of those: some can occur, most cannot.
            let pairs = (0..200)
                .map(|i| {
                    [
                        i * 7 % size,
                        if i < 100 {
                            (i * 7 + 1) % size
                        } else {
                            size + i - 100
                        },
                    ]
                })
                .collect();
            let merges = Merges::new(base.vocab_size(), pairs).expect("the merges are valid");
            family(Merged::new(base, Arc::new(merges)), true, true)
        })
        .collect()
});

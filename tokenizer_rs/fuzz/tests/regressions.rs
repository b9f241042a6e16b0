//! Every input that a fuzz target once failed on, and a few random ones, on the plain toolchain.

use std::path::Path;

use meshloom_tokenizer_fuzz::{target, TARGETS};

/// Inputs that failed once lie in `regressions/<target>/`.
#[test]
fn what_failed_once_does_not_fail_again() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("regressions");
    for folder in std::fs::read_dir(&root).into_iter().flatten().flatten() {
        if !folder.path().is_dir() {
            continue;
        }
        let name = folder.file_name().to_string_lossy().into_owned();
        let run = target(&name).unwrap_or_else(|| panic!("regressions/{name}: no such target"));
        for input in std::fs::read_dir(folder.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            run(&std::fs::read(input.path()).expect("a regression can be read"));
        }
    }
}

#[test]
fn random_bytes_break_nothing() {
    for &(_, run) in TARGETS {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for _ in 0..100 {
            let mut next = || {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state
            };
            let length = next() % 400;
            let data: Vec<u8> = (0..length).map(|_| (next() >> 32) as u8).collect();
            run(&data);
        }
    }
}

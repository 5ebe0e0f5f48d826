//! What the fuzz targets have found worth keeping, run once more: `fuzz/corpus/`, replayed without a fuzzer.
//!
//! The bodies of the targets lie in `fuzz/src/bodies/`, which both this file and the fuzz targets compile. `fuzz/README.md` says how to
//! let them run for longer.
//!
//! Next: `fuzz/src/bodies/mod.rs`.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

// Public for the fuzz targets, which are other crates.
#[allow(unreachable_pub)]
#[path = "../fuzz/src/bodies/mod.rs"]
mod bodies;

/// The inputs that are kept for a target, in the order of their names.
fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_input_that_is_kept_keeps_its_promises() {
    let mut broken = Vec::new();
    for &(target, check) in bodies::ALL {
        let paths = corpus(target);
        assert!(!paths.is_empty(), "nothing is kept for {target}");
        for path in paths {
            let data = fs::read(&path).expect("readable");
            if catch_unwind(|| check(&data)).is_err() {
                broken.push(path.display().to_string());
            }
        }
    }
    assert!(broken.is_empty(), "these inputs break a promise:\n{}", broken.join("\n"));
}

#[test]
fn a_corpus_is_small_and_belongs_to_a_target() {
    const BYTES_MAX: u64 = 100 * 1024;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut bytes = 0;
    for entry in fs::read_dir(folder).expect("readable") {
        let name = entry.expect("readable").file_name().into_string().expect("text");
        assert!(bodies::ALL.iter().any(|(target, _)| *target == name), "{name} is no target");
        bytes += corpus(&name).iter().map(|path| fs::metadata(path).expect("readable").len()).sum::<u64>();
    }
    assert!(bytes <= BYTES_MAX, "{bytes} bytes: minimize the corpora, as fuzz/README.md says");
}

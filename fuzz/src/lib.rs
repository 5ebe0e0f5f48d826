//! What the fuzz targets do, for those who start them: `fuzz_targets/` for ever, the tests once.
//!
//! ```text
//!   fuzz_targets/NAME.rs ─────────────► bodies/NAME.rs     the oracles, which need nothing but the library
//!           └────────────► references/ ──────┘             other people's parsers, which only this workspace has
//!                          differential.rs                 where they differ from the library, and that it is known
//!   ../tests/fuzz_corpus.rs ──────────► bodies/            replays corpus/ with plain `cargo test`
//! ```
//!
//! Next: `bodies/mod.rs`, then `differential.rs`.

#![forbid(unsafe_code)]

pub mod bodies;
pub mod differential;
pub mod references;

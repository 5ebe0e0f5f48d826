//! The bodies of the fuzz targets: each takes bytes, and panics if the library breaks a promise about them.
//!
//! `fuzz_targets/` calls them with what libFuzzer thinks of, `tests/fuzz_corpus.rs` of the library with what lies in `corpus/`. So they
//! need nothing that the library's own tests do not have.
//!
//! | body | the bytes are | what has to hold |
//! | --- | --- | --- |
//! | `head` | a request's head | the same verdict however it is cut; exactly what the grammar of `model.rs` says |
//! | `framing` | fields and a body behind a request line | the body and the next request are where `model.rs` says |
//! | `chunks` | a chunked body | as `model.rs` decodes it, however it is cut; what is encoded is decoded |
//! | `response` | a server's answers | the same pieces however they are cut; what `write_head` writes is read |
//! | `query`, `form` | a query, a form's body | what a decoder that guesses reads, wherever nothing has to be guessed |
//! | `channel` | a path behind `/channels/` | a name as the documentation describes it, or a refusal |
//! | `sse` | messages | whoever reads the stream as the standards say has got exactly these |
//! | `engine` | a script of what peers, the clock and a handler do | the law of events; nothing is left over |
//! | `requests` | a connection's bytes | however they are cut; the differential target adds other people's readers |
//!
//! Next: `pieces.rs`, `model.rs`.

pub mod channel;
pub mod chunks;
pub mod engine;
pub mod form;
pub mod framing;
pub mod head;
pub mod model;
pub mod pieces;
pub mod player;
pub mod query;
pub mod requests;
pub mod response;
pub mod sse;

/// A body: it returns if all is well.
pub type Body = fn(&[u8]);

/// All of them, by the names of their targets.
pub const ALL: &[(&str, Body)] = &[
    ("channel", channel::check),
    ("chunks", chunks::check),
    ("differential", requests::check),
    ("engine", engine::check),
    ("form", form::check),
    ("framing", framing::check),
    ("head", head::check),
    ("query", query::check),
    ("response", response::check),
    ("sse", sse::check),
];

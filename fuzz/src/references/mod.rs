//! Other people's parsers, which the targets compare the library with. Only this workspace depends on them.
//!
//! Next: `urlencoded.rs`, `hyper.rs`, `llhttp.rs`.

pub mod hyper;
pub mod llhttp;
pub mod urlencoded;

/// What a reader understood of a connection's bytes, and of their end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    pub messages: Vec<Message>,
    /// Why it read no further, if it refused to.
    pub refusal: Option<String>,
}

/// A request that a reader served, at least its head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub method: String,
    /// The target, as far as the reader tells it as it came.
    pub target: String,
    pub body: Vec<u8>,
    /// Whether the body's end has come.
    pub is_complete: bool,
}

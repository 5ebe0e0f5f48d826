//! `encke subscribe`, `encke publish` and what the command says about itself, as a shell runs them: a child, pipes, signals, exit codes.
//!
//! On the other end is Encke itself, or a server that says what a test tells it to (`script.rs`), or Encke behind a wire that is cut
//! (`wire.rs`).

mod answers;
mod child;
mod endings;
mod paper;
mod publish;
mod script;
mod subscribe;
#[path = "../support/mod.rs"]
mod support;
mod wire;

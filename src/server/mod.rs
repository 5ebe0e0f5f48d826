//! The ready-made application: `encke serve`, one [`Handler`](crate::Handler) among others, with no private door.
//!
//! ```text
//!   command line ─► config ─► run ─► Reactor<App>
//!                                      └─ Begin ─► routes ─► publish | subscribe | page
//! ```
//!
//! `main.rs` calls [`main`]. Everything here is built on the public API, and whatever it can do, an embedder can do.
//!
//! Next: `config.rs`, `routes.rs`.

mod config;
mod origin;
mod publish;
mod reply;
mod routes;
mod run;
mod subscribe;

pub use run::main;

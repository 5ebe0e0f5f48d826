//! The ready-made application: `encke serve`, one [`Handler`](crate::Handler) among others, with no private door.
//!
//! ```text
//!   command line ─► flags ─► config ─► run ─► Reactor<App>
//!                                               └─ Begin ─► access ─► routes ─► publish | subscribe | demo
//! ```
//!
//! `command/` calls [`serve`]. Everything here is built on the public API, and whatever it can do, an embedder can do.
//!
//! Next: `flags.rs`, `run.rs`, `routes.rs`.

mod access;
mod ask;
mod conditions;
mod config;
mod delete;
mod demo;
mod flags;
mod greeting;
mod keys;
mod listen;
mod metrics;
mod origin;
mod poll;
mod publish;
mod reply;
mod routes;
mod run;
mod subscribe;

pub(crate) use flags::{EXAMPLES, Flags};
pub use routes::channel_name;
pub(crate) use run::serve;

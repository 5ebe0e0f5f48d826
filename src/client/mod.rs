//! The other end: `encke subscribe` and `encke publish`, for scripts and terminals.
//!
//! ```text
//!   subscribe   flags ─► address ─► connection ─► head ─► sse | lines | poll ─► Told ─► sink ─► standard output
//!                          ▲                                                     │
//!                          └──────── backoff ◄── cut, silent, busy ◄─ cursor ────┘
//!
//!   publish     standard input ─► input ─► queue ─► connection ─► answers ─► progress
//!                                            ▲ what is not answered, with the same keys
//! ```
//!
//! `command/` calls [`subscribe`] and [`publish`]. They speak to any server: Encke's answers are only understood better. Sockets block,
//! with a deadline for each wait; a signal, a closed pipe or the end of the given time ends the process from a thread beside
//! (`ending.rs`).
//!
//! What always holds: what comes is printed at once; what was missed is said; what is retried is published
//! once while the channel holds it.
//!
//! Absent on purpose: TLS, compression, proxies of the environment, cookies.
//!
//! Next: `flags.rs`, `subscribe.rs`, `publish.rs`.

mod address;
mod backoff;
mod connection;
mod ending;
mod flags;
mod hearing;
mod input;
mod lines;
mod messages;
mod posts;
mod progress;
mod publish;
mod sink;
mod sse;
mod status;
mod subscribe;

pub(crate) use flags::{PUBLISH_EXAMPLES, PublishFlags, SUBSCRIBE_EXAMPLES, SubscribeFlags};
pub(crate) use publish::publish;
pub(crate) use subscribe::subscribe;

//! The whole engine without a socket: a seeded world in which peers misbehave, and oracles that hold the law of events over it.
//!
//! ```text
//!   rng ─► world ─► peer ═ link ═ Engine ─► app ─► history ─► oracle, hearing, keeping
//! ```
//!
//! * Stories: named scripts, each with the transcript of what happened as golden text.
//! * Storms: many seeds, each a world of its own. `ENCKE_SEED=n` replays one, `ENCKE_SEEDS=n` runs more of them.
//!
//! Next: `rng.rs`, and from there as each file says.

mod app;
mod audience;
mod channels;
mod crowd;
mod forged;
mod forged_channels;
mod healthy;
mod hearing;
mod history;
mod keeping;
mod link;
mod oracle;
mod peer;
mod record;
mod rng;
mod script;
mod shape;
mod stories;
mod storms;
mod words;
mod world;

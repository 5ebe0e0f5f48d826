//! The whole engine without a socket: a seeded world in which peers misbehave, and oracles that hold the law of events over it.
//!
//! ```text
//!   rng ─► world ─► peer ═ link ═ Engine ─► app ─► history ─► oracle, hearing, keeping
//! ```
//!
//! * Stories: named scripts, each with the transcript of what happened as golden text.
//! * Storms: many seeds, each a world of its own. `ENCKE_SEED=n` replays one, `ENCKE_SEEDS=n` runs more of them. The long run is
//!   `ENCKE_SEEDS=100000 cargo test --release --test simulation storms -- --nocapture`, which shows how far it has come.
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
mod mishaps;
mod oracle;
mod peer;
mod record;
mod rng;
mod script;
mod seeds;
mod shape;
mod shares;
mod stories;
mod storms;
mod words;
mod world;

//! The codec as a peer sees it: bytes in, meanings or refusals out.
//!
//! Tables of wire bytes with what they mean and the section that says so. Each case is read whole, byte by byte, cut at
//! every point, and with a second request behind it, and has to come out the same: a verdict that depends on how bytes
//! were cut is a hole.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `wire.rs` | the reader that the other files drive, and the cutting |
//! | `accepted.rs` | requests and what they mean |
//! | `refused_heads.rs`, `refused_bodies.rs` | the golden list of refusals |
//! | `bounds.rs` | 414 and 431 to the byte |
//! | `answers.rs` | what the server writes, read by the peer's reader; and what that reader refuses |
//! | `round_trips.rs` | what the peer's writer writes, read by the server |
//! | `random.rs` | mutated and random bytes by seed |

#[path = "codec/accepted.rs"]
mod accepted;
#[path = "codec/answers.rs"]
mod answers;
#[path = "codec/bounds.rs"]
mod bounds;
#[path = "codec/random.rs"]
mod random;
#[path = "codec/refused_bodies.rs"]
mod refused_bodies;
#[path = "codec/refused_heads.rs"]
mod refused_heads;
#[path = "codec/round_trips.rs"]
mod round_trips;
#[path = "codec/wire.rs"]
mod wire;

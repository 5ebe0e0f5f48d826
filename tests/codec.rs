//! The codec as a peer sees it: bytes in, meanings or refusals out.
//!
//! Tables of wire bytes with what they mean and the section that says so. Each case is read whole, byte by byte, cut at
//! every point, and with a second request behind it, and has to come out the same: a verdict that depends on how bytes
//! were cut is a hole.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `wire.rs` | the reader that the other files drive, and the cutting |
//! | `requests.txt` | the golden list: bytes, verdict, section, reason. `tests/requests.rs` runs it through the engine and the command |
//! | `cases.rs`, `listed.rs` | the list as values, and through the codec |
//! | `accepted.rs` | what can be asked of a request that is served |
//! | `bounds.rs`, `chunk_bounds.rs` | 414, 431 and what may stand around data, to the byte |
//! | `answers.rs` | what the server writes, read by the peer's reader; and what that reader refuses |
//! | `round_trips.rs` | what the peer's writer writes, read by the server |
//! | `random.rs`, `dice.rs` | mutated and random bytes by seed |

#[path = "codec/accepted.rs"]
mod accepted;
#[path = "codec/answers.rs"]
mod answers;
#[path = "codec/bounds.rs"]
mod bounds;
#[path = "codec/cases.rs"]
mod cases;
#[path = "codec/chunk_bounds.rs"]
mod chunk_bounds;
#[path = "codec/dice.rs"]
mod dice;
#[path = "codec/listed.rs"]
mod listed;
#[path = "codec/random.rs"]
mod random;
#[path = "codec/round_trips.rs"]
mod round_trips;
#[path = "codec/wire.rs"]
mod wire;

//! Requests as they come over the wire: the golden list through the whole engine and through the command, and what drips.
//!
//! `tests/codec.rs` runs the same list through the codec alone.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `waits.rs` | heads and bodies that come drop by drop, in virtual time |

#[path = "requests/waits.rs"]
mod waits;

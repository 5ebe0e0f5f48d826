//! Requests as they come over the wire: the golden list through the whole engine and through the command, and what drips.
//!
//! `tests/codec.rs` runs the same list through the codec alone.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `ends.rs` | the peer's end, wherever in a request it comes |
//! | `waits.rs` | heads and bodies that come drop by drop, in virtual time |

#[path = "requests/ends.rs"]
mod ends;
#[path = "requests/waits.rs"]
mod waits;

//! Requests as they come over the wire: the golden list through the whole engine and through the command, and what drips or ends.
//!
//! `tests/codec.rs` runs the same list, `tests/codec/requests.txt`, through the codec alone.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `engine.rs`, `serve.rs` | the list: what is served, what is refused, and that nothing is smuggled |
//! | `heard.rs` | the answers in what a peer has received |
//! | `lessons.rs` | what broke elsewhere, line by line of `docs/LESSONS.md` |
//! | `routes.rs` | every path of the command with every method, garbage behind answers, and answers that must not be lost |
//! | `ends.rs` | the peer's end, wherever in a request it comes |
//! | `waits.rs` | heads and bodies that come drop by drop, in virtual time |

#[path = "codec/cases.rs"]
mod cases;
#[path = "codec/dice.rs"]
mod dice;
#[path = "requests/ends.rs"]
mod ends;
#[path = "requests/engine.rs"]
mod engine;
#[path = "requests/heard.rs"]
mod heard;
#[path = "requests/lessons.rs"]
mod lessons;
#[path = "requests/routes.rs"]
mod routes;
#[path = "requests/serve.rs"]
mod serve;
mod support;
#[path = "requests/waits.rs"]
mod waits;

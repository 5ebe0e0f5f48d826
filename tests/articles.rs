//! The programs of the articles in `examples/`, run as they stand: what they show, and the six classic bugs of the originals, which they
//! must not have.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `running.rs` | an example on a thread of its own, which ends with the test |
//! | `chat.rs` | `ChatServlet` and `MessageSender` |
//! | `random.rs` | `TestComet`, `RandomSender` and the steps of `HttpLongClient` |
//!
//! The examples are included by path and not started as commands: so a test can see how many threads there are, and
//! runs what was compiled with it.

mod support;

#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../examples/chat/main.rs"]
mod chat;
#[allow(dead_code, reason = "its `main` is not called")]
#[path = "../examples/random.rs"]
mod random;

#[path = "articles/chat.rs"]
mod of_chat;
#[path = "articles/random.rs"]
mod of_random;
#[path = "articles/running.rs"]
mod running;

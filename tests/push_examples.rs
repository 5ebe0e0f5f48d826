//! The pushing examples as they stand: each is started as a child, and asked as its own page says.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `running.rs` | an example as a child that cannot outlive its test |
//! | `clock.rs` | half seconds, all of them, and nothing at all when nobody listens |
//! | `log.rs` | what an example says need not be read by anybody |
//! | `quotes.rs` | a snapshot and then exactly the changes behind it |
//! | `orders.rs` | what the first article asks of a push API, and what polling costs beside it |
//! | `upload.rs` | back-pressure: memory, progress, full disks, peers that vanish |
//!
//! `cargo test` builds the examples. With `cargo test --test push_examples` alone, build them first: `cargo build --examples`.

mod support;

#[path = "push_examples/clock.rs"]
mod clock;
#[path = "push_examples/log.rs"]
mod log;
#[path = "push_examples/orders.rs"]
mod orders;
#[path = "push_examples/quotes.rs"]
mod quotes;
#[path = "push_examples/running.rs"]
mod running;
#[path = "push_examples/upload.rs"]
mod upload;

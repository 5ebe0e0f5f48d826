//! The engine inside a bare epoll loop that is the host's own: no reactor, no runtime, nothing between you and the kernel.
//!
//! The host has its sockets and its clock, and a UDP socket beside: each datagram is published to the channel `udp`, and `stop` stops
//! everything. `cargo run --example embed_in_your_own_loop`, or with another port behind it, and then, each in a terminal:
//!
//! ```text
//! curl -N localhost:8080/udp
//! printf 'hello from a datagram' | nc -u -w0 127.0.0.1 8080
//! printf 'stop' | nc -u -w0 127.0.0.1 8080
//! ```
//!
//! `link.rs` is what a connection is to the engine, `host.rs` the loop. Who has no such wish embeds a `Reactor`, as `in_mio` and `in_tokio`
//! do: it is less to write, and accepts with more care.

#[cfg(target_os = "linux")]
#[path = "../guest/mod.rs"]
mod guest;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod link;

#[cfg(target_os = "linux")]
fn main() -> std::io::Result<()> {
    host::run()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("this example is written for epoll; `in_mio` runs everywhere");
}

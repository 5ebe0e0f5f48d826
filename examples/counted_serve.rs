//! The `encke` command with an allocator that counts: for each line that it is sent, it tells how many bytes are allocated and not freed.
//! `cargo run --example counted_serve -- --listen 9090`, then press Enter.
//!
//! A program that embeds the library may choose any allocator, and so may one around the command. `tests/faults/soak.rs` runs this one to
//! see whether anything is kept of guests who have left: a process' size cannot tell, as an allocator keeps pages for later.
//!
//! Always holds: the answer, `live N` on standard error, costs no allocation, so asking changes nothing.

use std::alloc::System;
use std::io::{Read, Write, stderr, stdin};
use std::process::ExitCode;
use std::thread;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    thread::spawn(|| {
        // Byte by byte, into no buffer but the one that standard input has from its first byte on.
        for byte in stdin().lock().bytes() {
            match byte {
                Ok(b'\n') => tell_live_bytes(),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    });
    encke::command::main()
}

fn tell_live_bytes() {
    let stats = ALLOCATOR.stats();
    // Growing and shrinking count as allocating and freeing.
    let live = stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated);
    let _ = writeln!(stderr(), "live {live}");
}

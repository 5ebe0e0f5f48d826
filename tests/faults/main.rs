//! Real faults over real sockets: each is brought about on purpose, beside peers that behave, and what those get is measured.
//!
//! | file | fault |
//! | --- | --- |
//! | `clocks.rs` | a wall clock that is set back |
//! | `crowding.rs` | one address that wants everything, and a table that is full |
//! | `cuts.rs` | ten thousand links cut, half of them in the middle of a fan-out |
//! | `dawdling.rs` | crowds that send or read as slowly as they may |
//! | `descriptors.rs` | no descriptor left for a newcomer |
//! | `disks.rs` | a full disk under `examples/upload` |
//! | `handlers.rs` | an embedder's handler that panics or blocks |
//! | `hoarding.rs` | publishers who begin large messages and never finish them |
//! | `mailbox.rs` | threads that post faster than the loop can work |
//! | `readers.rs` | a thousand readers who stop beside a thousand who read |
//! | `restarts.rs` | a server killed or stopped in the middle of a fan-out, and back |
//! | `soak.rs` | guests of every kind, well and badly behaved, for half an hour |
//! | `vanishing.rs` | peers behind a link that goes down: no FIN, no reset, only silence |
//!
//! | file | what they share |
//! | --- | --- |
//! | `embedder.rs` | a reactor on a thread, with a handler that does what it must not |
//! | `fleet.rs` | event sources by the thousand, who come back with their cursors |
//! | `guests.rs` | all that peers may do, by the draw of a seed |
//! | `machine.rs` | what the machine says of a process and of its own memory |
//! | `siege.rs` | a crowd of attackers who come back when they are cut |
//! | `visitor.rs` | somebody who behaves, and how long that takes |
//!
//! `cargo test` builds the examples. With `cargo test --test faults` alone, build them first: `cargo build --examples`.
//!
//! Every fault has two forms: a short one of a few seconds, which `cargo test` runs, and with `ENCKE_FAULTS=long` the one whose figures are
//! in `docs/FAULTS.md`. The forms differ in numbers only. `cargo test --release --test faults -- --nocapture` prints the figures.
//!
//! Always holds: one fault at a time, since each wants the machine for itself ([`alone`]); and nothing is left behind, no process, no file, no
//! namespace.

#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, reason = "the faults use a part")]
#[path = "../simulation/rng.rs"]
mod rng;

// The examples as children.
#[allow(dead_code, reason = "the faults use a part")]
#[path = "../push_examples/running.rs"]
mod running;

mod clocks;
mod crowding;
mod cuts;
mod dawdling;
mod descriptors;
mod disks;
mod embedder;
mod fleet;
mod guests;
mod handlers;
mod hoarding;
mod machine;
mod mailbox;
mod readers;
mod restarts;
mod siege;
mod soak;
mod vanishing;
mod visitor;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The form that this run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Seconds.
    Short,
    /// Minutes, with numbers as large as the promise.
    Long,
}

impl Form {
    /// What `ENCKE_FAULTS` asks for.
    pub(crate) fn of_this_run() -> Form {
        match std::env::var("ENCKE_FAULTS").as_deref() {
            Err(_) | Ok("short") => Form::Short,
            Ok("long") => Form::Long,
            Ok(other) => panic!("ENCKE_FAULTS is short or long, and not {other:?}"),
        }
    }

    /// A number of this form.
    pub(crate) fn pick<T>(self, short: T, long: T) -> T {
        match self {
            Form::Short => short,
            Form::Long => long,
        }
    }
}

/// Waits until no other fault of this program runs, and raises the bound of open files as far as it may be raised: every fault begins
/// with this, and keeps it.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    // A fault that failed has left nothing behind that would harm the next.
    let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    machine::raise_file_limit();
    guard
}

/// Prints what was measured: one line, as `docs/FAULTS.md` has it.
pub(crate) fn tell(fault: &str, figures: std::fmt::Arguments<'_>) {
    println!("{fault} ({:?}, {}): {figures}", Form::of_this_run(), BUILD);
}

const BUILD: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

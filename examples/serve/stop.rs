//! The way out of a program that serves: a signal asks for it, and a second one is from somebody who will not wait.
//!
//! Called by: the examples that serve until they are told to stop, on a thread of its own.

use std::process::exit;
use std::thread;
use std::time::Duration;

use signal_hook::iterator::Signals;

/// Waits for a signal, and then asks until it was heard: a mailbox may be full just then.
pub(crate) fn at_a_signal(mut signals: Signals, ask: impl Fn() -> bool) {
    signals.forever().next();
    while !ask() {
        if let Some(second) = signals.pending().next() {
            exit(128 + second);
        }
        thread::sleep(Duration::from_millis(10));
    }
    if let Some(second) = signals.forever().next() {
        exit(128 + second);
    }
}

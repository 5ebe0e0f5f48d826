//! Ends that come from outside: a signal, a pipe that nobody reads any more, the time that was given.
//!
//! `subscribe.rs` and `publish.rs` begin the watch and take the gate while they print. Each watcher is a thread that waits for one
//! thing and then ends the process: whatever is blocked at that moment, a name that is looked up, a connection that is not taken, a
//! terminal that stands still, does not hold it up.
//!
//! Invariant: who ends the process waits for the gate, so no line is cut, but not longer than [`MANNERS`].
//!
//! Next: `subscribe.rs`.

use std::io::{self, Stdout};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::backoff::pause;
use crate::exit::Exit;

/// Taken by who writes to standard output, for as long as one write takes.
pub(crate) static GATE: Mutex<()> = Mutex::new(());

/// How long an end waits for a line that is being written.
const MANNERS: Duration = Duration::from_millis(200);

/// What a command has to say when it is ended from outside: a line for standard error, or nothing.
pub(crate) type Farewell = fn() -> Option<String>;

/// Ends at SIGINT and SIGTERM, with 128 and the signal's number.
pub(crate) fn watch_signals(farewell: Farewell) -> Result<(), String> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).map_err(|error| format!("cannot watch signals: {error}"))?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            end(Exit::Signal(signal), farewell());
        }
    });
    Ok(())
}

/// Ends as soon as nobody can read standard output any more, as `head` leaves when it has enough.
pub(crate) fn watch_reader() {
    thread::spawn(|| {
        let out: Stdout = io::stdout();
        // Asked for nothing, poll tells of an error or a hang-up alone.
        let mut watched = [PollFd::new(&out, PollFlags::empty())];
        let mut polled = poll(&mut watched, None);
        while polled == Err(Errno::INTR) {
            polled = poll(&mut watched, None);
        }
        // Where it cannot be watched, the next message that cannot be printed tells.
        if watched[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            end(Exit::Done, None);
        }
    });
}

/// Ends when this time is over.
pub(crate) fn watch_time(wait: Duration, farewell: Farewell) {
    thread::spawn(move || {
        pause(wait);
        let line = farewell().map_or_else(|| "time is up".to_owned(), |said| format!("time is up; {said}"));
        end(Exit::TimeUp, Some(line));
    });
}

fn end(exit: Exit, line: Option<String>) -> ! {
    let begun = Instant::now();
    let mut gate = GATE.try_lock();
    while gate.is_err() && begun.elapsed() < MANNERS {
        thread::park_timeout(Duration::from_millis(2));
        gate = GATE.try_lock();
    }
    if let Some(line) = line {
        let _ = exit.saying(&line);
    }
    std::process::exit(exit.code().into())
}

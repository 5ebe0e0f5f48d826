//! What `encke publish` shows while it runs: how many and how fast, on a terminal only.
//!
//! `publish.rs` counts; the watchers of `ending.rs` ask for a last word from their own threads, so the counts are the process's.
//!
//! Invariant: nothing is shown where nobody looks, and no line of words is mixed with the one that changes.
//!
//! Next: `publish.rs`.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

static PUBLISHED: AtomicU64 = AtomicU64::new(0);
static UNDER_WAY: AtomicU64 = AtomicU64::new(0);
/// Whether the line that changes is on the screen.
static IS_SHOWN: AtomicBool = AtomicBool::new(false);

/// The line changes so often at most.
const BEAT: Duration = Duration::from_millis(100);

/// How far it has got.
pub(crate) struct Progress {
    begun: Instant,
    beat: Option<Instant>,
    /// Whether somebody looks.
    is_watched: bool,
}

impl Progress {
    /// `talk` is whether words are wanted at all.
    pub(crate) fn new(talk: bool) -> Progress {
        Progress { begun: Instant::now(), beat: None, is_watched: talk && io::stderr().is_terminal() }
    }

    /// So many more are published, and so many more are on their way.
    pub(crate) fn count(&mut self, published: u64, under_way: u64) {
        PUBLISHED.fetch_add(published, Ordering::Relaxed);
        UNDER_WAY.store(under_way, Ordering::Relaxed);
        if self.is_watched && self.beat.is_none_or(|beat| beat.elapsed() >= BEAT) {
            self.beat = Some(Instant::now());
            let mut err = io::stderr();
            let _ = write!(err, "\r\x1b[K{}", self.line()).and_then(|()| err.flush());
            IS_SHOWN.store(true, Ordering::Relaxed);
        }
    }

    /// Says something on a line of its own.
    pub(crate) fn say(&mut self, line: &str) {
        clear();
        let _ = writeln!(io::stderr(), "encke: {line}");
    }

    /// The last word.
    pub(crate) fn finish(&mut self) {
        clear();
        if self.is_watched {
            let _ = writeln!(io::stderr(), "{}", self.line());
        }
    }

    fn line(&self) -> String {
        let count = published();
        let rate = count as f64 / self.begun.elapsed().as_secs_f64().max(0.001);
        format!("{count} published, {rate:.0}/s")
    }
}

pub(crate) fn published() -> u64 {
    PUBLISHED.load(Ordering::Relaxed)
}

/// What there is to say when it is ended from outside.
pub(crate) fn farewell() -> Option<String> {
    clear();
    Some(match (published(), UNDER_WAY.load(Ordering::Relaxed)) {
        (published, 0) => format!("{published} published"),
        (published, under_way) => format!("{published} published, and of {under_way} more nobody has heard"),
    })
}

/// Takes the line that changes off the screen.
fn clear() {
    if IS_SHOWN.swap(false, Ordering::Relaxed) {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

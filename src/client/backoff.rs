//! How long to wait before the next try: exponential, with full jitter, so that all who were cut together do not return together.
//!
//! `subscribe.rs` and `publish.rs` ask, and wait with [`pause`].
//!
//! Invariant: a wait is at least what the server asked for, and beyond that at most [`MOST`].
//!
//! Next: `connection.rs`.

use std::thread;
use std::time::{Duration, Instant};

/// What a wait grows to.
pub(crate) const MOST: Duration = Duration::from_secs(30);

/// The longest wait that a server may ask for.
const ASKED_MOST: Duration = Duration::from_secs(3600);

/// Counts the tries that came to nothing.
#[derive(Debug)]
pub(crate) struct Backoff {
    base: Duration,
    tries: u32,
}

impl Backoff {
    pub(crate) fn new(base: Duration) -> Backoff {
        Backoff { base, tries: 0 }
    }

    /// Something has worked.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }

    /// How long to wait now, not before what the server asked for.
    pub(crate) fn next(&mut self, asked: Duration) -> Duration {
        self.next_at(asked, fastrand::f64())
    }

    /// `chance` is from 0 to 1.
    fn next_at(&mut self, asked: Duration, chance: f64) -> Duration {
        let ceiling = self.base.saturating_mul(1 << self.tries.min(16)).min(MOST);
        self.tries = self.tries.saturating_add(1);
        asked.min(ASKED_MOST) + ceiling.mul_f64(chance)
    }
}

/// Waits.
pub(crate) fn pause(wait: Duration) {
    let end = Instant::now() + wait;
    // A thread may be woken for no reason.
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_begin_anew_when_it_works() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        let most = |backoff: &mut Backoff| backoff.next_at(Duration::ZERO, 1.0).as_secs();
        let waits: Vec<u64> = (0..8).map(|_| most(&mut backoff)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
        backoff.reset();
        assert_eq!(most(&mut backoff), 1);
        assert_eq!(backoff.next_at(Duration::ZERO, 0.0), Duration::ZERO);
    }

    #[test]
    fn a_wait_that_the_server_asks_for_is_kept_and_spread() {
        let mut backoff = Backoff::new(Duration::from_secs(1));
        assert_eq!(backoff.next_at(Duration::from_secs(5), 0.5), Duration::from_millis(5_500));
        let day = Duration::from_secs(24 * 3600);
        assert_eq!(backoff.next_at(day, 0.0), Duration::from_secs(3600));
    }
}

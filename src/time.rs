//! Time as plain numbers that are handed in from outside.
//!
//! There is no `now()` in this file, and nothing below `reactor/` asks a clock: whoever drives the engine says what
//! time it is. So the simulator owns time, an hour of heartbeats takes milliseconds in a test, and cheating does
//! not compile.
//!
//! * [`Instant`] is what a caller hands in: microseconds since a moment of its choosing, never decreasing.
//! * [`Now`] adds the wall clock, which only the `Date` field and log lines need.
//! * `Tick` is what the engine stores: 10 ms in four bytes, compared so that it may wrap.
//!
//! Next: `id.rs`. The one user of ticks is `engine/`.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment on a monotonic clock: microseconds since an origin that the caller chose.
///
/// Only differences mean anything. It covers 584,000 years, so it is never checked for overflow beyond saturation.
///
/// ```
/// use encke::time::Instant;
/// use std::time::Duration;
///
/// let (start, end) = (Instant::from_micros(500), Instant::from_micros(2_500));
/// assert_eq!(end - start, Duration::from_millis(2));
/// assert_eq!(start.since(end), Duration::ZERO, "never negative");
/// assert_eq!((start + Duration::from_millis(2)).as_micros(), 2_500);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    micros: u64,
}

impl Instant {
    /// The moment `micros` microseconds after the origin.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Instant {
        Instant { micros }
    }

    /// Microseconds since the origin.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.micros
    }

    /// How long after `earlier` this moment is; zero if it is not after it.
    ///
    /// ```
    /// use encke::time::Instant;
    /// use std::time::Duration;
    ///
    /// let (early, late) = (Instant::from_micros(10), Instant::from_micros(25));
    /// assert_eq!((late.since(early), early.since(late)), (Duration::from_micros(15), Duration::ZERO));
    /// ```
    #[must_use]
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.micros.saturating_sub(earlier.micros))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Instant { micros: self.micros.saturating_add(micros) }
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

/// What time it is: the two clocks that the engine is handed with every call.
///
/// ```
/// use encke::time::{Instant, Now};
/// use std::time::{SystemTime, UNIX_EPOCH};
///
/// // What a driver of an engine hands in: one clock that never jumps, one that everybody shares.
/// let origin = std::time::Instant::now();
/// let clock = || Now {
///     at: Instant::from_micros(origin.elapsed().as_micros() as u64),
///     unix_seconds: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
/// };
/// let (before, after) = (clock(), clock());
/// assert!(before.at <= after.at);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock, by which everything is timed. One that runs backwards is held at the latest time seen.
    pub at: Instant,
    /// Seconds since 1970-01-01T00:00:00Z, for the `Date` field (RFC 9110 §6.6.1). It may jump either way.
    pub unix_seconds: u64,
}

/// The engine's unit of time: [`Tick::MICROS`] microseconds, counted in 32 bits that wrap after 497 days.
///
/// Two ticks are compared by the sign of their difference, which is right while they are less than 248 days
/// apart. [`Limits`](crate::Limits) refuses waits of more than a hundred days, so they always are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Tick(u32);

impl Tick {
    /// Microseconds in a tick.
    pub(crate) const MICROS: u64 = 10_000;

    /// The last tick that has begun at `instant`.
    pub(crate) const fn at(instant: Instant) -> Tick {
        Tick((instant.micros / Tick::MICROS) as u32)
    }

    /// The moment at which this tick begins, seen from `now`; `now` itself if it has begun.
    pub(crate) const fn begins(self, now: Instant) -> Instant {
        let ahead = self.since(Tick::at(now));
        if ahead <= 0 {
            return now;
        }
        Instant { micros: (now.micros / Tick::MICROS + ahead as u64) * Tick::MICROS }
    }

    /// The tick as it counts: for the wheel, which works with the bits.
    pub(crate) const fn count(self) -> u32 {
        self.0
    }

    /// The tick `count` ticks after this one.
    pub(crate) const fn plus(self, count: u32) -> Tick {
        Tick(self.0.wrapping_add(count))
    }

    /// How many ticks this one is after `earlier`: negative if it is before it.
    pub(crate) const fn since(self, earlier: Tick) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }

    /// Whether a deadline at this tick has come when the time is `now`.
    pub(crate) const fn is_due(self, now: Tick) -> bool {
        now.since(self) >= 0
    }

    /// The earlier of two deadlines.
    pub(crate) const fn earlier(self, other: Tick) -> Tick {
        if self.since(other) <= 0 { self } else { other }
    }
}

/// A wait in whole ticks, rounded up and one added: counted from the last tick that has begun, such a wait is never
/// too short, and too long by at most two ticks.
pub(crate) fn ticks(wait: Duration) -> u32 {
    let micros = wait.as_micros().min(u128::from(u32::MAX / 4) * u128::from(Tick::MICROS));
    micros.div_ceil(u128::from(Tick::MICROS)) as u32 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_early_and_at_most_two_ticks_late() {
        for start in [0, 1, 9_999, 10_000, 123_456] {
            for wait in [1, 9_999, 10_000, 10_001, 2_000_000] {
                let due = Tick::at(Instant::from_micros(start)).plus(ticks(Duration::from_micros(wait)));
                let fires = u64::from(due.count()) * Tick::MICROS;
                assert!(fires >= start + wait, "{start} + {wait} fires at {fires}");
                assert!(fires <= start + wait + 2 * Tick::MICROS, "{start} + {wait} fires at {fires}");
            }
        }
    }

    #[test]
    fn ticks_wrap_without_confusing_before_and_after() {
        let before = Tick(u32::MAX - 5);
        let after = before.plus(10);
        assert_eq!(after.count(), 4);
        assert!(before.is_due(after) && !after.is_due(before));
        assert_eq!(after.since(before), 10);
        assert_eq!(before.earlier(after), before);
        assert_eq!(after.earlier(before), before);
    }
}

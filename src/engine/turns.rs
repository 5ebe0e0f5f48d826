//! How long turns take, counted in buckets: the one number that tells whether a loop of one thread is well.
//!
//! The driver measures, because the engine knows no clock, and tells with [`Engine::note_turn`](super::Engine::note_turn); a
//! metrics page reads it through [`Core::turns`](super::Core::turns).
//!
//! Invariant: every noted turn is in exactly one bucket, and counting allocates nothing.
//!
//! Next: `shutdown.rs`.

use std::time::Duration;

/// The upper bounds of the buckets, in microseconds: from a turn that served one peer to one that held everybody for a second.
const BOUNDS: [u64; 14] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000];

/// A histogram of the time that turns took, from the poll's return to the turn's end.
///
/// ```
/// use encke::testing::{Link, OnEvent};
/// use encke::{Engine, Limits, time::Now};
/// use std::time::Duration;
///
/// let mut engine = Engine::<Link, _>::new(OnEvent(|_, _| {}), Limits::default(), 1, Now::default())?;
/// engine.note_turn(Duration::from_micros(80));
/// engine.note_turn(Duration::from_secs(2));
/// let turns = engine.core().turns();
/// assert_eq!((turns.count(), turns.sum()), (2, Duration::from_micros(2_000_080)));
/// let below: Vec<u64> = turns.buckets().map(|(_, count)| count).collect();
/// assert_eq!(below[..3], [0, 1, 1]);
/// # Ok::<(), encke::LimitsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TurnTimes {
    /// Turns for each bound, those of no smaller one; those beyond the last bound are in none.
    counts: [u64; BOUNDS.len()],
    count: u64,
    micros: u64,
}

impl TurnTimes {
    /// Each bucket's upper bound and how many turns took at most as long, in rising order: cumulative, as Prometheus has
    /// them. The bucket without a bound is [`count`](TurnTimes::count).
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let sums = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        BOUNDS.iter().map(|&micros| Duration::from_micros(micros)).zip(sums)
    }

    /// Turns so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The time of all of them together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.micros)
    }

    /// Counts a turn.
    pub(crate) fn note(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.count += 1;
        self.micros = self.micros.saturating_add(micros);
        // Most turns are short, so a walk from the shortest ends soon.
        if let Some(index) = BOUNDS.iter().position(|&bound| micros <= bound) {
            self.counts[index] += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_turn_is_counted_from_its_bucket_upwards() {
        let mut turns = TurnTimes::default();
        for micros in [0, 50, 51, 1_000_000, 1_000_001] {
            turns.note(Duration::from_micros(micros));
        }
        let buckets: Vec<(Duration, u64)> = turns.buckets().collect();
        assert_eq!(buckets[0], (Duration::from_micros(50), 2));
        assert_eq!(buckets[1], (Duration::from_micros(100), 3));
        assert_eq!(buckets[BOUNDS.len() - 2].1, 3);
        assert_eq!(buckets[BOUNDS.len() - 1], (Duration::from_secs(1), 4));
        assert_eq!(turns.count(), 5);
    }

    #[test]
    fn the_bounds_rise() {
        assert!(BOUNDS.is_sorted_by(|a, b| a < b));
    }
}

//! Figures: what the start page's instrument shows, once a second while somebody looks.
//!
//! `topics.rs` asks. All of it is what an embedder can see too, and the engine keeps it anyway; the page makes rates of what only grows, so
//! a second that somebody missed spoils nothing.
//!
//! Next: `market.rs`.

use std::time::Duration;

use crate::engine::{Core, TurnTimes};

/// What is remembered from one telling to the next: the longest turn is told of the time between.
#[derive(Default)]
pub(super) struct Figures {
    before: TurnTimes,
}

impl Figures {
    /// One line of JSON. The bounds of the longest turn are those of [`TurnTimes::buckets`]; a turn beyond the last is told as twice that.
    pub(super) fn tell(&mut self, core: &Core) -> String {
        let (counters, hub, turns) = (core.counters(), core.hub().stats(), core.turns());
        let longest = longest_between(&self.before, turns).as_micros();
        self.before = turns.clone();
        // The epoch is when the hub began, in Unix milliseconds.
        let uptime = core.now().unix_seconds.saturating_sub(core.hub().head().epoch / 1000);
        format!(
            concat!(
                "{{\"at\":{},\"uptime\":{},\"connections\":{},\"subscribers\":{},\"channels\":{},\"memory\":{},",
                "\"published\":{},\"delivered\":{},\"sent\":{},\"received\":{},\"requests\":{},",
                "\"turns\":{},\"turn_micros\":{},\"longest_micros\":{}}}"
            ),
            core.now().at.as_micros(),
            uptime,
            core.connections(),
            hub.subscribers,
            hub.channels,
            hub.memory,
            hub.published,
            hub.delivered,
            counters.bytes_out,
            counters.bytes_in,
            counters.exchanges,
            turns.count(),
            turns.sum().as_micros(),
            longest,
        )
    }
}

/// The bound of the slowest bucket that has grown. Zero if no turn was noted.
fn longest_between(before: &TurnTimes, after: &TurnTimes) -> Duration {
    let all = after.count() - before.count();
    if all == 0 {
        return Duration::ZERO;
    }
    let mut last = Duration::ZERO;
    for ((bound, then), (_, now)) in before.buckets().zip(after.buckets()) {
        // The buckets are cumulative: the first that holds all new turns holds the longest.
        if now - then == all {
            return bound;
        }
        last = bound;
    }
    last * 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(micros: &[u64]) -> TurnTimes {
        let mut times = TurnTimes::default();
        micros.iter().for_each(|&micros| times.note(Duration::from_micros(micros)));
        times
    }

    #[test]
    fn the_longest_turn_is_that_of_the_time_between() {
        let before = times(&[2_000_000, 30]);
        let mut after = before.clone();
        assert_eq!(longest_between(&before, &after), Duration::ZERO);
        after.note(Duration::from_micros(80));
        assert_eq!(longest_between(&before, &after), Duration::from_micros(100));
        after.note(Duration::from_secs(9));
        assert_eq!(longest_between(&before, &after), Duration::from_secs(2));
    }
}

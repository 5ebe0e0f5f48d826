//! Ages: all messages of the hub in the order in which they came, so that the oldest is found wherever it lies.
//!
//! Called by: `mod.rs`. Age and memory are bounds over the whole hub, and this one queue serves both: the front has waited longest,
//! is the first to be too old, and the first to go when memory is short.
//!
//! ```text
//!   front [ 12 news | 13 chat | 14 news | 15 chat | 17 news ] back     each with the tick at which it came
//!            ✂ a ring that trims by itself leaves its entries standing; they are passed over when they come to the front
//! ```
//!
//! Invariant: the numbers ascend; there is an entry for each message that is held, and the front is one of those.
//! Next: `channel.rs`.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::{Tick, ticks};

/// One message: sixteen bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age {
    pub(crate) seq: u64,
    pub(crate) channel: u32,
    tick: Tick,
}

/// The queue.
pub(crate) struct Ages {
    queue: VecDeque<Age>,
    age_max: u32,
}

impl Ages {
    pub(crate) fn new(age_max: Duration) -> Ages {
        Ages { queue: VecDeque::new(), age_max: ticks(age_max) }
    }

    pub(crate) fn push(&mut self, seq: u64, channel: u32, now: Tick) {
        debug_assert!(self.queue.back().is_none_or(|last| last.seq < seq), "numbers grow");
        self.queue.push_back(Age { seq, channel, tick: now });
    }

    /// The message that came first of those held.
    pub(crate) fn oldest(&self) -> Option<Age> {
        self.queue.front().copied()
    }

    /// The one that came first, if it is too old.
    pub(crate) fn expired(&self, now: Tick) -> Option<Age> {
        self.oldest().filter(|age| self.end(age).is_due(now))
    }

    /// When the first of those held is too old.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.oldest().map(|age| self.end(&age))
    }

    fn end(&self, age: &Age) -> Tick {
        age.tick.plus(self.age_max)
    }

    /// Lets go of entries at the front whose messages are gone; and of all such entries, when they have become the most.
    pub(crate) fn settle(&mut self, held: usize, is_held: impl Fn(&Age) -> bool) {
        while self.queue.front().is_some_and(|age| !is_held(age)) {
            self.queue.pop_front();
        }
        const SLACK: usize = 64;
        if self.queue.len() > 2 * held + SLACK {
            self.queue.retain(is_held);
            self.queue.shrink_to(2 * held + 2 * SLACK);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Instant;

    fn tick(millis: u64) -> Tick {
        Tick::at(Instant::from_micros(millis * 1000))
    }

    #[test]
    fn the_oldest_is_the_first_to_be_too_old() {
        let mut ages = Ages::new(Duration::from_secs(1));
        ages.push(3, 0, tick(0));
        ages.push(5, 1, tick(500));
        // A wait of ticks is never too short, and so one longer.
        assert_eq!((ages.expired(tick(1_000)), ages.next()), (None, Some(tick(1_010))));
        assert_eq!(ages.expired(tick(1_010)).map(|age| age.seq), Some(3));
        ages.settle(1, |age| age.seq != 3);
        assert_eq!((ages.expired(tick(1_400)), ages.next()), (None, Some(tick(1_510))));
    }

    #[test]
    fn entries_of_messages_that_are_gone_do_not_pile_up() {
        let mut ages = Ages::new(Duration::from_secs(600));
        ages.push(1, 0, tick(0));
        for seq in 2..100_000 {
            // A ring of one message that is overwritten, behind one that stays.
            ages.push(seq, 1, tick(0));
            ages.settle(2, |age| age.seq == 1 || age.seq == seq);
            assert!(ages.len() <= 70, "{} entries for two messages", ages.len());
        }
    }
}

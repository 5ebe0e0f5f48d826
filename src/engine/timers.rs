//! Timers that handlers set: any number for an exchange, and alarms that belong to no exchange.
//!
//! `Core` sets and cancels them, `engine/mod.rs` takes what is due each turn. They are few beside the connections and wanted to
//! the microsecond, so two sorted maps serve better than a wheel: one by time, one by owner and key.
//!
//! Invariant: both maps hold the same timers, and at an exchange's end all of its timers are forgotten.
//!
//! Next: `deadlines.rs`.

use std::collections::BTreeMap;

use crate::time::Instant;

/// Whose timer it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owner {
    /// The exchange that is open on this slot.
    Exchange(u32),
    /// The handler itself: an alarm.
    Handler,
}

/// All timers of one engine.
#[derive(Default)]
pub(crate) struct Timers {
    by_time: BTreeMap<(Instant, u64), (Owner, u64)>,
    by_owner: BTreeMap<(Owner, u64), (Instant, u64)>,
    serial: u64,
}

impl Timers {
    /// Sets the owner's timer `key`, instead of the one with that key.
    pub(crate) fn set(&mut self, owner: Owner, key: u64, due: Instant) {
        self.cancel(owner, key);
        // The serial number keeps timers of one moment apart, and in the order in which they were set.
        self.serial += 1;
        self.by_time.insert((due, self.serial), (owner, key));
        self.by_owner.insert((owner, key), (due, self.serial));
    }

    /// Forgets the owner's timer `key`, if there is one.
    pub(crate) fn cancel(&mut self, owner: Owner, key: u64) {
        if let Some(when) = self.by_owner.remove(&(owner, key)) {
            self.by_time.remove(&when);
        }
    }

    /// Forgets all timers of `owner`.
    pub(crate) fn cancel_all(&mut self, owner: Owner) {
        if self.by_owner.is_empty() {
            return;
        }
        while let Some((&(_, key), _)) = self.by_owner.range((owner, 0)..=(owner, u64::MAX)).next() {
            self.cancel(owner, key);
        }
    }

    /// One timer that is due at `now`. It is forgotten.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<(Owner, u64)> {
        let (&(due, _), &(owner, key)) = self.by_time.first_key_value()?;
        if due > now {
            return None;
        }
        self.cancel(owner, key);
        Some((owner, key))
    }

    /// When the first is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.by_time.first_key_value().map(|(&(due, _), _)| due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn timers_go_off_in_order_of_time_then_of_setting() {
        let mut timers = Timers::default();
        timers.set(Owner::Exchange(1), 7, at(20));
        timers.set(Owner::Handler, 8, at(10));
        timers.set(Owner::Exchange(2), 9, at(10));
        assert_eq!(timers.take_due(at(9)), None);
        assert_eq!(timers.take_due(at(10)), Some((Owner::Handler, 8)));
        assert_eq!(timers.take_due(at(10)), Some((Owner::Exchange(2), 9)));
        assert_eq!(timers.next(), Some(at(20)));
    }

    #[test]
    fn the_same_key_is_the_same_timer() {
        let mut timers = Timers::default();
        timers.set(Owner::Exchange(1), 7, at(10));
        timers.set(Owner::Exchange(1), 7, at(30));
        assert_eq!(timers.take_due(at(29)), None);
        assert_eq!(timers.take_due(at(30)), Some((Owner::Exchange(1), 7)));
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn the_end_of_an_exchange_forgets_its_timers_and_no_other() {
        let mut timers = Timers::default();
        for slot in 0..3 {
            for key in [0, 5, u64::MAX] {
                timers.set(Owner::Exchange(slot), key, at(10));
            }
        }
        timers.cancel_all(Owner::Exchange(1));
        let left: Vec<_> = std::iter::from_fn(|| timers.take_due(at(10))).collect();
        assert_eq!(left.len(), 6);
        assert!(left.iter().all(|(owner, _)| *owner != Owner::Exchange(1)));
    }
}

//! Grace: who holds a ring, and for how long one who does not read still does.
//!
//! Called by: `mod.rs`, when the engine says that a subscriber takes nothing, and when it takes something again.
//!
//! A subscriber that is blocked for a moment is not slow. Each has a purse of grace, a second by default, out of which its blocked time
//! is paid. While it lasts, the subscriber counts as healthy, and publishers wait for it (`pressure.rs`); when it is spent, publishers
//! go on without it, and that is all: it keeps its cursor and everything that the ring still holds. The purse is filled again when the
//! subscriber has reached the head, at most once in ten seconds.
//!
//! ```text
//!                 blocked              purse empty
//!     Reading ──────────────► Blocked ─────────────► Slow        each with or without the right to fill its purse
//!        ▲  ◄──── takes ─────────┘                     │         at the head (`MayFill`)
//!        └──────────────────── takes ──────────────────┘
//! ```
//!
//! Invariant: exactly who is not `Slow` holds the ring.
//! Next: `pressure.rs`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use crate::time::Instant;

/// Whether a subscriber takes what it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// It takes.
    Reading,
    /// It takes nothing, and its grace pays for it.
    Blocked,
    /// It takes nothing, and its grace is spent.
    Slow,
}

/// Whether reaching the head fills the purse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refill {
    /// It does.
    MayFill,
    /// It has been filled less than ten seconds ago. The number tells this filling from others.
    Rests(u8),
}

/// A subscriber's health and purse, in two bytes.
///
/// The purse is counted in units of a two-hundredth of the grace. While the subscriber is blocked, the byte holds the unit at which
/// it will be empty instead, counted round a circle of 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    packed: u8,
    purse: u8,
}

/// A full purse.
const FULL: u8 = 200;

/// Between two fillings.
const REFILL_AFTER: Duration = Duration::from_secs(10);

impl Standing {
    /// Of a new subscriber: with its grace if it begins at the head. Who begins behind earns it there, and holds nothing before it has
    /// been given something.
    pub(crate) fn new(is_level: bool) -> Standing {
        let (health, purse) = if is_level { (Health::Reading, FULL) } else { (Health::Slow, 0) };
        Standing { packed: pack(health, Refill::MayFill), purse }
    }

    pub(crate) fn health(self) -> Health {
        match self.packed & 3 {
            0 => Health::Reading,
            1 => Health::Blocked,
            _ => Health::Slow,
        }
    }

    fn refill(self) -> Refill {
        if self.packed & 4 == 0 { Refill::MayFill } else { Refill::Rests(self.packed >> 4) }
    }

    fn set_health(&mut self, health: Health) {
        self.packed = pack(health, self.refill()) | self.packed & TIMED;
    }

    fn set_refill(&mut self, refill: Refill) {
        self.packed = pack(self.health(), refill) | self.packed & TIMED;
    }

    /// Whether an end of its purse is noted, right or too early.
    fn is_timed(self) -> bool {
        self.packed & TIMED != 0
    }

    fn set_timed(&mut self, is_timed: bool) {
        self.packed = self.packed & !TIMED | if is_timed { TIMED } else { 0 };
    }
}

/// The bit of a standing whose end is noted.
const TIMED: u8 = 8;

fn pack(health: Health, refill: Refill) -> u8 {
    let health = match health {
        Health::Reading => 0,
        Health::Blocked => 1,
        Health::Slow => 2,
    };
    let refill = match refill {
        Refill::MayFill => 0,
        Refill::Rests(number) => 4 | number << 4,
    };
    health | refill
}

/// As many as can be told apart by what is left of a byte.
const FILLINGS: u8 = 16;

/// The clock of all purses: which of them will be empty when, and which may be filled again.
pub(crate) struct Graces {
    /// Length of a unit, in microseconds.
    unit: u64,
    /// Units at which purses are empty, and whose. Each has one entry at most, however often it blocks: its end can only move back while
    /// it waits here, and an entry that comes up too early is put in again for when it is due.
    ends: BinaryHeap<Reverse<(u64, u32)>>,
    /// When purses may be filled again, whose, and after which filling, in order. An entry that somebody left behind, whose name
    /// another has by now, is of another filling and passed over: else whoever came to a busy number would be given a purse for each
    /// who had it before.
    refills: VecDeque<(Instant, u32, u8)>,
    /// Counts fillings.
    fillings: u8,
}

impl Graces {
    pub(crate) fn new(grace: Duration) -> Graces {
        let unit = (grace.as_micros() as u64).div_ceil(u64::from(FULL)).max(1);
        Graces { unit, ends: BinaryHeap::new(), refills: VecDeque::new(), fillings: 0 }
    }

    fn unit_at(&self, now: Instant) -> u64 {
        now.as_micros() / self.unit
    }

    /// The subscriber `name` was offered something and took nothing, or not all. Says whether it holds the ring no longer.
    pub(crate) fn block(&mut self, standing: &mut Standing, name: u32, now: Instant) -> bool {
        if standing.health() != Health::Reading {
            return false;
        }
        if standing.purse == 0 {
            standing.set_health(Health::Slow);
            return true;
        }
        // One more, because the present unit is partly over.
        let end = self.unit_at(now) + u64::from(standing.purse) + 1;
        standing.set_health(Health::Blocked);
        standing.purse = end as u8;
        if !standing.is_timed() {
            self.note_end(standing, end, name);
        }
        false
    }

    /// It takes again. Says whether it did not before.
    pub(crate) fn unblock(&self, standing: &mut Standing, now: Instant) -> bool {
        match standing.health() {
            Health::Reading => return false,
            Health::Blocked => {
                let left = standing.purse.wrapping_sub(self.unit_at(now) as u8).saturating_sub(1);
                // More than a full purse is one whose end has passed and was not yet noted.
                standing.purse = if left > FULL { 0 } else { left };
            }
            Health::Slow => standing.purse = 0,
        }
        standing.set_health(Health::Reading);
        true
    }

    /// It has taken all that there is: its purse is filled, if it may be.
    pub(crate) fn reach_head(&mut self, standing: &mut Standing, name: u32, now: Instant) {
        let is_due = standing.health() == Health::Reading
            && standing.purse < FULL
            && standing.refill() == Refill::MayFill;
        if is_due {
            self.fillings = (self.fillings + 1) % FILLINGS;
            standing.purse = FULL;
            standing.set_refill(Refill::Rests(self.fillings));
            self.refills.push_back((now + REFILL_AFTER, name, self.fillings));
        }
    }

    /// Whose purse may have become empty: pass it to [`Graces::end`].
    pub(crate) fn take_ended(&mut self, now: Instant) -> Option<(u64, u32)> {
        let &Reverse((end, _)) = self.ends.peek()?;
        if end > self.unit_at(now) {
            return None;
        }
        self.ends.pop().map(|Reverse(entry)| entry)
    }

    /// The purse that was noted to be empty at `end` is, unless its owner has taken something since. Says whether it holds the ring no
    /// longer.
    pub(crate) fn end(&mut self, standing: &mut Standing, name: u32, end: u64) -> bool {
        standing.set_timed(false);
        if standing.health() != Health::Blocked {
            return false;
        }
        // Round the circle of 256 there is one end that is not before the one that was noted.
        let is_later = standing.purse.wrapping_sub(end as u8);
        if is_later > 0 {
            self.note_end(standing, end + u64::from(is_later), name);
            return false;
        }
        standing.set_health(Health::Slow);
        true
    }

    fn note_end(&mut self, standing: &mut Standing, end: u64, name: u32) {
        standing.set_timed(true);
        if self.ends.len() == self.ends.capacity() {
            // An eighth more, not twice as much: whole crowds may block together.
            self.ends.reserve_exact(self.ends.len() / 8 + 1);
        }
        self.ends.push(Reverse((end, name)));
    }

    /// Whose purse may be filled again from now on: pass it to [`Graces::allow_refill`].
    pub(crate) fn take_refill(&mut self, now: Instant) -> Option<(u8, u32)> {
        self.refills.front().filter(|(due, ..)| *due <= now)?;
        self.refills.pop_front().map(|(_, name, filling)| (filling, name))
    }

    /// Ten seconds after that filling, the next is allowed, if it is the one that was meant.
    pub(crate) fn allow_refill(standing: &mut Standing, filling: u8) {
        if standing.refill() == Refill::Rests(filling) {
            standing.set_refill(Refill::MayFill);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// When the next purse is empty. That one may be filled again is nothing to wake up for.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.ends.peek().map(|&Reverse((end, _))| Instant::from_micros(end * self.unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    /// Ends what is due; says whether the one subscriber, 7, turned slow.
    fn expire(graces: &mut Graces, standing: &mut Standing, now: Instant) -> bool {
        let mut is_slow = false;
        while let Some((end, name)) = graces.take_ended(now) {
            assert_eq!(name, 7);
            is_slow |= graces.end(standing, name, end);
        }
        while let Some((filling, _)) = graces.take_refill(now) {
            Graces::allow_refill(standing, filling);
        }
        is_slow
    }

    impl Standing {
        /// Whether publishers wait for it.
        fn holds(self) -> bool {
            self.health() != Health::Slow
        }
    }

    #[test]
    fn blocked_for_less_than_the_grace_is_healthy_and_for_longer_is_slow() {
        let mut graces = Graces::new(Duration::from_secs(1));
        let mut standing = Standing::new(true);
        assert!(!graces.block(&mut standing, 7, at(100)));
        assert!(standing.holds());
        let end = graces.next().unwrap();
        assert!(end >= at(1_100) && end <= at(1_110), "{end:?}");
        assert!(!expire(&mut graces, &mut standing, at(1_099)) && standing.holds());
        assert!(expire(&mut graces, &mut standing, at(1_110)) && !standing.holds());
        assert!(graces.unblock(&mut standing, at(5_000)) && standing.holds());
        assert_eq!(graces.next(), None);
    }

    #[test]
    fn the_purse_pays_for_all_blocked_time_together() {
        let mut graces = Graces::new(Duration::from_secs(1));
        let mut standing = Standing::new(true);
        for round in 0..4 {
            graces.block(&mut standing, 7, at(round * 1_000));
            assert!(!expire(&mut graces, &mut standing, at(round * 1_000 + 240)));
            graces.unblock(&mut standing, at(round * 1_000 + 240));
        }
        graces.block(&mut standing, 7, at(8_000));
        assert!(expire(&mut graces, &mut standing, at(8_060)), "960 of 1,000 ms were spent before");
    }

    #[test]
    fn it_is_filled_at_the_head_and_at_most_once_in_ten_seconds() {
        let mut graces = Graces::new(Duration::from_millis(500));
        let mut standing = Standing::new(false);
        assert!(!standing.holds(), "who begins behind has been given nothing yet");
        graces.unblock(&mut standing, at(0));
        assert!(graces.block(&mut standing, 7, at(0)), "and has no grace");
        graces.unblock(&mut standing, at(10));
        graces.reach_head(&mut standing, 7, at(20));
        assert!(!graces.block(&mut standing, 7, at(30)));
        assert!(expire(&mut graces, &mut standing, at(600)));
        graces.unblock(&mut standing, at(700));
        graces.reach_head(&mut standing, 7, at(800));
        assert!(graces.block(&mut standing, 7, at(900)), "ten seconds are not over");
        expire(&mut graces, &mut standing, at(10_020));
        graces.unblock(&mut standing, at(10_030));
        graces.reach_head(&mut standing, 7, at(10_040));
        assert!(!graces.block(&mut standing, 7, at(10_050)));
    }

    #[test]
    fn whoever_blocks_a_thousand_times_waits_for_one_end() {
        let mut graces = Graces::new(Duration::from_secs(1));
        let mut standing = Standing::new(true);
        for round in 0..1_000 {
            graces.block(&mut standing, 7, Instant::from_micros(round * 100));
            graces.unblock(&mut standing, Instant::from_micros(round * 100 + 10));
        }
        assert_eq!(graces.ends.len(), 1);
        graces.block(&mut standing, 7, at(200));
        assert!(!expire(&mut graces, &mut standing, at(1_010)), "ten of a thousand milliseconds were spent");
        assert_eq!(graces.ends.len(), 1, "put in again");
        assert!(expire(&mut graces, &mut standing, at(1_210)));
        assert_eq!(graces.ends.len(), 0);
    }

    #[test]
    fn an_end_that_was_not_noted_in_time_leaves_nothing_in_the_purse() {
        let mut graces = Graces::new(Duration::from_secs(1));
        let mut standing = Standing::new(true);
        graces.block(&mut standing, 7, at(0));
        graces.unblock(&mut standing, at(1_200));
        assert!(graces.block(&mut standing, 7, at(1_300)));
        assert!(!expire(&mut graces, &mut standing, at(9_000)), "the stale entry concerns nobody");
    }
}

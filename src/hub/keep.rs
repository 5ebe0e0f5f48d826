//! Keeping the bounds that are over all channels together: age and memory. And who may no longer hold a ring.
//!
//! Called by: the engine, once a turn and when it holds memory for a peer's sake; by `publish.rs`.
//!
//! ```text
//!   too old         ─► the oldest message goes                      (history_age_max)
//!   too much memory ─► the kept batch goes, which only saves work; then the oldest message of any channel, and the next …
//!                      up to the newest of all, which stays
//!   still too much  ─► the engine refuses bodies, and cuts who has been blocked longest
//! ```
//!
//! Invariant: what the ledger counts is within the bound after each publish and at the beginning of each turn, or nothing is left that
//! the hub could let go of. The frames that a turn makes come on top, and if they are too much the next turn comes at once.
//! Next: `pass.rs`.

use super::Hub;
use super::ages::Age;
use super::grace::Graces;
use crate::time::{Instant, Tick};

/// Messages that age lets go of in one turn.
const EXPIRIES_PER_TURN_MAX: usize = 1_024;

impl Hub {
    /// Begins a turn: what has come due is done, a bounded share of it.
    pub(crate) fn begin_turn(&mut self) {
        self.turn = self.turn.wrapping_add(1);
        self.settle_ages();
        for _ in 0..EXPIRIES_PER_TURN_MAX {
            let Some(age) = self.ages.expired(Tick::at(self.now)) else { break };
            self.let_go(age);
            self.settle_ages();
        }
        self.keep_bounds();
        if self.stats.messages == 0 {
            self.batch.forget();
        }
    }

    /// When something comes due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let is_pressing = self.stats.messages > 1 && !self.has_room(0)
            || self.is_stirred && !self.pressed.is_empty()
            || !self.released.is_empty();
        if is_pressing {
            return Some(self.now);
        }
        let age = self.ages.next().map(|tick| tick.begins(self.now));
        [age, self.graces.next(), self.next_impatience()].into_iter().flatten().min()
    }

    /// Makes room for so many bytes more, at the cost of old messages. Says whether there is room.
    pub(crate) fn make_room(&mut self, bytes: usize) -> bool {
        if !self.has_room(bytes) {
            self.batch.forget();
        }
        while !self.has_room(bytes) {
            self.settle_ages();
            match self.ages.oldest() {
                Some(age) if self.stats.messages > 1 => self.let_go(age),
                _ => return false,
            }
        }
        true
    }

    /// The same at the cost of the newest too, for a newer one that is about to come.
    pub(crate) fn make_room_for_newer(&mut self, bytes: usize) -> bool {
        if !self.make_room(bytes)
            && let Some(age) = self.ages.oldest()
        {
            self.let_go(age);
        }
        self.has_room(bytes)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.ledger.held() + bytes <= self.bounds.memory_bytes_max
    }

    /// Whether more is held than may be, and the hub has nothing left to let go of.
    pub(crate) fn is_overfull(&self) -> bool {
        self.stats.messages <= 1 && !self.has_room(0)
    }

    /// Lets go of old messages until what is held is within the bound.
    pub(crate) fn keep_bounds(&mut self) {
        self.make_room(0);
        self.settle_ages();
    }

    /// The message that came first goes.
    fn let_go(&mut self, age: Age) {
        debug_assert_eq!(self.channels[age.channel as usize].oldest(), Some(age.seq));
        self.weigh(age.channel, |channel| channel.trim_oldest());
        self.retire_channel_if_unused(age.channel);
    }

    fn settle_ages(&mut self) {
        let channels = &self.channels;
        // A slot that another channel has by now has lost everything from before it.
        let is_held = |age: &Age| {
            channels.get(age.channel as usize).is_some_and(|channel| channel.trimmed_through() < age.seq)
        };
        self.ages.settle(self.stats.messages, is_held);
    }

    /// Purses that are empty, and those that may be filled again. It is done whenever time goes on, for an end that has passed cannot
    /// be told from one to come.
    pub(crate) fn end_graces(&mut self) {
        while let Some((end, subscriber)) = self.graces.take_ended(self.now) {
            if let Some(place) = self.place(subscriber) {
                let by = self.audiences[place.audience as usize].subscribers.at_mut(place.index);
                self.is_stirred |= self.graces.end(&mut by.standing, subscriber, end);
            }
        }
        while let Some((filling, subscriber)) = self.graces.take_refill(self.now) {
            if let Some(by) = self.subscriber_mut(subscriber) {
                Graces::allow_refill(&mut by.standing, filling);
            }
        }
    }
}

//! Pressure: publishers who wait because a channel's subscribers are behind, and how long they may be made to wait.
//!
//! Called by: `mod.rs`. A publisher is held before its message is read, so the message waits in the publisher's own socket and
//! memory. Whoever was read is always appended.
//!
//! Waiting for readers who read has an end by itself. Waiting for some who do not takes patience, a purse as each of them has its grace
//! (`grace.rs`): two and a half seconds, which shrink while publishers are held for their sake and grow half as fast while none are. So
//! of any ten seconds at most five are spent so (2.5 + (10 - 5) / 2), and readers who never read cannot stop a channel.
//!
//! Next: `audience.rs`.

use std::collections::VecDeque;
use std::time::Duration;

use super::Hub;
use super::audience::Floors;
use super::channel::Load;
use super::message::Pressure;
use crate::id::ExchangeId;
use crate::time::Instant;

impl Hub {
    /// Whether what healthy subscribers of a channel still lack fills half of its ring.
    pub(crate) fn pressure(&mut self, index: u32) -> Pressure {
        match self.press(index) {
            None => Pressure::Low,
            Some(_) => Pressure::High,
        }
    }

    // TOUR 5.6
    /// For whom the channel's publishers should wait, if for anybody.
    fn press(&mut self, index: u32) -> Option<Waited> {
        // The floors that are known may be low. Only if they say so is it worth a walk through the audiences.
        let known = self.floors(index, |hub, number| hub.audiences[number as usize].floors());
        self.waited_for(index, known)?;
        let turn = self.turn;
        let found = self.floors(index, |hub, number| hub.audiences[number as usize].look_for_floors(turn));
        self.waited_for(index, found)
    }

    fn waited_for(&self, index: u32, floors: Floors) -> Option<Waited> {
        let channel = &self.channels[index as usize];
        if self.fills_half(channel.load_behind(floors.reading)) {
            Some(Waited::Reading)
        } else if self.fills_half(channel.load_behind(floors.blocked)) {
            Some(Waited::Blocked)
        } else {
            None
        }
    }

    /// Holds a publisher, if the channel is under pressure and has patience left. It will come out of [`Hub::next_released`].
    pub(crate) fn hold(&mut self, channel: &str, publisher: ExchangeId) -> bool {
        let Some(&index) = self.names.get(channel) else { return false };
        let Some(waited) = self.press(index) else { return false };
        let now = self.now;
        let held = self.channels[index as usize].held_mut(now);
        held.wait_for(waited, now);
        if held.is_impatient(now) {
            return false;
        }
        if held.is_empty() {
            self.pressed.push(index);
        }
        held.push(publisher, now);
        true
    }

    /// A publisher that has waited long enough. The next of its channel is let go only if the pressure is still low, so ask when
    /// this one has published.
    pub(crate) fn next_released(&mut self) -> Option<ExchangeId> {
        if let Some(publisher) = self.released.pop_front() {
            return Some(publisher);
        }
        if std::mem::take(&mut self.is_stirred) {
            // A floor that was found before may be low, and nobody would ask again.
            self.turn = self.turn.wrapping_add(1);
        }
        let now = self.now;
        for position in 0..self.pressed.len() {
            let index = self.pressed[position];
            let waited = self.press(index);
            let held = self.channels[index as usize].held_mut(now);
            if let Some(waited) = waited {
                held.wait_for(waited, now);
                if !held.is_impatient(now) {
                    continue;
                }
            }
            let publisher = held.pop(now);
            if held.is_empty() {
                self.pressed.swap_remove(position);
            }
            self.is_stirred = true;
            return publisher;
        }
        None
    }

    /// A publisher that may be held has gone.
    pub(crate) fn forget_held(&mut self, publisher: ExchangeId) {
        let now = self.now;
        self.released.retain(|&other| other != publisher);
        let Hub { pressed, channels, .. } = self;
        pressed.retain(|&index| {
            let held = channels[index as usize].held_mut(now);
            held.forget(publisher, now);
            !held.is_empty()
        });
    }

    /// Lets go of all publishers of a channel that goes away.
    pub(crate) fn release_held(&mut self, index: u32) {
        let Some(held) = self.channels[index as usize].held.take() else { return };
        self.pressed.retain(|&other| other != index);
        self.released.extend(held.waiting);
    }

    /// When the first channel that holds publishers has had patience enough.
    pub(crate) fn next_impatience(&self) -> Option<Instant> {
        let held = self.pressed.iter().filter_map(|&index| self.channels[index as usize].held.as_ref());
        held.filter_map(|held| held.end()).min()
    }

    fn floors(&mut self, index: u32, of: impl Fn(&mut Hub, u32) -> Floors) -> Floors {
        let count = self.channels[index as usize].audiences.len();
        let floors = (0..count).map(|position| {
            let number = self.channels[index as usize].audiences[position];
            of(self, number)
        });
        floors.fold(Floors::NOBODY, Floors::and)
    }

    fn fills_half(&self, load: Load) -> bool {
        2 * load.messages >= self.bounds.history_count_max.max(2)
            || 2 * load.bytes >= self.bounds.history_bytes_max
    }
}

/// For whom publishers wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// For readers whom the pass has not reached, or whom one batch did not bring to the head. They take what they are given, so this has
    /// an end, and costs no patience: who reads loses nothing, however fast it is published.
    Reading,
    /// For some who take nothing, while their grace lasts.
    Blocked,
}

/// The most that a channel holds its publishers at a stretch for the sake of some who do not read.
const PATIENCE_MAX: Duration = Duration::from_millis(2_500);

/// The publishers that a channel holds, in order of their coming, and what is left of its patience.
#[derive(Debug)]
pub(crate) struct Held {
    waiting: VecDeque<ExchangeId>,
    /// Patience at `since`, in microseconds. Shrinks from there on while anybody waits, and else grows. What somebody waited longer,
    /// because a turn came late, is a debt.
    left: i64,
    since: Instant,
    waited: Waited,
}

impl Held {
    pub(crate) fn new(now: Instant) -> Held {
        Held {
            waiting: VecDeque::new(),
            left: PATIENCE_MAX.as_micros() as i64,
            since: now,
            waited: Waited::Reading,
        }
    }

    /// For whom they wait from now on.
    pub(crate) fn wait_for(&mut self, waited: Waited, now: Instant) {
        if waited != self.waited {
            self.note(now);
            self.waited = waited;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether the channel has had patience enough.
    pub(crate) fn is_impatient(&self, now: Instant) -> bool {
        self.waited == Waited::Blocked && self.left_at(now) <= 0
    }

    pub(crate) fn count(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn push(&mut self, publisher: ExchangeId, now: Instant) {
        self.note(now);
        self.waiting.push_back(publisher);
    }

    pub(crate) fn forget(&mut self, publisher: ExchangeId, now: Instant) {
        self.note(now);
        self.waiting.retain(|&other| other != publisher);
    }

    pub(crate) fn pop(&mut self, now: Instant) -> Option<ExchangeId> {
        self.note(now);
        self.waiting.pop_front()
    }

    /// When the patience of a channel that holds somebody ends.
    pub(crate) fn end(&self) -> Option<Instant> {
        (!self.waiting.is_empty() && self.waited == Waited::Blocked)
            .then(|| self.since + Duration::from_micros(self.left.max(0) as u64))
    }

    fn note(&mut self, now: Instant) {
        self.left = self.left_at(now);
        self.since = now;
    }

    fn left_at(&self, now: Instant) -> i64 {
        let passed = now.since(self.since).as_micros() as i64;
        match self.waiting.is_empty() || self.waited == Waited::Reading {
            false => self.left - passed,
            true => (self.left + passed / 2).min(PATIENCE_MAX.as_micros() as i64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    const WHO: ExchangeId = ExchangeId { slot: 1, generation: 2 };

    #[test]
    fn patience_ends_and_comes_back_half_as_fast() {
        let mut held = Held::new(at(0));
        held.wait_for(Waited::Blocked, at(0));
        held.push(WHO, at(0));
        assert_eq!(held.end(), Some(at(2_500)));
        assert!(!held.is_impatient(at(2_499)) && held.is_impatient(at(2_500)));
        assert_eq!(held.pop(at(2_500)), Some(WHO));
        assert!(held.is_impatient(at(2_500)) && !held.is_impatient(at(2_600)));
        held.push(WHO, at(3_500));
        assert_eq!(held.end(), Some(at(4_000)));
        assert!(held.pop(at(3_600)).is_some() && held.end().is_none());
    }

    #[test]
    fn of_any_ten_seconds_at_most_half_is_spent_holding() {
        // Every publisher that can be held is held: the worst that readers can do.
        let mut held = Held::new(at(0));
        held.wait_for(Waited::Blocked, at(0));
        let mut holding = Vec::new();
        for millis in 0..60_000 {
            let now = at(millis);
            if held.is_empty() && !held.is_impatient(now) {
                held.push(WHO, now);
            } else if !held.is_empty() && held.is_impatient(now) {
                held.pop(now);
            }
            holding.push(usize::from(!held.is_empty()));
        }
        let most = holding.windows(10_000).map(|window| window.iter().sum::<usize>()).max();
        assert!(most <= Some(5_001), "{most:?} ms of ten seconds, counted by the millisecond");
    }
}

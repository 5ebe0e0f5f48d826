//! The pass: how the fan-out comes to every subscriber of every audience that has news, and to none twice in vain.
//!
//! `mod.rs` asks for the next visit; the engine does it and may in between subscribe, leave and publish as it likes.
//!
//! ```text
//!   an audience's subscribers, dense        the hot audiences, in rotation
//!   [ a  b  c  d | e  f  g  h ]               ┌─► news ─► sport ─► chat ─┐
//!     visited      ▲ next                     └──────── 64 visits ◄──────┘
//!
//!   b leaves:
//!   [ a  h  c  d | e  f  g ]      wrong: the last into the hole, and h counts as visited, who was not
//!   [ a  d  c | h  e  f  g ]      right: the last of the visited into the hole, and h into the place of that one
//! ```
//!
//! A pass goes once through the list. Who joins is appended, and so is ahead of it. If something happens that those behind it
//! should hear of, another pass begins where this one ends, and brings each of them at once all that came meanwhile.
//!
//! Invariant: who lacks something that was published, and has not refused it since, stands at or beyond `next` of a hot
//! audience, or the audience is [`Heat::Again`]. In a cold audience `next` is 0.
//! Not here: what they get (`batch.rs`).
//! Next: `batch.rs`.

use std::collections::VecDeque;

use slab::Slab;

use super::audience::Audience;
use super::audience::Floors;
use super::cursor::Subscriber;
use super::grace::Health;
use super::{grow, shrink};

/// Visits to one audience before the next hot one has its turn.
const SLICE_VISITS: u32 = 64;

/// Whether an audience's subscribers are being visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heat {
    /// Nobody is to be visited.
    Cold,
    /// A pass is under way.
    Hot,
    /// A pass is under way, and those behind it have since come to lack something.
    Again,
}

/// An audience's subscribers in a dense list, and how far the pass through them has come.
pub(crate) struct Subscribers {
    list: Vec<Subscriber>,
    /// All before this index have been visited in this pass.
    next: usize,
    heat: Heat,
}

impl Subscribers {
    pub(crate) fn new() -> Subscribers {
        Subscribers { list: Vec::new(), next: 0, heat: Heat::Cold }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.list.capacity()
    }

    pub(crate) fn is_hot(&self) -> bool {
        self.heat != Heat::Cold
    }

    pub(crate) fn at(&self, index: u32) -> &Subscriber {
        &self.list[index as usize]
    }

    pub(crate) fn at_mut(&mut self, index: u32) -> &mut Subscriber {
        &mut self.list[index as usize]
    }

    /// Appends a subscriber and says at which index it stands.
    pub(crate) fn push(&mut self, subscriber: Subscriber) -> u32 {
        grow(&mut self.list);
        self.list.push(subscriber);
        (self.list.len() - 1) as u32
    }

    // TOUR 5.5
    /// Takes a subscriber out and tells of each that has another index now, of which there are at most two.
    pub(crate) fn remove(&mut self, index: u32, mut moved: impl FnMut(u32, u32)) {
        let mut hole = index as usize;
        if hole < self.next {
            // The hole must not be filled from the part that is yet to be visited: whoever came from there would be
            // skipped. So it travels to the border first.
            self.next -= 1;
            if hole < self.next {
                self.list.swap(hole, self.next);
                moved(self.list[hole].name, hole as u32);
                hole = self.next;
            }
        }
        self.list.swap_remove(hole);
        if let Some(filled) = self.list.get(hole) {
            moved(filled.name, hole as u32);
        }
        shrink(&mut self.list);
    }

    /// The lowest cursors of those who hold a ring and stand below this.
    pub(crate) fn floors(&self, below: u64) -> Floors {
        let mut floors = Floors::NOBODY;
        for subscriber in self.list.iter().filter(|subscriber| subscriber.cursor < below) {
            match subscriber.standing.health() {
                Health::Reading => floors.reading = floors.reading.min(subscriber.cursor),
                Health::Blocked => floors.blocked = floors.blocked.min(subscriber.cursor),
                Health::Slow => {}
            }
        }
        floors
    }

    /// Calls the pass back to whoever stands at `index` or beyond and lacks something. Says whether the audience was cold, and
    /// has to join the rotation.
    #[must_use]
    pub(crate) fn revisit(&mut self, index: u32) -> bool {
        let was_cold = self.heat == Heat::Cold;
        if was_cold {
            self.heat = Heat::Hot;
        } else if (index as usize) < self.next {
            self.heat = Heat::Again;
        }
        was_cold
    }

    /// The next subscriber that stands below `target`, or `None` when the pass is over.
    fn step(&mut self, target: u64) -> Option<u32> {
        let ahead = &self.list[self.next..];
        let distance = ahead.iter().position(|subscriber| subscriber.lacks(target))?;
        let name = ahead[distance].name;
        self.next += distance + 1;
        Some(name)
    }

    /// Ends a pass, and begins another if there is reason to.
    fn finish(&mut self) -> Heat {
        self.next = 0;
        self.heat = match self.heat {
            Heat::Again => Heat::Hot,
            Heat::Hot | Heat::Cold => Heat::Cold,
        };
        self.heat
    }
}

/// The hot audiences, each visited for a slice before the next has its turn.
pub(crate) struct Rotation {
    queue: VecDeque<u32>,
    slice_left: u32,
}

/// What the rotation has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turned {
    /// This subscriber is next.
    Visit(u32),
    /// This audience has left the rotation.
    Over(u32),
}

impl Rotation {
    pub(crate) fn new() -> Rotation {
        Rotation { queue: VecDeque::new(), slice_left: SLICE_VISITS }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes up an audience that has just become hot.
    pub(crate) fn join(&mut self, audience: u32) {
        self.queue.push_back(audience);
    }

    /// Turns until somebody lacks something or an audience is done.
    pub(crate) fn turn(&mut self, audiences: &mut Slab<Audience>) -> Option<Turned> {
        loop {
            let front = *self.queue.front()?;
            let audience = &mut audiences[front as usize];
            if self.slice_left > 0 {
                let target = audience.target();
                if let Some(name) = audience.subscribers.step(target) {
                    self.slice_left -= 1;
                    return Some(Turned::Visit(name));
                }
                if audience.subscribers.finish() == Heat::Hot {
                    continue;
                }
                self.queue.pop_front();
                self.slice_left = SLICE_VISITS;
                return Some(Turned::Over(front));
            }
            self.queue.rotate_left(1);
            self.slice_left = SLICE_VISITS;
        }
    }
}

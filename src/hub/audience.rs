//! An audience: all subscribers who hear the same channels, most often one.
//!
//! Called by: `mod.rs`, which finds or makes the audience of a subscription; `pass.rs`, which walks through it.
//!
//! ```text
//!   channels      news ──┬────────────► audience { news }          [ a b c d … ]
//!                        └──┐
//!   chat ───────────────────┴─────────► audience { news, chat }    [ x y ]
//! ```
//!
//! A message to `news` makes both audiences hot. Whoever hears several channels has one cursor over all of them, stands in one list, and
//! shares its batches with all who hear the same; so many channels cost a subscriber no more memory than one.
//!
//! Invariant: `end` is the largest `end` of its channels, while it goes on hearing; `floors` are not above the cursor of anybody who holds a ring.
//! Next: `pass.rs`.

use std::rc::Rc;

use super::pass::Subscribers;

/// Whether an audience goes on hearing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    GoesOn,
    /// One of its channels was ended: everybody gets what is left, is told, and goes.
    Ends,
}

/// One audience.
pub(crate) struct Audience {
    /// What it hears: numbers of channels, ascending.
    pub(crate) channels: Rc<[u32]>,
    pub(crate) subscribers: Subscribers,
    pub(crate) hearing: Hearing,
    /// The last number that concerns any of its channels, or did when one of them was ended.
    pub(crate) end: u64,
    /// Places that nobody who holds a ring stands before. Cursors grow, so a floor that was right stays right, only low.
    floors: Floors,
    /// The turn in which the floors were last looked for.
    looked_at: u32,
}

impl Audience {
    pub(crate) fn new(channels: Rc<[u32]>, end: u64) -> Audience {
        Audience {
            channels,
            subscribers: Subscribers::new(),
            hearing: Hearing::GoesOn,
            end,
            floors: Floors::NOBODY,
            looked_at: 0,
        }
    }

    /// Whoever stands below this is to be visited.
    pub(crate) fn target(&self) -> u64 {
        match self.hearing {
            Hearing::GoesOn => self.end,
            Hearing::Ends => u64::MAX,
        }
    }

    /// Places that are not above the lowest cursors of those who hold a ring.
    pub(crate) fn floors(&self) -> Floors {
        self.floors
    }

    /// The lowest cursors of those who hold a ring. They are looked for at most once a turn, for that is a walk through all, and once
    /// more for publishers who are held, when somebody has moved since.
    pub(crate) fn look_for_floors(&mut self, turn: u32) -> Floors {
        if self.looked_at != turn {
            self.looked_at = turn;
            // Who stands at an end lacks nothing more of any channel.
            let below = match self.hearing {
                Hearing::GoesOn => u64::MAX,
                Hearing::Ends => self.end,
            };
            self.floors = self.subscribers.floors(below);
        }
        self.floors
    }

    /// Somebody who reads stands here now.
    pub(crate) fn lower_floor(&mut self, cursor: u64) {
        self.floors.reading = self.floors.reading.min(cursor);
    }

    /// Somebody stands here who takes nothing for now, and holds the ring for as long as its grace lasts.
    pub(crate) fn lower_blocked_floor(&mut self, cursor: u64) {
        self.floors.blocked = self.floors.blocked.min(cursor);
    }
}

/// Where the last of an audience stand: of those who read, and of those who are blocked and have grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Floors {
    pub(crate) reading: u64,
    pub(crate) blocked: u64,
}

impl Floors {
    pub(crate) const NOBODY: Floors = Floors { reading: u64::MAX, blocked: u64::MAX };

    /// Of two audiences together.
    pub(crate) fn and(self, other: Floors) -> Floors {
        Floors { reading: self.reading.min(other.reading), blocked: self.blocked.min(other.blocked) }
    }
}

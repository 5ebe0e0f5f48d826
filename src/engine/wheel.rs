//! The timer wheel: one deadline for each connection, set in constant time and forgotten in constant time.
//!
//! `engine/deadlines.rs` decides what a connection waits for; the wheel knows numbers only, an index and a tick.
//!
//! ```text
//!   level 0   64 slots of 1 tick      10 ms each       the slot of its tick: fires exactly then
//!   level 1   64 slots of 64 ticks    640 ms each ┐
//!   level 2   64 slots of 4,096       41 s each   │    when its slot begins, an entry moves down,
//!   level 3   …                       44 min each │    at most four times in its life
//!   level 4   …                       47 h each   ┘    124 days in all
//! ```
//!
//! Each slot is a ring of entries through a sentinel, so leaving needs no search, and a bit for each slot says whether anybody is
//! there, so a jump of an hour costs as much as what happens in it.
//!
//! Invariant: every armed entry lies in a slot whose beginning is not after its deadline, so nothing fires early, and
//! `next` is never after the earliest deadline, so nothing fires late. `next` may name a moment at which entries only move down.
//!
//! Next: `timers.rs`, for the deadlines that handlers set.

use crate::time::Tick;

const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 5;
/// The sentinel of the entries that are due and not yet taken.
const DUE: usize = SLOTS * LEVELS;
/// Where the entries begin, behind the sentinels.
const FIRST: usize = DUE + 1;
const UNARMED: u32 = u32::MAX;

/// A node of a ring: a sentinel, or the entry of one index.
#[derive(Clone, Copy)]
struct Node {
    previous: u32,
    next: u32,
    deadline: Tick,
}

/// Deadlines by index, a dense small number such as a slot of the slab.
pub(crate) struct Wheel {
    now: Tick,
    nodes: Vec<Node>,
    occupied: [u64; LEVELS],
    armed: usize,
}

impl Wheel {
    /// An empty wheel at the tick `now`.
    pub(crate) fn new(now: Tick) -> Wheel {
        let ring = |at: usize| Node { previous: at as u32, next: at as u32, deadline: now };
        Wheel { now, nodes: (0..FIRST).map(ring).collect(), occupied: [0; LEVELS], armed: 0 }
    }

    /// How many entries are armed or due.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.armed
    }

    /// The deadline of `index`, if it has one.
    pub(crate) fn deadline(&self, index: u32) -> Option<Tick> {
        self.nodes
            .get(FIRST + index as usize)
            .filter(|node| node.previous != UNARMED)
            .map(|node| node.deadline)
    }

    /// Sets the deadline of `index`, instead of the one it had. One that is not in the future is due at the next tick.
    pub(crate) fn set(&mut self, index: u32, deadline: Tick) {
        self.cancel(index);
        let at = FIRST + index as usize;
        if at >= self.nodes.len() {
            let missing = at + 1 - self.nodes.len();
            if self.nodes.capacity() <= at {
                self.nodes.reserve_exact(missing.max(super::growth(self.nodes.len())));
            }
            self.nodes.resize(at + 1, Node { previous: UNARMED, next: UNARMED, deadline });
        }
        self.nodes[at].deadline = if deadline.is_due(self.now) { self.now.plus(1) } else { deadline };
        self.armed += 1;
        self.place(at);
    }

    /// Forgets the deadline of `index`, if it has one.
    pub(crate) fn cancel(&mut self, index: u32) {
        let at = FIRST + index as usize;
        if self.nodes.get(at).is_some_and(|node| node.previous != UNARMED) {
            self.unlink(at);
            self.armed -= 1;
        }
    }

    // TOUR 6.4
    /// Moves the time on. What has come due is then given out by [`take_due`](Wheel::take_due).
    pub(crate) fn advance(&mut self, to: Tick) {
        while let Some(moment) = self.next_slot().filter(|moment| moment.is_due(to)) {
            self.now = moment;
            for level in (0..LEVELS).rev() {
                let unit = level as u32 * BITS;
                if moment.count() & ((1 << unit) - 1) == 0 {
                    self.open_slot(level * SLOTS + (moment.count() >> unit) as usize % SLOTS);
                }
            }
        }
        if self.now.is_due(to) {
            self.now = to;
        }
    }

    /// One index whose deadline has come. It has none afterwards.
    pub(crate) fn take_due(&mut self) -> Option<u32> {
        let at = self.nodes[DUE].next as usize;
        if at == DUE {
            return None;
        }
        self.unlink(at);
        self.armed -= 1;
        Some((at - FIRST) as u32)
    }

    /// When `advance` next has something to do: the current tick while entries are due.
    pub(crate) fn next(&self) -> Option<Tick> {
        if self.nodes[DUE].next as usize != DUE { Some(self.now) } else { self.next_slot() }
    }

    /// The beginning of the next slot, of any level, that is not empty.
    fn next_slot(&self) -> Option<Tick> {
        let mut nearest: Option<Tick> = None;
        for (level, &occupied) in self.occupied.iter().enumerate() {
            if occupied == 0 {
                continue;
            }
            let unit = level as u32 * BITS;
            let current = self.now.count() >> unit;
            // Slot `current` itself can only hold entries of the next round: it was emptied when it began.
            let ahead = occupied.rotate_right(current.wrapping_add(1) % SLOTS as u32).trailing_zeros() + 1;
            let begins = self.now.plus((current.wrapping_add(ahead) << unit).wrapping_sub(self.now.count()));
            nearest = Some(nearest.map_or(begins, |other| other.earlier(begins)));
        }
        nearest
    }

    /// Empties a slot that has begun: entries whose tick this is are due, the others move to a finer level.
    fn open_slot(&mut self, slot: usize) {
        while self.nodes[slot].next as usize != slot {
            let at = self.nodes[slot].next as usize;
            self.unlink(at);
            if self.nodes[at].deadline.is_due(self.now) {
                self.link(at, DUE);
            } else {
                self.place(at);
            }
        }
    }

    /// Puts an entry whose deadline is in the future into the slot for it.
    fn place(&mut self, at: usize) {
        let deadline = self.nodes[at].deadline;
        let wait = deadline.since(self.now).max(1) as u32;
        let level = ((31 - wait.leading_zeros()) / BITS).min(LEVELS as u32 - 1);
        let slot = (deadline.count() >> (level * BITS)) as usize % SLOTS;
        self.occupied[level as usize] |= 1 << slot;
        self.link(at, level as usize * SLOTS + slot);
    }

    /// Hangs an entry in at the end of a sentinel's ring.
    fn link(&mut self, at: usize, sentinel: usize) {
        let last = self.nodes[sentinel].previous;
        self.nodes[at].previous = last;
        self.nodes[at].next = sentinel as u32;
        self.nodes[last as usize].next = at as u32;
        self.nodes[sentinel].previous = at as u32;
    }

    /// Takes an entry out of its ring; the slot's bit goes with its last entry.
    fn unlink(&mut self, at: usize) {
        let Node { previous, next, .. } = self.nodes[at];
        self.nodes[previous as usize].next = next;
        self.nodes[next as usize].previous = previous;
        self.nodes[at].previous = UNARMED;
        if previous == next && (previous as usize) < DUE {
            self.occupied[previous as usize / SLOTS] &= !(1 << (previous as usize % SLOTS));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Instant;
    use std::collections::BTreeMap;

    fn tick(count: u32) -> Tick {
        Tick::default().plus(count)
    }

    fn fired(wheel: &mut Wheel) -> Vec<u32> {
        let mut all: Vec<u32> = std::iter::from_fn(|| wheel.take_due()).collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn a_deadline_fires_at_its_tick_and_not_before() {
        // The last is the longest that `ticks` gives: once round the coarsest level.
        let waits =
            [1, 2, 63, 64, 65, 4_095, 4_096, 4_097, 262_144, 300_000, 20_000_000, 800_000_000, 1 << 30];
        for wait in waits {
            for start in [0, 1, 63, 64, 1_000_000, u32::MAX - 70, u32::MAX] {
                let mut wheel = Wheel::new(tick(start));
                wheel.set(3, tick(start).plus(wait));
                wheel.advance(tick(start).plus(wait - 1));
                assert_eq!(wheel.take_due(), None, "start {start}, wait {wait}: fired early");
                wheel.advance(tick(start).plus(wait));
                assert_eq!(wheel.take_due(), Some(3), "start {start}, wait {wait}");
                assert_eq!((wheel.len(), wheel.next()), (0, None));
            }
        }
    }

    #[test]
    fn setting_again_replaces_and_cancelling_forgets() {
        let mut wheel = Wheel::new(tick(0));
        wheel.set(2, tick(10));
        wheel.set(2, tick(500));
        wheel.set(1, tick(10));
        wheel.cancel(1);
        wheel.cancel(1);
        assert_eq!((wheel.deadline(1), wheel.deadline(3)), (None, None));
        wheel.advance(tick(499));
        assert_eq!(fired(&mut wheel), [0; 0]);
        assert_eq!(wheel.deadline(2), Some(tick(500)));
        wheel.advance(tick(500));
        assert_eq!(fired(&mut wheel), [2]);
        assert_eq!(wheel.deadline(2), None);
    }

    #[test]
    fn the_list_is_hardly_longer_than_it_has_to_be() {
        let mut wheel = Wheel::new(tick(0));
        for index in 0..20_000 {
            wheel.set(index, tick(10));
            let length = FIRST + index as usize + 1;
            let room = wheel.nodes.capacity();
            assert!(room <= length + super::super::growth(length), "{room} for {length}");
        }
        let mut wheel = Wheel::new(tick(0));
        wheel.set(50_000, tick(10));
        assert_eq!(wheel.nodes.capacity(), FIRST + 50_001, "and one that comes far behind needs no more");
    }

    #[test]
    fn what_is_due_can_still_be_cancelled() {
        let mut wheel = Wheel::new(tick(0));
        wheel.set(0, tick(1));
        wheel.set(1, tick(1));
        wheel.advance(tick(1));
        wheel.cancel(0);
        assert_eq!(wheel.next(), Some(tick(1)), "somebody is due");
        assert_eq!(fired(&mut wheel), [1]);
    }

    #[test]
    fn an_hour_without_timers_is_one_step() {
        let mut wheel = Wheel::new(Tick::at(Instant::from_micros(0)));
        wheel.set(0, tick(360_000));
        let mut moments = 0;
        while let Some(moment) = wheel.next() {
            wheel.advance(moment);
            moments += 1;
            fired(&mut wheel);
        }
        assert!(moments <= LEVELS, "{moments} wakes for one timer");
    }

    #[test]
    fn any_sequence_agrees_with_a_sorted_map() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut draw = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut wheel = Wheel::new(tick(u32::MAX - 5_000));
        let mut now = tick(u32::MAX - 5_000);
        let mut model: BTreeMap<u32, Tick> = BTreeMap::new();
        for _ in 0..50_000 {
            let index = draw(50) as u32;
            match draw(4) {
                0 | 1 => {
                    let deadline = {
                        let reach = 1 << draw(22);
                        now.plus(1 + draw(reach) as u32)
                    };
                    wheel.set(index, deadline);
                    model.insert(index, deadline);
                }
                2 => {
                    wheel.cancel(index);
                    model.remove(&index);
                }
                _ => {
                    let reach = 1 << draw(14);
                    now = now.plus(draw(reach) as u32);
                    wheel.advance(now);
                    let due: Vec<u32> =
                        model.iter().filter(|(_, at)| at.is_due(now)).map(|(&index, _)| index).collect();
                    assert_eq!(fired(&mut wheel), due);
                    model.retain(|_, at| !at.is_due(now));
                }
            }
            assert_eq!(wheel.len(), model.len());
            let earliest = model.values().copied().reduce(Tick::earlier);
            match (wheel.next(), earliest) {
                (Some(next), Some(earliest)) => assert!(next.is_due(earliest), "would fire late"),
                (next, earliest) => assert_eq!(next, earliest),
            }
        }
    }
}

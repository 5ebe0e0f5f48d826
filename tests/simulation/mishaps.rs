//! What befalls the machine that the engine runs on: its clock leaps, its calendar is set back, its descriptors run out.
//!
//! Called by: `world.rs`, which asks the [`Machine`] what time it is there and whether one more connection can be had; storms draw it.
//!
//! Peers live elsewhere, and so do the oracles: they count the time that was lived. A leap is what an engine sees that was stopped
//! for a while, with its machine or by it, and that went by at once for everybody else.
//!
//! Next: `world.rs`.

use std::collections::VecDeque;
use std::time::Duration;

use encke::time::{Instant, Now};

use crate::rng::Rng;

/// The machine.
pub(crate) struct Machine {
    /// By how much its clock is ahead of the time that was lived.
    leapt: Duration,
    /// By how much its calendar was set back.
    set_back: u64,
    /// How many connections it can have open at once.
    descriptors_max: usize,
    descriptors: usize,
    /// Peers whose connections the kernel holds and nobody has accepted, in order.
    backlog: VecDeque<usize>,
}

/// A mishap of the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mishap {
    Leap(Duration),
    SetBack(u64),
}

impl Machine {
    /// A machine to which nothing happens.
    pub(crate) fn sound() -> Machine {
        let (leapt, backlog) = (Duration::ZERO, VecDeque::new());
        Machine { leapt, set_back: 0, descriptors_max: usize::MAX, descriptors: 0, backlog }
    }

    pub(crate) fn limit_descriptors(&mut self, most: usize) {
        self.descriptors_max = most;
    }

    /// The time there, when so much was lived.
    pub(crate) fn now(&self, lived: Instant) -> Now {
        let at = lived + self.leapt;
        let unix_seconds = 1_700_000_000 + at.as_micros() / 1_000_000 - self.set_back;
        Now { at, unix_seconds }
    }

    /// A time there as one that is lived.
    pub(crate) fn lived(&self, at: Instant) -> Instant {
        Instant::default() + at.since(Instant::default() + self.leapt)
    }

    pub(crate) fn befalls(&mut self, mishap: Mishap) {
        match mishap {
            Mishap::Leap(by) => self.leapt += by,
            Mishap::SetBack(seconds) => self.set_back += seconds,
        }
    }

    /// Takes a descriptor for a peer, or lets it wait.
    pub(crate) fn may_accept(&mut self, peer: usize) -> bool {
        let has_room = self.descriptors < self.descriptors_max;
        match has_room {
            true => self.descriptors += 1,
            false => self.backlog.push_back(peer),
        }
        has_room
    }

    /// A descriptor is free again.
    pub(crate) fn give_back(&mut self) {
        self.descriptors -= 1;
    }

    /// Who has waited for a descriptor longest, if one is free.
    pub(crate) fn next_waiting(&mut self) -> Option<usize> {
        if self.descriptors < self.descriptors_max { self.backlog.pop_front() } else { None }
    }
}

/// Some mishaps of the clock, each with its time; none for most worlds.
pub(crate) fn drawn(rng: &mut Rng) -> Vec<(Duration, Mishap)> {
    let mut mishaps = Vec::new();
    if rng.chance(15) {
        for _ in 0..rng.between(1, 3) {
            let by = Duration::from_millis(rng.magnitude(100, 100_000) as u64);
            mishaps.push((rng.millis(0, 9_000), Mishap::Leap(by)));
        }
    }
    if rng.chance(20) {
        mishaps.push((rng.millis(0, 9_000), Mishap::SetBack(rng.magnitude(1, 1_000_000_000) as u64)));
    }
    mishaps
}

#[test]
fn a_time_there_is_lived_when_the_clock_says_so_and_not_before_now() {
    let mut machine = Machine::sound();
    let at = |micros: u64| Instant::from_micros(micros);
    machine.befalls(Mishap::Leap(Duration::from_micros(50)));
    assert_eq!(machine.now(at(7)).at, at(57));
    assert_eq!(machine.lived(at(57)), at(7));
    assert_eq!(machine.lived(at(40)), at(0), "what was due within the leap is due at once");
}

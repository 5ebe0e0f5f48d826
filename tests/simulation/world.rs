//! The world: virtual time, a heap of happenings, and the very engine that production runs.
//!
//! ```text
//!   happenings by (time, number) ─► peers act ─► links raise edges ─► Engine::ready ─► Engine::turn
//!            ▲                                                                             │
//!            └── otherwise jump to the next happening or to Engine::next_deadline ◄────────┘
//! ```
//!
//! Readiness is edge-triggered as with epoll: it is reported when something has changed, once, some time later and merged with
//! what changed meanwhile. Now and then a report comes in vain, or for a connection that is gone.
//!
//! Invariant: nothing here asks a clock. Turns that achieve nothing are counted, for an engine that spins is wrong even if all
//! its answers are right.
//!
//! Next: `stories.rs`, `storms.rs`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Duration;

use encke::engine::{Engine, Readiness};
use encke::time::{Instant, Now};
use encke::{ConnectionId, Limits};

use crate::app::App;
use crate::channels::lost;
use crate::history::{Heard, Sample, SharedLog};
use crate::link::{Link, Shared, Wire};
use crate::mishaps::{Machine, Mishap};
use crate::peer::Peer;
use crate::rng::Rng;
use crate::script::Step;
use crate::shape::Shape;
use crate::shares::{Share, excess};

pub(crate) type TheEngine = Engine<Link, App>;

/// Turns in a row that may achieve nothing. A walk over some ten entries of a wheel or a slab is all that there should be.
const IDLE_TURNS_MAX: usize = 3_000;

/// All channels that anybody here publishes to.
pub(crate) const CHANNELS: [&str; 3] = ["news", "chat", "odd"];

/// Engine, peers and time.
pub(crate) struct World {
    pub(crate) engine: TheEngine,
    pub(crate) log: SharedLog,
    /// The time that was lived.
    pub(crate) now: Instant,
    machine: Machine,
    /// What the engine did beyond its share in one call.
    excess: Option<String>,
    peers: Vec<Guest>,
    /// Connections that their peers have left and the engine has not.
    left: Vec<Left>,
    happenings: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    /// What the numbers in the heap mean.
    meanings: Vec<Option<Happening>>,
    number: u64,
    manner: Poll,
    rng: Rng,
    idle_turns: usize,
    achieved: (u64, usize),
    /// Messages in the hub at the last sample, and ever.
    held: (usize, u64),
    pub(crate) turns: u64,
}

/// A peer and what the world knows of its connection.
struct Guest {
    peer: Peer,
    /// The engine's end of a connection that is still to be made.
    link: Option<Link>,
    shape: Shape,
    id: Option<ConnectionId>,
    is_report_due: bool,
    wake: Option<Instant>,
}

/// A connection whose peer has another by now.
struct Left {
    wire: Shared,
    id: ConnectionId,
    is_report_due: bool,
}

/// Something done to the engine from outside.
type Deed = Box<dyn FnOnce(&mut TheEngine, Now)>;

enum Happening {
    Connect(usize),
    Wake(usize, Instant),
    Report(usize),
    LastReport(ConnectionId),
    Stale(ConnectionId),
    Deed(Deed),
    Mishap(Mishap),
}

/// How readiness is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Poll {
    /// At once and exactly.
    Calm,
    /// Late, merged, in vain and to the dead.
    Wild,
}

impl World {
    pub(crate) fn new(limits: Limits, manner: Poll, seed: u64) -> World {
        quiet();
        let log: SharedLog = Rc::default();
        let machine = Machine::sound();
        let engine = Engine::new(App::new(Rc::clone(&log)), limits, 7, machine.now(Instant::default()));
        World {
            engine: engine.expect("limits that can work"),
            log,
            now: Instant::default(),
            machine,
            excess: None,
            peers: Vec::new(),
            left: Vec::new(),
            happenings: BinaryHeap::new(),
            meanings: Vec::new(),
            number: 0,
            manner,
            rng: Rng::new(seed),
            idle_turns: 0,
            achieved: (0, 0),
            held: (0, 0),
            turns: 0,
        }
    }

    /// The time on the engine's machine.
    fn clock(&self) -> Now {
        self.machine.now(self.now)
    }

    /// When the engine wants its next turn, in the time that is lived.
    fn next_deadline(&self) -> Option<Instant> {
        self.engine.next_deadline().map(|at| self.machine.lived(at))
    }

    /// Lets the engine work, and notes if it does more than its share at once.
    fn works(&mut self, share: Share, work: impl FnOnce(&mut TheEngine, Now)) {
        let (now, before) = (self.clock(), *self.engine.core().counters());
        work(&mut self.engine, now);
        let core = self.engine.core();
        self.excess = self.excess.take().or_else(|| excess(&before, core.counters(), core.limits(), share));
    }

    /// A peer that connects at a time and follows a script.
    pub(crate) fn peer_at(&mut self, at: Duration, shape: Shape, script: Vec<Step>) -> usize {
        let index = self.peers.len();
        let wire = Wire::new(shape, self.rng.fork());
        let peer = Peer::new(index, script, Rc::clone(&wire), Rc::clone(&self.log));
        let link = Some(Link(wire));
        self.peers.push(Guest { peer, link, shape, id: None, is_report_due: false, wake: None });
        self.happens(Instant::default() + at, Happening::Connect(index));
        index
    }

    /// Something else that happens at a time.
    pub(crate) fn deed_at(&mut self, at: Duration, deed: impl FnOnce(&mut TheEngine, Now) + 'static) {
        self.happens(Instant::default() + at, Happening::Deed(Box::new(deed)));
    }

    /// Something that happens to the machine at a time.
    pub(crate) fn mishap_at(&mut self, at: Duration, mishap: Mishap) {
        self.happens(Instant::default() + at, Happening::Mishap(mishap));
    }

    /// From here on no more connections than these can be open at once.
    pub(crate) fn limit_descriptors(&mut self, most: usize) {
        self.machine.limit_descriptors(most);
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.peers.iter().map(|guest| guest.peer.heard.clone()).collect()
    }

    /// What the engine did to transports that it must not do.
    pub(crate) fn faults(&self) -> Vec<String> {
        let named = |(index, guest): (usize, &Guest)| {
            let faults = guest.peer.wire.borrow().faults.clone();
            faults.into_iter().map(move |fault| format!("peer {index}: {fault}")).collect::<Vec<_>>()
        };
        self.peers.iter().enumerate().flat_map(named).collect()
    }

    /// Runs until nothing will ever happen again, or until a time.
    pub(crate) fn run_until(&mut self, end: Duration) -> Result<(), String> {
        let end = Instant::default() + end;
        while self.step(end)? {}
        Ok(())
    }

    // TOUR 8.1
    /// What a reactor does in one round of its loop, or a leap in time.
    fn step(&mut self, end: Instant) -> Result<bool, String> {
        self.log.borrow_mut().now = self.now;
        let due = self.take_due();
        let has_happened = !due.is_empty();
        for happening in due {
            self.happen(happening);
        }
        if has_happened || self.next_deadline().is_some_and(|at| at <= self.now) {
            self.turn();
            self.check_progress(has_happened)?;
        }
        if let Some(excess) = self.excess.take() {
            return Err(excess);
        }
        while let Some((id, link)) = self.engine.next_closed() {
            self.close(id, link);
        }
        self.watch();
        let happening = self.happenings.peek().map(|Reverse((at, ..))| *at);
        let next = [happening, self.next_deadline()].into_iter().flatten().min();
        match next {
            Some(next) if next <= end => {
                // A turn takes time too, so that others may come between two of them.
                self.now = next.max(self.now + Duration::from_micros(5));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn turn(&mut self) {
        self.turns += 1;
        self.works(Share::Turn, |engine, now| engine.turn(now));
        self.sample();
    }

    /// Notes what the hub holds, for oracles.
    fn sample(&mut self) {
        let stats = self.engine.core().hub().stats();
        let (messages, channels) = (stats.messages, stats.channels);
        let is_busy = self.next_deadline().is_some_and(|at| at <= self.now);
        let (memory, held, at) = (stats.memory, stats.held, Instant::default());
        let sample = Sample { at, messages, channels, memory, held, is_busy };
        let mut log = self.log.borrow_mut();
        if log.samples.last().is_none_or(|last| Sample { at, ..*last } != sample) {
            log.samples.push(Sample { at: self.now, ..sample });
        }
        if (messages, stats.published) != self.held {
            self.held = (messages, stats.published);
            for (channel, first) in lost(self.engine.core().hub(), &CHANNELS) {
                let last = log.trims.iter().rev().find(|(_, name, _)| *name == channel);
                if last.is_none_or(|(.., known)| *known != first) {
                    log.trims.push((self.now, channel, first));
                }
            }
        }
    }

    /// Counts turns that achieve nothing. One that follows a happening may: perhaps nothing was to be done about it.
    fn check_progress(&mut self, has_happened: bool) -> Result<(), String> {
        let counters = self.engine.core().counters();
        let sum = counters.bytes_in + counters.bytes_out + counters.opened + counters.closed;
        let achieved = (sum + counters.exchanges + counters.refused, self.log.borrow().entries.len());
        if achieved != self.achieved {
            self.idle_turns = 0;
        } else if !has_happened {
            self.idle_turns += 1;
        }
        self.achieved = achieved;
        match self.idle_turns > IDLE_TURNS_MAX {
            true => Err(format!("the engine spins: {IDLE_TURNS_MAX} turns without progress")),
            false => Ok(()),
        }
    }

    fn happens(&mut self, at: Instant, happening: Happening) {
        self.number += 1;
        self.meanings.push(Some(happening));
        self.happenings.push(Reverse((at, self.number, self.meanings.len() - 1)));
    }

    fn take_due(&mut self) -> Vec<Happening> {
        let mut due = Vec::new();
        while let Some(Reverse((at, _, meaning))) = self.happenings.peek().copied() {
            if at > self.now {
                break;
            }
            self.happenings.pop();
            due.extend(self.meanings[meaning].take());
        }
        due
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Connect(index) => self.connect(index),
            Happening::Wake(index, at) => {
                let guest = &mut self.peers[index];
                // One that came to be woken earlier has been, and another wake stands for this one.
                if guest.wake != Some(at) {
                    return;
                }
                guest.wake = None;
                if let Some(at) = guest.peer.act(self.now) {
                    self.wake_at(index, at);
                }
                if let Some(pause) = self.peers[index].peer.comes_back.take() {
                    self.come_back(index, pause);
                }
            }
            Happening::Report(index) => self.report(index),
            Happening::LastReport(id) => self.report_left(id),
            Happening::Stale(id) => {
                let all = Readiness { readable: true, writable: true, read_closed: true, error: true };
                self.works(Share::One, |engine, now| engine.ready(id, all, now));
            }
            Happening::Deed(deed) => {
                let now = self.clock();
                deed(&mut self.engine, now);
            }
            Happening::Mishap(mishap) => {
                self.log.borrow_mut().say(&format!("the machine: {mishap:?}"));
                self.machine.befalls(mishap);
            }
        }
    }

    /// Accepts a peer's connection. Whatever was there before is reported as a poll does when a socket is registered.
    fn connect(&mut self, index: usize) {
        if self.peers[index].link.is_none() {
            // It has come back meanwhile, and was accepted.
            return self.accept_waiting();
        }
        if !self.machine.may_accept(index) {
            return self.wake_at(index, self.now);
        }
        let Some(link) = self.peers[index].link.take() else { return };
        self.log.borrow_mut().say(&format!("peer {index} connects"));
        let wire = Rc::clone(&link.0);
        let now = self.clock();
        match self.engine.open(link, now) {
            Ok(id) => {
                self.peers[index].id = Some(id);
                let level = wire.borrow().level();
                wire.borrow_mut().edges = level;
            }
            Err(link) => {
                drop(link);
                self.machine.give_back();
                self.accept_waiting();
            }
        }
        self.wake_at(index, self.now);
    }

    /// The next peer in the kernel's backlog has its turn, if a descriptor is free.
    fn accept_waiting(&mut self) {
        if let Some(index) = self.machine.next_waiting() {
            self.happens(self.now, Happening::Connect(index));
        }
    }

    /// A peer has left its connection, and will be back on another one.
    fn come_back(&mut self, index: usize, pause: Duration) {
        let guest = &mut self.peers[index];
        let wire = Wire::new(guest.shape, self.rng.fork());
        guest.link = Some(Link(Rc::clone(&wire)));
        let left = std::mem::replace(&mut guest.peer.wire, Rc::clone(&wire));
        guest.peer.back(wire);
        if let Some(id) = guest.id.take() {
            self.left.push(Left { wire: left, id, is_report_due: false });
        }
        guest.is_report_due = false;
        self.happens(self.now + pause, Happening::Connect(index));
    }

    fn report_left(&mut self, id: ConnectionId) {
        let Some(left) = self.left.iter_mut().find(|left| left.id == id) else { return };
        left.is_report_due = false;
        let edges = std::mem::take(&mut left.wire.borrow_mut().edges);
        self.works(Share::One, |engine, now| engine.ready(id, edges, now));
    }

    fn wake_at(&mut self, index: usize, at: Instant) {
        let guest = &mut self.peers[index];
        if guest.wake.is_none_or(|wake| at < wake) {
            guest.wake = Some(at);
            self.happens(at, Happening::Wake(index, at));
        }
    }

    fn report(&mut self, index: usize) {
        let guest = &mut self.peers[index];
        guest.is_report_due = false;
        let Some(id) = guest.id else { return };
        let mut wire = guest.peer.wire.borrow_mut();
        let mut edges = std::mem::take(&mut wire.edges);
        if self.manner == Poll::Wild && self.rng.chance(50) {
            // An edge brings the whole state of its socket with it.
            let level = wire.level();
            edges.readable |= level.readable;
            edges.writable |= level.writable;
            edges.read_closed |= level.read_closed;
        }
        drop(wire);
        self.works(Share::One, |engine, now| engine.ready(id, edges, now));
    }

    /// Whoever has news is told of it, a little later.
    fn watch(&mut self) {
        for number in 0..self.left.len() {
            let left = &mut self.left[number];
            if left.wire.borrow().has_edges() && !left.is_report_due {
                left.is_report_due = true;
                let id = left.id;
                let delay = self.delay();
                self.happens(self.now + delay, Happening::LastReport(id));
            }
        }
        for index in 0..self.peers.len() {
            let guest = &self.peers[index];
            if guest.id.is_none() && guest.peer.wants_to_read().is_none() {
                continue;
            }
            let has_edges = guest.peer.wire.borrow().has_edges();
            if has_edges && !guest.is_report_due && guest.id.is_some() {
                self.peers[index].is_report_due = true;
                let delay = self.delay();
                self.happens(self.now + delay, Happening::Report(index));
            }
            if let Some(at) = self.peers[index].peer.wants_to_read() {
                self.wake_at(index, at.max(self.now + Duration::from_micros(100)));
            }
            self.tease(index);
        }
    }

    /// How late a poll reports.
    fn delay(&mut self) -> Duration {
        match self.manner {
            Poll::Calm => Duration::ZERO,
            Poll::Wild => Duration::from_micros(self.rng.magnitude(1, 3_000) as u64),
        }
    }

    /// Reports in vain, which any driver may make.
    fn tease(&mut self, index: usize) {
        if self.manner == Poll::Calm || !self.rng.chance(1) || self.peers[index].id.is_none() {
            return;
        }
        let edges = Readiness { readable: true, writable: self.rng.chance(50), ..Readiness::default() };
        let mut wire = self.peers[index].peer.wire.borrow_mut();
        wire.edges.readable |= edges.readable;
        wire.edges.writable |= edges.writable;
    }

    fn close(&mut self, id: ConnectionId, link: Link) {
        drop(link);
        self.machine.give_back();
        self.accept_waiting();
        self.left.retain(|left| left.id != id);
        if let Some(index) = self.peers.iter().position(|guest| guest.id == Some(id)) {
            self.peers[index].id = None;
            self.wake_at(index, self.now);
        }
        if self.manner == Poll::Wild && self.rng.chance(30) {
            let delay = self.rng.millis(0, 50);
            self.happens(self.now + delay, Happening::Stale(id));
        }
    }
}

/// Panics on purpose need not be read about.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"on purpose") {
                loud(info);
            }
        }));
    });
}

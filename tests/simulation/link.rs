//! A link: two bounded pipes with an engine's `Transport` at one end and a scripted peer at the other.
//!
//! ```text
//!   peer ── send, fin, reset ──► [ inbound  ] ──► read ───┐
//!   peer ◄──── receive ───────── [ outbound ] ◄── write ── Link: Transport ── the engine
//!                    edges: what an edge-triggered poll would report, each change once
//! ```
//!
//! A *socket* answers as TCP does: a short read means drained, a short write means blocked. A *session* answers as TLS does: it
//! moves as little as it likes and most often cannot tell whether more would. Both are drawn down to pipes of one byte.
//!
//! Invariants: bytes are neither lost nor changed before a reset; an edge is raised when bytes, a FIN or a RST arrive and when room
//! appears behind a refused write, and at no other time; what the engine must not do with a transport is noted in `faults`.
//!
//! Next: `script.rs`, then `peer.rs`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

use encke::engine::{More, Moved, Readiness, Transport};

use crate::rng::Rng;
use crate::shape::{Manner, OnReset, Shape};

/// How the peer learned that the connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Fin,
    Reset,
}

/// One connection as both ends see it.
pub(crate) struct Wire {
    shape: Shape,
    rng: Rng,
    inbound: VecDeque<u8>,
    outbound: VecDeque<u8>,
    /// What has changed and was not yet reported to the engine.
    pub(crate) edges: Readiness,
    is_write_refused: bool,
    peer_side: Side,
    engine_side: Side,
    peer_reset: bool,
    engine_reset: bool,
    break_off_asked: bool,
    pub(crate) faults: Vec<&'static str>,
}

/// What one end has done with its sending side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Open,
    Shut,
    Gone,
}

pub(crate) type Shared = Rc<RefCell<Wire>>;

impl Wire {
    pub(crate) fn new(shape: Shape, rng: Rng) -> Shared {
        Rc::new(RefCell::new(Wire {
            shape,
            rng,
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
            edges: Readiness::default(),
            is_write_refused: false,
            peer_side: Side::Open,
            engine_side: Side::Open,
            peer_reset: false,
            engine_reset: false,
            break_off_asked: false,
            faults: Vec::new(),
        }))
    }

    // ---- the peer's end

    /// Takes what fits of `bytes`, and says how much that was.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> usize {
        if self.engine_side == Side::Gone {
            // A kernel answers bytes for a closed socket with a reset.
            self.engine_reset = true;
            return bytes.len();
        }
        let room = bytes.len().min(self.shape.inbound_max - self.inbound.len());
        self.inbound.extend(&bytes[..room]);
        self.edges.readable |= room > 0;
        room
    }

    pub(crate) fn fin(&mut self) {
        if self.peer_side == Side::Open {
            self.peer_side = Side::Shut;
            self.edges.readable = true;
            self.edges.read_closed = true;
        }
    }

    /// Closes both directions, as a program does that ends: unread bytes turn it into a reset, and so does what comes later.
    pub(crate) fn leave(&mut self) {
        if self.outbound.is_empty() {
            self.fin();
            self.peer_side = Side::Gone;
        } else {
            self.reset();
        }
    }

    pub(crate) fn reset(&mut self) {
        self.peer_reset = true;
        self.peer_side = Side::Gone;
        self.outbound.clear();
        self.inbound.clear();
        self.edges = Readiness { readable: true, writable: true, read_closed: true, error: true };
    }

    /// At most `bytes_max` of what the engine has written.
    pub(crate) fn receive(&mut self, bytes_max: usize) -> Vec<u8> {
        if self.engine_reset && self.shape.on_reset == OnReset::Loses {
            self.outbound.clear();
        }
        let taken: Vec<u8> = self.outbound.drain(..bytes_max.min(self.outbound.len())).collect();
        if self.is_write_refused && !taken.is_empty() {
            self.is_write_refused = false;
            self.edges.writable = true;
        }
        taken
    }

    /// How the connection has ended for the peer, once it has read all that came before the end.
    pub(crate) fn ending(&self) -> Option<Ending> {
        if self.engine_reset && (self.outbound.is_empty() || self.shape.on_reset == OnReset::Loses) {
            return Some(Ending::Reset);
        }
        (self.engine_side != Side::Open && self.outbound.is_empty()).then_some(Ending::Fin)
    }

    pub(crate) fn has_news_for_peer(&self) -> bool {
        !self.outbound.is_empty() || self.ending().is_some()
    }

    // ---- what a poll would say

    /// The state of the socket, as a poll reports it at registration or beside any edge.
    pub(crate) fn level(&self) -> Readiness {
        Readiness {
            readable: !self.inbound.is_empty() || self.peer_side != Side::Open,
            writable: self.outbound.len() < self.shape.outbound_max || self.peer_reset,
            read_closed: self.peer_side != Side::Open,
            error: self.peer_reset,
        }
    }

    pub(crate) fn has_edges(&self) -> bool {
        self.edges != Readiness::default()
    }

    fn is_interrupted(&mut self) -> bool {
        self.rng.chance(self.shape.interrupts)
    }

    fn drop_engine_side(&mut self) {
        self.engine_side = Side::Gone;
        // Unread bytes at a close turn into a reset, and so does a break that was asked for.
        self.engine_reset |= self.break_off_asked || !self.inbound.is_empty();
    }
}

/// The engine's end.
pub(crate) struct Link(pub(crate) Shared);

impl Drop for Link {
    fn drop(&mut self) {
        self.0.borrow_mut().drop_engine_side();
    }
}

impl Transport for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Moved> {
        let wire = &mut *self.0.borrow_mut();
        if buffer.is_empty() {
            wire.faults.push("a read into nothing");
        }
        if wire.is_interrupted() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if wire.peer_reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if wire.inbound.is_empty() {
            return match wire.peer_side {
                Side::Open => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(Moved { bytes: 0, more: More::No }),
            };
        }
        let most = buffer.len().min(wire.inbound.len());
        let bytes = match wire.shape.manner {
            Manner::Socket => most,
            Manner::Session => wire.rng.between(1, most),
        };
        for (to, from) in buffer.iter_mut().zip(wire.inbound.drain(..bytes)) {
            *to = from;
        }
        let is_drained = wire.inbound.is_empty() && wire.peer_side == Side::Open;
        let more = match wire.shape.manner {
            Manner::Socket if bytes < buffer.len() => More::No,
            Manner::Socket => More::Yes,
            Manner::Session => told(&mut wire.rng, is_drained),
        };
        Ok(Moved { bytes, more })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Moved> {
        let wire = &mut *self.0.borrow_mut();
        if bytes.is_empty() {
            wire.faults.push("a write of nothing");
        }
        if wire.engine_side != Side::Open {
            wire.faults.push("a write behind the end");
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if wire.is_interrupted() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if wire.peer_reset {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if wire.peer_side == Side::Gone {
            wire.reset();
            return Ok(Moved { bytes: bytes.len(), more: More::Yes });
        }
        let room = wire.shape.outbound_max - wire.outbound.len();
        if room == 0 {
            wire.is_write_refused = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let most = bytes.len().min(room);
        let taken = match wire.shape.manner {
            Manner::Socket => most,
            Manner::Session => wire.rng.between(1, most),
        };
        wire.outbound.extend(&bytes[..taken]);
        let is_full = wire.outbound.len() == wire.shape.outbound_max;
        let more = match wire.shape.manner {
            Manner::Socket if taken < bytes.len() => More::No,
            Manner::Socket => More::Yes,
            Manner::Session => told(&mut wire.rng, is_full),
        };
        // Whoever is told No is owed an edge.
        wire.is_write_refused |= more == More::No;
        Ok(Moved { bytes: taken, more })
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        let wire = &mut *self.0.borrow_mut();
        if wire.engine_side != Side::Open {
            wire.faults.push("a second shutdown");
        }
        if wire.peer_reset {
            return Err(io::ErrorKind::NotConnected.into());
        }
        wire.engine_side = Side::Shut;
        Ok(())
    }

    fn break_off(&mut self) {
        self.0.borrow_mut().break_off_asked = true;
    }
}

/// What a session says: it may know that it is at an end, and never claims so wrongly.
fn told(rng: &mut Rng, is_at_end: bool) -> More {
    match (is_at_end, rng.chance(50)) {
        (_, true) => More::Unknown,
        (true, false) => More::No,
        (false, false) => More::Yes,
    }
}

#[test]
fn a_link_loses_nothing_and_raises_each_edge_once() {
    for seed in 0..50 {
        let mut rng = Rng::new(seed);
        let wire = Wire::new(Shape { interrupts: 0, ..Shape::drawn(&mut rng) }, rng.fork());
        let mut link = Link(Rc::clone(&wire));
        let (sent, mut heard) = ((0..200u8).collect::<Vec<_>>(), Vec::new());
        let mut from = 0;
        while heard.len() < sent.len() {
            from += wire.borrow_mut().send(&sent[from..]);
            assert!(std::mem::take(&mut wire.borrow_mut().edges).readable);
            let mut buffer = [0; 7];
            while let Ok(moved) = link.read(&mut buffer) {
                heard.extend_from_slice(&buffer[..moved.bytes]);
            }
            assert!(!wire.borrow().has_edges());
        }
        assert_eq!(heard, sent);
        while link.write(b"x").is_ok() {}
        wire.borrow_mut().receive(1);
        assert!(wire.borrow().edges.writable, "room behind a refused write is an edge");
    }
}

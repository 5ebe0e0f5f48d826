//! What a connection waits for, how long, and what happens when it has waited long enough.
//!
//! | wait | counts from | holds while | what happens |
//! | --- | --- | --- | --- |
//! | head | accepting, or the head's first byte | a head is awaited | 408, or a plain close if not a byte has come |
//! | keep-alive | the last byte of the last answer | nothing has come since | close |
//! | body | the last byte of it | the body is governed and not paused | `Error(Stalled(Sending))`, 408 |
//! | body rate | when the body was last not behind it | the same | the same |
//! | write | the last byte taken | the peer is blocked | `Error(Stalled(Reading))`, close |
//! | comet | the last byte read or written | an exchange is open | `Error(Timeout)`, again each period |
//! | heartbeat | the last byte taken | a subscriber's format has one | a heartbeat |
//! | linger | the closing of our side | the peer has not closed its own | close |
//!
//! Traffic only notes the time. The wheel holds one deadline for each connection, the earliest; one that goes off too early, because
//! there was traffic since, puts itself back. So a delivery never touches the wheel.
//!
//! Invariant: whenever a connection waits for anything that has an end, its entry in the wheel is not after that end.
//!
//! Next: `shutdown.rs`.

use super::Engine;
use super::connection::{Buffers, Connection, Fate, Output, Reading, Subscription};
use super::core::Core;
use super::event::{Cause, Event, Stall};
use super::halves::{Receiving, Sending};
use super::handler::Handler;
use super::transport::Transport;
use crate::error::Refusal;
use crate::limits::Limits;
use crate::time::{Tick, ticks};

/// What a connection may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    Head,
    KeepAlive,
    Body,
    Write,
    Comet,
    Heartbeat,
    Linger,
}

impl Connection {
    /// All that this connection waits for, each with its end.
    fn waits(&self, limits: &Limits) -> [Option<(Tick, Wait)>; 4] {
        let blocked = self.is_blocked();
        // Only a stream has room for heartbeats: not an answer that has not begun, has a length or no body, or a tunnel.
        let is_beating = self.subscription == Subscription::Beating
            && matches!(self.sending, Sending::Streaming(_))
            && !blocked
            && !limits.heartbeat.is_zero();
        [
            self.receiving_wait(limits),
            blocked.then(|| (self.wrote.plus(ticks(limits.write_timeout)), Wait::Write)),
            (self.has_exchange() && self.comet > 0).then(|| (self.since.plus(self.comet), Wait::Comet)),
            is_beating.then(|| (self.wrote.plus(ticks(limits.heartbeat)), Wait::Heartbeat)),
        ]
    }

    /// What the receiving half waits for.
    fn receiving_wait(&self, limits: &Limits) -> Option<(Tick, Wait)> {
        match self.receiving {
            Receiving::Head => Some((self.since.plus(ticks(limits.head_timeout)), Wait::Head)),
            // While the answer before is on its way, the write timeout holds; `note_write` starts this clock behind its last byte.
            Receiving::Quiet if self.owed() > 0 => None,
            Receiving::Quiet => Some((self.since.plus(ticks(limits.keep_alive_timeout)), Wait::KeepAlive)),
            Receiving::Body | Receiving::Swallow
                if self.is_body_governed() && self.reading == Reading::Flowing =>
            {
                let buffers = self.buffers.as_ref()?;
                Some((buffers.body_deadline(limits), Wait::Body))
            }
            Receiving::Drain if self.output == Output::Shut => {
                Some((self.since.plus(ticks(limits.linger_timeout)), Wait::Linger))
            }
            Receiving::Drain
            | Receiving::Body
            | Receiving::Swallow
            | Receiving::Complete
            | Receiving::Tunnel => None,
        }
    }
}

impl Buffers {
    /// When the body must have gone on, and when it must have come as far as its least rate demands.
    fn body_deadline(&self, limits: &Limits) -> Tick {
        let patience = ticks(limits.body_timeout);
        let progress = self.body_since.plus(patience);
        if limits.body_rate_min == 0 {
            return progress;
        }
        progress.earlier(self.rate_since.plus(patience + earned(self.rate_bytes, limits.body_rate_min)))
    }

    /// Counts `data` bytes for the rate. Whoever is not behind begins anew: what was sent fast earlier buys no right to drip now, so
    /// a body may fall behind the rate by its timeout, whenever in it that begins.
    pub(crate) fn note_rate(&mut self, now: Tick, data: usize, rate: u32) {
        self.rate_bytes += data as u64;
        if data > 0
            && rate > 0
            && i64::from(earned(self.rate_bytes, rate)) >= i64::from(now.since(self.rate_since))
        {
            self.rate_since = now;
            self.rate_bytes = 0;
        }
    }
}

/// How long a body may take for so many bytes, at a rate in bytes a second.
fn earned(bytes: u64, rate: u32) -> u32 {
    const TICKS_PER_SECOND: u64 = 1_000_000 / Tick::MICROS;
    (bytes * TICKS_PER_SECOND / u64::from(rate)).min(u64::from(u32::MAX / 8)) as u32
}

impl Core {
    /// Sees to it that the wheel goes off in time for the connection's earliest deadline.
    pub(crate) fn arm(&mut self, slot: u32) {
        let connection = &self.connections[slot as usize];
        let earliest =
            connection.waits(&self.limits).into_iter().flatten().map(|(end, _)| end).reduce(Tick::earlier);
        let Some(earliest) = earliest else { return };
        // An entry that is already early enough stays: moving it at each delivery is what this saves.
        if self.wheel.deadline(slot).is_none_or(|armed| earliest.since(armed) < 0) {
            self.wheel.set(slot, earliest);
        }
    }
}

impl<T: Transport, H: Handler> Engine<T, H> {
    /// Takes what has come due on the wheel, at most a turn's share of it.
    pub(crate) fn expire(&mut self) {
        self.core.wheel.advance(self.core.tick);
        for _ in 0..self.core.limits.resumptions_per_turn_max {
            let Some(slot) = self.core.wheel.take_due() else { return };
            if self.core.connections.contains(slot as usize) {
                self.expire_at(slot);
                self.serve(slot);
            }
        }
    }

    /// What one connection has waited for long enough. The first that ends it is the last that is looked at.
    fn expire_at(&mut self, slot: u32) {
        self.settle(slot);
        let now = self.core.tick;
        let waits = self.core.at(slot).waits(&self.core.limits);
        for (_, wait) in waits.into_iter().flatten().filter(|(end, _)| end.is_due(now)) {
            match wait {
                Wait::Head if self.core.at(slot).has_part_of_head() => {
                    self.refuse_kept(
                        slot,
                        Refusal::new(408, "the head did not come in time; send it faster"),
                    );
                }
                Wait::Head | Wait::KeepAlive => self.core.start_closing(slot, Fate::Close),
                Wait::Body if self.core.at(slot).has_exchange() => {
                    self.fail(slot, Cause::Stalled(Stall::Sending))
                }
                Wait::Body => self.core.start_closing(slot, Fate::Close),
                Wait::Write => {
                    self.fail(slot, Cause::Stalled(Stall::Reading));
                    self.core.at_mut(slot).fate = Fate::Drop;
                }
                Wait::Linger => self.core.at_mut(slot).fate = Fate::Drop,
                Wait::Heartbeat => self.beat(slot),
                Wait::Comet => {
                    self.core.at_mut(slot).since = now;
                    self.tell(slot, Event::Error(Cause::Timeout));
                }
            }
            if self.core.at(slot).receiving == Receiving::Drain || !self.core.at(slot).has_exchange() {
                return;
            }
        }
    }

    /// Sends a heartbeat, unless something else is on its way: then the peer hears from us anyway.
    fn beat(&mut self, slot: u32) {
        let tick = self.core.tick;
        self.core.at_mut(slot).wrote = tick;
        if self.core.at(slot).owed() > 0 {
            return;
        }
        let mut output = std::mem::take(&mut self.core.buffers(slot).output);
        self.core.counters.heartbeats += u64::from(self.core.hub.write_heartbeat(slot, &mut output));
        self.core.buffers(slot).output = output;
    }
}

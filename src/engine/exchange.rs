//! The life of an exchange: how it opens, how callbacks are made, and the one way in which it ends.
//!
//! `receive.rs`, `deadlines.rs` and `fanout.rs` find out what happened and call [`fail`](Engine::fail) or
//! [`settle`](Engine::settle); nothing else ends an exchange.
//!
//! ```text
//!   callback returns ─► settle ─► close asked ─► end(Closed) ─┐
//!                              └► abort asked ─► end(Failed) ─┼─► answer completed or broken ─► freed
//!   something broke ──► fail ──► Error(cause) ─► end(Failed) ─┤
//!   shutdown ─────────────────────────────────► end(Shutdown) ┘
//! ```
//!
//! Invariants: `End` is delivered exactly once for each `Begin`; after it the exchange has no state, timer or subscription, and its
//! generation has moved on, so no handle reaches the next one.
//!
//! Next: `receive.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Engine;
use super::connection::{
    BodyUse, Continue, Fate, Form, HalfClose, Life, Method, NOBODY, Reading, Subscription,
};
use super::core::Core;
use super::ctx::Ctx;
use super::event::{Cause, End, Event, Stall};
use super::halves::{Arrival, Coding, Receiving, Reply, Sending};
use super::handler::Handler;
use super::timers::Owner;
use super::transport::Transport;
use crate::error::Refusal;
use crate::http::{BodyReader, Framing, RequestHead};
use crate::time::ticks;

/// Whether a callback came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    Returned,
    Panicked,
}

// TOUR 4.3
/// Makes one callback for the exchange on `slot`: the only place where a handler's code runs for an exchange.
pub(crate) fn call<H: Handler>(
    handler: &mut H,
    core: &mut Core,
    state: &mut H::State,
    slot: u32,
    callback: impl FnOnce(&mut H, &mut Ctx<'_, H::State>),
) -> Called {
    core.current = slot;
    let mut ctx = Ctx::new(state, core, slot);
    let outcome = catch_unwind(AssertUnwindSafe(|| callback(handler, &mut ctx)));
    core.current = NOBODY;
    if outcome.is_ok() {
        return Called::Returned;
    }
    core.counters.panics += 1;
    Called::Panicked
}

impl Core {
    /// Opens an exchange on a connection whose request's head has just been accepted.
    pub(crate) fn open_exchange(&mut self, slot: u32, head: &RequestHead<'_>) {
        self.leave_waiting(slot);
        let comet = if self.limits.comet_timeout.is_zero() { 0 } else { ticks(self.limits.comet_timeout) };
        let body_bytes_max = self.limits.body_bytes_max;
        let (tick, leaving) = (self.tick, self.is_shutting_down());
        let connection = self.at_mut(slot);
        connection.receive(Arrival::Request);
        connection.send(Reply::Open);
        connection.life = Life::Open;
        connection.since = tick;
        connection.comet = comet;
        let method = if head.is_head() { Method::Head } else { Method::Other };
        connection.form = Form::of(head.version(), method);
        connection.fate = if head.keeps_alive() && !leaving { Fate::Keep } else { Fate::Close };
        let buffers = self.buffers(slot);
        buffers.decoder = BodyReader::new(head.framing());
        buffers.go_on = if head.expects_continue() { Continue::Owed } else { Continue::No };
        buffers.body_bytes = 0;
        buffers.body_bytes_max = body_bytes_max;
        buffers.start_body_clocks(tick);
        self.exchanges += 1;
        self.counters.exchanges += 1;
    }

    /// Forgets all that belonged to the exchange, and moves the generation on.
    fn close_exchange(&mut self, slot: u32, reply: Reply) {
        let generation = self.generation();
        if self.at_mut(slot).buffers.as_mut().is_some_and(|buffers| std::mem::take(&mut buffers.is_held)) {
            let id = self.exchange_at(slot);
            self.hub.forget_held(id);
        }
        self.unsubscribe(slot);
        self.timers.cancel_all(Owner::Exchange(slot));
        let connection = self.at_mut(slot);
        connection.send(reply);
        connection.exchange = generation;
        connection.life = Life::Open;
        connection.comet = 0;
        connection.reading = Reading::Flowing;
        connection.half_close = HalfClose::Auto;
        connection.form = Form::Http11;
        if let Some(buffers) = &mut connection.buffers {
            buffers.body_use = BodyUse::Lend;
            buffers.go_on = Continue::No;
            buffers.missing = 0;
            buffers.is_awaited = false;
            if let Some(sight) = buffers.sight.take() {
                sight.set_ended();
            }
            buffers.collected = Vec::new();
            buffers.charge = None;
            buffers.refusal_fields = None;
        }
        self.exchanges -= 1;
    }

    /// Ends a subscription, if there is one.
    pub(crate) fn unsubscribe(&mut self, slot: u32) {
        self.hub.leave(slot);
        let connection = &mut self.connections[slot as usize];
        let subscription = std::mem::replace(&mut connection.subscription, Subscription::None);
        self.parked -= usize::from(subscription == Subscription::Parked);
    }
}

impl<T: Transport, H: Handler> Engine<T, H> {
    /// Tells the handler of an event, and carries out what it asked for.
    pub(crate) fn tell(&mut self, slot: u32, event: Event<'_>) {
        let state = &mut self.states[slot as usize];
        let called =
            call(&mut self.handler, &mut self.core, state, slot, |handler, ctx| handler.event(event, ctx));
        self.after_call(slot, called);
    }

    /// What follows every callback.
    pub(crate) fn after_call(&mut self, slot: u32, called: Called) {
        match called {
            Called::Returned => self.settle(slot),
            Called::Panicked => self.fail(slot, Cause::Handler),
        }
    }

    /// Carries out what callbacks have asked of the exchange on a slot.
    pub(crate) fn settle(&mut self, slot: u32) {
        let connection = self.core.at(slot);
        match connection.life {
            Life::CloseAsked => self.end(slot, End::Closed),
            Life::AbortAsked => self.end_failed(slot, Some(500)),
            Life::Open
                if connection.has_exchange()
                    && connection.counts_as_gone(self.core.limits.head_bytes_max) =>
            {
                self.fail(slot, Cause::Disconnected);
            }
            Life::Open | Life::LastWords | Life::Lost => {}
        }
    }

    /// Ends an exchange that something fatal has happened to: `Error(cause)`, then `End(Failed)`.
    pub(crate) fn fail(&mut self, slot: u32, cause: Cause) {
        if !self.core.at(slot).has_exchange() {
            return;
        }
        self.core.counters.cuts += u64::from(cause == Cause::Stalled(Stall::Reading));
        self.core.at_mut(slot).life = Life::Lost;
        let state = &mut self.states[slot as usize];
        // A second panic is counted by `call` and changes nothing: the exchange is lost already.
        call(&mut self.handler, &mut self.core, state, slot, |h, ctx| h.event(Event::Error(cause), ctx));
        let status = match cause {
            Cause::Protocol(refusal) => {
                self.end_refused(slot, Some(refusal));
                return;
            }
            Cause::Stalled(Stall::Sending) => {
                self.end_refused(
                    slot,
                    Some(Refusal::new(408, "the body did not come in time; send it faster")),
                );
                return;
            }
            Cause::Handler => Some(500),
            Cause::Disconnected if self.core.at(slot).is_body_missing() => Some(400),
            Cause::Disconnected | Cause::Reset | Cause::Stalled(Stall::Reading) => None,
            Cause::Timeout => {
                debug_assert!(false, "a timeout is not fatal");
                None
            }
        };
        self.end_failed(slot, status);
    }

    fn end_failed(&mut self, slot: u32, status: Option<u16>) {
        let refusal = status.map(|status| match status {
            400 => Refusal::new(400, "the connection was closed before the body was complete"),
            _ => Refusal::new(500, "the request could not be served"),
        });
        self.end_refused(slot, refusal);
    }

    /// `End(Failed)`: the answer is the refusal if none has begun, else it is visibly broken off; without a refusal the peer
    /// is gone, and the connection with it.
    fn end_refused(&mut self, slot: u32, refusal: Option<Refusal>) {
        self.core.at_mut(slot).life = Life::Lost;
        let state = &mut self.states[slot as usize];
        call(&mut self.handler, &mut self.core, state, slot, |h, ctx| h.event(Event::End(End::Failed), ctx));
        let sending = self.core.at(slot).sending;
        let fate = match (refusal, sending) {
            (None, Sending::Streaming(Coding::Bare)) => {
                if let Some(transport) = &mut self.transports[slot as usize] {
                    transport.break_off();
                }
                Fate::Drop
            }
            (None, _) => Fate::Drop,
            (Some(refusal), Sending::Awaited) => {
                self.core.put_refusal(slot, refusal);
                Fate::Close
            }
            (Some(_), Sending::Streaming(Coding::Bare)) => Fate::BreakOff,
            (Some(_), _) => Fate::Close,
        };
        self.core.at_mut(slot).fate = fate;
        self.free(slot, Reply::Break);
    }

    // TOUR 4.4
    /// `End(Closed)` and `End(Shutdown)`: the handler's last words, then the end of the answer.
    pub(crate) fn end(&mut self, slot: u32, why: End) {
        if why == End::Shutdown {
            let connection = self.core.at_mut(slot);
            connection.fate = if connection.fate == Fate::Keep { Fate::Close } else { connection.fate };
        }
        self.core.at_mut(slot).life = Life::LastWords;
        let state = &mut self.states[slot as usize];
        let called =
            call(&mut self.handler, &mut self.core, state, slot, |h, ctx| h.event(Event::End(why), ctx));
        match called {
            Called::Returned => {
                self.core.put_end(slot);
                self.free(slot, Reply::Finish);
            }
            // `End` was delivered, so nothing more is said; but a half-written answer must not look whole.
            Called::Panicked => {
                let is_bare = self.core.at(slot).sending == Sending::Streaming(Coding::Bare);
                if self.core.at(slot).sending == Sending::Awaited {
                    self.core.put_refusal(slot, Refusal::new(500, "the request could not be served"));
                }
                self.core.at_mut(slot).fate = if is_bare { Fate::BreakOff } else { Fate::Close };
                self.free(slot, Reply::Break);
            }
        }
    }

    /// Frees what belonged to the exchange, and decides what its connection does next.
    fn free(&mut self, slot: u32, reply: Reply) {
        let is_body_missing = self.core.at(slot).is_body_missing();
        self.core.close_exchange(slot, reply);
        self.states[slot as usize] = H::State::default();
        let tick = self.core.tick;
        let connection = self.core.at_mut(slot);
        connection.since = tick;
        if connection.fate != Fate::Keep {
            connection.receive(Arrival::Drain);
        } else if is_body_missing {
            connection.receive(Arrival::Answered);
            // What has come of it so far does not count: only what is thrown away is bounded.
            let bytes_max = self.core.limits.discard_bytes_max;
            let buffers = self.core.buffers(slot);
            buffers.body_bytes = 0;
            buffers.body_bytes_max = bytes_max;
            buffers.start_body_clocks(tick);
        } else {
            self.await_request(slot);
        }
    }

    /// The connection is back for its next request.
    pub(crate) fn await_request(&mut self, slot: u32) {
        let core = &mut self.core;
        let connection = core.at_mut(slot);
        match connection.receiving {
            Receiving::Swallow => connection.receive(Arrival::Complete),
            Receiving::Body => {
                connection.receive(Arrival::Complete);
                connection.receive(Arrival::Answered);
            }
            _ => connection.receive(Arrival::Answered),
        }
        if let Some(buffers) = &mut connection.buffers {
            buffers.decoder = BodyReader::new(Framing::None);
        }
        core.note_waiting(slot);
    }
}

//! `Ctx`: one exchange in its handler's hands, for the length of one call.
//!
//! The engine makes one for each callback. Everything that a handler does with it is noted and carried out when the call has
//! returned; what it writes goes out in one piece then.
//!
//! Next: `core.rs`, for what concerns other exchanges, channels and time.

use std::sync::Arc;
use std::time::Duration;

use super::answer::Fields;
use super::connection::{BodyUse, HalfClose, Life, Method, Reading, Subscription};
use super::core::Core;
use super::halves::{Coding, Sending};
use super::handle::{Handle, Sight};
use super::timers::Owner;
use crate::error::WriteError;
use crate::http::{Version, check_fields};
use crate::hub::{News, Since, Subscribed, WireFormat, Wrapping};
use crate::id::ExchangeId;
use crate::time::{Now, ticks};

/// The exchange that a callback is about, and through it the whole engine.
pub struct Ctx<'a, S> {
    /// What the handler keeps for this exchange.
    pub state: &'a mut S,
    core: &'a mut Core,
    slot: u32,
}

impl<'a, S> Ctx<'a, S> {
    pub(crate) fn new(state: &'a mut S, core: &'a mut Core, slot: u32) -> Ctx<'a, S> {
        Ctx { state, core, slot }
    }

    /// The name of this exchange, for later: see [`Core::write`].
    #[must_use]
    pub fn id(&self) -> ExchangeId {
        self.core.exchange_at(self.slot)
    }

    /// The engine: channels, other exchanges, timers.
    pub fn core(&mut self) -> &mut Core {
        self.core
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Now {
        self.core.now()
    }

    /// A way to this exchange from any thread. The exchange keeps some two hundred bytes of buffers while a handle may be out.
    pub fn handle(&mut self) -> Handle {
        let id = self.id();
        let remote = self.core.handles.remote();
        let bound = self.core.limits.output_bytes_max;
        if !self.is_open() {
            let sight = Sight::open(bound);
            sight.set_ended();
            return Handle::new(id, sight, remote);
        }
        let sight = self.core.buffers(self.slot).sight.get_or_insert_with(|| Sight::open(bound));
        Handle::new(id, Arc::clone(sight), remote)
    }

    /// Whether the exchange may still be written to.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.core.is_open(self.id())
    }

    /// Whether the request was HEAD: the answer's body will not be sent, and nothing should wait for it.
    #[must_use]
    pub fn is_head_request(&self) -> bool {
        self.core.is_head_request(self.slot)
    }

    // ---- answering

    /// Gives the whole answer at once, with its `Content-Length`, and closes the exchange. It is taken whole whatever
    /// its size, as the handler has it in hand already.
    ///
    /// # Errors
    /// [`WriteError::Begun`], [`WriteError::Ended`] or [`WriteError::BadHead`].
    pub fn respond(&mut self, status: u16, fields: Fields<'_>, body: &[u8]) -> Result<(), WriteError> {
        self.core.respond_at(self.slot, status, fields, body)
    }

    /// Begins an answer without a length: chunked, or to HTTP/1.0 bare until the connection closes. The head goes out when the
    /// call returns, also if nothing is written: EventSource and fetch wait for it.
    ///
    /// # Errors
    /// As for [`respond`](Ctx::respond).
    pub fn start(&mut self, status: u16, fields: Fields<'_>) -> Result<(), WriteError> {
        self.core.start_at(self.slot, status, fields)
    }

    /// Begins an answer of `length` bytes, to be written piece by piece.
    ///
    /// # Errors
    /// As for [`respond`](Ctx::respond).
    pub fn start_sized(&mut self, status: u16, fields: Fields<'_>, length: u64) -> Result<(), WriteError> {
        self.core.start_sized_at(self.slot, status, fields, length)
    }

    /// Writes body bytes, one chunk a call; without a head before, `200` begins the answer. All are taken or none.
    ///
    /// # Errors
    /// [`WriteError::Full`] if [`Limits::output_bytes_max`](crate::Limits::output_bytes_max) are waiting already, and then
    /// [`Handler::drained`](crate::Handler::drained) is called when it is time to go on; [`WriteError::Ended`] after a close;
    /// [`WriteError::TooLong`] beyond the announced length.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.core.write_at(self.slot, bytes)
    }

    /// Ends the exchange: what was written goes out, then the end of the answer, and the connection is back for its next
    /// request. Messages of channels that have not reached it by now do not; [`Core::end_channel`] closes whoever hears a channel behind
    /// its last message. Without any answer it is `200` with nothing in it.
    pub fn close(&mut self) {
        self.core.ask_at(self.slot, Life::CloseAsked);
    }

    /// Breaks the exchange off so that the peer can see it: `500` if no answer has begun, else an answer without its
    /// end. The exchange gets `End(Failed)`, and no `Error`, as nothing happened that its handler does not know.
    pub fn abort(&mut self) {
        self.core.ask_at(self.slot, Life::AbortAsked);
    }

    /// Turns the connection into a tunnel: `101 Switching Protocols`, and from then on `Read(Data)` brings, and `write` sends,
    /// raw bytes. The engine adds `Upgrade: protocol` and `Connection: upgrade`.
    ///
    /// # Errors
    /// As for [`respond`](Ctx::respond); [`WriteError::BadHead`] also for HTTP/1.0, and while the request's body is coming.
    pub fn upgrade(&mut self, protocol: &str, fields: Fields<'_>) -> Result<(), WriteError> {
        self.core.upgrade_at(self.slot, protocol, fields)
    }

    // ---- channels

    /// Listens to channels, one or up to 32: from now on their messages flow by themselves, in this wire format, from where `since`
    /// says, in the order in which they were published. They follow the head that [`start`](Ctx::start) writes, before this call or
    /// after it: what is learned here (a gap, for instance) can still go into the head.
    ///
    /// # Errors
    /// [`WriteError::Begun`] if the answer is no such stream, is to HEAD, or listens already; [`WriteError::BadName`],
    /// [`WriteError::TooManyChannels`], [`WriteError::UnknownFormat`], [`WriteError::Ended`].
    pub fn subscribe(
        &mut self,
        channels: &[&str],
        since: Since,
        format: WireFormat,
    ) -> Result<Subscribed, WriteError> {
        if !self.is_open() {
            return Err(WriteError::Ended);
        }
        let connection = self.core.at(self.slot);
        let wrapping = match (connection.sending, connection.form.version(), connection.form.method()) {
            (_, _, Method::Head) => return Err(WriteError::Begun),
            (Sending::Streaming(Coding::Chunked), ..) | (Sending::Awaited, Version::Http11, _) => {
                Wrapping::Chunked
            }
            (Sending::Streaming(Coding::Bare), ..) | (Sending::Awaited, Version::Http10, _) => Wrapping::Bare,
            _ => return Err(WriteError::Begun),
        };
        if self.core.at(self.slot).subscription != Subscription::None {
            return Err(WriteError::Begun);
        }
        let subscribed = self.core.hub.subscribe(self.slot, channels, since, format, wrapping)?;
        let is_beating = self.core.hub.has_heartbeat(format);
        self.core.at_mut(self.slot).subscription =
            if is_beating { Subscription::Beating } else { Subscription::Quiet };
        Ok(subscribed)
    }

    /// Listens to channels, and holds the answer back until there is something to answer: a long-poll. No answer may have begun.
    ///
    /// If `behind` or `gap` of the result says so, there is something at once: [`take_news`](Ctx::take_news). Otherwise
    /// [`Handler::news`](crate::Handler::news) is called as soon as there is, and [`Cause::Timeout`](crate::Cause::Timeout) comes if
    /// there is not; choose [`HalfClose::Tell`] to learn that the peer has gone.
    ///
    /// # Errors
    /// As for [`subscribe`](Ctx::subscribe).
    pub fn park(
        &mut self,
        channels: &[&str],
        since: Since,
        format: WireFormat,
    ) -> Result<Subscribed, WriteError> {
        if !self.is_open() {
            return Err(WriteError::Ended);
        }
        let connection = self.core.at(self.slot);
        let may_park = connection.sending == Sending::Awaited
            && connection.form.method() != Method::Head
            && connection.subscription == Subscription::None;
        if !may_park {
            return Err(WriteError::Begun);
        }
        let subscribed = self.core.hub.subscribe(self.slot, channels, since, format, Wrapping::Bare)?;
        self.core.at_mut(self.slot).subscription = Subscription::Parked;
        self.core.parked += 1;
        Ok(subscribed)
    }

    /// Takes what a [`park`](Ctx::park)ed exchange lacks: its messages in the wire format are appended to `out`, as many as are no
    /// longer than `bytes_max` together (at most [`Limits::batch_bytes_max`](crate::Limits::batch_bytes_max)), and at least one if
    /// there is any. The exchange goes on listening behind them until it ends.
    pub fn take_news(&mut self, bytes_max: usize, out: &mut Vec<u8>) -> News {
        let bytes_max = bytes_max.min(self.core.limits.batch_bytes_max);
        self.core.hub.take(self.slot, bytes_max, out)
    }

    /// Whether the exchange listens and there is something that its peer has not taken: messages, or bytes of them. A stream whose peer
    /// is slow has a comet timeout too, and this tells that it is no silence.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.core.at(self.slot).owed() > 0 || self.core.hub.lacks(self.slot)
    }

    /// Stops listening. The answer stays open.
    pub fn unsubscribe(&mut self) {
        self.core.unsubscribe(self.slot);
    }

    // ---- the request's body

    /// Has the whole body given in one `Read(Data)`, if it is at most `bytes_max` long; a longer one is `413`. To be called in
    /// `Begin`.
    pub fn collect_body(&mut self, bytes_max: u64) {
        self.core.buffers(self.slot).body_use = BodyUse::Collect;
        self.set_body_max(bytes_max);
    }

    /// Has the body read and thrown away, within [`Limits::discard_bytes_max`](crate::Limits::discard_bytes_max); a longer one
    /// is `413`. Only `Read(Done)` comes.
    pub fn discard_body(&mut self) {
        self.core.buffers(self.slot).body_use = BodyUse::Discard;
        let bytes_max = self.core.limits.discard_bytes_max;
        self.set_body_max(bytes_max);
    }

    /// Has the engine's own refusals of this exchange (`408`, `413`, `503` …) carry these fields too: what every answer of an application
    /// owes to its peer, for instance that a page of another origin may read it.
    ///
    /// # Errors
    /// [`WriteError::BadHead`] for fields that no answer can carry.
    pub fn set_refusal_fields(&mut self, fields: Fields<'_>) -> Result<(), WriteError> {
        check_fields(400, fields)?;
        let own = fields.iter().map(|(name, value)| (Box::from(*name), Box::from(*value)));
        self.core.buffers(self.slot).refusal_fields = Some(Box::new(own.collect()));
        Ok(())
    }

    /// How many bytes the body may have, instead of [`Limits::body_bytes_max`](crate::Limits::body_bytes_max).
    pub fn set_body_max(&mut self, bytes_max: u64) {
        self.core.buffers(self.slot).body_bytes_max = bytes_max;
    }

    /// Stops reading: nothing more is taken from the peer, who feels it, until [`resume_reading`](Ctx::resume_reading). The body
    /// timeout rests meanwhile, the comet timeout does not.
    pub fn pause_reading(&mut self) {
        self.core.set_reading(self.slot, Reading::Paused);
    }

    /// Stops reading while the subscribers of a channel are too far behind, see [`Pressure`](crate::Pressure); says whether it did. To
    /// be called in `Begin` by whoever is about to publish the body: so a message that nobody has room for waits at its
    /// publisher's. Reading goes on by itself, when those who read have caught up, when the grace of those who do not is over, or when
    /// the channel has held its publishers for as long as it may: half of any ten seconds.
    pub fn pause_while_pressed(&mut self, channel: &str) -> bool {
        let is_held = self.is_open() && self.core.hub.hold(channel, self.id());
        if is_held {
            self.core.buffers(self.slot).is_held = true;
            self.core.set_reading(self.slot, Reading::Paused);
        }
        is_held
    }

    /// Goes on reading.
    pub fn resume_reading(&mut self) {
        self.core.set_reading(self.slot, Reading::Flowing);
    }

    /// Chooses what it means that the peer shuts down its sending side.
    pub fn on_half_close(&mut self, choice: HalfClose) {
        self.core.at_mut(self.slot).half_close = choice;
    }

    // ---- time

    /// Sets the comet timeout of this exchange, counted from now; zero is never. It starts anew with each read and write.
    pub fn set_timeout(&mut self, timeout: Duration) {
        let tick = self.core.tick;
        let connection = self.core.at_mut(self.slot);
        connection.comet = if timeout.is_zero() { 0 } else { ticks(timeout) };
        connection.since = tick;
    }

    /// Sets this exchange's timer `key`, instead of the one with that key. [`Handler::timer`](crate::Handler::timer) is called
    /// once, `after` from now, unless the exchange ends before.
    pub fn set_timer(&mut self, key: u64, after: Duration) {
        let due = self.core.now.at + after;
        self.core.timers.set(Owner::Exchange(self.slot), key, due);
    }

    /// Forgets this exchange's timer `key`.
    pub fn cancel_timer(&mut self, key: u64) {
        self.core.timers.cancel(Owner::Exchange(self.slot), key);
    }
}

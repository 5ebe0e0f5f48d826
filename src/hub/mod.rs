//! The hub: channels of messages, and for each subscriber a cursor. It knows numbers, never connections.
//!
//! Called by: the engine. `engine/fanout.rs` asks for visits and lends what they bring to the connections; handlers
//! publish and subscribe through the engine's core.
//!
//! ```text
//!   publish ─► channel.rs   [ 14 | 16 | 17 | 21 ]   a bounded ring: the log is the queue
//!                 │              ▲        ▲
//!                 │           cursor   cursor       cursor.rs: a subscriber is a number
//!                 ▼
//!              pass.rs      whom to visit next: hot channels in rotation, slice by slice
//!                 ▼
//!              batch.rs     all that lies behind its cursor, joined once, shared by all who stand there
//!                 │                ▲
//!                 │             wire.rs: each message encoded once a format
//!                 ▼
//!              bytes lent ─► the connection ─► how many were taken ─► the cursor moves
//! ```
//!
//! One turn of the fan-out, as the engine does it:
//!
//! ```text
//!   while budget lasts, next_visit() ─► subscriber
//!     batch(subscriber)   ─► Bytes: write them ─► advance(subscriber, bytes taken) ─► keep the rest of one frame, if any
//!                         ─► Overrun: cut it, leave(subscriber)
//!                         ─► Nothing: it is level
//! ```
//!
//! Who took all and still lacks something, because a batch is bounded, is visited again. Who took less is blocked: the
//! engine comes back to it when it can be written to, first with the rest, then with `batch`, and needs no visit for that.
//!
//! Invariant: nothing is skipped in silence and nothing comes twice. A cursor moves only over what was taken, or over what a
//! notice has told of.
//! Absent on purpose: sockets, clocks, queues for each subscriber.
//! Next: `message.rs`, then `wire.rs`, `cursor.rs`, `channel.rs`, `pass.rs`, `batch.rs`.

mod batch;
mod channel;
mod cursor;
mod message;
mod pass;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::HashMap;
use std::rc::Rc;

use slab::Slab;

use crate::error::WriteError;

use channel::{Channel, RingBounds};
use cursor::{Notice, Stand, Subscriber};
use pass::Rotation;

pub(crate) use batch::Batch;
use batch::SharedBatch;
pub use cursor::{Since, Subscribed};
pub use message::{Message, MessageId, Published};
pub use wire::WireFormat;
pub(crate) use wire::{Rest, Wrapping};

/// What a hub may hold. The values come from [`Limits`](crate::Limits), which has checked them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HubBounds {
    /// Messages in a channel's ring.
    pub(crate) history_count_max: usize,
    /// Bytes of names and payload in a channel's ring.
    pub(crate) history_bytes_max: usize,
    /// Channels at once.
    pub(crate) channels_max: usize,
    /// Bytes of frames joined into one batch.
    pub(crate) batch_bytes_max: usize,
}

/// How much a hub holds at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HubStats {
    /// Channels that have messages or subscribers.
    pub channels: usize,
    /// Subscriptions.
    pub subscribers: usize,
    /// Messages in all rings.
    pub messages: usize,
    /// Bytes of their payload and types.
    pub bytes: usize,
}

/// All channels of one engine, their messages and their subscribers.
pub struct Hub {
    head: MessageId,
    bounds: HubBounds,
    /// Looked up, never iterated: its order differs from run to run.
    names: HashMap<Rc<str>, u32>,
    channels: Slab<Channel>,
    /// Where each subscriber stands, by its number.
    places: Vec<Place>,
    rotation: Rotation,
    batch: SharedBatch,
    /// The largest `trimmed_through` of all channels that went away. A new channel begins with it, because it may be one of
    /// them: a needless notice may come, a missing one never.
    lost_through: u64,
    stats: HubStats,
}

/// Where a subscriber stands: in which channel, and where in its list.
#[derive(Clone, Copy)]
struct Place {
    channel: u32,
    index: u32,
}

const NOWHERE: Place = Place { channel: u32::MAX, index: u32::MAX };

impl Hub {
    /// An empty hub whose ids begin with `epoch`, which should differ from that of any earlier hub its peers may remember.
    pub(crate) fn new(epoch: u64, bounds: HubBounds) -> Hub {
        Hub {
            head: MessageId { epoch, seq: 0 },
            bounds,
            names: HashMap::new(),
            channels: Slab::new(),
            places: Vec::new(),
            rotation: Rotation::new(),
            batch: SharedBatch::new(bounds.batch_bytes_max),
            lost_through: 0,
            stats: HubStats::default(),
        }
    }

    /// The id of the newest message of any channel; `EPOCH-0` before the first.
    #[must_use]
    pub fn head(&self) -> MessageId {
        self.head
    }

    /// How many channels there are.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels.len()
    }

    /// How much is held at the moment.
    #[must_use]
    pub fn stats(&self) -> HubStats {
        HubStats { channels: self.channels.len(), ..self.stats }
    }

    /// Appends a message to a channel, which comes into being if need be. Its subscribers are visited from now on.
    pub(crate) fn publish(&mut self, channel: &str, message: Message<'_>) -> Result<Published, WriteError> {
        if let Some(event) = message.event {
            message::check_event(event)?;
        }
        let index = self.open(channel)?;
        self.head.seq += 1;
        let ring =
            RingBounds { count_max: self.bounds.history_count_max, bytes_max: self.bounds.history_bytes_max };
        let channel = &mut self.channels[index as usize];
        let before = channel.held();
        channel.append(self.head.seq, &message, ring);
        let after = channel.held();
        self.stats.messages = self.stats.messages - before.messages + after.messages;
        self.stats.bytes = self.stats.bytes - before.bytes + after.bytes;
        let subscribers = channel.subscribers.len();
        if subscribers > 0 && channel.subscribers.revisit(0) {
            self.rotation.join(index);
        }
        Ok(Published { id: self.head, subscribers })
    }

    /// Lets `subscriber`, a small dense number of the engine's choosing, hear a channel from `since` on.
    ///
    /// Nobody is visited because of it. If the answer says `behind`, the engine lends it its first batch when its head is out.
    pub(crate) fn subscribe(
        &mut self,
        subscriber: u32,
        channel: &str,
        since: Since,
        format: WireFormat,
        wrapping: Wrapping,
    ) -> Result<Subscribed, WriteError> {
        debug_assert!(!self.is_subscribed(subscriber), "one subscription at a time");
        let index = self.open(channel)?;
        let channel = &mut self.channels[index as usize];
        let Stand { cursor, gap } = cursor::stand(since, self.head, channel.trimmed_through());
        let notice = if gap && format.row().notice.is_some() { Notice::Due } else { Notice::None };
        let stands = Subscriber { cursor, name: subscriber, format, wrapping, notice };
        let behind = stands.lacks(channel.end());
        let place = Place { channel: index, index: channel.subscribers.push(stands) };
        self.settle(subscriber, place);
        self.stats.subscribers += 1;
        Ok(Subscribed { at: MessageId { seq: cursor, ..self.head }, gap, behind })
    }

    /// Ends a subscription. Does nothing if there is none.
    pub(crate) fn leave(&mut self, subscriber: u32) {
        let Some(place) = self.place(subscriber) else { return };
        let Hub { channels, places, .. } = self;
        places[subscriber as usize] = NOWHERE;
        let subscribers = &mut channels[place.channel as usize].subscribers;
        subscribers.remove(place.index, |moved, index| places[moved as usize].index = index);
        self.stats.subscribers -= 1;
        self.retire_if_unused(place.channel);
    }

    /// Whether this number stands for a subscription.
    pub(crate) fn is_subscribed(&self, subscriber: u32) -> bool {
        self.place(subscriber).is_some()
    }

    /// Whether there may be visits to make. The last of them finds out that there are not.
    pub(crate) fn has_visits(&self) -> bool {
        !self.rotation.is_empty()
    }

    /// The next subscriber that lacks something, of the hot channels in rotation.
    pub(crate) fn next_visit(&mut self) -> Option<u32> {
        self.rotation.next_visit(&mut self.channels)
    }

    /// Whether there is something to lend to this subscriber.
    pub(crate) fn lacks(&self, subscriber: u32) -> bool {
        self.place(subscriber).is_some_and(|place| {
            let channel = &self.channels[place.channel as usize];
            channel.subscribers.at(place.index).lacks(channel.end())
        })
    }

    /// Lends what a subscriber lacks: a notice, or as many frames as one batch holds.
    pub(crate) fn batch(&mut self, subscriber: u32) -> Batch<'_> {
        let Some(place) = self.place(subscriber) else { return Batch::Nothing };
        let channel = &mut self.channels[place.channel as usize];
        self.batch.lend(place.index, channel, self.head.epoch)
    }

    /// Says that the first `bytes` of the batch lent just now were taken. The cursor moves past every frame of which a byte
    /// was taken; the rest of the last, if it was cut, goes to the caller, who owes it to the peer before all else.
    ///
    /// Nothing may happen to the hub between [`Hub::batch`] and this. Zero bytes move nothing.
    pub(crate) fn advance(&mut self, subscriber: u32, bytes: usize) -> Option<Rest> {
        if bytes == 0 {
            return None;
        }
        let place = self.place(subscriber)?;
        let channel = &mut self.channels[place.channel as usize];
        let end = channel.end();
        let by = channel.subscribers.at_mut(place.index);
        if let Some(cursor) = self.batch.taken_whole(bytes, by) {
            by.move_to(cursor);
            if by.lacks(end) && channel.subscribers.revisit(place.index) {
                self.rotation.join(place.channel);
            }
            return None;
        }
        let by = *by;
        let (cursor, rest) = self.batch.taken_partly(bytes, &by, channel, self.head.epoch);
        channel.subscribers.at_mut(place.index).move_to(cursor);
        rest
    }

    /// What keeps a subscriber's idle stream alive, in its wrapping; none if its format has nothing that means nothing.
    pub(crate) fn heartbeat(&self, subscriber: u32) -> Option<&'static [u8]> {
        let place = self.place(subscriber)?;
        let stands = self.channels[place.channel as usize].subscribers.at(place.index);
        let heartbeat = stands.format.row().heartbeat.as_ref()?;
        Some(heartbeat.wrapped(stands.wrapping))
    }

    /// The channel of this name, which begins to be if it is not. Whoever asks puts a message or a subscriber in at once.
    fn open(&mut self, name: &str) -> Result<u32, WriteError> {
        if let Some(&index) = self.names.get(name) {
            return Ok(index);
        }
        message::check_channel(name)?;
        if self.channels.len() >= self.bounds.channels_max {
            return Err(WriteError::TooManyChannels);
        }
        let name: Rc<str> = Rc::from(name);
        let index = self.channels.insert(Channel::new(Rc::clone(&name), self.lost_through)) as u32;
        self.names.insert(name, index);
        Ok(index)
    }

    /// Lets a channel go that has neither messages nor subscribers.
    fn retire_if_unused(&mut self, index: u32) {
        if !self.channels[index as usize].is_unused() {
            return;
        }
        let channel = self.channels.remove(index as usize);
        // A pass begins with a message, and a ring keeps its newest.
        debug_assert!(!channel.subscribers.is_hot(), "the rotation would name a channel that is gone");
        self.names.remove(&channel.name);
        self.lost_through = self.lost_through.max(channel.trimmed_through());
    }

    fn place(&self, subscriber: u32) -> Option<Place> {
        let place = *self.places.get(subscriber as usize)?;
        if place.channel == NOWHERE.channel { None } else { Some(place) }
    }

    fn settle(&mut self, subscriber: u32, place: Place) {
        while self.places.len() <= subscriber as usize {
            grow(&mut self.places);
            self.places.push(NOWHERE);
        }
        self.places[subscriber as usize] = place;
    }
}

/// Makes room for one more by an eighth: a list of many thousands that doubled would waste half of its memory, and what is
/// copied on the way is still a small multiple of what is kept.
fn grow<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 8 + 1);
    }
}

/// Gives memory back when a crowd has left: at a quarter, down to a half, so that nobody at the edge makes it flutter.
fn shrink<T>(list: &mut Vec<T>) {
    const KEPT_MAX: usize = 64;
    if list.capacity() > KEPT_MAX && list.len() < list.capacity() / 4 {
        list.shrink_to(list.capacity() / 2);
    }
}

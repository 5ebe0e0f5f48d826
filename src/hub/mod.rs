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
//!             audience.rs    who hears the same channels stands in one list
//!                 ▼
//!              pass.rs      whom to visit next: hot audiences in rotation, slice by slice
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
//!                         ─► End: end it, leave(subscriber)
//!                         ─► Nothing: it is level
//! ```
//!
//! Who took all and still lacks something, because a batch is bounded, is visited again. Who took less is blocked: the engine says
//! so (`block`), and comes back to it when it can be written to, first with the rest, then with `batch`, and needs no visit for that.
//! Who waits for a long-poll's answer is visited too, and takes what there is with `take`.
//!
//! `subscribers.rs` is that side of it, `publish.rs` the publishers' side.
//!
//! What bounds the rings is spread over three files: `channel.rs` has the bounds of one ring, `keep.rs` age and memory, which are bounds
//! over all of them, and `pressure.rs` with `grace.rs` the publishers who wait until nobody would miss anything.
//!
//! Invariant: nothing is skipped in silence and nothing comes twice. A cursor moves only over what was taken, or over what a
//! notice has told of. What the hub holds is within its bounds, whatever its subscribers do.
//! Absent on purpose: sockets, queues for each subscriber; and the time is what [`Hub::set_now`] was told.
//! Next: `ledger.rs`, and from there as each file says.

mod ages;
mod audience;
mod batch;
mod channel;
mod cursor;
mod formats;
mod grace;
pub mod json;
mod keep;
mod ledger;
mod message;
mod pass;
mod pressure;
mod publish;
mod subscribers;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use slab::Slab;

use crate::id::ExchangeId;
use crate::time::Instant;

use ages::Ages;
use audience::Audience;
use channel::Channel;
use grace::Graces;
use pass::Rotation;
use wire::Formats;

pub(crate) use batch::Batch;
use batch::SharedBatch;
pub use cursor::{Since, Subscribed};
pub(crate) use ledger::{Charge, Ledger};
pub use message::{Message, MessageId, Novelty, Pressure, Published};
pub use publish::ChannelInfo;
pub use wire::{Format, MessageView, Notice, WireFormat};
pub(crate) use wire::{Rest, Wrapping};

/// What a hub may hold. The values come from [`Limits`](crate::Limits), which has checked them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HubBounds {
    /// Messages in a channel's ring.
    pub(crate) history_count_max: usize,
    /// Bytes of names and payload in a channel's ring.
    pub(crate) history_bytes_max: usize,
    /// How long a message is held.
    pub(crate) history_age_max: Duration,
    /// Bytes of everything that the ledger counts.
    pub(crate) memory_bytes_max: usize,
    /// Blocked time for which a subscriber counts as healthy.
    pub(crate) grace: Duration,
    /// Channels at once.
    pub(crate) channels_max: usize,
    /// Bytes of frames joined into one batch.
    pub(crate) batch_bytes_max: usize,
}

/// How much a hub holds at the moment, and what it has seen since it began.
///
/// ```
/// use encke::{Message, testing};
///
/// let mut server = testing::serve(|_, _| {});
/// server.run(|_, core| core.publish("news", Message::new("Hello")))?;
/// let stats = server.engine().core().hub().stats();
/// assert_eq!((stats.channels, stats.messages, stats.bytes, stats.published), (1, 1, 5, 1));
/// assert!(stats.memory > stats.bytes, "there is a fixed cost for each message and channel");
/// # Ok::<(), encke::WriteError>(())
/// ```
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
    /// Bytes of all that [`Limits::memory_bytes_max`](crate::Limits::memory_bytes_max) bounds.
    pub memory: usize,
    /// Publishers that wait until subscribers have caught up.
    pub held: usize,
    /// Messages published, ever.
    pub published: u64,
    /// Messages handed to subscribers, each counted for each of them, ever.
    pub delivered: u64,
    /// Subscribers told that messages are missing, ever.
    pub gaps: u64,
}

/// What a subscriber that waits for a long-poll's answer has taken.
///
/// ```
/// use encke::{Ctx, Event, Handler, Limits, Message, Since, WireFormat, testing};
///
/// /// A long-poll whose answer says where the next one goes on.
/// struct Poll;
///
/// impl Handler for Poll {
///     type State = ();
///
///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
///         if let Event::Begin(_) = event {
///             let _ = ctx.park(&["news"], Since::Head, WireFormat::JSON);
///         }
///     }
///
///     fn news(&mut self, ctx: &mut Ctx<'_, ()>) {
///         let mut list = b"[".to_vec();
///         let news = ctx.take_news(64 * 1024, &mut list);
///         list.pop();
///         list.push(b']');
///         let _ = ctx.respond(200, &[("Last-Event-ID", &news.cursor.to_string())], &list);
///     }
/// }
///
/// let mut server = testing::Server::new(Poll, Limits::default());
/// let peer = server.get("/");
/// server.run(|_, core| core.publish("news", Message::new("Hello")))?;
/// let answer = &server.answers(peer)?[0];
/// assert_eq!(answer.head.field("Last-Event-ID"), Some(&b"1-1"[..]));
/// assert_eq!(answer.text(), r#"[{"id":"1-1","channel":"news","event":null,"data":"Hello"}]"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct News {
    /// The place behind which it hears everything next time.
    pub cursor: MessageId,
    /// How many messages were taken.
    pub messages: usize,
    /// Whether messages are missing before the first of them.
    pub gap: bool,
    /// Whether a channel was ended, and these were the last.
    pub ended: bool,
}

/// The most channels that one subscription hears.
pub(crate) const CHANNELS_PER_SUBSCRIPTION_MAX: usize = 32;

/// All channels of one engine, their messages and their subscribers.
///
/// ```
/// use encke::{Message, testing};
///
/// let mut server = testing::serve(|_, _| {});
/// server.run(|_, core| core.publish("news", Message::new("Hello")))?;
/// let hub = server.engine().core().hub();
/// assert_eq!((hub.channels(), hub.head().to_string()), (1, "1-1".to_owned()));
/// assert_eq!(hub.info("news").map(|info| info.messages), Some(1));
/// # Ok::<(), encke::WriteError>(())
/// ```
pub struct Hub {
    head: MessageId,
    now: Instant,
    /// Counts the occasions on which floors are looked for, at least one in each turn.
    turn: u32,
    bounds: HubBounds,
    ledger: Ledger,
    formats: Formats,
    /// Looked up, never iterated: its order differs from run to run.
    names: HashMap<Rc<str>, u32>,
    channels: Slab<Channel>,
    /// What the channels cost besides their messages.
    channel_bytes: usize,
    /// Audiences of more than one channel. Looked up, never iterated.
    sets: HashMap<Rc<[u32]>, u32>,
    audiences: Slab<Audience>,
    /// Where each subscriber stands, by its number.
    places: Vec<Place>,
    /// What subscribers of several channels were told when they came: for each channel of their audience, through which number
    /// messages were missing. Looked up only; there until the cursor has passed it.
    told: HashMap<u32, Box<[u64]>>,
    rotation: Rotation,
    batch: SharedBatch,
    ages: Ages,
    graces: Graces,
    /// Channels that hold publishers.
    pressed: Vec<u32>,
    /// Whether something has changed since it was found that no held publisher may go.
    is_stirred: bool,
    /// Publishers whose channel is gone.
    released: VecDeque<ExchangeId>,
    /// The largest `end` of all channels that went away. A new channel begins with it, because it may be one of
    /// them: a needless notice may come, a missing one never.
    lost_through: u64,
    stats: HubStats,
}

/// Where a subscriber stands: in which audience, and where in its list.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    audience: u32,
    index: u32,
}

const NOWHERE: Place = Place { audience: u32::MAX, index: u32::MAX };

impl Hub {
    /// An empty hub whose ids begin with `epoch`, which should differ from that of any earlier hub its peers may remember.
    pub(crate) fn new(epoch: u64, bounds: HubBounds, now: Instant) -> Hub {
        Hub {
            head: MessageId { epoch, seq: 0 },
            now,
            turn: 1,
            bounds,
            ledger: Ledger::default(),
            formats: Formats::new(),
            names: HashMap::new(),
            channels: Slab::new(),
            channel_bytes: 0,
            sets: HashMap::new(),
            audiences: Slab::new(),
            places: Vec::new(),
            told: HashMap::new(),
            rotation: Rotation::new(),
            batch: SharedBatch::new(bounds.batch_bytes_max),
            ages: Ages::new(bounds.history_age_max),
            graces: Graces::new(bounds.grace),
            pressed: Vec::new(),
            is_stirred: false,
            released: VecDeque::new(),
            lost_through: 0,
            stats: HubStats::default(),
        }
    }

    /// What time it is, from now on.
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now;
        self.end_graces();
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
        let memory = self.ledger.held();
        let held = self.pressed.iter().filter_map(|&channel| self.channels[channel as usize].held.as_ref());
        let held = held.map(|held| held.count()).sum();
        HubStats { channels: self.channels.len(), memory, held, ..self.stats }
    }

    /// Adds a wire format, if there is room in the table.
    pub(crate) fn add_format(&mut self, format: Format) -> Option<WireFormat> {
        self.formats.add(format)
    }

    /// Where memory that is held for the hub's sake is entered.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
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

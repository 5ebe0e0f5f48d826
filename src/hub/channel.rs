//! A channel: a bounded ring of messages, and those who listen.
//!
//! Called by: `mod.rs` to append, `batch.rs` to read what lies behind a cursor.
//!
//! ```text
//!          oldest                        newest = end
//!   ✂  [ 14 | 16 | 17 | 21 | 22 ] ◄─ append
//!   │      each: text, and a frame for each wire format that somebody wanted
//!   └ trimmed_through = 12: all through 12 is gone
//! ```
//!
//! The log is the queue. Nobody has a queue of their own, so a message costs the same for one subscriber and for ten thousand, and
//! a slow one costs nothing. The numbers are the hub's, so they have holes where other channels had their messages.
//!
//! Invariant: `trimmed_through` < the ring's numbers, ascending, the last of which is `end`; count and bytes are within
//! the bounds, or one message is held: the newest always stays.
//! Not here: who is visited when (`pass.rs`).
//! Next: `pass.rs`.

use std::collections::VecDeque;
use std::rc::Rc;

use super::message::{Message, MessageId};
use super::pass::Subscribers;
use super::wire::{Frame, MessageView, Scratch, WireFormat};

/// What one channel may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingBounds {
    pub(crate) count_max: usize,
    pub(crate) bytes_max: usize,
}

/// How much a ring holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// One channel.
pub(crate) struct Channel {
    pub(crate) name: Rc<str>,
    pub(crate) subscribers: Subscribers,
    ring: VecDeque<Entry>,
    bytes: usize,
    /// Everything of this channel up to here is gone, if there was anything.
    trimmed_through: u64,
    /// The last number that concerns this channel: of its newest message, or of what was trimmed.
    end: u64,
}

/// A message in the ring, with its frames as far as somebody wanted them.
struct Entry {
    seq: u64,
    event: Option<Box<str>>,
    data: Box<str>,
    /// One for each format in use, so rarely more than two: a list is searched faster than any map.
    frames: Vec<Frame>,
}

impl Channel {
    /// An empty channel of which earlier messages may have been lost through `trimmed_through`.
    pub(crate) fn new(name: Rc<str>, trimmed_through: u64) -> Channel {
        Channel {
            name,
            subscribers: Subscribers::new(),
            ring: VecDeque::new(),
            bytes: 0,
            trimmed_through,
            end: trimmed_through,
        }
    }

    pub(crate) fn trimmed_through(&self) -> u64 {
        self.trimmed_through
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether nobody would miss it.
    pub(crate) fn is_unused(&self) -> bool {
        self.ring.is_empty() && self.subscribers.is_empty()
    }

    pub(crate) fn held(&self) -> Held {
        Held { messages: self.ring.len(), bytes: self.bytes }
    }

    /// Makes room within the bounds and appends.
    pub(crate) fn append(&mut self, seq: u64, message: &Message<'_>, bounds: RingBounds) {
        debug_assert!(seq > self.end, "numbers grow");
        let bytes = weight(message.event, message.data);
        while !self.ring.is_empty()
            && (self.ring.len() >= bounds.count_max || self.bytes + bytes > bounds.bytes_max)
        {
            self.trim_oldest();
        }
        if self.ring.len() == self.ring.capacity() {
            // Doubling, but never past what the ring may hold.
            let room = bounds.count_max.saturating_sub(self.ring.len()).max(1);
            self.ring.reserve_exact(room.min(self.ring.len().max(2)));
        }
        self.ring.push_back(Entry {
            seq,
            event: message.event.map(Box::from),
            data: Box::from(message.data),
            frames: Vec::new(),
        });
        self.bytes += bytes;
        self.end = seq;
    }

    /// Lets go of the oldest message: the one way out of a ring, whatever the reason.
    fn trim_oldest(&mut self) {
        if let Some(oldest) = self.ring.pop_front() {
            self.bytes -= weight(oldest.event.as_deref(), &oldest.data);
            self.trimmed_through = oldest.seq;
        }
    }

    /// Where in the ring the first message behind `cursor` lies, of which there is one.
    pub(crate) fn position_after(&self, cursor: u64) -> usize {
        debug_assert!(cursor < self.end && !self.ring.is_empty(), "nothing lies behind this cursor");
        // Nearly everybody lacks the newest message and no other.
        let count = self.ring.len();
        if count >= 2 && self.ring[count - 2].seq <= cursor {
            return count - 1;
        }
        self.ring.partition_point(|entry| entry.seq <= cursor)
    }

    pub(crate) fn seq_at(&self, position: usize) -> u64 {
        self.ring[position].seq
    }

    /// The frame of the message at `position`, encoded if this is the first time that anybody wants it.
    pub(crate) fn frame_at(
        &mut self,
        position: usize,
        epoch: u64,
        format: WireFormat,
        scratch: &mut Scratch,
    ) -> &Frame {
        let Entry { seq, event, data, frames } = &mut self.ring[position];
        let known = frames.iter().position(|frame| frame.format() == format);
        let index = known.unwrap_or_else(|| {
            let view = MessageView { id: MessageId { epoch, seq: *seq }, event: event.as_deref(), data };
            frames.reserve_exact(1);
            frames.push(Frame::message(format, &view, scratch));
            frames.len() - 1
        });
        &frames[index]
    }
}

/// What a message counts for in a ring's bytes.
fn weight(event: Option<&str>, data: &str) -> usize {
    event.map_or(0, str::len) + data.len()
}

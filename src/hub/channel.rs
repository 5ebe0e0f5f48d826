//! A channel: a bounded ring of messages, and the audiences that hear it.
//!
//! Called by: `mod.rs` to append and trim, `batch.rs` to read what lies behind a cursor.
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
//! the bounds, or one message is held: to these two bounds the newest always stays.
//! Not here: age and memory, which are bounds over all channels (`mod.rs`).
//! Next: `grace.rs`.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use super::ledger::{Charge, Ledger};
use super::message::{Message, MessageId};
use super::pressure::Held;
use super::wire::{Formats, Frame, MessageView, Scratch, WireFormat};
use crate::time::Instant;

/// What one channel may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingBounds {
    pub(crate) count_max: usize,
    pub(crate) bytes_max: usize,
}

/// How much a ring holds, or of it somebody lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// Whether a channel can still be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Open,
    /// Somebody has ended it; it stays until its subscribers have got what they lack.
    Ended,
}

/// One channel.
pub(crate) struct Channel {
    pub(crate) name: Rc<str>,
    pub(crate) life: Life,
    /// Who hears it, each by its number.
    pub(crate) audiences: Vec<u32>,
    /// Publishers that are held, if any were of late.
    pub(crate) held: Option<Box<Held>>,
    ring: VecDeque<Entry>,
    /// Bytes ever appended: the difference of two of these is what lies between them.
    written: u64,
    /// Everything of this channel up to here is gone, if there was anything.
    trimmed_through: u64,
    /// The last number that concerns this channel: of its newest message, or of what was trimmed.
    end: u64,
    /// The messages of publishers who name theirs. Looked up, never walked.
    keys: HashMap<Rc<str>, u64>,
    ledger: Ledger,
    _charge: Charge,
}

/// A message in the ring, with its frames as far as somebody wanted them.
struct Entry {
    seq: u64,
    /// What had been appended before it.
    start: u64,
    event: Option<Box<str>>,
    /// Shared, so that one day several hubs can hold it.
    data: Arc<str>,
    /// One for each format in use, so rarely more than two: a list is searched faster than any map.
    frames: Vec<Frame>,
    receipt: Option<Box<Receipt>>,
}

/// What the publisher of a message with a key was told.
struct Receipt {
    key: Rc<str>,
    subscribers: usize,
}

/// What a channel costs besides its messages: itself, its place in the map of names, and an audience.
const CHANNEL_COST: usize = 512;

/// What a message costs besides its text: itself, its age, its allocations.
pub(crate) const MESSAGE_COST: usize = 160;

/// What a key costs besides twice its text.
const KEY_COST: usize = 96;

impl Channel {
    /// An empty channel of which earlier messages may have been lost through `trimmed_through`.
    pub(crate) fn new(name: Rc<str>, trimmed_through: u64, ledger: &Ledger) -> Channel {
        Channel {
            _charge: ledger.charge(Channel::cost(&name)),
            name,
            life: Life::Open,
            audiences: Vec::new(),
            held: None,
            ring: VecDeque::new(),
            written: 0,
            trimmed_through,
            end: trimmed_through,
            keys: HashMap::new(),
            ledger: ledger.clone(),
        }
    }

    /// What a channel of this name is entered with.
    pub(crate) fn cost(name: &str) -> usize {
        CHANNEL_COST + name.len()
    }

    pub(crate) fn trimmed_through(&self) -> u64 {
        self.trimmed_through
    }

    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Whether nobody would miss it.
    pub(crate) fn is_unused(&self) -> bool {
        self.audiences.is_empty() && (self.ring.is_empty() || self.life == Life::Ended)
    }

    /// What it holds.
    pub(crate) fn load(&self) -> Load {
        let start = self.ring.front().map_or(self.written, |oldest| oldest.start);
        Load { messages: self.ring.len(), bytes: (self.written - start) as usize }
    }

    /// What of it lies behind `cursor`.
    pub(crate) fn load_behind(&self, cursor: u64) -> Load {
        let Some(first) = self.position_after(cursor) else { return Load::default() };
        let start = self.ring[first].start;
        Load { messages: self.ring.len() - first, bytes: (self.written - start) as usize }
    }

    pub(crate) fn oldest(&self) -> Option<u64> {
        self.ring.front().map(|oldest| oldest.seq)
    }

    pub(crate) fn newest(&self) -> Option<u64> {
        self.ring.back().map(|newest| newest.seq)
    }

    /// The message that has this key, and how many subscribers its publisher was told of.
    pub(crate) fn receipt(&self, key: &str) -> Option<(u64, usize)> {
        let seq = *self.keys.get(key)?;
        let position = self.ring.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
        let receipt = self.ring[position].receipt.as_ref()?;
        Some((seq, receipt.subscribers))
    }

    // TOUR 5.1
    /// Makes room within the bounds and appends. `subscribers` is what the publisher of a message with a key is told, now and again.
    pub(crate) fn append(&mut self, seq: u64, message: &Message<'_>, subscribers: usize, bounds: RingBounds) {
        debug_assert!(seq > self.end, "numbers grow");
        let bytes = weight(message.event, message.data);
        while !self.ring.is_empty()
            && (self.ring.len() >= bounds.count_max || self.load().bytes + bytes > bounds.bytes_max)
        {
            self.trim_oldest();
        }
        if self.ring.len() == self.ring.capacity() {
            // Doubling, but never past what the ring may hold.
            let room = bounds.count_max.saturating_sub(self.ring.len()).max(1);
            self.ring.reserve_exact(room.min(self.ring.len().max(2)));
        }
        let receipt = message.key.map(|key| self.keep_receipt(key, seq, subscribers));
        let entry = Entry {
            seq,
            start: self.written,
            event: message.event.map(Box::from),
            data: Arc::from(message.data),
            frames: Vec::new(),
            receipt,
        };
        self.ledger.enter(entry.cost());
        self.ring.push_back(entry);
        self.written += bytes as u64;
        self.end = seq;
    }

    fn keep_receipt(&mut self, key: &str, seq: u64, subscribers: usize) -> Box<Receipt> {
        let key: Rc<str> = Rc::from(key);
        self.keys.insert(Rc::clone(&key), seq);
        Box::new(Receipt { key, subscribers })
    }

    /// Lets go of the oldest message: the one way out of a ring, whatever the reason.
    pub(crate) fn trim_oldest(&mut self) {
        let Some(oldest) = self.ring.pop_front() else { return };
        self.ledger.strike(oldest.cost());
        self.trimmed_through = oldest.seq;
        if let Some(receipt) = &oldest.receipt {
            self.keys.remove(&receipt.key);
        }
        if self.ring.is_empty() {
            // What a busy hour made large is not held for ever.
            self.ring = VecDeque::new();
            self.keys = HashMap::new();
        }
    }

    /// Lets go of everything.
    pub(crate) fn clear(&mut self) {
        while !self.ring.is_empty() {
            self.trim_oldest();
        }
    }

    /// Where in the ring the first message behind `cursor` lies, if there is one.
    pub(crate) fn position_after(&self, cursor: u64) -> Option<usize> {
        if cursor >= self.end {
            return None;
        }
        // Nearly everybody lacks the newest message and no other.
        let count = self.ring.len();
        if count >= 2 && self.ring[count - 2].seq <= cursor {
            return Some(count - 1);
        }
        let position = self.ring.partition_point(|entry| entry.seq <= cursor);
        (position < count).then_some(position)
    }

    /// Whether the message with this number is one of its own, and still there.
    pub(crate) fn holds(&self, seq: u64) -> bool {
        self.ring.binary_search_by_key(&seq, |entry| entry.seq).is_ok()
    }

    pub(crate) fn seq_at(&self, position: usize) -> Option<u64> {
        self.ring.get(position).map(|entry| entry.seq)
    }

    /// The frame of the message at `position`, encoded if this is the first time that anybody wants it; none if its encoder panics.
    pub(crate) fn frame_at(
        &mut self,
        position: usize,
        epoch: u64,
        format: WireFormat,
        formats: &Formats,
        scratch: &mut Scratch,
    ) -> Option<&Frame> {
        let Channel { name, ring, ledger, .. } = self;
        let Entry { seq, event, data, frames, .. } = &mut ring[position];
        let known = frames.iter().position(|frame| frame.format() == format);
        let index = match known {
            Some(index) => index,
            None => {
                let id = MessageId { epoch, seq: *seq };
                let view = MessageView { id, channel: name, event: event.as_deref(), data };
                let encode = formats.row(format).encode;
                let frame = Frame::encoded(format, scratch, ledger, |out| encode(&view, out))?;
                frames.reserve_exact(1);
                frames.push(frame);
                frames.len() - 1
            }
        };
        frames.get(index)
    }

    #[cfg(test)]
    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The list of held publishers, which begins to be if there is none.
    pub(crate) fn held_mut(&mut self, now: Instant) -> &mut Held {
        self.held.get_or_insert_with(|| Box::new(Held::new(now)))
    }
}

impl Entry {
    /// What it is entered with; its frames enter themselves.
    fn cost(&self) -> usize {
        let key = self.receipt.as_ref().map_or(0, |receipt| 2 * receipt.key.len() + KEY_COST);
        MESSAGE_COST + weight(self.event.as_deref(), &self.data) + key
    }
}

/// What a message counts for in a ring's bytes.
fn weight(event: Option<&str>, data: &str) -> usize {
    event.map_or(0, str::len) + data.len()
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel_with(messages: &[(u64, &str)]) -> Channel {
        let mut channel = Channel::new(Rc::from("a"), 0, &Ledger::default());
        for (seq, data) in messages {
            channel.append(*seq, &Message::new(data), 0, RingBounds { count_max: 10, bytes_max: 1_000 });
        }
        channel
    }

    #[test]
    fn what_lies_behind_a_cursor_is_counted_in_messages_and_bytes() {
        let mut channel = channel_with(&[(10, "abc"), (12, "defgh"), (17, "ijklmno")]);
        let behind = |channel: &Channel, cursor| {
            let load = channel.load_behind(cursor);
            (load.messages, load.bytes)
        };
        for (cursor, load) in [
            (0, (3, 15)),
            (9, (3, 15)),
            (10, (2, 12)),
            (11, (2, 12)),
            (12, (1, 7)),
            (16, (1, 7)),
            (17, (0, 0)),
        ] {
            assert_eq!(behind(&channel, cursor), load, "behind {cursor}");
        }
        channel.trim_oldest();
        assert_eq!((behind(&channel, 0), channel.load().bytes), ((2, 12), 12), "what is gone counts no more");
    }

    #[test]
    fn its_ends_are_those_of_its_ring() {
        let mut channel = channel_with(&[(10, "a"), (12, "b")]);
        assert_eq!((channel.oldest(), channel.newest()), (Some(10), Some(12)));
        channel.clear();
        assert_eq!((channel.oldest(), channel.newest()), (None, None));
        assert_eq!((channel.end(), channel.trimmed_through()), (12, 12), "what was there is remembered");
    }

    #[test]
    fn its_name_costs_memory() {
        assert_eq!(Channel::cost("a longer name") - Channel::cost("a"), 12);
    }
}

//! The batch: what one visit brings, put together once for all who stand at the same cursor.
//!
//! Called by: `mod.rs`, for the engine, which writes what is lent and says how many bytes were taken.
//!
//! ```text
//!   cursor 14 ──► [ frame 16 | frame 18 | frame 21 ]    one joined slice, lent to everybody who stands at 14
//!                  taken ────────►┊                     the cursor becomes 18, and the rest of frame 18 alone
//!                                                       is handed back, as a share of that frame
//! ```
//!
//! Joining costs a copy, once; four times cheaper than a vectored write for each subscriber. A single frame is lent as it is.
//! Under load subscribers fall into few groups, each in one stretch of the list, so a cache of one batch is enough.
//!
//! Invariant: what was lent and taken, one after another, is the concatenation of the frames behind the first cursor,
//! wherever the takes were cut; a notice stands where frames are missing.
//! Not here: whom to visit (`pass.rs`), what happens to a rest (`engine/output.rs`).
//! Next: `mod.rs`, if you have not begun there.

use super::channel::Channel;
use super::cursor::{Notice, Subscriber};
use super::message::MessageId;
use super::wire::{Frame, Rest, Scratch, WireFormat, Wrapping};

/// What a subscriber is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Batch<'b> {
    /// It is level with its channel.
    Nothing,
    /// These bytes, at least one. Say how many were taken with [`Hub::advance`](super::Hub::advance) before anything else
    /// happens to the hub.
    Bytes(&'b [u8]),
    /// The ring has passed it and its format cannot say so: end it, visibly.
    Overrun,
}

/// Which bytes a batch is. As no two messages share a number, `end` names one state of one channel, and the channel itself
/// need not be in it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    from: u64,
    end: u64,
    format: WireFormat,
    wrapping: Wrapping,
}

/// Where the bytes of the batch that was put together last lie.
enum Content {
    /// Nothing yet.
    Empty,
    /// One frame, as it is.
    One(Frame),
    /// Several, in `joined`.
    Joined,
}

/// The one batch of a hub that is kept, with its buffers.
pub(crate) struct SharedBatch {
    /// Of what it is; none for a notice, which is not shared.
    key: Option<Key>,
    content: Content,
    wrapping: Wrapping,
    /// Where who takes all of it stands.
    last: u64,
    /// Only to notice a caller who confuses subscribers.
    lent_to: u32,
    joined: Vec<u8>,
    joined_bytes_max: usize,
    scratch: Scratch,
}

impl SharedBatch {
    pub(crate) fn new(joined_bytes_max: usize) -> SharedBatch {
        SharedBatch {
            key: None,
            content: Content::Empty,
            wrapping: Wrapping::Chunked,
            last: 0,
            lent_to: u32::MAX,
            joined: Vec::new(),
            joined_bytes_max,
            scratch: Scratch::default(),
        }
    }

    /// What the subscriber at `index` of `channel` gets on one visit.
    pub(crate) fn lend(&mut self, index: u32, channel: &mut Channel, epoch: u64) -> Batch<'_> {
        let Subscriber { cursor, name, format, wrapping, notice } = *channel.subscribers.at(index);
        self.lent_to = name;
        if notice == Notice::Due || cursor < channel.trimmed_through() {
            let missed_through = MessageId { epoch, seq: channel.trimmed_through() };
            return self.lend_notice(missed_through, format, wrapping);
        }
        if cursor >= channel.end() {
            return Batch::Nothing;
        }
        let key = Key { from: cursor, end: channel.end(), format, wrapping };
        if self.key != Some(key) {
            self.fill(&key, channel, epoch);
        }
        Batch::Bytes(self.bytes())
    }

    /// Where `by` stands if `taken` bytes are all that it was lent just now.
    pub(crate) fn taken_whole(&self, taken: usize, by: &Subscriber) -> Option<u64> {
        let lent = self.bytes().len();
        debug_assert!(taken <= lent, "more was taken than lent");
        debug_assert!(by.name == self.lent_to, "it was lent to another");
        if taken >= lent { Some(self.last) } else { None }
    }

    /// Where `by` stands if `taken` bytes are only some of what it was lent, and what is left of the frame that was cut.
    #[cold]
    pub(crate) fn taken_partly(
        &mut self,
        taken: usize,
        by: &Subscriber,
        channel: &mut Channel,
        epoch: u64,
    ) -> (u64, Option<Rest>) {
        match &self.content {
            Content::One(frame) => (self.last, Some(frame.rest(self.wrapping, taken))),
            Content::Joined => self.cut(taken, by, channel, epoch),
            Content::Empty => (by.cursor, None),
        }
    }

    /// The bytes of the current batch.
    fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Empty => &[],
            Content::One(frame) => frame.bytes(self.wrapping),
            Content::Joined => &self.joined,
        }
    }

    /// The notice goes out alone: it is rare, and then the frames behind it are a batch like any other.
    #[cold]
    fn lend_notice(&mut self, through: MessageId, format: WireFormat, wrapping: Wrapping) -> Batch<'_> {
        let Some(notice) = format.row().notice else { return Batch::Overrun };
        let frame = Frame::encoded(format, &mut self.scratch, |out| notice(through, out));
        self.key = None;
        self.content = Content::One(frame);
        self.wrapping = wrapping;
        self.last = through.seq;
        Batch::Bytes(self.bytes())
    }

    /// Puts together what `key` asks for: as many frames as fit, and at least one.
    fn fill(&mut self, key: &Key, channel: &mut Channel, epoch: u64) {
        let &Key { from, format, wrapping, .. } = key;
        let first = channel.position_after(from);
        let mut bytes = channel.frame_at(first, epoch, format, &mut self.scratch).range(wrapping).len();
        let mut behind = first + 1;
        while behind < channel.len() {
            bytes += channel.frame_at(behind, epoch, format, &mut self.scratch).range(wrapping).len();
            if bytes > self.joined_bytes_max {
                break;
            }
            behind += 1;
        }
        if behind == first + 1 {
            self.content = Content::One(channel.frame_at(first, epoch, format, &mut self.scratch).clone());
        } else {
            self.joined.clear();
            self.joined.reserve_exact(bytes.min(self.joined_bytes_max));
            for position in first..behind {
                let frame = channel.frame_at(position, epoch, format, &mut self.scratch);
                self.joined.extend_from_slice(frame.bytes(wrapping));
            }
            self.content = Content::Joined;
        }
        self.key = Some(*key);
        self.wrapping = wrapping;
        self.last = channel.seq_at(behind - 1);
    }

    /// Finds the frame in which a joined batch was cut.
    fn cut(
        &mut self,
        taken: usize,
        by: &Subscriber,
        channel: &mut Channel,
        epoch: u64,
    ) -> (u64, Option<Rest>) {
        debug_assert!(
            by.cursor >= channel.trimmed_through(),
            "the hub was used between a batch and its advance"
        );
        let mut left = taken;
        let mut position = channel.position_after(by.cursor);
        loop {
            let seq = channel.seq_at(position);
            let frame = channel.frame_at(position, epoch, by.format, &mut self.scratch);
            let bytes = frame.range(by.wrapping).len();
            if left < bytes {
                return (seq, Some(frame.rest(by.wrapping, left)));
            }
            left -= bytes;
            if left == 0 {
                return (seq, None);
            }
            position += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Hub, HubBounds, Message, Since};
    use super::*;

    #[test]
    fn a_batch_is_put_together_once_for_all_who_stand_at_the_same_cursor() {
        let bounds = HubBounds {
            history_count_max: 10,
            history_bytes_max: 100,
            channels_max: 1,
            batch_bytes_max: 100,
        };
        let mut hub = Hub::new(0, bounds);
        for name in 0..3 {
            hub.subscribe(name, "a", Since::Head, WireFormat::STREAM, Wrapping::Bare).unwrap();
        }
        hub.publish("a", Message::new("1")).unwrap();
        hub.publish("a", Message::new("2")).unwrap();
        assert_eq!(hub.batch(0), Batch::Bytes(b"1\n2\n"));
        hub.advance(0, 4);
        // A mark in the buffer shows whether it is filled anew.
        hub.batch.joined[0] = b'!';
        assert_eq!(hub.batch(1), Batch::Bytes(b"!\n2\n"));
        hub.publish("a", Message::new("3")).unwrap();
        assert_eq!(hub.batch(2), Batch::Bytes(b"1\n2\n3\n"));
    }
}

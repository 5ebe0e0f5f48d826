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
//! Who hears several channels gets their messages merged by number. A gap has its place in that order too: it stands where the last
//! message stood that is missing, behind what other channels still hold from before it.
//!
//! ```text
//!   news   ✂ … 12  [ 14 | 17 ]                 trimmed through 12
//!   chat   [ 10 | 15 ]
//!   cursor 9 ──►  10, the notice "12", 14, 15, 17
//! ```
//!
//! Invariant: what was lent and taken, one after another, is the concatenation of the frames behind the first cursor,
//! wherever the takes were cut; a notice stands where frames are missing.
//! Not here: whom to visit (`pass.rs`), what happens to a rest (`engine/output.rs`).
//! Next: `mod.rs`, if you have not begun there.

use slab::Slab;

use super::audience::{Audience, Hearing};
use super::channel::Channel;
use super::cursor::{Opening, Subscriber};
use super::ledger::Ledger;
use super::message::MessageId;
use super::wire::{Dress, Formats, Frame, Notice, Rest, Scratch, Wrapping};

/// What a subscriber is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Batch<'b> {
    /// It is level with its channels.
    Nothing,
    /// These bytes, at least one. Say how many were taken with [`Hub::advance`](super::Hub::advance) before anything else
    /// happens to the hub.
    Bytes(&'b [u8]),
    /// The ring has passed it and its format cannot say so: end it, visibly.
    Overrun,
    /// It has everything, and one of its channels was ended: end it well.
    End,
    /// The encoder of its format panicked at what comes next.
    Broken,
}

/// What comes next for a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Nothing,
    /// Messages are missing through this number.
    Gap(u64),
    /// Messages, none of them behind this number.
    Messages(u64),
    /// The same, and behind this number something is missing before any other.
    MessagesBeforeGap(u64),
    End,
}

/// What comes next for `by`, who was told already of what each channel of the audience had lost through the number in `told`, if
/// there is such a list.
pub(crate) fn next(
    by: &Subscriber,
    told: Option<&[u64]>,
    audience: &Audience,
    channels: &Slab<Channel>,
) -> Next {
    let from = by.cursor;
    let heard = || audience.channels.iter().map(|&channel| &channels[channel as usize]);
    let lost = || heard().map(Channel::trimmed_through);
    // What comes behind an end is for whoever comes back: by then the name may be another channel's, whose messages lie in between.
    let limit = match audience.hearing {
        Hearing::GoesOn => u64::MAX,
        Hearing::Ends => audience.end,
    };
    if by.opening == Opening::Gap {
        // What all of them have lost since is told with it.
        return Next::Gap(lost().fold(limit, u64::min).max(from));
    }
    if from < audience.end {
        let told = |index: usize| told.map_or(0, |told| told[index]);
        let holds = |&number: &u64| heard().any(|channel| channel.holds(number));
        // Of what is missing the last before an end stood where nothing is held; if there is no such place, nothing is.
        let place = match lost().any(|through| through > limit) {
            true => (from + 1..=limit).rev().find(|number| !holds(number)).unwrap_or(0),
            false => 0,
        };
        let untold = |(index, through): (usize, u64)| {
            let through = if through > limit { place } else { through };
            (through > from.max(told(index))).then_some(through)
        };
        let gap = lost().enumerate().filter_map(untold).min();
        let message = heard().filter_map(|channel| channel.seq_at(channel.position_after(from)?)).min();
        match (gap, message.filter(|&message| message <= limit)) {
            (Some(gap), Some(message)) if message <= gap => return Next::MessagesBeforeGap(gap),
            (Some(gap), _) => return Next::Gap(gap),
            (None, Some(_)) => return Next::Messages(limit),
            (None, None) => {}
        }
    }
    match audience.hearing {
        Hearing::GoesOn => Next::Nothing,
        Hearing::Ends => Next::End,
    }
}

/// Which bytes a batch is. As no two messages share a number, `end` names one state of one audience's channels. Whoever lets an
/// audience go, whose number another may have, or takes messages out of a ring that the batch may hold, says so.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    audience: u32,
    from: u64,
    end: u64,
    limit: u64,
    /// Whether its taker was told of something when it came, which it is then not told again.
    is_told: bool,
    dress: Dress,
    bytes_max: usize,
}

/// One frame of the batch.
struct Part {
    /// Where who has taken it stands.
    seq: u64,
    /// Where in the batch it ends.
    end: usize,
    frame: Frame,
}

/// Where a batch takes its frames from.
pub(crate) struct Source<'s> {
    pub(crate) number: u32,
    pub(crate) audience: &'s Audience,
    pub(crate) channels: &'s mut Slab<Channel>,
    pub(crate) formats: &'s Formats,
    pub(crate) ledger: &'s Ledger,
    pub(crate) epoch: u64,
    /// Whether the taker was told of something when it came.
    pub(crate) is_told: bool,
}

/// The one batch of a hub that is kept, with its buffers.
pub(crate) struct SharedBatch {
    /// Of what it is; none for a notice, which is not shared.
    key: Option<Key>,
    /// Of what none can be made, because the first message cannot be encoded: all who stand there are told without trying again.
    broken: Option<Key>,
    parts: Vec<Part>,
    wrapping: Wrapping,
    /// Only to notice a caller who confuses subscribers.
    lent_to: u32,
    /// The parts together, if there are several.
    joined: Vec<u8>,
    bytes_max: usize,
    scratch: Scratch,
    /// For each channel of the audience, which of its messages is next.
    heads: Vec<(u32, usize)>,
}

impl SharedBatch {
    pub(crate) fn new(bytes_max: usize) -> SharedBatch {
        SharedBatch {
            key: None,
            broken: None,
            parts: Vec::new(),
            wrapping: Wrapping::Chunked,
            lent_to: u32::MAX,
            joined: Vec::new(),
            bytes_max,
            scratch: Scratch::default(),
            heads: Vec::new(),
        }
    }

    /// What `by` gets on one visit, when this is what comes next for it.
    pub(crate) fn lend(&mut self, next: Next, by: &Subscriber, source: &mut Source<'_>) -> Batch<'_> {
        match next {
            Next::Nothing => Batch::Nothing,
            Next::End => Batch::End,
            Next::Gap(through) => self.lend_notice(through, by, source),
            // A stream without notices must not look whole up to there.
            Next::MessagesBeforeGap(_) if !source.formats.can_tell(by.dress) => Batch::Overrun,
            Next::Messages(limit) | Next::MessagesBeforeGap(limit) => {
                match self.messages(by, limit, self.bytes_max, source) {
                    Some(bytes) => Batch::Bytes(bytes),
                    None => Batch::Broken,
                }
            }
        }
    }

    /// The messages behind `by`'s cursor that are not behind `limit`: as many as are no longer than `bytes_max` together, and at least
    /// one. None if the first cannot be encoded.
    pub(crate) fn messages(
        &mut self,
        by: &Subscriber,
        limit: u64,
        bytes_max: usize,
        source: &mut Source<'_>,
    ) -> Option<&[u8]> {
        self.lent_to = by.name;
        let (audience, end) = (source.number, source.audience.end);
        let is_told = source.is_told;
        let key = Key { audience, from: by.cursor, end, limit, is_told, dress: by.dress, bytes_max };
        if self.broken == Some(key) {
            return None;
        }
        if self.key != Some(key) {
            self.fill(&key, source);
        }
        self.key.is_some().then(|| self.bytes())
    }

    /// Where `by` stands if `taken` bytes are all that it was lent just now.
    pub(crate) fn taken_whole(&self, taken: usize, by: &Subscriber) -> Option<u64> {
        let lent = self.bytes().len();
        debug_assert!(taken <= lent, "more was taken than lent");
        debug_assert!(by.name == self.lent_to, "it was lent to another");
        if taken >= lent { self.last() } else { None }
    }

    /// Where who takes all of it stands.
    pub(crate) fn last(&self) -> Option<u64> {
        self.parts.last().map(|part| part.seq)
    }

    /// How many frames the batch holds.
    pub(crate) fn count(&self) -> usize {
        self.parts.len()
    }

    /// Whether it is not of messages but of what is missing.
    pub(crate) fn is_notice(&self) -> bool {
        self.key.is_none()
    }

    /// Where one stands who took only `taken` bytes, how many messages it has begun to take, and what is left of the frame that was
    /// cut.
    #[cold]
    pub(crate) fn taken_partly(&self, taken: usize) -> Option<(u64, usize, Option<Rest>)> {
        let index = self.parts.partition_point(|part| part.end < taken);
        let part = self.parts.get(index)?;
        let begin = index.checked_sub(1).map_or(0, |before| self.parts[before].end);
        let is_cut = taken < part.end;
        let rest = is_cut.then(|| part.frame.rest(self.wrapping, taken - begin));
        Some((part.seq, index + 1, rest))
    }

    /// Whether the kept batch is what `by` lacks: the same audience, place and dress, nothing published since, and nothing trimmed.
    pub(crate) fn kept_for(&mut self, by: &Subscriber, audience: u32, end: u64) -> bool {
        let (bytes_max, limit) = (self.bytes_max, u64::MAX);
        let is_told = false;
        let key = Key { audience, from: by.cursor, end, limit, is_told, dress: by.dress, bytes_max };
        let is_kept = self.key == Some(key) && by.opening == Opening::Done;
        if is_kept {
            self.lent_to = by.name;
        }
        is_kept
    }

    /// Notes that a channel has lost everything through this number. A batch that begins before it may have lost its first messages.
    pub(crate) fn note_trimmed(&mut self, through: u64) {
        for key in [&mut self.key, &mut self.broken] {
            key.take_if(|key| key.from < through);
        }
    }

    /// Lets go of what is kept.
    pub(crate) fn forget(&mut self) {
        self.key = None;
        self.broken = None;
        self.parts = Vec::new();
        self.joined = Vec::new();
    }

    /// Lets go of it if it is of this audience, whose number another may have soon.
    pub(crate) fn forget_audience(&mut self, number: u32) {
        if [self.key, self.broken].into_iter().flatten().any(|key| key.audience == number) {
            self.forget();
        }
    }

    /// The bytes of the current batch.
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.parts[..] {
            [] => &[],
            [part] => part.frame.bytes(self.wrapping),
            _ => &self.joined,
        }
    }

    /// The notice goes out alone: it is rare, and then the frames behind it are a batch like any other.
    #[cold]
    fn lend_notice(&mut self, through: u64, by: &Subscriber, source: &Source<'_>) -> Batch<'_> {
        let format = by.dress.format();
        let Some(notice) = source.formats.row(format).notice else { return Batch::Overrun };
        let id = MessageId { epoch: source.epoch, seq: through };
        let write = |out: &mut Vec<u8>| notice(Notice::Gap, id, out);
        let Some(frame) = Frame::encoded(format, &mut self.scratch, source.ledger, write) else {
            return Batch::Broken;
        };
        self.lent_to = by.name;
        self.key = None;
        self.wrapping = by.dress.wrapping();
        self.parts.clear();
        self.push(through, frame);
        Batch::Bytes(self.bytes())
    }

    fn push(&mut self, seq: u64, frame: Frame) {
        let end = self.parts.last().map_or(0, |part| part.end) + frame.range(self.wrapping).len();
        self.parts.push(Part { seq, end, frame });
    }

    // TOUR 5.4
    /// Puts together what `key` asks for: up to a message that cannot be encoded, and nothing if that is the first.
    fn fill(&mut self, key: &Key, source: &mut Source<'_>) {
        self.wrapping = key.dress.wrapping();
        self.parts.clear();
        self.joined.clear();
        let first =
            |&channel: &u32| Some((channel, source.channels[channel as usize].position_after(key.from)?));
        self.heads.clear();
        self.heads.extend(source.audience.channels.iter().filter_map(first));
        while let Some((seq, frame)) = self.merge(key, source) {
            let is_over = self
                .parts
                .last()
                .is_some_and(|last| last.end + frame.range(self.wrapping).len() > key.bytes_max);
            if is_over {
                break;
            }
            self.push(seq, frame);
        }
        let is_broken = self.parts.is_empty();
        self.key = (!is_broken).then_some(*key);
        self.broken = is_broken.then_some(*key);
        if let [first, .., last] = &self.parts[..] {
            debug_assert!(first.seq < last.seq, "merged by number");
            self.joined.reserve_exact(last.end);
            for part in &self.parts {
                self.joined.extend_from_slice(part.frame.bytes(self.wrapping));
            }
        }
    }

    /// The next message of any channel, by number, if there is one that can be encoded. It counts as used.
    fn merge(&mut self, key: &Key, source: &mut Source<'_>) -> Option<(u64, Frame)> {
        let numbered =
            |(channel, position): &mut (u32, usize)| source.channels[*channel as usize].seq_at(*position);
        let heads = self.heads.iter_mut();
        let (seq, head) =
            heads.filter_map(|head| Some((numbered(head)?, head))).min_by_key(|(seq, _)| *seq)?;
        if seq > key.limit {
            return None;
        }
        let (channel, position) = *head;
        head.1 += 1;
        let channel = &mut source.channels[channel as usize];
        let (format, formats) = (key.dress.format(), source.formats);
        let frame = channel.frame_at(position, source.epoch, format, formats, &mut self.scratch)?;
        Some((seq, frame.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{BOUNDS, hub_with};
    use super::super::{HubBounds, Message, Since, WireFormat};
    use super::*;

    #[test]
    fn a_batch_is_put_together_once_for_all_who_stand_at_the_same_cursor() {
        let mut hub = hub_with(HubBounds { batch_bytes_max: 100, ..BOUNDS });
        for name in 0..3 {
            hub.subscribe(name, &["a"], Since::Head, WireFormat::STREAM, Wrapping::Bare).unwrap();
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

//! A world's subscribers.
//!
//! What they do here is what the engine does for its connections: who could not take all is blocked until it can be written to, then
//! takes its rest first; who waits for a list takes it, or not, and is blocked while it does not.

use super::super::*;
use super::ear::{Ear, Expected, GRACE, Grace, Lent, Step};
use super::rings::Piece;
use super::wire;
use super::world::World;

const FORMATS: [WireFormat; 5] =
    [WireFormat::SSE, WireFormat::STREAM, WireFormat::NDJSON, WireFormat::SSE_ENVELOPE, WireFormat::IFRAME];

impl World {
    pub(super) fn subscribe(&mut self, name: usize) {
        if self.model.ears[name].is_some() {
            return;
        }
        let names: Vec<&str> = (0..[1, 1, 2, 3, 5][self.dice.roll(5)]).map(|_| self.channel()).collect();
        let is_parked = self.dice.roll(4) == 0;
        let format = if is_parked { WireFormat::JSON } else { FORMATS[self.dice.roll(FORMATS.len())] };
        let wrapping =
            if is_parked { Wrapping::Bare } else { [Wrapping::Chunked, Wrapping::Bare][self.dice.roll(2)] };
        let known = self.dice.roll(self.model.seq as usize + 1) as u64;
        let since = [
            Since::Head,
            Since::Start,
            Since::Id(id(known)),
            Since::Id(id(self.model.seq.saturating_sub(3))),
            Since::Id(id(self.model.seq + 1)),
            Since::Id(MessageId { epoch: EPOCH - 1, seq: known }),
        ][self.dice.roll(6)];
        let (asked, is_foreign) = match since {
            Since::Head => (self.model.seq, false),
            Since::Start => (0, false),
            Since::Id(id) if id.epoch != EPOCH || id.seq > self.model.seq => (0, true),
            Since::Id(id) => (id.seq, false),
        };
        let stand = |lost: &[u64]| {
            let (least, most) = (*lost.iter().min().unwrap(), *lost.iter().max().unwrap());
            (asked.max(least), is_foreign || asked < most)
        };
        let seen = self.model.look(&names).map(|(lost, end)| {
            let (cursor, gap) = stand(&lost);
            Subscribed { at: id(cursor), gap, behind: cursor < end || gap }
        });
        assert_eq!(self.hub.look(&names, since), seen.ok_or(WriteError::TooManyChannels), "a look");
        let shortages = self.model.shortages;
        let told = self.hub.subscribe(name as u32, &names, since, format, wrapping);
        let Some(topics) = self.model.open_all(&names) else {
            assert_eq!(told, Err(WriteError::TooManyChannels));
            self.tally.refusals += 1;
            return;
        };
        let lost: Vec<u64> = topics.iter().map(|&topic| self.model.topics[topic].trimmed_through()).collect();
        let most = *lost.iter().max().unwrap();
        let (cursor, gap) = stand(&lost);
        let opening = gap && wire::notice("gap", 0, format).is_some();
        self.model.ears[name] = Some(Ear {
            told: if gap { lost } else { vec![0; topics.len()] },
            topics,
            format,
            wrapping,
            is_parked,
            began: cursor,
            cursor,
            ends_at: None,
            opening,
            received: Vec::new(),
            items: Vec::new(),
            rest: None,
            is_blocked: false,
            grace: Grace { purse: 0, blocked_at: None, is_slow: false, filling: None },
        });
        self.model.gaps += u64::from(gap);
        self.tally.told += usize::from(gap && most > cursor);
        let behind = self.model.lacks(name);
        assert_eq!(told, Ok(Subscribed { at: id(cursor), gap, behind }), "{since:?}");
        // Where nothing had to go to make room, the look has told the same. A format that cannot tell of a gap owes no notice.
        let seen = seen.filter(|_| self.model.shortages == shortages);
        assert!(seen.is_none_or(|seen| (seen.at, seen.gap, seen.behind) == (id(cursor), gap, behind || gap)));
        // Its head is on the way: the engine lends it nothing before.
        let ear = self.model.ear_mut(name);
        ear.is_blocked = behind;
        // Who begins behind has been given nothing yet, and holds nothing.
        ear.grace.is_slow = behind;
        ear.grace.purse = if behind { 0 } else { GRACE };
    }

    pub(super) fn leave(&mut self, name: usize) {
        self.hub.leave(name as u32);
        assert!(!self.hub.is_subscribed(name as u32));
        assert_eq!(self.hub.batch(name as u32), Batch::Nothing);
        if self.model.ears[name].is_none() {
            return;
        }
        self.check_stream(name);
        let ear = self.model.ears[name].take().expect("it is there");
        if !self.model.ears.iter().flatten().any(|other| other.topics == ear.topics)
            && self.model.kept_for.as_ref() == Some(&ear.topics)
        {
            self.model.forget_kept();
        }
        for topic in ear.topics {
            self.model.retire_if_unused(topic);
        }
    }

    pub(super) fn visit(&mut self) {
        let Some(name) = self.hub.next_visit() else { return };
        let name = name as usize;
        assert!(self.model.ears[name].is_some(), "a visit to nobody");
        assert!(self.model.lacks(name), "a visit in vain");
        if self.model.ear(name).is_blocked {
            self.block(name);
        } else if self.model.ear(name).is_parked {
            self.take_list(name);
        } else {
            self.lend(name);
        }
    }

    pub(super) fn block(&mut self, name: usize) {
        self.hub.block(name as u32);
        self.model.block(name);
        self.model.ear_mut(name).is_blocked = true;
    }

    /// The connection takes bytes again: the rest first, then one batch.
    pub(super) fn becomes_writable(&mut self, name: usize) {
        let Some(ear) = &mut self.model.ears[name] else { return };
        if let Some((rest, _)) = &mut ear.rest {
            let taken = 1 + self.dice.roll(rest.bytes().len());
            ear.received.extend_from_slice(&rest.bytes()[..taken]);
            rest.take(taken);
            if !rest.bytes().is_empty() {
                return;
            }
            ear.rest = None;
        }
        ear.is_blocked = false;
        if !ear.is_parked && self.dice.roll(2) == 0 {
            // All that was owed is out, as the engine says before it asks for more.
            self.hub.unblock(name as u32);
            self.model.wake(name);
            if !self.model.lacks(name) {
                return self.model.reach_head(name);
            }
        }
        let ear = self.model.ear(name);
        if ear.is_parked { self.take_list(name) } else { self.lend(name) }
    }

    /// One batch: what has to be lent, what is taken of it, and what has to be left over.
    fn lend(&mut self, name: usize) {
        let expected = self.model.expect(name);
        self.model.wake(name);
        let lent = self.hub.batch(name as u32);
        match expected {
            Expected::Nothing => {
                assert_eq!(lent, Batch::Nothing);
                self.model.reach_head(name);
            }
            Expected::Overrun => {
                assert_eq!(lent, Batch::Overrun);
                self.tally.overruns += 1;
                self.leave(name);
            }
            Expected::End => {
                assert_eq!(lent, Batch::End);
                self.tally.ends += 1;
                self.check_farewell(name);
                self.leave(name);
            }
            Expected::Bytes(frames) => {
                let whole = frames.iter().flat_map(|frame| frame.bytes.iter().copied()).collect::<Vec<u8>>();
                assert_eq!(lent, Batch::Bytes(&whole));
                let taken =
                    if self.dice.roll(3) == 0 { self.dice.roll(whole.len() + 1) } else { whole.len() };
                self.take_bytes(name, &frames, &whole, taken);
            }
        }
    }

    fn take_bytes(&mut self, name: usize, frames: &[Lent], whole: &[u8], taken: usize) {
        let is_whole = taken == whole.len();
        let (mut end, mut left_over): (usize, (&[u8], Option<Piece>)) = (0, (&[], None));
        for frame in frames {
            if end < taken {
                let is_notice = matches!(frame.item, Item::Gap { .. });
                self.tally.notices += usize::from(is_notice);
                self.model.gaps += u64::from(is_notice && !self.model.ear(name).opening);
                self.model.delivered += u64::from(!is_notice);
                self.model.stand_at(name, frame.seq);
                self.model.ear_mut(name).items.push(frame.item.clone());
                left_over = (&frame.bytes[(taken - end).min(frame.bytes.len())..], Some(frame.piece));
            }
            end += frame.bytes.len();
        }
        let rest = self.hub.advance(name as u32, taken);
        assert_eq!(rest.as_ref().map_or(&[][..], Rest::bytes), left_over.0, "{taken} of {}", whole.len());
        self.tally.cuts += usize::from(rest.is_some());
        let ear = self.model.ear_mut(name);
        ear.received.extend_from_slice(&whole[..taken]);
        ear.rest = rest.zip(left_over.1);
        if !is_whole {
            self.block(name);
        } else if self.model.ear(name).cursor >= self.model.end_of(name) {
            self.model.reach_head(name);
        }
    }

    /// What an exchange does that waits for a list: it takes some, and then goes, or waits for more; or it takes nothing.
    fn take_list(&mut self, name: usize) {
        if self.dice.roll(5) == 0 {
            return self.block(name);
        }
        let bytes_max = [0, 60, 500, 100_000][self.dice.roll(4)];
        self.model.wake(name);
        let mut steps = self.model.steps(name);
        let mut expected = News { cursor: id(0), messages: 0, gap: false, ended: false };
        while let Some((seq, Step::Gap)) = steps.first().copied() {
            self.model.gaps += u64::from(!expected.gap);
            expected.gap = true;
            self.model.stand_at(name, seq);
            steps.remove(0);
        }
        let frames = self.model.frames(name, &steps, bytes_max);
        for frame in &frames {
            self.model.stand_at(name, frame.seq);
            self.model.ear_mut(name).items.push(frame.item.clone());
        }
        expected.messages = frames.len();
        self.model.delivered += frames.len() as u64;
        expected.cursor = id(self.model.ear(name).cursor);
        if frames.len() == steps.len() {
            self.model.reach_head(name);
            expected.ended = self.model.is_ending(name);
            // At an end it stands where that is, and not where others have come to.
            expected.cursor = id(if expected.ended { self.model.ear(name).cursor } else { self.model.seq });
        }
        if self.model.lacks(name) {
            // What is left is left on purpose: nobody visits it for that.
            self.model.block(name);
            self.model.ear_mut(name).is_blocked = true;
        }
        let mut out = b"before ".to_vec();
        let news = self.hub.take(name as u32, bytes_max, &mut out);
        let bytes = frames.iter().flat_map(|frame| frame.bytes.iter().copied());
        assert!(out.iter().copied().eq(b"before ".iter().copied().chain(bytes)), "another list");
        assert_eq!(news, expected);
        self.tally.lists += 1;
        let ear = self.model.ear_mut(name);
        if expected.gap {
            // Told beside the list: all that was missing before it.
            let first = frames.first().map_or(ear.cursor, |frame| frame.seq - 1);
            let place = ear.items.len() - frames.len();
            ear.items.insert(place, Item::Gap { seq: first });
        }
        ear.received.extend_from_slice(&out[7..]);
        if expected.ended || (expected.messages > 0 && self.dice.roll(3) > 0) {
            self.leave(name);
        }
    }

    /// Whatever the pass owes, it has paid when it says that it is over.
    pub(super) fn finish_passes(&mut self) {
        let mut visits = 0;
        while self.hub.has_visits() {
            self.visit();
            visits += 1;
            assert!(visits < 20_000, "visits without end");
        }
        for name in 0..self.model.ears.len() {
            let is_free = self.model.ears[name].as_ref().is_some_and(|ear| !ear.is_blocked);
            assert!(!is_free || !self.model.lacks(name), "{name} was forgotten");
        }
    }
}

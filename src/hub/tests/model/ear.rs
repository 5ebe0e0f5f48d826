//! The model's subscribers: where each stands, what comes next for it, and how much grace it has left.

use super::super::peer::Item;
use super::super::{Rest, WireFormat, Wrapping};
use super::rings::{Model, Piece};
use super::wire::{self, Shown};
use crate::hub::pressure::Waited;

/// A subscriber as its peer and its connection see it.
pub(super) struct Ear {
    /// Ascending.
    pub(super) topics: Vec<usize>,
    pub(super) format: WireFormat,
    pub(super) wrapping: Wrapping,
    pub(super) is_parked: bool,
    pub(super) began: u64,
    pub(super) cursor: u64,
    /// Where its channels ended when the first of them was ended: nothing behind it is for this one.
    pub(super) ends_at: Option<u64>,
    /// Whether its stream has to begin with a notice.
    pub(super) opening: bool,
    /// What each topic had lost when it was told of a gap.
    pub(super) told: Vec<u64>,
    pub(super) received: Vec<u8>,
    /// What it has begun to take.
    pub(super) items: Vec<Item>,
    /// The rest of a frame that its connection owes.
    pub(super) rest: Option<(Rest, Piece)>,
    /// Whether nobody will call `batch` for it before its connection can be written to.
    pub(super) is_blocked: bool,
    pub(super) grace: Grace,
}

impl Ear {
    /// Whether it holds a ring: it is healthy, and there is something left that it may hear.
    fn holds(&self) -> bool {
        !self.grace.is_slow && self.ends_at.is_none_or(|end| self.cursor < end)
    }

    /// Whether it takes what it is given.
    pub(super) fn is_reading(&self) -> bool {
        !self.grace.is_slow && self.grace.blocked_at.is_none()
    }
}

/// In two-hundredths of a full purse, as the hub counts.
pub(super) struct Grace {
    pub(super) purse: u64,
    pub(super) blocked_at: Option<u64>,
    pub(super) is_slow: bool,
    /// The filling after which it has to wait for the next.
    pub(super) filling: Option<u8>,
}

/// A full purse.
pub(super) const GRACE: u64 = 200;

/// One thing that comes next: a message, by topic and place in it, or a gap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Message(usize, usize),
    Gap,
}

/// A frame to be lent, and where who has taken it stands.
pub(super) struct Lent {
    pub(super) seq: u64,
    pub(super) item: Item,
    pub(super) bytes: Vec<u8>,
    pub(super) piece: Piece,
}

/// What a visit has to bring.
pub(super) enum Expected {
    Nothing,
    End,
    Overrun,
    Bytes(Vec<Lent>),
}

impl Model {
    pub(super) fn ear(&self, name: usize) -> &Ear {
        self.ears[name].as_ref().expect("it is there")
    }

    pub(super) fn ear_mut(&mut self, name: usize) -> &mut Ear {
        self.ears[name].as_mut().expect("it is there")
    }

    pub(super) fn end_of(&self, name: usize) -> u64 {
        let ear = self.ear(name);
        let end = || ear.topics.iter().map(|&topic| self.topics[topic].end()).max().unwrap_or(0);
        ear.ends_at.unwrap_or_else(end)
    }

    pub(super) fn is_ending(&self, name: usize) -> bool {
        self.ear(name).ends_at.is_some()
    }

    pub(super) fn lacks(&self, name: usize) -> bool {
        let ear = self.ear(name);
        ear.opening || ear.cursor < self.end_of(name) || self.is_ending(name)
    }

    /// All that lies behind its cursor, by number, gaps where messages are missing that it was not told of.
    pub(super) fn steps(&self, name: usize) -> Vec<(u64, Step)> {
        let ear = self.ear(name);
        let limit = ear.ends_at.unwrap_or(u64::MAX);
        let mut steps = Vec::new();
        for &number in &ear.topics {
            let held = self.topics[number].said.iter().enumerate().skip(self.topics[number].held_from);
            let lacking = held.filter(|(_, said)| said.seq > ear.cursor && said.seq <= limit);
            steps.extend(lacking.map(|(index, said)| (said.seq, Step::Message(number, index))));
        }
        let is_held = |number: u64| steps.iter().any(|(seq, _)| *seq == number);
        let mut gaps = Vec::new();
        for (&number, &told) in ear.topics.iter().zip(&ear.told) {
            let mut through = self.topics[number].trimmed_through();
            if through > limit {
                // It is told at the last place before the end that no message has.
                through = (ear.cursor + 1..=limit).rev().find(|&place| !is_held(place)).unwrap_or(0);
            }
            if through > ear.cursor && through > told {
                gaps.push((through, Step::Gap));
            }
        }
        steps.append(&mut gaps);
        steps.sort_by_key(|(seq, _)| *seq);
        // Two channels whose gaps end at one place are told of with one notice.
        steps.dedup_by(|a, b| a.0 == b.0);
        steps
    }

    /// Where the notice leads that a stream begins with.
    pub(super) fn opening_through(&self, name: usize) -> u64 {
        let ear = self.ear(name);
        let lost = ear.topics.iter().map(|&topic| self.topics[topic].trimmed_through());
        lost.chain(ear.ends_at).min().unwrap_or(0).max(ear.cursor)
    }

    /// What `batch` has to give. Its frames are made, and kept.
    pub(super) fn expect(&mut self, name: usize) -> Expected {
        let steps = self.steps(name);
        let gap = match steps.first() {
            _ if self.ear(name).opening => Some(self.opening_through(name)),
            Some((seq, Step::Gap)) => Some(*seq),
            _ => None,
        };
        if let Some(through) = gap {
            let ear = self.ear(name);
            let Some(frame) = wire::notice("gap", through, ear.format) else { return Expected::Overrun };
            let bytes = wire::wrapped(&frame, ear.wrapping);
            self.notices += 1;
            let piece = self.piece(Err(self.notices), name, &frame);
            self.kept = vec![piece];
            self.kept_for = None;
            return Expected::Bytes(vec![Lent {
                seq: through,
                item: Item::Gap { seq: through },
                bytes,
                piece,
            }]);
        }
        if wire::notice("gap", 0, self.ear(name).format).is_none()
            && steps.iter().any(|(_, step)| *step == Step::Gap)
        {
            // Not even what lies before it: it must not look whole up to there.
            return Expected::Overrun;
        }
        let lent = self.frames(name, &steps, self.bounds.batch_bytes_max);
        match (lent.is_empty(), self.is_ending(name)) {
            (false, _) => Expected::Bytes(lent),
            (true, true) => Expected::End,
            (true, false) => Expected::Nothing,
        }
    }

    /// The messages at the front of `steps` as frames: as many as fit, and at least one.
    pub(super) fn frames(&mut self, name: usize, steps: &[(u64, Step)], bytes_max: usize) -> Vec<Lent> {
        let (format, wrapping, from) =
            (self.ear(name).format, self.ear(name).wrapping, self.ear(name).cursor);
        let (mut lent, mut length) = (Vec::new(), 0);
        for (seq, step) in steps {
            let Step::Message(topic, index) = *step else { break };
            let said = &self.topics[topic].said[index];
            let shown = Shown {
                seq: *seq,
                channel: self.topics[topic].name,
                event: said.event.as_deref(),
                data: &said.data,
            };
            let frame = wire::message(&shown, format);
            let data = match format {
                WireFormat::SSE => wire::lines(&said.data).join("\n"),
                _ => said.data.clone(),
            };
            let item = Item::Message { seq: *seq, event: said.event.clone(), data };
            let piece = self.piece(Ok((topic, *seq)), name, &frame);
            // The first that does not fit is made all the same.
            let frames = &mut self.topics[topic].said[index].frames;
            if !frames.contains(&piece) {
                frames.push(piece);
            }
            let bytes = wire::wrapped(&frame, wrapping);
            length += bytes.len();
            if length > bytes_max && !lent.is_empty() {
                break;
            }
            lent.push(Lent { seq: *seq, item, bytes, piece });
        }
        if !lent.is_empty() {
            self.kept = lent.iter().map(|lent| lent.piece).collect();
            self.kept_for = Some(self.ear(name).topics.clone());
            self.kept_from = from;
        }
        lent
    }

    fn piece(&self, of: Result<(usize, u64), u64>, name: usize, frame: &str) -> Piece {
        let cost = 96 + wire::wrapped(frame, Wrapping::Chunked).len();
        Piece { of, format: self.ear(name).format, cost }
    }

    // ---- grace

    /// Time goes by, for purses and for patience.
    pub(super) fn set_time(&mut self, now: u64) {
        let passed = now - self.now;
        for number in 0..self.topics.len() {
            let is_for_blocked = !self.topics[number].waiting.is_empty() && {
                let waited = self.waited_for(number);
                assert_ne!(waited, None, "time goes by, and a publisher is held for nobody");
                waited == Some(Waited::Blocked)
            };
            let topic = &mut self.topics[number];
            if is_for_blocked {
                topic.patience -= passed as i64 * 1_000;
                topic.holding.push((self.now, now));
                assert!(topic.patience > -1_000, "held for longer than there is patience");
            } else {
                topic.patience = (topic.patience + passed as i64 * 500).min(2_500_000);
            }
        }
        self.now = now;
        let unit = self.grace_unit();
        for ear in self.ears.iter_mut().flatten() {
            if ear.grace.blocked_at.is_some_and(|since| unit - since > ear.grace.purse) {
                ear.grace = Grace { blocked_at: None, is_slow: true, purse: 0, ..ear.grace };
                self.slow += 1;
            }
        }
        while let Some(&(due, name, number)) = self.fillings.front() {
            if due > now {
                break;
            }
            self.fillings.pop_front();
            if let Some(ear) = &mut self.ears[name]
                && ear.grace.filling == Some(number)
            {
                ear.grace.filling = None;
            }
        }
    }

    /// How many two-hundredths of a full purse have gone by.
    fn grace_unit(&self) -> u64 {
        self.now * GRACE / self.bounds.grace.as_millis() as u64
    }

    pub(super) fn wake(&mut self, name: usize) {
        let unit = self.grace_unit();
        let grace = &mut self.ear_mut(name).grace;
        grace.is_slow = false;
        if let Some(since) = grace.blocked_at.take() {
            grace.purse -= unit - since;
        }
    }

    pub(super) fn block(&mut self, name: usize) {
        let unit = self.grace_unit();
        let grace = &mut self.ear_mut(name).grace;
        if grace.purse == 0 {
            grace.is_slow = true;
        } else if grace.blocked_at.is_none() {
            grace.blocked_at = Some(unit);
        }
    }

    /// It has taken something, after which it stands there.
    pub(super) fn stand_at(&mut self, name: usize, cursor: u64) {
        let ear = self.ear_mut(name);
        ear.cursor = cursor;
        ear.opening = false;
    }

    /// It was given all that there is, and stands at the end of its channels.
    pub(super) fn reach_head(&mut self, name: usize) {
        let (now, end) = (self.now, self.end_of(name));
        let number = (self.last_filling + 1) % 16;
        let ear = self.ear_mut(name);
        ear.cursor = ear.cursor.max(end);
        let grace = &mut ear.grace;
        if grace.purse < GRACE && grace.filling.is_none() && grace.blocked_at.is_none() && !grace.is_slow {
            grace.purse = GRACE;
            grace.filling = Some(number);
            self.last_filling = number;
            self.fillings.push_back((now + 10_000, name, number));
        }
    }

    // ---- pressure

    /// For whom a topic's publishers wait: what lies behind one of them fills half of its ring. Who reads comes first.
    pub(super) fn waited_for(&self, number: usize) -> Option<Waited> {
        let healthy = self.ears.iter().flatten().filter(|ear| ear.topics.contains(&number) && ear.holds());
        let pressing = healthy.filter(|ear| {
            let lacking = self.topics[number].held().iter().filter(|said| said.seq > ear.cursor);
            let (count, bytes) =
                lacking.fold((0, 0), |(count, bytes), said| (count + 1, bytes + said.weight()));
            2 * count >= self.bounds.history_count_max.max(2) || 2 * bytes >= self.bounds.history_bytes_max
        });
        let waited = pressing.map(|ear| ear.grace.blocked_at.is_some());
        waited.min().map(|is_blocked| if is_blocked { Waited::Blocked } else { Waited::Reading })
    }

    /// Whether a topic holds whoever comes to publish.
    pub(super) fn holds(&self, number: usize) -> bool {
        match self.waited_for(number) {
            None => false,
            Some(Waited::Reading) => true,
            Some(Waited::Blocked) => self.topics[number].patience > 0,
        }
    }

    /// Whether a topic's held publishers may go.
    pub(super) fn may_go(&self, number: usize) -> bool {
        !self.topics[number].waiting.is_empty() && !self.holds(number)
    }
}

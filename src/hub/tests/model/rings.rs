//! The model's channels: everything that was ever said on them, what of it should still be held, and what all of that costs.
//!
//! Costs are summed up anew whenever somebody asks, from the list of what there is: the hub's ledger counts as things come and go, and
//! has to arrive at the same number.

use std::collections::VecDeque;

use super::super::{ExchangeId, HubBounds, WireFormat};
use super::ear::Ear;

/// A message, with the formats in which somebody wanted it and how long its frame is in each.
pub(super) struct Said {
    pub(super) seq: u64,
    /// When, in milliseconds.
    pub(super) at: u64,
    pub(super) event: Option<String>,
    pub(super) data: String,
    pub(super) key: Option<String>,
    /// How many subscribers its publisher was told of.
    pub(super) told: usize,
    pub(super) frames: Vec<Piece>,
}

impl Said {
    pub(super) fn weight(&self) -> usize {
        self.data.len() + self.event.as_ref().map_or(0, String::len)
    }

    fn cost(&self) -> usize {
        let key = self.key.as_ref().map_or(0, |key| 96 + 2 * key.len());
        160 + self.weight() + key + self.frames.iter().map(|piece| piece.cost).sum::<usize>()
    }
}

/// A frame that somebody may hold for longer than its message is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Its message, and in which topic; or a number of its own, if it is a notice.
    pub(super) of: Result<(usize, u64), u64>,
    pub(super) format: WireFormat,
    pub(super) cost: usize,
}

/// A channel from its first subscriber or message to its last: another channel of the same name is another topic.
pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) is_open: bool,
    pub(super) is_alive: bool,
    /// What may have been lost before it began.
    pub(super) began: u64,
    pub(super) said: Vec<Said>,
    /// From where on the ring should still hold it.
    pub(super) held_from: usize,
    pub(super) waiting: VecDeque<ExchangeId>,
    /// In microseconds.
    pub(super) patience: i64,
    /// When publishers were held for the sake of the blocked: from and until, in milliseconds.
    pub(super) holding: Vec<(u64, u64)>,
}

impl Topic {
    pub(super) fn held(&self) -> &[Said] {
        &self.said[self.held_from..]
    }

    pub(super) fn trimmed_through(&self) -> u64 {
        self.held_from.checked_sub(1).map_or(self.began, |last| self.said[last].seq)
    }

    pub(super) fn end(&self) -> u64 {
        self.said.last().map_or(self.began, |said| said.seq)
    }

    pub(super) fn weight(&self) -> usize {
        self.held().iter().map(Said::weight).sum()
    }
}

/// All that the hub should know.
pub(super) struct Model {
    pub(super) bounds: HubBounds,
    pub(super) now: u64,
    pub(super) seq: u64,
    pub(super) topics: Vec<Topic>,
    pub(super) ears: Vec<Option<Ear>>,
    pub(super) lost_through: u64,
    /// The frames of the batch that was lent last, and for whom: nobody, if it cannot be lent again.
    pub(super) kept: Vec<Piece>,
    pub(super) kept_for: Option<Vec<usize>>,
    /// Behind which number that batch begins.
    pub(super) kept_from: u64,
    /// Publishers whose channel has gone.
    pub(super) released: VecDeque<ExchangeId>,
    /// Fillings of purses: when the next is allowed, whose it was, and its number of 16.
    pub(super) fillings: VecDeque<(u64, usize, u8)>,
    pub(super) last_filling: u8,
    pub(super) notices: u64,
    pub(super) published: u64,
    pub(super) delivered: u64,
    pub(super) gaps: u64,
    /// Messages that went because memory was short.
    pub(super) shortages: usize,
    /// Subscribers whose grace was spent.
    pub(super) slow: usize,
}

impl Model {
    pub(super) fn alive(&self) -> impl Iterator<Item = &Topic> {
        self.topics.iter().filter(|topic| topic.is_alive)
    }

    /// The topic that has this name now.
    pub(super) fn topic_of(&self, name: &str) -> Option<usize> {
        self.topics.iter().position(|topic| topic.is_alive && topic.is_open && topic.name == name)
    }

    pub(super) fn hearers(&self, topic: usize) -> usize {
        self.ears.iter().flatten().filter(|ear| ear.topics.contains(&topic)).count()
    }

    pub(super) fn messages(&self) -> usize {
        self.alive().map(|topic| topic.held().len()).sum()
    }

    pub(super) fn memory(&self) -> usize {
        let rings = self
            .alive()
            .map(|topic| 512 + topic.name.len() + topic.held().iter().map(Said::cost).sum::<usize>());
        let mut loose: Vec<Piece> = Vec::new();
        let rests = self.ears.iter().flatten().filter_map(|ear| ear.rest.as_ref().map(|(_, piece)| piece));
        for piece in self.kept.iter().chain(rests) {
            let is_in_ring = piece.of.is_ok_and(|(topic, seq)| {
                self.topics[topic].is_alive && self.topics[topic].trimmed_through() < seq
            });
            if !is_in_ring && !loose.contains(piece) {
                loose.push(*piece);
            }
        }
        rings.sum::<usize>() + loose.iter().map(|piece| piece.cost).sum::<usize>()
    }

    /// Opens a channel for which there is room.
    pub(super) fn create(&mut self, name: &'static str) -> usize {
        let began = self.lost_through;
        self.topics.push(Topic {
            name,
            is_open: true,
            is_alive: true,
            began,
            said: Vec::new(),
            held_from: 0,
            waiting: VecDeque::new(),
            patience: 2_500_000,
            holding: Vec::new(),
        });
        self.topics.len() - 1
    }

    pub(super) fn retire_if_unused(&mut self, number: usize) {
        let is_heard = self.hearers(number) > 0;
        let before = self.topics[number].trimmed_through();
        let topic = &mut self.topics[number];
        if topic.is_alive && !is_heard && (topic.held().is_empty() || !topic.is_open) {
            topic.is_alive = false;
            topic.held_from = topic.said.len();
            self.lost_through = self.lost_through.max(topic.end());
            self.released.append(&mut topic.waiting);
            self.note_trimmed(number, before);
        }
    }

    /// A batch that begins before something that has gone from any ring is not lent again: it may hold that.
    fn note_trimmed(&mut self, number: usize, before: u64) {
        let through = self.topics[number].trimmed_through();
        if through > before && self.kept_from < through {
            self.kept_for = None;
        }
    }

    /// The oldest message of all goes.
    fn let_go(&mut self) {
        let holding = self.topics.iter().enumerate().filter(|(_, topic)| topic.is_alive);
        let oldest = holding.filter_map(|(number, topic)| Some((topic.held().first()?.seq, number))).min();
        let Some((_, number)) = oldest else { return };
        let before = self.topics[number].trimmed_through();
        self.topics[number].held_from += 1;
        self.note_trimmed(number, before);
        self.retire_if_unused(number);
    }

    pub(super) fn make_room(&mut self, bytes: usize) -> bool {
        let bound = self.bounds.memory_bytes_max;
        if self.memory() + bytes > bound {
            self.forget_kept();
        }
        while self.memory() + bytes > bound && self.messages() > 1 {
            self.let_go();
            self.shortages += 1;
        }
        self.memory() + bytes <= bound
    }

    /// The channel for a message, if there is or may be one: the newest message of all may go for a newer one.
    pub(super) fn open(&mut self, name: &'static str) -> Option<usize> {
        if let Some(known) = self.topic_of(name) {
            return Some(known);
        }
        if self.alive().count() >= self.bounds.channels_max {
            return None;
        }
        let cost = 512 + name.len();
        if !self.make_room(cost) {
            self.let_go();
        }
        (self.memory() + cost <= self.bounds.memory_bytes_max).then(|| self.create(name))
    }

    /// Seven eighths of the channels and half of the memory are all that subscribers may fill with channels.
    fn may_be_opened_by_subscribers(&self, costs: &[usize]) -> bool {
        let HubBounds { channels_max, memory_bytes_max, .. } = self.bounds;
        let channels: usize = self.alive().map(|topic| 512 + topic.name.len()).sum();
        self.alive().count() + costs.len() <= channels_max - channels_max / 8
            && 2 * (channels + costs.iter().sum::<usize>()) <= memory_bytes_max
    }

    /// What each channel of a subscription that came now would have lost, and where the last of them ends; nothing, if the names that
    /// are new are too many.
    pub(super) fn look(&self, names: &[&'static str]) -> Option<(Vec<u64>, u64)> {
        let mut distinct = names.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let new = distinct.iter().filter(|name| self.topic_of(name).is_none());
        let costs: Vec<usize> = new.map(|name| 512 + name.len()).collect();
        if !costs.is_empty() && !self.may_be_opened_by_subscribers(&costs) {
            return None;
        }
        let began = (self.lost_through, self.lost_through);
        let known = |name: &&str| self.topic_of(name).map(|topic| &self.topics[topic]);
        let known = |name| known(name).map_or(began, |topic| (topic.trimmed_through(), topic.end()));
        let (lost, ends): (Vec<u64>, Vec<u64>) = distinct.iter().map(known).unzip();
        Some((lost, ends.into_iter().max().unwrap_or(0)))
    }

    /// The channels of a subscription, if there is room for those that are new.
    pub(super) fn open_all(&mut self, names: &[&'static str]) -> Option<Vec<usize>> {
        let mut distinct = names.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        loop {
            let before = self.alive().count();
            let new = distinct.iter().filter(|name| self.topic_of(name).is_none());
            let costs: Vec<usize> = new.map(|name| 512 + name.len()).collect();
            let is_too_many = !self.may_be_opened_by_subscribers(&costs);
            if !costs.is_empty() && (is_too_many || !self.make_room(costs.iter().sum())) {
                return None;
            }
            if self.alive().count() == before {
                break;
            }
        }
        let found = distinct.iter().map(|name| self.topic_of(name).unwrap_or_else(|| self.create(name)));
        let mut topics: Vec<usize> = found.collect();
        topics.sort_unstable();
        Some(topics)
    }

    /// Adds a message to a ring, and keeps all bounds.
    pub(super) fn append(&mut self, number: usize, said: Said) {
        let HubBounds { history_count_max, history_bytes_max, .. } = self.bounds;
        let before = self.topics[number].trimmed_through();
        let topic = &mut self.topics[number];
        self.seq = said.seq;
        self.published += 1;
        topic.said.push(said);
        while topic.held().len() > 1
            && (topic.held().len() > history_count_max || topic.weight() > history_bytes_max)
        {
            topic.held_from += 1;
        }
        self.note_trimmed(number, before);
        self.make_room(0);
    }

    /// What a turn begins with.
    pub(super) fn turn(&mut self) {
        let age_max = self.bounds.history_age_max.as_millis() as u64;
        while self.alive().filter_map(|topic| topic.held().first()).any(|said| said.due(age_max) <= self.now)
        {
            self.let_go();
        }
        self.make_room(0);
        if self.messages() == 0 {
            self.forget_kept();
        }
    }

    pub(super) fn forget_kept(&mut self) {
        self.kept.clear();
        self.kept_for = None;
    }
}

impl Said {
    /// When it is too old: ages are counted in hundredths of a second, and never too short.
    pub(super) fn due(&self, age_max: u64) -> u64 {
        (self.at / 10 + age_max.div_ceil(10) + 1) * 10
    }
}

//! Hub and model held against each other, and each stream against all that was ever said.

use super::super::peer::unchunk;
use super::super::*;
use super::ear::{Ear, GRACE};
use super::rings::{Model, Topic};
use super::wire;
use super::world::{NAMES, World};
use crate::hub::pressure::Waited;

impl World {
    pub(super) fn compare(&mut self) {
        let model = &self.model;
        let expected = HubStats {
            channels: model.alive().count(),
            subscribers: model.ears.iter().flatten().count(),
            messages: model.messages(),
            bytes: model.alive().map(Topic::weight).sum(),
            memory: model.memory(),
            held: model.alive().map(|topic| topic.waiting.len()).sum(),
            published: model.published,
            delivered: model.delivered,
            gaps: model.gaps,
        };
        assert_eq!(self.hub.stats(), expected);
        assert_eq!(self.hub.head(), id(model.seq));
        let channel = NAMES[self.dice.roll(NAMES.len())];
        self.compare_channel(channel);
        self.check_deadline();
        let name = self.dice.roll(self.model.ears.len());
        let ear = self.model.ears[name].as_ref();
        assert_eq!(self.hub.lacks(name as u32), ear.is_some() && self.model.lacks(name));
        let is_told = ear.is_some_and(|ear| ear.told.iter().any(|&through| through > ear.cursor));
        assert_eq!(self.hub.told.contains_key(&(name as u32)), is_told);
        self.check_heat();
    }

    /// Publishers may wait for whoever reads without end, so a visit to each of those is to come.
    fn check_heat(&self) {
        for (name, ear) in self.model.ears.iter().enumerate() {
            if ear.as_ref().is_some_and(Ear::is_reading) && self.model.lacks(name) {
                let place = self.hub.place(name as u32).expect("it is there");
                let audience = &self.hub.audiences[place.audience as usize];
                assert!(audience.subscribers.is_hot(), "{name} reads, lacks something, and is not visited");
            }
        }
    }

    fn compare_channel(&self, channel: &str) {
        let expected = self.model.topic_of(channel).map(|number| {
            let topic = &self.model.topics[number];
            ChannelInfo {
                subscribers: self.model.hearers(number),
                messages: topic.held().len(),
                bytes: topic.weight(),
                oldest: topic.held().first().map(|said| id(said.seq)),
                newest: topic.held().last().map(|said| id(said.seq)),
            }
        });
        assert_eq!(self.hub.info(channel), expected);
        if let Some(number) = self.model.topic_of(channel) {
            let keys = self.model.topics[number].held().iter().filter(|said| said.key.is_some()).count();
            let index = self.hub.names[channel];
            assert_eq!(self.hub.channels[index as usize].keys(), keys, "keys");
        }
    }

    /// Whatever comes due is waited for, and what can be done now is asked for now.
    pub(super) fn check_deadline(&self) {
        let model = &self.model;
        let (memory, bound) = (model.memory(), model.bounds.memory_bytes_max);
        let is_over = memory > bound && model.messages() > 1;
        let due_now =
            is_over || !model.released.is_empty() || (0..model.topics.len()).any(|topic| model.may_go(topic));
        let age_max = model.bounds.history_age_max.as_millis() as u64;
        let ages = model.alive().filter_map(|topic| topic.held().first()).map(|said| said.due(age_max));
        let unit = model.bounds.grace.as_millis() as u64 / GRACE;
        let grace_end = |ear: &Ear| Some((ear.grace.blocked_at? + ear.grace.purse + 1) * unit);
        let graces = model.ears.iter().flatten().filter_map(grace_end);
        let is_for_blocked = |number: &usize| {
            !model.topics[*number].waiting.is_empty() && model.waited_for(*number) == Some(Waited::Blocked)
        };
        let patience = (0..model.topics.len())
            .filter(is_for_blocked)
            .map(|number| model.now + (model.topics[number].patience.max(0) as u64).div_ceil(1_000));
        let due = due_now.then_some(model.now).into_iter().chain(ages).chain(graces).chain(patience).min();
        let asked = self.hub.next_deadline().map(|due| due.as_micros().div_ceil(1_000));
        match due {
            Some(due) => {
                assert!(asked.is_some_and(|asked| asked <= due), "{asked:?} for what is due at {due}")
            }
            None => assert!(asked.is_none_or(|asked| asked > model.now), "nothing is due"),
        }
    }

    pub(super) fn check_farewell(&self, name: usize) {
        let ear = self.model.ear(name);
        let mut out = Vec::new();
        self.hub.write_end(name as u32, &mut out);
        let frame = wire::notice("end", ear.cursor, ear.format);
        assert_eq!(out, frame.map_or(Vec::new(), |frame| wire::wrapped(&frame, ear.wrapping)));
    }

    /// Reads a stream from its first byte: it is what was lent, and nothing is missing in it that it does not tell of.
    pub(super) fn check_stream(&self, name: usize) {
        let ear = self.model.ear(name);
        let missing = self.model.missing_in(name);
        assert_eq!(missing, [0; 0], "missing in silence");
        if ear.format == WireFormat::STREAM {
            let bytes = match ear.wrapping {
                Wrapping::Bare => ear.received.clone(),
                Wrapping::Chunked => unchunk(&ear.received).0.concat(),
            };
            let said = ear.items.iter().map(|item| match item {
                Item::Message { data, .. } => format!("{data}\n"),
                Item::Gap { .. } => panic!("a raw stream has no notices"),
            });
            let said: String = said.collect();
            assert!(said.as_bytes().starts_with(&bytes), "not what was lent");
            assert!(ear.rest.is_some() || bytes.len() == said.len());
            return;
        }
        let told: Vec<Item> = match ear.is_parked {
            false => ear.items.clone(),
            true => ear.items.iter().filter(|item| matches!(item, Item::Message { .. })).cloned().collect(),
        };
        let (items, _) = Reader::new(ear.format, ear.wrapping).read(&ear.received);
        assert!(told.starts_with(&items) && told.len() - items.len() <= usize::from(ear.rest.is_some()));
    }

    /// Everybody leaves, time goes by, and nothing is left.
    pub(super) fn end(&mut self) {
        self.finish_passes();
        for name in 0..self.model.ears.len() {
            self.leave(name);
            self.compare();
        }
        self.finish_passes();
        self.pass(700_000);
        self.compare();
        let hub = &self.hub;
        let lists =
            [hub.channels.len(), hub.audiences.len(), hub.names.len(), hub.sets.len(), hub.told.len()];
        assert_eq!(lists, [0; 5], "channels, audiences, names, sets, told");
        assert_eq!([hub.ages.len(), hub.graces.len(), hub.pressed.len(), hub.released.len()], [0; 4]);
        assert_eq!((hub.stats().memory, hub.has_visits(), hub.next_deadline()), (0, false, None));
        for topic in &self.model.topics {
            topic.check_patience();
        }
    }
}

impl Model {
    /// Messages behind the beginning and before the cursor of a subscriber that it neither has begun to take nor was told of. It may
    /// be told of them later than of what other channels had behind them: a notice stands where the last stood that is missing.
    fn missing_in(&self, name: usize) -> Vec<u64> {
        let ear = self.ear(name);
        let mut owed: Vec<(u64, bool)> = Vec::new();
        for (&number, &told) in ear.topics.iter().zip(&ear.told) {
            let topic = &self.topics[number];
            let is_due = topic.trimmed_through() > ear.cursor;
            let said = topic.said.iter().map(|said| said.seq);
            let said = said.filter(|&seq| seq > ear.began && seq <= ear.cursor);
            owed.extend(said.map(|seq| (seq, is_due || seq <= told)));
        }
        owed.sort_unstable();
        for item in &ear.items {
            match item {
                Item::Gap { seq: through } => owed.retain(|(seq, _)| seq > through),
                Item::Message { seq, .. } => {
                    let place = owed.iter().position(|(owed, _)| owed == seq);
                    owed.remove(place.expect("twice, or behind its notice, or not its own"));
                }
            }
        }
        let said = ear.items.iter().map(|item| match item {
            Item::Gap { seq } | Item::Message { seq, .. } => *seq,
        });
        assert!(said.is_sorted(), "in disorder");
        owed.into_iter().filter(|(_, is_told)| !is_told).map(|(seq, _)| seq).collect()
    }
}

impl Topic {
    /// Of any ten seconds at most five are spent holding publishers for those who do not read. Turns come on time here, to the millisecond.
    fn check_patience(&self) {
        for (_, until) in &self.holding {
            let from = until.saturating_sub(10_000);
            let overlaps = self.holding.iter().map(|(a, b)| (*b).min(*until).saturating_sub((*a).max(from)));
            let held: u64 = overlaps.sum();
            assert!(held <= 5_010, "{held} ms of ten seconds");
        }
    }
}

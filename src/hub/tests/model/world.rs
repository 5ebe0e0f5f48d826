//! A world: a hub and its model, and everything that may happen to both. Here are publishers and time.

use super::super::*;
use super::ear::GRACE;
use super::rings::{Model, Said};

pub(super) const NAMES: [&str; 6] = ["news", "sport/ü", "chat", "a \"quoted\" one", "rare", "</script>"];

/// How often something happened that is worth a test.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) overruns: usize,
    pub(super) notices: usize,
    pub(super) cuts: usize,
    pub(super) ends: usize,
    pub(super) repeats: usize,
    pub(super) refusals: usize,
    pub(super) held: usize,
    pub(super) told: usize,
    pub(super) lists: usize,
    pub(super) shortages: usize,
    pub(super) slow: usize,
    pub(super) impatient: usize,
    pub(super) forgotten: usize,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Tally, model: &Model) {
        self.overruns += other.overruns;
        self.notices += other.notices;
        self.cuts += other.cuts;
        self.ends += other.ends;
        self.repeats += other.repeats;
        self.refusals += other.refusals;
        self.held += other.held;
        self.told += other.told;
        self.lists += other.lists;
        self.shortages += model.shortages;
        self.slow += model.slow;
        self.impatient += other.impatient;
        self.forgotten += other.forgotten;
    }

    /// How often the rarest of all this happened.
    pub(super) fn least(&self) -> usize {
        let Tally {
            overruns,
            notices,
            cuts,
            ends,
            repeats,
            refusals,
            held,
            told,
            lists,
            shortages,
            slow,
            impatient,
            forgotten,
        } = *self;
        let counts = [
            overruns, notices, cuts, ends, repeats, refusals, held, told, lists, shortages, slow, impatient,
            forgotten,
        ];
        counts.into_iter().min().unwrap_or(0)
    }
}

pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) hub: Hub,
    pub(super) model: Model,
    pub(super) tally: Tally,
    publishers: u32,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1);
        // The bounds come from the seed too: tiny rings and batches find what generous ones hide.
        let bounds = HubBounds {
            history_count_max: [1, 2, 5, 40][dice.roll(4)],
            history_bytes_max: [1, 60, 1_000, 100_000][dice.roll(4)],
            history_age_max: Duration::from_millis([300, 20_000, 600_000][dice.roll(3)]),
            memory_bytes_max: [4_000, 8_000, 20_000, 64 << 20][dice.roll(4)],
            grace: Duration::from_millis(GRACE * [1, 1, 20][dice.roll(3)]),
            channels_max: [4, 12, 1_000, 1_000][dice.roll(4)],
            batch_bytes_max: [1, 50, 300, 65_536][dice.roll(4)],
        };
        // A crowd for moves in the lists, few for what is done to each.
        let crowd = [3, 8, 30][dice.roll(3)];
        let model = Model {
            bounds,
            now: 0,
            seq: 0,
            topics: Vec::new(),
            ears: (0..crowd).map(|_| None).collect(),
            lost_through: 0,
            kept: Vec::new(),
            kept_for: None,
            kept_from: 0,
            released: Default::default(),
            fillings: Default::default(),
            last_filling: 0,
            notices: 0,
            published: 0,
            delivered: 0,
            gaps: 0,
            shortages: 0,
            slow: 0,
        };
        World { dice, hub: hub_with(bounds), model, tally: Tally::default(), publishers: 0 }
    }

    pub(super) fn step(&mut self) {
        let name = self.dice.roll(self.model.ears.len());
        match self.dice.roll(100) {
            0..16 => {
                let channel = self.channel();
                self.publish(channel);
            }
            16..31 => self.subscribe(name),
            31..36 => self.leave(name),
            36..51 => self.becomes_writable(name),
            51..53 => self.finish_passes(),
            53..55 => {
                let channel = self.channel();
                self.end_channel(channel);
            }
            55..58 => self.siege(),
            58..61 => self.hold(),
            61..63 => self.turn(),
            63..64 => self.forget_held(),
            64..68 => {
                let millis = [2, 40, 150, 400, 3_000, 11_000][self.dice.roll(6)];
                self.pass(millis);
            }
            _ => self.visit(),
        }
        self.compare();
    }

    pub(super) fn channel(&mut self) -> &'static str {
        NAMES[[0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5][self.dice.roll(12)]]
    }

    // ---- publishers

    pub(super) fn publish(&mut self, channel: &'static str) {
        const PIECES: [&str; 10] = [
            "\n",
            "\r",
            "\r\n",
            "\"",
            "data: x",
            "☄",
            "lorem ipsum dolor sit amet",
            "\u{2028}\u{1}",
            "</script>",
            ":",
        ];
        let mut data =
            if self.dice.roll(8) == 0 { String::new() } else { format!("#{}", self.model.seq + 1) };
        for _ in 0..self.dice.roll(5) {
            data.push_str(PIECES[self.dice.roll(PIECES.len())]);
        }
        let event = (self.dice.roll(4) == 0).then(|| "tick".repeat(1 + self.dice.roll(3)));
        let key = (self.dice.roll(3) == 0).then(|| format!("key {}", self.dice.roll(4)));
        let message = Message { event: event.as_deref(), data: &data, key: key.as_deref() };
        let number = match self.dice.roll(12) {
            0 => self.model.seq + 1 + self.dice.roll(4) as u64,
            1 => self.dice.roll(self.model.seq as usize + 1) as u64,
            _ => self.model.seq + 1,
        };
        let told = match self.dice.roll(2) {
            0 if number == self.model.seq + 1 => self.hub.publish(channel, message),
            _ => self.hub.append(channel, message, id(number)),
        };
        if number <= self.model.seq {
            assert_eq!(told, Err(WriteError::StaleId));
            return;
        }
        let Some(topic) = self.model.open(channel) else {
            assert_eq!(told, Err(WriteError::TooManyChannels));
            self.tally.refusals += 1;
            return;
        };
        let told = told.expect("there is room");
        let known = self.model.topics[topic].held().iter().find(|said| key.is_some() && said.key == key);
        if let Some(known) = known {
            let first = (id(known.seq), known.told, Novelty::Repeated);
            assert_eq!((told.id, told.subscribers, told.novelty), first);
            self.tally.repeats += 1;
        } else {
            let subscribers = self.model.hearers(topic);
            assert_eq!((told.id, told.subscribers, told.novelty), (id(number), subscribers, Novelty::New));
            let at = self.model.now;
            self.model.append(
                topic,
                Said { seq: number, at, event, data, key, told: subscribers, frames: Vec::new() },
            );
        }
        // Floors are looked for once a turn: it may be told of pressure that is over, and never miss one that is not.
        assert!(
            told.pressure == Pressure::High || self.model.waited_for(topic).is_none(),
            "a pressure that it does not see"
        );
    }

    pub(super) fn end_channel(&mut self, channel: &'static str) {
        let topic = self.model.topic_of(channel);
        let heard = topic.map(|topic| self.model.hearers(topic));
        assert_eq!(self.hub.end_channel(channel), heard);
        let Some(topic) = topic else { return };
        let model = &mut self.model;
        model.topics[topic].is_open = false;
        for name in 0..model.ears.len() {
            if model.ears[name].as_ref().is_some_and(|ear| ear.topics.contains(&topic)) {
                model.ear_mut(name).ends_at = Some(model.end_of(name));
            }
        }
        model.lost_through = model.lost_through.max(model.topics[topic].end());
        let waiting = std::mem::take(&mut model.topics[topic].waiting);
        model.released.extend(waiting);
        model.retire_if_unused(topic);
    }

    fn hold(&mut self) {
        self.turn();
        let channel = self.channel();
        self.publishers += 1;
        let publisher = ExchangeId { slot: self.publishers, generation: 7 };
        let is_held = self.hub.hold(channel, publisher);
        let topic = self.model.topic_of(channel);
        let holds = topic.filter(|&topic| self.model.holds(topic));
        assert_eq!(
            is_held,
            holds.is_some(),
            "held exactly while readers lack half a ring, or there is patience"
        );
        if let Some(topic) = holds {
            self.model.topics[topic].waiting.push_back(publisher);
            self.tally.held += 1;
        }
    }

    /// Much is said, nobody takes anything, and publishers come all the same.
    fn siege(&mut self) {
        let channel = self.channel();
        for _ in 0..3 {
            self.publish(channel);
        }
        for _ in 0..6 {
            let Some(name) = self.hub.next_visit() else { break };
            self.block(name as usize);
        }
        self.hold();
        self.hold();
        let millis = [0, 100, 3_000][self.dice.roll(3)];
        self.pass(millis);
    }

    /// One that is held goes, or one that was let go and not yet asked for; or one that is not there.
    fn forget_held(&mut self) {
        let Model { topics, released, .. } = &self.model;
        let mut held: Vec<ExchangeId> = topics.iter().flat_map(|topic| &topic.waiting).copied().collect();
        held.extend(released);
        let nobody = ExchangeId { slot: 0, generation: 7 };
        let publisher = *held.get(self.dice.roll(held.len().max(1))).unwrap_or(&nobody);
        self.tally.forgotten += usize::from(publisher != nobody);
        self.hub.forget_held(publisher);
        self.model.released.retain(|&other| other != publisher);
        for topic in &mut self.model.topics {
            topic.waiting.retain(|&other| other != publisher);
        }
    }

    /// Lets go of so many publishers as their share of a turn is. Some of them publish.
    fn release(&mut self, share: usize) {
        for _ in 0..share {
            let released = self.hub.next_released();
            if let Some(publisher) = self.model.released.pop_front() {
                assert_eq!(released, Some(publisher), "its channel has gone");
                continue;
            }
            let topics = 0..self.model.topics.len();
            let topic = topics
                .filter(|&topic| self.model.may_go(topic))
                .find(|&topic| released == self.model.topics[topic].waiting.front().copied());
            let Some(topic) = topic else {
                assert_eq!(released, None, "nobody may go, or not in this order");
                assert!(
                    (0..self.model.topics.len()).all(|topic| !self.model.may_go(topic)),
                    "somebody may go"
                );
                return;
            };
            self.tally.impatient += usize::from(self.model.waited_for(topic).is_some());
            self.model.topics[topic].waiting.pop_front();
            if self.dice.roll(2) == 0 {
                let channel = self.model.topics[topic].name;
                self.publish(channel);
            }
        }
    }

    // ---- time

    pub(super) fn turn(&mut self) {
        self.hub.begin_turn();
        self.model.turn();
        let share = 1 + self.dice.roll(4);
        self.release(share);
    }

    /// Time goes by as it does for an engine: a turn whenever the hub asks for one.
    pub(super) fn pass(&mut self, millis: u64) {
        let target = self.model.now + millis;
        let mut spins = 0;
        loop {
            self.turn();
            let due = self.hub.next_deadline().map(|due| due.as_micros().div_ceil(1_000));
            match due {
                Some(due) if due <= self.model.now => spins += 1,
                Some(due) if due <= target => {
                    self.set_time(due);
                    spins = 0;
                }
                _ => break,
            }
            assert!(spins < 200, "it asks for turns and has nothing to do");
        }
        self.set_time(target);
        self.turn();
    }

    fn set_time(&mut self, millis: u64) {
        self.hub.set_now(Instant::from_micros(millis * 1_000));
        self.model.set_time(millis);
        self.check_deadline();
    }
}

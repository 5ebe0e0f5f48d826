//! The hub against a model of it that is too simple to be wrong, over thousands of random happenings by seed.
//!
//! The model keeps every message ever published, and each subscriber's cursor and stream. It says beforehand, byte for byte, what
//! each batch has to be and what each take leaves over. At the end of each subscription the stream is read by `peer.rs` and
//! has to be gap-free, or to say where it is not. When no visit is left, nobody who is not blocked may lack anything.

use super::peer::{Item, Reader, unchunk};
use super::*;

/// A generator good enough for tests, in three lines (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }
}

#[derive(Clone)]
struct Said {
    seq: u64,
    event: Option<String>,
    data: String,
}

/// A channel: everything that was ever said on it, and from where on the ring should still hold it.
#[derive(Default)]
struct Topic {
    said: Vec<Said>,
    held_from: usize,
}

impl Topic {
    fn held(&self) -> &[Said] {
        &self.said[self.held_from..]
    }

    fn trimmed_through(&self) -> u64 {
        self.held_from.checked_sub(1).map_or(0, |last| self.said[last].seq)
    }

    fn end(&self) -> u64 {
        self.said.last().map_or(0, |said| said.seq)
    }

    fn weight(&self) -> usize {
        self.held().iter().map(|said| said.data.len() + said.event.as_ref().map_or(0, String::len)).sum()
    }
}

/// A subscriber as its peer and its connection see it.
struct Ear {
    topic: usize,
    format: WireFormat,
    wrapping: Wrapping,
    began: u64,
    cursor: u64,
    notice_due: bool,
    received: Vec<u8>,
    /// The rest of a frame that its connection owes.
    rest: Option<Rest>,
    /// Whether nobody will call `batch` for it before its connection can be written to.
    blocked: bool,
}

struct World {
    dice: Dice,
    hub: Hub,
    bounds: HubBounds,
    seq: u64,
    topics: Vec<Topic>,
    ears: Vec<Option<Ear>>,
    overruns: usize,
    notices: usize,
    cuts: usize,
}

const NAMES: [&str; 4] = ["news", "sport/ü", "chat", "rare"];

impl World {
    fn new(seed: u64) -> World {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1);
        // The bounds come from the seed too: tiny rings and batches find what generous ones hide.
        let bounds = HubBounds {
            history_count_max: [1, 2, 5, 40][dice.roll(4)],
            history_bytes_max: [1, 60, 1_000, 100_000][dice.roll(4)],
            channels_max: NAMES.len(),
            batch_bytes_max: [1, 50, 300, 65_536][dice.roll(4)],
            ..BOUNDS
        };
        // A crowd for slices and for moves in the list, few for what is done to each.
        let crowd = [6, 40, 240][dice.roll(3)];
        World {
            dice,
            hub: hub_with(bounds),
            bounds,
            seq: 0,
            topics: NAMES.iter().map(|_| Topic::default()).collect(),
            ears: (0..crowd).map(|_| None).collect(),
            overruns: 0,
            notices: 0,
            cuts: 0,
        }
    }

    fn step(&mut self) {
        match self.dice.roll(100) {
            0..15 => self.publish(),
            15..30 => self.subscribe(),
            30..38 => {
                let name = self.dice.roll(self.ears.len());
                self.leave(name);
            }
            38..50 => {
                let name = self.dice.roll(self.ears.len());
                self.becomes_writable(name);
            }
            50..52 => self.finish_passes(),
            _ => self.visit(),
        }
        self.compare_counts();
    }

    fn publish(&mut self) {
        let topic = [0, 0, 0, 0, 1, 1, 2, 3][self.dice.roll(8)];
        let data = self.payload();
        let event = (self.dice.roll(4) == 0).then(|| "tick".repeat(1 + self.dice.roll(3)));
        let message = Message { event: event.as_deref(), ..Message::new(&data) };
        let told = self.hub.publish(NAMES[topic], message).unwrap();
        self.seq += 1;
        let subscribers = self.ears.iter().flatten().filter(|ear| ear.topic == topic).count();
        assert_eq!((told.id, told.subscribers), (id(self.seq), subscribers));
        let topic = &mut self.topics[topic];
        topic.said.push(Said { seq: self.seq, event, data });
        while topic.held().len() > 1
            && (topic.held().len() > self.bounds.history_count_max
                || topic.weight() > self.bounds.history_bytes_max)
        {
            topic.held_from += 1;
        }
    }

    fn payload(&mut self) -> String {
        const PIECES: [&str; 8] =
            ["\n", "\r", "\r\n", " ", "data: x", "☄", "lorem ipsum dolor sit amet", ":"];
        let mut data = if self.dice.roll(8) == 0 { String::new() } else { format!("#{}", self.seq + 1) };
        for _ in 0..self.dice.roll(5) {
            data.push_str(PIECES[self.dice.roll(PIECES.len())]);
        }
        data
    }

    fn subscribe(&mut self) {
        let name = self.dice.roll(self.ears.len());
        if self.ears[name].is_some() {
            return;
        }
        let topic = self.dice.roll(NAMES.len());
        let format = [WireFormat::SSE, WireFormat::STREAM][self.dice.roll(2)];
        let wrapping = [Wrapping::Chunked, Wrapping::Bare][self.dice.roll(2)];
        let known = self.dice.roll(self.seq as usize + 1) as u64;
        let since = [
            Since::Head,
            Since::Start,
            Since::Id(id(known)),
            Since::Id(id(self.seq + 1)),
            Since::Id(MessageId { epoch: EPOCH - 1, seq: known }),
        ][self.dice.roll(5)];
        let trimmed_through = self.topics[topic].trimmed_through();
        let (asked, foreign) = match since {
            Since::Head => (self.seq, false),
            Since::Start => (0, false),
            Since::Id(id) if id.epoch != EPOCH || id.seq > self.seq => (0, true),
            Since::Id(id) => (id.seq, false),
        };
        let gap = foreign || asked < trimmed_through;
        let cursor = asked.max(trimmed_through);
        let notice_due = gap && format == WireFormat::SSE;
        let behind = notice_due || cursor < self.topics[topic].end();
        let told = self.hub.subscribe(name as u32, &[NAMES[topic]], since, format, wrapping).unwrap();
        assert_eq!(told, Subscribed { at: id(cursor), gap, behind }, "{since:?}");
        // Its head is on the way: the engine lends it nothing before.
        self.ears[name] = Some(Ear {
            topic,
            format,
            wrapping,
            began: cursor,
            cursor,
            notice_due,
            received: Vec::new(),
            rest: None,
            blocked: behind,
        });
    }

    fn leave(&mut self, name: usize) {
        self.hub.leave(name as u32);
        assert!(!self.hub.is_subscribed(name as u32));
        assert_eq!(self.hub.batch(name as u32), Batch::Nothing);
        if let Some(ear) = self.ears[name].take() {
            self.check_stream(&ear);
        }
    }

    fn visit(&mut self) {
        if let Some(name) = self.hub.next_visit() {
            assert!(self.hub.lacks(name), "a visit in vain");
            let ear = self.ears[name as usize].as_ref().expect("a visit to nobody");
            if !ear.blocked {
                self.lend(name as usize);
            }
        }
    }

    /// The connection takes bytes again: the rest first, then one batch.
    fn becomes_writable(&mut self, name: usize) {
        let Some(ear) = &mut self.ears[name] else { return };
        if let Some(rest) = &mut ear.rest {
            let taken = 1 + self.dice.roll(rest.bytes().len());
            ear.received.extend_from_slice(&rest.bytes()[..taken]);
            rest.take(taken);
            if !rest.bytes().is_empty() {
                return;
            }
            ear.rest = None;
        }
        ear.blocked = false;
        self.lend(name);
    }

    /// One batch: what has to be lent, what is taken of it, and what has to be left over.
    fn lend(&mut self, name: usize) {
        let ear = self.ears[name].as_mut().unwrap();
        let topic = &self.topics[ear.topic];
        let lent = self.hub.batch(name as u32);
        let missed = ear.notice_due || ear.cursor < topic.trimmed_through();
        let frames = if missed && ear.format == WireFormat::STREAM {
            assert_eq!(lent, Batch::Overrun);
            self.overruns += 1;
            self.leave(name);
            return;
        } else if missed {
            self.notices += 1;
            let through = ear.cursor.max(topic.trimmed_through());
            vec![(through, wrapped(notice(through), ear.wrapping))]
        } else {
            lacking(ear, topic, self.bounds.batch_bytes_max)
        };
        let whole: Vec<u8> = frames.iter().flat_map(|(_, frame)| frame.iter().copied()).collect();
        if whole.is_empty() {
            assert_eq!(lent, Batch::Nothing);
            return;
        }
        assert_eq!(lent, Batch::Bytes(&whole));
        let taken = if self.dice.roll(3) == 0 { self.dice.roll(whole.len() + 1) } else { whole.len() };
        ear.received.extend_from_slice(&whole[..taken]);
        ear.blocked = taken < whole.len();
        let (mut end, mut left_over) = (0, &[][..]);
        for (seq, frame) in &frames {
            if end < taken {
                ear.cursor = *seq;
                ear.notice_due = false;
                left_over = &frame[(taken - end).min(frame.len())..];
            }
            end += frame.len();
        }
        ear.rest = self.hub.advance(name as u32, taken);
        assert_eq!(ear.rest.as_ref().map_or(&[][..], Rest::bytes), left_over, "{taken} of {}", whole.len());
        self.cuts += usize::from(ear.rest.is_some());
    }

    /// Whatever the pass owes, it has paid when it says that it is over.
    fn finish_passes(&mut self) {
        while self.hub.has_visits() {
            self.visit();
        }
        for (name, ear) in self.ears.iter().enumerate() {
            let lacks = self.hub.lacks(name as u32);
            match ear {
                None => assert!(!lacks),
                Some(ear) if ear.blocked => {}
                Some(ear) => {
                    assert!(!lacks, "{name} was forgotten");
                    assert!(ear.cursor >= self.topics[ear.topic].end() && !ear.notice_due);
                }
            }
        }
    }

    fn compare_counts(&self) {
        let subscribers = self.ears.iter().flatten().count();
        let alive = |index: usize| {
            !self.topics[index].said.is_empty() || self.ears.iter().flatten().any(|ear| ear.topic == index)
        };
        let expected = HubStats {
            channels: (0..NAMES.len()).filter(|&index| alive(index)).count(),
            subscribers,
            messages: self.topics.iter().map(|topic| topic.held().len()).sum(),
            bytes: self.topics.iter().map(Topic::weight).sum(),
            ..self.hub.stats()
        };
        assert_eq!(self.hub.stats(), expected);
        assert_eq!(self.hub.head(), id(self.seq));
    }

    /// Reads a stream from its first byte and holds it against all that was ever said.
    fn check_stream(&self, ear: &Ear) {
        let said = &self.topics[ear.topic].said;
        let mut owed = said.iter().filter(|said| said.seq > ear.began).peekable();
        if ear.format == WireFormat::STREAM {
            let bytes = match ear.wrapping {
                Wrapping::Bare => ear.received.clone(),
                Wrapping::Chunked => unchunk(&ear.received).0.concat(),
            };
            let expected: String = owed.map(|said| format!("{}\n", said.data)).collect();
            assert!(expected.as_bytes().starts_with(&bytes), "a raw stream skipped or repeated something");
            return;
        }
        let (items, _) = Reader::new(ear.format, ear.wrapping).read(&ear.received);
        for item in items {
            match item {
                Item::Gap { seq } => while owed.next_if(|said| said.seq <= seq).is_some() {},
                Item::Message { .. } => {
                    let next = owed.next().expect("a message that nobody published");
                    let data = lines(&next.data).join("\n");
                    assert_eq!(item, Item::Message { seq: next.seq, event: next.event.clone(), data });
                }
            }
        }
        if !ear.blocked {
            assert!(owed.next().is_none_or(|said| said.seq > ear.cursor), "it believes to have sent more");
        }
    }
}

/// The frames that one batch has to hold.
fn lacking(ear: &Ear, topic: &Topic, bytes_max: usize) -> Vec<(u64, Vec<u8>)> {
    let mut bytes = 0;
    topic
        .held()
        .iter()
        .filter(|said| said.seq > ear.cursor)
        .map(|said| (said.seq, wrapped(reference(said, ear.format), ear.wrapping)))
        .enumerate()
        .take_while(|(index, (_, frame))| {
            bytes += frame.len();
            *index == 0 || bytes <= bytes_max
        })
        .map(|(_, frame)| frame)
        .collect()
}

fn reference(said: &Said, format: WireFormat) -> String {
    if format == WireFormat::STREAM {
        return format!("{}\n", said.data);
    }
    let event = said.event.as_ref().map_or(String::new(), |event| format!("event: {event}\n"));
    let data: String = lines(&said.data).iter().map(|line| format!("data: {line}\n")).collect();
    format!("id: {EPOCH}-{}\n{event}{data}\n", said.seq)
}

fn notice(through: u64) -> String {
    format!("id: {EPOCH}-{through}\nevent: encke-gap\ndata: {{\"gap\":true}}\n\n")
}

fn lines(data: &str) -> Vec<String> {
    let normal = data.replace("\r\n", "\n").replace('\r', "\n");
    normal.split('\n').map(str::to_owned).collect()
}

fn wrapped(frame: String, wrapping: Wrapping) -> Vec<u8> {
    match wrapping {
        Wrapping::Bare => frame.into_bytes(),
        Wrapping::Chunked => format!("{:x}\r\n{frame}\r\n", frame.len()).into_bytes(),
    }
}

#[test]
fn whatever_happens_each_stream_is_what_it_should_be() {
    let (mut overruns, mut notices, mut cuts) = (0, 0, 0);
    for seed in 0..120 {
        let mut world = World::new(seed);
        let story = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..1_500 {
                world.step();
            }
            world.finish_passes();
            for name in 0..world.ears.len() {
                world.leave(name);
            }
            world.finish_passes();
            world.compare_counts();
        }));
        assert!(story.is_ok(), "seed {seed} failed at message {}", world.seq);
        overruns += world.overruns;
        notices += world.notices;
        cuts += world.cuts;
    }
    assert!(overruns > 100 && notices > 1_000 && cuts > 1_000, "{overruns}, {notices}, {cuts}: too tame");
}

#[test]
fn in_a_pass_all_who_stay_are_visited_once_whoever_comes_and_goes() {
    for seed in 1..60 {
        let mut dice = Dice(seed * 77_777);
        let mut hub = hub();
        let mut present = vec![false; 300];
        for (name, here) in present.iter_mut().enumerate().take(200) {
            listen(&mut hub, name as u32, "a", Since::Head, WireFormat::SSE);
            *here = true;
        }
        say(&mut hub, "a", "1");
        let mut stayed: Vec<usize> = (0..200).collect();
        let mut visits = vec![0; 300];
        // Whoever is visited takes nothing and so goes on lacking: a second visit would show.
        while let Some(visited) = hub.next_visit() {
            visits[visited as usize] += 1;
            assert!(present[visited as usize], "a visit to somebody who left");
            for _ in 0..dice.roll(3) {
                let name = dice.roll(300);
                if present[name] {
                    hub.leave(name as u32);
                    stayed.retain(|&other| other != name);
                } else {
                    listen(&mut hub, name as u32, "a", Since::Start, WireFormat::SSE);
                    visits[name] = 0;
                }
                present[name] = !present[name];
            }
        }
        for name in (0..300).filter(|&name| present[name]) {
            assert_eq!(visits[name], 1, "seed {seed}: {name}");
        }
        assert!(!stayed.is_empty() && stayed.len() < 200);
    }
}

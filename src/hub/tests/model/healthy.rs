//! Healthy readers lose nothing beside dead ones, as long as publishers wait when they are asked to.
//!
//! Publishers are as eager as they can be, and visits are few: without anybody waiting, the rings would be overrun several times in
//! each burst, which is shown too. Between bursts there is time enough for the channels' patience to come back.
//!
//! In a flood there is not, and the pass is so slow that a ring would be overrun many times before it comes round: publishers wait for
//! those who read without patience and without end, and go on without those who do not read when that is spent.

use super::super::*;

const CHANNELS: [&str; 3] = ["a", "b", "c"];

/// How one reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// Takes all that it is given at each visit.
    Healthy,
    /// Never takes a byte.
    Dead,
    /// Takes a part, and another when it can be written to.
    Trickles,
    /// Takes a list, goes, and comes back behind it.
    Polls,
    /// Begins with everything that is held, and begins anew.
    Replays,
}

struct Seat {
    reader: Reader,
    channels: Vec<&'static str>,
    format: WireFormat,
    began: u64,
    heard: Vec<u8>,
    is_blocked: bool,
}

struct Hall {
    dice: Dice,
    hub: Hub,
    now: u64,
    seats: Vec<Seat>,
    said: Vec<(u64, &'static str, String)>,
    waiting: Vec<(ExchangeId, &'static str)>,
    held: usize,
    lost: usize,
    /// How often a publisher was let go while somebody was behind.
    impatient: usize,
}

impl Hall {
    fn new(seed: u64) -> Hall {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) + 1);
        let bounds = HubBounds {
            history_count_max: [1, 2, 5, 16][dice.roll(4)],
            // At least twice the largest message: half a ring has room for one.
            history_bytes_max: [120, 1_000, 100_000][dice.roll(3)],
            grace: Duration::from_millis(20),
            batch_bytes_max: [1, 100, 65_536][dice.roll(3)],
            ..BOUNDS
        };
        Hall::with(dice, bounds, |number| match number {
            0..10 => Some(Reader::Healthy),
            10..14 => Some(Reader::Dead),
            14..18 => Some(Reader::Trickles),
            18..22 => Some(Reader::Polls),
            22..24 => Some(Reader::Replays),
            _ => None,
        })
    }

    fn with(dice: Dice, bounds: HubBounds, reader: impl Fn(usize) -> Option<Reader>) -> Hall {
        let mut hall = Hall {
            dice,
            hub: hub_with(bounds),
            now: 0,
            seats: Vec::new(),
            said: Vec::new(),
            waiting: Vec::new(),
            held: 0,
            lost: 0,
            impatient: 0,
        };
        for (number, reader) in (0..).map_while(reader).enumerate() {
            let mut channels: Vec<&str> = CHANNELS.into_iter().filter(|_| hall.dice.roll(2) == 0).collect();
            if channels.is_empty() {
                channels.push(CHANNELS[hall.dice.roll(3)]);
            }
            let format = match reader {
                Reader::Polls => WireFormat::JSON,
                _ => [WireFormat::SSE, WireFormat::STREAM][hall.dice.roll(2)],
            };
            hall.seats.push(Seat {
                reader,
                channels,
                format,
                began: 0,
                heard: Vec::new(),
                is_blocked: false,
            });
            hall.sit(number, Since::Head);
        }
        hall
    }

    fn sit(&mut self, name: usize, since: Since) {
        let seat = &mut self.seats[name];
        let (channels, format) = (&seat.channels, seat.format);
        let told = self.hub.subscribe(name as u32, channels, since, format, Wrapping::Bare).unwrap();
        seat.is_blocked = false;
        if told.behind && seat.reader != Reader::Dead {
            // Its head is out at once.
            self.visit(name);
        }
    }

    /// A burst of messages, more than the rings hold, and all that it takes until they are published.
    fn burst(&mut self, obey: bool) {
        let mut left = 40;
        while left > 0 || !self.waiting.is_empty() {
            self.turn();
            for _ in 0..self.dice.roll(4).min(left) {
                left -= 1;
                let channel = CHANNELS[self.dice.roll(3)];
                let publisher = ExchangeId { slot: left as u32, generation: 0 };
                if obey && self.hub.hold(channel, publisher) {
                    self.waiting.push((publisher, channel));
                    self.held += 1;
                } else {
                    self.publish(channel);
                }
            }
            for _ in 0..self.dice.roll(6) {
                let Some(name) = self.hub.next_visit() else { break };
                self.visit(name as usize);
            }
            for name in 0..self.seats.len() {
                if self.seats[name].reader == Reader::Trickles && self.dice.roll(4) == 0 {
                    self.seats[name].is_blocked = false;
                    self.visit(name);
                }
            }
        }
    }

    /// Publishers as eager as they can be, for so many milliseconds, and eight visits in each.
    fn flood(&mut self, millis: u64) {
        let mut count = 0;
        for _ in 0..millis {
            self.turn();
            for _ in 0..2 {
                count += 1;
                let channel = CHANNELS[self.dice.roll(3)];
                let publisher = ExchangeId { slot: count, generation: 1 };
                let is_crowded = self.waiting.iter().filter(|(_, other)| *other == channel).count() >= 4;
                if is_crowded {
                    continue;
                }
                if self.hub.hold(channel, publisher) {
                    self.waiting.push((publisher, channel));
                    self.held += 1;
                } else {
                    self.publish(channel);
                }
            }
            for _ in 0..8 {
                let Some(name) = self.hub.next_visit() else { break };
                self.visit(name as usize);
            }
            for name in 0..self.seats.len() {
                if self.seats[name].reader == Reader::Trickles && self.dice.roll(30) == 0 {
                    self.seats[name].is_blocked = false;
                    self.visit(name);
                }
            }
        }
    }

    fn turn(&mut self) {
        self.now += 1;
        pass(&mut self.hub, self.now);
        while let Some(publisher) = self.hub.next_released() {
            let place =
                self.waiting.iter().position(|(waiting, _)| *waiting == publisher).expect("one who waits");
            let (_, channel) = self.waiting.remove(place);
            let index = self.hub.names[channel];
            self.impatient += usize::from(self.hub.pressure(index) == Pressure::High);
            self.publish(channel);
        }
    }

    fn publish(&mut self, channel: &'static str) {
        let data = format!("{channel}{}{}", self.said.len(), "x".repeat(self.dice.roll(50)));
        let seq = say(&mut self.hub, channel, &data);
        self.said.push((seq, channel, data));
    }

    fn visit(&mut self, name: usize) {
        let seat = &mut self.seats[name];
        if seat.is_blocked || seat.reader == Reader::Dead {
            seat.is_blocked = true;
            return self.hub.block(name as u32);
        }
        if seat.reader == Reader::Polls {
            let news = self.hub.take(name as u32, [1, 1_000][self.dice.roll(2)], &mut Vec::new());
            self.hub.leave(name as u32);
            return self.sit(name, Since::Id(news.cursor));
        }
        let lent = match self.hub.batch(name as u32) {
            Batch::Bytes(bytes) => bytes,
            Batch::Nothing | Batch::End => return,
            Batch::Broken => unreachable!("no encoder panics"),
            Batch::Overrun => {
                self.lost += usize::from(seat.reader == Reader::Healthy);
                self.hub.leave(name as u32);
                seat.heard.clear();
                seat.began = self.hub.head().seq;
                return self.sit(name, Since::Head);
            }
        };
        let length = lent.len();
        if seat.reader == Reader::Healthy {
            seat.heard.extend_from_slice(lent);
        }
        let taken = if seat.reader == Reader::Trickles { self.dice.roll(length + 1) } else { length };
        self.hub.advance(name as u32, taken);
        if taken < length {
            seat.is_blocked = true;
            self.hub.block(name as u32);
        } else if seat.reader == Reader::Replays && !self.hub.lacks(name as u32) && self.dice.roll(4) == 0 {
            self.hub.leave(name as u32);
            self.sit(name, Since::Start);
        }
    }

    /// Everybody is visited; who is healthy has heard everything, and of no gap.
    fn check(&mut self) {
        let mut visits = 0;
        while let Some(name) = self.hub.next_visit() {
            self.visit(name as usize);
            visits += 1;
            assert!(visits < 10_000, "visits without end");
        }
        for (name, seat) in self.seats.iter().enumerate().filter(|(_, seat)| seat.reader == Reader::Healthy) {
            let owed = self
                .said
                .iter()
                .filter(|(seq, channel, _)| *seq > seat.began && seat.channels.contains(channel));
            let is_all = if seat.format == WireFormat::STREAM {
                let owed: String = owed.map(|(_, _, data)| format!("{data}\n")).collect();
                seat.heard == owed.as_bytes()
            } else {
                sse(&seat.heard).into_iter().eq(owed.map(|(seq, _, data)| message(*seq, data)))
            };
            self.lost += usize::from(!is_all);
            assert!(is_all || self.held == 0, "{name} has lost something, at {:?}", self.hub.bounds);
        }
    }
}

#[test]
fn healthy_readers_lose_nothing_beside_dead_ones_while_publishers_wait() {
    let (mut held, mut lost_otherwise) = (0, 0);
    for seed in 0..80 {
        let mut hall = Hall::new(seed);
        for _ in 0..6 {
            hall.burst(true);
            hall.check();
            hall.now += 9_000;
        }
        assert_eq!(hall.lost, 0, "seed {seed}");
        assert_eq!(hall.impatient, 0, "it has run out of patience: too wild a test");
        held += hall.held;
        let mut hall = Hall::new(seed);
        hall.burst(false);
        hall.check();
        lost_otherwise += usize::from(hall.lost > 0);
    }
    assert!(
        held > 5_000 && lost_otherwise > 40,
        "{held} were held, {lost_otherwise} would have lost: too tame"
    );
}

#[test]
fn readers_lose_nothing_however_slow_the_pass_is_and_however_long_it_goes_on() {
    // A ring of 16, and eight visits in a millisecond: it takes longer to come round than to fill all rings.
    for (grace, others) in [(20, 0), (20, 40), (3_000, 40)] {
        let bounds = HubBounds {
            history_count_max: 16,
            grace: Duration::from_millis(grace),
            batch_bytes_max: 300,
            ..BOUNDS
        };
        let mut hall = Hall::with(Dice(grace + others), bounds, |number| match number as u64 {
            0..60 => Some(Reader::Healthy),
            number if number >= 60 + others => None,
            number if number % 4 == 0 => Some(Reader::Polls),
            number if number % 4 == 1 => Some(Reader::Trickles),
            _ => Some(Reader::Dead),
        });
        // Patience has an end at 2.5 s, and begins anew after ten.
        hall.flood(4_000);
        let said = hall.said.len();
        hall.flood(9_000);
        let said = hall.said.len() - said;
        assert!(said > 1_500, "{said} in nine seconds: publishers starve");
        assert!(hall.held > 1_000, "{} were held: too tame", hall.held);
        hall.check();
        assert_eq!(hall.lost, 0);
        assert_eq!(
            hall.impatient > 0,
            grace == 3_000,
            "{}: dead ones with much grace cost patience",
            hall.impatient
        );
    }
}

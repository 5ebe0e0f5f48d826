//! Topics: what the demo itself publishes, by the engine's alarms and no thread.
//!
//! `stream.rs` has a topic [`wake`](Topics::wake) when somebody listens, and `mod.rs` tells when an alarm has gone off.
//!
//! ```text
//!             somebody listens                     alarm: nobody listens
//!   asleep ───────────────────► awake: a message ────────────────────────► resting: who changes windows comes back
//!      ▲                        an alarm    ▲                                  │
//!      │                                    └────── somebody listens ──────────┤
//!      └──────── REST later: the channel goes, and with it what it held ───────┘
//! ```
//!
//! A topic's channel has a name with an empty segment, which the hub takes and a path or query of a channel never gives. So nobody else
//! can publish there, and listening goes through here.
//!
//! Invariants: one alarm for each topic that is not asleep, and none for one that is; at most [`MESSAGES_PER_SECOND_MAX`] messages a
//! second for all of them together, however many listen.
//!
//! Next: `figures.rs`, `market.rs`, `shop.rs`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::chance::Dice;
use super::figures::Figures;
use super::market::Market;
use super::shop::Shop;
use crate::engine::Core;
use crate::hub::{Message, WireFormat};

/// The sum of all rates: figures 1, clock 2, quotes 4, orders 2, and a number every three seconds.
#[cfg(test)]
pub(super) const MESSAGES_PER_SECOND_MAX: usize = 10;

/// How many may hear one topic.
pub(super) const LISTENERS_MAX: usize = 1_024;

/// How long a channel stays when the last listener has left: a browser that comes back with its cursor finds what it missed.
const REST: Duration = Duration::from_secs(10);

/// What there is to hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Figures,
    Clock,
    Quotes,
    Orders,
    Random,
}

impl Topic {
    pub(super) const ALL: [Topic; 5] =
        [Topic::Figures, Topic::Clock, Topic::Quotes, Topic::Orders, Topic::Random];

    pub(super) fn channel(self) -> &'static str {
        match self {
            Topic::Figures => "demo//stats",
            Topic::Clock => "demo//clock",
            Topic::Quotes => "demo//quotes",
            Topic::Orders => "demo//orders",
            Topic::Random => "demo//random",
        }
    }

    /// What a page calls it.
    pub(super) fn named(name: &str) -> Option<Topic> {
        Topic::ALL.into_iter().find(|topic| topic.name() == name)
    }

    fn name(self) -> &'static str {
        &self.channel()["demo//".len()..]
    }

    /// From one message to the next.
    fn pause(self) -> Duration {
        match self {
            Topic::Figures => Duration::from_secs(1),
            Topic::Clock => HALF,
            Topic::Quotes => Duration::from_millis(250),
            Topic::Orders => Duration::from_millis(600),
            Topic::Random => Duration::from_secs(3),
        }
    }
}

/// The topic of `/demo/NAME/stream`, but for the servlet, which has numbers of its own for each peer.
pub(super) fn of_path(path: &str) -> Option<Topic> {
    let name = path.strip_prefix("/demo/")?.strip_suffix("/stream")?;
    Topic::named(name).filter(|&topic| topic != Topic::Random)
}

/// How awake a topic is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wakefulness {
    #[default]
    Asleep,
    Awake,
    Resting,
}

/// All topics, and what they tell of.
pub(super) struct Topics {
    /// In which pages hear them.
    pub(super) format: WireFormat,
    states: [Wakefulness; Topic::ALL.len()],
    figures: Figures,
    pub(super) market: Market,
    shop: Shop,
    dice: Dice,
}

impl Default for Topics {
    fn default() -> Topics {
        Topics {
            format: WireFormat::SSE_ENVELOPE,
            states: Default::default(),
            figures: Figures::default(),
            market: Market::default(),
            shop: Shop::default(),
            dice: Dice::default(),
        }
    }
}

impl Topics {
    /// Somebody listens. Whoever is asleep begins at once, so that a page has something to show.
    pub(super) fn wake(&mut self, topic: Topic, core: &mut Core) {
        if self.states[topic as usize] != Wakefulness::Awake {
            self.states[topic as usize] = Wakefulness::Awake;
            core.set_alarm(topic as u64, first(topic));
        }
    }

    /// An alarm: a message, or rest if nobody listens any more.
    pub(super) fn go_off(&mut self, key: u64, core: &mut Core) {
        let Some(topic) = Topic::ALL.into_iter().find(|&topic| topic as u64 == key) else { return };
        if core.is_shutting_down() {
            return;
        }
        let state = &mut self.states[topic as usize];
        let is_heard = core.hub().info(topic.channel()).is_some_and(|known| known.subscribers > 0);
        match (is_heard, *state) {
            (true, _) => {
                *state = Wakefulness::Awake;
                self.publish(topic, core);
                core.set_alarm(key, next(topic));
            }
            (false, Wakefulness::Awake) => {
                *state = Wakefulness::Resting;
                core.set_alarm(key, REST);
            }
            (false, _) => {
                *state = Wakefulness::Asleep;
                core.end_channel(topic.channel());
            }
        }
    }

    fn publish(&mut self, topic: Topic, core: &mut Core) {
        let text = match topic {
            Topic::Figures => self.figures.tell(core),
            Topic::Clock => face(nearest_half(of_today())),
            Topic::Quotes => self.market.step(&mut self.dice),
            Topic::Orders => self.shop.step(&mut self.dice),
            Topic::Random => format!("random:{}", self.dice.roll(10)),
        };
        // It could fail for want of channels, and its own is there: somebody hears it.
        let _ = core.publish(topic.channel(), Message::new(&text));
    }
}

const HALF: Duration = Duration::from_millis(500);

/// When the first message of a topic is due.
fn first(topic: Topic) -> Duration {
    if topic == Topic::Clock { next(topic) } else { Duration::ZERO }
}

/// When the next one is. The clock asks what time it is, or it would be late by all its latenesses together.
fn next(topic: Topic) -> Duration {
    if topic != Topic::Clock {
        return topic.pause();
    }
    let now = of_today();
    (HALF * (nearest_half(now) + 1)).saturating_sub(now)
}

/// The nearest half second, and not the last: an alarm goes off a moment late, and the clock may have been set back a little.
fn nearest_half(now: Duration) -> u32 {
    ((now + HALF / 2).as_millis() / HALF.as_millis()) as u32
}

/// The time of the day (UTC) after so many half seconds of it.
fn face(halves: u32) -> String {
    let seconds = halves / 2;
    format!("{:02}:{:02}:{:02}.{}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60, halves % 2 * 5)
}

fn of_today() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_micros((now.as_micros() % 86_400_000_000) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_topics_together_stay_within_the_stated_bound() {
        let rates: f64 = Topic::ALL.iter().map(|topic| 1.0 / topic.pause().as_secs_f64()).sum();
        assert!(rates <= MESSAGES_PER_SECOND_MAX as f64, "{rates}");
    }

    #[test]
    fn a_topics_channel_is_no_name_that_a_request_can_give() {
        for topic in Topic::ALL {
            assert!(super::super::super::routes::check_name(topic.channel()).is_err());
            assert_eq!(Topic::named(topic.name()), Some(topic));
        }
        assert_eq!(of_path("/demo/clock/stream"), Some(Topic::Clock));
        assert_eq!(of_path("/demo/random/stream"), None, "the servlet answers there");
    }

    #[test]
    fn the_clock_shows_half_seconds_and_goes_on_at_midnight() {
        assert_eq!(face(1), "00:00:00.5");
        assert_eq!(face(2 * 86_399 + 1), "23:59:59.5");
        assert_eq!(face(2 * 86_400), "00:00:00.0");
        assert_eq!(nearest_half(Duration::from_millis(1_499)), 3);
        assert_eq!(nearest_half(Duration::from_millis(1_510)), 3);
        assert!(next(Topic::Clock) <= HALF * 3 / 2);
    }
}

//! A visitor who behaves: a newcomer connects, publishes and leaves, and a subscriber hears it. How long that takes is what an attack must not
//! change.
//!
//! Visits begin at fixed moments, whether the one before is over or not, and are counted from those: a server that stands still
//! for a second makes many of them late, and not one.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use crate::Form;
use crate::machine::pause;
use crate::support::{Peer, Server, get};

/// Where those come from who behave.
pub(crate) const HEALTHY: Ipv4Addr = Ipv4Addr::new(127, 0, 7, 7);

/// The time between the beginnings of two visits.
const PACE: Duration = Duration::from_millis(10);

/// A subscriber, and whoever publishes for it.
pub(crate) struct Visitor {
    address: SocketAddr,
    subscriber: Peer,
    visits: usize,
}

impl Visitor {
    /// Subscribes.
    #[track_caller]
    pub(crate) fn of(server: &Server) -> Visitor {
        let mut subscriber = Peer::connect_from(HEALTHY, server.address);
        subscriber.send(&get("/channels/healthy?mode=ndjson", ""));
        assert!(subscriber.until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
        Visitor { address: server.address, subscriber, visits: 0 }
    }

    /// Visits for so long, and says how long each took; `between` is called now and then.
    #[track_caller]
    pub(crate) fn visit_for(&mut self, duration: Duration, mut between: impl FnMut()) -> Latencies {
        let mut visits = 0;
        paced(duration, || {
            self.visit();
            visits += 1;
            if visits % 10 == 0 {
                between();
            }
        })
    }

    /// One visit. Every message is heard, in its order and without a notice of a gap.
    #[track_caller]
    fn visit(&mut self) {
        self.visits += 1;
        let text = format!("visit {}", self.visits);
        let mut newcomer = Peer::connect_from(HEALTHY, self.address);
        newcomer.send(&format!(
            "POST /channels/healthy HTTP/1.1\r\nHost: encke.test\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        ));
        let head = newcomer.until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        newcomer.until("}\n");
        newcomer.reset();
        let line = self.subscriber.until(&format!("\"{text}\"}}\n"));
        assert!(!line.contains("gap") && line.matches("visit").count() == 1, "{line}");
    }
}

/// Does something again and again for so long, at the pace of visits, and says how long each took from the moment at which it was due.
pub(crate) fn paced(duration: Duration, mut visit: impl FnMut()) -> Latencies {
    let begun = Instant::now();
    let mut latencies = Vec::new();
    let mut due = Duration::ZERO;
    while due < duration {
        pause(due.saturating_sub(begun.elapsed()));
        // Those for whom there is no time any more are as late as they are.
        if begun.elapsed() < 2 * duration {
            visit();
        }
        latencies.push(begun.elapsed() - due);
        due += PACE;
    }
    Latencies::of(latencies)
}

/// A p99 that is not told from a shorter one: what a busy machine's scheduler does in a moment is no slowness of the server's. A short
/// form has few visits, and a build that is not optimized.
pub(crate) fn floor() -> Duration {
    Form::of_this_run().pick(Duration::from_millis(50), Duration::from_millis(20))
}

/// How many times the unattacked p99 is borne.
const TIMES_MAX: u32 = 3;

/// Alternations of peace and attack.
pub(crate) const ROUNDS: usize = 3;

/// How often the comparison is made before it counts. A machine that is busy with something else for some seconds may spoil one; a server that
/// is slow beside attackers spoils them all.
const TRIES: usize = 3;

/// An unattacked p99 with which nothing can be told: the machine is busy with something else. The long form fails then, for its figures are to mean
/// something.
const TOO_BUSY: Duration = Duration::from_millis(250);

/// One side of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Peace,
    Attack,
}

/// Measures peace and attack in alternation. Whoever is attacked hardly notices: the median of its p99 is within three times that of the
/// unattacked. Gives both medians.
#[track_caller]
pub(crate) fn compare(floor: Duration, mut measure: impl FnMut(Side) -> Latencies) -> (Latencies, Latencies) {
    let mut tried = Vec::new();
    for _ in 0..TRIES {
        let (mut peace, mut attack) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            peace.push(measure(Side::Peace));
            attack.push(measure(Side::Attack));
        }
        let (quiet, attacked) = (median(&peace), median(&attack));
        let is_told = Form::of_this_run() == Form::Short || quiet.p99 < TOO_BUSY;
        if is_told && attacked.p99 <= quiet.p99.max(floor) * TIMES_MAX {
            return (quiet, attacked);
        }
        tried.push((quiet, attacked));
    }
    panic!("slow beside attackers, or on a machine that is too busy to tell, {TRIES} times: {tried:?}");
}

/// How long visits took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Latencies {
    /// First, for comparisons are about this.
    pub(crate) p99: Duration,
    pub(crate) p50: Duration,
    pub(crate) most: Duration,
}

impl Latencies {
    /// Of at least one.
    pub(crate) fn of(mut all: Vec<Duration>) -> Latencies {
        all.sort_unstable();
        let at = |percent: usize| all[(all.len() * percent / 100).min(all.len() - 1)];
        Latencies { p99: at(99), p50: at(50), most: at(100) }
    }
}

/// The middle one of an odd number.
pub(crate) fn median<T: Copy + Ord>(values: &[T]) -> T {
    let mut values = values.to_vec();
    values.sort_unstable();
    values[values.len() / 2]
}

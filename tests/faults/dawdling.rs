//! Peers that dawdle, in crowds: heads and bodies that drip, streams and answers that are read never or byte by byte.
//!
//! Each crowd is measured against the same visitor without it, in alternation in the same run. What holds:
//!
//! * the visitor loses nothing, and its p99 is within three times the unattacked one (`visitor.rs` says how that is compared);
//! * the server's memory stays within a bound for each attacker, and that of a later siege is that of the one before;
//! * with fewer places in the table than attackers the visitor is still served.

use std::time::Duration;

use crate::machine::{KIB, MIB, kernel_bytes, processor_time, queued_bytes, user_bytes};
use crate::siege::{Attack, Siege, Tally};
use crate::support::{Server, get, publish};
use crate::visitor::{Latencies, ROUNDS, Side, Visitor, compare, floor, median};
use crate::{Form, alone, tell};

fn attackers() -> usize {
    Form::of_this_run().pick(300, 2_000)
}

/// The longest head that is accepted, but for a few bytes, and then one at a time.
fn heads() -> Attack {
    let opening = format!("GET /channels/x HTTP/1.1\r\nHost: encke.test\r\nCookie: {}", "x".repeat(15 * KIB));
    Attack { name: "slow heads", opening, drip: "x", reads: 0, busy: 0 }
}

/// A large body is announced, some of it comes at once, and then one byte at a time.
fn bodies() -> Attack {
    let opening = format!(
        "POST /channels/x HTTP/1.1\r\nHost: encke.test\r\nContent-Length: 1000000\r\n\r\n{}",
        "x".repeat(15 * KIB)
    );
    Attack { name: "slow bodies", opening, drip: "x", reads: 0, busy: 0 }
}

/// A channel in which much is published, by somebody who does not read.
fn deaf_streams() -> Attack {
    let opening = get("/channels/busy?mode=sse", "");
    Attack { name: "streams never read", opening, drip: "", reads: 0, busy: 32 * KIB }
}

/// A quarter of a megabyte, read byte by byte.
fn slow_answers() -> Attack {
    let opening = get("/channels/large?mode=poll&since=0-0", "");
    Attack { name: "answers read byte by byte", opening, drip: "", reads: 1, busy: 0 }
}

/// What the machine was seen to spend on one side of the comparison.
#[derive(Default)]
struct Spent {
    user: Vec<usize>,
    kernel: usize,
    queued: usize,
    /// Percent of a processor.
    busy: Vec<u32>,
}

impl Spent {
    /// Measures the visitor, and the machine meanwhile.
    fn measure(&mut self, server: &Server, visitor: &mut Visitor, duration: Duration) -> Latencies {
        let (mut user, before) = (0, processor_time(server.id()));
        let latencies = visitor.visit_for(duration, || {
            user = user.max(user_bytes(server.id()));
            self.kernel = self.kernel.max(kernel_bytes());
            self.queued = self.queued.max(queued_bytes(server.address));
        });
        let spent = processor_time(server.id()) - before;
        self.user.push(user);
        self.busy.push((spent.as_secs_f64() / duration.as_secs_f64() * 100.0) as u32);
        latencies
    }

    fn user_most(&self) -> usize {
        self.user.iter().copied().max().unwrap_or(0)
    }
}

/// Holds a visitor beside attackers to what it gets without them, and the server's own memory to a bound: it grows by so much, and not
/// again with the next siege.
#[track_caller]
fn hold(server: &Server, attack: &Attack, attackers: usize, grown_max: usize) {
    hold_within(floor(), server, attack, attackers, grown_max);
}

/// The same where a p99 is not told from `floor`.
#[track_caller]
fn hold_within(floor: Duration, server: &Server, attack: &Attack, attackers: usize, grown_max: usize) {
    let duration = Form::of_this_run().pick(Duration::from_millis(500), Duration::from_secs(6));
    let mut visitor = Visitor::of(server);
    let (mut peace, mut siege, mut tally) = (Spent::default(), Spent::default(), Tally::default());
    let (quiet, attacked) = compare(floor, |side| {
        if side == Side::Peace {
            return peace.measure(server, &mut visitor, duration);
        }
        let laid = Siege::lay(server.address, attack, attackers);
        let latencies = siege.measure(server, &mut visitor, duration);
        let came_to = laid.lift();
        tally.returns += came_to.returns;
        tally.drips += came_to.drips;
        latencies
    });
    tell(
        attack.name,
        format_args!(
            "{attackers} attackers ({} drips, came again {} times): p99 {:.1?} with and {:.1?} without them (p50 {:.1?} and {:.1?}); \
             the server busy {}% and {}%; its memory {} and {} KiB; the kernel's {} and {} KiB, of which unread or unsent {} KiB",
            tally.drips,
            tally.returns,
            attacked.p99,
            quiet.p99,
            attacked.p50,
            quiet.p50,
            median(&siege.busy),
            median(&peace.busy),
            siege.user_most() / KIB,
            peace.user[0] / KIB,
            siege.kernel / KIB,
            peace.kernel / KIB,
            siege.queued / KIB,
        ),
    );
    let grown = siege.user_most().saturating_sub(peace.user[0]);
    assert!(grown <= grown_max, "grown by {grown} bytes, more than {grown_max}: {:?}", siege.user);
    let again = siege.user[ROUNDS - 1].saturating_sub(siege.user[1]);
    assert!(again <= siege.user[1] / 4 + MIB, "each siege costs more: {:?}", siege.user);
}

/// Waits short enough that many attackers are cut while they are watched.
const WAITS: [&str; 6] = ["--head-timeout", "2s", "--body-timeout", "2s", "--write-timeout", "2s"];

fn server(flags: &[&str]) -> Server {
    Server::start(&[&WAITS[..], flags].concat())
}

/// What half a head or half a body of fifteen kibibytes costs: it is kept as it came, in a buffer that has grown by doubling, and leaves a
/// hole where it was before. Whoever was cut lingers for two seconds and keeps it, while its successor is there already.
const HALF: usize = 48 * KIB;

#[test]
fn heads_that_drip_do_not_slow_a_visitor() {
    let _alone = alone();
    hold(&server(&[]), &heads(), attackers(), attackers() * HALF + MIB);
}

#[test]
fn bodies_that_drip_do_not_slow_a_visitor() {
    let _alone = alone();
    // --memory bounds them all together besides.
    hold(&server(&[]), &bodies(), attackers(), attackers() * HALF + MIB);
}

#[test]
fn streams_that_are_never_read_do_not_slow_a_visitor() {
    let _alone = alone();
    // The channel's ring, its frames, a batch, and of each attacker its entry: whatever it has half taken is a frame of all.
    hold(&server(&[]), &deaf_streams(), attackers(), attackers() * KIB + 4 * MIB);
}

#[test]
fn answers_that_are_read_byte_by_byte_do_not_slow_a_visitor() {
    let _alone = alone();
    let server = server(&[]);
    publish(server.address, "large", &"x".repeat(MIB / 4));
    // All who were cut come again in the same moment and ask for half a gigabyte together, which takes a tenth of a second whoever they are.
    let floor = floor().max(Form::of_this_run().pick(Duration::ZERO, Duration::from_millis(60)));
    // Large answers that wait for their peers have a quarter of --memory together.
    hold_within(floor, &server, &slow_answers(), attackers(), attackers() * KIB + 20 * MIB);
}

#[test]
fn a_visitor_is_served_where_attackers_with_half_a_head_are_more_than_there_are_places() {
    let _alone = alone();
    let places = (attackers() / 4).to_string();
    let server = server(&["--max-connections", &places]);
    let attack = Attack { name: "slow heads, four for each place", ..heads() };
    hold(&server, &attack, attackers(), attackers() / 4 * HALF + MIB);
    assert!(server.metric("encke_connections_evicted_total") > 0.0, "some give way to others");
}

#[test]
fn a_visitor_is_served_where_attackers_of_few_addresses_are_more_than_there_are_places() {
    let _alone = alone();
    // Who sends a body or is answered does not give way, so it is the bound for an address that keeps places free.
    let places = (attackers() / 2).to_string();
    let attacks = [
        Attack { name: "slow bodies, two for each place, few addresses", ..bodies() },
        Attack { name: "streams never read, two for each place, few addresses", ..deaf_streams() },
    ];
    for attack in attacks {
        let server = server(&["--max-connections", &places, "--max-connections-per-ip", "20"]);
        hold(&server, &attack, attackers(), attackers() / 2 * HALF + 4 * MIB);
        assert!(
            server.metric("encke_connections_turned_away_total") > 0.0,
            "some are told that they are too many"
        );
    }
}

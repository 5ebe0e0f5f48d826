//! Peers that dawdle, in crowds: heads and bodies that drip, streams and answers that are read never or byte by byte.
//!
//! Each crowd is measured against the same visitor without it, three times each in alternation, in the same run. What holds:
//!
//! * the visitor loses nothing, and the median of its three p99 is within three times that of the unattacked ones, where one
//!   below [`floor`] counts as that: what a busy machine's scheduler does in a moment is no slowness of the server's;
//! * the server's memory stays within a bound for each attacker, and that of a later siege is that of the first;
//! * with fewer places in the table than attackers the visitor is still served.

use std::time::Duration;

use crate::machine::{KIB, MIB, kernel_bytes, processor_time, queued_bytes, user_bytes};
use crate::siege::{Attack, Siege, Tally};
use crate::support::{Server, get, publish};
use crate::visitor::{Latencies, Visitor, assert_unmoved, median};
use crate::{Form, alone, tell};

/// Alternations of peace and siege.
const ROUNDS: usize = 3;

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

/// What one side of the comparison came to.
#[derive(Default)]
struct Side {
    latencies: Vec<Latencies>,
    user: Vec<usize>,
    kernel: Vec<usize>,
    queued: Vec<usize>,
    busy: Vec<u32>,
}

impl Side {
    /// Measures the visitor, and the machine meanwhile.
    fn measure(&mut self, server: &Server, visitor: &mut Visitor, duration: Duration) {
        let (mut user, mut kernel, mut queued) = (0, 0, 0);
        let before = processor_time(server.id());
        self.latencies.push(visitor.visit_for(duration, || {
            user = user.max(user_bytes(server.id()));
            kernel = kernel.max(kernel_bytes());
            queued = queued.max(queued_bytes(server.address));
        }));
        let spent = processor_time(server.id()) - before;
        self.user.push(user);
        self.kernel.push(kernel);
        self.queued.push(queued);
        self.busy.push((spent.as_secs_f64() / duration.as_secs_f64() * 100.0) as u32);
    }
}

/// Compares peace and siege, and gives both.
fn compare(server: &Server, attack: &Attack, attackers: usize) -> (Side, Side) {
    let duration = Form::of_this_run().pick(Duration::from_millis(500), Duration::from_secs(6));
    let mut visitor = Visitor::of(server);
    let (mut peace, mut siege, mut tally) = (Side::default(), Side::default(), Tally::default());
    for _ in 0..ROUNDS {
        peace.measure(server, &mut visitor, duration);
        let laid = Siege::lay(server.address, attack, attackers);
        siege.measure(server, &mut visitor, duration);
        let came_to = laid.lift();
        tally.returns += came_to.returns;
        tally.drips += came_to.drips;
    }
    let (quiet, attacked) = (median(&peace.latencies), median(&siege.latencies));
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
            siege.user.iter().max().unwrap_or(&0) / KIB,
            peace.user[0] / KIB,
            siege.kernel.iter().max().unwrap_or(&0) / KIB,
            peace.kernel[0] / KIB,
            siege.queued.iter().max().unwrap_or(&0) / KIB,
        ),
    );
    (peace, siege)
}

/// The server's own memory grows by so much at most, and not again with the next siege.
#[track_caller]
fn assert_flat(peace: &Side, siege: &Side, bound: usize) {
    let grown = siege.user.iter().max().unwrap_or(&0).saturating_sub(peace.user[0]);
    assert!(grown <= bound, "grown by {grown} bytes, more than {bound}: {:?}", siege.user);
    let again = siege.user[ROUNDS - 1].saturating_sub(siege.user[1]);
    assert!(again <= siege.user[1] / 10 + MIB, "each siege costs more: {:?}", siege.user);
}

/// Waits short enough that many attackers are cut while they are watched.
const WAITS: [&str; 6] = ["--head-timeout", "2s", "--body-timeout", "2s", "--write-timeout", "2s"];

fn server(flags: &[&str]) -> Server {
    Server::start(&[&WAITS[..], flags].concat())
}

#[test]
fn heads_that_drip_do_not_slow_a_visitor() {
    let _alone = alone();
    let server = server(&[]);
    let (peace, siege) = compare(&server, &heads(), attackers());
    assert_unmoved(&peace.latencies, &siege.latencies);
    // Half a head is kept as it came, up to --max-head, in a buffer that has grown by doubling.
    assert_flat(&peace, &siege, attackers() * 33 * KIB + MIB);
}

#[test]
fn bodies_that_drip_do_not_slow_a_visitor() {
    let _alone = alone();
    let server = server(&[]);
    let (peace, siege) = compare(&server, &bodies(), attackers());
    assert_unmoved(&peace.latencies, &siege.latencies);
    // What has come of a body is kept, in a buffer that has grown by doubling; --memory bounds them all together.
    assert_flat(&peace, &siege, attackers() * 33 * KIB + MIB);
}

#[test]
fn streams_that_are_never_read_do_not_slow_a_visitor() {
    let _alone = alone();
    let server = server(&[]);
    let (peace, siege) = compare(&server, &deaf_streams(), attackers());
    assert_unmoved(&peace.latencies, &siege.latencies);
    // The channel's ring, its frames, a batch, and of each attacker its entry: whatever it has half taken is a frame of all.
    assert_flat(&peace, &siege, attackers() * KIB + 4 * MIB);
}

#[test]
fn answers_that_are_read_byte_by_byte_do_not_slow_a_visitor() {
    let _alone = alone();
    let server = server(&[]);
    publish(server.address, "large", &"x".repeat(MIB / 4));
    let (peace, siege) = compare(&server, &slow_answers(), attackers());
    assert_unmoved(&peace.latencies, &siege.latencies);
    // Large answers that wait for their peers have a quarter of --memory together.
    assert_flat(&peace, &siege, attackers() * KIB + 20 * MIB);
}

#[test]
fn a_visitor_is_served_where_attackers_with_half_a_head_are_more_than_there_are_places() {
    let _alone = alone();
    let places = (attackers() / 4).to_string();
    let server = server(&["--max-connections", &places]);
    let attack = Attack { name: "slow heads, four for each place", ..heads() };
    let (peace, siege) = compare(&server, &attack, attackers());
    assert_unmoved(&peace.latencies, &siege.latencies);
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
        let (peace, siege) = compare(&server, &attack, attackers());
        assert_unmoved(&peace.latencies, &siege.latencies);
        assert!(
            server.metric("encke_connections_turned_away_total") > 0.0,
            "some are told that they are too many"
        );
    }
}

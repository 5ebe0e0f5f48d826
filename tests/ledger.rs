//! The memory ledger: what a connection costs in each state, and which steps allocate. Counted, so it never flickers.
//!
//! A counting allocator stands below everything, and [`support/crowd.rs`](crowd) drives an engine without sockets. Bytes are those that
//! were asked for, all vectors with their spare room; what the allocator itself adds to a large vector is below a thousandth. Every line has a
//! budget, and the test fails past it. `cargo test --test ledger -- --nocapture` prints the ledger.
//!
//! Always holds: this binary has one test, for a second one on another thread would be counted too.
//!
//! Next: `benches/million.rs`, the same with time; `tests/sockets_memory.rs`, the same with a kernel.

#[path = "support/crowd.rs"]
mod crowd;

use std::alloc::System;

use crowd::{Crowd, PUBLISHES, Sent};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Members of a crowd that is counted.
const MEMBERS: usize = 10_000;

/// A message as long as a tweet was once, and one that no budget could hide.
const SHORT: &str =
    "Four score and seven years ago our fathers brought forth, upon this continent, a new nation.";
const LONG: &str = include_str!("ledger.rs").split_at(1024).0;

/// Bytes that are allocated and not freed.
fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Calls of the allocator that ask for memory, while `act` runs.
fn allocations(act: impl FnOnce()) -> usize {
    let count = || {
        let stats = ALLOCATOR.stats();
        stats.allocations + stats.reallocations
    };
    let before = count();
    act();
    count() - before
}

/// Lines of what was found and what may be.
#[derive(Default)]
struct Ledger {
    text: String,
    over: Vec<String>,
}

impl Ledger {
    fn title(&mut self, title: &str, unit: &str) {
        self.text += &format!("\n{title:<58}{unit:>10}{:>10}\n", "budget");
    }

    fn enter(&mut self, what: &str, found: f64, budget: f64) {
        let line = format!("{what:<58}{found:>10.2}{budget:>10.2}");
        self.text += &format!("{line}\n");
        if found > budget {
            self.over.push(line);
        }
    }
}

/// Bytes of a member, of `count` that were brought into their state by `bring`.
fn bytes_each(count: usize, bring: impl FnOnce(&mut Crowd)) -> f64 {
    let mut crowd = Crowd::for_members(count);
    // The channel and whatever else is there once for everybody.
    crowd.publish(SHORT);
    let before = live_bytes();
    bring(&mut crowd);
    assert_eq!(crowd.engine.core().connections(), count, "somebody was cut");
    (live_bytes() - before) as f64 / count as f64
}

/// Bytes of a member that has sent this.
fn bytes_having_sent(count: usize, sent: Sent) -> f64 {
    bytes_each(count, |crowd| crowd.join(count, sent))
}

fn bytes_of_states(ledger: &mut Ledger) {
    ledger.title(&format!("live bytes of one of {MEMBERS} connections"), "bytes");
    for (what, sent, budget) in [
        ("accepted, nothing sent", Sent::Nothing, 76.0),
        ("half a head", Sent::HalfAHead, 350.0),
        ("keep-alive, after an answer", Sent::Question, 76.0),
        ("parked poll", Sent::Poll, 100.0),
        ("idle SSE subscriber", Sent::Subscription, 100.0),
    ] {
        ledger.enter(what, bytes_having_sent(MEMBERS, sent), budget);
    }
    let blocked = bytes_each(MEMBERS, |crowd| {
        crowd.join(MEMBERS, Sent::Subscription);
        crowd.stop_reading();
        crowd.publish(LONG);
        crowd.work();
    });
    // Its grace has an end of its own, which is kept in order with those of others.
    ledger.enter("blocked SSE subscriber that lacks 1 KiB", blocked, 120.0);

    let with_handle = bytes_having_sent(MEMBERS, Sent::SubscriptionWithHandle);
    ledger.enter("idle SSE subscriber with a Handle out", with_handle, 500.0);
    let written = bytes_each(MEMBERS, |crowd| {
        crowd.join(MEMBERS, Sent::SubscriptionWithHandle);
        crowd.write_by_handles(64 * 1024);
    });
    ledger.enter("the same, after 64 KiB were written by it", written, 500.0);

    ledger.title("growth", "ratio");
    let (few, many) = (10_000, 100_000);
    let ratio = bytes_having_sent(many, Sent::Subscription) / bytes_having_sent(few, Sent::Subscription);
    ledger.enter("an idle SSE subscriber of 100,000, against one of 10,000", ratio, 1.1);
}

fn allocations_of_steps(ledger: &mut Ledger) {
    ledger.title("allocations", "each");
    let publish_to = |count: usize| {
        let mut crowd = Crowd::for_members(count);
        crowd.join(count, Sent::Subscription);
        // Until the ring is full: then each message takes the place of one.
        for _ in 0..2 * crowd.engine.core().limits().history_count_max {
            crowd.publish(SHORT);
            crowd.work();
        }
        let deliveries = crowd.engine.core().counters().deliveries;
        let asked = allocations(|| {
            crowd.publish(SHORT);
            crowd.work();
        });
        assert_eq!(crowd.engine.core().counters().deliveries - deliveries, count as u64);
        asked
    };
    let (fewer, more) = (publish_to(1_000), publish_to(2_000));
    ledger.enter("a message to 1,000 subscribers, in all", fewer as f64, 4.0);
    ledger.enter("a delivery, by 1,000 subscribers more", (more - fewer) as f64 / 1_000.0, 0.0);

    let repeated = |sent: Sent, times: usize| {
        let mut crowd = Crowd::for_members(1);
        crowd.join(1, Sent::Nothing);
        let mut repeat = |times: usize| {
            for _ in 0..times {
                crowd.send(0, sent);
                crowd.work();
            }
        };
        repeat(times);
        let asked = allocations(|| repeat(times));
        asked as f64 / times as f64
    };
    ledger.enter("a keep-alive request, answered by respond", repeated(Sent::Question, 1_000), 0.0);
    let publish = repeated(Sent::Publishes, 1_000) / PUBLISHES as f64;
    ledger.enter("a pipelined publish, its body collected", publish, 2.0);
}

/// Ten thousand come and go, in every state; then ten thousand more, and memory is what it was. The crowds before them have brought the
/// tables and the pool of spare buffers to their size.
fn nothing_is_kept(ledger: &mut Ledger) {
    let mut crowd = Crowd::for_members(MEMBERS);
    crowd.publish(SHORT);
    let mut come_and_go = || {
        for sent in [Sent::Nothing, Sent::HalfAHead, Sent::Question, Sent::Poll, Sent::Subscription] {
            crowd.join(MEMBERS / 5, sent);
        }
        crowd.leave();
        live_bytes()
    };
    come_and_go();
    let (first, second) = (come_and_go(), come_and_go());
    ledger.title("what stays", "bytes");
    ledger.enter("after another 10,000 have come and gone", second as f64 - first as f64, 0.0);
}

#[test]
fn the_ledger_is_within_its_budgets() {
    let mut ledger = Ledger::default();
    bytes_of_states(&mut ledger);
    allocations_of_steps(&mut ledger);
    nothing_is_kept(&mut ledger);
    println!("{}", ledger.text);
    assert!(ledger.over.is_empty(), "past the budget:\n{}", ledger.over.join("\n"));
}

//! A million subscribers of one channel: what each costs in bytes and nanoseconds, and whether a million are more than ten times a
//! hundred thousand.
//!
//! `cargo bench --bench million` drives one engine, on one thread, with transports that cost nothing ([`crowd`]). So it measures what is
//! Encke's own; a kernel adds its send, some fifty times as much, and memory of its own for every socket.
//!
//! Each figure is the median of [`ROUNDS`] rounds, with the least and the most in brackets. Wall is time on the clock, CPU the time that
//! the thread was running.
//!
//! Next: `tests/ledger.rs`, where a small part of this is held to a budget.

#[path = "../tests/support/crowd.rs"]
mod crowd;

use std::alloc::System;
use std::time::{Duration, Instant};

use crowd::{Crowd, Sent};
use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const COUNTS: [usize; 3] = [10_000, 100_000, 1_000_000];
const ROUNDS: usize = 7;
/// Visits in a round: long enough that a clock's own cost is nothing.
const VISITS: usize = 4_000_000;
/// A payload of an ordinary length; how long it is matters to the kernel only.
const TEXT: &str = r#"{"symbol":"XAU","bid":1873.20,"ask":1873.55,"at":"2026-02-03T10:15:00Z"}"#;

/// What the thread's clocks say.
#[derive(Clone, Copy)]
struct Clocks {
    wall: Instant,
    cpu: Duration,
}

impl Clocks {
    fn read() -> Clocks {
        let cpu = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default();
        Clocks { wall: Instant::now(), cpu }
    }

    /// Nanoseconds since then, of each of `parts`: wall and CPU.
    fn each(self, parts: usize) -> [f64; 2] {
        let now = Clocks::read();
        let each = |took: Duration| took.as_nanos() as f64 / parts as f64;
        [each(now.wall - self.wall), each(now.cpu - self.cpu)]
    }
}

/// What several rounds found.
#[derive(Default)]
struct Rounds(Vec<f64>);

impl Rounds {
    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    fn median(&self) -> f64 {
        self.sorted()[self.0.len() / 2]
    }

    fn text(&self) -> String {
        let sorted = self.sorted();
        format!("{:.1} ({:.1}-{:.1})", self.median(), sorted[0], sorted[sorted.len() - 1])
    }
}

/// All that is found of a crowd of one size.
#[derive(Default)]
struct Found {
    bytes: Rounds,
    /// Wall and CPU.
    subscribe: [Rounds; 2],
    visit: [Rounds; 2],
}

fn measure(count: usize) -> Found {
    let mut found = Found::default();
    let enter = |rounds: &mut [Rounds; 2], each: [f64; 2]| {
        rounds.iter_mut().zip(each).for_each(|(rounds, each)| rounds.0.push(each));
    };
    for _ in 0..ROUNDS {
        let mut crowd = Crowd::for_members(count);
        crowd.publish(TEXT);
        let before = live_bytes();
        let begun = Clocks::read();
        crowd.join(count, Sent::Subscription);
        enter(&mut found.subscribe, begun.each(count));
        found.bytes.0.push((live_bytes() - before) as f64 / count as f64);

        // The first visit of all finds cold memory, and is a round's own.
        crowd.publish(TEXT);
        crowd.work();
        let messages = VISITS / count;
        let deliveries = crowd.engine.core().counters().deliveries;
        let begun = Clocks::read();
        for _ in 0..messages {
            crowd.publish(TEXT);
            crowd.work();
        }
        enter(&mut found.visit, begun.each(messages * count));
        let delivered = crowd.engine.core().counters().deliveries - deliveries;
        assert_eq!(delivered, (messages * count) as u64, "everybody gets every message");
    }
    found
}

fn live_bytes() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// The machine, as far as it tells.
fn machine() -> String {
    let line = |path: &str, name: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let value = text.lines().find(|line| line.starts_with(name)).and_then(|line| line.split(':').nth(1));
        value.map(|value| value.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = line("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let kib = line("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
    let memory = kib.map_or_else(|| "memory unknown".to_owned(), |kib| format!("{} GiB", kib >> 20));
    format!("{cores} cores, {memory}, {model}")
}

fn main() {
    println!("One channel, one thread, no sockets. Median of {ROUNDS} rounds (least-most).");
    println!("{}\n", machine());
    let found = COUNTS.map(measure);
    let row = |name: &str, cells: [String; 3]| {
        println!("{name:<19}{:>19}{:>20}{:>22}", cells[0], cells[1], cells[2]);
    };
    let figures = |name: &str, of: &dyn Fn(&Found) -> &Rounds| {
        row(name, std::array::from_fn(|index| of(&found[index]).text()));
    };
    row("subscribers", COUNTS.map(|count| count.to_string()));
    figures("bytes each", &|found| &found.bytes);
    figures("ns to subscribe", &|found| &found.subscribe[0]);
    figures("  of them CPU", &|found| &found.subscribe[1]);
    figures("ns a visit", &|found| &found.visit[0]);
    figures("  of them CPU", &|found| &found.visit[1]);
    let ratio = |of: &dyn Fn(&Found) -> &Rounds| of(&found[2]).median() / of(&found[1]).median();
    println!(
        "\n{} against {}: bytes x {:.2}, CPU to subscribe x {:.2}, a visit x {:.2}",
        COUNTS[2],
        COUNTS[1],
        ratio(&|found| &found.bytes),
        ratio(&|found| &found.subscribe[1]),
        ratio(&|found| &found.visit[1]),
    );
}

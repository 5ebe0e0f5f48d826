//! Seeds: which of them to run, on all processors, with a word on how far it has come.
//!
//! Called by: `storms.rs`, `healthy.rs`.
//!
//! Invariants: a seed runs on one thread from beginning to end, so its world is the same wherever it runs; all seeds run, also behind one
//! that fails, and the lowest that fails is the one that is told.
//!
//! Next: `storms.rs`.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::ops::Range;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What the environment asks for: `ENCKE_SEEDS=n` or `=a..b`, or the one seed in the variable `one`; else the first `usual`.
pub(crate) fn chosen(one: &str, usual: u64) -> Range<u64> {
    let value = |name: &str| std::env::var(name).ok();
    let number = |text: &str| text.trim().parse::<u64>().unwrap_or_else(|_| panic!("{text:?} is no seed"));
    match (value(one), value("ENCKE_SEEDS")) {
        (Some(seed), _) => number(&seed)..number(&seed) + 1,
        (None, Some(seeds)) => match seeds.split_once("..") {
            Some((first, end)) => number(first)..number(end),
            None => 0..number(&seeds),
        },
        (None, None) => 0..usual,
    }
}

/// Runs a world for each seed, and panics with the first objection if there is any. A world says how much it did; `replay` is the
/// command that runs one of them, with `{}` for its seed. Says how much all did together.
pub(crate) fn run(name: &str, seeds: Range<u64>, replay: &str, world: fn(u64) -> Result<u64, String>) -> u64 {
    let begun = Instant::now();
    let (next, done, sum) = (AtomicU64::new(seeds.start), AtomicU64::new(0), AtomicU64::new(0));
    let failed = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let verdict = catch_unwind(|| world(seed));
            match verdict.unwrap_or_else(|_| Err("the engine panicked, see above".to_owned())) {
                Ok(more) => _ = sum.fetch_add(more, Ordering::Relaxed),
                Err(objection) => {
                    eprintln!("seed {seed}: {}", objection.lines().next().unwrap_or_default());
                    failed.lock().expect("no holder panics").insert(seed, objection);
                }
            }
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        while stderr().is_terminal() && !workers.iter().all(|worker| worker.is_finished()) {
            tell(name, done.load(Ordering::Relaxed), seeds.end - seeds.start, begun.elapsed());
            thread::park_timeout(Duration::from_millis(200));
        }
    });
    let (count, sum) = (seeds.end - seeds.start, sum.into_inner());
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    println!("{count} {name}, {sum} steps, {:.1?}, {rate:.0} seeds a second", begun.elapsed());
    let failed = failed.into_inner().expect("no holder panics");
    if let Some((seed, objection)) = failed.first_key_value() {
        let replay = replay.replace("{}", &seed.to_string());
        panic!("{} seeds failed, the first is {seed}: {objection}\nreplay: {replay}", failed.len());
    }
    sum
}

/// How far it has come, in one line that is written over.
fn tell(name: &str, done: u64, count: u64, elapsed: Duration) {
    const WIDTH: u64 = 30;
    let full = (done * WIDTH / count.max(1)) as usize;
    let rate = done as f64 / elapsed.as_secs_f64().max(0.001);
    let left = (count - done) as f64 / rate.max(0.001);
    let bar = "=".repeat(full) + &" ".repeat(WIDTH as usize - full);
    let _ = write!(stderr(), "\r{name} [{bar}] {done}/{count}, {rate:.0} a second, {left:.0} s left ");
    if done == count {
        let _ = writeln!(stderr());
    }
}

#[test]
fn the_lowest_seed_that_fails_is_told_with_its_replay_and_the_others_run() {
    static RUN: AtomicU64 = AtomicU64::new(0);
    let outcome = catch_unwind(|| {
        run("worlds", 3..30, "replay {}", |seed| {
            RUN.fetch_add(1, Ordering::Relaxed);
            if seed == 7 || seed == 20 { Err(format!("seed {seed} is bad")) } else { Ok(1) }
        })
    });
    let told = *outcome.expect_err("two fail").downcast::<String>().expect("a text");
    assert!(told.contains("2 seeds failed, the first is 7: seed 7 is bad\nreplay: replay 7"), "{told}");
    assert_eq!(RUN.load(Ordering::Relaxed), 27);
}

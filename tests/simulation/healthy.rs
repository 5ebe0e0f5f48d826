//! Storms among the healthy: readers who read, over good links, beside some who never do; and publishers who all wait when they are asked to.
//!
//! Then nobody who reads loses anything: there is no gap, no overrun and no cut, whatever the dead ones do, in every mode; except that who
//! polls is away between two polls, holds no ring meanwhile, and is only told.
//! `ENCKE_HEALTHY_SEED=n` replays one, `ENCKE_SEEDS=n` runs the first n.
//!
//! Next: `storms.rs`, where everything goes wrong.

use std::time::Duration;

use encke::Limits;

use crate::crowd::Crowd;
use crate::keeping;
use crate::oracle;
use crate::rng::Rng;
use crate::script::{Ask, Body, CURSOR, Pace, Step};
use crate::seeds;
use crate::shape::{Manner, Shape};
use crate::world::{Poll, World};

const SEEDS: u64 = 100;

#[test]
fn healthy_readers_lose_nothing_beside_dead_ones() {
    let seeds = seeds::chosen("ENCKE_HEALTHY_SEED", SEEDS);
    let is_enough = seeds.end - seeds.start >= SEEDS;
    let replay = "ENCKE_HEALTHY_SEED={} cargo test --test simulation healthy -- --nocapture";
    let held = seeds::run("healthy worlds", seeds, replay, storm);
    assert!(held > 0 || !is_enough, "publishers had no reason to wait, so this proves nothing");
}

/// One world. Says how often a publisher had to wait.
fn storm(seed: u64) -> Result<u64, String> {
    let mut rng = Rng::new(seed);
    let manner = *rng.pick(&[Poll::Calm, Poll::Wild]);
    let mut world = World::new(limits(&mut rng), manner, rng.next());
    let mut crowd = Crowd::default();
    for _ in 0..rng.between(3, 8) {
        let (shape, script) = reader(&mut rng);
        crowd.diligent.push(world.peer_at(Duration::ZERO, shape, script));
    }
    for _ in 0..rng.between(0, 2) {
        let script = poller(&mut rng);
        crowd.returning.push(world.peer_at(Duration::ZERO, Shape::CALM, script));
    }
    for _ in 0..rng.between(1, 8) {
        let shape = Shape { outbound_max: rng.magnitude(1, 2_000), ..Shape::CALM };
        let script = dead(&mut rng);
        // All of them within a second: their grace together is less than the patience of a channel.
        world.peer_at(rng.millis(0, 1_000), shape, script);
    }
    for _ in 0..rng.between(1, 5) {
        let script = publisher(&mut rng);
        crowd.punctual.push(world.peer_at(rng.millis(10, 2_000), Shape::CALM, script));
    }
    world.run_until(Duration::from_secs(1_000))?;
    if std::env::var("ENCKE_HEALTHY_SEED").is_ok() {
        println!("{}", world.log.borrow().transcript.join("\n"));
    }
    let (log, heard) = (world.log.borrow(), world.heard());
    oracle::judge(&log, &heard, &crowd, world.engine.core().limits())?;
    keeping::health(&log.entries, &heard, &crowd.diligent)?;
    oracle::leftovers(&world.engine)?;
    Ok(keeping::holds(&log.entries) as u64)
}

/// Reads at once, over a good link, to the end.
fn reader(rng: &mut Rng) -> (Shape, Vec<Step>) {
    let manner = *rng.pick(&[Manner::Socket, Manner::Session]);
    let shape = Shape { outbound_max: 20_000, manner, ..Shape::CALM };
    let channels = *rng.pick(&["news", "news", "news.chat"]);
    let format = *rng.pick(&["sse", "ndjson", "envelope", "iframe", "stream"]);
    let ask = Step::Ask(Ask::get(format!("b=hear:{channels}:{format}:")));
    (shape, vec![ask, Step::Wait(Duration::from_secs(90)), Step::Leave])
}

fn poller(rng: &mut Rng) -> Vec<Step> {
    let channels = *rng.pick(&["news", "news.chat"]);
    let ask = || Step::Ask(Ask::get(format!("b=park:{channels}:100000:{CURSOR},to:3000")));
    (0..100).flat_map(|_| [ask(), Step::Answered]).chain([Step::Leave]).collect()
}

/// Never reads, or nearly so.
fn dead(rng: &mut Rng) -> Vec<Step> {
    let appetite = match rng.between(0, 2) {
        0 => Pace { bytes: rng.between(1, 50), every: rng.millis(50, 900) },
        _ => Pace::NEVER,
    };
    let format = *rng.pick(&["sse", "ndjson", "stream"]);
    let channels = *rng.pick(&["news", "chat", "news.chat"]);
    let ask = Step::Ask(Ask::get(format!("b=hear:{channels}:{format}:")));
    vec![Step::Appetite(appetite), ask, Step::Wait(rng.millis(3_000, 60_000)), Step::Leave]
}

/// Publishes as fast as it may: each message behind the answer to the one before, or all of them in a row.
fn publisher(rng: &mut Rng) -> Vec<Step> {
    let is_pipelined = rng.chance(50);
    let channel = *rng.pick(&["news", "news", "chat"]);
    let (count, length) = (rng.between(20, 100), rng.magnitude(1, 200));
    let mut script = Vec::new();
    for _ in 0..count {
        let query = format!("b=hold:{channel},max:5000&d=pubread:{channel},respond:200:ok&alone=1");
        script.push(Step::Ask(Ask::post(query, Body::Length(vec![b'x'; length]))));
        script.extend((!is_pipelined).then_some(Step::Answered));
        script.extend(rng.chance(10).then(|| Step::Wait(rng.millis(1, 400))));
    }
    script.extend([Step::Answered, Step::Leave]);
    script
}

/// Rings that are not tiny; shares of turns that are.
fn limits(rng: &mut Rng) -> Limits {
    Limits {
        history_count_max: rng.between(20, 100),
        history_bytes_max: 20_000,
        grace: rng.millis(50, 800),
        write_timeout: rng.millis(1_000, 30_000),
        comet_timeout: Duration::ZERO,
        heartbeat: rng.millis(200, 5_000),
        batch_bytes_max: rng.magnitude(1, 20_000),
        visits_per_turn_max: rng.magnitude(1, 64),
        resumptions_per_turn_max: rng.magnitude(1, 64),
        ..Limits::default()
    }
}

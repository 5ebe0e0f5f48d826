//! Storms: many seeds, each a world of its own with limits, links, peers and misfortunes drawn from it.
//!
//! A failing seed prints itself, the last happenings, and the command that replays it. `ENCKE_SEED=n` runs one seed with its whole
//! transcript, `ENCKE_SEEDS=n` the first n instead of 1,000, `ENCKE_SEEDS=a..b` those from a on; all processors share them.
//!
//! Absent on purpose: expectations about single answers. A storm knows only the law, and that at its end nothing is left;
//! except that a peer who does everything right, with nothing done against it, gets every answer (`honest`).
//!
//! Next: `seeds.rs`, which runs them.

use std::time::Duration;

use encke::Limits;

use crate::crowd::{Crowd, populate};
use crate::history::Outcome;
use crate::mishaps::{self, Mishap};
use crate::oracle;
use crate::rng::Rng;
use crate::seeds;
use crate::world::{Poll, World};

const SEEDS: u64 = 1_000;

#[test]
fn storms() {
    let replay = "ENCKE_SEED={} cargo test --test simulation storms -- --nocapture";
    seeds::run("storms", seeds::chosen("ENCKE_SEED", SEEDS), replay, storm);
}

/// One world. An objection carries the last that happened.
fn storm(seed: u64) -> Result<u64, String> {
    let mut rng = Rng::new(seed);
    let manner = *rng.pick(&[Poll::Calm, Poll::Wild, Poll::Wild]);
    let mut world = World::new(limits(&mut rng), manner, rng.next());
    let crowd = populate(&mut world, &mut rng);
    let crowd = befall(&mut world, crowd, &mut rng);
    meddle(&mut world, &mut rng);
    // Nobody waits longer than this for anything.
    let end = Duration::from_secs(200);
    let is_cut_short = rng.chance(30);
    let shutdown = if is_cut_short { rng.millis(0, 8_000) } else { end };
    world.deed_at(shutdown, |engine, now| engine.shutdown(now));
    let verdict = judge(&mut world, &crowd, is_cut_short, end + Duration::from_secs(100));
    if std::env::var("ENCKE_SEED").is_ok() {
        println!("{}", world.log.borrow().transcript.join("\n"));
    }
    verdict.map_err(|objection| {
        let log = world.log.borrow();
        let from = log.transcript.len().saturating_sub(40);
        format!("{objection}\n{}", log.transcript[from..].join("\n"))
    })?;
    Ok(world.turns)
}

/// Mishaps of the machine. Where its clock leaps nobody's patience can be relied on, and timeouts strike the honest too.
fn befall(world: &mut World, crowd: Crowd, rng: &mut Rng) -> Crowd {
    let mishaps = mishaps::drawn(rng);
    let has_leaps = mishaps.iter().any(|(_, mishap)| matches!(mishap, Mishap::Leap(_)));
    for (at, mishap) in mishaps {
        world.mishap_at(at, mishap);
    }
    let is_poor = rng.chance(10);
    if is_poor {
        world.limit_descriptors(rng.between(2, 15));
    }
    match (has_leaps, is_poor) {
        (true, _) => Crowd { returning: crowd.returning, patient: crowd.patient, ..Crowd::default() },
        // Who waits in the backlog may wait for exchanges that their handler has forgotten, until the shutdown.
        (false, true) => Crowd { diligent: Vec::new(), honest: Vec::new(), ..crowd },
        (false, false) => crowd,
    }
}

/// Deeds from outside of any exchange: by whoever drives the engine, posted to it, or by threads with a handle.
fn meddle(world: &mut World, rng: &mut Rng) {
    for _ in 0..rng.between(0, 20) {
        let (number, deed, way) = (rng.between(0, 99), rng.between(0, 99), rng.between(0, 3));
        world.deed_at(rng.millis(0, 9_000), move |engine, now| match way {
            0 => engine
                .remote()
                .post(move |app, core| app.meddle(core, number, deed))
                .expect("room in the mailbox"),
            1 => engine.run(now, |app, core| app.meddle(core, number, deed)),
            _ => engine.run(now, |app, _| app.work_elsewhere(number, deed)),
        });
    }
}

fn judge(world: &mut World, crowd: &Crowd, is_cut_short: bool, end: Duration) -> oracle::Verdict {
    world.run_until(end)?;
    let heard = world.heard();
    let diligent = if is_cut_short { Vec::new() } else { crowd.diligent.clone() };
    let present = Crowd { diligent, ..crowd.clone() };
    oracle::judge(&world.log.borrow(), &heard, &present, world.engine.core().limits())?;
    if let Some(fault) = world.faults().first() {
        return Err(fault.clone());
    }
    if !is_cut_short {
        for peer in crowd.honest.iter().map(|&peer| &heard[peer]) {
            let whole = peer.answers.iter().filter(|a| matches!(a.outcome, Outcome::Complete(_))).count();
            if whole != peer.asked.len() {
                return Err(format!(
                    "the honest peer {} got {whole} of {} answers",
                    peer.peer,
                    peer.asked.len()
                ));
            }
        }
    }
    oracle::leftovers(&world.engine)
}

/// Limits, generous or tiny: tiny buffers find what generous ones hide.
fn limits(rng: &mut Rng) -> Limits {
    let mut limits = Limits::default();
    draw_waits(&mut limits, rng);
    draw_sizes(&mut limits, rng);
    if rng.chance(15) {
        limits.connections_max = rng.between(3, 20);
    }
    limits
}

fn draw_waits(limits: &mut Limits, rng: &mut Rng) {
    limits.head_timeout = rng.millis(500, 5_000);
    limits.body_timeout = rng.millis(500, 5_000);
    limits.keep_alive_timeout = rng.millis(1_000, 5_000);
    limits.write_timeout = rng.millis(500, 5_000);
    limits.comet_timeout = rng.millis(200, 20_000);
    limits.heartbeat = rng.millis(100, 5_000);
    limits.drain_timeout = rng.millis(10, 5_000);
    limits.linger_timeout = rng.millis(10, 2_000);
    limits.history_age_max = Duration::from_millis(rng.magnitude(100, 60_000) as u64);
    limits.grace = rng.millis(1, 2_000);
}

fn draw_sizes(limits: &mut Limits, rng: &mut Rng) {
    limits.head_bytes_max = rng.magnitude(256, 16_384);
    limits.body_bytes_max = rng.magnitude(64, 100_000) as u64;
    limits.discard_bytes_max = rng.magnitude(1, 10_000) as u64;
    limits.output_bytes_max = rng.magnitude(1, 20_000);
    limits.history_count_max = rng.magnitude(1, 200);
    limits.history_bytes_max = rng.magnitude(1, 20_000);
    limits.memory_bytes_max = rng.magnitude(64 << 10, 1 << 20);
    limits.batch_bytes_max = rng.magnitude(1, 20_000);
    limits.read_bytes_per_turn_max = rng.magnitude(1, 20_000);
    limits.requests_per_turn_max = rng.magnitude(1, 64);
    limits.visits_per_turn_max = rng.magnitude(1, 64);
    limits.resumptions_per_turn_max = rng.magnitude(1, 64);
}

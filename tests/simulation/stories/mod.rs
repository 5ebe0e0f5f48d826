//! Stories: named scripts, each with the transcript of what happened as golden text.
//!
//! A transcript has virtual seconds, the peers' side (`peer 0 hears 200`) and the application's (`app 0.0: Begin`, for the first
//! request of peer 0). When behaviour changes on purpose, read the new transcript as critically as the code, then paste it.
//! The oracles judge every story as well, and nothing may be left at its end.
//!
//! Next: `lives.rs`, then `departures.rs`, `bodies.rs`, `breaks.rs`, `channels.rs`, `returns.rs`, `polls.rs`, `pressure.rs`,
//! `memory.rs`, `limits.rs`, `shutdowns.rs`; then `crowd.rs`, `storms.rs`.

mod bodies;
mod bounds;
mod breaks;
mod channels;
mod departures;
mod limits;
mod lives;
mod memory;
mod polls;
mod pressure;
mod returns;
mod shares;
mod shutdowns;

use std::time::Duration;

use encke::{Limits, Message};

use crate::crowd::Crowd;
use crate::history::{Fact, OUTSIDE};
use crate::oracle;
use crate::script::{Ask, Step};
use crate::shape::Shape;
use crate::world::{Poll, World};

/// A calm world with these limits.
fn world(adjust: impl FnOnce(&mut Limits)) -> World {
    let mut limits = Limits::default();
    adjust(&mut limits);
    World::new(limits, Poll::Calm, 1)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A peer with a good link that connects at once.
fn guest(world: &mut World, script: Vec<Step>) -> usize {
    world.peer_at(ms(0), Shape::CALM, script)
}

/// Publishes messages to `news`, at these milliseconds.
fn publish(world: &mut World, times: &[u64]) {
    times.iter().for_each(|&time| publish_to(world, "news", time, format!("at-{time}")));
}

/// Publishes a message, at this millisecond.
fn publish_to(world: &mut World, channel: &'static str, time: u64, data: String) {
    world.deed_at(ms(time), move |engine, now| {
        engine.run(now, |app, core| {
            let oldest = core.hub().info(channel).and_then(|info| info.oldest).map(|id| id.seq);
            let published = core.publish(channel, Message::new(&data)).expect("a good name");
            let (channel, seq, key) = (channel.to_owned(), published.id.seq, String::new());
            app.log.borrow_mut().note(OUTSIDE, Fact::Published { channel, seq, data, key, oldest });
        });
    });
}

fn get(query: &str) -> Step {
    Step::Ask(Ask::get(query))
}

/// Runs the world to its end and compares what happened with the golden text.
#[track_caller]
fn tells(world: World, golden: &str) {
    tells_of(Crowd::default(), world, golden);
}

/// The same, with peers of whom more is known.
#[track_caller]
fn tells_of(crowd: Crowd, mut world: World, golden: &str) {
    world.run_until(Duration::from_secs(7200)).expect("a world that comes to its end");
    let transcript = world.log.borrow().transcript.join("\n");
    let told: Vec<&str> = transcript.lines().map(str::trim).collect();
    let expected: Vec<&str> = golden.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert!(told == expected, "it went otherwise:\n<<<\n{transcript}\n>>>");
    let limits = world.engine.core().limits();
    oracle::judge(&world.log.borrow(), &world.heard(), &crowd, limits).expect("the law of events");
    oracle::leftovers(&world.engine).expect("an empty house");
    assert_eq!(world.faults(), [""; 0], "what a transport does not bear");
}

//! Stories: named scripts, each with the transcript of what happened as golden text.
//!
//! A transcript has virtual seconds, the peers' side (`peer 0 hears 200`) and the application's (`app 0.0: Begin`, for the first
//! request of peer 0). When behaviour changes on purpose, read the new transcript as critically as the code, then paste it.
//! The oracles judge every story as well, and nothing may be left at its end.
//!
//! Next: `lives.rs`, then `departures.rs`, `bodies.rs`, `breaks.rs`, `channels.rs`, `limits.rs`, `shutdowns.rs`; then `crowd.rs`, `storms.rs`.

mod bodies;
mod bounds;
mod breaks;
mod channels;
mod departures;
mod limits;
mod lives;
mod shares;
mod shutdowns;

use std::time::Duration;

use encke::Limits;

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

fn get(query: &str) -> Step {
    Step::Ask(Ask::get(query))
}

/// Runs the world to its end and compares what happened with the golden text.
#[track_caller]
fn tells(mut world: World, golden: &str) {
    world.run_until(Duration::from_secs(7200)).expect("a world that comes to its end");
    let transcript = world.log.borrow().transcript.join("\n");
    let told: Vec<&str> = transcript.lines().map(str::trim).collect();
    let expected: Vec<&str> = golden.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert!(told == expected, "it went otherwise:\n<<<\n{transcript}\n>>>");
    let entries = world.log.borrow().entries.clone();
    oracle::judge(&entries, &world.heard(), &[]).expect("the law of events");
    oracle::leftovers(&world.engine).expect("an empty house");
    assert_eq!(world.faults(), [""; 0], "what a transport does not bear");
}

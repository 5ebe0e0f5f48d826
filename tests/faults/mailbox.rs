//! Threads that post faster than the loop can work: the mailbox is bounded and gives back what it has no room for, all that it took is
//! carried out once, and peers are served meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use encke::{Core, Limits, PostError, Remote};

use crate::embedder::{Embedder, Unruly};
use crate::machine::{KIB, MIB, pause, user_bytes};
use crate::support::{Peer, get};
use crate::visitor::{Side, compare, floor, paced};
use crate::{Form, alone, tell};

/// Threads that post: more of them would measure the machine's scheduler.
const POSTERS: usize = 2;

/// How many commands may wait.
const COMMANDS_MAX: usize = 10_000;

/// After which a command that was given back is posted again.
const MOMENT: Duration = Duration::from_millis(20);

#[derive(Default)]
struct Flood {
    is_over: AtomicBool,
    taken: AtomicU64,
    given_back: AtomicU64,
    carried_out: AtomicU64,
}

/// Fills the mailbox again and again until it is over: posts until a command is given back, and that one a moment later.
fn post(flood: &Arc<Flood>, remote: Remote<Unruly>) -> JoinHandle<()> {
    let flood = Arc::clone(flood);
    spawn(move || {
        while !flood.is_over.load(Ordering::Relaxed) {
            let done = Arc::clone(&flood);
            let mut command = move |_: &mut Unruly, _: &mut Core| {
                done.carried_out.fetch_add(1, Ordering::Relaxed);
            };
            while let Err(refusal) = remote.post(command) {
                let PostError::Full(back) = refusal else { panic!("the loop has ended") };
                flood.given_back.fetch_add(1, Ordering::Relaxed);
                if flood.is_over.load(Ordering::Relaxed) {
                    return;
                }
                // It waits as a program does that got its command back. Who tried without a pause would measure how processors are shared.
                pause(MOMENT);
                command = back;
            }
            flood.taken.fetch_add(1, Ordering::Relaxed);
        }
    })
}

#[test]
fn a_flooded_mailbox_gives_back_what_it_has_no_room_for_and_peers_are_served() {
    let _alone = alone();
    let duration = Form::of_this_run().pick(Duration::from_millis(500), Duration::from_secs(5));
    let embedder = Embedder::start(Limits { commands_max: COMMANDS_MAX, ..Limits::default() });
    let flood = Arc::new(Flood::default());
    let visit = || {
        let mut peer = Peer::ask(embedder.address, &get("/", ""));
        peer.until("ok\n");
        peer.reset();
    };
    let before = user_bytes(std::process::id());
    let mut most = 0;
    let (quiet, flooded) = compare(floor(), |side| {
        if side == Side::Peace {
            return paced(duration, visit);
        }
        flood.is_over.store(false, Ordering::Relaxed);
        let posters: Vec<_> = (0..POSTERS).map(|_| post(&flood, embedder.remote.clone())).collect();
        let latencies = paced(duration, || {
            visit();
            most = most.max(user_bytes(std::process::id()));
        });
        flood.is_over.store(true, Ordering::Relaxed);
        posters.into_iter().for_each(|poster| poster.join().expect("the loop goes on"));
        latencies
    });
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (taken, given_back) = (count(&flood.taken), count(&flood.given_back));
    // Commands are carried out in their order, so the answer to a question comes behind all of them.
    while embedder.remote.post(|_, _| {}).is_err() {
        std::thread::yield_now();
    }
    embedder.counters();
    assert_eq!(count(&flood.carried_out), taken, "each that was taken is carried out, once");
    assert!(given_back > 0, "the flood is larger than the mailbox");
    let grown = most.saturating_sub(before);
    assert!(grown < COMMANDS_MAX * KIB + 4 * MIB, "this process grew by {grown} bytes");
    tell(
        "a flooded mailbox",
        format_args!(
            "{taken} commands of {POSTERS} threads carried out, {given_back} given back; p99 {:.1?} with and {:.1?} without them; this process \
             grew by {} KiB",
            flooded.p99,
            quiet.p99,
            grown / KIB
        ),
    );
}

//! Commands from other threads: bounded, in order, and one wake for a burst.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use encke::engine::{Moved, Transport};
use encke::time::Now;
use encke::{Engine, Limits, PostError, WriteError};

use crate::support::{PATIENCE, get};
use crate::{Actor, Host};

#[test]
fn a_full_mailbox_gives_the_command_back_and_takes_it_later() {
    let mut host = Host::with(Limits { commands_max: 3, ..Limits::default() });
    let remote = host.reactor.remote();
    let carried_out = Arc::new(AtomicUsize::new(0));
    let command = |number: usize| {
        let carried_out = Arc::clone(&carried_out);
        // Each is carried out as the next of all, so their order is kept.
        move |_: &mut Actor, _: &mut encke::Core| {
            assert_eq!(carried_out.fetch_add(1, Ordering::SeqCst), number);
        }
    };
    for number in 0..3 {
        remote.post(command(number)).expect("there is room");
    }
    let Err(PostError::Full(back)) = remote.post(command(3)) else { panic!("a fourth command was taken") };
    assert_eq!(carried_out.load(Ordering::SeqCst), 0, "nothing happens before the engine's turn");
    host.settle();
    assert_eq!(carried_out.load(Ordering::SeqCst), 3);
    remote.post(back).expect("there is room again");
    host.settle();
    assert_eq!(carried_out.load(Ordering::SeqCst), 4);
    assert_eq!(host.reactor.engine().core().counters().panics, 0);
}

#[test]
fn a_turn_carries_out_its_share_and_the_next_one_the_rest() {
    let mut host = Host::with(Limits { commands_per_turn_max: 10, ..Limits::default() });
    host.settle();
    let done = Arc::new(AtomicUsize::new(0));
    for _ in 0..25 {
        let done = Arc::clone(&done);
        let count = move |_: &mut Actor, _: &mut encke::Core| {
            done.fetch_add(1, Ordering::SeqCst);
        };
        host.reactor.remote().post(count).expect("there is room");
    }
    for expected in [10, 20, 25] {
        assert!(host.reactor.next_deadline().is_some_and(|due| due <= Instant::now()));
        host.reactor.turn(Some(Duration::ZERO)).expect("the poll works");
        assert_eq!(done.load(Ordering::SeqCst), expected);
    }
}

#[test]
fn a_command_that_panics_costs_nobody_else_anything() {
    let mut host = Host::new();
    let remote = host.reactor.remote();
    remote.post(|_, _| panic!("as the test wished")).expect("there is room");
    remote.post(|_, core| core.set_alarm(3, Duration::ZERO)).expect("there is room");
    host.until(|host| host.notes.borrow().alarms == [3]);
    assert_eq!(host.reactor.engine().core().counters().panics, 1);
}

#[test]
fn a_post_wakes_a_turn_that_waits_for_ever() {
    let mut host = Host::new();
    host.settle();
    let remote = host.reactor.remote();
    let poster = std::thread::spawn(move || remote.post(|_, core| core.set_alarm(1, Duration::ZERO)).is_ok());
    let begun = Instant::now();
    while host.notes.borrow().alarms.is_empty() {
        host.reactor.turn(Some(PATIENCE)).expect("the poll works");
    }
    assert!(begun.elapsed() < PATIENCE);
    assert!(poster.join().expect("it ends"));
}

#[test]
fn what_is_posted_while_commands_are_carried_out_is_not_forgotten() {
    let mut host = Host::new();
    host.settle();
    let (remote, other) = (host.reactor.remote(), host.reactor.remote());
    let first = move |_: &mut Actor, _: &mut encke::Core| {
        // Another thread posts just now, and is done before this command is.
        let poster =
            std::thread::spawn(move || other.post(|_, core| core.set_alarm(4, Duration::ZERO)).is_ok());
        assert!(poster.join().expect("it ends"));
    };
    remote.post(first).expect("there is room");
    host.settle();
    assert_eq!(host.notes.borrow().alarms, [4], "a turn would have slept although a command waited");
}

#[test]
fn the_bound_holds_for_handles_too() {
    let mut host = Host::with(Limits { commands_max: 2, ..Limits::default() });
    let mut peer = host.ask(&get("/stream", ""));
    host.until_event("Read(Done)");
    let handle = host.handle();
    assert_eq!(
        [handle.write("a"), handle.write("b"), handle.write("c")],
        [Ok(()), Ok(()), Err(WriteError::Full)]
    );
    assert!(handle.is_open());
    host.settle();
    assert_eq!(handle.write("d"), Ok(()));
    host.settle();
    peer.until("1\r\na\r\n1\r\nb\r\n1\r\nd\r\n");
}

#[test]
fn what_is_under_way_to_one_exchange_is_bounded_in_bytes() {
    let mut host = Host::with(Limits { output_bytes_max: 1000, ..Limits::default() });
    let mut peer = host.ask(&get("/stream", ""));
    host.until_event("Read(Done)");
    let handle = host.handle();
    assert_eq!(handle.write(vec![b'x'; 5000]), Ok(()), "one that is larger goes alone");
    assert_eq!(handle.write("y"), Err(WriteError::Full));
    host.settle();
    assert_eq!(handle.write("y"), Ok(()));
    host.settle();
    peer.until("xx\r\n1\r\ny\r\n");
}

/// A transport that nobody opens.
struct Nothing;

impl Transport for Nothing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<Moved> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn write(&mut self, _: &[u8]) -> io::Result<Moved> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_burst_of_posts_wakes_once_and_the_next_burst_again() {
    let actor = Actor(std::rc::Rc::default());
    let mut engine: Engine<Nothing, Actor> =
        Engine::new(actor, Limits::default(), 1, Now::default()).expect("limits that work");
    let wakes = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&wakes);
    engine.set_waker(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let remote = engine.remote();
    for burst in 1..=3 {
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let remote = remote.clone();
                std::thread::spawn(move || {
                    (0..500).for_each(|_| remote.post(|_, _| {}).expect("there is room"));
                })
            })
            .collect();
        senders.into_iter().for_each(|sender| sender.join().expect("it ends"));
        assert_eq!(wakes.load(Ordering::SeqCst), burst, "2,000 posts, one wake");
        while engine.next_deadline().is_some() {
            engine.turn(Now::default());
        }
    }
}

#[test]
fn a_remote_tells_that_its_engine_is_gone() {
    let host = Host::new();
    let remote = host.reactor.remote();
    assert!(!remote.is_closed());
    drop(host);
    assert!(remote.is_closed());
    assert!(matches!(remote.post(|_, _| {}), Err(PostError::Closed(_))));
}

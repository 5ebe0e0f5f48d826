//! The reactor's descriptor in another poll, whichever way that one watches.
#![cfg(target_os = "linux")]

use std::time::{Duration, Instant};

use encke::Limits;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Host;
use crate::support::{PATIENCE, Peer, get};

const NOT_AT_ALL: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Whether the reactor's descriptor can be read.
fn is_readable(host: &Host) -> bool {
    let mut watched = [PollFd::new(&host.reactor, PollFlags::IN)];
    poll(&mut watched, Some(&NOT_AT_ALL)).expect("a poll") > 0
}

/// Has turns until there is nothing to do and nothing to be told: a new socket, for instance, tells that it can be written to.
#[track_caller]
fn rest(host: &mut Host) {
    host.settle();
    host.until(|host| !is_readable(host));
}

#[test]
fn the_descriptor_is_readable_when_there_is_something_to_do_and_not_before() {
    let mut host = Host::new();
    rest(&mut host);
    let mut peer = host.connect();
    assert!(is_readable(&host), "somebody waits at the door");
    rest(&mut host);
    peer.send(&get("/silent", ""));
    assert!(is_readable(&host), "there is something to read");
    host.until_event("Read(Done)");
    rest(&mut host);
    host.handle().write("Hello").expect("open");
    assert!(is_readable(&host), "another thread has posted something");
    rest(&mut host);
    peer.until("5\r\nHello\r\n");
    drop(peer);
    assert!(is_readable(&host), "the peer is gone");
    host.until_event("End(Failed)");
    rest(&mut host);
}

/// An epoll of a host's, which watches the reactor.
fn watch(host: &Host, how: EventFlags) -> OwnedFd {
    let outer = epoll::create(CreateFlags::CLOEXEC).expect("a descriptor is left");
    epoll::add(&outer, &host.reactor, EventData::new_u64(1), how).expect("an epoll can be watched");
    outer
}

/// Serves by the two facts that a loop has, the descriptor and the deadline, until `is_so`.
fn drive(host: &mut Host, outer: &OwnedFd, is_so: impl Fn(&Host) -> bool) {
    while !is_so(host) {
        let due = host.reactor.next_deadline();
        let wait = due.map_or(PATIENCE, |due| due.saturating_duration_since(Instant::now())).min(PATIENCE);
        let wait = Timespec::try_from(wait).expect("a short wait");
        let mut events = Vec::with_capacity(4);
        epoll::wait(outer, spare_capacity(&mut events), Some(&wait)).expect("an epoll");
        let is_due = due.is_some_and(|due| due <= Instant::now());
        assert!(is_due || !events.is_empty(), "the loop sleeps though there is something to do");
        host.reactor.turn(Some(Duration::ZERO)).expect("the poll works");
    }
}

/// More connections than the reactor takes events at once, all with something to read in the same moment.
fn serve_a_crowd(how: EventFlags) {
    const CROWD: usize = 1_100;
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard }).expect("up to the hard limit");
    // No timer comes to the rescue of a loop that has missed something.
    let hour = Duration::from_secs(3600);
    let waits =
        Limits { head_timeout: hour, keep_alive_timeout: hour, comet_timeout: hour, ..Limits::default() };
    let mut host = Host::with(Limits { accepts_per_turn_max: 50, ..waits });
    let outer = watch(&host, how);
    let mut peers: Vec<Peer> = (0..CROWD).map(|_| host.connect()).collect();
    drive(&mut host, &outer, |host| host.connections() == CROWD);
    peers.iter_mut().for_each(|peer| peer.send(&get("/", "")));
    drive(&mut host, &outer, |host| {
        host.reactor.engine().core().counters().exchanges == CROWD as u64
            && host.reactor.engine().core().exchanges() == 0
    });
    peers.iter_mut().for_each(|peer| assert!(peer.until("ok\n").starts_with("HTTP/1.1 200 ")));
    drop(peers);
    drive(&mut host, &outer, |host| host.connections() == 0);
}

#[test]
fn a_loop_that_watches_level_triggered_serves_a_crowd() {
    serve_a_crowd(EventFlags::IN);
}

#[test]
fn a_loop_that_watches_edge_triggered_serves_a_crowd() {
    serve_a_crowd(EventFlags::IN | EventFlags::ET);
}

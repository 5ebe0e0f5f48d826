//! A process that has no descriptor left: accepting pauses, costs no time meanwhile, and goes on by itself.
//!
//! Alone in its process, because the limit is the process's.

#![cfg(unix)]

use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use encke::{Limits, Reactor, testing::OnEvent};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many files this process may have open from now on.
#[track_caller]
fn allow(files: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum }).expect("below the hard limit");
}

#[test]
fn accepting_without_descriptors_pauses_and_does_not_spin() {
    let mut reactor = Reactor::bind("127.0.0.1:0", OnEvent(|_, _| {}), Limits::default()).expect("a port");
    let address = reactor.local_addr().expect("it listens");
    let peers: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(address).expect("it listens")).collect();
    // A new descriptor is the lowest that is free, so everything up to the newest is in use.
    let in_use = peers.iter().map(AsRawFd::as_raw_fd).max().expect("there are peers") as u64 + 1;
    let before = getrlimit(Resource::Nofile).current.expect("a limit");

    allow(in_use);
    let (begun, mut turns) = (Instant::now(), 0);
    // Half a second, or longer where the machine is so busy that one turn has taken that.
    while begun.elapsed() < Duration::from_millis(500) || turns < 2 && begun.elapsed() < PATIENCE {
        reactor.turn(Some(Duration::from_millis(100))).expect("the poll works");
        turns += 1;
    }
    assert_eq!(reactor.engine().core().connections(), 0, "there was no descriptor for anybody");
    assert!(turns <= 50, "{turns} turns in half a second or so, to find out each time that there is none");
    assert!(turns >= 2, "{turns} turns: nobody else was served meanwhile");

    // Nobody who waited is lost, and nothing but time need tell that there is room again.
    allow(before);
    let begun = Instant::now();
    while reactor.engine().core().connections() < peers.len() {
        assert!(begun.elapsed() < PATIENCE, "{} are in", reactor.engine().core().connections());
        reactor.turn(None).expect("the poll works");
    }
}

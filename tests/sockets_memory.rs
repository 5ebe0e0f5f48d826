//! What ten thousand idle subscribers cost the `encke` command, as the kernel counts it: the ledger's figure, found from outside.
//!
//! The server's own memory is what its process has written to (`Anonymous` in `/proc/PID/smaps_rollup`), so spare room that was never
//! touched is not in it and whatever an allocator wastes is. The kernel's memory is told apart and held to no budget: it is the whole
//! machine's, and the peers' ends of the connections are on this machine too.
//!
//! `cargo test --test sockets_memory -- --nocapture` prints the figures.
//!
//! Always holds: this binary has one test, as a second one would open connections meanwhile.

#![cfg(target_os = "linux")]

mod support;

use std::net::Ipv4Addr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{Peer, Server, get, number, publish};

const SUBSCRIBERS: usize = 10_000;
/// The most bytes that one of them may cost the server.
const BYTES_MAX: usize = 256;
/// What a crowd that was scaled down may cost besides, however many it has: tables leave holes in the heap while they are small.
const HOLES_MAX: usize = 256 * 1024;
/// How many connect before the first of them is waited for: fewer than the listener's backlog on any machine.
const STORM: usize = 100;
/// Subscribers from one source address.
const PER_ADDRESS: usize = 2_500;

/// As many as there are descriptors for, in this process and in the server's.
fn subscribers() -> usize {
    const OTHERS: usize = 64;
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard })
        .expect("the soft limit may be raised");
    let allowed = getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| limit as usize);
    let count = SUBSCRIBERS.min(allowed.saturating_sub(OTHERS));
    if count < SUBSCRIBERS {
        println!(
            "{allowed} open files are allowed (ulimit -Hn), so {count} subscribers stand for {SUBSCRIBERS}"
        );
    }
    assert!(count >= 500, "{allowed} open files are too few for a figure: raise ulimit -Hn to {SUBSCRIBERS}");
    count
}

/// Bytes of memory that the server alone has written to.
fn user_bytes(server: &Server) -> usize {
    number(&format!("/proc/{}/smaps_rollup", server.id()), "Anonymous:", "Anonymous:") * 1024
}

/// What the kernel holds on the whole machine: pages of sockets' buffers, and its objects that cannot be reclaimed, among them sockets.
fn kernel_bytes() -> [usize; 2] {
    const PAGE: usize = 4096;
    let buffers = number("/proc/net/sockstat", "TCP:", "mem") * PAGE;
    [buffers, number("/proc/meminfo", "SUnreclaim:", "SUnreclaim:") * 1024]
}

/// Connects so many subscribers, and waits until each has its head and first block.
fn subscribe(server: &Server, count: usize) -> Vec<Peer> {
    let mut peers: Vec<Peer> = Vec::with_capacity(count);
    while peers.len() < count {
        let begun = peers.len();
        for index in begun..count.min(begun + STORM) {
            let source = Ipv4Addr::new(127, 0, 0, 2 + (index / PER_ADDRESS) as u8);
            let mut peer = Peer::connect_from(source, server.address);
            peer.send(&get("/channels/news?mode=sse", ""));
            peers.push(peer);
        }
        for peer in &mut peers[begun..] {
            peer.until("\r\n\r\n");
            peer.until("\n\n\r\n");
        }
    }
    peers
}

#[test]
fn an_idle_subscriber_costs_the_server_less_than_256_bytes() {
    let count = subscribers();
    let server = Server::start(&["--heartbeat", "0"]);
    // Whatever is there once for everybody is there from now on.
    publish(server.address, "news", "first");
    drop(subscribe(&server, 1));

    let (user, kernel) = (user_bytes(&server), kernel_bytes());
    let mut peers = subscribe(&server, count);
    let each = |after: usize, before: usize| (after as f64 - before as f64) / count as f64;
    let found = each(user_bytes(&server), user);
    let [buffers, objects] = kernel_bytes();
    let bytes_max = if count < SUBSCRIBERS { BYTES_MAX + HOLES_MAX / count } else { BYTES_MAX };
    println!("{count} idle SSE subscribers, bytes for each");
    println!("{found:>10.1}  the server's memory (smaps_rollup, Anonymous); at most {bytes_max}");
    println!("{:>10.1}  the kernel's socket buffers (sockstat, mem)", each(buffers, kernel[0]));
    println!("{:>10.1}  the kernel's objects, both ends (meminfo, SUnreclaim)", each(objects, kernel[1]));
    assert!(found <= bytes_max as f64, "{found:.1} bytes for each of {count} idle subscribers");

    let answer = publish(server.address, "news", "all of you");
    assert!(answer.contains(&format!("\"subscribers\":{count}")), "{answer}");
    peers.iter_mut().for_each(|peer| drop(peer.until("all of you")));
    // A plain close would keep ten thousand ports in TIME-WAIT for a minute, and the kernel of the next run busy looking for others.
    peers.into_iter().for_each(Peer::reset);
}

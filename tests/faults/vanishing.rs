//! Peers that vanish: the cable is out, or the machine is without power. There is no FIN and no reset, ever; only silence.
//!
//! The peers' ends are in a network namespace, behind a link that is taken down. The server finds them by what it sends: a heartbeat at the
//! latest, which nobody acknowledges. So whoever vanished is reported within the heartbeat, the write timeout, and the second that the
//! kernel is given longer than the engine (`TCP_USER_TIMEOUT`).
//!
//! A namespace is made by root alone, with `ip` (of iproute2). Without either the test fails and says so: nothing else takes a link down.
//!
//! Next: `main.rs`.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::support::{PATIENCE, Peer, Server, get, publish};
use crate::{Form, alone, tell};

/// What the kernel is given beyond the write timeout, and what a busy machine may add.
const KERNEL_LONGER: Duration = Duration::from_secs(1);
const MACHINE_LATE: Duration = Duration::from_secs(3);
/// The hardware address of the link's far end, one of those that everybody may use.
const FAR: &str = "02:00:00:00:00:01";
/// Subscribers who stay.
const HEALTHY: usize = 5;

/// Runs `ip`, which has to succeed.
#[track_caller]
fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output();
    let output = output.unwrap_or_else(|error| panic!("ip: {error}; it is in the package iproute2"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {said}");
}

/// A network namespace behind a link, and both go with this value, on every way out of a test.
struct Elsewhere {
    name: String,
    /// The end of the link on this side.
    link: String,
    /// This side's address.
    here: Ipv4Addr,
}

impl Elsewhere {
    #[track_caller]
    fn new() -> Elsewhere {
        assert!(
            geteuid().is_root(),
            "this test takes a link down in a network namespace, which only root can: run it as root"
        );
        let process = std::process::id();
        // Of the addresses that are set aside for measuring (RFC 2544), four that another run does not have.
        let [_, _, third, fourth] = process.to_be_bytes();
        let here = Ipv4Addr::new(198, 18 + (fourth >> 7), third, (fourth << 1 & 0xfc) | 1);
        let there = Ipv4Addr::from(u32::from(here) + 1);
        let elsewhere = Elsewhere { name: format!("encke-{process}"), link: format!("encke{process}"), here };
        let (name, link) = (&elsewhere.name, &elsewhere.link);
        ip(&format!("netns add {name}"));
        ip(&format!("link add {link} type veth peer name far netns {name}"));
        ip(&format!("address add {here}/30 dev {link}"));
        ip(&format!("link set {link} up"));
        ip(&format!("-netns {name} address add {there}/30 dev far"));
        // Its hardware address is set and stays known, as a router's would that is still there: the peer is silent, and nobody says so.
        ip(&format!("-netns {name} link set far address {FAR} up"));
        ip(&format!("neighbor add {there} lladdr {FAR} nud permanent dev {link}"));
        elsewhere
    }

    /// Subscribers from there, in the modes that have a heartbeat.
    fn subscribe(&self, server: SocketAddr, count: usize) -> Vec<Peer> {
        let namespace = File::open(format!("/run/netns/{}", self.name)).expect("it has a name");
        // A thread may be in a namespace of its own, and its sockets stay there.
        let subscribe = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may");
            (0..count).map(|number| subscriber(server, number)).collect()
        };
        std::thread::spawn(subscribe).join().expect("they subscribe")
    }

    /// From now on nothing goes through.
    fn vanish(&self) -> Instant {
        ip(&format!("-netns {} link set far down", self.name));
        Instant::now()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // A namespace lives for as long as sockets are in it, so the link is taken away by itself.
        let _ = Command::new("ip").args(["link", "delete", &self.link]).output();
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).output();
    }
}

fn subscriber(server: SocketAddr, number: usize) -> Peer {
    let mode = ["sse", "ndjson"][number % 2];
    let mut peer = Peer::ask(server, &get(&format!("/channels/news?mode={mode}"), ""));
    assert!(peer.until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
    peer
}

/// The waits of a server, in seconds.
struct Waits {
    heartbeat: u64,
    write: u64,
}

/// Lets peers vanish, and says when the first and the last of them were reported; `meanwhile` is done again and again.
fn vanish_and_wait(waits: &Waits, meanwhile: impl Fn(&Server)) -> (usize, Duration, Duration) {
    let count = Form::of_this_run().pick(100, 1_000);
    let elsewhere = Elsewhere::new();
    let (heartbeat, write) = (format!("{}s", waits.heartbeat), format!("{}s", waits.write));
    let address = format!("{}:0", elsewhere.here);
    let server =
        Server::start_at(&address, &["--open", "--heartbeat", &heartbeat, "--write-timeout", &write]);
    let vanishing = elsewhere.subscribe(server.address, count);
    let mut healthy: Vec<Peer> = (0..HEALTHY).map(|number| subscriber(server.address, number)).collect();
    let subscribers = || server.metric("encke_subscribers") as usize;
    assert_eq!(subscribers(), count + HEALTHY);

    let begun = elsewhere.vanish();
    let patience = Duration::from_secs(waits.heartbeat + waits.write) + PATIENCE;
    let mut first = None;
    loop {
        meanwhile(&server);
        let left = subscribers();
        if left < count + HEALTHY && first.is_none() {
            first = Some(begun.elapsed());
        }
        if left <= HEALTHY {
            assert_eq!(left, HEALTHY, "somebody was cut who is there");
            break;
        }
        assert!(begun.elapsed() < patience, "{left} subscribers are left, {count} have vanished");
    }
    let last = begun.elapsed();
    publish(server.address, "news", "who is there?");
    healthy.iter_mut().for_each(|peer| drop(peer.until("who is there?")));
    // Until here their sockets are open: nothing but the silence told of them.
    drop(vanishing);
    (count, first.unwrap_or(last), last)
}

#[test]
fn peers_who_vanish_without_a_word_are_found_by_the_heartbeat() {
    let _alone = alone();
    let form = Form::of_this_run();
    let waits = Waits { heartbeat: form.pick(1, 15), write: form.pick(2, 30) };
    let (count, first, last) = vanish_and_wait(&waits, |_| {});
    let bound = Duration::from_secs(waits.heartbeat + waits.write) + KERNEL_LONGER;
    tell(
        "vanished",
        format_args!(
            "{count} quiet subscribers behind a link that went down, heartbeat {} s and write timeout {} s: reported after {first:.1?} to \
             {last:.1?}, at most {bound:?} was promised; {HEALTHY} others heard on",
            waits.heartbeat, waits.write
        ),
    );
    assert!(last <= bound + MACHINE_LATE, "the last was reported after {last:?}");
}

#[test]
fn peers_who_vanish_while_messages_are_sent_to_them_are_found_by_those() {
    let _alone = alone();
    let form = Form::of_this_run();
    // The heartbeat is too rare to find anybody.
    let waits = Waits { heartbeat: 600, write: form.pick(2, 30) };
    let (count, first, last) =
        vanish_and_wait(&waits, |server| drop(publish(server.address, "news", "news")));
    let bound = Duration::from_secs(waits.write) + KERNEL_LONGER;
    tell(
        "vanished in a fan-out",
        format_args!(
            "{count} subscribers behind a link that went down while messages came, write timeout {} s: reported after {first:.1?} to \
             {last:.1?}, at most {bound:?} was promised; {HEALTHY} others heard on",
            waits.write
        ),
    );
    assert!(last <= bound + MACHINE_LATE, "the last was reported after {last:?}");
}

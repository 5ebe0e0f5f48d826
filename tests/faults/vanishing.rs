//! Peers that vanish: the cable is out, or the machine is without power. There is no FIN and no reset, ever; only silence.
//!
//! The peers' ends are in a network namespace, behind a link that is taken down. The server finds them by what it sends: a heartbeat at the
//! latest, which nobody acknowledges. So whoever vanished is reported within the heartbeat, the write timeout, and the second that the
//! kernel is given longer than the engine (`TCP_USER_TIMEOUT`).
//!
//! Each test runs once more as a child in namespaces of its own, of which it is root, so it takes no privilege where everybody may have a
//! user namespace, and whatever it makes there is gone with it, however it ends. It needs `unshare` (of util-linux) and `ip` (of iproute2); without
//! them, or where a system forbids namespaces, it fails and says so: nothing else takes a link down.
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

/// Set for the child that has a network of its own.
const APART: &str = "ENCKE_FAULTS_APART";

/// Makes a network and a place for the names of others, and then becomes the command behind.
const MAKE: &str = r#"mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@""#;

/// Runs this test as a child with a network of its own, and says what that says; true in the child, where it is to be carried out.
#[track_caller]
fn is_apart(test: &str) -> bool {
    if std::env::var_os(APART).is_some() {
        return true;
    }
    let mut command = Command::new("unshare");
    if !geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let program = std::env::current_exe().expect("it runs");
    command.args(["--mount", "--net", "sh", "-c", MAKE, "sh"]).arg(program);
    command.args(["--exact", test, "--nocapture"]).env(APART, "yes");
    let output = command.output().unwrap_or_else(|error| panic!("unshare: {error}; it is in util-linux"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "a network of its own takes root, or a system that lets everybody have a user namespace:\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let figures = said.lines().filter_map(|line| line.find("vanished").map(|at| &line[at..]));
    figures.for_each(|line| println!("{line}"));
    false
}

/// A network namespace behind a link.
struct Elsewhere;

/// The addresses of the link's ends, of those that are set aside for measuring (RFC 2544).
const HERE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);

impl Elsewhere {
    #[track_caller]
    fn new() -> Elsewhere {
        ip("netns add elsewhere");
        ip("link add near type veth peer name far netns elsewhere");
        ip(&format!("address add {HERE}/30 dev near"));
        ip("link set near up");
        ip(&format!("-netns elsewhere address add {THERE}/30 dev far"));
        // Its hardware address is set and stays known, as a router's would that is still there: the peer is silent, and nobody says so.
        ip(&format!("-netns elsewhere link set far address {FAR} up"));
        ip(&format!("neighbor add {THERE} lladdr {FAR} nud permanent dev near"));
        Elsewhere
    }

    /// Subscribers from there, in the modes that have a heartbeat.
    fn subscribe(&self, server: SocketAddr, count: usize) -> Vec<Peer> {
        let namespace = File::open("/run/netns/elsewhere").expect("it has a name");
        // A thread may be in a namespace of its own, and its sockets stay there.
        let subscribe = move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).expect("root may");
            (0..count).map(|number| subscriber(server, number)).collect()
        };
        std::thread::spawn(subscribe).join().expect("they subscribe")
    }

    /// From now on nothing goes through.
    fn vanish(&self) -> Instant {
        ip("-netns elsewhere link set far down");
        Instant::now()
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
    let address = format!("{HERE}:0");
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
    if !is_apart("vanishing::peers_who_vanish_without_a_word_are_found_by_the_heartbeat") {
        return;
    }
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
    if !is_apart("vanishing::peers_who_vanish_while_messages_are_sent_to_them_are_found_by_those") {
        return;
    }
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

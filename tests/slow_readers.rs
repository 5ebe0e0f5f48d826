//! Readers who stop beside readers who read, over real sockets: the healthy lose nothing, memory stays within its bound, the dead are
//! cut, and come back to what they missed or are told.
//!
//! The simulator holds the same over hostile links; here the kernel's buffers are real.

mod support;

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

use support::{PATIENCE, Peer, Server, get, id_of, publish};

const DEAD: usize = 50;
const HEALTHY: usize = 100;
const MESSAGES: usize = 400;
/// 8 KiB with its number in front.
const MESSAGE_BYTES: usize = 8 * 1024;

/// Reads an event stream to the last message, and says of each message its number, and how many notices of a gap came.
fn read_to_the_last(
    address: SocketAddr,
    ready: std::sync::mpsc::Sender<()>,
) -> JoinHandle<(Vec<usize>, usize)> {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    spawn(move || {
        use std::io::Write;
        stream.write_all(get("/channels/news?mode=sse", "").as_bytes()).expect("the server reads");
        let (mut seen, mut numbers, mut gaps) = (Vec::new(), Vec::new(), 0);
        let mut buffer = vec![0; 64 * 1024];
        let mut has_begun = false;
        loop {
            let count = stream.read(&mut buffer).expect("a healthy reader is served");
            assert!(count > 0, "a healthy reader was cut");
            seen.extend_from_slice(&buffer[..count]);
            while let Some(end) = seen.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = seen.drain(..end + 2).collect();
                let block = String::from_utf8_lossy(&block);
                if !has_begun {
                    has_begun = true;
                    ready.send(()).expect("the test waits");
                }
                gaps += block.matches("event: encke-gap").count();
                if let Some(data) = block.lines().find_map(|line| line.strip_prefix("data: n")) {
                    numbers
                        .push(data.split('-').next().and_then(|text| text.parse().ok()).expect("a number"));
                }
                if numbers.last() == Some(&(MESSAGES - 1)) {
                    return (numbers, gaps);
                }
            }
        }
    })
}

/// The server's own memory, in bytes.
#[cfg(target_os = "linux")]
fn memory_of(server: &Server) -> usize {
    let text = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", server.id())).expect("a process");
    let line = text.lines().find(|line| line.starts_with("Anonymous:")).expect("what it has written to");
    line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).map_or(0, |kib: usize| kib * 1024)
}

#[cfg(not(target_os = "linux"))]
fn memory_of(_: &Server) -> usize {
    0
}

#[test]
fn the_healthy_lose_nothing_beside_readers_who_stop() {
    let server = Server::start(&["--write-timeout", "2s", "--memory", "16MiB"]);
    // They ask and never read again.
    let dead: Vec<Peer> =
        (0..DEAD).map(|_| Peer::ask(server.address, &get("/channels/news?mode=sse", ""))).collect();
    let (ready, readiness) = std::sync::mpsc::channel();
    let healthy: Vec<_> = (0..HEALTHY).map(|_| read_to_the_last(server.address, ready.clone())).collect();
    for _ in 0..HEALTHY {
        readiness.recv_timeout(PATIENCE).expect("a subscriber is served");
    }
    server.until_metric("encke_subscribers", (DEAD + HEALTHY) as f64);
    let before = memory_of(&server);
    let mut publisher = Peer::connect(server.address);
    let begun = Instant::now();
    let mut most = 0;
    for number in 0..MESSAGES {
        let text = format!("n{number}-{}", "x".repeat(MESSAGE_BYTES));
        let head = format!(
            "POST /channels/news HTTP/1.1\r\nHost: encke.test\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        publisher.send(&(head + &text));
        publisher.until("}\n");
        if number % 50 == 0 {
            most = most.max(memory_of(&server));
            assert!(server.metric("encke_memory_bytes") <= 16.0 * 1024.0 * 1024.0);
        }
    }
    let published_in = begun.elapsed();
    for reader in healthy {
        let (numbers, gaps) = reader.join().expect("a healthy reader ends well");
        assert!(
            numbers.iter().copied().eq(0..MESSAGES),
            "{} of {MESSAGES} messages, or in disorder",
            numbers.len()
        );
        assert_eq!(gaps, 0);
    }
    let grown = most.saturating_sub(before);
    println!("{MESSAGES} messages of 8 KiB in {published_in:?}, the server grew by {grown} bytes");
    assert!(grown < 24 * 1024 * 1024, "the server grew by {grown} bytes");
    server.until_metric("encke_cuts_total", DEAD as f64);
    assert_eq!(server.metric("encke_held_publishers"), 0.0);
    drop(dead);
}

#[test]
fn readers_who_never_read_hold_a_publisher_for_a_moment_and_not_for_ever() {
    let server = Server::start(&["--history-count", "4", "--grace", "500ms"]);
    let dead: Vec<Peer> =
        (0..3).map(|_| Peer::ask(server.address, &get("/channels/news?mode=ndjson", ""))).collect();
    server.until_metric("encke_subscribers", 3.0);
    let begun = Instant::now();
    // Enough to fill any kernel's buffers, and then the ring.
    for _ in 0..64 {
        publish(server.address, "news", &"x".repeat(512 * 1024));
    }
    // Grace ends once for each, and a channel has patience for half of any ten seconds at most.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(server.metric("encke_blocked_peers"), 3.0);
    drop(dead);
}

#[test]
fn whoever_was_cut_comes_back_to_what_is_held_and_is_told_of_the_rest() {
    let server = Server::start(&["--history-count", "8", "--write-timeout", "300ms"]);
    let mut reader = Peer::ask(server.address, &get("/channels/news?mode=sse", ""));
    reader.until("\n\n");
    let seen = id_of(&publish(server.address, "news", "seen"));
    reader.until("data: seen\n\n");
    for _ in 0..40 {
        publish(server.address, "news", &"x".repeat(512 * 1024));
    }
    server.until_metric("encke_cuts_total", 1.0);
    publish(server.address, "news", "last");
    let mut again =
        Peer::ask(server.address, &get("/channels/news?mode=sse", &format!("Last-Event-ID: {seen}\r\n")));
    assert!(again.until("\r\n\r\n").contains("Encke-Gap: true\r\n"));
    let told = again.until("data: last\n\n");
    assert!(told.find("event: encke-gap").expect("a notice") < told.find("data: xx").expect("what is held"));
}

#[test]
fn answers_that_nobody_reads_are_bounded_and_cost_nobody_their_history() {
    let server = Server::start(&["--memory", "16MiB", "--max-connections", "300"]);
    for number in 0..100 {
        publish(server.address, "news", &format!("{number}-{}", "x".repeat(10 * 1024)));
    }
    let held = server.metric("encke_messages");
    publish(server.address, "large", &"x".repeat(1024 * 1024));
    let ask = get("/channels/large?mode=poll&since=0-0", "");
    let deaf: Vec<Peer> = (0..200).map(|_| Peer::ask(server.address, &ask)).collect();
    server.until_metric("encke_requests_total", server.metric("encke_requests_total") + 1.0);
    assert!(server.metric("encke_memory_bytes") <= 16.0 * 1024.0 * 1024.0);
    assert!(memory_of(&server) < 40 * 1024 * 1024, "{} bytes", memory_of(&server));
    assert_eq!(server.metric("encke_messages"), held + 1.0, "what others published is still there");
    assert!(server.metric("encke_cuts_total") + server.metric("encke_connections_closed_total") > 100.0);
    // Who reads is served all the same.
    let mut reader = Peer::ask(server.address, &ask);
    assert!(reader.until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
    assert!(reader.until("]").len() > 1024 * 1024);
    drop(deaf);
}

#[test]
fn deaf_peers_do_not_keep_newcomers_out_where_idle_ones_would_give_way() {
    let server = Server::start(&["--max-connections", "100", "--memory", "64MiB"]);
    publish(server.address, "large", &"x".repeat(512 * 1024));
    let deaf: Vec<Peer> =
        (0..20).map(|_| Peer::ask(server.address, &get("/channels/large?mode=poll&since=0-0", ""))).collect();
    server.until_metric("encke_blocked_peers", 20.0);
    let mut idle: Vec<Peer> = (0..70).map(|_| Peer::ask(server.address, &get("/healthz", ""))).collect();
    idle.iter_mut().for_each(|peer| drop(peer.until("ok\n")));
    for _ in 0..40 {
        let mut newcomer = Peer::ask(server.address, &get("/healthz", ""));
        assert!(newcomer.until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
        idle.push(newcomer);
    }
    assert!(server.metric("encke_connections_evicted_total") > 0.0);
    drop((deaf, idle));
}

#[test]
fn a_shutdown_waits_for_a_slow_reader_and_a_stream_never_ends_whole_with_messages_missing() {
    let mut server = Server::start(&["--drain", "20s"]);
    let mut slow = Peer::ask(server.address, &get("/channels/news", ""));
    slow.until("\r\n\r\n");
    for number in 0..600 {
        publish(server.address, "news", &format!("n{number}-{}", "x".repeat(1_500)));
    }
    // It has read nothing of it so far, and the kernels' buffers do not hold it all.
    server.signal("TERM");
    let rest = slow.drain().expect("a clean end");
    assert!(rest.ends_with("\r\n0\r\n\r\n"), "the last chunk");
    let numbers =
        rest.lines().filter_map(|line| line.strip_prefix('n')?.split('-').next()?.parse::<usize>().ok());
    assert!(numbers.eq(0..600), "all of them");
    assert!(server.wait().success());
}

#[test]
fn at_the_end_of_a_shutdown_whoever_still_lacks_something_is_broken_off() {
    let mut server = Server::start(&["--drain", "300ms", "--history-bytes", "16MiB"]);
    let mut slow = Peer::ask(server.address, &get("/channels/news", ""));
    slow.until("\r\n\r\n");
    for _ in 0..40 {
        publish(server.address, "news", &"x".repeat(512 * 1024));
    }
    server.signal("TERM");
    assert!(server.wait().success());
    let rest = slow.drain();
    assert!(rest.is_err() || rest.is_ok_and(|rest| !rest.ends_with("0\r\n\r\n")), "it looks whole");
}

#[test]
fn a_stream_whose_peer_is_slow_is_not_silent() {
    let server =
        Server::start(&["--comet-timeout", "200ms", "--history-bytes", "16MiB", "--write-timeout", "20s"]);
    let mut slow = Peer::ask(server.address, &get("/channels/news", ""));
    slow.until("\r\n\r\n");
    for number in 0..24 {
        publish(server.address, "news", &format!("n{number}-{}", "x".repeat(512 * 1024)));
    }
    // Its comet timeout passes several times while it lacks most of them; then it reads, and the silence begins.
    slow.set_patience(Duration::from_millis(800));
    let mut quiet = Peer::ask(server.address, &get("/channels/quiet", ""));
    quiet.until("0\r\n\r\n");
    slow.set_patience(PATIENCE);
    for number in 0..24 {
        slow.until(&format!("n{number}-"));
    }
    slow.until("0\r\n\r\n");
}

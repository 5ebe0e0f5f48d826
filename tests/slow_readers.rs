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
    assert_eq!(server.metric("encke_blocked_subscribers"), 3.0);
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

//! `encke serve` as its users see it: a child process, real sockets, real signals.

mod support;

use std::process::Stdio;
use std::time::Instant;

use support::{PATIENCE, Peer, Server, encke, get, id_of, publish, refused};

#[test]
fn everybody_who_listens_gets_what_a_third_publishes() {
    let server = Server::start(&[]);
    let mut lines = Peer::ask(server.address, &get("/channels/news", ""));
    let mut events = Peer::ask(server.address, &get("/channels/news", "Accept: text/event-stream\r\n"));
    lines.until("\r\n\r\n");
    events.until("\n\n\r\n");
    let answer = publish(server.address, "news", "Hello");
    assert!(answer.ends_with(",\"subscribers\":2}\n"), "{answer}");
    assert_eq!(lines.until("\r\n6\r\nHello\n\r\n".trim_start()), "6\r\nHello\n\r\n");
    let event = events.until("data: Hello\n\n");
    assert!(event.contains(&format!("id: {}\n", id_of(&answer))), "{event}");
}

#[test]
fn a_peer_that_returns_gets_exactly_what_it_missed() {
    let server = Server::start(&[]);
    let ids: Vec<String> =
        (0..5).map(|n| id_of(&publish(server.address, "news", &format!("m{n}")))).collect();
    let field = format!("Last-Event-ID: {}\r\n", ids[1]);
    let mut events = Peer::ask(server.address, &get("/channels/news?mode=sse", &field));
    let head = events.until("\r\n\r\n");
    assert!(!head.contains("Encke-Gap"), "nothing is missing: {head}");
    let missed = events.until("data: m4\n\n");
    let got: Vec<&str> = missed.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(got, ["m2", "m3", "m4"]);
    // The field wins over the query, which EventSource repeats as it was.
    let path = format!("/channels/news?mode=sse&since={}", ids[0]);
    let mut again = Peer::ask(server.address, &get(&path, &format!("Last-Event-ID: {}\r\n", ids[3])));
    again.until("\r\n\r\n");
    assert!(!again.until("data: m4\n\n").contains("m3"));
}

#[test]
fn a_peer_from_another_life_of_the_server_is_told_of_the_gap() {
    let server = Server::start(&[]);
    publish(server.address, "news", "held");
    for id in ["17-4", "nonsense"] {
        let mut events =
            Peer::ask(server.address, &get("/channels/news?mode=sse", &format!("Last-Event-ID: {id}\r\n")));
        assert!(events.until("\r\n\r\n").contains("Encke-Gap: true\r\n"));
        let stream = events.until("data: held\n\n");
        assert!(stream.contains("event: encke-gap\n"), "{stream}");
    }
}

#[test]
fn who_was_there_when_the_server_was_killed_goes_on_with_the_next_one_and_is_told() {
    let mut server = Server::start(&[]);
    let address = server.address;
    let mut events = Peer::ask(address, &get("/channels/news?mode=sse", ""));
    events.until("\n\n");
    let seen = id_of(&publish(address, "news", "before"));
    events.until("data: before\n\n");
    server.signal("KILL");
    server.wait();
    assert!(events.drain().is_ok_and(|rest| !rest.ends_with("0\r\n\r\n")), "a broken stream looks broken");
    let server = Server::start_at(&address.to_string(), &[]);
    publish(server.address, "news", "while nobody listened");
    let mut again =
        Peer::ask(address, &get("/channels/news?mode=sse", &format!("Last-Event-ID: {seen}\r\n")));
    let told = again.until("data: while nobody listened\n\n");
    assert!(told.contains("Encke-Gap: true\r\n") && told.contains("event: encke-gap\n"), "{told}");
    let next = id_of(&publish(server.address, "news", "after"));
    assert!(again.until("data: after\n\n").contains(&format!("id: {next}\n")));
}

#[test]
fn http_1_0_gets_an_unframed_stream() {
    let server = Server::start(&[]);
    let mut old = Peer::ask(server.address, "GET /channels/news HTTP/1.0\r\n\r\n");
    let head = old.until("\r\n\r\n");
    assert!(head.contains("Connection: close\r\n") && !head.contains("chunked"), "{head}");
    publish(server.address, "news", "Hello");
    assert_eq!(old.until("\n"), "Hello\n");
}

#[test]
fn head_is_answered_at_once_and_does_not_listen() {
    let server = Server::start(&[]);
    let mut peer = Peer::ask(
        server.address,
        "HEAD /channels/news HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    let both = peer.drain().unwrap();
    assert_eq!(both.matches("HTTP/1.1 200 OK\r\n").count(), 2, "{both}");
    assert!(publish(server.address, "news", "x").contains("\"subscribers\":0"));
}

#[test]
fn who_tries_a_line_in_the_console_of_the_start_page_reaches_the_channels() {
    let server = Server::start(&[]);
    let page = Peer::ask(server.address, &get("/", "Connection: close\r\n")).drain().expect("a whole answer");
    let policy = page.lines().find(|line| line.starts_with("Content-Security-Policy: ")).expect("a policy");
    for word in ["default-src 'none'", "connect-src 'self'", "frame-src 'self'", "frame-ancestors 'self'"] {
        assert!(policy.contains(word), "{policy}");
    }
}

#[test]
fn wrong_requests_get_the_right_status_and_a_sentence() {
    let server = Server::start(&["--max-body", "10"]);
    let post = |path: &str, lines: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    for (request, status) in [
        (get("/nothing", ""), 404),
        (get("/channels/", ""), 400),
        (get("/channels/a%2Fb", ""), 400),
        (get("/channels/a?mode=telepathy", ""), 400),
        (get("/channels/a?since=yesterday", ""), 400),
        (post("/healthz", "", ""), 405),
        (post("/channels/a", "", "more than ten bytes"), 413),
        (post("/channels/a?event=encke-gap", "", "x"), 400),
        (post("/channels/a", "Origin: http://elsewhere.example\r\n", "x"), 403),
        (post("/channels/a", "Origin: null\r\n", "x"), 403),
        (post("/channels/a", "Origin: http://a\r\n", "x"), 200),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("BREW / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 501),
    ] {
        let mut peer = Peer::ask(server.address, &request);
        let head = peer.until("\r\n\r\n");
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}{head}");
        let body = peer.until("\n");
        let json: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert!(status == 200 || json["error"].as_str().is_some_and(|text| text.len() > 5), "{body}");
    }
}

#[test]
fn a_body_that_is_no_text_is_refused() {
    use std::io::{Read, Write};
    let server = Server::start(&[]);
    let mut stream = std::net::TcpStream::connect(server.address).unwrap();
    stream
        .write_all(
            b"POST /channels/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n\xff\xfe",
        )
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("UTF-8"), "{answer}");
}

#[test]
fn a_signal_lets_streams_end_whole_and_the_command_succeed() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        let mut peer = Peer::ask(server.address, &get("/channels/news", ""));
        peer.until("\r\n\r\n");
        publish(server.address, "news", "last");
        server.signal(signal);
        let rest = peer.drain().expect("the stream ends by itself");
        assert_eq!(rest, "5\r\nlast\n\r\n0\r\n\r\n", "everything published, then the last chunk");
        assert!(server.wait().success());
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut server = Server::start(&["--drain", "1h"]);
    // A request that is half sent holds the drain.
    let mut peer =
        Peer::ask(server.address, "POST /channels/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    // Another connection's answer shows that the server has read this far.
    publish(server.address, "b", "x");
    server.signal("TERM");
    // The listener closes when the drain begins.
    while std::net::TcpStream::connect(server.address).is_ok() {}
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(128 + 15));
    assert!(peer.drain().is_err() || peer.seen.is_empty(), "no answer is made up");
}

#[test]
fn who_stops_the_command_and_lets_it_go_on_finds_it_as_it_was() {
    let server = Server::start(&[]);
    let mut stream = Peer::ask(server.address, &get("/channels/news", ""));
    stream.until("\r\n\r\n");
    // As Ctrl-Z and `fg` do. Linux interrupts a wait for events with it, also of a process that handles neither signal.
    for message in ["one", "two", "three"] {
        server.signal("STOP");
        until_stopped(server.id());
        server.signal("CONT");
        publish(server.address, "news", message);
        stream.until(&format!("{message}\n\r\n"));
    }
}

/// A stop that goes on before it has begun interrupts nothing.
fn until_stopped(process: u32) {
    let begun = Instant::now();
    let state = || std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Where there is no such file the signals have to do.
    while std::path::Path::new("/proc/self/stat").exists() && !state().contains(") T ") {
        assert!(begun.elapsed() < PATIENCE, "it does not stop: {}", state());
        std::thread::yield_now();
    }
}

#[test]
fn a_busy_port_and_a_wrong_flag_are_one_line_each() {
    let server = Server::start(&[]);
    let (code, text) = refused(&["--listen", &server.address.to_string()]);
    assert!(code == Some(1) && text.contains("in use") && text.contains("--listen"), "{text}");
    let (code, text) = refused(&["--hartbeat", "1s"]);
    assert!(code == Some(2) && text.contains("--help"), "{text}");
    let (code, text) = refused(&["--listen", "0.0.0.0:0"]);
    assert!(code == Some(2) && text.contains("127.0.0.1"), "{text}");
}

#[test]
fn help_and_version_go_to_standard_output() {
    for (flag, part) in [("--help", "Examples:"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let output = encke().arg(flag).output().expect("the command runs");
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(String::from_utf8(output.stdout).expect("text").contains(part));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn idle_subscribers_wake_nobody() {
    let server = Server::start(&["--heartbeat", "0", "--keep-alive", "0"]);
    let mut peers: Vec<Peer> =
        (0..50).map(|_| Peer::ask(server.address, &get("/channels/news", ""))).collect();
    for peer in &mut peers {
        peer.until("\r\n\r\n");
    }
    let switches = || {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("the server runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .expect("Linux tells");
        line.trim().parse::<u64>().expect("a number")
    };
    // What the machine is late with comes first. Once the server sleeps it stays asleep: each read runs into its timeout, which is the
    // second that nothing may happen in.
    peers[0].set_patience(std::time::Duration::from_secs(1));
    let mut seconds = (0..10).map(|_| {
        let before = switches();
        assert!(peers[0].drain().is_err(), "nothing comes");
        switches() - before
    });
    assert!(seconds.any(|woken| woken == 0), "wake-ups in every second without anything to do");
}

#[test]
#[cfg(target_os = "linux")]
fn without_descriptors_accepting_pauses_and_then_everybody_is_served() {
    // Both limits are lowered, as the command raises the soft one to the hard one: some 30 connections fit.
    let shell =
        format!("set -e; ulimit -n 40; exec {} --listen 127.0.0.1:0 -qq", env!("CARGO_BIN_EXE_encke"));
    let mut child = std::process::Command::new("sh")
        .args(["-c", &shell])
        .stdout(Stdio::piped())
        .spawn()
        .expect("a shell is there");
    let mut out = std::io::BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).expect("the first line");
    let address =
        line.trim().rsplit("http://").next().and_then(|text| text.parse().ok()).expect("an address");
    let mut peers: Vec<Peer> = (0..60).map(|_| Peer::ask(address, &get("/healthz", ""))).collect();
    // Those who got in are served; as they leave, those who waited come in. Nobody is lost.
    for peer in &mut peers {
        assert!(peer.until("\r\n\r\nok\n").starts_with("HTTP/1.1 200 "));
        peer.finish();
        assert_eq!(peer.drain().expect("a clean end"), "");
    }
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

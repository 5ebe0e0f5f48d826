//! Every path of `encke serve` with every method: what is done, what is not and which methods would be, and that the connection goes on
//! behind either and ends behind what is no request.

use crate::heard::{Answer, answers};
use crate::support::{Peer, Server};

/// Paths, the methods that they know, and the status of their GET.
const PATHS: [(&str, &str, u16); 8] = [
    ("/", "GET, HEAD, OPTIONS", 200),
    ("/healthz", "GET, HEAD, OPTIONS", 200),
    ("/metrics", "GET, HEAD, OPTIONS", 200),
    ("/channels/a?mode=info", "GET, HEAD, POST, DELETE, OPTIONS", 200),
    ("/channels/a?mode=poll&since=0-0", "GET, HEAD, POST, DELETE, OPTIONS", 200),
    ("/demo/clock", "GET, HEAD, OPTIONS", 200),
    ("/demo/nothing", "", 404),
    ("/nothing", "", 404),
];

const NEXT: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// All that comes back to these bytes until the end.
#[track_caller]
fn heard(server: &Server, bytes: &str, methods: &[&str]) -> (String, Vec<Answer>) {
    let wire = Peer::ask(server.address, bytes).drain().expect("an end and no reset");
    let answers = answers(wire.as_bytes(), methods, true).unwrap_or_else(|error| panic!("{error}: {wire}"));
    (wire, answers)
}

/// The status that a path has for a method.
fn expected(method: &str, allowed: &str, get: u16) -> u16 {
    match method {
        "CONNECT" | "BREW" | "get" => 501,
        _ if allowed.is_empty() => 404,
        "GET" | "HEAD" => get,
        "OPTIONS" => 204,
        _ if allowed.split(", ").any(|known| known == method) => 200,
        _ => 405,
    }
}

#[test]
fn every_path_knows_its_methods_and_tells_them_to_whoever_tries_another() {
    let server = Server::start(&[]);
    for (path, allowed, get) in PATHS {
        // Where there are messages, POST leaves one for those behind it, and the last takes it away.
        for method in
            ["POST", "GET", "HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "CONNECT", "BREW", "get", "DELETE"]
        {
            let body = if method == "GET" { "\r\n" } else { "Content-Length: 2\r\n\r\nhi" };
            let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{body}");
            let (wire, answers) = heard(&server, &format!("{request}{NEXT}"), &[method]);
            let shown = format!("{method} {path}\n{wire}");
            let status = expected(method, allowed, get);
            assert_eq!(answers[0].0, status, "{shown}");
            let head = wire.split("\r\n\r\n").next().expect("a head");
            let allow = format!("\r\nAllow: {allowed}");
            assert_eq!(head.contains(&allow), matches!(status, 204 | 405), "{shown}");
            if method == "HEAD" || status == 204 {
                assert_eq!(answers[0].1, "", "{shown}");
            }
            // What is not understood ends the connection, everything else goes on.
            let next = answers.get(1).map(|(status, body)| (*status, &**body));
            assert_eq!(next, (status != 501).then_some((200, "ok\n")), "{shown}");
            assert_eq!(answers.len(), if status == 501 { 1 } else { 2 }, "{shown}");
        }
    }
}

#[test]
fn head_says_of_each_page_what_get_would() {
    let server = Server::start(&[]);
    for path in ["/", "/healthz", "/nothing", "/channels/a?mode=info", "/channels/a?since=x"] {
        let head = |method: &str| {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
            let (wire, answers) = heard(&server, &request, &[method]);
            assert_eq!(answers[0].1.is_empty(), method == "HEAD", "{wire}");
            let lines = wire.split("\r\n\r\n").next().expect("a head").lines();
            lines.filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(head("HEAD"), head("GET"), "{path}");
    }
}

#[test]
fn a_page_is_given_only_if_the_conditions_of_the_request_are_met() {
    let server = Server::start(&[]);
    for (field, status) in [
        ("If-Match: *", 200),
        ("If-Match: \"x\"", 412),
        ("If-Match: \"x\", W/\"y\"", 412),
        ("If-Match: \"x\"\r\nIf-None-Match: *", 412),
        ("If-None-Match: *", 304),
        ("If-None-Match: \"x\"", 200),
        ("If-None-Match: W/\"*\"", 200),
        ("If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT", 200),
        ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT", 200),
        ("Range: bytes=0-0", 200),
    ] {
        for (method, path) in [("GET", "/healthz"), ("HEAD", "/healthz"), ("GET", "/"), ("GET", "/metrics")] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n{NEXT}");
            let (wire, answers) = heard(&server, &request, &[method]);
            let shown = format!("{method} {path} {field}\n{wire}");
            assert_eq!((answers[0].0, &answers[1]), (status, &(200, "ok\n".to_owned())), "{shown}");
            assert!(status != 304 || answers[0].1.is_empty(), "{shown}");
        }
        // They are for what would be given, and change no other answer.
        for (request, status) in [("GET /nothing", 404), ("POST /healthz", 405), ("OPTIONS /healthz", 204)] {
            let request =
                format!("{request} HTTP/1.1\r\nHost: a\r\n{field}\r\nContent-Length: 0\r\n\r\n{NEXT}");
            assert_eq!(heard(&server, &request, &[]).1[0].0, status, "{request}");
        }
    }
}

#[test]
fn garbage_behind_an_answer_is_refused_and_ends_the_connection() {
    let server = Server::start(&[]);
    for (path, _, get) in PATHS.into_iter().filter(|(path, ..)| !path.contains("poll")) {
        for garbage in
            ["\x01", "garbage\r\n", "\n", "HTTP/1.1 200 OK\r\n", "POST /channels/b HTTP/1.1\r\nX : y"]
        {
            let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n{garbage}");
            let (wire, answers) = heard(&server, &request, &[]);
            let statuses: Vec<_> = answers.iter().map(|(status, _)| *status).collect();
            assert_eq!(statuses, [get, 400], "{garbage:?}\n{wire}");
        }
    }
}

#[test]
fn a_body_behind_which_a_stream_is_opened_is_bounded_too() {
    let server = Server::start(&[]);
    let paths = [
        "/channels/a",
        "/channels/a?mode=sse",
        "/channels/a?mode=poll",
        "/demo/clock/stream",
        "/demo/chat/stream",
    ];
    for path in paths {
        let head = |framing: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
        let (wire, answers) = heard(&server, &head("Content-Length: 262145"), &[]);
        assert_eq!((answers.len(), answers[0].0), (1, 413), "{path}: {wire}");

        // What has no length is cut when it has become too long: a stream visibly, a poll with a word.
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        let mut peer = Peer::ask(server.address, &head("Transfer-Encoding: chunked"));
        peer.send(&chunk.repeat(5));
        let wire = peer.drain().unwrap_or_default();
        assert!(!wire.ends_with("0\r\n\r\n") || wire.starts_with("HTTP/1.1 413 "), "{path}: {wire}");

        // A body that a GET may have does no harm.
        let mut peer = Peer::ask(server.address, &(head("Content-Length: 2") + "hi"));
        if !path.contains("poll") {
            assert!(peer.until("\r\n\r\n").starts_with("HTTP/1.1 200 "), "{path}");
        }
    }
}

#[test]
fn an_answer_is_not_lost_when_much_more_is_sent_than_is_read() {
    let server = Server::start(&[]);
    let much = "x".repeat(4 << 20);
    for (request, status) in [
        ("GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200),
        ("G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("POST /channels/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n", 413),
        ("POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n", 404),
        ("POST /channels/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: ", 431),
    ] {
        let (wire, answers) = heard(&server, &format!("{request}{much}"), &[]);
        assert_eq!((answers.len(), answers[0].0), (1, status), "{wire}");
        assert!(wire.contains("\r\nConnection: close\r\n"), "{wire}");
    }
}

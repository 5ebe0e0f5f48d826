//! Who may do what at `encke serve`: keys, origins of pages, names of hosts. Over real sockets, as a stranger would try it.

mod support;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use support::{Folder, Peer, Server, encke, get, refused};

/// A request without a body, with further lines of its head. The connection closes behind the answer.
fn request(method: &str, path: &str, lines: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: encke.test\r\nConnection: close\r\n{lines}\r\n")
}

/// A POST of a few bytes.
fn post(path: &str, lines: &str) -> String {
    request("POST", path, &format!("{lines}Content-Length: 2\r\n")) + "hi"
}

/// An answer, and what its head says.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// The value of a field that may be there once.
    #[track_caller]
    fn field(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = pairs.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        let value = values.next();
        assert!(values.next().is_none(), "{name} is there twice: {}", self.head);
        value
    }
}

/// Asks, and reads the head of the answer and what comes with it.
#[track_caller]
fn ask(server: &Server, bytes: &str) -> Answer {
    let mut peer = Peer::ask(server.address, bytes);
    let head = peer.until("\r\n\r\n");
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
    // A stream does not end, and its body is not asked for here.
    let is_whole = head.contains("Content-Length: ") && !bytes.starts_with("HEAD ");
    let body = if is_whole { peer.drain().expect("the connection closes") } else { String::new() };
    Answer { status, head, body }
}

#[track_caller]
fn assert_sentence(answer: &Answer) {
    let json: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    assert!(json["error"].as_str().is_some_and(|text| text.len() > 5), "{}", answer.body);
}

#[test]
fn with_a_key_file_who_changes_or_inspects_a_channel_shows_a_key() {
    let folder = Folder::new("keys");
    let file = folder.write("keys", "# the next one\nnext-key\n\n# until May\nold-key\n");
    let server = Server::start(&["--publish-key-file", &file]);
    let with = |lines: &str| {
        let lines = lines.to_owned();
        [
            post("/channels/a", &lines),
            request("DELETE", "/channels/a", &lines),
            request("GET", "/channels/a?mode=info", &lines),
            request("HEAD", "/channels/a?x=1&mode=%69nfo", &lines),
        ]
    };
    for lines in [
        "",
        "Authorization: Bearer wrong-key\r\n",
        "Authorization: Bearer next-ke\r\n",
        "Authorization: Bearer next-key2\r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Basic next-key\r\n",
        "Authorization: next-key\r\n",
        "Authorization: Bearer next-key old-key\r\n",
        "Authorization: Bearer next-key\r\nAuthorization: Bearer next-key\r\n",
        "Authorization: Bearer wrong-key\r\nAuthorization: Bearer next-key\r\n",
    ] {
        for bytes in with(lines) {
            let answer = ask(&server, &bytes);
            assert_eq!((answer.status, answer.field("WWW-Authenticate")), (401, Some("Bearer")), "{bytes}");
            if !bytes.starts_with("HEAD ") {
                assert_sentence(&answer);
            }
        }
    }
    for key in ["Bearer next-key", "bearer old-key", "BEARER  old-key"] {
        let [publish, others @ ..] = with(&format!("Authorization: {key}\r\n"));
        assert_eq!(ask(&server, &publish).status, 200, "{key}");
        for bytes in others {
            assert!(ask(&server, &bytes).status != 401, "{bytes}");
        }
    }
    // To listen takes no key.
    for bytes in [request("GET", "/channels/a", ""), request("HEAD", "/channels/a?mode=sse", "")] {
        assert_eq!(ask(&server, &bytes).status, 200);
    }
    assert_eq!(ask(&server, &request("GET", "/healthz", "")).status, 200);
    assert_eq!(ask(&server, &request("OPTIONS", "/channels/a", "")).status, 204);
}

#[test]
fn a_key_file_that_others_can_read_is_warned_of_once() {
    let folder = Folder::new("exposed");
    let file = folder.write("keys", "a-secret-key\n");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).expect("it is ours");
    let mut child = encke()
        .args(["--listen", "127.0.0.1:0", "--publish-key-file", &file])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut said = String::new();
    let mut lines = BufReader::new(child.stderr.take().expect("piped"));
    lines.read_line(&mut said).expect("a line");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    assert!(said.contains("WARN") && said.contains(&format!("chmod 600 {file}")), "{said}");
    assert!(!said.contains("a-secret-key"));
}

#[test]
fn a_file_that_holds_no_keys_is_refused_at_start() {
    let folder = Folder::new("no-keys");
    let nowhere = folder.text("nowhere");
    let empty = folder.write("empty", "");
    let comments = folder.write("comments", "# nothing yet\n\n");
    let broken = folder.write("broken", "good-key\nbad key\n");
    for (file, part) in
        [(&nowhere, "cannot be read"), (&empty, "no key"), (&comments, "no key"), (&broken, "line 2")]
    {
        let (code, text) = refused(&["--listen", "0", "--publish-key-file", file]);
        assert!(code == Some(2) && text.contains(part) && text.contains(file.as_str()), "{text}");
    }
    let (code, text) = refused(&["--open", "--publish-key-file", &empty]);
    assert!(code == Some(2) && text.contains("one of them"), "{text}");
}

#[test]
fn a_page_of_another_origin_changes_nothing() {
    let server =
        Server::start(&["--cors-origin", "https://app.example", "--cors-origin", "http://b.example:81"]);
    for (origin, is_admitted) in [
        ("http://encke.test", true),
        ("http://encke.test:80", true),
        ("https://encke.test", true),
        ("https://app.example", true),
        ("https://app.example:443", true),
        ("http://b.example:81", true),
        ("http://encke.test:8080", false),
        ("http://elsewhere.example", false),
        ("http://app.example", false),
        ("https://app.example:444", false),
        ("https://app.example.evil.example", false),
        ("https://app.example/", false),
        ("http://b.example", false),
        ("ftp://encke.test", false),
        ("null", false),
        ("", false),
        ("nonsense", false),
        ("https://app.example https://app.example", false),
    ] {
        let line = format!("Origin: {origin}\r\n");
        let answer = ask(&server, &post("/channels/a", &line));
        assert_eq!(answer.status, if is_admitted { 200 } else { 403 }, "{origin}");
        let answer = ask(&server, &request("DELETE", "/channels/a", &line));
        assert_eq!(answer.status != 403, is_admitted, "{origin}");
        // To look is another matter: what may be read, the browser decides by the answer's fields.
        assert_eq!(ask(&server, &request("GET", "/healthz", &line)).status, 200, "{origin}");
    }
    let twice = "Origin: https://app.example\r\nOrigin: https://app.example\r\n";
    assert_eq!(ask(&server, &post("/channels/a", twice)).status, 403);
    assert_eq!(ask(&server, &post("/channels/a", "")).status, 200, "a program has no origin");
}

/// One request for each kind of answer that the application gives.
fn all_kinds(line: &str) -> Vec<(u16, String)> {
    vec![
        (200, request("GET", "/channels/a", line)),
        (200, request("GET", "/channels/a?mode=sse", line)),
        (200, request("HEAD", "/channels/a", line)),
        (200, request("GET", "/healthz", line)),
        (200, request("GET", "/", line)),
        (204, request("OPTIONS", "/channels/a", line)),
        (204, request("OPTIONS", "*", line)),
        (400, request("GET", "/channels/a?mode=telepathy", line)),
        (400, request("GET", "/channels/a//b", line)),
        (400, post("/channels/a?event=encke-x", line)),
        (401, request("GET", "/channels/a?mode=info", line)),
        (404, request("GET", "/nothing", line)),
        (405, request("PUT", "/channels/a", line)),
        (405, request("PUT", "/healthz", line)),
        (421, request("GET", "http://elsewhere.example/", line)),
    ]
}

#[test]
fn every_answer_tells_a_page_of_a_listed_origin_that_it_may_read_it() {
    let folder = Folder::new("cors");
    let keys = folder.write("keys", "k\n");
    let flags = ["--publish-key-file", &keys, "--host", "encke.test", "--max-body", "10"];
    let server = Server::start(&[&flags[..], &["--cors-origin", "https://app.example"]].concat());
    let key = "Authorization: Bearer k\r\n";
    let with_key = |line: &str| {
        let mut all = all_kinds(line);
        all.push((200, post("/channels/a", &format!("{line}{key}"))));
        all.push((400, post("/channels/a?event=%0A", &format!("{line}{key}"))));
        // What the engine refuses by itself, when the application has seen the head.
        let long = format!("{line}{key}Content-Length: 20\r\n");
        all.push((413, request("POST", "/channels/a", &long)));
        all[9].1 = post("/channels/a?event=encke-x", &format!("{line}{key}"));
        all
    };
    for (status, bytes) in with_key("Origin: https://app.example\r\n") {
        let answer = ask(&server, &bytes);
        assert_eq!(answer.status, status, "{bytes}");
        assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("https://app.example"), "{bytes}");
        assert_eq!(answer.field("Vary"), Some("Origin"), "{bytes}");
        assert_eq!(
            answer.field("Access-Control-Expose-Headers"),
            Some("Last-Event-ID, Encke-Gap"),
            "{bytes}"
        );
        assert_eq!(answer.field("Access-Control-Allow-Credentials"), None);
    }
    for line in ["", "Origin: http://encke.test\r\n"] {
        for (status, bytes) in with_key(line) {
            let answer = ask(&server, &bytes);
            assert_eq!((answer.status, answer.field("Vary")), (status, Some("Origin")), "{bytes}");
            assert!(!answer.head.contains("Access-Control-"), "{bytes}");
        }
    }
    let plain = Server::start(&flags);
    for (_, bytes) in with_key("Origin: https://app.example\r\n") {
        let answer = ask(&plain, &bytes);
        assert!(!answer.head.contains("Access-Control-") && answer.field("Vary").is_none(), "{bytes}");
    }
}

#[test]
fn an_answer_after_the_body_knows_its_visitor_and_forgets_it_for_the_next() {
    let server = Server::start(&["--cors-origin", "https://app.example"]);
    let mut peer = Peer::connect(server.address);
    let head =
        |line: &str| format!("POST /channels/a HTTP/1.1\r\nHost: a\r\n{line}Content-Length: 2\r\n\r\n");
    for (line, is_guest) in [("Origin: https://app.example\r\n", true), ("", false)] {
        peer.send(&head(line));
        // The first byte may come in a piece of its own: the head is long gone when the body is whole.
        peer.send("h");
        peer.send("i");
        let answer = peer.until("}\n");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(
            answer.contains("Access-Control-Allow-Origin: https://app.example\r\n"),
            is_guest,
            "{answer}"
        );
    }
}

#[test]
fn any_origin_is_echoed_where_all_are_let_in_but_null_is_nobodys() {
    let server = Server::start(&["--cors-origin", "*"]);
    for origin in ["https://one.example", "http://two.example:81", "capacitor://localhost"] {
        let answer = ask(&server, &post("/channels/a", &format!("Origin: {origin}\r\n")));
        assert_eq!((answer.status, answer.field("Access-Control-Allow-Origin")), (200, Some(origin)));
    }
    for origin in ["null", "nonsense", "https://a.example/path"] {
        let answer = ask(&server, &post("/channels/a", &format!("Origin: {origin}\r\n")));
        assert_eq!((answer.status, answer.field("Access-Control-Allow-Origin")), (403, None), "{origin}");
    }
}

#[test]
fn a_preflight_tells_what_a_page_may_send() {
    let server = Server::start(&["--cors-origin", "https://app.example"]);
    let lines = |origin: &str| {
        format!(
            "Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n"
        )
    };
    let answer = ask(&server, &request("OPTIONS", "/channels/a", &lines("https://app.example")));
    assert_eq!(answer.status, 204);
    assert_eq!(answer.field("Access-Control-Allow-Origin"), Some("https://app.example"));
    let methods = answer.field("Access-Control-Allow-Methods").expect("methods");
    assert!(["GET", "HEAD", "POST"].iter().all(|method| methods.contains(method)), "{methods}");
    assert_eq!(
        answer.field("Access-Control-Allow-Headers"),
        Some("Authorization, Content-Type, Idempotency-Key, Last-Event-ID")
    );
    assert_eq!(answer.field("Access-Control-Max-Age"), Some("600"));
    let answer = ask(&server, &request("OPTIONS", "/healthz", &lines("https://app.example")));
    assert_eq!(answer.field("Access-Control-Allow-Methods"), Some("GET, HEAD, OPTIONS"));
    for lines in
        [lines("https://elsewhere.example"), "Origin: https://app.example\r\n".to_owned(), String::new()]
    {
        let answer = ask(&server, &request("OPTIONS", "/channels/a", &lines));
        assert_eq!((answer.status, answer.field("Access-Control-Allow-Methods")), (204, None), "{lines}");
        assert!(answer.field("Allow").is_some_and(|methods| methods.contains("POST")), "{lines}");
    }
}

#[test]
fn a_server_with_names_answers_to_no_other() {
    let server = Server::start(&["--host", "Push.Example", "--host", "::1", "--host", "127.0.0.1"]);
    for (host, status) in [
        ("push.example", 200),
        ("PUSH.example:8080", 200),
        ("[::1]", 200),
        ("[0:0::1]:8080", 200),
        ("127.0.0.1:9", 200),
        ("localhost", 421),
        ("push.example.evil.example", 421),
        ("evil.push.example", 421),
        ("127.0.0.2", 421),
        ("[::2]", 421),
        ("", 421),
    ] {
        let bytes = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = ask(&server, &bytes);
        assert_eq!(answer.status, status, "{host}");
        if status == 421 {
            assert_sentence(&answer);
        }
    }
    let old = |lines: &str| ask(&server, &format!("GET /healthz HTTP/1.0\r\n{lines}\r\n")).status;
    assert_eq!((old(""), old("Host: push.example\r\n")), (421, 200));
    let absolute =
        "GET http://evil.example/healthz HTTP/1.1\r\nHost: push.example\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(&server, absolute).status, 421, "the target's host counts");
    let page = "POST /channels/a HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\
                Connection: close\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(ask(&server, page).status, 421, "a name that was made to point here");
}

#[test]
fn without_the_demo_there_are_only_channels() {
    let server = Server::start(&["--no-demo"]);
    for path in ["/", "/demo/", "/demo/chat"] {
        let answer = ask(&server, &request("GET", path, ""));
        assert_eq!(answer.status, 404);
        assert_sentence(&answer);
        assert!(!answer.body.contains("start page"), "{}", answer.body);
    }
    assert_eq!(ask(&server, &request("GET", "/healthz", "")).status, 200);
    let mut stream = Peer::ask(server.address, &get("/channels/a", ""));
    assert!(stream.until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
}

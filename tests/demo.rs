//! The demo over HTTP: its pages and files, its topics, and the articles' servlets as the server has them.
//!
//! What a browser makes of the pages is in `tests/pages.rs`; that nothing wakes while nobody listens, beside the code.

mod support;

use std::process::{Command, Stdio};

use support::{Folder, Peer, Server, get};

const PAGES: [&str; 7] =
    ["/", "/demo/random", "/demo/chat", "/demo/clock", "/demo/quotes", "/demo/orders", "/demo/compare"];

/// Sends one request on a connection of its own, and gives the whole answer.
#[track_caller]
fn ask(server: &Server, method: &str, path: &str, lines: &str, body: &str) -> String {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: encke.test\r\nConnection: close\r\n{lines}");
    let request = match method {
        "GET" | "HEAD" | "OPTIONS" => format!("{head}\r\n"),
        _ => format!("{head}Content-Length: {length}\r\n\r\n{body}"),
    };
    Peer::ask(server.address, &request).drain().expect("a whole answer")
}

#[track_caller]
fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{answer}"))
}

/// Subscribes and reads the head.
#[track_caller]
fn listen(server: &Server, path: &str, lines: &str) -> Peer {
    let mut peer = Peer::ask(server.address, &get(path, lines));
    let head = peer.until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{path}: {head}");
    peer
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[test]
fn every_page_and_all_that_it_loads_has_its_type_and_a_strict_policy() {
    let server = Server::start(&[]);
    let mut paths: Vec<(String, &str)> =
        PAGES.iter().map(|&path| (path.to_owned(), "text/html; charset=utf-8")).collect();
    let mut at = 0;
    while at < paths.len() {
        let (path, content_type) = paths[at].clone();
        at += 1;
        let answer = ask(&server, "GET", &path, "", "");
        assert_eq!(status(&answer), 200, "{path}");
        for line in [
            &*format!("Content-Type: {content_type}\r\n"),
            "X-Content-Type-Options: nosniff\r\n",
            "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self';",
            "Cache-Control: no-store\r\n",
        ] {
            assert!(answer.contains(line), "{path}: {line}\n{answer}");
        }
        assert!(!answer.contains("'unsafe-inline'") || path.ends_with(".txt"), "{path}");
        // What it refers to is looked at too, once.
        for mark in ["href=\"/demo/", "src=\"/demo/", "from './"] {
            for (index, _) in answer.match_indices(mark) {
                let name = answer[index + mark.len()..].split(['"', '\'']).next().expect("a name");
                let content_type = match name.rsplit_once('.') {
                    Some((_, "js")) => "text/javascript; charset=utf-8",
                    Some((_, "css")) => "text/css; charset=utf-8",
                    Some((_, "svg")) => "image/svg+xml",
                    Some((_, "txt")) => "text/plain; charset=utf-8",
                    _ => continue,
                };
                let found = (format!("/demo/{name}"), content_type);
                if !paths.contains(&found) {
                    paths.push(found);
                }
            }
        }
        let head = ask(&server, "HEAD", &path, "", "");
        assert_eq!(
            head.split("Content-Security").nth(1),
            answer
                .split("\r\n\r\n")
                .next()
                .and_then(|head| head.split("Content-Security").nth(1))
                .map(|end| end.to_owned() + "\r\n\r\n")
                .as_deref(),
            "{path}: as the GET's"
        );
        let refused = ask(&server, "DELETE", &path, "", "");
        assert_eq!(status(&refused), 405, "{path}");
        assert!(refused.contains("Allow: GET, HEAD, OPTIONS\r\n"), "{refused}");
        assert_eq!(status(&ask(&server, "OPTIONS", &path, "", "")), 204, "{path}");
    }
    assert!(paths.len() >= PAGES.len() + 10, "{paths:?}");
}

#[test]
fn a_page_names_the_host_that_it_was_asked_of_and_nothing_that_is_none() {
    let server = Server::start(&[]);
    for path in PAGES {
        let page = ask(&server, "GET", path, "", "");
        assert!(page.contains("http://encke.test/") && !page.contains("127.0.0.1:8080"), "{path}");
        assert!(page.contains("data-locked=\"no\""), "{path}");
        for word in ["{part}", "{menu}", "{title}", "{script}", "{version}"] {
            assert!(!page.contains(word), "{path}: {word}");
        }
    }
    let odd = "GET / HTTP/1.1\r\nHost: a'b\r\nConnection: close\r\n\r\n";
    let page = Peer::ask(server.address, odd).drain().expect("a whole answer");
    assert!(!page.contains("a'b"), "{page}");
}

#[test]
fn without_the_demo_nothing_of_it_is_there() {
    let server = Server::start(&["--no-demo"]);
    let streams =
        ["/demo/stream?topic=clock", "/demo/random/stream", "/demo/chat/stream", "/demo/clock/stream"];
    for path in PAGES.iter().chain(&streams).chain(&["/demo/live.js", "/demo/encke.css"]) {
        assert_eq!(status(&ask(&server, "GET", path, "", "")), 404, "{path}");
        assert_eq!(status(&ask(&server, "POST", path, FORM, "message=x")), 404, "{path}");
    }
}

#[test]
fn a_topic_is_heard_in_every_mode_and_nobody_else_can_publish_there() {
    let server = Server::start(&[]);
    let mut lines = listen(&server, "/demo/clock/stream", "");
    lines.until("\r\n");
    let tick = lines.until("\n");
    assert!(tick.len() == "12:34:56.5\n".len() && tick.ends_with(['0', '5', '\n']), "{tick}");
    let mut events = listen(&server, "/demo/orders/stream", "Accept: text/event-stream\r\n");
    events.until("data: {\"order\":");
    let mut objects = listen(&server, "/demo/quotes/stream?mode=ndjson", "");
    objects.until("\"channel\":\"demo//quotes\"");
    let poll = ask(&server, "GET", "/demo/stats/stream?mode=poll", "", "");
    assert!(poll.contains("\\\"connections\\\":"), "{poll}");
    for path in ["/channels/demo//clock", "/channels/demo%2F/clock", "/channels/a?channel=demo//clock"] {
        assert_eq!(status(&ask(&server, "GET", path, "", "")), 400, "{path}");
        let method = if path.contains('?') { "GET" } else { "POST" };
        assert_eq!(status(&ask(&server, method, path, "", "x")), 400, "{path}");
    }
    for path in ["/demo/clock/stream", "/demo/stream"] {
        let refused = ask(&server, "POST", path, "", "x");
        assert!(status(&refused) == 405 && refused.contains("Allow: GET, HEAD, OPTIONS\r\n"), "{refused}");
    }
    for path in ["/demo/nothing", "/demo/nothing/stream", "/demo/", "/demo"] {
        assert_eq!(status(&ask(&server, "GET", path, "", "")), 404, "{path}");
    }
}

#[test]
fn the_figures_are_those_of_the_engine_and_grow_with_what_happens() {
    let server = Server::start(&[]);
    let mut peer = listen(&server, "/demo/stats/stream", "");
    let tell = |peer: &mut Peer| -> serde_json::Value {
        peer.until("{");
        let line = format!("{{{}", peer.until("\n"));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let before = tell(&mut peer);
    let _others: Vec<Peer> = (0..3).map(|_| listen(&server, "/channels/news", "")).collect();
    support::publish(server.address, "news", "Hello");
    let after = tell(&mut peer);
    let grown = |name: &str| after[name].as_u64().expect(name) - before[name].as_u64().expect(name);
    // One message of our own, and the figures themselves.
    assert_eq!((grown("published"), grown("delivered")), (2, 4), "{before} {after}");
    assert_eq!(grown("requests"), 4);
    assert!(grown("turns") > 0 && grown("turn_micros") > 0 && grown("sent") > 0);
    assert!(grown("at") >= 900_000, "a second later");
    assert_eq!(after["subscribers"], 4);
    assert!(after["longest_micros"].as_u64().expect("a bound") > 0);
}

#[test]
fn one_stream_has_all_that_a_browser_wants_and_goes_on_with_its_cursor() {
    let server = Server::start(&[]);
    support::publish(server.address, "news", "before");
    let mut peer = listen(&server, "/demo/stream?topic=quotes&topic=stats&channel=news", "");
    let opening = peer.until("event: snapshot\ndata: {");
    assert!(
        opening.contains("event: opened\ndata: {\"at\":\"") && opening.contains("\"until\":null}\n\n"),
        "{opening}"
    );
    assert!(!opening.contains("before"), "{opening}");
    peer.until("\"channel\":\"demo//stats\"");
    let first = support::id_of(&support::publish(server.address, "news", "one"));
    peer.until("\"data\":\"one\"");
    drop(peer);
    let last = support::id_of(&support::publish(server.address, "news", "two"));
    // Somebody publishes where nobody listens: that is nothing to wait for.
    support::publish(server.address, "elsewhere", "x");
    let path = format!("/demo/stream?channel=news&since={first}");
    let mut back = listen(&server, &path, "");
    let opening = back.until("\"data\":\"two\"");
    assert!(opening.contains(&format!("\"until\":\"{last}\"")) && !opening.contains("\"one\""), "{opening}");
    let typed = "POST /channels/news?event=open HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    Peer::ask(server.address, typed).until("}\n");
    let event = back.until("\"data\":\"hi\"}\n\n");
    assert!(event.contains("\"event\":\"open\"") && !event.contains("event: "), "{event}");
    let mut stranger = listen(&server, "/demo/stream?channel=news", "Last-Event-ID: 1-1\r\n");
    let opening = stranger.until("\"data\":\"two\"");
    assert!(opening.contains("event: encke-gap\n"), "{opening}");
    for query in ["", "?topic=nonsense", "?channel=a//b", "?topic=clock&since=nonsense"] {
        let path = format!("/demo/stream{query}");
        assert_eq!(status(&ask(&server, "GET", &path, "", "")), 400, "{path}");
    }
    let many = format!("/demo/stream?topic=clock{}", "&channel=a".repeat(32));
    assert_eq!(status(&ask(&server, "GET", &many, "", "")), 400);
}

#[test]
fn the_servlet_of_numbers_answers_as_the_example_does() {
    let server = Server::start(&[]);
    let requests = [
        get("/demo/random/stream?interval=0.02", ""),
        format!(
            "POST /demo/random/stream?interval=0.02 HTTP/1.1\r\nHost: a\r\n{FORM}Content-Length: 11\r\n\r\nrequestInfo"
        ),
        "POST /demo/random/stream?interval=0.02 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".to_owned(),
    ];
    for request in requests {
        let mut peer = Peer::ask(server.address, &request);
        let head = peer.until("\r\n\r\n");
        assert!(
            head.starts_with("HTTP/1.1 200 ") && head.contains("Content-Type: text/plain; charset=utf-8\r\n")
        );
        for _ in 0..3 {
            // A chunk is a line.
            assert_eq!(peer.until("\r\n"), "9\r\n");
            let line = peer.until("\n\r\n");
            let number = line.strip_prefix("random:").and_then(|rest| rest.trim().parse::<u8>().ok());
            assert!(number.is_some_and(|number| number < 10), "{line}");
        }
    }
    let data = ask(&server, "POST", "/demo/random/stream", "Content-Type: text/plain\r\n", "hi");
    assert!(
        data.starts_with("HTTP/1.1 415 ") && data.contains("Accept: application/x-www-form-urlencoded\r\n"),
        "{data}"
    );
    assert!(data.contains("this servlet does not accept data"), "{data}");
    for interval in ["0", "0.009", "3601", "x", "NaN", "-1", "%zz"] {
        let path = format!("/demo/random/stream?interval={interval}");
        assert_eq!(status(&ask(&server, "GET", &path, "", "")), 400, "{path}");
    }
    assert_eq!(status(&ask(&server, "POST", "/demo/random/stream", FORM, "a=%zz")), 400);
    assert_eq!(status(&ask(&server, "HEAD", "/demo/random/stream", "", "")), 200);
    let refused = ask(&server, "DELETE", "/demo/random/stream", "", "");
    assert!(status(&refused) == 405 && refused.contains("Allow: GET, HEAD, POST, OPTIONS\r\n"), "{refused}");
}

#[test]
fn the_chat_answers_as_the_example_does() {
    let server = Server::start(&[]);
    let mut ann = listen(&server, "/demo/chat/stream?user=ann", "");
    ann.until("<i>ann has joined</i><br>\n");
    let say = |user: &str, lines: &str, body: &str| {
        status(&ask(&server, "POST", &format!("/demo/chat/stream?user={user}"), lines, body))
    };
    assert_eq!(say("bob", "Content-Type: text/plain\r\n", "as text"), 204);
    assert_eq!(say("b%3Cb%3Eo", FORM, "message=a+%3Cb%3E+%26+%22c%22"), 204);
    ann.until("[bob]: as text<br>\n");
    ann.until("[bbo]: a &lt;b&gt; &amp; &quot;c&quot;<br>\n");
    // The same room as a channel: text as it was typed.
    let held = ask(&server, "GET", "/channels/demo/chat?mode=poll&timeout=0&since=0-0", "", "");
    assert!(held.contains("\"[bbo]: a <b> & \\\"c\\\"\""), "{held}");

    let mut eve = Peer::ask(
        server.address,
        "POST /demo/chat/stream?user=eve HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n2\r\nha\r\n",
    );
    eve.until("[eve]: one<br>\n");
    ann.until("[eve]: one<br>\n");
    let who = ask(&server, "GET", "/demo/chat/stream?who", "", "");
    assert!(who.contains("ann\neve\n"), "{who}");
    eve.send("2\r\nlf\r\n0\r\n\r\n");
    let end = eve.until("\r\n0\r\n\r\n");
    assert!(end.contains("[eve]: half<br>\n") && end.contains("<i>you have left</i><br>\n"), "{end}");
    assert!(end.contains("</body></html>\n"), "{end}");
    ann.until("<i>eve has left</i><br>\n");

    let text = "Content-Type: text/plain\r\n";
    for (lines, body, expected) in [
        (text, "", 400),
        (FORM, "word=hello", 400),
        (text, " \n \n", 400),
        ("Content-Type: application/json\r\n", "{}", 415),
        (text, &"x".repeat(4097), 413),
        (text, &"x\n".repeat(65), 413),
        (text, &"x".repeat(65 * 1024), 413),
        ("Origin: https://elsewhere.example\r\n", "x", 403),
    ] {
        assert_eq!(say("bob", lines, body), expected, "{lines}{}", body.len());
    }
    let foreign = "Origin: null\r\n";
    assert_eq!(status(&ask(&server, "PUT", "/demo/chat/stream", foreign, "x")), 403);
    assert_eq!(status(&ask(&server, "PUT", "/demo/chat/stream", "", "x")), 204, "as curl -T sends it");
    assert_eq!(status(&ask(&server, "HEAD", "/demo/chat/stream", "", "")), 200);
    assert_eq!(status(&ask(&server, "DELETE", "/demo/chat/stream", "", "")), 405);
}

#[test]
fn where_a_key_is_asked_for_the_demo_asks_for_it_too_and_says_so() {
    let folder = Folder::new("demo");
    let keys = folder.write("keys", "open-sesame\n");
    let server = Server::start(&["--publish-key-file", &keys]);
    let key = format!("Authorization: Bearer open-sesame\r\n{FORM}");
    for (path, body) in [("/demo/chat/stream", "message=x"), ("/channels/demo/compare", "x")] {
        assert_eq!(status(&ask(&server, "POST", path, FORM, body)), 401, "{path}");
        assert!(status(&ask(&server, "POST", path, &key, body)) < 300, "{path}");
    }
    assert_eq!(status(&ask(&server, "PUT", "/demo/chat/stream", "", "x")), 401);
    assert_eq!(status(&ask(&server, "POST", "/demo/random/stream", FORM, "a=b")), 401);
    assert_eq!(status(&ask(&server, "GET", "/demo/clock/stream?mode=info", "", "")), 401);
    listen(&server, "/demo/chat/stream", "");
    let page = ask(&server, "GET", "/", "", "");
    assert!(
        page.contains("data-locked=\"yes\"") && page.contains("curl -H 'Authorization: Bearer KEY' -d"),
        "{page}"
    );
}

#[test]
fn a_page_of_a_listed_origin_may_read_a_topic_and_no_other_host_is_answered() {
    let server = Server::start(&["--cors-origin", "https://app.example", "--host", "encke.test"]);
    let mut peer = Peer::ask(server.address, &get("/demo/clock/stream", "Origin: https://app.example\r\n"));
    assert!(peer.until("\r\n\r\n").contains("Access-Control-Allow-Origin: https://app.example\r\n"));
    let other = "GET /demo/clock/stream HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    let answer = Peer::ask(server.address, other).drain().expect("a whole answer");
    assert_eq!(status(&answer), 421);
}

#[test]
fn at_a_stop_the_demos_streams_end_whole() {
    let mut server = Server::start(&[]);
    let mut peers = [
        "/demo/clock/stream",
        "/demo/random/stream",
        "/demo/chat/stream?user=ann",
        "/demo/stream?topic=stats",
    ]
    .map(|path| listen(&server, path, ""));
    server.signal("TERM");
    for peer in &mut peers {
        let rest = peer.drain().expect("no reset");
        assert!(rest.ends_with("0\r\n\r\n"), "{rest}");
    }
    assert!(server.wait().success());
}

/// As `tests/serve.rs` has it of channels: the kernel counts how often the server slept and woke.
#[test]
#[cfg(target_os = "linux")]
fn a_server_whose_pages_were_looked_at_sleeps_again() {
    let server = Server::start(&["--heartbeat", "0", "--keep-alive", "0"]);
    for path in PAGES {
        ask(&server, "GET", path, "", "");
    }
    let mut peer = listen(&server, "/channels/news", "");
    let switches = || {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.expect("Linux tells").trim().parse::<u64>().expect("a number")
    };
    // What the machine is late with comes first. Something that is left running wakes it in every second.
    peer.set_patience(std::time::Duration::from_secs(1));
    let mut seconds = (0..10).map(|_| {
        let before = switches();
        assert!(peer.drain().is_err(), "nothing comes");
        switches() - before
    });
    assert!(seconds.any(|woken| woken == 0), "pages are answers like others: nothing is left running");
}

#[test]
fn the_lines_on_the_pages_work_as_they_stand() {
    let server = Server::start(&[]);
    let mut running = Vec::new();
    for path in PAGES {
        let page = ask(&server, "GET", path, "", "");
        for line in page.split("<pre class=\"shell\"><code>").skip(1) {
            let line = line.split("</code>").next().expect("its end");
            let line = line.replace("&amp;", "&").replace("=ID", "=0-0");
            let line = line.replace("encke.test", &server.address.to_string());
            if line.starts_with("curl") {
                // A stream has no end; half a second of it is enough to see that it is one.
                let limited = line.replacen("curl", "curl -s -S -f --max-time 0.5", 1);
                let mut shell = Command::new("sh");
                shell.args(["-c", &limited]).stdout(Stdio::piped()).stderr(Stdio::piped());
                running.push((line, shell.spawn().expect("a shell")));
            }
        }
    }
    assert!(running.len() >= 18, "{} lines", running.len());
    for (line, shell) in running {
        let output = shell.wait_with_output().expect("it ends");
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 28)), "{line}: {code:?} {}", String::from_utf8_lossy(&output.stderr));
    }
}

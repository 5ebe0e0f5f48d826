//! Every mode of `encke serve`, as a client has it: what it hears, where it stands, and what it is told when something is missing.

mod support;

use serde_json::{Value, json};

use support::{Peer, Server, get, id_of, publish};

/// The body of a whole answer, and its head.
#[track_caller]
fn ask(server: &Server, request: &str) -> (String, String) {
    let mut peer = Peer::ask(server.address, request);
    let head = peer.until("\r\n\r\n");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.expect("a whole answer").parse().expect("a number");
    (head, peer.take(length))
}

#[track_caller]
fn poll(server: &Server, query: &str) -> Value {
    let (head, body) = ask(server, &get(&format!("/channels/a?mode=poll{query}"), ""));
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.contains("Content-Type: application/json\r\n"),
        "{head}"
    );
    serde_json::from_str(&body).expect("JSON")
}

fn delete(path: &str) -> String {
    format!("DELETE {path} HTTP/1.1\r\nHost: encke.test\r\n\r\n")
}

/// The value of a field of a head.
#[track_caller]
fn field(head: &str, name: &str) -> String {
    let value = head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_else(|| panic!("no {name} in {head}")).to_owned()
}

/// The lines of the chunks that have come up to and with `mark`.
#[track_caller]
fn lines_until(peer: &mut Peer, mark: &str) -> Vec<String> {
    let text = peer.until(mark);
    // What is left over besides lines are the sizes of chunks, and nothing.
    let is_size = |line: &&str| line.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split(['\r', '\n']).filter(|line| !is_size(line)).map(str::to_owned).collect()
}

#[test]
fn ndjson_is_an_object_a_line_and_tells_of_gaps_and_ends() {
    let server = Server::start(&["--history-count", "2"]);
    let first = id_of(&publish(server.address, "a", "one"));
    for text in ["two", "three\n\"quoted\"", "four"] {
        publish(server.address, "a", text);
    }
    let mut peer = Peer::ask(server.address, &get(&format!("/channels/a?mode=ndjson&since={first}"), ""));
    let head = peer.until("\r\n\r\n");
    assert_eq!(field(&head, "Content-Type"), "application/x-ndjson");
    assert_eq!(field(&head, "Encke-Gap"), "true");
    let told: Vec<Value> = lines_until(&mut peer, "four\"}")
        .iter()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    assert_eq!(told[0]["gap"], json!(true));
    assert_eq!(told[0]["id"], json!(field(&head, "Last-Event-ID")));
    assert_eq!(told[1]["data"], json!("three\n\"quoted\""));
    assert_eq!((&told[2]["channel"], &told[2]["event"]), (&json!("a"), &Value::Null));
    let (_, answer) = ask(&server, &delete("/channels/a"));
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["subscribers"], json!(1));
    let end: Value = serde_json::from_str(&lines_until(&mut peer, "}").concat()).expect("a notice");
    assert_eq!((&end["end"], &end["id"]), (&json!(true), &told[2]["id"]));
    peer.until("0\r\n\r\n");
}

#[test]
fn a_poll_is_answered_at_once_if_there_is_something_and_else_as_soon_as_there_is() {
    let server = Server::start(&[]);
    let first = id_of(&publish(server.address, "a", "one"));
    publish(server.address, "a", "two");
    let answer = poll(&server, &format!("&since={first}"));
    assert_eq!(answer["messages"][0]["data"], json!("two"));
    assert_eq!(answer["cursor"], answer["messages"][0]["id"]);
    assert_eq!(answer.get("gap"), None);
    let mut waiting = Peer::ask(
        server.address,
        &get(&format!("/channels/a?mode=poll&since={}", answer["cursor"].as_str().unwrap()), ""),
    );
    server.until_metric("encke_connections{state=\"polling\"}", 1.0);
    publish(server.address, "a", "three");
    let head = waiting.until("\r\n\r\n");
    let body = waiting.until("}\n");
    let told: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(told["messages"].as_array().map(Vec::len), Some(1));
    assert_eq!(told["messages"][0]["data"], json!("three"));
    assert_eq!(field(&head, "Last-Event-ID"), told["cursor"].as_str().unwrap());
}

#[test]
fn a_poll_without_news_has_a_cursor_behind_which_nothing_was_told() {
    let server = Server::start(&[]);
    let empty = poll(&server, "&timeout=50ms");
    assert_eq!(empty["messages"], json!([]));
    publish(server.address, "a", "between two polls");
    let next = poll(&server, &format!("&since={}", empty["cursor"].as_str().unwrap()));
    assert_eq!(next["messages"][0]["data"], json!("between two polls"));
    assert_eq!(poll(&server, "&timeout=0")["messages"], json!([]), "0 answers at once");
}

#[test]
fn a_poll_tells_of_a_gap_and_holds_at_most_64_kib_or_one_message() {
    let server = Server::start(&["--history-count", "3"]);
    publish(server.address, "a", "gone");
    for size in [40_000, 40_000, 90_000] {
        publish(server.address, "a", &"x".repeat(size));
    }
    let epoch = id_of(&publish(server.address, "elsewhere", "x"));
    let start = format!("{}-0", epoch.split('-').next().unwrap());
    let (mut cursor, mut sizes, mut gaps) = (start, Vec::new(), Vec::new());
    for _ in 0..3 {
        let answer = poll(&server, &format!("&since={cursor}"));
        let messages = answer["messages"].as_array().expect("a list").clone();
        assert_eq!(messages.len(), 1, "two do not fit");
        sizes.push(messages[0]["data"].as_str().map(str::len).unwrap_or_default());
        gaps.push(answer.get("gap").is_some());
        cursor = answer["cursor"].as_str().expect("a cursor").to_owned();
    }
    assert_eq!((sizes, gaps), (vec![40_000, 40_000, 90_000], vec![true, false, false]));
}

#[test]
fn accept_and_last_event_id_choose_as_well_as_the_query() {
    let server = Server::start(&[]);
    let first = id_of(&publish(server.address, "a", "one"));
    publish(server.address, "a", "two");
    let fields = format!("Accept: application/json\r\nLast-Event-ID: {first}\r\n");
    let (_, body) = ask(&server, &get("/channels/a?since=99-99", &fields));
    assert!(body.contains("\"two\"") && !body.contains("gap"), "{body}");
    let mut lines = Peer::ask(server.address, &get("/channels/a", "Accept: application/x-ndjson\r\n"));
    assert!(lines.until("\r\n\r\n").contains("Content-Type: application/x-ndjson\r\n"));
}

#[test]
fn several_channels_come_in_the_order_of_publishing_under_one_cursor() {
    let server = Server::start(&[]);
    let path = "/channels/a?mode=sse&envelope=1&channel=b&channel=c%2Fd&channel=a";
    let mut peer = Peer::ask(server.address, &get(path, ""));
    peer.until("\n\n");
    for (channel, text) in [("a", "1"), ("c/d", "2"), ("b", "3"), ("other", "x"), ("a", "4")] {
        publish(server.address, channel, text);
    }
    let told = peer.until("\"data\":\"4\"}\n\n");
    let data: Vec<Value> =
        told.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
    let names: Vec<&str> = data.iter().filter_map(|object| object["channel"].as_str()).collect();
    assert_eq!(names, ["a", "c/d", "b", "a"]);
    // Cut behind the second, and back with its id: exactly the others.
    let second = data[1]["id"].as_str().expect("an id");
    let mut again = Peer::ask(server.address, &get(path, &format!("Last-Event-ID: {second}\r\n")));
    let head = again.until("\r\n\r\n");
    assert!(!head.contains("Encke-Gap"), "{head}");
    let told = again.until("\"data\":\"4\"}\n\n");
    assert!(told.contains("\"data\":\"3\"") && !told.contains("\"data\":\"2\""), "{told}");
}

#[test]
fn a_raw_stream_says_in_its_head_where_it_begins() {
    let server = Server::start(&[]);
    publish(server.address, "a", "before");
    let mut cut = Peer::ask(server.address, &get("/channels/a", ""));
    let at = field(&cut.until("\r\n\r\n"), "Last-Event-ID");
    cut.reset();
    publish(server.address, "a", "while nobody listened");
    let mut again = Peer::ask(server.address, &get("/channels/a", &format!("Last-Event-ID: {at}\r\n")));
    assert!(!again.until("\r\n\r\n").contains("Encke-Gap"));
    assert!(again.until("listened\n").ends_with("while nobody listened\n"));
}

#[test]
fn a_forever_frame_binds_its_function_once_and_calls_it_for_each_message() {
    let server = Server::start(&[]);
    let mut frame = Peer::ask(server.address, &get("/channels/a?mode=iframe&callback=page.update", ""));
    let head = frame.until("\r\n\r\n");
    assert!(head.contains("Content-Type: text/html; charset=utf-8\r\n"));
    let policy = field(&head, "Content-Security-Policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'self'"), "{policy}");
    assert!(!policy.contains("eval"), "{policy}");
    let binding = frame.until("</script>\n");
    assert!(binding.contains("if (parent !== self) parent.page.update(data, id, event)"), "{binding}");
    let opened = frame.until("</script>\n");
    let at = field(&head, "Last-Event-ID");
    assert!(opened.contains(&format!("<script>F(null,\"{at}\",\"encke-open\")</script>")), "{opened}");
    let id = id_of(&publish(server.address, "a", "</script><script>alert(1)"));
    let message = frame.until("</script>\n");
    assert!(
        message.ends_with(&format!(
            "<script>F(\"\\u003c/script\\u003e\\u003cscript\\u003ealert(1)\",\"{id}\")</script>\n"
        )),
        "{message}"
    );
    for query in ["", "&callback=", "&callback=a-b", "&callback=alert(1)"] {
        let (head, _) = ask(&server, &get(&format!("/channels/a?mode=iframe{query}"), ""));
        assert!(head.starts_with("HTTP/1.1 400 "), "{query}: {head}");
    }
}

#[test]
fn jsonp_is_served_only_where_it_was_asked_for() {
    let server = Server::start(&[]);
    let (head, _) = ask(&server, &get("/channels/a?mode=poll&callback=f&timeout=0", ""));
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    let server = Server::start(&["--jsonp"]);
    publish(server.address, "a", "</script>\u{2028}");
    let (head, body) = ask(&server, &get("/channels/a?mode=poll&callback=page.f&since=0-0", ""));
    assert_eq!(field(&head, "Content-Type"), "application/javascript; charset=utf-8");
    assert!(head.contains("X-Content-Type-Options: nosniff\r\n"));
    let inside = body.strip_prefix("/**/page.f(").and_then(|rest| rest.strip_suffix(");\n")).expect("a call");
    assert!(!inside.contains('<') && !inside.contains('\u{2028}'), "{inside}");
    let told: Value = serde_json::from_str(inside).expect("JSON");
    assert_eq!(told["messages"][0]["data"], json!("</script>\u{2028}"));
    let (head, _) = ask(&server, &get("/channels/a?mode=poll&callback=f(1)", ""));
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

#[test]
fn info_counts_what_a_channel_holds_and_an_unused_one_is_empty() {
    let server = Server::start(&[]);
    let (_, body) = ask(&server, &get("/channels/a?mode=info", ""));
    let unused: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        unused,
        json!({"channel": "a", "subscribers": 0, "messages": 0, "bytes": 0, "oldest": null, "newest": null})
    );
    let (first, last) =
        (id_of(&publish(server.address, "a", "12345")), id_of(&publish(server.address, "a", "678")));
    let (_, body) = ask(&server, &get("/channels/a?mode=info", ""));
    let info: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        info,
        json!({"channel": "a", "subscribers": 0, "messages": 2, "bytes": 8, "oldest": first, "newest": last})
    );
}

#[test]
fn delete_gives_subscribers_what_they_lack_then_the_end_and_frees_the_name() {
    let server = Server::start(&[]);
    let (head, _) = ask(&server, &delete("/channels/a"));
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    let before = id_of(&publish(server.address, "a", "held"));
    let mut events = Peer::ask(server.address, &get("/channels/a?mode=sse&since=0-0", ""));
    let mut lines = Peer::ask(server.address, &get("/channels/a", ""));
    let mut parked = Peer::ask(server.address, &get("/channels/a?mode=poll", ""));
    events.until("data: held\n\n");
    lines.until("\r\n\r\n");
    server.until_metric("encke_connections{state=\"polling\"}", 1.0);
    ask(&server, &delete("/channels/a"));
    assert!(events.until("0\r\n\r\n").contains("event: encke-end\ndata: {\"end\":true}\n\n"));
    assert_eq!(lines.until("0\r\n\r\n"), "0\r\n\r\n");
    parked.until("\r\n\r\n");
    assert!(parked.until("}\n").contains("\"messages\":[],\"end\":true}"));
    // The connection is as good as before, and who comes back with an older cursor is told that something is gone.
    lines.send(&get(&format!("/channels/a?mode=poll&timeout=0&since={before}"), ""));
    assert!(!lines.until("}\n").contains("gap"), "it had everything");
    let epoch = before.split('-').next().unwrap();
    assert_eq!(poll(&server, &format!("&timeout=0&since={epoch}-0"))["gap"], json!(true));
}

#[test]
fn a_repeated_key_gets_the_first_answer_again_and_publishes_nothing() {
    let server = Server::start(&["--history-count", "2"]);
    let post = |key: &str, text: &str| {
        let head = format!(
            "POST /channels/a HTTP/1.1\r\nHost: encke.test\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n\r\n",
            text.len()
        );
        ask(&server, &(head + text)).1
    };
    let first = post("k1", "one");
    assert_eq!(post("k1", "one"), first);
    let other = post("k2", "two");
    assert!(other != first);
    assert_eq!(post("k1", "one"), first, "still held");
    post("k3", "three");
    let again = post("k1", "one");
    assert!(again != first, "the message of the key has left the ring, and the key with it");
    for wrong in ["", &"k".repeat(256), "k\u{e9}"] {
        assert!(post(wrong, "x").contains("Idempotency-Key"), "{wrong}");
    }
}

#[test]
fn head_says_what_get_would_and_does_not_wait() {
    let server = Server::start(&["--jsonp"]);
    for (query, content_type) in [
        ("?mode=sse", "text/event-stream"),
        ("?mode=ndjson", "application/x-ndjson"),
        ("?mode=poll", "application/json"),
        ("?mode=poll&callback=f", "application/javascript; charset=utf-8"),
        ("?mode=iframe&callback=f", "text/html; charset=utf-8"),
        ("?mode=info", "application/json"),
        ("", "text/plain; charset=utf-8"),
    ] {
        let request =
            format!("HEAD /channels/a{query} HTTP/1.1\r\nHost: encke.test\r\nConnection: close\r\n\r\n");
        let answer = Peer::ask(server.address, &request).drain().expect("at once");
        assert_eq!(field(&answer, "Content-Type"), content_type);
        assert!(answer.ends_with("\r\n\r\n"), "no body: {answer}");
    }
    assert!(publish(server.address, "a", "x").contains("\"subscribers\":0"));
}

#[test]
fn what_cannot_be_understood_opens_nothing() {
    let server = Server::start(&[]);
    let many = format!("?{}", "channel=x&".repeat(32));
    for query in [
        "?mode=telepathy",
        "?mode=sse&since=yesterday",
        "?mode=sse&envelope=2",
        "?mode=poll&timeout=soon",
        "?type=text/html",
        "?channel=",
        "?channel=a//b",
        "?channel=$x",
        "?channel=%ff",
        &many,
    ] {
        let (head, body) = ask(&server, &get(&format!("/channels/a{query}"), ""));
        assert!(head.starts_with("HTTP/1.1 400 "), "{query}: {head}");
        let error: Value = serde_json::from_str(&body).expect("JSON");
        assert!(error["error"].as_str().is_some_and(|text| text.len() > 10), "{body}");
    }
    assert_eq!(server.metric("encke_channels"), 0.0);
}

#[test]
fn a_forever_frame_is_for_frames() {
    let server = Server::start(&[]);
    for (destination, status) in [("document", 403), ("empty", 403), ("iframe", 200), ("frame", 200)] {
        let fields = format!("Sec-Fetch-Dest: {destination}\r\n");
        let mut peer = Peer::ask(server.address, &get("/channels/a?mode=iframe&callback=eval", &fields));
        assert!(peer.until("\r\n\r\n").starts_with(&format!("HTTP/1.1 {status} ")), "{destination}");
    }
}

#[test]
fn all_who_come_in_one_turn_are_asked_back_at_different_times() {
    let server = Server::start(&[]);
    let mut peers: Vec<Peer> = (0..200).map(|_| Peer::connect(server.address)).collect();
    peers.iter_mut().for_each(|peer| peer.send(&get("/channels/a?mode=sse", "")));
    let mut times: Vec<u64> = peers
        .iter_mut()
        .map(|peer| {
            peer.until("retry: ");
            peer.until("\n").trim().parse().expect("milliseconds")
        })
        .collect();
    assert!(times.iter().all(|time| (1_000..=3_000).contains(time)), "{times:?}");
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > 150, "{} different times for 200", times.len());
}

#[test]
fn head_says_where_get_would_begin_and_what_is_missing() {
    let server = Server::start(&[]);
    let id = id_of(&publish(server.address, "a", "one"));
    for mode in ["sse", "ndjson", "stream", "poll"] {
        for (since, is_gap) in [(id.clone(), false), ("17-4".to_owned(), true)] {
            let request = format!(
                "HEAD /channels/a?mode={mode}&since={since} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            );
            let head = Peer::ask(server.address, &request).drain().expect("at once");
            assert_eq!(head.contains("Encke-Gap: true\r\n"), is_gap, "{mode}: {head}");
            assert_eq!(mode == "poll", !head.contains("Last-Event-ID: "), "{head}");
        }
    }
}

#[test]
fn a_publish_is_never_answered_as_if_it_were_done_when_it_is_not() {
    let server = Server::start(&["--comet-timeout", "100ms", "--body-timeout", "400ms"]);
    let mut slow =
        Peer::ask(server.address, "POST /channels/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe");
    assert!(slow.until("\r\n\r\n").starts_with("HTTP/1.1 408 "));
    assert_eq!(server.metric("encke_messages_published_total"), 0.0);
}

#[test]
fn a_wrong_type_is_refused_before_its_message_is_sent() {
    let server = Server::start(&[]);
    for event in ["encke-gap", "$x", "a%0Ab", "%C2%85"] {
        let request = format!(
            "POST /channels/a?event={event} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        );
        let mut peer = Peer::ask(server.address, &request);
        assert!(peer.until("\r\n\r\n").starts_with("HTTP/1.1 400 "), "{event}");
    }
}

#[test]
fn two_last_event_ids_are_one_too_many() {
    let server = Server::start(&[]);
    let fields = "Last-Event-ID: \r\nLast-Event-ID: 17-4\r\n";
    let (head, _) = ask(&server, &get("/channels/a?mode=sse", fields));
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
}

#[test]
fn the_start_page_says_that_publishing_takes_a_key_where_it_does() {
    let folder = support::Folder::new("start-page-keys");
    let keys = folder.write("keys", "secret\n");
    let server = Server::start(&["--publish-key-file", &keys]);
    let (_, page) = ask(&server, &get("/", ""));
    assert!(page.contains("curl -H 'Authorization: Bearer KEY' -d"), "{page}");
}

//! `encke subscribe` against whatever else speaks HTTP: statuses and their codes, servlets, odd framings, redirects, servers that come
//! back.

use std::time::Duration;

use crate::child::{run, start};
use crate::script::{Act, EVENTS, Scripted, answer, hold, say};

#[test]
fn each_status_has_words_and_a_code_of_its_own() {
    let page = include_str!("../../docs/commands.md");
    for (status, code, word) in [
        (204, 24, "no need to come back"),
        (400, 40, "not understood"),
        (401, 41, "a key is needed that the server knows"),
        (403, 43, "not allowed"),
        (404, 44, "nothing of this name"),
        (410, 44, "gone"),
        (413, 40, "too large"),
        (429, 49, "too many"),
        (500, 50, "has failed"),
        (502, 52, "a proxy got no answer"),
        (503, 53, "busy or stops"),
        (504, 54, "waited in vain"),
        (505, 50, "cannot do it"),
        (300, 30, "elsewhere"),
    ] {
        assert!(page.contains(&format!("\n| {code} | ")), "the page has no code {code}");
        let body = if status == 204 { "" } else { r#"{"error":"and so it is"}"# };
        let text = match status {
            204 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
            _ => answer(status, "", body),
        };
        let server = Scripted::new(vec![say(&text)]);
        let ended = run(&["subscribe", &server.url("/x")], "");
        assert_eq!(ended.code, Some(code), "{status}: {ended:?}");
        let line = ended.last_word();
        assert!(ended.err.len() == 1 && line.contains(&status.to_string()) && line.contains(word), "{line}");
        assert!(status == 204 || line.contains("and so it is"), "{line}");
    }
}

#[test]
fn a_page_is_printed_and_said_to_be_one_and_an_endless_document_is_not() {
    let server = Scripted::new(vec![say(&answer(
        200,
        "Content-Type: text/html; charset=utf-8\r\n",
        "<p>Hello</p>\n",
    ))]);
    let ended = run(&["subscribe", &server.url("/")], "");
    assert_eq!((ended.code, ended.out), (Some(0), vec!["<p>Hello</p>".to_owned()]));
    assert!(ended.err.iter().any(|line| line.contains("a page and no stream")), "{:?}", ended.err);

    let endless = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\na\r\n<p>Hi</p>\n\r\n";
    let server = Scripted::new(vec![hold(endless)]);
    let ended = run(&["subscribe", &server.url("/"), "-n", "1"], "");
    assert_eq!((ended.code, ended.out, ended.err), (Some(0), vec!["<p>Hi</p>".to_owned()], vec![]));
}

/// What Tomcat sends for the articles' `TestComet`.
const SERVLET: &str = "HTTP/1.1 200 OK\r\nServer: Apache-Coyote/1.1\r\nTransfer-Encoding: chunked\r\nDate: Tue, 24 Nov 2026 00:00:00 GMT\r\n\r\n\
    a\r\nrandom:7\r\n\r\na\r\nrandom:1\r\n\r\n";

#[test]
fn the_articles_servlet_is_asked_with_a_form_and_its_lines_are_printed() {
    let server = Scripted::new(vec![hold(SERVLET)]);
    let url = server.url("/testComet.do");
    let mut running = start(&[
        "subscribe",
        &url,
        "--form",
        "requestInfo=\u{6ce8} 1&2",
        "--form",
        "a=b",
        "--header",
        "X-A: b",
    ]);
    // Tomcat's println ends lines as its system does; what came is what is printed.
    assert_eq!(running.lines(2), ["random:7", "random:1"]);
    let request = server.asked().1;
    assert!(request.starts_with("POST /testComet.do HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
    for part in [
        "\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        "\r\nX-A: b\r\n",
        "\r\n\r\nrequestInfo=%E6%B3%A8+1%262&a=b",
    ] {
        assert!(request.contains(part), "{request}");
    }
    let json = Scripted::new(vec![hold(SERVLET)]);
    let ended = run(&["subscribe", &json.url("/"), "--json", "-n", "1"], "");
    assert_eq!(ended.out, [r#"{"id":null,"channel":null,"event":null,"data":"random:7"}"#]);
}

#[test]
fn every_framing_is_read_to_its_end() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
    for text in [
        format!("{head}Content-Length: 8\r\n\r\none\ntwo\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\non\r\n6\r\ne\ntwo\n\r\n0\r\n\r\n"),
        format!("{head}\r\none\ntwo"),
        "HTTP/1.0 200 OK\r\n\r\none\ntwo\n".to_owned(),
    ] {
        let server = Scripted::new(vec![say(&text)]);
        let ended = run(&["subscribe", &server.url("/"), "--once"], "");
        assert_eq!(
            (ended.code, &ended.out[..]),
            (Some(0), &["one".to_owned(), "two".to_owned()][..]),
            "{text}"
        );
    }
    // One that breaks off is not taken for a whole one.
    for text in [
        format!("{head}Content-Length: 9\r\n\r\none\ntwo\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n"),
    ] {
        let server = Scripted::new(vec![say(&text)]);
        let ended = run(&["subscribe", &server.url("/"), "--once"], "");
        assert_eq!((ended.code, ended.out[0].as_str()), (Some(3), "one"), "{text}");
    }
}

#[test]
fn a_file_of_json_lines_is_printed_once() {
    let file = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: 16\r\n\r\n{\"n\":1}\n{\"n\":2}\n";
    let server = Scripted::new(vec![say(file)]);
    let ended = run(&["subscribe", &server.url("/")], "");
    assert_eq!((ended.code, ended.out.len(), ended.err.len()), (Some(0), 2, 0), "{ended:?}");
}

#[test]
fn bytes_without_a_line_end_are_printed_at_once_and_a_cut_ends_their_line() {
    let server = Scripted::new(vec![
        say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        hold("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nwhole\n\r\n"),
    ]);
    let mut running = start(&["subscribe", &server.url("/"), "--retry", "1ms"]);
    assert_eq!(running.lines(2), ["half", "whole"]);
    running.says("what comes meanwhile will be missing");
}

#[test]
fn an_event_stream_of_others_is_resumed_with_its_id_after_the_time_that_it_asks_for() {
    let server = Scripted::new(vec![
        say(&format!(
            "{EVENTS}\u{feff}retry: 300\r\nid: 7\r\ndata: a\r\ndata: b\r\n\r\n:\r\nevent: x\rdata:c\r\rdata: never"
        )),
        hold(&format!("{EVENTS}data: d\n\n")),
    ]);
    let mut running = start(&["subscribe", &server.url("/events?x=y"), "--mode", "sse"]);
    assert_eq!(running.lines(4), ["a", "b", "c", "d"]);
    let ((first, one), (second, two)) = (server.asked(), server.asked());
    assert!(one.contains("\r\nAccept: text/event-stream\r\n") && !one.contains("Last-Event-ID"), "{one}");
    assert!(two.starts_with("GET /events?x=y ") && two.contains("\r\nLast-Event-ID: 7\r\n"), "{two}");
    assert!(second - first >= Duration::from_millis(300), "{:?}", second - first);
}

#[test]
fn a_busy_server_is_asked_again_when_it_wants_to_be() {
    let busy = answer(503, "Retry-After: 1\r\nConnection: close\r\n", "");
    let server = Scripted::new(vec![say(&busy), hold(&format!("{EVENTS}data: here\n\n"))]);
    let mut running = start(&["subscribe", &server.url("/"), "--retry", "1ms"]);
    running.says("answers 503, the server is busy or stops; again in 1.0 s");
    assert_eq!(running.line(), "here");
    let (first, second) = (server.asked().0, server.asked().0);
    assert!(second - first >= Duration::from_secs(1), "{:?}", second - first);
    // Who said that it is to be tried once is not made to wait.
    let server = Scripted::new(vec![say(&busy)]);
    assert_eq!(run(&["subscribe", &server.url("/"), "--once"], "").code, Some(53));
}

#[test]
fn what_has_worked_is_tried_again_over_proxies_that_fail_until_it_is_refused() {
    let passing = [500, 502, 503, 504, 429].map(|status| say(&answer(status, "Connection: close\r\n", "")));
    let mut scripts = vec![say(&format!("{EVENTS}id: 1\ndata: one\n\n"))];
    scripts.extend(passing);
    scripts.push(say(&format!("{EVENTS}data: two\n\n")));
    scripts.push(say(&answer(403, "", "")));
    let server = Scripted::new(scripts);
    let ended = run(&["subscribe", &server.url("/"), "--retry", "1ms"], "");
    assert_eq!((ended.code, &ended.out[..]), (Some(43), &["one".to_owned(), "two".to_owned()][..]));
    assert_eq!(ended.err.iter().filter(|line| line.contains("again in")).count(), 5, "{ended:?}");
    let asked: Vec<String> = (0..8).map(|_| server.asked().1).collect();
    assert!(asked[1..].iter().all(|request| request.contains("\r\nLast-Event-ID: 1\r\n")));
}

#[test]
fn polls_go_on_over_proxies_that_lose_patience_with_the_cursor_kept() {
    let list = |cursor: &str, data: &str| {
        let message = format!(r#"{{"id":"{cursor}","channel":"n","event":null,"data":"{data}"}}"#);
        let messages = if data.is_empty() { "" } else { &message };
        answer(
            200,
            "Content-Type: application/json\r\n",
            &format!(r#"{{"cursor":"{cursor}","messages":[{messages}]}}"#),
        )
    };
    let server = Scripted::new(vec![
        vec![
            Act::Say(list("5-1", "")),
            Act::Hear,
            Act::Say(list("5-2", "one")),
            Act::Hear,
            Act::Say(answer(504, "Connection: close\r\n", "")),
        ],
        vec![Act::Say(list("5-3", "two")), Act::Hold],
    ]);
    let mut running = start(&["subscribe", &server.url("/channels/n"), "--mode", "poll", "--retry", "1ms"]);
    assert_eq!(running.lines(2), ["one", "two"]);
    let asked: Vec<String> = (0..4).map(|_| server.asked().1).collect();
    assert!(
        asked[0].starts_with("GET /channels/n?timeout=0 HTTP/1.1\r\n"),
        "told at once where it stands: {}",
        asked[0]
    );
    for (request, cursor) in asked[1..].iter().zip(["5-1", "5-2", "5-2"]) {
        assert!(request.starts_with("GET /channels/n HTTP/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("\r\nLast-Event-ID: {cursor}\r\n")), "{request}");
    }
}

#[test]
fn a_server_that_answers_polls_without_waiting_is_not_flooded() {
    let empty = answer(200, "Content-Type: application/json\r\n", r#"{"cursor":"","messages":[]}"#);
    let server = Scripted::new(vec![hold(&empty), hold(&empty)]);
    let mut running = start(&["subscribe", &server.url("/"), "--mode", "poll", "--retry", "1ms", "-v"]);
    for _ in 0..2 {
        running.says("has ended its answer; again in");
    }
}

#[test]
fn redirects_are_followed_five_times_and_keys_stay_at_home() {
    let there = Scripted::new(vec![hold(&format!("{EVENTS}data: there\n\n"))]);
    let away = format!("Location: {}\r\nConnection: close\r\n", there.url("/there"));
    let here = Scripted::new(vec![
        say(&answer(302, "Location: /second\r\nConnection: close\r\n", "")),
        say(&answer(307, &away, "")),
    ]);
    let mut running =
        start(&["subscribe", &here.url("/first"), "--key", "secret", "--header", "Cookie: a=b"]);
    assert_eq!(running.line(), "there");
    let (_, first) = here.asked();
    let (_, second) = here.asked();
    assert!(first.contains("\r\nAuthorization: Bearer secret\r\n"), "{first}");
    assert!(second.starts_with("GET /second ") && second.contains("secret"), "{second}");
    let (_, third) = there.asked();
    assert!(
        third.starts_with("GET /there ") && !third.contains("secret") && !third.contains("Cookie"),
        "{third}"
    );
    let round = answer(301, "Location: /\r\nConnection: close\r\n", "");
    let server = Scripted::new((0..6).map(|_| say(&round)).collect());
    let ended = run(&["subscribe", &server.url("/")], "");
    assert!(ended.code == Some(30) && ended.last_word().contains("more than 5 times"), "{ended:?}");
    let server = Scripted::new(vec![say(&answer(301, "Location: https://a/\r\n", ""))]);
    let ended = run(&["subscribe", &server.url("/")], "");
    assert!(ended.code == Some(30) && ended.last_word().contains("no TLS"), "{ended:?}");
}

#[test]
fn a_form_is_asked_again_as_the_redirect_says() {
    for (status, line) in
        [(303, "GET /there "), (302, "GET /there "), (307, "POST /there "), (308, "POST /there ")]
    {
        let server = Scripted::new(vec![
            say(&answer(status, "Location: /there\r\nConnection: close\r\n", "")),
            say(&answer(200, "", "done\n")),
        ]);
        let ended = run(&["subscribe", &server.url("/here"), "--form", "a=b"], "");
        assert_eq!((ended.code, ended.out[0].as_str()), (Some(0), "done"));
        server.asked();
        let (_, request) = server.asked();
        assert!(request.starts_with(line), "{status}: {request}");
        assert_eq!(request.ends_with("\r\n\r\na=b"), line.starts_with("POST"), "{request}");
    }
}

#[test]
fn what_cannot_be_read_is_refused_in_words() {
    let large = format!("{EVENTS}data: {}\n\n", "x".repeat(2000));
    for (arguments, text, word) in [
        (&[][..], "SSH-2.0-OpenSSH_10.0\r\n".to_owned(), "does not speak HTTP/1.1"),
        (&[], "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n".to_owned(), "gzip"),
        (
            &["--mode", "sse"],
            answer(200, "Content-Type: text/html\r\n", ""),
            "text/html, which is no event stream",
        ),
        (&["--mode", "ndjson"], answer(200, "", ""), "no JSON stream"),
        (&["--mode", "poll"], answer(200, "Content-Type: application/json\r\n", "[]"), "cursor"),
        (&["--max-message", "1KiB"], large, "--max-message"),
    ] {
        let server = Scripted::new(vec![say(&text)]);
        let url = server.url("/");
        let ended = run(&[&["subscribe", &url], arguments].concat(), "");
        assert!(ended.code == Some(4) && ended.last_word().contains(word), "{ended:?}");
    }
}

#[test]
fn an_id_that_would_break_a_head_is_not_sent_back() {
    let hostile = r#"{"id":"1\r\nX-Forged: yes","data":"x"}"#;
    let stream = format!("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n{hostile}\n");
    let server = Scripted::new(vec![say(&stream), hold(&stream)]);
    let mut running = start(&["subscribe", &server.url("/"), "--retry", "1ms"]);
    assert_eq!(running.lines(2), ["x", "x"]);
    server.asked();
    let (_, request) = server.asked();
    assert!(!request.contains("Forged"), "{request}");
}

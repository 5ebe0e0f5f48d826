//! `encke publish`: texts and lines, each once and in order, whatever breaks in between.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::child::{run, start};
use crate::script::{Act, Scripted, answer, say};
use crate::support::{Folder, Server, encke, id_of, publish};
use crate::wire::Wire;

/// What a channel holds behind its first message.
#[track_caller]
fn held(address: SocketAddr, channel: &str, first: &str, count: usize) -> Vec<String> {
    let url = format!("http://{address}/channels/{channel}");
    let ended = run(&["subscribe", &url, "--since", first, "-n", &count.to_string()], "");
    assert_eq!((ended.code, ended.err.len()), (Some(0), 0), "{:?}", ended.err);
    ended.out
}

/// The last id of a channel.
#[track_caller]
fn newest(address: SocketAddr, channel: &str) -> String {
    let url = format!("http://{address}/channels/{channel}?mode=info");
    let ended = run(&["subscribe", &url], "");
    let info: serde_json::Value = serde_json::from_str(&ended.out[0]).expect("JSON");
    info["newest"].as_str().expect("an id").to_owned()
}

#[test]
fn a_text_is_one_message_and_of_the_input_each_line_is_but_empty_ones() {
    let server = Server::start(&[]);
    let url = format!("http://{}/channels/news", server.address);
    let first = id_of(&publish(server.address, "news", "before"));
    let ended = run(&["publish", &url, "two\nlines"], "not read\n");
    assert_eq!((ended.code, ended.out.len(), ended.err.len()), (Some(0), 0, 0), "{ended:?}");
    for arguments in [&["publish", &url][..], &["publish", &url, "-"]] {
        let ended = run(arguments, "one\r\n\n\r\n two \ncaf\u{e9}");
        assert_eq!((ended.code, ended.out.len(), ended.err.len()), (Some(0), 0, 0), "{ended:?}");
    }
    assert_eq!(run(&["publish", &url, ""], "").code, Some(0), "a text without a byte is one, too");
    let lines = ["two", "lines", "one", " two ", "caf\u{e9}", "one", " two ", "caf\u{e9}"];
    assert_eq!(held(server.address, "news", &first, 7), lines);
    assert_eq!(held(server.address, "news", &first, 8).last().map(String::as_str), Some(""));
    assert!(newest(server.address, "news").ends_with("-9"), "and no more");
}

#[test]
fn a_line_is_published_while_the_input_is_still_open() {
    let server = Server::start(&["--keep-alive", "50ms"]);
    let url = format!("http://{}/channels/news", server.address);
    let mut listening = start(&["subscribe", &url, "-v"]);
    listening.says("answers 200");
    let mut publishing = start(&["publish", &url, "-v"]);
    for text in ["one", "two", "three"] {
        publishing.write(&format!("{text}\n"));
        assert_eq!(listening.line(), text);
        publishing.says(" is ");
        // Until the server has closed what is idle.
        server.until_metric("encke_connections{state=\"idle\"}", 0.0);
    }
    publishing.close();
    assert_eq!(publishing.wait().code, Some(0));
}

#[test]
fn ids_are_printed_as_the_server_answers_them() {
    let server = Server::start(&[]);
    let url = format!("http://{}/channels/news", server.address);
    let ended = run(&["publish", &url, "--json", "-v", "--event", "at 5 km & on"], "one\n\ntwo\n");
    let ids: Vec<String> = ended.out.iter().map(|line| id_of(line)).collect();
    assert!(ids.len() == 2 && ids[0].ends_with("-1") && ids[1].ends_with("-2"), "{ended:?}");
    assert_eq!(ended.err, [format!("encke: line 1 is {}", ids[0]), format!("encke: line 3 is {}", ids[1])]);
    let ended = run(&["subscribe", &url, "--since", &ids[0], "-n", "1", "--json"], "");
    assert!(ended.out[0].contains(r#""event":"at 5 km & on","data":"two""#), "{ended:?}");
}

#[test]
fn ten_thousand_lines_arrive_once_and_in_order_over_a_wire_that_is_cut_again_and_again() {
    let server = Server::start(&["--history-count", "20000", "--history-bytes", "8MiB"]);
    let wire = Wire::to(server.address, 100_000);
    let first = id_of(&publish(server.address, "log", "before"));
    let lines: Vec<String> = (0..10_000).map(|n| format!("line {n}")).collect();
    let ended = run(&["publish", &wire.url("/channels/log"), "--retry", "1ms"], &(lines.join("\n") + "\n"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(wire.cuts() >= 10, "only {} cuts", wire.cuts());
    assert!(held(server.address, "log", &first, 10_000) == lines, "lost, doubled or out of order");
    assert!(newest(server.address, "log").ends_with("-10001"), "and nothing twice");
}

#[test]
fn what_is_sent_again_has_the_key_that_it_had() {
    let ok = answer(200, "", "{\"id\":\"1-1\",\"subscribers\":0}\n");
    let busy = answer(503, "Retry-After: 0\r\n", "{\"error\":\"no room\"}");
    let server = Scripted::new(vec![
        // An answer that gets lost, a busy server, one that takes it.
        vec![Act::Say(ok.clone()), Act::Hear],
        vec![Act::Say(busy)],
        vec![Act::Say(ok.clone()), Act::Hear, Act::Say(ok)],
    ]);
    let mut publishing =
        start(&["publish", &server.url("/channels/x?a=b"), "--event", "t", "--retry", "1ms"]);
    let key = |request: &str| {
        let line = request.lines().find_map(|line| line.strip_prefix("Idempotency-Key: "));
        line.expect("a key").to_owned()
    };
    publishing.write("one\n");
    let (_, one) = server.asked();
    assert!(
        one.starts_with("POST /channels/x?a=b&event=t HTTP/1.1\r\n") && one.ends_with("\r\n\r\none"),
        "{one}"
    );
    publishing.write("two\n");
    let twos: Vec<String> = (0..3).map(|_| server.asked().1).collect();
    assert!(twos.iter().all(|two| two.ends_with("\r\n\r\ntwo") && key(two) == key(&twos[0])), "{twos:?}");
    assert_ne!(key(&one), key(&twos[0]));
    publishing.says("answers 503, the server is busy or stops: no room; again in");
    publishing.write("three\n");
    assert!(server.asked().1.ends_with("three"));
    publishing.close();
    assert_eq!(publishing.wait().code, Some(0));
}

#[test]
fn a_killed_server_is_waited_for_and_gets_the_rest() {
    let mut server = Server::start(&[]);
    let address = server.address;
    let mut publishing =
        start(&["publish", &format!("http://{address}/channels/news"), "--retry", "5ms", "-v"]);
    publishing.write("one\n");
    publishing.says("line 1 is ");
    server.signal("KILL");
    server.wait();
    publishing.write("two\nthree\n");
    publishing.says("again in");
    let server = Server::start_at(&address.to_string(), &[]);
    publishing.says("line 3 is ");
    publishing.close();
    assert_eq!(publishing.wait().code, Some(0));
    assert!(newest(server.address, "news").ends_with("-2"), "each once in the new life");
}

#[test]
fn a_refusal_names_the_line_and_ends_it() {
    let server = Server::start(&["--max-body", "10"]);
    let url = format!("http://{}/channels/news", server.address);
    let ended = run(&["publish", &url, "--window", "1"], "one\n\ntoo long for it\nthree\n");
    let line = ended.last_word();
    assert_eq!((ended.code, ended.err.len()), (Some(40), 1), "{ended:?}");
    assert!(
        line.contains("answers 413") && line.contains("line 3 was not published (1 published)"),
        "{line}"
    );
    assert!(newest(server.address, "news").ends_with("-1"));
    // Behind it something is on its way already, of which the server says nothing when it closes.
    let ended = run(&["publish", &url], "four\n\ntoo long for it\nsix\n");
    assert!(ended.last_word().contains("line 3 was not published (1 published"), "{ended:?}");
    assert_eq!(run(&["publish", &url], "").code, Some(0), "nothing is nothing");
    let ended = run(&["publish", &url, "--max-message", "5"], "four\nlonger\nfive\n");
    assert!(
        ended.code == Some(1) && ended.last_word().contains("line 2 is longer than --max-message"),
        "{ended:?}"
    );
    let ended = run(&["publish", &format!("http://{}/channels/a//b", server.address), "x"], "");
    assert!(
        ended.code == Some(40) && ended.last_word().contains("the message was not published"),
        "{ended:?}"
    );
}

#[test]
fn a_server_that_wants_a_key_gets_the_first_one_of_the_file() {
    let folder = Folder::new("publish-keys");
    let keys = folder.write("keys", "# since May\nfirst-key\nsecond-key\n");
    let server = Server::start(&["--publish-key-file", &keys]);
    let url = format!("http://{}/channels/news", server.address);
    let ended = run(&["publish", &url, "x"], "");
    assert!(ended.code == Some(41) && ended.last_word().contains("a key is needed"), "{ended:?}");
    assert_eq!(run(&["publish", &url, "x", "--key", "wrong"], "").code, Some(41));
    assert_eq!(run(&["publish", &url, "x", "--key-file", &keys], "").code, Some(0));
    assert_eq!(run(&["publish", &url, "x", "--key", "second-key"], "").code, Some(0));
    let ended = run(&["subscribe", &(url + "?mode=info"), "--key-file", &keys], "");
    assert!(ended.out[0].contains("\"messages\":2"), "{ended:?}");
}

#[test]
fn other_answers_have_their_codes_too() {
    for (status, code) in [(400, 40), (403, 43), (404, 44), (500, 50), (502, 52), (503, 53), (302, 30)] {
        let server = Scripted::new(vec![say(&answer(status, "Connection: close\r\n", "<html>"))]);
        let ended = run(&["publish", &server.url("/"), "x"], "");
        assert_eq!(ended.code, Some(code), "{ended:?}");
    }
    let server = Scripted::new(vec![say("220 smtp.example.org\r\n")]);
    assert_eq!(run(&["publish", &server.url("/"), "x"], "").code, Some(4));
}

#[test]
fn a_rate_is_kept() {
    let server = Server::start(&[]);
    let url = format!("http://{}/channels/news", server.address);
    let begun = Instant::now();
    let ended = run(&["publish", &url, "--rate", "100/s"], &"x\n".repeat(21));
    assert_eq!(ended.code, Some(0));
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
}

#[test]
fn who_no_longer_reads_the_answers_does_not_stop_the_publishing() {
    let server = Server::start(&[]);
    let line = format!(
        "seq 1 500 | '{}' publish http://{}/channels/news --json | head -n 1",
        env!("CARGO_BIN_EXE_encke"),
        server.address
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &line]);
    let ended = crate::child::Running::of(shell).wait();
    assert!(ended.out[0].contains("-1\"") && ended.err.is_empty(), "{ended:?}");
    assert!(newest(server.address, "news").ends_with("-500"));
}

#[test]
fn a_message_that_is_refused_before_all_of_it_was_sent_is_not_sent_for_ever() {
    // More than the kernel's buffers take of somebody who does not read.
    let large = "x".repeat(15 << 20);
    let server = Scripted::new(vec![vec![
        Act::Say(answer(200, "", "{}")),
        Act::HearHead,
        Act::Say(answer(413, "Connection: close\r\n", "")),
        Act::Hold,
    ]]);
    let url = server.url("/");
    let mut publishing =
        start(&["publish", &url, "--retry", "1ms", "--idle", "500ms", "--max-message", "16MiB"]);
    publishing.write("one\n");
    server.asked();
    publishing.write(&(large + "\n"));
    publishing.close();
    let ended = publishing.wait();
    assert!(ended.code == Some(40) && ended.last_word().contains("line 2 was not published"), "{ended:?}");
}

#[test]
fn what_comes_behind_the_last_answer_of_a_connection_does_not_count() {
    let last = answer(200, "Connection: close\r\n", "{}");
    let server = Scripted::new(vec![say(&format!("{last}{last}and more")), say(&last)]);
    let ended = run(&["publish", &server.url("/"), "--window", "1"], "one\ntwo\n");
    assert_eq!((ended.code, ended.err.len()), (Some(0), 0), "{ended:?}");
    let texts = [server.asked().1, server.asked().1];
    assert!(texts[0].ends_with("one") && texts[1].ends_with("two"), "{texts:?}");
}

#[test]
fn a_server_that_takes_a_later_message_first_is_told_of() {
    let busy = answer(503, "Retry-After: 0\r\n", "");
    let ok = answer(200, "", "{}");
    let (go, wait) = std::sync::mpsc::channel();
    let server = Scripted::new(vec![
        vec![
            Act::Wait(wait),
            Act::Say(ok.clone()),
            Act::Hear,
            Act::Hear,
            Act::Say(busy),
            Act::Say(ok.clone()),
        ],
        vec![Act::Say(ok)],
    ]);
    let mut publishing = start(&["publish", &server.url("/"), "--retry", "1ms"]);
    publishing.write("zero\n");
    let zero = server.asked().1;
    // While it waits for that answer two more lines come, which then go out together.
    publishing.write("one\ntwo\n");
    publishing.until_read();
    go.send(()).expect("the server waits");
    publishing.close();
    publishing.says("line 3 was taken before line 2");
    let asked: Vec<String> = std::iter::once(zero).chain((0..3).map(|_| server.asked().1)).collect();
    let texts: Vec<&str> = asked.iter().filter_map(|request| request.rsplit("\r\n\r\n").next()).collect();
    assert_eq!(texts, ["zero", "one", "two", "one"]);
    assert_eq!(publishing.wait().code, Some(0));
}

#[test]
fn a_terminal_shows_how_many_are_published_and_a_pipe_does_not() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let server = Server::start(&[]);
    let url = format!("http://{}/channels/news", server.address);
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
    grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("a terminal of our own");
    let name = ptsname(&terminal, Vec::new()).expect("it has a name").into_string().expect("text");
    let slave = std::fs::OpenOptions::new().read(true).write(true).open(name).expect("the other end");
    let mut child = encke()
        .args(["publish", &url])
        .stdin(std::process::Stdio::piped())
        .stderr(slave)
        .spawn()
        .expect("the command starts");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(b"one\ntwo\nthree\n").expect("it reads");
    drop(input);
    assert!(child.wait().expect("it ends").success());
    // The slave is closed, so what was written is there, and then comes the end or an error, as systems have it.
    let mut seen = Vec::new();
    let _ = std::fs::File::from(terminal).read_to_end(&mut seen);
    let seen = String::from_utf8_lossy(&seen);
    assert!(
        seen.contains("\r\u{1b}[K") && seen.contains("3 published, ") && seen.ends_with("/s\r\n"),
        "{seen:?}"
    );
    let ended = run(&["publish", &url], "one\n");
    assert!(ended.err.is_empty(), "{ended:?}");
}

//! `encke subscribe` against Encke: every mode, the cursor over cuts and restarts, gaps and ends.

use serde_json::Value;

use crate::child::{run, start};
use crate::support::{Folder, Peer, Server, id_of, publish};
use crate::wire::Wire;

const MODES: [&str; 4] = ["sse", "ndjson", "poll", "stream"];

fn url(server: &Server, path: &str) -> String {
    format!("http://{}{path}", server.address)
}

#[test]
fn every_mode_prints_each_message_as_it_comes_and_ends_after_the_last_one_wanted() {
    let server = Server::start(&[]);
    for mode in MODES {
        let channel = format!("every-{mode}");
        let since = id_of(&publish(server.address, &channel, "before"));
        let url = url(&server, &format!("/channels/{channel}"));
        let mut running = start(&["subscribe", &url, "--mode", mode, "--since", &since, "-n", "3"]);
        for text in ["one", "two", "three"] {
            publish(server.address, &channel, text);
            assert_eq!(running.line(), text, "{mode}");
        }
        let ended = running.wait();
        assert_eq!((ended.code, ended.out.len(), ended.err.len()), (Some(0), 0, 0), "{mode}: {ended:?}");
    }
}

#[test]
fn json_is_the_same_object_whatever_the_mode() {
    let server = Server::start(&[]);
    let first = id_of(&publish(server.address, "news", "before"));
    let id = id_of(&publish(server.address, "news?event=runner", "two\nlines"));
    for (mode, has_channel) in [("", true), ("sse", false), ("ndjson", true), ("poll", true)] {
        let url = url(&server, "/channels/news");
        let mut arguments = vec!["subscribe", &url, "--json", "--since", &first, "-n", "1"];
        if !mode.is_empty() {
            arguments.extend(["--mode", mode]);
        }
        let ended = run(&arguments, "");
        let channel = if has_channel { "\"news\"" } else { "null" };
        let object = format!(
            "{{\"id\":\"{id}\",\"channel\":{channel},\"event\":\"runner\",\"data\":\"two\\nlines\"}}"
        );
        assert_eq!((ended.code, &ended.out[..]), (Some(0), &[object][..]), "{mode}");
    }
    let ended = run(
        &[
            "subscribe",
            &url(&server, "/channels/news"),
            "--json",
            "--mode",
            "stream",
            "--since",
            &first,
            "-n",
            "2",
        ],
        "",
    );
    let data = |line: &String| {
        serde_json::from_str::<Value>(line).expect("JSON")["data"].as_str().map(str::to_owned)
    };
    assert_eq!(ended.out.iter().filter_map(data).collect::<Vec<_>>(), ["two", "lines"]);
}

#[test]
fn a_cut_loses_nothing_and_doubles_nothing_in_modes_with_ids() {
    let server = Server::start(&[]);
    for mode in ["sse", "ndjson", "poll"] {
        let wire = Wire::to(server.address, usize::MAX);
        let channel = format!("cut-{mode}");
        let mut running = start(&[
            "subscribe",
            &wire.url(&format!("/channels/{channel}")),
            "--mode",
            mode,
            "--since",
            &id_of(&publish(server.address, &channel, "before")),
            "--retry",
            "1ms",
            "-q",
        ]);
        publish(server.address, &channel, "0");
        assert_eq!(running.line(), "0", "{mode}");
        for round in 0..10 {
            wire.cut();
            let texts: Vec<String> = (0..3).map(|n| format!("{round}.{n}")).collect();
            texts.iter().for_each(|text| drop(publish(server.address, &channel, text)));
            assert_eq!(running.lines(3), texts, "{mode}");
        }
    }
}

#[test]
fn who_was_cut_before_the_first_message_has_lost_nothing() {
    let server = Server::start(&[]);
    for mode in MODES {
        let wire = Wire::to(server.address, usize::MAX);
        let channel = format!("early-{mode}");
        let url = wire.url(&format!("/channels/{channel}"));
        let mut running = start(&["subscribe", &url, "--mode", mode, "--retry", "1ms", "-v"]);
        running.says("answers 200");
        wire.cut();
        publish(server.address, &channel, "Hello");
        assert_eq!(running.line(), "Hello", "{mode}");
    }
}

#[test]
fn a_kill_9_and_a_restart_are_survived_and_the_gap_is_told() {
    for mode in ["sse", "ndjson", "poll"] {
        let mut server = Server::start(&[]);
        let address = server.address;
        let since = id_of(&publish(address, "news", "before"));
        let url = url(&server, "/channels/news");
        let mut running = start(&["subscribe", &url, "--mode", mode, "--since", &since, "--retry", "5ms"]);
        publish(address, "news", "first life");
        assert_eq!(running.line(), "first life", "{mode}");
        server.signal("KILL");
        server.wait();
        running.says("again in");
        let server = Server::start_at(&address.to_string(), &[]);
        publish(server.address, "news", "while nobody listened");
        running.says("messages are missing");
        assert_eq!(running.line(), "while nobody listened", "{mode}");
        publish(server.address, "news", "after");
        assert_eq!(running.line(), "after", "{mode}");
    }
}

#[test]
fn a_server_that_stops_and_comes_back_is_waited_for() {
    let mut server = Server::start(&[]);
    let address = server.address;
    let mut running = start(&["subscribe", &url(&server, "/channels/news"), "--retry", "5ms", "-v"]);
    running.says("answers 200, text/event-stream");
    server.signal("TERM");
    server.wait();
    running.says("again in");
    let server = Server::start_at(&address.to_string(), &[]);
    running.says("answers 200");
    publish(server.address, "news", "Hello");
    assert_eq!(running.line(), "Hello");
}

#[test]
fn messages_that_the_ring_no_longer_has_are_told_as_missed_in_every_mode() {
    let server = Server::start(&["--history-count", "2"]);
    let first = id_of(&publish(server.address, "news", "one"));
    for text in ["two", "three", "four"] {
        publish(server.address, "news", text);
    }
    for mode in MODES {
        let url = url(&server, "/channels/news");
        let mut arguments = vec!["subscribe", &url, "--mode", mode, "--since", &first, "-n", "2"];
        let ended = run(&arguments, "");
        assert_eq!(ended.out, ["three", "four"], "{mode}");
        let missing = ended.err.iter().filter(|line| line.contains("messages are missing")).count();
        assert_eq!((missing, ended.code), (1, Some(0)), "{mode}: {ended:?}");
        arguments.push("--json");
        let ended = run(&arguments, "");
        let notice =
            |line: &String| serde_json::from_str::<Value>(line).is_ok_and(|line| line["gap"] == true);
        assert!(notice(&ended.out[0]) && ended.out.len() == 3, "{mode}: {ended:?}");
    }
}

#[test]
fn a_channel_that_is_ended_ends_the_command() {
    for mode in ["sse", "ndjson", "poll"] {
        let server = Server::start(&[]);
        let since = id_of(&publish(server.address, "news", "before"));
        let url = url(&server, "/channels/news");
        let mut running = start(&["subscribe", &url, "--mode", mode, "--since", &since]);
        publish(server.address, "news", "last");
        assert_eq!(running.line(), "last", "{mode}");
        // A poll that comes after the end would hear of a gap instead, and wait.
        server.until_metric("encke_subscribers", 1.0);
        Peer::ask(server.address, "DELETE /channels/news HTTP/1.1\r\nHost: a\r\n\r\n").until("}\n");
        let ended = running.wait();
        assert_eq!(ended.code, Some(0), "{mode}: {ended:?}");
        assert!(ended.last_word().contains("the channel was ended"), "{mode}: {ended:?}");
    }
}

#[test]
fn an_ipv6_address_and_a_socket_are_reached() {
    let folder = Folder::new("subscribe-addresses");
    let socket = folder.text("s");
    let server = Server::start_at("[::1]:0", &["--listen", &format!("unix:{socket}")]);
    let first = id_of(&publish(server.address, "news", "before"));
    publish(server.address, "news", "Hello");
    for url in [url(&server, "/channels/news"), format!("unix:{socket}:/channels/news")] {
        let ended = run(&["subscribe", &url, "--since", &first, "-n", "1"], "");
        assert_eq!((ended.code, &ended.out[..]), (Some(0), &["Hello".to_owned()][..]), "{url}");
    }
}

#[test]
fn heartbeats_that_stop_end_a_connection_and_those_that_come_keep_it() {
    let server = Server::start(&["--heartbeat", "50ms"]);
    let url = url(&server, "/channels/news");
    let mut running = start(&["subscribe", &url, "--idle", "1s", "--retry", "1ms", "-v"]);
    running.says("answers 200");
    // More than one idle time of heartbeats, by the server's own clock.
    let silent = start(&["subscribe", &url, "--timeout", "1500ms", "-v"]).wait();
    assert_eq!((silent.code, silent.last_word()), (Some(5), "encke: time is up"));
    publish(server.address, "news", "Hello");
    assert_eq!(running.line(), "Hello");
    running.signal("INT");
    let ended = running.wait();
    assert!(!ended.err.iter().any(|line| line.contains("again")), "{ended:?}");
    server.signal("STOP");
    let mut running = start(&["subscribe", &url, "--idle", "50ms", "--keep-trying", "--retry", "1ms"]);
    running.says("was silent for 0.05 s");
    server.signal("CONT");
    // It may be on its way to the next try.
    server.until_metric("encke_subscribers", 1.0);
    publish(server.address, "news", "Hello again");
    assert_eq!(running.line(), "Hello again");
}

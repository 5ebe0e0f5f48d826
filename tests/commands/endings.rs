//! How both commands end: Ctrl-C, pipes that nobody reads, time, addresses that cannot be.

use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::child::{Running, run, start};
use crate::script::{EVENTS, Scripted, hold};
use crate::support::{Server, publish, refused};

/// An address at which nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is left");
    format!("http://{}/channels/news", listener.local_addr().expect("bound"))
}

#[test]
fn a_signal_ends_it_at_once_whatever_it_waits_for() {
    let server = Scripted::new(vec![hold(EVENTS), hold(EVENTS)]);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut listening = start(&["subscribe", &server.url("/"), "-v"]);
        listening.says("answers 200");
        listening.signal(signal);
        let ended = listening.wait();
        assert_eq!((ended.code, ended.err.len()), (Some(code), 0), "{ended:?}");
    }
    // A long wait for the next try.
    let mut waiting = start(&["subscribe", &nobody(), "--keep-trying", "--retry", "1h"]);
    waiting.says("again in");
    waiting.signal("INT");
    assert_eq!(waiting.wait().code, Some(130));
    // A line that nobody writes.
    let server = Server::start(&[]);
    let mut publishing = start(&["publish", &format!("http://{}/channels/news", server.address), "-v"]);
    publishing.write("one\n");
    publishing.says("line 1 is ");
    publishing.signal("INT");
    let ended = publishing.wait();
    assert_eq!((ended.code, ended.last_word()), (Some(130), "encke: 1 published"));
}

#[test]
fn a_signal_ends_it_while_nobody_reads_what_it_prints() {
    let line = format!("data: {}\n\n", "x".repeat(64 * 1024));
    let server = Scripted::new(vec![hold(&format!("{EVENTS}{}", line.repeat(8)))]);
    let mut command = crate::support::encke();
    command.args(["subscribe", &server.url("/")]).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    // The pipe is full as soon as something is in it: more than it can hold is waiting.
    let out = child.stdout.take().expect("piped");
    let begun = Instant::now();
    while rustix::io::ioctl_fionread(&out).expect("a pipe") == 0 {
        assert!(begun.elapsed() < crate::support::PATIENCE, "nothing is printed");
    }
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
}

#[test]
fn a_reader_that_has_enough_ends_it_quietly_and_at_once() {
    let server = Server::start(&[]);
    let first = crate::support::id_of(&publish(server.address, "news", "before"));
    publish(server.address, "news", "one");
    let binary = env!("CARGO_BIN_EXE_encke");
    for mode in ["sse", "poll", "stream"] {
        // No second message comes that it could fail to print.
        let line = format!(
            "set -o pipefail; '{binary}' subscribe http://{}/channels/news --since {first} --mode {mode} | head -n 1",
            server.address
        );
        let mut shell = Command::new("bash");
        shell.args(["-c", &line]);
        let ended = Running::of(shell).wait();
        assert_eq!(
            (ended.code, &ended.out[..], ended.err.len()),
            (Some(0), &["one".to_owned()][..], 0),
            "{ended:?}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full_is_no_success() {
    let server =
        Scripted::new(vec![hold(&format!("{EVENTS}data: x\n\n")), hold(&format!("{EVENTS}data: x\n\n"))]);
    let publisher = Server::start(&[]);
    let channel = format!("http://{}/channels/news", publisher.address);
    for arguments in [
        format!("subscribe {}", server.url("/")),
        // The message that is also the last one wanted.
        format!("subscribe {} -n 1", server.url("/")),
        format!("publish {channel} text --json"),
        "man".to_owned(),
    ] {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("'{}' {arguments} >/dev/full", env!("CARGO_BIN_EXE_encke"))]);
        let ended = Running::of(shell).wait();
        assert!(
            ended.code == Some(1) && ended.last_word().contains("cannot print"),
            "{arguments}: {ended:?}"
        );
    }
}

#[test]
fn time_that_is_given_is_kept() {
    let server = Scripted::new(vec![hold(EVENTS)]);
    let begun = Instant::now();
    let ended = run(&["subscribe", &server.url("/"), "--timeout", "200ms"], "");
    assert_eq!((ended.code, ended.last_word()), (Some(5), "encke: time is up"));
    assert!(begun.elapsed() >= Duration::from_millis(200));
    let ended = run(&["publish", &nobody(), "x", "--timeout", "50ms", "--keep-trying"], "");
    assert_eq!((ended.code, ended.last_word()), (Some(5), "encke: time is up; 0 published"));
}

#[test]
fn an_address_that_has_never_worked_is_told_at_once() {
    for command in ["subscribe", "publish"] {
        let ended = run(&[command, &nobody()], "text\n");
        let line = ended.last_word();
        assert!(
            ended.code == Some(3) && line.contains("cannot be reached: nobody listens on port"),
            "{ended:?}"
        );
        let ended = run(&[command, "http://no..name.invalid/x"], "text\n");
        assert!(ended.code == Some(3) && ended.last_word().contains("the name no..name.invalid is unknown"));
        let ended = run(&[command, "unix:/nonexistent/socket:/x"], "text\n");
        assert!(ended.code == Some(3) && ended.last_word().contains("no such socket"), "{ended:?}");
    }
}

#[test]
fn an_address_is_waited_for_if_that_is_wanted() {
    let address = nobody();
    let port = address.rsplit(':').next().and_then(|rest| rest.split('/').next()).expect("a port");
    let mut listening = start(&["subscribe", &address, "--keep-trying", "--retry", "5ms", "-v"]);
    listening.says("nobody listens on port");
    let mut publishing = start(&["publish", &address, "Hello", "--keep-trying", "--retry", "5ms"]);
    publishing.says("nobody listens on port");
    publishing.signal("STOP");
    let server = Server::start_at(&format!("127.0.0.1:{port}"), &[]);
    server.until_metric("encke_subscribers", 1.0);
    publishing.signal("CONT");
    assert_eq!(publishing.wait().code, Some(0));
    assert_eq!(listening.line(), "Hello");
}

#[test]
fn what_is_wrong_on_the_command_line_is_told_in_one_line() {
    for (arguments, word) in [
        (&["subscribe"][..], "<URL>"),
        (&["subscribe", "https://127.0.0.1/x"], "curl -N"),
        (&["subscribe", "ftp://127.0.0.1/x"], "only http"),
        (&["subscribe", "http://"], "like http://127.0.0.1:8080/channels/news"),
        (&["subscribe", "http://a/", "--mode", "telepathy"], "sse, stream, ndjson, poll"),
        (&["subscribe", "http://a/", "-n", "0"], "at least 1"),
        (&["subscribe", "http://a/", "--retry", "0"], "must have an end"),
        (&["subscribe", "http://a/", "--form", "a"], "KEY=VALUE"),
        (&["subscribe", "http://a/", "--header", "a b: c"], "Name: value"),
        (&["subscribe", "http://a/", "--since", "1\n2"], "control characters"),
        (&["publish", "https://127.0.0.1/x", "text"], "curl -N"),
        (&["publish", "http://a/", "--rate", "fast"], "not a number"),
        (&["publish", "http://a/", "--once", "--retry", "1s"], "--retry"),
    ] {
        let (code, line) = refused(arguments);
        assert!(code == Some(2) && line.contains(word), "{arguments:?}: {line}");
    }
    let (code, line) = refused(&["subscribe", "http://a/", "--key-file", "/nonexistent/key"]);
    assert!(code == Some(1) && line.contains("/nonexistent/key"), "{line}");
}

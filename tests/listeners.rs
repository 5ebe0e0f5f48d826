//! Where `encke serve` listens: several addresses, paths, and how many may come from one address.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Instant;

use support::{Folder, PATIENCE, Peer, Server, encke, get, publish, refused};

/// A connection that closes behind its answer.
const ONCE: &str = "GET /healthz HTTP/1.1\r\nHost: encke.test\r\nConnection: close\r\n\r\n";

/// A request over a path, and the whole answer.
#[track_caller]
fn ask_unix(path: &Path, bytes: &str) -> String {
    let mut peer = Peer::connect_unix(path);
    peer.send(bytes);
    peer.drain().expect("the connection closes")
}

/// Waits for a fact, and not for a length of time.
#[track_caller]
fn wait_for(mut fact: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !fact() {
        assert!(begun.elapsed() < PATIENCE, "it does not come true");
        std::thread::yield_now();
    }
}

/// The command with any flags, and what it says until it listens.
fn start(flags: &[&str]) -> (Child, String) {
    let mut child = encke().args(flags).stdout(Stdio::piped()).spawn().expect("the command starts");
    let mut said = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    while !said.contains("Ctrl-C") && out.read_line(&mut said).is_ok_and(|count| count > 0) {}
    (child, said)
}

#[test]
fn all_listeners_lead_to_the_same_channels() {
    let folder = Folder::new("several");
    let path = folder.path("encke.sock");
    let unix = format!("unix:{}", path.display());
    let mut server = Server::start(&["--listen", &unix, "--listen", "127.0.0.1:0"]);
    let mut by_port = Peer::ask(server.address, &get("/channels/news", ""));
    by_port.until("\r\n\r\n");
    let mut by_path = Peer::connect_unix(&path);
    by_path.send(&get("/channels/news", ""));
    by_path.until("\r\n\r\n");
    assert!(publish(server.address, "news", "one").contains("\"subscribers\":2"));
    let answer = ask_unix(
        &path,
        "POST /channels/news HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3\r\n\r\ntwo",
    );
    assert!(answer.contains("\"subscribers\":2"), "{answer}");
    for peer in [&mut by_port, &mut by_path] {
        assert!(peer.until("two\n\r\n").starts_with("4\r\none\n\r\n"));
    }
    // Everybody's stream ends whole, wherever it came in.
    server.signal("TERM");
    for mut peer in [by_port, by_path] {
        assert_eq!(peer.drain().expect("a clean end"), "0\r\n\r\n");
    }
    assert!(server.wait().success());
}

#[test]
fn a_path_is_for_its_owner_and_group_and_goes_with_the_server() {
    let folder = Folder::new("mode");
    let path = folder.path("encke.sock");
    let mut server = Server::start(&["--listen", &format!("unix:{}", path.display())]);
    let mode = fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o660, "{mode:o}");
    server.signal("TERM");
    assert!(server.wait().success());
    assert!(!path.exists());
}

#[test]
fn a_path_is_gone_as_soon_as_the_server_begins_to_leave() {
    let folder = Folder::new("leaving");
    let path = folder.path("encke.sock");
    let mut server = Server::start(&["--drain", "1h", "--listen", &format!("unix:{}", path.display())]);
    // A request that is half sent holds the drain.
    let mut half = Peer::connect_unix(&path);
    half.send("POST /channels/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    assert!(ask_unix(&path, ONCE).ends_with("ok\n"));
    server.signal("TERM");
    wait_for(|| !path.exists());
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(128 + 15));
}

#[test]
fn a_path_that_a_dead_server_left_is_taken_over() {
    let folder = Folder::new("stale");
    let path = folder.path("encke.sock");
    let unix = format!("unix:{}", path.display());
    drop(UnixListener::bind(&path).expect("a free path"));
    assert!(path.exists(), "nobody removes it");
    {
        let _server = Server::start(&["--listen", &unix]);
        assert!(ask_unix(&path, ONCE).ends_with("ok\n"));
    }
    // That one was killed, and left its path as well.
    assert!(path.exists());
    let _server = Server::start(&["--listen", &unix]);
    assert!(ask_unix(&path, ONCE).ends_with("ok\n"));
}

#[test]
fn what_is_not_dead_or_no_socket_is_left_alone() {
    let folder = Folder::new("taken");
    let path = folder.path("encke.sock");
    let unix = format!("unix:{}", path.display());
    let server = Server::start(&["--listen", &unix]);
    let (code, text) = refused(&["--listen", &unix]);
    assert!(code == Some(1) && text.contains("in use") && text.contains("--listen"), "{text}");
    assert!(ask_unix(&path, ONCE).ends_with("ok\n"), "it was not unlinked");
    drop(server);
    // One that accepts nobody is busy, and not dead.
    let busy = folder.path("busy.sock");
    let _busy = UnixListener::bind(&busy).expect("a free path");
    let (code, text) = refused(&["--listen", &format!("unix:{}", busy.display())]);
    assert!(code == Some(1) && text.contains("in use"), "{text}");
    let file = folder.write("file", "precious");
    let (code, text) = refused(&["--listen", &format!("unix:{file}")]);
    assert!(code == Some(1) && text.contains("no socket"), "{text}");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "precious");
    let link = folder.path("link");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    let (code, text) = refused(&["--listen", &format!("unix:{}", link.display())]);
    assert!(code == Some(1) && text.contains("no socket"), "{text}");
}

#[test]
fn a_path_that_is_somebody_elses_by_now_stays() {
    let folder = Folder::new("successor");
    let path = folder.path("encke.sock");
    let mut server = Server::start(&["--listen", &format!("unix:{}", path.display())]);
    fs::remove_file(&path).expect("it is there");
    let _successor = UnixListener::bind(&path).expect("a free path");
    server.signal("TERM");
    assert!(server.wait().success());
    assert!(path.exists());
}

#[test]
fn a_path_that_cannot_be_is_one_sentence() {
    let folder = Folder::new("impossible");
    let long = format!("unix:{}", folder.path(&"x".repeat(120)).display());
    let nowhere = format!("unix:{}", folder.path("nowhere/encke.sock").display());
    for (listen, part) in [(&long, "shorter path"), (&nowhere, "does not exist: make it")] {
        let (code, text) = refused(&["--listen", listen]);
        assert!(code == Some(1) && text.contains(part), "{text}");
    }
    let (code, text) = refused(&["--listen", "unix:"]);
    assert!(code == Some(2) && text.contains("needs a path"), "{text}");
    // What was opened before the failure is closed again.
    let server = Server::start(&[]);
    let path = folder.path("first.sock");
    let unix = format!("unix:{}", path.display());
    let (code, _) = refused(&["--listen", &unix, "--listen", &server.address.to_string()]);
    assert!(code == Some(1) && !path.exists());
}

#[test]
fn the_start_text_says_every_address_and_what_to_try_first() {
    let folder = Folder::new("greeting");
    let path = folder.text("encke.sock");
    let keys = folder.write("keys", "k\n");
    let (mut child, said) = start(&["--listen", &format!("unix:{path}"), "--publish-key-file", &keys]);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].ends_with(&format!(" listens on unix:{path}")), "{said}");
    assert!(
        said.contains(&format!("curl -N --unix-socket {path} http://localhost/channels/news\n")),
        "{said}"
    );
    let publish = format!(
        "curl --unix-socket {path} -H 'Authorization: Bearer KEY' -d 'Hello' http://localhost/channels/news"
    );
    assert!(said.contains(&publish), "{said}");
}

#[test]
fn beyond_this_machine_takes_keys_or_openness() {
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:80"] {
        let (code, text) = refused(&["--listen", "127.0.0.1:0", "--listen", listen]);
        assert!(code == Some(2) && text.contains("--publish-key-file") && text.contains("--open"), "{text}");
    }
    let folder = Folder::new("beyond");
    let keys = folder.write("keys", "k\n");
    for flags in [&["--open"][..], &["--publish-key-file", &keys]] {
        let (mut child, said) = start(&[&["--listen", "0.0.0.0:0"], flags].concat());
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert!(said.contains("http://0.0.0.0:") && said.contains("http://127.0.0.1:"), "{said}");
    }
}

#[test]
fn one_address_has_so_many_connections_and_a_path_any_number() {
    let folder = Folder::new("per-ip");
    let path = folder.path("encke.sock");
    let unix = format!("unix:{}", path.display());
    let server = Server::start(&["--max-connections-per-ip", "2", "--listen", &unix]);
    let mut first = Peer::ask(server.address, &get("/channels/a", ""));
    first.until("\r\n\r\n");
    let mut second = Peer::ask(server.address, &get("/healthz", ""));
    second.until("ok\n");
    for _ in 0..3 {
        // It is told before it asks, and a request that it sends all the same changes nothing.
        let mut third = Peer::ask(server.address, ONCE);
        let answer = third.until("\n}\n".trim_start());
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: "), "{answer}");
        assert!(answer.contains("your address"), "{answer}");
    }
    let mut paths: Vec<Peer> = (0..5).map(|_| Peer::connect_unix(&path)).collect();
    for peer in &mut paths {
        peer.send(&get("/healthz", ""));
        assert!(peer.until("ok\n").starts_with("HTTP/1.1 200 "));
    }
    // Who leaves makes room, however it leaves.
    drop(second);
    wait_for(|| Peer::ask(server.address, ONCE).drain().is_ok_and(|answer| answer.ends_with("ok\n")));
    first.reset();
    let mut fourth = None;
    wait_for(|| {
        let mut peer = Peer::ask(server.address, &get("/healthz", ""));
        let is_served = peer.until("\r\n\r\n").starts_with("HTTP/1.1 200 ");
        fourth = is_served.then_some(peer);
        is_served
    });
}

#[test]
fn a_crowd_of_one_address_does_not_fill_the_table_for_others() {
    let folder = Folder::new("crowd");
    let path = folder.path("encke.sock");
    let unix = format!("unix:{}", path.display());
    let server =
        Server::start(&["--max-connections", "100", "--max-connections-per-ip", "1", "--listen", &unix]);
    let mut served = Peer::ask(server.address, &get("/channels/a", ""));
    served.until("\r\n\r\n");
    // They neither read what they are told nor leave.
    let crowd: Vec<_> =
        (0..300).map(|_| std::net::TcpStream::connect(server.address).expect("a connection")).collect();
    let mut others: Vec<Peer> = (0..30).map(|_| Peer::connect_unix(&path)).collect();
    for peer in &mut others {
        peer.send(&get("/channels/a", ""));
        assert!(peer.until("\r\n\r\n").starts_with("HTTP/1.1 200 "));
    }
    drop(crowd);
}

#[test]
fn a_peer_over_a_path_may_stop_sending_and_still_gets_its_answer() {
    let folder = Folder::new("half-close");
    let path = folder.path("encke.sock");
    let _server = Server::start(&["--listen", &format!("unix:{}", path.display())]);
    let mut stream = std::os::unix::net::UnixStream::connect(&path).expect("somebody listens");
    let request = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    std::io::Write::write_all(&mut stream, request.as_bytes()).expect("the server reads");
    stream.shutdown(std::net::Shutdown::Write).expect("it is open");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("a clean end");
    assert!(answer.ends_with("ok\n"), "{answer}");
}

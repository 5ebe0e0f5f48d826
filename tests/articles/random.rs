//! `random`: what the first article's servlet and client do, and two of the classic bugs.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::spawn;
use std::time::Duration;

use encke::{Limits, Reactor};

use crate::random::{Random, SENDERS_MAX, Senders, TIMEOUT, end, serve};
use crate::running::Running;
use crate::support::{PATIENCE, Peer, get};

/// `random` with its log and its count of senders.
struct Server {
    running: Running<Random>,
    log: Receiver<String>,
    senders: Arc<Senders>,
}

impl Server {
    #[track_caller]
    fn start() -> Server {
        Server::start_with(TIMEOUT)
    }

    #[track_caller]
    fn start_with(timeout: Duration) -> Server {
        let (line, log) = channel();
        // A test that has ended no longer listens.
        let random = Random::new(timeout, move |text| drop(line.send(text.to_owned())));
        let senders = Arc::clone(&random.senders);
        let running = Running::start(move |ready| serve("127.0.0.1:0", random, ready));
        Server { running, log, senders }
    }

    #[track_caller]
    fn ask(&self, bytes: &str) -> Peer {
        Peer::ask(self.running.address, bytes)
    }

    /// A peer that gets its first number, and the next after so many seconds.
    #[track_caller]
    fn listen(&self, interval: &str) -> Peer {
        let mut peer = self.ask(&get(&format!("/testComet.do?interval={interval}"), ""));
        peer.until("\r\n\r\n");
        number(&mut peer);
        peer
    }

    #[track_caller]
    fn logged(&self) -> String {
        self.log.recv_timeout(PATIENCE).expect("a line of the log")
    }

    /// Waits until there are as many senders.
    #[track_caller]
    fn until_senders(&self, count: usize) {
        let (reached, is_reached) = channel();
        let senders = Arc::clone(&self.senders);
        spawn(move || {
            senders.wait_until(|now| now == count);
            let _ = reached.send(());
        });
        assert!(is_reached.recv_timeout(PATIENCE).is_ok(), "there are not {count} senders");
    }
}

/// The next chunk, which is a line.
#[track_caller]
fn number(peer: &mut Peer) -> u32 {
    let chunk = peer.until("\n\r\n");
    let digit = chunk.strip_prefix("9\r\nrandom:").and_then(|rest| rest.strip_suffix("\n\r\n"));
    digit
        .and_then(|digit| digit.parse().ok())
        .filter(|digit| *digit < 10)
        .unwrap_or_else(|| panic!("{chunk:?}"))
}

fn post(lines: &str, body: &str) -> String {
    format!(
        "POST /testComet.do?interval=0.01 HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[test]
fn the_steps_of_the_articles_client_are_served() {
    let server = Server::start();
    // `getHttpByPost(url, {"requestInfo", "sdfsdf"})`, as HttpClient 4.2.1 writes it; the interval is shorter.
    let mut poster = server.ask(
        "POST /testComet.do?interval=0.01 HTTP/1.1\r\nContent-Length: 18\r\n\
         Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\nHost: localhost:8080\r\n\
         Connection: Keep-Alive\r\nUser-Agent: Apache-HttpClient/4.2.1 (java 1.5)\r\n\r\nrequestInfo=sdfsdf",
    );
    let head = poster.until("\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("Transfer-Encoding: chunked\r\n"),
        "{head}"
    );
    // `while ((line = reader.readLine()) != null)`: it has no end.
    for _ in 0..20 {
        number(&mut poster);
    }
    assert_eq!(server.logged(), "接收注册请求包信息 (requestInfo of a registration): \"sdfsdf\"");
    // `getHttpByGet(url)`, beside the one that still runs.
    let mut getter = server.listen("0.01");
    for _ in 0..20 {
        number(&mut getter);
        number(&mut poster);
    }
    assert!(server.logged().ends_with(": none"));
}

#[test]
fn what_a_registration_says_is_logged_as_one_short_line() {
    let server = Server::start();
    for (query, body, logged) in [
        ("", "requestInfo=%E6%B3%A8%E5%86%8C+1", "\"注册 1\"".to_owned()),
        ("&requestInfo=first", "requestInfo=second", "\"first\"".to_owned()),
        ("", "a=b", "none".to_owned()),
        ("", "", "none".to_owned()),
        ("", "requestInfo=x%0d%0aforged%1b[2J", r#""x\r\nforged\u{1b}[2J""#.to_owned()),
        ("", &format!("requestInfo={}", "x".repeat(1_000)), format!("\"{}\" and 800 more", "x".repeat(200))),
    ] {
        let request = post(FORM, body).replace("=0.01", &format!("=0.01{query}"));
        let mut peer = server.ask(&request);
        peer.until("\r\n\r\n");
        number(&mut peer);
        assert_eq!(server.logged().split_once(": ").map(|(_, info)| info), Some(&*logged));
    }
}

#[test]
fn a_form_that_comes_late_and_in_pieces_holds_up_nobody_else() {
    let server = Server::start();
    let request = post(FORM, "requestInfo=late");
    let (early, late) = request.split_at(request.len() - 7);
    let mut slow = server.ask(early);
    server.listen("0.01");
    assert!(server.logged().ends_with("none"));
    slow.send(late);
    slow.until("\r\n\r\n");
    number(&mut slow);
    assert!(server.logged().ends_with("\"late\""));
}

#[test]
fn another_body_is_refused_before_it_is_sent() {
    let server = Server::start();
    for lines in
        ["", "Content-Type: text/plain\r\n", "Content-Type: application/json\r\nExpect: 100-continue\r\n"]
    {
        let request = post(lines, "x");
        let mut peer = server.ask(request.strip_suffix('x').expect("the body is held back"));
        let head = peer.until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 415 "), "{head}");
        assert!(head.contains("Accept: application/x-www-form-urlencoded\r\n"), "{head}");
        peer.until("this servlet does not accept data\n");
    }
    let mut chunked =
        server.ask("POST /testComet.do HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert!(chunked.until("\r\n\r\n").starts_with("HTTP/1.1 415 "));
    server.until_senders(0);
}

#[test]
fn what_cannot_be_served_is_told_why() {
    let server = Server::start();
    let large = format!("requestInfo={}", "x".repeat(65 * 1024));
    for (request, status, why) in [
        (get("/", ""), 404, "only /testComet.do is here"),
        (get("/testComet.do?interval=0", ""), 400, "a number of seconds"),
        (get("/testComet.do?interval=3601", ""), 400, "a number of seconds"),
        (get("/testComet.do?interval=-1", ""), 400, "a number of seconds"),
        (get("/testComet.do?interval=nan", ""), 400, "a number of seconds"),
        (get("/testComet.do?interval=soon", ""), 400, "a number of seconds"),
        (get("/testComet.do?requestInfo=%zz", ""), 400, "percent"),
        (post(FORM, "requestInfo=%zz"), 400, "percent"),
        (post(FORM, &"a&".repeat(1_001)), 413, "pairs"),
        (post(FORM, &large), 413, "larger"),
        (post("", "").replace("POST", "PUT"), 405, "GET or POST"),
    ] {
        let mut peer = server.ask(&request);
        assert!(peer.until("\r\n\r\n").starts_with(&format!("HTTP/1.1 {status} ")), "{request}");
        peer.until(why);
    }
}

#[test]
fn http_1_0_gets_bare_lines() {
    let server = Server::start();
    let mut old = server.ask("GET /testComet.do?interval=0.01 HTTP/1.0\r\n\r\n");
    let head = old.until("\r\n\r\n");
    assert!(head.contains("Connection: close\r\n") && !head.contains("chunked"), "{head}");
    for _ in 0..3 {
        let line = old.until("\n");
        assert!(line.starts_with("random:") && line.len() == 9, "{line:?}");
    }
}

#[test]
fn head_is_answered_without_a_sender() {
    let server = Server::start();
    let mut peer = server.ask(&get("/testComet.do", "Connection: close\r\n").replace("GET", "HEAD"));
    assert!(peer.drain().expect("a clean end").ends_with("\r\n\r\n"));
    server.until_senders(0);
}

#[test]
fn without_traffic_the_timeout_closes_and_the_connection_goes_on() {
    let server = Server::start_with(Duration::from_millis(30));
    let mut peer = server.listen("3600");
    peer.until("0\r\n\r\n");
    server.until_senders(0);
    peer.send(&get("/testComet.do?interval=3600", ""));
    peer.until("\r\n\r\n");
    number(&mut peer);
}

#[test]
fn there_are_only_so_many_senders() {
    let server = Server::start();
    let peers: Vec<Peer> = (0..SENDERS_MAX).map(|_| server.listen("3600")).collect();
    let mut one_more = server.ask(&get("/testComet.do", ""));
    let head = one_more.until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 503 ") && head.contains("Retry-After: 5\r\n"), "{head}");
    drop(peers);
    server.until_senders(0);
    server.listen("3600");
}

#[test]
fn a_shutdown_ends_every_sender_and_completes_every_answer() {
    let mut server = Server::start();
    let mut peers: Vec<Peer> = (0..5).map(|_| server.listen("3600")).collect();
    server.running.stop();
    for peer in &mut peers {
        assert_eq!(peer.drain().expect("a clean end"), "0\r\n\r\n");
    }
    server.running.wait();
    server.until_senders(0);
}

#[test]
fn an_engine_that_ends_with_peers_takes_their_senders_along() {
    // As when the poll fails: nobody was told that it is over.
    let (ended, has_ended) = channel();
    spawn(move || {
        let random = Random::new(TIMEOUT, |_| {});
        let senders = Arc::clone(&random.senders);
        let mut reactor = Reactor::bind("127.0.0.1:0", random, Limits::default()).expect("a port is left");
        let address = reactor.local_addr().expect("it listens at a port");
        let _peer = Peer::ask(address, &get("/testComet.do?interval=3600", ""));
        let count = Cell::new(0);
        while count.get() == 0 {
            // It is only looked at: any count will do.
            senders.wait_until(|now| {
                count.set(now);
                true
            });
            reactor.turn(Some(Duration::from_millis(10))).expect("the poll works");
        }
        end(reactor, &senders);
        let _ = ended.send(());
    });
    assert!(has_ended.recv_timeout(PATIENCE).is_ok(), "it waits for senders that wait for it");
}

// ---- the classic bugs

#[test]
fn classic_bug_1_a_sender_ends_when_its_peer_has_gone_and_not_by_a_failing_write() {
    let server = Server::start();
    // Its next write, by which it would learn it too, is an hour away.
    let peer = server.listen("3600");
    server.until_senders(1);
    drop(peer);
    server.until_senders(0);
    let peer = server.listen("3600");
    peer.reset();
    server.until_senders(0);
}

#[test]
fn classic_bug_2_each_exchange_has_a_sender_of_its_own() {
    let server = Server::start();
    let mut first = server.listen("0.01");
    let last = server.listen("3600");
    server.until_senders(2);
    // In the original the end of any of them would stop the sender of the last, and leave the others to run.
    drop(last);
    server.until_senders(1);
    for _ in 0..20 {
        number(&mut first);
    }
    drop(first);
    server.until_senders(0);
}

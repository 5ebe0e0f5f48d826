//! The test kit, tested: what its peers do to a server is what real ones would do, and it objects where a test would go wrong.

use std::time::Duration;

use encke::http::peer::{PeerError, Request};
use encke::testing::{self, OnEvent, START, Server};
use encke::{
    Cause, Ctx, End, Event, HalfClose, Handler, Limits, Message, Read, Since, Stall, WireFormat, WriteError,
};

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const POST: &[u8] = b"POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
const HEAD: &[u8] = b"HEAD /c HTTP/1.1\r\nHost: x\r\n\r\n";

/// Answers with the path, once the body is there.
fn echo(event: Event<'_>, ctx: &mut Ctx<'_, String>) {
    match event {
        Event::Begin(request) => request.path().clone_into(ctx.state),
        Event::Read(Read::Done) => {
            let path = ctx.state.clone();
            ctx.respond(200, &[], path.as_bytes()).expect("nothing was answered yet");
        }
        _ => {}
    }
}

struct Echo;

impl Handler for Echo {
    type State = String;

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, String>) {
        echo(event, ctx);
    }
}

/// Hears the channel `news` as server-sent events.
fn listen(event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    if let Event::Begin(_) = event {
        ctx.subscribe(&["news"], Since::Head, WireFormat::SSE).expect("a stream can listen");
        ctx.start(200, &[]).expect("nothing was answered yet");
    }
}

#[test]
fn however_a_request_is_cut_the_answers_are_the_same() {
    let wire = [GET, POST, HEAD, GET].concat();
    let mut whole = Server::new(Echo, Limits::default());
    let first = whole.connect();
    whole.send(first, &wire);
    let answers = whole.answers(first).unwrap();
    let texts: Vec<_> = answers.iter().map(|answer| answer.text()).collect();
    assert_eq!(texts, ["/a", "/b", "", "/a"]);
    assert_eq!(answers[2].head.field("Content-Length"), Some(&b"2"[..]), "HEAD has the length of a GET");
    assert!(answers.iter().all(|answer| answer.is_complete));
    for cut in 1..wire.len() {
        let mut server = Server::new(Echo, Limits::default());
        let peer = server.connect();
        server.send(peer, &wire[..cut]);
        server.send(peer, &wire[cut..]);
        assert_eq!(server.received(peer), whole.received(first), "cut at {cut}");
    }
    let mut server = Server::new(Echo, Limits::default());
    let peer = server.connect();
    wire.iter().for_each(|byte| server.send(peer, [*byte]));
    assert_eq!(server.answers(peer), Ok(answers));
}

#[test]
fn an_answer_in_part_is_not_complete_and_one_that_breaks_off_is_an_error() {
    let mut server = testing::serve(|event, ctx| match event {
        Event::Begin(_) => ctx.write(b"some").expect("there is room"),
        Event::Error(Cause::Timeout) => ctx.abort(),
        _ => {}
    });
    let chunked = server.get("/");
    let bare = server.connect();
    server.send(bare, "GET / HTTP/1.0\r\n\r\n");
    for peer in [chunked, bare] {
        let answers = server.answers(peer).unwrap();
        assert_eq!((answers[0].text().as_ref(), answers[0].is_complete), ("some", false));
    }
    server.advance(Limits::default().comet_timeout * 2);
    for peer in [chunked, bare] {
        assert_eq!(server.answers(peer), Err(PeerError::Truncated));
        assert!(!server.is_open(peer));
    }
}

#[test]
fn time_passes_only_when_it_is_told_to_and_everything_comes_at_its_moment() {
    struct Clock(Vec<Duration>);
    impl Handler for Clock {
        type State = ();
        fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
            if let Event::Begin(_) = event {
                ctx.set_timer(7, Duration::from_millis(1_234));
            }
        }
        fn timer(&mut self, key: u64, ctx: &mut Ctx<'_, ()>) {
            assert_eq!(key, 7);
            self.0.push(ctx.now().at.since(START.at));
            ctx.set_timer(7, Duration::from_secs(1_000));
        }
    }
    let mut server =
        Server::new(Clock(Vec::new()), Limits { comet_timeout: Duration::ZERO, ..Limits::default() });
    let peer = server.get("/");
    server.advance(Duration::from_millis(1_233));
    assert_eq!(server.handler().0, []);
    server.advance(Duration::from_secs(3_600));
    let due = [1_234, 1_001_234, 2_001_234, 3_001_234].map(Duration::from_millis);
    assert_eq!(server.handler().0, due, "one call of `advance` passes each moment on the way");
    assert_eq!(server.now().unix_seconds, START.unix_seconds + 3_601);
    assert_eq!(server.engine().core().now(), server.now());
    assert!(server.is_open(peer));
}

#[test]
fn an_hour_of_heartbeats_takes_no_time() {
    let limits =
        Limits { heartbeat: Duration::from_secs(15), comet_timeout: Duration::ZERO, ..Limits::default() };
    let mut server = Server::new(OnEvent(listen), limits);
    let peer = server.get("/");
    server.advance(Duration::from_secs(3_600));
    let heartbeats = server.answers(peer).unwrap()[0].text().matches(":\n").count();
    assert!((230..=240).contains(&heartbeats), "{heartbeats} heartbeats in an hour");
}

#[test]
fn who_stops_reading_blocks_its_own_answer_and_gets_the_rest_when_it_reads_on() {
    /// Writes 1,000 numbers as fast as they are taken.
    struct Counting(u32);
    impl Counting {
        fn go_on(&mut self, ctx: &mut Ctx<'_, ()>) {
            while self.0 < 1_000 {
                match ctx.write(format!("{:04}\n", self.0).as_bytes()) {
                    Ok(()) => self.0 += 1,
                    Err(why) => return assert_eq!(why, WriteError::Full),
                }
            }
            ctx.close();
        }
    }
    impl Handler for Counting {
        type State = ();
        fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
            if let Event::Begin(_) = event {
                self.go_on(ctx);
            }
        }
        fn drained(&mut self, ctx: &mut Ctx<'_, ()>) {
            self.go_on(ctx);
        }
    }
    let mut server = Server::new(Counting(0), Limits { output_bytes_max: 100, ..Limits::default() });
    let peer = server.connect();
    server.stop_reading_after(peer, 200);
    server.send(peer, GET);
    assert_eq!(server.received(peer).len(), 200, "a part, to the byte");
    let so_far = server.handler().0;
    assert!(so_far > 0 && so_far < 100, "the handler was told to wait");
    server.advance(Duration::from_secs(20));
    server.stop_reading_after(peer, 50);
    assert_eq!(server.received(peer).len(), 250);
    server.resume_reading(peer);
    let expected: String = (0..1_000).map(|number| format!("{number:04}\n")).collect();
    assert_eq!(server.answers(peer).unwrap()[0].text(), expected);
}

#[test]
fn a_subscriber_that_never_reads_is_cut_and_the_one_beside_it_hears_all() {
    let mut causes = Vec::new();
    let handler = OnEvent(|event: Event<'_>, ctx: &mut Ctx<'_, ()>| {
        if let Event::Error(cause) = event {
            causes.push(cause);
        }
        listen(event, ctx);
    });
    let mut server = Server::new(handler, Limits { comet_timeout: Duration::ZERO, ..Limits::default() });
    let (deaf, awake) = (server.get("/"), server.get("/"));
    server.stop_reading(deaf);
    for number in 0..100 {
        server.run(|_, core| core.publish("news", Message::new(&number.to_string()))).unwrap();
        server.advance(Duration::from_secs(1));
    }
    assert!(!server.is_open(deaf) && server.is_open(awake));
    let text = server.answers(awake).unwrap()[0].text().into_owned();
    let heard: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(heard, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    drop(server);
    assert_eq!(causes, [Cause::Stalled(Stall::Reading)]);
}

#[test]
fn each_way_to_leave_is_told_apart() {
    let mut told = Vec::new();
    let mut server = testing::serve(|event, ctx| match event {
        Event::Begin(request) if request.path() == "/tell" => ctx.on_half_close(HalfClose::Tell),
        Event::Error(cause) => told.push(cause),
        Event::End(end) => assert_eq!(end, End::Failed),
        _ => {}
    });
    let kept = server.get("/keep");
    server.half_close(kept);
    assert!(server.is_open(kept), "who has only finished sending may still get an answer");
    for leave in [Server::half_close, Server::close] {
        let peer = server.get("/tell");
        leave(&mut server, peer);
        assert!(!server.is_open(peer));
    }
    let peer = server.get("/");
    server.reset(peer);
    assert!(!server.is_open(peer));
    // What comes behind the end reaches nobody.
    server.send(peer, GET);
    server.reset(kept);
    assert_eq!(server.engine().core().connections(), 0);
    drop(server);
    assert_eq!(told, [Cause::Disconnected, Cause::Disconnected, Cause::Reset, Cause::Reset]);
}

#[test]
fn a_peer_that_is_gone_is_found_out_by_the_next_write() {
    let mut server = testing::serve(|event, ctx| {
        if let Event::Begin(_) = event {
            ctx.on_half_close(HalfClose::Keep);
            ctx.start(200, &[]).expect("nothing was answered yet");
        }
    });
    let peer = server.get("/");
    server.close(peer);
    server.advance(Limits::default().comet_timeout * 2);
    assert!(server.is_open(peer), "the handler wants to keep it");
    server.run(|_, core| core.shutdown());
    assert!(server.engine().is_finished(), "the end of the answer could not be written");
}

#[test]
fn a_full_server_says_so_and_that_is_an_answer_too() {
    let mut server = Server::new(Echo, Limits { connections_max: 1, ..Limits::default() });
    let first = server.request(&Request { method: "POST", ..Request::default() });
    assert_eq!(server.answers(first).unwrap().len(), 1);
    server.send(first, &POST[..20]);
    let second = server.connect();
    assert!(!server.is_open(first), "half a head gives way");
    server.send(second, &POST[..POST.len() - 2]);
    let third = server.connect();
    let answers = server.answers(third).unwrap();
    assert_eq!((answers[0].head.status, answers[0].is_complete), (503, true));
    server.send(second, &POST[POST.len() - 2..]);
    assert_eq!(server.answers(second).unwrap()[0].text(), "/b");
}

#[test]
#[should_panic(expected = "the handler has panicked")]
fn an_assertion_that_fails_in_a_handler_fails_the_test() {
    let mut server = testing::serve(|event, _| assert!(matches!(event, Event::End(_)), "on purpose"));
    server.get("/");
}

#[test]
#[should_panic(expected = "does not come to rest")]
fn a_server_that_never_rests_fails_the_test() {
    struct Restless;
    impl Handler for Restless {
        type State = ();
        fn event(&mut self, _: Event<'_>, ctx: &mut Ctx<'_, ()>) {
            ctx.core().set_alarm(0, Duration::ZERO);
        }
        fn alarm(&mut self, key: u64, core: &mut encke::Core) {
            core.set_alarm(key, Duration::ZERO);
        }
    }
    Server::new(Restless, Limits { resumptions_per_turn_max: 1, ..Limits::default() }).get("/");
}

#[test]
#[should_panic(expected = "a peer that has closed cannot send")]
fn a_script_that_makes_no_sense_fails_the_test() {
    let mut server = testing::serve(|_, _| {});
    let peer = server.get("/");
    server.half_close(peer);
    server.send(peer, GET);
}

#[test]
#[should_panic(expected = "head_timeout must be")]
fn limits_that_cannot_work_fail_the_test() {
    let _ = Server::new(Echo, Limits { head_timeout: Duration::ZERO, ..Limits::default() });
}

#[test]
fn heartbeats_go_into_streams_and_into_nothing_else() {
    use encke::{Since, WireFormat};
    for kind in 0..5 {
        let mut server = testing::serve(move |event, ctx| {
            if let Event::Begin(_) = event {
                ctx.subscribe(&["news"], Since::Head, WireFormat::NDJSON)
                    .expect("a subscription comes before the head");
                let _ = match kind {
                    0 => Ok(()),
                    1 => ctx.start(204, &[]),
                    2 => ctx.start_sized(200, &[], 10),
                    3 => ctx.upgrade("echo", &[]),
                    _ => ctx.start(200, &[]),
                };
            }
        });
        let peer = server.get("/");
        let before = server.received(peer).len();
        server.advance(Duration::from_secs(20));
        let heard = server.received(peer).len() - before;
        assert_eq!(heard > 0, kind == 4, "{heard} bytes in 20 s of kind {kind}");
    }
}

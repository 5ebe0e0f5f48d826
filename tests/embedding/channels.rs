//! What a host may do with channels that nobody would expect, and what comes of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use encke::testing::{OnEvent, Server};
use encke::{Ctx, Event, Format, HalfClose, Handler, Limits, Message, MessageView, Read, Since, WireFormat};

#[test]
fn an_encoder_that_writes_nothing_does_not_break_the_stream() {
    let listen = OnEvent(|event, ctx| {
        if let Event::Begin(request) = event {
            let silent = Format { encode: |_, _| {}, notice: None, heartbeat: None };
            let format = ctx.core().add_format(silent).expect("there is room");
            ctx.subscribe(&["news"], Since::Head, format).expect("a stream can listen");
            ctx.start(200, &[]).expect("nothing was answered yet");
            assert_eq!(request.path(), "/");
        }
    });
    let mut server = Server::new(listen, Limits::default());
    let peer = server.get("/");
    for _ in 0..3 {
        server.run(|_, core| core.publish("news", Message::new("unsaid"))).expect("there is room");
    }
    let sent = server.received(peer);
    assert_eq!(sent.matches("1\r\n\n\r\n").count(), 3, "a line feed for each: {sent:?}");
}

thread_local! {
    /// How often it was tried to encode the message that cannot be.
    static TRIES: Cell<usize> = const { Cell::new(0) };
}

/// Writes what it can and panics at one message.
fn fragile(message: &MessageView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(message.data.as_bytes());
    TRIES.set(TRIES.get() + usize::from(message.data == "poison"));
    assert!(message.data != "poison", "on purpose");
}

/// Listens as its path says, in a format of its own or a sound one, and notes what it is told.
struct Listeners {
    fragile: Option<WireFormat>,
    told: Vec<String>,
}

impl Handler for Listeners {
    type State = ();

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
        match event {
            Event::Begin(request) => {
                let row = Format { encode: fragile, notice: None, heartbeat: None };
                let fragile =
                    *self.fragile.get_or_insert_with(|| ctx.core().add_format(row).expect("there is room"));
                let format = if request.path() == "/sound" { WireFormat::STREAM } else { fragile };
                if request.path() == "/park" {
                    ctx.park(&["news"], Since::Head, format).expect("it can wait");
                } else {
                    ctx.subscribe(&["news"], Since::Head, format).expect("a stream can listen");
                    ctx.start(200, &[]).expect("nothing was answered yet");
                }
            }
            Event::Read(_) => {}
            event => self.told.push(format!("{event:?}")),
        }
    }

    fn news(&mut self, ctx: &mut Ctx<'_, ()>) {
        let mut all = Vec::new();
        ctx.take_news(1000, &mut all);
        ctx.respond(200, &[], &all).expect("nothing was answered yet");
    }
}

#[test]
fn an_encoder_that_panics_costs_those_who_need_it_their_exchange_and_nobody_else_anything() {
    let mut server = Server::new(Listeners { fragile: None, told: Vec::new() }, Limits::default());
    server.allow_panics();
    let (first, second, parked) = (server.get("/"), server.get("/"), server.get("/park"));
    let sound = server.get("/sound");
    server.run(|_, core| {
        for text in ["before", "poison", "behind"] {
            core.publish("news", Message::new(text)).expect("there is room");
        }
    });
    assert!(server.received(sound).contains("before\n") && server.received(sound).contains("behind\n"));
    for peer in [first, second] {
        assert!(server.received(peer).ends_with("\r\n6\r\nbefore\r\n"), "a broken answer looks broken");
        assert!(!server.is_open(peer));
    }
    assert_eq!(server.answers(parked).expect("this is HTTP")[0].text(), "before");
    let told = &server.engine().handler().told;
    assert_eq!(told.iter().filter(|event| *event == "Error(Handler)").count(), 2, "{told:?}");
    assert_eq!(told.iter().filter(|event| *event == "End(Failed)").count(), 2, "{told:?}");
    assert_eq!(server.engine().core().counters().panics, 2);

    // Who asks for the poison alone, and whoever comes behind it.
    let (again, late) = (server.get("/park"), server.get("/"));
    server.run(|_, core| core.publish("news", Message::new("poison"))).expect("there is room");
    assert_eq!(server.answers(again).expect("this is HTTP")[0].head.status, 500);
    assert!(!server.is_open(late));
    let next = server.get("/");
    server.run(|_, core| core.publish("news", Message::new("well"))).expect("there is room");
    assert_eq!(server.answers(next).expect("this is HTTP")[0].text(), "well");
}

#[test]
fn an_encoder_that_panics_is_not_tried_for_each_who_needs_it() {
    let mut server = Server::new(Listeners { fragile: None, told: Vec::new() }, Limits::default());
    server.allow_panics();
    let peers: Vec<_> = (0..50).map(|_| server.get("/")).collect();
    server.run(|_, core| core.publish("news", Message::new("poison"))).expect("there is room");
    assert!(peers.iter().all(|&peer| !server.is_open(peer)));
    assert_eq!((TRIES.get(), server.engine().core().counters().panics), (1, 50));
    // What comes next is another batch.
    let next = server.get("/");
    server.run(|_, core| core.publish("news", Message::new("well"))).expect("there is room");
    assert_eq!(server.answers(next).expect("this is HTTP")[0].text(), "well");
}

#[test]
fn who_is_held_twice_is_held_once() {
    let room = OnEvent(|event, ctx| match event {
        Event::Begin(request) if request.method() == "POST" => {
            ctx.collect_body(1024);
            let is_held = ctx.pause_while_pressed("news");
            // Asking again is a pause again, also for who has gone on by itself.
            ctx.resume_reading();
            assert_eq!(ctx.pause_while_pressed("news"), is_held);
        }
        Event::Begin(_) => {
            let _ = ctx.subscribe(&["news"], Since::Head, WireFormat::SSE);
            let _ = ctx.start(200, &[]);
        }
        Event::Read(Read::Data(body)) => {
            let text = String::from_utf8_lossy(body);
            let _ = ctx.core().publish("news", Message::new(&text));
            ctx.close();
        }
        _ => {}
    });
    let mut server = Server::new(room, Limits { history_count_max: 4, ..Limits::default() });
    let reader = server.get("/");
    server.stop_reading(reader);
    let publishers = [(); 4].map(|()| server.connect());
    for publisher in publishers {
        server.send(publisher, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
    }
    assert_eq!(server.engine().core().hub().stats().held, 2, "two found room, and two wait");
    server.resume_reading(reader);
    assert_eq!(server.engine().core().hub().stats().held, 0);
    for publisher in publishers {
        assert_eq!(server.answers(publisher).expect("well-formed").len(), 1);
    }
}

#[test]
fn who_is_blocked_at_the_first_byte_and_then_ended_is_not_counted_for_ever() {
    let known = Rc::new(RefCell::new(None));
    let handle = Rc::clone(&known);
    let listen = OnEvent(move |event, ctx| {
        if let Event::Begin(_) = event {
            let _ = ctx.subscribe(&["news"], Since::Head, WireFormat::STREAM);
            let _ = ctx.start(200, &[]);
            *handle.borrow_mut() = Some(ctx.handle());
        }
    });
    let mut server = Server::new(listen, Limits::default());
    let peer = server.connect();
    server.send(peer, "GET / HTTP/1.0\r\n\r\n");
    server.stop_reading(peer);
    // Nothing is owed of a frame that was refused whole, and an answer without chunks has no last one.
    server.run(|_, core| core.publish("news", Message::new("unheard"))).expect("there is room");
    assert_eq!(server.engine().core().blocked(), 1);
    known.borrow().as_ref().expect("it has begun").close().expect("it is open");
    server.work();
    server.close(peer);
    assert_eq!((server.engine().core().idle(), server.engine().core().blocked()), (0, 0));
}

#[test]
fn a_tunnel_whose_peer_has_shut_down_its_sending_side_is_over() {
    let known = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&known);
    let echo = OnEvent(move |event, ctx| match event {
        Event::Begin(_) => ctx.upgrade("echo", &[]).expect("it was asked for"),
        Event::Read(Read::Data(bytes)) => ctx.write(bytes).expect("there is room"),
        other => notes.borrow_mut().push(format!("{other:?}")),
    });
    let mut server = Server::new(echo, Limits::default());
    let peer = server.connect();
    server.send(peer, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello");
    server.half_close(peer);
    assert!(server.received(peer).ends_with("\r\n\r\nhello"));
    assert_eq!(*known.borrow(), ["Error(Disconnected)", "End(Failed)"]);
    assert!(!server.is_open(peer));
}

/// What a tunnel that keeps half-closed peers is told, and the peer hears, when it sends all of its bytes and then its FIN.
fn echo_to_the_end(pieces: &[&str]) -> (Vec<String>, String) {
    let known = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&known);
    let echo = OnEvent(move |event, ctx| {
        match &event {
            Event::Begin(_) => {
                ctx.upgrade("echo", &[]).expect("it was asked for");
                ctx.on_half_close(HalfClose::Keep);
            }
            Event::Read(Read::Data(bytes)) => ctx.write(bytes).expect("there is room"),
            Event::Read(Read::Done) => {
                ctx.write(b", and that was all").expect("the other half is open");
                ctx.close();
            }
            _ => {}
        }
        if !matches!(event, Event::Begin(_)) {
            notes.borrow_mut().push(format!("{event:?}"));
        }
    });
    let mut server = Server::new(echo, Limits::default());
    let peer = server.connect();
    for piece in pieces {
        server.send(peer, piece);
    }
    server.half_close(peer);
    assert!(!server.is_open(peer));
    let heard = server.received(peer);
    (known.borrow().clone(), heard.split("\r\n\r\n").nth(1).unwrap_or_default().to_owned())
}

#[test]
fn a_tunnel_that_keeps_half_closed_peers_is_told_of_their_end_once_and_may_still_answer() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    let (told, heard) = echo_to_the_end(&[head, "hello"]);
    assert_eq!(told.last().map(String::as_str), Some("End(Closed)"));
    assert_eq!(told.iter().filter(|event| *event == "Read(Done)").count(), 1, "{told:?}");
    assert_eq!(heard, "hello, and that was all");
    // Also if the end comes with the head, or nothing was ever sent.
    let together = format!("{head}hello");
    assert_eq!(echo_to_the_end(&[&together]).1, "hello, and that was all");
    assert_eq!(echo_to_the_end(&[head]).1, ", and that was all");
}

#[test]
fn a_body_that_is_collected_and_turned_into_a_tunnel_says_done_of_neither_before_its_end() {
    let told = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&told);
    let switch = OnEvent(move |event, ctx| match event {
        Event::Begin(_) => ctx.collect_body(100),
        Event::Read(Read::Data(b"hi")) => {
            ctx.upgrade("echo", &[]).expect("it was asked for, and its body is here");
            ctx.on_half_close(HalfClose::Keep);
        }
        Event::Read(Read::Done) => {
            notes.borrow_mut().push("done".to_owned());
            ctx.close();
        }
        other => notes.borrow_mut().push(format!("{other:?}")),
    });
    let mut server = Server::new(switch, Limits::default());
    let peer = server.connect();
    let head =
        "POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\nContent-Length: 2\r\n\r\n";
    // In two pieces, or there is nothing to collect.
    server.send(peer, format!("{head}h"));
    server.send(peer, "i");
    assert_eq!(*told.borrow(), Vec::<String>::new(), "the tunnel's peer has not finished");
    server.half_close(peer);
    assert_eq!(*told.borrow(), ["done", "End(Closed)"]);
}

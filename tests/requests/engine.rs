//! The golden list through the whole engine, over links in memory: each line whole, byte by byte and cut at random places, and behind
//! each another request on the same connection, which has to be the next that is served, or must not be served at all.

use encke::testing::Server;
use encke::{Ctx, Event, Handler, Limits, Read};

use crate::cases::{Case, Seen, Then, all};
use crate::dice::Dice;
use crate::heard::{answers, is_refusal, methods};

const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n";

/// The bounds of the list.
fn limits() -> Limits {
    Limits { head_bytes_max: 1024, body_bytes_max: 1024, ..Limits::default() }
}

/// Serves everything, and notes what it has seen once all of it has come.
#[derive(Default)]
struct Witness(Vec<Seen>);

impl Handler for Witness {
    type State = Option<Seen>;

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, Option<Seen>>) {
        match event {
            Event::Begin(head) => {
                *ctx.state = Some(Seen::new(head.method(), head.path(), head.query(), head.host()));
            }
            Event::Read(Read::Data(bytes)) => {
                ctx.state.as_mut().expect("a body has a head").body.extend_from_slice(bytes);
            }
            Event::Read(Read::Done) => {
                self.0.extend(ctx.state.take());
                ctx.respond(200, &[], b"served").expect("nothing was answered before");
            }
            _ => {}
        }
    }
}

/// What is seen of these bytes with another request behind them, and the statuses that are heard.
#[track_caller]
pub(crate) fn outcome(wire: &[u8]) -> (Vec<Seen>, Vec<u16>) {
    let mut server = Server::new(Witness::default(), limits());
    let peer = server.connect();
    server.send(peer, [wire, NEXT].concat());
    let heard = server.answers(peer).unwrap_or_else(|error| panic!("{error}: {}", wire.escape_ascii()));
    (server.handler().0.clone(), heard.iter().map(|answer| answer.head.status).collect())
}

/// Sends a case in these pieces, and looks at what became of it.
#[track_caller]
fn check(case: &Case, pieces: &[&[u8]], how: &str) {
    let shown = format!("line {}, {how}: {}", case.line, case.wire.escape_ascii());
    let mut server = Server::new(Witness::default(), limits());
    let peer = server.connect();
    pieces.iter().for_each(|piece| server.send(peer, piece));

    let mut seen = case.served.clone();
    if case.then == Then::GoesOn {
        seen.push(Seen::new("GET", "/next", None, Some("next")));
    }
    assert_eq!(server.handler().0, seen, "{shown}");

    let is_over = !server.is_open(peer);
    assert_eq!(is_over, case.then != Then::GoesOn, "{shown}");
    let wire = server.received(peer);
    let methods = methods(case);
    let heard =
        answers(wire.as_bytes(), &methods, is_over).unwrap_or_else(|error| panic!("{error}: {shown}"));
    let (served, rest) = heard.split_at(seen.len().min(heard.len()));
    assert!(served.len() == seen.len() && served.iter().all(|(status, _)| *status == 200), "{shown}: {wire}");
    match (&case.then, rest) {
        (Then::GoesOn | Then::Closes, []) => {}
        (Then::Refuses(status, sentence), [answer]) => {
            is_refusal(answer, *status, sentence, methods.get(seen.len()), &shown);
            assert!(wire.contains("\r\nConnection: close\r\n"), "{shown}");
        }
        _ => panic!("{shown}: {rest:?}"),
    }
}

#[test]
fn every_line_of_the_list_is_served_or_refused_and_nothing_is_smuggled() {
    for case in all() {
        let wire = [&case.wire[..], NEXT].concat();
        check(&case, &[&wire], "whole");
        check(&case, &[&case.wire, NEXT], "in two");
        check(&case, &wire.chunks(1).collect::<Vec<_>>(), "byte by byte");
        for seed in 0..4 {
            let mut dice = Dice::new(case.line as u64 * 4 + seed);
            check(&case, &dice.cut(&wire), &format!("by seed {seed}"));
        }
    }
}

/// Up to eight lines of the list that go on, and one behind them that ends the connection, as one case.
fn row(going: &[Case], ending: &[Case], dice: &mut Dice) -> Case {
    let end = &ending[dice.below(ending.len())];
    let mut row = Case { line: end.line, wire: Vec::new(), served: Vec::new(), then: end.then.clone() };
    let before = (0..dice.below(8)).map(|_| &going[dice.below(going.len())]);
    for case in before.collect::<Vec<_>>().into_iter().chain([end]) {
        row.wire.extend_from_slice(&case.wire);
        row.served.extend_from_slice(&case.served);
    }
    row
}

#[test]
fn in_a_row_each_line_means_what_it_means_alone() {
    let (going, ending): (Vec<_>, Vec<_>) = all().into_iter().partition(|case| case.then == Then::GoesOn);
    for seed in 0..1_000 {
        let mut dice = Dice::new(seed);
        let row = row(&going, &ending, &mut dice);
        let wire = [&row.wire[..], NEXT].concat();
        check(&row, &[&wire], &format!("at the end of a row, seed {seed}"));
        check(&row, &dice.cut(&wire), &format!("at the end of a row, seed {seed}, cut"));
    }
}

#[test]
fn a_refusal_needs_nothing_behind_it() {
    for case in all().iter().filter(|case| matches!(case.then, Then::Refuses(..))) {
        check(case, &[&case.wire], "alone");
    }
}

#[test]
fn every_answer_has_a_date_and_says_how_it_ends() {
    for case in all() {
        let mut server = Server::new(Witness::default(), limits());
        let peer = server.connect();
        server.send(peer, &case.wire);
        let wire = server.received(peer);
        let answers = wire.matches("HTTP/1.1 ").count() - wire.matches("HTTP/1.1 100 ").count();
        assert_eq!(wire.matches("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n").count(), answers, "{wire}");
        assert_eq!(wire.matches("\r\nContent-Length: ").count(), answers, "{wire}");
    }
}

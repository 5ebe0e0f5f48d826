//! Bounds that a peer cannot argue with, and connections that keep their word.

use std::time::Duration;

use super::{get, guest, ms, tells, world};
use crate::script::{Ask, Pace, Step};
use crate::shape::Shape;
use encke::http::Version;

#[test]
fn a_row_of_gets_that_are_never_read_stops_being_read() {
    let mut world = world(|limits| {
        limits.head_bytes_max = 1_000;
        limits.output_bytes_max = 2_000;
        limits.write_timeout = ms(5_000);
    });
    let row =
        "GET /?n=0&b=respond:200:long-enough-to-fill-what-may-wait HTTP/1.1\r\nHost: a\r\n\r\n".repeat(2_000);
    let methods = vec!["GET"; 2_000];
    let script =
        vec![Step::Appetite(Pace::NEVER), Step::Raw(row.into_bytes(), methods), Step::Wait(ms(2_000))];
    world.peer_at(ms(0), Shape { outbound_max: 500, ..Shape::CALM }, script);
    world.run_until(Duration::from_secs(2)).expect("a calm world");
    let counters = *world.engine.core().counters();
    // What was answered fits into the bound on output, and behind it one head's bound is kept.
    assert!(counters.exchanges < 40, "{counters:?}");
    assert!(counters.bytes_in < 40 * 80 + 2_000, "{counters:?}");
}

#[test]
fn head_to_http_1_0_without_a_length_says_close_and_does() {
    let mut world = world(|_| {});
    let ask = Ask {
        method: "HEAD",
        version: Version::Http10,
        fields: vec![("Connection", "keep-alive")],
        ..Ask::get("b=start,close")
    };
    guest(&mut world, vec![Step::Ask(ask), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks HEAD b=start,close
       0.000 app 0.0: Begin
       0.000 app 0.0: End(Closed)
       0.000 peer 0 hears 200 connection: close
       0.000 peer 0 hears the end of the answer
       0.000 peer 0 hears the connection close
        "#,
    );
}

#[test]
fn an_idle_newcomer_is_told_why_it_is_turned_away_while_the_server_leaves() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=w:on&e=w:bye"), Step::End]);
    world.deed_at(ms(100), |engine, now| engine.shutdown(now));
    world.peer_at(ms(100), Shape::CALM, vec![get("b=close"), Step::End]);
    world.run_until(Duration::from_secs(100)).expect("a calm world");
    let heard = world.heard();
    let told = String::from_utf8_lossy(&heard[1].answers[0].body).into_owned();
    assert!(told.contains("shutting down"), "{told}");
}

#[test]
fn who_is_still_owed_an_answer_does_not_give_way() {
    let mut world = world(|limits| limits.connections_max = 1);
    let slow =
        vec![Step::Appetite(Pace { bytes: 20, every: ms(50) }), get("b=big:400,close"), Step::Answers(1)];
    world.peer_at(ms(0), Shape { outbound_max: 100, ..Shape::CALM }, slow);
    world.peer_at(ms(100), Shape::CALM, vec![get("b=respond:200:no"), Step::End]);
    world.run_until(Duration::from_secs(60)).expect("a calm world");
    let heard = world.heard();
    assert!(heard[0].answers[0].body.len() > 400, "{} bytes", heard[0].answers[0].body.len());
    assert_eq!(heard[1].answers[0].status, 503);
    assert_eq!(world.engine.core().counters().evicted, 0);
}

#[test]
fn the_keep_alive_clock_starts_when_the_answer_is_out() {
    let mut world = world(|limits| limits.keep_alive_timeout = ms(500));
    let script = vec![
        Step::Appetite(Pace { bytes: 20, every: ms(50) }),
        get("b=big:600,close"),
        Step::Answers(1),
        get("b=respond:200:again"),
        Step::Answers(2),
    ];
    world.peer_at(ms(0), Shape { outbound_max: 100, ..Shape::CALM }, script);
    world.run_until(Duration::from_secs(60)).expect("a calm world");
    assert_eq!(world.heard()[0].answers.len(), 2, "the connection was still there after a slow answer");
}

//! Shutdowns: everybody is told, may finish, and it has an end.

use encke::http::Version;

use super::{get, guest, ms, tells, world};
use crate::script::{Ask, Body, Pace, Step};
use crate::shape::Shape;
use crate::world::World;

fn shutdown_at(world: &mut World, millis: u64) {
    world.deed_at(ms(millis), |engine, now| engine.shutdown(now));
}

#[test]
fn shutdown_lets_handlers_write_last_words() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=w:hello&e=w:goodbye"), get("b=respond:200:never"), Step::End]);
    guest(&mut world, vec![get("b=start,sub:news:sse&e=w:goodbye"), Step::End]);
    shutdown_at(&mut world, 1000);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 asks GET b=w:hello&e=w:goodbye
       0.000 peer 0 asks GET b=respond:200:never
       0.000 peer 1 asks GET b=start,sub:news:sse&e=w:goodbye
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 app 1.0: Begin
       0.000 app 1.0: hears news from 0
       0.000 app 1.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.000 peer 0 hears "=0.0.hello\n"
       0.000 peer 1 hears 200 transfer-encoding: chunked
       1.000 app 0.0: End(Shutdown)
       1.000 app 1.0: End(Shutdown)
       1.000 peer 0 hears "=0.0.goodbye\n"
       1.000 peer 0 hears the end of the answer
       1.000 peer 0 hears the connection close
       1.000 peer 0 misses something: the connection ended before the response
       1.000 peer 1 hears "=1.0.goodbye\n"
       1.000 peer 1 hears the end of the answer
       1.000 peer 1 hears the connection close
        "#,
    );
}

#[test]
fn shutdown_before_head_is_503_with_retry_after() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=to:0"), Step::End]);
    guest(&mut world, vec![Step::Raw(b"GET / HTTP/1.1\r\nHo".to_vec(), vec!["GET"]), Step::End]);
    guest(&mut world, vec![get("b=respond:200:idle"), Step::End]);
    shutdown_at(&mut world, 1000);
    world.peer_at(ms(1005), Shape::CALM, vec![get("b=respond:200:never"), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 2 connects
       0.000 peer 0 asks GET b=to:0
       0.000 peer 2 asks GET b=respond:200:idle
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 app 2.0: Begin
       0.000 app 2.0: End(Closed)
       0.000 peer 2 hears 200 content-length: 10
       0.000 peer 2 hears "=2.0.idle\n"
       0.000 peer 2 hears the end of the answer
       1.000 app 0.0: End(Shutdown)
       1.000 peer 0 hears 503 content-length: 63, connection: close, retry-after: 2
       1.000 peer 0 hears 63 bytes
       1.000 peer 0 hears the end of the answer
       1.000 peer 0 hears the connection close
       1.000 peer 1 hears 503 content-length: 63, connection: close, retry-after: 2
       1.000 peer 1 hears 63 bytes
       1.000 peer 1 hears the end of the answer
       1.000 peer 1 hears the connection close
       1.000 peer 2 hears the connection close
       1.005 peer 3 connects
       1.005 peer 3 asks GET b=respond:200:never
       1.005 peer 3 hears 503 content-length: 63, connection: close, retry-after: 2
       1.005 peer 3 hears 63 bytes
       1.005 peer 3 hears the end of the answer
       1.005 peer 3 hears the connection close
        "#,
    );
}

#[test]
fn a_request_that_is_half_sent_may_complete_during_a_shutdown() {
    let mut world = world(|_| {});
    let pace = Step::Pace(Pace { bytes: 100, every: ms(1500) });
    let ask = Ask::post(
        "b=collect:99&d=respond:200:got",
        Body::Length(b"a body of thirty bytes, half sent".to_vec()),
    );
    guest(&mut world, vec![pace, Step::Ask(ask), Step::End]);
    shutdown_at(&mut world, 1000);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks POST b=collect:99&d=respond:200:got
       0.000 app 0.0: Begin
       1.500 app 0.0: Read("a body of thirty bytes, half sent")
       1.500 app 0.0: Read(Done)
       1.500 app 0.0: End(Closed)
       1.500 peer 0 hears 200 content-length: 9, connection: close
       1.500 peer 0 hears "=0.0.got\n"
       1.500 peer 0 hears the end of the answer
       1.500 peer 0 hears the connection close
        "#,
    );
}

#[test]
fn what_is_not_taken_by_the_drain_timeout_is_cut() {
    let mut world = world(|limits| limits.drain_timeout = ms(2000));
    let shape = Shape { outbound_max: 20, ..Shape::CALM };
    world.peer_at(
        ms(0),
        shape,
        vec![Step::Appetite(Pace::NEVER), get("b=w:hello&e=w:goodbye"), Step::Wait(ms(5000)), Step::Leave],
    );
    guest(&mut world, vec![get("b=sized:100"), Step::End]);
    shutdown_at(&mut world, 1000);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 asks GET b=w:hello&e=w:goodbye
       0.000 peer 1 asks GET b=sized:100
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 app 1.0: Begin
       0.000 app 1.0: Read(Done)
       0.000 peer 1 hears 200 content-length: 100
       1.000 app 0.0: End(Shutdown)
       3.010 app 1.0: End(Shutdown)
       3.010 peer 1 hears the connection close
       3.010 peer 1 misses something: the connection ended inside a response
       5.000 peer 0 leaves
        "#,
    );
}

/// Bytes in a pipe that nobody reads for nine seconds, behind which more is owed.
fn unread_http10(query: &str) -> Vec<Step> {
    let ask = Ask { version: Version::Http10, ..Ask::get(query) };
    let wakes_up = Step::Appetite(Pace::PROMPT);
    vec![Step::Appetite(Pace::NEVER), Step::Ask(ask), Step::Wait(ms(9000)), wakes_up, Step::End]
}

#[test]
fn an_unframed_answer_that_the_drain_cuts_is_a_reset() {
    let mut world = world(|limits| limits.drain_timeout = ms(2000));
    let shape = Shape { outbound_max: 110, ..Shape::CALM };
    world.peer_at(ms(0), shape, unread_http10("b=w:hello&e=w:goodbye"));
    shutdown_at(&mut world, 1000);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=w:hello&e=w:goodbye
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       1.000 app 0.0: End(Shutdown)
       9.000 peer 0 hears 200 connection: close
       9.000 peer 0 hears "=0.0.hello\n=0.0.go"
       9.000 peer 0 hears a reset
        "#,
    );
}

#[test]
fn an_unframed_answer_that_is_closed_and_never_read_is_a_reset() {
    let mut world = world(|limits| limits.write_timeout = ms(2000));
    let shape = Shape { outbound_max: 110, ..Shape::CALM };
    world.peer_at(ms(0), shape, unread_http10("b=w:hello,close&e=w:goodbye"));
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=w:hello,close&e=w:goodbye
       0.000 app 0.0: Begin
       0.000 app 0.0: End(Closed)
       9.000 peer 0 hears 200 connection: close
       9.000 peer 0 hears "=0.0.hello\n=0.0.go"
       9.000 peer 0 hears a reset
        "#,
    );
}

#[test]
fn whoever_connects_after_the_drain_is_turned_away_and_nothing_spins() {
    let mut world = world(|limits| limits.drain_timeout = ms(500));
    shutdown_at(&mut world, 1000);
    world.peer_at(ms(3000), Shape::CALM, vec![get("b=respond:200:never"), Step::End]);
    tells(
        world,
        r#"
       3.000 peer 0 connects
       3.000 peer 0 asks GET b=respond:200:never
       3.000 peer 0 hears 503 content-length: 63, connection: close, retry-after: 2
       3.000 peer 0 hears 63 bytes
       3.000 peer 0 hears the end of the answer
       3.000 peer 0 hears a reset
        "#,
    );
}

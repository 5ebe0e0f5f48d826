//! Peers that go: half-closed, wholly, or with a reset.

use super::{get, guest, ms, tells, world};
use crate::script::Step;

#[test]
fn half_close_gets_finite_answer_whole() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=timer:500&k=respond:200:late"), Step::Sent, Step::Fin, Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=timer:500&k=respond:200:late
       0.000 peer 0 shuts its side down
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.500 app 0.0: timer 1
       0.500 app 0.0: End(Closed)
       0.500 peer 0 hears 200 content-length: 10
       0.500 peer 0 hears "=0.0.late\n"
       0.500 peer 0 hears the end of the answer
       0.500 peer 0 hears the connection close
        "#,
    );
}

#[test]
fn fin_on_endless_stream_is_disconnected() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=w:hello&e=w:nobody"), Step::Hears(1), Step::Fin, Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=w:hello&e=w:nobody
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.000 peer 0 hears "=0.0.hello\n"
       0.000 peer 0 shuts its side down
       0.000 app 0.0: Error(Disconnected)
       0.000 app 0.0: End(Failed)
       0.000 app 0.0: refused: Ended
       0.001 peer 0 hears the connection close
       0.001 peer 0 misses something: the connection ended inside a response
        "#,
    );
}

#[test]
fn a_handler_may_keep_a_half_closed_stream_or_be_told_of_a_half_closed_wait() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=keep,w:on,timer:500&k=w:and,close"), Step::Hears(1), Step::Fin, Step::End]);
    guest(&mut world, vec![get("b=tell,timer:500&k=respond:200:late"), Step::Sent, Step::Fin, Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 asks GET b=keep,w:on,timer:500&k=w:and,close
       0.000 peer 1 asks GET b=tell,timer:500&k=respond:200:late
       0.000 peer 1 shuts its side down
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 app 1.0: Begin
       0.000 app 1.0: Read(Done)
       0.000 app 1.0: Error(Disconnected)
       0.000 app 1.0: End(Failed)
       0.000 peer 1 hears the connection close
       0.000 peer 1 misses something: the connection ended before the response
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.000 peer 0 hears "=0.0.on\n"
       0.000 peer 0 shuts its side down
       0.500 app 0.0: timer 1
       0.500 app 0.0: End(Closed)
       0.500 peer 0 hears "=0.0.and\n"
       0.500 peer 0 hears the end of the answer
       0.500 peer 0 hears the connection close
        "#,
    );
}

#[test]
fn reset_is_told_from_fin() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=w:hello"), Step::Hears(1), Step::Reset]);
    guest(&mut world, vec![get("b=w:hello"), Step::Hears(1), Step::Leave]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 asks GET b=w:hello
       0.000 peer 1 asks GET b=w:hello
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 app 1.0: Begin
       0.000 app 1.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.000 peer 0 hears "=0.0.hello\n"
       0.000 peer 0 resets
       0.000 peer 1 hears 200 transfer-encoding: chunked
       0.000 peer 1 hears "=1.0.hello\n"
       0.000 peer 1 leaves
       0.000 app 0.0: Error(Reset)
       0.000 app 0.0: End(Failed)
       0.000 app 1.0: Error(Disconnected)
       0.000 app 1.0: End(Failed)
        "#,
    );
}

#[test]
fn a_fin_behind_more_than_is_kept_is_found_all_the_same() {
    let mut world = world(|limits| limits.head_bytes_max = 256);
    let junk = Step::Raw(vec![b'y'; 400], vec![]);
    guest(
        &mut world,
        vec![get("b=w:hello"), Step::Hears(1), junk, Step::Sent, Step::Wait(ms(100)), Step::Leave],
    );
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=w:hello
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.000 peer 0 hears "=0.0.hello\n"
       0.101 peer 0 leaves
       0.101 app 0.0: Error(Disconnected)
       0.101 app 0.0: End(Failed)
        "#,
    );
}

//! What breaks, and that it can be seen: panics, aborts, garbage.

use encke::http::Version;

use super::{get, guest, tells, world};
use crate::script::{Ask, Step};

#[test]
fn panic_in_begin_is_500() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=panic"), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=panic
       0.000 app 0.0: Begin
       0.000 app 0.0: Error(Handler)
       0.000 app 0.0: End(Failed)
       0.000 peer 0 hears 500 content-length: 44, connection: close
       0.000 peer 0 hears "{\"error\":\"the request could not be served\"}\n"
       0.000 peer 0 hears the end of the answer
       0.000 peer 0 hears the connection close
        "#,
    );
}

#[test]
fn panic_in_stream_is_a_visible_break() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=w:one,timer:100&k=w:two,panic"), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=w:one,timer:100&k=w:two,panic
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.000 peer 0 hears "=0.0.one\n"
       0.100 app 0.0: timer 1
       0.100 app 0.0: Error(Handler)
       0.100 app 0.0: End(Failed)
       0.100 peer 0 hears "=0.0.two\n"
       0.100 peer 0 hears the connection close
       0.100 peer 0 misses something: the connection ended inside a response
        "#,
    );
}

#[test]
fn a_second_panic_changes_nothing() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=w:one,panic&x=panic&e=panic"), Step::End]);
    guest(&mut world, vec![get("b=w:one,close&e=w:two,panic"), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 asks GET b=w:one,panic&x=panic&e=panic
       0.000 peer 1 asks GET b=w:one,close&e=w:two,panic
       0.000 app 0.0: Begin
       0.000 app 0.0: Error(Handler)
       0.000 app 0.0: End(Failed)
       0.000 app 1.0: Begin
       0.000 app 1.0: End(Closed)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.000 peer 0 hears "=0.0.one\n"
       0.000 peer 0 hears the connection close
       0.000 peer 0 misses something: the connection ended inside a response
       0.000 peer 1 hears 200 transfer-encoding: chunked
       0.000 peer 1 hears "=1.0.one\n"
       0.000 peer 1 hears "=1.0.two\n"
       0.000 peer 1 hears the connection close
       0.000 peer 1 misses something: the connection ended inside a response
        "#,
    );
}

#[test]
fn a_break_without_framing_is_a_reset() {
    let mut world = world(|_| {});
    let ask = Ask { version: Version::Http10, ..Ask::get("b=w:one,timer:100&k=w:two,panic") };
    guest(&mut world, vec![Step::Ask(ask), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=w:one,timer:100&k=w:two,panic
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 connection: close
       0.000 peer 0 hears "=0.0.one\n"
       0.100 app 0.0: timer 1
       0.100 app 0.0: Error(Handler)
       0.100 app 0.0: End(Failed)
       0.100 peer 0 hears "=0.0.two\n"
       0.100 peer 0 hears a reset
        "#,
    );
}

#[test]
fn abort_is_500_or_a_visible_break() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=abort"), Step::End]);
    guest(&mut world, vec![get("b=w:one,abort"), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 asks GET b=abort
       0.000 peer 1 asks GET b=w:one,abort
       0.000 app 0.0: Begin
       0.000 app 0.0: End(Failed)
       0.000 app 1.0: Begin
       0.000 app 1.0: End(Failed)
       0.000 peer 0 hears 500 content-length: 44, connection: close
       0.000 peer 0 hears "{\"error\":\"the request could not be served\"}\n"
       0.000 peer 0 hears the end of the answer
       0.000 peer 0 hears the connection close
       0.000 peer 1 hears 200 transfer-encoding: chunked
       0.000 peer 1 hears "=1.0.one\n"
       0.000 peer 1 hears the connection close
       0.000 peer 1 misses something: the connection ended inside a response
        "#,
    );
}

#[test]
fn a_length_that_is_not_kept_is_a_visible_break() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=sized:100,w:short,close"), get("b=respond:200:never"), Step::End]);
    guest(&mut world, vec![get("b=sized:10,w:far+too+long,w:fits,close"), Step::Answers(1), Step::Leave]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 asks GET b=sized:100,w:short,close
       0.000 peer 0 asks GET b=respond:200:never
       0.000 peer 1 asks GET b=sized:10,w:far+too+long,w:fits,close
       0.000 app 0.0: Begin
       0.000 app 0.0: End(Closed)
       0.000 app 1.0: Begin
       0.000 app 1.0: refused: TooLong
       0.000 app 1.0: End(Closed)
       0.000 peer 0 hears 200 content-length: 100
       0.000 peer 0 hears "=0.0.short\n"
       0.000 peer 0 hears the connection close
       0.000 peer 0 misses something: the connection ended inside a response
       0.000 peer 1 hears 200 content-length: 10
       0.000 peer 1 hears "=1.0.fits\n"
       0.000 peer 1 hears the end of the answer
       0.000 peer 1 leaves
        "#,
    );
}

#[test]
fn garbage_is_400_and_has_no_events() {
    let mut world = world(|_| {});
    guest(
        &mut world,
        vec![Step::Raw(b"\x16\x03\x01\x02 what is this\r\n\r\n".to_vec(), vec!["GET"]), Step::End],
    );
    let behind = Step::Raw(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec(), vec!["GET"]);
    guest(&mut world, vec![get("b=respond:200:first"), behind, get("b=respond:200:never"), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 1 asks GET b=respond:200:first
       0.000 peer 1 asks GET b=respond:200:never
       0.000 app 1.0: Begin
       0.000 app 1.0: End(Closed)
       0.000 peer 0 hears 400 content-length: 39, connection: close
       0.000 peer 0 hears "{\"error\":\"a control byte in the head\"}\n"
       0.000 peer 0 hears the end of the answer
       0.000 peer 0 hears the connection close
       0.000 peer 1 hears 200 content-length: 11
       0.000 peer 1 hears "=1.0.first\n"
       0.000 peer 1 hears the end of the answer
       0.001 peer 1 hears 400 content-length: 31, connection: close
       0.001 peer 1 hears "{\"error\":\"more than one Host\"}\n"
       0.001 peer 1 hears the end of the answer
       0.001 peer 1 hears the connection close
       0.001 peer 1 misses something: the connection ended before the response
        "#,
    );
}

#[test]
fn a_refused_head_request_gets_no_body() {
    let mut world = world(|_| {});
    for head in ["HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "\r\nHEAD / HTTP/1.1\r\nHo"] {
        let head = Step::Raw(head.as_bytes().to_vec(), vec!["HEAD"]);
        guest(&mut world, vec![head, Step::Sent, Step::Fin, Step::End]);
    }
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 shuts its side down
       0.000 peer 1 shuts its side down
       0.000 peer 0 hears 400 content-length: 31, connection: close
       0.000 peer 0 hears the end of the answer
       0.000 peer 0 hears the connection close
       0.000 peer 1 hears 400 content-length: 67, connection: close
       0.000 peer 1 hears the end of the answer
       0.000 peer 1 hears the connection close
        "#,
    );
}

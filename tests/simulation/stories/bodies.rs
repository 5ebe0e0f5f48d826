//! Requests with bodies: collected, paused, dripped, and lies about their framing.

use super::{guest, ms, tells, world};
use crate::script::{Ask, Body, Pace, Step};

fn chunks(list: &[&str]) -> Body {
    Body::Chunked(list.iter().map(|text| text.as_bytes().to_vec()).collect())
}

fn length(text: &str) -> Body {
    Body::Length(text.as_bytes().to_vec())
}

fn post(query: &str, body: Body) -> Step {
    Step::Ask(Ask::post(query, body))
}

const DRIP: Step = Step::Pace(Pace { bytes: 1, every: std::time::Duration::from_millis(300) });

#[test]
fn a_body_is_read_as_it_comes_and_its_end_is_told() {
    let mut world = world(|_| {});
    let script = vec![
        post("b=start&r=echo&d=close", chunks(&["one", "two"])),
        post("d=respond:200:x", length("")),
        Step::Answers(2),
        Step::Leave,
    ];
    guest(&mut world, script);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks POST b=start&r=echo&d=close
       0.000 peer 0 asks POST d=respond:200:x
       0.000 app 0.0: Begin
       0.000 app 0.0: Read("one")
       0.000 app 0.0: Read("two")
       0.000 app 0.0: Read(Done)
       0.000 app 0.0: End(Closed)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.000 peer 0 hears "one"
       0.000 peer 0 hears "two"
       0.000 peer 0 hears the end of the answer
       0.001 app 0.1: Begin
       0.001 app 0.1: Read(Done)
       0.001 app 0.1: End(Closed)
       0.001 peer 0 hears 200 content-length: 7
       0.001 peer 0 hears "=0.1.x\n"
       0.001 peer 0 hears the end of the answer
       0.001 peer 0 leaves
        "#,
    );
}

#[test]
fn collect_body() {
    let mut world = world(|_| {});
    let pace = Step::Pace(Pace { bytes: 40, every: ms(10) });
    let script = vec![
        pace,
        post("b=collect:20&d=respond:200:got", chunks(&["one", "two", "three"])),
        Step::Answers(1),
        post("b=collect:5&d=respond:200:got", chunks(&["one", "two"])),
        Step::End,
    ];
    guest(&mut world, script);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks POST b=collect:20&d=respond:200:got
       0.020 app 0.0: Begin
       0.030 app 0.0: Read("onetwothree")
       0.030 app 0.0: Read(Done)
       0.030 app 0.0: End(Closed)
       0.030 peer 0 hears 200 content-length: 9
       0.030 peer 0 hears "=0.0.got\n"
       0.030 peer 0 hears the end of the answer
       0.030 peer 0 asks POST b=collect:5&d=respond:200:got
       0.060 app 0.1: Begin
       0.060 app 0.1: Error(Protocol 413)
       0.060 app 0.1: End(Failed)
       0.060 peer 0 hears 413 content-length: 53, connection: close
       0.060 peer 0 hears "{\"error\":\"the body is larger than is accepted here\"}\n"
       0.060 peer 0 hears the end of the answer
       0.060 peer 0 hears the connection close
        "#,
    );
}

#[test]
fn an_announced_body_that_is_too_large_is_413_before_it_is_sent() {
    let mut world = world(|limits| limits.body_bytes_max = 10);
    let fields = vec![("Expect", "100-continue")];
    let ask = Ask { fields, ..Ask::post("d=respond:200:got", length("twelve bytes")) };
    guest(&mut world, vec![Step::Ask(ask), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks POST d=respond:200:got
       0.000 app 0.0: Begin
       0.000 app 0.0: Error(Protocol 413)
       0.000 app 0.0: End(Failed)
       0.000 peer 0 hears 413 content-length: 53, connection: close
       0.000 peer 0 hears "{\"error\":\"the body is larger than is accepted here\"}\n"
       0.000 peer 0 hears the end of the answer
       0.000 peer 0 hears the connection close
        "#,
    );
}

#[test]
fn expect_continue() {
    let mut world = world(|_| {});
    let fields = vec![("Expect", "100-continue")];
    let wanted = Ask { fields: fields.clone(), ..Ask::post("d=respond:200:got", length("body")) };
    let unwanted = Ask { fields, ..Ask::post("b=respond:403:no", length("body")) };
    guest(&mut world, vec![Step::Ask(wanted), Step::Answers(1), Step::Ask(unwanted), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks POST d=respond:200:got
       0.000 app 0.0: Begin
       0.000 peer 0 hears 100
       0.001 app 0.0: Read("body")
       0.001 app 0.0: Read(Done)
       0.001 app 0.0: End(Closed)
       0.001 peer 0 hears 200 content-length: 9
       0.001 peer 0 hears "=0.0.got\n"
       0.001 peer 0 hears the end of the answer
       0.001 peer 0 asks POST b=respond:403:no
       0.002 app 0.1: Begin
       0.002 app 0.1: End(Closed)
       0.002 peer 0 hears 403 content-length: 8, connection: close
       0.002 peer 0 hears "=0.1.no\n"
       0.002 peer 0 hears the end of the answer
       0.002 peer 0 hears the connection close
        "#,
    );
}

#[test]
fn pause_and_resume() {
    let mut world = world(|_| {});
    let query = "b=pause,timer:1000&k=resume&r=pause,timer:1000&d=respond:200:got";
    guest(&mut world, vec![post(query, chunks(&["one", "two"])), Step::Answers(1), Step::Leave]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks POST b=pause,timer:1000&k=resume&r=pause,timer:1000&d=respond:200:got
       0.000 app 0.0: Begin
       1.000 app 0.0: timer 1
       1.000 app 0.0: Read("one")
       2.000 app 0.0: timer 1
       2.000 app 0.0: Read("two")
       3.000 app 0.0: timer 1
       3.000 app 0.0: Read(Done)
       3.000 app 0.0: End(Closed)
       3.000 peer 0 hears 200 content-length: 9
       3.000 peer 0 hears "=0.0.got\n"
       3.000 peer 0 hears the end of the answer
       3.000 peer 0 leaves
        "#,
    );
}

#[test]
fn body_dripped_is_408() {
    let mut world = world(|limits| limits.body_timeout = ms(2000));
    let head = b"POST /?p=0&n=0&b=collect:9999 HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n".to_vec();
    let body = Step::Body(vec![b'x'; 50]);
    guest(&mut world, vec![Step::Raw(head, vec!["POST"]), Step::Sent, DRIP, body, Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 app 0.0: Begin
       2.100 app 0.0: Error(Stalled(Sending))
       2.100 app 0.0: End(Failed)
       2.100 peer 0 hears 408 content-length: 58, connection: close
       2.100 peer 0 hears "{\"error\":\"the body did not come in time; send it faster\"}\n"
       2.100 peer 0 hears the end of the answer
       2.100 peer 0 hears the connection close
        "#,
    );
}

#[test]
fn a_body_that_stops_is_408() {
    let mut world = world(|limits| limits.body_timeout = ms(2000));
    let half = b"POST /?p=0&n=0&b=collect:100 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf".to_vec();
    guest(&mut world, vec![Step::Raw(half, vec!["POST"]), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 app 0.0: Begin
       2.010 app 0.0: Error(Stalled(Sending))
       2.010 app 0.0: End(Failed)
       2.010 peer 0 hears 408 content-length: 58, connection: close
       2.010 peer 0 hears "{\"error\":\"the body did not come in time; send it faster\"}\n"
       2.010 peer 0 hears the end of the answer
       2.010 peer 0 hears the connection close
        "#,
    );
}

#[test]
fn head_dripped_is_408() {
    let mut world = world(|limits| limits.head_timeout = ms(2000));
    guest(&mut world, vec![DRIP, super::get("b=respond:200:x"), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=respond:200:x
       2.010 peer 0 hears 408 content-length: 58, connection: close
       2.010 peer 0 hears "{\"error\":\"the head did not come in time; send it faster\"}\n"
       2.010 peer 0 hears the end of the answer
       2.010 peer 0 hears the connection close
        "#,
    );
}

#[test]
fn bad_chunk_is_400_or_a_visible_break() {
    let mut world = world(|_| {});
    for (peer, query) in [(0, "b=to:0"), (1, "b=w:begun")] {
        let head =
            format!("POST /?p={peer}&n=0&{query} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        let script = vec![
            Step::Raw(head.into_bytes(), vec!["POST"]),
            Step::Wait(ms(10)),
            Step::Raw(b"5g\r\n".to_vec(), vec![]),
            Step::End,
        ];
        guest(&mut world, script);
    }
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 app 0.0: Begin
       0.000 app 1.0: Begin
       0.000 peer 1 hears 200 transfer-encoding: chunked
       0.000 peer 1 hears "=1.0.begun\n"
       0.010 app 0.0: Error(Protocol 400)
       0.010 app 0.0: End(Failed)
       0.010 app 1.0: Error(Protocol 400)
       0.010 app 1.0: End(Failed)
       0.010 peer 0 hears 400 content-length: 56, connection: close
       0.010 peer 0 hears "{\"error\":\"a chunk size that is not hexadecimal digits\"}\n"
       0.010 peer 0 hears the end of the answer
       0.010 peer 0 hears the connection close
       0.010 peer 1 hears the connection close
       0.010 peer 1 misses something: the connection ended inside a response
        "#,
    );
}

#[test]
fn a_fin_within_the_body_is_disconnected() {
    let mut world = world(|_| {});
    let half = |peer: usize, query: &str| {
        format!("POST /?p={peer}&n=0&{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n").into_bytes()
    };
    guest(&mut world, vec![Step::Raw(half(0, "b=to:0"), vec!["POST"]), Step::Sent, Step::Fin, Step::End]);
    guest(&mut world, vec![Step::Raw(half(1, "b=w:begun"), vec!["POST"]), Step::Sent, Step::Fin, Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 shuts its side down
       0.000 peer 1 shuts its side down
       0.000 app 0.0: Begin
       0.000 app 0.0: Error(Disconnected)
       0.000 app 0.0: End(Failed)
       0.000 app 1.0: Begin
       0.000 app 1.0: Error(Disconnected)
       0.000 app 1.0: End(Failed)
       0.000 peer 0 hears 400 content-length: 67, connection: close
       0.000 peer 0 hears 67 bytes
       0.000 peer 0 hears the end of the answer
       0.000 peer 0 hears the connection close
       0.000 peer 1 hears 200 transfer-encoding: chunked
       0.000 peer 1 hears "=1.0.begun\n"
       0.000 peer 1 hears the connection close
       0.000 peer 1 misses something: the connection ended inside a response
        "#,
    );
}

#[test]
fn a_body_that_its_handler_did_not_want_is_thrown_away() {
    let mut world = world(|_| {});
    let script = vec![
        post("b=respond:200:no", length("unwanted")),
        super::get("b=respond:200:next"),
        Step::Answers(2),
        Step::Leave,
    ];
    guest(&mut world, script);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks POST b=respond:200:no
       0.000 peer 0 asks GET b=respond:200:next
       0.000 app 0.0: Begin
       0.000 app 0.0: End(Closed)
       0.000 peer 0 hears 200 content-length: 8
       0.000 peer 0 hears "=0.0.no\n"
       0.000 peer 0 hears the end of the answer
       0.001 app 0.1: Begin
       0.001 app 0.1: End(Closed)
       0.001 peer 0 hears 200 content-length: 10
       0.001 peer 0 hears "=0.1.next\n"
       0.001 peer 0 hears the end of the answer
       0.001 peer 0 leaves
        "#,
    );
}

//! Lives that go well, from `Begin` to `End(Closed)`.

use encke::http::Version;

use super::{get, guest, ms, tells, world};
use crate::history::Fact;
use crate::script::{Ask, Step};

#[test]
fn stream_from_begin_to_close() {
    let mut world = world(|_| {});
    let script = vec![get("b=w:one,timer:1000&k=w:two,close&e=w:last"), Step::Answers(1), Step::Leave];
    guest(&mut world, script);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=w:one,timer:1000&k=w:two,close&e=w:last
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.000 peer 0 hears "=0.0.one\n"
       1.000 app 0.0: timer 1
       1.000 app 0.0: End(Closed)
       1.000 peer 0 hears "=0.0.two\n"
       1.000 peer 0 hears "=0.0.last\n"
       1.000 peer 0 hears the end of the answer
       1.000 peer 0 leaves
        "#,
    );
}

#[test]
fn a_close_without_a_word_is_an_empty_answer() {
    let mut world = world(|_| {});
    let script =
        vec![get("b=close"), get("b=respond:204:x"), get("b=start,close"), Step::Answers(3), Step::Leave];
    guest(&mut world, script);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=close
       0.000 peer 0 asks GET b=respond:204:x
       0.000 peer 0 asks GET b=start,close
       0.000 app 0.0: Begin
       0.000 app 0.0: End(Closed)
       0.000 peer 0 hears 200 content-length: 0
       0.000 peer 0 hears the end of the answer
       0.001 app 0.1: Begin
       0.001 app 0.1: End(Closed)
       0.001 app 0.2: Begin
       0.001 app 0.2: End(Closed)
       0.001 peer 0 hears 204
       0.001 peer 0 hears the end of the answer
       0.001 peer 0 hears 200 transfer-encoding: chunked
       0.001 peer 0 hears the end of the answer
       0.001 peer 0 leaves
        "#,
    );
}

#[test]
fn timeout_comes_again_each_period() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=start,to:1000"), Step::Wait(ms(3500)), Step::Leave]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=start,to:1000
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       1.010 app 0.0: Error(Timeout)
       2.020 app 0.0: Error(Timeout)
       3.030 app 0.0: Error(Timeout)
       3.500 peer 0 leaves
       3.500 app 0.0: Error(Disconnected)
       3.500 app 0.0: End(Failed)
        "#,
    );
}

#[test]
fn pipelined_behind_a_stream_is_kept_and_served() {
    let mut world = world(|_| {});
    let (first, second) = (get("b=w:one,timer:1000&k=w:two,close"), get("b=respond:200:second"));
    guest(&mut world, vec![first, second, Step::Answers(2), Step::Leave]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=w:one,timer:1000&k=w:two,close
       0.000 peer 0 asks GET b=respond:200:second
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.000 peer 0 hears "=0.0.one\n"
       1.000 app 0.0: timer 1
       1.000 app 0.0: End(Closed)
       1.000 app 0.1: Begin
       1.000 app 0.1: End(Closed)
       1.000 peer 0 hears "=0.0.two\n"
       1.000 peer 0 hears the end of the answer
       1.000 peer 0 hears 200 content-length: 12
       1.000 peer 0 hears "=0.1.second\n"
       1.000 peer 0 hears the end of the answer
       1.000 peer 0 leaves
        "#,
    );
}

#[test]
fn closing_from_outside_is_like_closing_from_inside() {
    let mut world = world(|_| {});
    guest(
        &mut world,
        vec![get("b=w:hello&e=w:last"), get("b=respond:200:next"), Step::Answers(2), Step::Leave],
    );
    world.deed_at(ms(700), |engine, now| {
        engine.run(now, |app, core| {
            let (tag, id) = app.open[0];
            core.write(id, b"").expect("an open exchange");
            app.log.borrow_mut().note(tag, Fact::CloseAsked);
            core.close(id);
        });
    });
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=w:hello&e=w:last
       0.000 peer 0 asks GET b=respond:200:next
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.000 peer 0 hears "=0.0.hello\n"
       0.700 app 0.0: End(Closed)
       0.700 app 0.1: Begin
       0.700 app 0.1: End(Closed)
       0.700 peer 0 hears "=0.0.last\n"
       0.700 peer 0 hears the end of the answer
       0.700 peer 0 hears 200 content-length: 10
       0.700 peer 0 hears "=0.1.next\n"
       0.700 peer 0 hears the end of the answer
       0.700 peer 0 leaves
        "#,
    );
}

#[test]
fn stale_handle_reaches_nobody() {
    let mut world = world(|_| {});
    let second = get("b=start,stale,timer:50&k=w:mine,close");
    guest(
        &mut world,
        vec![get("b=respond:200:first"), Step::Answers(1), second, Step::Answers(2), Step::Leave],
    );
    let other = get("b=start,stale,timer:50&k=w:mine,close");
    guest(&mut world, vec![Step::Wait(ms(20)), other, Step::Answers(1), Step::Leave]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 asks GET b=respond:200:first
       0.000 app 0.0: Begin
       0.000 app 0.0: End(Closed)
       0.000 peer 0 hears 200 content-length: 11
       0.000 peer 0 hears "=0.0.first\n"
       0.000 peer 0 hears the end of the answer
       0.000 peer 0 asks GET b=start,stale,timer:50&k=w:mine,close
       0.001 app 0.1: Begin
       0.001 app 0.1: a stale handle: Err(Ended)
       0.001 app 0.1: Read(Done)
       0.001 peer 0 hears 200 transfer-encoding: chunked
       0.020 peer 1 asks GET b=start,stale,timer:50&k=w:mine,close
       0.020 app 1.0: Begin
       0.020 app 1.0: a stale handle: Err(Ended)
       0.020 app 1.0: Read(Done)
       0.020 peer 1 hears 200 transfer-encoding: chunked
       0.051 app 0.1: timer 1
       0.051 app 0.1: End(Closed)
       0.051 peer 0 hears "=0.1.mine\n"
       0.051 peer 0 hears the end of the answer
       0.051 peer 0 leaves
       0.070 app 1.0: timer 1
       0.070 app 1.0: End(Closed)
       0.070 peer 1 hears "=1.0.mine\n"
       0.070 peer 1 hears the end of the answer
       0.070 peer 1 leaves
        "#,
    );
}

#[test]
fn upgrade_tunnel() {
    let mut world = world(|_| {});
    let fields = vec![("Connection", "upgrade"), ("Upgrade", "echo")];
    let ask = Step::Ask(Ask { fields, ..Ask::get("b=up:echo&r=echo") });
    let script = vec![
        ask,
        Step::Wait(ms(10)),
        Step::Raw(b"ping".to_vec(), vec![]),
        Step::Hears(4),
        Step::Fin,
        Step::End,
    ];
    guest(&mut world, script);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=up:echo&r=echo
       0.000 app 0.0: Begin
       0.000 peer 0 hears 101 connection: upgrade, upgrade: echo
       0.010 app 0.0: Read("ping")
       0.010 peer 0 hears "ping"
       0.010 peer 0 shuts its side down
       0.010 app 0.0: Error(Disconnected)
       0.010 app 0.0: End(Failed)
       0.011 peer 0 hears the connection close
       0.011 peer 0 hears the end of the answer
        "#,
    );
}

#[test]
fn a_tunnel_may_go_on_when_its_peer_has_shut_down_its_sending_side() {
    let mut world = world(|_| {});
    let fields = vec![("Connection", "upgrade"), ("Upgrade", "echo")];
    // The request is done before the tunnel begins, and then its input is too.
    let ask = Step::Ask(Ask { fields, ..Ask::get("d=up:echo,keep,timer:50&r=echo&k=w:late,close") });
    let script =
        vec![ask, Step::Wait(ms(10)), Step::Raw(b"ping".to_vec(), vec![]), Step::Sent, Step::Fin, Step::End];
    guest(&mut world, script);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET d=up:echo,keep,timer:50&r=echo&k=w:late,close
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 101 connection: upgrade, upgrade: echo
       0.010 peer 0 shuts its side down
       0.010 app 0.0: Read("ping")
       0.010 app 0.0: Read(Done)
       0.010 app 0.0: refused: Begun
       0.010 peer 0 hears "ping"
       0.060 app 0.0: timer 1
       0.060 app 0.0: End(Closed)
       0.060 peer 0 hears "=0.0.late\n"
       0.060 peer 0 hears the connection close
       0.060 peer 0 hears the end of the answer
        "#,
    );
}

#[test]
fn http10_stream_unframed() {
    let mut world = world(|_| {});
    let ask = Ask { version: Version::Http10, ..Ask::get("b=w:one,timer:100&k=w:two,close") };
    guest(&mut world, vec![Step::Ask(ask), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=w:one,timer:100&k=w:two,close
       0.000 app 0.0: Begin
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 connection: close
       0.000 peer 0 hears "=0.0.one\n"
       0.100 app 0.0: timer 1
       0.100 app 0.0: End(Closed)
       0.100 peer 0 hears "=0.0.two\n"
       0.100 peer 0 hears the connection close
       0.100 peer 0 hears the end of the answer
        "#,
    );
}

#[test]
fn head_on_a_stream_is_answered_at_once() {
    let mut world = world(|_| {});
    let ask = Ask { method: "HEAD", ..Ask::get("b=w:one,close") };
    guest(&mut world, vec![Step::Ask(ask), get("b=respond:200:next"), Step::Answers(2), Step::Leave]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks HEAD b=w:one,close
       0.000 peer 0 asks GET b=respond:200:next
       0.000 app 0.0: Begin
       0.000 app 0.0: End(Closed)
       0.000 peer 0 hears 200 transfer-encoding: chunked
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

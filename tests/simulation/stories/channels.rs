//! Channels and their subscribers: slow ones, late ones, idle ones.

use std::time::Duration;

use encke::Limits;
use encke::time::Instant;

use super::{get, guest, ms, publish, tells, world};
use crate::script::{Pace, Step};
use crate::shape::{Manner, Shape};
use crate::world::{Poll, World};

const SMALL: Shape = Shape { outbound_max: 120, ..Shape::CALM };

// TOUR 8.3
#[test]
fn slow_reader_is_cut_and_others_hear_all() {
    let mut world = world(|limits| limits.write_timeout = ms(3000));
    let subscribe = || get("b=start,sub:news:stream");
    let lazy = vec![
        Step::Appetite(Pace::NEVER),
        subscribe(),
        Step::Wait(ms(9000)),
        Step::Appetite(Pace::PROMPT),
        Step::End,
    ];
    world.peer_at(ms(0), SMALL, lazy);
    guest(&mut world, vec![subscribe(), Step::Wait(ms(6000)), Step::Leave]);
    publish(&mut world, &[100, 200, 300, 4000]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 asks GET b=start,sub:news:stream
       0.000 peer 1 asks GET b=start,sub:news:stream
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news from 0
       0.000 app 0.0: Read(Done)
       0.000 app 1.0: Begin
       0.000 app 1.0: hears news from 0
       0.000 app 1.0: Read(Done)
       0.000 peer 1 hears 200 transfer-encoding: chunked
       0.100 app outside: publishes news 1
       0.100 peer 1 hears "at-100\n"
       0.200 app outside: publishes news 2
       0.200 peer 1 hears "at-200\n"
       0.300 app outside: publishes news 3
       0.300 peer 1 hears "at-300\n"
       3.210 app 0.0: Error(Stalled(Reading))
       3.210 app 0.0: End(Failed)
       4.000 app outside: publishes news 4
       4.000 peer 1 hears "at-4000\n"
       6.000 peer 1 leaves
       6.000 app 1.0: Error(Disconnected)
       6.000 app 1.0: End(Failed)
       9.000 peer 0 hears 200 transfer-encoding: chunked
       9.000 peer 0 hears "at-100\n"
       9.000 peer 0 hears "at-2"
       9.000 peer 0 hears a reset
       9.000 peer 0 misses something: the connection ended inside a response
        "#,
    );
}

#[test]
fn a_reader_that_the_ring_has_passed_is_told_or_cut() {
    let mut world = world(|limits| limits.history_count_max = 2);
    for format in ["sse", "stream"] {
        let subscribe = get(&format!("b=start,sub:news:{format}"));
        let script = vec![
            Step::Appetite(Pace::NEVER),
            subscribe,
            Step::Wait(ms(1000)),
            Step::Appetite(Pace::PROMPT),
            Step::Wait(ms(1000)),
            Step::Leave,
        ];
        world.peer_at(ms(0), Shape { outbound_max: 160, ..Shape::CALM }, script);
    }
    publish(&mut world, &[100, 200, 300, 400, 500, 600, 700, 800]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 asks GET b=start,sub:news:sse
       0.000 peer 1 asks GET b=start,sub:news:stream
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news from 0
       0.000 app 0.0: Read(Done)
       0.000 app 1.0: Begin
       0.000 app 1.0: hears news from 0
       0.000 app 1.0: Read(Done)
       0.100 app outside: publishes news 1
       0.200 app outside: publishes news 2
       0.300 app outside: publishes news 3
       0.400 app outside: publishes news 4
       0.500 app outside: publishes news 5
       0.600 app outside: publishes news 6
       0.700 app outside: publishes news 7
       0.800 app outside: publishes news 8
       1.000 peer 0 hears 200 transfer-encoding: chunked
       1.000 peer 0 hears "id: 7-1\ndata: at-100\n\n"
       1.000 peer 0 hears "id: 7-2\ndata: at-200\n\n"
       1.000 peer 1 hears 200 transfer-encoding: chunked
       1.000 peer 1 hears "at-100\n"
       1.000 peer 1 hears "at-200\n"
       1.000 peer 1 hears "at-300\n"
       1.000 peer 1 hears "at-400\n"
       1.000 peer 1 hears "at-500\n"
       1.000 app 1.0: Error(Stalled(Reading))
       1.000 app 1.0: End(Failed)
       1.001 peer 0 hears "id: 7-3\ndata: at-300\n\n"
       1.001 peer 0 hears "id: 7-6\nevent: encke-gap\ndata: {\"gap\":true}\n\n"
       1.001 peer 0 hears "id: 7-7\ndata: at-700\n\n"
       1.001 peer 0 hears "id: 7-8\ndata: at-800\n\n"
       1.001 peer 1 hears the connection close
       1.001 peer 1 misses something: the connection ended inside a response
       2.000 peer 0 leaves
       2.000 peer 1 leaves
       2.000 app 0.0: Error(Disconnected)
       2.000 app 0.0: End(Failed)
        "#,
    );
}

#[test]
fn history_is_replayed_behind_a_cursor_and_a_gap_is_told() {
    let mut world = world(|limits| limits.history_count_max = 3);
    publish(&mut world, &[100, 200, 300, 400, 500]);
    for since in ["start", "7-4", "7-1", "8-9"] {
        let script = vec![get(&format!("b=start,sub:news:sse:{since}")), Step::Wait(ms(100)), Step::Leave];
        world.peer_at(ms(1000), Shape::CALM, script);
    }
    tells(
        world,
        r#"
       0.100 app outside: publishes news 1
       0.200 app outside: publishes news 2
       0.300 app outside: publishes news 3
       0.400 app outside: publishes news 4
       0.500 app outside: publishes news 5
       1.000 peer 0 connects
       1.000 peer 1 connects
       1.000 peer 2 connects
       1.000 peer 3 connects
       1.000 peer 0 asks GET b=start,sub:news:sse:start
       1.000 peer 1 asks GET b=start,sub:news:sse:7-4
       1.000 peer 2 asks GET b=start,sub:news:sse:7-1
       1.000 peer 3 asks GET b=start,sub:news:sse:8-9
       1.000 app 0.0: Begin
       1.000 app 0.0: hears news from 2, with a gap
       1.000 app 0.0: Read(Done)
       1.000 app 1.0: Begin
       1.000 app 1.0: hears news from 4
       1.000 app 1.0: Read(Done)
       1.000 app 2.0: Begin
       1.000 app 2.0: hears news from 2, with a gap
       1.000 app 2.0: Read(Done)
       1.000 app 3.0: Begin
       1.000 app 3.0: hears news from 2, with a gap
       1.000 app 3.0: Read(Done)
       1.000 peer 0 hears 200 transfer-encoding: chunked
       1.000 peer 0 hears "id: 7-2\nevent: encke-gap\ndata: {\"gap\":true}\n\n"
       1.000 peer 0 hears "id: 7-3\ndata: at-300\n\n"
       1.000 peer 0 hears "id: 7-4\ndata: at-400\n\n"
       1.000 peer 0 hears "id: 7-5\ndata: at-500\n\n"
       1.000 peer 1 hears 200 transfer-encoding: chunked
       1.000 peer 1 hears "id: 7-5\ndata: at-500\n\n"
       1.000 peer 2 hears 200 transfer-encoding: chunked
       1.000 peer 2 hears "id: 7-2\nevent: encke-gap\ndata: {\"gap\":true}\n\n"
       1.000 peer 2 hears "id: 7-3\ndata: at-300\n\n"
       1.000 peer 2 hears "id: 7-4\ndata: at-400\n\n"
       1.000 peer 2 hears "id: 7-5\ndata: at-500\n\n"
       1.000 peer 3 hears 200 transfer-encoding: chunked
       1.000 peer 3 hears "id: 7-2\nevent: encke-gap\ndata: {\"gap\":true}\n\n"
       1.000 peer 3 hears "id: 7-3\ndata: at-300\n\n"
       1.000 peer 3 hears "id: 7-4\ndata: at-400\n\n"
       1.000 peer 3 hears "id: 7-5\ndata: at-500\n\n"
       1.100 peer 0 leaves
       1.100 peer 1 leaves
       1.100 peer 2 leaves
       1.100 peer 3 leaves
       1.100 app 0.0: Error(Disconnected)
       1.100 app 0.0: End(Failed)
       1.100 app 1.0: Error(Disconnected)
       1.100 app 1.0: End(Failed)
       1.100 app 2.0: Error(Disconnected)
       1.100 app 2.0: End(Failed)
       1.100 app 3.0: Error(Disconnected)
       1.100 app 3.0: End(Failed)
        "#,
    );
}

#[test]
fn heartbeat_only_when_idle() {
    let mut world = world(|limits| limits.heartbeat = ms(1000));
    guest(&mut world, vec![get("b=start,sub:news:sse"), Step::Wait(ms(4000)), Step::Leave]);
    publish(&mut world, &[500, 1300]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=start,sub:news:sse
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news from 0
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.500 app outside: publishes news 1
       0.500 peer 0 hears "id: 7-1\ndata: at-500\n\n"
       1.300 app outside: publishes news 2
       1.300 peer 0 hears "id: 7-2\ndata: at-1300\n\n"
       2.310 peer 0 hears ":\n"
       3.320 peer 0 hears ":\n"
       4.000 peer 0 leaves
       4.000 app 0.0: Error(Disconnected)
       4.000 app 0.0: End(Failed)
        "#,
    );
}

#[test]
fn heartbeats_do_not_hold_the_comet_timeout_back() {
    let mut world = world(|limits| limits.heartbeat = ms(400));
    guest(&mut world, vec![get("b=start,sub:news:sse,to:1000"), Step::Wait(ms(2500)), Step::Leave]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=start,sub:news:sse,to:1000
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news from 0
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.410 peer 0 hears ":\n"
       0.820 peer 0 hears ":\n"
       1.010 app 0.0: Error(Timeout)
       1.230 peer 0 hears ":\n"
       1.640 peer 0 hears ":\n"
       2.020 app 0.0: Error(Timeout)
       2.050 peer 0 hears ":\n"
       2.460 peer 0 hears ":\n"
       2.500 peer 0 leaves
       2.500 app 0.0: Error(Disconnected)
       2.500 app 0.0: End(Failed)
        "#,
    );
}

#[test]
fn an_hour_of_heartbeats_is_quiet_and_complete() {
    let mut world = world(|limits| limits.comet_timeout = Duration::ZERO);
    for _ in 0..10 {
        guest(
            &mut world,
            vec![get("b=start,sub:news:sse"), Step::Wait(Duration::from_secs(3600)), Step::Leave],
        );
    }
    world.run_until(Duration::from_secs(7200)).expect("an end");
    for heard in world.heard() {
        // One each 15 s, late by at most two ticks each.
        let beats = heard.answers[0].body.len() / 2;
        assert!((239..=240).contains(&beats), "{beats} heartbeats");
    }
    assert!(world.turns < 10 * 240 * 10, "{} turns", world.turns);
}

#[test]
fn a_delivery_restarts_the_comet_timeout() {
    let mut world = world(|_| {});
    guest(&mut world, vec![get("b=start,sub:news:stream,to:1000&t=close"), Step::Answers(1), Step::Leave]);
    publish(&mut world, &[800, 1600]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=start,sub:news:stream,to:1000&t=close
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news from 0
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.800 app outside: publishes news 1
       0.800 peer 0 hears "at-800\n"
       1.600 app outside: publishes news 2
       1.600 peer 0 hears "at-1600\n"
       2.610 app 0.0: Error(Timeout)
       2.610 app 0.0: End(Closed)
       2.610 peer 0 hears the end of the answer
       2.610 peer 0 leaves
        "#,
    );
}

/// Three messages at once, each a batch of its own, to a subscriber on such a link: when has it heard them, at the latest?
fn heard_at_the_latest(shape: Shape) -> Duration {
    let latest = (0..50).map(|seed| {
        let limits = Limits { batch_bytes_max: 1, ..Limits::default() };
        let mut world = World::new(limits, Poll::Calm, seed);
        let script = vec![get("b=start,sub:news:stream"), Step::Hears(21), Step::Leave];
        world.peer_at(ms(0), shape, script);
        publish(&mut world, &[100, 100, 100]);
        world.run_until(Duration::from_secs(7200)).expect("an end");
        let end = world.log.borrow().entries.last().expect("an End").at;
        end.since(Instant::default())
    });
    latest.max().unwrap_or_default()
}

#[test]
fn a_session_that_takes_little_gets_the_rest_at_once() {
    assert!(heard_at_the_latest(Shape { manner: Manner::Session, ..Shape::CALM }) < ms(120));
}

#[test]
fn an_interrupted_delivery_is_made_again() {
    assert!(heard_at_the_latest(Shape { interrupts: 70, ..Shape::CALM }) < ms(120));
}

//! Memory: what gives way when it is short.

use super::{get, ms, publish_to, tells, world};
use crate::crowd::Crowd;
use crate::script::{Ask, Body, Pace, Step};
use crate::shape::Shape;

/// A link that is full after a hundred and fifty bytes.
const SMALL: Shape = Shape { outbound_max: 150, ..Shape::CALM };

#[test]
fn frames_beyond_the_bound_cost_old_messages_and_cut_nobody() {
    let mut world = world(|limits| {
        limits.memory_bytes_max = 64 << 10;
        limits.history_age_max = ms(60_000);
    });
    world.peer_at(
        ms(0),
        SMALL,
        vec![Step::Appetite(Pace::NEVER), get("b=start,sub:news:sse"), Step::Wait(ms(3_000)), Step::Leave],
    );
    for format in ["ndjson", "envelope", "iframe"] {
        let script = vec![get(&format!("b=hear:news:{format}:")), Step::Wait(ms(1_000)), Step::Leave];
        world.peer_at(ms(0), Shape::CALM, script);
    }
    for number in 0..6 {
        publish_to(&mut world, "news", 100 + 100 * number, "x".repeat(8_000));
    }
    world.run_until(ms(900)).expect("a calm world");
    let stats = world.engine.core().hub().stats();
    assert!(stats.memory <= 64 << 10 && stats.messages >= 1, "{stats:?}");
    assert_eq!(world.engine.core().counters().cuts, 0, "old messages go before readers");
    world.run_until(ms(700_000)).expect("a calm world");
    let limits = world.engine.core().limits();
    crate::oracle::judge(&world.log.borrow(), &world.heard(), &Crowd::default(), limits).expect("the law");
}

#[test]
fn who_has_been_blocked_longest_is_cut_when_memory_is_short() {
    let mut world = world(|limits| {
        limits.memory_bytes_max = 64 << 10;
        limits.history_count_max = 1;
    });
    for _ in 0..3 {
        world.peer_at(
            ms(0),
            SMALL,
            vec![Step::Appetite(Pace::NEVER), get("b=start,sub:news:stream"), Step::End],
        );
        world.peer_at(
            ms(0),
            SMALL,
            vec![Step::Appetite(Pace::NEVER), get("b=start,sub:chat:stream"), Step::End],
        );
    }
    publish_to(&mut world, "news", 100, "n".repeat(25_000));
    publish_to(&mut world, "chat", 200, "c".repeat(25_000));
    // Both rings let go of what is blocked, and those who hold its frames are in the way.
    publish_to(&mut world, "news", 300, "n".repeat(10_000));
    publish_to(&mut world, "chat", 400, "c".repeat(10_000));
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 2 connects
       0.000 peer 3 connects
       0.000 peer 4 connects
       0.000 peer 5 connects
       0.000 peer 0 asks GET b=start,sub:news:stream
       0.000 peer 1 asks GET b=start,sub:chat:stream
       0.000 peer 2 asks GET b=start,sub:news:stream
       0.000 peer 3 asks GET b=start,sub:chat:stream
       0.000 peer 4 asks GET b=start,sub:news:stream
       0.000 peer 5 asks GET b=start,sub:chat:stream
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news from 0
       0.000 app 0.0: Read(Done)
       0.000 app 1.0: Begin
       0.000 app 1.0: hears chat from 0
       0.000 app 1.0: Read(Done)
       0.000 app 2.0: Begin
       0.000 app 2.0: hears news from 0
       0.000 app 2.0: Read(Done)
       0.000 app 3.0: Begin
       0.000 app 3.0: hears chat from 0
       0.000 app 3.0: Read(Done)
       0.000 app 4.0: Begin
       0.000 app 4.0: hears news from 0
       0.000 app 4.0: Read(Done)
       0.000 app 5.0: Begin
       0.000 app 5.0: hears chat from 0
       0.000 app 5.0: Read(Done)
       0.100 app outside: publishes news 1
       0.200 app outside: publishes chat 2
       0.200 app 0.0: Error(Stalled(Reading))
       0.200 app 0.0: End(Failed)
       0.200 app 2.0: Error(Stalled(Reading))
       0.200 app 2.0: End(Failed)
       0.200 app 4.0: Error(Stalled(Reading))
       0.200 app 4.0: End(Failed)
       0.300 app outside: publishes news 3
       0.400 app outside: publishes chat 4
      30.210 app 1.0: Error(Stalled(Reading))
      30.210 app 1.0: End(Failed)
      30.210 app 3.0: Error(Stalled(Reading))
      30.210 app 3.0: End(Failed)
      30.210 app 5.0: Error(Stalled(Reading))
      30.210 app 5.0: End(Failed)
        "#,
    );
}

#[test]
fn a_body_for_which_there_is_no_memory_is_refused() {
    let mut world = world(|limits| limits.memory_bytes_max = 64 << 10);
    publish_to(&mut world, "news", 10, "x".repeat(20_000));
    let body = Body::Length(vec![b'y'; 50_000]);
    let query = "b=collect:99999&d=pubread:chat,respond:200:ok";
    let script = || vec![Step::Ask(Ask::post(query, body.clone())), Step::Answered, Step::Leave];
    world.peer_at(ms(100), Shape { inbound_max: 5_000, ..Shape::CALM }, script());
    let small = Body::Length(vec![b'z'; 9_000]);
    let late = vec![Step::Ask(Ask::post(query, small)), Step::Answered, Step::Leave];
    world.peer_at(ms(200), Shape { inbound_max: 5_000, ..Shape::CALM }, late);
    tells(
        world,
        r#"
       0.010 app outside: publishes news 1
       0.100 peer 0 connects
       0.100 peer 0 asks POST b=collect:99999&d=pubread:chat,respond:200:ok
       0.100 app 0.0: Begin
       0.107 app 0.0: Error(Protocol 503)
       0.107 app 0.0: End(Failed)
       0.107 peer 0 hears 503 content-length: 73, connection: close, retry-after: 2
       0.107 peer 0 hears 73 bytes
       0.107 peer 0 hears the end of the answer
       0.107 peer 0 hears the connection close
       0.107 peer 0 leaves
       0.200 peer 1 connects
       0.200 peer 1 asks POST b=collect:99999&d=pubread:chat,respond:200:ok
       0.200 app 1.0: Begin
       0.201 app 1.0: Read(9000 bytes)
       0.201 app 1.0: Read(Done)
       0.201 app 1.0: publishes chat 2
       0.201 app 1.0: End(Closed)
       0.201 peer 1 hears 200 content-length: 8
       0.201 peer 1 hears "=1.0.ok\n"
       0.201 peer 1 hears the end of the answer
       0.201 peer 1 leaves
        "#,
    );
}

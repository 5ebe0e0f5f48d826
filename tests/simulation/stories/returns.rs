//! Peers who come back with their cursors, hear several channels, or hear of an end.

use super::{get, guest, ms, publish, publish_to, tells, tells_of, world};
use crate::crowd::Crowd;
use crate::history::{Fact, OUTSIDE};
use crate::script::{Departure, Pace, Step};
use crate::shape::Shape;
use crate::world::World;

/// The first guest comes back, and is judged over its whole life.
fn returning() -> Crowd {
    Crowd { returning: vec![0], ..Crowd::default() }
}

fn end(world: &mut World, channel: &'static str, time: u64) {
    world.deed_at(ms(time), move |engine, now| {
        engine.run(now, |app, core| {
            let head = core.hub().head().seq;
            core.end_channel(channel).expect("a channel");
            app.log.borrow_mut().note(OUTSIDE, Fact::Ended { channel: channel.to_owned(), head });
        });
    });
}

#[test]
fn two_channels_come_in_one_order_across_a_cut() {
    let mut world = world(|_| {});
    let ask = || get("b=hear:news.chat:envelope:CURSOR");
    let cut = Step::Return(Departure::Reset, ms(200));
    guest(&mut world, vec![ask(), Step::Wait(ms(250)), cut, ask(), Step::Wait(ms(500)), Step::Leave]);
    for (time, channel) in
        [(100, "news"), (200, "chat"), (300, "chat"), (310, "odd"), (320, "news"), (600, "news")]
    {
        publish_to(&mut world, channel, time, format!("at-{time}"));
    }
    tells_of(
        returning(),
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=hear:news.chat:envelope:
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news and chat from 0
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.100 app outside: publishes news 1
       0.100 peer 0 hears 74 bytes
       0.200 app outside: publishes chat 2
       0.200 peer 0 hears 74 bytes
       0.250 peer 0 goes, to come back
       0.250 app 0.0: Error(Reset)
       0.250 app 0.0: End(Failed)
       0.300 app outside: publishes chat 3
       0.310 app outside: publishes odd 4
       0.320 app outside: publishes news 5
       0.450 peer 0 connects
       0.450 peer 0 asks GET b=hear:news.chat:envelope:7-2
       0.450 app 0.1: Begin
       0.450 app 0.1: hears news and chat from 2
       0.450 app 0.1: Read(Done)
       0.450 peer 0 hears 200 transfer-encoding: chunked
       0.450 peer 0 hears 74 bytes
       0.450 peer 0 hears 74 bytes
       0.600 app outside: publishes news 6
       0.600 peer 0 hears 74 bytes
       0.950 peer 0 leaves
       0.950 app 0.1: Error(Disconnected)
       0.950 app 0.1: End(Failed)
        "#,
    );
}

#[test]
fn whoever_comes_back_to_an_idle_channel_is_told_at_once_what_is_gone() {
    let mut world = world(|limits| limits.history_age_max = ms(1000));
    let ask = || get("b=hear:news:sse:CURSOR");
    let away = Step::Return(Departure::Leave, ms(3000));
    guest(&mut world, vec![ask(), Step::Wait(ms(250)), away, ask(), Step::Wait(ms(500)), Step::Leave]);
    publish(&mut world, &[100, 500, 600]);
    tells_of(
        returning(),
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=hear:news:sse:
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news from 0
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.100 app outside: publishes news 1
       0.100 peer 0 hears "id: 7-1\ndata: at-100\n\n"
       0.250 peer 0 goes, to come back
       0.250 app 0.0: Error(Disconnected)
       0.250 app 0.0: End(Failed)
       0.500 app outside: publishes news 2
       0.600 app outside: publishes news 3
       3.250 peer 0 connects
       3.250 peer 0 asks GET b=hear:news:sse:7-1
       3.250 app 0.1: Begin
       3.250 app 0.1: hears news from 3, with a gap
       3.250 app 0.1: Read(Done)
       3.250 peer 0 hears 200 transfer-encoding: chunked
       3.250 peer 0 hears "id: 7-3\nevent: encke-gap\ndata: {\"gap\":true}\n\n"
       3.750 peer 0 leaves
       3.750 app 0.1: Error(Disconnected)
       3.750 app 0.1: End(Failed)
        "#,
    );
}

#[test]
fn an_id_of_another_epoch_gets_the_notice_and_then_all_that_is_held() {
    let mut world = world(|_| {});
    publish(&mut world, &[100, 200]);
    for format in ["ndjson", "stream"] {
        let script = vec![get(&format!("b=hear:news:{format}:6-40")), Step::Wait(ms(100)), Step::Leave];
        world.peer_at(ms(1000), Shape::CALM, script);
    }
    publish(&mut world, &[1050]);
    tells(
        world,
        r#"
       0.100 app outside: publishes news 1
       0.200 app outside: publishes news 2
       1.000 peer 0 connects
       1.000 peer 1 connects
       1.000 peer 0 asks GET b=hear:news:ndjson:6-40
       1.000 peer 1 asks GET b=hear:news:stream:6-40
       1.000 app 0.0: Begin
       1.000 app 0.0: hears news from 0, with a gap
       1.000 app 0.0: Read(Done)
       1.000 app 1.0: Begin
       1.000 app 1.0: hears news from 0, with a gap
       1.000 app 1.0: Read(Done)
       1.000 peer 0 hears 200 transfer-encoding: chunked
       1.000 peer 0 hears "{\"gap\":true,\"id\":\"7-0\"}\n"
       1.000 peer 0 hears "{\"id\":\"7-1\",\"channel\":\"news\",\"event\":null,\"data\":\"at-100\"}\n"
       1.000 peer 0 hears "{\"id\":\"7-2\",\"channel\":\"news\",\"event\":null,\"data\":\"at-200\"}\n"
       1.000 peer 1 hears 200 transfer-encoding: chunked
       1.000 peer 1 hears "at-100\n"
       1.000 peer 1 hears "at-200\n"
       1.050 app outside: publishes news 3
       1.050 peer 0 hears "{\"id\":\"7-3\",\"channel\":\"news\",\"event\":null,\"data\":\"at-1050\"}\n"
       1.050 peer 1 hears "at-1050\n"
       1.100 peer 0 leaves
       1.100 peer 1 leaves
       1.100 app 0.0: Error(Disconnected)
       1.100 app 0.0: End(Failed)
       1.100 app 1.0: Error(Disconnected)
       1.100 app 1.0: End(Failed)
        "#,
    );
}

/// Reads nothing for a while.
fn sleeper(query: &str, wait: u64) -> Vec<Step> {
    let (sleeps, wakes) = (Step::Appetite(Pace::NEVER), Step::Appetite(Pace::PROMPT));
    vec![sleeps, get(query), Step::Wait(ms(wait)), wakes, Step::Wait(ms(1000)), Step::Leave]
}

#[test]
fn whoever_is_blocked_while_the_ring_goes_on_is_told_or_cut() {
    let mut world = world(|limits| limits.history_count_max = 2);
    for format in ["ndjson", "stream"] {
        let shape = Shape { outbound_max: 250, ..Shape::CALM };
        world.peer_at(ms(0), shape, sleeper(&format!("b=hear:news.chat:{format}:"), 1000));
    }
    for (time, channel) in (100..900).step_by(100).zip(["news", "news", "chat", "news"].into_iter().cycle()) {
        publish_to(&mut world, channel, time, format!("at-{time}-{}", "x".repeat(30)));
    }
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 asks GET b=hear:news.chat:ndjson:
       0.000 peer 1 asks GET b=hear:news.chat:stream:
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news and chat from 0
       0.000 app 0.0: Read(Done)
       0.000 app 1.0: Begin
       0.000 app 1.0: hears news and chat from 0
       0.000 app 1.0: Read(Done)
       0.100 app outside: publishes news 1
       0.200 app outside: publishes news 2
       0.300 app outside: publishes chat 3
       0.400 app outside: publishes news 4
       0.500 app outside: publishes news 5
       0.600 app outside: publishes news 6
       0.700 app outside: publishes chat 7
       0.800 app outside: publishes news 8
       1.000 peer 0 hears 200 transfer-encoding: chunked
       1.000 peer 0 hears 90 bytes
       1.000 peer 0 hears "{\"id\":\"7-2\""
       1.000 peer 1 hears 200 transfer-encoding: chunked
       1.000 peer 1 hears "at-100-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
       1.000 peer 1 hears "at-200-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
       1.000 peer 1 hears "at-300-xxxxxxxxxxxx"
       1.000 app 1.0: Error(Stalled(Reading))
       1.000 app 1.0: End(Failed)
       1.001 peer 0 hears 79 bytes
       1.001 peer 0 hears 90 bytes
       1.001 peer 0 hears "{\"gap\":true,\"id\":\"7-5\"}\n"
       1.001 peer 0 hears "{\"id\":\"7-6\",\"channel\":\"news\",\"event\":nu"
       1.001 peer 1 hears "xxxxxxxxxxxxxxxxxx\n"
       1.001 peer 1 hears the connection close
       1.001 peer 1 misses something: the connection ended inside a response
       1.002 peer 0 hears "ll,\"data\":\"at-600-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}\n"
       1.002 peer 0 hears 90 bytes
       1.002 peer 0 hears 90 bytes
       2.000 peer 0 leaves
       2.000 peer 1 leaves
       2.000 app 0.0: Error(Disconnected)
       2.000 app 0.0: End(Failed)
        "#,
    );
}

#[test]
fn a_channel_that_ends_gives_the_blocked_what_they_lack_and_says_so() {
    let mut world = world(|_| {});
    let shape = Shape { outbound_max: 200, ..Shape::CALM };
    world.peer_at(ms(0), shape, sleeper("b=hear:news.chat:iframe:", 1000));
    world.peer_at(ms(0), shape, sleeper("b=hear:news:stream:", 1000));
    guest(&mut world, vec![get("b=hear:chat:sse:"), Step::Wait(ms(1500)), Step::Leave]);
    for (time, channel) in [(100, "news"), (200, "chat"), (300, "news"), (400, "news"), (800, "chat")] {
        publish_to(&mut world, channel, time, format!("at-{time}"));
    }
    end(&mut world, "news", 500);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 2 connects
       0.000 peer 0 asks GET b=hear:news.chat:iframe:
       0.000 peer 1 asks GET b=hear:news:stream:
       0.000 peer 2 asks GET b=hear:chat:sse:
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news and chat from 0
       0.000 app 0.0: Read(Done)
       0.000 app 1.0: Begin
       0.000 app 1.0: hears news from 0
       0.000 app 1.0: Read(Done)
       0.000 app 2.0: Begin
       0.000 app 2.0: hears chat from 0
       0.000 app 2.0: Read(Done)
       0.000 peer 2 hears 200 transfer-encoding: chunked
       0.100 app outside: publishes news 1
       0.200 app outside: publishes chat 2
       0.200 peer 2 hears "id: 7-2\ndata: at-200\n\n"
       0.300 app outside: publishes news 3
       0.400 app outside: publishes news 4
       0.500 app outside: ends news
       0.500 app 1.0: End(Closed)
       0.800 app outside: publishes chat 5
       0.800 peer 2 hears "id: 7-5\ndata: at-800\n\n"
       1.000 peer 0 hears 200 transfer-encoding: chunked
       1.000 peer 0 hears "<script>F(\"at-100\",\"7-1\")</script>\n"
       1.000 peer 0 hears "<script>F(\"at-20"
       1.000 peer 1 hears 200 transfer-encoding: chunked
       1.000 peer 1 hears "at-100\n"
       1.000 peer 1 hears "at-300\n"
       1.000 peer 1 hears "at-400\n"
       1.000 peer 1 hears the end of the answer
       1.000 app 0.0: End(Closed)
       1.001 peer 0 hears "0\",\"7-2\")</script>\n"
       1.001 peer 0 hears "<script>F(\"at-300\",\"7-3\")</script>\n"
       1.001 peer 0 hears "<script>F(\"at-400\",\"7-4\")</script>\n"
       1.001 peer 0 hears "<script>F(null,\"7-4\",\"encke-end\")</script>\n"
       1.001 peer 0 hears the end of the answer
       1.500 peer 2 leaves
       1.500 app 2.0: Error(Disconnected)
       1.500 app 2.0: End(Failed)
       2.000 peer 0 leaves
       2.000 peer 1 leaves
        "#,
    );
}

#[test]
fn what_a_name_says_in_its_next_life_is_not_passed_over() {
    let mut world = world(|_| {});
    let ask = || get("b=hear:news.chat:ndjson:CURSOR");
    let (sleeps, wakes) = (Step::Appetite(Pace::NEVER), Step::Appetite(Pace::PROMPT));
    let over = Step::Return(Departure::IfOver, ms(100));
    let script = vec![sleeps, ask(), Step::Wait(ms(1000)), wakes, Step::Answered, over];
    let script =
        script.into_iter().chain([Step::Return(Departure::Leave, ms(100)), ask(), Step::Wait(ms(500))]);
    world.peer_at(ms(0), Shape { outbound_max: 250, ..Shape::CALM }, script.chain([Step::Leave]).collect());
    for (time, channel) in [(100, "news"), (200, "chat"), (400, "news"), (500, "chat")] {
        publish_to(&mut world, channel, time, format!("at-{time}"));
    }
    end(&mut world, "news", 300);
    tells_of(
        returning(),
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=hear:news.chat:ndjson:
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news and chat from 0
       0.000 app 0.0: Read(Done)
       0.100 app outside: publishes news 1
       0.200 app outside: publishes chat 2
       0.300 app outside: ends news
       0.400 app outside: publishes news 3
       0.500 app outside: publishes chat 4
       1.000 peer 0 hears 200 transfer-encoding: chunked
       1.000 peer 0 hears "{\"id\":\"7-1\",\"channel\":\"news\",\"event\":null,\"data\":\"at-100\"}\n"
       1.000 peer 0 hears "{\"id\":\"7-2\",\"channel\":\"chat\",\"event\":null,"
       1.000 app 0.0: End(Closed)
       1.001 peer 0 hears "\"data\":\"at-200\"}\n"
       1.001 peer 0 hears "{\"end\":true,\"id\":\"7-2\"}\n"
       1.001 peer 0 hears the end of the answer
       1.001 peer 0 goes, to come back
       1.101 peer 0 connects
       1.101 peer 0 asks GET b=hear:news.chat:ndjson:7-2
       1.101 app 0.1: Begin
       1.101 app 0.1: hears news and chat from 2
       1.101 app 0.1: Read(Done)
       1.101 peer 0 hears 200 transfer-encoding: chunked
       1.101 peer 0 hears "{\"id\":\"7-3\",\"channel\":\"news\",\"event\":null,\"data\":\"at-400\"}\n"
       1.101 peer 0 hears "{\"id\":\"7-4\",\"channel\":\"chat\",\"event\":null,"
       1.102 peer 0 hears "\"data\":\"at-500\"}\n"
       1.601 peer 0 leaves
       1.601 app 0.1: Error(Disconnected)
       1.601 app 0.1: End(Failed)
        "#,
    );
}

#[test]
fn what_one_was_told_does_not_count_for_the_next_in_its_place() {
    let mut world = world(|limits| limits.history_count_max = 2);
    for (time, channel) in [(10, "odd"), (20, "odd"), (30, "chat"), (40, "chat"), (50, "chat"), (400, "odd")]
    {
        publish_to(&mut world, channel, time, format!("at-{time}"));
    }
    let told = vec![get("b=hear:news.chat:ndjson:7-0"), Step::Wait(ms(50)), Step::Leave];
    world.peer_at(ms(100), Shape::CALM, told);
    // It has the slot of the first, stands where nothing is missing yet, and is blocked when something is.
    world.peer_at(ms(200), Shape { outbound_max: 100, ..Shape::CALM }, sleeper("b=hear:odd:ndjson:7-0", 500));
    tells(
        world,
        r#"
       0.010 app outside: publishes odd 1
       0.020 app outside: publishes odd 2
       0.030 app outside: publishes chat 3
       0.040 app outside: publishes chat 4
       0.050 app outside: publishes chat 5
       0.100 peer 0 connects
       0.100 peer 0 asks GET b=hear:news.chat:ndjson:7-0
       0.100 app 0.0: Begin
       0.100 app 0.0: hears news and chat from 0, with a gap
       0.100 app 0.0: Read(Done)
       0.100 peer 0 hears 200 transfer-encoding: chunked
       0.100 peer 0 hears "{\"gap\":true,\"id\":\"7-0\"}\n"
       0.100 peer 0 hears "{\"id\":\"7-4\",\"channel\":\"chat\",\"event\":null,\"data\":\"at-40\"}\n"
       0.100 peer 0 hears "{\"id\":\"7-5\",\"channel\":\"chat\",\"event\":null,\"data\":\"at-50\"}\n"
       0.150 peer 0 leaves
       0.150 app 0.0: Error(Disconnected)
       0.150 app 0.0: End(Failed)
       0.200 peer 1 connects
       0.200 peer 1 asks GET b=hear:odd:ndjson:7-0
       0.200 app 1.0: Begin
       0.200 app 1.0: hears odd from 0
       0.200 app 1.0: Read(Done)
       0.400 app outside: publishes odd 6
       0.701 peer 1 hears 200 transfer-encoding: chunked
       0.701 peer 1 hears "{\"gap\":true,\"id\":\"7-1\"}\n"
       0.701 peer 1 hears "{\"id\":\"7-2\",\"channel\":\"odd\""
       0.702 peer 1 hears ",\"event\":null,\"data\":\"at-20\"}\n"
       0.702 peer 1 hears "{\"id\":\"7-6\",\"channel\":\"odd\",\"event\":null,\"data\":\"at-400\"}\n"
       1.700 peer 1 leaves
       1.700 app 1.0: Error(Disconnected)
       1.700 app 1.0: End(Failed)
        "#,
    );
}

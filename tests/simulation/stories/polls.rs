//! Long-polls: answers that are held back until there is something to say.

use super::{get, guest, ms, publish, publish_to, tells, tells_of, world};
use crate::crowd::Crowd;
use crate::script::{Ask, Departure, Pace, Step};
use crate::shape::Shape;
use encke::http::Version;

fn returning() -> Crowd {
    Crowd { returning: vec![0], ..Crowd::default() }
}

#[test]
fn polls_go_on_with_their_cursor() {
    let mut world = world(|_| {});
    let ask = || get("b=park:news.chat:1:CURSOR,to:500");
    let script = [(); 5].into_iter().flat_map(|()| [ask(), Step::Answered]);
    guest(&mut world, script.chain([Step::Leave]).collect());
    publish(&mut world, &[100]);
    for (time, channel) in [(200, "chat"), (200, "news"), (200, "odd"), (300, "odd")] {
        publish_to(&mut world, channel, time, format!("at-{time}"));
    }
    tells_of(
        returning(),
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=park:news.chat:1:,to:500
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news and chat from 0
       0.000 app 0.0: Read(Done)
       0.100 app outside: publishes news 1
       0.100 app 0.0: takes 1 through 1
       0.100 app 0.0: End(Closed)
       0.100 peer 0 hears 200 content-length: 114
       0.100 peer 0 hears 114 bytes
       0.100 peer 0 hears the end of the answer
       0.100 peer 0 asks GET b=park:news.chat:1:7-1,to:500
       0.100 app 0.1: Begin
       0.100 app 0.1: hears news and chat from 1
       0.100 app 0.1: Read(Done)
       0.200 app outside: publishes chat 2
       0.200 app outside: publishes news 3
       0.200 app outside: publishes odd 4
       0.200 app 0.1: takes 1 through 2
       0.200 app 0.1: End(Closed)
       0.200 peer 0 hears 200 content-length: 114
       0.200 peer 0 hears 114 bytes
       0.200 peer 0 hears the end of the answer
       0.200 peer 0 asks GET b=park:news.chat:1:7-2,to:500
       0.200 app 0.2: Begin
       0.200 app 0.2: hears news and chat from 2
       0.200 app 0.2: takes 1 through 4
       0.200 app 0.2: End(Closed)
       0.201 peer 0 hears 200 content-length: 114
       0.201 peer 0 hears 114 bytes
       0.201 peer 0 hears the end of the answer
       0.201 peer 0 asks GET b=park:news.chat:1:7-4,to:500
       0.201 app 0.3: Begin
       0.201 app 0.3: hears news and chat from 4
       0.201 app 0.3: Read(Done)
       0.300 app outside: publishes odd 5
       0.710 app 0.3: Error(Timeout)
       0.710 app 0.3: takes 0 through 5
       0.710 app 0.3: End(Closed)
       0.710 peer 0 hears 200 content-length: 56
       0.710 peer 0 hears "{\"cursor\":\"7-5\",\"messages\":[],\"gap\":false,\"ended\":false}"
       0.710 peer 0 hears the end of the answer
       0.710 peer 0 asks GET b=park:news.chat:1:7-5,to:500
       0.710 app 0.4: Begin
       0.710 app 0.4: hears news and chat from 5
       0.710 app 0.4: Read(Done)
       1.220 app 0.4: Error(Timeout)
       1.220 app 0.4: takes 0 through 5
       1.220 app 0.4: End(Closed)
       1.220 peer 0 hears 200 content-length: 56
       1.220 peer 0 hears "{\"cursor\":\"7-5\",\"messages\":[],\"gap\":false,\"ended\":false}"
       1.220 peer 0 hears the end of the answer
       1.220 peer 0 leaves
        "#,
    );
}

#[test]
fn a_message_of_the_moment_in_which_a_poll_ends_is_neither_lost_nor_doubled() {
    // The timeout comes with the tick at 510 ms; the message shortly before, at the same time, and behind it.
    for (time, first, second) in [(509, 1, 0), (510, 1, 0), (511, 0, 1)] {
        let mut world = world(|_| {});
        let ask = || get("b=park:news:999:CURSOR,to:500");
        let script = vec![ask(), Step::Answered, ask(), Step::Answered, ask(), Step::Answered, Step::Leave];
        guest(&mut world, script);
        publish(&mut world, &[time]);
        world.run_until(ms(600)).expect("a calm world");
        let answers = world.heard().swap_remove(0).answers;
        let messages = |n: usize| {
            answers.get(n).map_or(0, |answer| String::from_utf8_lossy(&answer.body).matches("at-").count())
        };
        assert_eq!((messages(0), messages(1)), (first, second), "at {time}: {answers:?}");
        world.run_until(ms(100_000)).expect("a calm world");
        let limits = world.engine.core().limits();
        crate::oracle::judge(&world.log.borrow(), &world.heard(), &returning(), limits).expect("the law");
    }
}

#[test]
fn a_message_to_a_poll_whose_peer_has_gone_is_there_for_the_next() {
    let mut world = world(|_| {});
    let ask = || get("b=park:news:999:CURSOR");
    let script = vec![
        ask(),
        Step::Answered,
        ask(),
        Step::Wait(ms(200)),
        Step::Return(Departure::Leave, ms(300)),
        ask(),
        Step::Answered,
        Step::Leave,
    ];
    guest(&mut world, script);
    publish(&mut world, &[100, 400]);
    tells_of(
        returning(),
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=park:news:999:
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news from 0
       0.000 app 0.0: Read(Done)
       0.100 app outside: publishes news 1
       0.100 app 0.0: takes 1 through 1
       0.100 app 0.0: End(Closed)
       0.100 peer 0 hears 200 content-length: 114
       0.100 peer 0 hears 114 bytes
       0.100 peer 0 hears the end of the answer
       0.100 peer 0 asks GET b=park:news:999:7-1
       0.100 app 0.1: Begin
       0.100 app 0.1: hears news from 1
       0.100 app 0.1: Read(Done)
       0.300 peer 0 goes, to come back
       0.400 app outside: publishes news 2
       0.400 app 0.1: takes 1 through 2
       0.400 app 0.1: End(Closed)
       0.600 peer 0 connects
       0.600 peer 0 asks GET b=park:news:999:7-1
       0.600 app 0.2: Begin
       0.600 app 0.2: hears news from 1
       0.600 app 0.2: takes 1 through 2
       0.600 app 0.2: End(Closed)
       0.600 peer 0 hears 200 content-length: 114
       0.600 peer 0 hears 114 bytes
       0.600 peer 0 hears the end of the answer
       0.600 peer 0 leaves
        "#,
    );
}

#[test]
fn a_poll_is_told_of_gaps_and_of_the_end() {
    let mut world = world(|limits| limits.history_count_max = 2);
    publish(&mut world, &[100, 200, 300]);
    let ask = |since: &str| get(&format!("b=park:news:999:{since}"));
    let script = vec![ask("7-0"), Step::Answered, ask("7-3"), Step::Answered, ask("9-3"), Step::Answered];
    world.peer_at(ms(1000), Shape::CALM, script.into_iter().chain([Step::Leave]).collect());
    world.peer_at(ms(2000), Shape::CALM, vec![get("b=end:news,respond:200:ok"), Step::Answered, Step::Leave]);
    let old = Ask { version: Version::Http10, ..Ask::get("b=park:news:999:") };
    world.peer_at(ms(1500), Shape::CALM, vec![Step::Ask(old), Step::End]);
    tells(
        world,
        r#"
       0.100 app outside: publishes news 1
       0.200 app outside: publishes news 2
       0.300 app outside: publishes news 3
       1.000 peer 0 connects
       1.000 peer 0 asks GET b=park:news:999:7-0
       1.000 app 0.0: Begin
       1.000 app 0.0: hears news from 1, with a gap
       1.000 app 0.0: takes 2 through 3, with a gap
       1.000 app 0.0: End(Closed)
       1.000 peer 0 hears 200 content-length: 172
       1.000 peer 0 hears 172 bytes
       1.000 peer 0 hears the end of the answer
       1.000 peer 0 asks GET b=park:news:999:7-3
       1.001 app 0.1: Begin
       1.001 app 0.1: hears news from 3
       1.001 app 0.1: Read(Done)
       1.500 peer 2 connects
       1.500 peer 2 asks GET b=park:news:999:
       1.500 app 2.0: Begin
       1.500 app 2.0: hears news from 3
       1.500 app 2.0: Read(Done)
       2.000 peer 1 connects
       2.000 peer 1 asks GET b=end:news,respond:200:ok
       2.000 app 1.0: Begin
       2.000 app 1.0: ends news
       2.000 app 1.0: End(Closed)
       2.000 app 0.1: takes 0 through 3, the last
       2.000 app 0.1: End(Closed)
       2.000 app 2.0: takes 0 through 3, the last
       2.000 app 2.0: End(Closed)
       2.000 peer 0 hears 200 content-length: 55
       2.000 peer 0 hears "{\"cursor\":\"7-3\",\"messages\":[],\"gap\":false,\"ended\":true}"
       2.000 peer 0 hears the end of the answer
       2.000 peer 0 asks GET b=park:news:999:9-3
       2.000 peer 1 hears 200 content-length: 8
       2.000 peer 1 hears "=1.0.ok\n"
       2.000 peer 1 hears the end of the answer
       2.000 peer 1 leaves
       2.000 peer 2 hears 200 content-length: 55, connection: close
       2.000 peer 2 hears "{\"cursor\":\"7-3\",\"messages\":[],\"gap\":false,\"ended\":true}"
       2.000 peer 2 hears the end of the answer
       2.000 peer 2 hears the connection close
       2.000 app 0.2: Begin
       2.000 app 0.2: hears news from 3, with a gap
       2.000 app 0.2: takes 0 through 3, with a gap
       2.000 app 0.2: End(Closed)
       2.001 peer 0 hears 200 content-length: 55
       2.001 peer 0 hears "{\"cursor\":\"7-3\",\"messages\":[],\"gap\":true,\"ended\":false}"
       2.001 peer 0 hears the end of the answer
       2.001 peer 0 leaves
        "#,
    );
}

#[test]
fn a_poll_that_becomes_a_stream_hears_of_news_and_not_the_news() {
    let mut world = world(|_| {});
    let ask = get("b=park:news:999:,timer:50&k=w:a-stream&m=w:news&t=close");
    guest(&mut world, vec![ask, Step::Wait(ms(300)), Step::Leave]);
    publish(&mut world, &[100, 200]);
    tells_of(
        Crowd { patient: vec![0], ..Crowd::default() },
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=park:news:999:,timer:50&k=w:a-stream&m=w:news&t=close
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news from 0
       0.000 app 0.0: Read(Done)
       0.050 app 0.0: timer 1
       0.050 peer 0 hears 200 transfer-encoding: chunked
       0.050 peer 0 hears "=0.0.a-stream\n"
       0.100 app outside: publishes news 1
       0.100 peer 0 hears "=0.0.news\n"
       0.200 app outside: publishes news 2
       0.200 peer 0 hears "=0.0.news\n"
       0.300 peer 0 leaves
       0.300 app 0.0: Error(Disconnected)
       0.300 app 0.0: End(Failed)
        "#,
    );
}

#[test]
fn a_peer_that_never_reads_its_polls_is_not_asked_for_more() {
    let mut world = world(|limits| {
        limits.output_bytes_max = 1_000;
        limits.head_bytes_max = 500;
        limits.write_timeout = ms(3_000);
    });
    publish(&mut world, &[1]);
    let row = "GET /?n=0&b=park:news:999:start HTTP/1.1\r\nHost: a\r\n\r\n".repeat(500);
    let raw = Step::Raw(row.into_bytes(), vec!["GET"; 500]);
    let script = vec![Step::Appetite(Pace::NEVER), raw, Step::Wait(ms(2_000)), Step::Leave];
    world.peer_at(ms(10), Shape { outbound_max: 300, ..Shape::CALM }, script);
    world.run_until(ms(1_900)).expect("a calm world");
    let counters = *world.engine.core().counters();
    assert!(counters.exchanges <= 10, "{counters:?}");
    assert!(counters.bytes_in < 20 * 52 + 500, "{counters:?}");
    world.run_until(ms(1_000_000)).expect("a calm world");
    crate::oracle::leftovers(&world.engine).expect("an empty house");
}

#[test]
fn what_was_put_together_for_one_audience_is_not_lent_to_another() {
    let mut world = world(|_| {});
    publish_to(&mut world, "chat", 100, "for-all".to_owned());
    publish_to(&mut world, "news", 200, "secret".to_owned());
    let ask = |channels: &str| vec![get(&format!("b=park:{channels}:999:7-0")), Step::Answered, Step::Leave];
    world.peer_at(ms(300), Shape::CALM, ask("news.chat"));
    world.peer_at(ms(400), Shape::CALM, vec![get("b=end:news,respond:200:ok"), Step::Answered, Step::Leave]);
    // It hears up to the same number, from the same place on, in an audience that has the place of the first.
    world.peer_at(ms(500), Shape::CALM, ask("odd.chat"));
    tells(
        world,
        r#"
       0.100 app outside: publishes chat 1
       0.200 app outside: publishes news 2
       0.300 peer 0 connects
       0.300 peer 0 asks GET b=park:news.chat:999:7-0
       0.300 app 0.0: Begin
       0.300 app 0.0: hears news and chat from 0
       0.300 app 0.0: takes 2 through 2
       0.300 app 0.0: End(Closed)
       0.300 peer 0 hears 200 content-length: 174
       0.300 peer 0 hears 174 bytes
       0.300 peer 0 hears the end of the answer
       0.300 peer 0 leaves
       0.400 peer 1 connects
       0.400 peer 1 asks GET b=end:news,respond:200:ok
       0.400 app 1.0: Begin
       0.400 app 1.0: ends news
       0.400 app 1.0: End(Closed)
       0.400 peer 1 hears 200 content-length: 8
       0.400 peer 1 hears "=1.0.ok\n"
       0.400 peer 1 hears the end of the answer
       0.400 peer 1 leaves
       0.500 peer 2 connects
       0.500 peer 2 asks GET b=park:odd.chat:999:7-0
       0.500 app 2.0: Begin
       0.500 app 2.0: hears odd and chat from 0, with a gap
       0.500 app 2.0: takes 1 through 2, with a gap
       0.500 app 2.0: End(Closed)
       0.500 peer 2 hears 200 content-length: 114
       0.500 peer 2 hears 114 bytes
       0.500 peer 2 hears the end of the answer
       0.500 peer 2 leaves
        "#,
    );
}

//! Channels that somebody ends: everybody gets what it lacks, is told, and goes; the name is free at once.

use super::*;

/// What its stream says at the end.
fn farewell(hub: &Hub, name: u32) -> String {
    let mut out = Vec::new();
    hub.write_end(name, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn whoever_hears_an_ended_channel_gets_what_it_lacks_and_then_the_end() {
    let mut hub = hub();
    for name in 0..3 {
        listen(&mut hub, name, "a", Since::Head, WireFormat::STREAM);
    }
    say(&mut hub, "a", "1");
    drain(&mut hub, 2);
    assert_eq!(hub.end_channel("a"), Some(3));
    assert_eq!(hub.end_channel("a"), None, "it is not there any more");
    let mut visited = Vec::new();
    while let Some(name) = hub.next_visit() {
        visited.push(name);
        match hub.batch(name) {
            Batch::Bytes(bytes) => {
                assert_eq!(bytes, b"1\n");
                hub.advance(name, 2);
            }
            Batch::End => hub.leave(name),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(visited, [0, 1, 2, 0, 1], "who had everything goes at once, the others when they have it");
    assert_eq!((hub.channels(), hub.stats().subscribers, hub.stats().memory), (0, 0, 0));
}

#[test]
fn each_format_says_in_its_own_way_that_the_channel_has_ended() {
    let mut hub = hub();
    let formats = [
        (
            WireFormat::SSE,
            Wrapping::Bare,
            format!("id: {EPOCH}-1\nevent: encke-end\ndata: {{\"end\":true}}\n\n"),
        ),
        (WireFormat::NDJSON, Wrapping::Chunked, format!("24\r\n{{\"end\":true,\"id\":\"{EPOCH}-1\"}}\n\r\n")),
        (WireFormat::STREAM, Wrapping::Chunked, String::new()),
    ];
    for (name, (format, wrapping, _)) in formats.iter().enumerate() {
        hub.subscribe(name as u32, &["a"], Since::Head, *format, *wrapping).unwrap();
    }
    say(&mut hub, "a", "1");
    hub.end_channel("a");
    for (name, (_, _, expected)) in formats.iter().enumerate() {
        let name = name as u32;
        let Batch::Bytes(bytes) = hub.batch(name) else { panic!("nothing for {name}") };
        let taken = bytes.len();
        hub.advance(name, taken);
        assert_eq!(hub.batch(name), Batch::End);
        assert_eq!(farewell(&hub, name), *expected);
    }
    assert_eq!(farewell(&hub, 9), "", "nobody");
}

#[test]
fn the_name_of_an_ended_channel_is_free_at_once_and_begins_with_a_gap() {
    let mut hub = hub();
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    say(&mut hub, "a", "old");
    hub.end_channel("a");
    say(&mut hub, "a", "new");
    let told = listen(&mut hub, 1, "a", Since::Id(id(0)), WireFormat::SSE);
    assert_eq!(told, Subscribed { at: id(1), gap: true, behind: true });
    assert_eq!(sse(&drain(&mut hub, 1)), [gap(1), message(2, "new")]);
    // The old one is still there, for one.
    assert_eq!((hub.channels(), hub.stats().channels, hub.stats().messages), (2, 2, 2));
    assert_eq!(hub.info("a").map(|info| (info.subscribers, info.messages)), Some((1, 1)));
    assert_eq!(hub.batch(0), Batch::Bytes(b"old\n"));
    hub.advance(0, 4);
    assert_eq!(hub.batch(0), Batch::End, "nothing of the new one");
    hub.leave(0);
    assert_eq!((hub.channels(), hub.stats().messages), (1, 1));
}

#[test]
fn a_blocked_subscriber_of_an_ended_channel_is_visited_in_vain_only_once() {
    let mut hub = hub();
    listen(&mut hub, 0, "a", Since::Head, WireFormat::SSE);
    say(&mut hub, "a", "1");
    hub.block(0);
    hub.end_channel("a");
    assert_eq!(hub.next_visit(), Some(0));
    assert_eq!((hub.next_visit(), hub.has_visits()), (None, false));
    // It can be written to again, an hour later.
    pass(&mut hub, 3_600_000);
    assert_eq!((hub.channels(), hub.stats().messages), (1, 0), "age does not wait for it");
    let Batch::Bytes(bytes) = hub.batch(0) else { panic!("it is owed a notice") };
    let (notice, taken) = (sse(bytes), bytes.len());
    assert_eq!(notice, [gap(1)]);
    hub.advance(0, taken);
    assert_eq!(hub.batch(0), Batch::End);
    hub.leave(0);
    finish_passes(&mut hub);
    pass(&mut hub, 3_600_000);
    assert_eq!((hub.channels(), hub.audiences.len(), hub.stats().memory), (0, 0, 0));
}

#[test]
fn one_end_is_enough_for_those_who_hear_several_channels() {
    let mut hub = hub();
    listen_to(&mut hub, 0, &["a", "b"], Since::Head, WireFormat::STREAM);
    listen_to(&mut hub, 1, &["b"], Since::Head, WireFormat::STREAM);
    say(&mut hub, "b", "1");
    hub.end_channel("a");
    say(&mut hub, "b", "2");
    assert_eq!(
        hub.batch(0),
        Batch::Bytes(b"1\n"),
        "what was published before the end, and nothing behind it"
    );
    hub.advance(0, 2);
    assert_eq!(hub.batch(0), Batch::End);
    assert_eq!(drain(&mut hub, 1), b"1\n2\n");
    // The same two names are another set now.
    listen_to(&mut hub, 2, &["a", "b"], Since::Head, WireFormat::STREAM);
    assert_eq!(hub.sets.len(), 1);
    hub.end_channel("b");
    hub.leave(0);
    assert_eq!(hub.batch(1), Batch::End);
    assert_eq!(hub.batch(2), Batch::End);
    hub.leave(1);
    hub.leave(2);
    finish_passes(&mut hub);
    assert_eq!((hub.channels(), hub.audiences.len(), hub.sets.len(), hub.stats().memory), (0, 0, 0, 0));
}

#[test]
fn who_waits_for_a_list_is_told_with_the_last_of_it() {
    let mut hub = hub();
    for name in 0..2 {
        listen(&mut hub, name, "a", Since::Head, WireFormat::JSON);
    }
    say(&mut hub, "a", "1");
    say(&mut hub, "a", "2");
    hub.end_channel("a");
    let mut out = Vec::new();
    let news = hub.take(0, 1, &mut out);
    assert_eq!(news, News { cursor: id(1), messages: 1, gap: false, ended: false });
    let news = hub.take(0, 1, &mut out);
    assert_eq!(news, News { cursor: id(2), messages: 1, gap: false, ended: true });
    let news = hub.take(1, 1_000, &mut out);
    assert_eq!(news, News { cursor: id(2), messages: 2, gap: false, ended: true });
}

#[test]
fn an_unused_channel_goes_away_at_once_also_when_its_pass_is_not_over() {
    let mut hub = hub();
    listen(&mut hub, 0, "elsewhere", Since::Head, WireFormat::STREAM);
    listen(&mut hub, 1, "a", Since::Head, WireFormat::STREAM);
    say(&mut hub, "elsewhere", "x");
    say(&mut hub, "a", "1");
    pass(&mut hub, 601_000);
    assert!(hub.has_visits(), "both are hot");
    hub.leave(1);
    assert_eq!((hub.channels(), hub.info("a"), hub.end_channel("a")), (1, None, None));
    // And who comes to the name now gets a new one.
    listen(&mut hub, 2, "a", Since::Head, WireFormat::STREAM);
    say(&mut hub, "a", "2");
    assert_eq!(finish_passes(&mut hub), [0, 2]);
    assert_eq!((hub.audiences.len(), hub.channels(), hub.stats().channels), (2, 2, 2));
    hub.leave(2);
    hub.leave(0);
    assert_eq!((hub.audiences.len(), hub.channels()), (0, 1));
}

#[test]
fn publishers_held_by_a_channel_that_is_ended_are_let_go_in_order() {
    let mut hub = hub_with(HubBounds { history_count_max: 2, ..BOUNDS });
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    say(&mut hub, "a", "1");
    let publishers = [5, 3, 9].map(|slot| ExchangeId { slot, generation: 1 });
    for publisher in publishers {
        assert!(hub.hold("a", publisher));
    }
    assert_eq!((hub.stats().held, hub.next_released()), (3, None));
    hub.end_channel("a");
    assert_eq!(hub.next_deadline(), Some(hub.now));
    assert_eq!(
        [(); 4].map(|()| hub.next_released()),
        [Some(publishers[0]), Some(publishers[1]), Some(publishers[2]), None]
    );
    assert_eq!(hub.stats().held, 0);
    assert!(!hub.hold("a", publishers[0]), "there is none of that name");
}

#[test]
fn what_was_told_in_a_head_is_no_gap_before_an_end() {
    let mut hub = hub_with(HubBounds { history_count_max: 1, ..BOUNDS });
    for (channel, data) in [("a", "1"), ("b", "2"), ("b", "3")] {
        say(&mut hub, channel, data);
    }
    hub.end_channel("b");
    let told = listen_to(&mut hub, 0, &["a", "b"], Since::Start, WireFormat::STREAM);
    assert!(told.gap, "through 3, as far as it can know");
    hub.end_channel("a");
    // The new channel of that name has lost something, but nothing that is for whoever hears the end of the other.
    say(&mut hub, "b", "4");
    say(&mut hub, "b", "5");
    assert_eq!(hub.batch(0), Batch::Bytes(b"1\n"));
    hub.advance(0, 2);
    assert_eq!(hub.batch(0), Batch::End);
}

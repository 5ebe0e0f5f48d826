//! The publishers' side, and who waits for a list: keys, ids from outside, what a publisher is told, what is taken.

use super::*;

#[track_caller]
fn say_once(hub: &mut Hub, channel: &str, key: &str) -> Published {
    hub.publish(channel, Message { key: Some(key), ..Message::new("once") }).unwrap()
}

#[test]
fn a_repeated_key_gets_the_first_answer_again_and_publishes_nothing() {
    let mut hub = hub();
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    let first = say_once(&mut hub, "a", "k");
    assert_eq!((first.id, first.subscribers, first.novelty), (id(1), 1, Novelty::New));
    say(&mut hub, "a", "2");
    hub.leave(0);
    let again = say_once(&mut hub, "a", "k");
    assert_eq!(again, Published { novelty: Novelty::Repeated, ..first }, "also what is no longer so");
    assert_eq!((hub.head(), hub.stats().published, hub.stats().messages), (id(2), 2, 2));
    assert_eq!(say_once(&mut hub, "b", "k").novelty, Novelty::New, "a key is its channel's");
}

#[test]
fn a_key_is_forgotten_with_its_message() {
    let mut hub = hub_with(HubBounds { history_count_max: 2, ..BOUNDS });
    say_once(&mut hub, "a", "k");
    say(&mut hub, "a", "2");
    say(&mut hub, "a", "3");
    assert_eq!(say_once(&mut hub, "a", "k").id, id(4));
    pass(&mut hub, 601_000);
    assert_eq!(say_once(&mut hub, "a", "k").id, id(5));
    hub.end_channel("a");
    assert_eq!(say_once(&mut hub, "a", "k").id, id(6));
}

#[test]
fn keys_and_types_are_refused_before_anything_happens() {
    let mut hub = hub();
    let long = "x".repeat(256);
    for key in ["", &long] {
        let message = Message { key: Some(key), ..Message::new("x") };
        assert_eq!(hub.publish("a", message), Err(WriteError::BadName));
    }
    assert_eq!((hub.channels(), hub.head()), (0, id(0)));
}

#[test]
fn ids_from_outside_may_leave_numbers_out_and_have_to_grow() {
    let mut hub = hub();
    listen(&mut hub, 0, "a", Since::Head, WireFormat::SSE);
    let message_from =
        |hub: &mut Hub, epoch, seq| hub.append("a", Message::new("x"), MessageId { epoch, seq });
    assert!(message_from(&mut hub, EPOCH, 10).is_ok());
    for (epoch, seq) in [(EPOCH, 10), (EPOCH, 9), (EPOCH, 0), (EPOCH + 1, 11)] {
        assert_eq!(message_from(&mut hub, epoch, seq), Err(WriteError::StaleId));
    }
    assert!(message_from(&mut hub, EPOCH, 12).is_ok());
    assert_eq!(say(&mut hub, "a", "own"), 13);
    assert_eq!(sse(&drain(&mut hub, 0)), [message(10, "x"), message(12, "x"), message(13, "own")]);
    // A cursor into a hole is a place like any other.
    listen(&mut hub, 1, "a", Since::Id(id(11)), WireFormat::SSE);
    assert_eq!(sse(&drain(&mut hub, 1)), [message(12, "x"), message(13, "own")]);
}

#[test]
fn at_the_end_of_all_numbers_publishing_is_refused_and_nothing_overflows() {
    let mut hub = hub();
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    let last = MessageId { epoch: EPOCH, seq: u64::MAX - 1 };
    assert_eq!(
        hub.append("a", Message::new("x"), MessageId { seq: u64::MAX, ..last }),
        Err(WriteError::StaleId)
    );
    assert!(hub.append("a", Message::new("x"), last).is_ok());
    assert_eq!(hub.publish("a", Message::new("x")), Err(WriteError::StaleId));
    assert_eq!(drain(&mut hub, 0), b"x\n");
    // An ended channel is a target that no number reaches.
    hub.end_channel("a");
    assert_eq!((hub.lacks(0), hub.batch(0)), (true, Batch::End));
}

#[test]
fn a_refused_message_leaves_no_channel_and_no_number() {
    let mut hub = hub();
    assert_eq!(hub.append("a", Message::new("x"), id(0)), Err(WriteError::StaleId));
    assert_eq!((hub.channels(), hub.stats()), (0, HubStats::default()));
}

#[test]
fn who_waits_takes_as_much_as_it_asks_for_and_at_least_one() {
    let mut hub = hub();
    say(&mut hub, "a", "12345");
    say(&mut hub, "b", "12345");
    say(&mut hub, "a", "12345");
    let told = hub.subscribe(0, &["a", "b"], Since::Start, WireFormat::STREAM, Wrapping::Bare).unwrap();
    assert_eq!(told, Subscribed { at: id(0), gap: false, behind: true });
    for (bytes_max, messages, cursor) in [(0, 1, 1), (12, 2, 3), (1, 0, 3)] {
        let mut out = b"before".to_vec();
        let news = hub.take(0, bytes_max, &mut out);
        assert_eq!(news, News { cursor: id(cursor), messages, gap: false, ended: false });
        assert_eq!(out.len(), 6 + 6 * messages, "appended");
    }
    assert_eq!((hub.lacks(0), hub.stats().delivered), (false, 3));
}

#[test]
fn who_waits_is_told_of_a_gap_beside_its_list_and_only_before_it() {
    let mut hub = hub_with(HubBounds { history_count_max: 2, ..BOUNDS });
    hub.subscribe(0, &["a", "b"], Since::Head, WireFormat::JSON, Wrapping::Bare).unwrap();
    for (channel, data) in [("b", "1"), ("a", "2"), ("a", "3"), ("a", "4")] {
        say(&mut hub, channel, data);
    }
    let mut out = Vec::new();
    let news = hub.take(0, 10_000, &mut out);
    assert_eq!(
        news,
        News { cursor: id(1), messages: 1, gap: false, ended: false },
        "up to where one is missing"
    );
    let news = hub.take(0, 10_000, &mut out);
    assert_eq!(news, News { cursor: id(4), messages: 2, gap: true, ended: false });
    assert_eq!(hub.stats().gaps, 1);
    // A cursor handed back is as good as the subscription was.
    hub.leave(0);
    let told = hub.subscribe(0, &["a", "b"], Since::Id(id(1)), WireFormat::JSON, Wrapping::Bare).unwrap();
    assert_eq!(told, Subscribed { at: id(1), gap: true, behind: true });
    let news = hub.take(0, 10_000, &mut out);
    assert_eq!((news.messages, news.gap), (2, false), "it was told when it came");
}

#[test]
fn who_waits_hears_next_behind_everything_that_any_channel_had_then() {
    let mut hub = hub();
    listen(&mut hub, 0, "a", Since::Head, WireFormat::JSON);
    say(&mut hub, "a", "1");
    say(&mut hub, "elsewhere", "2");
    let news = hub.take(0, 1_000, &mut Vec::new());
    assert_eq!(news, News { cursor: id(2), messages: 1, gap: false, ended: false });
    let nobody = hub.take(7, 1_000, &mut Vec::new());
    assert_eq!(nobody, News { cursor: id(2), messages: 0, gap: false, ended: false });
}

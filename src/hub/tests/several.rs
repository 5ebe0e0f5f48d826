//! Several channels under one cursor: merged by number, with gaps where messages are missing.

use super::*;

#[track_caller]
fn lent(hub: &mut Hub, name: u32) -> Vec<u8> {
    match hub.batch(name) {
        Batch::Bytes(bytes) => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_of_several_channels_come_in_the_order_in_which_they_were_published() {
    let mut hub = hub();
    listen_to(&mut hub, 0, &["a", "b", "c"], Since::Head, WireFormat::STREAM);
    for (channel, data) in [("c", "1"), ("a", "2"), ("b", "3"), ("other", "4"), ("a", "5"), ("c", "6")] {
        say(&mut hub, channel, data);
    }
    assert_eq!(lent(&mut hub, 0), b"1\n2\n3\n5\n6\n", "in one batch");
    assert_eq!(drain(&mut hub, 0), b"1\n2\n3\n5\n6\n");
    assert_eq!((hub.lacks(0), hub.stats().delivered), (false, 5));
}

#[test]
fn wherever_a_merged_batch_is_cut_it_goes_on_with_the_exact_next_byte() {
    for wrapping in [Wrapping::Chunked, Wrapping::Bare] {
        let mut hub = hub();
        for (channel, data) in [("a", "one"), ("b", "two"), ("b", ""), ("a", "four\nlines"), ("b", "five")] {
            say(&mut hub, channel, data);
        }
        hub.subscribe(0, &["a", "b"], Since::Start, WireFormat::SSE_ENVELOPE, wrapping).unwrap();
        let whole = lent(&mut hub, 0);
        for cut in 0..=whole.len() {
            hub.leave(0);
            hub.subscribe(0, &["b", "a"], Since::Start, WireFormat::SSE_ENVELOPE, wrapping).unwrap();
            let mut received = lent(&mut hub, 0)[..cut].to_vec();
            if let Some(rest) = hub.advance(0, cut) {
                received.extend_from_slice(rest.bytes());
            }
            received.extend_from_slice(&drain(&mut hub, 0));
            assert_eq!(received, whole, "cut at {cut}");
        }
    }
}

#[test]
fn a_gap_stands_where_messages_are_missing_behind_what_other_channels_still_hold() {
    let mut hub = hub_with(HubBounds { history_count_max: 2, ..BOUNDS });
    listen_to(&mut hub, 0, &["a", "b"], Since::Head, WireFormat::SSE);
    listen_to(&mut hub, 1, &["a", "b"], Since::Head, WireFormat::STREAM);
    for (channel, data) in [("b", "1"), ("a", "2"), ("a", "3"), ("a", "4"), ("b", "5")] {
        say(&mut hub, channel, data);
    }
    let expected = [message(1, "1"), gap(2), message(3, "3"), message(4, "4"), message(5, "5")];
    assert_eq!(sse(&drain(&mut hub, 0)), expected);
    assert_eq!(hub.stats().gaps, 1);
    // A raw stream is cut at once: whole up to the gap it would look whole.
    assert!(hub.lacks(1), "and is visited for it");
    assert_eq!(hub.batch(1), Batch::Overrun);
}

#[test]
fn each_channel_that_has_lost_something_has_a_gap_of_its_own() {
    let mut hub = hub_with(HubBounds { history_count_max: 1, ..BOUNDS });
    listen_to(&mut hub, 0, &["a", "b"], Since::Head, WireFormat::SSE);
    for (channel, data) in [("a", "1"), ("a", "2"), ("b", "3"), ("b", "4")] {
        say(&mut hub, channel, data);
    }
    assert_eq!(sse(&drain(&mut hub, 0)), [gap(1), message(2, "2"), gap(3), message(4, "4")]);
    assert_eq!((hub.stats().gaps, hub.stats().delivered), (2, 2));
}

#[test]
fn the_opening_gap_tells_of_what_every_channel_had_lost_by_then_and_of_no_more() {
    let mut hub = hub_with(HubBounds { history_count_max: 3, ..BOUNDS });
    for (channel, data) in [("a", "1"), ("a", "2"), ("a", "3"), ("b", "4")] {
        say(&mut hub, channel, data);
    }
    // A new channel of the name has lost everything through 4.
    hub.end_channel("b");
    let told = Subscribed { at: id(0), gap: true, behind: true };
    assert_eq!(listen_to(&mut hub, 0, &["a", "b"], Since::Start, WireFormat::SSE), told);
    assert_eq!(listen_to(&mut hub, 1, &["a", "b"], Since::Start, WireFormat::STREAM), told);
    assert_eq!(listen_to(&mut hub, 2, &["a", "b"], Since::Start, WireFormat::STREAM), told);
    assert_eq!(drain(&mut hub, 1), b"1\n2\n3\n", "its head has told it");
    let opening = lent(&mut hub, 0);
    hub.advance(0, opening.len());
    assert_eq!(sse(&opening), [gap(0)]);
    // What is lost from here on is another gap, though its numbers are below those that were told of.
    say(&mut hub, "a", "5");
    let expected = [gap(1), message(2, "2"), message(3, "3"), message(5, "5")];
    assert_eq!(sse(&drain(&mut hub, 0)), expected);
    assert_eq!(hub.batch(2), Batch::Overrun);
    assert_eq!(drain(&mut hub, 1), b"5\n");
}

#[test]
fn what_was_told_of_is_forgotten_when_it_is_passed_or_its_subscriber_leaves() {
    let mut hub = hub();
    say(&mut hub, "a", "1");
    say(&mut hub, "b", "2");
    hub.end_channel("b");
    listen_to(&mut hub, 0, &["a", "b"], Since::Start, WireFormat::SSE);
    listen_to(&mut hub, 1, &["a", "b"], Since::Start, WireFormat::SSE);
    assert_eq!(hub.told.len(), 2);
    hub.leave(1);
    assert_eq!(hub.told.len(), 1);
    assert_eq!(sse(&drain(&mut hub, 0)), [gap(0), message(1, "1")]);
    assert_eq!(hub.told.len(), 0);
    // The next to have this number was told of nothing.
    listen_to(&mut hub, 1, &["a", "b"], Since::Head, WireFormat::SSE);
    assert_eq!(hub.told.len(), 0);
}

#[test]
fn a_foreign_id_over_several_channels_is_answered_with_all_that_any_of_them_holds() {
    let mut hub = hub_with(HubBounds { history_count_max: 2, ..BOUNDS });
    for (channel, data) in [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")] {
        say(&mut hub, channel, data);
    }
    let since = Since::Id(MessageId { epoch: EPOCH - 1, seq: 4 });
    let told = listen_to(&mut hub, 0, &["a", "b"], since, WireFormat::SSE);
    assert_eq!(told, Subscribed { at: id(0), gap: true, behind: true });
    let expected = [gap(0), message(2, "2"), message(3, "3"), message(4, "4")];
    assert_eq!(sse(&drain(&mut hub, 0)), expected, "told once, not again in the middle");
}

#[test]
fn who_hears_the_same_channels_stands_in_one_audience_however_they_were_named() {
    let mut hub = hub();
    listen_to(&mut hub, 0, &["a", "b"], Since::Head, WireFormat::STREAM);
    listen_to(&mut hub, 1, &["b", "a", "b"], Since::Head, WireFormat::STREAM);
    assert_eq!((hub.audiences.len(), hub.channels(), hub.sets.len()), (1, 2, 1));
    listen_to(&mut hub, 2, &["a"], Since::Head, WireFormat::STREAM);
    listen_to(&mut hub, 3, &["b", "b"], Since::Head, WireFormat::STREAM);
    listen_to(&mut hub, 4, &["a", "b", "c"], Since::Head, WireFormat::STREAM);
    listen_to(&mut hub, 5, &["a"], Since::Head, WireFormat::STREAM);
    assert_eq!((hub.audiences.len(), hub.channels(), hub.sets.len()), (4, 3, 2));
    assert_eq!(hub.info("b").map(|info| info.subscribers), Some(4));
    say(&mut hub, "a", "1");
    say(&mut hub, "b", "2");
    let heard = (0..6).map(|name| String::from_utf8(drain(&mut hub, name)).unwrap());
    let heard: Vec<String> = heard.collect();
    assert_eq!(heard, ["1\n2\n", "1\n2\n", "1\n", "2\n", "1\n2\n", "1\n"]);
    for name in 0..6 {
        hub.leave(name);
    }
    finish_passes(&mut hub);
    assert_eq!((hub.audiences.len(), hub.sets.len(), hub.channels()), (0, 0, 2));
}

#[test]
fn a_batch_is_never_lent_to_an_audience_that_has_the_number_of_another() {
    let mut hub = hub();
    listen_to(&mut hub, 0, &["open", "secret"], Since::Head, WireFormat::STREAM);
    say(&mut hub, "secret", "for 0 only");
    say(&mut hub, "open", "for all");
    assert_eq!(drain(&mut hub, 0), b"for 0 only\nfor all\n");
    finish_passes(&mut hub);
    hub.leave(0);
    // The same slot, the same cursor, the same end, the same format: and other channels.
    listen_to(&mut hub, 1, &["open", "public"], Since::Start, WireFormat::STREAM);
    assert_eq!(drain(&mut hub, 1), b"for all\n");
    finish_passes(&mut hub);
    hub.leave(1);
    listen_to(&mut hub, 2, &["open"], Since::Start, WireFormat::STREAM);
    assert_eq!(drain(&mut hub, 2), b"for all\n");
}

#[test]
fn a_subscription_has_one_to_thirty_two_channels() {
    let mut hub = hub();
    let names: Vec<String> = (0..33).map(|number| format!("channel {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut subscribe = |names| hub.subscribe(0, names, Since::Head, WireFormat::SSE, Wrapping::Bare);
    assert_eq!(subscribe(&names), Err(WriteError::TooManyChannels));
    assert_eq!(subscribe(&[]), Err(WriteError::BadName));
    assert_eq!(subscribe(&["fine", "wild*"]), Err(WriteError::BadName));
    assert!(subscribe(&names[..32]).is_ok());
    assert_eq!(hub.channels(), 32, "and none of those that were refused");
}

#[test]
fn a_new_channel_that_is_named_twice_counts_once() {
    let mut hub = hub_with(HubBounds { channels_max: 2, ..BOUNDS });
    say(&mut hub, "a", "1");
    listen_to(&mut hub, 0, &["b", "b", "a", "b"], Since::Head, WireFormat::SSE);
    assert_eq!(hub.channels(), 2);
    let refused = hub.subscribe(1, &["a", "c"], Since::Head, WireFormat::SSE, Wrapping::Bare);
    assert_eq!(refused, Err(WriteError::TooManyChannels));
}

#[test]
fn what_expires_while_a_channel_is_idle_is_told_of_before_the_next_message() {
    let mut hub = hub();
    listen_to(&mut hub, 0, &["a", "idle"], Since::Head, WireFormat::SSE);
    say(&mut hub, "a", "1");
    say(&mut hub, "idle", "2");
    hub.block(0);
    pass(&mut hub, 601_000);
    assert_eq!((hub.stats().messages, hub.channels()), (0, 2), "somebody hears them still");
    say(&mut hub, "a", "3");
    assert_eq!(sse(&drain(&mut hub, 0)), [gap(1), gap(2), message(3, "3")]);
    assert!(!hub.lacks(0));
}

#[test]
fn a_gap_on_an_idle_channel_is_told_without_a_message_and_once() {
    let mut hub = hub();
    listen(&mut hub, 0, "a", Since::Head, WireFormat::NDJSON);
    listen(&mut hub, 1, "a", Since::Head, WireFormat::STREAM);
    say(&mut hub, "a", "1");
    hub.block(0);
    pass(&mut hub, 601_000);
    assert_eq!(drain(&mut hub, 0), format!("{{\"gap\":true,\"id\":\"{}\"}}\n", id(1)).as_bytes());
    assert_eq!((hub.lacks(0), hub.batch(0)), (false, Batch::Nothing));
    assert_eq!(hub.batch(1), Batch::Overrun);
}

#[test]
fn numbers_that_nobody_missed_are_passed_without_a_byte() {
    let mut hub = hub();
    listen_to(&mut hub, 0, &["a"], Since::Head, WireFormat::SSE);
    say(&mut hub, "b", "1");
    say(&mut hub, "b", "2");
    hub.end_channel("b");
    // To a new channel all that is gone may have been its own; who begins at the head has missed nothing of it.
    let told = listen_to(&mut hub, 1, &["a", "b"], Since::Head, WireFormat::SSE);
    assert_eq!(told, Subscribed { at: id(2), gap: false, behind: false });
    assert_eq!((hub.lacks(0), hub.lacks(1)), (false, false));
    let told = listen_to(&mut hub, 2, &["a", "b"], Since::Start, WireFormat::STREAM);
    assert_eq!(told, Subscribed { at: id(0), gap: true, behind: true });
    assert_eq!(hub.batch(2), Batch::Nothing, "it was told in its head, and there is nothing else");
    assert!(!hub.lacks(2));
}

//! Bounds over all channels: age, memory, and what the ledger counts.

use super::*;

/// A hub that may hold so much memory.
fn small(memory_bytes_max: usize) -> Hub {
    hub_with(HubBounds { memory_bytes_max, ..BOUNDS })
}

#[track_caller]
fn oldest(hub: &Hub, channel: &str) -> Option<u64> {
    hub.info(channel)?.oldest.map(|id| id.seq)
}

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

#[test]
fn age_lets_go_of_the_oldest_wherever_it_lies_and_of_the_newest_too() {
    let mut hub = hub();
    say(&mut hub, "a", "1");
    pass(&mut hub, 100_000);
    say(&mut hub, "b", "2");
    pass(&mut hub, 200_000);
    say(&mut hub, "a", "3");
    assert_eq!(hub.next_deadline(), Some(at(600_010)), "a wait of ticks is never too short");
    pass(&mut hub, 600_000);
    assert_eq!(hub.stats().messages, 3);
    pass(&mut hub, 600_010);
    assert_eq!(
        (oldest(&hub, "a"), oldest(&hub, "b"), hub.next_deadline()),
        (Some(3), Some(2), Some(at(700_010)))
    );
    pass(&mut hub, 800_010);
    assert_eq!((hub.stats().messages, hub.channels(), hub.next_deadline()), (0, 0, None));
    assert_eq!((hub.ages.len(), hub.stats().memory), (0, 0));
}

#[test]
fn a_crowd_of_expiries_is_spread_over_turns_that_follow_at_once() {
    let mut hub = hub_with(HubBounds { history_count_max: 5_000, ..BOUNDS });
    for _ in 0..2_500 {
        say(&mut hub, "a", "x");
    }
    for left in [1_476, 452, 0] {
        pass(&mut hub, 700_000);
        assert_eq!(hub.stats().messages, left);
        assert_eq!(hub.next_deadline(), (left > 0).then_some(at(700_000)));
    }
}

#[test]
fn memory_lets_go_of_the_oldest_of_all_channels_first() {
    let mut hub = small(20_000);
    for seq in 1..100 {
        let channel = ["a", "b", "c"][seq % 3];
        assert_eq!(say(&mut hub, channel, &"x".repeat(1_000)), seq as u64);
        assert!(hub.stats().memory <= 20_000);
    }
    let held: usize = hub.stats().messages;
    assert!((14..=16).contains(&held), "{held} of 1,160 bytes, beside three channels");
    let mut oldest_of_all: Vec<u64> = ["a", "b", "c"].iter().filter_map(|name| oldest(&hub, name)).collect();
    oldest_of_all.sort_unstable();
    let first = 100 - held as u64;
    assert_eq!(oldest_of_all, [first, first + 1, first + 2], "exactly the newest are left");
}

#[test]
fn a_quiet_channel_goes_when_a_busy_one_needs_its_memory() {
    let mut hub = small(10_000);
    say(&mut hub, "quiet", "1");
    listen(&mut hub, 0, "quiet", Since::Start, WireFormat::SSE);
    say(&mut hub, "unheard", "2");
    for _ in 0..20 {
        say(&mut hub, "busy", &"x".repeat(1_000));
    }
    assert_eq!((hub.channels(), hub.info("unheard")), (2, None));
    assert_eq!(sse(&drain(&mut hub, 0)), [gap(1)]);
}

#[test]
fn the_newest_message_of_all_stays_however_little_memory_there_is() {
    let mut hub = small(10_000);
    say(&mut hub, "a", "1");
    say(&mut hub, "b", &"x".repeat(50_000));
    assert_eq!((hub.stats().messages, hub.is_overfull()), (1, true), "nothing else is left to let go of");
    listen(&mut hub, 0, "b", Since::Start, WireFormat::STREAM);
    assert_eq!(drain(&mut hub, 0).len(), 50_001);
    say(&mut hub, "a", "3");
    assert_eq!((hub.stats().messages, oldest(&hub, "a")), (1, Some(3)));
    assert!(hub.stats().memory < 10_000 && !hub.is_overfull());
}

#[test]
fn messages_without_text_and_channels_without_messages_cost_something_too() {
    let mut hub = hub_with(HubBounds { memory_bytes_max: 64 << 10, history_count_max: 1 << 20, ..BOUNDS });
    for _ in 0..100_000 {
        say(&mut hub, "a", "");
    }
    assert!(hub.stats().messages < 500, "{}", hub.stats().messages);
    let mut opened = 0;
    while hub
        .subscribe(opened, &[&format!("c{opened}")], Since::Head, WireFormat::SSE, Wrapping::Bare)
        .is_ok()
    {
        opened += 1;
    }
    // Half of the memory is theirs: listening costs others at most as much of their history.
    assert!((55..65).contains(&opened), "{opened} channels of half a KiB");
    assert!(hub.stats().messages > 100, "{}", hub.stats().messages);
    assert!(hub.stats().memory <= 64 << 10);
}

#[test]
fn everything_that_is_entered_is_struck_out_again() {
    let mut hub = hub();
    for round in 0..3 {
        let message = Message { event: Some("tick"), key: Some("key"), ..Message::new("data") };
        hub.publish("a", message).unwrap();
        listen_to(&mut hub, 0, &["a", "b"], Since::Start, WireFormat::SSE);
        hub.subscribe(1, &["a"], Since::Start, WireFormat::NDJSON, Wrapping::Chunked).unwrap();
        drain(&mut hub, 0);
        drain(&mut hub, 1);
        assert!(hub.stats().memory > 1_500);
        hub.leave(0);
        hub.leave(1);
        hub.end_channel("a");
        finish_passes(&mut hub);
        pass(&mut hub, round);
        assert_eq!((hub.stats().memory, hub.channels(), hub.stats().bytes), (0, 0, 0));
    }
}

#[test]
fn a_rest_stays_in_the_ledger_after_its_message_has_gone() {
    let mut hub = hub_with(HubBounds { history_count_max: 1, ..BOUNDS });
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    say(&mut hub, "a", &"x".repeat(10_000));
    assert!(matches!(hub.batch(0), Batch::Bytes(_)));
    let rest = hub.advance(0, 1).unwrap();
    hub.leave(0);
    hub.end_channel("a");
    finish_passes(&mut hub);
    pass(&mut hub, 1);
    assert_eq!(hub.stats().messages, 0);
    assert!((10_000..10_300).contains(&hub.stats().memory), "{}", hub.stats().memory);
    assert_eq!(rest.bytes().len(), 10_000);
    drop(rest);
    assert_eq!(hub.stats().memory, 0);
}

#[test]
fn the_kept_batch_goes_before_any_message_does() {
    let mut hub = hub_with(HubBounds { history_count_max: 1, memory_bytes_max: 100_000, ..BOUNDS });
    listen(&mut hub, 0, "big", Since::Head, WireFormat::STREAM);
    say(&mut hub, "big", &"x".repeat(40_000));
    drain(&mut hub, 0);
    // The message goes, its frame is kept in the batch.
    say(&mut hub, "big", "x");
    for number in 0..15 {
        say(&mut hub, &format!("small {number}"), &"x".repeat(4_000));
    }
    assert_eq!(hub.stats().messages, 16, "there is room for all of them");
}

#[test]
fn frames_that_a_turn_has_made_cost_old_messages_and_nobody_else() {
    let mut hub = small(64 << 10);
    for _ in 0..50 {
        say(&mut hub, "a", &"x".repeat(1_000));
    }
    listen(&mut hub, 0, "a", Since::Start, WireFormat::SSE);
    drain(&mut hub, 0);
    assert!(hub.stats().memory > 64 << 10, "the test needs more frames");
    assert!(!hub.is_overfull(), "there is something left to let go of");
    assert_eq!(hub.next_deadline(), Some(hub.now), "which is done at once");
    pass(&mut hub, 0);
    assert!(hub.stats().memory <= 64 << 10 && hub.stats().messages > 20);
    assert_ne!(hub.next_deadline(), Some(hub.now));
}

#[test]
fn making_room_for_a_subscription_may_let_go_of_one_of_its_own_channels() {
    let mut hub = hub_with(HubBounds { memory_bytes_max: 3_400, channels_max: 3, ..BOUNDS });
    say(&mut hub, "a", "1");
    say(&mut hub, "b", &"x".repeat(900));
    say(&mut hub, "b", &"x".repeat(900));
    // Room for two more is there only without "a", which is then one more.
    let told = listen_to(&mut hub, 0, &["a", "c"], Since::Start, WireFormat::SSE);
    assert_eq!(told, Subscribed { at: id(1), gap: true, behind: true });
    assert!(hub.stats().memory <= 3_400, "{}", hub.stats().memory);
    assert_eq!((hub.channels(), hub.stats().channels), (3, 3));
}

#[test]
fn lists_beside_the_rings_do_not_grow_with_what_has_been() {
    let mut hub = hub_with(HubBounds { history_count_max: 2, ..BOUNDS });
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    for round in 0..20_000 {
        say(&mut hub, "a", "x");
        // It is blocked for a moment, again and again, within one turn.
        hub.block(0);
        drain(&mut hub, 0);
        if round % 1_000 == 999 {
            pass(&mut hub, round / 1_000);
        }
    }
    assert!(hub.ages.len() <= 70, "{} ages", hub.ages.len());
    assert!(hub.graces.len() <= 70, "{} ends of grace", hub.graces.len());
}

#[test]
fn an_eighth_of_the_channels_stays_for_publishers() {
    let mut hub = hub_with(HubBounds { channels_max: 16, ..BOUNDS });
    for name in 0..14 {
        listen(&mut hub, name, &format!("c{name}"), Since::Head, WireFormat::SSE);
    }
    for names in [&["one more"][..], &["c1", "one more"]] {
        assert_eq!(hub.look(names, Since::Head), Err(WriteError::TooManyChannels), "a look tells the same");
        let refused = hub.subscribe(14, names, Since::Head, WireFormat::SSE, Wrapping::Bare);
        assert_eq!(refused, Err(WriteError::TooManyChannels));
    }
    say(&mut hub, "published", "1");
    say(&mut hub, "published too", "1");
    listen_to(&mut hub, 14, &["c1", "published"], Since::Head, WireFormat::SSE);
    assert_eq!(hub.publish("and no more", Message::new("1")), Err(WriteError::TooManyChannels));
}

#[test]
fn channels_that_only_subscribers_want_take_half_of_the_memory() {
    let mut hub = hub_with(HubBounds { memory_bytes_max: 8_000, channels_max: 100_000, ..BOUNDS });
    let data = "x".repeat(2_000);
    say(&mut hub, "a", &data);
    let listens = |hub: &mut Hub, name: u32| {
        let channel = format!("{name}");
        let seen = hub.look(&[&channel], Since::Head);
        let told = hub.subscribe(name, &[&channel], Since::Head, WireFormat::SSE, Wrapping::Bare);
        assert_eq!(seen, told);
        told.is_ok()
    };
    assert_eq!((0..100).filter(|&name| listens(&mut hub, name)).count(), 6);
    assert_eq!(hub.stats().messages, 1, "nobody's message was pushed out");
    assert!(hub.publish("another", Message::new("")).is_ok(), "publishers have the other half");
}

#[test]
fn a_look_is_refused_as_a_subscription_would_be() {
    let mut hub = hub_with(HubBounds { channels_max: 1, ..BOUNDS });
    say(&mut hub, "a", "1");
    let many: Vec<&str> = vec!["a"; 33];
    let cases: [&[&str]; 7] =
        [&[], &[""], &["a", "a*"], &["new", "a*"], &many, &["a", "new", "new"], &["a", "a"]];
    for names in cases {
        let seen = hub.look(names, Since::Start);
        assert_eq!(seen, hub.subscribe(0, names, Since::Start, WireFormat::SSE, Wrapping::Bare), "{names:?}");
        hub.leave(0);
    }
}

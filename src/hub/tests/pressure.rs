//! Publishers who wait until subscribers have caught up, and how long they may be made to.

use super::*;

const WHO: ExchangeId = ExchangeId { slot: 1, generation: 1 };

/// Rings of four, so that two messages are half of one.
fn ring_of_four() -> Hub {
    hub_with(HubBounds { history_count_max: 4, ..BOUNDS })
}

/// Takes one batch, and of it nothing.
fn refuse(hub: &mut Hub, name: u32) {
    assert!(matches!(hub.batch(name), Batch::Bytes(_)));
    hub.advance(name, 0);
    hub.block(name);
}

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1_000)
}

#[test]
fn a_publisher_is_held_when_what_somebody_lacks_fills_half_the_ring() {
    let mut hub = ring_of_four();
    assert!(!hub.hold("a", WHO), "no such channel");
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    listen(&mut hub, 1, "a", Since::Head, WireFormat::STREAM);
    let told = hub.publish("a", Message::new("1")).unwrap();
    assert_eq!((told.pressure, hub.hold("a", WHO)), (Pressure::Low, false));
    let told = hub.publish("a", Message::new("2")).unwrap();
    assert_eq!((told.pressure, hub.hold("a", WHO)), (Pressure::High, true));
    assert_eq!((hub.stats().held, hub.next_released()), (1, None));
    drain(&mut hub, 0);
    assert_eq!(hub.next_released(), None, "there is another");
    drain(&mut hub, 1);
    assert_eq!((hub.next_released(), hub.next_released()), (Some(WHO), None));
    assert_eq!(hub.stats().held, 0);
}

#[test]
fn half_a_ring_is_counted_in_bytes_too_and_a_ring_of_one_has_no_half() {
    let mut hub = hub_with(HubBounds { history_bytes_max: 20, ..BOUNDS });
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    say(&mut hub, "a", "123456789");
    assert!(!hub.hold("a", WHO));
    say(&mut hub, "a", "1");
    assert!(hub.hold("a", WHO));
    let mut hub = hub_with(HubBounds { history_count_max: 1, ..BOUNDS });
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    assert!(!hub.hold("a", WHO));
    say(&mut hub, "a", "1");
    assert!(hub.hold("a", WHO));
}

#[test]
fn only_what_its_own_channel_has_for_them_holds_a_publisher() {
    let mut hub = ring_of_four();
    listen_to(&mut hub, 0, &["a", "b"], Since::Head, WireFormat::STREAM);
    for channel in ["a", "b", "a"] {
        say(&mut hub, channel, "x");
    }
    assert!(hub.hold("a", WHO) && !hub.hold("b", WHO));
}

#[test]
fn grace_ends_and_with_it_the_right_to_hold_the_ring() {
    let mut hub = ring_of_four();
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    say(&mut hub, "a", "1");
    say(&mut hub, "a", "2");
    refuse(&mut hub, 0);
    assert!(hub.hold("a", WHO));
    assert_eq!(hub.next_released(), None);
    let due = hub.next_deadline().unwrap();
    assert!(due >= at(1_000) && due <= at(1_010), "{due:?}");
    pass(&mut hub, 990);
    assert_eq!(hub.next_released(), None);
    hub.set_now(at(1_010));
    assert_eq!(hub.next_deadline(), Some(at(1_010)), "a turn is asked for, though no grace is left to end");
    pass(&mut hub, 1_010);
    assert_eq!(hub.next_released(), Some(WHO));
    // It has lost nothing but that right.
    assert_eq!(drain(&mut hub, 0), b"1\n2\n");
}

#[test]
fn grace_that_ended_unnoticed_is_spent() {
    for late in [1_100, 1_300, 2_000, 2_279, 60_000] {
        let mut hub = hub_with(HubBounds { batch_bytes_max: 1, ..ring_of_four().bounds });
        listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
        for data in ["1", "2", "3", "4"] {
            say(&mut hub, "a", data);
        }
        refuse(&mut hub, 0);
        // The connection can be written to again before the turn has come, and takes something, though not all.
        hub.set_now(at(late));
        assert_eq!(hub.batch(0), Batch::Bytes(b"1\n"));
        hub.advance(0, 2);
        pass(&mut hub, late);
        refuse(&mut hub, 0);
        assert!(!hub.hold("a", WHO), "after {late} ms");
    }
}

#[test]
fn who_comes_to_a_number_after_others_earns_grace_no_oftener_than_they() {
    let mut hub = ring_of_four();
    say(&mut hub, "a", "1");
    for second in 0..4 {
        pass(&mut hub, 1_000 * second);
        hub.leave(7);
        // Who begins behind has no grace, and gets it when it is level.
        listen(&mut hub, 7, "a", Since::Start, WireFormat::STREAM);
        drain(&mut hub, 7);
    }
    // The last of them filled its purse at 3 s. It spends it, and is level again.
    let mut is_holding = |millis: u64| {
        pass(&mut hub, millis);
        say(&mut hub, "a", "x");
        say(&mut hub, "a", "x");
        refuse(&mut hub, 7);
        pass(&mut hub, millis);
        let is_held = hub.hold("a", WHO);
        pass(&mut hub, millis + 1_100);
        while hub.next_released().is_some() {}
        drain(&mut hub, 7);
        is_held
    };
    // Each of these rounds ends at the head, a little more than a second after its beginning.
    let holding: Vec<u64> = (0..18).map(|round| 4_000 + 1_200 * round).filter(|&at| is_holding(at)).collect();
    assert_eq!(
        holding,
        [4_000, 13_600, 24_400],
        "once in ten seconds, and not once for each who had the number"
    );
}

/// A ring of four, whose subscribers have an hour of grace. One of them, 0, lacks half of it.
fn half_full_with_much_grace() -> Hub {
    let mut hub = hub_with(HubBounds { grace: Duration::from_secs(3_600), ..ring_of_four().bounds });
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    say(&mut hub, "a", "1");
    say(&mut hub, "a", "2");
    hub
}

#[test]
fn a_channel_without_patience_holds_nobody() {
    let mut hub = half_full_with_much_grace();
    refuse(&mut hub, 0);
    assert!(hub.hold("a", WHO));
    assert_eq!((hub.next_released(), hub.next_deadline()), (None, Some(at(2_500))));
    pass(&mut hub, 2_499);
    assert_eq!(hub.next_released(), None);
    pass(&mut hub, 2_500);
    assert_eq!((hub.next_released(), hub.hold("a", WHO)), (Some(WHO), false));
    pass(&mut hub, 2_600);
    assert!(hub.hold("a", WHO), "a little has come back");
    assert_eq!((hub.next_released(), hub.next_deadline()), (None, Some(at(2_650))));
}

#[test]
fn waiting_for_readers_has_no_end_and_costs_no_patience() {
    let mut hub = half_full_with_much_grace();
    // It reads, and is only slow to be visited.
    assert!(hub.hold("a", WHO));
    assert_eq!((hub.next_released(), hub.has_visits()), (None, true));
    for second in 1..300 {
        pass(&mut hub, second * 1_000);
        assert_eq!(hub.next_released(), None);
        assert!(hub.next_deadline() > Some(at(300_000)), "nothing that has to do with it");
    }
    // All the patience is there when it does not read any more.
    refuse(&mut hub, 0);
    assert_eq!((hub.next_released(), hub.next_deadline()), (None, Some(at(301_500))));
    pass(&mut hub, 301_499);
    assert_eq!(hub.next_released(), None);
    pass(&mut hub, 301_500);
    assert_eq!(hub.next_released(), Some(WHO));
}

#[test]
fn who_reads_and_is_behind_beside_the_blocked_is_waited_for_without_patience() {
    let mut hub = half_full_with_much_grace();
    listen(&mut hub, 1, "a", Since::Head, WireFormat::STREAM);
    refuse(&mut hub, 0);
    say(&mut hub, "a", "3");
    say(&mut hub, "a", "4");
    assert!(hub.hold("a", WHO));
    pass(&mut hub, 100_000);
    assert_eq!(hub.next_released(), None, "1 is yet to be visited, and would lose something");
    drain(&mut hub, 1);
    assert_eq!((hub.next_released(), hub.next_deadline()), (None, Some(at(102_500))));
    pass(&mut hub, 102_500);
    assert_eq!((hub.next_released(), hub.hold("a", WHO)), (Some(WHO), false));
    // Patience is spent, and none of it is needed for those who read.
    say(&mut hub, "a", "5");
    say(&mut hub, "a", "6");
    assert!(hub.hold("a", WHO));
    assert_eq!((hub.next_released(), drain(&mut hub, 1)), (None, b"5\n6\n".to_vec()));
    assert_eq!(hub.next_released(), Some(WHO));
}

#[test]
fn who_takes_again_is_waited_for_as_a_reader_at_once() {
    let mut hub = half_full_with_much_grace();
    refuse(&mut hub, 0);
    assert!(hub.hold("a", WHO));
    assert_eq!((hub.next_released(), hub.next_deadline()), (None, Some(at(2_500))));
    pass(&mut hub, 1_000);
    // All that it was owed is out, and it has yet to be given more.
    hub.unblock(0);
    assert_eq!((hub.next_deadline(), hub.next_released()), (Some(at(1_000)), None));
    pass(&mut hub, 100_000);
    assert_eq!(hub.next_released(), None);
    // It has cost no patience since, and what was spent is back.
    refuse(&mut hub, 0);
    assert_eq!((hub.next_released(), hub.next_deadline()), (None, Some(at(102_500))));
}

#[test]
fn who_begins_behind_and_is_never_given_anything_holds_nobody() {
    let mut hub = ring_of_four();
    for data in ["1", "2", "3"] {
        say(&mut hub, "a", data);
    }
    let told = listen(&mut hub, 0, "a", Since::Start, WireFormat::STREAM);
    assert!(told.behind && !hub.hold("a", WHO));
    // Visits find that its head is not out.
    say(&mut hub, "a", "4");
    assert_eq!(hub.next_visit(), Some(0));
    hub.block(0);
    assert!(!hub.hold("a", WHO));
    assert_eq!(hub.graces.len(), 0, "it has none that could end");
    // The first batch makes a reader of it, whom publishers wait for.
    let Batch::Bytes(lent) = hub.batch(0) else { panic!("nothing") };
    assert_eq!(lent, b"1\n2\n3\n4\n");
    hub.advance(0, 2);
    assert!(hub.hold("a", WHO));
    hub.block(0);
    assert_eq!(hub.next_released(), Some(WHO), "and it has earned no grace yet");
}

#[test]
fn who_takes_a_part_of_a_list_and_stays_is_waited_for_no_longer_than_its_grace() {
    let mut hub = ring_of_four();
    listen(&mut hub, 0, "a", Since::Head, WireFormat::JSON);
    for data in ["1", "2", "3"] {
        say(&mut hub, "a", data);
    }
    assert_eq!(hub.next_visit(), Some(0));
    assert_eq!(hub.take(0, 1, &mut Vec::new()).messages, 1);
    assert_eq!((hub.next_visit(), hub.lacks(0)), (None, true), "nobody comes by again");
    assert!(hub.hold("a", WHO));
    assert_eq!(hub.next_released(), None);
    pass(&mut hub, 1_010);
    assert_eq!(hub.next_released(), Some(WHO));
    assert_eq!(hub.take(0, 1_000, &mut Vec::new()).messages, 2, "it has lost nothing but that right");
}

#[test]
fn nobody_is_held_for_whoever_hears_the_end_of_another_channel_and_nothing_behind_it() {
    let mut hub = ring_of_four();
    listen_to(&mut hub, 0, &["a", "b"], Since::Head, WireFormat::STREAM);
    listen_to(&mut hub, 1, &["a", "b"], Since::Head, WireFormat::STREAM);
    say(&mut hub, "a", "1");
    say(&mut hub, "a", "2");
    drain(&mut hub, 0);
    assert!(hub.hold("a", WHO));
    assert_eq!(hub.next_released(), None);
    hub.end_channel("b");
    assert_eq!(hub.next_deadline(), Some(hub.now), "who stands at the end is waited for no longer");
    assert_eq!(hub.next_released(), None, "1 lacks what was published before the end");
    assert!(matches!(hub.batch(1), Batch::Bytes(b"1\n2\n")));
    hub.advance(1, 4);
    assert_eq!(hub.next_released(), Some(WHO));
    say(&mut hub, "a", "3");
    say(&mut hub, "a", "4");
    assert!(!hub.hold("a", WHO));
    assert_eq!(hub.batch(0), Batch::End);
}

#[test]
fn who_is_held_and_goes_leaves_the_queue() {
    let mut hub = ring_of_four();
    let publishers = [3, 4, 5].map(|slot| ExchangeId { slot, generation: 1 });
    listen(&mut hub, 1, "a", Since::Head, WireFormat::STREAM);
    say(&mut hub, "a", "1");
    say(&mut hub, "a", "2");
    assert!(publishers.into_iter().all(|publisher| hub.hold("a", publisher)));
    // One that goes leaves the queue, and who comes after it moves up.
    hub.forget_held(publishers[0]);
    hub.forget_held(WHO);
    assert_eq!((hub.stats().held, hub.next_released()), (2, None));
    drain(&mut hub, 1);
    assert_eq!([(); 3].map(|()| hub.next_released()), [Some(publishers[1]), Some(publishers[2]), None]);
    // And so does one whose channel has gone before anybody asked for it.
    say(&mut hub, "a", "3");
    say(&mut hub, "a", "4");
    assert!(publishers.into_iter().all(|publisher| hub.hold("a", publisher)));
    hub.end_channel("a");
    hub.forget_held(publishers[1]);
    assert_eq!([(); 3].map(|()| hub.next_released()), [Some(publishers[0]), Some(publishers[2]), None]);
}

#[test]
fn who_catches_up_late_in_a_turn_lets_publishers_go_without_another_reason() {
    let mut hub = ring_of_four();
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    pass(&mut hub, 10);
    say(&mut hub, "a", "1");
    assert_eq!(hub.publish("a", Message::new("2")).unwrap().pressure, Pressure::High, "it was looked for");
    assert!(hub.hold("a", WHO));
    assert_eq!(hub.next_released(), None);
    assert!(hub.next_deadline() > Some(at(10)), "nothing has changed");
    drain(&mut hub, 0);
    assert_eq!(hub.next_deadline(), Some(at(10)), "something has");
    assert_eq!(hub.next_released(), Some(WHO));
}

#[test]
fn those_whose_share_of_a_turn_is_used_up_go_on_in_the_next() {
    let mut hub = ring_of_four();
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    say(&mut hub, "a", "1");
    say(&mut hub, "a", "2");
    for slot in 0..10 {
        assert!(hub.hold("a", ExchangeId { slot, generation: 0 }));
    }
    hub.leave(0);
    for slot in 0..10 {
        pass(&mut hub, u64::from(slot));
        assert_eq!(hub.next_deadline(), Some(hub.now));
        assert_eq!(hub.next_released().map(|id| id.slot), Some(slot), "in order");
    }
    assert_eq!(hub.next_released(), None);
    assert_ne!(hub.next_deadline(), Some(hub.now));
}

#[test]
fn who_leaves_lets_publishers_go() {
    let mut hub = ring_of_four();
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    listen(&mut hub, 1, "a", Since::Head, WireFormat::STREAM);
    say(&mut hub, "a", "1");
    say(&mut hub, "a", "2");
    drain(&mut hub, 1);
    assert!(hub.hold("a", WHO));
    assert_eq!(hub.next_released(), None);
    assert!(hub.next_deadline() > Some(at(2_500)), "the age of a message: who reads has all the time");
    hub.leave(0);
    assert_eq!((hub.next_deadline(), hub.next_released()), (Some(at(0)), Some(WHO)));
}

#[test]
fn messages_that_expire_let_publishers_go() {
    let mut hub =
        hub_with(HubBounds { history_count_max: 4, history_age_max: Duration::from_secs(1), ..BOUNDS });
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    say(&mut hub, "a", "1");
    say(&mut hub, "a", "2");
    assert!(hub.hold("a", WHO));
    assert_eq!(hub.next_released(), None);
    pass(&mut hub, 1_010);
    assert_eq!(hub.next_released(), Some(WHO), "nobody lacks what is not there");
}

//! What the hub promises, as facts: scripted here, and against a model in `model/`, which is the centre.
//!
//! Here are rings, cursors and batches of one channel; `passes.rs` says who is visited when, `several.rs` has several channels under one
//! cursor, `ending.rs` their end, `bounds.rs` age and memory, `pressure.rs` publishers who wait, `publishing.rs` keys, ids from outside,
//! and who waits for a list.
//! `peer.rs` reads what a peer would have received, with a parser of its own that knows nothing of the encoder.

mod bounds;
mod ending;
mod model;
mod passes;
mod peer;
mod pressure;
mod publishing;
mod several;

use super::*;
use crate::error::WriteError;
use peer::{Item, Reader};

const EPOCH: u64 = 1_790_000_000_000;

/// Roomy.
pub(super) const BOUNDS: HubBounds = HubBounds {
    history_count_max: 1_000,
    history_bytes_max: 1 << 20,
    history_age_max: Duration::from_secs(600),
    memory_bytes_max: 64 << 20,
    grace: Duration::from_secs(1),
    channels_max: 1_000,
    batch_bytes_max: 64 * 1024,
};

pub(super) fn hub_with(bounds: HubBounds) -> Hub {
    Hub::new(EPOCH, bounds, Instant::default())
}

fn hub() -> Hub {
    hub_with(BOUNDS)
}

fn id(seq: u64) -> MessageId {
    MessageId { epoch: EPOCH, seq }
}

#[track_caller]
fn say(hub: &mut Hub, channel: &str, data: &str) -> u64 {
    hub.publish(channel, Message::new(data)).unwrap().id.seq
}

#[track_caller]
fn listen(hub: &mut Hub, name: u32, channel: &str, since: Since, format: WireFormat) -> Subscribed {
    hub.subscribe(name, &[channel], since, format, Wrapping::Bare).unwrap()
}

#[track_caller]
fn listen_to(hub: &mut Hub, name: u32, channels: &[&str], since: Since, format: WireFormat) -> Subscribed {
    hub.subscribe(name, channels, since, format, Wrapping::Bare).unwrap()
}

/// Takes everything that a subscriber lacks, by itself and batch by batch.
#[track_caller]
fn drain(hub: &mut Hub, name: u32) -> Vec<u8> {
    let mut received = Vec::new();
    loop {
        let lent = match hub.batch(name) {
            Batch::Nothing => return received,
            Batch::Bytes(bytes) => bytes,
            Batch::Overrun => panic!("{name} was overrun"),
            Batch::End => panic!("{name} was ended"),
            Batch::Broken => panic!("an encoder panicked"),
        };
        received.extend_from_slice(lent);
        let taken = lent.len();
        assert!(hub.advance(name, taken).is_none(), "a rest of a batch that was taken whole");
    }
}

#[track_caller]
fn sse(received: &[u8]) -> Vec<Item> {
    let (items, left) = Reader::new(WireFormat::SSE, Wrapping::Bare).read(received);
    assert_eq!(left, 0, "half an event");
    items
}

fn message(seq: u64, data: &str) -> Item {
    Item::Message { seq, event: None, data: data.to_owned() }
}

fn gap(seq: u64) -> Item {
    Item::Gap { seq }
}

/// All visits until nobody is left to visit; who is visited takes everything that it is lent.
fn finish_passes(hub: &mut Hub) -> Vec<u32> {
    let mut visited = Vec::new();
    while let Some(name) = hub.next_visit() {
        visited.push(name);
        if let Batch::Bytes(bytes) = hub.batch(name) {
            let taken = bytes.len();
            hub.advance(name, taken);
        }
    }
    visited
}

/// A generator good enough for tests, in three lines (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % sides
    }
}

/// Time goes by, and a turn is made.
fn pass(hub: &mut Hub, millis: u64) {
    let now = Instant::from_micros(millis * 1_000);
    assert!(now >= hub.now, "time goes on");
    hub.set_now(now);
    hub.begin_turn();
}

// ---- rings and cursors

#[test]
fn ids_count_over_all_channels_from_one() {
    let mut hub = hub();
    assert_eq!(hub.head(), id(0));
    assert_eq!((say(&mut hub, "a", "x"), say(&mut hub, "b", "x"), say(&mut hub, "a", "x")), (1, 2, 3));
    assert_eq!(hub.head(), id(3));
}

#[test]
fn a_ring_is_bounded_by_count() {
    let mut hub = hub_with(HubBounds { history_count_max: 3, ..BOUNDS });
    for data in ["1", "2", "3", "4", "5"] {
        say(&mut hub, "a", data);
    }
    assert_eq!((hub.stats().messages, hub.stats().bytes), (3, 3));
    let told = listen(&mut hub, 0, "a", Since::Start, WireFormat::SSE);
    assert_eq!(told, Subscribed { at: id(2), gap: true, behind: true });
    assert_eq!(sse(&drain(&mut hub, 0)), [gap(2), message(3, "3"), message(4, "4"), message(5, "5")]);
}

#[test]
fn a_ring_is_bounded_by_bytes_of_payload_and_type() {
    let mut hub = hub_with(HubBounds { history_bytes_max: 10, ..BOUNDS });
    say(&mut hub, "a", "12345");
    say(&mut hub, "a", "12345");
    assert_eq!((hub.stats().messages, hub.stats().bytes), (2, 10));
    hub.publish("a", Message { event: Some("e"), ..Message::new("") }).unwrap();
    assert_eq!((hub.stats().messages, hub.stats().bytes), (2, 6));
}

#[test]
fn the_newest_message_stays_whatever_its_size() {
    let mut hub = hub_with(HubBounds { history_bytes_max: 10, history_count_max: 1, ..BOUNDS });
    let huge = "x".repeat(100_000);
    say(&mut hub, "a", "1");
    say(&mut hub, "a", &huge);
    assert_eq!((hub.stats().messages, hub.stats().bytes), (1, 100_000));
    listen(&mut hub, 0, "a", Since::Id(id(1)), WireFormat::STREAM);
    assert_eq!(drain(&mut hub, 0).len(), 100_001);
    say(&mut hub, "a", "3");
    assert_eq!((hub.stats().messages, hub.stats().bytes), (1, 1));
}

#[test]
fn a_subscriber_without_a_cursor_hears_what_comes() {
    let mut hub = hub();
    say(&mut hub, "a", "before");
    let told = listen(&mut hub, 0, "a", Since::Head, WireFormat::SSE);
    assert_eq!(told, Subscribed { at: id(1), gap: false, behind: false });
    assert_eq!(hub.batch(0), Batch::Nothing);
    say(&mut hub, "a", "after");
    assert_eq!(sse(&drain(&mut hub, 0)), [message(2, "after")]);
}

#[test]
fn a_cursor_from_another_channel_is_as_good_as_any() {
    let mut hub = hub();
    say(&mut hub, "a", "1");
    let elsewhere = say(&mut hub, "b", "2");
    say(&mut hub, "a", "3");
    let told = listen(&mut hub, 0, "a", Since::Id(id(elsewhere)), WireFormat::SSE);
    assert_eq!(told, Subscribed { at: id(elsewhere), gap: false, behind: true });
    assert_eq!(sse(&drain(&mut hub, 0)), [message(3, "3")]);
}

#[test]
fn a_foreign_id_gets_everything_that_is_held_after_one_notice() {
    let mut hub = hub();
    say(&mut hub, "a", "1");
    say(&mut hub, "a", "2");
    for (name, seq, epoch) in [(0, 1, EPOCH + 1), (1, 3, EPOCH), (2, u64::MAX, EPOCH), (3, 0, 0)] {
        let told = listen(&mut hub, name, "a", Since::Id(MessageId { epoch, seq }), WireFormat::SSE);
        assert_eq!(told, Subscribed { at: id(0), gap: true, behind: true });
        assert_eq!(sse(&drain(&mut hub, name)), [gap(0), message(1, "1"), message(2, "2")]);
    }
}

#[test]
fn a_foreign_id_on_an_empty_channel_is_told_of_the_gap_at_once() {
    let mut hub = hub();
    let told = listen(&mut hub, 0, "a", Since::Id(MessageId { epoch: 1, seq: 5 }), WireFormat::SSE);
    assert_eq!(told, Subscribed { at: id(0), gap: true, behind: true });
    assert!(hub.lacks(0));
    assert_eq!(sse(&drain(&mut hub, 0)), [gap(0)]);
    assert!(!hub.lacks(0));
}

#[test]
fn a_format_without_notices_is_told_of_a_gap_only_by_the_answer_to_subscribe() {
    let mut hub = hub_with(HubBounds { history_count_max: 2, ..BOUNDS });
    for data in ["1", "2", "3"] {
        say(&mut hub, "a", data);
    }
    let told = listen(&mut hub, 0, "a", Since::Id(id(0)), WireFormat::STREAM);
    assert_eq!(told, Subscribed { at: id(1), gap: true, behind: true });
    assert_eq!(drain(&mut hub, 0), b"2\n3\n");
}

#[test]
fn a_stream_that_the_ring_has_passed_is_overrun_and_an_event_stream_is_told() {
    let mut hub = hub_with(HubBounds { history_count_max: 2, ..BOUNDS });
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    listen(&mut hub, 1, "a", Since::Head, WireFormat::SSE);
    for data in ["1", "2"] {
        say(&mut hub, "a", data);
    }
    assert!(matches!(hub.batch(0), Batch::Bytes(b"1\n2\n")), "full, and nothing is missed yet");
    say(&mut hub, "a", "3");
    assert_eq!(hub.batch(0), Batch::Overrun);
    assert_eq!(sse(&drain(&mut hub, 1)), [gap(1), message(2, "2"), message(3, "3")]);
}

#[test]
fn a_gap_that_grew_before_it_was_told_is_told_once() {
    let mut hub = hub_with(HubBounds { history_count_max: 1, ..BOUNDS });
    say(&mut hub, "a", "1");
    say(&mut hub, "a", "2");
    listen(&mut hub, 0, "a", Since::Start, WireFormat::SSE);
    say(&mut hub, "a", "3");
    assert_eq!(sse(&drain(&mut hub, 0)), [gap(2), message(3, "3")]);
}

#[test]
fn a_peer_that_resumes_at_a_notice_hears_of_nothing_twice() {
    let mut hub = hub_with(HubBounds { history_count_max: 2, ..BOUNDS });
    for data in ["1", "2", "3"] {
        say(&mut hub, "a", data);
    }
    let told = listen(&mut hub, 0, "a", Since::Id(id(1)), WireFormat::SSE);
    assert_eq!(told, Subscribed { at: id(1), gap: false, behind: true });
    assert_eq!(sse(&drain(&mut hub, 0)), [message(2, "2"), message(3, "3")]);
}

#[test]
fn names_are_checked_before_anything_happens() {
    let mut hub = hub();
    let forged = Message { event: Some("encke-gap"), ..Message::new("x") };
    assert_eq!(hub.publish("a", forged), Err(WriteError::BadName));
    assert_eq!(hub.publish("a\n", Message::new("x")), Err(WriteError::BadName));
    let refused = hub.subscribe(0, &[""], Since::Head, WireFormat::SSE, Wrapping::Bare);
    assert_eq!(refused, Err(WriteError::BadName));
    assert_eq!((hub.stats(), hub.head()), (HubStats::default(), id(0)));
}

// ---- channels come and go

#[test]
fn a_channel_without_messages_and_subscribers_is_gone() {
    let mut hub = hub_with(HubBounds { channels_max: 2, ..BOUNDS });
    listen(&mut hub, 0, "a", Since::Head, WireFormat::SSE);
    say(&mut hub, "b", "kept");
    assert_eq!(hub.channels(), 2);
    assert_eq!(hub.publish("c", Message::new("x")), Err(WriteError::TooManyChannels));
    assert_eq!(hub.head(), id(1), "a refused message has no number");
    hub.leave(0);
    hub.leave(0);
    assert_eq!(hub.channels(), 1);
    say(&mut hub, "c", "x");
    let refused = hub.subscribe(0, &["d"], Since::Head, WireFormat::SSE, Wrapping::Bare);
    assert_eq!(refused, Err(WriteError::TooManyChannels));
    assert!(!hub.is_subscribed(0));
}

#[test]
fn what_a_vanished_channel_has_lost_is_remembered_by_the_next() {
    let mut hub = hub();
    say(&mut hub, "a", "1");
    pass(&mut hub, 601_000);
    assert_eq!(hub.channels(), 0, "too old, and so gone with its channel");
    say(&mut hub, "b", "2");
    let told = listen(&mut hub, 0, "a", Since::Id(id(0)), WireFormat::SSE);
    assert_eq!(told, Subscribed { at: id(1), gap: true, behind: true });
    let told = listen(&mut hub, 1, "a", Since::Id(id(1)), WireFormat::SSE);
    assert_eq!(told, Subscribed { at: id(1), gap: false, behind: false });
}

#[test]
fn memory_returns_when_a_crowd_has_left() {
    let mut hub = hub();
    for name in 0..10_000 {
        listen(&mut hub, name, "a", Since::Head, WireFormat::SSE);
    }
    let crowded = hub.audiences[0].subscribers.capacity();
    assert!((10_000..=11_300).contains(&crowded), "{crowded} for 10,000");
    for name in 1..10_000 {
        hub.leave(name);
    }
    assert!(hub.audiences[0].subscribers.capacity() <= 64);
    assert_eq!(hub.stats().subscribers, 1);
    hub.leave(0);
    assert_eq!((hub.stats(), hub.channels()), (HubStats::default(), 0));
}

// ---- batches

#[test]
fn a_batch_joins_exactly_what_is_lacking_and_is_the_same_slice_for_all() {
    let mut hub = hub();
    for name in 0..3 {
        listen(&mut hub, name, "a", Since::Head, WireFormat::STREAM);
    }
    say(&mut hub, "a", "1");
    drain(&mut hub, 2);
    say(&mut hub, "a", "2");
    let (mut lent, mut where_at) = (Vec::new(), Vec::new());
    for name in 0..3 {
        let Batch::Bytes(bytes) = hub.batch(name) else { panic!("nothing for {name}") };
        lent.push(bytes.to_vec());
        where_at.push(bytes.as_ptr());
    }
    assert_eq!(lent, [&b"1\n2\n"[..], b"1\n2\n", b"2\n"]);
    assert_eq!(where_at[0], where_at[1]);
}

#[test]
fn a_single_frame_is_lent_without_a_copy_in_both_views() {
    let mut hub = hub();
    for (name, wrapping) in [(0, Wrapping::Bare), (1, Wrapping::Chunked), (2, Wrapping::Chunked)] {
        hub.subscribe(name, &["a"], Since::Head, WireFormat::SSE, wrapping).unwrap();
    }
    say(&mut hub, "a", "hello");
    let mut lent = Vec::new();
    for name in 0..3 {
        let Batch::Bytes(bytes) = hub.batch(name) else { panic!("nothing for {name}") };
        lent.push((bytes.as_ptr() as usize, bytes.to_vec()));
    }
    let head = format!("{:x}\r\n", lent[0].1.len());
    assert_eq!(lent[1].1, [head.as_bytes(), &lent[0].1, b"\r\n"].concat());
    assert_eq!(lent[0].0, lent[1].0 + head.len(), "the bare view is the inside of the chunk");
    assert_eq!(lent[1].0, lent[2].0);
}

#[test]
fn a_batch_is_bounded_and_whoever_took_all_is_visited_again() {
    let mut hub = hub_with(HubBounds { batch_bytes_max: 10, ..BOUNDS });
    listen(&mut hub, 0, "a", Since::Head, WireFormat::STREAM);
    listen(&mut hub, 1, "a", Since::Head, WireFormat::STREAM);
    for _ in 0..5 {
        say(&mut hub, "a", "123");
    }
    say(&mut hub, "a", "a message that is longer than a batch");
    for (bytes, left) in [(8, true), (8, true), (4, true), (38, false)] {
        for name in 0..2 {
            assert_eq!(hub.next_visit(), Some(name));
            let Batch::Bytes(lent) = hub.batch(name) else { panic!("nothing for {name}") };
            assert_eq!(lent.len(), bytes);
            assert!(hub.advance(name, bytes).is_none());
            assert_eq!(hub.lacks(name), left);
        }
    }
    assert_eq!((hub.next_visit(), hub.has_visits()), (None, false));
}

#[test]
fn every_cut_of_a_joined_batch_goes_on_with_the_exact_next_byte() {
    for wrapping in [Wrapping::Chunked, Wrapping::Bare] {
        for format in [WireFormat::SSE, WireFormat::STREAM] {
            let mut hub = hub();
            for data in ["one", "", "three\nlines\rhere", "four", "a fifth, longer than sixteen bytes"] {
                say(&mut hub, "a", data);
            }
            hub.subscribe(0, &["a"], Since::Start, format, wrapping).unwrap();
            let Batch::Bytes(lent) = hub.batch(0) else { panic!("nothing") };
            let whole = lent.to_vec();
            for cut in 0..=whole.len() {
                hub.leave(0);
                hub.subscribe(0, &["a"], Since::Start, format, wrapping).unwrap();
                assert!(matches!(hub.batch(0), Batch::Bytes(lent) if lent == whole));
                let mut received = whole[..cut].to_vec();
                if let Some(rest) = hub.advance(0, cut) {
                    assert!(!rest.bytes().is_empty());
                    received.extend_from_slice(rest.bytes());
                }
                received.extend_from_slice(&drain(&mut hub, 0));
                assert_eq!(received, whole, "cut at {cut}");
            }
        }
    }
}

#[test]
fn every_cut_of_a_notice_goes_on_with_the_exact_next_byte() {
    let mut hub = hub_with(HubBounds { history_count_max: 1, ..BOUNDS });
    say(&mut hub, "a", "1");
    say(&mut hub, "a", "2");
    let mut cut = 0;
    loop {
        hub.subscribe(0, &["a"], Since::Start, WireFormat::SSE, Wrapping::Chunked).unwrap();
        let Batch::Bytes(lent) = hub.batch(0) else { panic!("nothing") };
        let (notice, mut received) = (lent.to_vec(), lent[..cut].to_vec());
        match hub.advance(0, cut) {
            Some(rest) => received.extend_from_slice(rest.bytes()),
            None => assert!(cut == 0 || cut == notice.len()),
        }
        received.extend_from_slice(&drain(&mut hub, 0));
        let (items, left) = Reader::new(WireFormat::SSE, Wrapping::Chunked).read(&received);
        assert_eq!((items, left), (vec![gap(1), message(2, "2")], 0), "cut at {cut}");
        hub.leave(0);
        if cut == notice.len() {
            break;
        }
        cut += 1;
    }
}

#[test]
fn a_heartbeat_comes_in_the_wrapping_of_its_connection() {
    let mut hub = hub();
    hub.subscribe(0, &["a"], Since::Head, WireFormat::SSE, Wrapping::Chunked).unwrap();
    hub.subscribe(1, &["a"], Since::Head, WireFormat::SSE, Wrapping::Bare).unwrap();
    hub.subscribe(2, &["a"], Since::Head, WireFormat::STREAM, Wrapping::Chunked).unwrap();
    let beat = |name| {
        let mut out = Vec::new();
        hub.write_heartbeat(name, &mut out).then_some(out)
    };
    let (chunked, bare) = (b"2\r\n:\n\r\n".to_vec(), b":\n".to_vec());
    assert_eq!([0, 1, 2, 3].map(beat), [Some(chunked), Some(bare), None, None]);
}

//! The share of one turn: however much has come, a turn does a bounded part of it, so that whoever comes next is not kept waiting.
//!
//! Called by: `world.rs`, around every call that makes the engine work.
//!
//! Next: `world.rs`.

use encke::{Counters, Limits};

/// How many connections one call may serve.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Share {
    /// The one that is ready.
    One,
    /// Of each list a share: what has expired, timers, who waits for another turn, publishers let go, a shutdown's slice; and visits.
    Turn,
}

impl Share {
    fn serves(self, limits: &Limits) -> u64 {
        match self {
            Share::One => 1,
            Share::Turn => 5 * limits.resumptions_per_turn_max as u64 + limits.visits_per_turn_max as u64,
        }
    }
}

/// What a call did beyond its share, if anything: requests begun, bytes read, batches handed over.
pub(crate) fn excess(before: &Counters, after: &Counters, limits: &Limits, share: Share) -> Option<String> {
    let serves = share.serves(limits);
    let requests = serves.saturating_mul(limits.requests_per_turn_max as u64);
    let bytes = serves.saturating_mul(limits.read_bytes_per_turn_max as u64);
    let done = [
        ("requests", after.exchanges - before.exchanges, requests),
        ("bytes read", after.bytes_in - before.bytes_in, bytes),
        ("deliveries", after.deliveries - before.deliveries, serves),
    ];
    let (what, done, most) = done.into_iter().find(|(_, done, most)| done > most)?;
    Some(format!("{share:?} did {done} {what} at once, and its share is {most}"))
}

#[test]
fn a_call_that_does_more_than_its_share_is_found_out() {
    let limits = Limits { requests_per_turn_max: 2, resumptions_per_turn_max: 1, ..Limits::default() };
    let limits = Limits { visits_per_turn_max: 3, ..limits };
    let before = Counters::default();
    let after = |exchanges, deliveries| {
        let mut after = before;
        (after.exchanges, after.deliveries) = (exchanges, deliveries);
        after
    };
    assert_eq!(excess(&before, &after(2, 1), &limits, Share::One), None);
    assert!(
        excess(&before, &after(3, 0), &limits, Share::One).is_some_and(|text| text.contains("3 requests"))
    );
    assert!(excess(&before, &after(0, 2), &limits, Share::One).is_some());
    assert_eq!(excess(&before, &after(16, 8), &limits, Share::Turn), None);
    assert!(
        excess(&before, &after(0, 9), &limits, Share::Turn).is_some_and(|text| text.contains("share is 8"))
    );
}

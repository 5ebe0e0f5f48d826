//! Histories that never happened: each oracle is shown one and has to object, and is shown an honest one and has to be silent.
//!
//! Next: `stories.rs`.

use encke::time::Instant;
use encke::{Cause, End, Limits, Stall, WriteError};

use crate::crowd::Crowd;
use crate::history::{Answer, Asked, Entry, Fact, Format, Heard, Log, Outcome, Tag};
use crate::oracle::{
    Verdict, bodies, causes, closings, completion, judge, lives, order, pollution, promptness, reads,
    stale_handles, strangers,
};

const TAG: Tag = Tag { peer: 0, request: 0 };

/// The facts of one exchange, a millisecond apart; but `End` comes with what is before it.
fn history(facts: &[Fact]) -> Vec<Entry> {
    let entry = |(at, fact): (usize, &Fact)| {
        let at = if let Fact::End(_) = fact { at.saturating_sub(1) } else { at };
        let at = Instant::from_micros(at as u64 * 1000);
        Entry { at, tag: TAG, fact: fact.clone() }
    };
    facts.iter().enumerate().map(entry).collect()
}

/// A peer that sent "body" and heard one chunked answer.
fn heard(body: &str, outcome: Outcome) -> Vec<Heard> {
    let asked = vec![Asked { method: "POST".to_owned(), body: b"body".to_vec() }];
    let answer = Answer {
        status: 200,
        tag: Some(TAG.to_string()),
        fields: " transfer-encoding: chunked".to_owned(),
        body: body.as_bytes().to_vec(),
        outcome,
        ..Answer::default()
    };
    vec![Heard { peer: 0, asked, answers: vec![answer], ..Heard::default() }]
}

fn late() -> Outcome {
    Outcome::Complete(Instant::from_micros(1_000_000))
}

fn data(text: &str) -> Fact {
    Fact::Data(text.as_bytes().to_vec())
}

fn wrote(text: &str) -> Fact {
    Fact::Wrote(text.as_bytes().to_vec())
}

const CLOSED: Fact = Fact::End(End::Closed);
const FAILED: Fact = Fact::End(End::Failed);
const STALLED: Fact = Fact::Error(Cause::Stalled(Stall::Reading));

#[track_caller]
fn objects(verdict: Verdict, word: &str) {
    let objection = verdict.expect_err("an oracle that does not object");
    assert!(objection.contains(word), "it says: {objection}");
}

#[test]
fn an_honest_history_passes() {
    let judged = |facts: &[Fact], heard: &[Heard]| {
        let log = Log { entries: history(facts), ..Log::default() };
        judge(&log, heard, &Crowd::default(), &Limits::default())
    };
    let facts =
        [Fact::Begin, data("bo"), data("dy"), wrote("=0.0.a\n"), Fact::Done, Fact::CloseAsked, CLOSED];
    assert_eq!(judged(&facts, &heard("=0.0.a\n", late())), Ok(()));
    let facts = [Fact::Begin, Fact::Error(Cause::Timeout), STALLED, FAILED];
    assert_eq!(judged(&facts, &heard("", Outcome::Broken)), Ok(()));
}

#[test]
fn the_oracle_of_lives_objects() {
    for facts in [
        vec![],
        vec![Fact::Begin],
        vec![Fact::Done, CLOSED],
        vec![Fact::Done, Fact::Begin, CLOSED],
        vec![Fact::Begin, Fact::Begin, CLOSED],
        vec![Fact::Begin, CLOSED, CLOSED],
        vec![Fact::Begin, CLOSED, Fact::Drained],
        vec![Fact::Begin, CLOSED, Fact::Timer(1)],
    ] {
        let is_nothing = facts.is_empty();
        assert_eq!(lives(&history(&facts)).is_ok(), is_nothing, "{facts:?}");
    }
}

#[test]
fn the_oracle_of_causes_objects() {
    objects(causes(&history(&[Fact::Begin, FAILED])), "nobody said why");
    objects(causes(&history(&[Fact::Begin, STALLED, STALLED, FAILED])), "behind the fatal");
    objects(
        causes(&history(&[Fact::Begin, STALLED, Fact::Error(Cause::Timeout), FAILED])),
        "behind the fatal",
    );
    objects(causes(&history(&[Fact::Begin, STALLED, CLOSED])), "behind the fatal");
    objects(causes(&history(&[Fact::Begin, STALLED, Fact::Done, FAILED])), "behind the fatal");
    assert_eq!(causes(&history(&[Fact::Begin, Fact::AbortAsked, FAILED])), Ok(()));
}

#[test]
fn the_oracle_of_closings_objects() {
    let nobody = heard("", late());
    let ended = || Fact::Ended { channel: "news".to_owned(), head: 3 };
    let hears = |channel: &str| Fact::Subscribed {
        channels: vec![channel.to_owned()],
        since: Some(3),
        at: 3,
        gap: false,
        format: Format::Stream,
        lost: Vec::new(),
    };
    objects(closings(&history(&[Fact::Begin, CLOSED]), &nobody), "nobody has asked");
    objects(closings(&history(&[Fact::Begin, ended(), hears("news"), CLOSED]), &nobody), "nobody has asked");
    objects(closings(&history(&[Fact::Begin, hears("chat"), ended(), CLOSED]), &nobody), "nobody has asked");
    assert_eq!(closings(&history(&[Fact::Begin, hears("news"), ended(), CLOSED]), &nobody), Ok(()));
    assert_eq!(closings(&history(&[Fact::Begin, Fact::CloseAsked, CLOSED]), &nobody), Ok(()));
}

#[test]
fn the_oracle_of_promptness_objects() {
    for decision in [STALLED, Fact::CloseAsked, Fact::AbortAsked] {
        let mut facts = history(&[Fact::Begin, decision, FAILED]);
        assert_eq!(promptness(&facts), Ok(()));
        facts[2].at = Instant::from_micros(9_000);
        objects(promptness(&facts), "heard so at");
    }
    let survived = [Fact::Begin, Fact::Error(Cause::Timeout), Fact::Done, CLOSED];
    assert_eq!(promptness(&history(&survived)), Ok(()), "a timeout decides nothing");
}

#[test]
fn the_oracle_of_reads_objects() {
    objects(reads(&history(&[Fact::Begin, Fact::Done, Fact::Done])), "done twice");
    objects(reads(&history(&[Fact::Begin, Fact::Done, data("x")])), "read on");
    objects(reads(&history(&[Fact::Begin, data("")])), "read nothing");
    let anew = [Fact::Begin, Fact::Done, Fact::Switched, data("x"), Fact::Done];
    assert_eq!(reads(&history(&anew)), Ok(()), "a tunnel begins anew");
    objects(reads(&history(&[Fact::Begin, Fact::Switched, Fact::Done, data("x")])), "read on");
}

#[test]
fn the_oracle_of_stale_handles_objects() {
    objects(stale_handles(&history(&[Fact::Begin, Fact::Stale(Ok(()))])), "stale handle");
    objects(stale_handles(&history(&[Fact::Stale(Err(WriteError::Full))])), "stale handle");
    assert_eq!(stale_handles(&history(&[Fact::Stale(Err(WriteError::Ended))])), Ok(()));
}

#[test]
fn the_oracle_of_bodies_objects() {
    let heard = heard("", Outcome::Open);
    objects(bodies(&history(&[Fact::Begin, data("odd")]), &heard), "did not send");
    objects(bodies(&history(&[Fact::Begin, data("body"), data("body")]), &heard), "did not send");
    objects(bodies(&history(&[Fact::Begin, data("bod"), Fact::Done]), &heard), "before all was read");
}

#[test]
fn the_oracle_of_order_objects() {
    let mut swapped = heard("", late());
    swapped[0].answers[0].tag = Some("0.1".to_owned());
    objects(order(&swapped), "says that it is");
    let mut unfinished = heard("", Outcome::Open);
    let second = unfinished[0].answers[0].clone();
    unfinished[0].answers.push(Answer { tag: None, ..second });
    objects(order(&unfinished), "behind the unfinished");
    unfinished[0].returns.push(1);
    assert_eq!(order(&unfinished), Ok(()), "on another connection it may");
    let mut nonsense = heard("", Outcome::Open);
    nonsense[0].nonsense = Some("bytes".to_owned());
    objects(order(&nonsense), "nonsense");
}

#[test]
fn the_oracle_of_pollution_objects() {
    let facts = history(&[Fact::Begin, wrote("=0.0.a\n"), CLOSED]);
    objects(pollution(&facts, &heard("=0.0.a\n=1.0.b\n", late())), "not written for it");
    objects(pollution(&facts, &heard("STRAY", Outcome::Open)), "not written for it");
    objects(pollution(&facts, &heard("=0.0", late())), "lacks bytes");
    assert_eq!(pollution(&facts, &heard("=0.0", Outcome::Broken)), Ok(()));
}

#[test]
fn the_oracle_of_strangers_objects() {
    for (status, body, is_right) in [
        (200, "", true),
        (200, "STRAY", false),
        (200, "{\"error\":\"no\"}\n", false),
        (503, "{\"error\":\"no\"}\n", true),
        (503, "{\"err", true),
        (503, "STRAY", false),
    ] {
        let mut nameless = heard(body, late());
        nameless[0].answers[0].tag = None;
        nameless[0].answers[0].status = status;
        assert_eq!(strangers(&nameless).is_ok(), is_right, "{status} {body:?}");
    }
    assert_eq!(strangers(&heard("=0.0.a\n", late())), Ok(()), "a named one is judged by its name");
}

#[test]
fn the_oracle_of_completion_objects() {
    let failed = history(&[Fact::Begin, STALLED, FAILED]);
    objects(completion(&failed, &heard("", late())), "passes for whole");
    let open = history(&[Fact::Begin]);
    objects(completion(&open, &heard("", late())), "passes for whole");
    let closed_later = history(&[Fact::Begin, Fact::Done, CLOSED]);
    objects(
        completion(&closed_later, &heard("", Outcome::Complete(Instant::from_micros(1)))),
        "passes for whole",
    );
    assert_eq!(completion(&failed, &heard("", Outcome::Broken)), Ok(()));
}

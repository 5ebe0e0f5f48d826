//! Forged histories of channels: what subscribers never should hear, and what the engine never should keep or hold.
//!
//! Next: `stories.rs`.

use encke::time::Instant;
use encke::{Cause, End, MessageId, Stall};

use crate::hearing::{channels, polls, whole_lives};
use crate::history::{Answer, Asked, Entry, Fact, Format, Heard, Lost, OUTSIDE, Outcome, Sample, Tag};
use crate::keeping::{health, keys, memory, patience};
use crate::oracle::Verdict;
use crate::record::Record;
use crate::words::{Said, Word, read};

const TAG: Tag = Tag { peer: 0, request: 0 };

fn at(millis: u64) -> Instant {
    Instant::from_micros(millis * 1000)
}

fn late() -> Outcome {
    Outcome::Complete(at(1_000))
}

#[track_caller]
fn objects(verdict: Verdict, word: &str) {
    let objection = verdict.expect_err("an oracle that does not object");
    assert!(objection.contains(word), "it says: {objection}");
}

fn entry(millis: u64, tag: Tag, fact: Fact) -> Entry {
    Entry { at: at(millis), tag, fact }
}

fn message(channel: &str, seq: u64, data: &str) -> Fact {
    let (channel, data, key) = (channel.to_owned(), data.to_owned(), String::new());
    Fact::Published { channel, seq, data, key, oldest: None }
}

/// `old` is 3, then somebody subscribes, then come `one` as 4, something else as 5, and `two` as 6.
struct Forgery {
    format: Format,
    gap: bool,
    /// What the channel had lost when the subscriber came, and later.
    lost: u64,
    trimmed: u64,
}

const HONEST: Forgery = Forgery { format: Format::Sse, gap: false, lost: 3, trimmed: 3 };

impl Forgery {
    fn entries(&self) -> Vec<Entry> {
        let channels = vec!["news".to_owned()];
        let lost: Lost = vec![("news".to_owned(), self.lost)];
        let (gap, format) = (self.gap, self.format);
        let subscribed = Fact::Subscribed { channels, since: Some(3), at: 3, gap, format, lost };
        vec![
            entry(0, OUTSIDE, message("news", 3, "old")),
            entry(1, TAG, subscribed),
            entry(2, OUTSIDE, message("news", 4, "one")),
            entry(2, OUTSIDE, message("chat", 5, "else")),
            entry(3, OUTSIDE, message("news", 6, "two")),
            entry(9, TAG, Fact::End(End::Closed)),
        ]
    }

    fn judge(&self, body: &str, outcome: Outcome, diligent: &[usize]) -> Verdict {
        let (entries, trims) = (self.entries(), [(at(4), "news".to_owned(), self.trimmed)]);
        channels(&Record::new(&entries, &trims), &[heard(0, &[(body, outcome)])], diligent)
    }
}

/// A peer that heard these bodies.
fn heard(peer: usize, bodies: &[(&str, Outcome)]) -> Heard {
    let answer = |(request, (body, outcome)): (usize, &(&str, Outcome))| Answer {
        tag: Some(Tag { peer, request }.to_string()),
        format: Some(Format::Sse),
        stands: Some(MessageId { epoch: 7, seq: 3 }),
        body: body.as_bytes().to_vec(),
        marks: vec![(body.len(), at(5))],
        outcome: *outcome,
        ..Answer::default()
    };
    let asked = bodies.iter().map(|_| Asked::default()).collect();
    Heard { peer, asked, answers: bodies.iter().enumerate().map(answer).collect(), ..Heard::default() }
}

#[test]
fn the_oracle_of_channels_objects_to_lines() {
    let forgery = Forgery { format: Format::Stream, ..HONEST };
    for (body, is_right) in [
        ("", true),
        ("one\n", true),
        ("one\n=0.0.own\ntwo\n", true),
        ("two\n", false),
        ("two\none\n", false),
        ("one\none\n", false),
        ("old\none\n", false),
        ("one\nelse\n", false),
        ("one\ntwo\nthree\n", false),
        ("=1.0.strange\n", false),
        ("o\n", false),
        ("one\ntw", false),
    ] {
        assert_eq!(forgery.judge(body, late(), &[]).is_ok(), is_right, "{body:?}");
    }
    assert_eq!(forgery.judge("one\ntw", Outcome::Broken, &[]), Ok(()), "a broken stream may break anywhere");
}

#[test]
fn the_oracle_of_channels_objects_to_events() {
    let (one, two) = ("id: 7-4\ndata: one\n\n", "id: 7-6\ndata: two\n\n");
    let gap = "id: 7-4\nevent: encke-gap\ndata: {\"gap\":true}\n\n";
    let end = "id: 7-6\nevent: encke-end\ndata: {\"end\":true}\n\n";
    let trimmed = Forgery { trimmed: 5, ..HONEST };
    let told = Forgery { gap: true, lost: 5, ..HONEST };
    for (forgery, body, is_right) in [
        (&HONEST, format!("{one}:\n{two}"), true),
        (&HONEST, two.to_owned(), false),
        (&HONEST, format!("{one}{one}"), false),
        (&HONEST, format!("{one}{gap}{one}"), false),
        (&HONEST, "id: 7-5\ndata: one\n\n".to_owned(), false),
        (&HONEST, "id: 7-4\ndata: on\n\n".to_owned(), false),
        (&HONEST, "id: 7-4\ndata: one\n".to_owned(), false),
        (&HONEST, "data one\n\n".to_owned(), false),
        (&HONEST, format!("{one}{two}{end}"), false),
        (&trimmed, format!("{gap}{two}"), true),
        (&HONEST, format!("{gap}{two}"), false),
        (&told, one.to_owned(), false),
        (&told, format!("{gap}{two}"), true),
    ] {
        assert_eq!(forgery.judge(&body, late(), &[]).is_ok(), is_right, "{body:?}");
    }
}

#[test]
fn the_oracle_of_channels_objects_to_a_message_that_never_came() {
    let forgery = Forgery { format: Format::Stream, ..HONEST };
    objects(forgery.judge("one\n", Outcome::Broken, &[0]), "never got 6");
    assert_eq!(forgery.judge("one\n", Outcome::Broken, &[1]), Ok(()), "who left early may lack some");
    assert_eq!(forgery.judge("one\ntwo\n", Outcome::Broken, &[0]), Ok(()));
}

#[test]
fn the_oracle_of_channels_objects_to_lists() {
    let one = r#"{"id":"7-4","channel":"news","event":null,"data":"one"}"#;
    let mut entries = Forgery { format: Format::Poll, ..HONEST }.entries();
    let lost = vec![("news".to_owned(), 5)];
    let took = Fact::Took { messages: 1, cursor: 4, gap: false, ended: false, lost };
    entries.insert(5, entry(8, TAG, took));
    let record = Record::new(&entries, &[]);
    for (items, cursor, gap, is_right) in [
        (one, 4, false, true),
        (one, 5, false, true),
        (one, 6, false, false),
        (one, 2, false, false),
        ("", 4, false, false),
        ("", 5, true, true),
        ("", 6, true, false),
        ("", 3, false, true),
        (&format!("{one},{one}")[..], 4, false, false),
        (&one.replace("news", "chat")[..], 4, false, false),
        ("{}", 3, false, false),
    ] {
        let body = format!(r#"{{"cursor":"7-{cursor}","messages":[{items}],"gap":{gap},"ended":false}}"#);
        let verdict = channels(&record, &[heard(0, &[(&body, late())])], &[]);
        assert_eq!(verdict.is_ok(), is_right, "{body}: {verdict:?}");
    }
}

#[test]
fn the_oracle_of_channels_objects_to_an_end_that_comes_too_early() {
    let (one, two) = ("id: 7-4\ndata: one\n\n", "id: 7-6\ndata: two\n\n");
    let end = "id: 7-6\nevent: encke-end\ndata: {\"end\":true}\n\n";
    let mut entries = HONEST.entries();
    entries.insert(5, entry(4, OUTSIDE, Fact::Ended { channel: "news".to_owned(), head: 6 }));
    let record = Record::new(&entries, &[]);
    for (body, is_right) in [
        (format!("{one}{two}{end}"), true),
        (format!("{one}{end}"), false),
        (format!("{one}{two}{end}{two}"), false),
    ] {
        assert_eq!(channels(&record, &[heard(0, &[(&body, late())])], &[]).is_ok(), is_right, "{body}");
    }
}

#[test]
fn the_oracle_of_whole_lives_objects_to_what_falls_between_two_answers() {
    let (one, two) = ("id: 7-4\ndata: one\n\n", "id: 7-6\ndata: two\n\n");
    let again = |since: u64, gap: bool| {
        let channels = vec!["news".to_owned()];
        let (format, lost) = (Format::Sse, vec![("news".to_owned(), 6)]);
        let again = Fact::Subscribed { channels, since: Some(since), at: since, gap, format, lost };
        let mut entries = HONEST.entries();
        entries.push(entry(10, Tag { peer: 0, request: 1 }, again));
        entries
    };
    let notice = "id: 7-5\nevent: encke-gap\ndata: {\"gap\":true}\n\n";
    for (first, since, gap, second, is_right) in [
        (one, 4, false, two.to_owned(), true),
        // It comes back with a number that it has never heard, and the answer is right about that.
        ("", 5, false, two.to_owned(), false),
        ("", 3, true, format!("{notice}{two}"), true),
        (one, 3, false, format!("{one}{two}"), false),
    ] {
        let entries = again(since, gap);
        let record = Record::new(&entries, &[]);
        let heard = [heard(0, &[(first, Outcome::Broken), (&second, Outcome::Open)])];
        let verdict = whole_lives(&record, &heard, &[0]);
        assert_eq!(verdict.is_ok(), is_right, "{first:?} {since} {second:?}: {verdict:?}");
    }
}

#[test]
fn the_oracle_of_polls_objects_to_one_that_waits_in_vain() {
    let mut entries = Forgery { format: Format::Poll, ..HONEST }.entries();
    assert_eq!(polls(&Record::new(&entries, &[]), &[]), Ok(()));
    entries[5].at = at(500);
    objects(polls(&Record::new(&entries, &[]), &[]), "should be answered");
    assert_eq!(polls(&Record::new(&entries, &[]), &[0]), Ok(()), "it takes its time on purpose");
    entries.truncate(2);
    entries.push(entry(3, OUTSIDE, Fact::Ended { channel: "news".to_owned(), head: 3 }));
    objects(polls(&Record::new(&entries, &[]), &[]), "should be answered");
}

#[test]
fn every_format_is_read_and_nonsense_is_objected_to() {
    let message = Word::Message { id: MessageId::parse("7-4"), channel: None, data: "a \"b\"".to_owned() };
    let id = MessageId { epoch: 7, seq: 5 };
    let body =
        "<script>F(\"a \\\"b\\\"\",\"7-4\")</script>\n\n<script>F(null,\"7-5\",\"encke-gap\")</script>\n";
    let words = read(Format::Iframe, "0.0", body.as_bytes(), true).expect("good scripts");
    assert_eq!(words.into_iter().map(|said| said.word).collect::<Vec<_>>(), [message, Word::Gap(id)]);
    let body = "{\"end\":true,\"id\":\"7-5\"}\n";
    let words = read(Format::Ndjson, "0.0", body.as_bytes(), true);
    assert_eq!(words, Ok(vec![Said { word: Word::End(id), end: body.len() }]));
    for (format, body) in [
        (Format::Iframe, "<script>F()</script>\n"),
        (Format::Iframe, "<script>F(\"a\",\"b\")</script>\n"),
        (Format::Ndjson, "{\"id\":\"7-4\"}\n"),
        (Format::Ndjson, "x\n"),
        (Format::Envelope, "id: 7-4\ndata: x\n\n"),
        (Format::Envelope, "id: 7-4\ndata: {\"id\":\"7-5\",\"channel\":\"a\",\"data\":\"b\"}\n\n"),
        (Format::Poll, "{}"),
    ] {
        assert!(read(format, "0.0", body.as_bytes(), true).is_err(), "{body:?}");
    }
}

#[test]
fn the_oracle_of_memory_objects() {
    let sample = |millis, messages, memory, is_busy| Sample {
        at: at(millis),
        messages,
        memory,
        is_busy,
        ..Sample::default()
    };
    // Its newest message is of three bytes, and may cost four thousand and twenty-four.
    let entries = HONEST.entries();
    let record = Record::new(&entries, &[]);
    let judge = |samples: &[Sample]| memory(samples, &record, 100);
    assert_eq!(judge(&[sample(9, 9, 100, false)]), Ok(()));
    objects(judge(&[sample(9, 9, 101, false)]), "more is held");
    assert_eq!(judge(&[sample(9, 1, 4_124, false)]), Ok(()), "the newest stays");
    objects(judge(&[sample(9, 1, 4_125, false)]), "more is held");
    objects(judge(&[sample(9, 2, 4_124, false)]), "more is held");
    assert_eq!(judge(&[sample(9, 9, 101, true), sample(19, 9, 100, false)]), Ok(()));
    objects(judge(&[sample(9, 9, 101, true), sample(39, 9, 102, true)]), "more is held");
}

#[test]
fn the_oracle_of_patience_objects() {
    let pressed = |millis, request| {
        let fact = Fact::Pressed { channel: "news".to_owned(), is_held: true };
        entry(millis, Tag { peer: 0, request }, fact)
    };
    let read = |millis, request| entry(millis, Tag { peer: 0, request }, Fact::Data(b"x".to_vec()));
    assert_eq!(patience(&[pressed(0, 0), read(2_550, 0)], &[0]), Ok(()));
    objects(patience(&[pressed(0, 0), read(2_570, 0)], &[0]), "was held for");
    assert_eq!(patience(&[pressed(0, 0), read(2_570, 0)], &[1]), Ok(()), "its own body was late");
    objects(patience(&[pressed(0, 0)], &[0]), "never let go");
    let often = [0, 3_000, 6_000].into_iter().zip(0..);
    let often: Vec<Entry> = often.flat_map(|(at, n)| [pressed(at, n), read(at + 2_000, n)]).collect();
    objects(patience(&often, &[0]), "of the ten seconds");
    assert_eq!(patience(&often[..4], &[0]), Ok(()));
    let mut renewed = often;
    renewed.insert(4, entry(5_500, OUTSIDE, Fact::Ended { channel: "news".to_owned(), head: 9 }));
    assert_eq!(patience(&renewed, &[0]), Ok(()), "the name is another channel's by then");
}

#[test]
fn the_oracle_of_keys_objects() {
    let (channel, key) = (|| "news".to_owned(), || "k".to_owned());
    let fresh = |seq, oldest| {
        let fact = Fact::Published { channel: channel(), seq, data: String::new(), key: key(), oldest };
        entry(seq, OUTSIDE, fact)
    };
    let again =
        |seq, oldest| entry(9, OUTSIDE, Fact::Repeated { channel: channel(), seq, key: key(), oldest });
    let ended = || entry(9, OUTSIDE, Fact::Ended { channel: channel(), head: 5 });
    assert_eq!(keys(&[fresh(3, None), again(3, Some(2))]), Ok(()));
    assert_eq!(keys(&[fresh(3, None), fresh(5, Some(4)), again(5, Some(4))]), Ok(()));
    assert_eq!(keys(&[fresh(3, None), ended(), fresh(7, Some(2))]), Ok(()));
    objects(keys(&[fresh(3, None), fresh(5, Some(3))]), "still holds");
    objects(keys(&[fresh(3, None), again(4, Some(2))]), "was told of 4");
    objects(keys(&[fresh(3, None), again(3, Some(4))]), "was told of 3");
    objects(keys(&[fresh(3, None), ended(), again(3, Some(2))]), "was told of 3");
}

#[test]
fn the_oracle_of_health_objects() {
    let (one, gap) = ("id: 7-4\ndata: one\n\n", "id: 7-5\nevent: encke-gap\ndata: {\"gap\":true}\n\n");
    let mut entries = HONEST.entries();
    assert_eq!(health(&entries, &[heard(0, &[(one, late())])], &[0]), Ok(()));
    let told = [heard(0, &[(&format!("{one}{gap}")[..], late())])];
    objects(health(&entries, &told, &[0]), "told of a gap");
    assert_eq!(health(&entries, &told, &[1]), Ok(()));
    objects(health(&Forgery { gap: true, ..HONEST }.entries(), &[], &[0]), "has missed");
    entries.push(entry(9, TAG, Fact::Error(Cause::Stalled(Stall::Reading))));
    objects(health(&entries, &[], &[0]), "was cut");
}

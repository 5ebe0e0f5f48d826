//! What subscribers hear: a run of their channel's messages without a gap, in order, each once and whole, or a word about the gap.
//!
//! Called by: `oracle::judge`. It reads the bodies of answers as a client would, line by line, and compares them with what was
//! published behind the place where the subscriber stood.
//!
//! Invariant: a line that is neither a message, a heartbeat, a notice nor the exchange's own writing is an objection.
//!
//! Next: `forged.rs`.

use encke::MessageId;

use crate::history::{Entry, Fact, Format, Heard, Outcome, Tag};
use crate::oracle::{Verdict, answers, by_exchange};

/// Something a subscriber heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A message; its number too, where the format has one.
    Message(Option<u64>, String),
    /// Messages up to this number are missing.
    Gap(u64),
}

/// Judges every answer that listened to a channel once. Peers who are `diligent` stayed and read to the end, and must have
/// heard all.
pub(crate) fn channels(entries: &[Entry], heard: &[Heard], diligent: &[usize]) -> Verdict {
    let exchanges = by_exchange(entries);
    for (tag, answer) in answers(heard) {
        let Some(facts) = exchanges.get(&tag).filter(|_| answer.tag.is_some()) else { continue };
        let subscription = facts.iter().find_map(|entry| match &entry.fact {
            Fact::Subscribed { channel, at, gap, format } => Some((channel, *at, *gap, *format)),
            _ => None,
        });
        let Some((channel, at, gap, format)) = subscription else { continue };
        let is_whole = matches!(answer.outcome, Outcome::Complete(_));
        let words = match format {
            Format::Sse => read_sse(tag, &answer.body, is_whole)?,
            Format::Stream => read_stream(tag, &answer.body, is_whole)?,
        };
        let published: Vec<(u64, &str)> = entries
            .iter()
            .filter_map(|entry| match &entry.fact {
                Fact::Published { channel: other, seq, data } if other == channel => Some((*seq, &data[..])),
                _ => None,
            })
            .collect();
        if gap && format == Format::Sse && matches!(words.first(), Some(Word::Message(..))) {
            return Err(format!("subscriber {tag} was not told of the gap before its first message"));
        }
        let heard_through = follow(tag, at, &words, &published)?;
        let behind = published.iter().find(|(seq, _)| *seq > heard_through);
        if let Some((seq, _)) = behind.filter(|_| diligent.contains(&tag.peer)) {
            return Err(format!(
                "the diligent subscriber {tag} stands at {heard_through} and never got {seq}"
            ));
        }
    }
    Ok(())
}

/// Walks a subscriber's cursor over what it heard, and says where it stands then.
fn follow(tag: Tag, at: u64, words: &[Word], published: &[(u64, &str)]) -> Result<u64, String> {
    let mut cursor = at;
    for word in words {
        match word {
            Word::Gap(seq) if *seq < cursor => {
                return Err(format!("subscriber {tag} was told of a gap behind itself"));
            }
            Word::Gap(seq) => cursor = *seq,
            Word::Message(number, data) => {
                let Some(&(seq, expected)) = published.iter().find(|(seq, _)| *seq > cursor) else {
                    return Err(format!("subscriber {tag} heard {data:?}, which nobody has published"));
                };
                if expected != data || number.is_some_and(|number| number != seq) {
                    return Err(format!("subscriber {tag} heard {word:?} and not {seq} {expected:?}"));
                }
                cursor = seq;
            }
        }
    }
    Ok(cursor)
}

/// One message a line.
fn read_stream(tag: Tag, body: &[u8], is_whole: bool) -> Result<Vec<Word>, String> {
    let lines = whole_lines(tag, body, is_whole)?;
    let others = lines.iter().filter(|line| !is_own(tag, line));
    Ok(others.map(|line| Word::Message(None, line.clone())).collect())
}

/// Server-sent events (WHATWG HTML §9.2.6), as far as the engine writes them.
fn read_sse(tag: Tag, body: &[u8], is_whole: bool) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let (mut id, mut data, mut is_gap) = (None, None::<String>, false);
    for line in whole_lines(tag, body, is_whole)? {
        if is_own(tag, &line) || line == ":" {
            continue;
        }
        if let Some(text) = line.strip_prefix("id: ") {
            id = MessageId::parse(text).map(|id| id.seq);
        } else if let Some(text) = line.strip_prefix("data: ") {
            data = Some(match data {
                None => text.to_owned(),
                Some(before) => format!("{before}\n{text}"),
            });
        } else if line == "event: encke-gap" {
            is_gap = true;
        } else if line.is_empty() {
            match (id.take(), data.take(), std::mem::take(&mut is_gap)) {
                (Some(id), _, true) => words.push(Word::Gap(id)),
                (id, Some(data), false) => words.push(Word::Message(id, data)),
                (id, data, _) => {
                    return Err(format!("subscriber {tag} heard half an event: {id:?} {data:?}"));
                }
            }
        } else {
            return Err(format!("subscriber {tag} heard the line {line:?}"));
        }
    }
    match (id, data) {
        (None, None) => Ok(words),
        _ if !is_whole => Ok(words),
        half => Err(format!("the stream of {tag} ends within an event and passes for whole: {half:?}")),
    }
}

/// Whether a line is one that this very exchange wrote itself.
fn is_own(tag: Tag, line: &str) -> bool {
    line.strip_prefix('=').and_then(|rest| rest.strip_prefix(&format!("{tag}."))).is_some()
}

/// All lines that are complete. Only a broken stream may end within one.
fn whole_lines(tag: Tag, body: &[u8], is_whole: bool) -> Result<Vec<String>, String> {
    let text = String::from_utf8_lossy(body);
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let rest = lines.pop().unwrap_or_default();
    if is_whole && !rest.is_empty() {
        return Err(format!("the stream of {tag} passes for whole and ends in half a line: {rest:?}"));
    }
    Ok(lines)
}

//! Words: what a body says to whoever understands its format, as a client would read it.
//!
//! Called by: `hearing.rs`, which judges what was said; `peer.rs`, which comes back with the last id that it heard.
//!
//! Invariant: only what is complete counts, a line or an event or a list; what is neither a message, a notice, a heartbeat nor the
//! exchange's own writing is an objection.
//!
//! Next: `hearing.rs`.

use encke::MessageId;
use serde_json::Value;

use crate::history::{Answer, Format, Outcome};

/// Something a subscriber heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// A message, with its id and its channel where the format has them.
    Message { id: Option<MessageId>, channel: Option<String>, data: String },
    /// Messages up to this id are missing.
    Gap(MessageId),
    /// A channel was ended.
    End(MessageId),
    /// A list of messages is over, and all up to this id was in it.
    Cursor(MessageId),
}

/// A word, and where in the body it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) word: Word,
    pub(crate) end: usize,
}

/// All that an answer in this format says. `tag` names the exchange, whose own lines are passed over.
pub(crate) fn read(format: Format, tag: &str, body: &[u8], is_whole: bool) -> Result<Vec<Said>, String> {
    match format {
        Format::Poll => read_list(tag, body, is_whole),
        Format::Sse | Format::Envelope => read_events(format, tag, body, is_whole),
        Format::Stream => read_lines(tag, body, is_whole, |line| Ok(Some(message(None, None, line)))),
        Format::Ndjson => read_lines(tag, body, is_whole, |line| match line {
            "" => Ok(None),
            _ => object(line).map(Some),
        }),
        Format::Iframe => read_lines(tag, body, is_whole, |line| match line {
            "" => Ok(None),
            _ => script(line).map(Some),
        }),
    }
}

/// The place behind which whoever got this answer has yet to hear everything, if the answer says so.
pub(crate) fn place(answer: &Answer) -> Option<MessageId> {
    let is_whole = matches!(answer.outcome, Outcome::Complete(_));
    let tag = answer.tag.as_deref().unwrap_or_default();
    let words = read(answer.format?, tag, &answer.body, is_whole).ok()?;
    let last = words.into_iter().rev().find_map(|said| match said.word {
        Word::Message { id, .. } => id,
        Word::Gap(id) | Word::End(id) | Word::Cursor(id) => Some(id),
    });
    last.or(answer.stands)
}

fn message(id: Option<MessageId>, channel: Option<&str>, data: &str) -> Word {
    Word::Message { id, channel: channel.map(str::to_owned), data: data.to_owned() }
}

/// One word a line, or none.
fn read_lines(
    tag: &str,
    body: &[u8],
    is_whole: bool,
    word: impl Fn(&str) -> Result<Option<Word>, String>,
) -> Result<Vec<Said>, String> {
    let mut words = Vec::new();
    for (line, end) in whole_lines(tag, body, is_whole)? {
        if !is_own(tag, &line) {
            words.extend(word(&line)?.map(|word| Said { word, end }));
        }
    }
    Ok(words)
}

/// The object that NDJSON, envelopes and lists have for a message, or a notice of NDJSON.
fn object(text: &str) -> Result<Word, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("{text:?} is no JSON: {error}"))?;
    of_object(&value).ok_or_else(|| format!("{text:?} is neither a message nor a notice"))
}

fn of_object(value: &Value) -> Option<Word> {
    let id = MessageId::parse(value["id"].as_str()?)?;
    if value["gap"] == true {
        return Some(Word::Gap(id));
    }
    if value["end"] == true {
        return Some(Word::End(id));
    }
    Some(message(Some(id), Some(value["channel"].as_str()?), value["data"].as_str()?))
}

/// A script of the forever frame.
fn script(line: &str) -> Result<Word, String> {
    let wrong = || format!("{line:?} is no call");
    let inside = line.strip_prefix("<script>F(").and_then(|rest| rest.strip_suffix(")</script>"));
    let list: Value =
        serde_json::from_str(&format!("[{}]", inside.ok_or_else(wrong)?)).map_err(|_| wrong())?;
    let id = list[1].as_str().and_then(MessageId::parse).ok_or_else(wrong)?;
    match (list[0].as_str(), list[2].as_str()) {
        (None, Some("encke-gap")) => Ok(Word::Gap(id)),
        (None, Some("encke-end")) => Ok(Word::End(id)),
        (Some(data), _) => Ok(message(Some(id), None, data)),
        _ => Err(wrong()),
    }
}

/// Server-sent events (WHATWG HTML §9.2.6), as far as the engine writes them.
fn read_events(format: Format, tag: &str, body: &[u8], is_whole: bool) -> Result<Vec<Said>, String> {
    let mut words = Vec::new();
    let (mut id, mut data, mut event) = (None, None::<String>, None::<String>);
    for (line, end) in whole_lines(tag, body, is_whole)? {
        if is_own(tag, &line) || line == ":" {
            continue;
        }
        if let Some(text) = line.strip_prefix("id: ") {
            id = MessageId::parse(text);
        } else if let Some(text) = line.strip_prefix("data: ") {
            data = Some(data.map_or_else(|| text.to_owned(), |before| format!("{before}\n{text}")));
        } else if let Some(text) = line.strip_prefix("event: ") {
            event = Some(text.to_owned());
        } else if line.is_empty() {
            let word = match (id.take(), data.take(), event.take().as_deref()) {
                (Some(id), Some(_), Some("encke-gap")) => Word::Gap(id),
                (Some(id), Some(_), Some("encke-end")) => Word::End(id),
                (Some(id), Some(data), None) if format == Format::Envelope => match object(&data)? {
                    word @ Word::Message { .. } if of_id(&word) == Some(id) => word,
                    word => return Err(format!("subscriber {tag} heard {word:?} in the event {id}")),
                },
                (id, Some(data), None) => message(id, None, &data),
                (id, data, _) => {
                    return Err(format!("subscriber {tag} heard half an event: {id:?} {data:?}"));
                }
            };
            words.push(Said { word, end });
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

fn of_id(word: &Word) -> Option<MessageId> {
    if let Word::Message { id, .. } = word { *id } else { None }
}

/// The list of a long-poll: worth nothing unless it is whole.
fn read_list(tag: &str, body: &[u8], is_whole: bool) -> Result<Vec<Said>, String> {
    if !is_whole {
        return Ok(Vec::new());
    }
    let wrong = || format!("the poll {tag} was answered {:?}", String::from_utf8_lossy(body));
    let list: Value = serde_json::from_slice(body).map_err(|_| wrong())?;
    let mut words = Vec::new();
    for item in list["messages"].as_array().ok_or_else(wrong)? {
        words.push(Said { word: of_object(item).ok_or_else(wrong)?, end: body.len() });
    }
    let cursor = list["cursor"].as_str().and_then(MessageId::parse).ok_or_else(wrong)?;
    words.push(Said { word: Word::Cursor(cursor), end: body.len() });
    Ok(words)
}

/// Whether a line is one that this very exchange wrote itself.
fn is_own(tag: &str, line: &str) -> bool {
    line.strip_prefix('=').and_then(|rest| rest.strip_prefix(tag)).is_some_and(|rest| rest.starts_with('.'))
}

/// All lines that are complete, and where each ends. Only a broken stream may end within one.
fn whole_lines(tag: &str, body: &[u8], is_whole: bool) -> Result<Vec<(String, usize)>, String> {
    let mut lines = Vec::new();
    let mut at = 0;
    while let Some(length) = body[at..].iter().position(|&byte| byte == b'\n') {
        lines.push((String::from_utf8_lossy(&body[at..at + length]).into_owned(), at + length + 1));
        at += length + 1;
    }
    if is_whole && at < body.len() {
        let rest = String::from_utf8_lossy(&body[at..]);
        return Err(format!("the stream of {tag} passes for whole and ends in half a line: {rest:?}"));
    }
    Ok(lines)
}

//! What an answer tells, whatever its mode: messages, and what else a stream has to say.
//!
//! `subscribe.rs` chooses a [`Reader`] when the head has come and feeds it the body; the sink is told.
//!
//! | answer | read by | ids | notices |
//! | --- | --- | --- | --- |
//! | `text/event-stream` | `sse.rs` | yes | events `encke-gap`, `encke-end` |
//! | `application/x-ndjson` | a JSON object a line | yes | lines with `gap` or `end` |
//! | a long-poll's list | the whole body | yes | members `gap`, `end` |
//! | anything else | as it is, or by lines | no | only in the head |
//!
//! Invariant: whoever sends other JSON than Encke does gets its lines printed as they are; nothing is dropped for being unknown.
//!
//! Next: `sink.rs`.

use std::time::Duration;

use serde_json::Value;

use super::lines::Lines;
use super::sse::{EventStream, Item};
use crate::exit::Exit;
use crate::hub::json::{Escaping, write_string};

/// Why no more of an answer is read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// There is no need.
    End(Exit),
    /// It is not what it should be.
    Unreadable(String),
}

impl Halt {
    pub(crate) fn too_large(bytes_max: usize) -> Halt {
        Halt::Unreadable(format!("sends a message of more than {bytes_max} bytes, see --max-message"))
    }
}

/// Something that was told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told<'a> {
    Message(Message<'a>),
    /// Bytes of a stream that has no messages, only lines.
    Raw(&'a [u8]),
    /// Messages are missing; the stream goes on behind this id.
    Gap(Option<&'a str>),
    /// The channel was ended.
    End(Option<&'a str>),
    /// The stream stands behind this id.
    Cursor(&'a str),
    Retry(Duration),
    Heartbeat,
}

/// A message, as much as is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    pub(crate) id: Option<&'a str>,
    pub(crate) channel: Option<&'a str>,
    pub(crate) event: Option<&'a str>,
    pub(crate) data: &'a str,
    /// The JSON that it came as, if it did.
    pub(crate) json: Option<&'a str>,
}

impl Message<'_> {
    /// Appends it as Encke's NDJSON has it.
    pub(crate) fn write_json(&self, out: &mut Vec<u8>) {
        if let Some(json) = self.json {
            return out.extend_from_slice(json.as_bytes());
        }
        for (name, value) in
            [("{\"id\":", self.id), (",\"channel\":", self.channel), (",\"event\":", self.event)]
        {
            out.extend_from_slice(name.as_bytes());
            match value {
                Some(value) => write_string(value, Escaping::Plain, out),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.extend_from_slice(b",\"data\":");
        write_string(self.data, Escaping::Plain, out);
        out.push(b'}');
    }
}

type Tell<'t> = &'t mut dyn FnMut(Told<'_>) -> Result<(), Halt>;

/// Reads a body.
#[derive(Debug)]
pub(crate) enum Reader {
    Events(EventStream),
    Objects(Lines),
    List {
        body: Vec<u8>,
        bytes_max: usize,
    },
    /// By lines, each a message.
    Lines(Lines),
    /// As it is.
    Raw,
}

impl Reader {
    /// Takes what has come.
    pub(crate) fn take(&mut self, bytes: &[u8], tell: Tell<'_>) -> Result<(), Halt> {
        match self {
            Reader::Events(events) => events.take(bytes, &mut |item| tell_item(item, tell)),
            Reader::Objects(lines) => lines.take(bytes, &mut |line| tell_object(line, tell)),
            Reader::Lines(lines) => lines.take(bytes, &mut |line| tell_line(line, tell)),
            Reader::Raw => tell(Told::Raw(bytes)),
            Reader::List { body, bytes_max } => {
                if body.len() + bytes.len() > *bytes_max {
                    return Err(Halt::too_large(*bytes_max));
                }
                body.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The body is complete.
    pub(crate) fn finish(&mut self, tell: Tell<'_>) -> Result<(), Halt> {
        match self {
            Reader::Objects(lines) => lines.finish(&mut |line| tell_object(line, tell)),
            Reader::Lines(lines) => lines.finish(&mut |line| tell_line(line, tell)),
            Reader::List { body, .. } => tell_list(body, tell),
            // A block that has no end is none.
            Reader::Events(_) | Reader::Raw => Ok(()),
        }
    }

    /// Whether what it reads has ids, so that nothing is lost between two connections.
    pub(crate) fn has_ids(&self) -> bool {
        !matches!(self, Reader::Lines(_) | Reader::Raw)
    }
}

fn tell_item(item: Item<'_>, tell: Tell<'_>) -> Result<(), Halt> {
    match item {
        Item::Comment => tell(Told::Heartbeat),
        Item::Retry(wait) => tell(Told::Retry(wait)),
        Item::Block { id, event, data } => {
            let known = Some(id).filter(|id| !id.is_empty());
            match (event, data) {
                (Some("encke-gap"), Some(_)) => tell(Told::Gap(known))?,
                (Some("encke-end"), Some(_)) => tell(Told::End(known))?,
                (event, Some(data)) => {
                    // Before it is printed: who has it need not get it again.
                    tell(Told::Cursor(id))?;
                    return tell(Told::Message(Message { id: known, event, data, ..Message::default() }));
                }
                (_, None) => {}
            }
            tell(Told::Cursor(id))
        }
    }
}

fn tell_line(line: &[u8], tell: Tell<'_>) -> Result<(), Halt> {
    tell(Told::Message(Message { data: &String::from_utf8_lossy(line), ..Message::default() }))
}

fn tell_object(line: &[u8], tell: Tell<'_>) -> Result<(), Halt> {
    if line.is_empty() {
        return tell(Told::Heartbeat);
    }
    let text = String::from_utf8_lossy(line);
    // Numbers are not looked at, and what is passed on is the text itself.
    let value = serde_json::from_str::<Value>(&text).unwrap_or(Value::Null);
    let id = value["id"].as_str();
    match (value["data"].as_str(), value["gap"].as_bool(), value["end"].as_bool()) {
        (None, Some(true), _) => tell(Told::Gap(id))?,
        (None, _, Some(true)) => tell(Told::End(id))?,
        _ => return tell_value(&value, &text, tell),
    }
    id.map_or(Ok(()), |id| tell(Told::Cursor(id)))
}

/// A message as JSON: one of Encke's, or whatever it is.
fn tell_value(value: &Value, text: &str, tell: Tell<'_>) -> Result<(), Halt> {
    let id = value["id"].as_str();
    if let Some(id) = id {
        tell(Told::Cursor(id))?;
    }
    let member = |name: &str| value[name].as_str();
    let is_one_of_ours = id.is_some() && member("data").is_some();
    tell(Told::Message(Message {
        id,
        channel: member("channel"),
        event: member("event"),
        data: member("data").filter(|_| is_one_of_ours).unwrap_or(text),
        json: Some(text),
    }))
}

fn tell_list(body: &[u8], tell: Tell<'_>) -> Result<(), Halt> {
    const NO_LIST: &str = "answers a poll with something else than {\"cursor\":…,\"messages\":[…]}";
    let answer: Value = serde_json::from_slice(body).map_err(|_| Halt::Unreadable(NO_LIST.to_owned()))?;
    let (Some(cursor), Some(messages)) = (answer["cursor"].as_str(), answer["messages"].as_array()) else {
        return Err(Halt::Unreadable(NO_LIST.to_owned()));
    };
    if answer["gap"] == true {
        // Where the list begins is not said.
        tell(Told::Gap(None))?;
    }
    for message in messages {
        let mut text = Vec::new();
        let member = |name: &str| message[name].as_str();
        match member("data") {
            Some(data) => {
                let message = Message {
                    id: member("id"),
                    channel: member("channel"),
                    event: member("event"),
                    data,
                    json: None,
                };
                message.write_json(&mut text);
            }
            None => text.extend_from_slice(message.to_string().as_bytes()),
        }
        tell_value(message, &String::from_utf8_lossy(&text), tell)?;
    }
    if messages.is_empty() {
        tell(Told::Heartbeat)?;
    }
    tell(Told::Cursor(cursor))?;
    if answer["end"] == true { tell(Told::End(Some(cursor))) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body tells, one line each.
    fn told(mut reader: Reader, body: &str) -> Result<Vec<String>, Halt> {
        let mut seen = Vec::new();
        let mut tell = |told: Told<'_>| {
            seen.push(match told {
                Told::Message(message) => {
                    let mut json = Vec::new();
                    message.write_json(&mut json);
                    format!("{} {}", message.data, String::from_utf8_lossy(&json))
                }
                other => format!("{other:?}"),
            });
            Ok(())
        };
        reader.take(body.as_bytes(), &mut tell)?;
        reader.finish(&mut tell)?;
        Ok(seen)
    }

    fn list() -> Reader {
        Reader::List { body: Vec::new(), bytes_max: 1000 }
    }

    #[test]
    fn a_message_is_the_same_in_every_mode() {
        let object = r#"{"id":"17-1","channel":"news","event":"x","data":"a\nb"}"#;
        let expected = [r#"Cursor("17-1")"#.to_owned(), format!("a\nb {object}")];
        assert_eq!(
            told(Reader::Objects(Lines::new(100)), &format!("{object}\n")).as_deref(),
            Ok(&expected[..])
        );
        let answer = format!("{{\"cursor\":\"17-1\",\"messages\":[{object}]}}");
        assert_eq!(told(list(), &answer).expect("a list")[..2], expected);
        let events = Reader::Events(EventStream::new("", 100));
        let block = "id: 17-1\nevent: x\ndata: a\ndata: b\n\n";
        assert_eq!(told(events, block).expect("a block")[1], expected[1].replace("\"news\"", "null"));
    }

    #[test]
    fn notices_are_told_in_every_mode() {
        let expected = [r#"Gap(Some("1-2"))"#, r#"Cursor("1-2")"#, r#"End(Some("1-3"))"#, r#"Cursor("1-3")"#];
        let events = Reader::Events(EventStream::new("", 100));
        let blocks = "id: 1-2\nevent: encke-gap\ndata: {\"gap\":true}\n\nid: 1-3\nevent: encke-end\ndata: {\"end\":true}\n\n";
        assert_eq!(told(events, blocks).expect("blocks"), expected);
        let lines = "{\"gap\":true,\"id\":\"1-2\"}\n{\"end\":true,\"id\":\"1-3\"}\n";
        assert_eq!(told(Reader::Objects(Lines::new(100)), lines).expect("lines"), expected);
        let answer = r#"{"cursor":"1-3","messages":[],"gap":true,"end":true}"#;
        let expected = ["Gap(None)", "Heartbeat", r#"Cursor("1-3")"#, r#"End(Some("1-3"))"#];
        assert_eq!(told(list(), answer).expect("a list"), expected);
    }

    #[test]
    fn json_of_others_is_passed_on_as_it_is() {
        for line in ["{\"n\": 1}", "{\"data\":\"x\"}", "[1,2]", "no json", "{\"id\":7,\"data\":\"x\"}"] {
            let seen = told(Reader::Objects(Lines::new(100)), &format!("{line}\r\n"));
            assert_eq!(seen, Ok(vec![format!("{line} {line}")]));
        }
    }

    #[test]
    fn an_answer_that_is_no_list_is_refused() {
        for body in ["", "[]", "{}", "{\"cursor\":1,\"messages\":[]}", "<html>"] {
            assert!(matches!(told(list(), body), Err(Halt::Unreadable(_))), "{body}");
        }
        assert!(told(list(), &"x".repeat(1001)).is_err());
    }

    #[test]
    fn a_message_without_ids_has_json_too() {
        let seen = told(Reader::Lines(Lines::new(100)), "random:7\n").expect("a line");
        assert_eq!(seen, [r#"random:7 {"id":null,"channel":null,"event":null,"data":"random:7"}"#]);
    }
}

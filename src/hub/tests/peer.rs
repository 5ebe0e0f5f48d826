//! A peer's end of the stream: reads back what was sent, by the standards and not by the encoder.

use super::super::{MessageId, WireFormat, Wrapping};
use super::EPOCH;

/// What a peer made of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Message { seq: u64, event: Option<String>, data: String },
    Gap { seq: u64 },
}

pub(super) struct Reader {
    format: WireFormat,
    wrapping: Wrapping,
}

impl Reader {
    pub(super) fn new(format: WireFormat, wrapping: Wrapping) -> Reader {
        Reader { format, wrapping }
    }

    /// All whole items, and how many bytes behind them are unfinished. A chunk has to hold exactly one item.
    #[track_caller]
    pub(super) fn read(&self, received: &[u8]) -> (Vec<Item>, usize) {
        match self.wrapping {
            Wrapping::Bare => self.items(received),
            Wrapping::Chunked => {
                let (chunks, left) = unchunk(received);
                let mut items = Vec::new();
                for chunk in chunks {
                    let (mut inside, half) = self.items(&chunk);
                    assert_eq!((inside.len(), half), (1, 0), "one chunk, one frame");
                    items.append(&mut inside);
                }
                (items, left)
            }
        }
    }

    #[track_caller]
    fn items(&self, bytes: &[u8]) -> (Vec<Item>, usize) {
        match self.format {
            WireFormat::SSE => events(bytes),
            WireFormat::SSE_ENVELOPE => {
                let (items, left) = events(bytes);
                (items.into_iter().map(opened).collect(), left)
            }
            WireFormat::NDJSON => pieces(bytes, b'\n', |line| object(&parsed(line))),
            WireFormat::IFRAME => pieces(bytes, b'\n', call),
            // Every object ends at a brace before a comma, which a text may have too: so they are read one by one.
            WireFormat::JSON => list(bytes),
            _ => panic!("a raw stream has no items to tell apart"),
        }
    }
}

/// Items that end with a byte that is in none of them.
#[track_caller]
fn pieces(bytes: &[u8], end: u8, read: impl Fn(&str) -> Item) -> (Vec<Item>, usize) {
    let whole = bytes.iter().rposition(|&byte| byte == end).map_or(0, |last| last + 1);
    let text = std::str::from_utf8(&bytes[..whole]).unwrap();
    (text.split_terminator(char::from(end)).map(read).collect(), bytes.len() - whole)
}

#[track_caller]
fn list(bytes: &[u8]) -> (Vec<Item>, usize) {
    let text = std::str::from_utf8(bytes).unwrap();
    let whole = format!("[{}]", text.strip_suffix(',').unwrap_or(text));
    let objects: Vec<serde_json::Value> = serde_json::from_str(&whole).unwrap();
    (objects.iter().map(object).collect(), 0)
}

#[track_caller]
fn parsed(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A message's object, or a notice.
#[track_caller]
fn object(object: &serde_json::Value) -> Item {
    let id = MessageId::parse(object["id"].as_str().unwrap());
    if object["gap"] == true {
        return Item::Gap { seq: id.unwrap().seq };
    }
    assert!(object["channel"].is_string() && object.as_object().unwrap().len() == 4);
    item(id, object["event"].as_str().map(str::to_owned), object["data"].as_str().unwrap().to_owned())
}

/// An event whose data is the object says everything twice.
#[track_caller]
fn opened(outside: Item) -> Item {
    let Item::Message { seq, event, data } = outside else { return outside };
    let inside = object(&parsed(&data));
    assert!(matches!(&inside, Item::Message { seq: s, event: e, .. } if (*s, e) == (seq, &event)));
    inside
}

/// `<script>F(data, id, event)</script>`
#[track_caller]
fn call(line: &str) -> Item {
    let arguments = line.strip_prefix("<script>F(").and_then(|line| line.strip_suffix(")</script>")).unwrap();
    assert!(!arguments.contains(['<', '>', '&', '\u{2028}']), "it could end the script");
    let arguments = parsed(&format!("[{arguments}]"));
    let text = |index: usize| arguments.get(index).and_then(|value| value.as_str()).map(str::to_owned);
    let id = MessageId::parse(&text(1).unwrap());
    match text(0) {
        Some(data) => item(id, text(2), data),
        None => {
            assert_eq!(text(2).as_deref(), Some("encke-gap"));
            Item::Gap { seq: id.unwrap().seq }
        }
    }
}

/// The whole chunks at the beginning of `bytes`, and how many bytes are left (RFC 9112 §7.1).
#[track_caller]
pub(super) fn unchunk(mut bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let mut chunks = Vec::new();
    while let Some(line) = bytes.windows(2).position(|pair| pair == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        let (start, end) = (line + 2, line + 2 + size);
        if bytes.len() < end + 2 {
            break;
        }
        assert_eq!(&bytes[end..end + 2], b"\r\n", "a chunk is longer than it says");
        assert!(size > 0, "the last chunk, which is not the hub's to send");
        chunks.push(bytes[start..end].to_vec());
        bytes = &bytes[end + 2..];
    }
    (chunks, bytes.len())
}

/// Reads an event stream as WHATWG HTML §9.2.6 says, in its simplest form: text, lines, fields, dispatch.
#[track_caller]
fn events(bytes: &[u8]) -> (Vec<Item>, usize) {
    // Half a character at the end belongs to the unfinished rest.
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap(),
    };
    let (mut items, mut whole) = (Vec::new(), 0);
    let (mut id, mut event, mut data) = (None, None, String::new());
    let mut at = 0;
    while let Some(length) = text[at..].find(['\r', '\n']) {
        let line = &text[at..at + length];
        at += length + if text[at + length..].starts_with("\r\n") { 2 } else { 1 };
        if line.is_empty() {
            assert!(!data.is_empty(), "a block that dispatches nothing");
            data.pop();
            items.push(item(id.take(), event.take(), std::mem::take(&mut data)));
            whole = at;
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => id = MessageId::parse(value),
            "event" => event = Some(value.to_owned()),
            "data" => data.extend([value, "\n"]),
            other => panic!("a field that the hub never sends: {other:?}"),
        }
    }
    (items, bytes.len() - whole)
}

#[track_caller]
fn item(id: Option<MessageId>, event: Option<String>, data: String) -> Item {
    let id = id.expect("every event has an id");
    assert_eq!(id.epoch, EPOCH);
    if event.as_deref() == Some("encke-gap") {
        assert_eq!(data, r#"{"gap":true}"#);
        Item::Gap { seq: id.seq }
    } else {
        Item::Message { seq: id.seq, event, data }
    }
}

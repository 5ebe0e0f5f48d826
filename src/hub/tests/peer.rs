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
        assert_eq!(self.format, WireFormat::SSE, "a raw stream has no items to tell apart");
        match self.wrapping {
            Wrapping::Bare => events(received),
            Wrapping::Chunked => {
                let (chunks, left) = unchunk(received);
                let mut items = Vec::new();
                for chunk in chunks {
                    let (mut inside, half) = events(&chunk);
                    assert_eq!((inside.len(), half), (1, 0), "one chunk, one frame");
                    items.append(&mut inside);
                }
                (items, left)
            }
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

//! How a message looks on the wire: a table of formats, and the frame that is encoded once for everybody.
//!
//! Called by: `channel.rs`, when the first subscriber of a format lacks a message; the frame is kept beside the message.
//!
//! ```text
//!   Frame   2b\r\n id: 17-4\ndata: hello\n\n \r\n
//!           └─────────── Chunked ──────────────┘     to HTTP/1.1
//!                  └────── Bare ──────┘              to HTTP/1.0, which knows no chunks: the inside of the same bytes
//! ```
//!
//! Format and framing are apart: a format is a row of [`FORMATS`], and whether its bytes go out as chunks is the connection's
//! affair. Another format is another row; nothing else in this room knows how any of them looks.
//!
//! Invariant: a frame is never empty, and each is one chunk: whoever joins chunks at frame boundaries joins a valid body.
//! Not here: which frames go to whom (`batch.rs`).
//! Next: `cursor.rs`.

use std::io::Write;
use std::ops::Range;
use std::rc::Rc;

use super::message::MessageId;
use crate::http::chunked;

/// How messages are written to a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WireFormat(u8);

impl WireFormat {
    /// Server-Sent Events (WHATWG HTML §9.2): ids, types, and a notice in the stream when messages were missed.
    pub const SSE: WireFormat = WireFormat(0);
    /// One message a line and nothing else. It has no ids and cannot say that something was missed, so a subscriber that
    /// the ring has passed is ended.
    pub const STREAM: WireFormat = WireFormat(1);

    pub(crate) fn row(self) -> &'static Format {
        &FORMATS[usize::from(self.0)]
    }
}

/// Whether the bytes of a connection go out as chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wrapping {
    /// One chunk a frame (RFC 9112 §7.1).
    Chunked,
    /// As they are, until the connection closes.
    Bare,
}

/// What an encoder is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageView<'a> {
    pub(crate) id: MessageId,
    pub(crate) event: Option<&'a str>,
    pub(crate) data: &'a str,
}

/// One way to write messages.
pub(crate) struct Format {
    /// Appends a message: at least one byte, for a frame without bytes could never be taken.
    pub(crate) encode: fn(&MessageView<'_>, &mut Vec<u8>),
    /// Appends the notice that messages are missing up to this id, and that the stream goes on behind it. Without one, a
    /// subscriber that has missed something is ended.
    pub(crate) notice: Option<fn(MessageId, &mut Vec<u8>)>,
    /// What keeps an idle stream alive without meaning anything.
    pub(crate) heartbeat: Option<Heartbeat>,
}

/// A heartbeat in both wrappings.
pub(crate) struct Heartbeat {
    bare: &'static [u8],
    chunked: &'static [u8],
}

impl Heartbeat {
    pub(crate) fn wrapped(&self, wrapping: Wrapping) -> &'static [u8] {
        match wrapping {
            Wrapping::Chunked => self.chunked,
            Wrapping::Bare => self.bare,
        }
    }
}

/// The formats by number.
static FORMATS: [Format; 2] = [
    Format {
        encode: encode_sse,
        notice: Some(notice_sse),
        // A comment without a blank line, so that it ends no event of whoever writes events in pieces.
        heartbeat: Some(Heartbeat { bare: b":\n", chunked: b"2\r\n:\n\r\n" }),
    },
    Format { encode: encode_stream, notice: None, heartbeat: None },
];

/// A message or a notice in one format: immutable, and shared by all who are owed some of it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    format: WireFormat,
    /// Where the chunk's content begins, behind its size: at most 16 digits and CRLF.
    inside: u8,
    bytes: Rc<[u8]>,
}

impl Frame {
    pub(crate) fn message(format: WireFormat, view: &MessageView<'_>, scratch: &mut Scratch) -> Frame {
        Frame::encoded(format, scratch, |out| (format.row().encode)(view, out))
    }

    /// Encodes into the scratch buffers first, because an `Rc` has to know its length when it is made.
    pub(crate) fn encoded(
        format: WireFormat,
        scratch: &mut Scratch,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Frame {
        let Scratch { content, chunk } = scratch;
        content.clear();
        chunk.clear();
        encode(content);
        debug_assert!(!content.is_empty(), "an encoder wrote nothing");
        chunked::encode(chunk, content);
        let inside = chunk.len() - content.len() - CRLF_BYTES;
        let frame = Frame { format, inside: inside as u8, bytes: Rc::from(chunk.as_slice()) };
        scratch.give_back();
        frame
    }

    pub(crate) fn format(&self) -> WireFormat {
        self.format
    }

    /// Where in the shared bytes a peer's view of them lies.
    pub(crate) fn range(&self, wrapping: Wrapping) -> Range<usize> {
        match wrapping {
            Wrapping::Chunked => 0..self.bytes.len(),
            Wrapping::Bare => usize::from(self.inside)..self.bytes.len() - CRLF_BYTES,
        }
    }

    pub(crate) fn bytes(&self, wrapping: Wrapping) -> &[u8] {
        &self.bytes[self.range(wrapping)]
    }

    /// What is left of a peer's view after `taken` bytes of it.
    pub(crate) fn rest(&self, wrapping: Wrapping, taken: usize) -> Rest {
        let Range { start, end } = self.range(wrapping);
        debug_assert!(start + taken < end, "nothing is left of this frame");
        Rest { frame: Rc::clone(&self.bytes), offset: start + taken, end }
    }
}

/// What a peer has still to get of one frame: a share of the frame, not a copy.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    /// The whole frame.
    pub(crate) frame: Rc<[u8]>,
    /// Where the next byte lies.
    pub(crate) offset: usize,
    /// Where the peer's view of the frame ends. Always above `offset` when the hub hands it out.
    pub(crate) end: usize,
}

impl Rest {
    /// The bytes to write.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.frame[self.offset..self.end]
    }
}

/// Buffers in which frames take shape; they keep a modest size between uses.
#[derive(Default)]
pub(crate) struct Scratch {
    content: Vec<u8>,
    chunk: Vec<u8>,
}

impl Scratch {
    /// What one huge message made large is not held for ever.
    fn give_back(&mut self) {
        const KEPT_BYTES_MAX: usize = 16 * 1024;
        for buffer in [&mut self.content, &mut self.chunk] {
            if buffer.capacity() > KEPT_BYTES_MAX {
                *buffer = Vec::new();
            }
        }
    }
}

const CRLF_BYTES: usize = 2;

/// `id`, `event` if there is one, and a `data` line for each line of the payload.
///
/// The payload's lines end at CR, LF and CRLF, as in the reader (WHATWG HTML §9.2.6): a CR that went out as it is would
/// end the line there, and what follows could pose as a field. An empty payload is one empty line, without which
/// the event would not be dispatched.
fn encode_sse(view: &MessageView<'_>, out: &mut Vec<u8>) {
    write_id(view.id, out);
    if let Some(event) = view.event {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.push(b'\n');
    }
    let mut left = view.data.as_bytes();
    loop {
        let line = left.iter().position(|&byte| byte == b'\n' || byte == b'\r');
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&left[..line.unwrap_or(left.len())]);
        out.push(b'\n');
        let Some(end) = line else { break };
        let line_end_bytes = if left[end..].starts_with(b"\r\n") { 2 } else { 1 };
        left = &left[end + line_end_bytes..];
    }
    out.push(b'\n');
}

fn notice_sse(id: MessageId, out: &mut Vec<u8>) {
    write_id(id, out);
    out.extend_from_slice(b"event: encke-gap\ndata: {\"gap\":true}\n\n");
}

fn write_id(id: MessageId, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = writeln!(out, "id: {id}");
}

fn encode_stream(view: &MessageView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(view.data.as_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn sse(event: Option<&str>, data: &str) -> String {
        let mut out = Vec::new();
        encode_sse(&MessageView { id: MessageId { epoch: 17, seq: 4 }, event, data }, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_line_of_a_payload_is_a_data_line() {
        for (data, lines) in [
            ("hello", "data: hello\n"),
            ("", "data: \n"),
            ("a\nb", "data: a\ndata: b\n"),
            ("a\rb", "data: a\ndata: b\n"),
            ("a\r\nb", "data: a\ndata: b\n"),
            ("a\n\rb", "data: a\ndata: \ndata: b\n"),
            ("a\r\r\nb", "data: a\ndata: \ndata: b\n"),
            ("a\n", "data: a\ndata: \n"),
            ("\r\n", "data: \ndata: \n"),
            (" a ", "data:  a \n"),
            ("naïve ☄", "data: naïve ☄\n"),
        ] {
            assert_eq!(sse(None, data), format!("id: 17-4\n{lines}\n"), "{data:?}");
        }
    }

    #[test]
    fn a_lone_cr_cannot_forge_an_event() {
        let forged = sse(None, "x\r\rid: 99-99\revent: paid\rdata: y\n\nretry: 1");
        let fields = forged.lines().filter(|line| !line.is_empty() && !line.starts_with("data: "));
        assert_eq!(fields.collect::<Vec<_>>(), ["id: 17-4"]);
        assert!(!forged.contains('\r') && forged.find("\n\n") == Some(forged.len() - 2));
    }

    #[test]
    fn an_event_has_its_type() {
        assert_eq!(sse(Some("tick"), "1"), "id: 17-4\nevent: tick\ndata: 1\n\n");
    }

    #[test]
    fn a_stream_is_payload_and_line_end() {
        let mut out = Vec::new();
        let view = MessageView { id: MessageId { epoch: 17, seq: 4 }, event: Some("tick"), data: "a\r\nb" };
        encode_stream(&view, &mut out);
        assert_eq!(out, b"a\r\nb\n");
    }

    #[test]
    fn both_views_of_a_frame_say_the_same_at_any_size() {
        let mut scratch = Scratch::default();
        for size in [0, 1, 14, 15, 16, 254, 255, 256, 4_095, 65_535, 70_000] {
            let data = "x".repeat(size);
            let view = MessageView { id: MessageId { epoch: 0, seq: 1 }, event: None, data: &data };
            let frame = Frame::message(WireFormat::STREAM, &view, &mut scratch);
            let bare = frame.bytes(Wrapping::Bare);
            assert_eq!(bare, format!("{data}\n").as_bytes());
            let chunk = [format!("{:x}\r\n", size + 1).as_bytes(), bare, b"\r\n"].concat();
            assert!(frame.bytes(Wrapping::Chunked).eq_ignore_ascii_case(&chunk));
        }
    }

    #[test]
    fn heartbeats_say_the_same_in_both_wrappings() {
        for format in &FORMATS {
            if let Some(heartbeat) = &format.heartbeat {
                let mut chunk = Vec::new();
                chunked::encode(&mut chunk, heartbeat.bare);
                assert_eq!(chunk, heartbeat.chunked);
            }
        }
    }
}

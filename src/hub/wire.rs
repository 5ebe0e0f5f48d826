//! How a message looks on the wire: a table of formats, and the frame that is encoded once for everybody.
//!
//! Called by: `channel.rs`, when the first subscriber of a format lacks a message; the frame is kept beside the message.
//!
//! ```text
//!   Frame   2b\r\n id: 17-4\ndata: hello\n\n \r\n
//!           └─────────── Chunked ──────────────┘     to HTTP/1.1
//!                  └────── Bare ──────┘              to HTTP/1.0, which knows no chunks, and into the list of a long-poll
//! ```
//!
//! Format and framing are apart: a format is a row of [`Formats`], and whether its bytes go out as chunks is the connection's
//! affair. Another format is another row, also one of an embedder's; nothing else in this room knows how any of them looks.
//!
//! Invariant: a frame is never empty, and each is one chunk: whoever joins chunks at frame boundaries joins a valid body.
//! Not here: which frames go to whom (`batch.rs`).
//! Next: `formats.rs`.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::formats::BUILT_IN;
use super::ledger::{Charge, Ledger};
use super::message::MessageId;
use crate::http::chunked;

/// How messages are written to a subscriber: a row of the engine's table, of these or of
/// [`Core::add_format`](crate::Core::add_format).
///
/// ```
/// use encke::{Event, Message, Since, WireFormat, testing};
///
/// for (format, text) in [
///     (WireFormat::SSE, "id: 1-1\ndata: Hello\n\n"),
///     (WireFormat::STREAM, "Hello\n"),
///     (WireFormat::NDJSON, "{\"id\":\"1-1\",\"channel\":\"news\",\"event\":null,\"data\":\"Hello\"}\n"),
///     (WireFormat::IFRAME, "<script>F(\"Hello\",\"1-1\")</script>\n"),
/// ] {
///     let mut server = testing::serve(|event, ctx| {
///         if let Event::Begin(_) = event {
///             let _ = ctx.subscribe(&["news"], Since::Head, format);
///             let _ = ctx.start(200, &[]);
///         }
///     });
///     let peer = server.get("/");
///     server.run(|_, core| core.publish("news", Message::new("Hello")))?;
///     assert_eq!(server.answers(peer)?[0].text(), text);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WireFormat(u8);

impl WireFormat {
    /// Server-Sent Events (WHATWG HTML §9.2): ids, types, and a notice in the stream when messages were missed.
    pub const SSE: WireFormat = WireFormat(0);
    /// One message a line and nothing else. It has no ids and cannot say that something was missed, so a subscriber that
    /// the ring has passed is ended.
    pub const STREAM: WireFormat = WireFormat(1);
    /// One JSON object a line: `{"id","channel","event","data"}`. Notices are lines too, `{"gap":true,"id":…}`.
    pub const NDJSON: WireFormat = WireFormat(2);
    /// As [`SSE`](WireFormat::SSE), with the object of [`NDJSON`](WireFormat::NDJSON) as data: for several channels in one stream.
    pub const SSE_ENVELOPE: WireFormat = WireFormat(3);
    /// `<script>F(data, id, event)</script>`, for a document whose head binds `F`: the forever frame.
    pub const IFRAME: WireFormat = WireFormat(4);
    /// The object of [`NDJSON`](WireFormat::NDJSON) and a comma: the items of a list, for answers to long-polls.
    pub const JSON: WireFormat = WireFormat(5);
    /// As [`JSON`](WireFormat::JSON), escaped so that it may stand in a script (JSONP).
    pub const JSON_SCRIPT: WireFormat = WireFormat(6);
}

/// Whether the bytes of a connection go out as chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wrapping {
    /// One chunk a frame (RFC 9112 §7.1).
    Chunked,
    /// As they are.
    Bare,
}

/// A format and a framing in the one byte that a subscriber has for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Dress(u8);

impl Dress {
    pub(crate) fn new(format: WireFormat, wrapping: Wrapping) -> Dress {
        Dress(format.0 << 1 | u8::from(wrapping == Wrapping::Bare))
    }

    pub(crate) fn format(self) -> WireFormat {
        WireFormat(self.0 >> 1)
    }

    pub(crate) fn wrapping(self) -> Wrapping {
        if self.0 & 1 == 0 { Wrapping::Chunked } else { Wrapping::Bare }
    }
}

/// What an encoder is given.
///
/// ```
/// use encke::{Format, MessageView};
///
/// /// A line for a log: its id, its type if it has one, and what it says.
/// fn line(message: &MessageView<'_>, out: &mut Vec<u8>) {
///     let kind = message.event.unwrap_or("message");
///     out.extend(format!("{} {} {kind}: {}\n", message.id, message.channel, message.data).bytes());
/// }
/// let log = Format { encode: line, notice: None, heartbeat: Some(b"\n") };
/// # let _ = log;
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MessageView<'a> {
    /// The message's id.
    pub id: MessageId,
    /// The channel that it was published to.
    pub channel: &'a str,
    /// Its type, if it has one: without control bytes.
    pub event: Option<&'a str>,
    /// Its payload: any text.
    pub data: &'a str,
}

/// Something that a stream has to say besides messages.
///
/// ```
/// use encke::{Event, Limits, Message, Since, WireFormat, testing};
///
/// let listen = testing::OnEvent(|event, ctx| {
///     if let Event::Begin(_) = event {
///         let _ = ctx.subscribe(&["news"], Since::Start, WireFormat::NDJSON);
///         let _ = ctx.start(200, &[]);
///     }
/// });
/// let mut server = testing::Server::new(listen, Limits { history_count_max: 1, ..Limits::default() });
/// for text in ["lost", "held"] {
///     server.run(|_, core| core.publish("news", Message::new(text)))?;
/// }
/// let peer = server.get("/");
/// server.run(|_, core| core.end_channel("news"));
/// let text = server.answers(peer)?[0].text().into_owned();
/// let lines: Vec<&str> = text.lines().collect();
/// assert_eq!(lines[0], r#"{"gap":true,"id":"1-1"}"#);
/// assert_eq!(lines[2], r#"{"end":true,"id":"1-2"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Messages up to the id are missing, and the stream goes on behind it.
    Gap,
    /// The channel was ended, and the stream ends here.
    End,
}

/// One way to write messages: a row of the table, see [`Core::add_format`](crate::Core::add_format).
///
/// ```
/// use encke::{Format, Notice};
///
/// // Length-prefixed messages, as a program might like them better than lines.
/// let netstrings = Format {
///     encode: |message, out| out.extend(format!("{}:{},", message.data.len(), message.data).bytes()),
///     notice: Some(|notice, id, out| {
///         let text = format!("{notice:?} {id}");
///         out.extend(format!("{}:!{text},", text.len() + 1).bytes());
///     }),
///     heartbeat: Some(b"0:,"),
/// };
/// # let _ = netstrings;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Appends a message. If it appends nothing a line feed goes out: a frame without bytes could never be taken. If it panics,
    /// everybody who needs this message in this format loses the exchange, with [`Cause::Handler`](crate::Cause::Handler).
    pub encode: fn(&MessageView<'_>, &mut Vec<u8>),
    /// Appends a notice that belongs to the place behind this id. Without one, a subscriber that has missed something is cut, and
    /// one whose channel was ended just ends.
    pub notice: Option<fn(Notice, MessageId, &mut Vec<u8>)>,
    /// What keeps an idle stream alive without meaning anything; not empty.
    pub heartbeat: Option<&'static [u8]>,
}

/// The formats by number.
pub(crate) struct Formats {
    rows: Vec<Format>,
}

impl Formats {
    /// As many as fit beside a framing into a byte.
    const COUNT_MAX: usize = 128;

    pub(crate) fn new() -> Formats {
        Formats { rows: BUILT_IN.to_vec() }
    }

    /// Adds a row, if there is room for one.
    pub(crate) fn add(&mut self, format: Format) -> Option<WireFormat> {
        if self.rows.len() >= Formats::COUNT_MAX || format.heartbeat.is_some_and(<[u8]>::is_empty) {
            return None;
        }
        self.rows.push(format);
        Some(WireFormat((self.rows.len() - 1) as u8))
    }

    pub(crate) fn knows(&self, format: WireFormat) -> bool {
        usize::from(format.0) < self.rows.len()
    }

    pub(crate) fn row(&self, format: WireFormat) -> &Format {
        &self.rows[usize::from(format.0)]
    }

    /// Whether a stream in this dress can say that something is missing.
    pub(crate) fn can_tell(&self, dress: Dress) -> bool {
        self.row(dress.format()).notice.is_some()
    }

    /// Writes what keeps a stream alive, as one chunk where there are chunks. Says whether there is such a thing.
    pub(crate) fn write_heartbeat(&self, dress: Dress, out: &mut Vec<u8>) -> bool {
        let Some(heartbeat) = self.row(dress.format()).heartbeat else { return false };
        wrap(dress.wrapping(), heartbeat, out);
        true
    }
}

/// Calls an encoder, which may be an embedder's: none if it panics.
pub(crate) fn guarded(encode: impl FnOnce()) -> Option<()> {
    catch_unwind(AssertUnwindSafe(encode)).ok()
}

/// Writes bytes of a body as the connection's framing asks for it.
pub(crate) fn wrap(wrapping: Wrapping, content: &[u8], out: &mut Vec<u8>) {
    match wrapping {
        Wrapping::Chunked => chunked::encode(out, content),
        Wrapping::Bare => out.extend_from_slice(content),
    }
}

/// A message or a notice in one format: immutable, and shared by all who are owed some of it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    format: WireFormat,
    /// Where the chunk's content begins, behind its size: at most 16 digits and CRLF.
    inside: u8,
    shared: Rc<Shared>,
}

/// The bytes of a frame, which strike themselves out of the ledger when nobody holds them any more.
#[derive(Debug)]
struct Shared {
    bytes: Box<[u8]>,
    _charge: Charge,
}

/// What a frame costs besides its bytes: two allocations, the counts, the charge, and its place in the list of its message.
const FRAME_COST: usize = 96;

impl Frame {
    // TOUR 5.3
    /// Encodes into the scratch buffers first, so that what is kept is exactly as long as it is. None if the encoder panics, which may
    /// be an embedder's: what it has written then is no message.
    pub(crate) fn encoded(
        format: WireFormat,
        scratch: &mut Scratch,
        ledger: &Ledger,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Option<Frame> {
        let Scratch { content, chunk } = scratch;
        content.clear();
        chunk.clear();
        guarded(|| encode(content))?;
        if content.is_empty() {
            content.push(b'\n');
        }
        chunked::encode(chunk, content);
        let inside = chunk.len() - content.len() - CRLF_BYTES;
        let charge = ledger.charge(chunk.len() + FRAME_COST);
        let shared = Rc::new(Shared { bytes: Box::from(chunk.as_slice()), _charge: charge });
        scratch.give_back();
        Some(Frame { format, inside: inside as u8, shared })
    }

    pub(crate) fn format(&self) -> WireFormat {
        self.format
    }

    /// Where in the shared bytes a peer's view of them lies.
    pub(crate) fn range(&self, wrapping: Wrapping) -> Range<usize> {
        match wrapping {
            Wrapping::Chunked => 0..self.shared.bytes.len(),
            Wrapping::Bare => usize::from(self.inside)..self.shared.bytes.len() - CRLF_BYTES,
        }
    }

    pub(crate) fn bytes(&self, wrapping: Wrapping) -> &[u8] {
        &self.shared.bytes[self.range(wrapping)]
    }

    /// What is left of a peer's view after `taken` bytes of it.
    pub(crate) fn rest(&self, wrapping: Wrapping, taken: usize) -> Rest {
        let Range { start, end } = self.range(wrapping);
        debug_assert!(start + taken < end, "nothing is left of this frame");
        Rest { shared: Rc::clone(&self.shared), offset: start + taken, end }
    }
}

/// What a peer has still to get of one frame: a share of the frame, not a copy.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    /// The whole frame.
    shared: Rc<Shared>,
    /// Where the next byte lies.
    offset: usize,
    /// Where the peer's view of the frame ends. Always above `offset` when the hub hands it out.
    end: usize,
}

impl Rest {
    /// The bytes to write.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.shared.bytes[self.offset..self.end]
    }

    /// Notes that the peer took some more.
    pub(crate) fn take(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.end - self.offset, "more taken than given");
        self.offset += bytes;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_views_of_a_frame_say_the_same_at_any_size() {
        let (mut scratch, ledger) = (Scratch::default(), Ledger::default());
        for size in [0, 1, 14, 15, 16, 254, 255, 256, 4_095, 65_535, 70_000] {
            let data = "x".repeat(size);
            let frame = Frame::encoded(WireFormat::STREAM, &mut scratch, &ledger, |out| {
                out.extend_from_slice(data.as_bytes());
                out.push(b'\n');
            })
            .expect("nothing panics");
            let bare = frame.bytes(Wrapping::Bare);
            assert_eq!(bare, format!("{data}\n").as_bytes());
            let chunk = [format!("{:x}\r\n", size + 1).as_bytes(), bare, b"\r\n"].concat();
            assert!(frame.bytes(Wrapping::Chunked).eq_ignore_ascii_case(&chunk));
        }
        assert_eq!(ledger.held(), 0, "who drops a frame strikes it out");
    }

    #[test]
    fn a_rest_keeps_its_frame_in_the_ledger() {
        let (mut scratch, ledger) = (Scratch::default(), Ledger::default());
        let frame = Frame::encoded(WireFormat::STREAM, &mut scratch, &ledger, |out| out.extend(b"hello\n"))
            .expect("nothing panics");
        let mut rest = frame.rest(Wrapping::Bare, 2);
        drop(frame);
        assert_eq!(rest.bytes(), b"llo\n");
        rest.take(1);
        assert_eq!(rest.bytes(), b"lo\n");
        assert!(ledger.held() > 6);
        drop(rest);
        assert_eq!(ledger.held(), 0);
    }

    #[test]
    fn heartbeats_are_chunks_where_there_are_chunks() {
        let formats = Formats::new();
        let mut out = Vec::new();
        assert!(formats.write_heartbeat(Dress::new(WireFormat::SSE, Wrapping::Chunked), &mut out));
        assert!(formats.write_heartbeat(Dress::new(WireFormat::NDJSON, Wrapping::Bare), &mut out));
        assert!(!formats.write_heartbeat(Dress::new(WireFormat::STREAM, Wrapping::Bare), &mut out));
        assert_eq!(out, b"2\r\n:\n\r\n\n");
    }

    #[test]
    fn a_dress_is_a_format_and_a_framing() {
        for number in 0..Formats::COUNT_MAX as u8 {
            for wrapping in [Wrapping::Chunked, Wrapping::Bare] {
                let dress = Dress::new(WireFormat(number), wrapping);
                assert_eq!((dress.format(), dress.wrapping()), (WireFormat(number), wrapping));
            }
        }
    }

    #[test]
    fn the_table_has_room_for_an_embedders_rows_and_an_end() {
        let mut formats = Formats::new();
        let row = *formats.row(WireFormat::NDJSON);
        let added = formats.add(row).unwrap();
        assert!(formats.knows(added) && added != WireFormat::NDJSON);
        assert!(formats.add(Format { heartbeat: Some(b""), ..row }).is_none());
        while formats.add(row).is_some() {}
        assert_eq!(formats.rows.len(), Formats::COUNT_MAX);
    }
}

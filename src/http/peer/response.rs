//! Reads responses, strictly.
//!
//! ```text
//!   expect("GET") ─► read() ─► Informational* ─► Head ─► Data* ─► Done ─┐
//!        ▲                                         └─ 101 ─► Data*, raw │  until the connection ends
//!        └──────────────────────────────────────────────────────────────┘
//! ```
//!
//! What always holds: how a body ends is decided by the table of RFC 9112 §6.3 and nothing else; an end that comes too
//! early is [`PeerError::Truncated`] and never passes for a complete answer; how the bytes were cut does not matter.
//!
//! Next: `tests/codec.rs`.

use std::collections::VecDeque;
use std::{fmt, mem};

use crate::error::Refusal;
use crate::http::framing::{Framing, Seen, parse_length};
use crate::http::{BodyReader, HeadBounds, HeadScan, Part, Version, allows_body};
use crate::limits::FIELDS_MAX;

/// A response's head may be larger than a request's: it was asked for.
const BOUNDS: HeadBounds = HeadBounds { bytes_max: 64 * 1024, fields_max: FIELDS_MAX };

/// Reads the responses that come over one connection.
///
/// ```
/// use encke::http::peer::{Piece, ResponseReader};
///
/// let mut reader = ResponseReader::new();
/// reader.expect("GET");
/// let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
/// let (consumed, piece) = reader.read(wire)?;
/// assert!(matches!(piece, Piece::Head(head) if head.status == 200));
/// assert_eq!(reader.read(&wire[consumed..])?, (2, Piece::Data(b"ok")));
/// assert_eq!((reader.read(b"")?, reader.expected()), ((0, Piece::Done), 0));
/// assert_eq!(reader.end_of_input()?, Piece::More);
/// # Ok::<(), encke::http::peer::PeerError>(())
/// ```
#[derive(Debug, Default)]
pub struct ResponseReader {
    /// The methods of requests that are not answered yet, oldest first.
    expected: VecDeque<Method>,
    /// What has come of a head that is not complete.
    partial: Vec<u8>,
    state: State,
}

/// What matters about the method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Head,
    Other,
}

#[derive(Debug, Default)]
enum State {
    /// A head comes next, or is half read.
    #[default]
    Between,
    /// A half-read head, looked at so far.
    Head(HeadScan),
    Body(BodyReader),
    /// Everything that comes, until the connection ends: a body without framing, or a tunnel.
    UntilEnd,
    /// What came was refused, and nothing behind it can be trusted.
    Failed(PeerError),
}

/// What [`ResponseReader::read`] found.
///
/// ```
/// use encke::http::peer::{PeerError, Piece, ResponseReader};
///
/// /// The body of the one response on a wire that ends behind it.
/// fn body(mut wire: &[u8]) -> Result<Vec<u8>, PeerError> {
///     let (mut reader, mut body) = (ResponseReader::new(), Vec::new());
///     reader.expect("GET");
///     loop {
///         let (used, piece) = reader.read(wire)?;
///         wire = &wire[used..];
///         match piece {
///             Piece::Informational(_) | Piece::Head(_) => {}
///             Piece::Data(bytes) => body.extend_from_slice(bytes),
///             Piece::Done => return Ok(body),
///             Piece::More => return reader.end_of_input().map(|_| body),
///         }
///     }
/// }
/// assert_eq!(body(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")?, b"ok");
/// assert_eq!(body(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")?, b"until the end");
/// # Ok::<(), PeerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'b> {
    /// A head with a status of 100 or 102 to 199. The response itself is still to come.
    Informational(ResponseHead),
    /// The head of the response. `Done` follows, also if there is no body.
    Head(ResponseHead),
    /// Bytes of the body, never empty; behind a 101, raw bytes.
    Data(&'b [u8]),
    /// The response is complete.
    Done,
    /// All of the input is consumed.
    More,
}

/// The head of a response.
///
/// ```
/// use encke::http::peer::{Piece, ResponseReader};
///
/// let mut reader = ResponseReader::new();
/// reader.expect("GET");
/// let wire = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n";
/// let (_, Piece::Head(head)) = reader.read(wire)? else { panic!("a head") };
/// assert_eq!((head.status, head.field("content-type")), (200, Some(&b"text/plain"[..])));
/// assert!(!head.keeps_alive());
/// # Ok::<(), encke::http::peer::PeerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The status, 100 to 999.
    pub status: u16,
    /// The version in the status line.
    pub version: Version,
    /// All fields in their order.
    pub fields: Vec<(String, Vec<u8>)>,
}

/// What is wrong with a server's bytes.
///
/// ```
/// use encke::http::peer::{PeerError, ResponseReader};
///
/// let mut reader = ResponseReader::new();
/// assert_eq!(reader.read(b"HTTP/1.1 200 OK\r\n"), Err(PeerError::Unasked));
///
/// let mut reader = ResponseReader::new();
/// reader.expect("GET");
/// assert_eq!(reader.end_of_input(), Err(PeerError::Unanswered));
/// reader.read(b"HTTP/1.1 200 OK\r\nContent-Len")?;
/// assert_eq!(reader.end_of_input(), Err(PeerError::Truncated));
/// # Ok::<(), PeerError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerError {
    /// They are not HTTP/1.1, or can be understood in two ways. The reader is of no further use.
    Malformed(&'static str),
    /// The connection ended inside a head or a body.
    Truncated,
    /// The connection ended between two responses, and at least one is still expected.
    Unanswered,
    /// Bytes came that no request has asked for.
    Unasked,
}

impl ResponseReader {
    /// A reader at the beginning of a connection.
    #[must_use]
    pub fn new() -> ResponseReader {
        ResponseReader::default()
    }

    /// A request with this method was sent: one more response will come.
    ///
    /// ```
    /// use encke::http::peer::{Piece, ResponseReader};
    ///
    /// // The same bytes are a whole answer to one question, and the beginning of an answer to another.
    /// let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
    /// for (method, next) in [("HEAD", Piece::Done), ("GET", Piece::More)] {
    ///     let mut reader = ResponseReader::new();
    ///     reader.expect(method);
    ///     reader.read(wire)?;
    ///     assert_eq!(reader.read(b"")?, (0, next));
    /// }
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    pub fn expect(&mut self, request_method: &str) {
        self.expected.push_back(if request_method == "HEAD" { Method::Head } else { Method::Other });
    }

    /// How many responses are not complete.
    #[must_use]
    pub fn expected(&self) -> usize {
        self.expected.len()
    }

    /// Takes some of `input`: how many bytes of it are consumed, and what they were. Call again with the rest until it
    /// says `More`. An empty input is welcome, and needed to hear that an empty body is `Done`.
    ///
    /// ```
    /// use encke::http::peer::{Piece, ResponseReader};
    ///
    /// let mut reader = ResponseReader::new();
    /// reader.expect("GET");
    /// // A head in two parts, and a body behind it.
    /// assert_eq!(reader.read(b"HTTP/1.1 200 OK\r\nContent-")?.1, Piece::More);
    /// assert!(matches!(reader.read(b"Length: 2\r\n\r\n")?, (13, Piece::Head(_))));
    /// assert_eq!(reader.read(b"ok")?, (2, Piece::Data(b"ok")));
    /// assert_eq!((reader.read(b"")?, reader.expected()), ((0, Piece::Done), 0));
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    ///
    /// # Errors
    /// [`PeerError::Malformed`] and [`PeerError::Unasked`]. Called again, it says the same.
    pub fn read<'b>(&mut self, input: &'b [u8]) -> Result<(usize, Piece<'b>), PeerError> {
        let read = self.take(input);
        if let Err(error) = read {
            self.state = State::Failed(error);
        }
        read
    }

    fn take<'b>(&mut self, input: &'b [u8]) -> Result<(usize, Piece<'b>), PeerError> {
        match &mut self.state {
            State::Failed(error) => Err(*error),
            State::UntilEnd if input.is_empty() => Ok((0, Piece::More)),
            State::UntilEnd => Ok((input.len(), Piece::Data(input))),
            State::Body(body) => {
                let (consumed, part) = body.next(input)?;
                let piece = match part {
                    Part::Data(data) => Piece::Data(data),
                    Part::More => Piece::More,
                    Part::Done => {
                        self.expected.pop_front();
                        self.state = State::Between;
                        Piece::Done
                    }
                };
                Ok((consumed, piece))
            }
            State::Between | State::Head(_) if input.is_empty() => Ok((0, Piece::More)),
            State::Between if self.expected.is_empty() => Err(PeerError::Unasked),
            // The scan passes over blank lines, which are tolerated before a request and nowhere else (RFC 9112 §2.2).
            State::Between if input[0] != b'H' => {
                Err(PeerError::Malformed("bytes where a status line should be"))
            }
            State::Between => self.read_head(HeadScan::default(), input),
            State::Head(scan) => {
                let scan = *scan;
                self.read_head(scan, input)
            }
        }
    }

    /// The connection has ended: what that means for what was being read. `Done` completes a body without framing or a
    /// tunnel; `More` says that nothing was being read.
    ///
    /// ```
    /// use encke::http::peer::{PeerError, Piece, ResponseReader};
    ///
    /// // A response without framing ends where the connection does…
    /// let mut reader = ResponseReader::new();
    /// reader.expect("GET");
    /// reader.read(b"HTTP/1.1 200 OK\r\n\r\n")?;
    /// assert_eq!(reader.end_of_input()?, Piece::Done);
    ///
    /// // …and one with a length must not.
    /// let mut reader = ResponseReader::new();
    /// reader.expect("GET");
    /// reader.read(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")?;
    /// assert_eq!(reader.end_of_input(), Err(PeerError::Truncated));
    /// # Ok::<(), PeerError>(())
    /// ```
    ///
    /// # Errors
    /// [`PeerError::Truncated`] and [`PeerError::Unanswered`]; behind an error of `read`, that error.
    pub fn end_of_input(&mut self) -> Result<Piece<'static>, PeerError> {
        match &self.state {
            State::Between if self.expected.is_empty() => Ok(Piece::More),
            State::Between => Err(PeerError::Unanswered),
            State::UntilEnd => {
                self.state = State::Between;
                self.expected.pop_front();
                Ok(Piece::Done)
            }
            State::Body(body) if body.is_done() => {
                self.state = State::Between;
                self.expected.pop_front();
                Ok(Piece::Done)
            }
            State::Head(_) | State::Body(_) => Err(PeerError::Truncated),
            State::Failed(error) => Err(*error),
        }
    }

    fn read_head<'b>(&mut self, mut scan: HeadScan, input: &[u8]) -> Result<(usize, Piece<'b>), PeerError> {
        // Taken out and mostly not put back: a reader that waits for a body for hours should hold no buffer for heads.
        let mut partial = mem::take(&mut self.partial);
        let known = partial.len();
        let bytes = if known == 0 {
            input
        } else {
            // More than the bound is never looked at, so it need not be kept either.
            partial.extend_from_slice(&input[..input.len().min(BOUNDS.bytes_max)]);
            &partial
        };
        let Some(end) = scan.advance_any(bytes, &BOUNDS)? else {
            if known == 0 {
                partial.extend_from_slice(input);
            }
            self.partial = partial;
            self.state = State::Head(scan);
            return Ok((input.len(), Piece::More));
        };
        let head = ResponseHead::parse(&bytes[..end])?;
        let method = self.expected.front().copied().unwrap_or(Method::Other);
        let body = head.body(method)?;
        let piece = if head.is_informational() { Piece::Informational(head) } else { Piece::Head(head) };
        self.state = match body {
            Body::NotYet => State::Between,
            Body::Framed(framing) => State::Body(BodyReader::new(framing)),
            Body::UntilEnd => State::UntilEnd,
        };
        Ok((end - known, piece))
    }
}

/// What follows a response's head.
enum Body {
    /// The response itself: this was only informational.
    NotYet,
    Framed(Framing),
    UntilEnd,
}

impl ResponseHead {
    /// The value of the first field of this name, whatever its case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }

    /// Whether the server keeps the connection open behind this response.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        let lists = |option: &[u8]| {
            self.fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("Connection")).any(
                |(_, value)| {
                    value
                        .split(|&byte| byte == b',')
                        .any(|other| other.trim_ascii().eq_ignore_ascii_case(option))
                },
            )
        };
        !lists(b"close") && (self.version == Version::Http11 || lists(b"keep-alive"))
    }

    fn is_informational(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    fn parse(head: &[u8]) -> Result<ResponseHead, PeerError> {
        let line_end = head.windows(2).position(|pair| pair == b"\r\n").ok_or(PeerError::Truncated)?;
        let [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ (b'0' | b'1'), b' ', status @ ..] =
            &head[..line_end]
        else {
            return Err(PeerError::Malformed("a malformed status line"));
        };
        // The blank behind the status is there even if there are no words (RFC 9112 §4).
        let [hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9', b' ', ..] = status else {
            return Err(PeerError::Malformed("a malformed status"));
        };
        let status = [hundreds, tens, ones].iter().fold(0, |sum, &digit| 10 * sum + u16::from(digit - b'0'));
        let version = if *minor == b'0' { Version::Http10 } else { Version::Http11 };
        let mut space = [httparse::EMPTY_HEADER; FIELDS_MAX];
        let Ok(httparse::Status::Complete((_, fields))) =
            httparse::parse_headers(&head[line_end + 2..], &mut space)
        else {
            return Err(PeerError::Malformed("malformed fields"));
        };
        let fields = fields.iter().map(|field| (field.name.to_owned(), field.value.to_vec())).collect();
        Ok(ResponseHead { status, version, fields })
    }

    /// RFC 9112 §6.3, read by somebody who wants to find fault.
    fn body(&self, method: Method) -> Result<Body, PeerError> {
        let only = |name: &str| {
            let named = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
            named.fold(Seen::Never, |seen, (_, value)| seen.and(value))
        };
        let framing = match (only("Transfer-Encoding"), only("Content-Length")) {
            (Seen::Never, Seen::Never) => None,
            (Seen::Never, Seen::Once(value)) => Some(Framing::Length(parse_length(value)?)),
            (Seen::Once(coding), Seen::Never) if coding.eq_ignore_ascii_case(b"chunked") => {
                Some(Framing::Chunked)
            }
            _ => return Err(PeerError::Malformed("a framing that can be understood in two ways")),
        };
        if framing == Some(Framing::Chunked) && self.version == Version::Http10 {
            return Err(PeerError::Malformed("chunks in an HTTP/1.0 response"));
        }
        match self.status {
            100..200 | 204 if framing.is_some() => {
                Err(PeerError::Malformed("a framing where no body can be"))
            }
            101 => Ok(Body::UntilEnd),
            100..200 => Ok(Body::NotYet),
            status if !allows_body(status) || method == Method::Head => Ok(Body::Framed(Framing::None)),
            _ => Ok(framing.map_or(Body::UntilEnd, Body::Framed)),
        }
    }
}

impl From<Refusal> for PeerError {
    fn from(refusal: Refusal) -> PeerError {
        PeerError::Malformed(refusal.why)
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PeerError::Malformed(why) => why,
            PeerError::Truncated => "the connection ended inside a response",
            PeerError::Unanswered => "the connection ended before the response",
            PeerError::Unasked => "a response that no request has asked for",
        })
    }
}

impl std::error::Error for PeerError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipelined_answers_are_told_apart_by_their_requests() {
        let mut reader = ResponseReader::new();
        reader.expect("HEAD");
        reader.expect("GET");
        let wire =
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        let (head, piece) = reader.read(wire).unwrap();
        assert!(matches!(piece, Piece::Head(_)));
        assert_eq!(reader.read(&wire[head..]), Ok((0, Piece::Done)), "a HEAD has no body");
        assert_eq!(reader.expected(), 1);
        let (second, _) = reader.read(&wire[head..]).unwrap();
        assert_eq!(reader.read(&wire[head + second..]), Ok((2, Piece::Data(b"ok"))));
        assert_eq!((reader.read(b""), reader.expected()), (Ok((0, Piece::Done)), 0));
    }

    #[test]
    fn a_head_without_an_end_is_given_up_at_its_bound() {
        let mut reader = ResponseReader::new();
        reader.expect("GET");
        assert!(matches!(reader.read(b"HTTP/1.1 200 OK\r\nX: "), Ok((_, Piece::More))));
        let flood = vec![b'x'; 2 * BOUNDS.bytes_max];
        assert!(matches!(reader.read(&flood), Err(PeerError::Malformed(_))));
    }

    #[test]
    fn an_error_stands_whatever_comes_behind() {
        const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        for wire in [&b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"[..], b"HTTP/1.1 20 OK\r\n\r\n", b"x"] {
            for at in 0..wire.len() {
                let mut reader = ResponseReader::new();
                reader.expect("GET");
                assert_eq!(reader.read(&wire[..at]), Ok((at, Piece::More)));
                let error = reader.read(&wire[at..]).unwrap_err();
                for behind in [&b""[..], b"\r\n", GOOD] {
                    assert_eq!(reader.read(behind), Err(error), "cut at {at}: {}", wire.escape_ascii());
                }
                assert_eq!(reader.end_of_input(), Err(error));
            }
        }
    }

    #[test]
    fn no_buffer_is_kept_behind_a_head() {
        let mut wire = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec();
        let end = wire.len();
        wire.resize(BOUNDS.bytes_max, b'x');
        for cut in [0, 20] {
            let mut reader = ResponseReader::new();
            reader.expect("GET");
            assert_eq!(reader.read(&wire[..cut]), Ok((cut, Piece::More)));
            let (consumed, piece) = reader.read(&wire[cut..]).unwrap();
            assert!(matches!(piece, Piece::Head(_)));
            assert_eq!((cut + consumed, reader.partial.capacity()), (end, 0));
        }
    }

    #[test]
    fn options_of_a_connection_are_a_list() {
        let head = |value: &str| ResponseHead {
            status: 200,
            version: Version::Http11,
            fields: vec![("connection".to_owned(), value.as_bytes().to_vec())],
        };
        assert!(head("keep-alive").keeps_alive() && head("closed").keeps_alive());
        assert!(!head("upgrade,\tClose").keeps_alive());
        assert!(!ResponseHead { version: Version::Http10, ..head("upgrade") }.keeps_alive());
        assert!(ResponseHead { version: Version::Http10, ..head("Keep-Alive") }.keeps_alive());
    }
}

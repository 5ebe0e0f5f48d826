//! Where a head ends, and every byte that may not be in one.
//!
//! `engine/` calls [`HeadScan`] whenever bytes have come; `chunked.rs` uses [`FieldScan`] for trailers, `peer/` reads
//! responses' heads.
//!
//! ```text
//!   ┌─CRLF─┐                          ┌──────────── CRLF ────────────┐
//!   ▼      │                          ▼                              │
//!   Before ┴─ graphic ─► First ─CRLF─► Start ─ token ─► Name ─ ':' ─► Value
//!                        (the line)   │
//!                                     └─ CRLF ─► the end
//! ```
//!
//! What always holds: each byte is looked at once, whatever the number of calls; the verdict falls at the first byte
//! that decides it, so it is the same however the bytes were cut; a head is never longer than its bound, also one that
//! came whole.
//!
//! An LF alone, a CR alone, a folded line, a blank before the colon and NUL are refused although RFC 9112 (§2.2, §5.1,
//! §5.2) lets a server repair some of them: who repairs reads something else than who does not, and between the two a
//! request is smuggled.
//!
//! Next: `head.rs`.

use super::line::RequestLine;
use crate::error::Refusal;

/// How large a request's head may be.
///
/// ```
/// use encke::http::{HeadBounds, HeadScan};
///
/// let bounds = HeadBounds { bytes_max: 64, fields_max: 1 };
/// let refused = |wire: &[u8]| HeadScan::default().advance(wire, &bounds).map_err(|refusal| refusal.status);
/// assert_eq!(refused(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Ok(Some(27)));
/// assert_eq!(refused(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: b\r\n\r\n"), Err(431), "a field too many");
/// assert_eq!(refused(&[b'x'; 64]), Err(414), "a line without an end");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadBounds {
    /// Bytes from the first one, blank lines before the request line included, to the end of the blank line behind the
    /// fields.
    pub bytes_max: usize,
    /// Fields; more than 100 count as 100.
    pub fields_max: usize,
}

/// Finds the end of a request's head, over as many reads as it takes.
///
/// ```
/// use encke::http::{HeadBounds, HeadScan};
///
/// let bounds = HeadBounds { bytes_max: 64, fields_max: 8 };
/// let wire = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next";
///
/// let mut scan = HeadScan::default();
/// assert_eq!(scan.advance(&wire[..20], &bounds), Ok(None));
/// assert_eq!(scan.advance(wire, &bounds), Ok(Some(27)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadScan {
    /// Bytes that were looked at and are in order.
    at: u32,
    place: Place,
}

/// Which part of a head comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Nothing but blank lines has come (RFC 9112 §2.2 asks that they are passed over).
    #[default]
    Before,
    /// The LF of such a blank line.
    BeforeFeed,
    /// The request line.
    First,
    /// The LF of the request line.
    FirstFeed,
    /// The fields and the blank line behind them.
    Fields(FieldScan),
    /// The head is complete.
    End,
}

impl HeadScan {
    // TOUR 3.1
    /// Looks at what is new in `bytes`, which begins with the same first byte of the message at every call and only
    /// grows.
    ///
    /// `Some(end)`: the head is `bytes[..end]`, the blank line included. `None`: more bytes are needed.
    ///
    /// ```
    /// use encke::http::{HeadBounds, HeadScan};
    ///
    /// let bounds = HeadBounds { bytes_max: 1024, fields_max: 8 };
    /// let (mut scan, mut came) = (HeadScan::default(), Vec::new());
    /// for piece in [&b"GET / HT"[..], b"TP/1.1\r\nHost: a\r", b"\n\r\nbehind it"] {
    ///     came.extend_from_slice(piece);
    ///     // What was looked at before is not looked at again.
    ///     if let Some(end) = scan.advance(&came, &bounds)? {
    ///         assert_eq!(&came[end..], b"behind it");
    ///     }
    /// }
    /// # Ok::<(), encke::Refusal>(())
    /// ```
    ///
    /// A request line that has come is judged at once, and before what stands behind it: whoever speaks another protocol should not have
    /// to say the rest of a head to be told so.
    ///
    /// # Errors
    /// 400 at the first byte that cannot be in a head. What [`parse_head`](super::parse_head) says of the request line. As soon as `bytes_max` bytes are there without an end: 414 if
    /// they do not even hold the whole request line, else 431. 431 at the first byte of a field too many. Called again,
    /// it says the same.
    pub fn advance(&mut self, bytes: &[u8], bounds: &HeadBounds) -> Result<Option<usize>, Refusal> {
        let before = *self;
        let verdict = self.advance_any(bytes, bounds);
        let line_is_new = before.is_before_fields() && !self.is_before_fields();
        if line_is_new
            && !matches!(verdict, Ok(Some(_)))
            && let Err(refusal) = RequestLine::parse(without_blank_lines(bytes))
        {
            *self = before;
            return Err(refusal);
        }
        verdict
    }

    /// Whether some of the first line is to come.
    fn is_before_fields(&self) -> bool {
        !matches!(self.place, Place::Fields(_) | Place::End)
    }

    /// The same for a head with any first line, such as a response's.
    pub(super) fn advance_any(
        &mut self,
        bytes: &[u8],
        bounds: &HeadBounds,
    ) -> Result<Option<usize>, Refusal> {
        let bytes_max = bounds.bytes_max.min(u32::MAX as usize);
        let bytes = &bytes[..bytes.len().min(bytes_max)];
        while let Some(rest) = bytes.get(self.at as usize..).filter(|rest| !rest.is_empty()) {
            self.at += match self.place {
                // A copy: a refusal leaves the scan where it was, and so is repeated.
                Place::Fields(mut fields) => {
                    let end = fields.advance(rest, bounds.fields_max)?;
                    self.place = if end.is_some() { Place::End } else { Place::Fields(fields) };
                    end.unwrap_or(rest.len()) as u32
                }
                Place::End => break,
                _ => self.first_line(rest)?,
            };
        }
        match self.place {
            Place::End => Ok(Some(self.at as usize)),
            _ if bytes.len() < bytes_max => Ok(None),
            Place::First | Place::FirstFeed => Err(Refusal::new(414, "the request line is too long")),
            _ => Err(Refusal::new(431, "the head is too large")),
        }
    }

    /// Takes some of `rest`, which is not empty and begins before the fields; tells how much.
    fn first_line(&mut self, rest: &[u8]) -> Result<u32, Refusal> {
        let mut taken = 1;
        self.place = match (self.place, rest[0]) {
            (Place::Before, b'\r') => Place::BeforeFeed,
            (Place::BeforeFeed, b'\n') => Place::Before,
            (Place::Before, b' ') => return Err(Refusal::new(400, "a blank before the request line")),
            (Place::Before, byte) if is(byte, LINE) => Place::First,
            (Place::First, _) => {
                taken = run(rest, LINE);
                match rest.get(taken) {
                    None => Place::First,
                    Some(b'\r') => {
                        taken += 1;
                        Place::FirstFeed
                    }
                    Some(&byte) => return Err(stray(byte)),
                }
            }
            (Place::FirstFeed, b'\n') => Place::Fields(FieldScan::default()),
            (Place::BeforeFeed | Place::FirstFeed, _) => return Err(LONE_CR),
            (_, byte) => return Err(stray(byte)),
        };
        Ok(taken as u32)
    }
}

/// A head from its first line on (RFC 9112 §2.2 has blank lines before it passed over).
pub(super) fn without_blank_lines(mut head: &[u8]) -> &[u8] {
    while let Some(rest) = head.strip_prefix(b"\r\n") {
        head = rest;
    }
    head
}

/// Lines of fields up to the blank line that ends them: the second part of a head, and the trailers of a chunked body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldScan {
    fields: u16,
    line: Line,
}

/// Where in a line of a field the next byte belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Start,
    Name,
    Value,
    /// The LF behind a field.
    Feed,
    /// The LF of the blank line.
    LastFeed,
}

impl FieldScan {
    /// Looks at `bytes`, which begins where the last call stopped. `Some(end)`: the blank line ends before `bytes[end]`.
    /// `None`: all of `bytes` is in order, and the end has not come.
    pub(super) fn advance(&mut self, bytes: &[u8], fields_max: usize) -> Result<Option<usize>, Refusal> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match (self.line, byte) {
                (Line::Name, _) => {
                    at += run(&bytes[at..], NAME);
                    match bytes.get(at) {
                        None => break,
                        Some(b':') => self.line = Line::Value,
                        Some(&byte) => return Err(stray_in_name(byte)),
                    }
                }
                (Line::Value, _) => {
                    at += run(&bytes[at..], VALUE);
                    match bytes.get(at) {
                        None => break,
                        Some(b'\r') => self.line = Line::Feed,
                        Some(&byte) => return Err(stray(byte)),
                    }
                }
                (Line::Feed, b'\n') => self.line = Line::Start,
                (Line::LastFeed, b'\n') => return Ok(Some(at + 1)),
                (Line::Start, b'\r') => self.line = Line::LastFeed,
                (Line::Start, byte) => self.begin(byte, fields_max)?,
                (Line::Feed | Line::LastFeed, _) => return Err(LONE_CR),
            }
            at += 1;
        }
        Ok(None)
    }

    /// The first byte of a field.
    fn begin(&mut self, byte: u8, fields_max: usize) -> Result<(), Refusal> {
        match byte {
            b' ' | b'\t' => return Err(Refusal::new(400, "a folded line, or a blank before a field name")),
            b':' => return Err(Refusal::new(400, "a field without a name")),
            byte if !is(byte, NAME) => return Err(stray_in_name(byte)),
            _ => {}
        }
        if usize::from(self.fields) >= fields_max.min(usize::from(u16::MAX)) {
            return Err(Refusal::new(431, "too many fields"));
        }
        self.fields += 1;
        self.line = Line::Name;
        Ok(())
    }
}

const LONE_CR: Refusal = Refusal::new(400, "a carriage return without a line feed");

/// Why `byte` may not stand in a request line or a value.
fn stray(byte: u8) -> Refusal {
    Refusal::new(
        400,
        match byte {
            b'\n' => "a line feed without a carriage return",
            0 => "a NUL byte in the head",
            0x80.. => "a byte outside ASCII in the request line",
            _ => "a control byte in the head",
        },
    )
}

/// Why `byte` may not stand in a field name.
fn stray_in_name(byte: u8) -> Refusal {
    match byte {
        b' ' | b'\t' => Refusal::new(400, "a blank before the colon of a field"),
        b'\r' => Refusal::new(400, "a field line without a colon"),
        b'\n' | 0 => stray(byte),
        _ => Refusal::new(400, "a byte that cannot be in a field name"),
    }
}

/// Whether `byte` may be in a token (RFC 9110 §5.6.2).
pub(super) fn is_token_byte(byte: u8) -> bool {
    is(byte, NAME)
}

/// Whether `text` is a token: not empty, and nothing but its bytes.
pub(super) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && run(text, NAME) == text.len()
}

/// Whether `text` may be a field's value (RFC 9110 §5.5): no control byte but the tab.
pub(super) fn is_value(text: &[u8]) -> bool {
    run(text, VALUE) == text.len()
}

/// Bytes of a request line: blank and visible ASCII.
const LINE: u8 = 1;
/// Bytes of a token.
const NAME: u8 = 2;
/// Bytes of a field's value: tab, blank, visible ASCII and everything above.
const VALUE: u8 = 4;

/// Bytes of a target's path but the percent sign: RFC 3986 §3.3, and `[`, `]`, `^` and `|`, which browsers send as they are.
const PATH: u8 = 8;
/// Bytes of its query but the percent sign: RFC 3986 §3.4, and what browsers send there as it is, which is all but quotes and angle
/// brackets.
const QUERY: u8 = 16;

/// How many bytes at the front of `text` may be in a target's path as they are.
pub(super) fn path_run(text: &[u8]) -> usize {
    run(text, PATH)
}

/// How many bytes at the front of `text` may be in a target's query as they are.
pub(super) fn query_run(text: &[u8]) -> usize {
    run(text, QUERY)
}

fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

/// How many bytes at the front of `bytes` belong to `class`.
///
/// Eight at a time as long as all eight belong: without a branch for each byte it takes two thirds of the time.
#[inline]
fn run(bytes: &[u8], class: u8) -> usize {
    let (eights, _) = bytes.as_chunks::<8>();
    let all =
        |eight: &&[u8; 8]| eight.iter().fold(class, |left, &byte| left & CLASSES[usize::from(byte)]) != 0;
    let at = 8 * eights.iter().take_while(all).count();
    let rest = &bytes[at..];
    at + rest.iter().position(|&byte| !is(byte, class)).unwrap_or(rest.len())
}

/// For each byte, the classes that it belongs to.
static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'\t' | 0x80..=0xFF => VALUE,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => LINE | NAME | VALUE | PATH | QUERY,
            b'!' | b'$' | b'&' | b'\'' | b'*' | b'+' => LINE | NAME | VALUE | PATH | QUERY,
            b'-' | b'.' | b'^' | b'_' | b'|' | b'~' => LINE | NAME | VALUE | PATH | QUERY,
            b'`' => LINE | NAME | VALUE | QUERY,
            b'#' | b'%' => LINE | NAME | VALUE,
            b'(' | b')' | b',' | b'/' | b':' | b';' | b'=' | b'@' | b'[' | b']' => {
                LINE | VALUE | PATH | QUERY
            }
            b'?' | b'\\' | b'{' | b'}' => LINE | VALUE | QUERY,
            b' '..=b'~' => LINE | VALUE,
            _ => 0,
        };
        byte += 1;
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: HeadBounds = HeadBounds { bytes_max: 1024, fields_max: 100 };

    #[test]
    fn classes_are_those_of_the_rfcs() {
        for byte in 0..=255_u8 {
            assert_eq!(is(byte, LINE), (b' '..=b'~').contains(&byte), "{byte}");
            let delimiter = br#"(),/:;<=>?@[\]{}""#.contains(&byte);
            assert_eq!(is_token_byte(byte), byte.is_ascii_graphic() && !delimiter, "{byte}");
            assert_eq!(is(byte, VALUE), byte == b'\t' || (byte >= b' ' && byte != 0x7F), "{byte}");
            let pchar = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
            assert_eq!(is(byte, PATH), pchar || b"/[]^|".contains(&byte), "{byte}");
            assert_eq!(is(byte, QUERY), pchar || b"/?[]^|\\`{}".contains(&byte), "{byte}");
        }
    }

    #[test]
    fn runs_end_at_the_first_stranger_wherever_it_stands() {
        for length in 0..40 {
            assert_eq!(run(&vec![b'a'; length], NAME), length);
            for at in 0..length {
                let mut bytes = vec![b'a'; length];
                bytes[at] = b'\r';
                assert_eq!(run(&bytes, VALUE), at);
            }
        }
    }

    #[test]
    fn a_scan_takes_eight_bytes_of_a_connection() {
        assert_eq!(size_of::<HeadScan>(), 8);
    }

    #[test]
    fn a_scan_looks_at_each_byte_once() {
        let wire = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut scan = HeadScan::default();
        for end in 1..wire.len() {
            assert_eq!(scan.advance(&wire[..end], &BOUNDS), Ok(None));
            assert_eq!(scan.at as usize, end, "all that came was looked at");
        }
        assert_eq!(scan.advance(wire, &BOUNDS), Ok(Some(wire.len())));
    }

    #[test]
    fn a_refusal_is_repeated_and_falls_at_the_first_byte_that_earns_it() {
        for (wire, at) in
            [(&b"GET /\n"[..], 5), (b"GET / HTTP/1.1\r\n X: a", 16), (b"GET / HTTP/1.1\r\nX\r", 17)]
        {
            let mut scan = HeadScan::default();
            assert_eq!(scan.advance(&wire[..at], &BOUNDS), Ok(None));
            let refusal = scan.advance(&wire[..at + 1], &BOUNDS).unwrap_err();
            assert_eq!(scan.advance(wire, &BOUNDS), Err(refusal));
        }
    }

    #[test]
    fn a_line_is_judged_when_it_is_whole_and_before_what_follows() {
        for (wire, status) in [
            ("GET /\r\n", 400),
            ("\r\nGET / HTTP/2.0\r\n", 505),
            ("BREW / HTTP/1.1\r\nX : a\r\n", 501),
            ("G@T / HTTP/1.1\r\n\n", 400),
        ] {
            let line = wire.find("/1.1\r\n").map_or(wire.len(), |at| at + 6);
            let mut scan = HeadScan::default();
            assert_eq!(scan.advance(&wire.as_bytes()[..line - 1], &BOUNDS), Ok(None), "{wire:?}");
            for end in [line, wire.len()] {
                let refused =
                    scan.advance(&wire.as_bytes()[..end], &BOUNDS).map_err(|refusal| refusal.status);
                assert_eq!(refused, Err(status), "{wire:?}");
            }
        }
        let mut scan = HeadScan::default();
        assert_eq!(scan.advance(b"GET / HTTP/1.1\r\n", &BOUNDS), Ok(None));
    }

    #[test]
    fn a_refusal_is_repeated_however_much_came_with_what_earned_it() {
        for wire in
            [&b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"[..], b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"]
        {
            for at in 0..wire.len() {
                let mut scan = HeadScan::default();
                let front = scan.advance(&wire[..at], &BOUNDS);
                let refusal = scan.advance(wire, &BOUNDS).unwrap_err();
                assert_eq!(scan.advance(wire, &BOUNDS), Err(refusal), "cut at {at}");
                assert!(front == Ok(None) || front == Err(refusal));
            }
        }
    }

    #[test]
    fn bytes_that_shrank_are_borne() {
        let mut scan = HeadScan::default();
        assert_eq!(scan.advance(b"GET / HTTP", &BOUNDS), Ok(None));
        assert_eq!(scan.advance(b"GET", &BOUNDS), Ok(None));
    }
}

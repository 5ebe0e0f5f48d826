//! The chunked coding (RFC 9112 §7.1), both ways.
//!
//! `hub/` encodes each message once as a chunk, `engine/` what handlers write; [`BodyReader`](super::BodyReader) decodes.
//!
//! ```text
//!   ┌───────────────────────────── CRLF ───────────────────────────────┐
//!   ▼                                                                  │
//!   Size ─┬─────────────────► CRLF ─┬─ size > 0 ─► Data ───────────────┘
//!         └─ ';' ─► Extension ──┘   └─ size = 0 ─► Trailers ─ blank line ─► Done
//! ```
//!
//! What always holds: the decoder takes the grammar of the RFC and not a byte more. A line ends in CRLF; a size is
//! hex digits of a number below 2^64; an extension is a token, or a token and a token or quoted string; a trailer is
//! a field. Extensions and trailers are checked, bounded and thrown away. Each byte decides by itself, so how the bytes
//! were cut does not matter.
//!
//! Absent on purpose: telling anybody what an extension or a trailer said. Merging trailers into the fields is how a
//! `Content-Length` would come in by the back door (RFC 9110 §6.5.1).
//!
//! Next: `response.rs`.

use super::body::Part;
use super::scan::{FieldScan, is_token_byte};
use crate::error::Refusal;

/// The last chunk, without trailers: the end of a chunked body.
pub const LAST: &[u8] = b"0\r\n\r\n";

/// Appends `payload` as one chunk. An empty payload appends nothing, for an empty chunk would be the last.
///
/// ```
/// let mut out = Vec::new();
/// encke::http::chunked::encode(&mut out, b"hello, world\n");
/// assert_eq!(out, b"d\r\nhello, world\n\r\n");
/// ```
pub fn encode(out: &mut Vec<u8>, payload: &[u8]) {
    if payload.is_empty() {
        return;
    }
    out.reserve(encoded_len(payload.len()));
    encode_prefix(out, payload.len());
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// Appends what stands before the payload of a chunk of `payload_len` bytes, which is not zero: the size and CRLF.
///
/// ```
/// // A large payload need not be copied to be sent as a chunk: it goes between these two.
/// let (payload, mut prefix) = ("hello, world\n", Vec::new());
/// encke::http::chunked::encode_prefix(&mut prefix, payload.len());
/// assert_eq!([&prefix[..], payload.as_bytes(), b"\r\n"].concat(), b"d\r\nhello, world\n\r\n");
/// ```
pub fn encode_prefix(out: &mut Vec<u8>, payload_len: usize) {
    debug_assert!(payload_len > 0, "an empty chunk is the last one");
    let digits = hex_digits(payload_len);
    for place in (0..digits).rev() {
        out.push(b"0123456789abcdef"[payload_len >> (4 * place) & 0xF]);
    }
    out.extend_from_slice(b"\r\n");
}

/// How many bytes stand before the payload of a chunk of `payload_len` bytes: the size and CRLF.
///
/// ```
/// use encke::http::chunked;
///
/// assert_eq!(chunked::prefix_len(255), "ff\r\n".len());
/// ```
#[must_use]
pub const fn prefix_len(payload_len: usize) -> usize {
    hex_digits(payload_len) + 2
}

/// How many bytes [`encode`] appends for a payload of `payload_len` bytes.
///
/// ```
/// use encke::http::chunked;
///
/// let mut out = Vec::with_capacity(chunked::encoded_len(13));
/// chunked::encode(&mut out, b"hello, world\n");
/// assert_eq!(out.len(), out.capacity());
/// ```
#[must_use]
pub const fn encoded_len(payload_len: usize) -> usize {
    if payload_len == 0 { 0 } else { prefix_len(payload_len) + payload_len + 2 }
}

const fn hex_digits(number: usize) -> usize {
    let bits = usize::BITS - number.leading_zeros();
    if bits == 0 { 1 } else { bits.div_ceil(4) as usize }
}

/// Digits of a chunk's size that are free: as many as 64 bits have. What more there are can only be zeros before it.
const SIZE_DIGITS_MAX: u8 = 16;

/// How many bytes of extensions (or of needless zeros) a body may be ahead of its data: an extension that is paid for by data costs no more
/// than that data. Without this, a peer could feed megabytes that no bound on the body ever counts.
const EXTENSION_DEBT_MAX: u16 = 1024;

/// Bytes of all trailers together, the blank line included.
const TRAILER_BYTES_MAX: u16 = 8 * 1024;

/// Trailers of a body.
const TRAILERS_MAX: usize = 100;

/// Takes chunks apart. Used through `BodyReader`.
#[derive(Debug, Default)]
pub(super) struct ChunkReader {
    /// While a size is read: its value so far. Afterwards: bytes of the chunk that are still to come.
    left: u64,
    /// Bytes of extensions that no data has paid for.
    debt: u16,
    /// Bytes of trailers.
    trailer_bytes: u16,
    state: State,
}

// TOUR 3.4
/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A size of which so many digits have come.
    Size(u8),
    Extension(Extension),
    /// The LF behind a size.
    SizeFeed,
    /// A chunk of which at least one byte is to come.
    Data,
    /// The CR behind a chunk's data.
    DataReturn,
    /// The LF behind a chunk's data.
    DataFeed,
    Trailers(FieldScan),
}

impl Default for State {
    fn default() -> State {
        State::Size(0)
    }
}

/// What the next byte of a chunk's extensions belongs to: `*( BWS ";" BWS name [ BWS "=" BWS value ] )`, RFC 9112
/// §7.1.1. The blanks are bad manners, but a recipient has to bear them (RFC 9110 §5.6.3); behind the last extension
/// the grammar has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    /// A blank came where an extension may follow: only a semicolon can.
    Semicolon,
    /// A semicolon came: blanks, then a name.
    BeforeName,
    Name,
    /// A blank behind a name: an equals sign or a semicolon follows.
    AfterName,
    /// An equals sign came: blanks, then a value.
    BeforeValue,
    Token,
    Quoted,
    /// The byte behind a backslash.
    Escaped,
    /// The closing quote came.
    AfterQuoted,
}

impl ChunkReader {
    /// As [`BodyReader::next`](super::BodyReader::next).
    pub(super) fn next<'b>(&mut self, input: &'b [u8]) -> Result<(usize, Part<'b>), Refusal> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match self.state {
                State::Data => {
                    let rest = &input[at..];
                    let taken = usize::try_from(self.left).map_or(rest.len(), |left| left.min(rest.len()));
                    self.left -= taken as u64;
                    if self.left == 0 {
                        self.state = State::DataReturn;
                    }
                    return Ok((at + taken, Part::Data(&rest[..taken])));
                }
                State::Trailers(fields) => {
                    return Ok(match self.trailers(fields, &input[at..])? {
                        Some(end) => (at + end, Part::Done),
                        None => (input.len(), Part::More),
                    });
                }
                _ => {
                    self.state = self.step(byte)?;
                    at += 1;
                }
            }
        }
        Ok((at, Part::More))
    }

    /// Bytes of the current chunk's data that are still to come.
    pub(super) fn certain(&self) -> u64 {
        if self.state == State::Data { self.left } else { 0 }
    }

    /// The state behind one byte of framing.
    fn step(&mut self, byte: u8) -> Result<State, Refusal> {
        match (self.state, byte) {
            (State::Size(digits), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == SIZE_DIGITS_MAX {
                    if self.left >> 60 != 0 {
                        return Err(Refusal::new(400, "a chunk size beyond all numbers"));
                    }
                    // Zeros before a size are part of the grammar and say nothing, as extensions do.
                    self.lend_to_framing()?;
                }
                self.left = self.left << 4 | u64::from((byte as char).to_digit(16).unwrap_or(0));
                Ok(State::Size(SIZE_DIGITS_MAX.min(digits + 1)))
            }
            (State::Size(0), _) => Err(Refusal::new(400, "a chunk without a size")),
            (State::Size(_), b'\r') => Ok(State::SizeFeed),
            (State::Size(_), b';' | b' ' | b'\t') => self.extension(Extension::Semicolon, byte),
            (State::Size(_), _) => Err(Refusal::new(400, "a chunk size that is not hexadecimal digits")),
            (State::Extension(Extension::Name | Extension::Token | Extension::AfterQuoted), b'\r') => {
                Ok(State::SizeFeed)
            }
            (State::Extension(place), _) => self.extension(place, byte),
            (State::SizeFeed, b'\n') if self.left == 0 => Ok(State::Trailers(FieldScan::default())),
            (State::SizeFeed, b'\n') => {
                self.debt = self.debt.saturating_sub(u16::try_from(self.left).unwrap_or(u16::MAX));
                Ok(State::Data)
            }
            (State::DataReturn, b'\r') => Ok(State::DataFeed),
            (State::DataFeed, b'\n') => Ok(State::Size(0)),
            (State::DataReturn, _) => Err(Refusal::new(400, "a chunk longer than its size")),
            _ => Err(Refusal::new(400, "a carriage return without a line feed in the chunked coding")),
        }
    }

    /// One more byte that means nothing.
    fn lend_to_framing(&mut self) -> Result<(), Refusal> {
        if self.debt == EXTENSION_DEBT_MAX {
            return Err(Refusal::new(400, "chunk extensions that outweigh the data"));
        }
        self.debt += 1;
        Ok(())
    }

    /// The state behind one byte of an extension that is not the line's end.
    fn extension(&mut self, place: Extension, byte: u8) -> Result<State, Refusal> {
        use Extension::*;
        self.lend_to_framing()?;
        Ok(State::Extension(match (place, byte) {
            (Semicolon | Name | AfterName | Token | AfterQuoted, b';') => BeforeName,
            (Semicolon | Token | AfterQuoted, b' ' | b'\t') => Semicolon,
            (BeforeName, b' ' | b'\t') => BeforeName,
            (BeforeName | Name, byte) if is_token_byte(byte) => Name,
            (Name | AfterName, b' ' | b'\t') => AfterName,
            (Name | AfterName, b'=') => BeforeValue,
            (BeforeValue, b' ' | b'\t') => BeforeValue,
            (BeforeValue, b'"') => Quoted,
            (BeforeValue | Token, byte) if is_token_byte(byte) => Token,
            (Quoted, b'"') => AfterQuoted,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, b'\t' | b' '..=b'~' | 0x80..) => Quoted,
            _ => return Err(Refusal::new(400, "a malformed chunk extension")),
        }))
    }

    /// Takes trailers; `Some(end)` if the blank line behind them has come.
    fn trailers(&mut self, mut fields: FieldScan, input: &[u8]) -> Result<Option<usize>, Refusal> {
        let room = usize::from(TRAILER_BYTES_MAX - self.trailer_bytes);
        let seen = &input[..input.len().min(room)];
        let end = fields.advance(seen, TRAILERS_MAX)?;
        self.trailer_bytes += seen.len() as u16;
        self.state = State::Trailers(fields);
        if end.is_none() && self.trailer_bytes == TRAILER_BYTES_MAX {
            return Err(Refusal::new(431, "the trailers are too large"));
        }
        Ok(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{BodyReader, Framing};

    #[test]
    fn chunks_are_as_long_as_foretold() {
        for length in [1, 9, 15, 16, 255, 256, 4095, 4096, 65_536] {
            let payload = vec![b'x'; length];
            let mut out = b"before".to_vec();
            encode(&mut out, &payload);
            let chunk = &out[6..];
            assert_eq!(chunk.len(), encoded_len(length));
            assert_eq!(&chunk[..prefix_len(length)], format!("{length:x}\r\n").as_bytes());
            assert_eq!(&chunk[prefix_len(length)..], [&payload[..], b"\r\n"].concat());
        }
        assert_eq!(prefix_len(usize::MAX), 16 + 2);
    }

    #[test]
    fn an_empty_payload_never_becomes_the_last_chunk() {
        let mut out = Vec::new();
        encode(&mut out, b"");
        assert_eq!((out.len(), encoded_len(0)), (0, 0));
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        let payloads: [&[u8]; 4] = [b"a", b"", b"\r\n0\r\n\r\n", &[b'x'; 5000]];
        let mut wire = Vec::new();
        payloads.iter().for_each(|payload| encode(&mut wire, payload));
        wire.extend_from_slice(LAST);
        let mut body = BodyReader::new(Framing::Chunked);
        let (mut at, mut joined) = (0, Vec::new());
        while let (consumed, Part::Data(data)) = body.next(&wire[at..]).expect("well-formed") {
            joined.extend_from_slice(data);
            at += consumed;
        }
        assert_eq!(joined, payloads.concat());
        assert!(body.is_done());
    }

    /// The grammar of extensions, walked: after these openings, exactly these bytes may come next.
    #[test]
    fn each_place_of_an_extension_takes_its_own_bytes_and_no_others() {
        let token = |byte: u8| is_token_byte(byte);
        let blank = |byte: u8| byte == b' ' || byte == b'\t';
        let quotable = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7F);
        type May = Box<dyn Fn(u8) -> bool>;
        let rows: [(&[u8], May); 10] = [
            (b"1", Box::new(move |b| b.is_ascii_hexdigit() || blank(b) || b == b';' || b == b'\r')),
            (b"1 ", Box::new(move |b| blank(b) || b == b';')),
            (b"1;", Box::new(move |b| blank(b) || token(b))),
            (b"1;a", Box::new(move |b| token(b) || blank(b) || b == b'=' || b == b';' || b == b'\r')),
            (b"1;a ", Box::new(move |b| blank(b) || b == b'=' || b == b';')),
            (b"1;a=", Box::new(move |b| blank(b) || token(b) || b == b'"')),
            (b"1;a=b", Box::new(move |b| token(b) || blank(b) || b == b';' || b == b'\r')),
            (b"1;a=\"", Box::new(quotable)),
            (b"1;a=\"\\", Box::new(quotable)),
            (b"1;a=\"b\"", Box::new(move |b| blank(b) || b == b';' || b == b'\r')),
        ];
        for (opening, may) in rows {
            for byte in 0..=255 {
                let mut body = BodyReader::new(Framing::Chunked);
                assert!(body.next(opening).is_ok());
                let taken = body.next(&[byte]).is_ok();
                assert_eq!(taken, may(byte), "{} then {byte:#04x}", opening.escape_ascii());
            }
        }
    }
}

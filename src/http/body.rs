//! A request's body: its own bytes, out of whichever framing.
//!
//! `engine/` makes one [`BodyReader`] for every head and feeds it what comes; `peer/` uses it for responses.
//!
//! ```text
//!   input ─► next() ─► (consumed, Data)     again, with input[consumed..]
//!                      (consumed, More)     all of it is consumed: come back with what comes next
//!                      (consumed, Done)     input[consumed..] belongs to the next message
//! ```
//!
//! What always holds: nothing has to be kept by the caller, the reader remembers half a chunk's size by itself; the
//! data joined together, or the refusal, are the same however the bytes were cut.
//!
//! Next: `chunked.rs`.

use super::chunked::ChunkReader;
use super::framing::Framing;
use crate::error::Refusal;

/// Takes the framing off a body, piece by piece.
///
/// ```
/// use encke::http::{BodyReader, Framing, Part};
///
/// let mut body = BodyReader::new(Framing::Chunked);
/// assert_eq!(body.next(b"5\r\nhel")?, (6, Part::Data(b"hel")));
/// assert_eq!(body.certain(), 2);
/// assert_eq!(body.next(b"lo\r\n0\r\n")?, (2, Part::Data(b"lo")));
/// assert_eq!(body.next(b"\r\n0\r\n")?, (5, Part::More));
/// assert_eq!(body.next(b"\r\nGET /")?, (2, Part::Done));
/// assert!(body.is_done());
/// # Ok::<(), encke::Refusal>(())
/// ```
#[derive(Debug)]
pub struct BodyReader {
    state: State,
}

#[derive(Debug)]
enum State {
    /// So many bytes are still to come, at least one.
    Length(u64),
    Chunked(ChunkReader),
    Done,
}

/// What one call of [`BodyReader::next`] found.
///
/// ```
/// use encke::Refusal;
/// use encke::http::{BodyReader, Framing, Part};
///
/// /// The whole of a body, and where the next message begins.
/// fn whole(framing: Framing, wire: &[u8]) -> Result<(Vec<u8>, usize), Refusal> {
///     let (mut body, mut at, mut reader) = (Vec::new(), 0, BodyReader::new(framing));
///     loop {
///         let (used, part) = reader.next(&wire[at..])?;
///         at += used;
///         match part {
///             Part::Data(bytes) => body.extend_from_slice(bytes),
///             Part::Done => return Ok((body, at)),
///             Part::More => return Err(Refusal::new(400, "the body is not complete")),
///         }
///     }
/// }
/// assert_eq!(whole(Framing::Chunked, b"2\r\nHe\r\n3\r\nllo\r\n0\r\n\r\nGET")?, (b"Hello".to_vec(), 20));
/// # Ok::<(), Refusal>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'b> {
    /// Bytes of the body, lent from the input; never empty.
    Data(&'b [u8]),
    /// The body is complete. What was not consumed belongs to the next message.
    Done,
    /// All of the input is consumed, and the body is not complete.
    More,
}

impl BodyReader {
    /// A reader for the body that follows a head with this framing.
    #[must_use]
    pub fn new(framing: Framing) -> BodyReader {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(ChunkReader::default()),
        };
        BodyReader { state }
    }

    /// Takes some of `input`: how many bytes of it are consumed, and what they were.
    ///
    /// Call again with the rest until it says `More` or `Done`. An empty input is welcome: a body that is empty is
    /// `Done` at once. After `Done` it says `Done` for ever, and consumes nothing.
    ///
    /// ```
    /// use encke::http::{BodyReader, Framing, Part};
    ///
    /// let mut body = BodyReader::new(Framing::Length(5));
    /// assert_eq!(body.next(b"hel")?, (3, Part::Data(b"hel")));
    /// assert_eq!(body.next(b"")?, (0, Part::More));
    /// assert_eq!(body.next(b"loGET / HTTP/1.1")?, (2, Part::Data(b"lo")), "the rest is the next request");
    /// assert_eq!(body.next(b"GET / HTTP/1.1")?, (0, Part::Done));
    ///
    /// let mut body = BodyReader::new(Framing::Chunked);
    /// assert_eq!(body.next(b"five\r\n").map_err(|refusal| refusal.status), Err(400));
    /// # Ok::<(), encke::Refusal>(())
    /// ```
    ///
    /// # Errors
    /// 400 at the first byte that breaks the chunked coding, also when extensions outweigh the data; 431 for trailers
    /// that are too large or too many. After an error the reader is of no further use.
    pub fn next<'b>(&mut self, input: &'b [u8]) -> Result<(usize, Part<'b>), Refusal> {
        let (consumed, part) = match &mut self.state {
            State::Done => return Ok((0, Part::Done)),
            State::Length(_) if input.is_empty() => return Ok((0, Part::More)),
            State::Length(left) => {
                let taken = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= taken as u64;
                if *left == 0 {
                    self.state = State::Done;
                }
                return Ok((taken, Part::Data(&input[..taken])));
            }
            State::Chunked(chunks) => chunks.next(input)?,
        };
        if part == Part::Done {
            self.state = State::Done;
        }
        Ok((consumed, part))
    }

    /// Bytes of the body that come before anything else can: the rest of the length, or of the chunk that has begun.
    #[must_use]
    pub fn certain(&self) -> u64 {
        match &self.state {
            State::Length(left) => *left,
            State::Chunked(chunks) => chunks.certain(),
            State::Done => 0,
        }
    }

    /// Whether the body is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_takes_32_bytes_of_a_connection_at_most() {
        assert!(size_of::<BodyReader>() <= 32, "{}", size_of::<BodyReader>());
    }

    #[test]
    fn an_empty_body_is_done_before_a_byte_has_come() {
        for framing in [Framing::None, Framing::Length(0)] {
            let mut body = BodyReader::new(framing);
            assert!(body.is_done());
            assert_eq!(body.next(b"GET /"), Ok((0, Part::Done)));
            assert_eq!(body.next(b""), Ok((0, Part::Done)));
        }
        assert!(!BodyReader::new(Framing::Chunked).is_done());
    }

    #[test]
    fn a_length_is_counted_down_and_never_passed() {
        let mut body = BodyReader::new(Framing::Length(5));
        assert_eq!((body.next(b""), body.certain()), (Ok((0, Part::More)), 5));
        assert_eq!((body.next(b"he"), body.certain()), (Ok((2, Part::Data(b"he"))), 3));
        assert!(!body.is_done());
        assert_eq!((body.next(b"lloGET /"), body.certain()), (Ok((3, Part::Data(b"llo"))), 0));
        assert!(body.is_done());
        assert_eq!(body.next(b"GET /"), Ok((0, Part::Done)));
    }

    #[test]
    fn certain_counts_data_and_no_framing() {
        let mut body = BodyReader::new(Framing::Chunked);
        for (input, certain) in [
            (&b"5"[..], 0),
            (b"\r", 0),
            (b"\n", 5),
            (b"hel", 2),
            (b"lo", 0),
            (b"\r\n", 0),
            (b"1;a\r\n", 1),
            (b"!", 0),
            (b"\r\n0\r\n", 0),
        ] {
            let (consumed, _) = body.next(input).expect("well-formed");
            assert_eq!((consumed, body.certain()), (input.len(), certain), "{}", input.escape_ascii());
        }
    }
}

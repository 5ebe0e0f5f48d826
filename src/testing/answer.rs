//! Answers as a peer understands them: the bytes that it has received, read by [`http::peer`](crate::http::peer).
//!
//! [`Server::answers`](super::Server::answers) calls. Which answers have no body depends on what was asked, so the requests that the
//! peer has sent are read too.
//!
//! Invariant: an answer is `is_complete` only if its end has come, and one whose connection ended before that is an error, never a
//! shorter answer.
//! Next: `mod.rs`.

use std::borrow::Cow;

use super::link::Link;
use crate::http::peer::{PeerError, Piece, ResponseHead, ResponseReader};
use crate::http::{BodyReader, FieldSpace, HeadBounds, HeadScan, Part, parse_head};

/// One answer, as far as it has come.
///
/// ```
/// use encke::{Event, testing};
///
/// let mut server = testing::serve(|event, ctx| {
///     if let Event::Begin(_) = event {
///         let _ = ctx.write(b"first ");
///         let _ = ctx.write(b"second");
///     }
/// });
/// let peer = server.get("/");
/// let answer = &server.answers(peer)?[0];
/// assert_eq!((answer.head.status, answer.text().as_ref()), (200, "first second"));
/// assert!(!answer.is_complete, "the exchange is still open");
/// # Ok::<(), encke::http::peer::PeerError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status and fields.
    pub head: ResponseHead,
    /// Its body without the framing. Behind a 101, the raw bytes of the tunnel.
    pub body: Vec<u8>,
    /// Whether all of it has come.
    pub is_complete: bool,
}

impl Answer {
    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// All answers that have come over a link, the last of them perhaps in part.
pub(super) fn read_all(link: &Link) -> Result<Vec<Answer>, PeerError> {
    let mut asked = methods(link.sent()).into_iter();
    let mut reader = ResponseReader::new();
    let mut answers: Vec<Answer> = Vec::new();
    let mut rest = link.received();
    loop {
        if reader.expected() == 0 && !rest.is_empty() {
            // What the server says unasked (a 408, a 503) is an answer too.
            reader.expect(asked.next().unwrap_or("GET"));
        }
        let (used, piece) = reader.read(rest)?;
        rest = &rest[used..];
        match piece {
            Piece::Informational(_) => {}
            Piece::More => break,
            piece => note(&mut answers, piece),
        }
    }
    if link.is_broken_off() && reader.expected() > 0 {
        return Err(PeerError::Truncated);
    }
    if !link.is_open() {
        note(&mut answers, reader.end_of_input()?);
    }
    Ok(answers)
}

fn note(answers: &mut Vec<Answer>, piece: Piece<'_>) {
    match (piece, answers.last_mut()) {
        (Piece::Head(head), _) => answers.push(Answer { head, body: Vec::new(), is_complete: false }),
        (Piece::Data(data), Some(answer)) => answer.body.extend_from_slice(data),
        (Piece::Done, Some(answer)) => answer.is_complete = true,
        _ => {}
    }
}

/// The methods of the requests that a peer has sent, up to the first that is no request.
fn methods(mut sent: &[u8]) -> Vec<&'static str> {
    const BOUNDS: HeadBounds = HeadBounds { bytes_max: 1 << 20, fields_max: 100 };
    let mut methods = Vec::new();
    while let Ok(Some(end)) = HeadScan::default().advance(sent, &BOUNDS) {
        let mut space = FieldSpace::new();
        let Ok(head) = parse_head(&sent[..end], &mut space, &BOUNDS) else { break };
        methods.push(head.method());
        let mut body = BodyReader::new(head.framing());
        sent = &sent[end..];
        loop {
            match body.next(sent) {
                Ok((used, Part::Data(_))) => sent = &sent[used..],
                Ok((used, Part::Done)) => {
                    sent = &sent[used..];
                    break;
                }
                Ok((_, Part::More)) | Err(_) => return methods,
            }
        }
    }
    methods
}

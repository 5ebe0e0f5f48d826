//! One side of a connection without a connection: reads whatever is fed, in whatever pieces, and writes down what it
//! understood.

use encke::Refusal;
pub(crate) use encke::http::HeadBounds;
use encke::http::{BodyReader, FieldSpace, Framing, HeadScan, Part, RequestHead, Version, parse_head};

/// Generous bounds, for cases that are not about them.
pub(crate) const BOUNDS: HeadBounds = HeadBounds { bytes_max: 16 * 1024, fields_max: 100 };

/// The request that is put behind others: whoever loses count of bytes misses it, or finds it where it is not.
pub(crate) const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n";

/// Everything that was understood of some bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transcript {
    pub(crate) messages: Vec<Message>,
    /// Nothing behind it was read.
    pub(crate) refusal: Option<Refusal>,
}

/// A request that was accepted, at least its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) path: String,
    pub(crate) query: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) version: Version,
    pub(crate) framing: Framing,
    pub(crate) keeps_alive: bool,
    pub(crate) expects_continue: bool,
    pub(crate) upgrade: Option<String>,
    pub(crate) fields: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// Whether the body's end has come.
    pub(crate) is_complete: bool,
}

/// Reads like the engine does: scan, parse, body, and again.
struct Reader {
    bounds: HeadBounds,
    /// Bytes of a head that is not complete.
    kept: Vec<u8>,
    scan: HeadScan,
    body: Option<BodyReader>,
    transcript: Transcript,
}

impl Reader {
    fn feed(&mut self, mut input: &[u8]) {
        while self.transcript.refusal.is_none() {
            let step = match self.body {
                None => self.feed_head(input),
                Some(_) => self.feed_body(input),
            };
            match step {
                Ok(Some(consumed)) => input = &input[consumed..],
                Ok(None) => return,
                Err(refusal) => self.transcript.refusal = Some(refusal),
            }
        }
    }

    /// How much of `input` is consumed; `None` if all of it is and more is needed.
    fn feed_head(&mut self, input: &[u8]) -> Result<Option<usize>, Refusal> {
        let known = self.kept.len();
        self.kept.extend_from_slice(input);
        let Some(end) = self.scan.advance(&self.kept, &self.bounds)? else { return Ok(None) };
        assert!(end > known && end <= self.kept.len(), "the end is in what is new");
        assert_eq!(
            self.scan.advance(&self.kept, &self.bounds),
            Ok(Some(end)),
            "asked again, it says the same"
        );
        let mut space = FieldSpace::new();
        let head = parse_head(&self.kept[..end], &mut space, &self.bounds)?;
        self.body = Some(BodyReader::new(head.framing()));
        self.transcript.messages.push(Message::of(&head));
        self.kept.clear();
        self.scan = HeadScan::default();
        Ok(Some(end - known))
    }

    fn feed_body(&mut self, input: &[u8]) -> Result<Option<usize>, Refusal> {
        let (Some(body), Some(message)) = (&mut self.body, self.transcript.messages.last_mut()) else {
            unreachable!("a body has a head");
        };
        let certain = body.certain();
        let (consumed, part) = body.next(input)?;
        assert!(consumed <= input.len(), "no more is consumed than there is");
        match part {
            Part::Data(data) => {
                assert!(!data.is_empty() && data.len() <= consumed, "data is lent from the input");
                assert!(
                    certain == 0 || body.certain() == certain - data.len() as u64,
                    "what is certain comes"
                );
                message.body.extend_from_slice(data);
                Ok(Some(consumed))
            }
            Part::More => {
                assert_eq!(consumed, input.len(), "nothing is left for the caller to keep");
                Ok(None)
            }
            Part::Done => {
                assert!(body.is_done() && body.certain() == 0 && body.next(input) == Ok((0, Part::Done)));
                message.is_complete = true;
                self.body = None;
                Ok(Some(consumed))
            }
        }
    }
}

impl Message {
    fn of(head: &RequestHead<'_>) -> Message {
        Message {
            method: head.method().to_owned(),
            target: head.target().to_owned(),
            path: head.path().to_owned(),
            query: head.query().map(str::to_owned),
            host: head.host().map(str::to_owned),
            version: head.version(),
            framing: head.framing(),
            keeps_alive: head.keeps_alive(),
            expects_continue: head.expects_continue(),
            upgrade: head.upgrade().map(str::to_owned),
            fields: head.fields().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: Vec::new(),
            is_complete: false,
        }
    }
}

/// What these pieces mean, one after the other.
pub(crate) fn read_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, bounds: HeadBounds) -> Transcript {
    let transcript = Transcript::default();
    let mut reader = Reader { bounds, kept: Vec::new(), scan: HeadScan::default(), body: None, transcript };
    for piece in pieces {
        reader.feed(piece);
    }
    reader.transcript
}

/// What `wire` means, and that it means the same however it is cut.
#[track_caller]
pub(crate) fn read(wire: &[u8]) -> Transcript {
    read_within(wire, BOUNDS)
}

/// As [`read`], with other bounds.
#[track_caller]
pub(crate) fn read_within(wire: &[u8], bounds: HeadBounds) -> Transcript {
    let whole = read_pieces([wire], bounds);
    assert_eq!(read_pieces(wire.chunks(1), bounds), whole, "byte by byte: {}", wire.escape_ascii());
    // Long inputs are cut at some 500 points, all others at every one.
    for at in (0..=wire.len()).step_by(1 + wire.len() / 500) {
        let (front, back) = wire.split_at(at);
        assert_eq!(read_pieces([front, back], bounds), whole, "cut at {at}: {}", wire.escape_ascii());
    }
    whole
}

/// Reads a wire that holds exactly one request, also with [`NEXT`] behind it, and gives the request.
#[track_caller]
pub(crate) fn read_one(wire: &[u8]) -> Message {
    let alone = read(wire);
    assert_eq!(alone.refusal, None, "{}", wire.escape_ascii());
    assert_eq!(alone.messages.len(), 1, "{}", wire.escape_ascii());
    assert!(alone.messages[0].is_complete, "{}", wire.escape_ascii());
    let followed = read(&[wire, NEXT].concat());
    assert_eq!(followed.refusal, None, "with another behind: {}", wire.escape_ascii());
    assert_eq!(followed.messages.len(), 2, "with another behind: {}", wire.escape_ascii());
    assert_eq!(followed.messages[0], alone.messages[0]);
    assert_eq!(followed.messages[1].target, "/next");
    alone.messages.into_iter().next().expect("there is one")
}

/// Reads a wire that must be refused, also with [`NEXT`] behind it: the refusal has to be the same, and nobody may be
/// served who was not before.
#[track_caller]
pub(crate) fn read_refused(wire: &[u8]) -> (Transcript, Refusal) {
    let alone = read(wire);
    let Some(refusal) = alone.refusal else { panic!("accepted: {}", wire.escape_ascii()) };
    assert_eq!(read(&[wire, NEXT].concat()), alone, "with another behind: {}", wire.escape_ascii());
    (alone, refusal)
}

//! One answer to `encke subscribe`, from its head to its end: what kind it is, who reads it, and why it is over.
//!
//! ```text
//!   Awaited ─► head ─┬─ 200 ────────────► Read(reader) ─► sink      ─► Complete, Exit, Unreadable
//!                    ├─ 3xx, Location ──► Redirect
//!                    └─ anything else ──► Refused(beginning)        ─► Refused
//! ```
//!
//! `subscribe.rs` has sent the request, and decides what comes of the [`Stop`].
//!
//! Invariant: everything that was told is flushed before the next byte is waited for.
//!
//! Next: `messages.rs`, `sink.rs`.

use std::time::{Duration, SystemTime};

use super::connection::{Broken, Connection};
use super::flags::{Mode, SubscribeFlags};
use super::lines::Lines;
use super::messages::{Halt, Reader, Told};
use super::sink::Sink;
use super::sse::EventStream;
use super::status::{SENTENCE_BYTES_MAX, retry_after, sentence};
use crate::exit::Exit;
use crate::http::peer::{Piece, ResponseHead};

/// The rest of a refusal is not worth more.
const REFUSAL_WAIT: Duration = Duration::from_secs(2);

/// Why an attempt is over.
pub(crate) enum Stop {
    /// There is nothing more to do.
    Exit(Exit),
    /// The answer is complete.
    Complete,
    /// The connection is not.
    Broken(Broken),
    /// The answer cannot be understood.
    Unreadable(String),
    /// It is elsewhere.
    Redirect { location: String, with: Method },
    /// It is none.
    Refused { status: u16, line: String, asked: Option<Duration> },
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Stop {
        Stop::Broken(broken)
    }
}

impl From<Halt> for Stop {
    fn from(halt: Halt) -> Stop {
        match halt {
            Halt::End(exit) => Stop::Exit(exit),
            Halt::Unreadable(why) => Stop::Unreadable(why),
        }
    }
}

/// How it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Form,
}

/// One answer that is being heard.
pub(crate) struct Hearing<'s> {
    flags: &'s SubscribeFlags,
    sink: &'s mut Sink,
    head: Option<ResponseHead>,
    body: Body,
}

enum Body {
    Awaited,
    Read(Reader),
    /// Of an answer that is a refusal: the beginning.
    Refused(Vec<u8>),
}

impl<'s> Hearing<'s> {
    pub(crate) fn new(flags: &'s SubscribeFlags, sink: &'s mut Sink) -> Hearing<'s> {
        Hearing { flags, sink, head: None, body: Body::Awaited }
    }

    /// Whether it is what was asked for, as far as its head tells.
    pub(crate) fn is_welcome(&self) -> bool {
        matches!(self.body, Body::Read(_))
    }

    /// Whether another request may follow on the connection.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.head.as_ref().is_some_and(ResponseHead::keeps_alive)
    }

    /// Hears the whole of it.
    pub(crate) fn hear(&mut self, connection: &mut Connection) -> Stop {
        loop {
            let heard = connection.hear(self.wait(), |piece| self.piece(piece));
            let flushed = self.sink.flush().map_err(Stop::from);
            // What could not be printed counts for more than how it ended.
            match (flushed.and(heard), &self.body) {
                (Ok(()), _) => {}
                // However it ends: what it was is known.
                (Err(Stop::Broken(_)), Body::Refused(_)) => return self.refusal(),
                (Err(stop), _) => return stop,
            }
        }
    }

    /// How long the next byte may take.
    fn wait(&self) -> Option<Duration> {
        let usual = Some(self.flags.call.idle());
        match &self.body {
            Body::Awaited | Body::Read(Reader::List { .. }) => usual,
            Body::Refused(_) => Some(REFUSAL_WAIT),
            // Who sends heartbeats is dead without them. Of others nobody knows.
            Body::Read(reader) if reader.has_ids() && self.sink.has_heartbeat => usual,
            Body::Read(_) => self.flags.call.idle,
        }
    }

    fn piece(&mut self, piece: Piece<'_>) -> Result<(), Stop> {
        let sink = &mut *self.sink;
        match (piece, &mut self.body) {
            (Piece::Head(head), _) => self.begin(head),
            (Piece::Data(bytes), Body::Read(reader)) => Ok(reader.take(bytes, &mut |told| sink.tell(told))?),
            (Piece::Data(bytes), Body::Refused(text)) => {
                let room = SENTENCE_BYTES_MAX.saturating_sub(text.len());
                text.extend_from_slice(&bytes[..bytes.len().min(room)]);
                if room > bytes.len() { Ok(()) } else { Err(self.refusal()) }
            }
            (Piece::Done, Body::Read(reader)) => {
                reader.finish(&mut |told| sink.tell(told))?;
                Err(self.completion())
            }
            (Piece::Done, _) => Err(self.refusal()),
            (Piece::Informational(_) | Piece::Data(_) | Piece::More, _) => Ok(()),
        }
    }

    /// The head has come: what kind of answer it is.
    fn begin(&mut self, head: ResponseHead) -> Result<(), Stop> {
        let text =
            |name: &str| head.field(name).map(|value| String::from_utf8_lossy(value).trim().to_owned());
        if let (300..400, Some(location)) = (head.status, text("Location")) {
            let with = if matches!(head.status, 307 | 308) { Method::Form } else { Method::Get };
            return Err(Stop::Redirect { location, with });
        }
        if !(200..300).contains(&head.status) || matches!(head.status, 204 | 205) {
            self.body = Body::Refused(Vec::new());
            self.head = Some(head);
            return Ok(());
        }
        if let Some(coding) =
            text("Content-Encoding").filter(|coding| !coding.eq_ignore_ascii_case("identity"))
        {
            let line = format!(
                "answers in {coding}, which nobody has asked for and encke does not unpack; use curl --compressed"
            );
            return Err(Stop::Unreadable(line));
        }
        let media = text("Content-Type").unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        // A poll's head says where its list ends, which is known when the list is there.
        if let (true, Some(place)) =
            (self.sink.cursor.is_none() && self.flags.mode != Some(Mode::Poll), text("Last-Event-ID"))
        {
            self.sink.tell(Told::Cursor(&place))?;
        }
        let reader = self.reader(&media)?;
        if !reader.has_ids() && text("Encke-Gap").is_some() {
            self.sink.tell(Told::Gap(None))?;
        }
        self.sink.is_placeless = false;
        if media == "text/html" && text("Content-Length").is_some() && self.flags.mode.is_none() {
            self.sink.say("this is a page and no stream; a channel's address ends in /channels/NAME")?;
        }
        if self.flags.call.verbose {
            let line = format!(
                "{} answers {}, {}",
                self.flags.address,
                head.status,
                if media.is_empty() { "of no type" } else { &media }
            );
            self.sink.say(&line)?;
        }
        self.body = Body::Read(reader);
        self.head = Some(head);
        Ok(())
    }

    /// The answer is complete. One of a known length that has no ids is no stream: that was all. An event stream is one whatever its
    /// framing: those who write a few events an answer count on being asked again.
    fn completion(&self) -> Stop {
        let is_whole = self.head.as_ref().is_some_and(|head| head.field("Content-Length").is_some());
        let has_ids = match &self.body {
            // Of JSON only what has come can tell.
            Body::Read(Reader::Objects(_)) => !self.sink.is_placeless,
            Body::Read(reader) => reader.has_ids(),
            _ => true,
        };
        if is_whole && !has_ids { Stop::Exit(Exit::Done) } else { Stop::Complete }
    }

    fn refusal(&self) -> Stop {
        let (Some(head), Body::Refused(text)) = (&self.head, &self.body) else { return Stop::Complete };
        let asked = retry_after(head, SystemTime::now());
        Stop::Refused { status: head.status, line: sentence(head.status, text), asked }
    }

    /// Who reads an answer of this type.
    fn reader(&self, media: &str) -> Result<Reader, Stop> {
        const OBJECTS: [&str; 4] =
            ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"];
        let bytes_max = usize::try_from(self.flags.max_message).unwrap_or(usize::MAX);
        let events =
            || Reader::Events(EventStream::new(self.sink.cursor.as_deref().unwrap_or_default(), bytes_max));
        let wrong = |what: &str| {
            let media = if media.is_empty() { "without a type" } else { media };
            Err(Stop::Unreadable(format!(
                "answers {media}, which is no {what}; leave out --mode to read it as it is"
            )))
        };
        match self.flags.mode {
            Some(Mode::Sse) if media != "text/event-stream" => wrong("event stream"),
            Some(Mode::Ndjson) if !OBJECTS.contains(&media) => wrong("JSON stream"),
            Some(Mode::Poll) if media != "application/json" => wrong("answer to a poll"),
            Some(Mode::Sse) => Ok(events()),
            Some(Mode::Ndjson) => Ok(Reader::Objects(Lines::new(bytes_max))),
            Some(Mode::Poll) => Ok(Reader::List { body: Vec::new(), bytes_max }),
            None if media == "text/event-stream" => Ok(events()),
            None if OBJECTS.contains(&media) => Ok(Reader::Objects(Lines::new(bytes_max))),
            Some(Mode::Stream) | None => Ok(match self.flags.json {
                true => Reader::Lines(Lines::new(bytes_max)),
                false => Reader::Raw,
            }),
        }
    }
}

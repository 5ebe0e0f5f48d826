//! What happened: the application's side of the story, in order, and a transcript of both sides for people.
//!
//! `app.rs` writes facts, `peer.rs` keeps what it heard in answers; `oracle.rs` judges both and nothing else.
//!
//! Next: `app.rs`.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use encke::time::Instant;
use encke::{Cause, End, MessageId, WriteError};

use crate::link::Ending;

/// Which request of which peer: the simulator's own name for an exchange, carried in its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Tag {
    pub(crate) peer: usize,
    pub(crate) request: usize,
}

/// Whoever acts from outside of any exchange.
pub(crate) const OUTSIDE: Tag = Tag { peer: usize::MAX, request: usize::MAX };

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.peer, self.request)
    }
}

/// A wire format, as far as an oracle must read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Sse,
    Envelope,
    Stream,
    Ndjson,
    Iframe,
    /// The answer to a long-poll.
    Poll,
}

impl Format {
    const NAMES: [(&'static str, Format); 6] = [
        ("sse", Format::Sse),
        ("envelope", Format::Envelope),
        ("stream", Format::Stream),
        ("ndjson", Format::Ndjson),
        ("iframe", Format::Iframe),
        ("poll", Format::Poll),
    ];

    pub(crate) fn named(name: &str) -> Option<Format> {
        Format::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, format)| format)
    }

    pub(crate) fn name(self) -> &'static str {
        Format::NAMES.into_iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }
}

/// What had been lost of a channel at some moment: everything before this number.
pub(crate) type Lost = Vec<(String, u64)>;

/// Something that the application was told or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Begin,
    Data(Vec<u8>),
    Done,
    Error(Cause),
    End(End),
    Drained,
    Timer(u64),
    /// Body bytes that the engine took.
    Wrote(Vec<u8>),
    /// A handle was given away: from here on other threads write too, and what comes too late is dropped.
    Lent,
    /// A call that the engine refused.
    Refused(WriteError),
    Switched,
    AbortAsked,
    CloseAsked,
    Subscribed {
        channels: Vec<String>,
        /// The number that it asked to hear behind, if it was one that the hub knows.
        since: Option<u64>,
        at: u64,
        gap: bool,
        format: Format,
        lost: Lost,
    },
    Unsubscribed,
    /// What a long-poll was answered.
    Took {
        messages: usize,
        cursor: u64,
        gap: bool,
        ended: bool,
        lost: Lost,
    },
    Published {
        channel: String,
        seq: u64,
        data: String,
        key: String,
        /// The first number that the channel held before.
        oldest: Option<u64>,
    },
    /// A publish that was answered with an earlier message of the same key.
    Repeated {
        channel: String,
        seq: u64,
        key: String,
        oldest: Option<u64>,
    },
    /// A channel was ended when this was the head.
    Ended {
        channel: String,
        head: u64,
    },
    /// A publisher asked whether it should wait.
    Pressed {
        channel: String,
        is_held: bool,
    },
    /// What a write to an exchange that had ended was answered.
    Stale(Result<(), WriteError>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: Instant,
    pub(crate) tag: Tag,
    pub(crate) fact: Fact,
}

/// The answer to one request, as its peer heard it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whose it says it is; none for an answer of the engine's own.
    pub(crate) tag: Option<String>,
    pub(crate) fields: String,
    /// In which format its head says that it is.
    pub(crate) format: Option<Format>,
    /// The cursor in its head.
    pub(crate) stands: Option<MessageId>,
    /// Whether its head says that something is missing.
    pub(crate) gap: bool,
    pub(crate) body: Vec<u8>,
    /// How long the body was, and when.
    pub(crate) marks: Vec<(usize, Instant)>,
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Outcome {
    #[default]
    Open,
    /// The peer takes it for whole.
    Complete(Instant),
    /// The peer sees that something is missing.
    Broken,
}

/// What one peer did and heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    pub(crate) peer: usize,
    /// Methods and bodies of its requests, as far as it meant to send them.
    pub(crate) asked: Vec<Asked>,
    /// One for each of them, as far as it got.
    pub(crate) answers: Vec<Answer>,
    /// Which requests were the first on a connection, but for the very first. A request that had no answer then has an empty one.
    pub(crate) returns: Vec<usize>,
    pub(crate) ending: Option<Ending>,
    /// What was not HTTP, or not asked for.
    pub(crate) nonsense: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) body: Vec<u8>,
}

/// Both logs, shared by everything in a world.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) now: Instant,
    pub(crate) entries: Vec<Entry>,
    pub(crate) transcript: Vec<String>,
    /// What the hub held after each turn, where that has changed.
    pub(crate) samples: Vec<Sample>,
    /// When which channel had lost everything before which number.
    pub(crate) trims: Vec<(Instant, String, u64)>,
}

/// What the hub held after a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    pub(crate) messages: usize,
    pub(crate) channels: usize,
    pub(crate) memory: usize,
    pub(crate) held: usize,
    /// Whether the engine asks for another turn at once.
    pub(crate) is_busy: bool,
}

pub(crate) type SharedLog = Rc<RefCell<Log>>;

impl Log {
    pub(crate) fn note(&mut self, tag: Tag, fact: Fact) {
        let text = tell(&fact);
        if !text.is_empty() {
            let who = if tag == OUTSIDE { "outside".to_owned() } else { tag.to_string() };
            self.say(&format!("app {who}: {text}"));
        }
        self.entries.push(Entry { at: self.now, tag, fact });
    }

    pub(crate) fn say(&mut self, line: &str) {
        let millis = self.now.as_micros() / 1000;
        self.transcript.push(format!("{:>4}.{:03} {line}", millis / 1000, millis % 1000));
    }
}

/// A fact in words; none for what the peer's side of the transcript shows anyway.
fn tell(fact: &Fact) -> String {
    match fact {
        Fact::Begin => "Begin".to_owned(),
        Fact::Data(bytes) => format!("Read({})", quote(bytes)),
        Fact::Done => "Read(Done)".to_owned(),
        Fact::Error(Cause::Protocol(refusal)) => format!("Error(Protocol {})", refusal.status),
        Fact::Error(cause) => format!("Error({cause:?})"),
        Fact::End(end) => format!("End({end:?})"),
        Fact::Drained => "drained".to_owned(),
        Fact::Timer(key) => format!("timer {key}"),
        Fact::Refused(error) => format!("refused: {error:?}"),
        Fact::Stale(outcome) => format!("a stale handle: {outcome:?}"),
        Fact::Published { channel, seq, .. } => format!("publishes {channel} {seq}"),
        Fact::Repeated { channel, seq, .. } => format!("publishes {channel} {seq} again"),
        Fact::Ended { channel, .. } => format!("ends {channel}"),
        Fact::Pressed { channel, is_held: true } => format!("waits for {channel}"),
        Fact::Pressed { .. } => String::new(),
        Fact::Subscribed { channels, at, gap, .. } => {
            format!("hears {} from {at}{}", channels.join(" and "), if *gap { ", with a gap" } else { "" })
        }
        Fact::Took { messages, cursor, gap, ended, .. } => {
            let gap = if *gap { ", with a gap" } else { "" };
            let ended = if *ended { ", the last" } else { "" };
            format!("takes {messages} through {cursor}{gap}{ended}")
        }
        Fact::Wrote(_)
        | Fact::Lent
        | Fact::Switched
        | Fact::AbortAsked
        | Fact::CloseAsked
        | Fact::Unsubscribed => String::new(),
    }
}

/// Bytes for people: short ones as text, long ones as a number.
pub(crate) fn quote(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() <= 60 => format!("{text:?}"),
        _ => format!("{} bytes", bytes.len()),
    }
}

//! Scripts: what a peer does, line by line.
//!
//! Called by: stories and storms, which write them; `peer.rs` follows them.
//!
//! Next: `peer.rs`.

use std::time::Duration;

use encke::http::Version;

/// One line of a script.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Begins to send a request.
    Ask(Ask),
    /// Begins to send these bytes, on which so many answers with these methods are expected.
    Raw(Vec<u8>, Vec<&'static str>),
    /// Goes on with the body of the last request.
    Body(Vec<u8>),
    /// Waits until all that was begun is sent.
    Sent,
    /// Waits until so many answers are over, or the connection is.
    Answers(usize),
    /// Waits until all that was asked is answered, or the connection is over.
    Answered,
    /// Waits until so many bytes of bodies were heard, or the connection is over.
    Hears(usize),
    Wait(Duration),
    /// From here on sends so many bytes each time.
    Pace(Pace),
    /// From here on reads so many bytes each time.
    Appetite(Pace),
    /// Waits until the connection is over.
    End,
    Fin,
    Reset,
    Leave,
    /// Leaves in this way, and comes back on a new connection after a while.
    Return(Departure, Duration),
}

/// How a peer leaves that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    Leave,
    Reset,
    /// Not at all: it comes back only if the connection is over.
    IfOver,
}

/// In a query, stands for the cursor of a peer that has one.
pub(crate) const CURSOR: &str = "CURSOR";

/// Bytes moved at once, and the time between two such moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) bytes: usize,
    pub(crate) every: Duration,
}

impl Pace {
    pub(crate) const PROMPT: Pace = Pace { bytes: usize::MAX, every: Duration::from_millis(1) };
    pub(crate) const NEVER: Pace = Pace { bytes: 0, every: Duration::from_secs(1) };
}

/// A request that names itself in its query.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    /// The query without the name.
    pub(crate) query: String,
    pub(crate) version: Version,
    pub(crate) fields: Vec<(&'static str, &'static str)>,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    None,
    Length(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

impl Ask {
    pub(crate) fn get(query: impl Into<String>) -> Ask {
        let (version, fields, body) = (Version::Http11, Vec::new(), Body::None);
        Ask { method: "GET", query: query.into(), version, fields, body }
    }

    pub(crate) fn post(query: impl Into<String>, body: Body) -> Ask {
        Ask { method: "POST", body, ..Ask::get(query) }
    }
}

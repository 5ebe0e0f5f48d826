//! The golden list, `requests.txt`, as values: what comes over the wire, and what has to become of it.
//!
//! Read by `listed.rs` for the codec, and by `tests/requests/` for the engine and the command.
//!
//! Invariant: a line that is not understood is a failure of the test, never a case less.

/// One line of bytes, and its verdict.
#[derive(Debug)]
pub(crate) struct Case {
    /// Where it stands in the list.
    pub(crate) line: usize,
    pub(crate) wire: Vec<u8>,
    /// The requests that are served before the verdict falls.
    pub(crate) served: Vec<Seen>,
    pub(crate) then: Then,
}

/// A request as its handler sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Method, target and host.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn new(method: &str, path: &str, query: Option<&str>, host: Option<&str>) -> Seen {
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let host = match host {
            None => "none",
            Some("") => "empty",
            Some(host) => host,
        };
        Seen { head: format!("{method} {path}{query} host {host}"), body: Vec::new() }
    }
}

/// What becomes of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next request is served.
    GoesOn,
    /// It closes behind the last answer.
    Closes,
    /// The next thing on it is refused with this status and sentence, and it closes.
    Refuses(u16, String),
}

/// The whole list.
#[track_caller]
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut verdict = None;
    for (index, text) in include_str!("requests.txt").lines().enumerate() {
        let line = index + 1;
        if let Some(bytes) = text.strip_prefix("    ") {
            let (served, then) = understood(verdict.unwrap_or_else(|| panic!("line {line} has no verdict")));
            cases.push(Case { line, wire: unescaped(bytes), served, then });
        } else if !text.is_empty() && !text.starts_with('#') {
            let columns: Vec<&str> = text.split(" | ").collect();
            let [said, section, reason] = columns[..] else { panic!("line {line} has not three columns") };
            assert!(section.contains('§') && !reason.is_empty(), "line {line} gives no reason");
            verdict = Some(said);
        }
    }
    cases
}

/// A verdict: what is served, and what then happens.
fn understood(text: &str) -> (Vec<Seen>, Then) {
    let (served, refused) = match text.split_once(' ') {
        Some(("serves" | "closes", _)) => match text.split_once("; ") {
            Some((served, refused)) => (served, Some(refused)),
            None => (text, None),
        },
        _ => ("", Some(text)),
    };
    let list = served.split_once(' ').map_or("", |(_, list)| list);
    let seen = |text: &str| {
        let (head, body) = text.split_once(" \"").unwrap_or((text, "\""));
        let head = String::from_utf8(unescaped(head)).expect("a head is text");
        Seen { head, body: unescaped(body.strip_suffix('"').expect("a body ends in a quote")) }
    };
    let then = match refused.map(|refused| refused.split_once(' ').expect("a status and a sentence")) {
        Some((status, sentence)) => {
            Then::Refuses(status.parse().expect("a status is a number"), sentence.to_owned())
        }
        None if served.starts_with("closes") => Then::Closes,
        None => Then::GoesOn,
    };
    (list.split(", ").filter(|text| !text.is_empty()).map(seen).collect(), then)
}

/// The bytes that a line stands for.
fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        rest = &behind[1..];
        match behind.as_bytes()[0] {
            b'r' => out.push(b'\r'),
            b'n' => out.push(b'\n'),
            b't' => out.push(b'\t'),
            b'\\' => out.push(b'\\'),
            b'x' => {
                out.push(u8::from_str_radix(&rest[..2], 16).expect("two digits"));
                rest = &rest[2..];
            }
            b'{' => {
                let (repeated, behind) = rest.split_once('}').expect("a brace that closes");
                let (unit, count) = repeated.rsplit_once('*').expect("how often");
                out.extend_from_slice(&unescaped(unit).repeat(count.parse().expect("a number")));
                rest = behind;
            }
            other => panic!("\\{} is not understood: {text}", other as char),
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

//! What the library reads, and what others read: hyper and llhttp. Every way in which they differ is a known kind, or a bug.
//!
//! ```text
//!   bytes ─┬─► bodies/requests.rs ───┐
//!          ├─► references/hyper.rs ──┼─► the first request that is not the same ─► its kind, or a panic
//!          └─► references/llhttp.rs ─┘
//! ```
//!
//! `fuzz/README.md` explains each kind, with its section of the RFCs; `tests/differential.rs` has an example of each.
//!
//! What always holds: two readers that serve the same request agree on its method, its target, its body and its end. There is no kind
//! for anything else: that would be how requests are smuggled.
//!
//! Next: `../README.md`.

use crate::bodies::requests::{self, Message, Transcript};
use crate::references::{self, Reading};

/// Which other reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    Hyper,
    Llhttp,
}

/// A way in which readers are known to differ.
pub struct Kind {
    pub name: &'static str,
    way: Way,
}

enum Way {
    /// The library refuses for one of these reasons what these serve, or wait for more of.
    WeRefuse { reasons: &'static [&'static str], others: &'static [Reference] },
    /// The library refuses at once what this one is still waiting for more of.
    WeRefuseFirst { reasons: &'static [&'static str], other: Reference },
    /// This one refuses for such a reason what the library serves, or waits for more of. The function says whether it may.
    TheyRefuse { other: Reference, reason: &'static str, may: fn(&Seen<'_>) -> bool },
    /// Both serve, and this one tells the target as it has understood it.
    TargetRewritten,
}

use Reference::{Hyper, Llhttp};
use Way::{TargetRewritten, TheyRefuse, WeRefuse, WeRefuseFirst};

const BOTH: &[Reference] = &[Hyper, Llhttp];

const fn ours(name: &'static str, others: &'static [Reference], reasons: &'static [&'static str]) -> Kind {
    Kind { name, way: WeRefuse { reasons, others } }
}

const fn theirs(
    name: &'static str,
    other: Reference,
    reason: &'static str,
    may: fn(&Seen<'_>) -> bool,
) -> Kind {
    Kind { name, way: TheyRefuse { other, reason, may } }
}

impl Kind {
    /// Who differs in this way.
    pub fn others(&self) -> Vec<Reference> {
        match &self.way {
            WeRefuse { others, .. } => others.to_vec(),
            WeRefuseFirst { other, .. } | TheyRefuse { other, .. } => vec![*other],
            TargetRewritten => vec![Hyper],
        }
    }
}

/// All kinds. A name may come several times.
pub const KINDS: &[Kind] = &[
    ours("connect", BOTH, &["CONNECT is for proxies"]),
    ours("unknown-methods", BOTH, &["a method that is not known here"]),
    ours("both-framings", BOTH, &["Transfer-Encoding beside Content-Length"]),
    ours("codings-in-1.0", &[Llhttp], &["Transfer-Encoding in an HTTP/1.0 request"]),
    ours("other-codings", BOTH, &["a transfer coding other than chunked"]),
    ours("malformed-codings", BOTH, &["a malformed Transfer-Encoding"]),
    ours("empty-codings", &[Llhttp], &["a Transfer-Encoding that does not end in chunked"]),
    ours("repeated-codings", BOTH, &["more than one Transfer-Encoding"]),
    ours("repeated-lengths", &[Hyper], &["more than one Content-Length"]),
    ours("hosts", BOTH, &["more than one Host", "no Host", "a malformed Host"]),
    ours("connection-lists", BOTH, &["a Connection that is not a list of tokens"]),
    ours("expectations", BOTH, &["an expectation other than 100-continue"]),
    ours("fragments", BOTH, &["a fragment in the target"]),
    ours(
        "other-targets",
        BOTH,
        &["the target * is for OPTIONS alone", "a target that is neither a path nor an http address"],
    ),
    ours("target-hosts", BOTH, &["a target with a malformed host"]),
    ours(
        "uncoded-targets",
        BOTH,
        &[
            "a percent sign without two hexadecimal digits",
            "a byte in the target that has to be percent-encoded",
        ],
    ),
    ours("bytes-beyond-ascii", &[Hyper], &["a byte outside ASCII in the request line"]),
    ours("bare-line-feeds", BOTH, &["a line feed without a carriage return"]),
    ours("bare-carriage-returns", &[Llhttp], &["a carriage return without a line feed"]),
    ours(
        "loose-request-lines",
        &[Llhttp],
        &["a malformed version", "a request line that is not a method, a target and a version"],
    ),
    ours("other-versions", &[Llhttp], &["a version other than HTTP/1.0 and HTTP/1.1"]),
    ours("chunk-extensions", BOTH, &["a malformed chunk extension"]),
    Kind {
        name: "trailers-judged-late",
        way: WeRefuseFirst {
            reasons: &[
                "a NUL byte in the head",
                "a control byte in the head",
                "a byte that cannot be in a field name",
                "a blank before the colon of a field",
                "a folded line, or a blank before a field name",
                "a field line without a colon",
                "a field without a name",
            ],
            other: Hyper,
        },
    },
    ours(
        "bounds",
        BOTH,
        &["too many fields", "the trailers are too large", "chunk extensions that outweigh the data"],
    ),
    theirs("later-minor-versions", Hyper, "invalid HTTP version parsed", is_later_minor),
    theirs("later-minor-versions", Llhttp, "Invalid HTTP version", is_later_minor),
    theirs("coded-hosts", Hyper, "invalid URI", |seen| {
        let host = seen.target().split("://").nth(1).map(|rest| rest.split(['/', '?']).next());
        host.flatten().is_some_and(|host| host.contains('%'))
    }),
    theirs("largest-lengths", Hyper, "message head is too large", |seen| {
        seen.field("Content-Length").is_some_and(|value| {
            value.ends_with(b"18446744073709551615") || value.ends_with(b"18446744073709551614")
        })
    }),
    theirs("blanks-in-extensions", Llhttp, "Invalid character in chunk size", has_blanks),
    theirs("blanks-in-extensions", Llhttp, "Invalid character in chunk extensions", has_blanks),
    theirs("blanks-in-extensions", Llhttp, "Invalid character in chunk extensions name", has_blanks),
    theirs("blanks-in-extensions", Llhttp, "Invalid character in chunk extensions value", has_blanks),
    theirs(
        "framing-in-trailers",
        Llhttp,
        "Content-Length can't be present with Transfer-Encoding",
        is_chunked,
    ),
    theirs("framing-in-trailers", Llhttp, "Invalid `Transfer-Encoding` header value", is_chunked),
    theirs("tabs-behind-codings", Llhttp, "Request has invalid `Transfer-Encoding`", |seen| {
        seen.has(b"\t")
            && seen.field("Transfer-Encoding").is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"))
    }),
    Kind { name: "targets-rewritten", way: TargetRewritten },
];

/// What a reason of another reader is judged by.
pub struct Seen<'a> {
    wire: &'a [u8],
    /// What the library has understood of the request.
    message: Option<&'a Message>,
}

impl<'a> Seen<'a> {
    fn target(&self) -> &'a str {
        self.message.map_or("", |message| &message.target)
    }

    fn field(&self, name: &str) -> Option<&'a [u8]> {
        let fields = &self.message?.fields;
        fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }

    fn has(&self, part: &[u8]) -> bool {
        self.wire.windows(part.len()).any(|window| window == part)
    }
}

fn is_later_minor(seen: &Seen<'_>) -> bool {
    (b'2'..=b'9').any(|minor| seen.has(&[b" HTTP/1.", &[minor][..], b"\r\n"].concat()))
}

fn is_chunked(seen: &Seen<'_>) -> bool {
    seen.field("Transfer-Encoding").is_some()
}

/// Blanks that RFC 9112 §7.1.1 lets stand around a semicolon or an equals sign.
fn has_blanks(seen: &Seen<'_>) -> bool {
    is_chunked(seen) && (seen.has(b" ") || seen.has(b"\t")) && seen.has(b";")
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    Complete,
    /// Its body is not complete.
    Open,
    /// Its head is not complete.
    Nothing,
    Refused(String),
}

impl Outcome {
    fn of(is_complete: Option<bool>, refusal: Option<&str>) -> Outcome {
        match (is_complete, refusal) {
            (Some(true), _) => Outcome::Complete,
            (_, Some(reason)) => Outcome::Refused(reason.to_owned()),
            (Some(false), None) => Outcome::Open,
            (None, None) => Outcome::Nothing,
        }
    }
}

/// Panics if another reader differs in a way that is not known.
pub fn check(wire: &[u8]) {
    for (other, difference) in differences(wire) {
        if let Err(what) = difference {
            panic!("{other:?} differs: {what}: {}", wire.escape_ascii());
        }
    }
}

/// How the others differ: the name of a kind, or what is not known.
pub fn differences(wire: &[u8]) -> Vec<(Reference, Result<&'static str, String>)> {
    let ours = requests::read(wire);
    let others = BOTH.iter().filter_map(|&other| Some((other, compare(other, wire, &ours)?)));
    others.collect()
}

fn read(other: Reference, wire: &[u8]) -> Reading {
    match other {
        Hyper => references::hyper::read(wire),
        Llhttp => references::llhttp::read(wire),
    }
}

/// The first difference, if there is one. What comes behind it is another matter: nobody agrees any more on where it begins.
fn compare(other: Reference, wire: &[u8], ours: &Transcript) -> Option<Result<&'static str, String>> {
    let theirs = read(other, wire);
    for number in 0.. {
        let (our, their) = (ours.messages.get(number), theirs.messages.get(number));
        let refusal = ours.refusal.map(|refusal| refusal.why);
        let our_outcome = Outcome::of(our.map(|message| message.is_complete), refusal);
        let their_outcome = Outcome::of(their.map(|message| message.is_complete), theirs.refusal.as_deref());
        match (&our_outcome, &their_outcome) {
            (Outcome::Complete, Outcome::Complete) | (Outcome::Open, Outcome::Open) => {
                let (our, their) = (our?, their?);
                if our.method != their.method || our.body != their.body {
                    return Some(Err(format!("both serve, and understand {our:?} and {their:?}")));
                }
                if our.target != their.target {
                    return Some(rewritten(other, &our.target, &their.target));
                }
                // Behind the last request of a connection nobody reads on.
                if !our.keeps_alive || our_outcome == Outcome::Open {
                    return None;
                }
            }
            (Outcome::Nothing, Outcome::Nothing) | (Outcome::Refused(_), Outcome::Refused(_)) => return None,
            (Outcome::Refused(reason), _) => return Some(we_refuse(other, reason, &their_outcome)),
            (Outcome::Nothing, Outcome::Refused(_)) => return complete(other, wire, number),
            (_, Outcome::Refused(reason)) => {
                return Some(they_refuse(other, reason, &Seen { wire, message: our }));
            }
            _ => return Some(Err(format!("{our_outcome:?} here, {their_outcome:?} there"))),
        }
    }
    None
}

/// hyper takes targets apart and puts them together again: a scheme is in small letters, and an address without a path has got one.
fn rewritten(other: Reference, our: &str, their: &str) -> Result<&'static str, String> {
    let kind = KINDS.iter().find(|kind| matches!(kind.way, TargetRewritten));
    let put_together = our.split_once("://").map(|(scheme, rest)| {
        let (host, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let slash = if rest.starts_with('/') { "" } else { "/" };
        format!("{}://{host}{slash}{rest}", scheme.to_ascii_lowercase())
    });
    match kind {
        Some(kind) if other == Hyper && put_together.as_deref() == Some(their) => Ok(kind.name),
        _ => Err(format!("both serve, and the targets are {our:?} and {their:?}")),
    }
}

fn we_refuse(other: Reference, reason: &str, theirs: &Outcome) -> Result<&'static str, String> {
    let is_it = |kind: &&Kind| match &kind.way {
        WeRefuse { reasons, others } => reasons.contains(&reason) && others.contains(&other),
        WeRefuseFirst { reasons, other: who } => {
            reasons.contains(&reason) && *who == other && *theirs == Outcome::Open
        }
        _ => false,
    };
    let kind = KINDS.iter().find(is_it);
    kind.map(|kind| kind.name).ok_or_else(|| format!("{theirs:?} there, and refused here: {reason}"))
}

fn they_refuse(other: Reference, reason: &str, seen: &Seen<'_>) -> Result<&'static str, String> {
    let is_it = |kind: &&Kind| match &kind.way {
        TheyRefuse { other: who, reason: why, may } => *who == other && *why == reason && may(seen),
        _ => false,
    };
    KINDS
        .iter()
        .find(is_it)
        .map(|kind| kind.name)
        .ok_or_else(|| format!("it refuses what is served here: {reason}"))
}

/// It has refused half a head, of which the library has not said anything yet: what would it say of a whole one?
fn complete(other: Reference, wire: &[u8], number: usize) -> Option<Result<&'static str, String>> {
    let end: &[u8] = match wire {
        [.., b'\r', b'\n'] => b"\r\n",
        [.., b'\r'] => b"\n\r\n",
        _ => b"\r\n\r\n",
    };
    let whole = [wire, end].concat();
    let ours = requests::read(&whole);
    match ours.messages.get(number) {
        // It is refused, or needs more still. It was only judged later.
        None => None,
        Some(_) => compare(other, &whole, &ours),
    }
}

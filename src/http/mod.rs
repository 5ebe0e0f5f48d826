//! HTTP/1.1 as a codec: bytes become heads and bodies, answers become bytes, and nobody here knows a socket or a clock.
//!
//! `engine/` calls, once for every request of a connection:
//!
//! ```text
//!   bytes ─► HeadScan ─► parse_head ─► RequestHead ─┬─ framing() ─► BodyReader ─► Data* Done ─► the next head
//!            where it     what it       method,     │
//!            ends         means         target …    └─► the handler
//!   bytes ◄─ write_head, chunked::encode ◄─ status, fields, AnswerFraming
//! ```
//!
//! | file | what it knows |
//! | --- | --- |
//! | `scan.rs` | lines: where a head ends, and every byte that may not be in one |
//! | `head.rs` | a request's head and what its fields decide; the only file that asks httparse about requests |
//! | `line.rs` | the request line |
//! | `target.rs` | the four forms of a request's target, and what a host may look like |
//! | `framing.rs` | which body follows a head: the table below |
//! | `body.rs` | a body's bytes, out of whichever framing |
//! | `chunked.rs` | the chunked coding, both ways |
//! | `response.rs` | the head of an answer, and its date |
//! | `query.rs` | percent-decoding |
//! | `form.rs` | the body that an HTML form sends |
//! | [`peer`] | the other side of the wire: a request's writer and a response's reader |
//!
//! # Which body follows a request's head (RFC 9112 §6)
//!
//! A message whose length two readers could understand differently is how requests are smuggled (RFC 9112 §11.2).
//! So each is refused, and the connection closes behind the answer:
//!
//! | `Transfer-Encoding` | `Content-Length` | version | what follows | RFC 9112 |
//! | --- | --- | --- | --- | --- |
//! | none | none | any | nothing | §6.3 (7) |
//! | none | one, digits, below 2^64 | any | that many bytes | §6.3 (6) |
//! | none | two lines or a list, equal or not | any | 400: no honest sender writes it | §6.3 (5), RFC 9110 §8.6 |
//! | none | empty, signed, with a blank, too large | any | 400 | §6.3 (5) |
//! | `chunked`, one line, any case | none | 1.1 | chunks | §6.3 (4), §7.1 |
//! | any | any | 1.1 | 400: the two contradict each other | §6.3 (3) |
//! | any | any or none | 1.0 | 400: nobody there knows the coding | §6.1 |
//! | codings before a last `chunked` | none | 1.1 | 501 | §6.1 |
//! | anything else: twice, two lines, with a parameter, not last | none | 1.1 | 400 | §6.3 (4), §7.1 |
//!
//! What always holds: a verdict depends on the bytes alone, never on how they were cut on their way; nothing here
//! allocates while it reads; nothing here panics, whatever a peer sends. A refusal is a [`Refusal`](crate::Refusal) and
//! carries its status.
//!
//! Absent on purpose: merging trailers into fields (they are checked and thrown away), folded lines, a bare LF as an
//! end of line, HTTP/0.9, and every transfer coding but `chunked`.
//!
//! ```
//! use encke::http::{BodyReader, FieldSpace, Framing, HeadBounds, HeadScan, Part, parse_head};
//!
//! let wire = b"POST /channels/news?event=a HTTP/1.1\r\nHost: example.org\r\nContent-Length: 5\r\n\r\nhelloGET / HT";
//! let bounds = HeadBounds { bytes_max: 16 * 1024, fields_max: 100 };
//!
//! let end = HeadScan::default().advance(wire, &bounds)?.expect("the blank line is there");
//! let mut space = FieldSpace::new();
//! let head = parse_head(&wire[..end], &mut space, &bounds)?;
//! assert_eq!((head.method(), head.path(), head.query()), ("POST", "/channels/news", Some("event=a")));
//! assert_eq!(head.framing(), Framing::Length(5));
//!
//! let mut body = BodyReader::new(head.framing());
//! assert_eq!(body.next(&wire[end..])?, (5, Part::Data(b"hello")));
//! assert_eq!(body.next(&wire[end + 5..])?, (0, Part::Done));
//! # Ok::<(), encke::Refusal>(())
//! ```
//!
//! Next: `scan.rs`.

use std::fmt;

mod body;
pub mod chunked;
pub mod form;
mod framing;
mod head;
mod line;
pub mod peer;
pub mod query;
mod response;
mod scan;
mod target;

pub use body::{BodyReader, Part};
pub use framing::Framing;
pub use head::{FieldSpace, RequestHead, parse_head};
pub use response::{
    AnswerFraming, Persistence, allows_body, check_fields, check_switch, reason, write_continue, write_date,
    write_head, write_switch,
};
pub use scan::{HeadBounds, HeadScan};

/// The version of a message, as far as it changes anything: 1.2 to 1.9 are spoken to as 1.1 (RFC 9110 §2.5).
///
/// ```
/// use encke::http::Version;
///
/// assert!(Version::Http10 != Version::Http11);
/// assert_eq!(Version::Http11.to_string(), "HTTP/1.1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Version {
    /// HTTP/1.0: no chunked coding, no `100 Continue`, and connections that close unless they are asked not to.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        })
    }
}

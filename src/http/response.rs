//! The head of an answer: status, fields, and how its body is framed.
//!
//! `engine/` calls: [`check_fields`] on what a handler wants to say, then [`write_head`] with what the engine has
//! decided.
//!
//! ```text
//!   HTTP/1.1 200 OK
//!   Date: Sun, 06 Nov 1994 08:49:37 GMT     on every answer (RFC 9110 §6.6.1)
//!   Content-Type: text/event-stream         the handler's fields, in their order
//!   Transfer-Encoding: chunked              one framing field, or none
//!   Connection: close                       where the connection's fate is not the version's default
//! ```
//!
//! What always holds: a head that passed `check_fields` cannot forge a line, nor contradict the framing; an answer is
//! always HTTP/1.1, the highest version spoken here, also to an HTTP/1.0 peer (RFC 9110 §2.5).
//!
//! Next: `peer/mod.rs`, which reads it. Tests of both together: `tests/codec.rs`.

use std::io::Write;
use std::time::{Duration, SystemTime};

use super::Version;
use super::scan::{is_token, is_value};
use crate::error::WriteError;

/// How the body of an answer ends.
///
/// ```
/// use encke::http::{AnswerFraming, Persistence, Version, write_date, write_head};
///
/// let head = |status, framing| {
///     let mut out = Vec::new();
///     write_head(&mut out, Version::Http11, status, &[], framing, Persistence::KeepAlive, &write_date(0));
///     String::from_utf8_lossy(&out).into_owned()
/// };
/// assert!(head(200, AnswerFraming::Length(5)).contains("Content-Length: 5\r\n"));
/// assert!(head(200, AnswerFraming::Chunked).contains("Transfer-Encoding: chunked\r\n"));
/// assert!(head(200, AnswerFraming::UntilClose).contains("Connection: close\r\n"));
/// assert!(head(204, AnswerFraming::Empty).ends_with("GMT\r\n\r\n"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnswerFraming {
    /// With the head: no framing field at all. Only for statuses without a body, see [`allows_body`].
    Empty,
    /// After so many bytes. To HEAD, the length that GET would have had.
    Length(u64),
    /// With the last chunk. Never to HTTP/1.0.
    Chunked,
    /// With the connection, for endless answers to HTTP/1.0. The head says `Connection: close`, whatever the persistence.
    UntilClose,
}

/// What becomes of the connection behind an answer.
///
/// ```
/// use encke::http::{AnswerFraming, Persistence, Version, write_date, write_head};
///
/// let head = |peer, persistence| {
///     let mut out = Vec::new();
///     write_head(&mut out, peer, 200, &[], AnswerFraming::Length(0), persistence, &write_date(0));
///     String::from_utf8_lossy(&out).into_owned()
/// };
/// assert!(!head(Version::Http11, Persistence::KeepAlive).contains("Connection"));
/// assert!(head(Version::Http11, Persistence::Close).contains("Connection: close\r\n"));
/// assert!(head(Version::Http10, Persistence::KeepAlive).contains("Connection: keep-alive\r\n"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Persistence {
    /// It goes on. HTTP/1.1 takes this for granted, HTTP/1.0 is told so.
    KeepAlive,
    /// It closes, and the peer is told.
    Close,
}

/// Whether a handler may answer with this status and these fields.
///
/// `Content-Length`, `Transfer-Encoding`, `Connection` and `Date` are the engine's own.
///
/// ```
/// use encke::WriteError;
/// use encke::http::check_fields;
///
/// assert_eq!(check_fields(200, &[("Cache-Control", "no-store")]), Ok(()));
/// assert_eq!(check_fields(200, &[("X-Name", "a\r\nSet-Cookie: b")]), Err(WriteError::BadHead));
/// assert_eq!(check_fields(200, &[("content-length", "5")]), Err(WriteError::BadHead));
/// assert_eq!(check_fields(100, &[]), Err(WriteError::BadHead));
/// ```
///
/// # Errors
/// [`WriteError::BadHead`] if the status is not 200 to 599, a name is not a token or one of the engine's, or a value
/// holds a control byte other than a tab.
pub fn check_fields(status: u16, fields: &[(&str, &str)]) -> Result<(), WriteError> {
    let is_own = |name: &str| {
        ["Content-Length", "Transfer-Encoding", "Connection", "Date"]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(name))
    };
    let is_good = |&(name, value): &(&str, &str)| {
        is_token(name.as_bytes()) && is_value(value.as_bytes()) && !is_own(name)
    };
    if (200..600).contains(&status) && fields.iter().all(is_good) { Ok(()) } else { Err(WriteError::BadHead) }
}

/// Whether a handler may switch to `protocol` with these fields, which must not name `Upgrade` themselves.
///
/// ```
/// use encke::WriteError;
/// use encke::http::check_switch;
///
/// assert_eq!(check_switch("websocket", &[("Sec-WebSocket-Accept", "x")]), Ok(()));
/// assert_eq!(check_switch("web socket", &[]), Err(WriteError::BadHead));
/// ```
///
/// # Errors
/// [`WriteError::BadHead`] as [`check_fields`], or if the protocol is not a name like `websocket` or `name/version`.
pub fn check_switch(protocol: &str, fields: &[(&str, &str)]) -> Result<(), WriteError> {
    let (name, version) = protocol.split_once('/').unwrap_or((protocol, "1"));
    let is_good = is_token(name.as_bytes())
        && is_token(version.as_bytes())
        && !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("Upgrade"));
    if is_good { check_fields(200, fields) } else { Err(WriteError::BadHead) }
}

/// Appends the head of an answer to a request of version `peer`. `date` is what [`write_date`] wrote.
///
/// A field `Upgrade` (426 has one) is announced in `Connection`, as RFC 9110 §7.8 demands.
///
/// ```
/// use encke::http::{AnswerFraming, Persistence, Version, write_date, write_head};
///
/// let mut out = Vec::new();
/// let fields = [("Content-Type", "text/plain")];
/// let (framing, date) = (AnswerFraming::Length(5), write_date(784_111_777));
/// write_head(&mut out, Version::Http11, 200, &fields, framing, Persistence::KeepAlive, &date);
/// assert_eq!(
///     String::from_utf8_lossy(&out),
///     "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
///      Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n"
/// );
/// ```
pub fn write_head(
    out: &mut Vec<u8>,
    peer: Version,
    status: u16,
    fields: &[(&str, &str)],
    framing: AnswerFraming,
    persistence: Persistence,
    date: &[u8; 29],
) {
    debug_assert!(framing != AnswerFraming::Empty || !allows_body(status), "{status} needs a framing");
    debug_assert!(framing != AnswerFraming::Chunked || peer == Version::Http11, "HTTP/1.0 knows no chunks");
    write_start(out, status, fields, date);
    match framing {
        AnswerFraming::Empty | AnswerFraming::UntilClose => {}
        AnswerFraming::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            write_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        AnswerFraming::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
    let offers_upgrade = fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("Upgrade"));
    let closes = persistence == Persistence::Close || framing == AnswerFraming::UntilClose;
    out.extend_from_slice(match (closes, offers_upgrade, peer) {
        (true, false, _) => b"Connection: close\r\n\r\n",
        (true, true, _) => b"Connection: close, upgrade\r\n\r\n",
        (false, false, Version::Http10) => b"Connection: keep-alive\r\n\r\n",
        (false, true, Version::Http10) => b"Connection: keep-alive, upgrade\r\n\r\n",
        (false, true, Version::Http11) => b"Connection: upgrade\r\n\r\n",
        (false, false, Version::Http11) => b"\r\n",
    });
}

/// Appends `101 Switching Protocols`: what follows on the connection is `protocol`'s.
///
/// ```
/// use encke::http::{write_date, write_switch};
///
/// let mut out = Vec::new();
/// write_switch(&mut out, "websocket", &[], &write_date(0));
/// assert!(out.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
/// assert!(out.ends_with(b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n"));
/// ```
pub fn write_switch(out: &mut Vec<u8>, protocol: &str, fields: &[(&str, &str)], date: &[u8; 29]) {
    write_start(out, 101, fields, date);
    write_field(out, "Upgrade", protocol);
    out.extend_from_slice(b"Connection: upgrade\r\n\r\n");
}

/// Appends `100 Continue`, which a peer that expects it may wait for before its body. Never to HTTP/1.0.
///
/// ```
/// let mut out = Vec::new();
/// encke::http::write_continue(&mut out);
/// assert_eq!(out, b"HTTP/1.1 100 Continue\r\n\r\n");
/// ```
pub fn write_continue(out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
}

/// The status line, the date and the handler's fields.
fn write_start(out: &mut Vec<u8>, status: u16, fields: &[(&str, &str)], date: &[u8; 29]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    write_decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\nDate: ");
    out.extend_from_slice(date);
    out.extend_from_slice(b"\r\n");
    for (name, value) in fields {
        write_field(out, name, value);
    }
}

/// Appends one line of a head.
pub(super) fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends a number without going through the formatter, which takes longer than the rest of the head.
pub(super) fn write_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Whether an answer with this status can have a body. One that can has to say how it ends, also if it is empty (RFC
/// 9112 §6.3 (1)).
///
/// ```
/// use encke::http::allows_body;
///
/// assert!(allows_body(200) && allows_body(404));
/// assert!(!allows_body(204) && !allows_body(304) && !allows_body(101));
/// ```
#[must_use]
pub const fn allows_body(status: u16) -> bool {
    !matches!(status, 100..200 | 204 | 304)
}

/// The date in the form of RFC 9110 §5.6.7, `Sun, 06 Nov 1994 08:49:37 GMT`, which is 29 bytes long until the year 9999
/// ends and stays there.
///
/// `SystemTime` is only a number here; no clock is asked.
///
/// ```
/// assert_eq!(encke::http::write_date(784_111_777), *b"Sun, 06 Nov 1994 08:49:37 GMT");
/// ```
#[must_use]
pub fn write_date(unix_seconds: u64) -> [u8; 29] {
    const LAST_SECOND_OF_9999: u64 = 253_402_300_799;
    let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(unix_seconds.min(LAST_SECOND_OF_9999));
    let mut date = [b' '; 29];
    let written = write!(&mut date[..], "{}", httpdate::HttpDate::from(moment));
    debug_assert!(written.is_ok(), "an HTTP date is 29 bytes long");
    date
}

/// The words that go with a status; empty for one that nobody has registered, as RFC 9112 §4 allows.
///
/// ```
/// use encke::http::reason;
///
/// assert_eq!((reason(404), reason(299)), ("Not Found", ""));
/// ```
#[must_use]
pub const fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        101 => "Switching Protocols",
        103 => "Early Hints",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        511 => "Network Authentication Required",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_29_bytes_in_any_century() {
        for (seconds, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_827_696, "Tue, 29 Feb 2000 12:34:56 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(str::from_utf8(&write_date(seconds)), Ok(date));
        }
    }

    #[test]
    fn numbers_are_written_as_the_formatter_writes_them() {
        for number in [0, 9, 10, 99, 100, 12_345, u64::MAX] {
            let mut out = Vec::new();
            write_decimal(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }

    #[test]
    fn every_status_of_a_refusal_has_words() {
        for status in [400, 408, 413, 414, 417, 421, 431, 500, 501, 503, 505] {
            assert_ne!(reason(status), "");
        }
        assert_eq!(reason(599), "");
    }

    #[test]
    fn bodies_are_for_all_but_a_few() {
        assert!([100, 101, 199, 204, 304].into_iter().all(|status| !allows_body(status)));
        assert!([200, 205, 206, 301, 400, 404, 500].into_iter().all(allows_body));
    }
}

//! A request's head: what it says, and what its fields decide.
//!
//! `engine/` calls [`parse_head`] once [`HeadScan`](super::HeadScan) has found the end, and hands the [`RequestHead`]
//! to the handler.
//!
//! ```text
//!   GET /channels/news?since=0-1 HTTP/1.1 CRLF     the request line is read here, for httparse is laxer and knows two versions
//!   Host: example.org CRLF                         the fields are read by httparse
//!   Connection: keep-alive CRLF  CRLF              and judged here: Host, framing, Connection, Expect
//! ```
//!
//! What always holds: a head borrows the bytes and copies nothing; everything that could be refused has been when a
//! handler sees it; `parse_head` alone is as strict as with a scan before it.
//!
//! Absent on purpose: what a field means to an application. `Accept`, `Origin` and the like belong to `server/`.
//!
//! Next: `line.rs`.

use std::fmt;
use std::mem::MaybeUninit;

use httparse::{Header, Status};

use super::framing::{self, Framing, Seen};
use super::line::RequestLine;
use super::scan::{HeadBounds, is_token, without_blank_lines};
use super::{Version, target};
use crate::error::Refusal;
use crate::limits::FIELDS_MAX;

/// Space on the stack for the fields of one head, not even initialised before it is used.
///
/// ```
/// use encke::http::{FieldSpace, HeadBounds, parse_head};
///
/// let bounds = HeadBounds { bytes_max: 1024, fields_max: 8 };
/// let mut space = FieldSpace::new();
/// let head = parse_head(b"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n", &mut space, &bounds)?;
/// assert_eq!(head.fields().count(), 2);
/// # Ok::<(), encke::Refusal>(())
/// ```
#[derive(Debug)]
pub struct FieldSpace<'b>(Space<'b>);

#[derive(Debug)]
enum Space<'b> {
    Untouched([MaybeUninit<Header<'b>>; FIELDS_MAX]),
    /// For the versions that httparse takes no whole head of.
    Cleared([Header<'b>; FIELDS_MAX]),
}

impl FieldSpace<'_> {
    /// Space for 100 fields.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        FieldSpace(Space::Untouched([const { MaybeUninit::uninit() }; FIELDS_MAX]))
    }
}

impl Default for FieldSpace<'_> {
    fn default() -> Self {
        FieldSpace::new()
    }
}

/// The head of a request that will be served: its line and fields, borrowed from the bytes that came.
///
/// ```
/// use encke::http::{Framing, Version};
/// use encke::{Event, testing};
///
/// let mut server = testing::serve(|event, ctx| {
///     if let Event::Begin(request) = event {
///         assert_eq!((request.method(), request.is_head()), ("GET", false));
///         assert_eq!(request.target(), "/news?since=1-7");
///         assert_eq!((request.path(), request.query()), ("/news", Some("since=1-7")));
///         assert_eq!(request.host(), Some("example.org"));
///         assert_eq!(request.field_str("accept"), Some("text/event-stream"));
///         assert_eq!((request.fields().count(), request.field("X-Missing")), (2, None));
///         assert_eq!((request.version(), request.framing()), (Version::Http11, Framing::None));
///         assert!(request.keeps_alive() && !request.expects_continue());
///         ctx.close();
///     }
/// });
/// let peer = server.connect();
/// server.send(peer, "GET /news?since=1-7 HTTP/1.1\r\nHost: example.org\r\n");
/// server.send(peer, "Accept: text/event-stream\r\n\r\n");
/// ```
#[derive(Clone, Copy)]
pub struct RequestHead<'b> {
    method: &'static str,
    target: &'b str,
    path: &'b str,
    query: Option<&'b str>,
    host: Option<&'b str>,
    fields: &'b [Header<'b>],
    framing: Framing,
    version: Version,
    options: ConnectionOptions,
    expects_continue: bool,
}

/// What `Connection` lists, of the options that this server knows. Each is independent of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ConnectionOptions {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

/// Reads and judges a head: `head` begins where the message begins and ends behind the blank line.
///
/// ```
/// use encke::http::{FieldSpace, HeadBounds, Version, parse_head};
///
/// let bounds = HeadBounds { bytes_max: 16 * 1024, fields_max: 100 };
/// let mut space = FieldSpace::new();
/// let head = parse_head(b"GET http://a.example/x?y HTTP/1.0\r\nHost: b.example\r\n\r\n", &mut space, &bounds)?;
/// assert_eq!((head.method(), head.target()), ("GET", "http://a.example/x?y"));
/// assert_eq!((head.host(), head.path(), head.query()), (Some("a.example"), "/x", Some("y")));
/// assert_eq!((head.version(), head.keeps_alive()), (Version::Http10, false));
///
/// let mut space = FieldSpace::new();
/// assert_eq!(parse_head(b"GET / HTTP/1.1\r\n\r\n", &mut space, &bounds).unwrap_err().status, 400);
/// # Ok::<(), encke::Refusal>(())
/// ```
///
/// # Errors
/// 400 for what is malformed or ambiguous: the request line, a field, `Host`, `Content-Length`, `Transfer-Encoding`,
/// `Connection`. 417 for an expectation other than `100-continue`, 431 for too many bytes or fields, 501 for a method
/// or a transfer coding that is unknown, 505 for a version other than 1.x.
pub fn parse_head<'b>(
    head: &'b [u8],
    space: &'b mut FieldSpace<'b>,
    bounds: &HeadBounds,
) -> Result<RequestHead<'b>, Refusal> {
    if head.len() > bounds.bytes_max {
        return Err(Refusal::new(431, "the head is too large"));
    }
    let head = without_blank_lines(head);
    let (line, behind) = RequestLine::parse(head)?;
    let fields = parse_fields(head, behind, line.minor, space, bounds.fields_max)?;
    judge(line, fields)
}

const NO_END: Refusal = Refusal::new(400, "a head without an end");

/// Lets httparse read the fields behind the request line, and makes sure that they end where the head ends.
fn parse_fields<'b>(
    head: &'b [u8],
    behind_line: &'b [u8],
    minor: u8,
    space: &'b mut FieldSpace<'b>,
    fields_max: usize,
) -> Result<&'b [Header<'b>], Refusal> {
    let fields_max = fields_max.min(FIELDS_MAX);
    if minor > 1 {
        space.0 = Space::Cleared([httparse::EMPTY_HEADER; FIELDS_MAX]);
    }
    let (parsed, expected, fields) = match &mut space.0 {
        Space::Untouched(space) => {
            let mut request = httparse::Request::new(&mut []);
            let parsed =
                request.parse_with_uninit_headers(head, &mut space[..fields_max]).map_err(malformed)?;
            (parsed, head.len(), &*request.headers)
        }
        Space::Cleared(space) => {
            match httparse::parse_headers(behind_line, &mut space[..fields_max]).map_err(malformed)? {
                Status::Complete((parsed, fields)) => (Status::Complete(parsed), behind_line.len(), fields),
                Status::Partial => return Err(NO_END),
            }
        }
    };
    if parsed != Status::Complete(expected) {
        return Err(NO_END);
    }
    // httparse takes an LF alone as the end of a line. In what it has accepted, a CR stands nowhere but before an LF; so
    // if there are as many of each as there are lines, every line ends in both.
    let lines = fields.len() + 2;
    if count(head, b'\n') != lines || count(head, b'\r') != lines {
        return Err(Refusal::new(400, "a line that does not end in a carriage return and a line feed"));
    }
    Ok(fields)
}

/// How often `wanted` is in `bytes`. Sums of one byte let the compiler compare many at once, which is ten times as fast
/// here.
fn count(bytes: &[u8], wanted: u8) -> usize {
    let sums = bytes.chunks(255).map(|chunk| chunk.iter().map(|&byte| u8::from(byte == wanted)).sum::<u8>());
    sums.map(usize::from).sum()
}

fn malformed(error: httparse::Error) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::new(431, "too many fields"),
        httparse::Error::HeaderName => Refusal::new(400, "a malformed field name"),
        httparse::Error::HeaderValue => Refusal::new(400, "a malformed field value"),
        _ => Refusal::new(400, "a malformed head"),
    }
}

// TOUR 3.2
/// Reads the fields that decide how the message is understood, and refuses what could be understood in two ways.
fn judge<'b>(line: RequestLine<'b>, fields: &'b [Header<'b>]) -> Result<RequestHead<'b>, Refusal> {
    let (mut host, mut length, mut coding) = (Seen::Never, Seen::Never, Seen::Never);
    let mut options = ConnectionOptions::default();
    let mut expects_continue = false;
    for &Header { name, value } in fields {
        // The length of a name tells most fields apart before a letter is compared.
        match name.len() {
            4 if name.eq_ignore_ascii_case("Host") => host = host.and(value),
            6 if name.eq_ignore_ascii_case("Expect") => expects_continue |= read_expectations(value)?,
            10 if name.eq_ignore_ascii_case("Connection") => options.read(value)?,
            14 if name.eq_ignore_ascii_case("Content-Length") => length = length.and(value),
            17 if name.eq_ignore_ascii_case("Transfer-Encoding") => coding = coding.and(value),
            _ => {}
        }
    }
    let version = line.version();
    let host = check_host(version, host)?;
    let framing = framing::decide(version, coding, length)?;
    Ok(RequestHead {
        method: line.method,
        target: line.target,
        path: line.parts.path,
        query: line.parts.query,
        host: line.parts.authority.or(host),
        fields,
        framing,
        version,
        options,
        expects_continue,
    })
}

/// Whether one `Expect` field lists `100-continue`. Empty members are passed over (RFC 9110 §5.6.1.2), all others are refused (§10.1.1).
fn read_expectations(value: &[u8]) -> Result<bool, Refusal> {
    let mut is_listed = false;
    for member in
        value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
    {
        if !member.eq_ignore_ascii_case(b"100-continue") {
            return Err(Refusal::new(417, "an expectation other than 100-continue"));
        }
        is_listed = true;
    }
    Ok(is_listed)
}

/// Exactly one valid `Host` for HTTP/1.1, at most one for HTTP/1.0 (RFC 9112 §3.2).
fn check_host(version: Version, host: Seen<'_>) -> Result<Option<&str>, Refusal> {
    match host {
        Seen::Never if version == Version::Http10 => Ok(None),
        Seen::Never => Err(Refusal::new(400, "no Host")),
        Seen::Again => Err(Refusal::new(400, "more than one Host")),
        Seen::Once(value) => match str::from_utf8(value) {
            Ok(host) if target::is_host(host) => Ok(Some(host)),
            _ => Err(Refusal::new(400, "a malformed Host")),
        },
    }
}

impl ConnectionOptions {
    /// Adds what one `Connection` field lists. Empty members are passed over (RFC 9110 §5.6.1.2).
    fn read(&mut self, value: &[u8]) -> Result<(), Refusal> {
        for option in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            } else if !option.is_empty() && !is_token(option) {
                return Err(Refusal::new(400, "a Connection that is not a list of tokens"));
            }
        }
        Ok(())
    }
}

impl<'b> RequestHead<'b> {
    /// The method, one of RFC 9110 §9 but CONNECT, or PATCH.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// Whether the answer has a head only.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// The target as it was sent: a path and query, an `http` address, or `*`.
    #[must_use]
    pub fn target(&self) -> &'b str {
        self.target
    }

    /// The target's path, not decoded: it begins with a slash, or is `*`.
    #[must_use]
    pub fn path(&self) -> &'b str {
        self.path
    }

    /// The target's query, not decoded and without its question mark. See [`query::pairs`](super::query::pairs).
    #[must_use]
    pub fn query(&self) -> Option<&'b str> {
        self.query
    }

    /// The version, as far as it matters.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The host and port that the request is for, as sent: the target's if that has one (RFC 9112 §3.2.2), else the
    /// field's, which may be empty. None in an HTTP/1.0 request that names none.
    #[must_use]
    pub fn host(&self) -> Option<&'b str> {
        self.host
    }

    /// All fields in the order in which they came. Values have no blanks at either end, and no control bytes but tabs.
    pub fn fields(&self) -> impl Iterator<Item = (&'b str, &'b [u8])> + use<'b> {
        self.fields.iter().map(|field| (field.name, field.value))
    }

    /// The values of all fields of this name, whatever its case.
    ///
    /// ```
    /// use encke::http::{FieldSpace, HeadBounds, parse_head};
    ///
    /// let bounds = HeadBounds { bytes_max: 1024, fields_max: 8 };
    /// let wire = b"GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nACCEPT: */*;q=0.1\r\n\r\n";
    /// let mut space = FieldSpace::new();
    /// let head = parse_head(wire, &mut space, &bounds)?;
    /// let accepted: Vec<&[u8]> = head.fields_named("accept").collect();
    /// assert_eq!(accepted, [&b"text/html"[..], b"*/*;q=0.1"]);
    /// # Ok::<(), encke::Refusal>(())
    /// ```
    pub fn fields_named<'n>(&self, name: &'n str) -> impl Iterator<Item = &'b [u8]> + use<'b, 'n> {
        self.fields().filter(move |(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of the first field of this name, whatever its case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'b [u8]> {
        self.fields_named(name).next()
    }

    /// The same as text; None also if it is not UTF-8.
    #[must_use]
    pub fn field_str(&self, name: &str) -> Option<&'b str> {
        self.field(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// Which body follows.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the peer waits for `100 Continue` before it sends its body. Never true without a body, nor of HTTP/1.0,
    /// where the expectation is to be ignored (RFC 9110 §10.1.1).
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
            && self.version == Version::Http11
            && !matches!(self.framing, Framing::None | Framing::Length(0))
    }

    /// Whether the peer lets the connection go on behind the answer (RFC 9112 §9.3). `close` wins over `keep-alive`.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        !self.options.close && (self.version == Version::Http11 || self.options.keep_alive)
    }

    /// The protocols that the peer would rather speak, as sent: the value of `Upgrade`, if `Connection` lists it. Never
    /// of HTTP/1.0, where it is to be ignored (RFC 9110 §7.8).
    ///
    /// ```
    /// use encke::http::{FieldSpace, HeadBounds, parse_head};
    ///
    /// let bounds = HeadBounds { bytes_max: 1024, fields_max: 8 };
    /// let wire = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    /// let mut space = FieldSpace::new();
    /// assert_eq!(parse_head(wire, &mut space, &bounds)?.upgrade(), Some("websocket"));
    ///
    /// // Who does not list it has not asked for it: an intermediary may have passed the field on.
    /// let mut space = FieldSpace::new();
    /// let wire = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";
    /// assert_eq!(parse_head(wire, &mut space, &bounds)?.upgrade(), None);
    /// # Ok::<(), encke::Refusal>(())
    /// ```
    #[must_use]
    pub fn upgrade(&self) -> Option<&'b str> {
        let listed = self.options.upgrade && self.version == Version::Http11;
        if listed { self.field_str("Upgrade") } else { None }
    }
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method, self.target, self.version)?;
        for (name, value) in self.fields() {
            write!(f, "; {name}: {}", value.escape_ascii())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: HeadBounds = HeadBounds { bytes_max: 1024, fields_max: 100 };

    fn status(head: &[u8], bounds: &HeadBounds) -> Option<u16> {
        parse_head(head, &mut FieldSpace::new(), bounds).err().map(|refusal| refusal.status)
    }

    #[test]
    fn a_head_that_was_not_scanned_is_judged_as_strictly() {
        assert_eq!(status(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &BOUNDS), None);
        for head in [
            &b""[..],
            b"\r\n",
            b"GET / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n",
            b"GET / HTTP/1.1\r\nHost: a\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\n",
            b"GET / HTTP/1.1\nHost: a\r\n\r\n",
            b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\nX",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n",
            b"GET / HTTP/1.5\r\nHost: a\n\r\n",
            b"GET / HTTP/1.5\r\nHost: a\r\n\r\nX",
            b"GET / HTTP/1.5\r\nHost: a\r\n",
        ] {
            assert_eq!(status(head, &BOUNDS), Some(400), "{}", head.escape_ascii());
        }
    }

    #[test]
    fn bounds_hold_without_a_scan_too() {
        let head = b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n";
        assert_eq!(status(head, &HeadBounds { bytes_max: head.len(), fields_max: 2 }), None);
        assert_eq!(status(head, &HeadBounds { bytes_max: head.len() - 1, fields_max: 2 }), Some(431));
        assert_eq!(status(head, &HeadBounds { bytes_max: head.len(), fields_max: 1 }), Some(431));
    }

    #[test]
    fn long_heads_are_counted_beyond_what_a_byte_can_sum() {
        for fields in [60, 98] {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(fields));
            assert_eq!(status(head.as_bytes(), &BOUNDS), None);
        }
        assert_eq!(count(&[b'\n'; 1000], b'\n'), 1000);
    }

    #[test]
    fn fields_are_found_in_any_case_and_the_first_counts() {
        let mut space = FieldSpace::new();
        let wire = b"GET / HTTP/1.1\r\nHost: a\r\nX-Note: 1\r\nx-note: 2\r\nY: \xff\r\n\r\n";
        let head = parse_head(wire, &mut space, &BOUNDS).unwrap();
        assert_eq!((head.field("X-NOTE"), head.field_str("x-note")), (Some(&b"1"[..]), Some("1")));
        assert_eq!(head.fields_named("X-Note").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!((head.field("Z"), head.field_str("Y"), head.field("Y")), (None, None, Some(&b"\xff"[..])));
        assert_eq!(head.fields().count(), 4);
        let shown = format!("{head:?}");
        assert_eq!(shown, "GET / HTTP/1.1; Host: a; X-Note: 1; x-note: 2; Y: \\xff");
    }

    #[test]
    fn what_a_head_lends_outlives_the_head() {
        let wire = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
        let mut space = FieldSpace::default();
        let (path, host) = {
            let head = parse_head(&wire, &mut space, &BOUNDS).unwrap();
            assert!(!head.is_head());
            (head.path(), head.field("Host"))
        };
        assert_eq!((path, host), ("/a", Some(&b"a"[..])));
    }
}

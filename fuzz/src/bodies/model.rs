//! HTTP/1.1 a second time: slow, over a whole buffer, straight from the grammar, and with nothing of the library in it.
//!
//! The bodies compare. Where the RFCs let a server choose, this file chooses what `src/http/mod.rs` promises.
//!
//! What always holds: `Bad` is told of the first byte behind which no good message can follow, `More` while one still can; so the
//! verdict is comparable for every front of a message.
//!
//! Absent on purpose: bounds, which the bodies know about, and statuses.
//!
//! Next: `head.rs`.

use std::net::Ipv6Addr;

/// Why reading stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is good so far.
    More,
    /// It cannot become good.
    Bad,
}

/// A name and a value.
pub type Field<'b> = (&'b [u8], &'b [u8]);

/// A head whose bytes are in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head<'b> {
    pub line: &'b [u8],
    pub fields: Vec<Field<'b>>,
    /// Where it ends, the blank line included.
    pub end: usize,
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    Nothing,
    Length(u64),
    Chunks,
}

/// Bytes, and how far they are read.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    fn peek(&self) -> Result<u8, Stop> {
        self.bytes.get(self.at).copied().ok_or(Stop::More)
    }

    fn one(&mut self, is_good: impl Fn(u8) -> bool) -> Result<u8, Stop> {
        let byte = self.peek()?;
        if !is_good(byte) {
            return Err(Stop::Bad);
        }
        self.at += 1;
        Ok(byte)
    }

    fn crlf(&mut self) -> Result<(), Stop> {
        self.one(|byte| byte == b'\r')?;
        self.one(|byte| byte == b'\n').map(drop)
    }

    /// As many bytes as are good, perhaps none, and the one behind them is there.
    fn many(&mut self, is_good: impl Fn(u8) -> bool) -> Result<&'b [u8], Stop> {
        let start = self.at;
        while is_good(self.peek()?) {
            self.at += 1;
        }
        Ok(&self.bytes[start..self.at])
    }

    /// The same, at least one.
    fn some(&mut self, is_good: impl Fn(u8) -> bool) -> Result<&'b [u8], Stop> {
        if !is_good(self.peek()?) {
            return Err(Stop::Bad);
        }
        self.many(is_good)
    }

    /// Lines of fields and the blank line.
    fn fields(&mut self) -> Result<Vec<Field<'b>>, Stop> {
        let mut fields = Vec::new();
        while self.peek()? != b'\r' {
            let name = self.some(is_token)?;
            self.one(|byte| byte == b':')?;
            let value = self.many(is_value)?;
            self.crlf()?;
            fields.push((name, trim(value)));
        }
        self.crlf()?;
        Ok(fields)
    }
}

pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_value(byte: u8) -> bool {
    byte == b'\t' || byte >= b' ' && byte != 0x7F
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn trim(text: &[u8]) -> &[u8] {
    let from = text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len());
    let to = text.iter().rposition(|&byte| !is_blank(byte)).map_or(from, |last| last + 1);
    &text[from..to]
}

/// Reads the bytes of a head, without asking what they mean.
pub fn head(wire: &[u8]) -> Result<Head<'_>, Stop> {
    let mut cursor = Cursor { bytes: wire, at: 0 };
    while cursor.peek()? == b'\r' {
        cursor.crlf()?;
    }
    if cursor.peek()? == b' ' {
        return Err(Stop::Bad);
    }
    let line = cursor.some(|byte| (b' '..=b'~').contains(&byte))?;
    cursor.crlf()?;
    // A line is judged when it is whole.
    if !is_line(line) {
        return Err(Stop::Bad);
    }
    let fields = cursor.fields()?;
    Ok(Head { line, fields, end: cursor.at })
}

/// Method, target and the digit behind the dot of the version.
fn parts(line: &[u8]) -> Option<(&[u8], &[u8], u8)> {
    let parts: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let &[method, target, [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9']] = &parts[..]
    else {
        return None;
    };
    Some((method, target, minor - b'0'))
}

fn is_line(line: &[u8]) -> bool {
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"];
    parts(line).is_some_and(|(method, target, _)| {
        methods.iter().any(|known| known.as_bytes() == method) && is_target(method, target)
    })
}

impl<'b> Head<'b> {
    /// Method, target and the digit behind the dot of the version.
    pub fn parts(&self) -> Option<(&'b [u8], &'b [u8], u8)> {
        parts(self.line)
    }

    fn named(&self, name: &str) -> Vec<&'b [u8]> {
        let is_named = |field: &&Field<'_>| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is_named).map(|&(_, value)| value).collect()
    }

    /// The members of all lists of this name, the empty ones too.
    fn listed(&self, name: &str) -> Vec<&'b [u8]> {
        self.named(name).into_iter().flat_map(|value| value.split(|&byte| byte == b',')).map(trim).collect()
    }

    /// Whether a request with this head is served.
    pub fn is_good(&self) -> bool {
        let Some((_, _, minor)) = self.parts() else { return false };
        let hosts = self.named("Host");
        let has_host = match hosts[..] {
            [] => minor == 0,
            [host] => host.is_empty() || is_host(host),
            _ => false,
        };
        let is_awaited = |member: &[u8]| member.is_empty() || member.eq_ignore_ascii_case(b"100-continue");
        has_host
            && self.listed("Connection").iter().all(|option| option.iter().all(|&byte| is_token(byte)))
            && self.listed("Expect").into_iter().all(is_awaited)
            && self.follows().is_some()
    }

    /// The body behind this head; nothing if two readers could disagree about it.
    pub fn follows(&self) -> Option<Follows> {
        let (_, _, minor) = self.parts()?;
        let (codings, lengths) = (self.named("Transfer-Encoding"), self.named("Content-Length"));
        match (&codings[..], &lengths[..]) {
            ([], []) => Some(Follows::Nothing),
            ([], [length]) => {
                let digits = std::str::from_utf8(length).ok()?;
                // `parse` would take a plus sign.
                if digits.starts_with('+') { None } else { digits.parse().ok().map(Follows::Length) }
            }
            ([coding], []) if minor > 0 && coding.eq_ignore_ascii_case(b"chunked") => Some(Follows::Chunks),
            _ => None,
        }
    }

    /// The host that the request is for.
    pub fn host(&self) -> Option<&'b [u8]> {
        let (_, target, _) = self.parts()?;
        match target.starts_with(b"/") || target == b"*" {
            true => self.named("Host").first().copied(),
            false => authority(target),
        }
    }
}

/// What stands between `http://` and the path or query.
fn authority(target: &[u8]) -> Option<&[u8]> {
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    let scheme = schemes
        .into_iter()
        .find(|scheme| target.len() >= scheme.len() && target[..scheme.len()].eq_ignore_ascii_case(scheme))?;
    let rest = &target[scheme.len()..];
    rest.split(|byte| b"/?".contains(byte)).next()
}

fn is_target(method: &[u8], target: &[u8]) -> bool {
    if target == b"*" {
        return method == b"OPTIONS";
    }
    let behind = match target {
        [b'/', ..] => target,
        _ => match authority(target) {
            Some(host) if is_host(host) => {
                let end = target.windows(3).position(|three| three == b"://").map_or(0, |at| at + 3);
                &target[end + host.len()..]
            }
            _ => return false,
        },
    };
    let (path, query) = behind.split_at(behind.iter().position(|&byte| byte == b'?').unwrap_or(behind.len()));
    is_coded(path, b"-._~!$&'()*+,;=:@/[]^|") && is_coded(query, b"-._~!$&'()*+,;=:@/?[]^|\\`{}")
}

/// Whether every byte is a letter, a digit, one of these, or encoded.
fn is_coded(text: &[u8], good: &[u8]) -> bool {
    let mut pieces = text.split(|&byte| byte == b'%');
    let is_plain =
        |piece: &[u8]| piece.iter().all(|byte| byte.is_ascii_alphanumeric() || good.contains(byte));
    let is_digits = |piece: &[u8]| piece.len() >= 2 && piece[..2].iter().all(u8::is_ascii_hexdigit);
    pieces.next().is_some_and(is_plain) && pieces.all(|piece| is_digits(piece) && is_plain(piece))
}

/// A host and perhaps a port.
fn is_host(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (text, ""),
    };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit())
        && port.trim_start_matches('0').len() <= 5
        && port.bytes().fold(0_u64, |sum, digit| (10 * sum + u64::from(digit - b'0')).min(1 << 20)) <= 65_535;
    if let Some(address) = host.strip_prefix('[') {
        return is_port && address.strip_suffix(']').is_some_and(|text| text.parse::<Ipv6Addr>().is_ok());
    }
    is_port && !host.is_empty() && is_coded(host.as_bytes(), b"-._~!$&'()*+;=")
}

/// Takes the chunks off. What was decoded before the end, or before reading stopped, is put into `body`; gives where the body ends.
pub fn chunked(wire: &[u8], body: &mut Vec<u8>) -> Result<usize, Stop> {
    let mut cursor = Cursor { bytes: wire, at: 0 };
    loop {
        let mut size = 0;
        for digits in 0.. {
            let byte = cursor.peek()?;
            match (byte as char).to_digit(16) {
                Some(_) if size >> 60 > 0 => return Err(Stop::Bad),
                Some(digit) => size = size * 16 + u64::from(digit),
                None if digits == 0 => return Err(Stop::Bad),
                None => break,
            }
            cursor.at += 1;
        }
        extensions(&mut cursor)?;
        cursor.crlf()?;
        if size == 0 {
            cursor.fields()?;
            return Ok(cursor.at);
        }
        let rest = &wire[cursor.at..];
        let taken = usize::try_from(size).map_or(rest.len(), |size| size.min(rest.len()));
        body.extend_from_slice(&rest[..taken]);
        cursor.at += taken;
        if (taken as u64) < size {
            return Err(Stop::More);
        }
        cursor.crlf()?;
    }
}

/// `*( BWS ";" BWS name [ BWS "=" BWS value ] )`, RFC 9112 §7.1.1.
fn extensions(cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    // Blanks are good only in front of something.
    let mut has_blanks = !cursor.many(is_blank)?.is_empty();
    while cursor.peek()? != b'\r' || has_blanks {
        cursor.one(|byte| byte == b';')?;
        cursor.many(is_blank)?;
        cursor.some(is_token)?;
        has_blanks = !cursor.many(is_blank)?.is_empty();
        if cursor.peek()? != b'=' {
            continue;
        }
        cursor.at += 1;
        cursor.many(is_blank)?;
        if cursor.peek()? == b'"' {
            quoted(cursor)?;
        } else {
            cursor.some(is_token)?;
        }
        has_blanks = !cursor.many(is_blank)?.is_empty();
    }
    Ok(())
}

fn quoted(cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    cursor.at += 1;
    loop {
        match cursor.one(is_value)? {
            b'"' => return Ok(()),
            b'\\' => drop(cursor.one(is_value)?),
            _ => {}
        }
    }
}

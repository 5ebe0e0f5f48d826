//! The request line: `method SP target SP version`, with exactly these two blanks (RFC 9112 §3).
//!
//! `head.rs` calls. The line is read here and not by httparse, which is laxer about it and knows two versions only.
//!
//! What always holds: the version is judged first, for of a request in another one nothing else is known; then the
//! method, then the target, which is the affair of `target.rs`.
//!
//! Next: `target.rs`.

use super::Version;
use super::scan::is_token;
use super::target::{self, Target};
use crate::error::Refusal;

/// A request line, taken apart.
#[derive(Debug)]
pub(super) struct RequestLine<'b> {
    pub(super) method: &'static str,
    pub(super) target: &'b str,
    /// The target, taken apart.
    pub(super) parts: Target<'b>,
    /// The digit behind the dot; the one before it is 1.
    pub(super) minor: u8,
}

impl<'b> RequestLine<'b> {
    /// Reads the line at the front of `head`, and gives what stands behind it.
    pub(super) fn parse(head: &'b [u8]) -> Result<(RequestLine<'b>, &'b [u8]), Refusal> {
        let incomplete = Refusal::new(400, "a request line that is not a method, a target and a version");
        let (method, rest) = split_at_blank(head).ok_or(incomplete)?;
        let (target, rest) = split_at_blank(rest).ok_or(incomplete)?;
        let (minor, behind) = match rest {
            [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor @ b'0'..=b'9', b'\r', b'\n', behind @ ..] => {
                (minor - b'0', behind)
            }
            [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9', b'\r', b'\n', ..] => {
                return Err(Refusal::new(505, "a version other than HTTP/1.0 and HTTP/1.1"));
            }
            _ => return Err(Refusal::new(400, "a malformed version")),
        };
        let method = known_method(method)?;
        let Ok(target) = str::from_utf8(target) else {
            return Err(Refusal::new(400, "a malformed target"));
        };
        let parts = target::parse(method, target)?;
        Ok((RequestLine { method, target, parts, minor }, behind))
    }

    pub(super) fn version(&self) -> Version {
        if self.minor == 0 { Version::Http10 } else { Version::Http11 }
    }
}

/// What stands before the first blank, and what behind it; nothing if a control byte such as the line's end comes first.
fn split_at_blank(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte <= b' ')?;
    if bytes[at] == b' ' { Some((&bytes[..at], &bytes[at + 1..])) } else { None }
}

/// The methods of RFC 9110 §9 and PATCH (RFC 5789); methods are told apart by case (§9.1).
fn known_method(method: &[u8]) -> Result<&'static str, Refusal> {
    Ok(match method {
        b"GET" => "GET",
        b"POST" => "POST",
        b"HEAD" => "HEAD",
        b"OPTIONS" => "OPTIONS",
        b"PUT" => "PUT",
        b"DELETE" => "DELETE",
        b"PATCH" => "PATCH",
        b"TRACE" => "TRACE",
        b"CONNECT" => return Err(Refusal::new(501, "CONNECT is for proxies")),
        _ if is_token(method) => return Err(Refusal::new(501, "a method that is not known here")),
        _ => return Err(Refusal::new(400, "a malformed method")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(line: &str) -> Option<u16> {
        RequestLine::parse(format!("{line}\r\n").as_bytes()).err().map(|refusal| refusal.status)
    }

    #[test]
    fn the_version_is_judged_before_the_method_and_the_method_before_the_target() {
        assert_eq!(status("BR(W # HTTP/2.0"), Some(505));
        assert_eq!(status("BR(W # HTTP/1.1"), Some(400));
        assert_eq!(status("BREW # HTTP/1.1"), Some(501));
        assert_eq!(status("GET # HTTP/1.1"), Some(400));
        assert_eq!(status("GET / HTTP/1.1"), None);
    }

    #[test]
    fn a_line_ends_where_it_ends() {
        let (line, behind) = RequestLine::parse(b"GET /a HTTP/1.1\r\nHost: b c d\r\n").unwrap();
        assert_eq!((line.method, line.target, line.minor, behind), ("GET", "/a", 1, &b"Host: b c d\r\n"[..]));
        // The blanks of later lines are not this line's.
        let refusal = RequestLine::parse(b"GET /\r\nHost: HTTP/1.1\r\n").unwrap_err();
        assert_eq!(refusal.why, "a request line that is not a method, a target and a version");
    }
}

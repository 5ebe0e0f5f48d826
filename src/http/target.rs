//! The target of a request, and what a host may look like (RFC 9112 §3.2, RFC 9110 §7.2).
//!
//! `line.rs` calls, with whatever stood between the two blanks of a request line.
//!
//! | form | example | served |
//! | --- | --- | --- |
//! | origin | `/channels/news?since=0-1` | yes |
//! | absolute | `http://example.org/channels/news` | yes; its host counts, not the field's (§3.2.2) |
//! | asterisk | `*` | for OPTIONS |
//! | authority | `example.org:443` | no: CONNECT is for proxies |
//!
//! Stricter than the grammar on purpose: a host without a comma, since two hosts that somebody has merged look like
//! that, and without user information, which RFC 9110 §4.2.4 calls an error; a port below 65536; an IPv6 literal that
//! is an address. Laxer on purpose: the few bytes that browsers send as they are typed, such as `|` in a path or `{` in a
//! query (the "percent-encode sets" of the URL standard). What no browser sends is refused.
//!
//! Next: `framing.rs`.

use std::net::Ipv6Addr;

use super::scan::{path_run, query_run};
use crate::error::Refusal;

/// A target, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'b> {
    /// The host and port of an absolute target.
    pub(super) authority: Option<&'b str>,
    /// Begins with a slash, or is `*`.
    pub(super) path: &'b str,
    /// What stands behind the first question mark.
    pub(super) query: Option<&'b str>,
}

/// Takes the target of a request with this method apart.
pub(super) fn parse<'b>(method: &str, target: &'b str) -> Result<Target<'b>, Refusal> {
    if target.starts_with('/') {
        let (path, query) = split_query(target);
        check(path, query)?;
        return Ok(Target { authority: None, path, query });
    }
    if target.is_empty() {
        return Err(Refusal::new(400, "a malformed target"));
    }
    if target == "*" {
        if method != "OPTIONS" {
            return Err(Refusal::new(400, "the target * is for OPTIONS alone"));
        }
        return Ok(Target { authority: None, path: target, query: None });
    }
    let rest = strip_scheme(target)
        .ok_or(Refusal::new(400, "a target that is neither a path nor an http address"))?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.is_empty() || !is_host(authority) {
        return Err(Refusal::new(400, "a target with a malformed host"));
    }
    let (path, query) = split_query(rest);
    check(path, query)?;
    let path = match path {
        // The last proxy should have made a `*` of it (RFC 9112 §3.2.4).
        "" if method == "OPTIONS" && query.is_none() => "*",
        "" => "/",
        path => path,
    };
    Ok(Target { authority: Some(authority), path, query })
}

/// Refuses what can be in no target, and percent signs that encode nothing.
fn check(path: &str, query: Option<&str>) -> Result<(), Refusal> {
    check_part(path.as_bytes(), path_run)?;
    check_part(query.unwrap_or_default().as_bytes(), query_run)
}

/// `good` says how many bytes at the front of a text stand for themselves.
fn check_part(text: &[u8], good: fn(&[u8]) -> usize) -> Result<(), Refusal> {
    let mut rest = text;
    loop {
        rest = &rest[good(rest)..];
        rest = match rest {
            [] => return Ok(()),
            [b'%', high, low, behind @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => behind,
            [b'%', ..] => return Err(Refusal::new(400, "a percent sign without two hexadecimal digits")),
            [b'#', ..] => return Err(Refusal::new(400, "a fragment in the target")),
            _ => return Err(Refusal::new(400, "a byte in the target that has to be percent-encoded")),
        };
    }
}

fn split_query(target: &str) -> (&str, Option<&str>) {
    // Over bytes: targets are short, and a search for a character costs more to begin than it saves.
    match target.bytes().position(|byte| byte == b'?') {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    }
}

fn strip_scheme(target: &str) -> Option<&str> {
    let (scheme, rest) = target.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")).then_some(rest)
}

/// Whether `text` is what the field `Host` may say: nothing at all, or a host and perhaps a port.
pub(super) fn is_host(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(literal) => {
            let Some((address, port)) = literal.split_once(']') else { return false };
            (address.parse::<Ipv6Addr>().is_ok(), port)
        }
        None => {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_name(name.as_bytes()), port)
        }
    };
    host && is_port(port)
}

/// A colon and digits, or nothing. RFC 3986 §3.2.3 allows a colon alone.
fn is_port(text: &str) -> bool {
    let Some(digits) = text.strip_prefix(':') else { return text.is_empty() };
    digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits.is_empty() || digits.parse::<u16>().is_ok())
}

/// A registered name or an IPv4 address (RFC 3986 §3.2.2), not empty and without a comma.
fn is_name(name: &[u8]) -> bool {
    let mut rest = name;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => behind,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=' => behind,
            b'%' => match behind {
                [high, low, behind @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => behind,
                _ => return false,
            },
            _ => return false,
        };
    }
    !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_looks_like_an_address_is_a_path() {
        for target in ["//b/c", "/http://b/c", "/c@b:80"] {
            assert_eq!(parse("GET", target), Ok(Target { authority: None, path: target, query: None }));
        }
    }

    #[test]
    fn an_address_without_a_path_means_the_root() {
        let root = Target { authority: Some("b"), path: "/", query: None };
        assert_eq!(parse("GET", "http://b"), Ok(root));
        assert_eq!(parse("OPTIONS", "http://b"), Ok(Target { path: "*", ..root }));
        assert_eq!(parse("GET", "http://b?q"), Ok(Target { query: Some("q"), ..root }));
    }

    #[test]
    fn each_byte_is_or_is_not_part_of_a_name() {
        for byte in 0..128_u8 {
            let name = format!("a{}b", byte as char);
            let expected = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(&byte) || byte == b':';
            let host = if byte == b':' { "a:1".to_owned() } else { name };
            assert_eq!(is_host(&host), expected, "{host:?}");
        }
    }

    #[test]
    fn ports_are_sixteen_bits() {
        for (port, good) in
            [("", true), (":", true), (":0", true), (":65535", true), (":65536", false), (":+1", false)]
        {
            assert_eq!(is_port(port), good, "{port:?}");
        }
    }
}

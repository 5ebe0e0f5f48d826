//! Origins and hosts as text: what is one, and when two are the same.
//!
//! `access.rs` compares what requests say, `flags.rs` reads what the command line allows.
//!
//! Everything is compared in one canonical form: in lower case, without the scheme's own port, IPv6 as its shortest text. So
//! `HTTP://Example.org:80` is `http://example.org`, and two texts are the same origin if their forms are equal.
//!
//! Invariant: a canonical form is plain ASCII without quotes, blanks or control bytes. `null` has none: it is nobody's (RFC 6454 §7.1).
//!
//! Next: `keys.rs`.

use std::net::Ipv6Addr;

/// The canonical form of `scheme://host[:port]`, and nothing behind it.
pub(crate) fn canonical(origin: &str) -> Option<String> {
    let (scheme, authority) = origin.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if !is_scheme {
        return None;
    }
    let scheme = scheme.to_ascii_lowercase();
    let (host, port) = split_port(authority);
    let host = canonical_host(host)?;
    let port = match port {
        None => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse::<u16>().ok()?),
        Some(_) => return None,
    };
    Some(match port.filter(|&port| own_port(&scheme) != Some(port)) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

/// Whether an origin is the host that a request was sent to. Which of the two schemes the peer used is not known here, because a proxy
/// may have taken TLS off; so it is the origin's own.
pub(crate) fn is_of_host(origin: &str, host: &str) -> bool {
    let Some((scheme, _)) = origin.split_once("://") else { return false };
    let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    // RFC 3986 §3.2.3 lets a host end in a colon.
    let own = format!("{scheme}://{}", host.strip_suffix(':').unwrap_or(host));
    is_web && canonical(origin).is_some_and(|origin| canonical(&own) == Some(origin))
}

/// The port that a scheme means when none is named.
fn own_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// A host and what stands behind its colon, if it has one.
pub(crate) fn split_port(authority: &str) -> (&str, Option<&str>) {
    // The colons of an IPv6 literal are inside its brackets.
    let from = authority.rfind(']').unwrap_or(0);
    match authority[from..].find(':') {
        Some(at) => (&authority[..from + at], Some(&authority[from + at + 1..])),
        None => (authority, None),
    }
}

/// The canonical form of a host without its port: a name, an IPv4 address, or an IPv6 address in brackets.
pub(crate) fn canonical_host(host: &str) -> Option<String> {
    if let Some(literal) = host.strip_prefix('[') {
        let address: Ipv6Addr = literal.strip_suffix(']')?.parse().ok()?;
        return Some(format!("[{address}]"));
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    // A name from the root down may end with a dot (RFC 3986 §3.2.2).
    let host = host.strip_suffix('.').unwrap_or(host);
    (host.len() <= 253 && host.split('.').all(is_label)).then(|| host.to_ascii_lowercase())
}

/// The value of `--cors-origin`: an origin, or `*` for any.
pub(crate) fn allowed(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    if text == "null" {
        return Err("null stands for every page without an origin; give its pages one".to_owned());
    }
    canonical(text).ok_or_else(|| {
        "an origin is a scheme, a host and perhaps a port, like https://example.org, without a path"
            .to_owned()
    })
}

/// The value of `--host`: a name or an address, without a port.
pub(crate) fn host_name(text: &str) -> Result<String, String> {
    let bracketed = text.parse::<Ipv6Addr>().map(|address| format!("[{address}]"));
    canonical_host(bracketed.as_deref().unwrap_or(text))
        .ok_or_else(|| "a host is a name or an address without a port, like push.example.org".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_origin_has_one_form() {
        for (text, form) in [
            ("http://example.org", "http://example.org"),
            ("HTTP://Example.ORG:80", "http://example.org"),
            ("https://example.org:443", "https://example.org"),
            ("https://example.org:80", "https://example.org:80"),
            ("http://[0::1]:8080", "http://[::1]:8080"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(canonical(text).as_deref(), Some(form));
        }
    }

    #[test]
    fn what_is_no_origin_has_none() {
        for text in [
            "",
            "null",
            "*",
            "example.org",
            "http://",
            "://example.org",
            "http://example.org/",
            "http://example.org?",
            "http://user@example.org",
            "http://example.org:",
            "http://example.org:+80",
            "http://example.org:65536",
            "http://a b",
            "http://a..b",
            "http://[::1",
            "http://[nonsense]",
            "http://a, http://b",
            "1http://a",
        ] {
            assert_eq!(canonical(text), None, "{text}");
            assert!(text == "*" || allowed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_origin_is_of_its_host_with_and_without_the_schemes_own_port() {
        for (origin, host) in [
            ("http://a", "a"),
            ("http://a", "A:80"),
            ("http://a:80", "a"),
            ("https://a", "a"),
            ("https://a", "a:443"),
            ("http://a:8080", "a:8080"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("http://a", "a:"),
        ] {
            assert!(is_of_host(origin, host), "{origin} {host}");
        }
        for (origin, host) in [
            ("http://a", "b"),
            ("http://a", "a:443"),
            ("https://a", "a:80"),
            ("http://a:8080", "a"),
            ("http://a", "a:8080"),
            ("ftp://a", "a"),
            ("null", "null"),
            ("http://a", ""),
            ("http://", ""),
        ] {
            assert!(!is_of_host(origin, host), "{origin} {host}");
        }
    }

    #[test]
    fn a_host_name_is_without_a_port() {
        for (text, form) in [
            ("Example.org", "example.org"),
            ("::1", "[::1]"),
            ("[::1]", "[::1]"),
            ("a_b", "a_b"),
            ("a.example.", "a.example"),
        ] {
            assert_eq!(host_name(text).as_deref(), Ok(form));
        }
        for text in ["", "a:80", "http://a", "a/b", "*.a", "a..b", "[::1]:80", "a b", "a..", "."] {
            assert!(host_name(text).is_err(), "{text}");
        }
    }
}

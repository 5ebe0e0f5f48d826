//! What a status means to who asked: in words, and whether it is worth another try.
//!
//! `subscribe.rs` and `publish.rs` ask, with the head and the beginning of what came behind it.
//!
//! Next: `subscribe.rs`.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::http::peer::ResponseHead;

/// So much of an answer is looked at for a sentence.
pub(crate) const SENTENCE_BYTES_MAX: usize = 4096;

/// What a status says.
pub(crate) fn words(status: u16) -> &'static str {
    match status {
        204 => "there is nothing to hear and no need to come back",
        _ if status / 100 == 3 => "it is elsewhere",
        400 => "the request is not understood",
        401 => "a key is needed that the server knows, see --key-file",
        403 => "this is not allowed",
        404 => "there is nothing of this name",
        405 => "there is nothing to be done like this",
        408 => "the request came too slowly",
        410 => "it is gone",
        413 => "it is too large",
        421 => "the server does not answer to this name",
        429 => "these were too many requests",
        _ if status / 100 == 4 => "the request is refused",
        500 => "the server has failed",
        502 => "a proxy got no answer from the server behind it",
        503 => "the server is busy or stops",
        504 => "a proxy has waited in vain for the server behind it",
        _ if status / 100 == 5 => "the server cannot do it",
        _ => "nobody has asked for this",
    }
}

/// The status in words, and what the server itself says about it.
pub(crate) fn sentence(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let said = match serde_json::from_str::<Value>(&text) {
        Ok(value) => value["error"].as_str().map(str::to_owned),
        // A page for people has nothing for a terminal.
        Err(_) => text.lines().next().filter(|line| !line.trim_start().starts_with('<')).map(str::to_owned),
    };
    let said = said.map(|said| printable(&said));
    match said.filter(|said| !said.trim().is_empty()) {
        Some(said) => format!("answers {status}, {}: {said}", words(status)),
        None => format!("answers {status}, {}", words(status)),
    }
}

/// What a server said, for a terminal: no byte of it steers that, and it is no longer than can be read.
pub(crate) fn printable(said: &str) -> String {
    said.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// Whether the same request may succeed a little later.
pub(crate) fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// What the server says about when to come back: `Retry-After`, in seconds or as a date (RFC 9110 §10.2.3).
pub(crate) fn retry_after(head: &ResponseHead, now: SystemTime) -> Option<Duration> {
    let value = std::str::from_utf8(head.field("Retry-After")?).ok()?.trim();
    match value.parse::<u32>() {
        Ok(seconds) => Some(Duration::from_secs(seconds.into())),
        Err(_) => {
            let date = httpdate::parse_http_date(value).ok()?;
            Some(date.duration_since(now).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Version;

    #[test]
    fn the_servers_own_sentence_is_passed_on_and_pages_are_not() {
        for (body, said) in [
            (r#"{"error":"there is no such channel"}"#, ": there is no such channel"),
            ("not today\nmore", ": not today"),
            ("<html>", ""),
            ("", ""),
            ("\x1b[2Jred", ": [2Jred"),
            (r#"{"other":1}"#, ""),
        ] {
            let expected = format!("answers 404, there is nothing of this name{said}");
            assert_eq!(sentence(404, body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn when_to_come_back_is_a_number_or_a_date() {
        let head = |value: &str| ResponseHead {
            status: 503,
            version: Version::Http11,
            fields: vec![("retry-after".to_owned(), value.as_bytes().to_vec())],
        };
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:30 GMT").expect("a date");
        for (value, seconds) in [
            ("2", Some(2)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:20 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(&head(value), now), seconds.map(Duration::from_secs), "{value}");
        }
    }
}

//! Which body follows a head, and where the next request begins.
//!
//! The bytes are fields and a body behind a request line and `Host`; the first of them, `0`, makes it HTTP/1.0.
//!
//! Next: `requests.rs`.

use super::model::{self, Follows, Stop};
use super::requests::{self, Message};

/// The request that stands behind, so that whoever loses count of bytes misses it or finds it where it is not.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n";

pub fn check(data: &[u8]) {
    let (minor, rest) = match data.split_first() {
        Some((b'0', rest)) => (0, rest),
        Some((_, rest)) => (1, rest),
        None => return,
    };
    let line = format!("POST / HTTP/1.{minor}\r\nHost: a\r\n");
    let wire = [line.as_bytes(), rest, NEXT].concat();
    let transcript = requests::read(&wire);
    let first = transcript.messages.first();
    match model::head(&wire) {
        Ok(head) if head.is_good() => {
            let Some(first) = first else {
                let refusal = transcript.refusal.expect("served or refused");
                assert!(refusal.status == 431 && head.fields.len() > 100, "{refusal}, and the model serves");
                return;
            };
            let behind = check_body(first, &wire[head.end..], head.follows().expect("it is good"));
            // The next request begins where this one ends.
            if let Some(behind) = behind {
                let followed = requests::read(&wire[head.end + behind..]);
                assert_eq!(transcript.messages[1..], followed.messages[..]);
                assert_eq!(transcript.refusal, followed.refusal);
            }
        }
        _ => assert_eq!(first, None, "served, and the model would not"),
    }
}

/// The body is what the model decodes. Gives where it ends, if it does.
fn check_body(message: &Message, wire: &[u8], follows: Follows) -> Option<usize> {
    match follows {
        Follows::Nothing => {
            assert!(message.body.is_empty() && message.is_complete);
            Some(0)
        }
        Follows::Length(length) => {
            let here = usize::try_from(length).map_or(wire.len(), |length| length.min(wire.len()));
            assert_eq!(message.body, &wire[..here]);
            assert_eq!(message.is_complete, here as u64 == length);
            message.is_complete.then_some(here)
        }
        Follows::Chunks => {
            let mut body = Vec::new();
            match model::chunked(wire, &mut body) {
                Ok(end) if message.is_complete => {
                    assert_eq!(message.body, body);
                    Some(end)
                }
                // A bound may have been first.
                Ok(_) => {
                    assert!(wire.len() > 1024 && body.starts_with(&message.body));
                    None
                }
                Err(Stop::More | Stop::Bad) => {
                    assert!(!message.is_complete && body.starts_with(&message.body));
                    None
                }
            }
        }
    }
}

//! The golden list through the codec alone: each line whole, byte by byte and cut at every point, with another request behind it, and
//! with one before.

use crate::cases::{Case, Seen, Then, all};
use crate::wire::{HeadBounds, Message, NEXT, Transcript, read_pieces, read_within};

/// Those of the list. The codec knows no bound on bodies; that is the engine's.
const BOUNDS: HeadBounds = HeadBounds { bytes_max: 1024, fields_max: 100 };

fn cases() -> impl Iterator<Item = Case> {
    all().into_iter().filter(|case| !matches!(case.then, Then::Refuses(413, _)))
}

fn seen(message: &Message) -> Seen {
    let head = Seen::new(&message.method, &message.path, message.query.as_deref(), message.host.as_deref());
    Seen { body: message.body.clone(), ..head }
}

/// Whether some bytes were understood as the list says, and nothing else of them was.
#[track_caller]
fn is_as_listed(case: &Case, transcript: &Transcript) {
    let shown = format!("line {}: {}", case.line, case.wire.escape_ascii());
    let complete: Vec<_> =
        transcript.messages.iter().filter(|message| message.is_complete).map(seen).collect();
    let refusal = transcript.refusal.map(|refusal| (refusal.status, refusal.why));
    match &case.then {
        Then::Refuses(status, sentence) => {
            assert_eq!((refusal, complete), (Some((*status, &**sentence)), case.served.clone()), "{shown}");
        }
        Then::GoesOn => {
            assert_eq!((refusal, complete), (None, case.served.clone()), "{shown}");
            assert!(transcript.messages.iter().all(|message| message.keeps_alive), "{shown}");
        }
        Then::Closes => {
            // What stands behind it is for whoever owns the connection: it closes.
            let count = case.served.len();
            assert_eq!(complete[..count], case.served, "{shown}");
            assert!(!transcript.messages[count - 1].keeps_alive, "{shown}");
        }
    }
}

#[test]
fn the_codec_says_what_the_list_says_however_it_is_cut() {
    for case in cases() {
        is_as_listed(&case, &read_within(&case.wire, BOUNDS));
    }
}

#[test]
fn what_stands_behind_or_before_changes_no_verdict() {
    let next = seen(&read_pieces([NEXT], BOUNDS).messages[0]);
    for mut case in cases() {
        let followed = [&case.wire[..], NEXT].concat();
        if case.then == Then::GoesOn {
            case.served.push(next.clone());
        }
        is_as_listed(&case, &read_pieces([&followed[..]], BOUNDS));
        is_as_listed(&case, &read_pieces(followed.chunks(1), BOUNDS));
        case.served.insert(0, next.clone());
        is_as_listed(&case, &read_pieces([NEXT, &followed], BOUNDS));
    }
}

#[test]
fn a_field_more_changes_no_verdict() {
    for case in cases() {
        let front = b"POST /channels/a HTTP/1.1\r\nHost: a\r\n";
        let is_bounded = matches!(case.then, Then::Refuses(431, _));
        if let Some(rest) = case.wire.strip_prefix(front).filter(|_| !is_bounded) {
            is_as_listed(&case, &read_pieces([front, &b"A: b\r\n"[..], rest], BOUNDS));
        }
    }
}

#[test]
fn a_host_is_malformed_in_any_version_and_in_a_target() {
    let refused = |wire: &[u8], sentence: &str| {
        let transcript = read_pieces([wire], BOUNDS);
        let refusal = transcript.refusal.map(|refusal| (refusal.status, refusal.why));
        assert_eq!(refusal, Some((400, sentence)), "{}", wire.escape_ascii());
    };
    let front = b"GET / HTTP/1.1\r\nHost: ";
    let is_malformed = |case: &Case| case.then == Then::Refuses(400, "a malformed Host".to_owned());
    let mut in_targets = 0;
    for case in cases().filter(is_malformed) {
        let Some(rest) = case.wire.strip_prefix(front) else { continue };
        for version in ["1.0", "1.7"] {
            refused(
                &[format!("GET / HTTP/{version}\r\nHost: ").as_bytes(), rest].concat(),
                "a malformed Host",
            );
        }
        let host = rest.strip_suffix(b"\r\n\r\n").expect("a head ends");
        // Bytes that would end the host make another target of it.
        if host.iter().all(|byte| byte.is_ascii_graphic() && !b"/?#".contains(byte)) {
            let wire = [b"GET http://", host, b"/ HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
            refused(&wire, "a target with a malformed host");
            in_targets += 1;
        }
    }
    assert!(in_targets >= 30, "{in_targets}");
}

#[test]
fn the_list_is_long_and_says_both() {
    let (refused, served): (Vec<_>, Vec<_>) =
        all().into_iter().partition(|case| matches!(case.then, Then::Refuses(..)));
    assert!(refused.len() >= 500 && served.len() >= 150, "{} and {}", refused.len(), served.len());
}

//! What a handler can ask of a request that is served, as far as `requests.txt` does not say it.

use encke::http::Framing;

use crate::wire::{Message, read, read_one};

/// A POST with these fields and body.
#[track_caller]
fn post(fields: &str, body: &[u8]) -> Message {
    read_one(&[format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes(), body].concat())
}

#[test]
fn values_are_trimmed_and_otherwise_left_alone() {
    for (sent, value) in [
        ("X:a", &b"a"[..]),
        ("X: a", b"a"),
        ("X:\t \ta\t ", b"a"),
        ("X:", b""),
        ("X: ", b""),
        ("X:\t", b""),
        ("X: a b\tc", b"a b\tc"),
        ("X: a:b", b"a:b"),
        ("X: \u{e9}", b"\xc3\xa9"),
        ("X: \"quoted, \\\" \"", b"\"quoted, \\\" \""),
        ("X: ,,;;", b",,;;"),
    ] {
        let message = read_one(format!("GET / HTTP/1.1\r\nHost: a\r\n{sent}\r\n\r\n").as_bytes());
        assert_eq!(message.fields[1], ("X".to_owned(), value.to_vec()), "{sent:?}");
    }
    let message = read_one(b"GET / HTTP/1.1\r\nHost: a\r\nX: \x80\xff\r\n\r\n");
    assert_eq!(message.fields[1].1, b"\x80\xff");
}

#[test]
fn names_are_tokens_of_any_sort_and_come_in_order() {
    let message = read_one(b"GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~09Az: 1\r\nHOST: a\r\nx: 2\r\nX: 3\r\n\r\n");
    let names: Vec<_> = message.fields.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(names, ["!#$%&'*+-.^_`|~09Az", "HOST", "x", "X"]);
}

#[test]
fn lengths_are_digits() {
    for (value, length) in
        [("0", 0), ("5", 5), ("05", 5), ("000000000000000000000000000005", 5), ("  5\t", 5), ("00", 0)]
    {
        let message = post(&format!("Content-Length: {value}\r\n"), &b"hello"[..length]);
        assert_eq!(message.framing, Framing::Length(length as u64));
        assert_eq!(message.body, &b"hello"[..length]);
    }
    let largest = read(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\nab");
    assert_eq!(largest.messages[0].framing, Framing::Length(u64::MAX));
    assert_eq!((&largest.messages[0].body[..], largest.messages[0].is_complete), (&b"ab"[..], false));
}

#[test]
fn without_a_framing_field_there_is_no_body() {
    assert_eq!(post("", b"").framing, Framing::None);
    let message = read(b"POST / HTTP/1.1\r\nHost: a\r\n\r\nhello");
    assert_eq!(
        (message.messages.len(), message.messages[0].is_complete),
        (1, true),
        "the next request begins"
    );
}

#[test]
fn a_chunk_as_large_as_numbers_go_is_awaited() {
    let transcript =
        read(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nab");
    assert_eq!((transcript.refusal, &transcript.messages[0].body[..]), (None, &b"ab"[..]));
}

#[test]
fn expectations_count_with_a_body_and_in_1_1() {
    // (version, framing, body, whether a 100 is awaited), RFC 9110 §10.1.1.
    for (version, framing, body, awaited) in [
        ("1.1", "Content-Length: 2\r\n", "ab", true),
        ("1.1", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n", true),
        ("1.1", "Content-Length: 0\r\n", "", false),
        ("1.1", "", "", false),
        ("1.0", "Content-Length: 2\r\n", "ab", false),
    ] {
        for expect in [
            "Expect: 100-continue\r\n",
            "expect:\t100-CONTINUE \r\n",
            "Expect: ,100-continue,\r\n",
            "Expect: 100-continue, 100-Continue\r\n",
            "Expect:\r\nExpect: 100-continue\r\n",
        ] {
            let wire = format!("POST / HTTP/{version}\r\nHost: a\r\n{expect}{framing}\r\n{body}");
            assert_eq!(read_one(wire.as_bytes()).expects_continue, awaited, "{wire:?}");
        }
    }
    assert!(!post("Content-Length: 2\r\n", b"ab").expects_continue);
    assert!(!post("Expect:\r\nContent-Length: 2\r\n", b"ab").expects_continue);
}

#[test]
fn an_upgrade_counts_if_connection_lists_it() {
    // (version, fields, protocols), RFC 9110 §7.8.
    for (version, fields, protocols) in [
        ("1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n", Some("websocket")),
        ("1.1", "Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n", Some("websocket")),
        (
            "1.1",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n",
            Some("h2c"),
        ),
        ("1.1", "Connection: upgrade\r\nUpgrade: a/1, b/2\r\n", Some("a/1, b/2")),
        ("1.1", "Upgrade: websocket\r\n", None),
        ("1.1", "Connection: upgrade\r\n", None),
        ("1.1", "Connection: keep-alive\r\nUpgrade: websocket\r\n", None),
        ("1.0", "Connection: Upgrade\r\nUpgrade: websocket\r\n", None),
    ] {
        let message = read_one(format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n").as_bytes());
        assert_eq!(message.upgrade.as_deref(), protocols, "HTTP/{version} {fields:?}");
    }
}

#[test]
fn trailers_are_no_fields() {
    let message =
        post("Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\nX: y\r\nContent-Length: 99\r\n\r\n");
    assert_eq!((message.fields.len(), &message.body[..]), (2, &b"hello"[..]));
}

#[test]
fn the_target_is_also_there_as_it_was_sent() {
    for target in ["/a?b", "http://b/c?d", "http://b"] {
        let wire = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(read_one(wire.as_bytes()).target, target);
    }
}

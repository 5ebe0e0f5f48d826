//! Requests that are served, and what they mean.

use encke::http::{Framing, Version};

use crate::wire::{Message, NEXT, read, read_one};

/// A request line with `Host: a` behind it.
#[track_caller]
fn line(line: &str) -> Message {
    read_one(format!("{line}\r\nHost: a\r\n\r\n").as_bytes())
}

/// A POST with these fields and body.
#[track_caller]
fn post(fields: &str, body: &[u8]) -> Message {
    read_one(&[format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes(), body].concat())
}

#[test]
fn targets_are_taken_apart() {
    // (request line, path, query, host), RFC 9112 §3.2.
    for (request, path, query, host) in [
        ("GET / HTTP/1.1", "/", None, "a"),
        ("GET /a/b HTTP/1.1", "/a/b", None, "a"),
        ("GET /a?b HTTP/1.1", "/a", Some("b"), "a"),
        ("GET /a? HTTP/1.1", "/a", Some(""), "a"),
        ("GET /? HTTP/1.1", "/", Some(""), "a"),
        ("GET /a?b?c HTTP/1.1", "/a", Some("b?c"), "a"),
        ("GET /a?b=/c HTTP/1.1", "/a", Some("b=/c"), "a"),
        ("GET //a HTTP/1.1", "//a", None, "a"),
        ("GET //b.example/a HTTP/1.1", "//b.example/a", None, "a"),
        ("GET /../a/./b HTTP/1.1", "/../a/./b", None, "a"),
        ("GET /http://b/ HTTP/1.1", "/http://b/", None, "a"),
        ("GET /%2F%00%fF HTTP/1.1", "/%2F%00%fF", None, "a"),
        ("GET /a|[b]^?|[b]^{`}\\'? HTTP/1.1", "/a|[b]^", Some("|[b]^{`}\\'?"), "a"),
        ("GET /~a;b=c,d:e@f&g+h HTTP/1.1", "/~a;b=c,d:e@f&g+h", None, "a"),
        ("GET http://b HTTP/1.1", "/", None, "b"),
        ("GET http://b/ HTTP/1.1", "/", None, "b"),
        ("GET http://b?c HTTP/1.1", "/", Some("c"), "b"),
        ("GET http://b/c?d HTTP/1.1", "/c", Some("d"), "b"),
        ("GET http://b/c?http://d HTTP/1.1", "/c", Some("http://d"), "b"),
        ("GET HTTP://B.Example/ HTTP/1.1", "/", None, "B.Example"),
        ("GET https://b:8443/c HTTP/1.1", "/c", None, "b:8443"),
        ("GET http://[::1]:80/c HTTP/1.1", "/c", None, "[::1]:80"),
        ("GET http://b:/c HTTP/1.1", "/c", None, "b:"),
        ("OPTIONS * HTTP/1.1", "*", None, "a"),
        ("OPTIONS / HTTP/1.1", "/", None, "a"),
        ("OPTIONS http://b HTTP/1.1", "*", None, "b"),
        ("OPTIONS http://b/ HTTP/1.1", "/", None, "b"),
        ("OPTIONS http://b? HTTP/1.1", "/", Some(""), "b"),
    ] {
        let message = line(request);
        assert_eq!((&message.path[..], message.query.as_deref()), (path, query), "{request}");
        assert_eq!(message.host.as_deref(), Some(host), "{request}");
        assert_eq!(format!("{} {} HTTP/1.1", message.method, message.target), request);
    }
}

#[test]
fn known_methods_are_served() {
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"] {
        assert_eq!(line(&format!("{method} / HTTP/1.1")).method, method);
    }
}

#[test]
fn later_minor_versions_are_served_as_1_1() {
    for minor in 1..=9 {
        assert_eq!(line(&format!("GET / HTTP/1.{minor}")).version, Version::Http11);
        let body = format!(
            "POST / HTTP/1.{minor}\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
        );
        assert_eq!(read_one(body.as_bytes()).body, b"x");
    }
    assert_eq!(line("GET / HTTP/1.0").version, Version::Http10);
}

#[test]
fn hosts_are_accepted() {
    for host in [
        "",
        "a",
        "a:80",
        "a:",
        "a:0",
        "a:65535",
        "a:00080",
        "localhost:8080",
        "EXAMPLE.org",
        "example.org.",
        "xn--mnchen-3ya.example",
        "a_b-c~d.example",
        "127.0.0.1",
        "127.0.0.1:8080",
        "999.999.999.999",
        "[::1]",
        "[::1]:8080",
        "[::1]:",
        "[2001:db8::A]",
        "[::ffff:127.0.0.1]",
        "[1:2:3:4:5:6:7:8]",
        "a%20b",
        "!$&'()*+;=",
    ] {
        let message = read_one(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        assert_eq!(message.host.as_deref(), Some(host));
    }
}

#[test]
fn http_1_0_may_leave_the_host_out() {
    assert_eq!(read_one(b"GET / HTTP/1.0\r\n\r\n").host, None);
    assert_eq!(read_one(b"GET http://b/ HTTP/1.0\r\n\r\n").host.as_deref(), Some("b"));
    assert_eq!(read_one(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n").host.as_deref(), Some("a"));
}

#[test]
fn blank_lines_before_a_request_are_passed_over() {
    for blank in ["\r\n", "\r\n\r\n", "\r\n\r\n\r\n\r\n"] {
        let wire = format!("{blank}GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(read_one(wire.as_bytes()).target, "/");
        let between = [NEXT, wire.as_bytes()].concat();
        assert_eq!(read(&between).messages.len(), 2);
    }
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
fn get_and_delete_may_have_bodies() {
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE"] {
        let wire = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\n");
        let message = read_one(&[wire.as_bytes(), NEXT].concat());
        assert_eq!(message.body, NEXT, "a request inside a body is a body");
    }
}

#[test]
fn the_one_transfer_coding_is_chunked_in_any_case() {
    for value in ["chunked", "Chunked", "CHUNKED", " chunked ", "\tchunked\t"] {
        let message = post(&format!("Transfer-Encoding:{value}\r\n"), b"5\r\nhello\r\n0\r\n\r\n");
        assert_eq!((message.framing, &message.body[..]), (Framing::Chunked, &b"hello"[..]), "{value:?}");
    }
}

#[test]
fn chunks_are_joined() {
    // (body, its meaning), RFC 9112 §7.1.
    for (body, meaning) in [
        (&b"0\r\n\r\n"[..], &b""[..]),
        (b"000\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", b"hello"),
        (b"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", b"hello"),
        (b"000000000000000000000005\r\nhello\r\n00000000000000000000\r\n\r\n", b"hello"),
        (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
        (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
        (b"3\r\n\x00\xff\n\r\n0\r\n\r\n", b"\x00\xff\n"),
        // Extensions, §7.1.1, and the blanks that a recipient has to bear.
        (b"5;a\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a=b\r\nhello\r\n0;c=d\r\n\r\n", b"hello"),
        (b"5;a=b;c;d=e\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a=\"\"\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a=\"b\"\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a=\"b;c=\\\"d\\\" \t,\"\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a=\"b\";c\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a=\"\xc3\xa9\\\xff\"\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5 ; a = b ; c\t;\td=\"e\" ;f\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"5;a ;b\r\nhello\r\n0\r\n\r\n", b"hello"),
        // Trailers, §7.1.2: checked and thrown away, whatever they claim.
        (b"0\r\nX: a\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\nX:\r\nY: b c\r\n\r\n", b"hello"),
        (b"5\r\nhello\r\n0\r\nContent-Length: 99\r\n\r\n", b"hello"),
        (b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\nHost: b\r\n\r\n", b"hello"),
        (b"0\r\nX: \x80\t~\r\n\r\n", b""),
    ] {
        let message = post("Transfer-Encoding: chunked\r\n", body);
        assert_eq!(message.body, meaning, "{}", body.escape_ascii());
        assert!(message.fields.len() == 2, "trailers are not fields");
    }
}

#[test]
fn a_chunk_as_large_as_numbers_go_is_awaited() {
    let transcript =
        read(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nab");
    assert_eq!((transcript.refusal, &transcript.messages[0].body[..]), (None, &b"ab"[..]));
}

#[test]
fn connection_decides_how_long_the_connection_lives() {
    // (version, fields, goes on), RFC 9112 §9.3.
    for (version, fields, goes_on) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: CLOSE\r\n", false),
        ("1.1", "connection:close\r\n", false),
        ("1.1", "Connection: \tclose\t\r\n", false),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: keep-alive, close\r\n", false),
        ("1.1", "Connection: close, keep-alive\r\n", false),
        ("1.1", "Connection: x,\tclose\t, y\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.1", "Connection: close\r\nConnection: keep-alive\r\n", false),
        ("1.1", "Connection: , ,close\r\n", false),
        ("1.1", "Connection:\r\n", true),
        ("1.1", "Connection: closed\r\n", true),
        ("1.1", "Connection: x-close\r\n", true),
        ("1.1", "Proxy-Connection: close\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: close\r\n", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: x, keep-alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.0", "Connection: keep-alives\r\n", false),
        ("1.2", "", true),
    ] {
        let message = read_one(format!("GET / HTTP/{version}\r\nHost: a\r\n{fields}\r\n").as_bytes());
        assert_eq!(message.keeps_alive, goes_on, "HTTP/{version} {fields:?}");
    }
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
fn pipelined_requests_are_read_in_order() {
    let wire = [
        &b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"[..],
        b"GET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nthree\r\n0\r\nX: y\r\n\r\n",
        b"\r\nHEAD /4 HTTP/1.0\r\n\r\n",
        NEXT,
    ]
    .concat();
    let transcript = read(&wire);
    assert_eq!(transcript.refusal, None);
    let seen: Vec<_> =
        transcript.messages.iter().map(|message| (&message.target[..], &message.body[..])).collect();
    assert_eq!(seen, [("/1", &b"one"[..]), ("/2", b""), ("/3", b"three"), ("/4", b""), ("/next", b"")]);
}

//! What broke in other servers, each as a test of its own: `docs/LESSONS.md` names them. The golden list has the same and much more; here
//! it is said what each is about.

use crate::cases::Seen;
use crate::engine::outcome;

/// That these are refused with this status, and that nothing before or behind is served.
#[track_caller]
fn refused(status: u16, wires: &[&str]) {
    for wire in wires {
        assert_eq!(outcome(wire.as_bytes()), (Vec::new(), vec![status]), "{wire:?}");
    }
}

/// That these are served, and that the request behind them is the next that is.
#[track_caller]
fn served(wires: &[&str]) -> Vec<Seen> {
    let mut all = Vec::new();
    for wire in wires {
        let (mut seen, heard) = outcome(wire.as_bytes());
        assert_eq!(heard, [200, 200], "{wire:?}");
        assert_eq!(seen.pop().map(|seen| seen.head).as_deref(), Some("GET /next host next"), "{wire:?}");
        all.append(&mut seen);
    }
    assert_eq!(all.len(), wires.len());
    all
}

/// That these are served, and that the connection ends with them.
#[track_caller]
fn ends_with(wires: &[&str]) {
    for wire in wires {
        let (seen, heard) = outcome(wire.as_bytes());
        assert_eq!((seen.len(), heard), (1, vec![200]), "{wire:?}");
    }
}

fn get(line: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n")
}

fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked", body)
}

#[test]
fn a_length_beside_chunks_and_any_coding_of_http_1_0_end_the_connection() {
    let hidden = "0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: b\r\n\r\n";
    for fields in [
        "Content-Length: 43\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: chunked\r\nContent-Length: 0",
    ] {
        refused(400, &[&post(fields, hidden)]);
        refused(400, &[&post(fields, hidden).replace("HTTP/1.1\r\nHost: a", "HTTP/1.0\r\nHost: a")]);
    }
    for coding in ["chunked", "identity", "gzip"] {
        let old = format!(
            "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: {coding}\r\n\r\n{hidden}"
        );
        refused(400, &[&old]);
    }
}

#[test]
fn chunked_alone_is_the_only_transfer_coding() {
    for coding in [" chunked", "CHUNKED", "\tChunked "] {
        let seen = served(&[&post(&format!("Transfer-Encoding:{coding}"), "2\r\nhi\r\n0\r\n\r\n")]);
        assert_eq!(seen[0].body, b"hi");
    }
    for (status, fields) in [
        (400, "Transfer-Encoding: chunked, chunked"),
        (400, "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        (400, "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"),
        (400, "Transfer-Encoding: chunked;q=1"),
        (400, "Transfer-Encoding: gzip"),
        (400, "Transfer-Encoding: xchunked"),
        (501, "Transfer-Encoding: gzip, chunked"),
        (501, "Transfer-Encoding: cow, chunked"),
    ] {
        refused(status, &[&post(fields, "2\r\nhi\r\n0\r\n\r\n")]);
    }
}

#[test]
fn chunks_are_framed_by_crlf_and_digits_alone() {
    for body in [
        "2\nhi\r\n0\r\n\r\n",
        "2\r\nhi\n0\r\n\r\n",
        "2;a\nhi\r\n0\r\n\r\n",
        "2\r\nhi\r\n0\n\n",
        "2\r\nhi\r\n0\r\nX: y\n\r\n",
        "2\r\nhi\r\n0\r\nX: y\n\nGET /hidden HTTP/1.1\r\nHost: b\r\n\r\n",
        "+2\r\nhi\r\n0\r\n\r\n",
        "-2\r\nhi\r\n0\r\n\r\n",
        "0x2\r\nhi\r\n0\r\n\r\n",
        " 2\r\nhi\r\n0\r\n\r\n",
        "2 \r\nhi\r\n0\r\n\r\n",
        "1 0\r\n0123456789abcdef\r\n0\r\n\r\n",
        "10000000000000002\r\nhi\r\n0\r\n\r\n",
    ] {
        refused(400, &[&chunked(body)]);
    }
}

#[test]
fn extensions_and_trailers_have_bounds_and_trailers_are_fields() {
    refused(400, &[&chunked(&format!("2;{}\r\nhi\r\n0\r\n\r\n", "x".repeat(16 << 20)))]);
    refused(431, &[&chunked(&format!("0\r\nX: {}\r\n\r\n", "x".repeat(16 << 20)))]);
    refused(431, &[&chunked(&format!("0\r\n{}\r\n", "X:\r\n".repeat(200)))]);
    refused(
        400,
        &[
            &chunked("0\r\nno field\r\n\r\n"),
            &chunked("0\r\nX : y\r\n\r\n"),
            &chunked("0\r\nX: a\r\n b\r\n\r\n"),
        ],
    );
    assert_eq!(served(&[&chunked("2;a=\"b\"\r\nhi\r\n0\r\nX: y\r\n\r\n")])[0].body, b"hi");
}

#[test]
fn folds_blanks_before_colons_and_bytes_that_end_lines_for_some_are_refused() {
    for line in ["X: a\r\n b", "X: a\r\n\tb", "X : a", "X\t: a", " X: a", "X: a\0b", "X: a\x01", "X: a\x7f"] {
        refused(400, &[&get(line)]);
    }
    for line in ["X: a\rY: b", "X: a\nY: b", "X: a\n\nGET /hidden HTTP/1.1\r\nHost: b", "X: a\r\r\nY: b"] {
        refused(400, &[&get(line)]);
    }
}

#[test]
fn there_is_exactly_one_host_and_it_is_valid() {
    served(&["GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"]);
    refused(
        400,
        &["GET / HTTP/1.1\r\n\r\n", "GET http://a/ HTTP/1.1\r\n\r\n", &get("Host: a"), &get("Host: b")],
    );
    for host in ["a b", "a, b", "a/b", "u@a", "a:b", "a:65536", "[::1", "::1", ":80", "a\\b"] {
        refused(400, &[&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")]);
    }
}

#[test]
fn a_length_is_one_field_of_digits() {
    for value in ["2, 2", "2,3", "+2", "-2", "0x2", "2 2", "2.0", "", "18446744073709551618"] {
        refused(400, &[&post(&format!("Content-Length: {value}"), "hi")]);
    }
    refused(
        400,
        &[
            &post("Content-Length: 2\r\nContent-Length: 3", "hi"),
            &post("Content-Length: 2\r\nContent-Length: 2", "hi"),
        ],
    );
    assert_eq!(served(&[&post("Content-Length: 002", "hi")])[0].body, b"hi");
}

#[test]
fn connection_is_a_list_in_which_close_wins() {
    served(&[
        &get("Connection: keep-alive"),
        &get("Connection: x-close"),
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n",
    ]);
    ends_with(&[
        &get("Connection: close"),
        &get("Connection:\tx,\tClose\t,y"),
        &get("Connection: keep-alive, close"),
        &get("Connection: close\r\nConnection: keep-alive"),
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    ]);
}

#[test]
fn an_unknown_upgrade_is_passed_over() {
    served(&[
        &get("Connection: upgrade\r\nUpgrade: a/1"),
        &get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c"),
        &get("Upgrade: x"),
    ]);
}

#[test]
fn two_versions_are_spoken_and_later_ones_as_the_second() {
    let versions: Vec<String> =
        (1..=9).map(|minor| format!("GET / HTTP/1.{minor}\r\nHost: a\r\n\r\n")).collect();
    served(&versions.iter().map(String::as_str).collect::<Vec<_>>());
    ends_with(&["GET / HTTP/1.0\r\nHost: a\r\n\r\n"]);
    refused(505, &["GET / HTTP/2.0\r\nHost: a\r\n\r\n", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"]);
    refused(400, &["GET / HTTP/1.10\r\nHost: a\r\n\r\n", "GET / HTTP/1\r\nHost: a\r\n\r\n", "GET /\r\n\r\n"]);
}

#[test]
fn each_refusal_has_the_status_that_says_what_is_wrong() {
    let long = "x".repeat(2000);
    refused(414, &[&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")]);
    refused(431, &[&get(&format!("X: {long}")), &get(&"X:\r\n".repeat(150))]);
    refused(413, &[&post("Content-Length: 2000", &long), &chunked(&format!("7d0\r\n{long}\r\n0\r\n\r\n"))]);
    refused(417, &[&post("Expect: more\r\nContent-Length: 2", "hi")]);
    refused(501, &["BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"]);
}

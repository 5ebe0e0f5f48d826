//! The golden list of bodies that are refused: what may stand behind `Transfer-Encoding: chunked`, and what may not.
//!
//! Columns: the body, the bytes that are served before the verdict, the status, words of the reason, the section of RFC
//! 9112.

use crate::wire::{read, read_one, read_refused};

type Row = (&'static [u8], &'static [u8], u16, &'static str, &'static str);

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

const BODIES: &[Row] = &[
    // Sizes.
    (b"\r\nhello\r\n0\r\n\r\n", b"", 400, "without a size", "7.1"),
    (b";a\r\nhello\r\n", b"", 400, "without a size", "7.1"),
    (b"g\r\n", b"", 400, "without a size", "7.1"),
    (b"hello", b"", 400, "without a size", "7.1"),
    (b"+5\r\nhello\r\n", b"", 400, "without a size", "7.1"),
    (b"-5\r\nhello\r\n", b"", 400, "without a size", "7.1"),
    (b" 5\r\nhello\r\n", b"", 400, "without a size", "7.1"),
    (b"\t5\r\nhello\r\n", b"", 400, "without a size", "7.1"),
    (b"0x5\r\nhello\r\n", b"", 400, "not hexadecimal", "7.1"),
    (b"5h\r\nhello\r\n", b"", 400, "not hexadecimal", "7.1"),
    (b"5_0\r\nhello\r\n", b"", 400, "not hexadecimal", "7.1"),
    (b"5,5\r\nhello\r\n", b"", 400, "not hexadecimal", "7.1"),
    (b"5.\r\nhello\r\n", b"", 400, "not hexadecimal", "7.1"),
    (b"5\x00\r\nhello\r\n", b"", 400, "not hexadecimal", "7.1"),
    (b"5\x0b\r\nhello\r\n", b"", 400, "not hexadecimal", "7.1"),
    (b"\xef\xbc\x95\r\nhello\r\n", b"", 400, "without a size", "7.1"),
    (b"5 \r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1"),
    (b"5\t\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1"),
    (b"5 5\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1"),
    (b"0 \r\n\r\n", b"", 400, "malformed chunk extension", "7.1"),
    (b"00000000010000000000000005\r\nhello\r\n", b"", 400, "beyond all numbers", "7.1"),
    (b"10000000000000005\r\nhello\r\n", b"", 400, "beyond all numbers", "7.1"),
    (b"fffffffffffffffff\r\n", b"", 400, "beyond all numbers", "7.1"),
    (b"5\r\nhello\r\n0000000010000000000000000\r\n", b"hello", 400, "beyond all numbers", "7.1"),
    // Line ends.
    (b"5\nhello\r\n0\r\n\r\n", b"", 400, "not hexadecimal", "2.2"),
    (b"5\n\nhello\r\n", b"", 400, "not hexadecimal", "2.2"),
    (b"5\rhello\r\n", b"", 400, "carriage return without", "2.2"),
    (b"5\r\rhello\r\n", b"", 400, "carriage return without", "2.2"),
    (b"\n5\r\nhello\r\n", b"", 400, "without a size", "2.2"),
    (b"5\r\nhello\n0\r\n\r\n", b"hello", 400, "longer than its size", "2.2"),
    (b"5\r\nhello\r0\r\n\r\n", b"hello", 400, "carriage return without", "2.2"),
    (b"5\r\nhello\r\r\n0\r\n\r\n", b"hello", 400, "carriage return without", "2.2"),
    (b"5\r\nhello0\r\n\r\n", b"hello", 400, "longer than its size", "7.1"),
    (b"5\r\nhello!\r\n0\r\n\r\n", b"hello", 400, "longer than its size", "7.1"),
    (b"4\r\nhello\r\n0\r\n\r\n", b"hell", 400, "longer than its size", "7.1"),
    (b"5\r\nhello\r\n\r\n0\r\n\r\n", b"hello", 400, "without a size", "7.1"),
    (b"5\r\nhello\r\n0\n\r\n", b"hello", 400, "not hexadecimal", "2.2"),
    (b"0\n\n", b"", 400, "not hexadecimal", "2.2"),
    (b"0\r0\n\r\n", b"", 400, "carriage return without", "2.2"),
    (b"0\r\r\n\r\n", b"", 400, "carriage return without", "2.2"),
    (b"0\rX: a\r\n\r\n", b"", 400, "carriage return without", "2.2"),
    (b"0;a\rX: a\r\n\r\n", b"", 400, "carriage return without", "2.2"),
    (b"0\r\n\n", b"", 400, "line feed without", "2.2"),
    (b"0\r\n\r\r\n", b"", 400, "carriage return without", "2.2"),
    (b"0\r\n\rGET", b"", 400, "carriage return without", "2.2"),
    // Extensions.
    (b"5;\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a;\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;;a\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;=b\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=;b\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=b=c\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a b\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=b c\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a \r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=b \r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a= \r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;\"a\"\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=\"b\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=\"b\"c\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=\"b\" c\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=\"b\"=c\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=\"\\\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=\"\\\n\"\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=\"\x00\"\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=\"\x7f\"\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a\nhello\r\n0\r\n\r\n", b"", 400, "malformed chunk extension", "2.2"),
    (b"5;a=b\nhello\r\n0\r\n\r\n", b"", 400, "malformed chunk extension", "2.2"),
    (b"5;a=\"b\"\nhello\r\n0\r\n\r\n", b"", 400, "malformed chunk extension", "2.2"),
    (b"5;\nhello\r\n0\r\n\r\n", b"", 400, "malformed chunk extension", "2.2"),
    (b"5;a\rhello\r\n", b"", 400, "carriage return without", "2.2"),
    (b"5;a\x00\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;\xc3\xa9\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=\xc3\xa9\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"5;a=b/c\r\nhello\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    (b"0;\r\n\r\n", b"", 400, "malformed chunk extension", "7.1.1"),
    // Trailers.
    (b"0\r\nX\r\n\r\n", b"", 400, "without a colon", "7.1.2"),
    (b"0\r\n: a\r\n\r\n", b"", 400, "without a name", "7.1.2"),
    (b"0\r\nX : a\r\n\r\n", b"", 400, "before the colon", "7.1.2"),
    (b"0\r\n X: a\r\n\r\n", b"", 400, "folded", "7.1.2"),
    (b"0\r\nX: a\r\n b\r\n\r\n", b"", 400, "folded", "7.1.2"),
    (b"0\r\nX: a\n\r\n", b"", 400, "line feed without", "7.1.2"),
    (b"0\r\nX: a\nY: b\r\n\r\n", b"", 400, "line feed without", "7.1.2"),
    (b"0\r\nX: a\n\nGET /hidden HTTP/1.1\r\n\r\n", b"", 400, "line feed without", "7.1.2"),
    (b"0\r\nX: a\rY: b\r\n\r\n", b"", 400, "carriage return without", "7.1.2"),
    (b"0\r\nX: a\x00\r\n\r\n", b"", 400, "NUL", "7.1.2"),
    (b"0\r\nX: \x01\r\n\r\n", b"", 400, "control byte", "7.1.2"),
    (b"0\r\n\x00\r\n\r\n", b"", 400, "NUL", "7.1.2"),
    (b"0\r\n(X): a\r\n\r\n", b"", 400, "cannot be in a field name", "7.1.2"),
    (b"0\r\nGET /hidden HTTP/1.1\r\n\r\n", b"", 400, "before the colon", "7.1.2"),
    (b"5\r\nhello\r\n0\r\nX: a\r\nY\r\n\r\n", b"hello", 400, "without a colon", "7.1.2"),
];

#[track_caller]
fn check(body: &[u8], served: &[u8], status: u16, words: &str, section: &str) {
    let (transcript, refusal) = read_refused(&[HEAD, body].concat());
    let text = body.escape_ascii();
    assert_eq!(refusal.status, status, "{refusal} ({section}): {text}");
    assert!(refusal.why.contains(words), "{refusal}, not {words:?}: {text}");
    assert_eq!(transcript.messages.len(), 1, "{text}");
    assert_eq!(transcript.messages[0].body, served, "{text}");
    assert!(!transcript.messages[0].is_complete, "{text}");
}

#[test]
fn chunked_bodies_are_refused() {
    for &(body, served, status, words, section) in BODIES {
        check(body, served, status, words, section);
    }
}

#[test]
fn chunked_bodies_are_refused_behind_a_good_chunk_too() {
    for &(body, served, status, words, section) in BODIES {
        let behind = [b"3\r\nabc\r\n", body].concat();
        check(&behind, &[b"abc", served].concat(), status, words, section);
    }
}

/// A body of chunks of which each has `data` bytes and an extension of `extension` bytes, the semicolon included.
fn with_extensions(chunks: usize, data: usize, extension: usize) -> Vec<u8> {
    let mut wire = HEAD.to_vec();
    for _ in 0..chunks {
        wire.extend_from_slice(format!("{data:x};{}\r\n", "e".repeat(extension - 1)).as_bytes());
        wire.extend_from_slice(&vec![b'd'; data]);
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    wire
}

#[test]
fn extensions_may_be_ahead_of_the_data_by_a_kibibyte() {
    assert_eq!(read_one(&with_extensions(1, 1, 1024)).body, b"d");
    let (_, refusal) = read_refused(&with_extensions(1, 1, 1025));
    assert_eq!((refusal.status, refusal.why), (400, "chunk extensions that outweigh the data"));
}

#[test]
fn zeros_before_a_size_may_be_ahead_of_the_data_by_a_kibibyte() {
    let with = |zeros: usize| [HEAD, "0".repeat(zeros).as_bytes(), b"5\r\nhello\r\n0\r\n\r\n"].concat();
    assert_eq!(read_one(&with(15 + 1024)).body, b"hello");
    let (_, refusal) = read_refused(&with(15 + 1025));
    assert_eq!((refusal.status, refusal.why), (400, "chunk extensions that outweigh the data"));
}

#[test]
fn extensions_that_data_pays_for_may_go_on() {
    assert_eq!(read_one(&with_extensions(40, 100, 100)).body.len(), 4000);
    let (_, refusal) = read_refused(&with_extensions(40, 50, 100));
    assert_eq!(refusal.why, "chunk extensions that outweigh the data");
    // A large chunk buys nothing in advance.
    let mut wire = [HEAD, b"800\r\n", &[b'd'; 2048], b"\r\n1;"].concat();
    wire.extend_from_slice(&[b'e'; 1024]);
    assert_eq!(read_refused(&wire).1.why, "chunk extensions that outweigh the data");
}

/// An empty body with `count` trailers that make `bytes` bytes with the blank line behind them.
fn with_trailers(count: usize, bytes: usize) -> Vec<u8> {
    let mut trailers = "t:\r\n".repeat(count - 1);
    trailers += &format!("t:{}\r\n\r\n", "v".repeat(bytes - 4 * count - 2));
    assert_eq!(trailers.len(), bytes);
    [HEAD, b"0\r\n", trailers.as_bytes()].concat()
}

#[test]
fn trailers_are_bounded_to_the_byte() {
    assert!(read_one(&with_trailers(1, 8192)).body.is_empty());
    let (_, refusal) = read_refused(&with_trailers(1, 8193));
    assert_eq!((refusal.status, refusal.why), (431, "the trailers are too large"));
}

#[test]
fn trailers_are_bounded_in_number() {
    read_one(&with_trailers(100, 1000));
    let (_, refusal) = read_refused(&with_trailers(101, 1000));
    assert_eq!((refusal.status, refusal.why), (431, "too many fields"));
}

#[test]
fn a_body_that_is_cut_short_is_never_complete() {
    let body = b"5;a=\"b\"\r\nhello\r\n6\r\n world\r\n0\r\nX: a\r\n\r\n";
    for wire in [
        [HEAD, body].concat(),
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world".to_vec(),
    ] {
        let head_len = wire.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
        assert!(read(&wire).messages[0].is_complete);
        for end in head_len..wire.len() {
            let transcript = read(&wire[..end]);
            assert_eq!(transcript.refusal, None);
            assert!(!transcript.messages[0].is_complete, "complete at {end} of {}", wire.len());
        }
    }
}

//! What a body may have besides its data: extensions, zeros and trailers, each to the byte.

use crate::wire::{read, read_one, read_refused};

const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

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

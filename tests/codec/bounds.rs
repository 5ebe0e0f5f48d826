//! 414 and 431, to the byte: a head that is exactly as large as it may be is served, also if it came whole.

use encke::http::HeadBounds;

use crate::wire::{Transcript, read_within};

const BOUNDS: HeadBounds = HeadBounds { bytes_max: 300, fields_max: 10 };

#[track_caller]
fn status(transcript: &Transcript) -> Option<u16> {
    transcript.refusal.map(|refusal| refusal.status)
}

/// A request of `bytes` bytes whose request line has `line` of them, CRLF included.
fn request(line: usize, bytes: usize) -> Vec<u8> {
    let target = "x".repeat(line - "GET / HTTP/1.1\r\n".len());
    let mut wire = format!("GET /{target} HTTP/1.1\r\nHost: a\r\n").into_bytes();
    if bytes > wire.len() + 2 {
        wire.extend_from_slice(b"X:");
        wire.resize(bytes - 4, b'v');
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b"\r\n");
    assert_eq!(wire.len(), bytes);
    wire
}

#[test]
fn a_head_may_be_as_large_as_its_bound_and_not_a_byte_larger() {
    for line in [16, 50, 200] {
        assert_eq!(status(&read_within(&request(line, 300), BOUNDS)), None);
        assert_eq!(status(&read_within(&request(line, 301), BOUNDS)), Some(431));
        assert_eq!(status(&read_within(&request(line, 900), BOUNDS)), Some(431));
    }
}

#[test]
fn a_request_line_that_passes_the_bound_alone_is_414() {
    let mut wire = request(400, 411);
    assert_eq!(status(&read_within(&wire, BOUNDS)), Some(414));
    wire.truncate(300);
    assert_eq!(status(&read_within(&wire, BOUNDS)), Some(414));
    wire.truncate(299);
    assert_eq!(status(&read_within(&wire, BOUNDS)), None, "one more byte could be awaited");
}

#[test]
fn a_request_line_that_just_fits_leaves_no_room_for_a_head() {
    // The whole line, CRLF included, is 300 bytes long: the line is not too long, the head is.
    assert_eq!(status(&read_within(&request(300, 311), BOUNDS)), Some(431));
    assert_eq!(status(&read_within(&request(301, 312), BOUNDS)), Some(414), "its LF is past the bound");
}

#[test]
fn blank_lines_before_the_request_count() {
    let head = request(16, 100);
    for blanks in [0, 1, 100] {
        let wire = [b"\r\n".repeat(blanks), head.clone()].concat();
        assert_eq!(status(&read_within(&wire, BOUNDS)), None);
    }
    assert_eq!(status(&read_within(&[b"\r\n".repeat(101), head].concat(), BOUNDS)), Some(431));
    assert_eq!(status(&read_within(&b"\r\n".repeat(150), BOUNDS)), Some(431));
    assert_eq!(status(&read_within(&b"\r\n".repeat(149), BOUNDS)), None);
}

#[test]
fn what_is_refused_within_the_bound_is_refused_for_its_own_fault() {
    let mut wire = request(16, 900);
    wire[299] = 0;
    assert_eq!(status(&read_within(&wire, BOUNDS)), Some(400));
    wire[299] = b'v';
    wire[300] = 0;
    assert_eq!(status(&read_within(&wire, BOUNDS)), Some(431));
}

#[test]
fn as_many_fields_as_there_may_be() {
    let with = |count: usize| {
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a:\r\n".repeat(count - 1)).into_bytes()
    };
    assert_eq!(read_within(&with(10), BOUNDS).messages[0].fields.len(), 10);
    assert_eq!(status(&read_within(&with(11), BOUNDS)), Some(431));
    let only_host = HeadBounds { fields_max: 1, ..BOUNDS };
    assert_eq!(status(&read_within(&with(1), only_host)), None);
    assert_eq!(status(&read_within(&with(2), only_host)), Some(431));
}

#[test]
fn a_hundred_fields_is_the_most() {
    let with = |version: &str, count: usize| {
        format!("GET / HTTP/{version}\r\nHost: a\r\n{}\r\n", "a:\r\n".repeat(count - 1)).into_bytes()
    };
    for fields_max in [100, 101, 1000, usize::MAX] {
        let bounds = HeadBounds { bytes_max: usize::MAX, fields_max };
        for version in ["1.0", "1.1", "1.2"] {
            assert_eq!(read_within(&with(version, 100), bounds).messages[0].fields.len(), 100);
            assert_eq!(status(&read_within(&with(version, 101), bounds)), Some(431));
        }
    }
}

#[test]
fn bounds_hold_for_each_pipelined_request_by_itself() {
    let wire = [request(16, 300), request(50, 300), request(16, 301)].concat();
    let transcript = read_within(&wire, BOUNDS);
    assert_eq!((transcript.messages.len(), status(&transcript)), (2, Some(431)));
}

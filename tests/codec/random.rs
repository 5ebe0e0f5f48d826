//! Bytes that nobody thought of, by seed: a message or a refusal comes out, never a panic, and the same however they
//! are cut.

use encke::http::peer::ResponseReader;
use encke::http::{FieldSpace, HeadBounds, HeadScan, parse_head};

use crate::dice::Dice;
use crate::wire::{BOUNDS, NEXT, read_pieces};

/// Good requests to spoil.
const GOOD: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://a.example:80/b?c HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
    b"POST /a?b=c HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\nExpect: 100-continue\r\n\r\n3;a=\"b\"\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"\r\nOPTIONS * HTTP/1.2\r\nHost:\r\nConnection: upgrade\r\nUpgrade: a/1\r\n\r\n",
];

/// What smuggling is made of.
const SPICE: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"\"",
    b"0",
    b"f",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"#",
    b"[",
    b"\r\n ",
    b"\r\n\r\n",
    b"\n\n",
    b"0\r\n\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"transfer-encoding:\tChunked\r\n",
    b"Host: b\r\n",
    b"Connection: close\r\n",
    b"HTTP/1.1",
    b"HTTP/2.0",
    b"GET /x HTTP/1.1\r\n",
    b", chunked",
    b"5;a=b\r\n",
];

fn pick<'a, T: ?Sized>(dice: &mut Dice, choices: &[&'a T]) -> &'a T {
    choices[dice.below(choices.len())]
}

/// One to three good requests with a few bytes spoilt.
fn spoilt(dice: &mut Dice) -> Vec<u8> {
    let mut wire = Vec::new();
    for _ in 0..1 + dice.below(3) {
        wire.extend_from_slice(pick(dice, GOOD));
    }
    for _ in 0..dice.below(4) {
        let at = dice.below(wire.len());
        match dice.below(6) {
            0 => wire[at] = dice.next() as u8,
            1 => wire[at] ^= 1 << dice.below(8),
            2 if wire.len() > 1 => drop(wire.remove(at)),
            3 => wire.truncate(at + 1),
            4 => {
                let end = (at + 1 + dice.below(12)).min(wire.len());
                let again = wire[at..end].to_vec();
                drop(wire.splice(at..at, again));
            }
            _ => drop(wire.splice(at..at, pick(dice, SPICE).iter().copied())),
        }
    }
    wire
}

#[test]
fn spoilt_requests_mean_the_same_however_they_are_cut() {
    let (mut accepted, mut refused) = (0, 0);
    for seed in 0..20_000 {
        let mut dice = Dice::new(seed);
        let wire = spoilt(&mut dice);
        let bounds = match dice.below(4) {
            0 => HeadBounds { bytes_max: 40 + dice.below(80), fields_max: 1 + dice.below(4) },
            _ => BOUNDS,
        };
        let whole = read_pieces([&wire[..]], bounds);
        let pieces = dice.cut(&wire);
        assert_eq!(read_pieces(pieces, bounds), whole, "seed {seed}: {}", wire.escape_ascii());
        assert_eq!(read_pieces(wire.chunks(1), bounds), whole, "seed {seed}: {}", wire.escape_ascii());
        match whole.refusal {
            Some(refusal) => {
                assert!((400..600).contains(&refusal.status));
                refused += 1;
            }
            None => accepted += 1,
        }
    }
    assert!(accepted > 2_000 && refused > 2_000, "both sides are tried: {accepted} and {refused}");
}

#[test]
fn a_refusal_stands_whatever_comes_behind() {
    for seed in 0..5_000 {
        let mut dice = Dice::new(seed);
        let wire = spoilt(&mut dice);
        let alone = read_pieces([&wire[..]], BOUNDS);
        if alone.refusal.is_some() {
            assert_eq!(read_pieces([&wire[..], NEXT], BOUNDS), alone, "seed {seed}: {}", wire.escape_ascii());
        }
    }
}

#[test]
fn random_bytes_never_panic() {
    for seed in 0..5_000 {
        let mut dice = Dice::new(seed);
        let wire: Vec<u8> = (0..dice.below(200)).map(|_| dice.next() as u8).collect();
        let whole = read_pieces([&wire[..]], BOUNDS);
        assert_eq!(read_pieces(wire.chunks(1), BOUNDS), whole, "seed {seed}");
        for front in [
            &b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost: a\r\n",
        ] {
            let wire = [front, &wire].concat();
            let whole = read_pieces([&wire[..]], BOUNDS);
            assert_eq!(read_pieces(wire.chunks(1), BOUNDS), whole, "seed {seed}");
        }
    }
}

#[test]
fn the_parser_alone_accepts_nothing_that_the_scan_refuses() {
    let mut both = 0;
    for seed in 0..20_000 {
        let wire = spoilt(&mut Dice::new(seed));
        // Every front of the wire that ends with a line.
        for end in (1..=wire.len()).filter(|&end| wire[end - 1] == b'\n') {
            let mut space = FieldSpace::new();
            if let Ok(head) = parse_head(&wire[..end], &mut space, &BOUNDS) {
                assert_eq!(
                    HeadScan::default().advance(&wire, &BOUNDS),
                    Ok(Some(end)),
                    "seed {seed}: {head:?}"
                );
                both += 1;
            }
        }
    }
    assert!(both > 1_000, "some are accepted by both: {both}");
}

#[test]
fn the_peers_reader_takes_anything_without_a_panic() {
    let good: &[&[u8]] = &[
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ];
    for seed in 0..5_000 {
        let mut dice = Dice::new(seed);
        let mut wire = pick(&mut dice, good).to_vec();
        for _ in 0..dice.below(3) {
            let at = dice.below(wire.len());
            wire.splice(at..at, pick(&mut dice, SPICE).iter().copied());
        }
        let outcome = |pieces: Vec<&[u8]>| {
            let mut reader = ResponseReader::new();
            reader.expect("GET");
            let mut heads_and_bytes = (0, Vec::new());
            for mut input in pieces {
                loop {
                    use encke::http::peer::Piece::*;
                    let (consumed, piece) = match reader.read(input) {
                        Ok(read) => read,
                        Err(error) => return (heads_and_bytes, Err(error)),
                    };
                    input = &input[consumed..];
                    match piece {
                        Informational(_) | Head(_) => heads_and_bytes.0 += 1,
                        Data(data) => {
                            assert!(!data.is_empty(), "seed {seed}");
                            heads_and_bytes.1.extend_from_slice(data);
                        }
                        Done => {}
                        More => break,
                    }
                }
            }
            (heads_and_bytes, reader.end_of_input().map(|_| ()))
        };
        let whole = outcome(vec![&wire]);
        assert_eq!(outcome(dice.cut(&wire)), whole, "seed {seed}: {}", wire.escape_ascii());
        assert_eq!(outcome(wire.chunks(1).collect()), whole, "seed {seed}: {}", wire.escape_ascii());
    }
}

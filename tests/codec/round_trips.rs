//! What the peer's writer writes, the server reads.

use encke::http::peer::{Request, RequestBody};
use encke::http::{Framing, Version};

use crate::wire::{read, read_one};

#[track_caller]
fn round_trip(request: &Request<'_>) -> crate::wire::Message {
    let mut wire = Vec::new();
    request.write(&mut wire);
    let message = read_one(&wire);
    assert_eq!((&message.method[..], &message.target[..]), (request.method, request.target));
    assert_eq!((message.version, message.host.as_deref()), (request.version, request.host));
    let sent = request.fields.iter().map(|&(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let skipped = usize::from(request.host.is_some());
    assert!(sent.eq(message.fields.iter().skip(skipped).take(request.fields.len()).cloned()));
    message
}

#[test]
fn requests_arrive_as_they_were_meant() {
    let chunks: &[&[u8]] = &[b"a", b"", b"bc", &[b'd'; 300], b"\r\n0\r\n\r\n"];
    let joined = chunks.concat();
    for method in ["GET", "HEAD", "POST", "DELETE"] {
        for target in ["/", "/channels/news?since=0-1", "/%C3%A9"] {
            for fields in [&[][..], &[("Accept", "text/event-stream"), ("Connection", "close")]] {
                let plain = Request { method, target, fields, ..Request::default() };
                assert_eq!(round_trip(&plain).framing, Framing::None);
                let sized = Request { body: RequestBody::Length(&joined), ..plain };
                assert_eq!(round_trip(&sized).body, joined);
                let chunked = Request { body: RequestBody::Chunked(chunks), ..plain };
                assert_eq!(
                    (round_trip(&chunked).framing, round_trip(&chunked).body),
                    (Framing::Chunked, joined.clone())
                );
            }
        }
    }
}

#[test]
fn empty_bodies_arrive_as_empty_bodies() {
    let sized = Request { method: "POST", body: RequestBody::Length(b""), ..Request::default() };
    assert_eq!(round_trip(&sized).framing, Framing::Length(0));
    for chunks in [&[][..], &[&b""[..]]] {
        let chunked = Request { method: "POST", body: RequestBody::Chunked(chunks), ..Request::default() };
        assert_eq!(round_trip(&chunked).body, b"");
    }
}

#[test]
fn http_1_0_requests_arrive() {
    let old = Request { version: Version::Http10, host: None, ..Request::default() };
    assert!(!round_trip(&old).keeps_alive);
    let patient = Request { fields: &[("Connection", "keep-alive")], ..old };
    assert!(round_trip(&patient).keeps_alive);
}

#[test]
fn the_writer_writes_what_it_is_told_also_nonsense() {
    let mut wire = Vec::new();
    let body = RequestBody::Length(b"hello");
    Request { method: "POST", fields: &[("Content-Length", "6")], body, ..Request::default() }
        .write(&mut wire);
    assert_eq!(read(&wire).refusal.map(|refusal| refusal.status), Some(400));
}

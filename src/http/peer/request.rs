//! Writes requests, honest ones and others.
//!
//! Next: `response.rs`.

use crate::http::response::{write_decimal, write_field};
use crate::http::{Version, chunked};

/// A request to be written. Nothing is checked: a field may repeat, contradict the body or break the syntax.
///
/// ```
/// use encke::http::peer::{Request, RequestBody};
///
/// let mut wire = Vec::new();
/// let body = RequestBody::Chunked(&[b"hello"]);
/// Request { method: "POST", target: "/channels/news", body, ..Request::default() }.write(&mut wire);
/// assert_eq!(
///     wire,
///     b"POST /channels/news HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
/// );
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The target in any of its forms.
    pub target: &'a str,
    /// The version in the request line.
    pub version: Version,
    /// The value of `Host`; `None` writes no such field.
    pub host: Option<&'a str>,
    /// Fields behind `Host`.
    pub fields: &'a [(&'a str, &'a str)],
    /// The body, and with it the framing field.
    pub body: RequestBody<'a>,
}

/// The body of a [`Request`].
///
/// ```
/// use encke::http::peer::{Request, RequestBody};
///
/// let write = |body| {
///     let mut wire = Vec::new();
///     Request { method: "PUT", host: None, body, ..Request::default() }.write(&mut wire);
///     String::from_utf8_lossy(&wire).into_owned()
/// };
/// assert_eq!(write(RequestBody::None), "PUT / HTTP/1.1\r\n\r\n");
/// assert_eq!(write(RequestBody::Length(b"ab")), "PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab");
/// assert!(write(RequestBody::Chunked(&[b"a", b"b"])).ends_with("\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestBody<'a> {
    /// No body and no framing field.
    None,
    /// `Content-Length` and these bytes.
    Length(&'a [u8]),
    /// `Transfer-Encoding: chunked` and these chunks, of which empty ones are left out.
    Chunked(&'a [&'a [u8]]),
}

impl Default for Request<'_> {
    /// `GET /` in HTTP/1.1 from `localhost`.
    fn default() -> Self {
        Request {
            method: "GET",
            target: "/",
            version: Version::Http11,
            host: Some("localhost"),
            fields: &[],
            body: RequestBody::None,
        }
    }
}

impl Request<'_> {
    /// Appends the request as it goes over the wire.
    ///
    /// ```
    /// use encke::http::peer::Request;
    ///
    /// let mut wire = Vec::new();
    /// Request { fields: &[("Accept", "text/event-stream")], ..Request::default() }.write(&mut wire);
    /// assert_eq!(wire, b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n");
    /// ```
    pub fn write(&self, out: &mut Vec<u8>) {
        for part in [self.method, " ", self.target, " "] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(match self.version {
            Version::Http10 => b"HTTP/1.0\r\n",
            Version::Http11 => b"HTTP/1.1\r\n",
        });
        if let Some(host) = self.host {
            write_field(out, "Host", host);
        }
        for (name, value) in self.fields {
            write_field(out, name, value);
        }
        match self.body {
            RequestBody::None => out.extend_from_slice(b"\r\n"),
            RequestBody::Length(bytes) => {
                out.extend_from_slice(b"Content-Length: ");
                write_decimal(out, bytes.len() as u64);
                out.extend_from_slice(b"\r\n\r\n");
                out.extend_from_slice(bytes);
            }
            RequestBody::Chunked(chunks) => {
                out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                for chunk in chunks {
                    chunked::encode(out, chunk);
                }
                out.extend_from_slice(chunked::LAST);
            }
        }
    }
}

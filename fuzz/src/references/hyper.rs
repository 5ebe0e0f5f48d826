//! hyper's server over memory: heads by httparse as here, but framing and bodies of its own.
//!
//! ```text
//!   bytes ─► Wire ─► hyper's connection ─► service: reads each body to its end, answers 200
//! ```
//!
//! Nothing is waited for: all bytes are there at once, then the end.
//!
//! Next: `llhttp.rs`.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};

use super::{Message, Reading};

pub fn read(wire: &[u8]) -> Reading {
    let reading = Rc::new(RefCell::new(Reading::default()));
    let service = service_fn(|request: Request<Incoming>| serve(request, Rc::clone(&reading)));
    let mut builder = http1::Builder::new();
    builder.half_close(true).header_read_timeout(None).auto_date_header(false);
    let connection = builder.serve_connection(Wire { rest: wire.to_vec() }, service);
    let mut connection = pin!(connection);
    let mut context = Context::from_waker(Waker::noop());
    // Whoever is woken by itself is polled again, a few times for each byte at most.
    let mut outcome = Poll::Pending;
    for _ in 0..64 + 4 * wire.len() {
        outcome = connection.as_mut().poll(&mut context);
        if outcome.is_ready() {
            break;
        }
    }
    let mut reading = reading.take();
    match outcome {
        Poll::Ready(Ok(())) => {}
        Poll::Ready(Err(error)) if error.is_incomplete_message() => {}
        Poll::Ready(Err(error)) => {
            reading.refusal.get_or_insert(why(&error));
        }
        Poll::Pending => panic!("hyper does not come to an end"),
    }
    reading
}

/// An error and what caused it.
fn why(error: &hyper::Error) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

async fn serve(
    request: Request<Incoming>,
    reading: Rc<RefCell<Reading>>,
) -> Result<Response<Nothing>, Infallible> {
    let (method, target) = (request.method().to_string(), request.uri().to_string());
    reading.borrow_mut().messages.push(Message { method, target, ..Message::default() });
    let mut body = pin!(request.into_body());
    loop {
        let frame = poll_fn(|context| body.as_mut().poll_frame(context)).await;
        let mut reading = reading.borrow_mut();
        let message = reading.messages.last_mut().expect("a body has a head");
        match frame {
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    message.body.extend_from_slice(&data);
                }
            }
            None => {
                message.is_complete = true;
                return Ok(Response::new(Nothing));
            }
            Some(Err(error)) => {
                let why = why(&error);
                if !why.contains("end of file before")
                    && !why.contains("unexpected EOF")
                    && !error.is_incomplete_message()
                {
                    reading.refusal.get_or_insert(why);
                }
                return Ok(Response::new(Nothing));
            }
        }
    }
}

/// An answer without a body.
struct Nothing;

impl Body for Nothing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}

/// A connection whose peer has sent everything.
struct Wire {
    rest: Vec<u8>,
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let taken = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..taken]);
        self.rest.drain(..taken);
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

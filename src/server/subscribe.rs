//! `GET /channels/NAME`: the answer stays open, and messages flow.
//!
//! The modes are rows of a table: what the stream looks like, and what its head says. Where a returning peer stands comes from its
//! `Last-Event-ID` field, which wins, or from `?since=`.
//!
//! Next: the hub, `hub/cursor.rs`, for what a cursor means.

use super::access::Visitor;
use super::publish::refusal;
use super::reply::{refuse, start};
use super::routes::{Pending, parameter};
use crate::engine::Ctx;
use crate::error::Refusal;
use crate::http::RequestHead;
use crate::hub::{MessageId, Since, WireFormat};

/// How a subscriber wants its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Server-Sent Events (WHATWG HTML, "Server-sent events").
    Sse,
    /// One message a line.
    Stream(&'static str),
}

/// Opens a subscription, or tells what is wrong with it.
pub(crate) fn subscribe(
    head: &RequestHead<'_>,
    channel: &str,
    visitor: &Visitor<'_>,
    ctx: &mut Ctx<'_, Pending>,
) {
    let (mode, since) = match mode(head).and_then(|mode| Ok((mode, since(head)?))) {
        Ok(asked) => asked,
        Err(refusal) => return refuse(ctx, visitor, refusal),
    };
    let (format, content_type) = match mode {
        Mode::Sse => (WireFormat::SSE, "text/event-stream"),
        Mode::Stream(content_type) => (WireFormat::STREAM, content_type),
    };
    let mut fields = vec![
        ("Content-Type", content_type),
        ("Cache-Control", "no-store"),
        // Proxies that buffer would hold messages back: nginx reads the first, others the second (RFC 10036).
        ("X-Accel-Buffering", "no"),
        ("Incremental", "?1"),
        // Without this Chromium keeps a text stream from a page until 512 bytes have come.
        ("X-Content-Type-Options", "nosniff"),
    ];
    if ctx.is_head_request() {
        let _ = start(ctx, visitor, 200, &fields);
        return ctx.close();
    }
    let subscribed = match ctx.subscribe(&[channel], since, format) {
        Ok(subscribed) => subscribed,
        Err(error) => return refuse(ctx, visitor, refusal(error)),
    };
    if subscribed.gap {
        fields.push(("Encke-Gap", "true"));
    }
    let _ = start(ctx, visitor, 200, &fields);
    if mode == Mode::Sse {
        let retry = retry_millis(ctx);
        // A subscriber without a cursor is told where it stands: an id without data sets EventSource's last id and dispatches
        // nothing, so being cut before the first message loses nothing.
        let first = match since {
            Since::Head => format!("retry: {retry}\nid: {}\n\n", subscribed.at),
            _ => format!("retry: {retry}\n\n"),
        };
        let _ = ctx.write(first.as_bytes());
    }
}

/// `mode=` wins; else the peer's `Accept` chooses.
fn mode(head: &RequestHead<'_>) -> Result<Mode, Refusal> {
    const UNKNOWN: Refusal = Refusal::new(400, "mode is sse or stream");
    let accepts_events = head.fields_named("Accept").any(|value| contains(value, b"text/event-stream"));
    match parameter(head, "mode")?.as_deref() {
        Some("sse") => Ok(Mode::Sse),
        Some("stream") => Ok(Mode::Stream(stream_type(head)?)),
        Some(_) => Err(UNKNOWN),
        None if accepts_events => Ok(Mode::Sse),
        None => Ok(Mode::Stream(stream_type(head)?)),
    }
}

/// What a raw stream calls itself.
fn stream_type(head: &RequestHead<'_>) -> Result<&'static str, Refusal> {
    match parameter(head, "type")?.as_deref() {
        None => Ok("text/plain; charset=utf-8"),
        Some("application/octet-stream") => Ok("application/octet-stream"),
        Some("application/x-ndjson") => Ok("application/x-ndjson"),
        Some(_) => {
            Err(Refusal::new(400, "type is application/octet-stream or application/x-ndjson, or left out"))
        }
    }
}

/// Where the peer stands.
fn since(head: &RequestHead<'_>) -> Result<Since, Refusal> {
    if let Some(last) = head.field("Last-Event-ID").filter(|value| !value.is_empty()) {
        // EventSource sends back whatever it was once given. What this hub never gave is another life's: everything held,
        // after a notice.
        const FOREIGN: MessageId = MessageId { epoch: 0, seq: 0 };
        let id = std::str::from_utf8(last).ok().and_then(MessageId::parse);
        return Ok(Since::Id(id.unwrap_or(FOREIGN)));
    }
    match parameter(head, "since")?.as_deref() {
        None | Some("") => Ok(Since::Head),
        Some(text) => match MessageId::parse(text) {
            Some(id) => Ok(Since::Id(id)),
            None => Err(Refusal::new(
                400,
                "since is the id of a message, as a publish answers it; leave it out to begin now",
            )),
        },
    }
}

/// When an EventSource shall come back: 2 s, more or less by half, so that all who were cut together do not return together.
fn retry_millis(ctx: &Ctx<'_, Pending>) -> u64 {
    // Any spread will do; the time of the request, stirred (the finalizer of MurmurHash3), is one that needs no state.
    let mut bits = ctx.now().at.as_micros() ^ 0x9e37_79b9_7f4a_7c15;
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    1_000 + (bits ^ (bits >> 33)) % 2_001
}

fn contains(value: &[u8], part: &[u8]) -> bool {
    value.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

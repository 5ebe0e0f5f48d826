//! `GET /channels/NAME`: the answer stays open, and messages flow; or it is a list, now or as soon as there is one.
//!
//! What is asked for is read in `ask.rs`. The streaming modes are rows of a table: what the stream looks like, and what it calls itself.
//! Every head says where the stream begins (`Last-Event-ID`) and whether messages are missing before that (`Encke-Gap`), so who is cut
//! before its first message has lost nothing, in any mode.
//!
//! Next: `poll.rs`.

use super::access::Visitor;
use super::ask::{self, Ask, Envelope, Mode};
use super::config::Policy;
use super::poll;
use super::publish::refusal;
use super::reply::{json, refuse, start};
use super::routes::Pending;
use crate::engine::Ctx;
use crate::http::RequestHead;
use crate::hub::json::{Escaping, write_string};
use crate::hub::{Since, Subscribed, WireFormat};

/// Answers a GET or HEAD of a channel.
pub(crate) fn subscribe(
    head: &RequestHead<'_>,
    channel: &str,
    policy: &Policy,
    visitor: Visitor<'_>,
    ctx: &mut Ctx<'_, Pending>,
) {
    let Ask { channels, mode, since } = match ask::read(head, channel, policy) {
        Ok(asked) => asked,
        Err(refusal) => return refuse(ctx, &visitor, refusal),
    };
    let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
    match mode {
        Mode::Info => info(&channels, &visitor, ctx),
        Mode::Poll(asked) => poll::begin(&channels, since, asked, visitor, ctx),
        mode => stream(&channels, since, &mode, &visitor, ctx),
    }
}

/// Opens a stream.
fn stream(channels: &[&str], since: Since, mode: &Mode, visitor: &Visitor<'_>, ctx: &mut Ctx<'_, Pending>) {
    let (format, content_type) = match mode {
        Mode::Sse(Envelope::None) => (WireFormat::SSE, "text/event-stream"),
        Mode::Sse(Envelope::Json) => (WireFormat::SSE_ENVELOPE, "text/event-stream"),
        Mode::Ndjson => (WireFormat::NDJSON, "application/x-ndjson"),
        Mode::Iframe(_) => (WireFormat::IFRAME, "text/html; charset=utf-8"),
        Mode::Stream(content_type) => (WireFormat::STREAM, *content_type),
        Mode::Poll(_) | Mode::Info => return debug_assert!(false, "no stream"),
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
    if matches!(mode, Mode::Iframe(_)) {
        fields.push(("Content-Security-Policy", "frame-ancestors 'self'"));
    }
    if ctx.is_head_request() {
        let _ = start(ctx, visitor, 200, &fields);
        return ctx.close();
    }
    let subscribed = match ctx.subscribe(channels, since, format) {
        Ok(subscribed) => subscribed,
        Err(error) => return refuse(ctx, visitor, refusal(error)),
    };
    let at = subscribed.at.to_string();
    fields.push(("Last-Event-ID", &at));
    if subscribed.gap {
        fields.push(("Encke-Gap", "true"));
    }
    let _ = start(ctx, visitor, 200, &fields);
    // What is written here goes out behind the head and before the first message.
    let _ = match mode {
        Mode::Sse(_) => ctx.write(first_block(since, subscribed, ctx).as_bytes()),
        Mode::Iframe(callback) => ctx.write(document(callback).as_bytes()),
        _ => Ok(()),
    };
}

/// The first block of an event stream. A subscriber without a cursor is told where it stands: an id without data sets EventSource's
/// last id and dispatches nothing, so being cut before the first message loses nothing.
fn first_block(since: Since, subscribed: Subscribed, ctx: &Ctx<'_, Pending>) -> String {
    let retry = retry_millis(ctx);
    match since {
        Since::Head => format!("retry: {retry}\nid: {}\n\n", subscribed.at),
        _ => format!("retry: {retry}\n\n"),
    }
}

/// The head of a forever frame: binds `F`, which the scripts of all messages call, to the function of the page around it.
fn document(callback: &str) -> String {
    format!(
        "<!doctype html><meta charset=\"utf-8\"><title>Encke</title>\n<script>function F(data, id, event) {{ parent.{callback}(data, id, event) }}</script>\n"
    )
}

/// When an EventSource shall come back: 2 s, more or less by half, so that all who were cut together do not return together.
fn retry_millis(ctx: &Ctx<'_, Pending>) -> u64 {
    // Any spread will do; the time of the request, stirred (the finalizer of MurmurHash3), is one that needs no state.
    let mut bits = ctx.now().at.as_micros() ^ 0x9e37_79b9_7f4a_7c15;
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    bits = (bits ^ (bits >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    1_000 + (bits ^ (bits >> 33)) % 2_001
}

/// `mode=info`: what is known of a channel. One that nobody has used is empty, not unknown: it is there as soon as it is used.
fn info(channels: &[&str], visitor: &Visitor<'_>, ctx: &mut Ctx<'_, Pending>) {
    let channel = channels[0];
    let known = ctx.core().hub().info(channel).unwrap_or_default();
    let id = |id: Option<crate::hub::MessageId>| id.map_or("null".to_owned(), |id| format!("\"{id}\""));
    let mut name = Vec::new();
    write_string(channel, Escaping::Plain, &mut name);
    let answer = format!(
        "{{\"channel\":{},\"subscribers\":{},\"messages\":{},\"bytes\":{},\"oldest\":{},\"newest\":{}}}\n",
        String::from_utf8_lossy(&name),
        known.subscribers,
        known.messages,
        known.bytes,
        id(known.oldest),
        id(known.newest),
    );
    json(ctx, visitor, 200, &answer);
}

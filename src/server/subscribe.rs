//! `GET /channels/NAME`: the answer stays open, and messages flow; or it is a list, now or as soon as there is one.
//!
//! What is asked for is read in `ask.rs`. The streaming modes are rows of a table: what the stream looks like, and what it calls itself.
//! Every head says where the stream begins (`Last-Event-ID`) and whether messages are missing before that (`Encke-Gap`), so who is cut
//! before its first message has lost nothing, in any mode.
//!
//! Next: `poll.rs`.

use super::access::Visitor;
use super::ask::{self, Ask, Envelope, Flow, Mode};
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
        Mode::Flow(flow) => drop(stream(&channels, since, &flow, &visitor, ctx)),
    }
}

/// Opens a stream, or says to HEAD what would be opened. Gives where an open one begins.
pub(crate) fn stream(
    channels: &[&str],
    since: Since,
    flow: &Flow,
    visitor: &Visitor<'_>,
    ctx: &mut Ctx<'_, Pending>,
) -> Option<Subscribed> {
    let (format, content_type) = match flow {
        Flow::Sse(Envelope::None) => (WireFormat::SSE, "text/event-stream"),
        Flow::Sse(Envelope::Json) => (WireFormat::SSE_ENVELOPE, "text/event-stream"),
        Flow::Sse(Envelope::Of(format)) => (*format, "text/event-stream"),
        Flow::Ndjson => (WireFormat::NDJSON, "application/x-ndjson"),
        Flow::Iframe(_) => (WireFormat::IFRAME, "text/html; charset=utf-8"),
        Flow::Stream(content_type) => (WireFormat::STREAM, *content_type),
    };
    let subscribed = match ctx.is_head_request() {
        true => ctx.core().hub().look(channels, since),
        false => ctx.subscribe(channels, since, format),
    };
    let subscribed = match subscribed {
        Ok(subscribed) => subscribed,
        Err(error) => {
            refuse(ctx, visitor, refusal(error));
            return None;
        }
    };
    let at = subscribed.at.to_string();
    let mut fields = vec![
        ("Content-Type", content_type),
        ("Cache-Control", "no-store"),
        // Proxies that buffer would hold messages back: nginx reads the first, others the second (RFC 10036).
        ("X-Accel-Buffering", "no"),
        ("Incremental", "?1"),
        // Without this Chromium keeps a text stream from a page until 512 bytes have come.
        ("X-Content-Type-Options", "nosniff"),
        ("Last-Event-ID", &at),
    ];
    if matches!(flow, Flow::Iframe(_)) {
        fields.push(("Content-Security-Policy", FRAME_POLICY));
    }
    if subscribed.gap {
        fields.push(("Encke-Gap", "true"));
    }
    let _ = start(ctx, visitor, 200, &fields);
    if ctx.is_head_request() {
        ctx.close();
        return None;
    }
    // What is written here goes out behind the head and before the first message.
    let _ = match flow {
        Flow::Sse(_) => {
            let block = first_block(since, subscribed, ctx);
            ctx.write(block.as_bytes())
        }
        Flow::Iframe(callback) => ctx.write(document(callback, since, subscribed).as_bytes()),
        _ => Ok(()),
    };
    Some(subscribed)
}

/// The document of a forever frame runs the scripts that it consists of, and does nothing else: whatever a message has in it.
const FRAME_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/// The first block of an event stream. A subscriber without a cursor is told where it stands: an id without data sets EventSource's
/// last id and dispatches nothing, so being cut before the first message loses nothing.
fn first_block(since: Since, subscribed: Subscribed, ctx: &mut Ctx<'_, Pending>) -> String {
    let retry = retry_millis(ctx);
    match since {
        Since::Head => format!("retry: {retry}\nid: {}\n\n", subscribed.at),
        _ => format!("retry: {retry}\n\n"),
    }
}

/// The head of a forever frame: binds `F`, which the scripts of all messages call, to the function of the page around it. Opened by
/// itself the document is its own parent, and then nothing is called: `eval` is the name of a function too.
///
/// A subscriber without a cursor is told where it stands, by a call without data.
fn document(callback: &str, since: Since, subscribed: Subscribed) -> String {
    let opened = match since {
        Since::Head => format!("<script>F(null,\"{}\",\"encke-open\")</script>\n", subscribed.at),
        _ => String::new(),
    };
    format!(
        "<!doctype html><meta charset=\"utf-8\"><title>Encke</title>\n<script>function F(data, id, event) {{ if (parent !== self) parent.{callback}(data, id, event) }}</script>\n{opened}"
    )
}

/// When an EventSource shall come back: 2 s, more or less by half, so that all who were cut together do not return together.
fn retry_millis(ctx: &mut Ctx<'_, Pending>) -> u64 {
    // The number of the exchange, stirred (the finalizer of MurmurHash3): those who come in the same turn differ too, and so do lives of
    // the server.
    let number = ctx.core().counters().exchanges ^ ctx.core().hub().head().epoch.rotate_left(32);
    let mut bits = number ^ 0x9e37_79b9_7f4a_7c15;
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

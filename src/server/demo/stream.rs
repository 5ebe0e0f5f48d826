//! Streams of topics: one topic in any mode, for a terminal; or all that one browser's pages want to hear, for them.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /demo/TOPIC/stream` | as of a channel, see `subscribe.rs` |
//! | `GET /demo/stream?topic=T&channel=C` | Server-Sent Events whose data are the messages' JSON objects, of several of both |
//!
//! A message's type is in its object and nowhere else: an event of a type that a page does not know by name never reaches it.
//!
//! A browser opens at most six connections to a server, so its windows share one stream (`pages/live.js`) and one cursor. When a window
//! wants to hear more, the stream is asked for anew with the cursor.
//!
//! What a page gets beside the messages: an event `opened` that says where it stands and with which
//! message it will have caught up; and an event
//! `snapshot` with the prices as they are.
//!
//! Next: `random.rs`.

use std::io::Write;

use super::super::access::Visitor;
use super::super::ask::{CHANNELS_MAX, Envelope, Flow, since};
use super::super::config::Policy;
use super::super::reply::refuse;
use super::super::routes::{Pending, check_name};
use super::super::subscribe::{stream, subscribe};
use super::topics::{LISTENERS_MAX, Topic, Topics};
use crate::engine::Ctx;
use crate::error::Refusal;
use crate::http::{RequestHead, query};
use crate::hub::json::{Escaping, write_string};
use crate::hub::{Format, MessageId, MessageView, Notice};

/// One topic, as if it were a channel.
pub(super) fn hear_one(
    topic: Topic,
    topics: &mut Topics,
    head: &RequestHead<'_>,
    policy: &Policy,
    visitor: &Visitor<'_>,
    ctx: &mut Ctx<'_, Pending>,
) {
    if let Err(refusal) = check_room(&[topic], ctx) {
        return refuse(ctx, visitor, refusal);
    }
    subscribe(head, topic.channel(), policy, visitor.clone(), ctx);
    wake(&[topic], topics, ctx);
}

/// Topics and channels in one stream.
pub(super) fn hear_all(
    topics: &mut Topics,
    head: &RequestHead<'_>,
    _: &Policy,
    visitor: &Visitor<'_>,
    ctx: &mut Ctx<'_, Pending>,
) {
    let asked = read(head).and_then(|asked| check_room(&asked.topics, ctx).map(|()| asked));
    let (asked, since) = match asked.and_then(|asked| Ok((asked, since(head)?))) {
        Ok(asked) => asked,
        Err(refusal) => return refuse(ctx, visitor, refusal),
    };
    let of_topics = asked.topics.iter().map(|topic| topic.channel());
    let channels: Vec<&str> = asked.channels.iter().map(String::as_str).chain(of_topics).collect();
    let Some(subscribed) = stream(&channels, since, &Flow::Sse(Envelope::Of(topics.format)), visitor, ctx)
    else {
        return;
    };
    // Without an id of their own these leave EventSource's cursor where it is.
    let until = match subscribed.behind {
        true => {
            channels.iter().filter_map(|name| ctx.core().hub().info(name)?.newest).max_by_key(|id| id.seq)
        }
        false => None,
    };
    let until = until.map_or("null".to_owned(), |id| format!("\"{id}\""));
    let mut more = format!("event: opened\ndata: {{\"at\":\"{}\",\"until\":{until}}}\n\n", subscribed.at);
    if asked.topics.contains(&Topic::Quotes) {
        more.push_str(&format!("event: snapshot\ndata: {}\n\n", topics.market.snapshot()));
    }
    let _ = ctx.write(more.as_bytes());
    wake(&asked.topics, topics, ctx);
}

/// Server-Sent Events without types.
pub(super) const FORMAT: Format = Format { encode, notice: Some(notice), heartbeat: Some(b":\n") };

fn encode(message: &MessageView<'_>, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "id: {0}\ndata: {{\"id\":\"{0}\",\"channel\":", message.id);
    write_string(message.channel, Escaping::Plain, out);
    out.extend_from_slice(b",\"event\":");
    match message.event {
        Some(event) => write_string(event, Escaping::Plain, out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"data\":");
    write_string(message.data, Escaping::Plain, out);
    out.extend_from_slice(b"}\n\n");
}

fn notice(notice: Notice, id: MessageId, out: &mut Vec<u8>) {
    let _ = match notice {
        Notice::Gap => write!(out, "id: {id}\nevent: encke-gap\ndata: {{\"gap\":true}}\n\n"),
        Notice::End => write!(out, "id: {id}\nevent: encke-end\ndata: {{\"end\":true}}\n\n"),
    };
}

struct Asked {
    topics: Vec<Topic>,
    channels: Vec<String>,
}

fn read(head: &RequestHead<'_>) -> Result<Asked, Refusal> {
    let mut asked = Asked { topics: Vec::new(), channels: Vec::new() };
    for pair in query::pairs(head.query().unwrap_or_default()) {
        let (name, value) = pair?;
        match &*name {
            "topic" => asked.topics.push(Topic::named(&value).ok_or(UNKNOWN)?),
            "channel" => {
                check_name(&value)?;
                asked.channels.push(value.into_owned());
            }
            _ => {}
        }
    }
    match asked.topics.len() + asked.channels.len() {
        0 => Err(UNKNOWN),
        count if count > CHANNELS_MAX => {
            Err(Refusal::new(400, "one request hears at most 32 channels; ask for the others in another"))
        }
        _ => Ok(asked),
    }
}

const UNKNOWN: Refusal =
    Refusal::new(400, "topic is stats, clock, quotes, orders or random, and channel the name of a channel");

/// Whether there is room for one more listener.
fn check_room(topics: &[Topic], ctx: &mut Ctx<'_, Pending>) -> Result<(), Refusal> {
    let hub = ctx.core().hub();
    let is_full =
        |topic: &Topic| hub.info(topic.channel()).is_some_and(|known| known.subscribers >= LISTENERS_MAX);
    match topics.iter().any(is_full) {
        true => Err(Refusal::new(503, "as many listen to the demo as may; try again in a moment")),
        false => Ok(()),
    }
}

/// Has the topics begin that are heard now. A HEAD listens to nothing, and neither does what was refused.
fn wake(wanted: &[Topic], topics: &mut Topics, ctx: &mut Ctx<'_, Pending>) {
    for &topic in wanted {
        if ctx.core().hub().info(topic.channel()).is_some_and(|known| known.subscribers > 0) {
            topics.wake(topic, ctx.core());
        }
    }
}

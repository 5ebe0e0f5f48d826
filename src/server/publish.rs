//! `POST /channels/NAME`: the body becomes one message.
//!
//! The message is appended and answered in the same call; the fan-out follows by itself. `?event=TYPE` names its type. A repeated
//! `Idempotency-Key` gets the first answer again while the channel holds that message, so a publisher may try again whatever happened.
//!
//! While subscribers are too far behind, the body is not read: it waits at the publisher's (`Ctx::pause_while_pressed`).
//!
//! Next: `subscribe.rs`.

use std::time::Duration;

use super::access::Visitor;
use super::reply::{json, refuse};
use super::routes::{Pending, Waiting, parameter};
use crate::engine::Ctx;
use crate::error::{Refusal, WriteError};
use crate::http::RequestHead;
use crate::hub::Message;

/// A POST whose body is coming.
pub(crate) struct Post {
    channel: Box<str>,
    event: Option<Box<str>>,
    key: Option<Box<str>>,
    /// Who will be answered: the head that told is gone when the body has come.
    visitor: Visitor<'static>,
}

/// The head of a POST is there: asks for its body.
pub(crate) fn begin(head: &RequestHead<'_>, channel: &str, visitor: Visitor<'_>, ctx: &mut Ctx<'_, Pending>) {
    match event(head).and_then(|event| Ok((event, key(head)?))) {
        Ok((event, key)) => {
            let post = Post { channel: channel.into(), event, key, visitor: visitor.clone().keep() };
            *ctx.state = Some(Box::new(Waiting::Body(post)));
            let bytes_max = ctx.core().limits().body_bytes_max;
            ctx.collect_body(bytes_max);
            // The body's own timeout, its least rate and the channel's patience say how long this takes. Silence is no reason to answer.
            ctx.set_timeout(Duration::ZERO);
            // Also what the engine refuses of it is for this visitor.
            let _ = ctx.set_refusal_fields(&visitor.fields());
            ctx.pause_while_pressed(channel);
        }
        Err(refusal) => refuse(ctx, &visitor, refusal),
    }
}

/// The message's type, if it has one: wrong ones are refused before a body is sent in vain.
fn event(head: &RequestHead<'_>) -> Result<Option<Box<str>>, Refusal> {
    let event = parameter(head, "event")?.filter(|event| !event.is_empty());
    let message = Message { event: event.as_deref(), ..Message::new("") };
    match message.check() {
        Ok(()) => Ok(event.map(Box::from)),
        Err(_) => Err(Refusal::new(
            400,
            "an event has 1 to 255 bytes without control characters and does not begin with encke- or $; choose another",
        )),
    }
}

/// The request's `Idempotency-Key`, if it has one.
fn key(head: &RequestHead<'_>) -> Result<Option<Box<str>>, Refusal> {
    const WRONG: Refusal = Refusal::new(
        400,
        "an Idempotency-Key has 1 to 255 printable ASCII characters and comes once; leave it out or choose another",
    );
    let mut keys = head.fields_named("Idempotency-Key");
    let Some(key) = keys.next() else { return Ok(None) };
    let key = std::str::from_utf8(key)
        .ok()
        .filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '));
    match key {
        Some(key) if (1..=255).contains(&key.len()) && keys.next().is_none() => Ok(Some(key.into())),
        _ => Err(WRONG),
    }
}

/// The body is there: publishes it and answers.
pub(crate) fn publish(post: Post, body: &[u8], ctx: &mut Ctx<'_, Pending>) {
    let Ok(data) = std::str::from_utf8(body) else {
        return refuse(
            ctx,
            &post.visitor,
            Refusal::new(400, "a message is UTF-8 text; encode other bytes, for instance with base64"),
        );
    };
    let message = Message { event: post.event.as_deref(), key: post.key.as_deref(), ..Message::new(data) };
    match ctx.core().publish(&post.channel, message) {
        Ok(published) => {
            let answer =
                format!("{{\"id\":\"{}\",\"subscribers\":{}}}\n", published.id, published.subscribers);
            json(ctx, &post.visitor, 200, &answer);
        }
        Err(error) => refuse(ctx, &post.visitor, refusal(error)),
    }
}

/// What it means to a peer that the hub would not have it. Names have been checked before.
pub(crate) fn refusal(error: WriteError) -> Refusal {
    match error {
        WriteError::TooManyChannels => Refusal::new(
            503,
            "there is no room for another channel at the moment; use one that exists, or try again later",
        ),
        _ => Refusal::new(400, "a channel's name has 1 to 255 bytes and no control characters"),
    }
}

//! `POST /channels/NAME`: the body becomes one message.
//!
//! The message is appended and answered in the same call; the fan-out follows by itself. `?event=TYPE` names its type.
//!
//! Next: `subscribe.rs`.

use super::access::Visitor;
use super::reply::{json, refuse};
use super::routes::{Pending, parameter};
use crate::engine::Ctx;
use crate::error::{Refusal, WriteError};
use crate::http::RequestHead;
use crate::hub::Message;

/// A POST whose body is coming.
pub(crate) struct Post {
    channel: Box<str>,
    event: Option<Box<str>>,
    /// Who will be answered: the head that told is gone when the body has come.
    visitor: Visitor<'static>,
}

/// The head of a POST is there: asks for its body.
pub(crate) fn begin(head: &RequestHead<'_>, channel: &str, visitor: Visitor<'_>, ctx: &mut Ctx<'_, Pending>) {
    match parameter(head, "event") {
        Ok(event) => {
            let event =
                event.filter(|event| !event.is_empty()).map(|event| event.into_owned().into_boxed_str());
            *ctx.state = Some(Box::new(Post { channel: channel.into(), event, visitor: visitor.keep() }));
            let bytes_max = ctx.core().limits().body_bytes_max;
            ctx.collect_body(bytes_max);
        }
        Err(refusal) => refuse(ctx, &visitor, refusal),
    }
}

/// The body is there: publishes it and answers.
pub(crate) fn publish(body: &[u8], ctx: &mut Ctx<'_, Pending>) {
    let Some(post) = ctx.state.take() else { return };
    let Ok(data) = std::str::from_utf8(body) else {
        return refuse(
            ctx,
            &post.visitor,
            Refusal::new(400, "a message is UTF-8 text; encode other bytes, for instance with base64"),
        );
    };
    let message = Message { event: post.event.as_deref(), ..Message::new(data) };
    match ctx.core().publish(&post.channel, message) {
        Ok(published) => {
            let answer =
                format!("{{\"id\":\"{}\",\"subscribers\":{}}}\n", published.id, published.subscribers);
            json(ctx, &post.visitor, 200, &answer);
        }
        Err(error) => refuse(ctx, &post.visitor, refusal(error)),
    }
}

/// What a refused publish means to its sender.
pub(crate) fn refusal(error: WriteError) -> Refusal {
    match error {
        WriteError::TooManyChannels => Refusal::new(
            503,
            "there are as many channels as there may be; use one that exists, or try again later",
        ),
        _ => Refusal::new(
            400,
            "an event has 1 to 255 bytes without control characters and does not begin with encke- or $; choose another",
        ),
    }
}

//! `?mode=poll`: the answer is a list of messages, at once if there are any, else as soon as there are, else an empty one when time is up.
//!
//! ```text
//!   GET …?mode=poll&since=17-4 ─► anything behind 17-4? ─► {"cursor":"17-9","messages":[…]}
//!                                        │ nothing                    ▲
//!                                        └─► parked ─► news, or time is up
//! ```
//!
//! The client holds the cursor. A poll that ends as a message comes loses nothing, whichever is first: the cursor that is answered stands
//! before whatever was not. With `callback=` (JSONP, only with `--jsonp`) the same is a script.
//!
//! Next: `publish.rs`.

use super::access::Visitor;
use super::ask;
use super::publish::refusal;
use super::reply::{NO_STORE, NOSNIFF, refuse, respond, start};
use super::routes::{Pending, Waiting};
use crate::engine::{Ctx, HalfClose};
use crate::error::Refusal;
use crate::hub::{Since, WireFormat};

/// The largest list, unless it is one message. With what is around it an answer is at most 64 KiB.
const LIST_BYTES_MAX: usize = 64 * 1024 - 512;

/// A poll whose answer is held back.
pub(crate) struct Poll {
    callback: Option<Box<str>>,
    /// Whether messages are missing before everything that can be told.
    gap: bool,
    visitor: Visitor<'static>,
}

/// Answers a poll, or holds its answer back.
pub(crate) fn begin(
    channels: &[&str],
    since: Since,
    asked: ask::Poll,
    visitor: Visitor<'_>,
    ctx: &mut Ctx<'_, Pending>,
) {
    if ctx.is_head_request() {
        return say_head(channels, since, &asked, &visitor, ctx);
    }
    let format = if asked.callback.is_some() { WireFormat::JSON_SCRIPT } else { WireFormat::JSON };
    let subscribed = match ctx.park(channels, since, format) {
        Ok(subscribed) => subscribed,
        Err(error) => return refuse(ctx, &visitor, refusal(error)),
    };
    let poll = Poll { callback: asked.callback, gap: subscribed.gap, visitor: visitor.keep() };
    if subscribed.behind || subscribed.gap || asked.timeout.is_zero() {
        return answer(&poll, ctx);
    }
    ctx.set_timeout(asked.timeout);
    // Nothing has been answered, so only this tells that nobody waits any more.
    ctx.on_half_close(HalfClose::Tell);
    *ctx.state = Some(Box::new(Waiting::Poll(poll)));
}

/// What the head of an answer would say now. Its length is known only to who makes the list.
fn say_head(
    channels: &[&str],
    since: Since,
    asked: &ask::Poll,
    visitor: &Visitor<'_>,
    ctx: &mut Ctx<'_, Pending>,
) {
    let would = match ctx.core().hub().look(channels, since) {
        Ok(would) => would,
        Err(error) => return refuse(ctx, visitor, refusal(error)),
    };
    let mut fields = vec![content_type(asked.callback.is_some()), NOSNIFF, NO_STORE];
    if would.gap {
        fields.push(("Encke-Gap", "true"));
    }
    let _ = start(ctx, visitor, 200, &fields);
    ctx.close();
}

/// The server stops: the poll is asked again elsewhere, or later, from where it stands.
pub(crate) fn say_goodbye(poll: &Poll, ctx: &mut Ctx<'_, Pending>) {
    refuse(ctx, &poll.visitor, Refusal::new(503, "the server is shutting down; try again in a moment"));
}

/// Answers with what there is by now.
pub(crate) fn answer(poll: &Poll, ctx: &mut Ctx<'_, Pending>) {
    let mut list = Vec::new();
    let news = ctx.take_news(LIST_BYTES_MAX, &mut list);
    // The format puts a comma behind each message.
    list.pop();
    let gap = poll.gap || news.gap;
    let cursor = news.cursor.to_string();
    let mut body = Vec::with_capacity(list.len() + 256);
    if let Some(callback) = &poll.callback {
        // The comment keeps the first bytes from being somebody's choice (Rosetta Flash).
        body.extend_from_slice(format!("/**/{callback}(").as_bytes());
    }
    body.extend_from_slice(format!("{{\"cursor\":\"{cursor}\",\"messages\":[").as_bytes());
    body.extend_from_slice(&list);
    body.push(b']');
    for (word, is_so) in [("gap", gap), ("end", news.ended)] {
        if is_so {
            body.extend_from_slice(format!(",\"{word}\":true").as_bytes());
        }
    }
    body.push(b'}');
    if poll.callback.is_some() {
        body.extend_from_slice(b");");
    }
    body.push(b'\n');
    let mut fields =
        vec![content_type(poll.callback.is_some()), NOSNIFF, NO_STORE, ("Last-Event-ID", &cursor)];
    if gap {
        fields.push(("Encke-Gap", "true"));
    }
    respond(ctx, &poll.visitor, 200, &fields, &body);
}

fn content_type(is_script: bool) -> (&'static str, &'static str) {
    let value = if is_script { "application/javascript; charset=utf-8" } else { "application/json" };
    ("Content-Type", value)
}

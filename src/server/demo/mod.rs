//! The demo: the start page, and pages that show what the server does while it does it.
//!
//! ```text
//!   GET /, /demo/NAME ───────► pages.rs      the documents, their scripts and their look
//!   GET /demo/stream ────────► stream.rs     all that one browser's pages want to hear, in one stream
//!   GET /demo/TOPIC/stream ──► topics.rs ◄── alarms, while somebody listens
//!   /demo/random/stream ─────► random.rs     the articles' two servlets
//!   /demo/chat/stream ───────► chat.rs
//! ```
//!
//! `routes.rs` calls. Like the rest of the server it is written against the public API.
//!
//! What a stranger can have the server do here is bounded: [`topics::MESSAGES_PER_SECOND_MAX`] messages a second however many listen,
//! and [`topics::LISTENERS_MAX`] who do; [`random::SENDERS_MAX`] streams of numbers; in the chat, what any channel allows.
//! Invariant: while nobody listens there is no alarm, and nothing wakes.
//!
//! Next: `pages.rs`, `stream.rs`, `topics.rs`, `random.rs`, `chat.rs`.

mod chance;
mod chat;
mod figures;
mod market;
mod pages;
mod random;
mod shop;
mod stream;
mod topics;
#[path = "../../../examples/chat/words.rs"]
mod words;

use super::access::Visitor;
use super::config::Policy;
use super::reply::{allow, refuse};
use super::routes::{NOT_FOUND, Pending, Waiting};
use crate::engine::{Core, Ctx, End};
use crate::http::RequestHead;

/// What the demo keeps for all.
#[derive(Default)]
pub(crate) struct Demo {
    topics: topics::Topics,
    random: random::Random,
    chat: chat::Chat,
}

/// What the demo keeps for one exchange.
pub(crate) enum Visit {
    Random(random::Visit),
    Chat(chat::Visit),
}

impl Visit {
    /// As an exchange's state.
    fn pending(self) -> Pending {
        Some(Box::new(Waiting::Demo(self)))
    }
}

impl Demo {
    /// A request for `/` or something below `/demo/`, already admitted.
    pub(crate) fn begin(
        &mut self,
        head: &RequestHead<'_>,
        policy: &Policy,
        visitor: Visitor<'_>,
        ctx: &mut Ctx<'_, Pending>,
    ) {
        if let Some(page) = pages::find(head, policy) {
            return page.give(head, &visitor, ctx);
        }
        match head.path() {
            "/demo/random/stream" => self.random.begin(head, visitor, ctx),
            "/demo/chat/stream" => self.chat.begin(head, policy, visitor, ctx),
            "/demo/stream" => self.listen(head, policy, &visitor, ctx, stream::hear_all),
            path => match topics::of_path(path) {
                Some(topic) => {
                    self.listen(head, policy, &visitor, ctx, |topics, head, policy, visitor, ctx| {
                        stream::hear_one(topic, topics, head, policy, visitor, ctx);
                    })
                }
                None => refuse(ctx, &visitor, NOT_FOUND),
            },
        }
    }

    fn listen(
        &mut self,
        head: &RequestHead<'_>,
        policy: &Policy,
        visitor: &Visitor<'_>,
        ctx: &mut Ctx<'_, Pending>,
        hear: impl FnOnce(&mut topics::Topics, &RequestHead<'_>, &Policy, &Visitor<'_>, &mut Ctx<'_, Pending>),
    ) {
        const METHODS: &str = "GET, HEAD, OPTIONS";
        match head.method() {
            "GET" | "HEAD" => hear(&mut self.topics, head, policy, visitor, ctx),
            "OPTIONS" => super::routes::options(head, METHODS, visitor, ctx),
            _ => allow(ctx, visitor, 405, METHODS),
        }
    }

    /// A part of a body, or at its end nothing.
    pub(crate) fn read(&mut self, body: Option<&[u8]>, ctx: &mut Ctx<'_, Pending>) {
        match ctx.state.as_deref() {
            Some(Waiting::Demo(Visit::Random(_))) => self.random.read(body, ctx),
            Some(Waiting::Demo(Visit::Chat(_))) => self.chat.read(body, ctx),
            _ => {}
        }
    }

    /// A timer of an exchange: only the streams of numbers have one.
    pub(crate) fn timer(&mut self, ctx: &mut Ctx<'_, Pending>) {
        random::send(ctx);
    }

    /// A topic's next message is due.
    pub(crate) fn alarm(&mut self, key: u64, core: &mut Core) {
        self.topics.go_off(key, core);
    }

    /// An exchange is over.
    pub(crate) fn end(&mut self, visit: Visit, why: End, ctx: &mut Ctx<'_, Pending>) {
        match visit {
            Visit::Random(visit) => self.random.end(&visit),
            Visit::Chat(visit) => self.chat.end(visit, why, ctx),
        }
    }

    /// Brings the demo's wire format along.
    pub(crate) fn prepare(&mut self, core: &mut Core) {
        self.chat.prepare(core);
    }
}

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
//! and [`topics::LISTENERS_MAX`] who do, and as many in the chat, which
//! otherwise is a channel like any; [`random::SENDERS_MAX`] streams of numbers.
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

    /// Brings the demo's wire formats along.
    pub(crate) fn prepare(&mut self, core: &mut Core) {
        self.topics.format = core.add_format(stream::FORMAT).unwrap_or(self.topics.format);
        self.chat.prepare(core);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::access::Access;
    use super::super::keys::Keys;
    use super::super::routes::App;
    use super::*;
    use crate::limits::Limits;
    use crate::testing::{Peer, Server};

    const SECOND: Duration = Duration::from_secs(1);

    fn server(policy: Policy) -> Server<App> {
        let limits =
            Limits { keep_alive_timeout: Duration::ZERO, heartbeat: Duration::ZERO, ..Limits::default() };
        let mut server = Server::new(App::new(policy), limits);
        server.run(App::prepare);
        server
    }

    fn lines(server: &Server<App>, peer: Peer) -> usize {
        server.received(peer).matches("random:").count()
    }

    #[test]
    fn while_nobody_listens_nothing_wakes_and_nothing_is_held() {
        let mut server = server(Policy::for_tests());
        let peer = server.get("/demo/stream?topic=stats&topic=clock&topic=quotes&topic=orders&topic=random");
        server.advance(10 * SECOND);
        let published = server.engine().core().hub().stats().published;
        // The clock asks what time it is, and in this time that goes by at once it is told the same: its ticks are counted apart.
        let ticks = server.received(peer).matches("\"channel\":\"demo//clock\"").count() as u64;
        assert!(
            ticks >= 10 && (70..=76).contains(&(published - ticks)),
            "{published} messages, {ticks} ticks"
        );
        server.close(peer);
        // Rest, for who comes back with its cursor; and then nothing.
        server.advance(3 * SECOND);
        let left = server.engine().core().hub().stats();
        assert!(left.published <= published + 1 && left.channels == 5, "{left:?}");
        server.advance(11 * SECOND);
        assert_eq!(server.engine().next_deadline(), None, "an alarm is left");
        assert_eq!(server.engine().core().hub().channels(), 0);
    }

    #[test]
    fn who_comes_back_while_a_topic_rests_has_missed_nothing() {
        let mut server = server(Policy::for_tests());
        let first = server.get("/demo/quotes/stream?mode=ndjson");
        server.advance(SECOND);
        let received = server.received(first).into_owned();
        let (_, id) = received.rsplit_once("{\"id\":\"").expect("a message");
        let id = &id[..id.find('"').expect("its end")];
        server.close(first);
        server.advance(5 * SECOND);
        let second = server.get(&format!("/demo/quotes/stream?mode=ndjson&since={id}"));
        server.advance(SECOND);
        let received = server.received(second);
        assert!(received.contains("demo//quotes") && !received.contains("gap"), "{received}");
    }

    #[test]
    fn a_head_and_a_refusal_wake_nothing() {
        let mut server = server(Policy::for_tests());
        for (request, status) in [
            ("HEAD /demo/clock/stream", "200"),
            ("GET /demo/stream?topic=clock&channel=a//b", "400"),
            ("GET /demo/clock/stream?mode=nonsense", "400"),
        ] {
            let peer = server.connect();
            server.send(peer, format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n"));
            assert!(server.received(peer).starts_with(&format!("HTTP/1.1 {status} ")), "{request}");
            server.close(peer);
        }
        assert_eq!(server.engine().next_deadline(), None);
    }

    #[test]
    fn one_more_than_may_listen_is_refused_and_the_others_cost_no_more_messages() {
        let mut server = server(Policy::for_tests());
        let peers: Vec<Peer> =
            (0..topics::LISTENERS_MAX).map(|_| server.get("/demo/orders/stream")).collect();
        let late = server.get("/demo/stream?topic=orders");
        assert!(server.received(late).starts_with("HTTP/1.1 503 "));
        server.advance(10 * SECOND);
        let published = server.engine().core().hub().stats().published;
        assert!((15..=18).contains(&published), "{published} messages in ten seconds");
        server.close(peers[0]);
        let next = server.get("/demo/stream?topic=orders");
        assert!(server.received(next).starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn the_chat_has_room_for_so_many_and_again_when_somebody_leaves() {
        let mut server = server(Policy::for_tests());
        let guests: Vec<Peer> =
            (0..topics::LISTENERS_MAX).map(|_| server.get("/demo/chat/stream?user=ann")).collect();
        let late = server.get("/demo/chat/stream");
        assert!(server.received(late).starts_with("HTTP/1.1 503 "));
        server.close(guests[0]);
        let next = server.get("/demo/chat/stream");
        assert!(server.received(next).starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn numbers_come_by_a_timer_of_their_own_which_goes_with_the_peer() {
        let mut server = server(Policy::for_tests());
        let (slow, quick) =
            (server.get("/demo/random/stream"), server.get("/demo/random/stream?interval=0.5"));
        assert_eq!((lines(&server, slow), lines(&server, quick)), (1, 1), "the first comes at once");
        server.advance(9 * SECOND);
        assert_eq!((lines(&server, slow), lines(&server, quick)), (4, 19));
        server.close(slow);
        server.reset(quick);
        assert_eq!(server.engine().next_deadline(), None);
    }

    #[test]
    fn a_stream_of_numbers_that_is_silent_for_a_minute_is_closed_as_the_article_has_it() {
        let mut server = server(Policy::for_tests());
        let peer = server.get("/demo/random/stream?interval=3600");
        server.advance(61 * SECOND);
        assert!(server.answers(peer).unwrap()[0].is_complete);
    }

    #[test]
    fn there_are_so_many_streams_of_numbers_and_no_more() {
        let mut server = server(Policy::for_tests());
        let peers: Vec<Peer> = (0..random::SENDERS_MAX).map(|_| server.get("/demo/random/stream")).collect();
        let late = server.get("/demo/random/stream");
        assert!(
            server.received(late).starts_with("HTTP/1.1 503 ")
                && server.received(late).contains("Retry-After")
        );
        server.close(peers[0]);
        let next = server.get("/demo/random/stream");
        assert_eq!(lines(&server, next), 1, "who leaves makes room");
    }

    #[test]
    fn a_page_of_another_site_cannot_have_a_name_published_by_a_get() {
        for (site, told) in [
            ("", 1),
            ("Sec-Fetch-Site: none\r\n", 1),
            ("Sec-Fetch-Site: same-origin\r\n", 1),
            ("Sec-Fetch-Site: cross-site\r\n", 0),
            ("Sec-Fetch-Site: same-site\r\n", 0),
        ] {
            let mut server = server(Policy::for_tests());
            let peer = server.connect();
            let request = format!("GET /demo/chat/stream?user=buy-now HTTP/1.1\r\nHost: a\r\n{site}\r\n");
            server.send(peer, request);
            assert!(server.received(peer).contains("<title>Chat</title>"), "{site}");
            assert_eq!(server.engine().core().hub().stats().published, told, "{site}");
        }
    }

    #[test]
    fn where_publishing_takes_a_key_a_listeners_name_is_not_published() {
        for (keys, told) in [(None, 2), (Keys::parse(b"open-sesame").ok(), 0)] {
            let access = Access { keys, ..Access::default() };
            let mut server = server(Policy { access, ..Policy::for_tests() });
            let peer = server.get("/demo/chat/stream?user=ann");
            assert!(server.received(peer).contains("<title>Chat</title>"));
            let curious = server.get("/demo/chat/stream?who");
            assert_eq!(server.received(curious).ends_with("\r\n\r\nann\n"), told > 0, "nor listed");
            server.close(peer);
            assert_eq!(server.engine().core().hub().stats().published, told);
        }
    }
}

//! Routes: which part of the server a request belongs to.
//!
//! | path | methods |
//! | --- | --- |
//! | `/channels/NAME` | GET and HEAD (`subscribe.rs`), POST (`publish.rs`), DELETE (`delete.rs`), OPTIONS |
//! | `/healthz`, `/metrics` | GET, HEAD, OPTIONS |
//! | `/`, `/demo/…`, unless `--no-demo` | see `demo/mod.rs` |
//!
//! Invariants: nothing is looked at before `access.rs` has admitted the request; every request is answered or subscribed in `Begin`,
//! except what waits for a body, and a long-poll, which waits for news.
//!
//! Next: `ask.rs`, `demo/mod.rs`.

use std::borrow::Cow;

use super::access::Visitor;
use super::conditions::{self, Outcome};
use super::config::{Demo, Policy};
use super::reply::{NO_STORE, NOSNIFF, allow, allow_page, refuse, respond};
use super::{delete, demo, metrics, poll, publish, subscribe};
use crate::engine::{Cause, Core, Ctx, End, Event, Handler, Read};
use crate::error::Refusal;
use crate::http::{Framing, RequestHead, query};

/// What an exchange remembers between its events: eight bytes, for the sake of ten thousand subscribers who remember nothing.
pub(crate) type Pending = Option<Box<Waiting>>;

/// What has begun and waits.
pub(crate) enum Waiting {
    /// A POST, for its body.
    Body(publish::Post),
    /// A long-poll, for news.
    Poll(poll::Poll),
    /// Something of the demo.
    Demo(demo::Visit),
}

/// The ready-made application.
pub(crate) struct App {
    policy: Policy,
    demo: demo::Demo,
}

impl App {
    /// One without state of its own but for the demo's: everything else lies in the hub.
    pub(crate) fn new(policy: Policy) -> App {
        App { policy, demo: demo::Demo::default() }
    }

    /// What is done once, before anybody is served.
    pub(crate) fn prepare(&mut self, core: &mut Core) {
        self.demo.prepare(core);
    }
}

impl Handler for App {
    type State = Pending;

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, Pending>) {
        match event {
            Event::Begin(head) => self.begin(head, ctx),
            // A body is collected, and comes in one piece or, if it is empty, in none; one that nobody asked for is passed over.
            Event::Read(read) => {
                let body = match read {
                    Read::Data(body) => Some(body),
                    Read::Done => None,
                };
                self.demo.read(body, ctx);
                publish_body(body.unwrap_or_default(), ctx);
            }
            Event::Error(Cause::Timeout) => time_is_up(ctx),
            Event::End(why) => self.end(why, ctx),
            Event::Error(_) => {}
        }
    }

    fn news(&mut self, ctx: &mut Ctx<'_, Pending>) {
        answer_poll(ctx);
    }

    fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, Pending>) {
        self.demo.timer(ctx);
    }

    fn alarm(&mut self, key: u64, core: &mut Core) {
        self.demo.alarm(key, core);
    }
}

fn publish_body(body: &[u8], ctx: &mut Ctx<'_, Pending>) {
    if let Some(waiting) = ctx.state.take_if(|waiting| matches!(**waiting, Waiting::Body(_)))
        && let Waiting::Body(post) = *waiting
    {
        publish::publish(post, body, ctx);
    }
}

/// A poll's time is up, and it is told so. A stream's is up only if nothing is on its way: a peer that reads slowly is not silence, and
/// the write timeout is for those who do not read.
fn time_is_up(ctx: &mut Ctx<'_, Pending>) {
    if matches!(ctx.state.as_deref(), Some(Waiting::Poll(_))) {
        answer_poll(ctx);
    } else if !ctx.is_behind() {
        ctx.close();
    }
}

fn answer_poll(ctx: &mut Ctx<'_, Pending>) {
    if let Some(waiting) = ctx.state.take_if(|waiting| matches!(**waiting, Waiting::Poll(_)))
        && let Waiting::Poll(poll) = *waiting
    {
        poll::answer(&poll, ctx);
    }
}

impl App {
    fn begin(&mut self, head: &RequestHead<'_>, ctx: &mut Ctx<'_, Pending>) {
        let policy = &self.policy;
        let visitor = policy.access.visitor(head);
        if let Err(refusal) = policy.access.admit(head, &visitor).and_then(|()| pass_over_body(head, ctx)) {
            return refuse(ctx, &visitor, refusal);
        }
        let path = head.path();
        if let Some(name) = path.strip_prefix("/channels/") {
            return match channel_name(name) {
                Ok(name) => channel(head, &name, policy, visitor, ctx),
                Err(refusal) => refuse(ctx, &visitor, refusal),
            };
        }
        match (path, policy.demo) {
            ("/healthz", _) => page(head, "text/plain; charset=utf-8", "ok\n", &visitor, ctx),
            ("/metrics", _) => {
                let text = metrics::text(ctx.core());
                page(head, "text/plain; version=0.0.4; charset=utf-8", &text, &visitor, ctx);
            }
            ("*", _) => allow(ctx, &visitor, 204, CHANNEL_METHODS),
            (_, Demo::Shown) => self.demo.begin(head, policy, visitor, ctx),
            (_, Demo::Hidden) => refuse(ctx, &visitor, NOT_FOUND_BUT_CHANNELS),
        }
    }

    /// What was kept goes. If the server stops, a poll is told so as every visitor is told things; a stream just ends.
    fn end(&mut self, why: End, ctx: &mut Ctx<'_, Pending>) {
        match ctx.state.take().map(|waiting| *waiting) {
            Some(Waiting::Demo(visit)) => self.demo.end(visit, why, ctx),
            Some(Waiting::Poll(poll)) if why == End::Shutdown => poll::say_goodbye(&poll, ctx),
            _ => {}
        }
    }
}

/// A GET may have a body, and nobody here reads it (RFC 9110 §9.3.1). It is thrown away within a bound, also behind an answer that streams
/// for hours; one that is announced as longer is refused before anything is opened.
fn pass_over_body(head: &RequestHead<'_>, ctx: &mut Ctx<'_, Pending>) -> Result<(), Refusal> {
    if head.framing() == Framing::None || !matches!(head.method(), "GET" | "HEAD") {
        return Ok(());
    }
    ctx.discard_body();
    match head.framing() {
        Framing::Length(bytes) if bytes > ctx.core().limits().discard_bytes_max => {
            Err(Refusal::new(413, "nobody reads the body of a GET; leave it out"))
        }
        _ => Ok(()),
    }
}

/// Something to be read.
pub(crate) fn page(
    head: &RequestHead<'_>,
    content_type: &str,
    content: &str,
    visitor: &Visitor<'_>,
    ctx: &mut Ctx<'_, Pending>,
) {
    const METHODS: &str = "GET, HEAD, OPTIONS";
    match (head.method(), conditions::evaluate(head)) {
        ("GET" | "HEAD", Outcome::Unmet(refusal)) => refuse(ctx, visitor, refusal),
        ("GET" | "HEAD", Outcome::NotModified) => respond(ctx, visitor, 304, &[NO_STORE], b""),
        ("GET" | "HEAD", Outcome::Met) => {
            let fields = [
                ("Content-Type", content_type),
                NO_STORE,
                NOSNIFF,
                // Nothing from elsewhere, and no script but in files; who tries a line in the browser's console reaches this server.
                (
                    "Content-Security-Policy",
                    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
                ),
            ];
            respond(ctx, visitor, 200, &fields, content.as_bytes());
        }
        ("OPTIONS", _) => options(head, METHODS, visitor, ctx),
        _ => allow(ctx, visitor, 405, METHODS),
    }
}

/// What may be asked of a path: for whoever wants to know, or for the browser of a page that is let in.
pub(crate) fn options(
    head: &RequestHead<'_>,
    methods: &str,
    visitor: &Visitor<'_>,
    ctx: &mut Ctx<'_, Pending>,
) {
    match visitor.is_preflight(head) {
        true => allow_page(ctx, visitor, methods),
        false => allow(ctx, visitor, 204, methods),
    }
}

pub(crate) const NOT_FOUND: Refusal =
    Refusal::new(404, "nothing is here; channels are at /channels/NAME and the start page is at /");
const NOT_FOUND_BUT_CHANNELS: Refusal = Refusal::new(404, "nothing is here; channels are at /channels/NAME");

const CHANNEL_METHODS: &str = "GET, HEAD, POST, DELETE, OPTIONS";

fn channel(
    head: &RequestHead<'_>,
    name: &str,
    policy: &Policy,
    visitor: Visitor<'_>,
    ctx: &mut Ctx<'_, Pending>,
) {
    match head.method() {
        "GET" | "HEAD" => subscribe::subscribe(head, name, policy, visitor, ctx),
        "DELETE" => delete::delete(name, &visitor, ctx),
        "POST" => publish::begin(head, name, visitor, ctx),
        "OPTIONS" => options(head, CHANNEL_METHODS, &visitor, ctx),
        _ => allow(ctx, &visitor, 405, CHANNEL_METHODS),
    }
}

/// A channel's name out of what stands behind `/channels/` in a path: one or more segments, percent-decoded, 1 to 255 bytes in all.
///
/// For servers that want to have the same addresses.
///
/// ```
/// use encke::channel_name;
///
/// assert_eq!(channel_name("shop/orders/caf%C3%A9")?, "shop/orders/café");
/// for path in ["", "a//b", "a/../b", "a%2Fb", "a%0Ab", "%ff", "encke-gap"] {
///     assert_eq!(channel_name(path).unwrap_err().status, 400);
/// }
/// # Ok::<(), encke::Refusal>(())
/// ```
///
/// # Errors
/// 400 for what is no name, or could be taken for another: empty and dotted segments, an encoded slash, control characters, bytes
/// that are not UTF-8, and names that are reserved.
pub fn channel_name(path: &str) -> Result<String, Refusal> {
    let mut name = String::with_capacity(path.len());
    for (index, segment) in path.split('/').enumerate() {
        let segment = query::decode_path_segment(segment)?;
        if index > 0 {
            name.push('/');
        }
        name.push_str(&segment);
    }
    check_name(&name)?;
    Ok(name)
}

/// Refuses what is no channel's name, whether it came in the path or in the query.
pub(crate) fn check_name(name: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        return Err(Refusal::new(400, "a channel has a name of 1 to 255 bytes, as in /channels/news"));
    }
    if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return Err(Refusal::new(
            400,
            "a channel's name may not have empty or dotted segments, as in a//b or a/../b",
        ));
    }
    if name.len() > 255 || name.chars().any(char::is_control) {
        return Err(Refusal::new(400, "a channel's name has 1 to 255 bytes and no control characters"));
    }
    if name.contains('*') || name.starts_with("encke-") || name.starts_with('$') {
        return Err(Refusal::new(
            400,
            "channel names with * and those beginning with encke- or $ are reserved; choose another",
        ));
    }
    Ok(())
}

/// The value of one parameter of the query, decoded; the first if it comes several times.
pub(crate) fn parameter<'a>(head: &RequestHead<'a>, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
    query::find(head.query().unwrap_or_default(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_remembers_eight_bytes() {
        assert_eq!(size_of::<Pending>(), 8);
    }

    #[test]
    fn a_name_is_one_or_more_decoded_segments() {
        assert_eq!(channel_name("news").unwrap(), "news");
        assert_eq!(channel_name("shop/orders/%C3%A9t%C3%A9").unwrap(), "shop/orders/été");
        assert_eq!(channel_name(&"x".repeat(255)).unwrap().len(), 255);
    }

    #[test]
    fn what_could_be_another_name_or_none_is_refused() {
        let long = "x".repeat(256);
        for path in [
            "",
            "a//b",
            "a/",
            "a/./b",
            "..",
            "%2e%2E",
            "a%2Fb",
            "a%0Ab",
            "a%zz",
            "%ff",
            &long,
            "a*",
            "$x",
            "encke-gap",
        ] {
            assert_eq!(channel_name(path).unwrap_err().status, 400, "{path}");
        }
    }
}

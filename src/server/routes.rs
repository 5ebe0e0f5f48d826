//! Routes: which part of the server a request belongs to.
//!
//! | path | methods |
//! | --- | --- |
//! | `/channels/NAME` | GET and HEAD (`subscribe.rs`), POST (`publish.rs`), OPTIONS |
//! | `/healthz`, `/` | GET, HEAD, OPTIONS |
//!
//! Invariant: every request is answered or subscribed in `Begin`, except a POST, which waits for its body.
//!
//! Next: `publish.rs`, `subscribe.rs`.

use std::borrow::Cow;

use super::reply::{allow, refuse, respond};
use super::{origin, publish, subscribe};
use crate::engine::{Cause, Ctx, Event, Handler, Read};
use crate::error::Refusal;
use crate::http::{RequestHead, query};

/// The start page.
const PAGE: &str = include_str!("index.html");

/// What an exchange remembers between its events: a POST whose body is coming. Eight bytes, for the sake of ten thousand
/// subscribers who remember nothing.
pub(crate) type Pending = Option<Box<publish::Post>>;

/// The ready-made application.
pub(crate) struct App {}

impl App {
    /// One without state: everything lies in the hub.
    pub(crate) fn new() -> App {
        App {}
    }
}

impl Handler for App {
    type State = Pending;

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, Pending>) {
        match event {
            Event::Begin(head) => begin(head, ctx),
            Event::Read(Read::Data(body)) => publish::publish(body, ctx),
            // An empty body has no data; after data the exchange is over already.
            Event::Read(Read::Done) => publish::publish(b"", ctx),
            Event::Error(Cause::Timeout) => ctx.close(),
            Event::Error(_) | Event::End(_) => {}
        }
    }
}

fn begin(head: &RequestHead<'_>, ctx: &mut Ctx<'_, Pending>) {
    let path = head.path();
    if let Some(name) = path.strip_prefix("/channels/") {
        return match channel_name(name) {
            Ok(name) => channel(head, &name, ctx),
            Err(refusal) => refuse(ctx, refusal),
        };
    }
    const METHODS: &str = "GET, HEAD, OPTIONS";
    let content = match path {
        "/" => ("text/html; charset=utf-8", PAGE),
        "/healthz" => ("text/plain; charset=utf-8", "ok\n"),
        "*" => return allow(ctx, 204, "GET, HEAD, POST, OPTIONS"),
        _ => return refuse(ctx, NOT_FOUND),
    };
    match head.method() {
        "GET" | "HEAD" => {
            let fields = [
                ("Content-Type", content.0),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
                (
                    "Content-Security-Policy",
                    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
                ),
            ];
            respond(ctx, 200, &fields, with_host(content.1, head).as_bytes());
        }
        "OPTIONS" => allow(ctx, 204, METHODS),
        _ => allow(ctx, 405, METHODS),
    }
}

/// The page's command lines name the host that it was asked of, so that they work as they stand.
fn with_host<'a>(page: &'a str, head: &RequestHead<'_>) -> Cow<'a, str> {
    let is_plain = |host: &&str| host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
    match head.host().filter(|host| !host.is_empty()).filter(is_plain) {
        Some(host) => Cow::Owned(page.replace("127.0.0.1:8080", host)),
        None => Cow::Borrowed(page),
    }
}

const NOT_FOUND: Refusal =
    Refusal::new(404, "nothing is here; channels are at /channels/NAME and the start page is at /");

fn channel(head: &RequestHead<'_>, name: &str, ctx: &mut Ctx<'_, Pending>) {
    const METHODS: &str = "GET, HEAD, POST, OPTIONS";
    match head.method() {
        "GET" | "HEAD" => subscribe::subscribe(head, name, ctx),
        "POST" if !origin::is_own(head) => {
            refuse(
                ctx,
                Refusal::new(
                    403,
                    "a page of another origin may not publish; send the request without a browser",
                ),
            );
        }
        "POST" => publish::begin(head, name, ctx),
        "OPTIONS" => allow(ctx, 204, METHODS),
        _ => allow(ctx, 405, METHODS),
    }
}

/// A channel's name out of the path: one or more segments, percent-decoded, 1 to 255 bytes in all.
fn channel_name(path: &str) -> Result<String, Refusal> {
    let mut name = String::with_capacity(path.len());
    for (index, segment) in path.split('/').enumerate() {
        let segment = query::decode_path_segment(segment)?;
        if matches!(&*segment, "" | "." | "..") {
            return Err(Refusal::new(
                400,
                "a channel's name may not have empty or dotted segments, as in a//b or a/../b",
            ));
        }
        if index > 0 {
            name.push('/');
        }
        name.push_str(&segment);
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
    Ok(name)
}

/// The value of one parameter of the query, decoded; the first if it comes several times.
pub(crate) fn parameter<'a>(head: &RequestHead<'a>, name: &str) -> Result<Option<Cow<'a, str>>, Refusal> {
    query::find(head.query().unwrap_or_default(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

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

//! Answers: JSON for programs, what refuses a request, and what every answer says to its visitor.
//!
//! Every error is `{"error":"…"}` with a sentence that says what to do. Every answer of the server begins in [`respond`] or
//! [`start`], so that a visitor's fields ([`Visitor::fields`]) are added in one place and none is forgotten.
//!
//! Next: `publish.rs`.

use std::borrow::Cow;

use super::access::Visitor;
use crate::engine::{Ctx, Fields};
use crate::error::{Refusal, WriteError};

const JSON: (&str, &str) = ("Content-Type", "application/json");
pub(crate) const NOSNIFF: (&str, &str) = ("X-Content-Type-Options", "nosniff");
pub(crate) const NO_STORE: (&str, &str) = ("Cache-Control", "no-store");

/// Answers with a JSON text.
pub(crate) fn json<S>(ctx: &mut Ctx<'_, S>, visitor: &Visitor<'_>, status: u16, body: &str) {
    respond(ctx, visitor, status, &[JSON, NOSNIFF, NO_STORE], body.as_bytes());
}

/// Refuses a request. What comes of its body is not wanted.
pub(crate) fn refuse<S>(ctx: &mut Ctx<'_, S>, visitor: &Visitor<'_>, refusal: Refusal) {
    let mut fields = vec![JSON, NOSNIFF, NO_STORE];
    match refusal.status {
        // How to be let in (RFC 9110 §11.6.1), and when to come back (§10.2.3).
        401 => fields.push(("WWW-Authenticate", "Bearer")),
        503 => fields.push(("Retry-After", "2")),
        _ => {}
    }
    respond(ctx, visitor, refusal.status, &fields, error_body(refusal.why).as_bytes());
}

/// Says which methods the path knows: `405`, or `204` to OPTIONS (RFC 9110 §9.3.7, §15.5.6).
pub(crate) fn allow<S>(ctx: &mut Ctx<'_, S>, visitor: &Visitor<'_>, status: u16, methods: &str) {
    let fields = [("Allow", methods), JSON, NOSNIFF, NO_STORE];
    match status {
        204 => respond(ctx, visitor, 204, &fields[..1], b""),
        _ => {
            let body = error_body("this method does nothing here; see the Allow field");
            respond(ctx, visitor, status, &fields, body.as_bytes());
        }
    }
}

/// Tells a browser what the page that it asks for may send (Fetch standard, "HTTP responses").
pub(crate) fn allow_page<S>(ctx: &mut Ctx<'_, S>, visitor: &Visitor<'_>, methods: &str) {
    let fields = [
        ("Access-Control-Allow-Methods", methods),
        ("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID"),
        ("Access-Control-Max-Age", "600"),
    ];
    respond(ctx, visitor, 204, &fields, b"");
}

/// Gives a whole answer. An exchange that has ended meanwhile has nobody to answer to.
pub(crate) fn respond<S>(
    ctx: &mut Ctx<'_, S>,
    visitor: &Visitor<'_>,
    status: u16,
    fields: Fields<'_>,
    body: &[u8],
) {
    let outcome = ctx.respond(status, &for_visitor(fields, visitor), body);
    debug_assert!(outcome.is_ok(), "{outcome:?}");
}

/// Begins an answer that goes on.
pub(crate) fn start<S>(
    ctx: &mut Ctx<'_, S>,
    visitor: &Visitor<'_>,
    status: u16,
    fields: Fields<'_>,
) -> Result<(), WriteError> {
    ctx.start(status, &for_visitor(fields, visitor))
}

/// An answer's own fields and those that its visitor gets with every answer. Most servers let no other pages in, and then nothing is
/// copied.
fn for_visitor<'a>(fields: Fields<'a>, visitor: &'a Visitor<'_>) -> Cow<'a, [(&'a str, &'a str)]> {
    match visitor.fields() {
        more if more.is_empty() => Cow::Borrowed(fields),
        more => Cow::Owned([fields, &more].concat()),
    }
}

/// A refusal's sentence has no quotes and no control bytes, so it needs no escaping.
pub(crate) fn error_body(why: &str) -> String {
    debug_assert!(!why.contains(['"', '\\']) && !why.contains(char::is_control), "{why}");
    format!("{{\"error\":\"{why}\"}}\n")
}

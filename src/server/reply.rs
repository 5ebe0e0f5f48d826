//! Short answers: JSON for programs, and what refuses a request.
//!
//! Every error is `{"error":"…"}` with a sentence that says what to do, and every answer of the server goes through here or through
//! `subscribe.rs`.
//!
//! Next: `publish.rs`.

use crate::engine::{Ctx, Fields};
use crate::error::Refusal;

const JSON: (&str, &str) = ("Content-Type", "application/json");
const NOSNIFF: (&str, &str) = ("X-Content-Type-Options", "nosniff");

/// Answers with a JSON text.
pub(crate) fn json<S>(ctx: &mut Ctx<'_, S>, status: u16, body: &str) {
    respond(ctx, status, &[JSON, NOSNIFF, ("Cache-Control", "no-store")], body.as_bytes());
}

/// Refuses a request. What comes of its body is not wanted.
pub(crate) fn refuse<S>(ctx: &mut Ctx<'_, S>, refusal: Refusal) {
    json(ctx, refusal.status, &error_body(refusal.why));
}

/// Says which methods the path knows: `405`, or `204` to OPTIONS (RFC 9110 §9.3.7, §15.5.6).
pub(crate) fn allow<S>(ctx: &mut Ctx<'_, S>, status: u16, methods: &str) {
    let fields = [("Allow", methods), JSON, NOSNIFF];
    match status {
        204 => respond(ctx, 204, &fields[..1], b""),
        _ => {
            let body = error_body("this method does nothing here; see the Allow field");
            respond(ctx, status, &fields, body.as_bytes());
        }
    }
}

/// Gives a whole answer. An exchange that has ended meanwhile has nobody to answer to.
pub(crate) fn respond<S>(ctx: &mut Ctx<'_, S>, status: u16, fields: Fields<'_>, body: &[u8]) {
    let outcome = ctx.respond(status, fields, body);
    debug_assert!(outcome.is_ok(), "{outcome:?}");
}

/// A refusal's sentence has no quotes and no control bytes, so it needs no escaping.
fn error_body(why: &str) -> String {
    debug_assert!(!why.contains(['"', '\\']) && !why.contains(char::is_control), "{why}");
    format!("{{\"error\":\"{why}\"}}\n")
}

//! Conditions: `If-Match` and `If-None-Match`, asked of what is there and has no tag (RFC 9110 §13.2.2).
//!
//! `routes.rs` asks for its pages, when everything else speaks for a `200`.
//!
//! | field | what it asks | here |
//! | --- | --- | --- |
//! | `If-Match: *` | that there is something | true |
//! | `If-Match: "x"` | that it has this tag | false: `412` |
//! | `If-None-Match: *` | that there is nothing | false: `304` to GET and HEAD |
//! | `If-None-Match: "x"` | that it has another tag | true |
//!
//! Absent on purpose: the conditions about dates, which are to be ignored where nothing has one (§13.1.3, §13.1.4); and channels, whose
//! answers are streams of what comes, and not something that could be the same as before.
//!
//! Next: `reply.rs`.

use crate::error::Refusal;
use crate::http::RequestHead;

/// What a request's conditions make of a page that would be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is given.
    Met,
    /// The peer has what is there: 304.
    NotModified,
    /// It is refused.
    Unmet(Refusal),
}

/// Evaluates the conditions of a GET or HEAD, in the order of §13.2.2.
pub(super) fn evaluate(head: &RequestHead<'_>) -> Outcome {
    let is_any = |value: &[u8]| value == b"*";
    let mut wanted = head.fields_named("If-Match").peekable();
    if wanted.peek().is_some() && !wanted.any(is_any) {
        return Outcome::Unmet(Refusal::new(
            412,
            "nothing here has a tag that could match; leave If-Match out",
        ));
    }
    match head.fields_named("If-None-Match").any(is_any) {
        true => Outcome::NotModified,
        false => Outcome::Met,
    }
}

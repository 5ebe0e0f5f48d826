//! Whether a request comes from a page of another site.
//!
//! Any page on the web may have its visitor's browser send `text/plain` to `localhost`, without asking anybody first (a "simple"
//! request of the Fetch standard). What it cannot do is leave out or forge the `Origin` field. So a request that changes something and comes
//! from a page is served only if the page is this server's own; programs send no `Origin` and are not concerned.
//!
//! Next: `reply.rs`.

use crate::http::RequestHead;

/// Whether the request's `Origin` (RFC 6454 §7), if it has one, is the host that it was sent to. `null` is nobody's.
pub(crate) fn is_own(head: &RequestHead<'_>) -> bool {
    let mut origins = head.fields_named("Origin");
    let Some(origin) = origins.next() else { return true };
    let origin = std::str::from_utf8(origin).unwrap_or_default();
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    match (authority, head.host()) {
        (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host) && origins.next().is_none(),
        _ => false,
    }
}

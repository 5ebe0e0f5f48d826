//! The body that an HTML form sends: `application/x-www-form-urlencoded` (WHATWG URL §5).
//!
//! Handlers call, with a body that they had collected:
//!
//! ```text
//!   Begin ─► is_form(head) ─► ctx.collect_body(bound) ─► Read(Data(body)) ─► form::pairs(body)
//! ```
//!
//! It is a query that came as a body, and `query.rs` takes it apart. What is added is the media type, that bytes need not be
//! text, and a bound on the number of pairs.
//!
//! What always holds: what comes out is UTF-8, and what cannot be decoded is refused. WHATWG would put U+FFFD in its
//! place and let a `%` without digits stand, as a browser has to; a server that guesses has understood something
//! else than was sent.
//!
//! Absent on purpose: `multipart/form-data`, which carries files and is no query; charsets but UTF-8 (a `charset`
//! parameter is passed over, as WHATWG says, and text in another one is refused for its bytes).
//!
//! Next: `peer/mod.rs`.

use std::borrow::Cow;

use super::head::RequestHead;
use super::query;
use crate::error::Refusal;

/// The most pairs that a form may have. What is cheap to send, a megabyte of `&a`, shall not be dear to hold.
pub const PAIRS_MAX: usize = 1_000;

/// Whether a request says that its body is such a form: by its first `Content-Type`, whatever its case and parameters.
///
/// ```
/// use encke::http::{FieldSpace, HeadBounds, form, parse_head};
///
/// let head = b"POST /testComet.do HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\
///     Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n\r\n";
/// let mut space = FieldSpace::new();
/// let head = parse_head(head, &mut space, &HeadBounds { bytes_max: 16 * 1024, fields_max: 100 })?;
/// assert!(form::is_form(&head));
/// # Ok::<(), encke::Refusal>(())
/// ```
#[must_use]
pub fn is_form(head: &RequestHead<'_>) -> bool {
    head.field("Content-Type").is_some_and(names_form)
}

fn names_form(content_type: &[u8]) -> bool {
    let media_type = content_type.split(|&byte| byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// The names and values of a form, decoded, in their order: as [`query::pairs`] gives those of a query.
///
/// Each item is an error of its own: with status 400 for a `%` without two hex digits and for what is not UTF-8, and
/// with 413, as the last, if there are more than [`PAIRS_MAX`].
///
/// ```
/// use encke::http::form;
///
/// let pairs: Result<Vec<_>, _> = form::pairs(b"user=bob&message=caf%C3%A9+au+lait").collect();
/// assert_eq!(pairs?, [("user".into(), "bob".into()), ("message".into(), "café au lait".into())]);
/// # Ok::<(), encke::Refusal>(())
/// ```
pub fn pairs(body: &[u8]) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), Refusal>> {
    let (text, refusal) = match str::from_utf8(body) {
        Ok(text) => (text, None),
        Err(_) => ("", Some(Err(NOT_UTF8))),
    };
    let pairs = query::pairs(text).take(PAIRS_MAX + 1).enumerate();
    let bounded = pairs.map(|(index, pair)| if index < PAIRS_MAX { pair } else { Err(TOO_MANY) });
    refusal.into_iter().chain(bounded)
}

/// The value of the first pair of this name, decoded; `None` if there is none.
///
/// ```
/// use encke::http::form;
///
/// assert_eq!(form::find(b"requestInfo=sdfsdf", "requestInfo")?, Some("sdfsdf".into()));
/// # Ok::<(), encke::Refusal>(())
/// ```
///
/// # Errors
/// As for [`pairs`], for whichever pair it is: the verdict on a form depends neither on the name nor on the order.
pub fn find<'b>(body: &'b [u8], name: &str) -> Result<Option<Cow<'b, str>>, Refusal> {
    let mut found = None;
    for pair in pairs(body) {
        let (other, value) = pair?;
        if found.is_none() && other == name {
            found = Some(value);
        }
    }
    Ok(found)
}

const NOT_UTF8: Refusal = Refusal::new(400, "a form that is not UTF-8");
const TOO_MANY: Refusal = Refusal::new(413, "more pairs than a form may have");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_known_by_its_media_type_alone() {
        for (content_type, expected) in [
            ("application/x-www-form-urlencoded", true),
            ("Application/X-WWW-Form-URLencoded", true),
            ("application/x-www-form-urlencoded;charset=ISO-8859-1", true),
            ("application/x-www-form-urlencoded ; charset=UTF-8", true),
            ("application/x-www-form-urlencoded2", false),
            ("application/x-www-form", false),
            ("multipart/form-data; boundary=application/x-www-form-urlencoded", false),
            ("text/plain", false),
            ("", false),
        ] {
            assert_eq!(names_form(content_type.as_bytes()), expected, "{content_type:?}");
        }
    }

    #[test]
    fn what_browsers_and_the_articles_client_send_is_read() {
        // As `UrlEncodedFormEntity` writes it, with "UTF-8".
        assert_eq!(find(b"requestInfo=%E6%B3%A8%E5%86%8C+1", "requestInfo"), Ok(Some("注册 1".into())));
        assert_eq!(find(b"", "requestInfo"), Ok(None));
        assert_eq!(find(b"a=1&a=2", "a"), Ok(Some("1".into())));
        assert_eq!(find("a=\u{e9}".as_bytes(), "a"), Ok(Some("\u{e9}".into())));
    }

    #[test]
    fn what_cannot_be_decoded_is_refused_wherever_it_stands() {
        for body in [&b"a=1&b=%"[..], b"b=%zz&a=1", b"a=1&b=\xff", b"\xc3", b"a=%ff"] {
            assert_eq!(find(body, "a").map_err(|refusal| refusal.status), Err(400), "{body:?}");
        }
    }

    #[test]
    fn a_form_has_so_many_pairs_and_no_more() {
        let most = "a&".repeat(PAIRS_MAX);
        assert_eq!(pairs(most.as_bytes()).filter(Result::is_ok).count(), PAIRS_MAX);
        let more = "a&".repeat(2 * PAIRS_MAX);
        let mut behind = pairs(more.as_bytes()).skip(PAIRS_MAX);
        assert_eq!((behind.next(), behind.next()), (Some(Err(TOO_MANY)), None));
        assert_eq!(find(more.as_bytes(), "a"), Err(TOO_MANY));
    }
}

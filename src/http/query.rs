//! Percent-decoding of queries and path segments (RFC 3986 §2.1).
//!
//! `server/` calls, and any handler that wants to.
//!
//! What always holds: what comes out is UTF-8, and what cannot be decoded is refused, never passed on half decoded.
//! Nothing is decoded twice, and nothing is copied that has nothing to decode.
//!
//! Absent on purpose: what a name may be. Decoded text may hold control bytes; only an application knows whether it
//! minds.
//!
//! Next: `form.rs`.

use std::borrow::Cow;

use crate::error::Refusal;

/// The names and values of a query, decoded, in their order: split at `&`, then at the first `=`. A plus sign is a
/// blank, as HTML forms write it. Empty pieces are passed over; a piece without `=` has an empty value.
///
/// Each item is an error of its own, with status 400, if it holds a `%` without two hex digits or bytes that are not
/// UTF-8.
///
/// ```
/// use encke::http::query;
///
/// let pairs: Result<Vec<_>, _> = query::pairs("mode=sse&event=caf%C3%A9+au+lait").collect();
/// assert_eq!(pairs?, [("mode".into(), "sse".into()), ("event".into(), "café au lait".into())]);
/// # Ok::<(), encke::Refusal>(())
/// ```
pub fn pairs(query: &str) -> impl Iterator<Item = Result<(Cow<'_, str>, Cow<'_, str>), Refusal>> {
    query.split('&').filter(|piece| !piece.is_empty()).map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        Ok((decode(name, Plus::IsBlank)?, decode(value, Plus::IsBlank)?))
    })
}

/// The value of the first pair of this name, decoded; `None` if there is none.
///
/// ```
/// use encke::http::query;
///
/// assert_eq!(query::find("mode=sse&since=1-7", "since")?, Some("1-7".into()));
/// assert_eq!(query::find("mode=sse", "since")?, None);
/// # Ok::<(), encke::Refusal>(())
/// ```
///
/// # Errors
/// 400 as for [`pairs`], for whichever pair it is: the verdict on a query depends neither on the name nor on the order.
pub fn find<'q>(query: &'q str, name: &str) -> Result<Option<Cow<'q, str>>, Refusal> {
    let mut found = None;
    for pair in pairs(query) {
        let (other, value) = pair?;
        if found.is_none() && other == name {
            found = Some(value);
        }
    }
    Ok(found)
}

/// One segment of a path, decoded. A plus sign is itself.
///
/// ```
/// use encke::http::query;
///
/// assert_eq!(query::decode_path_segment("caf%C3%A9+bar")?, "café+bar");
/// # Ok::<(), encke::Refusal>(())
/// ```
///
/// # Errors
/// 400 for a `%` without two hex digits, for bytes that are not UTF-8, and for a slash, encoded or not: once decoded it
/// could not be told from the end of the segment.
pub fn decode_path_segment(segment: &str) -> Result<Cow<'_, str>, Refusal> {
    let decoded = decode(segment, Plus::IsPlus)?;
    if decoded.contains('/') {
        return Err(Refusal::new(400, "a slash inside a path segment"));
    }
    Ok(decoded)
}

/// What a plus sign stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plus {
    IsPlus,
    IsBlank,
}

fn decode(text: &str, plus: Plus) -> Result<Cow<'_, str>, Refusal> {
    let is_coded = |byte: u8| byte == b'%' || byte == b'+' && plus == Plus::IsBlank;
    let Some(first) = text.bytes().position(is_coded) else { return Ok(Cow::Borrowed(text)) };
    let mut decoded = Vec::with_capacity(text.len());
    decoded.extend_from_slice(&text.as_bytes()[..first]);
    let mut rest = &text.as_bytes()[first..];
    while let [byte, behind @ ..] = rest {
        rest = behind;
        decoded.push(match byte {
            b'%' => {
                let [high, low, behind @ ..] = rest else { return Err(BAD_PERCENT) };
                rest = behind;
                hex(*high)? << 4 | hex(*low)?
            }
            b'+' if plus == Plus::IsBlank => b' ',
            &byte => byte,
        });
    }
    let decoded = String::from_utf8(decoded)
        .map_err(|_| Refusal::new(400, "percent-encoded bytes that are not UTF-8"))?;
    Ok(Cow::Owned(decoded))
}

const BAD_PERCENT: Refusal = Refusal::new(400, "a percent sign without two hexadecimal digits");

fn hex(digit: u8) -> Result<u8, Refusal> {
    (digit as char).to_digit(16).map(|value| value as u8).ok_or(BAD_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Vec<(String, String)>, Refusal> {
        pairs(query).map(|pair| pair.map(|(name, value)| (name.into_owned(), value.into_owned()))).collect()
    }

    #[test]
    fn queries_are_taken_apart() {
        for (query, expected) in [
            ("", &[][..]),
            ("&&", &[]),
            ("a", &[("a", "")]),
            ("a=", &[("a", "")]),
            ("=a", &[("", "a")]),
            ("a=b&c=d", &[("a", "b"), ("c", "d")]),
            ("&a=b&", &[("a", "b")]),
            ("a=b&a=c", &[("a", "b"), ("a", "c")]),
            ("a=b=c", &[("a", "b=c")]),
            ("a+b=c+d", &[("a b", "c d")]),
            ("a=%2B%20%26%3D%25", &[("a", "+ &=%")]),
            ("a%3Db=c", &[("a=b", "c")]),
            ("a=%c3%A9", &[("a", "\u{e9}")]),
            ("a=%2541", &[("a", "%41")]),
            ("a=%00%0a", &[("a", "\0\n")]),
            ("a=b;c=d", &[("a", "b;c=d")]),
            ("a=?/", &[("a", "?/")]),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            assert_eq!(read(query), Ok(expected), "{query:?}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_refused() {
        for coded in [
            "%",
            "a%",
            "%4",
            "%4g",
            "%g4",
            "%%41",
            "% 41",
            "%+1",
            "%ff",
            "%c3",
            "%c3%28",
            "%ed%a0%80",
            "%c0%80",
        ] {
            for query in [format!("a={coded}"), format!("{coded}=a"), format!("b=c&{coded}")] {
                assert_eq!(read(&query).map_err(|refusal| refusal.status), Err(400), "{query:?}");
            }
            assert_eq!(decode_path_segment(coded).map_err(|refusal| refusal.status), Err(400), "{coded:?}");
        }
        assert_eq!(read("a=\u{e9}%41"), Ok(vec![("a".to_owned(), "\u{e9}A".to_owned())]));
    }

    #[test]
    fn pairs_before_a_bad_one_are_still_told() {
        let mut pairs = pairs("a=b&c=%&d=e");
        assert_eq!(pairs.next(), Some(Ok(("a".into(), "b".into()))));
        assert!(matches!(pairs.next(), Some(Err(_))));
        assert_eq!(pairs.next(), Some(Ok(("d".into(), "e".into()))));
    }

    #[test]
    fn the_first_of_a_name_is_found_and_a_bad_pair_is_not_passed_over() {
        assert_eq!(find("a=1&b=2&a=3", "a"), Ok(Some("1".into())));
        assert_eq!(find("%61=1", "a"), Ok(Some("1".into())));
        assert_eq!((find("a", "a"), find("ab=1&A=2", "a")), (Ok(Some("".into())), Ok(None)));
        for query in ["a=1&b=%", "b=%&a=1", "%ff&a=1"] {
            assert_eq!(find(query, "a").map_err(|refusal| refusal.status), Err(400), "{query:?}");
        }
    }

    #[test]
    fn segments_keep_their_plus_and_have_no_slash() {
        assert_eq!(decode_path_segment("a+b%20c"), Ok("a+b c".into()));
        assert_eq!(decode_path_segment(""), Ok("".into()));
        for segment in ["%2F", "a%2fb", "a/b"] {
            assert_eq!(decode_path_segment(segment).map_err(|refusal| refusal.status), Err(400));
        }
    }

    #[test]
    fn what_has_nothing_to_decode_is_not_copied() {
        assert!(matches!(decode_path_segment("plain"), Ok(Cow::Borrowed("plain"))));
        assert!(matches!(pairs("a=b").next(), Some(Ok((Cow::Borrowed("a"), Cow::Borrowed("b"))))));
    }
}

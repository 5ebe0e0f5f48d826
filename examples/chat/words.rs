//! Words: what may be a name, what is a line, and how text becomes HTML.
//!
//! Invariant: whatever a peer has typed, it stands in the document as the text that it is.
//!
//! Next: nothing; the chat ends here.

use encke::http::form;
use encke::{Format, MessageView, Notice, Refusal};

/// The longest name, in characters.
const NAME_CHARS_MAX: usize = 32;

/// The longest line, in bytes: what of a line has come is held until its end comes.
pub(crate) const LINE_BYTES_MAX: usize = 4096;

/// The most lines of a body with a length.
const POST_LINES_MAX: usize = 64;

/// What a body without a line in it is answered.
pub(crate) const NOTHING: Refusal = Refusal::new(400, "there is nothing in it");

/// A name out of what a peer calls itself; `None` if nothing is left of it.
///
/// Letters and digits of any script, and a few signs within: no brackets, with which one could speak in another's name, and none of the
/// characters that show nothing or turn the text around.
pub(crate) fn name(asked: &str) -> Option<String> {
    let is_kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.');
    let kept: String = asked.chars().filter(is_kept).take(NAME_CHARS_MAX).collect();
    let name = kept.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() { None } else { Some(name) }
}

/// What is published is text; this is how it goes to those who read HTML. Encoded once for all of them.
pub(crate) const HTML: Format = Format { encode, notice: Some(notice), heartbeat: Some(b"<!-- -->\n") };

fn encode(message: &MessageView<'_>, out: &mut Vec<u8>) {
    // What people say has no type; what the room says has one.
    let (open, close): (&[u8], &[u8]) =
        if message.event.is_none() { (b"", b"<br>\n") } else { (b"<i>", b"</i><br>\n") };
    out.extend_from_slice(open);
    escape(message.data, out);
    out.extend_from_slice(close);
}

fn notice(notice: Notice, _: encke::MessageId, out: &mut Vec<u8>) {
    out.extend_from_slice(match notice {
        Notice::Gap => b"<i>what was said before is no longer held</i><br>\n",
        Notice::End => b"<i>you have left</i><br>\n",
    });
}

/// The lines of a body with a length, all of which are said or none.
pub(crate) fn said(body: &[u8], is_form: bool) -> Result<Vec<String>, Refusal> {
    if body.is_empty() {
        return Err(NOTHING);
    }
    let text = if is_form {
        form::find(body, "message")?.ok_or(Refusal::new(400, "the form has no message"))?.into_owned()
    } else {
        str::from_utf8(body).map_err(|_| Refusal::new(400, "the text is not UTF-8"))?.to_owned()
    };
    let mut lines = Lines::default();
    lines.add(text.as_bytes());
    lines.end();
    let mut texts = Vec::new();
    let taken = lines.hand_over(|line| {
        texts.push(line.to_owned());
        if texts.len() > POST_LINES_MAX { Err(Stop::Full) } else { Ok(()) }
    });
    match taken {
        Ok(()) if texts.is_empty() => Err(NOTHING),
        Ok(()) => Ok(texts),
        Err(Stop::TooLong) => Err(Refusal::new(413, "a line is longer than 4096 bytes")),
        Err(Stop::Full) => Err(Refusal::new(413, "more than 64 lines at once; send them chunked")),
    }
}

/// Text as HTML (WHATWG HTML §13.1.2): what could begin a tag, a reference or end an attribute is written as a reference, and control
/// bytes, which a document may not hold, are blanks.
pub(crate) fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            byte if byte.is_ascii_control() => out.push(b' '),
            byte => out.push(byte),
        }
    }
}

/// What has come of a body and was not handed over: lines that found no room, and half a line.
#[derive(Default)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
}

/// Why lines are not handed over.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// There is no room for the next one. It is kept.
    Full,
    /// It is longer than a line may be.
    TooLong,
}

impl Lines {
    /// Adds what has come, wherever it was cut: in a line, in a character, between CR and LF.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// No more will come: half a line is a whole one.
    pub(crate) fn end(&mut self) {
        if self.bytes.last().is_some_and(|&last| last != b'\n') {
            self.bytes.push(b'\n');
        }
    }

    /// Hands the lines over that are whole, without their ends. Blank ones are passed over.
    pub(crate) fn hand_over(&mut self, mut take: impl FnMut(&str) -> Result<(), Stop>) -> Result<(), Stop> {
        let mut done = 0;
        let outcome = loop {
            let rest = &self.bytes[done..];
            let end = rest.iter().position(|&byte| byte == b'\n');
            // The same verdict on a line, whether its end has come or not.
            if end.unwrap_or(rest.len()) > LINE_BYTES_MAX {
                break Err(Stop::TooLong);
            }
            let Some(end) = end else { break Ok(()) };
            // Only whole lines are decoded, so no character is cut. Bytes that are none are shown as such: the answer has begun, and it is too
            // late for a status.
            let line = String::from_utf8_lossy(&rest[..end]);
            if !line.trim().is_empty()
                && let Err(stop) = take(line.trim_end())
            {
                break Err(stop);
            }
            done += end + 1;
        };
        self.bytes.drain(..done);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        escape(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn taken(lines: &mut Lines) -> Vec<String> {
        let mut all = Vec::new();
        let outcome = lines.hand_over(|line| {
            all.push(line.to_owned());
            Ok(())
        });
        assert_eq!(outcome, Ok(()));
        all
    }

    #[test]
    fn names_are_letters_and_short() {
        for (asked, expected) in [
            ("bob", Some("bob")),
            ("小明", Some("小明")),
            ("  Bob   B. ", Some("Bob B.")),
            ("bob]: hi [eve", Some("bob hi eve")),
            ("<b>&\"'", Some("b")),
            ("a\u{202e}b\u{200b}c\0\r\n", Some("abc")),
            ("", None),
            ("<>", None),
            (" \t ", None),
        ] {
            assert_eq!(name(asked).as_deref(), expected, "{asked:?}");
        }
        assert_eq!(name(&"x".repeat(1000)).map(|name| name.len()), Some(NAME_CHARS_MAX));
    }

    #[test]
    fn nothing_that_was_typed_is_a_tag() {
        assert_eq!(escaped("a < b && c > \"d\" 'e'"), "a &lt; b &amp;&amp; c &gt; &quot;d&quot; &#39;e&#39;");
        assert_eq!(escaped("&lt;\0\u{1b}é☄"), "&amp;lt;  é☄");
    }

    #[test]
    fn lines_are_the_same_however_they_were_cut() {
        let text = "one\r\ntwo\n\n \nthree ☄\nhalf".as_bytes();
        for cut in 0..=text.len() {
            let mut lines = Lines::default();
            lines.add(&text[..cut]);
            let mut all = taken(&mut lines);
            lines.add(&text[cut..]);
            all.extend(taken(&mut lines));
            assert_eq!(all, ["one", "two", "three ☄"]);
            lines.end();
            assert_eq!(taken(&mut lines), ["half"]);
        }
    }

    #[test]
    fn a_line_that_found_no_room_is_kept() {
        let mut lines = Lines::default();
        lines.add(b"one\ntwo\nthree\n");
        let mut room = 2;
        let outcome = lines.hand_over(|_| {
            room -= 1;
            if room == 0 { Err(Stop::Full) } else { Ok(()) }
        });
        assert_eq!(outcome, Err(Stop::Full));
        assert_eq!(taken(&mut lines), ["two", "three"]);
    }

    #[test]
    fn a_line_has_a_bound_whether_its_end_has_come_or_not() {
        for end in ["", "\n", "\nmore\n"] {
            for (length, expected) in [(LINE_BYTES_MAX, Ok(())), (LINE_BYTES_MAX + 1, Err(Stop::TooLong))] {
                let mut lines = Lines::default();
                lines.add(("x".repeat(length) + end).as_bytes());
                assert_eq!(lines.hand_over(|_| Ok(())), expected, "{length} {end:?}");
            }
        }
    }
}

//! JSON out (RFC 8259): strings and the object that stands for a message. Nothing here reads JSON.
//!
//! Called by: `formats.rs`; and by `server/`, for the answers that it writes itself.
//!
//! Inside a `<script>`, and in a script that a page includes, more has to be escaped than JSON asks for: `</script>` would end the
//! element, and U+2028 and U+2029 ended a line of JavaScript before ES2019. [`Escaping`] says which of the two it is.
//!
//! Invariant: what is written, a JSON reader reads back as the same text; the tests ask serde_json.
//! Next: `wire.rs`.

use std::io::Write;

use super::wire::MessageView;

/// Where the JSON is to be read.
///
/// ```
/// use encke::json::{Escaping, write_string};
///
/// let written = |escaping| {
///     let mut out = Vec::new();
///     write_string("</script>", escaping, &mut out);
///     String::from_utf8_lossy(&out).into_owned()
/// };
/// assert_eq!(written(Escaping::Plain), r#""</script>""#);
/// assert_eq!(written(Escaping::Script), r#""\u003c/script\u003e""#);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escaping {
    /// By a JSON reader.
    Plain,
    /// As part of a script: `<`, `>`, `&`, U+2028 and U+2029 are escaped too.
    Script,
}

/// Writes a text as a JSON string, quotes included.
///
/// ```
/// use encke::json::{Escaping, write_string};
///
/// let mut out = Vec::new();
/// write_string("a \"b\"\n", Escaping::Plain, &mut out);
/// assert_eq!(out, br#""a \"b\"\n""#);
/// ```
pub fn write_string(text: &str, escaping: Escaping, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    let mut at = 0;
    while at < bytes.len() {
        let length = match special(&bytes[at..], escaping) {
            0 => {
                at += 1;
                continue;
            }
            length => length,
        };
        out.extend_from_slice(&bytes[copied..at]);
        escape(&bytes[at..at + length], out);
        at += length;
        copied = at;
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

/// How many bytes at the front have to be escaped together; none for a byte that stands for itself.
fn special(bytes: &[u8], escaping: Escaping) -> usize {
    match bytes {
        [0..=0x1f | b'"' | b'\\', ..] => 1,
        [b'<' | b'>' | b'&', ..] if escaping == Escaping::Script => 1,
        [0xe2, 0x80, 0xa8 | 0xa9, ..] if escaping == Escaping::Script => 3,
        _ => 0,
    }
}

fn escape(bytes: &[u8], out: &mut Vec<u8>) {
    let short = match bytes {
        b"\"" => br#"\""#,
        b"\\" => br"\\",
        b"\n" => br"\n",
        b"\r" => br"\r",
        b"\t" => br"\t",
        b"\x08" => br"\b",
        b"\x0c" => br"\f",
        [byte] => {
            // Writing to a vector cannot fail.
            let _ = write!(out, "\\u{byte:04x}");
            return;
        }
        [.., last] => {
            let _ = write!(out, "\\u20{:x}", last - 0x80);
            return;
        }
        [] => return,
    };
    out.extend_from_slice(short);
}

/// `{"id":…,"channel":…,"event":…,"data":…}`; a message without a type has the event `null`.
pub(crate) fn write_message(view: &MessageView<'_>, escaping: Escaping, out: &mut Vec<u8>) {
    let _ = write!(out, "{{\"id\":\"{}\",\"channel\":", view.id);
    write_string(view.channel, escaping, out);
    out.extend_from_slice(b",\"event\":");
    match view.event {
        Some(event) => write_string(event, escaping, out),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"data\":");
    write_string(view.data, escaping, out);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::super::message::MessageId;
    use super::*;

    const TEXTS: [&str; 9] = [
        "",
        "plain",
        "\"quotes\" and \\ and /",
        "\0\u{1}\u{8}\u{b}\u{c}\u{1f}\u{7f}\t\r\n",
        "naïve ☄ \u{10ffff}",
        "</script><!-- & -->",
        "\u{2027}\u{2028}\u{2029}\u{202a}",
        "ends with \u{e2}",
        "\u{2028}",
    ];

    fn string(text: &str, escaping: Escaping) -> String {
        let mut out = Vec::new();
        write_string(text, escaping, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_reader_reads_back_what_was_written() {
        for text in TEXTS {
            for escaping in [Escaping::Plain, Escaping::Script] {
                let read: String = serde_json::from_str(&string(text, escaping)).unwrap();
                assert_eq!(read, text, "{escaping:?}");
            }
            assert_eq!(string(text, Escaping::Plain), serde_json::to_string(text).unwrap());
        }
    }

    #[test]
    fn every_character_survives() {
        for number in (0..0x3000).chain(0xfff0..0x10010) {
            let Some(character) = char::from_u32(number) else { continue };
            let text = format!("a{character}b");
            for escaping in [Escaping::Plain, Escaping::Script] {
                assert_eq!(serde_json::from_str::<String>(&string(&text, escaping)).unwrap(), text);
            }
        }
    }

    #[test]
    fn in_a_script_nothing_ends_the_script() {
        for text in TEXTS {
            let script = string(text, Escaping::Script);
            assert!(!script.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{script}");
        }
        assert_eq!(string("</\u{2028}", Escaping::Script), r#""\u003c/\u2028""#);
    }

    #[test]
    fn a_message_is_an_object_of_four() {
        let view = MessageView {
            id: MessageId { epoch: 17, seq: 4 },
            channel: "a\"b",
            event: Some("tick"),
            data: "x\ny",
        };
        let mut out = Vec::new();
        write_message(&view, Escaping::Plain, &mut out);
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let expected = serde_json::json!({"id": "17-4", "channel": "a\"b", "event": "tick", "data": "x\ny"});
        assert_eq!(read, expected);
        out.clear();
        write_message(&MessageView { event: None, ..view }, Escaping::Plain, &mut out);
        assert!(String::from_utf8(out).unwrap().contains("\"event\":null"));
    }
}

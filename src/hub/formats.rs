//! The wire formats that Encke brings along: what a message, a notice and a heartbeat look like in each.
//!
//! Called by: `wire.rs`, whose table begins with these rows.
//!
//! | format | a message | messages are missing | the channel has ended | heartbeat |
//! | --- | --- | --- | --- | --- |
//! | `SSE` | `id:`, `event:`, `data:` lines | event `encke-gap` | event `encke-end` | a comment line |
//! | `SSE_ENVELOPE` | the same, `data` is the JSON object | the same | the same | the same |
//! | `STREAM` | the payload and a line end | the stream is cut | the stream ends | none |
//! | `NDJSON` | the JSON object and a line end | `{"gap":true,…}` | `{"end":true,…}` | an empty line |
//! | `IFRAME` | `<script>F(data, id, event)</script>` | event `encke-gap` | event `encke-end` | an empty line |
//! | `JSON`, `JSON_SCRIPT` | the JSON object and a comma | told beside the list | told beside the list | none |
//!
//! The JSON object is `{"id","channel","event","data"}`.
//!
//! Next: `cursor.rs`.

use std::io::Write;

use super::json::{self, Escaping};
use super::message::MessageId;
use super::wire::{Format, MessageView, Notice};

/// The rows, in the order of the constants of [`WireFormat`](super::WireFormat).
pub(crate) const BUILT_IN: [Format; 7] = [
    Format { encode: sse, notice: Some(sse_notice), heartbeat: Some(SSE_HEARTBEAT) },
    Format { encode: stream, notice: None, heartbeat: None },
    Format { encode: ndjson, notice: Some(ndjson_notice), heartbeat: Some(b"\n") },
    Format { encode: sse_envelope, notice: Some(sse_notice), heartbeat: Some(SSE_HEARTBEAT) },
    Format { encode: iframe, notice: Some(iframe_notice), heartbeat: Some(b"\n") },
    Format { encode: json, notice: None, heartbeat: None },
    Format { encode: json_script, notice: None, heartbeat: None },
];

/// A comment without a blank line, so that it ends no event of whoever writes events in pieces.
const SSE_HEARTBEAT: &[u8] = b":\n";

fn sse(view: &MessageView<'_>, out: &mut Vec<u8>) {
    write_id(view.id, out);
    write_event(view.event, out);
    write_data(view.data, out);
    out.push(b'\n');
}

/// The object has no line end in it, so it is one `data` line.
fn sse_envelope(view: &MessageView<'_>, out: &mut Vec<u8>) {
    write_id(view.id, out);
    write_event(view.event, out);
    out.extend_from_slice(b"data: ");
    json::write_message(view, Escaping::Plain, out);
    out.extend_from_slice(b"\n\n");
}

fn sse_notice(notice: Notice, id: MessageId, out: &mut Vec<u8>) {
    write_id(id, out);
    out.extend_from_slice(match notice {
        Notice::Gap => b"event: encke-gap\ndata: {\"gap\":true}\n\n",
        Notice::End => b"event: encke-end\ndata: {\"end\":true}\n\n",
    });
}

fn write_id(id: MessageId, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = writeln!(out, "id: {id}");
}

fn write_event(event: Option<&str>, out: &mut Vec<u8>) {
    if let Some(event) = event {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event.as_bytes());
        out.push(b'\n');
    }
}

/// A `data` line for each line of the payload.
///
/// The payload's lines end at CR, LF and CRLF, as in the reader (WHATWG HTML §9.2.6): a CR that went out as it is would
/// end the line there, and what follows could pose as a field. An empty payload is one empty line, without which
/// the event would not be dispatched.
fn write_data(data: &str, out: &mut Vec<u8>) {
    let mut left = data.as_bytes();
    loop {
        let line = left.iter().position(|&byte| byte == b'\n' || byte == b'\r');
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&left[..line.unwrap_or(left.len())]);
        out.push(b'\n');
        let Some(end) = line else { return };
        let line_end_bytes = if left[end..].starts_with(b"\r\n") { 2 } else { 1 };
        left = &left[end + line_end_bytes..];
    }
}

fn stream(view: &MessageView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(view.data.as_bytes());
    out.push(b'\n');
}

fn ndjson(view: &MessageView<'_>, out: &mut Vec<u8>) {
    json::write_message(view, Escaping::Plain, out);
    out.push(b'\n');
}

fn ndjson_notice(notice: Notice, id: MessageId, out: &mut Vec<u8>) {
    let word = match notice {
        Notice::Gap => "gap",
        Notice::End => "end",
    };
    let _ = writeln!(out, "{{\"{word}\":true,\"id\":\"{id}\"}}");
}

/// `F` is bound by the head of the document, once, to the function of the page around it.
fn iframe(view: &MessageView<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"<script>F(");
    json::write_string(view.data, Escaping::Script, out);
    let _ = write!(out, ",\"{}\"", view.id);
    if let Some(event) = view.event {
        out.push(b',');
        json::write_string(event, Escaping::Script, out);
    }
    out.extend_from_slice(b")</script>\n");
}

fn iframe_notice(notice: Notice, id: MessageId, out: &mut Vec<u8>) {
    let event = match notice {
        Notice::Gap => "encke-gap",
        Notice::End => "encke-end",
    };
    let _ = writeln!(out, "<script>F(null,\"{id}\",\"{event}\")</script>");
}

fn json(view: &MessageView<'_>, out: &mut Vec<u8>) {
    json::write_message(view, Escaping::Plain, out);
    out.push(b',');
}

fn json_script(view: &MessageView<'_>, out: &mut Vec<u8>) {
    json::write_message(view, Escaping::Script, out);
    out.push(b',');
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: MessageId = MessageId { epoch: 17, seq: 4 };

    fn written(format: &Format, event: Option<&str>, data: &str) -> String {
        let mut out = Vec::new();
        (format.encode)(&MessageView { id: ID, channel: "news", event, data }, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn noticed(format: &Format, notice: Notice) -> String {
        let mut out = Vec::new();
        format.notice.expect("it has notices")(notice, ID, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_line_of_a_payload_is_a_data_line() {
        for (data, lines) in [
            ("hello", "data: hello\n"),
            ("", "data: \n"),
            ("a\nb", "data: a\ndata: b\n"),
            ("a\rb", "data: a\ndata: b\n"),
            ("a\r\nb", "data: a\ndata: b\n"),
            ("a\n\rb", "data: a\ndata: \ndata: b\n"),
            ("a\r\r\nb", "data: a\ndata: \ndata: b\n"),
            ("a\n", "data: a\ndata: \n"),
            ("\r\n", "data: \ndata: \n"),
            (" a ", "data:  a \n"),
            ("naïve ☄", "data: naïve ☄\n"),
        ] {
            assert_eq!(written(&BUILT_IN[0], None, data), format!("id: 17-4\n{lines}\n"), "{data:?}");
        }
        assert_eq!(written(&BUILT_IN[0], Some("tick"), "1"), "id: 17-4\nevent: tick\ndata: 1\n\n");
    }

    #[test]
    fn a_lone_cr_cannot_forge_an_event() {
        let forgery = "x\r\rid: 99-99\revent: paid\rdata: y\n\nretry: 1";
        for format in [&BUILT_IN[0], &BUILT_IN[3]] {
            let forged = written(format, None, forgery);
            let fields = forged.lines().filter(|line| !line.is_empty() && !line.starts_with("data: "));
            assert_eq!(fields.collect::<Vec<_>>(), ["id: 17-4"]);
            assert!(!forged.contains('\r') && forged.find("\n\n") == Some(forged.len() - 2));
        }
    }

    #[test]
    fn a_stream_is_payload_and_line_end() {
        assert_eq!(written(&BUILT_IN[1], Some("tick"), "a\r\nb"), "a\r\nb\n");
    }

    #[test]
    fn json_formats_are_one_object_each() {
        for (format, tail) in [(&BUILT_IN[2], "\n"), (&BUILT_IN[5], ","), (&BUILT_IN[6], ",")] {
            let text = written(format, Some("tick"), "a\n</script>");
            let object: serde_json::Value = serde_json::from_str(text.strip_suffix(tail).unwrap()).unwrap();
            assert_eq!((&object["data"], &object["channel"]), (&"a\n</script>".into(), &"news".into()));
            assert_eq!(text.matches('\n').count(), usize::from(tail == "\n"));
        }
        assert!(!written(&BUILT_IN[6], None, "</script>").contains('<'));
    }

    #[test]
    fn an_iframe_calls_f_and_no_payload_ends_its_script() {
        assert_eq!(written(&BUILT_IN[4], None, "hi"), "<script>F(\"hi\",\"17-4\")</script>\n");
        let forged = written(&BUILT_IN[4], Some("a\"b"), "</script><script>alert(1)");
        assert_eq!(forged.matches("script>").count(), 2, "{forged}");
        assert!(forged.ends_with(",\"a\\\"b\")</script>\n"), "{forged}");
    }

    #[test]
    fn notices_say_what_has_happened_and_where_the_stream_stands() {
        assert_eq!(
            noticed(&BUILT_IN[0], Notice::Gap),
            "id: 17-4\nevent: encke-gap\ndata: {\"gap\":true}\n\n"
        );
        assert_eq!(
            noticed(&BUILT_IN[3], Notice::End),
            "id: 17-4\nevent: encke-end\ndata: {\"end\":true}\n\n"
        );
        assert_eq!(noticed(&BUILT_IN[2], Notice::Gap), "{\"gap\":true,\"id\":\"17-4\"}\n");
        assert_eq!(noticed(&BUILT_IN[2], Notice::End), "{\"end\":true,\"id\":\"17-4\"}\n");
        assert_eq!(noticed(&BUILT_IN[4], Notice::Gap), "<script>F(null,\"17-4\",\"encke-gap\")</script>\n");
    }
}

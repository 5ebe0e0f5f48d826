//! What each format has to look like, said a second time: by serde_json and by replacing text, not by the hub's writers.

use super::super::{EPOCH, WireFormat, Wrapping};

/// A message as its peers see it.
pub(super) struct Shown<'a> {
    pub(super) seq: u64,
    pub(super) channel: &'a str,
    pub(super) event: Option<&'a str>,
    pub(super) data: &'a str,
}

pub(super) fn message(shown: &Shown<'_>, format: WireFormat) -> String {
    let Shown { seq, event, data, .. } = shown;
    let event_line = event.map_or(String::new(), |event| format!("event: {event}\n"));
    match format {
        WireFormat::STREAM => format!("{data}\n"),
        WireFormat::NDJSON => format!("{}\n", object(shown)),
        WireFormat::SSE_ENVELOPE => format!("id: {EPOCH}-{seq}\n{event_line}data: {}\n\n", object(shown)),
        WireFormat::JSON => format!("{},", object(shown)),
        WireFormat::IFRAME => {
            let event = event.map_or(String::new(), |event| format!(",{}", script(&text(event))));
            format!("<script>F({},\"{EPOCH}-{seq}\"{event})</script>\n", script(&text(data)))
        }
        _ => {
            let data: String = lines(data).iter().map(|line| format!("data: {line}\n")).collect();
            format!("id: {EPOCH}-{seq}\n{event_line}{data}\n")
        }
    }
}

/// `word` is what has happened: "gap" or "end". A raw stream and a list have no way to say so.
pub(super) fn notice(word: &str, through: u64, format: WireFormat) -> Option<String> {
    let id = format!("{EPOCH}-{through}");
    match format {
        WireFormat::STREAM | WireFormat::JSON => None,
        WireFormat::NDJSON => Some(format!("{{\"{word}\":true,\"id\":\"{id}\"}}\n")),
        WireFormat::IFRAME => Some(format!("<script>F(null,\"{id}\",\"encke-{word}\")</script>\n")),
        _ => Some(format!("id: {id}\nevent: encke-{word}\ndata: {{\"{word}\":true}}\n\n")),
    }
}

pub(super) fn wrapped(frame: &str, wrapping: Wrapping) -> Vec<u8> {
    match wrapping {
        Wrapping::Bare => frame.as_bytes().to_vec(),
        Wrapping::Chunked => format!("{:x}\r\n{frame}\r\n", frame.len()).into_bytes(),
    }
}

/// The lines of a payload as a reader of an event stream counts them.
pub(super) fn lines(data: &str) -> Vec<String> {
    let normal = data.replace("\r\n", "\n").replace('\r', "\n");
    normal.split('\n').map(str::to_owned).collect()
}

fn object(shown: &Shown<'_>) -> String {
    let event = shown.event.map_or("null".to_owned(), text);
    let (channel, data) = (text(shown.channel), text(shown.data));
    format!("{{\"id\":\"{EPOCH}-{}\",\"channel\":{channel},\"event\":{event},\"data\":{data}}}", shown.seq)
}

fn text(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn script(json: &str) -> String {
    let mut escaped = json.to_owned();
    for (character, escape) in
        [('<', "003c"), ('>', "003e"), ('&', "0026"), ('\u{2028}', "2028"), ('\u{2029}', "2029")]
    {
        escaped = escaped.replace(character, &format!("\\u{escape}"));
    }
    escaped
}

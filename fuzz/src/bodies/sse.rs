//! Messages, published to whoever listens in each format, and read back as the standards say.
//!
//! ```text
//!   input ─► messages ─► publish ─► SSE ─────────► an event stream's reader (WHATWG HTML §9.2.6) ─┐
//!                               ├─► SSE_ENVELOPE ─► the same, and JSON                             ├─► the same messages
//!                               ├─► NDJSON ───────► JSON a line ──────────────────────────────────┘
//!                               └─► IFRAME ───────► a script's literals, and nothing that ends a script
//! ```
//!
//! The input is text: each piece up to a U+001E is a message, of which what stands before a U+001F is its type. The first character
//! says how often readers stop reading in between.
//!
//! Next: `engine.rs`.

use encke::testing::{OnEvent, Server};
use encke::{Ctx, Event, Limits, Message, Since, WireFormat, WriteError};

/// What was published, and what a reader has to get.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Got {
    id: String,
    event: Option<String>,
    data: String,
}

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut server = Server::new(OnEvent(listen as fn(Event<'_>, &mut Ctx<'_, ()>)), Limits::default());
    let peers = ["/sse", "/envelope", "/ndjson", "/iframe"].map(|path| server.get(path));
    let stops = text.bytes().next().unwrap_or(0) % 4;
    let mut published = Vec::new();
    for (number, piece) in text.split('\u{1e}').enumerate() {
        let (event, data) = piece.split_once('\u{1f}').map_or((None, piece), |(e, d)| (Some(e), d));
        let message = Message { event, ..Message::new(data) };
        if stops > 0 && number % usize::from(stops) == 0 {
            peers.iter().for_each(|&peer| server.stop_reading_after(peer, number));
        }
        match server.run(|_, core| core.publish("news", message)) {
            Ok(told) => published.push(Got {
                id: told.id.to_string(),
                event: event.map(str::to_owned),
                data: data.to_owned(),
            }),
            Err(error) => assert!(error == WriteError::BadName && message.check() == Err(error)),
        }
        if number % 2 == 1 {
            peers.iter().for_each(|&peer| server.resume_reading(peer));
        }
    }
    peers.iter().for_each(|&peer| server.resume_reading(peer));
    let [sse, envelope, ndjson, iframe] = peers.map(|peer| {
        let answers = server.answers(peer).expect("well framed");
        String::from_utf8(answers[0].body.clone()).expect("text")
    });
    check_events(&sse, &published);
    check_envelopes(&envelope, &published);
    let lines: Vec<Got> = ndjson.lines().map(from_json).collect();
    assert_eq!(lines, published, "NDJSON");
    check_scripts(&iframe, &published);
}

fn listen(event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    if let Event::Begin(head) = event {
        let format = match head.path() {
            "/sse" => WireFormat::SSE,
            "/envelope" => WireFormat::SSE_ENVELOPE,
            "/ndjson" => WireFormat::NDJSON,
            _ => WireFormat::IFRAME,
        };
        ctx.subscribe(&["news"], Since::Head, format).expect("it is open");
        ctx.start(200, &[]).expect("it is open");
    }
}

/// An event as a page gets it. Line ends of a payload all become LF, for the format has no others.
fn check_events(stream: &str, published: &[Got]) {
    let expected: Vec<Got> = published
        .iter()
        .map(|got| Got { data: got.data.replace("\r\n", "\n").replace('\r', "\n"), ..got.clone() })
        .collect();
    assert_eq!(read_events(stream), expected, "an event stream");
}

fn check_envelopes(stream: &str, published: &[Got]) {
    let events = read_events(stream);
    let opened: Vec<Got> = events.iter().map(|event| from_json(&event.data)).collect();
    assert_eq!(opened, published, "what is in the envelopes");
    for (event, got) in events.iter().zip(published) {
        assert_eq!((&event.id, &event.event), (&got.id, &got.event), "what is on the envelopes");
    }
}

/// The reader of WHATWG HTML §9.2.6, step by step.
fn read_events(stream: &str) -> Vec<Got> {
    let stream = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let (mut events, mut last_id) = (Vec::new(), String::new());
    let (mut data, mut event) = (String::new(), String::new());
    for line in lines(stream) {
        if line.is_empty() {
            if let Some(data) = data.strip_suffix('\n') {
                let event = Some(event.clone()).filter(|event| !event.is_empty());
                events.push(Got { id: last_id.clone(), event, data: data.to_owned() });
            }
            data.clear();
            event.clear();
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event),
            "data" => {
                data.push_str(value);
                data.push('\n');
            }
            "id" if !value.contains('\0') => value.clone_into(&mut last_id),
            // "retry", a comment, or something unknown.
            _ => {}
        }
    }
    events
}

/// Lines that have ended: in CRLF, LF or CR.
fn lines(mut rest: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    while let Some(end) = rest.find(['\r', '\n']) {
        lines.push(&rest[..end]);
        let is_pair = rest[end..].starts_with("\r\n");
        rest = &rest[end + if is_pair { 2 } else { 1 }..];
    }
    lines
}

fn from_json(line: &str) -> Got {
    let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    assert_eq!(value["channel"], "news");
    assert_eq!(value.as_object().map(serde_json::Map::len), Some(4));
    assert!(value["event"].is_null() || value["event"].is_string());
    Got { id: text("id").expect("an id"), event: text("event"), data: text("data").expect("data") }
}

/// Each line is one call, whose arguments are literals of JSON and so of JavaScript; and no byte of a message can end the script.
fn check_scripts(stream: &str, published: &[Got]) {
    let calls: Vec<Got> = stream
        .lines()
        .map(|line| {
            let inside = line.strip_prefix("<script>F(").and_then(|rest| rest.strip_suffix(")</script>"));
            let inside = inside.expect("a script");
            assert!(!inside.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{inside}");
            let values: Vec<String> = serde_json::from_str(&format!("[{inside}]")).expect("literals");
            assert!((2..=3).contains(&values.len()));
            Got { data: values[0].clone(), id: values[1].clone(), event: values.get(2).cloned() }
        })
        .collect();
    assert_eq!(calls, published, "a forever frame");
}

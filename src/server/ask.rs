//! What a GET of a channel asks for: which channels, in which mode, from where on.
//!
//! `subscribe.rs` calls [`read`]. Nothing is opened before all of it is understood.
//!
//! | `?mode=` | `Accept` without `mode=` | answer |
//! | --- | --- | --- |
//! | `sse`, with `envelope=1` too | `text/event-stream` | Server-Sent Events |
//! | `ndjson` | `application/x-ndjson` | a JSON object a line |
//! | `poll`, with `callback=` a script | `application/json` | a long-poll |
//! | `stream`, with `type=` | anything else | a message a line |
//! | `iframe`, needs `callback=` | | a document of scripts |
//! | `info` | | what is known of the channel |
//!
//! Next: `subscribe.rs`, `poll.rs`.

use std::time::Duration;

use super::config::{Jsonp, Policy};
use super::routes::check_name;
use crate::error::Refusal;
use crate::http::{RequestHead, query};
use crate::hub::{MessageId, Since, WireFormat};
use crate::values;

/// The most channels in one request.
pub(crate) const CHANNELS_MAX: usize = 32;

/// A GET, understood.
pub(crate) struct Ask {
    /// The one in the path first.
    pub(crate) channels: Vec<String>,
    pub(crate) mode: Mode,
    pub(crate) since: Since,
}

/// How a subscriber wants its messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As they come, for as long as it lasts.
    Flow(Flow),
    /// As a list.
    Poll(Poll),
    /// Not at all: only how many there are.
    Info,
}

/// What a stream looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Sse(Envelope),
    /// A message a line; what the stream calls itself.
    Stream(&'static str),
    Ndjson,
    /// A document of scripts that call this function of the page around it.
    Iframe(String),
}

/// What the data of an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Envelope {
    None,
    /// The JSON object of the message: what several channels in one stream want.
    Json,
    /// What a format of the demo's makes of it.
    Of(WireFormat),
}

/// A long-poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Poll {
    pub(crate) timeout: Duration,
    /// JSONP: the function that the script calls.
    pub(crate) callback: Option<Box<str>>,
}

/// Reads the query and the fields that matter.
pub(crate) fn read(head: &RequestHead<'_>, channel: &str, policy: &Policy) -> Result<Ask, Refusal> {
    let text = head.query().unwrap_or_default();
    let parameter = |name: &str| query::find(text, name);
    let mode = parameter("mode")?;
    let mode = match mode.as_deref() {
        Some(mode) => mode,
        None => accepted(head),
    };
    let mode = match mode {
        "sse" => Mode::Flow(Flow::Sse(envelope(parameter("envelope")?.as_deref())?)),
        "stream" => Mode::Flow(Flow::Stream(stream_type(parameter("type")?.as_deref())?)),
        "ndjson" => Mode::Flow(Flow::Ndjson),
        "poll" => {
            Mode::Poll(poll(parameter("timeout")?.as_deref(), parameter("callback")?.as_deref(), policy)?)
        }
        "iframe" => Mode::Flow(Flow::Iframe(frame(head, parameter("callback")?.as_deref())?)),
        "info" => Mode::Info,
        _ => return Err(Refusal::new(400, "mode is sse, stream, ndjson, poll, iframe or info")),
    };
    Ok(Ask { channels: channels(text, channel)?, mode, since: since(head)? })
}

fn envelope(asked: Option<&str>) -> Result<Envelope, Refusal> {
    match asked {
        None | Some("" | "0") => Ok(Envelope::None),
        Some("1") => Ok(Envelope::Json),
        Some(_) => Err(Refusal::new(400, "envelope is 1, or left out")),
    }
}

/// The function that a forever frame calls. The document is served to frames alone, as far as a browser tells what it asks for (Fetch
/// Metadata): opened by itself it would have nobody around it to call.
fn frame(head: &RequestHead<'_>, callback: Option<&str>) -> Result<String, Refusal> {
    let asks_for = head.field("Sec-Fetch-Dest");
    if asks_for.is_some_and(|what| !matches!(what, b"iframe" | b"frame")) {
        return Err(Refusal::new(
            403,
            "this document belongs in an iframe of a page; it is not to be opened by itself",
        ));
    }
    match callback {
        Some(callback) => Ok(checked_callback(callback)?.to_owned()),
        None => Err(Refusal::new(400, "an iframe needs callback=, the function of the page around it")),
    }
}

/// The mode that the peer's `Accept` chooses (RFC 9110 §12.5.1): of those that it names, the one that it prefers. A wildcard names none.
fn accepted(head: &RequestHead<'_>) -> &'static str {
    const KNOWN: [(&str, &str); 3] =
        [("text/event-stream", "sse"), ("application/x-ndjson", "ndjson"), ("application/json", "poll")];
    let mut best = (0.0, "stream");
    for range in head.fields_named("Accept").flat_map(|value| value.split(|&byte| byte == b',')) {
        let range = String::from_utf8_lossy(range);
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight = weight.map_or(1.0, quality);
        if let Some((_, mode)) = KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(media))
            && weight > best.0
        {
            best = (weight, mode);
        }
    }
    best.1
}

/// A weight, 0 to 1 (RFC 9110 §12.4.2). What is none counts as 0.
fn quality(text: &str) -> f32 {
    let is_number = text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let weight = if is_number { text.parse().unwrap_or(0.0) } else { 0.0 };
    if weight <= 1.0 { weight } else { 0.0 }
}

/// The channel of the path, and those of `&channel=`.
fn channels(text: &str, first: &str) -> Result<Vec<String>, Refusal> {
    let mut channels = vec![first.to_owned()];
    for pair in query::pairs(text) {
        let (name, value) = pair?;
        if name == "channel" {
            check_name(&value)?;
            channels.push(value.into_owned());
        }
    }
    match channels.len() > CHANNELS_MAX {
        true => {
            Err(Refusal::new(400, "one request hears at most 32 channels; ask for the others in another"))
        }
        false => Ok(channels),
    }
}

/// What a raw stream calls itself.
fn stream_type(asked: Option<&str>) -> Result<&'static str, Refusal> {
    match asked {
        None => Ok("text/plain; charset=utf-8"),
        Some("application/octet-stream") => Ok("application/octet-stream"),
        Some("application/x-ndjson") => Ok("application/x-ndjson"),
        Some(_) => {
            Err(Refusal::new(400, "type is application/octet-stream or application/x-ndjson, or left out"))
        }
    }
}

fn poll(timeout: Option<&str>, callback: Option<&str>, policy: &Policy) -> Result<Poll, Refusal> {
    let timeout = match timeout {
        None => policy.poll_timeout,
        Some(text) => match values::time_or_never(text) {
            Ok(asked) => asked.min(policy.poll_timeout),
            Err(_) => {
                return Err(Refusal::new(400, "timeout is a time like 20, 1.5 or 500ms; 0 answers at once"));
            }
        },
    };
    let callback = match (callback, policy.jsonp) {
        (None, _) => None,
        (Some(_), Jsonp::Refused) => {
            return Err(Refusal::new(
                403,
                "this server answers no polls with scripts; leave callback= out, or start it with --jsonp",
            ));
        }
        (Some(callback), Jsonp::Served) => Some(checked_callback(callback)?.into()),
    };
    Ok(Poll { timeout, callback })
}

/// The name of a function, perhaps inside of objects: `[A-Za-z_$][\w$]*(\.[A-Za-z_$][\w$]*)*`, at most 64 bytes. It is written into a
/// script, so nothing else may pass.
fn checked_callback(callback: &str) -> Result<&str, Refusal> {
    let is_name = |part: &str| {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
        part.bytes().all(is_word) && part.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
    };
    match callback.len() <= 64 && callback.split('.').all(is_name) {
        true => Ok(callback),
        false => Err(Refusal::new(
            400,
            "callback is the name of a function, like update or page.update, of at most 64 characters",
        )),
    }
}

/// Where the peer stands. What it was last given wins over what its address says, for EventSource repeats its address as it was.
pub(crate) fn since(head: &RequestHead<'_>) -> Result<Since, Refusal> {
    if head.fields_named("Last-Event-ID").count() > 1 {
        return Err(Refusal::new(
            400,
            "Last-Event-ID comes once, with the id of the last message that you have",
        ));
    }
    if let Some(last) = head.field("Last-Event-ID").filter(|value| !value.is_empty()) {
        // EventSource sends back whatever it was once given. What this hub never gave is another life's: everything held,
        // after a notice.
        const FOREIGN: MessageId = MessageId { epoch: 0, seq: 0 };
        let id = std::str::from_utf8(last).ok().and_then(MessageId::parse);
        return Ok(Since::Id(id.unwrap_or(FOREIGN)));
    }
    match query::find(head.query().unwrap_or_default(), "since")?.as_deref() {
        None | Some("") => Ok(Since::Head),
        Some(text) => match MessageId::parse(text) {
            Some(id) => Ok(Since::Id(id)),
            None => Err(Refusal::new(
                400,
                "since is the id of a message, as a publish answers it; leave it out to begin now",
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{FieldSpace, HeadBounds, parse_head};

    #[track_caller]
    fn mode(target: &str, fields: &str) -> Result<Mode, Refusal> {
        let bytes = format!("GET /channels/a{target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut space = FieldSpace::new();
        let bounds = HeadBounds { bytes_max: 4096, fields_max: 20 };
        let head = parse_head(bytes.as_bytes(), &mut space, &bounds).expect("a head");
        let policy = Policy { jsonp: Jsonp::Served, ..Policy::for_tests() };
        read(&head, "a", &policy).map(|ask| ask.mode)
    }

    #[test]
    fn accept_chooses_what_it_prefers_of_what_is_known() {
        const SSE: Mode = Mode::Flow(Flow::Sse(Envelope::None));
        let stream = || Mode::Flow(Flow::Stream("text/plain; charset=utf-8"));
        let ndjson = || Mode::Flow(Flow::Ndjson);
        let poll = || Mode::Poll(Poll { timeout: Duration::from_secs(25), callback: None });
        for (accept, expected) in [
            ("*/*", stream()),
            ("text/html, */*;q=0.8", stream()),
            ("text/event-stream", SSE),
            ("Text/Event-Stream;charset=utf-8", SSE),
            ("application/json, text/plain, */*", poll()),
            ("application/json;q=0.5, application/x-ndjson", ndjson()),
            ("application/json, text/event-stream", poll()),
            ("text/event-stream;q=0", stream()),
            ("text/event-stream;q=inf, application/x-ndjson;q=0.001", ndjson()),
            ("text/event-stream;q=NaN, application/x-ndjson;q=1.000", ndjson()),
            ("text/event-stream;q=9", stream()),
            ("x-text/event-stream", stream()),
        ] {
            assert_eq!(mode("", &format!("Accept: {accept}\r\n")).unwrap(), expected, "{accept}");
        }
        assert_eq!(mode("", "").unwrap(), stream());
        assert_eq!(mode("?mode=ndjson", "Accept: text/event-stream\r\n").unwrap(), ndjson());
    }

    #[test]
    fn a_callback_is_the_name_of_a_function_and_nothing_else() {
        let longest = format!("a{}", "b".repeat(63));
        for good in ["f", "_$1", "page.update", "$.a.b", &longest] {
            assert_eq!(checked_callback(good).unwrap(), good);
        }
        let longer = format!("{longest}b");
        for bad in
            ["", ".", "a.", ".a", "1a", "a.1", "a-b", "a b", "a(", "alert(1)//", "é", "a\n", "a[0]", &longer]
        {
            assert_eq!(checked_callback(bad).unwrap_err().status, 400, "{bad:?}");
        }
    }

    #[test]
    fn a_poll_waits_for_as_long_as_it_asks_and_the_server_allows() {
        for (timeout, millis) in [
            ("", 25_000),
            ("&timeout=3", 3_000),
            ("&timeout=0", 0),
            ("&timeout=0.25", 250),
            ("&timeout=90ms", 90),
            ("&timeout=1h", 25_000),
        ] {
            let expected = Poll { timeout: Duration::from_millis(millis), callback: None };
            assert_eq!(mode(&format!("?mode=poll{timeout}"), "").unwrap(), Mode::Poll(expected), "{timeout}");
        }
        for timeout in ["", "x", "-1", "1.2.3", "9999999999999999999h"] {
            assert_eq!(
                mode(&format!("?mode=poll&timeout={timeout}"), "").unwrap_err().status,
                400,
                "{timeout}"
            );
        }
    }
}

//! Messages: what is published, what it is called, and how channels and events may be called.
//!
//! Called by: the hub at each publish and subscribe; by handlers, which write messages and read ids.
//!
//! An id is `EPOCH-SEQ`. EPOCH tells one life of a hub from another and is compared for equality only; SEQ is the hub's one
//! counter over all its channels. So one number is a cursor for any channel, and ids are no clock: two
//! messages of the same instant differ.
//!
//! Invariant: what `Display` writes, `parse` reads, and `parse` reads nothing else.
//! Not here: whether an id is known, and what follows it (`cursor.rs`).
//! Next: `json.rs`.

use std::fmt;

use crate::error::WriteError;

/// The name of a message, and so of a place in the hub's log: just behind that message.
///
/// To peers it is opaque. Sequence numbers begin at 1, so `EPOCH-0` is the place before everything.
///
/// ```
/// use encke::MessageId;
///
/// let id = MessageId { epoch: 1_795_491_933_067, seq: 42 };
/// assert_eq!(id.to_string(), "1795491933067-42");
/// assert_eq!(MessageId::parse("1795491933067-42"), Some(id));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MessageId {
    /// Which life of the hub: Unix milliseconds when it began, by convention. Compared for equality only.
    pub epoch: u64,
    /// The message's place in the hub's one sequence.
    pub seq: u64,
}

impl MessageId {
    /// Reads `EPOCH-SEQ`: two decimal numbers of 64 bits without sign, blank or leading zero. Everything else is `None`.
    ///
    /// ```
    /// use encke::MessageId;
    ///
    /// assert_eq!(MessageId::parse("17-4"), Some(MessageId { epoch: 17, seq: 4 }));
    /// for other in ["", "17", "17-04", "+17-4", "17-4 ", "17-18446744073709551616"] {
    ///     assert_eq!(MessageId::parse(other), None);
    /// }
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<MessageId> {
        let (epoch, seq) = text.split_once('-')?;
        Some(MessageId { epoch: decimal(epoch)?, seq: decimal(seq)? })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

/// A message to publish.
///
/// ```
/// use encke::{Event, Message, Since, WireFormat, testing};
///
/// let mut server = testing::serve(|event, ctx| {
///     if let Event::Begin(_) = event {
///         let _ = ctx.subscribe(&["news"], Since::Head, WireFormat::SSE);
///         let _ = ctx.start(200, &[]);
///     }
/// });
/// let peer = server.get("/");
/// let message = Message { event: Some("weather"), ..Message::new("rain\nand wind") };
/// server.run(|_, core| core.publish("news", message))?;
/// let text = "id: 1-1\nevent: weather\ndata: rain\ndata: and wind\n\n";
/// assert_eq!(server.answers(peer)?[0].text(), text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its type, for wire formats that can say so. 1 to 255 bytes without control bytes; names that begin with `encke-`
    /// or `$` are the engine's own.
    pub event: Option<&'a str>,
    /// The payload. Any text, also none.
    pub data: &'a str,
    /// Its publisher's own name for it (`Idempotency-Key`), 1 to 255 bytes: while the channel holds a message of this key, another
    /// one is not published, and its publisher is told what the first was told.
    pub key: Option<&'a str>,
}

impl<'a> Message<'a> {
    /// A message without a type.
    #[must_use]
    pub const fn new(data: &'a str) -> Message<'a> {
        Message { event: None, data, key: None }
    }

    /// Whether it could be published: its type and its key are such. For whoever wants to know before the payload is there.
    ///
    /// ```
    /// use encke::{Message, WriteError};
    ///
    /// let typed = |event| Message { event: Some(event), ..Message::new("") };
    /// assert_eq!(typed("weather").check(), Ok(()));
    /// assert_eq!(typed("encke-gap").check(), Err(WriteError::BadName), "nobody can forge a notice");
    /// ```
    ///
    /// # Errors
    /// [`WriteError::BadName`](crate::WriteError::BadName) if not.
    pub fn check(&self) -> Result<(), WriteError> {
        self.event.map_or(Ok(()), check_event)?;
        self.key.map_or(Ok(()), check_key)
    }
}

/// What became of a message that was published.
///
/// ```
/// use encke::{Message, testing};
///
/// let mut server = testing::serve(|_, _| {});
/// let published = server.run(|_, core| core.publish("news", Message::new("Hello")))?;
/// let told = format!("{{\"id\":\"{}\",\"subscribers\":{}}}", published.id, published.subscribers);
/// assert_eq!(told, r#"{"id":"1-1","subscribers":0}"#);
/// # Ok::<(), encke::WriteError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its id.
    pub id: MessageId,
    /// How many subscribers the channel had then. Each will get it, or be told that it missed something.
    pub subscribers: usize,
    /// Whether the channel could do with a pause.
    pub pressure: Pressure,
    /// Whether it is new, or its key was known.
    pub novelty: Novelty,
}

/// How far a channel's subscribers are behind.
///
/// ```
/// use encke::{Event, Limits, Message, Pressure, Since, WireFormat, testing};
///
/// let listen = testing::OnEvent(|event, ctx| {
///     if let Event::Begin(_) = event {
///         let _ = ctx.subscribe(&["news"], Since::Head, WireFormat::SSE);
///         let _ = ctx.start(200, &[]);
///     }
/// });
/// let mut server = testing::Server::new(listen, Limits { history_count_max: 4, ..Limits::default() });
/// let peer = server.get("/");
/// server.stop_reading(peer);
/// let mut publish = || server.run(|_, core| core.publish("news", Message::new("Hello")));
/// assert_eq!(publish()?.pressure, Pressure::Low);
/// assert_eq!(publish()?.pressure, Pressure::High, "half of the ring is still to be read");
/// # Ok::<(), encke::WriteError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    /// Not so far that it matters.
    Low,
    /// What healthy subscribers still lack fills half of the channel's ring: whoever publishes more before they have got it may
    /// make them miss something. [`Ctx::pause_while_pressed`](crate::Ctx::pause_while_pressed) waits for them.
    High,
}

/// Whether a publish has published something.
///
/// ```
/// use encke::{Message, Novelty, testing};
///
/// let mut server = testing::serve(|_, _| {});
/// let mut publish = || {
///     let message = Message { key: Some("order 17, paid"), ..Message::new("Thank you!") };
///     server.run(|_, core| core.publish("orders", message))
/// };
/// let (first, again) = (publish()?, publish()?);
/// assert_eq!((first.novelty, again.novelty), (Novelty::New, Novelty::Repeated));
/// assert_eq!(first.id, again.id, "whoever is not sure that it was published may publish again");
/// # Ok::<(), encke::WriteError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Novelty {
    /// The message was appended.
    New,
    /// The channel holds a message with the same key: nothing was appended, and this is what its publisher was told.
    Repeated,
}

/// The longest name of a channel or an event, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// Refuses a name that no channel may have.
///
/// `*` is kept free for patterns, `encke-` and `$` for what the engine itself has to say.
pub(crate) fn check_channel(name: &str) -> Result<(), WriteError> {
    if name.contains('*') { Err(WriteError::BadName) } else { check_name(name) }
}

/// Refuses a name that no event may have. Without control bytes it cannot end a line of an event stream, and without
/// the prefix `encke-` nobody can forge a notice.
pub(crate) fn check_event(name: &str) -> Result<(), WriteError> {
    check_name(name)
}

/// Refuses a key that is none or too long.
pub(crate) fn check_key(key: &str) -> Result<(), WriteError> {
    if (1..=NAME_BYTES_MAX).contains(&key.len()) { Ok(()) } else { Err(WriteError::BadName) }
}

fn check_name(name: &str) -> Result<(), WriteError> {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    let plain = !name.chars().any(char::is_control);
    let reserved = name.starts_with("encke-") || name.starts_with('$');
    if fits && plain && !reserved { Ok(()) } else { Err(WriteError::BadName) }
}

/// A decimal number without sign or leading zero.
fn decimal(digits: &str) -> Option<u64> {
    let canonical = digits == "0" || !digits.starts_with('0');
    let digits_only = digits.bytes().all(|byte| byte.is_ascii_digit());
    if canonical && digits_only { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        for (epoch, seq) in [(0, 0), (1_790_000_000_000, 1), (u64::MAX, u64::MAX)] {
            let id = MessageId { epoch, seq };
            assert_eq!(MessageId::parse(&id.to_string()), Some(id));
        }
    }

    #[test]
    fn only_the_canonical_text_is_an_id() {
        for text in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "1-2-3",
            "+1-2",
            "1-+2",
            "01-2",
            "1-02",
            "00-0",
            " 1-2",
            "1-2 ",
            "1 -2",
            "1-2\n",
            "a-b",
            "0x1-2",
            "1-18446744073709551616",
            "18446744073709551616-1",
            "1--2",
            "1-2,3",
            "١-٢",
        ] {
            assert_eq!(MessageId::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn names_are_bounded_and_plain() {
        let longest = "x".repeat(NAME_BYTES_MAX);
        for name in ["a", "a/b", "naïve ☄", "with blank", longest.as_str(), "enckecomet", "a$", "x-encke-gap"]
        {
            assert_eq!((check_channel(name), check_event(name)), (Ok(()), Ok(())), "{name:?}");
        }
        let too_long = "x".repeat(NAME_BYTES_MAX + 1);
        for name in
            ["", too_long.as_str(), "a\nb", "a\rb", "a\0", "\t", "\x7f", "\x1b[2J", "encke-gap", "$sys"]
        {
            let refused = Err(WriteError::BadName);
            assert_eq!((check_channel(name), check_event(name)), (refused, refused), "{name:?}");
        }
        assert_eq!(check_channel("news/*"), Err(WriteError::BadName));
        assert_eq!(check_event("news/*"), Ok(()));
    }
}

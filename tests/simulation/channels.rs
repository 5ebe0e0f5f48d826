//! The application under test and channels: it listens, answers long-polls, publishes, waits, and ends channels.
//!
//! Called by: `app.rs`, whose actions these are. Several channels are joined by dots: `sub:news.chat:sse:7-3`.
//!
//! | action | what it does |
//! | --- | --- |
//! | `sub:CHANNELS:FORMAT:SINCE` | listens; the head is somebody else's affair |
//! | `hear:CHANNELS:FORMAT:SINCE` | listens, and begins the answer with a head that says in which format, from where, and whether with a gap |
//! | `park:CHANNELS:BYTES:SINCE` | a long-poll that takes at most so many bytes of messages |
//! | `take` | answers the long-poll with what there is |
//! | `pub:CHANNEL:DATA:KEY`, `pubread:CHANNEL:KEY` | publishes, or publishes the body |
//! | `hold:CHANNEL` | `pause_while_pressed` |
//! | `end:CHANNEL` | ends it |
//!
//! Whatever is done is noted with what the channels had lost by then, so that an oracle can tell what may be missing.
//!
//! Next: `oracle.rs`.

use encke::{Hub, Message, MessageId, Novelty, Since, Subscribed, WireFormat};

use crate::app::{App, Context, Poll, TAG_FIELD, tag};
use crate::history::{Fact, Format, Lost};

/// In the head of a stream or a list: its format, the place behind which it begins, and whether something is missing there.
pub(crate) const FORMAT_FIELD: &str = "X-Format";
pub(crate) const CURSOR_FIELD: &str = "Last-Event-ID";
pub(crate) const GAP_FIELD: &str = "Encke-Gap";

impl App {
    pub(crate) fn subscribe(&mut self, channels: &str, format: &str, since: &str, ctx: &mut Context<'_>) {
        self.listen(channels, Format::named(format).unwrap_or(Format::Stream), since, ctx);
    }

    pub(crate) fn hear(&mut self, channels: &str, format: &str, since: &str, ctx: &mut Context<'_>) {
        let format = Format::named(format).unwrap_or(Format::Stream);
        let Some(subscribed) = self.listen(channels, format, since, ctx) else { return self.give_up(ctx) };
        let (tag, at) = (tag(ctx).to_string(), subscribed.at.to_string());
        let mut fields = vec![(TAG_FIELD, &tag[..]), (FORMAT_FIELD, format.name()), (CURSOR_FIELD, &at[..])];
        if subscribed.gap {
            fields.push((GAP_FIELD, "true"));
        }
        let started = ctx.start(200, &fields);
        self.check(started, ctx);
    }

    /// A subscription that was refused.
    fn give_up(&self, ctx: &mut Context<'_>) {
        self.note(ctx, Fact::CloseAsked);
        ctx.close();
    }

    fn listen(
        &mut self,
        names: &str,
        format: Format,
        since: &str,
        ctx: &mut Context<'_>,
    ) -> Option<Subscribed> {
        let channels: Vec<&str> = names.split('.').collect();
        let from = since_of(since);
        let subscribed = match format {
            Format::Poll => ctx.park(&channels, from, WireFormat::JSON),
            _ => ctx.subscribe(&channels, from, wire_of(format)),
        };
        let subscribed = match subscribed {
            Ok(subscribed) => subscribed,
            Err(error) => {
                self.note(ctx, Fact::Refused(error));
                return None;
            }
        };
        let (at, gap) = (subscribed.at, subscribed.gap);
        let since = match from {
            Since::Head => Some(at.seq),
            Since::Start => Some(0),
            Since::Id(id) if id.epoch == at.epoch && id.seq <= ctx.core().hub().head().seq => Some(id.seq),
            Since::Id(_) => None,
        };
        let lost = lost(ctx.core().hub(), &channels);
        let channels = channels.into_iter().map(str::to_owned).collect();
        self.note(ctx, Fact::Subscribed { channels, since, at: at.seq, gap, format, lost });
        Some(subscribed)
    }

    pub(crate) fn park(&mut self, channels: &str, bytes_max: usize, since: &str, ctx: &mut Context<'_>) {
        let Some(subscribed) = self.listen(channels, Format::Poll, since, ctx) else {
            return self.give_up(ctx);
        };
        ctx.state.poll = Some(Poll { bytes_max, gap: subscribed.gap, at: subscribed.at });
        if subscribed.behind || subscribed.gap {
            self.answer_poll(ctx);
        }
    }

    /// Answers the long-poll with what there is, be it nothing.
    pub(crate) fn answer_poll(&mut self, ctx: &mut Context<'_>) {
        let Some(poll) = ctx.state.poll.take() else { return };
        let names = self.value(ctx, "b").unwrap_or_default();
        let names = names.split_once("park:").map_or("", |(_, rest)| rest);
        let channels: Vec<&str> = names.split(':').next().unwrap_or("").split('.').collect();
        let lost = lost(ctx.core().hub(), &channels);
        let mut items = Vec::new();
        let news = ctx.take_news(poll.bytes_max, &mut items);
        let items = String::from_utf8_lossy(items.strip_suffix(b",").unwrap_or(&items)).into_owned();
        let (messages, gap, ended) = (news.messages, news.gap || poll.gap, news.ended);
        debug_assert!(news.cursor.seq >= poll.at.seq, "a cursor that goes back");
        self.note(ctx, Fact::Took { messages, cursor: news.cursor.seq, gap, ended, lost });
        let (tag, cursor) = (tag(ctx).to_string(), news.cursor);
        let body = format!(r#"{{"cursor":"{cursor}","messages":[{items}],"gap":{gap},"ended":{ended}}}"#);
        let fields = [(TAG_FIELD, &tag[..]), (FORMAT_FIELD, Format::Poll.name())];
        match ctx.respond(200, &fields, body.as_bytes()) {
            Ok(()) => self.note(ctx, Fact::CloseAsked),
            Err(error) => self.note(ctx, Fact::Refused(error)),
        }
    }

    pub(crate) fn publish(&self, channel: &str, data: String, key: &str, ctx: &mut Context<'_>) {
        // What is published names its publisher too, and so is like no other message.
        let data = format!("{data}@{}", tag(ctx));
        let oldest = ctx.core().hub().info(channel).and_then(|info| info.oldest).map(|id| id.seq);
        let message = Message { key: (!key.is_empty()).then_some(key), ..Message::new(&data) };
        match ctx.core().publish(channel, message) {
            Ok(published) => {
                let (channel, seq, key) = (channel.to_owned(), published.id.seq, key.to_owned());
                self.note(
                    ctx,
                    match published.novelty {
                        Novelty::New => Fact::Published { channel, seq, data, key, oldest },
                        Novelty::Repeated => Fact::Repeated { channel, seq, key, oldest },
                    },
                );
            }
            Err(error) => self.note(ctx, Fact::Refused(error)),
        }
    }

    pub(crate) fn hold(&self, channel: &str, ctx: &mut Context<'_>) {
        let is_held = ctx.pause_while_pressed(channel);
        self.note(ctx, Fact::Pressed { channel: channel.to_owned(), is_held });
    }

    pub(crate) fn end_channel(&self, channel: &str, ctx: &mut Context<'_>) {
        let head = ctx.core().hub().head().seq;
        if ctx.core().end_channel(channel).is_some() {
            self.note(ctx, Fact::Ended { channel: channel.to_owned(), head });
        }
    }
}

/// The first number of each channel that is not lost.
pub(crate) fn lost(hub: &Hub, channels: &[&str]) -> Lost {
    let first =
        |name: &str| hub.info(name).and_then(|info| info.oldest).map_or(hub.head().seq + 1, |id| id.seq);
    channels.iter().map(|&name| (name.to_owned(), first(name))).collect()
}

fn wire_of(format: Format) -> WireFormat {
    match format {
        Format::Sse => WireFormat::SSE,
        Format::Envelope => WireFormat::SSE_ENVELOPE,
        Format::Stream => WireFormat::STREAM,
        Format::Ndjson => WireFormat::NDJSON,
        Format::Iframe => WireFormat::IFRAME,
        Format::Poll => WireFormat::JSON,
    }
}

fn since_of(since: &str) -> Since {
    match since {
        "" => Since::Head,
        "start" => Since::Start,
        id => MessageId::parse(id).map_or(Since::Head, Since::Id),
    }
}

//! Cursors: the one number that a subscriber owns.
//!
//! Called by: `mod.rs`, when somebody subscribes. Replay after a reconnect, a live stream and catching up behind a
//! blocked socket are the same thing: write what lies behind the cursor. There is no moment between a replay and a
//! registration in which a message could be lost, because there are no two steps.
//!
//! ```text
//!   the hub's sequence    …  12  13  14  15  16  17  18 ◄─ head
//!   a channel's ring               [14]    [16]    [18]          trimmed_through = 12
//!   cursor = 14                      ▲ 16 and 18 are lacking
//!   cursor = 9               12 was in between and is gone: a gap, then 14, 16 and 18
//! ```
//!
//! Invariant: a cursor only grows; all at or below it was taken or told of as missed.
//! Next: `channel.rs`.

use super::grace::Standing;
use super::message::MessageId;
use super::wire::Dress;

/// From where a subscriber wants to hear.
///
/// ```
/// use encke::http::query;
/// use encke::{MessageId, Since};
///
/// /// Where a peer wants to go on, of which its query tells: `?since=start`, `?since=17-4`, or from now on.
/// fn since(text: &str) -> Since {
///     match query::find(text, "since") {
///         Ok(Some(start)) if start == "start" => Since::Start,
///         Ok(Some(id)) => MessageId::parse(&id).map_or(Since::Head, Since::Id),
///         _ => Since::Head,
///     }
/// }
/// assert_eq!(since("since=17-4"), Since::Id(MessageId { epoch: 17, seq: 4 }));
/// assert_eq!((since("since=start"), since("")), (Since::Start, Since::Head));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From now on.
    Head,
    /// After the message with this id. An id of another epoch or from the future is answered with everything that is
    /// held, as a gap: what lies between is unknown, and a peer is never left to wait for a counter to pass its id.
    Id(MessageId),
    /// Everything that is held. That older messages are gone is a gap.
    Start,
}

/// Where a new subscriber stands.
///
/// ```
/// use encke::{Event, Limits, Message, MessageId, Since, WireFormat, testing};
///
/// let listen = testing::OnEvent(|event, ctx| {
///     if let Event::Begin(_) = event {
///         let known = MessageId { epoch: 1, seq: 1 };
///         let there = ctx.subscribe(&["news"], Since::Id(known), WireFormat::SSE).expect("it can");
///         // Of 2, 3 and 4 the ring holds only the last two.
///         assert!(there.gap && there.behind);
///         assert_eq!(there.at, MessageId { epoch: 1, seq: 2 });
///         let _ = ctx.start(200, &[]);
///     }
/// });
/// let mut server = testing::Server::new(listen, Limits { history_count_max: 2, ..Limits::default() });
/// for text in ["one", "two", "three", "four"] {
///     server.run(|_, core| core.publish("news", Message::new(text)))?;
/// }
/// let peer = server.get("/");
/// assert!(server.answers(peer)?[0].text().starts_with("id: 1-2\nevent: encke-gap\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The place behind which it hears everything. Who is cut before the first message resumes from here.
    pub at: MessageId,
    /// Whether messages that it asked for are gone. A format that can say so says it in the stream, before all else;
    /// where it cannot, this is the only word about it.
    pub gap: bool,
    /// Whether there is something to send to it now.
    pub behind: bool,
}

/// A subscriber as it stands in its audience's list: sixteen bytes, because the fan-out walks over all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscriber {
    /// All of its channels up to this number is behind it.
    pub(crate) cursor: u64,
    /// The name under which the engine knows it.
    pub(crate) name: u32,
    pub(crate) dress: Dress,
    pub(crate) opening: Opening,
    pub(crate) standing: Standing,
}

impl Subscriber {
    /// Whether it is not level with an audience that ends at `end`.
    pub(crate) fn lacks(&self, end: u64) -> bool {
        self.cursor < end || self.opening == Opening::Gap
    }

    /// Something was taken, after which it stands at `cursor`: messages, or the notice that comes before any.
    pub(crate) fn move_to(&mut self, cursor: u64) {
        debug_assert!(cursor > self.cursor || self.opening == Opening::Gap, "what is taken moves the cursor");
        self.cursor = cursor;
        self.opening = Opening::Done;
    }
}

const _: () = assert!(size_of::<Subscriber>() == 16);

/// Whether a subscriber has yet to be told that its first messages are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It subscribed with a gap, and is told so before all else.
    Gap,
    /// Nothing to tell, beyond what comparing the cursor with the rings shows.
    Done,
}

/// What the channels of an audience have lost: the least and the most of their `trimmed_through`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Up to here all of them have lost everything.
    pub(crate) least: u64,
    /// Behind this none has lost anything.
    pub(crate) most: u64,
}

/// A cursor, and whether something was missed before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) cursor: u64,
    pub(crate) gap: bool,
}

// TOUR 5.2
/// Where `since` is, in a hub whose newest message is `head` and for channels that have lost this much.
///
/// The cursor moves to where the first of their rings begins, for before that there is nothing to hear.
pub(crate) fn stand(since: Since, head: MessageId, lost: Lost) -> Stand {
    let asked = match since {
        Since::Head => head.seq,
        Since::Start => 0,
        Since::Id(id) if id.epoch == head.epoch && id.seq <= head.seq => id.seq,
        Since::Id(_) => return Stand { cursor: lost.least, gap: true },
    };
    Stand { cursor: asked.max(lost.least), gap: asked < lost.most }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: MessageId = MessageId { epoch: 7, seq: 20 };

    fn id(epoch: u64, seq: u64) -> Since {
        Since::Id(MessageId { epoch, seq })
    }

    #[test]
    fn every_since_stands_somewhere() {
        for (since, trimmed_through, cursor, gap) in [
            (Since::Head, 0, 20, false),
            (Since::Head, 20, 20, false),
            (Since::Start, 0, 0, false),
            (Since::Start, 5, 5, true),
            (id(7, 0), 0, 0, false),
            (id(7, 4), 5, 5, true),
            (id(7, 5), 5, 5, false),
            (id(7, 6), 5, 6, false),
            (id(7, 20), 5, 20, false),
            (id(7, 21), 5, 5, true),
            (id(7, u64::MAX), 0, 0, true),
            (id(8, 6), 5, 5, true),
            (id(6, 6), 0, 0, true),
        ] {
            let lost = Lost { least: trimmed_through, most: trimmed_through };
            let stands = stand(since, HEAD, lost);
            assert_eq!(stands, Stand { cursor, gap }, "{since:?}, trimmed through {trimmed_through}");
        }
    }

    #[test]
    fn of_several_channels_the_one_that_has_lost_least_says_where_to_begin() {
        for (since, cursor, gap) in [
            (Since::Head, 20, false),
            (Since::Start, 3, true),
            (id(7, 2), 3, true),
            (id(7, 6), 6, true),
            (id(7, 12), 12, false),
            (id(9, 12), 3, true),
        ] {
            assert_eq!(stand(since, HEAD, Lost { least: 3, most: 12 }), Stand { cursor, gap }, "{since:?}");
        }
    }
}

//! Channels from the subscriber's side: it comes, is visited, is lent what it lacks, and goes.
//!
//! Called by: the engine. `mod.rs` shows the order of these calls.
//!
//! Invariant: a cursor moves only over what was taken, or over what a notice has told of; whoever lacks something that can be lent is
//! in a hot audience, or blocked.
//! Next: `publish.rs`.

use std::panic::resume_unwind;

use super::audience::Hearing;
use super::batch::{self, Batch, Next, SharedBatch, Source};
use super::channel::Channel;
use super::cursor::{self, Lost, Opening, Since, Stand, Subscribed, Subscriber};
use super::grace::{Health, Standing};
use super::message::MessageId;
use super::pass::Turned;
use super::publish::check_set;
use super::wire::{Dress, Notice, Rest, WireFormat, Wrapping, guarded, wrap};
use super::{Hub, NOWHERE, News, Place, grow};
use crate::error::WriteError;

impl Hub {
    /// Lets `subscriber`, a small dense number of the engine's choosing, hear these channels from `since` on.
    ///
    /// Nobody is visited because of it. If the answer says `behind`, the engine lends it its first batch when its head is out.
    pub(crate) fn subscribe(
        &mut self,
        subscriber: u32,
        channels: &[&str],
        since: Since,
        format: WireFormat,
        wrapping: Wrapping,
    ) -> Result<Subscribed, WriteError> {
        debug_assert!(!self.is_subscribed(subscriber), "one subscription at a time");
        if !self.formats.knows(format) {
            return Err(WriteError::UnknownFormat);
        }
        let number = self.audience_of(channels)?;
        let audience = &mut self.audiences[number as usize];
        let trimmed = || audience.channels.iter().map(|&c| self.channels[c as usize].trimmed_through());
        let lost = Lost { least: trimmed().min().unwrap_or(0), most: trimmed().max().unwrap_or(0) };
        let Stand { cursor, gap } = cursor::stand(since, self.head, lost);
        let told = (gap && lost.most > cursor).then(|| trimmed().collect());
        // Whoever waits for a list is told beside it, and a raw stream in its head: only streams with notices owe one.
        let opening =
            if gap && self.formats.row(format).notice.is_some() { Opening::Gap } else { Opening::Done };
        let behind = cursor < audience.end || opening == Opening::Gap;
        let dress = Dress::new(format, wrapping);
        let standing = Standing::new(!behind);
        if !behind {
            audience.lower_floor(cursor);
        }
        let stands = Subscriber { cursor, name: subscriber, dress, opening, standing };
        let place = Place { audience: number, index: audience.subscribers.push(stands) };
        if let Some(told) = told {
            self.told.insert(subscriber, told);
        }
        self.settle(subscriber, place);
        self.stats.subscribers += 1;
        self.stats.gaps += u64::from(gap);
        Ok(Subscribed { at: MessageId { seq: cursor, ..self.head }, gap, behind })
    }

    /// What a subscription would be told now, without subscribing. `behind` is that of a format that can tell of a gap.
    ///
    /// ```
    /// use encke::{Engine, Message, MessageId, Since, Limits, time::Now};
    /// # use encke::{Ctx, Event, Handler, engine::{Moved, Transport}};
    /// # struct Nothing;
    /// # impl Handler for Nothing {
    /// #     type State = ();
    /// #     fn event(&mut self, _: Event<'_>, _: &mut Ctx<'_, ()>) {}
    /// # }
    /// # struct Link;
    /// # impl Transport for Link {
    /// #     fn read(&mut self, _: &mut [u8]) -> std::io::Result<Moved> { unreachable!() }
    /// #     fn write(&mut self, _: &[u8]) -> std::io::Result<Moved> { unreachable!() }
    /// #     fn shutdown_write(&mut self) -> std::io::Result<()> { Ok(()) }
    /// # }
    /// let mut engine: Engine<Link, _> = Engine::new(Nothing, Limits::default(), 17, Now::default())?;
    /// let id = engine.run(Now::default(), |_, core| core.publish("news", Message::new("Hello")).unwrap().id);
    /// let told = engine.core().hub().look(&["news"], Since::Id(MessageId { epoch: 17, seq: 0 })).unwrap();
    /// assert!(told.behind && !told.gap);
    /// assert_eq!(engine.core().hub().look(&["news"], Since::Head).unwrap().at, id);
    /// # Ok::<(), encke::LimitsError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Ctx::subscribe`](crate::Ctx::subscribe), as far as they can be known.
    pub fn look(&self, channels: &[&str], since: Since) -> Result<Subscribed, WriteError> {
        check_set(channels)?;
        if !self.may_open(self.missing(channels)) {
            return Err(WriteError::TooManyChannels);
        }
        let mut lost = Lost { least: u64::MAX, most: 0 };
        let mut end = 0;
        for name in channels {
            let known = self.names.get(*name).map(|&index| &self.channels[index as usize]);
            let trimmed = known.map_or(self.lost_through, Channel::trimmed_through);
            lost = Lost { least: lost.least.min(trimmed), most: lost.most.max(trimmed) };
            end = end.max(known.map_or(self.lost_through, Channel::end));
        }
        let Stand { cursor, gap } = cursor::stand(since, self.head, lost);
        Ok(Subscribed { at: MessageId { seq: cursor, ..self.head }, gap, behind: cursor < end || gap })
    }

    /// Ends a subscription. Does nothing if there is none.
    pub(crate) fn leave(&mut self, subscriber: u32) {
        let Some(place) = self.place(subscriber) else { return };
        let Hub { audiences, places, told, .. } = self;
        places[subscriber as usize] = NOWHERE;
        if !told.is_empty() {
            told.remove(&subscriber);
        }
        let subscribers = &mut audiences[place.audience as usize].subscribers;
        subscribers.remove(place.index, |moved, index| places[moved as usize].index = index);
        self.stats.subscribers -= 1;
        self.is_stirred = true;
        self.retire_audience_if_unused(place.audience);
    }

    /// Whether this number stands for a subscription.
    pub(crate) fn is_subscribed(&self, subscriber: u32) -> bool {
        self.place(subscriber).is_some()
    }

    /// Whether there may be visits to make. The last of them finds out that there are not.
    pub(crate) fn has_visits(&self) -> bool {
        !self.rotation.is_empty()
    }

    /// The next subscriber that lacks something, of the hot audiences in rotation.
    pub(crate) fn next_visit(&mut self) -> Option<u32> {
        loop {
            match self.rotation.turn(&mut self.audiences)? {
                Turned::Visit(subscriber) => return Some(subscriber),
                Turned::Over(audience) => self.retire_audience_if_unused(audience),
            }
        }
    }

    /// Whether there is something to lend to this subscriber.
    pub(crate) fn lacks(&self, subscriber: u32) -> bool {
        self.place(subscriber).is_some_and(|place| {
            let audience = &self.audiences[place.audience as usize];
            audience.subscribers.at(place.index).lacks(audience.target())
        })
    }

    /// Lends what a subscriber lacks: a notice, or as many frames as one batch holds.
    pub(crate) fn batch(&mut self, subscriber: u32) -> Batch<'_> {
        let Some(place) = self.place(subscriber) else { return Batch::Nothing };
        self.wake(place);
        let audience = &self.audiences[place.audience as usize];
        let by = *audience.subscribers.at(place.index);
        // Most visits end here: the neighbour before lacked the same.
        let is_kept = self.batch.kept_for(&by, place.audience, audience.end);
        if is_kept {
            return Batch::Bytes(self.batch.bytes());
        }
        let next = self.next_for(&by, place);
        if next == Next::Nothing {
            // Numbers that were not of its channels, or of which it was told: it stands behind them now.
            self.move_to_head(place);
            return Batch::Nothing;
        }
        let (batch, mut source) = self.source(subscriber, place);
        batch.lend(next, &by, &mut source)
    }

    /// Says that the first `bytes` of the batch lent just now were taken. The cursor moves past every frame of which a byte
    /// was taken; the rest of the last, if it was cut, goes to the caller, who owes it to the peer before all else.
    ///
    /// Nothing may happen to the hub between [`Hub::batch`] and this. Zero bytes move nothing.
    pub(crate) fn advance(&mut self, subscriber: u32, bytes: usize) -> Option<Rest> {
        if bytes == 0 {
            return None;
        }
        let place = self.place(subscriber)?;
        let audience = &self.audiences[place.audience as usize];
        let (end, target) = (audience.end, audience.target());
        let by = audience.subscribers.at(place.index);
        if by.opening == Opening::Done {
            // A notice that was due from the start has been counted then.
            self.stats.gaps += u64::from(self.batch.is_notice());
        }
        let Some(cursor) = self.batch.taken_whole(bytes, by) else {
            let (cursor, count, rest) = self.batch.taken_partly(bytes)?;
            self.stats.delivered += if self.batch.is_notice() { 0 } else { count as u64 };
            self.move_to(place, cursor);
            return rest;
        };
        self.stats.delivered += if self.batch.is_notice() { 0 } else { self.batch.count() as u64 };
        self.move_to(place, cursor);
        let audience = &mut self.audiences[place.audience as usize];
        let by = audience.subscribers.at_mut(place.index);
        if cursor >= end {
            self.graces.reach_head(&mut by.standing, subscriber, self.now);
        }
        if by.lacks(target) && audience.subscribers.revisit(place.index) {
            self.rotation.join(place.audience);
        }
        None
    }

    /// Takes what a subscriber lacks for an answer that is written elsewhere: its messages are appended to `out`, as many as are no
    /// longer than `bytes_max` together and at least one if there is any. Who leaves something is blocked, until it takes that.
    pub(crate) fn take(&mut self, subscriber: u32, bytes_max: usize, out: &mut Vec<u8>) -> News {
        let mut news = News { cursor: self.head, messages: 0, gap: false, ended: false };
        let Some(place) = self.place(subscriber) else { return news };
        self.wake(place);
        self.take_as_fits(place, bytes_max, out, &mut news);
        if self.lacks(subscriber) {
            // Nobody comes by again for what it has left, so it must not hold a ring for longer than it has grace.
            self.block(subscriber);
        }
        news
    }

    fn take_as_fits(&mut self, place: Place, bytes_max: usize, out: &mut Vec<u8>, news: &mut News) {
        loop {
            let by = *self.audiences[place.audience as usize].subscribers.at(place.index);
            let moved = match self.next_for(&by, place) {
                Next::Gap(through) => {
                    // A list says once what is missing before it; what is missing behind it, the next one says.
                    if news.messages > 0 {
                        news.cursor.seq = by.cursor;
                        return;
                    }
                    self.stats.gaps += u64::from(!news.gap && by.opening == Opening::Done);
                    news.gap = true;
                    through
                }
                Next::Messages(_) | Next::MessagesBeforeGap(_) if news.messages > 0 => {
                    news.cursor.seq = by.cursor;
                    return;
                }
                Next::Messages(limit) | Next::MessagesBeforeGap(limit) => {
                    let (batch, mut source) = self.source(by.name, place);
                    let Some(messages) = batch.messages(&by, limit, bytes_max, &mut source) else {
                        // This is a callback of the handler: the encoder's panic, which has been reported, goes on to its end.
                        resume_unwind(Box::new("the encoder of a format panicked"));
                    };
                    out.extend_from_slice(messages);
                    news.messages = batch.count();
                    let last = batch.last().unwrap_or(by.cursor);
                    self.stats.delivered += news.messages as u64;
                    last
                }
                Next::Nothing | Next::End => {
                    self.move_to_head(place);
                    let audience = &self.audiences[place.audience as usize];
                    if audience.hearing == Hearing::Ends {
                        news.ended = true;
                        news.cursor.seq = audience.subscribers.at(place.index).cursor;
                    }
                    return;
                }
            };
            self.move_to(place, moved);
        }
    }

    /// Writes what a subscriber's stream says when its channel has ended, framed as its bytes are.
    pub(crate) fn write_end(&self, subscriber: u32, out: &mut Vec<u8>) {
        let Some(by) = self.subscriber(subscriber) else { return };
        let Some(notice) = self.formats.row(by.dress.format()).notice else { return };
        let mut content = Vec::new();
        let id = MessageId { seq: by.cursor, ..self.head };
        // Half a notice is none; the stream ends all the same.
        if guarded(|| notice(Notice::End, id, &mut content)).is_none() {
            return;
        }
        wrap(by.dress.wrapping(), &content, out);
    }

    /// Says that a subscriber was offered something, or would have been, and takes nothing for now.
    pub(crate) fn block(&mut self, subscriber: u32) {
        let Some(place) = self.place(subscriber) else { return };
        let audience = &mut self.audiences[place.audience as usize];
        let by = audience.subscribers.at_mut(place.index);
        if by.standing.health() != Health::Reading {
            return;
        }
        self.graces.block(&mut by.standing, subscriber, self.now);
        if by.standing.health() == Health::Blocked {
            let cursor = by.cursor;
            audience.lower_blocked_floor(cursor);
        }
        self.is_stirred = true;
    }

    /// Says that a subscriber has taken all that it was owed: it is blocked no longer, whether or not there is more for it.
    pub(crate) fn unblock(&mut self, subscriber: u32) {
        let Some(place) = self.place(subscriber) else { return };
        self.wake(place);
        if !self.lacks(subscriber) {
            self.move_to_head(place);
        }
    }

    /// Writes what keeps a subscriber's idle stream alive, framed as its bytes are. Says whether its format has such a thing.
    pub(crate) fn write_heartbeat(&self, subscriber: u32, out: &mut Vec<u8>) -> bool {
        self.subscriber(subscriber).is_some_and(|by| self.formats.write_heartbeat(by.dress, out))
    }

    /// Whether a format has heartbeats.
    pub(crate) fn has_heartbeat(&self, format: WireFormat) -> bool {
        self.formats.row(format).heartbeat.is_some()
    }

    // ---- inside

    /// A subscriber that is given something takes again.
    fn wake(&mut self, place: Place) {
        let audience = &mut self.audiences[place.audience as usize];
        let by = audience.subscribers.at_mut(place.index);
        if self.graces.unblock(&mut by.standing, self.now) {
            let cursor = by.cursor;
            audience.lower_floor(cursor);
            self.is_stirred = true;
        }
    }

    /// A subscriber has taken what lies through `cursor`.
    fn move_to(&mut self, place: Place, cursor: u64) {
        let by = self.audiences[place.audience as usize].subscribers.at_mut(place.index);
        by.move_to(cursor);
        self.is_stirred = true;
        if !self.told.is_empty() {
            let name = by.name;
            self.forget_told(name, cursor);
        }
    }

    fn move_to_head(&mut self, place: Place) {
        let audience = &self.audiences[place.audience as usize];
        let end = audience.end;
        let by = audience.subscribers.at(place.index);
        if by.cursor < end {
            self.move_to(place, end);
        }
        let by = self.audiences[place.audience as usize].subscribers.at_mut(place.index);
        self.graces.reach_head(&mut by.standing, by.name, self.now);
    }

    fn next_for(&self, by: &Subscriber, place: Place) -> Next {
        batch::next(by, self.told_to(by.name), &self.audiences[place.audience as usize], &self.channels)
    }

    fn told_to(&self, subscriber: u32) -> Option<&[u64]> {
        if self.told.is_empty() { None } else { self.told.get(&subscriber).map(|told| &**told) }
    }

    /// What was told when it came is behind whoever has passed all of it.
    #[cold]
    fn forget_told(&mut self, subscriber: u32, cursor: u64) {
        if self.told.get(&subscriber).is_some_and(|told| told.iter().all(|&through| through <= cursor)) {
            self.told.remove(&subscriber);
        }
    }

    fn source(&mut self, subscriber: u32, place: Place) -> (&mut SharedBatch, Source<'_>) {
        let source = Source {
            number: place.audience,
            audience: &self.audiences[place.audience as usize],
            is_told: self.told_to(subscriber).is_some(),
            channels: &mut self.channels,
            formats: &self.formats,
            ledger: &self.ledger,
            epoch: self.head.epoch,
        };
        (&mut self.batch, source)
    }

    fn subscriber(&self, subscriber: u32) -> Option<&Subscriber> {
        let place = self.place(subscriber)?;
        Some(self.audiences[place.audience as usize].subscribers.at(place.index))
    }

    pub(crate) fn subscriber_mut(&mut self, subscriber: u32) -> Option<&mut Subscriber> {
        let place = self.place(subscriber)?;
        Some(self.audiences[place.audience as usize].subscribers.at_mut(place.index))
    }

    pub(crate) fn place(&self, subscriber: u32) -> Option<Place> {
        let place = *self.places.get(subscriber as usize)?;
        if place.audience == NOWHERE.audience { None } else { Some(place) }
    }

    fn settle(&mut self, subscriber: u32, place: Place) {
        while self.places.len() <= subscriber as usize {
            grow(&mut self.places);
            self.places.push(NOWHERE);
        }
        self.places[subscriber as usize] = place;
    }
}

//! Channels from the publisher's side: they come into being, get messages, are asked about, and are ended.
//!
//! Called by: the engine's core, for handlers.
//!
//! Invariant: a channel is there exactly while it has messages or an audience; of an ended one nothing can be heard anew, and who heard it
//! hears nothing that is published later.
//! Next: `keep.rs`.

use std::rc::Rc;

use super::audience::{Audience, Hearing};
use super::channel::{Channel, Life, RingBounds};
use super::message::{self, Message, MessageId, Novelty, Published};
use super::{CHANNELS_PER_SUBSCRIPTION_MAX, Hub};
use crate::error::WriteError;
use crate::time::Tick;

/// What is known of a channel.
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
/// server.get("/");
/// server.get("/");
/// server.run(|_, core| core.publish("news", Message::new("Hello")))?;
/// let info = server.engine().core().hub().info("news").expect("it has messages");
/// assert_eq!((info.subscribers, info.messages, info.bytes), (2, 1, 5));
/// assert!(info.oldest.is_some() && info.oldest == info.newest);
/// # Ok::<(), encke::WriteError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// How many hear it.
    pub subscribers: usize,
    /// Messages that it holds.
    pub messages: usize,
    /// Bytes of their payload and types.
    pub bytes: usize,
    /// The oldest of them.
    pub oldest: Option<MessageId>,
    /// The newest of them.
    pub newest: Option<MessageId>,
}

/// Channels that a subscription would open: how many, and what they cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    count: usize,
    cost: usize,
}

/// Refuses names that no subscription may have.
pub(crate) fn check_set(names: &[&str]) -> Result<(), WriteError> {
    if names.is_empty() {
        return Err(WriteError::BadName);
    }
    if names.len() > CHANNELS_PER_SUBSCRIPTION_MAX {
        return Err(WriteError::TooManyChannels);
    }
    names.iter().try_for_each(|name| message::check_channel(name))
}

impl Hub {
    /// What is known of a channel; nothing if it has neither messages nor subscribers.
    ///
    /// ```
    /// use encke::{Message, testing};
    ///
    /// let mut server = testing::serve(|_, _| {});
    /// let messages = |server: &testing::Server<_>| server.engine().core().hub().info("news").map(|info| info.messages);
    /// assert_eq!(messages(&server), None);
    /// server.run(|_, core| core.publish("news", Message::new("Hello")))?;
    /// assert_eq!(messages(&server), Some(1));
    /// # Ok::<(), encke::WriteError>(())
    /// ```
    #[must_use]
    pub fn info(&self, channel: &str) -> Option<ChannelInfo> {
        let index = *self.names.get(channel)?;
        let channel = &self.channels[index as usize];
        let load = channel.load();
        let id = |seq| MessageId { seq, ..self.head };
        Some(ChannelInfo {
            subscribers: self.subscribers_of(index),
            messages: load.messages,
            bytes: load.bytes,
            oldest: channel.oldest().map(id),
            newest: channel.newest().map(id),
        })
    }

    /// Appends a message to a channel, which comes into being if need be. Its subscribers are visited from now on.
    pub(crate) fn publish(&mut self, channel: &str, message: Message<'_>) -> Result<Published, WriteError> {
        self.append(channel, message, MessageId { seq: self.head.seq.saturating_add(1), ..self.head })
    }

    /// The same under an id from outside, which has to be of this epoch and above all before it. The last number of all is none: an
    /// ended channel's subscribers are to reach a place that no message has.
    pub(crate) fn append(
        &mut self,
        channel: &str,
        message: Message<'_>,
        id: MessageId,
    ) -> Result<Published, WriteError> {
        message.check()?;
        if id.epoch != self.head.epoch || id.seq <= self.head.seq || id.seq == u64::MAX {
            return Err(WriteError::StaleId);
        }
        let index = self.open(channel)?;
        let known = message.key.and_then(|key| self.channels[index as usize].receipt(key));
        if let Some((seq, subscribers)) = known {
            let id = MessageId { seq, ..self.head };
            let (pressure, novelty) = (self.pressure(index), Novelty::Repeated);
            return Ok(Published { id, subscribers, pressure, novelty });
        }
        self.head = id;
        self.stats.published += 1;
        let subscribers = self.subscribers_of(index);
        let ring =
            RingBounds { count_max: self.bounds.history_count_max, bytes_max: self.bounds.history_bytes_max };
        self.weigh(index, |channel| channel.append(id.seq, &message, subscribers, ring));
        self.ages.push(id.seq, index, Tick::at(self.now));
        for number in self.channels[index as usize].audiences.iter().copied() {
            let audience = &mut self.audiences[number as usize];
            if audience.hearing == Hearing::Ends {
                continue;
            }
            audience.end = id.seq;
            if !audience.subscribers.is_empty() && audience.subscribers.revisit(0) {
                self.rotation.join(number);
            }
        }
        self.keep_bounds();
        Ok(Published { id, subscribers, pressure: self.pressure(index), novelty: Novelty::New })
    }

    /// Ends a channel: whoever hears it gets what it lacks, is told, and goes. Its name is free at once. Says how many heard it, or
    /// that there is none.
    pub(crate) fn end_channel(&mut self, name: &str) -> Option<usize> {
        let index = self.names.remove(name)?;
        let subscribers = self.subscribers_of(index);
        let channel = &mut self.channels[index as usize];
        channel.life = Life::Ended;
        // Whoever comes back to the name with a cursor from before is told that something is missing.
        self.lost_through = self.lost_through.max(channel.end());
        for number in channel.audiences.clone() {
            let audience = &mut self.audiences[number as usize];
            audience.hearing = Hearing::Ends;
            self.sets.remove(&audience.channels);
            if audience.subscribers.revisit(0) {
                self.rotation.join(number);
            }
        }
        // Publishers to its audiences' other channels wait no longer for whoever stands at the end.
        self.is_stirred = true;
        self.release_held(index);
        self.retire_channel_if_unused(index);
        Some(subscribers)
    }

    /// The audience that hears exactly these channels, which come into being if need be. Whoever asks puts a subscriber in at once.
    pub(crate) fn audience_of(&mut self, names: &[&str]) -> Result<u32, WriteError> {
        check_set(names)?;
        // All room is made before anything is opened. Making it may let go of channels, also of these.
        loop {
            let before = self.channels.len();
            let missing = self.missing(names);
            if !self.may_open(missing) || missing.count > 0 && !self.make_room(missing.cost) {
                return Err(WriteError::TooManyChannels);
            }
            if self.channels.len() == before {
                break;
            }
        }
        let mut channels: Vec<u32> = names.iter().map(|name| self.find_or_create(name)).collect();
        channels.sort_unstable();
        channels.dedup();
        Ok(self.audience_of_numbers(&channels))
    }

    /// The channels of these names that are yet to come into being.
    pub(crate) fn missing(&self, names: &[&str]) -> Missing {
        let is_new =
            |index: usize, name: &str| !self.names.contains_key(name) && !names[..index].contains(&name);
        let new = names.iter().enumerate().filter(|(index, name)| is_new(*index, name));
        new.fold(Missing { count: 0, cost: 0 }, |missing, (_, name)| Missing {
            count: missing.count + 1,
            cost: missing.cost + Channel::cost(name),
        })
    }

    /// Whether subscribers may have so many more channels come into being. Whoever only listens needs no key, so channels take at most
    /// half of the memory for their sake, or listening to thousands of names would push everybody's messages out; and an eighth
    /// of the number stays for publishers.
    pub(crate) fn may_open(&self, missing: Missing) -> bool {
        let count_max = self.bounds.channels_max - self.bounds.channels_max / 8;
        missing.count == 0
            || self.channels.len() + missing.count <= count_max
                && self.channel_bytes + missing.cost <= self.bounds.memory_bytes_max / 2
    }

    fn audience_of_numbers(&mut self, numbers: &[u32]) -> u32 {
        let known = match numbers {
            [alone] => {
                let mut audiences = self.channels[*alone as usize].audiences.iter().copied();
                // The one that hears this channel alone stands in front.
                audiences.next().filter(|&number| self.audiences[number as usize].channels.len() == 1)
            }
            several => self.sets.get(several).copied(),
        };
        if let Some(number) = known {
            return number;
        }
        let channels: Rc<[u32]> = Rc::from(numbers);
        let heard = numbers.iter().map(|&channel| self.channels[channel as usize].end());
        let audience = Audience::new(Rc::clone(&channels), heard.max().unwrap_or(0));
        let number = self.audiences.insert(audience) as u32;
        match numbers {
            [alone] => self.channels[*alone as usize].audiences.insert(0, number),
            several => {
                several.iter().for_each(|&channel| self.channels[channel as usize].audiences.push(number));
                self.sets.insert(channels, number);
            }
        }
        number
    }

    /// The channel of this name, which begins to be if it is not. Whoever asks puts a message in at once.
    fn open(&mut self, name: &str) -> Result<u32, WriteError> {
        if !self.names.contains_key(name) {
            message::check_channel(name)?;
            if self.channels.len() >= self.bounds.channels_max
                || !self.make_room_for_newer(Channel::cost(name))
            {
                return Err(WriteError::TooManyChannels);
            }
        }
        Ok(self.find_or_create(name))
    }

    fn find_or_create(&mut self, name: &str) -> u32 {
        if let Some(&index) = self.names.get(name) {
            return index;
        }
        let name: Rc<str> = Rc::from(name);
        let channel = Channel::new(Rc::clone(&name), self.lost_through, &self.ledger);
        let index = self.channels.insert(channel) as u32;
        self.channel_bytes += Channel::cost(&name);
        self.names.insert(name, index);
        index
    }

    /// Lets an audience go that has no subscribers, and channels that nobody would miss then.
    pub(crate) fn retire_audience_if_unused(&mut self, number: u32) {
        let audience = &mut self.audiences[number as usize];
        if !audience.subscribers.is_empty() {
            return;
        }
        let channels = std::mem::take(&mut audience.channels);
        // One that is hot is named by the rotation: nobody finds it any more, and it comes by here again when it leaves that.
        if !audience.subscribers.is_hot() {
            self.audiences.remove(number as usize);
        }
        self.batch.forget_audience(number);
        if self.sets.get(&channels) == Some(&number) {
            self.sets.remove(&channels);
        }
        for &channel in channels.iter() {
            self.channels[channel as usize].audiences.retain(|&other| other != number);
            self.retire_channel_if_unused(channel);
        }
    }

    /// Lets a channel go that has neither messages nor an audience.
    pub(crate) fn retire_channel_if_unused(&mut self, index: u32) {
        if !self.channels[index as usize].is_unused() {
            return;
        }
        self.release_held(index);
        self.weigh(index, Channel::clear);
        let channel = self.channels.remove(index as usize);
        self.channel_bytes -= Channel::cost(&channel.name);
        if channel.life == Life::Open {
            self.names.remove(&channel.name);
        }
        self.lost_through = self.lost_through.max(channel.end());
    }

    /// How many hear a channel.
    pub(crate) fn subscribers_of(&self, index: u32) -> usize {
        let audiences = self.channels[index as usize].audiences.iter();
        audiences.map(|&number| self.audiences[number as usize].subscribers.len()).sum()
    }

    /// Does something to a channel's ring, and keeps the counts.
    pub(crate) fn weigh(&mut self, index: u32, action: impl FnOnce(&mut Channel)) {
        let channel = &mut self.channels[index as usize];
        let (before, lost) = (channel.load(), channel.trimmed_through());
        action(channel);
        let after = channel.load();
        if channel.trimmed_through() > lost {
            self.batch.note_trimmed(channel.trimmed_through());
        }
        self.is_stirred = true;
        self.stats.messages = self.stats.messages - before.messages + after.messages;
        self.stats.bytes = self.stats.bytes - before.bytes + after.bytes;
    }
}

//! The record: what was published where, who subscribed to what, what was ended and what was lost, gathered from the facts.
//!
//! Called by: `hearing.rs` and `keeping.rs`.
//!
//! A channel that is ended frees its name, and another one may have it. So a channel is a name and the number of its *life*.
//!
//! Next: `hearing.rs`.

use std::collections::BTreeMap;

use encke::time::Instant;

use crate::history::{Entry, Fact, Format, Lost, Tag};

/// A message as it was published.
pub(crate) struct Publication<'e> {
    pub(crate) at: Instant,
    pub(crate) channel: &'e str,
    pub(crate) life: usize,
    pub(crate) seq: u64,
    pub(crate) data: &'e str,
}

/// A channel was ended when `head` was the newest number.
pub(crate) struct Ended<'e> {
    pub(crate) channel: &'e str,
    pub(crate) life: usize,
    pub(crate) head: u64,
    pub(crate) at: Instant,
}

/// A subscription, long-polls among them.
pub(crate) struct Subscription<'e> {
    pub(crate) begun: Instant,
    /// What it hears: names and lives.
    pub(crate) channels: Vec<(&'e str, usize)>,
    pub(crate) since: Option<u64>,
    pub(crate) at: u64,
    pub(crate) gap: bool,
    pub(crate) format: Format,
    pub(crate) lost: &'e Lost,
    /// What the channels had lost when a long-poll was answered.
    pub(crate) lost_at_take: Option<&'e Lost>,
    /// When its exchange was over, or a long-poll was answered.
    pub(crate) over: Option<Instant>,
}

/// All of it.
pub(crate) struct Record<'e> {
    /// In the order of their numbers.
    pub(crate) publications: Vec<Publication<'e>>,
    pub(crate) ends: Vec<Ended<'e>>,
    pub(crate) subscriptions: BTreeMap<Tag, Subscription<'e>>,
    trims: &'e [(Instant, String, u64)],
}

impl<'e> Record<'e> {
    pub(crate) fn new(entries: &'e [Entry], trims: &'e [(Instant, String, u64)]) -> Record<'e> {
        let (publications, ends) = (Vec::new(), Vec::new());
        let mut record = Record { publications, ends, subscriptions: BTreeMap::new(), trims };
        for entry in entries {
            record.add(entry);
        }
        record
    }

    fn add(&mut self, entry: &'e Entry) {
        let at = entry.at;
        match &entry.fact {
            Fact::Published { channel, seq, data, .. } => {
                let life = self.life(channel);
                self.publications.push(Publication { at, channel, life, seq: *seq, data });
            }
            Fact::Ended { channel, head } => {
                let life = self.life(channel);
                self.ends.push(Ended { channel, life, head: *head, at });
            }
            Fact::Subscribed { channels, since, at, gap, format, lost } => {
                let channels = channels.iter().map(|name| (&name[..], self.life(name))).collect();
                let (since, at, gap, format) = (*since, *at, *gap, *format);
                let (begun, lost_at_take, over) = (entry.at, None, None);
                let stands =
                    Subscription { begun, channels, since, at, gap, format, lost, lost_at_take, over };
                self.subscriptions.insert(entry.tag, stands);
            }
            Fact::Took { lost, .. } => {
                if let Some(subscription) = self.subscriptions.get_mut(&entry.tag) {
                    subscription.lost_at_take = Some(lost);
                    subscription.over = Some(at);
                }
            }
            Fact::End(_) => {
                if let Some(subscription) = self.subscriptions.get_mut(&entry.tag) {
                    subscription.over.get_or_insert(at);
                }
            }
            _ => {}
        }
    }

    /// Which life of a name is the present one.
    fn life(&self, name: &str) -> usize {
        self.ends.iter().filter(|end| end.channel == name).count()
    }

    /// Whether a message could no longer be heard at a time, as far as the samples tell.
    pub(crate) fn is_gone(&self, message: &Publication<'_>, at: Instant) -> bool {
        let of_name = |(when, name, _): &&(Instant, String, u64)| *when <= at && name == message.channel;
        let first = self.trims.iter().rev().find(of_name).map_or(0, |(.., first)| *first);
        message.seq < first
    }
}

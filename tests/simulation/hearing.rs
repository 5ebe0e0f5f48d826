//! What subscribers hear: every message of their channels once, whole and in the order of the hub's numbers, or a word about those that are
//! missing; within one answer, and over the whole life of a client that comes back with its cursor.
//!
//! Called by: `oracle::judge`. `words.rs` reads the bodies of answers as a client would.
//!
//! A word about a gap excuses only what was gone when it was said, not whatever happens to be missing. Of several channels it stands
//! where the last message stood that is missing, which may be behind later messages of other channels: until then it is owed, to whoever
//! goes on listening or comes back.
//!
//! Next: `keeping.rs`.

use std::time::Duration;

use encke::time::Instant;

use crate::history::{Answer, Format, Heard, Lost, Outcome, Tag};
use crate::oracle::{Verdict, answers};
use crate::record::{Publication, Record, Subscription};
use crate::words::{self, Said, Word};

/// Judges every answer that listened to channels. Peers who are `diligent` stayed and read to the end, and must have heard all.
pub(crate) fn channels(record: &Record<'_>, heard: &[Heard], diligent: &[usize]) -> Verdict {
    for (tag, answer) in answers(heard) {
        let Some(subscription) = subscription_of(record, tag, answer) else { continue };
        // Another epoch's number is no place: everything is missing, and told so.
        let from = subscription.since.unwrap_or(0);
        let mut walk = Walk::new(record, tag, subscription, Identity::Life, from);
        walk.follow(answer)?;
        if diligent.contains(&tag.peer) && !walk.is_ended {
            walk.expect_none_before(u64::MAX, "and left though it was diligent")?;
            walk.expect_nothing_owed()?;
        }
    }
    Ok(())
}

/// Judges peers who come back with their cursors, over all of their answers together. What they have missed between two answers
/// counts too, and messages count by the names of channels, whichever life of the name they belong to.
pub(crate) fn whole_lives(record: &Record<'_>, heard: &[Heard], faithful: &[usize]) -> Verdict {
    for &peer in faithful {
        let (mut stands, mut owed) = (None, Vec::new());
        for (request, answer) in heard[peer].answers.iter().enumerate() {
            let tag = Tag { peer, request };
            let Some(subscription) = subscription_of(record, tag, answer) else { continue };
            let from = stands.or(subscription.since).unwrap_or(0);
            let mut walk = Walk::new(record, tag, subscription, Identity::Name, from);
            walk.owed = owed;
            walk.settle_debts()?;
            walk.follow(answer)?;
            // Who has not even heard the head has no cursor, and begins anew. A head alone has one, and may tell of a gap before it.
            if let Some(place) = words::place(answer) {
                walk.jump(place.seq.max(walk.stands))?;
                stands = Some(walk.stands);
            }
            owed = walk.owed;
        }
    }
    Ok(())
}

/// A long-poll is answered as soon as there is something: this long is borne, for many may be visited one a turn.
const AT_ONCE: Duration = Duration::from_millis(50);

/// Judges that no long-poll waits while there is something to answer. Whoever is `patient` takes its time on purpose.
pub(crate) fn polls(record: &Record<'_>, patient: &[usize]) -> Verdict {
    for (tag, poll) in record
        .subscriptions
        .iter()
        .filter(|(tag, poll)| poll.format == Format::Poll && !patient.contains(&tag.peer))
    {
        let concerns = |channel: &str, life: usize| poll.channels.contains(&(channel, life));
        let is_new =
            |message: &&Publication<'_>| message.seq > poll.at && concerns(message.channel, message.life);
        let first = record.publications.iter().find(is_new).map(|message| message.at);
        let ended = record.ends.iter().find(|end| concerns(end.channel, end.life) && end.at >= poll.begun);
        let Some(due) = [first, ended.map(|end| end.at)].into_iter().flatten().min() else { continue };
        let due = due.max(poll.begun) + AT_ONCE;
        if poll.over.is_none_or(|over| over > due) {
            return Err(format!("the poll {tag} should be answered by {due:?}, and was at {:?}", poll.over));
        }
    }
    Ok(())
}

fn subscription_of<'r>(record: &'r Record<'_>, tag: Tag, answer: &Answer) -> Option<&'r Subscription<'r>> {
    record.subscriptions.get(&tag).filter(|_| answer.tag.is_some())
}

/// Whether a channel that was ended and one that has its name now are the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Identity {
    Name,
    Life,
}

/// A subscriber's cursor as it walks over what it heard.
struct Walk<'r> {
    record: &'r Record<'r>,
    tag: Tag,
    subscription: &'r Subscription<'r>,
    identity: Identity,
    /// All up to here was heard or told of.
    stands: u64,
    /// Of what it was told that it is missing.
    told: Option<&'r Lost>,
    /// What it has not heard and has yet to be told of.
    owed: Vec<&'r Publication<'r>>,
    is_ended: bool,
    /// When it heard the present word.
    now: Instant,
}

impl<'r> Walk<'r> {
    fn new(
        record: &'r Record<'r>,
        tag: Tag,
        subscription: &'r Subscription<'r>,
        identity: Identity,
        stands: u64,
    ) -> Walk<'r> {
        // Whoever subscribes with a gap can say so in the head, whatever the format.
        let told = (subscription.gap && subscription.format != Format::Poll).then_some(subscription.lost);
        let (owed, now) = (Vec::new(), subscription.begun);
        Walk { record, tag, subscription, identity, stands, told, owed, is_ended: false, now }
    }

    fn follow(&mut self, answer: &Answer) -> Verdict {
        let (tag, subscription) = (self.tag, self.subscription);
        let is_whole = matches!(answer.outcome, Outcome::Complete(_));
        let words = words::read(subscription.format, &tag.to_string(), &answer.body, is_whole)?;
        if subscription.format == Format::Poll {
            let says_gap = String::from_utf8_lossy(&answer.body).contains("\"gap\":true");
            self.told = subscription.lost_at_take.filter(|_| says_gap);
            if is_whole {
                self.owed.retain(|_| !says_gap);
                self.expect_nothing_owed()?;
            }
        } else if subscription.gap
            && subscription.format != Format::Stream
            && let Some(Said { word: Word::Message { .. }, .. }) = words.first()
        {
            return Err(format!("subscriber {tag} was not told of the gap before its first message"));
        }
        for said in words {
            if self.is_ended {
                return Err(format!("subscriber {tag} heard {:?} behind the end", said.word));
            }
            // When it was heard; it was said before.
            let mark = answer.marks.iter().find(|(bytes, _)| *bytes >= said.end);
            self.now = mark.map_or(self.now, |(_, at)| *at);
            match said.word {
                Word::Message { id, channel, data } => {
                    self.hear(id.map(|id| id.seq), channel.as_deref(), &data)?;
                }
                Word::Gap(id) => self.miss(id.seq)?,
                Word::End(id) => self.end(id.seq)?,
                Word::Cursor(id) => self.jump(id.seq)?,
            }
        }
        Ok(())
    }

    fn hear(&mut self, seq: Option<u64>, channel: Option<&str>, data: &str) -> Verdict {
        let tag = self.tag;
        let is_it = |message: &&Publication<'_>| {
            self.concerns(message)
                && message.data == data
                && seq.is_none_or(|seq| message.seq == seq)
                && channel.is_none_or(|channel| message.channel == channel)
        };
        let Some(message) = self.record.publications.iter().find(is_it) else {
            return Err(format!(
                "subscriber {tag} heard {seq:?} {data:?}, which nobody has published for it"
            ));
        };
        if message.seq <= self.stands {
            return Err(format!(
                "subscriber {tag} heard {} {data:?}, and stands at {}",
                message.seq, self.stands
            ));
        }
        let skipped: Vec<_> = self.lacking().filter(|other| other.seq < message.seq).collect();
        self.owed.extend(skipped);
        let can_be_told = self.subscription.format != Format::Stream;
        let may_be_owed = |owed: &Publication<'_>| {
            can_be_told && owed.channel != message.channel && self.record.is_gone(owed, self.now)
        };
        if let Some(owed) = self.owed.iter().find(|owed| !may_be_owed(owed)) {
            return Err(format!("subscriber {tag} heard {}, and never got {}", message.seq, owed.seq));
        }
        self.stands = message.seq;
        Ok(())
    }

    /// A notice. What it speaks of is gone, or it hides something.
    fn miss(&mut self, through: u64) -> Verdict {
        if through < self.stands {
            return Err(format!("subscriber {} was told of a gap behind itself", self.tag));
        }
        let hidden =
            self.lacking().find(|message| message.seq <= through && !self.record.is_gone(message, self.now));
        if let Some(message) = hidden {
            return Err(format!(
                "subscriber {} was told of a gap through {through}, and {} was there",
                self.tag, message.seq
            ));
        }
        self.owed.retain(|owed| owed.seq > through);
        self.stands = through;
        Ok(())
    }

    /// Whoever comes back is told what it is owed: by then all of it is gone.
    fn settle_debts(&mut self) -> Verdict {
        match self.subscription.format {
            // The answer will say so, or its own words have to.
            Format::Poll => Ok(()),
            _ if self.subscription.gap || self.owed.is_empty() => {
                self.owed.clear();
                Ok(())
            }
            _ => self.expect_nothing_owed(),
        }
    }

    fn expect_nothing_owed(&self) -> Verdict {
        match self.owed.first() {
            Some(owed) => {
                Err(format!("subscriber {} never got {} and was never told so", self.tag, owed.seq))
            }
            None => Ok(()),
        }
    }

    fn end(&mut self, seq: u64) -> Verdict {
        let (tag, subscription) = (self.tag, self.subscription);
        let is_its = |channel: &str, life: usize| subscription.channels.contains(&(channel, life));
        let Some(end) = self.record.ends.iter().find(|end| is_its(end.channel, end.life)) else {
            return Err(format!("subscriber {tag} heard of an end that nobody has made"));
        };
        self.expect_none_before(end.head + 1, "and heard of the end")?;
        self.expect_nothing_owed()?;
        self.is_ended = true;
        self.jump(seq.max(self.stands))
    }

    /// It stands here from now on, and has heard all before.
    fn jump(&mut self, seq: u64) -> Verdict {
        if seq > self.stands {
            self.expect_nothing_owed()?;
        }
        if seq < self.stands {
            return Err(format!("subscriber {} is sent back from {} to {seq}", self.tag, self.stands));
        }
        self.expect_none_before(seq + 1, "and got a cursor behind it")?;
        self.stands = seq;
        Ok(())
    }

    fn expect_none_before(&self, seq: u64, what: &str) -> Verdict {
        match self.lacking().find(|message| message.seq < seq) {
            Some(message) => Err(format!(
                "subscriber {} stands at {}, never got {} {what}",
                self.tag, self.stands, message.seq
            )),
            None => Ok(()),
        }
    }

    /// What it has not heard and was not told of.
    fn lacking(&self) -> impl Iterator<Item = &'r Publication<'r>> + use<'_, 'r> {
        // One word is for all channels together: what goes later of what lies before the last that was missing then is told too.
        let is_told = |message: &Publication<'_>| {
            let first = |(name, first): &(String, u64)| {
                message.seq < *first && (name == message.channel || self.record.is_gone(message, self.now))
            };
            self.told.is_some_and(|lost| lost.iter().any(first))
        };
        let publications = self.record.publications.iter();
        publications
            .filter(move |message| message.seq > self.stands && self.concerns(message) && !is_told(message))
    }

    fn concerns(&self, message: &Publication<'_>) -> bool {
        let mut channels = self.subscription.channels.iter();
        channels.any(|&(name, life)| {
            name == message.channel && (self.identity == Identity::Name || life == message.life)
        })
    }
}

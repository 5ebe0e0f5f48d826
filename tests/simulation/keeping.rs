//! What the engine keeps to: its bound on memory, the patience of channels, one message a key, and no harm to the healthy.
//!
//! Called by: `oracle::judge` and the storms.
//!
//! Next: `forged.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use encke::Cause;
use encke::time::Instant;

use crate::history::{Entry, Fact, Heard, Sample};
use crate::oracle::{Verdict, answers};
use crate::record::{Ended, Publication, Record};
use crate::words::{self, Word};

/// What is held is within the bound after each turn. Only the newest message stays whatever it costs, with its frames: that of a channel
/// that was ended until everybody has it, and then an earlier one. And cutting those who hold frames goes on over some turns.
pub(crate) fn memory(samples: &[Sample], record: &Record<'_>, bytes_max: usize) -> Verdict {
    const OVER_MAX: Duration = Duration::from_millis(20);
    let (mut published, mut over_since) = (0, None);
    for sample in samples {
        published +=
            record.publications[published..].iter().take_while(|message| message.at <= sample.at).count();
        let is_ended = |message: &&Publication<'_>| {
            let ends = |end: &Ended<'_>| (end.channel, end.life) == (message.channel, message.life);
            record.ends.iter().any(|end| end.at <= sample.at && ends(end))
        };
        let mut newest_first = record.publications[..published].iter().rev();
        let stays = newest_first.clone().take(1).chain(newest_first.find(|message| !is_ended(message)));
        let most = bytes_max + stays.map(|message| cost(message.data.len())).max().unwrap_or(0);
        if sample.memory <= bytes_max || sample.messages <= 1 && sample.memory <= most {
            over_since = None;
            continue;
        }
        let since = *over_since.get_or_insert(sample.at);
        if !sample.is_busy || sample.at.since(since) > OVER_MAX {
            return Err(format!("at {:?} more is held than {bytes_max}: {sample:?}", sample.at));
        }
    }
    Ok(())
}

/// What a message of so many bytes may cost at most: itself, a frame in each of seven formats, and some small things besides.
fn cost(bytes: usize) -> usize {
    8 * bytes + 4_000
}

/// The most that a publisher waits at a stretch, and that a channel holds publishers in any ten seconds.
const STRETCH_MAX: Duration = Duration::from_millis(2_500);
const SHARE_MAX: Duration = Duration::from_millis(5_000);
const WINDOW: Duration = Duration::from_secs(10);
/// Turns take time too, and links.
const LATE_MAX: Duration = Duration::from_millis(60);

/// Publishers who are `punctual` have sent their bodies with the heads: what they wait for is the channel and nothing else.
pub(crate) fn patience(entries: &[Entry], punctual: &[usize]) -> Verdict {
    // A channel that has the name of one that was ended is another one, with a patience of its own.
    let mut lives = BTreeMap::<&str, usize>::new();
    let mut open = BTreeMap::new();
    let mut holds = BTreeMap::<(&str, usize), Vec<(Instant, Instant)>>::new();
    for Entry { tag, fact, at } in entries {
        match fact {
            Fact::Ended { channel, .. } => *lives.entry(channel).or_default() += 1,
            Fact::Pressed { channel, is_held: true } if punctual.contains(&tag.peer) => {
                let life = lives.get(&channel[..]).copied().unwrap_or_default();
                open.insert(*tag, (&channel[..], life, *at));
            }
            Fact::Data(_) | Fact::Done | Fact::End(_) => {
                let Some((channel, life, held)) = open.remove(tag) else { continue };
                let waited = at.since(held);
                if waited > STRETCH_MAX + LATE_MAX {
                    return Err(format!("the publisher {tag} was held for {waited:?}"));
                }
                holds.entry((channel, life)).or_default().push((held, *at));
            }
            _ => {}
        }
    }
    if let Some((tag, _)) = open.first_key_value() {
        return Err(format!("the publisher {tag} was held and never let go"));
    }
    for ((channel, _), holds) in holds {
        let holds = united(holds);
        for &(begin, _) in &holds {
            let end = begin + WINDOW;
            let within = holds.iter().filter(|(from, _)| *from >= begin && *from < end);
            let held: Duration = within.map(|(from, to)| (*to).min(end).since(*from)).sum();
            if held > SHARE_MAX + LATE_MAX {
                return Err(format!(
                    "{channel} held publishers for {held:?} of the ten seconds from {begin:?}"
                ));
            }
        }
    }
    Ok(())
}

/// The same times without overlaps, in order.
fn united(mut spans: Vec<(Instant, Instant)>) -> Vec<(Instant, Instant)> {
    spans.sort_unstable();
    let mut united = Vec::<(Instant, Instant)>::new();
    for (from, to) in spans {
        match united.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => united.push((from, to)),
        }
    }
    united
}

/// While a channel holds a message with a key, no other message gets this key, and its publisher is told of that message.
pub(crate) fn keys(entries: &[Entry]) -> Verdict {
    let mut newest = BTreeMap::<(&str, &str), u64>::new();
    for entry in entries {
        match &entry.fact {
            Fact::Published { channel, seq, key, oldest, .. } if !key.is_empty() => {
                let before = newest.insert((channel, key), *seq);
                let held = before.filter(|before| oldest.is_some_and(|oldest| oldest <= *before));
                if let Some(held) = held {
                    return Err(format!("{seq} has the key {key} of {held}, which {channel} still holds"));
                }
            }
            Fact::Repeated { channel, seq, key, oldest } => {
                let known = newest.get(&(&channel[..], &key[..])).copied();
                if known != Some(*seq) || oldest.is_none_or(|oldest| oldest > *seq) {
                    return Err(format!(
                        "who came with the key {key} of {known:?} was told of {seq}, and {channel} holds {oldest:?}"
                    ));
                }
            }
            // The name is another channel's from now on.
            Fact::Ended { channel, .. } => newest.retain(|(name, _), _| name != channel),
            _ => {}
        }
    }
    Ok(())
}

/// How often publishers had to wait.
pub(crate) fn holds(entries: &[Entry]) -> usize {
    entries.iter().filter(|entry| matches!(entry.fact, Fact::Pressed { is_held: true, .. })).count()
}

/// Whoever is healthy was neither cut nor told of a gap.
pub(crate) fn health(entries: &[Entry], heard: &[Heard], healthy: &[usize]) -> Verdict {
    for entry in entries.iter().filter(|entry| healthy.contains(&entry.tag.peer)) {
        match &entry.fact {
            Fact::Error(cause @ Cause::Stalled(_)) => {
                return Err(format!("the healthy reader {} was cut: {cause:?}", entry.tag));
            }
            Fact::Subscribed { gap: true, .. } | Fact::Took { gap: true, .. } => {
                return Err(format!("the healthy reader {} has missed something", entry.tag));
            }
            _ => {}
        }
    }
    for (tag, answer) in answers(heard).filter(|(tag, _)| healthy.contains(&tag.peer)) {
        let words = answer.format.map(|format| words::read(format, &tag.to_string(), &answer.body, false));
        let words = words.transpose()?.unwrap_or_default();
        if words.iter().any(|said| matches!(said.word, Word::Gap(_))) {
            return Err(format!("the healthy reader {tag} was told of a gap"));
        }
    }
    Ok(())
}

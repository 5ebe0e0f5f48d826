//! The law of events as code: pure functions over what the application was told and what the peers heard.
//!
//! Called by: every story and every storm, at its end. Each oracle objects with one sentence, or is silent.
//! What subscribers hear is judged in `hearing.rs`, and what the engine keeps to in `keeping.rs`.
//!
//! Absent on purpose: anything of the engine but its counts. `forged.rs` feeds each oracle a history that never happened, for
//! an oracle that has never objected proves nothing.
//!
//! Next: `record.rs`, `hearing.rs`, `keeping.rs`, `forged.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use encke::time::Instant;
use encke::{Cause, End, Limits, WriteError};

use crate::crowd::Crowd;
use crate::history::{Answer, Entry, Fact, Heard, Log, OUTSIDE, Outcome, Tag};
use crate::record::Record;
use crate::world::TheEngine;
use crate::{hearing, keeping};

pub(crate) type Verdict = Result<(), String>;

/// Every oracle, in order of weight.
pub(crate) fn judge(log: &Log, heard: &[Heard], crowd: &Crowd, limits: &Limits) -> Verdict {
    let entries = &log.entries[..];
    lives(entries)?;
    causes(entries)?;
    closings(entries, heard)?;
    promptness(entries)?;
    reads(entries)?;
    stale_handles(entries)?;
    bodies(entries, heard)?;
    order(heard)?;
    pollution(entries, heard)?;
    strangers(heard)?;
    completion(entries, heard)?;
    let record = Record::new(entries, &log.trims);
    hearing::channels(&record, heard, &crowd.diligent)?;
    hearing::whole_lives(&record, heard, &crowd.returning)?;
    hearing::polls(&record, &crowd.patient)?;
    keeping::memory(&log.samples, &record, limits.memory_bytes_max)?;
    keeping::patience(entries, &crowd.punctual)?;
    keeping::keys(entries)
}

/// Who closes from outside waits for a turn, and for others whose turn it is: the world makes two hundred turns in this time.
const AT_ONCE: Duration = Duration::from_millis(1);

/// The facts of each exchange, in order.
pub(crate) fn by_exchange(entries: &[Entry]) -> BTreeMap<Tag, Vec<&Entry>> {
    let mut exchanges = BTreeMap::<Tag, Vec<&Entry>>::new();
    for entry in entries.iter().filter(|entry| entry.tag != OUTSIDE) {
        exchanges.entry(entry.tag).or_default().push(entry);
    }
    exchanges
}

fn is_event(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Begin
            | Fact::Data(_)
            | Fact::Done
            | Fact::Error(_)
            | Fact::End(_)
            | Fact::Drained
            | Fact::Timer(_)
    )
}

// TOUR 8.2
/// `Begin` is first and comes once; `End` comes once and is last.
pub(crate) fn lives(entries: &[Entry]) -> Verdict {
    for (tag, facts) in by_exchange(entries) {
        let events: Vec<&Fact> =
            facts.iter().map(|entry| &entry.fact).filter(|fact| is_event(fact)).collect();
        let begins = events.iter().filter(|fact| ***fact == Fact::Begin).count();
        let ends = events.iter().filter(|fact| matches!(fact, Fact::End(_))).count();
        if events.first() != Some(&&Fact::Begin) || begins != 1 {
            return Err(format!("exchange {tag} does not begin with its one Begin: {events:?}"));
        }
        if ends != 1 || !matches!(events.last(), Some(Fact::End(_))) {
            return Err(format!("exchange {tag} has {ends} Ends, or something behind it: {events:?}"));
        }
    }
    Ok(())
}

/// A fatal cause comes once and `End(Failed)` is the next event; `End(Failed)` has such a cause, or the handler asked for it.
pub(crate) fn causes(entries: &[Entry]) -> Verdict {
    for (tag, facts) in by_exchange(entries) {
        let mut fatal = None;
        let mut has_aborted = false;
        for entry in facts {
            match &entry.fact {
                Fact::AbortAsked => has_aborted = true,
                Fact::Error(Cause::Timeout) if fatal.is_none() => {}
                Fact::Error(cause) if fatal.is_none() => fatal = Some(*cause),
                Fact::End(End::Failed) if fatal.is_none() && !has_aborted => {
                    return Err(format!("exchange {tag} failed and nobody said why"));
                }
                Fact::End(End::Failed) => {}
                event if fatal.is_some() && is_event(event) => {
                    return Err(format!("exchange {tag} got {event:?} behind the fatal {fatal:?}"));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// An exchange ends well because somebody has closed it, or a channel that it hears was ended; and a HEAD by itself.
pub(crate) fn closings(entries: &[Entry], heard: &[Heard]) -> Verdict {
    let mut ended: Vec<&String> = Vec::new();
    let (mut asked, mut hears) = (BTreeSet::new(), BTreeMap::new());
    for Entry { tag, fact, .. } in entries {
        match fact {
            Fact::CloseAsked => _ = asked.insert(*tag),
            Fact::Ended { channel, .. } => ended.push(channel),
            Fact::Subscribed { channels, .. } => _ = hears.insert(*tag, (channels, ended.len())),
            Fact::End(End::Closed) if !asked.contains(tag) => {
                let is_ended = hears.get(tag).is_some_and(|(channels, from)| {
                    ended[*from..].iter().any(|channel| channels.contains(channel))
                });
                let request = heard.get(tag.peer).and_then(|heard| heard.asked.get(tag.request));
                if !is_ended && request.is_none_or(|request| request.method != "HEAD") {
                    return Err(format!("exchange {tag} was closed and nobody has asked for it"));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What decides that an exchange is over is followed by `End` at once: not when the peer stirs, nor when all is flushed.
pub(crate) fn promptness(entries: &[Entry]) -> Verdict {
    for (tag, facts) in by_exchange(entries) {
        let mut decided = None;
        for entry in facts {
            match &entry.fact {
                Fact::End(_) if decided.is_some_and(|at| at + AT_ONCE < entry.at) => {
                    return Err(format!(
                        "exchange {tag} was over at {decided:?} and heard so at {:?}",
                        entry.at
                    ));
                }
                Fact::End(_) => break,
                Fact::Error(Cause::Timeout) => {}
                Fact::CloseAsked | Fact::AbortAsked | Fact::Error(_) if decided.is_none() => {
                    decided = Some(entry.at);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// `Read(Done)` comes at most once, and no `Read` behind it; `Data` is never empty. A tunnel begins anew.
pub(crate) fn reads(entries: &[Entry]) -> Verdict {
    for (tag, facts) in by_exchange(entries) {
        let mut is_done = false;
        for entry in facts {
            match &entry.fact {
                Fact::Switched => is_done = false,
                Fact::Data(bytes) if bytes.is_empty() => return Err(format!("exchange {tag} read nothing")),
                Fact::Data(_) if is_done => {
                    return Err(format!("exchange {tag} read on behind Read(Done)"));
                }
                Fact::Done if is_done => return Err(format!("exchange {tag} was done twice")),
                Fact::Done => is_done = true,
                _ => {}
            }
        }
    }
    Ok(())
}

/// A handle whose exchange has ended is an error for whoever writes.
pub(crate) fn stale_handles(entries: &[Entry]) -> Verdict {
    match entries
        .iter()
        .find(|entry| matches!(&entry.fact, Fact::Stale(outcome) if *outcome != Err(WriteError::Ended)))
    {
        Some(entry) => Err(format!("a stale handle was answered {:?} in {}", entry.fact, entry.tag)),
        None => Ok(()),
    }
}

/// What an exchange has read is what its peer sent: from the beginning, and with `Done` all of it.
pub(crate) fn bodies(entries: &[Entry], heard: &[Heard]) -> Verdict {
    for (tag, facts) in by_exchange(entries) {
        let Some(asked) = heard.get(tag.peer).and_then(|heard| heard.asked.get(tag.request)) else {
            continue;
        };
        if facts.iter().any(|entry| entry.fact == Fact::Switched) {
            continue;
        }
        let read = concatenated(&facts, |fact| if let Fact::Data(bytes) = fact { Some(bytes) } else { None });
        let is_done = facts.iter().any(|entry| entry.fact == Fact::Done);
        if !asked.body.starts_with(&read) {
            return Err(format!("exchange {tag} read bytes that its peer did not send"));
        }
        // A handler that discards hears nothing but the end.
        if is_done && !read.is_empty() && read != asked.body {
            return Err(format!("exchange {tag} was done before all was read"));
        }
    }
    Ok(())
}

/// Answers come in the order of the requests: the n-th names the n-th, or is the engine's own, behind which nothing comes.
pub(crate) fn order(heard: &[Heard]) -> Verdict {
    for peer in heard {
        if let Some(nonsense) = &peer.nonsense {
            return Err(format!("peer {} heard nonsense: {nonsense}", peer.peer));
        }
        for (request, answer) in peer.answers.iter().enumerate() {
            let expected = Tag { peer: peer.peer, request }.to_string();
            if answer.tag.as_ref().is_some_and(|tag| *tag != expected) {
                return Err(format!("the answer to {expected} says that it is {:?}", answer.tag));
            }
            let is_last = request + 1 == peer.answers.len() || peer.returns.contains(&(request + 1));
            if !is_last && answer.status > 0 && !matches!(answer.outcome, Outcome::Complete(_)) {
                return Err(format!("an answer came behind the unfinished {expected}"));
            }
        }
    }
    Ok(())
}

/// Nobody hears a byte that was not written for it. Streams with messages in them are judged line by line in `hearing.rs`.
pub(crate) fn pollution(entries: &[Entry], heard: &[Heard]) -> Verdict {
    let exchanges = by_exchange(entries);
    for (tag, answer) in answers(heard) {
        let Some(facts) = exchanges.get(&tag).filter(|_| answer.tag.is_some()) else { continue };
        if facts.iter().any(|entry| matches!(entry.fact, Fact::Subscribed { .. })) {
            continue;
        }
        if facts.iter().any(|entry| entry.fact == Fact::Lent) {
            // What threads wrote and came too late is dropped; what came is whole, and its own.
            if let Some(line) = stray(&tag.to_string(), &answer.body) {
                return Err(format!("the answer to {tag} holds {line:?}, which was not written for it"));
            }
            continue;
        }
        let wrote =
            concatenated(facts, |fact| if let Fact::Wrote(bytes) = fact { Some(bytes) } else { None });
        let is_whole = matches!(answer.outcome, Outcome::Complete(_));
        let is_mute =
            heard[tag.peer].asked[tag.request].method == "HEAD" || matches!(answer.status, 204 | 304);
        if is_mute && answer.body.is_empty() {
            continue;
        }
        if !wrote.starts_with(&answer.body) {
            return Err(format!("the answer to {tag} holds what was not written for it"));
        }
        if is_whole && wrote.len() != answer.body.len() {
            return Err(format!("the answer to {tag} passes for whole and lacks bytes"));
        }
    }
    Ok(())
}

/// A line that an exchange would not have written.
fn stray(tag: &str, body: &[u8]) -> Option<String> {
    let lines = body.split_inclusive(|&byte| byte == b'\n').map(String::from_utf8_lossy);
    let is_own = |line: &str| line.strip_prefix('=').and_then(|line| line.strip_prefix(tag)).is_some();
    // The last may be cut where the answer is.
    lines.into_iter().find(|line| line.ends_with('\n') && !is_own(line)).map(|line| line.into_owned())
}

/// An answer without a name is the engine's own: a refusal in its words, or empty. The application names all that it writes.
pub(crate) fn strangers(heard: &[Heard]) -> Verdict {
    const WORDS: &[u8] = b"{\"error\":\"";
    for (tag, answer) in answers(heard).filter(|(_, answer)| answer.tag.is_none()) {
        let begins = &answer.body[..answer.body.len().min(WORDS.len())];
        let is_refusal = answer.status >= 400 && WORDS.starts_with(begins);
        if !answer.body.is_empty() && !is_refusal {
            return Err(format!("the nameless answer to {tag} has a body that nobody wrote"));
        }
    }
    Ok(())
}

/// An answer that passes for whole belongs to an exchange that was closed, before; a broken exchange looks broken.
pub(crate) fn completion(entries: &[Entry], heard: &[Heard]) -> Verdict {
    let exchanges = by_exchange(entries);
    for (tag, answer) in answers(heard) {
        let Outcome::Complete(at) = answer.outcome else { continue };
        // A length or a mute answer is whole as soon as its last byte was written, and says so in its head.
        let is_streamed = answer.fields.contains("chunked") || !answer.fields.contains("content-length");
        let is_mute =
            heard[tag.peer].asked[tag.request].method == "HEAD" || matches!(answer.status, 204 | 304);
        let Some(facts) = exchanges.get(&tag).filter(|_| answer.tag.is_some() && is_streamed && !is_mute)
        else {
            continue;
        };
        match end_of(facts) {
            Some((End::Closed | End::Shutdown, ended)) if ended <= at => {}
            Some((End::Failed, _)) if answer.fields.contains("upgrade") => {}
            end => {
                return Err(format!(
                    "the answer to {tag} passes for whole at {at:?}, and its end is {end:?}"
                ));
            }
        }
    }
    Ok(())
}

/// Nothing is left: no connection, exchange, subscription, message, byte of the ledger or timer.
pub(crate) fn leftovers(engine: &TheEngine) -> Verdict {
    let core = engine.core();
    let stats = core.hub().stats();
    let left = (core.connections(), core.exchanges(), stats.subscribers);
    if left != (0, 0, 0) {
        return Err(format!("{left:?} connections, exchanges and subscribers are left"));
    }
    let waits = (core.idle(), core.blocked(), core.parked(), stats.held);
    if waits != (0, 0, 0, 0) {
        return Err(format!("{waits:?} idle, blocked, parked and held are left"));
    }
    // By now every message has been too old.
    let held = (stats.channels, stats.messages, stats.bytes, stats.memory);
    if held != (0, 0, 0, 0) {
        return Err(format!("{held:?} channels, messages, bytes and memory are left"));
    }
    match engine.next_deadline() {
        Some(deadline) => Err(format!("a deadline is left: {deadline:?}")),
        None => Ok(()),
    }
}

/// Every answer with the name of the request that it belongs to.
pub(crate) fn answers(heard: &[Heard]) -> impl Iterator<Item = (Tag, &Answer)> {
    heard.iter().flat_map(|peer| {
        let named = |(request, answer)| (Tag { peer: peer.peer, request }, answer);
        peer.answers.iter().enumerate().map(named)
    })
}

fn end_of(facts: &[&Entry]) -> Option<(End, Instant)> {
    facts.iter().find_map(|entry| if let Fact::End(end) = entry.fact { Some((end, entry.at)) } else { None })
}

fn concatenated(facts: &[&Entry], part: impl Fn(&Fact) -> Option<&Vec<u8>>) -> Vec<u8> {
    facts.iter().filter_map(|entry| part(&entry.fact)).flatten().copied().collect()
}

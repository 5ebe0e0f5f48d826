//! The application under test: it notes every event and does what the request's query says.
//!
//! Called by: the engine. The query has a list of actions for each occasion, separated by commas; blanks are `+`:
//!
//! | key | occasion | | key | occasion |
//! | --- | --- | --- | --- | --- |
//! | `b` | `Begin` | | `e` | `End` |
//! | `r` | `Read(Data)` | | `t` | `Error(Timeout)` |
//! | `d` | `Read(Done)` | | `k` | a timer |
//! | `x` | any other `Error` | | `f` | a `fill` is done |
//! | `m` | `news`, if it shall not be taken at once | | | |
//!
//! Every line that it writes names the exchange that it is meant for, and every answer has the same name in its head: whatever
//! reaches somebody else is found out.
//!
//! Next: `channels.rs`, for the actions on channels. The actions are in `act`.

use std::time::Duration;

use encke::http::query;
use encke::{
    Cause, Core, Ctx, Event, ExchangeId, HalfClose, Handle, Handler, MessageId, Read, RequestHead, WriteError,
};

use crate::history::{Fact, SharedLog, Tag};

/// The name in the head of every answer that the application gives.
pub(crate) const TAG_FIELD: &str = "X-Exchange";

/// Notes and obeys.
pub(crate) struct App {
    pub(crate) log: SharedLog,
    /// Handles of exchanges that have ended, for writes that must reach nobody.
    ended: Vec<ExchangeId>,
    /// Handles of exchanges that are open, by their tags, but of those that ask to be left `alone`.
    pub(crate) open: Vec<(Tag, ExchangeId)>,
    /// Exchanges whose answer has begun with the application's own head.
    begun: Vec<Tag>,
    /// What threads have of exchanges: of those that are open, and of some that have ended.
    lent: Vec<(Tag, Handle)>,
    returned: Vec<Handle>,
}

/// What the application keeps for one exchange.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) tag: Option<Tag>,
    actions: Vec<(String, String)>,
    /// Bytes that a `fill` has still to write.
    left: usize,
    pub(crate) read: Vec<u8>,
    /// Its long-poll, if it waits for one.
    pub(crate) poll: Option<Poll>,
}

/// A long-poll that waits.
#[derive(Clone, Copy)]
pub(crate) struct Poll {
    pub(crate) bytes_max: usize,
    pub(crate) gap: bool,
    pub(crate) at: MessageId,
}

pub(crate) type Context<'a> = Ctx<'a, Plan>;

impl App {
    pub(crate) fn new(log: SharedLog) -> App {
        let (lent, returned) = (Vec::new(), Vec::new());
        App { log, ended: Vec::new(), open: Vec::new(), begun: Vec::new(), lent, returned }
    }

    pub(crate) fn note(&self, ctx: &Context<'_>, fact: Fact) {
        self.log.borrow_mut().note(tag(ctx), fact);
    }

    fn begin(&mut self, head: &RequestHead<'_>, ctx: &mut Context<'_>) {
        let pairs = query::pairs(head.query().unwrap_or(""));
        ctx.state.actions = pairs.flatten().map(|(k, v)| (k.into_owned(), v.into_owned())).collect();
        let number = |name: &str| self.value(ctx, name).and_then(|text| text.parse().ok());
        if let (Some(peer), Some(request)) = (number("p"), number("n")) {
            ctx.state.tag = Some(Tag { peer, request });
        }
        if self.value(ctx, "alone").is_none() {
            self.open.push((tag(ctx), ctx.id()));
        }
        self.note(ctx, Fact::Begin);
        self.act("b", ctx);
    }

    pub(crate) fn value(&self, ctx: &Context<'_>, key: &str) -> Option<String> {
        ctx.state.actions.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    }

    /// Carries out the actions of one occasion.
    pub(crate) fn act(&mut self, occasion: &str, ctx: &mut Context<'_>) {
        for action in self.value(ctx, occasion).unwrap_or_default().split(',').filter(|a| !a.is_empty()) {
            let mut words = action.splitn(4, ':');
            let mut word = || words.next().unwrap_or("");
            let (verb, first, second, third) = (word(), word(), word(), word());
            self.act_once(verb, first, second, third, ctx);
        }
    }

    fn act_once(&mut self, verb: &str, first: &str, second: &str, third: &str, ctx: &mut Context<'_>) {
        let number = || first.parse::<u64>().unwrap_or(0);
        let millis = || Duration::from_millis(number());
        match verb {
            "w" => self.write_line(first, ctx),
            "big" => self.write_line(&"x".repeat(number() as usize), ctx),
            "fill" => {
                ctx.state.left = number() as usize;
                self.fill(ctx);
            }
            "echo" => {
                let read = std::mem::take(&mut ctx.state.read);
                self.write(&read, ctx);
            }
            "respond" => self.respond(number() as u16, second, ctx),
            "start" => {
                let tag = tag(ctx).to_string();
                let started = ctx.start(number().max(200) as u16, &[(TAG_FIELD, &tag)]);
                self.check(started, ctx);
            }
            "sized" => {
                let tag = tag(ctx).to_string();
                let started = ctx.start_sized(200, &[(TAG_FIELD, &tag)], number());
                self.check(started, ctx);
            }
            "close" => {
                self.note(ctx, Fact::CloseAsked);
                ctx.close();
            }
            "abort" => {
                self.note(ctx, Fact::AbortAsked);
                ctx.abort();
            }
            "panic" => panic!("on purpose"),
            "sub" => self.subscribe(first, second, third, ctx),
            "unsub" => {
                self.note(ctx, Fact::Unsubscribed);
                ctx.unsubscribe();
            }
            "hear" => self.hear(first, second, third, ctx),
            "park" => self.park(first, number_of(second), third, ctx),
            "take" => self.answer_poll(ctx),
            "pub" => self.publish(first, second.to_owned(), third, ctx),
            "burst" => {
                for each in 0..number_of(second) {
                    self.publish(first, format!("b{each}"), "", ctx);
                }
            }
            "pubread" => {
                let read = std::mem::take(&mut ctx.state.read);
                self.publish(first, String::from_utf8_lossy(&read).into_owned(), second, ctx);
            }
            "hold" => self.hold(first, ctx),
            "end" => self.end_channel(first, ctx),
            "pause" => ctx.pause_reading(),
            "resume" => ctx.resume_reading(),
            "collect" => ctx.collect_body(number()),
            "discard" => ctx.discard_body(),
            "max" => ctx.set_body_max(number()),
            "to" => ctx.set_timeout(millis()),
            "timer" => ctx.set_timer(1, millis()),
            "cancel" => ctx.cancel_timer(1),
            "tell" => ctx.on_half_close(HalfClose::Tell),
            "keep" => ctx.on_half_close(HalfClose::Keep),
            "up" => {
                let tag = tag(ctx).to_string();
                let switched = ctx.upgrade(first, &[(TAG_FIELD, &tag)]);
                self.check(switched, ctx);
                self.note(ctx, Fact::Switched);
            }
            "lend" => {
                self.note(ctx, Fact::Lent);
                self.lent.push((tag(ctx), ctx.handle()));
            }
            "stale" => self.use_stale_handles(ctx),
            other => unreachable!("no such action: {other}"),
        }
    }

    pub(crate) fn check(&mut self, outcome: Result<(), WriteError>, ctx: &Context<'_>) {
        match outcome {
            Ok(()) => self.begun.push(tag(ctx)),
            Err(error) => self.note(ctx, Fact::Refused(error)),
        }
    }

    fn write_line(&self, text: &str, ctx: &mut Context<'_>) {
        let line = format!("={}.{text}\n", tag(ctx));
        self.write(line.as_bytes(), ctx);
    }

    /// Writes, behind a head with the exchange's name if there is none yet.
    fn write(&self, bytes: &[u8], ctx: &mut Context<'_>) {
        let tag = tag(ctx).to_string();
        match ctx.start(200, &[(TAG_FIELD, &tag)]) {
            Ok(()) | Err(WriteError::Begun) => {}
            Err(error) => return self.note(ctx, Fact::Refused(error)),
        }
        match ctx.write(bytes) {
            Ok(()) => self.note(ctx, Fact::Wrote(bytes.to_vec())),
            Err(error) => self.note(ctx, Fact::Refused(error)),
        }
    }

    fn respond(&self, status: u16, text: &str, ctx: &mut Context<'_>) {
        let tag = tag(ctx).to_string();
        let body = format!("={tag}.{text}\n");
        match ctx.respond(status, &[(TAG_FIELD, &tag)], body.as_bytes()) {
            Ok(()) => {
                self.note(ctx, Fact::Wrote(body.into_bytes()));
                self.note(ctx, Fact::CloseAsked);
            }
            Err(error) => self.note(ctx, Fact::Refused(error)),
        }
    }

    /// Writes until all is written or the engine says `Full`; `drained` goes on.
    fn fill(&mut self, ctx: &mut Context<'_>) {
        let tag = tag(ctx).to_string();
        let _ = ctx.start(200, &[(TAG_FIELD, &tag)]);
        while ctx.state.left > 0 {
            let line = format!("={tag}.{}\n", ctx.state.left);
            match ctx.write(line.as_bytes()) {
                Ok(()) => {
                    ctx.state.left = ctx.state.left.saturating_sub(line.len());
                    self.note(ctx, Fact::Wrote(line.into_bytes()));
                }
                Err(error) => return self.note(ctx, Fact::Refused(error)),
            }
        }
        self.act("f", ctx);
    }

    /// Does something to an open exchange from outside of it, as another thread might.
    pub(crate) fn meddle(&mut self, core: &mut Core, number: usize, deed: usize) {
        if self.open.is_empty() {
            return;
        }
        let (tag, id) = self.open[number % self.open.len()];
        let note = |fact| self.log.borrow_mut().note(tag, fact);
        match deed % 6 {
            0 | 1 => {
                // Only behind a head of its own, which names the exchange.
                let line = format!("={tag}.meddled\n");
                if self.begun.contains(&tag) && core.write(id, line.as_bytes()).is_ok() {
                    note(Fact::Wrote(line.into_bytes()));
                }
            }
            2 => {
                note(Fact::CloseAsked);
                core.close(id);
            }
            3 => {
                note(Fact::AbortAsked);
                core.abort(id);
            }
            4 => core.set_timer(id, 1, Duration::from_millis(5)),
            _ => {
                core.set_timeout(id, Duration::from_millis(20));
                core.resume_reading(id);
            }
        }
    }

    /// Does what a thread does with the handle that it was lent.
    pub(crate) fn work_elsewhere(&mut self, number: usize, deed: usize) {
        if self.lent.is_empty() {
            return;
        }
        let (tag, handle) = &self.lent[number % self.lent.len()];
        match deed % 6 {
            0..=2 => drop(handle.write(format!("={tag}.elsewhere\n"))),
            3 => drop(handle.write(format!("={tag}.{}\n", "y".repeat(deed * 10)))),
            4 => drop(handle.set_timeout(Duration::from_millis(20))),
            _ => {
                // It may be known to have ended, and is not asked to end then.
                if handle.close().is_ok() {
                    self.log.borrow_mut().note(*tag, Fact::CloseAsked);
                }
            }
        }
    }

    /// Does with every handle that has ended what a forgotten thread would do.
    fn use_stale_handles(&mut self, ctx: &mut Context<'_>) {
        for stale in self.ended.clone() {
            let outcome = ctx.core().write(stale, b"STRAY");
            let core = ctx.core();
            core.set_timer(stale, 9, Duration::from_millis(1));
            core.set_timeout(stale, Duration::from_millis(1));
            core.resume_reading(stale);
            core.close(stale);
            core.abort(stale);
            let outcome = if core.is_open(stale) { Ok(()) } else { outcome };
            self.note(ctx, Fact::Stale(outcome));
        }
        for handle in &self.returned {
            self.note(ctx, Fact::Stale(handle.write("STRAY").and(handle.close())));
        }
    }
}

impl Handler for App {
    type State = Plan;

    fn event(&mut self, event: Event<'_>, ctx: &mut Context<'_>) {
        match event {
            Event::Begin(head) => self.begin(head, ctx),
            Event::Read(Read::Data(bytes)) => {
                self.note(ctx, Fact::Data(bytes.to_vec()));
                ctx.state.read.extend_from_slice(bytes);
                self.act("r", ctx);
            }
            Event::Read(Read::Done) => {
                self.note(ctx, Fact::Done);
                self.act("d", ctx);
            }
            Event::Error(cause) => {
                self.note(ctx, Fact::Error(cause));
                self.act(if cause == Cause::Timeout { "t" } else { "x" }, ctx);
                if cause == Cause::Timeout && ctx.state.poll.is_some() {
                    self.answer_poll(ctx);
                }
            }
            Event::End(end) => {
                self.note(ctx, Fact::End(end));
                self.act("e", ctx);
                let id = ctx.id();
                self.open.retain(|(_, open)| *open != id);
                let over =
                    self.lent.extract_if(.., |(_, handle)| handle.id() == id).map(|(_, handle)| handle);
                self.returned.extend(over);
                let known = self.returned.len().saturating_sub(8);
                self.returned.drain(..known);
                self.ended.push(id);
                if self.ended.len() > 8 {
                    self.ended.remove(0);
                }
            }
        }
    }

    fn drained(&mut self, ctx: &mut Context<'_>) {
        self.note(ctx, Fact::Drained);
        self.fill(ctx);
    }

    fn news(&mut self, ctx: &mut Context<'_>) {
        match self.value(ctx, "m") {
            Some(_) => self.act("m", ctx),
            None => self.answer_poll(ctx),
        }
    }

    fn timer(&mut self, key: u64, ctx: &mut Context<'_>) {
        self.note(ctx, Fact::Timer(key));
        self.act("k", ctx);
    }
}

fn number_of(text: &str) -> usize {
    text.parse().unwrap_or(usize::MAX)
}

pub(crate) fn tag(ctx: &Context<'_>) -> Tag {
    ctx.state.tag.unwrap_or(Tag { peer: usize::MAX, request: 0 })
}

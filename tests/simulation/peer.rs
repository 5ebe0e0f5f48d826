//! A scripted peer: writes requests, well or badly, and reads answers strictly, quickly or never.
//!
//! The world wakes it; it does what is due and says when it wants to be woken again. What it hears goes into its [`Heard`].
//!
//! Invariant: of the requests that a script asks, the n-th answer belongs to the n-th, whatever it says of itself.
//!
//! Next: `world.rs`.

use std::time::Duration;

use encke::MessageId;
use encke::http::peer::{Piece, Request, RequestBody, ResponseHead, ResponseReader};
use encke::time::Instant;

use crate::app::TAG_FIELD;
use crate::channels::{CURSOR_FIELD, FORMAT_FIELD, GAP_FIELD};
use crate::history::{Answer, Asked, Format, Heard, Outcome, SharedLog, quote};
use crate::link::{Ending, Shared};
use crate::script::{Ask, Body, CURSOR, Departure, Pace, Step};
use crate::words;

/// One peer and its connection.
pub(crate) struct Peer {
    pub(crate) heard: Heard,
    pub(crate) wire: Shared,
    pub(crate) log: SharedLog,
    script: std::vec::IntoIter<Step>,
    waiting: Option<Step>,
    until: Instant,
    outbox: Vec<u8>,
    /// A body that waits for `100 Continue`.
    held: Vec<u8>,
    pace: Pace,
    send_at: Instant,
    appetite: Pace,
    read_at: Instant,
    reader: ResponseReader,
    is_gone: bool,
    /// After which time it wants a new connection.
    pub(crate) comes_back: Option<Duration>,
}

impl Peer {
    pub(crate) fn new(peer: usize, script: Vec<Step>, wire: Shared, log: SharedLog) -> Peer {
        Peer {
            heard: Heard { peer, ..Heard::default() },
            wire,
            log,
            script: script.into_iter(),
            waiting: None,
            until: Instant::default(),
            outbox: Vec::new(),
            held: Vec::new(),
            pace: Pace::PROMPT,
            send_at: Instant::default(),
            appetite: Pace::PROMPT,
            read_at: Instant::default(),
            reader: ResponseReader::new(),
            is_gone: false,
            comes_back: None,
        }
    }

    /// It is back, on this connection.
    pub(crate) fn back(&mut self, wire: Shared) {
        self.wire = wire;
        self.is_gone = false;
        self.reader = ResponseReader::new();
        self.heard.ending = None;
        self.outbox.clear();
        self.held.clear();
    }

    /// The place behind which it has yet to hear everything, as the last answer that says so says.
    fn cursor(&self) -> String {
        let places = self.heard.answers.iter().rev().filter_map(words::place);
        places.map(|id| id.to_string()).next().unwrap_or_default()
    }

    /// Does what is due, and says when to be woken again.
    pub(crate) fn act(&mut self, now: Instant) -> Option<Instant> {
        if self.is_gone {
            return None;
        }
        // It speaks before it listens: a refusal may be there before the request.
        self.go_on(now);
        self.read(now);
        self.go_on(now);
        if self.is_gone { None } else { self.next_wake(now) }
    }

    /// The script, as far as it goes now.
    fn go_on(&mut self, now: Instant) {
        loop {
            self.send(now);
            if self.is_gone || !self.has_come(now) {
                return;
            }
            self.waiting = None;
            match self.script.next() {
                Some(step) => self.begin(step, now),
                None => return,
            }
        }
    }

    /// Whether there is something to read that the peer cares to read.
    pub(crate) fn wants_to_read(&self) -> Option<Instant> {
        let is_hungry = self.appetite.bytes > 0 && !self.is_gone && self.heard.ending.is_none();
        (is_hungry && self.wire.borrow().has_news_for_peer()).then_some(self.read_at)
    }

    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let sends = (!self.outbox.is_empty()).then_some(self.send_at);
        let waits = matches!(self.waiting, Some(Step::Wait(_))).then_some(self.until);
        let is_at_work = self.waiting.is_none() && self.script.len() > 0;
        [sends, waits, self.wants_to_read(), is_at_work.then_some(now)]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.max(now + Duration::from_micros(10)))
    }

    fn has_come(&self, now: Instant) -> bool {
        let is_over = self.heard.ending.is_some();
        match &self.waiting {
            None => true,
            Some(Step::Sent) => self.outbox.is_empty() || is_over,
            Some(Step::Answers(count)) => {
                is_over || self.heard.answers.iter().filter(|a| a.outcome != Outcome::Open).count() >= *count
            }
            Some(Step::Answered) => {
                let is_open = |answer: &&Answer| answer.outcome == Outcome::Open;
                let answers = &self.heard.answers;
                is_over || answers.len() == self.heard.asked.len() && !answers.iter().any(|a| is_open(&a))
            }
            Some(Step::Hears(bytes)) => {
                is_over || self.heard.answers.iter().map(|a| a.body.len()).sum::<usize>() >= *bytes
            }
            Some(Step::Wait(_)) => now >= self.until,
            Some(Step::End) => is_over,
            Some(_) => true,
        }
    }

    fn begin(&mut self, step: Step, now: Instant) {
        match step {
            Step::Ask(ask) => self.ask(&ask),
            Step::Raw(bytes, expected) => {
                for method in expected {
                    self.expect(method, Vec::new());
                }
                self.outbox.extend(bytes);
            }
            Step::Body(bytes) => {
                if let Some(asked) = self.heard.asked.last_mut() {
                    asked.body.extend(&bytes);
                }
                self.outbox.extend(bytes);
            }
            Step::Pace(pace) => self.pace = pace,
            Step::Appetite(appetite) => self.appetite = appetite,
            Step::Fin => {
                self.say("shuts its side down");
                self.wire.borrow_mut().fin();
            }
            Step::Reset => {
                self.say("resets");
                self.wire.borrow_mut().reset();
                self.is_gone = true;
            }
            Step::Leave => {
                self.say("leaves");
                self.wire.borrow_mut().leave();
                self.is_gone = true;
            }
            Step::Wait(wait) => {
                self.until = now + wait;
                self.waiting = Some(step);
            }
            Step::Return(Departure::IfOver, _) if self.heard.ending.is_none() => {}
            Step::Return(how, pause) => {
                match how {
                    Departure::Leave => self.wire.borrow_mut().leave(),
                    Departure::Reset => self.wire.borrow_mut().reset(),
                    Departure::IfOver => {}
                }
                self.is_gone = true;
                self.comes_back = Some(pause);
                self.settle(Outcome::Broken);
                let asked = self.heard.asked.len();
                self.heard.answers.resize(asked, Answer { outcome: Outcome::Broken, ..Answer::default() });
                self.heard.returns.push(asked);
                self.say("goes, to come back");
            }
            Step::Sent | Step::Answers(_) | Step::Answered | Step::Hears(_) | Step::End => {
                self.waiting = Some(step);
            }
        }
    }

    fn ask(&mut self, ask: &Ask) {
        let query = if ask.query.contains(CURSOR) {
            ask.query.replace(CURSOR, &self.cursor())
        } else {
            ask.query.clone()
        };
        let target = format!("/?p={}&n={}&{query}", self.heard.peer, self.heard.asked.len());
        let chunks: Vec<&[u8]>;
        let (body, bytes) = match &ask.body {
            Body::None => (RequestBody::None, Vec::new()),
            Body::Length(bytes) => (RequestBody::Length(bytes), bytes.clone()),
            Body::Chunked(list) => {
                chunks = list.iter().map(Vec::as_slice).collect();
                (RequestBody::Chunked(&chunks), list.concat())
            }
        };
        let (method, version, fields) = (ask.method, ask.version, &ask.fields);
        let request = Request { method, target: &target, version, fields, body, ..Request::default() };
        self.say(&format!("asks {method} {query}"));
        let mut wire = Vec::new();
        request.write(&mut wire);
        if fields.iter().any(|(name, _)| *name == "Expect") {
            let head = wire.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(0, |at| at + 4);
            self.held = wire.split_off(head);
        }
        self.outbox.extend(wire);
        self.expect(method, bytes);
    }

    fn expect(&mut self, method: &str, body: Vec<u8>) {
        self.reader.expect(method);
        self.heard.asked.push(Asked { method: method.to_owned(), body });
    }

    fn send(&mut self, now: Instant) {
        if self.outbox.is_empty() || now < self.send_at {
            return;
        }
        let most = self.outbox.len().min(self.pace.bytes);
        let sent = self.wire.borrow_mut().send(&self.outbox[..most]);
        self.outbox.drain(..sent);
        self.send_at = now + self.pace.every;
    }

    fn read(&mut self, now: Instant) {
        if self.wants_to_read().is_none_or(|at| now < at) {
            return;
        }
        self.read_at = now + self.appetite.every;
        let bytes = self.wire.borrow_mut().receive(self.appetite.bytes);
        self.understand(&bytes, now);
        let ending = self.wire.borrow().ending();
        if let Some(ending) = ending {
            self.hear_ending(ending, now);
        }
    }

    fn understand(&mut self, mut bytes: &[u8], now: Instant) {
        while self.heard.nonsense.is_none() {
            match self.reader.read(bytes) {
                Ok((used, piece)) => {
                    let is_all = piece == Piece::More;
                    let piece = owned(piece);
                    bytes = &bytes[used..];
                    self.hear(piece, now);
                    if is_all {
                        return;
                    }
                }
                Err(error) => {
                    self.say(&format!("hears nonsense: {error}"));
                    self.heard.nonsense = Some(error.to_string());
                }
            }
        }
    }

    fn hear(&mut self, piece: Told, now: Instant) {
        match piece {
            Told::Informational(status) => {
                self.say(&format!("hears {status}"));
                self.outbox.append(&mut self.held);
            }
            Told::Head(head) => {
                self.say(&format!("hears {}{}", head.status, describe(&head)));
                let tag = head.field(TAG_FIELD).map(|tag| String::from_utf8_lossy(tag).into_owned());
                let fields = describe(&head);
                let text = |name: &str| head.field(name).and_then(|value| std::str::from_utf8(value).ok());
                self.heard.answers.push(Answer {
                    status: head.status,
                    tag,
                    fields,
                    format: text(FORMAT_FIELD).and_then(Format::named),
                    stands: text(CURSOR_FIELD).and_then(MessageId::parse),
                    gap: text(GAP_FIELD).is_some(),
                    ..Answer::default()
                });
            }
            Told::Data(data) => {
                self.say(&format!("hears {}", quote(&data)));
                if let Some(answer) = self.heard.answers.last_mut() {
                    answer.body.extend(data);
                    answer.marks.push((answer.body.len(), now));
                }
            }
            Told::Done => {
                self.say("hears the end of the answer");
                self.settle(Outcome::Complete(now));
            }
            Told::More => {}
        }
    }

    fn hear_ending(&mut self, ending: Ending, now: Instant) {
        self.heard.ending = Some(ending);
        self.say(match ending {
            Ending::Fin => "hears the connection close",
            Ending::Reset => "hears a reset",
        });
        if self.heard.nonsense.is_some() {
            return;
        }
        match (ending, self.reader.end_of_input()) {
            (Ending::Fin, Ok(Piece::Done)) => {
                self.say("hears the end of the answer");
                self.settle(Outcome::Complete(now));
            }
            (Ending::Fin, Ok(_)) => {}
            (Ending::Reset, Ok(_)) => self.settle(Outcome::Broken),
            (_, Err(error)) => {
                self.say(&format!("misses something: {error}"));
                self.settle(Outcome::Broken);
            }
        }
        // A peer that has heard the end has nothing more to say.
        self.wire.borrow_mut().leave();
    }

    fn settle(&mut self, outcome: Outcome) {
        if let Some(answer) = self.heard.answers.last_mut().filter(|a| a.outcome == Outcome::Open) {
            answer.outcome = outcome;
        }
    }

    fn say(&self, line: &str) {
        self.log.borrow_mut().say(&format!("peer {} {line}", self.heard.peer));
    }
}

/// A piece without its loan.
enum Told {
    Informational(u16),
    Head(ResponseHead),
    Data(Vec<u8>),
    Done,
    More,
}

fn owned(piece: Piece<'_>) -> Told {
    match piece {
        Piece::Informational(head) => Told::Informational(head.status),
        Piece::Head(head) => Told::Head(head),
        Piece::Data(data) => Told::Data(data.to_vec()),
        Piece::Done => Told::Done,
        Piece::More => Told::More,
    }
}

/// The fields that say how the answer and its connection go on.
fn describe(head: &ResponseHead) -> String {
    let mut words = String::new();
    for name in ["Content-Length", "Transfer-Encoding", "Connection", "Retry-After", "Upgrade", "Allow"] {
        if let Some(value) = head.field(name) {
            words += &format!(" {}: {},", name.to_lowercase(), String::from_utf8_lossy(value));
        }
    }
    words.trim_end_matches(',').to_owned()
}

//! The handler of the target `engine`: it does what the letters in a request's path say, and keeps account of every event.
//!
//! Next: `sse.rs`.

use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use encke::{
    Cause, Core, Ctx, End, Event, ExchangeId, HalfClose, Handle, Handler, Message, Read, Since, WireFormat,
};

/// All exchanges of a script, in the order of their beginnings.
#[derive(Default)]
pub struct Ledger {
    pub lives: Vec<Life>,
    /// The first breach of the law. A panic in a callback would only be caught.
    pub objection: Option<String>,
    /// Panics on purpose.
    pub panics: u64,
    /// States that are alive.
    pub states: Rc<Cell<usize>>,
    /// The exchange in whose callback the handler is: in `End` it is still open.
    current: Option<usize>,
}

/// What an exchange has been told.
pub struct Life {
    id: ExchangeId,
    pub is_head: bool,
    pub fate: Fate,
    has_aborted: bool,
    /// Whether its input is complete. A tunnel begins anew.
    is_done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Open,
    /// It was told of a fatal cause, and of nothing since.
    Doomed(Cause),
    Ended(End),
}

/// What the handler keeps for an exchange.
#[derive(Default)]
pub struct Plan {
    number: Option<usize>,
    letters: Vec<u8>,
    at: usize,
    alive: Option<Alive>,
}

/// Counts itself.
struct Alive(Rc<Cell<usize>>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[derive(Default)]
pub struct Player {
    pub ledger: Rc<RefCell<Ledger>>,
    /// Handles of exchanges, open or not; the oldest go.
    handles: Vec<Handle>,
}

impl Ledger {
    /// Exchanges that have begun and not ended.
    pub fn open(&self) -> usize {
        self.lives.iter().filter(|life| !matches!(life.fate, Fate::Ended(_))).count()
    }

    fn object(&mut self, what: String) {
        self.objection.get_or_insert(what);
    }

    /// Notes an event, and objects to one that may not come.
    fn note(&mut self, number: usize, event: &Event<'_>) {
        let life = &mut self.lives[number];
        let before = life.fate;
        let is_good = match (before, event) {
            (Fate::Ended(_), _) | (_, Event::Begin(_)) => false,
            (Fate::Open, Event::Error(Cause::Timeout)) => true,
            (Fate::Open, Event::Error(cause)) => {
                life.fate = Fate::Doomed(*cause);
                true
            }
            (fate, Event::End(end)) => {
                life.fate = Fate::Ended(*end);
                let is_doomed = matches!(fate, Fate::Doomed(_)) || life.has_aborted;
                is_doomed == (*end == End::Failed)
            }
            (Fate::Doomed(_), _) => false,
            (Fate::Open, Event::Read(Read::Data(bytes))) => !bytes.is_empty() && !life.is_done,
            (Fate::Open, Event::Read(Read::Done)) => !std::mem::replace(&mut life.is_done, true),
        };
        if !is_good {
            self.object(format!("exchange {number} was {before:?} and got {event:?}"));
        }
    }
}

impl Handler for Player {
    type State = Plan;

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, Plan>) {
        match &event {
            Event::Begin(head) => {
                let letters = head.path().as_bytes().get(1..).unwrap_or_default().to_vec();
                self.begin(letters, head.is_head(), ctx);
            }
            _ => self.note(&event, ctx),
        }
        self.go_on(ctx);
    }

    fn drained(&mut self, ctx: &mut Ctx<'_, Plan>) {
        self.called("drained", ctx);
    }

    fn news(&mut self, ctx: &mut Ctx<'_, Plan>) {
        self.called("news", ctx);
    }

    fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, Plan>) {
        self.called("timer", ctx);
    }
}

impl Player {
    fn begin(&mut self, letters: Vec<u8>, is_head: bool, ctx: &mut Ctx<'_, Plan>) {
        let mut ledger = self.ledger.borrow_mut();
        let id = ctx.id();
        if ctx.state.number.is_some() || ledger.lives.iter().any(|life| life.id == id) {
            ledger.object(format!("{id:?} has begun before"));
        }
        ledger.states.set(ledger.states.get() + 1);
        *ctx.state = Plan {
            number: Some(ledger.lives.len()),
            letters,
            at: 0,
            alive: Some(Alive(Rc::clone(&ledger.states))),
        };
        ledger.lives.push(Life { id, is_head, fate: Fate::Open, has_aborted: false, is_done: false });
        if self.handles.len() == 4 {
            self.handles.remove(0);
        }
        self.handles.push(ctx.handle());
    }

    fn note(&self, event: &Event<'_>, ctx: &Ctx<'_, Plan>) {
        let mut ledger = self.ledger.borrow_mut();
        match ctx.state.number.filter(|_| ctx.state.alive.is_some()) {
            Some(number) if ledger.lives[number].id == ctx.id() => ledger.note(number, event),
            _ => ledger.object(format!("{event:?} before Begin, or for another")),
        }
    }

    /// Something that is no event: it may come only while the exchange is open.
    fn called(&mut self, what: &str, ctx: &mut Ctx<'_, Plan>) {
        let fate = ctx.state.number.map(|number| self.ledger.borrow().lives[number].fate);
        if fate != Some(Fate::Open) {
            self.ledger.borrow_mut().object(format!("{what} for an exchange that was {fate:?}"));
        }
        self.go_on(ctx);
    }

    /// The letters up to the next dot.
    fn go_on(&mut self, ctx: &mut Ctx<'_, Plan>) {
        self.ledger.borrow_mut().current = ctx.state.number;
        while let Some(&letter) = ctx.state.letters.get(ctx.state.at) {
            ctx.state.at += 1;
            if letter == b'.' {
                break;
            }
            self.act(letter, ctx);
        }
        self.ledger.borrow_mut().current = None;
    }

    /// What a letter stands for. Whether it may be done now is the library's affair: what it answers is passed over.
    fn act(&mut self, letter: u8, ctx: &mut Ctx<'_, Plan>) {
        let number = ctx.state.number.unwrap_or(0);
        let (name, line) = (number.to_string(), format!("={number}.\n"));
        let fields = [("X-Exchange", &name[..])];
        let formats =
            [WireFormat::SSE, WireFormat::STREAM, WireFormat::NDJSON, WireFormat::IFRAME, WireFormat::JSON];
        match letter {
            b's' => _ = ctx.start(200, &fields),
            b'l' => _ = ctx.start_sized(200, &fields, line.len() as u64),
            b'n' => _ = ctx.start(204, &fields),
            b'w' => _ = ctx.write(line.as_bytes()),
            b'W' => _ = ctx.write(line.repeat(100).as_bytes()),
            b'r' => _ = ctx.respond(200, &fields, line.as_bytes()),
            b'R' => _ = ctx.respond(404, &fields, line.repeat(1000).as_bytes()),
            b'c' => ctx.close(),
            b'a' => {
                // Of no effect behind the end, or once it was closed.
                let fate = self.ledger.borrow().lives[number].fate;
                if ctx.is_open() && fate == Fate::Open {
                    self.ledger.borrow_mut().lives[number].has_aborted = true;
                }
                ctx.abort();
            }
            b'!' => {
                let mut ledger = self.ledger.borrow_mut();
                ledger.panics += 1;
                ledger.current = None;
                drop(ledger);
                // Without the hook, which a fuzzer makes an end of the process.
                resume_unwind(Box::new("on purpose"));
            }
            b'0'..=b'4' => {
                let format = formats[usize::from(letter - b'0')];
                _ = ctx.subscribe(&["news", "more"], Since::Start, format);
            }
            b'h' => _ = ctx.subscribe(&["news"], Since::Head, WireFormat::SSE),
            b'k' => _ = ctx.park(&["news"], Since::Start, WireFormat::JSON),
            b't' => {
                let mut list = Vec::new();
                let news = ctx.take_news(60, &mut list);
                if news.messages > 0 {
                    _ = ctx.respond(200, &fields, &list);
                }
            }
            b'u' => ctx.unsubscribe(),
            b'b' => ctx.collect_body(64),
            b'd' => ctx.discard_body(),
            b'm' => ctx.set_body_max(3),
            b'z' => ctx.pause_reading(),
            b'y' => ctx.resume_reading(),
            b'q' => _ = ctx.pause_while_pressed("news"),
            b'e' => ctx.on_half_close(HalfClose::Tell),
            b'f' => ctx.on_half_close(HalfClose::Keep),
            b'o' => ctx.set_timeout(Duration::from_secs(5)),
            b'O' => ctx.set_timeout(Duration::ZERO),
            b'i' => ctx.set_timer(u64::from(letter), Duration::from_millis(10)),
            b'I' => ctx.cancel_timer(u64::from(b'i')),
            b'g' if ctx.upgrade("raw", &fields).is_ok() => {
                self.ledger.borrow_mut().lives[number].is_done = false;
            }
            b'x' => _ = ctx.core().publish("news", Message::new("from a handler")),
            b'X' => _ = ctx.core().publish("more", Message::new(&"more\n".repeat(100))),
            b'j' => _ = ctx.core().end_channel("news"),
            b'B' => ctx.core().shutdown(),
            b'v' | b'V' | b'A' => self.meddle(letter, number / 2, ctx.core()),
            _ => {}
        }
    }

    /// Does something to an exchange by its id, also to one that has ended.
    pub fn meddle(&mut self, letter: u8, number: usize, core: &mut Core) {
        let mut ledger = self.ledger.borrow_mut();
        let count = ledger.lives.len();
        let number = number % count.max(1);
        let is_current = ledger.current == Some(number);
        let Some(life) = ledger.lives.get_mut(number) else { return };
        let is_over = matches!(life.fate, Fate::Ended(_)) && !is_current;
        assert!(!is_over || !core.is_open(life.id), "an exchange that has ended is open");
        match letter {
            b'w' | b'v' => {
                let written = core.write(life.id, format!("={number}.\n").as_bytes());
                if is_over && written.is_ok() {
                    ledger.object(format!("written to {number}, which has ended"));
                }
            }
            b'a' | b'A' => {
                if core.is_open(life.id) && life.fate == Fate::Open {
                    life.has_aborted = true;
                }
                core.abort(life.id);
            }
            _ => core.close(life.id),
        }
    }

    /// The same through a handle, as another thread would.
    pub fn meddle_by_handle(&mut self, letter: u8, number: usize) {
        let count = self.handles.len();
        let Some(handle) = self.handles.get(number % count.max(1)) else { return };
        let lives = &self.ledger.borrow().lives;
        let number = lives.iter().position(|life| life.id == handle.id()).expect("it has begun");
        let is_over = matches!(lives[number].fate, Fate::Ended(_));
        let outcome = match letter {
            b'W' => handle.write(format!("={number}.\n")),
            _ => handle.close(),
        };
        assert!(!is_over || outcome.is_err(), "taken for an exchange that has ended");
    }
}

//! The stage: where a script's actions are performed, each through the one call of Encke that it stands for.
//!
//! `main.rs` calls [`perform`] in events and [`intrude`] in alarms.
//!
//! Next: nothing; the probe ends here.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use encke::http::query;
use encke::{Core, Ctx, ExchangeId, WriteError};

use crate::log::Log;
use crate::script::{Action, Deed, Step};

/// What `big` writes at once.
const PIECE: [u8; 8192] = [b'x'; 8192];

/// One exchange's script, and how far it has come.
pub(crate) struct Scene {
    pub(crate) id: Arc<str>,
    pub(crate) query: String,
    pub(crate) form: String,
    /// On `BEGIN`, `READ`, `READ/DONE`, `END`, `ERROR` and `ERROR/TIMEOUT`.
    pub(crate) begin: Rc<[Step]>,
    pub(crate) read: Rc<[Step]>,
    pub(crate) done: Rc<[Step]>,
    pub(crate) end: Rc<[Step]>,
    pub(crate) error: Rc<[Step]>,
    pub(crate) timeout: Rc<[Step]>,
    /// Whether `begin` waits for a form.
    pub(crate) is_gathering: bool,
    pub(crate) head: Head,
    /// What waits for the peer to take bytes: the rest of a `big`, and what was to come behind it.
    pub(crate) waiting: VecDeque<Step>,
}

/// The answer's head as it has been asked for so far.
#[derive(Default)]
pub(crate) struct Head {
    status: Option<u16>,
    length: Option<u64>,
    fields: Vec<(String, String)>,
    has_begun: bool,
}

/// Whether a script wants its event to panic.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Done,
    Throw,
}

/// What came of one action.
enum Outcome {
    Said(String),
    /// So many bytes of a `big` wait for `drained`.
    Full(usize),
    Throw,
}

/// What the handler keeps for an exchange.
pub(crate) type State = Option<Box<Scene>>;

/// What somebody who has kept an exchange's name will do to it.
pub(crate) struct Intruder {
    pub(crate) id: Arc<str>,
    pub(crate) exchange: ExchangeId,
    pub(crate) text: String,
    pub(crate) deed: Deed,
}

/// Performs a script. What it wants done later comes out in `intruders`.
pub(crate) fn perform(
    steps: &[Step],
    lent: &[u8],
    scene: &mut Scene,
    ctx: &mut Ctx<'_, State>,
    log: &Log,
    intruders: &mut Vec<(Duration, Intruder)>,
) -> Flow {
    for (at, step) in steps.iter().enumerate() {
        if let Action::Later(delay, deed) = &step.action {
            let (id, text) = (Arc::clone(&scene.id), step.text.clone());
            let intruder = Intruder { id, text, exchange: ctx.id(), deed: deed.clone() };
            intruders.push((*delay, intruder));
            continue;
        }
        match act(&step.action, lent, scene, ctx) {
            Outcome::Said(outcome) => log.act(&scene.id, &step.text, &outcome),
            Outcome::Full(left) => {
                log.act(&scene.id, &step.text, &format!("Full, {left} bytes wait"));
                let rest = Step { text: step.text.clone(), action: Action::Big(left) };
                scene.waiting = std::iter::once(rest).chain(steps[at + 1..].iter().cloned()).collect();
                return Flow::Done;
            }
            Outcome::Throw => {
                log.act(&scene.id, &step.text, "panics");
                return Flow::Throw;
            }
        }
    }
    Flow::Done
}

fn act(action: &Action, lent: &[u8], scene: &mut Scene, ctx: &mut Ctx<'_, State>) -> Outcome {
    let said = match action {
        Action::Write(text) => told(begin(&mut scene.head, ctx).and_then(|()| ctx.write(text.as_bytes()))),
        Action::Flush => told(begin(&mut scene.head, ctx)),
        Action::Big(bytes) => {
            let begun = begin(&mut scene.head, ctx);
            return big(*bytes, begun, |piece| ctx.write(piece));
        }
        Action::Close => close(&mut scene.head, ctx),
        Action::Timeout(timeout) => {
            ctx.set_timeout(*timeout);
            "ok".to_owned()
        }
        Action::Read(_) if lent.is_empty() => "WouldBlock".to_owned(),
        Action::Read(most) => excerpt(&lent[..lent.len().min(*most)]),
        Action::Available => lent.len().to_string(),
        Action::Parameter(name) => parameter(scene, name),
        Action::Throw => return Outcome::Throw,
        Action::Sleep(time) => {
            thread::sleep(*time);
            "slept, and nobody was served".to_owned()
        }
        Action::Session => "there are no sessions".to_owned(),
        Action::Status(_) | Action::Length(_) | Action::Field(..) if scene.head.has_begun => {
            told(Err(WriteError::Begun))
        }
        Action::Status(status) => {
            scene.head.status = Some(*status);
            "ok".to_owned()
        }
        Action::Length(length) => {
            scene.head.length = Some(*length);
            "ok".to_owned()
        }
        Action::Field(name, value) => {
            scene.head.fields.push((name.clone(), value.clone()));
            "ok".to_owned()
        }
        Action::Later(..) => "later".to_owned(),
    };
    Outcome::Said(said)
}

/// Sends the head as it was asked for, if it has not gone out.
fn begin(head: &mut Head, ctx: &mut Ctx<'_, State>) -> Result<(), WriteError> {
    if head.has_begun {
        return Ok(());
    }
    let fields: Vec<_> = head.fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let status = head.status.unwrap_or(200);
    let started = match head.length {
        Some(length) => ctx.start_sized(status, &fields, length),
        None => ctx.start(status, &fields),
    };
    // An intruder's write may have begun the answer already.
    head.has_begun = matches!(started, Ok(()) | Err(WriteError::Begun));
    if head.has_begun { Ok(()) } else { started }
}

/// Closes. A status or fields that nothing was written behind still go out.
fn close(head: &mut Head, ctx: &mut Ctx<'_, State>) -> String {
    let is_plain = head.status.is_none() && head.fields.is_empty() && head.length.is_none();
    let mut outcome = if ctx.is_open() { "ok".to_owned() } else { told(Err(WriteError::Ended)) };
    if ctx.is_open() && !head.has_begun && !is_plain {
        head.length = head.length.or(Some(0));
        outcome = told(begin(head, ctx));
    }
    ctx.close();
    outcome
}

fn big(
    bytes: usize,
    begun: Result<(), WriteError>,
    mut write: impl FnMut(&[u8]) -> Result<(), WriteError>,
) -> Outcome {
    let mut left = bytes;
    let mut outcome = begun;
    while left > 0 && outcome.is_ok() {
        let piece = &PIECE[..left.min(PIECE.len())];
        outcome = write(piece);
        if outcome.is_ok() {
            left -= piece.len();
        }
    }
    match outcome {
        Err(WriteError::Full) => Outcome::Full(left),
        Err(error) => Outcome::Said(format!("{error:?}, {left} bytes were not taken")),
        Ok(()) => Outcome::Said("ok".to_owned()),
    }
}

fn parameter(scene: &Scene, name: &str) -> String {
    let mut pairs = query::pairs(&scene.query).chain(query::pairs(&scene.form)).flatten();
    pairs.find(|(known, _)| known == name).map_or("none".to_owned(), |(_, value)| value.into_owned())
}

fn excerpt(bytes: &[u8]) -> String {
    const SHOWN_MAX: usize = 200;
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(SHOWN_MAX)]);
    format!("{} bytes: {shown}", bytes.len())
}

fn told(outcome: Result<(), WriteError>) -> String {
    match outcome {
        Ok(()) => "ok".to_owned(),
        Err(WriteError::Ended) => "ENDED".to_owned(),
        Err(error) => format!("{error:?}: {error}"),
    }
}

/// Does one deed through the name of an exchange, which may have ended long ago. Gives what is to follow, and when.
pub(crate) fn intrude(intruder: Intruder, core: &mut Core, log: &Log) -> Option<(Duration, Intruder)> {
    /// How long a `tbig` that found no room waits.
    const RETRY: Duration = Duration::from_millis(10);
    let Intruder { id, exchange, text, deed } = intruder;
    let is_open = core.is_open(exchange);
    let again = |deed| Intruder { id: Arc::clone(&id), exchange, text: text.clone(), deed };
    let (outcome, next) = match deed {
        Deed::Write { left: 0, .. } => return None,
        Deed::Write { text, number, left, every } => {
            let outcome = core.write(exchange, format!("{text}{number}").as_bytes());
            let deed = Deed::Write { text, number: number + 1, left: left - 1, every };
            (told(outcome), (outcome != Err(WriteError::Ended)).then(|| (every, again(deed))))
        }
        Deed::Big(bytes) => match big(bytes, Ok(()), |piece| core.write(exchange, piece)) {
            Outcome::Full(left) => {
                (format!("Full, {left} bytes wait"), Some((RETRY, again(Deed::Big(left)))))
            }
            Outcome::Said(outcome) => (outcome, None),
            Outcome::Throw => return None,
        },
        Deed::Close => {
            core.close(exchange);
            (if is_open { "ok" } else { "ENDED" }.to_owned(), None)
        }
        Deed::Timeout(timeout) => {
            core.set_timeout(exchange, timeout);
            (if is_open { "ok" } else { "ENDED" }.to_owned(), None)
        }
        Deed::Read => {
            core.resume_reading(exchange);
            (if is_open { "WouldBlock" } else { "ENDED" }.to_owned(), None)
        }
    };
    log.act(&id, &text, &outcome);
    next
}

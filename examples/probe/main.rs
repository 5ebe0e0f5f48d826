//! The probe: a handler that does what its query string says, and tells what happened to it.
//!
//! It is how one watches the law of events. `cargo run --example probe`, then in one terminal
//!
//! ```text
//! curl -N 'localhost:8081/probe?id=a&b=to:1000,w:hello&t=w:still%20here'
//! ```
//!
//! and, when that was interrupted, in another:
//!
//! ```text
//! curl 'localhost:8082/events?id=a'
//! {"t":467,"id":"a","kind":"event","what":"BEGIN","detail":"GET, exchange 0.2","thread":"main"}
//! {"t":467,"id":"a","kind":"act","what":"to:1000","detail":"ok","thread":"main"}
//! {"t":467,"id":"a","kind":"act","what":"w:hello","detail":"ok","thread":"main"}
//! {"t":467,"id":"a","kind":"event","what":"READ/DONE","detail":"","thread":"main"}
//! {"t":1471,"id":"a","kind":"event","what":"ERROR/TIMEOUT","detail":"","thread":"main"}
//! {"t":1471,"id":"a","kind":"act","what":"w:still here","detail":"ok","thread":"main"}
//! {"t":1769,"id":"a","kind":"event","what":"ERROR/DISCONNECTED","detail":"","thread":"main"}
//! {"t":1769,"id":"a","kind":"act","what":"close","detail":"ENDED","thread":"main"}
//! {"t":1769,"id":"a","kind":"event","what":"END/FAILED","detail":"","thread":"main"}
//! {"t":1769,"id":"a","kind":"act","what":"close","detail":"ENDED","thread":"main"}
//! ```
//!
//! The query: `id` is a name to ask for later. `b`, `r`, `d`, `e`, `x` and `t` are what to do on `BEGIN`, `READ`, `READ/DONE`, `END`,
//! `ERROR` and `ERROR/TIMEOUT`; without them it is `r=ra`, `e=close`, `x=close`, and nothing for the others. Actions are
//! separated by commas, and `%20` is a blank.
//!
//! | action | what it does |
//! | --- | --- |
//! | `w:T`, `wf:T`, `os:T` | writes `T`: one chunk; there are no buffers to flush and only one kind of stream |
//! | `f` | sends the head, if it has not gone out |
//! | `big:N` | writes N `x`s in pieces; after `Full` it goes on in `drained`, and so does what follows it |
//! | `close` | closes; with a `status` and nothing written, answers that |
//! | `status:N`, `hdr:K:V`, `type:T`, `cl:N` | for the head, before anything is written; `cl` is `Content-Length` |
//! | `to:MS`, `attr:MS` | sets the comet timeout |
//! | `ra[:N]`, `rs[:N]`, `r1:N` | notes what `READ` lent, at most N bytes of it; elsewhere there is nothing, `WouldBlock` |
//! | `avail` | notes how many bytes are lent |
//! | `param:K` | notes a parameter of the query or the form. If `b` asks for one and there is a body, `b` waits for it |
//! | `throw`, `throwrt` | panics |
//! | `sleep:MS` | blocks the loop, which a handler must not do |
//! | `session` | nothing: there are none |
//! | `thread:DELAY:COUNT:EVERY:T` | writes T1, T2 … from outside, stopping when the exchange has ended |
//! | `tbig:DELAY:N`, `tclose:DELAY`, `tto:DELAY:MS`, `tread:DELAY` | the same from outside |
//!
//! "From outside" is an alarm of the handler, which has kept nothing but the [`ExchangeId`](encke::ExchangeId). It may go off
//! after the exchange has ended and another is open on the same connection: the log then says `ENDED`, and nobody gets the bytes.
//! A write from outside that is the first begins a plain 200.
//!
//! The three ways of reading are the same here, for Encke lends all there is and takes it as read: they are three so that the same
//! queries can be put to a servlet. An action that finds the exchange over does nothing, and the log says `ENDED`.
//!
//! The admin's port also knows `/stop`, a shutdown of the probe after which the events can still be read, and `/exit`.
//! Other addresses than `127.0.0.1:8081` and `127.0.0.1:8082` are given as two arguments.
//!
//! Next: `log.rs`.

mod log;
mod script;
mod stage;

use std::collections::HashMap;
use std::net::TcpListener;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;
use std::{env, io, thread};

use encke::http::{Framing, query};
use encke::{Cause, Core, Ctx, End, Event, Handler, Limits, Reactor, Read, Remote, RequestHead};

use crate::log::Log;
use crate::script::{Action, Step};
use crate::stage::{Flow, Intruder, Scene, State};

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let probe_address = arguments.next().unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let admin_address = arguments.next().unwrap_or_else(|| "127.0.0.1:8082".to_owned());
    let log = Log::new();
    let mut probe = Reactor::bind(probe_address, Probe::new(log.clone()), Limits::default())?;
    let admin = Admin { log, probe: probe.remote() };
    let listener = TcpListener::bind(admin_address)?;
    println!("probe on {}, events on {}", probe.addresses()[0], listener.local_addr()?);
    let admin = thread::Builder::new()
        .name("admin".to_owned())
        .spawn(move || Reactor::from_listener(listener, admin, Limits::default())?.run())?;
    probe.run()?;
    println!("the probe has stopped; its events can be read until /exit");
    admin.join().unwrap_or_else(|_| Err(io::Error::other("the admin panicked")))
}

/// The handler that is watched.
struct Probe {
    log: Log,
    intruders: HashMap<u64, Intruder>,
    alarms: u64,
}

impl Handler for Probe {
    type State = State;

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, State>) {
        if let Event::Begin(head) = event {
            return self.begin(head, ctx);
        }
        let Some(mut scene) = ctx.state.take() else { return };
        let flow = self.go_on(event, &mut scene, ctx);
        // The scene must be back before a panic, for `ERROR` and `END` belong to it.
        *ctx.state = Some(scene);
        leave(flow);
    }

    fn drained(&mut self, ctx: &mut Ctx<'_, State>) {
        let Some(mut scene) = ctx.state.take() else { return };
        self.log.event(&scene.id, "DRAINED", "");
        let steps: Vec<_> = scene.waiting.drain(..).collect();
        let flow = self.perform(&steps, b"", &mut scene, ctx);
        *ctx.state = Some(scene);
        leave(flow);
    }

    fn alarm(&mut self, key: u64, core: &mut Core) {
        let Some(intruder) = self.intruders.remove(&key) else { return };
        if let Some((delay, intruder)) = stage::intrude(intruder, core, &self.log) {
            self.intruders.insert(key, intruder);
            core.set_alarm(key, delay);
        }
    }
}

impl Probe {
    fn new(log: Log) -> Probe {
        Probe { log, intruders: HashMap::new(), alarms: 0 }
    }

    fn begin(&mut self, head: &RequestHead<'_>, ctx: &mut Ctx<'_, State>) {
        let answer = match (head.path(), read_scene(head)) {
            ("/probe", Ok(scene)) => return self.open(head, scene, ctx),
            ("/probe", Err(why)) => ctx.respond(400, &[], format!("{why}\n").as_bytes()),
            _ => ctx.respond(404, &[], b"only /probe is here\n"),
        };
        debug_assert!(answer.is_ok(), "the first answer of an exchange is taken");
    }

    fn open(&mut self, head: &RequestHead<'_>, mut scene: Box<Scene>, ctx: &mut Ctx<'_, State>) {
        self.log.event(&scene.id, "BEGIN", &format!("{}, {:?}", head.method(), ctx.id()));
        let asks_for_form = scene.begin.iter().any(|step| matches!(step.action, Action::Parameter(_)));
        scene.is_gathering = asks_for_form && head.framing() != Framing::None;
        let flow = if scene.is_gathering {
            let bytes_max = ctx.core().limits().body_bytes_max;
            ctx.collect_body(bytes_max);
            self.log.act(&scene.id, "param", "waits for the form");
            Flow::Done
        } else {
            let steps = Rc::clone(&scene.begin);
            self.perform(&steps, b"", &mut scene, ctx)
        };
        *ctx.state = Some(scene);
        leave(flow);
    }

    /// Whatever follows `Begin`.
    fn go_on(&mut self, event: Event<'_>, scene: &mut Scene, ctx: &mut Ctx<'_, State>) -> Flow {
        let (what, detail) = name(&event);
        self.log.event(&scene.id, what, &detail);
        let lent = match event {
            Event::Read(Read::Data(bytes)) => bytes,
            _ => b"",
        };
        if matches!(event, Event::Read(_)) && std::mem::take(&mut scene.is_gathering) {
            scene.form = String::from_utf8_lossy(lent).into_owned();
            let steps = Rc::clone(&scene.begin);
            if self.perform(&steps, lent, scene, ctx) == Flow::Throw {
                return Flow::Throw;
            }
        }
        let steps = Rc::clone(match event {
            Event::Begin(_) => &scene.begin,
            Event::Read(Read::Data(_)) => &scene.read,
            Event::Read(Read::Done) => &scene.done,
            Event::Error(Cause::Timeout) => &scene.timeout,
            Event::Error(_) => &scene.error,
            Event::End(_) => &scene.end,
        });
        self.perform(&steps, lent, scene, ctx)
    }

    fn perform(&mut self, steps: &[Step], lent: &[u8], scene: &mut Scene, ctx: &mut Ctx<'_, State>) -> Flow {
        let mut intruders: Vec<(Duration, Intruder)> = Vec::new();
        let flow = stage::perform(steps, lent, scene, ctx, &self.log, &mut intruders);
        for (delay, intruder) in intruders {
            self.alarms += 1;
            self.intruders.insert(self.alarms, intruder);
            ctx.core().set_alarm(self.alarms, delay);
        }
        flow
    }
}

/// Returns to the engine as the script wants to. It is a panic like any other, but one that was planned: no message is printed.
fn leave(flow: Flow) {
    if flow == Flow::Throw {
        resume_unwind(Box::new("a script threw"));
    }
}

fn read_scene(head: &RequestHead<'_>) -> Result<Box<Scene>, String> {
    let query = head.query().unwrap_or_default();
    let mut scripts: HashMap<String, String> =
        [("r", "ra"), ("e", "close"), ("x", "close")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    for pair in query::pairs(query) {
        let (key, value) = pair.map_err(|refusal| refusal.to_string())?;
        scripts.insert(key.into_owned(), value.into_owned());
    }
    let script = |key: &str| script::parse(scripts.get(key).map_or("", String::as_str)).map(Rc::from);
    Ok(Box::new(Scene {
        id: scripts.get("id").map_or("", String::as_str).into(),
        query: query.to_owned(),
        form: String::new(),
        begin: script("b")?,
        read: script("r")?,
        done: script("d")?,
        end: script("e")?,
        error: script("x")?,
        timeout: script("t")?,
        is_gathering: false,
        head: stage::Head::default(),
        waiting: std::collections::VecDeque::new(),
    }))
}

/// An event's name in the log, and what else it says.
fn name(event: &Event<'_>) -> (&'static str, String) {
    let name = match event {
        Event::Begin(_) => "BEGIN",
        Event::Read(Read::Data(bytes)) => return ("READ", format!("{} bytes", bytes.len())),
        Event::Read(Read::Done) => "READ/DONE",
        Event::Error(Cause::Timeout) => "ERROR/TIMEOUT",
        Event::Error(Cause::Disconnected) => "ERROR/DISCONNECTED",
        Event::Error(Cause::Reset) => "ERROR/RESET",
        Event::Error(Cause::Protocol(refusal)) => return ("ERROR/PROTOCOL", refusal.to_string()),
        Event::Error(Cause::Stalled(side)) => return ("ERROR/STALLED", format!("{side:?}")),
        Event::Error(Cause::Handler) => "ERROR/HANDLER",
        Event::Error(other) => return ("ERROR", format!("{other:?}")),
        Event::End(End::Closed) => "END/CLOSED",
        Event::End(End::Failed) => "END/FAILED",
        Event::End(End::Shutdown) => "END/SHUTDOWN",
    };
    (name, String::new())
}

/// The one who tells what happened.
struct Admin {
    log: Log,
    probe: Remote<Probe>,
}

impl Handler for Admin {
    type State = ();

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
        let Event::Begin(head) = event else { return };
        let answer = match head.path() {
            "/events" => {
                let mut pairs = query::pairs(head.query().unwrap_or_default()).flatten();
                let id = pairs.find(|(key, _)| key == "id").map(|(_, id)| id);
                let lines = self.log.read(id.as_deref());
                ctx.respond(200, &[("Content-Type", "application/x-ndjson")], lines.as_bytes())
            }
            "/stop" | "/exit" => {
                // A probe that is gone needs no stopping.
                let _ = self.probe.post(|_, core| core.shutdown());
                let answer = ctx.respond(200, &[], b"ok\n");
                if head.path() == "/exit" {
                    ctx.core().shutdown();
                }
                answer
            }
            _ => ctx.respond(404, &[], b"there are /events?id=NAME, /stop and /exit\n"),
        };
        debug_assert!(answer.is_ok(), "the first answer of an exchange is taken");
    }
}

//! `TestComet` and `RandomSender`, as the first article has them: a thread for each peer that writes a number now and then.
//!
//! `cargo run --example random`, or with another port than 8080 as its argument, and then
//!
//! ```text
//! $ curl -iN -d requestInfo=sdfsdf localhost:8080/testComet.do
//! HTTP/1.1 200 OK
//! Date: Tue, 24 Nov 2026 20:37:48 GMT
//! Content-Type: text/plain; charset=utf-8
//! Cache-Control: no-store
//! X-Content-Type-Options: nosniff
//! Transfer-Encoding: chunked
//!
//! random:3
//! random:9
//! random:1
//! ^C
//! $ curl -N 'localhost:8080/testComet.do?interval=0.5'      # a plain GET will do, and half a second
//! random:9
//! random:2
//! random:1
//! ^C
//! $ curl -H 'Content-Type: text/plain' -d hi localhost:8080/testComet.do
//! this servlet does not accept data
//! ```
//!
//! while the server says
//!
//! ```text
//! listening on http://127.0.0.1:8080
//! 接收注册请求包信息 (requestInfo of a registration): "sdfsdf"
//! 接收注册请求包信息 (requestInfo of a registration): none
//! ```
//!
//! What the original does, and what is done here instead:
//!
//! | there | here |
//! | --- | --- |
//! | a sender runs until a `NullPointerException` tells it that its client has left | its exchange's end wakes it: it waits for that and not for the time to pass |
//! | one field of the servlet holds the sender of whoever came last | each exchange holds its own, in its `State` |
//! | `getParameter` blocks until the form is there | the form is collected, and the answer begins when it is |
//! | `UnsupportedOperationException` where data comes, which ends in a 200 that looks whole | 415, before the data are sent |
//! | a log that is written while the client waits | a thread that writes it, `serve/log.rs`: who does not read it holds up nobody |
//! | as many threads as clients | at most [`SENDERS_MAX`], and none when the server has stopped |
//!
//! A thread for a timer is what the article shows, and what one has where numbers come from something that blocks. Where they do not,
//! `ctx.set_timer` does without.

#[path = "serve/log.rs"]
mod log;
#[path = "serve/stop.rs"]
mod stop;

use std::convert::Infallible;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::process::exit;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use encke::http::{Framing, form, query};
use encke::{
    Cause, Ctx, Event, Handle, Handler, Limits, PostError, Reactor, Read, Refusal, Remote, RequestHead,
    WriteError,
};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The article's own, set at `Begin`: so long without a number, and the exchange is closed.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// The article's `Thread.sleep(3000)`.
const INTERVAL: Duration = Duration::from_secs(3);

/// What may be asked for instead: neither a thread that never rests nor one that forgets why it waits.
const INTERVAL_SECONDS: std::ops::RangeInclusive<f64> = 0.01..=3600.0;

/// A thread each is what this is about, and why it has a bound: the engine could hold sixty times as many peers.
pub(crate) const SENDERS_MAX: usize = 256;

/// A registration is a few words.
const FORM_BYTES_MAX: u64 = 64 * 1024;

/// What a registration may write into the log.
const LOGGED_CHARS_MAX: usize = 200;

/// `nosniff`, or some browsers hold a text stream back until they have seen enough of it to guess what it is.
const FIELDS: [(&str, &str); 3] = [
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
];

fn main() -> io::Result<()> {
    let word = std::env::args().nth(1).unwrap_or_else(|| "8080".to_owned());
    let port: u16 = word.parse().unwrap_or_else(|_| {
        eprintln!("a port is a number from 0 to 65535, and not {word:?}");
        exit(2)
    });
    let random = Random::new(TIMEOUT, |line| log::note(line));
    let signals = Signals::new([SIGINT, SIGTERM])?;
    serve(&format!("127.0.0.1:{port}"), random, |address, remote| {
        println!("listening on http://{address}");
        thread::spawn(move || {
            stop::at_a_signal(signals, || {
                !matches!(remote.post(|_, core| core.shutdown()), Err(PostError::Full(_)))
            });
        });
    })
}

/// Serves until a shutdown, and returns when the last sender has ended too.
pub(crate) fn serve(
    address: &str,
    random: Random,
    ready: impl FnOnce(SocketAddr, Remote<Random>),
) -> io::Result<()> {
    let senders = Arc::clone(&random.senders);
    let mut reactor = Reactor::bind(address, random, Limits::default())?;
    if let Some(address) = reactor.local_addr() {
        ready(address, reactor.remote());
    }
    let outcome = reactor.run();
    end(reactor, &senders);
    outcome
}

/// Returns when the last sender has ended.
pub(crate) fn end(reactor: Reactor<Random>, senders: &Senders) {
    // After a shutdown every exchange has had its `End`. After an error of the poll some are still there, and go with their engine.
    drop(reactor);
    senders.wait_until(|count| count == 0);
}

/// The servlet: `TestComet`.
pub(crate) struct Random {
    timeout: Duration,
    /// Called in the midst of serving, so it must not wait.
    log: Box<dyn Fn(&str) + Send>,
    pub(crate) senders: Arc<Senders>,
}

/// What is kept for one exchange. The article keeps it in a field of the servlet, of which there is one for all.
#[derive(Default)]
pub(crate) enum Visit {
    /// It was answered, or will be.
    #[default]
    Nobody,
    /// Its request is not complete.
    Registering { interval: Duration, info: Option<String> },
    /// Its sender has the other end. Nothing is ever sent here: when the state goes, at `End`, the sender sees that it has gone.
    Sending { _stop: Sender<Infallible> },
}

// TOUR 2.3
impl Handler for Random {
    type State = Visit;

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, Visit>) {
        match event {
            Event::Begin(head) => {
                ctx.set_timeout(self.timeout);
                match registration(head) {
                    Ok(_) if head.is_head() => {
                        let _ = ctx.start(200, &FIELDS);
                        ctx.close();
                    }
                    Ok(visit) => {
                        ctx.collect_body(FORM_BYTES_MAX);
                        *ctx.state = visit;
                    }
                    Err(refusal) => refuse(refusal, ctx),
                }
            }
            // Only a form comes here. What the query says counts before it, as with `getParameter`.
            Event::Read(Read::Data(body)) => match (form::find(body, "requestInfo"), &mut *ctx.state) {
                (Ok(told), Visit::Registering { info, .. }) if info.is_none() => {
                    *info = told.map(|text| text.into_owned());
                }
                (Ok(_), _) => {}
                (Err(refusal), _) => refuse(refusal, ctx),
            },
            // It comes on a GET too, so there is one place where an answer begins.
            Event::Read(Read::Done) => self.register(ctx),
            // The servlet's ERROR. The other causes are fatal, and there is nothing to be done about them.
            Event::Error(Cause::Timeout) => ctx.close(),
            // The servlet's END closes. Here the state is dropped behind this, and with it the sender's reason to go on.
            Event::Error(_) | Event::End(_) => {}
        }
    }
}

impl Random {
    pub(crate) fn new(timeout: Duration, log: impl Fn(&str) + Send + 'static) -> Random {
        Random { timeout, log: Box::new(log), senders: Arc::default() }
    }

    /// The request is complete: the head goes out, and a sender begins.
    fn register(&mut self, ctx: &mut Ctx<'_, Visit>) {
        let Visit::Registering { interval, info } = std::mem::take(ctx.state) else { return };
        let info = info.map_or("none".to_owned(), |text| excerpt(&text));
        (self.log)(&format!("接收注册请求包信息 (requestInfo of a registration): {info}"));
        let (stop, stopped) = channel();
        let Some(place) = self.senders.enter() else { return refuse(TOO_MANY, ctx) };
        let sender = RandomSender { handle: ctx.handle(), interval, stopped, _place: place };
        if thread::Builder::new().name("random".to_owned()).spawn(|| sender.run()).is_err() {
            return refuse(TOO_MANY, ctx);
        }
        let _ = ctx.start(200, &FIELDS);
        *ctx.state = Visit::Sending { _stop: stop };
    }
}

/// What a request asks for, or why it does not get it.
fn registration(head: &RequestHead<'_>) -> Result<Visit, Refusal> {
    if head.path() != "/testComet.do" {
        return Err(Refusal::new(404, "only /testComet.do is here"));
    }
    if !matches!(head.method(), "GET" | "HEAD" | "POST") {
        return Err(NOT_ALLOWED);
    }
    let has_data = !matches!(head.framing(), Framing::None | Framing::Length(0));
    if has_data && !form::is_form(head) {
        return Err(NO_DATA);
    }
    let query = head.query().unwrap_or_default();
    let info = query::find(query, "requestInfo")?.map(|text| text.into_owned());
    let interval = query::find(query, "interval")?.map_or(Ok(INTERVAL), |text| seconds(&text))?;
    Ok(Visit::Registering { interval, info })
}

fn seconds(text: &str) -> Result<Duration, Refusal> {
    let seconds = text.parse().ok().filter(|seconds| INTERVAL_SECONDS.contains(seconds));
    let refusal = Refusal::new(400, "interval is a number of seconds, from 0.01 to 3600");
    seconds.map(Duration::from_secs_f64).ok_or(refusal)
}

/// The article's words. 415 and not 405, for a POST is welcome, nor 400, for nothing is malformed: it is the kind of data that is not
/// taken, and the field says which is (RFC 9110 §15.5.16).
const NO_DATA: Refusal = Refusal::new(415, "this servlet does not accept data");
const NOT_ALLOWED: Refusal = Refusal::new(405, "ask with GET or POST");
const TOO_MANY: Refusal =
    Refusal::new(503, "there are as many senders as there may be; try again in a moment");

fn refuse(refusal: Refusal, ctx: &mut Ctx<'_, Visit>) {
    let text = ("Content-Type", "text/plain; charset=utf-8");
    let fields: &[_] = match refusal.status {
        405 => &[text, ("Allow", "GET, HEAD, POST")],
        415 => &[text, ("Accept", "application/x-www-form-urlencoded")],
        503 => &[text, ("Retry-After", "5")],
        _ => &[text],
    };
    // Whoever has been answered already hears nothing more.
    let _ = ctx.respond(refusal.status, fields, format!("{}\n", refusal.why).as_bytes());
}

/// A peer's text as one short line of the log: quoted, and its line ends and control bytes escaped, or it could write lines of its own.
fn excerpt(text: &str) -> String {
    let shown: String = text.chars().take(LOGGED_CHARS_MAX).collect();
    let rest = text.chars().count() - shown.chars().count();
    if rest == 0 { format!("{shown:?}") } else { format!("{shown:?} and {rest} more") }
}

/// The thread: `RandomSender`.
struct RandomSender {
    handle: Handle,
    interval: Duration,
    stopped: Receiver<Infallible>,
    _place: Place,
}

impl RandomSender {
    fn run(self) {
        let mut dice = Dice::new();
        loop {
            match self.handle.write(format!("random:{}\n", dice.roll())) {
                // A peer that does not read misses numbers, which are worth something only while they are new. If it takes nothing at all,
                // the engine ends its exchange after `Limits::write_timeout`.
                Ok(()) | Err(WriteError::Full) => {}
                Err(_) => return,
            }
            // The end of the exchange, or the next number, whichever is first.
            if self.stopped.recv_timeout(self.interval) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    }
}

/// How many senders there are.
#[derive(Default)]
pub(crate) struct Senders {
    count: Mutex<usize>,
    changed: Condvar,
}

impl Senders {
    /// A place for one more, if there is one. It is free again when it is dropped, however its thread ends.
    fn enter(self: &Arc<Senders>) -> Option<Place> {
        let mut count = self.lock();
        if *count == SENDERS_MAX {
            return None;
        }
        *count += 1;
        self.changed.notify_all();
        Some(Place(Arc::clone(self)))
    }

    /// Waits until there are as many as that.
    pub(crate) fn wait_until(&self, is_so: impl Fn(usize) -> bool) {
        let count = self.changed.wait_while(self.lock(), |count| !is_so(*count));
        drop(count.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Place(Arc<Senders>);

impl Drop for Place {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.changed.notify_all();
    }
}

/// Xorshift (Marsaglia 2003): fair enough for dice, and a line long. The standard library's hash keys are random, and its only door to
/// chance.
struct Dice(u64);

impl Dice {
    fn new() -> Dice {
        Dice(RandomState::new().hash_one(0) | 1)
    }

    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) % 10
    }
}

//! An embedder whose handler does what it must not: a reactor on a thread of its own, in this process.
//!
//! | path | what its handler does |
//! | --- | --- |
//! | `/panics` | panics before it has answered |
//! | `/breaks` | answers, and panics in a timer while the answer goes on |
//! | `/blocks` | keeps the loop's thread for [`BLOCKED`] |
//! | `/news` | subscribes to the channel `news`, as lines |
//! | else | says `ok` |

use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::sync::{Mutex, Once, PoisonError};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use encke::{Core, Counters, Ctx, Event, Handler, Limits, Message, Reactor, Remote, Since, WireFormat};

use crate::machine::pause;
use crate::support::PATIENCE;

/// How long `/blocks` holds everybody.
pub(crate) const BLOCKED: Duration = Duration::from_millis(150);

/// What it panics with.
const WISH: &str = "as the peer wished";

/// The handler.
pub(crate) struct Unruly;

impl Handler for Unruly {
    type State = ();

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
        let Event::Begin(head) = event else { return };
        let outcome = match head.path() {
            "/panics" => panic!("{WISH}"),
            "/breaks" => {
                ctx.set_timer(1, Duration::from_millis(1));
                ctx.start(200, &[])
            }
            "/blocks" => {
                pause(BLOCKED);
                ctx.respond(200, &[], b"ok\n")
            }
            "/news" => {
                ctx.subscribe(&["news"], Since::Head, WireFormat::STREAM).and_then(|_| ctx.start(200, &[]))
            }
            _ => ctx.respond(200, &[], b"ok\n"),
        };
        outcome.expect("it may answer");
    }

    fn timer(&mut self, _: u64, _: &mut Ctx<'_, ()>) {
        panic!("{WISH}")
    }
}

/// Its reactor, which ends with the test.
pub(crate) struct Embedder {
    pub(crate) address: SocketAddr,
    pub(crate) remote: Remote<Unruly>,
    thread: Option<JoinHandle<()>>,
}

impl Embedder {
    /// Starts it; from now on what it logs is kept, and what it panics with is not printed.
    #[track_caller]
    pub(crate) fn start(limits: Limits) -> Embedder {
        keep_log();
        let (sender, receiver) = channel();
        let thread = spawn(move || {
            let mut reactor = Reactor::bind("127.0.0.1:0", Unruly, limits).expect("a free port");
            let address = reactor.local_addr().expect("a port");
            sender.send((address, reactor.remote())).expect("the test waits");
            reactor.run().expect("the poll works");
        });
        let (address, remote) = receiver.recv_timeout(PATIENCE).expect("the reactor starts");
        Embedder { address, remote, thread: Some(thread) }
    }

    /// Asks the engine something.
    #[track_caller]
    pub(crate) fn ask<R: Send + 'static>(&self, question: impl FnOnce(&mut Core) -> R + Send + 'static) -> R {
        let (sender, receiver) = channel();
        let posted =
            self.remote.post(move |_, core| sender.send(question(core)).expect("the test waits for it"));
        assert!(posted.is_ok(), "there is room");
        receiver.recv_timeout(PATIENCE).expect("the loop goes on")
    }

    pub(crate) fn counters(&self) -> Counters {
        self.ask(|core| *core.counters())
    }

    /// Publishes to who is at `/news`.
    #[track_caller]
    pub(crate) fn publish(&self, text: &str) {
        let text = text.to_owned();
        self.ask(move |core| core.publish("news", Message::new(&text)).map(|_| ()).expect("a good name"));
    }
}

impl Drop for Embedder {
    fn drop(&mut self) {
        // A mailbox that is full has room in a moment.
        while matches!(self.remote.post(|_, core| core.shutdown()), Err(encke::PostError::Full(_))) {
            std::thread::yield_now();
        }
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(outcome.is_ok() || std::thread::panicking(), "the reactor panicked");
        }
    }
}

/// What was logged in this process since [`keep_log`].
static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The lines with these words, which are forgotten.
pub(crate) fn take_log(words: &str) -> Vec<String> {
    let mut log = LOG.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut *log).into_iter().filter(|line| line.contains(words)).collect()
}

struct Keeper;

impl log::Log for Keeper {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = format!("{} {}", record.level(), record.args());
        LOG.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn flush(&self) {}
}

/// Keeps what is logged from now on, and keeps quiet of panics that are wished for.
fn keep_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        log::set_logger(&Keeper).expect("nothing else in this program keeps a log");
        log::set_max_level(log::LevelFilter::Warn);
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.payload().downcast_ref::<String>().is_none_or(|text| text != WISH) {
                usual(panic);
            }
        }));
    });
    let _ = take_log("");
}

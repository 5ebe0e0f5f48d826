//! From a command line to a running server and out again: what several examples have in common, so that each is about its one idea.
//!
//! Every one of them takes a port, `--port N` or plainly `N`, by default 8080; with 0 the system finds one. It says where it listens, serves
//! this machine alone, and ends at Ctrl-C or SIGTERM when everybody has been told; a second signal
//! ends it at once.

#![allow(dead_code, reason = "each example uses its part")]

pub(crate) mod log;
mod stop;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::exit;
use std::str::FromStr;
use std::thread;
use std::time::Duration;

use encke::{Core, Ctx, Handler, Limits, PostError, Reactor, Remote};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What stands on the command line: a port, and `--name value` as often as one likes.
pub(crate) struct Arguments {
    values: BTreeMap<String, String>,
}

impl Arguments {
    /// Reads the command line; what it cannot mean ends the program.
    pub(crate) fn read() -> Arguments {
        let mut values = BTreeMap::new();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let (name, value) = match word.starts_with("--") {
                true => (word, words.next()),
                false => ("--port".to_owned(), Some(word)),
            };
            match value {
                Some(value) => drop(values.insert(name, value)),
                None => wrong(&format!("{name} wants a value behind it")),
            }
        }
        Arguments { values }
    }

    /// The value of `name`, if it is there.
    pub(crate) fn take<T: FromStr>(&mut self, name: &str) -> Option<T> {
        let text = self.values.remove(name)?;
        text.parse().ok().or_else(|| wrong(&format!("{name} cannot be {text:?}")))
    }

    /// The value of `name` as a time, in seconds.
    pub(crate) fn take_seconds(&mut self, name: &str) -> Option<Duration> {
        let seconds: f64 = self.take(name)?;
        Duration::try_from_secs_f64(seconds).ok().or_else(|| wrong(&format!("{name} cannot be {seconds} s")))
    }

    /// What nobody has taken of the command line is a mistake by now.
    pub(crate) fn end(self) {
        if let Some(name) = self.values.keys().next() {
            wrong(&format!("{name} means nothing here"));
        }
    }

    /// Listens, and tells where.
    pub(crate) fn bind<H: Handler>(mut self, handler: H, limits: Limits) -> io::Result<Reactor<H>> {
        let port = self.take("--port").unwrap_or(8080);
        self.end();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let reactor = Reactor::bind(address, handler, limits).unwrap_or_else(|error| {
            eprintln!("cannot listen on {address}: {error}; another port is chosen with --port");
            exit(1)
        });
        for address in reactor.addresses() {
            say(format_args!("listening on http://{address}"));
        }
        Ok(reactor)
    }
}

/// Serves until a signal comes, and then until everybody has gone. `prepare` is given the handler before anybody comes.
pub(crate) fn run<H: Handler + 'static>(
    mut reactor: Reactor<H>,
    prepare: impl FnOnce(&mut H, &mut Core, Remote<H>),
) -> io::Result<()> {
    let remote = reactor.remote();
    let now = reactor.engine().core().now();
    reactor.engine_mut().run(now, |handler, core| prepare(handler, core, remote));
    let remote = reactor.remote();
    let signals = Signals::new([SIGINT, SIGTERM])?;
    thread::spawn(move || {
        stop::at_a_signal(signals, || {
            !matches!(remote.post(|_, core| core.shutdown()), Err(PostError::Full(_)))
        });
    });
    reactor.run()
}

/// A line for whoever started the program, before anybody is served or after; a callback takes [`log::note`]. A reader that has left, as `head`
/// does, is no reason to stop.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Answers with one JSON value, as a line.
pub(crate) fn json<S>(ctx: &mut Ctx<'_, S>, status: u16, value: &serde_json::Value) {
    json_with(ctx, status, &[], value);
}

/// The same, with more fields.
fn json_with<S>(ctx: &mut Ctx<'_, S>, status: u16, more: &[(&str, &str)], value: &serde_json::Value) {
    let fields = [&[("Content-Type", "application/json"), ("Cache-Control", "no-store")], more].concat();
    // Refused only if there is an answer already, and then that one counts.
    let _ = ctx.respond(status, &fields, format!("{value}\n").as_bytes());
}

/// Answers that it cannot be, and why.
pub(crate) fn refuse<S>(ctx: &mut Ctx<'_, S>, status: u16, why: impl Display) {
    json(ctx, status, &serde_json::json!({ "error": why.to_string() }));
}

/// Answers that there is such a thing, and with which methods, as in `GET, HEAD`.
pub(crate) fn not_allowed<S>(ctx: &mut Ctx<'_, S>, allowed: &str) {
    let error = serde_json::json!({ "error": format!("ask with one of {allowed}") });
    json_with(ctx, 405, &[("Allow", allowed)], &error);
}

/// The fields of an answer that goes on and on.
pub(crate) const STREAM: [(&str, &str); 3] = [
    ("Cache-Control", "no-store"),
    // A proxy that buffers would hold back what is to be seen now: nginx reads this.
    ("X-Accel-Buffering", "no"),
    // Without this Chromium keeps a text stream from a page until 512 bytes have come.
    ("X-Content-Type-Options", "nosniff"),
];

/// A wrong command line: one line, and the exit code that shells know for it.
pub(crate) fn wrong(why: &str) -> ! {
    let _ = writeln!(io::stderr(), "{why}");
    exit(2);
}

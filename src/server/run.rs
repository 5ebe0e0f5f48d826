//! From the flags to a running server, and out again.
//!
//! Signals come to a thread of their own, which posts to the reactor like any other thread: the first SIGTERM or SIGINT drains, a
//! second one stops at once.
//!
//! Next: `greeting.rs`, `routes.rs`.

use std::io::{self, Write};
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::config::{Config, check};
use super::flags::Flags;
use super::greeting::greeting;
use super::listen::Listen;
use super::routes::App;
use crate::exit::Exit;
use crate::reactor::Reactor;

/// Checks the flags and serves: done when it was stopped, failed when it could not serve.
pub(crate) fn serve(flags: Flags) -> Exit {
    match check(flags) {
        Ok(config) => match run(config) {
            Ok(()) => Exit::Done,
            Err(line) => Exit::Failed.saying(&line),
        },
        Err(line) => Exit::Usage.saying(&line),
    }
}

/// Serves until a signal ends it.
fn run(config: Config) -> Result<(), String> {
    env_logger::Builder::new().filter_level(config.log).parse_default_env().init();
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    raise_file_limit(config.limits.connections_max);
    let greeting = greeting(&config.policy);
    let mut reactor = Reactor::new(App::new(config.policy), config.limits)
        .map_err(|error| format!("cannot begin: {error}"))?;
    let mut listen = config.listen;
    listen.sort_by_key(Listen::is_everybody);
    for listen in &listen {
        open(&mut reactor, listen).map_err(|error| bind_failure(listen, &error))?;
    }
    let now = reactor.engine().core().now();
    reactor.engine_mut().run(now, App::prepare);
    let remote = reactor.remote();
    let mut signals =
        Signals::new([SIGTERM, SIGINT]).map_err(|error| format!("cannot watch signals: {error}"))?;
    thread::spawn(move || {
        let mut signals = signals.forever();
        signals.next();
        log::info!("stopping; a second signal stops at once");
        let _ = remote.post(|_, core| core.shutdown());
        if let Some(signal) = signals.next() {
            std::process::exit(128 + signal);
        }
    });
    // A reader that has left does not keep the server from serving.
    let mut out = io::stdout();
    let _ = out.write_all(greeting.text(reactor.addresses()).as_bytes()).and_then(|()| out.flush());
    reactor.run().map_err(|error| format!("the poll failed: {error}"))
}

fn open(reactor: &mut Reactor<App>, listen: &Listen) -> io::Result<()> {
    match listen {
        Listen::Tcp(address) => reactor.listen(address).map(drop),
        Listen::Unix(path) => reactor.listen_unix(path),
    }
}

/// Why an address could not be had, and what to do about it.
fn bind_failure(listen: &Listen, error: &io::Error) -> String {
    use io::ErrorKind::{
        AddrInUse, AddrNotAvailable, AlreadyExists, InvalidInput, NotADirectory, NotFound, PermissionDenied,
    };
    let advice = match (listen, error.kind()) {
        (Listen::Tcp(_), AddrInUse) => {
            "is in use: stop what listens there, or choose another port with --listen"
        }
        (Listen::Tcp(_), PermissionDenied) => "is not allowed to you: choose a port above 1023 with --listen",
        (Listen::Tcp(_), AddrNotAvailable) => {
            "is no address of this machine: choose 127.0.0.1 or [::1] with --listen"
        }
        (Listen::Unix(_), AddrInUse) => {
            "is in use: stop what listens there, or choose another path with --listen"
        }
        (Listen::Unix(_), AlreadyExists) => {
            "is there already and is no socket: remove it, or choose another path with --listen"
        }
        (Listen::Unix(_), PermissionDenied) => {
            "is not allowed to you: choose a path in a folder that you may write to with --listen"
        }
        (Listen::Unix(_), NotFound | NotADirectory) => {
            "is in a folder that does not exist: make it, or choose another path with --listen"
        }
        (Listen::Unix(_), InvalidInput) => {
            "is too long for a socket, which takes some hundred bytes: choose a shorter path with --listen"
        }
        _ => return format!("cannot listen on {listen}: {error}"),
    };
    format!("{listen} {advice}")
}

/// Raises the soft limit of open files to the hard one: each connection is a file.
fn raise_file_limit(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // Besides connections: the poll, the listener, the waker, standard streams, and some for the libraries.
    if allowed < connections as u64 + 32 {
        log::warn!(
            "{allowed} open files are allowed, fewer than --max-connections {connections} need: see ulimit -n"
        );
    }
}

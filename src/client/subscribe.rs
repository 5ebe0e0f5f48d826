//! `encke subscribe`: listens to an address for as long as there is something to hear, over as many connections as that takes.
//!
//! ```text
//!   ┌─► attempt: connect, ask with the cursor, follow redirects ─► hear ─► Stop
//!   │                                                                       │ ended, cut, silent, busy
//!   └───────────────────── wait ◄───────────────────────────────────────────┤
//!                                                                           └─► Exit: done, refused, not understood
//! ```
//!
//! `command/` calls [`subscribe`]. An address that has never worked is not tried again unless that is asked for, so a slip of the pen is
//! told at once; one that has worked is tried for ever.
//!
//! Invariant: between two connections the cursor is all that is kept, so nothing is printed twice and nothing is skipped that the server
//! still has.
//!
//! Next: `hearing.rs`.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use super::address::Address;
use super::backoff::{Backoff, pause};
use super::connection::{Broken, Connection};
use super::ending;
use super::flags::{CallFlags, Mode, SubscribeFlags};
use super::hearing::{Hearing, Method, Stop};
use super::messages::Halt;
use super::sink::{Form, Sink};
use super::status::{is_passing, printable};
use crate::exit::Exit;
use crate::http::peer::{Request, RequestBody};

/// So many redirects are followed.
const REDIRECTS_MAX: usize = 5;

/// A poll that is answered sooner without a message was not waited for; to ask at once again would be a flood.
const POLL_LEAST: Duration = Duration::from_millis(500);

/// Listens until there is an end.
pub(crate) fn subscribe(flags: SubscribeFlags) -> Exit {
    let form = if flags.json { Form::Json } else { Form::Text };
    let prepared = flags.call.fields().and_then(|fields| {
        ending::watch_signals(|| None)?;
        ending::watch_reader();
        if let Some(wait) = flags.call.timeout {
            ending::watch_time(wait, || None);
        }
        let sink = Sink::new(form, flags.since.clone(), flags.count, !flags.call.quiet);
        Ok((fields, sink.map_err(|error| format!("cannot print: {error}"))?))
    });
    let (fields, sink) = match prepared {
        Ok(prepared) => prepared,
        Err(line) => return Exit::Failed.saying(&line),
    };
    let backoff = Backoff::new(flags.call.retry());
    Session { flags, fields, sink, backoff, has_worked: false }.run()
}

struct Session {
    flags: SubscribeFlags,
    fields: Vec<(String, String)>,
    sink: Sink,
    backoff: Backoff,
    /// Whether anything was ever answered with 200.
    has_worked: bool,
}

impl Session {
    fn run(mut self) -> Exit {
        loop {
            self.sink.is_live = false;
            let stop = self.attempt();
            self.sink.end_line();
            if let Err(Halt::End(exit)) = self.sink.flush() {
                return exit;
            }
            let (why, asked) = match self.judge(stop) {
                Ok(again) => again,
                Err(exit) => return exit,
            };
            if self.sink.is_live {
                self.backoff.reset();
            }
            // Who says how long to wait here knows better than the server. A server that is busy knows better still.
            let told = self.sink.retry.filter(|_| self.flags.call.retry.is_none()).unwrap_or_default();
            let wait = self.backoff.next(asked.unwrap_or(told));
            if let Some(why) = why {
                let lost = if self.sink.is_placeless {
                    "; what comes meanwhile will be missing, for there were no ids"
                } else {
                    ""
                };
                let line =
                    format!("{} {why}; again in {:.1} s{lost}", self.flags.address, wait.as_secs_f32());
                if let Err(Halt::End(exit)) = self.sink.say(&line) {
                    return exit;
                }
            }
            pause(wait);
        }
    }

    /// Whether to go on: what to say, and when the server wants to be asked again.
    fn judge(&self, stop: Stop) -> Result<(Option<String>, Option<Duration>), Exit> {
        let CallFlags { once, keep_trying, verbose, .. } = self.flags.call;
        let is_hopeful = !once && (keep_trying || self.has_worked);
        let address = &self.flags.address;
        match stop {
            Stop::Exit(exit) => Err(exit),
            Stop::Complete if once => Err(Exit::Done),
            // Usual: a server that ends streams now and then, or stops.
            Stop::Complete => {
                Ok(((verbose || self.sink.is_placeless).then(|| "has ended its answer".to_owned()), None))
            }
            Stop::Unreadable(why) => Err(Exit::Unreadable.saying(&format!("{address} {why}"))),
            Stop::Broken(broken @ Broken::Foreign(_)) => {
                Err(Exit::Unreadable.saying(&format!("{address} {broken}")))
            }
            Stop::Broken(broken) if is_hopeful => Ok((Some(broken.to_string()), None)),
            Stop::Broken(broken) => Err(Exit::Unreachable.saying(&format!("{address} {broken}"))),
            // A server that says when to come back is not a wrong address.
            Stop::Refused { status, line, asked }
                if is_passing(status) && (is_hopeful || asked.is_some() && !once) =>
            {
                Ok((Some(line), asked))
            }
            Stop::Refused { status, line, .. } => {
                Err(Exit::Status(status).saying(&format!("{address} {line}")))
            }
            Stop::Redirect { .. } => {
                Err(Exit::Status(310).saying(&format!("{address} redirects more than {REDIRECTS_MAX} times")))
            }
        }
    }

    /// One try, over as many redirects as are followed.
    fn attempt(&mut self) -> Stop {
        let mut address = self.flags.address.clone();
        let mut method = if self.flags.form.is_empty() { Method::Get } else { Method::Form };
        let mut hops = 0;
        loop {
            match self.ask(&address, method) {
                Err(Stop::Redirect { location, with }) if hops < REDIRECTS_MAX => {
                    address = match address.redirected(&location) {
                        Ok(address) => address,
                        Err(why) => {
                            return Stop::Refused {
                                status: 300,
                                line: printable(&format!("is now at {location}: {why}")),
                                asked: None,
                            };
                        }
                    };
                    method = if method == Method::Form { with } else { Method::Get };
                    hops += 1;
                }
                Err(stop) => return stop,
                Ok(never) => match never {},
            }
        }
    }

    /// Asks one server, again and again if it answers polls.
    fn ask(&mut self, address: &Address, method: Method) -> Result<Infallible, Stop> {
        let mut connection = Connection::open(address, self.flags.call.connect_timeout)?;
        loop {
            let (begun, count) = (Instant::now(), self.sink.count);
            // A first poll is told at once where it stands. Only then can nothing be lost between two.
            let is_first_poll = self.flags.mode == Some(Mode::Poll) && self.sink.cursor.is_none();
            let wire = self.request(&mut connection, address, method, is_first_poll);
            connection.send(&wire, self.flags.call.idle())?;
            let mut hearing = Hearing::new(&self.flags, &mut self.sink);
            let stop = hearing.hear(&mut connection);
            self.has_worked |= hearing.is_welcome();
            let keeps_alive = hearing.keeps_alive();
            let is_poll = self.flags.mode == Some(Mode::Poll);
            match stop {
                Stop::Complete if is_poll => {
                    let has_news = self.sink.count != count;
                    let is_all = self.flags.call.once && !is_first_poll;
                    let is_told = is_first_poll && self.sink.cursor.is_some();
                    if is_all || !has_news && !is_told && begun.elapsed() < POLL_LEAST {
                        return Err(Stop::Complete);
                    }
                    self.backoff.reset();
                    if !keeps_alive {
                        connection = Connection::open(address, self.flags.call.connect_timeout)?;
                    }
                }
                stop => return Err(stop),
            }
        }
    }

    fn request(
        &self,
        connection: &mut Connection,
        address: &Address,
        method: Method,
        is_first_poll: bool,
    ) -> Vec<u8> {
        let mut fields: Vec<(&str, &str)> = Vec::new();
        let accept = match (self.flags.mode, self.flags.json) {
            (Some(Mode::Sse), _) => "text/event-stream",
            (Some(Mode::Ndjson), _) => "application/x-ndjson",
            (Some(Mode::Poll), _) => "application/json",
            (Some(Mode::Stream), _) => "*/*",
            (None, true) => "application/x-ndjson, text/event-stream;q=0.9, */*;q=0.1",
            (None, false) => "text/event-stream, application/x-ndjson;q=0.9, */*;q=0.1",
        };
        let cursor = self.sink.cursor.as_deref().unwrap_or_default();
        let own = [
            ("User-Agent", concat!("encke/", env!("CARGO_PKG_VERSION"))),
            ("Accept", accept),
            ("Accept-Encoding", "identity"),
            ("Cache-Control", "no-cache"),
            ("Last-Event-ID", cursor),
            ("Content-Type", if method == Method::Form { "application/x-www-form-urlencoded" } else { "" }),
        ];
        let given = |name: &str| self.fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        fields.extend(own.iter().filter(|(name, value)| !value.is_empty() && given(name).is_none()));
        let is_known_here = address.has_origin_of(&self.flags.address);
        for (name, value) in &self.fields {
            let is_secret =
                ["Authorization", "Cookie", "Host"].iter().any(|secret| secret.eq_ignore_ascii_case(name));
            if !name.eq_ignore_ascii_case("Host") && (is_known_here || !is_secret) {
                fields.push((name, value));
            }
        }
        let host = given("Host")
            .filter(|_| is_known_here)
            .map_or_else(|| address.host_field(), |(_, host)| host.clone());
        let target = if is_first_poll { address.target_with("timeout", "0") } else { address.target() };
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.flags.form).finish();
        let (method, body) = match method {
            Method::Get => ("GET", RequestBody::None),
            Method::Form => ("POST", RequestBody::Length(form.as_bytes())),
        };
        let mut wire = Vec::new();
        let request = Request {
            method,
            target: &target,
            host: Some(&host),
            fields: &fields,
            body,
            ..Request::default()
        };
        connection.write(&request, &mut wire);
        wire
    }
}

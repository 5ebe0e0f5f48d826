//! `encke publish`: a text, or each line of standard input, becomes a message; each once, in order, whatever breaks in between.
//!
//! ```text
//!   input ─► queue  [ sent, not answered | not sent ] ─► connection
//!              ▲ front: answered with 200, so it goes         │ breaks: all of it counts as not sent
//!              └──────────────────────────────────────────────┘
//! ```
//!
//! `command/` calls [`publish`]. Each message has an `Idempotency-Key` of its own, made once. Whatever is sent again has the same key, so
//! the server publishes it once, for as long as its channel holds the message; a server that has started anew has forgotten its channels,
//! and with them the keys.
//!
//! What always holds: the queue is sent in order, and again in order; at most `--window` of it is on its way.
//!
//! Next: `posts.rs`, `input.rs`.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::mem;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use super::backoff::{Backoff, pause};
use super::connection::{Broken, Connection};
use super::ending;
use super::flags::PublishFlags;
use super::input::{Line, read_lines};
use super::posts::{Answer, Message, Posts, hear_answers};
use super::progress::{Progress, farewell, published};
use super::sink::Output;
use super::status::{is_passing, sentence};
use crate::exit::Exit;

/// So many bytes may be on their way, unless they are one message: what is sent again has to be kept.
const UNDER_WAY_BYTES_MAX: usize = 1 << 20;

/// What a message counts for there: its text, and about what its head takes.
fn weight(line: &Line) -> usize {
    line.text.len() + 256
}

/// What a server still has to say that no longer reads is not worth more.
const REFUSAL_WAIT: Duration = Duration::from_secs(2);

/// Publishes everything there is.
pub(crate) fn publish(flags: PublishFlags) -> Exit {
    let prepared = flags.call.fields().and_then(|fields| {
        ending::watch_signals(farewell)?;
        if let Some(wait) = flags.call.timeout {
            ending::watch_time(wait, farewell);
        }
        let out = Output::new().map_err(|error| format!("cannot print: {error}"))?;
        Ok((fields, out))
    });
    match prepared {
        Ok((fields, out)) => Publisher::new(flags, fields, out).run(),
        Err(line) => Exit::Failed.saying(&line),
    }
}

struct Publisher {
    flags: PublishFlags,
    posts: Posts,
    out: Output,
    progress: Progress,
    input: Receiver<Result<Line, String>>,
    /// Whether there will be no more lines.
    has_ended: bool,
    /// Why, if it was not simply the end.
    wrong: Option<String>,
    /// Why answers are missing from standard output.
    unprinted: Option<String>,
    /// When the next line may be taken.
    due: Instant,
    /// What keys begin with.
    run: String,
    queue: VecDeque<Message>,
    queue_bytes: usize,
    /// How many of the queue are on their way.
    sent: usize,
    /// Answered with a status that passes: to be sent again before all others, when nothing is on its way any more.
    later: VecDeque<Message>,
    /// When the server wants those.
    asked: Option<Duration>,
    /// Why, in its words.
    busy: String,
    /// The first refusal, behind which nothing more is sent.
    refusal: Option<(Exit, String)>,
    /// How many were on their way behind a refusal when the connection ended.
    unheard: usize,
    connection: Option<Connection>,
    /// Whether anything was published on this connection.
    is_fruitful: bool,
    has_worked: bool,
    is_disordered: bool,
    backoff: Backoff,
}

impl Publisher {
    fn new(flags: PublishFlags, fields: Vec<(String, String)>, out: Output) -> Publisher {
        let bytes_max = usize::try_from(flags.max_message).unwrap_or(usize::MAX);
        let talk = !flags.call.quiet;
        let (input, is_long) = match flags.text.as_deref() {
            None | Some("-") => {
                if talk && io::stdin().is_terminal() {
                    Progress::new(talk).say("each line is a message; Ctrl-D ends");
                }
                (read_lines(bytes_max), true)
            }
            Some(text) => {
                let (sender, receiver) = sync_channel(1);
                // It has room for the one.
                let _ = sender.send(Ok(Line { number: 0, text: text.to_owned() }));
                (receiver, false)
            }
        };
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Publisher {
            backoff: Backoff::new(flags.call.retry()),
            progress: Progress::new(talk && is_long),
            run: format!("{:x}-{:x}", since_1970.as_nanos(), fastrand::u64(..)),
            posts: Posts::new(&flags, fields),
            flags,
            out,
            input,
            has_ended: false,
            wrong: None,
            unprinted: None,
            due: Instant::now(),
            queue: VecDeque::new(),
            queue_bytes: 0,
            sent: 0,
            later: VecDeque::new(),
            asked: None,
            busy: String::new(),
            refusal: None,
            unheard: 0,
            connection: None,
            is_fruitful: false,
            has_worked: false,
            is_disordered: false,
        }
    }

    fn run(mut self) -> Exit {
        loop {
            self.fill();
            if self.sent == 0 && (self.refusal.is_some() || self.queue.is_empty() && self.later.is_empty()) {
                return self.finish();
            }
            let exchanged =
                if self.sent == 0 && !self.later.is_empty() { self.turn_back() } else { self.exchange() };
            if let Err(exit) = exchanged {
                return exit;
            }
        }
    }

    /// Takes lines until the window is full; waits for one if there is nothing else to do.
    fn fill(&mut self) {
        let window = usize::try_from(self.flags.window).unwrap_or(usize::MAX);
        while self.has_room(window) {
            let is_idle = self.queue.is_empty();
            if let Some(early) =
                self.due.checked_duration_since(Instant::now()).filter(|early| !early.is_zero())
            {
                if !is_idle {
                    return;
                }
                pause(early);
            }
            let line = match is_idle {
                true => self.input.recv().map_err(|_| TryRecvError::Disconnected),
                false => self.input.try_recv(),
            };
            match line {
                Ok(Ok(line)) => {
                    let key = format!("{}-{}", self.run, line.number);
                    self.queue_bytes += weight(&line);
                    self.queue.push_back(Message { line, key });
                    if let Some(rate) = self.flags.rate {
                        // What was not used is not saved up.
                        self.due = self.due.max(Instant::now())
                            + Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX);
                    }
                }
                Ok(Err(why)) => {
                    self.wrong = Some(why);
                    self.has_ended = true;
                }
                Err(TryRecvError::Disconnected) => self.has_ended = true,
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    /// Whether another line may be taken.
    fn has_room(&self, window: usize) -> bool {
        !self.has_ended
            && self.refusal.is_none()
            && self.later.is_empty()
            && self.queue.len() < window
            && self.queue_bytes < UNDER_WAY_BYTES_MAX
    }

    /// Sends what is to be sent, and hears what has come.
    fn exchange(&mut self) -> Result<(), Exit> {
        let mut answers = Vec::new();
        let heard = self.converse(&mut answers);
        let mut out = Vec::new();
        for answer in answers {
            self.answered(&answer, &mut out);
        }
        self.print(&out);
        match heard {
            Ok(()) => Ok(()),
            Err(broken) => self.recover(broken),
        }
    }

    /// Prints answers. Neither a reader that has left nor a full disk keeps messages from being published; of a disk it is told in the end.
    fn print(&mut self, out: &[u8]) {
        match self.out.write(out) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.unprinted.get_or_insert_with(|| format!("cannot print: {error}"));
            }
            _ => {}
        }
    }

    /// One round on the connection: complete answers are handed over also if it breaks behind them.
    fn converse(&mut self, answers: &mut Vec<Answer>) -> Result<(), Broken> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                self.sent = 0;
                self.is_fruitful = false;
                Connection::open(&self.flags.address, self.flags.call.connect_timeout)?
            }
        };
        if self.later.is_empty() && self.refusal.is_none() && self.sent < self.queue.len() {
            let wire = self.posts.write(self.queue.iter().skip(self.sent), &mut connection);
            self.sent = self.queue.len();
            self.progress.count(0, self.sent as u64);
            if let Err(broken) = connection.send(&wire, self.flags.call.idle()) {
                // Who refuses a large message may say so and close before all of it was sent.
                let _ = hear_answers(&mut connection, REFUSAL_WAIT, answers);
                return Err(broken);
            }
        }
        hear_answers(&mut connection, self.flags.call.idle(), answers)?;
        if answers.last().is_some_and(|answer| answer.keeps_alive) {
            self.connection = Some(connection);
        }
        Ok(())
    }

    /// The oldest message on its way is answered.
    fn answered(&mut self, answer: &Answer, out: &mut Vec<u8>) {
        let Some(message) = self.queue.pop_front() else { return };
        self.queue_bytes -= weight(&message.line);
        self.sent -= 1;
        match answer.status {
            200..300 => {
                self.has_worked = true;
                self.is_fruitful = true;
                self.backoff.reset();
                self.progress.count(1, self.sent as u64);
                self.note(&message, answer, out);
            }
            status if is_passing(status) && self.may_hope(answer.asked.is_some()) => {
                self.later.push_back(message);
                self.asked = answer.asked.or(self.asked);
                self.busy = sentence(status, &answer.body);
            }
            status => {
                let said = sentence(status, &answer.body);
                let line = format!("{} {said}: {} was not published", self.flags.address, message.name());
                self.refusal.get_or_insert((Exit::Status(status), line));
            }
        }
        if !answer.keeps_alive {
            let unheard = mem::take(&mut self.sent);
            if self.refusal.is_some() {
                self.unheard = unheard;
            }
        }
    }

    /// What is told of a message that was published.
    fn note(&mut self, message: &Message, answer: &Answer, out: &mut Vec<u8>) {
        if let (Some(earlier), false) =
            (self.later.front(), mem::replace(&mut self.is_disordered, !self.later.is_empty()))
        {
            let line = format!(
                "{} was taken before {}, which the server was too busy for: --window 1 keeps the order",
                message.name(),
                earlier.name()
            );
            self.progress.say(&line);
        }
        let text = String::from_utf8_lossy(&answer.body);
        if self.flags.json {
            out.extend_from_slice(text.trim().as_bytes());
            out.push(b'\n');
        }
        if self.flags.call.verbose {
            let answer: Option<serde_json::Value> = serde_json::from_str(&text).ok();
            let id = answer.as_ref().and_then(|answer| answer["id"].as_str()).unwrap_or("published");
            self.progress.say(&format!("{} is {id}", message.name()));
        }
    }

    /// Whether what has failed is to be tried again.
    fn may_hope(&self, is_asked_to: bool) -> bool {
        let call = &self.flags.call;
        !call.once && (call.keep_trying || self.has_worked || is_asked_to)
    }

    /// The server was busy: what it did not take comes first, a little later and on another connection.
    fn turn_back(&mut self) -> Result<(), Exit> {
        while let Some(message) = self.later.pop_back() {
            self.queue_bytes += weight(&message.line);
            self.queue.push_front(message);
        }
        self.connection = None;
        let why = mem::take(&mut self.busy);
        let asked = self.asked.take().unwrap_or_default();
        self.wait(&why, asked);
        Ok(())
    }

    /// The connection is gone: everything that was not answered is sent again on another one.
    fn recover(&mut self, broken: Broken) -> Result<(), Exit> {
        let unheard = mem::take(&mut self.sent);
        self.connection = None;
        let address = self.flags.address.clone();
        if let Broken::Foreign(_) = broken {
            return Err(self.give_up(Exit::Unreadable, &format!("{address} {broken}"), unheard));
        }
        if self.refusal.is_some() {
            self.unheard = unheard;
            return Ok(());
        }
        // It has worked up to now, and was perhaps only idle for too long: that was no try.
        if mem::take(&mut self.is_fruitful) {
            if self.flags.call.verbose {
                self.progress.say(&format!("{address} {broken}; going on"));
            }
            return Ok(());
        }
        if !self.may_hope(false) {
            return Err(self.give_up(Exit::Unreachable, &format!("{address} {broken}"), unheard));
        }
        self.wait(&broken.to_string(), Duration::ZERO);
        Ok(())
    }

    fn wait(&mut self, why: &str, asked: Duration) {
        let wait = self.backoff.next(asked);
        if !self.flags.call.quiet {
            let line = format!("{} {why}; again in {:.1} s", self.flags.address, wait.as_secs_f32());
            self.progress.say(&line);
        }
        pause(wait);
    }

    fn give_up(&mut self, exit: Exit, line: &str, unheard: usize) -> Exit {
        let rest = match unheard {
            0 => String::new(),
            count => format!(", and of {count} more nobody has heard"),
        };
        self.progress.finish();
        exit.saying(&format!("{line} ({} published{rest})", published()))
    }

    fn finish(mut self) -> Exit {
        if let Some((exit, line)) = self.refusal.take() {
            let unheard = self.unheard;
            return self.give_up(exit, &line, unheard);
        }
        self.progress.finish();
        match self.wrong.or(self.unprinted) {
            Some(why) => Exit::Failed.saying(&format!("{why} ({} published)", published())),
            None => Exit::Done,
        }
    }
}

//! Where what is told goes: messages to standard output, words to standard error, the place in the stream into the cursor.
//!
//! The readers of `messages.rs` tell; `subscribe.rs` flushes behind each read, so that a message is out as soon as it is in.
//!
//! Invariant: what goes out together goes out in one write, and nothing is kept back at a flush. The cursor holds nothing that could
//! not stand in a field.
//!
//! Next: `subscribe.rs`.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::PoisonError;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::ending::GATE;
use super::messages::{Halt, Told};
use crate::exit::Exit;
use crate::hub::json::{Escaping, write_string};

/// How a message is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

/// The end of the way.
pub(crate) struct Sink {
    form: Form,
    out: Output,
    waiting: Vec<u8>,
    /// How many messages are still wanted, if there is an end.
    wanted: Option<u64>,
    /// How many were told.
    pub(crate) count: u64,
    /// Whether words are wanted.
    talk: bool,
    /// Everything up to here was told. Without one, it begins now.
    pub(crate) cursor: Option<String>,
    /// When the server wants us back.
    pub(crate) retry: Option<Duration>,
    pub(crate) has_heartbeat: bool,
    /// Whether anything was told since this was last put down.
    pub(crate) is_live: bool,
    /// Whether bytes without a place were printed: who returns does not know behind what.
    pub(crate) is_placeless: bool,
    /// Whether what was printed last waits for the end of its line.
    is_line_open: bool,
}

impl Sink {
    pub(crate) fn new(
        form: Form,
        cursor: Option<String>,
        wanted: Option<u64>,
        talk: bool,
    ) -> io::Result<Sink> {
        Ok(Sink {
            form,
            out: Output::new()?,
            waiting: Vec::new(),
            wanted,
            count: 0,
            talk,
            cursor,
            retry: None,
            has_heartbeat: false,
            is_live: false,
            is_placeless: false,
            is_line_open: false,
        })
    }

    /// Takes something that was told.
    pub(crate) fn tell(&mut self, told: Told<'_>) -> Result<(), Halt> {
        self.is_live = true;
        match told {
            Told::Message(message) => {
                self.count += 1;
                if message.id.is_none() {
                    self.lose_place();
                }
                match self.form {
                    Form::Json => message.write_json(&mut self.waiting),
                    Form::Text => self.waiting.extend_from_slice(message.data.as_bytes()),
                }
                self.waiting.push(b'\n');
                self.want_less(1)
            }
            Told::Raw(bytes) => self.raw(bytes),
            Told::Gap(id) => {
                self.notice("gap", id);
                self.say("messages are missing here: the server does not have them, or does not know that id")
            }
            Told::End(id) => {
                self.notice("end", id);
                self.say("the channel was ended")?;
                Err(Halt::End(Exit::Done))
            }
            Told::Cursor(id) => {
                // An id is somebody else's text, and it will stand in a head.
                if !id.chars().any(char::is_control) {
                    self.cursor = Some(id.to_owned()).filter(|id| !id.is_empty());
                }
                Ok(())
            }
            Told::Retry(wait) => {
                self.retry = Some(wait);
                Ok(())
            }
            Told::Heartbeat => {
                self.has_heartbeat = true;
                Ok(())
            }
        }
    }

    /// Says something on standard error, behind everything that was told before.
    pub(crate) fn say(&mut self, line: &str) -> Result<(), Halt> {
        self.flush()?;
        if self.talk {
            let _ = writeln!(io::stderr(), "encke: {line}");
        }
        Ok(())
    }

    /// Ends a line that the connection has not: what comes next is another.
    pub(crate) fn end_line(&mut self) {
        if std::mem::take(&mut self.is_line_open) {
            self.waiting.push(b'\n');
        }
    }

    /// Everything that was told goes out.
    pub(crate) fn flush(&mut self) -> Result<(), Halt> {
        let written = self.out.write(&self.waiting);
        self.waiting.clear();
        written.map_err(|error| {
            Halt::End(match error.kind() {
                // Whoever read has enough.
                io::ErrorKind::BrokenPipe => Exit::Done,
                _ => Exit::Failed.saying(&format!("cannot print: {error}")),
            })
        })
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), Halt> {
        self.lose_place();
        let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        let last = self.wanted.and_then(|wanted| ends.nth(usize::try_from(wanted).ok()?.checked_sub(1)?));
        let bytes = &bytes[..last.unwrap_or(bytes.len())];
        self.waiting.extend_from_slice(bytes);
        self.is_line_open = bytes.last().is_some_and(|&byte| byte != b'\n');
        self.want_less(bytes.iter().filter(|&&byte| byte == b'\n').count() as u64)
    }

    /// Something was printed that has no id: to go back to the last one would print it twice.
    fn lose_place(&mut self) {
        self.is_placeless = true;
        self.cursor = None;
    }

    fn want_less(&mut self, count: u64) -> Result<(), Halt> {
        let Some(wanted) = &mut self.wanted else { return Ok(()) };
        *wanted = wanted.saturating_sub(count);
        if *wanted == 0 { Err(Halt::End(Exit::Done)) } else { Ok(()) }
    }

    /// Programs are told in the stream, as Encke's NDJSON does it.
    fn notice(&mut self, word: &str, id: Option<&str>) {
        if self.form == Form::Json {
            self.waiting.extend_from_slice(format!("{{\"{word}\":true,\"id\":").as_bytes());
            match id {
                Some(id) => write_string(id, Escaping::Plain, &mut self.waiting),
                None => self.waiting.extend_from_slice(b"null"),
            }
            self.waiting.extend_from_slice(b"}\n");
        }
    }
}

/// Standard output without a buffer of its own.
pub(crate) struct Output(File);

impl Output {
    pub(crate) fn new() -> io::Result<Output> {
        io::stdout().as_fd().try_clone_to_owned().map(|out| Output(out.into()))
    }

    /// Writes all of it.
    pub(crate) fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        let _gate = GATE.lock().unwrap_or_else(PoisonError::into_inner);
        while !bytes.is_empty() {
            match (&self.0).write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Somebody who shares the pipe with us does not want to wait at it.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

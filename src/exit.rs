//! How the command ends: a code for each thing that a script would want to tell apart.
//!
//! All commands end with one of these. The codes are a promise: docs/commands.md has the table.
//!
//! Invariant: the code of an HTTP status has the status's first and last digit, so nobody has to look it up.
//!
//! Next: `http/mod.rs`.

use std::io::{self, Write};
use std::process::ExitCode;

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything asked for was done.
    Done,
    /// This machine would not have it: a file, a socket, an input.
    Failed,
    /// The command line was wrong.
    Usage,
    /// No connection could be made, or it broke, and it was not to be tried again.
    #[cfg(feature = "client")]
    Unreachable,
    /// What came is not what was asked for, or no HTTP at all.
    #[cfg(feature = "client")]
    Unreadable,
    /// The time that was given is over.
    #[cfg(feature = "client")]
    TimeUp,
    /// The server answered with this status.
    #[cfg(feature = "client")]
    Status(u16),
    /// A signal, as a shell counts those that ended by one.
    #[cfg(feature = "client")]
    Signal(i32),
}

impl Exit {
    /// The code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            #[cfg(feature = "client")]
            Exit::Unreachable => 3,
            #[cfg(feature = "client")]
            Exit::Unreadable => 4,
            #[cfg(feature = "client")]
            Exit::TimeUp => 5,
            #[cfg(feature = "client")]
            Exit::Status(status) => match status {
                204 => 24,
                401 => 41,
                403 => 43,
                404 | 410 => 44,
                429 => 49,
                400..500 => 40,
                502 => 52,
                503 => 53,
                504 => 54,
                500..600 => 50,
                _ => 30,
            },
            #[cfg(feature = "client")]
            Exit::Signal(signal) => 128 + (signal & 0x7f) as u8,
        }
    }

    /// Says why, in one line on standard error.
    pub(crate) fn saying(self, line: &str) -> Exit {
        // If nobody can read it, the code still says it.
        let _ = writeln!(io::stderr(), "encke: {line}");
        self
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

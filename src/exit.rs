//! How the command ends: a code for each thing that a script would want to tell apart.
//!
//! All commands end with one of these.
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
    #[cfg(feature = "server")]
    Failed,
    /// The command line was wrong.
    Usage,
}

impl Exit {
    /// The code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            #[cfg(feature = "server")]
            Exit::Failed => 1,
            Exit::Usage => 2,
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

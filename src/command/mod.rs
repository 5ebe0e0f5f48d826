//! The command line of `encke`: which commands there are, and what comes of a wrong word.
//!
//! ```text
//!   arguments ─► read ─► Asked ─┬─ serve ─────────────► server/
//!                               ├─ subscribe, publish ► client/
//!                               └─ help, completions, manual: a text
//! ```
//!
//! `main.rs` calls [`main`]. What flags a command has is the affair of its room. Each room is a feature, and a command that was left
//! out is unknown here.
//!
//! Invariant: whatever is wrong is told in one line that says where to look, before anything is started.
//!
//! Next: `paper.rs`, `server/flags.rs`, `client/mod.rs`.

mod paper;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

#[cfg(feature = "client")]
use crate::client;
use crate::exit::Exit;
#[cfg(feature = "server")]
use crate::server;

/// Encke pushes messages over HTTP to everything that speaks it.
#[derive(Debug, Parser)]
#[command(name = "encke", version, about, max_term_width = 80, disable_help_subcommand = true)]
#[cfg_attr(feature = "server", command(after_help = server::EXAMPLES, args_conflicts_with_subcommands = true))]
#[cfg_attr(not(feature = "server"), command(subcommand_required = true))]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[cfg(feature = "server")]
    #[command(flatten)]
    serve: server::Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve channels over HTTP; what `encke` does without a command
    #[cfg(feature = "server")]
    #[command(after_help = server::EXAMPLES, max_term_width = 80)]
    Serve(Box<server::Flags>),
    /// Listen to a channel, or to any stream, and print each message
    #[cfg(feature = "client")]
    #[command(after_help = client::SUBSCRIBE_EXAMPLES, max_term_width = 80)]
    Subscribe(Box<client::SubscribeFlags>),
    /// Publish a message, or each line of standard input
    #[cfg(feature = "client")]
    #[command(after_help = client::PUBLISH_EXAMPLES, max_term_width = 80)]
    Publish(Box<client::PublishFlags>),
    /// Print what completes these words in a shell
    #[command(after_help = paper::COMPLETIONS_EXAMPLES, max_term_width = 80)]
    Completions {
        /// Whose
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or that of one command
    #[command(after_help = paper::MAN_EXAMPLES, max_term_width = 80)]
    Man {
        /// Which command
        command: Option<String>,
    },
}

/// What came of the command line.
#[derive(Debug)]
pub(crate) enum Asked {
    #[cfg(feature = "server")]
    Serve(Box<server::Flags>),
    #[cfg(feature = "client")]
    Subscribe(Box<client::SubscribeFlags>),
    #[cfg(feature = "client")]
    Publish(Box<client::PublishFlags>),
    /// Help, the version or a page: this text, to standard output.
    Text(String),
    /// Something is wrong: this line, to standard error.
    Wrong(String),
}

/// The `encke` command, from its arguments to its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let exit = match read(std::env::args_os()) {
        #[cfg(feature = "server")]
        Asked::Serve(flags) => server::serve(*flags),
        #[cfg(feature = "client")]
        Asked::Subscribe(flags) => client::subscribe(*flags),
        #[cfg(feature = "client")]
        Asked::Publish(flags) => client::publish(*flags),
        Asked::Text(text) => print(&text),
        Asked::Wrong(line) => Exit::Usage.saying(&line),
    };
    exit.into()
}

/// Prints a text. A reader that has left, as `head` does, is no failure; a full disk is one.
fn print(text: &str) -> Exit {
    let mut out = io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Exit::Failed.saying(&format!("cannot print: {error}"))
        }
        _ => Exit::Done,
    }
}

/// Reads the command line.
pub(crate) fn read(arguments: impl IntoIterator<Item = OsString>) -> Asked {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => return Asked::Text(error.to_string()),
        Err(error) => {
            let command = arguments.get(1).and_then(|word| word.to_str());
            let command = command.filter(|word| Cli::command().find_subcommand(word).is_some());
            return Asked::Wrong(one_line(&error.to_string(), command));
        }
    };
    match cli.command {
        #[cfg(feature = "server")]
        Some(Command::Serve(flags)) => Asked::Serve(flags),
        #[cfg(feature = "client")]
        Some(Command::Subscribe(flags)) => Asked::Subscribe(flags),
        #[cfg(feature = "client")]
        Some(Command::Publish(flags)) => Asked::Publish(flags),
        Some(Command::Completions { shell }) => Asked::Text(paper::completions(shell)),
        Some(Command::Man { command }) => match paper::manual(command.as_deref()) {
            Ok(page) => Asked::Text(page),
            Err(line) => Asked::Wrong(line),
        },
        #[cfg(feature = "server")]
        None => Asked::Serve(Box::new(cli.serve)),
        #[cfg(not(feature = "server"))]
        None => Asked::Wrong("say what to do (encke --help tells what there is)".to_owned()),
    }
}

/// The first paragraph of a complaint about a command on one line, with what was perhaps meant, and where to look.
fn one_line(complaint: &str, command: Option<&str>) -> String {
    let lines = complaint.trim_start_matches("error: ").lines().take_while(|line| !line.trim().is_empty());
    let sentence = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    let tip = complaint.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    let help = match command {
        Some(command) => format!("encke {command} --help"),
        None => "encke --help".to_owned(),
    };
    let wants_a_port = sentence.contains("'--port'") && command.is_none_or(|command| command == "serve")
        || sentence.contains("subcommand '") && sentence.contains(|c: char| c.is_ascii_digit());
    match tip {
        _ if wants_a_port => format!("{sentence}; a port is chosen with --listen, as in --listen 9090"),
        Some(tip) => format!("{sentence}; {tip} ({help} tells what there is)"),
        None => format!("{sentence} ({help} tells what there is)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_words(line: &str) -> Asked {
        read(line.split_whitespace().map(Into::into))
    }

    #[test]
    fn every_help_fits_a_terminal_of_eighty_columns() {
        for command in ["", "serve", "subscribe", "publish", "completions", "man"] {
            if Cli::command().find_subcommand(command).is_none() && !command.is_empty() {
                continue;
            }
            let Asked::Text(text) = read_words(&format!("encke {command} --help")) else {
                panic!("help is a text")
            };
            let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(widest <= 80, "{widest} columns:\n{text}");
            assert!(text.contains("Examples:\n"), "{text}");
            let is_small = !["", "serve"].contains(&command);
            assert!(!is_small || text.lines().count() <= 40, "more than a screen:\n{text}");
        }
    }

    #[cfg(feature = "server")]
    #[test]
    fn what_was_probably_meant_is_said() {
        for (line, said) in [
            ("encke --hearbeat", "'--heartbeat'"),
            ("encke --port", "--listen 9090"),
            ("encke 9090", "--listen 9090"),
            ("encke --nothing-like-it", "encke --help"),
            ("encke man nothing", "encke --help"),
            ("encke completions tcsh", "encke completions --help"),
            #[cfg(feature = "client")]
            ("encke subscribe https://a/", "curl"),
            #[cfg(feature = "client")]
            ("encke publish 127.0.0.1:80 --retyr 1s", "'--retry'"),
        ] {
            let Asked::Wrong(sentence) = read_words(line) else { panic!("{line}") };
            assert!(sentence.contains(said) && !sentence.contains('\n'), "{sentence}");
        }
    }
}

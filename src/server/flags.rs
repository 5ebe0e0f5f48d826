//! The command line: which flags there are, what they are called, and what they do when nobody gives them.
//!
//! `run.rs` calls [`read`]. Words are parsed in `values.rs`; whether they make sense together is decided in `config.rs`.
//!
//! Invariant: whatever is wrong is told in one line that says where to look, before anything is started.
//!
//! Next: `values.rs`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};

use super::config::{Config, check};
use super::origin;
use super::values::{count, size, time, time_or_never};

const EXAMPLES: &str = "\
Examples:
  encke                                  serve on 127.0.0.1:8080
  encke --listen 127.0.0.1:9000 -v       on another port, telling more
  encke --listen unix:/run/encke.sock    for a proxy on this machine
  encke --listen 0.0.0.0:80 --publish-key-file keys   for the world
  curl -N http://127.0.0.1:8080/channels/news         receive
  curl -d 'Hello' http://127.0.0.1:8080/channels/news publish

TIME is a number of seconds or has a unit: 500ms, 15s, 2m, 1h. SIZE is a number
of bytes or has a unit: 16KiB, 1MiB.";

/// Encke pushes messages over HTTP to everything that speaks it.
#[derive(Debug, Parser)]
#[command(name = "encke", version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
#[command(max_term_width = 80, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve channels over HTTP; what `encke` does without a command
    #[command(after_help = EXAMPLES, max_term_width = 80)]
    Serve(Flags),
}

#[derive(Args, Debug)]
pub(super) struct Flags {
    /// Where to listen: ADDR:PORT, a port alone, or unix:PATH; repeatable
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(super) listen: Vec<String>,
    /// Allow JSONP: mode=poll with callback=F answers a script
    #[arg(long)]
    pub(super) jsonp: bool,
    /// Leave out the start page
    #[arg(long)]
    pub(super) no_demo: bool,
    /// Tell more of how it runs; twice, most. Requests are in /metrics
    #[arg(short, long, action = ArgAction::Count)]
    pub(super) verbose: u8,
    /// Tell only errors; twice, nothing
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "verbose")]
    pub(super) quiet: u8,
    // The groups come last: a heading holds for all flags behind it.
    #[command(flatten)]
    pub(super) access: AccessFlags,
    #[command(flatten)]
    pub(super) history: HistoryFlags,
    #[command(flatten)]
    pub(super) waits: WaitFlags,
    #[command(flatten)]
    pub(super) bounds: BoundFlags,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Who may do what")]
pub(super) struct AccessFlags {
    /// Ask for one of this file's keys, one a line, to publish, delete or mode=info
    #[arg(long, value_name = "FILE")]
    pub(super) publish_key_file: Option<PathBuf>,
    /// Let everybody publish, also beyond this machine
    #[arg(long)]
    pub(super) open: bool,
    /// Pages of this origin may read and publish; * is any; repeatable
    #[arg(long, value_name = "ORIGIN", value_parser = origin::allowed)]
    pub(super) cors_origin: Vec<String>,
    /// Answer for this host name only; repeatable
    #[arg(long, value_name = "NAME", value_parser = origin::host_name)]
    pub(super) host: Vec<String>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "What a channel holds")]
pub(super) struct HistoryFlags {
    /// At most so many messages
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = count)]
    pub(super) history_count: usize,
    /// At most so many bytes; the newest message stays whatever its size
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = size)]
    pub(super) history_bytes: u64,
    /// Messages no older than this
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = time)]
    pub(super) history_age: Duration,
    /// At most so many bytes in all channels together [default: 64MiB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub(super) memory: Option<u64>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Waits")]
pub(super) struct WaitFlags {
    /// Between heartbeats on a quiet stream; 0 is never
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time_or_never)]
    pub(super) heartbeat: Duration,
    /// Before a stream without a message is closed; 0 is never
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = time_or_never)]
    pub(super) comet_timeout: Duration,
    /// Before a long-poll without a message is answered [default: 25s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) poll_timeout: Option<Duration>,
    /// For a request's head to come
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub(super) head_timeout: Duration,
    /// For the next byte of a request's body
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub(super) body_timeout: Duration,
    /// The slowest body that is borne, in bytes a second; 0 is any
    #[arg(long, value_name = "SIZE", default_value = "64", value_parser = size)]
    pub(super) body_rate: u64,
    /// Between two requests on a connection; 0 is none
    #[arg(long, value_name = "TIME", default_value = "75s", value_parser = time_or_never)]
    pub(super) keep_alive: Duration,
    /// For a peer that takes nothing of what it is owed
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub(super) write_timeout: Duration,
    /// How long a peer that does not read may hold up publishers; at most 10s [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) grace: Option<Duration>,
    /// For everybody to finish when the server stops
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub(super) drain: Duration,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Bounds")]
pub(super) struct BoundFlags {
    /// The largest head of a request, 64 bytes to 1 MiB
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = size)]
    pub(super) max_head: u64,
    /// The largest message, at most a quarter of --memory
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = size)]
    pub(super) max_body: u64,
    /// Channels at once
    #[arg(long, value_name = "COUNT", default_value = "100000", value_parser = count)]
    pub(super) max_channels: usize,
    /// Connections at once
    #[arg(long, value_name = "COUNT", default_value = "16384", value_parser = count)]
    pub(super) max_connections: usize,
    /// Connections of one address, or IPv6 /64; 0 is any number
    #[arg(long, value_name = "COUNT", default_value = "0", value_parser = count)]
    pub(super) max_connections_per_ip: usize,
}

/// What came of the command line.
pub(crate) enum Asked {
    Serve(Box<Config>),
    /// Help or the version: this text, to standard output.
    Text(String),
    /// Something is wrong: this line, to standard error.
    Wrong(String),
}

/// Reads the command line.
pub(crate) fn read(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Asked {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => return Asked::Text(error.to_string()),
        Err(error) => return Asked::Wrong(one_line(&error.to_string())),
    };
    let flags = match cli.command {
        Some(Command::Serve(flags)) => flags,
        None => cli.serve,
    };
    match check(flags) {
        Ok(config) => Asked::Serve(Box::new(config)),
        Err(sentence) => Asked::Wrong(sentence),
    }
}

/// The first paragraph of a complaint on one line, with what was perhaps meant, and where to look.
fn one_line(complaint: &str) -> String {
    let lines = complaint.trim_start_matches("error: ").lines().take_while(|line| !line.trim().is_empty());
    let sentence = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    let tip = complaint.lines().find_map(|line| line.trim().strip_prefix("tip: "));
    let wants_a_port = sentence.contains("'--port'")
        || sentence.contains("subcommand '") && sentence.contains(|c: char| c.is_ascii_digit());
    match tip {
        _ if wants_a_port => format!("{sentence}; a port is chosen with --listen, as in --listen 9090"),
        Some(tip) => format!("{sentence}; {tip} (encke --help tells what there is)"),
        None => format!("{sentence} (encke --help tells what there is)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_fits_a_terminal_of_eighty_columns() {
        let Asked::Text(text) = read(["encke".into(), "--help".into()]) else { panic!("help is a text") };
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(widest <= 80, "{widest} columns:\n{text}");
    }

    #[test]
    fn what_was_probably_meant_is_said() {
        for (argument, said) in [
            ("--hearbeat", "'--heartbeat'"),
            ("--port", "--listen 9090"),
            ("9090", "--listen 9090"),
            ("--nothing-like-it", "encke --help"),
        ] {
            let Asked::Wrong(sentence) = read(["encke".into(), argument.into()]) else {
                panic!("{argument}")
            };
            assert!(sentence.contains(said) && !sentence.contains('\n'), "{sentence}");
        }
    }
}

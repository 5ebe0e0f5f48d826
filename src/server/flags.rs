//! The flags of `encke serve`: what they are called, and what they do when nobody gives them.
//!
//! `command/` makes them part of the command line. Words are parsed in `values.rs`; whether they make sense together is decided in
//! `config.rs`.
//!
//! Next: `config.rs`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};

use super::origin;
use crate::values::{count, size, time, time_or_never};

/// The end of the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  encke                                  serve on 127.0.0.1:8080
  encke --listen 127.0.0.1:9000 -v       on another port, telling more
  encke --listen unix:/run/encke.sock    for a proxy on this machine
  encke --listen 0.0.0.0:80 --publish-key-file keys   for the world
  curl -N http://127.0.0.1:8080/channels/news         receive
  curl -d 'Hello' http://127.0.0.1:8080/channels/news publish

TIME is a number of seconds or has a unit: 500ms, 15s, 2m, 1h. SIZE is a number
of bytes or has a unit: 16KiB, 1MiB.";

#[derive(Args, Debug)]
pub(crate) struct Flags {
    /// Where to listen: ADDR:PORT, a port alone, or unix:PATH; repeatable
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(super) listen: Vec<String>,
    /// Allow JSONP: mode=poll with callback=F answers a script
    #[arg(long)]
    pub(super) jsonp: bool,
    /// Leave out the start page and the demo
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

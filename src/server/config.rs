//! The command line: flags, their words, and what they mean for the engine's limits.
//!
//! `run.rs` calls [`read`]. Whatever is wrong is found here, before anything is started, and told in one line.
//!
//! Next: `run.rs`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand};

use crate::limits::Limits;

const EXAMPLES: &str = "\
Examples:
  encke                                  serve on 127.0.0.1:8080
  encke --listen 127.0.0.1:9000 -v       on another port, telling more
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
struct Flags {
    /// Where to listen, on this machine
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    listen: String,
    /// Between heartbeats on a quiet stream; 0 is never
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = time_or_never)]
    heartbeat: Duration,
    /// A stream without a message is closed; 0 is never
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = time_or_never)]
    comet_timeout: Duration,
    /// For a request's head to come
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    head_timeout: Duration,
    /// Without a byte of a request's body
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    body_timeout: Duration,
    /// Between two requests on a connection; 0 is none
    #[arg(long, value_name = "TIME", default_value = "75s", value_parser = time_or_never)]
    keep_alive: Duration,
    /// For a peer that takes nothing of what it is owed
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    write_timeout: Duration,
    /// For everybody to finish when the server stops
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    drain: Duration,
    /// The largest head of a request, 64 bytes to 1 MiB
    #[arg(long, value_name = "SIZE", default_value = "16KiB", value_parser = size)]
    max_head: u64,
    /// The largest message
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = size)]
    max_body: u64,
    /// Connections at once
    #[arg(long, value_name = "COUNT", default_value_t = 16_384)]
    max_connections: usize,
    /// Tell more; twice, everything
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
    /// Tell only errors; twice, nothing
    #[arg(short, long, action = ArgAction::Count, conflicts_with = "verbose")]
    quiet: u8,
}

/// What the server is started with, checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) limits: Limits,
    pub(crate) log: log::LevelFilter,
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

/// The first paragraph of a complaint, on one line, and where to look.
fn one_line(complaint: &str) -> String {
    let lines = complaint.trim_start_matches("error: ").lines().take_while(|line| !line.trim().is_empty());
    let sentence = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    format!("{sentence} (encke --help tells what there is)")
}

fn check(flags: Flags) -> Result<Config, String> {
    let listen = address(&flags.listen)?;
    if flags.max_connections == 0 || flags.max_connections > 1 << 24 {
        return Err(format!("--max-connections must be 1 to 16777216, and is {}", flags.max_connections));
    }
    if !(64..=1 << 20).contains(&flags.max_head) {
        return Err(format!("--max-head must be 64 bytes to 1MiB, and is {} bytes", flags.max_head));
    }
    if !(1..=1 << 30).contains(&flags.max_body) {
        return Err(format!("--max-body must be 1 byte to 1GiB, and is {} bytes", flags.max_body));
    }
    let limits = Limits {
        connections_max: flags.max_connections,
        head_timeout: flags.head_timeout,
        body_timeout: flags.body_timeout,
        keep_alive_timeout: flags.keep_alive,
        write_timeout: flags.write_timeout,
        comet_timeout: flags.comet_timeout,
        heartbeat: flags.heartbeat,
        drain_timeout: flags.drain,
        head_bytes_max: flags.max_head as usize,
        body_bytes_max: flags.max_body,
        ..Limits::default()
    };
    limits.check().map_err(|error| error.to_string())?;
    Ok(Config { listen, limits, log: log_level(flags.verbose, flags.quiet) })
}

fn log_level(verbose: u8, quiet: u8) -> log::LevelFilter {
    match (quiet, verbose) {
        (0, 0) => log::LevelFilter::Warn,
        (0, 1) => log::LevelFilter::Info,
        (0, 2) => log::LevelFilter::Debug,
        (0, _) => log::LevelFilter::Trace,
        (1, _) => log::LevelFilter::Error,
        (_, _) => log::LevelFilter::Off,
    }
}

/// The address to listen at: this machine's own, until there are keys for publishing.
fn address(text: &str) -> Result<SocketAddr, String> {
    let full = if text.parse::<u16>().is_ok() { format!("127.0.0.1:{text}") } else { text.to_owned() };
    let mut found = full.to_socket_addrs().map_err(|error| {
        format!("--listen {text}: not an address with a port, like 127.0.0.1:8080 ({error})")
    })?;
    let address = found.next().ok_or_else(|| format!("--listen {text}: the name stands for no address"))?;
    if !address.ip().is_loopback() {
        return Err(format!(
            "--listen {text}: others could publish there, and there are no keys to keep them out yet; listen on 127.0.0.1 or [::1]"
        ));
    }
    Ok(address)
}

fn time_or_never(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 =
        text[..digits].parse().map_err(|_| "not a time like 500ms, 15s, 2m or 1h".to_owned())?;
    let millis = match &text[digits..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err("the unit of a time is ms, s, m or h".to_owned()),
    };
    let wait = number.checked_mul(millis).map(Duration::from_millis).ok_or("too long")?;
    if wait > Duration::from_secs(100 * 24 * 3600) {
        return Err("at most 100 days, 2400h".to_owned());
    }
    Ok(wait)
}

fn time(text: &str) -> Result<Duration, String> {
    match time_or_never(text) {
        Ok(Duration::ZERO) => Err("this wait must have an end, so not 0".to_owned()),
        other => other,
    }
}

fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 =
        text[..digits].parse().map_err(|_| "not a size like 65536, 16KiB or 1MiB".to_owned())?;
    let unit = match &text[digits..] {
        "" | "B" => 1,
        "KiB" | "K" | "k" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        _ => return Err("the unit of a size is KiB, MiB or GiB".to_owned()),
    };
    number.checked_mul(unit).ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(arguments: &str) -> Result<Config, String> {
        let words = std::iter::once("encke").chain(arguments.split_whitespace());
        match read(words.map(Into::into)) {
            Asked::Serve(config) => Ok(*config),
            Asked::Wrong(line) => Err(line),
            Asked::Text(text) => panic!("{text}"),
        }
    }

    #[test]
    fn without_a_word_it_serves_on_loopback_and_streams_never_time_out() {
        let config = config("").unwrap();
        assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(config.limits, Limits { comet_timeout: Duration::ZERO, ..Limits::default() });
    }

    #[test]
    fn the_subcommand_takes_the_same_flags() {
        for form in ["--heartbeat 500ms --listen 9000 -vv", "serve --heartbeat 500ms --listen 9000 -vv"] {
            let config = config(form).unwrap();
            assert_eq!(config.limits.heartbeat, Duration::from_millis(500));
            assert_eq!((config.listen.port(), config.log), (9000, log::LevelFilter::Debug));
        }
    }

    #[test]
    fn what_is_wrong_is_one_line_that_says_what_to_do() {
        for (arguments, part) in [
            ("--listen 0.0.0.0:80", "listen on 127.0.0.1"),
            ("--listen nonsense", "like 127.0.0.1:8080"),
            ("--head-timeout 0", "must have an end"),
            ("--write-timeout 5parsec", "ms, s, m or h"),
            ("--max-head 1", "64 bytes to 1MiB"),
            ("--max-body 0", "1 byte to 1GiB"),
            ("--max-connections 0", "1 to 16777216"),
            ("--nonsense", "--help"),
            ("dance", "--help"),
        ] {
            let line = config(arguments).unwrap_err();
            assert!(line.contains(part) && !line.contains('\n'), "{arguments}: {line}");
        }
    }

    #[test]
    fn the_help_fits_a_terminal_of_eighty_columns() {
        let Asked::Text(text) = read(["encke".into(), "--help".into()]) else { panic!("help is a text") };
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!(widest <= 80, "{widest} columns:\n{text}");
    }
}

//! What the flags mean together: limits for the engine, a policy for the application, and what is refused.
//!
//! `run.rs` calls [`check`] with words that have been parsed.
//!
//! Invariant: what comes out works. Every contradiction is told in one sentence that names the flags and says what to do.
//!
//! Next: `listen.rs`, then `origin.rs`, `keys.rs` and `access.rs`.

use std::time::Duration;

use super::access::{Access, Origins};
use super::flags::{AccessFlags, BoundFlags, Flags, HistoryFlags, WaitFlags};
use super::keys::Keys;
use super::listen::Listen;
use crate::limits::Limits;
use crate::values::size_text;

/// What the server is started with, checked.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) listen: Vec<Listen>,
    pub(crate) limits: Limits,
    pub(crate) policy: Policy,
    /// What works and should still be known, for the log.
    pub(crate) warnings: Vec<String>,
    pub(crate) log: log::LevelFilter,
}

/// What the application does for whom, besides the limits.
#[derive(Debug)]
pub(crate) struct Policy {
    pub(crate) access: Access,
    /// When a long-poll without a message is answered, unless it asks for less.
    pub(crate) poll_timeout: Duration,
    pub(crate) jsonp: Jsonp,
    pub(crate) demo: Demo,
}

#[cfg(test)]
impl Policy {
    /// That of a server started without flags.
    pub(crate) fn for_tests() -> Policy {
        let access = Access::default();
        Policy { access, poll_timeout: Duration::from_secs(25), jsonp: Jsonp::Refused, demo: Demo::Shown }
    }
}

/// Whether a long-poll may be answered as a script, for pages of any origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Jsonp {
    Refused,
    Served,
}

/// Whether there is a start page, and pages that show what the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demo {
    Shown,
    Hidden,
}

/// Checks the flags one by one and against each other.
pub(super) fn check(flags: Flags) -> Result<Config, String> {
    let listen = Listen::read_all(&flags.listen)?;
    let mut warnings = Vec::new();
    let access = access(&flags.access, &mut warnings)?;
    if access.keys.is_none()
        && !flags.access.open
        && let Some(address) = listen.iter().find(|listen| listen.is_public())
    {
        return Err(format!(
            "--listen {address}: anybody could publish there; keep a list of keys with --publish-key-file FILE, let everybody in with --open, or listen on 127.0.0.1 or [::1]"
        ));
    }
    let limits = limits(&flags.history, &flags.waits, &flags.bounds)?;
    let policy = Policy {
        access,
        poll_timeout: poll_timeout(&flags.waits)?,
        jsonp: if flags.jsonp { Jsonp::Served } else { Jsonp::Refused },
        demo: if flags.no_demo { Demo::Hidden } else { Demo::Shown },
    };
    Ok(Config { listen, limits, policy, warnings, log: log_level(flags.verbose, flags.quiet) })
}

fn access(flags: &AccessFlags, warnings: &mut Vec<String>) -> Result<Access, String> {
    let keys = match &flags.publish_key_file {
        Some(_) if flags.open => {
            return Err(
                "--open lets everybody publish and --publish-key-file only some; give one of them".to_owned()
            );
        }
        Some(path) => {
            let (keys, warning) = Keys::read(path)?;
            warnings.extend(warning);
            Some(keys)
        }
        None => None,
    };
    let origins = match &flags.cors_origin[..] {
        [] => Origins::None,
        [any] if any == "*" => Origins::Any,
        listed if listed.iter().any(|origin| origin == "*") => {
            return Err(
                "--cors-origin * stands for all origins; leave the others out, or leave it out".to_owned()
            );
        }
        listed => Origins::Listed(listed.to_vec()),
    };
    Ok(Access { keys, origins, hosts: flags.host.clone() })
}

fn limits(history: &HistoryFlags, waits: &WaitFlags, bounds: &BoundFlags) -> Result<Limits, String> {
    const MANY: usize = 1 << 24;
    count_within("--history-count", history.history_count, 1, MANY)?;
    count_within("--max-channels", bounds.max_channels, 1, MANY)?;
    count_within("--max-connections", bounds.max_connections, 1, MANY)?;
    count_within("--max-connections-per-ip", bounds.max_connections_per_ip, 0, MANY)?;
    size_within("--history-bytes", history.history_bytes, 1, 1 << 30)?;
    size_within("--max-head", bounds.max_head, 64, 1 << 20)?;
    size_within("--max-body", bounds.max_body, 1, 1 << 30)?;
    size_within("--body-rate", waits.body_rate, 0, 1 << 30)?;
    let memory = memory(history, bounds)?;
    if history.history_bytes > memory && history.history_bytes != Limits::default().history_bytes_max as u64 {
        return Err(format!(
            "--history-bytes {} is more than --memory {}, which all channels share; give more of the second or less of the first",
            size_text(history.history_bytes),
            size_text(memory)
        ));
    }
    if bounds.max_connections_per_ip > bounds.max_connections {
        return Err(format!(
            "--max-connections-per-ip {} is more than --max-connections {}; give less, or 0 for any number",
            bounds.max_connections_per_ip, bounds.max_connections
        ));
    }
    const HEARTBEAT_MIN: Duration = Duration::from_millis(10);
    if !waits.heartbeat.is_zero() && waits.heartbeat < HEARTBEAT_MIN {
        return Err(format!(
            "--heartbeat must be 0, which is never, or at least 10ms, and is {:?}",
            waits.heartbeat
        ));
    }
    let limits = Limits {
        connections_max: bounds.max_connections,
        connections_per_address_max: bounds.max_connections_per_ip,
        head_timeout: waits.head_timeout,
        body_timeout: waits.body_timeout,
        body_rate_min: waits.body_rate as u32,
        keep_alive_timeout: waits.keep_alive,
        write_timeout: waits.write_timeout,
        comet_timeout: waits.comet_timeout,
        heartbeat: waits.heartbeat,
        drain_timeout: waits.drain,
        head_bytes_max: bounds.max_head as usize,
        body_bytes_max: bounds.max_body,
        history_count_max: history.history_count,
        history_bytes_max: history.history_bytes as usize,
        history_age_max: history.history_age,
        memory_bytes_max: memory as usize,
        grace: grace(waits)?,
        channels_max: bounds.max_channels,
        ..Limits::default()
    };
    limits.check().map_err(|error| error.to_string())?;
    Ok(limits)
}

/// The bytes of all channels together. A quarter of them has to take the largest message: besides its payload there are its frames, and
/// others' bodies are coming meanwhile.
fn memory(history: &HistoryFlags, bounds: &BoundFlags) -> Result<u64, String> {
    let usual = Limits::default().memory_bytes_max as u64;
    let memory = history.memory.unwrap_or(usual);
    size_within("--memory", memory, 64 << 10, 1 << 40)?;
    if bounds.max_body > memory / 4 {
        let of = if history.memory.is_some() { "--memory" } else { "the usual --memory" };
        return Err(format!(
            "--max-body {} is more than a quarter of {of} {}: give --memory {} or more, or a smaller --max-body",
            size_text(bounds.max_body),
            size_text(memory),
            size_text(bounds.max_body * 4),
        ));
    }
    Ok(memory)
}

/// How long somebody who does not read holds publishers: not longer than until it is cut.
fn grace(waits: &WaitFlags) -> Result<Duration, String> {
    const MOST: Duration = Duration::from_secs(10);
    match waits.grace {
        None => Ok(Limits::default().grace.min(waits.write_timeout)),
        Some(grace) if grace > MOST => Err(format!("--grace must be at most 10s, and is {grace:?}")),
        Some(grace) if grace > waits.write_timeout => Err(format!(
            "--grace {grace:?} is longer than --write-timeout {:?}, which cuts the peer before; give a shorter --grace",
            waits.write_timeout
        )),
        Some(grace) => Ok(grace),
    }
}

/// How long a poll is held back: not longer than anything is. Only who asks for both is contradicted.
fn poll_timeout(waits: &WaitFlags) -> Result<Duration, String> {
    const USUAL: Duration = Duration::from_secs(25);
    let comet = if waits.comet_timeout.is_zero() { Duration::MAX } else { waits.comet_timeout };
    match waits.poll_timeout {
        None => Ok(USUAL.min(comet)),
        Some(poll) if poll > comet => Err(format!(
            "--poll-timeout {poll:?} is longer than --comet-timeout {comet:?}, which ends the poll before; give a shorter --poll-timeout"
        )),
        Some(poll) => Ok(poll),
    }
}

fn count_within(name: &str, value: usize, least: usize, most: usize) -> Result<(), String> {
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(format!("{name} must be {least} to {most}, and is {value}")),
    }
}

fn size_within(name: &str, value: u64, least: u64, most: u64) -> Result<(), String> {
    let [least_text, most_text, value_text] = [least, most, value].map(size_text);
    match (least..=most).contains(&value) {
        true => Ok(()),
        false => Err(format!("{name} must be {least_text} to {most_text}, and is {value_text}")),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Asked, read};

    fn config(arguments: &str) -> Result<Config, String> {
        let words = std::iter::once("encke").chain(arguments.split_whitespace());
        match read(words.map(Into::into)) {
            Asked::Serve(flags) => check(*flags),
            Asked::Wrong(line) => Err(line),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn without_a_word_it_serves_on_loopback_and_streams_never_time_out() {
        let config = config("").expect("the defaults work");
        assert_eq!(config.listen, [Listen::Tcp("127.0.0.1:8080".parse().expect("an address"))]);
        assert_eq!(config.limits, Limits { comet_timeout: Duration::ZERO, ..Limits::default() });
        assert_eq!(config.policy.poll_timeout, Duration::from_secs(25));
        assert_eq!((config.policy.jsonp, config.policy.demo), (Jsonp::Refused, Demo::Shown));
    }

    #[test]
    fn the_subcommand_takes_the_same_flags() {
        for form in ["--heartbeat 500ms --listen 9000 -vv", "serve --heartbeat 500ms --listen 9000 -vv"] {
            let config = config(form).expect("this works");
            assert_eq!(config.limits.heartbeat, Duration::from_millis(500));
            assert_eq!(config.listen, [Listen::Tcp("127.0.0.1:9000".parse().expect("an address"))]);
            assert_eq!(config.log, log::LevelFilter::Debug);
        }
    }

    #[test]
    fn each_flag_reaches_its_limit() {
        let config = config(
            "--history-count 5 --history-bytes 2KiB --history-age 3s --memory 4MiB --max-channels 6 \
             --max-connections-per-ip 7 --body-rate 1KiB --grace 800ms --poll-timeout 9s --jsonp --no-demo --max-body 1MiB",
        )
        .expect("this works");
        let expected = Limits {
            comet_timeout: Duration::ZERO,
            history_count_max: 5,
            history_bytes_max: 2 << 10,
            history_age_max: Duration::from_secs(3),
            memory_bytes_max: 4 << 20,
            channels_max: 6,
            connections_per_address_max: 7,
            body_rate_min: 1 << 10,
            grace: Duration::from_millis(800),
            ..Limits::default()
        };
        assert_eq!(config.limits, expected);
        assert_eq!(config.policy.poll_timeout, Duration::from_secs(9));
        assert_eq!((config.policy.jsonp, config.policy.demo), (Jsonp::Served, Demo::Hidden));
    }

    #[test]
    fn what_does_not_contradict_is_taken() {
        for arguments in [
            "--heartbeat 0",
            "--write-timeout 500ms",
            "--comet-timeout 25s",
            "--comet-timeout 5s --poll-timeout 5s",
            "--comet-timeout 5s",
            "--max-body 2MiB --history-bytes 1MiB",
            "--max-body 16MiB",
            "--listen 0.0.0.0:80 --open",
            "--listen 127.0.0.1:1 --listen [::1]:1 --listen 2 --listen unix:/tmp/a",
            "--cors-origin https://a --cors-origin http://b:81",
            "--cors-origin *",
            "--host a --host 127.0.0.1 --host ::1",
        ] {
            assert!(config(arguments).is_ok(), "{arguments}: {:?}", config(arguments));
        }
        assert_eq!(config("--write-timeout 500ms").expect("works").limits.grace, Duration::from_millis(500));
    }

    #[test]
    fn what_is_wrong_is_one_line_that_says_what_to_do() {
        for (arguments, part) in [
            ("--listen 0.0.0.0:80", "--publish-key-file FILE"),
            ("--listen 0.0.0.0:80", "--open"),
            ("--listen 127.0.0.1:80 --listen [::]:80", "--listen [::]:80"),
            ("--listen nonsense", "like 127.0.0.1:8080"),
            ("--listen unix:", "like unix:/run/encke.sock"),
            ("--listen 8080 --listen 127.0.0.1:8080", "twice"),
            ("--head-timeout 0", "must have an end"),
            ("--poll-timeout 0", "must have an end"),
            ("--grace 0", "must have an end"),
            ("--history-age 0", "must have an end"),
            ("--write-timeout 5parsec", "ms, s, m or h"),
            ("--comet-timeout 10s --poll-timeout 11s", "shorter --poll-timeout"),
            ("--grace 2s --write-timeout 1s", "shorter --grace"),
            ("--grace 11s", "at most 10s"),
            ("--max-head 1", "64B to 1MiB"),
            ("--max-body 0", "1B to 1GiB"),
            ("--body-rate 2GiB", "0B to 1GiB"),
            ("--max-body 17MiB", "the usual --memory 64MiB: give --memory 68MiB"),
            ("--max-body 1MiB --memory 3MiB", "of --memory 3MiB"),
            ("--memory 1KiB", "64KiB to 1024GiB"),
            ("--history-count 0", "1 to 16777216"),
            ("--history-bytes 0", "1B to 1GiB"),
            ("--max-channels 0", "1 to 16777216"),
            ("--max-connections 0", "1 to 16777216"),
            ("--max-connections -1", "--help"),
            ("--max-connections-per-ip 16777217", "0 to 16777216"),
            ("--max-connections 10 --max-connections-per-ip 11", "or 0 for any number"),
            ("--history-bytes 2MiB --memory 1MiB --max-body 1KiB", "which all channels share"),
            ("--heartbeat 1ms", "at least 10ms"),
            ("--heartbeat 0.0000001", "at least 1ms"),
            ("--head-timeout 0.5ms", "at least 1ms"),
            ("--cors-origin null", "null"),
            ("--cors-origin https://a/", "without a path"),
            ("--cors-origin a.example", "like https://example.org"),
            ("--cors-origin * --cors-origin https://a", "leave the others out"),
            ("--host a:80", "without a port"),
            ("--publish-key-file /nonexistent/keys", "cannot be read"),
            ("--publish-key-file /dev/null", "no key"),
            ("--publish-key-file /dev/zero", "64KiB"),
            ("--open --publish-key-file /dev/null", "one of them"),
            ("--nonsense", "--help"),
            ("dance", "--help"),
        ] {
            let line = config(arguments).expect_err(arguments);
            assert!(line.contains(part) && !line.contains('\n'), "{arguments}: {line}");
        }
    }
}

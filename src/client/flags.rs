//! The flags of `encke subscribe` and `encke publish`.
//!
//! `command/` makes them part of the command line; `subscribe.rs` and `publish.rs` are handed them. What both have is in [`CallFlags`].
//!
//! Invariant: what a field may not hold is refused here, so nothing that is given can break a head.
//!
//! Next: `address.rs`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::address::Address;
use crate::values::{count, size, time};

pub(crate) const SUBSCRIBE_EXAMPLES: &str = "\
Examples:
  encke subscribe http://127.0.0.1:8080/channels/news
  encke subscribe 127.0.0.1:8080/channels/news -n 1 --timeout 30s
  encke subscribe 127.0.0.1:8080/channels/news --json | jq .data
  encke subscribe http://127.0.0.1:8080/testComet.do --form user=ann

Exit codes: 0 done, 1 this machine, 2 command line, 3 unreachable,
4 unreadable, 5 time is up, 130 Ctrl-C; for a status: 24 for 204,
44 for 404, 53 for 503";

pub(crate) const PUBLISH_EXAMPLES: &str = "\
Examples:
  encke publish http://127.0.0.1:8080/channels/news 'Hello'
  tail -f access.log | encke publish 127.0.0.1:8080/channels/log
  encke publish 127.0.0.1:8080/channels/log - --rate 100 < access.log

Exit codes: 0 done, 1 this machine, 2 command line, 3 unreachable,
4 unreadable, 5 time is up, 130 Ctrl-C; for a status: 41 for 401,
44 for 404, 53 for 503";

/// What is asked for, and how it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    // Not doc comments: each would take a line of the help.
    // Server-Sent Events.
    Sse,
    // Lines, or whatever bytes there are.
    Stream,
    // A JSON object a line.
    Ndjson,
    // Long-polls, one after the other.
    Poll,
}

#[derive(Args, Debug)]
pub(crate) struct SubscribeFlags {
    /// What to listen to: http://HOST:PORT/PATH, or unix:SOCKET:/PATH
    #[arg(value_name = "URL", value_parser = Address::parse)]
    pub(crate) address: Address,
    /// How to listen [default: as the answer's type says]
    #[arg(long, value_enum, value_name = "MODE")]
    pub(crate) mode: Option<Mode>,
    /// Begin behind the message with this id; 0-0: all there is
    #[arg(long, value_name = "ID", value_parser = text_of_a_field)]
    pub(crate) since: Option<String>,
    /// Ask with a POST of this form; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) form: Vec<(String, String)>,
    /// Print a JSON object for each message
    #[arg(long)]
    pub(crate) json: bool,
    /// End after so many messages
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = at_least_one)]
    pub(crate) count: Option<u64>,
    /// The largest message
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = size)]
    pub(crate) max_message: u64,
    #[command(flatten)]
    pub(crate) call: CallFlags,
}

#[derive(Args, Debug)]
pub(crate) struct PublishFlags {
    /// Where to publish: http://HOST:PORT/channels/NAME, or unix:SOCKET:/PATH
    #[arg(value_name = "URL", value_parser = Address::parse)]
    pub(crate) address: Address,
    /// The message; - or nothing: each line of standard input but empty ones
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// The type of the messages
    #[arg(long, value_name = "TYPE")]
    pub(crate) event: Option<String>,
    /// At most so many messages a second
    #[arg(long, value_name = "COUNT", value_parser = rate)]
    pub(crate) rate: Option<u64>,
    /// So many messages on their way
    #[arg(long, value_name = "COUNT", default_value = "64", value_parser = at_least_one)]
    pub(crate) window: u64,
    /// Print the answer to each message, with its id
    #[arg(long)]
    pub(crate) json: bool,
    /// The longest line
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = size)]
    pub(crate) max_message: u64,
    #[command(flatten)]
    pub(crate) call: CallFlags,
}

/// How a server is called, by whichever command.
#[derive(Args, Debug)]
pub(crate) struct CallFlags {
    /// Send this too, 'Name: value'; repeatable
    #[arg(long, value_name = "FIELD", value_parser = field)]
    pub(crate) header: Vec<(String, String)>,
    /// Send this as Authorization: Bearer KEY
    #[arg(long, value_name = "KEY", value_parser = text_of_a_field, conflicts_with = "key_file")]
    pub(crate) key: Option<String>,
    /// Send the first key of this file
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Try once, and do not come back
    #[arg(long, conflicts_with_all = ["keep_trying", "retry"])]
    pub(crate) once: bool,
    /// Try again even if it has never worked
    #[arg(long)]
    pub(crate) keep_trying: bool,
    /// Before it is tried again, growing [default: 1s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) retry: Option<Duration>,
    /// The longest silence [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) idle: Option<Duration>,
    /// To be connected
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub(crate) connect_timeout: Duration,
    /// End after this long
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
    /// Tell more
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Tell nothing but why it failed
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
}

impl CallFlags {
    /// What is sent besides what the command itself has to say. The file of the key is read.
    pub(crate) fn fields(&self) -> Result<Vec<(String, String)>, String> {
        let mut fields = self.header.clone();
        let key = match &self.key_file {
            Some(path) => Some(first_key(path)?),
            None => self.key.clone(),
        };
        if let Some(key) = key {
            fields.push(("Authorization".to_owned(), format!("Bearer {key}")));
        }
        Ok(fields)
    }

    /// Before it is tried again for the first time.
    pub(crate) fn retry(&self) -> Duration {
        self.retry.unwrap_or(Duration::from_secs(1))
    }

    /// A silence that is the end.
    pub(crate) fn idle(&self) -> Duration {
        self.idle.unwrap_or(Duration::from_secs(60))
    }
}

/// The first key of a file as `encke serve --publish-key-file` takes it: one a line, `#` begins a comment.
fn first_key(path: &PathBuf) -> Result<String, String> {
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("--key-file {name} cannot be read: {error}"))?;
    let key = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let key = key.ok_or_else(|| format!("--key-file {name}: there is no key in it"))?;
    match key.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(key.to_owned()),
        false => Err(format!("--key-file {name}: a key is visible ASCII without blanks")),
    }
}

fn field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a field is given as 'Name: value'")?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("the name of a field is a word, as in 'Name: value'".to_owned());
    }
    let is_ours =
        ["Content-Length", "Transfer-Encoding", "Connection", "Expect", "Upgrade", "Idempotency-Key"];
    if let Some(ours) = is_ours.iter().find(|ours| ours.eq_ignore_ascii_case(name)) {
        return Err(format!("{ours} is written by encke itself"));
    }
    Ok((name.to_owned(), text_of_a_field(value.trim())?))
}

fn text_of_a_field(text: &str) -> Result<String, String> {
    match text.chars().any(char::is_control) {
        true => Err("control characters cannot be sent".to_owned()),
        false => Ok(text.to_owned()),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a form is given as KEY=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn at_least_one(text: &str) -> Result<u64, String> {
    match count(text)? {
        0 => Err("at least 1".to_owned()),
        count => Ok(count as u64),
    }
}

/// `100` or `100/s`.
fn rate(text: &str) -> Result<u64, String> {
    at_least_one(text.strip_suffix("/s").unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_cannot_break_a_head() {
        assert_eq!(field("X-A:  b c "), Ok(("X-A".to_owned(), "b c".to_owned())));
        assert_eq!(field("X-A:"), Ok(("X-A".to_owned(), String::new())));
        for wrong in
            ["X-A", ": b", "X A: b", "X-A: b\r\nX-B: c", "content-length: 5", "idempotency-key: x", "X-A: \0"]
        {
            assert!(field(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn words_are_read() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert!(pair("a").is_err());
        assert_eq!((rate("100"), rate("100/s")), (Ok(100), Ok(100)));
        assert!(rate("0").is_err() && rate("1/m").is_err() && at_least_one("0").is_err());
    }
}

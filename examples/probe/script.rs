//! Scripts: what a query string asks the probe to do, taken apart.
//!
//! Actions are separated by commas, and their arguments by colons; the table is in `main.rs`.
//!
//! Next: `stage.rs`, where they are performed.

use std::str::FromStr;
use std::time::Duration;

/// One action, and how it was written.
#[derive(Clone)]
pub(crate) struct Step {
    pub(crate) text: String,
    pub(crate) action: Action,
}

/// What can be asked for in an event.
#[derive(Clone)]
pub(crate) enum Action {
    Write(String),
    Flush,
    /// So many `x`s.
    Big(usize),
    Close,
    Timeout(Duration),
    /// At most so many bytes of what is lent.
    Read(usize),
    Available,
    Parameter(String),
    Throw,
    Status(u16),
    Length(u64),
    Field(String, String),
    Sleep(Duration),
    Session,
    /// A deed of somebody else, after a while.
    Later(Duration, Deed),
}

/// What is done from outside of the exchange's own events, by one who has only kept its name.
#[derive(Clone)]
pub(crate) enum Deed {
    /// Writes `text` and a running number, `left` times more.
    Write {
        text: String,
        number: u64,
        left: u64,
        every: Duration,
    },
    Big(usize),
    Close,
    Timeout(Duration),
    Read,
}

/// A whole script.
///
/// # Errors
/// What is not understood, in words.
pub(crate) fn parse(script: &str) -> Result<Vec<Step>, String> {
    script.split(',').filter(|text| !text.is_empty()).map(step).collect()
}

fn step(text: &str) -> Result<Step, String> {
    let (name, rest) = text.split_once(':').unwrap_or((text, ""));
    let action = match name {
        "w" | "wf" | "os" => Action::Write(rest.to_owned()),
        "f" => Action::Flush,
        "big" => Action::Big(number(text, rest)?),
        "close" => Action::Close,
        "to" | "attr" => Action::Timeout(millis(text, rest)?),
        "ra" | "rs" if rest.is_empty() => Action::Read(usize::MAX),
        "ra" | "rs" | "r1" => Action::Read(number(text, rest)?),
        "avail" => Action::Available,
        "param" => Action::Parameter(rest.to_owned()),
        "throw" | "throwrt" => Action::Throw,
        "status" => Action::Status(number(text, rest)?),
        "cl" => Action::Length(number(text, rest)?),
        "type" => Action::Field("Content-Type".to_owned(), rest.to_owned()),
        "hdr" => {
            let (name, value) = rest.split_once(':').ok_or_else(|| misread(text))?;
            Action::Field(name.to_owned(), value.to_owned())
        }
        "sleep" => Action::Sleep(millis(text, rest)?),
        "session" => Action::Session,
        "thread" | "tbig" | "tclose" | "tto" | "tread" => later(text, name, rest)?,
        _ => return Err(misread(text)),
    };
    Ok(Step { text: text.to_owned(), action })
}

fn later(text: &str, name: &str, rest: &str) -> Result<Action, String> {
    let (delay, rest) = rest.split_once(':').unwrap_or((rest, ""));
    let deed = match name {
        "thread" => {
            let mut parts = rest.splitn(3, ':');
            let mut part = || parts.next().ok_or_else(|| misread(text));
            let left = number(text, part()?)?;
            Deed::Write { left, number: 1, every: millis(text, part()?)?, text: part()?.to_owned() }
        }
        "tbig" => Deed::Big(number(text, rest)?),
        "tclose" => Deed::Close,
        "tto" => Deed::Timeout(millis(text, rest)?),
        _ => Deed::Read,
    };
    Ok(Action::Later(millis(text, delay)?, deed))
}

fn millis(text: &str, number: &str) -> Result<Duration, String> {
    // Below zero means never, as zero does.
    let millis: i64 = self::number(text, number)?;
    Ok(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

fn number<T: FromStr>(text: &str, number: &str) -> Result<T, String> {
    number.parse().map_err(|_| misread(text))
}

fn misread(text: &str) -> String {
    format!("this action is not understood: {text}")
}

//! Standard input as messages: a line each, read by a thread of its own.
//!
//! `publish.rs` takes lines as they come, and looks at its connection meanwhile.
//!
//! Invariant: few lines are read ahead, so who writes into the pipe is held up by a slow server. Empty lines are passed over: a pipe is
//! full of those that nobody meant.
//!
//! Next: `publish.rs`.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use super::lines::without_cr;

/// So many lines are read ahead.
const AHEAD: usize = 256;

/// A line, with its number from one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) text: String,
}

/// Reads standard input until it ends. What is wrong with it is the last thing to come.
pub(crate) fn read_lines(bytes_max: usize) -> Receiver<Result<Line, String>> {
    let (sender, receiver) = sync_channel(AHEAD);
    thread::spawn(move || {
        let mut input = BufReader::with_capacity(64 * 1024, io::stdin());
        let mut number = 0;
        loop {
            number += 1;
            let line = match next(&mut input, number, bytes_max) {
                Ok(None) => return,
                Ok(Some(line)) if line.text.is_empty() => continue,
                Ok(Some(line)) => Ok(line),
                Err(why) => Err(why),
            };
            let is_last = line.is_err();
            if sender.send(line).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

fn next(input: &mut impl BufRead, number: u64, bytes_max: usize) -> Result<Option<Line>, String> {
    let mut bytes = Vec::new();
    // With room for the end of the line.
    let count = input.by_ref().take(bytes_max as u64 + 2).read_until(b'\n', &mut bytes);
    let count = count.map_err(|error| format!("standard input cannot be read: {error}"))?;
    if count == 0 {
        return Ok(None);
    }
    let line = without_cr(bytes.strip_suffix(b"\n").unwrap_or(&bytes));
    if line.len() > bytes_max {
        return Err(format!("line {number} is longer than --max-message {bytes_max}"));
    }
    let text = str::from_utf8(line).map_err(|_| format!("line {number} is not UTF-8"))?;
    Ok(Some(Line { number, text: text.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_bounded() {
        let mut input = &b"one\r\n\ntwo\nthree"[..];
        let mut seen = Vec::new();
        while let Some(line) = next(&mut input, seen.len() as u64 + 1, 5).expect("short lines") {
            seen.push(line.text);
        }
        assert_eq!(seen, ["one", "", "two", "three"]);
        for (text, why) in [
            (&b"123456\n"[..], "line 7 is longer"),
            (b"1234567890", "line 7 is longer"),
            (b"\xff\n", "line 7 is not UTF-8"),
        ] {
            assert!(next(&mut &text[..], 7, 5).is_err_and(|said| said.contains(why)), "{why}");
        }
    }
}

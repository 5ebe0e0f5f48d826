//! Lines for whoever started the program, from callbacks that must not wait.
//!
//! Standard output blocks like any file: when it is a pipe, and who reads it has stopped to, the next line waits for as long. Written on the
//! engine's thread, that line would hold up every peer; with `println!`, a reader that has left would end the program. So a
//! thread writes, and between it and the rest are at most [`LINES_MAX`] lines. What finds no room is lost, and so is what has
//! not been written when the program ends.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// How many lines may wait for the thread.
const LINES_MAX: usize = 256;

/// Says a line from the midst of serving. It never waits, and never fails.
pub(crate) fn note(line: impl Display) {
    static LINES: OnceLock<SyncSender<String>> = OnceLock::new();
    // A log that has fallen behind is worth less than whoever is served meanwhile.
    let _ = LINES.get_or_init(start).try_send(format!("{line}\n"));
}

/// Starts the thread. If there can be none, nobody takes the lines, and they are lost.
fn start() -> SyncSender<String> {
    let (lines, queue) = sync_channel(LINES_MAX);
    let _ = thread::Builder::new().name("log".to_owned()).spawn(|| write(queue));
    lines
}

fn write(queue: Receiver<String>) {
    for line in queue {
        // A reader that has left, as `head` does, is no reason to stop.
        let _ = io::stdout().write_all(line.as_bytes());
    }
}

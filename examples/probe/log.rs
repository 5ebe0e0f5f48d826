//! The log: what happened to whom, as JSON lines. The probe's thread writes it, the admin's thread reads it.
//!
//! Invariant: at most `LINES_MAX` lines are kept, the newest.
//!
//! Next: `script.rs`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

const LINES_MAX: usize = 100_000;

/// A log that its clones share.
#[derive(Clone)]
pub(crate) struct Log {
    begun: Instant,
    lines: Arc<Mutex<VecDeque<Line>>>,
}

struct Line {
    id: Arc<str>,
    json: String,
}

impl Log {
    /// An empty log, whose clock begins now.
    pub(crate) fn new() -> Log {
        Log { begun: Instant::now(), lines: Arc::default() }
    }

    /// Notes an event of the exchange that calls itself `id`.
    pub(crate) fn event(&self, id: &Arc<str>, what: &str, detail: &str) {
        self.note(id, "event", what, detail);
    }

    /// Notes an action and what came of it.
    pub(crate) fn act(&self, id: &Arc<str>, what: &str, outcome: &str) {
        self.note(id, "act", what, outcome);
    }

    /// All lines of one name, or of everybody.
    pub(crate) fn read(&self, id: Option<&str>) -> String {
        let lines = self.lock();
        lines
            .iter()
            .filter(|line| id.is_none_or(|id| *line.id == *id))
            .map(|line| line.json.as_str())
            .collect()
    }

    fn note(&self, id: &Arc<str>, kind: &str, what: &str, detail: &str) {
        let here = thread::current();
        let json = format!(
            "{{\"t\":{},\"id\":{},\"kind\":{},\"what\":{},\"detail\":{},\"thread\":{}}}\n",
            self.begun.elapsed().as_millis(),
            quoted(id),
            quoted(kind),
            quoted(what),
            quoted(detail),
            quoted(here.name().unwrap_or("?"))
        );
        let mut lines = self.lock();
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(Line { id: Arc::clone(id), json });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn quoted(text: &str) -> serde_json::Value {
    serde_json::Value::from(text)
}

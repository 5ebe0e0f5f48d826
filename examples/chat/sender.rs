//! `MessageSender`: a thread that takes what was said from a queue and hands it to the engine.
//!
//! `main.rs` puts words in, from the engine's thread.
//!
//! ```text
//!   Read ─► Queue (Mutex, Condvar) ─► MessageSender ─► Remote::post ─► Chat::hand_out ─► publish ─► everybody
//!           at most so much                            one at a time     the engine's thread again
//! ```
//!
//! The original tests whether its list is empty, takes the list's lock, and then waits: what is added between the two is not seen
//! before the next message comes. And it writes to all peers, blocking, under the lock that newcomers need. Here the predicate is
//! tested under the lock, and nothing else is done there; the thread writes to nobody, so no peer can hold it up.
//!
//! A chat needs no such thread, for `Core::publish` is a call away in `Read` as well. It is the place for what takes time between a message's
//! coming and its going out, such as a filter or a database, which a handler must not do: one thread serves everybody.
//!
//! Invariants: words leave in the order in which they came, each once; the lock is held for a push or a take; the queue and
//! what is on its way to the engine are bounded.
//!
//! Next: `words.rs`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use encke::{PostError, Remote};

use super::Chat;
use super::words::Stop;

/// Words of people that may wait. Together with [`BATCH_MAX`] this is less than half a channel's ring
/// ([`Limits::history_count_max`](encke::Limits)): talkers are held when half of it is lacking to anybody who reads, so what is here
/// then still finds room in the other half, and pushes nothing out.
const WAITING_MAX: usize = 256;

/// Words handed over at once: a share of a turn.
const BATCH_MAX: usize = 64;

/// One thing that happens in the room, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Said {
        user: Arc<str>,
        text: String,
    },
    Joined(Arc<str>),
    Left(Arc<str>),
    /// The end of all that somebody has to say: the channel that is theirs alone will be ended.
    Goodbye {
        door: String,
    },
    /// The server stops. It comes in its turn too: what was said before is heard.
    Stop,
}

/// Where words wait for the thread.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    bell: Condvar,
}

#[derive(Default)]
struct Waiting {
    words: VecDeque<Word>,
    is_closed: bool,
}

impl Queue {
    /// Adds what one peer says at once, all of it or nothing.
    pub(crate) fn say(&self, user: &Arc<str>, texts: &[&str]) -> Result<(), Stop> {
        let mut waiting = self.lock();
        if waiting.words.len() + texts.len() > WAITING_MAX && !waiting.words.is_empty() {
            return Err(Stop::Full);
        }
        let said = texts.iter().map(|&text| Word::Said { user: Arc::clone(user), text: text.to_owned() });
        waiting.words.extend(said);
        drop(waiting);
        self.bell.notify_one();
        Ok(())
    }

    /// Adds what has to be told in any case. There are at most a few of these for each connection.
    pub(crate) fn add(&self, word: Word) {
        self.lock().words.push_back(word);
        self.bell.notify_one();
    }

    /// Ends the thread, when it has taken what is there.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
        self.bell.notify_one();
    }

    /// The next words, as soon as there are any; `None` when there will be none.
    pub(crate) fn take(&self) -> Option<Vec<Word>> {
        let is_empty = |waiting: &mut Waiting| waiting.words.is_empty() && !waiting.is_closed;
        let mut waiting = self.bell.wait_while(self.lock(), is_empty).unwrap_or_else(PoisonError::into_inner);
        let count = waiting.words.len().min(BATCH_MAX);
        let words: Vec<Word> = waiting.words.drain(..count).collect();
        if words.is_empty() { None } else { Some(words) }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing inside can panic half-way.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread.
pub(crate) struct MessageSender {
    pub(crate) queue: Arc<Queue>,
    pub(crate) remote: Remote<Chat>,
}

impl MessageSender {
    pub(crate) fn run(self) {
        while let Some(words) = self.queue.take() {
            self.hand_over(words);
        }
    }

    /// Has the engine's thread publish these, and waits until it has: the next batch is taken when this one is out, so the bound of the queue
    /// bounds all that is on its way.
    fn hand_over(&self, words: Vec<Word>) {
        let (out, is_out) = channel::<Infallible>();
        let mut command = move |chat: &mut Chat, core: &mut encke::Core| {
            chat.hand_out(words, core);
            drop(out);
        };
        loop {
            match self.remote.post(command) {
                Ok(()) => break,
                // It is given back and nothing is lost; nobody waits for this thread but who has something to say.
                Err(PostError::Full(back)) => command = back,
                Err(PostError::Closed(_)) => return,
            }
            thread::sleep(Duration::from_millis(1));
        }
        // Nothing is ever sent: it ends when the command has been carried out, or dropped with its engine.
        let _ = is_out.recv();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bob() -> Arc<str> {
        "bob".into()
    }

    #[test]
    fn what_is_said_is_taken_in_order_and_in_batches() {
        let queue = Queue::default();
        let texts: Vec<String> = (0..BATCH_MAX + 1).map(|n| n.to_string()).collect();
        queue.say(&bob(), &texts.iter().map(|text| &**text).collect::<Vec<_>>()).unwrap();
        queue.close();
        let taken: Vec<Vec<Word>> = std::iter::from_fn(|| queue.take()).collect();
        assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), [BATCH_MAX, 1]);
        let said = taken.into_iter().flatten().map(|word| match word {
            Word::Said { text, .. } => text,
            other => panic!("{other:?}"),
        });
        assert_eq!(said.collect::<Vec<_>>(), texts);
    }

    #[test]
    fn a_full_queue_takes_all_or_nothing_and_the_room_is_heard_all_the_same() {
        let queue = Queue::default();
        for _ in 0..WAITING_MAX - 1 {
            queue.say(&bob(), &["x"]).unwrap();
        }
        assert_eq!(queue.say(&bob(), &["x", "y"]), Err(Stop::Full));
        queue.say(&bob(), &["x"]).unwrap();
        assert_eq!(queue.say(&bob(), &["x"]), Err(Stop::Full));
        queue.add(Word::Left(bob()));
        assert_eq!(queue.take().map(|words| words.len()), Some(BATCH_MAX));
        assert_eq!(queue.say(&bob(), &["x"]), Ok(()));
    }
}

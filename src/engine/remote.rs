//! `Remote`: the one way into an engine from another thread.
//!
//! A command is a closure over the handler and the core; it is carried out by the engine's own thread, in its next turn.
//!
//! ```text
//!   any thread: post ─► mailbox (bounded) ─► turn: at most a share of them
//!                 └► wake, only if nobody has rung since the mailbox was last emptied
//! ```
//!
//! Invariants: posting never blocks for longer than a push; a full or closed mailbox gives the command back; no wake is lost,
//! since the bell is reset *before* the mailbox is emptied.
//!
//! Next: `handle.rs`.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::core::Core;

type Command<H> = Box<dyn FnOnce(&mut H, &mut Core) + Send>;

/// A sender of commands to an engine with the handler `H`. Clone it, send it, keep it: it is harmless when the engine is gone.
///
/// ```
/// use encke::{Message, PostError, Remote, testing};
///
/// /// What another thread does when there is something to tell. The handler's type plays no part in it.
/// fn tell<H>(remote: &Remote<H>, text: String) -> Result<(), &'static str> {
///     let posted = remote.post(move |_, core| drop(core.publish("news", Message::new(&text))));
///     posted.map_err(|refused| match refused {
///         PostError::Full(_) => "later",
///         PostError::Closed(_) => "never",
///     })
/// }
///
/// let mut server = testing::serve(|_, _| {});
/// let remote = server.engine().remote();
/// std::thread::spawn(move || tell(&remote, "Hello".to_owned())).join().expect("it does not panic")?;
/// server.work();
/// assert_eq!(server.engine().core().hub().stats().published, 1);
/// # Ok::<(), &'static str>(())
/// ```
pub struct Remote<H> {
    mailbox: Arc<Mailbox<H>>,
}

/// Why a command was not posted. Both give it back.
///
/// ```
/// use encke::{PostError, testing};
///
/// let server = testing::serve(|_, _| {});
/// let remote = server.engine().remote();
/// drop(server);
/// // The command comes back, so that whoever posted it can do something else with it.
/// match remote.post(|_, core| core.shutdown()) {
///     Err(PostError::Closed(_command)) => {}
///     other => panic!("{other:?}"),
/// }
/// ```
pub enum PostError<F> {
    /// As many commands wait as may wait ([`Limits::commands_max`](crate::Limits::commands_max)). Try again later, or do without.
    Full(F),
    /// The engine is gone.
    Closed(F),
}

impl<H> Remote<H> {
    /// Has `command` carried out by the engine's thread.
    ///
    /// ```
    /// use encke::{Ctx, Event, Handler, Limits, testing};
    ///
    /// /// A handler with something that only its own thread may touch.
    /// struct Greeter(String);
    ///
    /// impl Handler for Greeter {
    ///     type State = ();
    ///
    ///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    ///         if let Event::Begin(_) = event {
    ///             let _ = ctx.respond(200, &[], self.0.as_bytes());
    ///         }
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Greeter("Good day".to_owned()), Limits::default());
    /// let remote = server.engine().remote();
    /// remote.post(|greeter, _core| greeter.0 = "Good night".to_owned())?;
    /// let peer = server.get("/");
    /// assert!(server.received(peer).ends_with("Good night"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PostError`] gives the command back if the mailbox is full or the engine is gone.
    pub fn post<F>(&self, command: F) -> Result<(), PostError<F>>
    where
        F: FnOnce(&mut H, &mut Core) + Send + 'static,
    {
        let mut letters = self.mailbox.lock();
        if letters.is_closed {
            return Err(PostError::Closed(command));
        }
        if letters.commands.len() >= self.mailbox.bound {
            return Err(PostError::Full(command));
        }
        letters.commands.push_back(Box::new(command));
        drop(letters);
        self.mailbox.ring();
        Ok(())
    }

    /// Whether the engine is gone: nothing that is posted from now on is ever carried out.
    ///
    /// ```
    /// use encke::testing;
    ///
    /// let server = testing::serve(|_, _| {});
    /// let remote = server.engine().remote();
    /// assert!(!remote.is_closed());
    /// drop(server);
    /// assert!(remote.is_closed(), "a thread that only serves this engine may end");
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.mailbox.lock().is_closed
    }
}

impl<H> Clone for Remote<H> {
    fn clone(&self) -> Remote<H> {
        Remote { mailbox: Arc::clone(&self.mailbox) }
    }
}

impl<H> fmt::Debug for Remote<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for PostError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PostError::Full(_) => "Full",
            PostError::Closed(_) => "Closed",
        })
    }
}

impl<F> fmt::Display for PostError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PostError::Full(_) => "as many commands wait as may wait",
            PostError::Closed(_) => "the engine is gone",
        })
    }
}

impl<F> std::error::Error for PostError<F> {}

/// The engine's side: where commands wait.
pub(crate) struct Mailbox<H> {
    letters: Mutex<Letters<H>>,
    /// Set while a wake is on its way, so that a burst of posts wakes once.
    has_rung: AtomicBool,
    wake: OnceLock<Box<dyn Fn() + Send + Sync>>,
    bound: usize,
}

struct Letters<H> {
    commands: VecDeque<Command<H>>,
    is_closed: bool,
}

impl<H> Mailbox<H> {
    pub(crate) fn new(bound: usize) -> Arc<Mailbox<H>> {
        let letters = Mutex::new(Letters { commands: VecDeque::new(), is_closed: false });
        Arc::new(Mailbox { letters, has_rung: AtomicBool::new(false), wake: OnceLock::new(), bound })
    }

    pub(crate) fn remote(self: &Arc<Mailbox<H>>) -> Remote<H> {
        Remote { mailbox: Arc::clone(self) }
    }

    /// Sets how the engine's thread is woken; the first to say so counts.
    pub(crate) fn set_waker(&self, wake: impl Fn() + Send + Sync + 'static) {
        let _ = self.wake.set(Box::new(wake));
    }

    /// Whether commands wait, or a wake is on its way.
    pub(crate) fn has_mail(&self) -> bool {
        self.has_rung.load(Ordering::Acquire)
    }

    /// Takes at most `most` commands.
    pub(crate) fn take(&self, most: usize) -> Vec<Command<H>> {
        if !self.has_mail() {
            return Vec::new();
        }
        self.has_rung.store(false, Ordering::Release);
        let mut letters = self.lock();
        let count = letters.commands.len().min(most);
        let taken = letters.commands.drain(..count).collect();
        let is_more = !letters.commands.is_empty();
        drop(letters);
        if is_more {
            self.has_rung.store(true, Ordering::Release);
        }
        taken
    }

    /// Refuses everything from now on, and drops what waits.
    pub(crate) fn close(&self) {
        let mut letters = self.lock();
        letters.is_closed = true;
        let dropped = std::mem::take(&mut letters.commands);
        drop(letters);
        // Outside the lock: a command's own drop may run any code.
        drop(dropped);
    }

    fn ring(&self) {
        if !self.has_rung.swap(true, Ordering::AcqRel)
            && let Some(wake) = self.wake.get()
        {
            wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Letters<H>> {
        // Nothing inside can panic half-way, so a poisoned lock is as good as any.
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_burst_wakes_once_and_a_later_post_wakes_again() {
        let mailbox = Mailbox::<()>::new(10);
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        mailbox.set_waker(move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        let remote = mailbox.remote();
        for _ in 0..5 {
            remote.post(|(), _| {}).unwrap();
        }
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        assert_eq!(mailbox.take(100).len(), 5);
        remote.post(|(), _| {}).unwrap();
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_full_mailbox_gives_the_command_back_and_a_closed_one_too() {
        let mailbox = Mailbox::<()>::new(1);
        let remote = mailbox.remote();
        remote.post(|(), _| {}).unwrap();
        assert!(matches!(remote.post(|(), _| {}), Err(PostError::Full(_))));
        mailbox.close();
        assert!(matches!(remote.post(|(), _| {}), Err(PostError::Closed(_))));
    }

    #[test]
    fn what_one_turn_leaves_over_is_still_mail() {
        let mailbox = Mailbox::<()>::new(10);
        for _ in 0..3 {
            mailbox.remote().post(|(), _| {}).unwrap();
        }
        assert_eq!(mailbox.take(2).len(), 2);
        assert!(mailbox.has_mail());
        assert_eq!(mailbox.take(2).len(), 1);
        assert!(!mailbox.has_mail());
    }
}

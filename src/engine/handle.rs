//! `Handle`: one exchange in the hands of another thread.
//!
//! `Ctx::handle` gives it. What it is asked becomes a command for the engine's thread; what it answers, it reads from an atomic that the
//! engine keeps up to date. So a sender thread learns at its next write that its peer is gone, without waiting for anything.
//!
//! ```text
//!   sender thread: write ─► is it open? ─► command ─► the engine's next turn ─► Core::write
//!                              ▲                                                   │
//!                              └──────── open | full | ended ◄─────────────────────┘
//! ```
//!
//! Invariants: nothing here blocks; what is under way to an exchange is bounded in bytes; a handle names an exchange and not a connection,
//! so one that has ended reaches nobody, ever, and says so, also when the engine is gone; a write that was accepted goes out, unless the
//! exchange ends before: then it is dropped and counted ([`Counters::dropped`](crate::Counters::dropped)).
//!
//! Next: `mod.rs`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use super::core::Core;
use super::remote::{PostError, Remote};
use crate::error::WriteError;
use crate::id::ExchangeId;

/// A way to one exchange from any thread. Clone it, send it, keep it: when the exchange has ended it is harmless.
///
/// ```
/// use encke::{Event, Handle, WriteError, testing};
/// use std::cell::RefCell;
///
/// let waiting: RefCell<Vec<Handle>> = RefCell::new(Vec::new());
/// let mut server = testing::serve(|event, ctx| {
///     if let Event::Begin(_) = event {
///         waiting.borrow_mut().push(ctx.handle());
///     }
/// });
/// let (there, gone) = (server.get("/"), server.get("/"));
/// server.reset(gone);
///
/// // Any thread may do this. It learns from the answer whom it need not work for any more.
/// waiting.borrow_mut().retain(|handle| handle.write("news\n") != Err(WriteError::Ended));
/// assert_eq!(waiting.borrow().len(), 1);
/// let handle = waiting.borrow()[0].clone();
/// assert!(handle.is_open() && server.engine().core().is_open(handle.id()));
/// server.work();
/// assert_eq!(server.answers(there)?[0].text(), "news\n");
/// # Ok::<(), encke::http::peer::PeerError>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    id: ExchangeId,
    sight: Arc<Sight>,
    remote: Remote<()>,
}

/// What a handle can see of its exchange.
#[derive(Debug)]
pub(crate) struct Sight {
    state: AtomicU8,
    /// Bytes written by handles that have not reached the engine yet, and how many there may be: the mailbox counts commands only.
    under_way: AtomicUsize,
    under_way_max: usize,
}

const OPEN: u8 = 0;
const FULL: u8 = 1;
const ENDED: u8 = 2;

impl Sight {
    pub(crate) fn open(under_way_max: usize) -> Arc<Sight> {
        Arc::new(Sight { state: AtomicU8::new(OPEN), under_way: AtomicUsize::new(0), under_way_max })
    }

    pub(crate) fn set_full(&self) {
        self.state.store(FULL, Ordering::Release);
    }

    pub(crate) fn set_open(&self) {
        self.state.store(OPEN, Ordering::Release);
    }

    pub(crate) fn set_ended(&self) {
        self.state.store(ENDED, Ordering::Release);
    }

    fn check(&self) -> Result<(), WriteError> {
        match self.state.load(Ordering::Acquire) {
            OPEN => Ok(()),
            FULL => Err(WriteError::Full),
            _ => Err(WriteError::Ended),
        }
    }

    /// Counts bytes that set out, unless too many are under way. One write that is larger may go alone.
    fn set_out(&self, bytes: usize) -> Result<(), WriteError> {
        let before = self.under_way.fetch_add(bytes, Ordering::AcqRel);
        if before > 0 && before.saturating_add(bytes) > self.under_way_max {
            self.arrive(bytes);
            return Err(WriteError::Full);
        }
        Ok(())
    }

    fn arrive(&self, bytes: usize) {
        self.under_way.fetch_sub(bytes, Ordering::AcqRel);
    }
}

impl Handle {
    pub(crate) fn new(id: ExchangeId, sight: Arc<Sight>, remote: Remote<()>) -> Handle {
        Handle { id, sight, remote }
    }

    /// The exchange that it stands for.
    #[must_use]
    pub fn id(&self) -> ExchangeId {
        self.id
    }

    /// Whether the exchange is open, as far as the engine has told.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.check() != Err(WriteError::Ended)
    }

    /// Writes body bytes as [`Ctx::write`](crate::Ctx::write) does, in the engine's next turn. Writes of one thread keep their order.
    ///
    /// ```
    /// use encke::{Event, Limits, WriteError, testing};
    /// use std::sync::mpsc;
    ///
    /// let (handles, work) = mpsc::channel();
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = handles.send(ctx.handle());
    ///     }
    /// });
    /// let peer = server.get("/");
    /// let handle = work.recv()?;
    ///
    /// handle.write("one line\n")?;
    /// // What is under way is bounded: whoever writes faster than the engine turns has to wait.
    /// let much = vec![b'x'; Limits::default().output_bytes_max];
    /// assert_eq!(handle.write(much.clone()), Err(WriteError::Full));
    /// server.work();
    /// assert_eq!(handle.write(much), Ok(()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`WriteError::Ended`] if the exchange has ended, [`WriteError::Full`] if its peer is owed as much as it may be, as many bytes are
    /// under way to it, or as many commands wait as may wait. Nothing was taken then; try again a moment later.
    pub fn write(&self, bytes: impl Into<Vec<u8>>) -> Result<(), WriteError> {
        self.check()?;
        let (id, bytes, sight) = (self.id, bytes.into(), Arc::clone(&self.sight));
        let length = bytes.len();
        self.sight.set_out(length)?;
        let posted = self.post(move |core| {
            sight.arrive(length);
            if core.write_accepted(id, &bytes).is_err() {
                core.counters.dropped += 1;
            }
        });
        if posted.is_err() {
            self.sight.arrive(length);
        }
        posted
    }

    /// Ends the exchange: what was written goes out, then the end of the answer.
    ///
    /// ```
    /// use encke::{Event, WriteError, testing};
    /// use std::sync::mpsc;
    ///
    /// let (handles, work) = mpsc::channel();
    /// let mut server = testing::serve(|event, ctx| {
    ///     if let Event::Begin(_) = event {
    ///         let _ = handles.send(ctx.handle());
    ///     }
    /// });
    /// let peer = server.get("/");
    /// let handle = work.recv()?;
    /// handle.write("all of it")?;
    /// handle.close()?;
    /// server.work();
    /// assert!(server.answers(peer)?[0].is_complete);
    /// assert_eq!(handle.close(), Err(WriteError::Ended), "the next exchange on this connection is not meant");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`write`](Handle::write), except that a full output does not matter.
    pub fn close(&self) -> Result<(), WriteError> {
        if !self.is_open() {
            return Err(WriteError::Ended);
        }
        let id = self.id;
        self.post(move |core| core.close(id))
    }

    /// Sets the exchange's comet timeout, counted from the engine's next turn; zero is never.
    ///
    /// ```
    /// use encke::{Cause, Event, testing};
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    ///
    /// let (handles, work) = mpsc::channel();
    /// let mut server = testing::serve(|event, ctx| match event {
    ///     Event::Begin(_) => drop(handles.send(ctx.handle())),
    ///     Event::Error(Cause::Timeout) => drop(ctx.respond(504, &[], b"It took too long.\n")),
    ///     _ => {}
    /// });
    /// let peer = server.get("/");
    /// // Whoever does the work knows best how long it may take.
    /// work.recv()?.set_timeout(Duration::from_secs(600))?;
    /// server.advance(Duration::from_secs(599));
    /// assert_eq!(server.received(peer), "");
    /// server.advance(Duration::from_secs(2));
    /// assert_eq!(server.answers(peer)?[0].head.status, 504);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As for [`close`](Handle::close).
    pub fn set_timeout(&self, timeout: Duration) -> Result<(), WriteError> {
        if !self.is_open() {
            return Err(WriteError::Ended);
        }
        let id = self.id;
        self.post(move |core| core.set_timeout(id, timeout))
    }

    /// What the engine has told of the exchange. One that is gone tells nothing any more, so whoever waits for room would wait for ever.
    fn check(&self) -> Result<(), WriteError> {
        let seen = self.sight.check();
        if seen != Err(WriteError::Ended) && self.remote.is_closed() { Err(WriteError::Ended) } else { seen }
    }

    fn post(&self, command: impl FnOnce(&mut Core) + Send + 'static) -> Result<(), WriteError> {
        self.remote.post(move |(), core| command(core)).map_err(|refused| match refused {
            PostError::Full(_) => WriteError::Full,
            PostError::Closed(_) => WriteError::Ended,
        })
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("id", &self.id).finish_non_exhaustive()
    }
}

//! What the engine asks of the thing that carries bytes: a non-blocking socket, a TLS session, a simulated link.
//!
//! The engine calls; `reactor/` implements it for mio's TCP, the simulator for its hostile links, an embedder for anything
//! else. The one subtlety is [`More`]: "a short read means drained" and "a short write means blocked" are true of a socket and
//! save half of all system calls, but they are false for TLS, so only the transport may draw these conclusions.
//!
//! Next: `event.rs`.

use std::io;

/// A non-blocking stream of bytes in both directions.
///
/// `Err(WouldBlock)` means: nothing now, and [`Engine::ready`](crate::engine::Engine::ready) will be called when that has changed.
/// `Interrupted` is retried. Every other error closes the connection; `ConnectionReset` and `ConnectionAborted` are
/// reported as [`Cause::Reset`](crate::Cause::Reset).
///
/// ```
/// use encke::engine::{Moved, Transport};
/// use std::io;
///
/// /// Another transport, and how many bytes it has carried.
/// struct Counted<T> {
///     inner: T,
///     bytes: u64,
/// }
///
/// impl<T: Transport> Transport for Counted<T> {
///     fn read(&mut self, buffer: &mut [u8]) -> io::Result<Moved> {
///         let moved = self.inner.read(buffer)?;
///         self.bytes += moved.bytes as u64;
///         Ok(moved)
///     }
///
///     fn write(&mut self, bytes: &[u8]) -> io::Result<Moved> {
///         let moved = self.inner.write(bytes)?;
///         self.bytes += moved.bytes as u64;
///         Ok(moved)
///     }
///
///     fn shutdown_write(&mut self) -> io::Result<()> {
///         self.inner.shutdown_write()
///     }
///
///     fn break_off(&mut self) {
///         self.inner.break_off();
///     }
/// }
///
/// let mut link = Counted { inner: encke::testing::Link::new(), bytes: 0 };
/// link.write(b"Hello")?;
/// assert_eq!(link.bytes, 5);
/// # Ok::<(), io::Error>(())
/// ```
pub trait Transport {
    /// Reads into `buffer`, which is never empty. Zero bytes mean that the peer has closed its side.
    ///
    /// # Errors
    /// `WouldBlock` if there is nothing now; otherwise the connection is lost.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Moved>;

    /// Writes some of `bytes`, which is never empty.
    ///
    /// # Errors
    /// `WouldBlock` if nothing can be taken now; otherwise the connection is lost.
    fn write(&mut self, bytes: &[u8]) -> io::Result<Moved>;

    /// Closes the sending side: the peer reads an end after what was written. Called at most once, before the transport is
    /// given back. Failing is harmless, the transport is dropped soon.
    ///
    /// # Errors
    /// As the system says.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Makes the coming close look like a failure to the peer (a reset), because an answer without framing was broken
    /// off and a plain close would make it look complete. Does nothing where that cannot be said.
    fn break_off(&mut self) {}
}

/// What a read or a write achieved.
///
/// ```
/// use encke::engine::{More, Moved};
///
/// /// What a socket's read means: less than there was room for, so nothing is left.
/// fn of_a_socket(bytes: usize, buffer: &[u8]) -> Moved {
///     let more = if bytes == buffer.len() { More::Yes } else { More::No };
///     Moved { bytes, more }
/// }
/// assert_eq!(of_a_socket(3, &[0; 8]).more, More::No);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Bytes read or taken, at most the buffer's length.
    pub bytes: usize,
    /// Whether another call could move more right now.
    pub more: More,
}

/// Whether calling again makes sense.
///
/// ```
/// use encke::engine::{More, Moved, Transport};
/// use encke::testing::Link;
///
/// let mut link = Link::new();
/// link.send(b"Hello");
/// let mut buffer = [0; 3];
/// assert_eq!(link.read(&mut buffer)?, Moved { bytes: 3, more: More::Yes });
/// assert_eq!(link.read(&mut buffer)?, Moved { bytes: 2, more: More::No });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// Certainly: for instance, the buffer was filled.
    Yes,
    /// Not before the next readiness: the same as `WouldBlock`, known one call earlier.
    No,
    /// The transport cannot tell.
    Unknown,
}

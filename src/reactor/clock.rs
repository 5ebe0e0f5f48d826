//! The operating system's clocks, as the numbers that the engine is handed.
//!
//! `reactor/mod.rs` asks once for each batch of events. This is the only place of the library that knows what time it is.
//!
//! Next: `listener.rs`.

use std::time::{Instant as Monotonic, SystemTime, UNIX_EPOCH};

use crate::time::{Instant, Now};

/// The monotonic clock, counted from its making, and the wall clock.
pub(crate) struct Clock {
    origin: Monotonic,
}

impl Clock {
    /// A clock that begins at zero.
    pub(crate) fn new() -> Clock {
        Clock { origin: Monotonic::now() }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Now {
        let micros = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { at: Instant::from_micros(micros), unix_seconds: unix_millis() / 1000 }
    }
}

/// Milliseconds since 1970, or zero on a machine that believes to live before.
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

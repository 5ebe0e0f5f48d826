//! Every bound of the engine in one place: each wait has an end and each buffer a size.
//!
//! Called by: whoever builds an engine ([`Engine::new`](crate::engine::Engine::new) checks the values once), and then read by
//! every room. Nothing else in the crate decides how much is too much.
//!
//! Names carry the unit and end in what they bound: `head_bytes_max`, `accepts_per_turn_max`. A wait is a `Duration`;
//! where zero means something (mostly *never*), the field says so, and everywhere else zero is refused.
//!
//! Next: `error.rs`.

use std::fmt;
use std::time::Duration;

// TOUR 1.2
/// What one engine may spend, on whom, and for how long. More fields may come: begin from `Limits::default()`.
///
/// ```
/// use encke::Limits;
/// use std::time::Duration;
///
/// let limits = Limits { body_bytes_max: 64 * 1024, ..Limits::default() };
/// assert!(limits.check().is_ok());
///
/// let wrong = Limits { head_timeout: Duration::ZERO, ..Limits::default() };
/// assert_eq!(wrong.check().unwrap_err().to_string(), "head_timeout must be between 1 ms and 100 days, and is 0ns");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    // ---- who may come in
    /// Connections open at once. Past it the oldest that is idle or has half a head gives way to a newcomer, and if
    /// there is none, the newcomer is answered 503. Default 16,384; at most 16,777,216.
    pub connections_max: usize,
    /// Connections open at once from one address, an IPv6 address counting as its /64. Past it a newcomer is answered 503.
    /// Default 0, any number.
    pub connections_per_address_max: usize,

    // ---- waits
    /// From accepting (or from the first byte of a later request) to the end of a request's head. Default 10 s.
    pub head_timeout: Duration,
    /// Without a byte of a request's body, while the body is collected or no answer has begun. Default 30 s.
    pub body_timeout: Duration,
    /// The slowest body that is borne, in bytes a second: one that has fallen behind this by `body_timeout` is given up. A body
    /// dripped one byte at a time makes progress for ever and still has to end. Chunk sizes, extensions and trailers
    /// are no bytes of it. Default 64; 0 bears any.
    pub body_rate_min: u32,
    /// Between two requests on one connection. Default 75 s; zero closes after each answer.
    pub keep_alive_timeout: Duration,
    /// With output owed and not a byte taken by the peer. Default 30 s.
    pub write_timeout: Duration,
    /// An exchange that is neither read from nor written to (heartbeats do not count) gets `Error(Timeout)`, again each
    /// period. An exchange may set its own. Default 60 s; zero is never.
    pub comet_timeout: Duration,
    /// Without a byte written to a subscriber whose wire format has a heartbeat, it gets one. Default 15 s; zero is never.
    pub heartbeat: Duration,
    /// After a shutdown begins: what has not been handed over by then is cut. Default 10 s.
    pub drain_timeout: Duration,
    /// After the last byte of an answer that closes the connection: how long the peer's leftovers are read and thrown
    /// away, so that they do not turn into a reset that takes the answer with it (RFC 9112 §9.6). Default 2 s.
    pub linger_timeout: Duration,

    // ---- what a peer may send
    /// A request's head, from the first byte of its first line to the blank line. Default 16 KiB; 64 B to 1 MiB. Also
    /// what is kept of bytes that come behind a request still being answered.
    pub head_bytes_max: usize,
    /// Fields in a head. Default 100, which is also the most.
    pub head_fields_max: usize,
    /// A request's body after decoding, unless the handler sets a bound of its own. Default 1 MiB.
    pub body_bytes_max: u64,
    /// What is read and thrown away of a body that its handler did not want, before the connection is rather
    /// closed. Default 256 KiB.
    pub discard_bytes_max: u64,

    // ---- what a peer may be owed
    /// Output that a handler has written and the peer has not taken: past it `write` says `Full`. One write that is
    /// larger is taken whole if nothing else waits. Default 256 KiB.
    pub output_bytes_max: usize,

    // ---- what a channel holds
    /// Messages in a channel's ring. Default 1,000.
    pub history_count_max: usize,
    /// Bytes of payloads and event names in a channel's ring; the newest message stays whatever its size. Default 1 MiB.
    pub history_bytes_max: usize,
    /// How long a message is held, the newest too. Default 10 min.
    pub history_age_max: Duration,
    /// Bytes of all that the hub holds together: messages and their frames, bodies being collected, frames that peers have
    /// taken a part of, and a fixed cost for each message and channel. Past it the oldest messages go, whosever they are; the
    /// newest stays. Bodies together may take half of it, one alone more, and are refused with 503 past that. Default 64 MiB; at
    /// least 64 KiB.
    pub memory_bytes_max: usize,
    /// How long a subscriber that does not read still counts as one that will: while what such subscribers lack fills half a
    /// ring, its publishers are not read. One longer than `write_timeout` ends with that. Default 1 s; at most 10 s.
    pub grace: Duration,
    /// Channels at once. Default 100,000.
    pub channels_max: usize,
    /// Frames joined into one write for subscribers that lack several. Default 64 KiB.
    pub batch_bytes_max: usize,

    // ---- shares of one turn
    /// Connections accepted in a turn. Default 64.
    pub accepts_per_turn_max: usize,
    /// Bytes read from one connection in a turn. Default 256 KiB.
    pub read_bytes_per_turn_max: usize,
    /// Requests begun on one connection in a turn. Default 64.
    pub requests_per_turn_max: usize,
    /// Subscribers visited by the fan-out in a turn. Default 64.
    pub visits_per_turn_max: usize,
    /// Posted commands carried out in a turn. Default 1,024.
    pub commands_per_turn_max: usize,
    /// Connections that only wait for their share of work, served in a turn. Default 256.
    pub resumptions_per_turn_max: usize,
    /// Commands posted and not yet carried out; past it the mailbox gives them back. Default 65,536.
    pub commands_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        const KIB: usize = 1024;
        Limits {
            connections_max: 16_384,
            connections_per_address_max: 0,
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            body_rate_min: 64,
            keep_alive_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            comet_timeout: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
            drain_timeout: Duration::from_secs(10),
            linger_timeout: Duration::from_secs(2),
            head_bytes_max: 16 * KIB,
            head_fields_max: FIELDS_MAX,
            body_bytes_max: 1024 * KIB as u64,
            discard_bytes_max: 256 * KIB as u64,
            output_bytes_max: 256 * KIB,
            history_count_max: 1_000,
            history_bytes_max: 1024 * KIB,
            history_age_max: Duration::from_secs(10 * 60),
            memory_bytes_max: 64 * 1024 * KIB,
            grace: Duration::from_secs(1),
            channels_max: 100_000,
            batch_bytes_max: 64 * KIB,
            accepts_per_turn_max: 64,
            read_bytes_per_turn_max: 256 * KIB,
            requests_per_turn_max: 64,
            visits_per_turn_max: 64,
            commands_per_turn_max: 1_024,
            resumptions_per_turn_max: 256,
            commands_max: 65_536,
        }
    }
}

/// The most fields that a head may have: the parser's space for them lies on the stack.
pub(crate) const FIELDS_MAX: usize = 100;

/// The longest wait, well below the 248 days at which ticks can no longer be compared.
const WAIT_MAX: Duration = Duration::from_secs(100 * 24 * 60 * 60);

/// The shortest wait that is not zero.
const WAIT_MIN: Duration = Duration::from_millis(1);

impl Limits {
    /// Refuses what cannot work: the first value that is out of bounds, or two that contradict each other.
    ///
    /// ```
    /// use encke::Limits;
    /// use std::time::Duration;
    ///
    /// assert_eq!(Limits::default().check(), Ok(()));
    /// let never = Limits { comet_timeout: Duration::ZERO, heartbeat: Duration::ZERO, ..Limits::default() };
    /// assert_eq!(never.check(), Ok(()), "where zero means never, it is accepted");
    /// ```
    ///
    /// # Errors
    /// [`LimitsError`] names the field, what it may be and what it is.
    pub fn check(&self) -> Result<(), LimitsError> {
        for (name, wait) in [
            ("head_timeout", self.head_timeout),
            ("body_timeout", self.body_timeout),
            ("write_timeout", self.write_timeout),
            ("drain_timeout", self.drain_timeout),
            ("linger_timeout", self.linger_timeout),
            ("history_age_max", self.history_age_max),
            ("grace", self.grace),
        ] {
            check_wait(name, wait)?;
        }
        for (name, wait) in [
            ("keep_alive_timeout", self.keep_alive_timeout),
            ("comet_timeout", self.comet_timeout),
            ("heartbeat", self.heartbeat),
        ] {
            if !wait.is_zero() {
                check_wait(name, wait)?;
            }
        }
        const GRACE_MAX: Duration = Duration::from_secs(10);
        if self.grace > GRACE_MAX {
            return Err(LimitsError(format!("grace must be at most 10 s, and is {:?}", self.grace)));
        }
        const SIZE_MAX: usize = 1 << 30;
        for (name, value, least, most) in [
            ("connections_max", self.connections_max, 1, 1 << 24),
            ("connections_per_address_max", self.connections_per_address_max, 0, 1 << 24),
            ("head_bytes_max", self.head_bytes_max, 64, 1 << 20),
            ("head_fields_max", self.head_fields_max, 1, FIELDS_MAX),
            ("output_bytes_max", self.output_bytes_max, 1, SIZE_MAX),
            ("history_count_max", self.history_count_max, 1, 1 << 24),
            ("history_bytes_max", self.history_bytes_max, 1, SIZE_MAX),
            ("memory_bytes_max", self.memory_bytes_max, 64 << 10, 1 << 40),
            ("channels_max", self.channels_max, 1, 1 << 24),
            ("batch_bytes_max", self.batch_bytes_max, 1, SIZE_MAX),
            ("accepts_per_turn_max", self.accepts_per_turn_max, 1, 1 << 20),
            ("read_bytes_per_turn_max", self.read_bytes_per_turn_max, 1, SIZE_MAX),
            ("requests_per_turn_max", self.requests_per_turn_max, 1, 1 << 20),
            ("visits_per_turn_max", self.visits_per_turn_max, 1, 1 << 20),
            ("commands_per_turn_max", self.commands_per_turn_max, 1, 1 << 20),
            ("resumptions_per_turn_max", self.resumptions_per_turn_max, 1, 1 << 20),
            ("commands_max", self.commands_max, 1, 1 << 24),
        ] {
            if value < least || value > most {
                return Err(LimitsError(format!(
                    "{name} must be between {least} and {most}, and is {value}"
                )));
            }
        }
        Ok(())
    }
}

fn check_wait(name: &str, wait: Duration) -> Result<(), LimitsError> {
    if wait < WAIT_MIN || wait > WAIT_MAX {
        return Err(LimitsError(format!("{name} must be between 1 ms and 100 days, and is {wait:?}")));
    }
    Ok(())
}

/// Why a set of [`Limits`] cannot work, in one sentence.
///
/// ```
/// use encke::{Limits, testing::OnEvent};
///
/// let crowd = Limits { connections_max: 100_000_000, ..Limits::default() };
/// let error = encke::Reactor::new(OnEvent(|_, _| {}), crowd).err().expect("that is too many");
/// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
/// assert_eq!(
///     error.to_string(),
///     "connections_max must be between 1 and 16777216, and is 100000000"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsError(String);

impl fmt::Display for LimitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LimitsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_accepted() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn zero_means_never_only_where_it_is_said() {
        let never = Limits {
            comet_timeout: Duration::ZERO,
            heartbeat: Duration::ZERO,
            keep_alive_timeout: Duration::ZERO,
            ..Limits::default()
        };
        assert_eq!(never.check(), Ok(()));
        let wrong = Limits { write_timeout: Duration::ZERO, ..Limits::default() };
        assert!(wrong.check().unwrap_err().to_string().starts_with("write_timeout must be"));
    }

    #[test]
    fn waits_that_ticks_cannot_count_are_refused() {
        let wrong = Limits { drain_timeout: WAIT_MAX + WAIT_MIN, ..Limits::default() };
        assert!(wrong.check().is_err());
    }
}

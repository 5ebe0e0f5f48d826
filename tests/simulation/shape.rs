//! Shapes: how a link behaves, well or with every fault that a transport may have.
//!
//! Called by: `link.rs`, which behaves so; stories and storms choose.
//!
//! Next: `link.rs`.

use crate::rng::Rng;

/// How a link behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) inbound_max: usize,
    pub(crate) outbound_max: usize,
    pub(crate) manner: Manner,
    /// Percent of calls that are interrupted first.
    pub(crate) interrupts: usize,
    /// What a reset does to bytes that the peer has not read: as a kernel may, it takes them away.
    pub(crate) on_reset: OnReset,
}

/// How a transport answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As TCP: short means that no more would be moved.
    Socket,
    /// As TLS: short means nothing.
    Session,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnReset {
    Keeps,
    Loses,
}

impl Shape {
    /// A well-behaved socket.
    pub(crate) const CALM: Shape = Shape {
        inbound_max: 64 * 1024,
        outbound_max: 64 * 1024,
        manner: Manner::Socket,
        interrupts: 0,
        on_reset: OnReset::Keeps,
    };

    /// Anything.
    pub(crate) fn drawn(rng: &mut Rng) -> Shape {
        Shape {
            inbound_max: rng.magnitude(1, 20_000),
            outbound_max: rng.magnitude(1, 20_000),
            manner: *rng.pick(&[Manner::Socket, Manner::Session]),
            interrupts: *rng.pick(&[0, 0, 10]),
            on_reset: *rng.pick(&[OnReset::Keeps, OnReset::Loses]),
        }
    }
}

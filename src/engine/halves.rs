//! The two halves of an exchange, and every legal step of each.
//!
//! A request comes in and an answer goes out, and neither waits for the other: an answer may stream while its request is still
//! being sent. Two small machines are easier to hold in the head than their product.
//!
//! ```text
//!   Receiving                                          Sending
//!
//!   Quiet ──Bytes──► Head ──Request──► Body            Nothing ──Open──► Awaited
//!     ▲                               │  │                ▲               │
//!     │              ┌────Complete────┘  │                │               ├─Stream─► Streaming ─┐
//!     │              ▼                   │                │               ├─Size───► Sized ─────┤
//!     ├──Answered── Complete             │                │               ├─Mute───► Muted ─────┤
//!     │                                  │                │               ├─Switch─► Tunnel ────┤
//!     └──Complete── Swallow ◄──Answered──┘                │               │                     │
//!                                                         └─Finish, Break─┴─────────────────────┘
//!   Body, Complete ──Switch──► Tunnel ──Complete──► Complete
//!   anything ──Drain──► Drain
//! ```
//!
//! `step` below is the drawing as code: what is missing there is a mistake of the engine, never of a peer or a handler, so it is
//! asserted. The test at the end walks every state with every act against a list that is written out once more.
//!
//! Next: `connection.rs`, which holds one of each.

/// What a connection does with the bytes that come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Receiving {
    /// Between two requests: nothing has come.
    Quiet,
    /// A request's head is awaited: the first of the connection, or one of which some bytes are there.
    Head,
    /// The body of the open exchange's request is coming.
    Body,
    /// The request is complete, its answer is not. What comes now belongs to the next request and is kept.
    Complete,
    /// The answer is complete, the request's body is not: the rest of it is read and thrown away.
    Swallow,
    /// Raw bytes for the handler, after an upgrade.
    Tunnel,
    /// The connection is closing. Whatever comes is thrown away, so that it cannot turn into a reset.
    Drain,
}

/// What moves the receiving half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Arrival {
    /// The first bytes of a head.
    Bytes,
    /// A head is complete and acceptable.
    Request,
    /// The body is complete, or the peer of a tunnel has sent all.
    Complete,
    /// The answer is complete, and the connection goes on.
    Answered,
    /// The connection became a tunnel.
    Switch,
    /// The connection will close.
    Drain,
}

impl Receiving {
    // TOUR 4.1
    /// Every legal step of the receiving half.
    pub(crate) fn step(self, arrival: Arrival) -> Option<Receiving> {
        use Receiving::{Body, Complete, Drain, Head, Quiet, Swallow, Tunnel};
        Some(match (self, arrival) {
            (Quiet, Arrival::Bytes) => Head,
            (Head, Arrival::Request) => Body,
            (Body | Tunnel, Arrival::Complete) => Complete,
            (Body, Arrival::Answered) => Swallow,
            (Complete, Arrival::Answered) | (Swallow, Arrival::Complete) => Quiet,
            (Body | Complete, Arrival::Switch) => Tunnel,
            (_, Arrival::Drain) => Drain,
            _ => return None,
        })
    }
}

/// What a connection sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sending {
    /// No exchange is open.
    Nothing,
    /// An exchange is open and its answer has not begun.
    Awaited,
    /// The answer goes out as it is written: in chunks, or bare until the connection closes.
    Streaming(Coding),
    /// The answer has announced its length.
    Sized,
    /// The answer has a head and no body: to HEAD, or with a status that forbids one. What is written is dropped.
    Muted,
    /// Raw bytes of the handler, after an upgrade.
    Tunnel,
}

/// How a streaming answer is put on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Coding {
    /// Chunked (RFC 9112 §7.1).
    Chunked,
    /// Bare bytes until the connection closes, to HTTP/1.0 (RFC 9112 §6.3, rule 8).
    Bare,
}

/// What moves the sending half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    /// An exchange opens.
    Open,
    /// A head goes out and a stream begins.
    Stream(Coding),
    /// A head goes out with a length.
    Size,
    /// A head goes out alone.
    Mute,
    /// `101 Switching Protocols` goes out.
    Switch,
    /// The answer is complete, and the exchange is over.
    Finish,
    /// The answer is broken off, and the exchange is over.
    Break,
}

impl Sending {
    /// Every legal step of the sending half.
    pub(crate) fn step(self, reply: Reply) -> Option<Sending> {
        Some(match (self, reply) {
            (Sending::Nothing, Reply::Open) => Sending::Awaited,
            (Sending::Awaited, Reply::Stream(coding)) => Sending::Streaming(coding),
            (Sending::Awaited, Reply::Size) => Sending::Sized,
            (Sending::Awaited, Reply::Mute) => Sending::Muted,
            (Sending::Awaited, Reply::Switch) => Sending::Tunnel,
            // Also from `Awaited`: the end itself writes the head of an answer that has none.
            (Sending::Nothing, Reply::Finish | Reply::Break) => return None,
            (_, Reply::Finish | Reply::Break) => Sending::Nothing,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_arrival_in_every_state_agrees_with_the_drawing() {
        use Arrival as A;
        use Receiving as R;
        let states = [R::Quiet, R::Head, R::Body, R::Complete, R::Swallow, R::Tunnel, R::Drain];
        let acts = [A::Bytes, A::Request, A::Complete, A::Answered, A::Switch, A::Drain];
        let drawn = [
            (R::Quiet, A::Bytes, R::Head),
            (R::Quiet, A::Drain, R::Drain),
            (R::Head, A::Request, R::Body),
            (R::Head, A::Drain, R::Drain),
            (R::Body, A::Complete, R::Complete),
            (R::Body, A::Answered, R::Swallow),
            (R::Body, A::Switch, R::Tunnel),
            (R::Body, A::Drain, R::Drain),
            (R::Complete, A::Answered, R::Quiet),
            (R::Complete, A::Switch, R::Tunnel),
            (R::Complete, A::Drain, R::Drain),
            (R::Swallow, A::Complete, R::Quiet),
            (R::Swallow, A::Drain, R::Drain),
            (R::Tunnel, A::Complete, R::Complete),
            (R::Tunnel, A::Drain, R::Drain),
            (R::Drain, A::Drain, R::Drain),
        ];
        for state in states {
            for act in acts {
                let expected = drawn.iter().find(|row| (row.0, row.1) == (state, act)).map(|row| row.2);
                assert_eq!(state.step(act), expected, "{state:?} on {act:?}");
            }
        }
    }

    #[test]
    fn every_reply_in_every_state_agrees_with_the_drawing() {
        use Reply as P;
        use Sending as S;
        let (chunked, bare) = (Coding::Chunked, Coding::Bare);
        let begun = [S::Streaming(chunked), S::Streaming(bare), S::Sized, S::Muted, S::Tunnel];
        let acts =
            [P::Open, P::Stream(chunked), P::Stream(bare), P::Size, P::Mute, P::Switch, P::Finish, P::Break];
        let mut drawn = vec![
            (S::Nothing, P::Open, S::Awaited),
            (S::Awaited, P::Stream(chunked), S::Streaming(chunked)),
            (S::Awaited, P::Stream(bare), S::Streaming(bare)),
            (S::Awaited, P::Size, S::Sized),
            (S::Awaited, P::Mute, S::Muted),
            (S::Awaited, P::Switch, S::Tunnel),
            (S::Awaited, P::Finish, S::Nothing),
            (S::Awaited, P::Break, S::Nothing),
        ];
        drawn.extend(begun.iter().flat_map(|&s| [(s, P::Finish, S::Nothing), (s, P::Break, S::Nothing)]));
        for state in [S::Nothing, S::Awaited].into_iter().chain(begun) {
            for act in acts {
                let expected = drawn.iter().find(|row| (row.0, row.1) == (state, act)).map(|row| row.2);
                assert_eq!(state.step(act), expected, "{state:?} on {act:?}");
            }
        }
    }
}

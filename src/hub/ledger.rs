//! The ledger: how much memory the hub answers for, to the byte as far as bytes are its own.
//!
//! Everything that holds memory for the hub's sake is entered here when it is made and struck out when it is dropped: messages, the
//! frames made of them, channels, and in the engine bodies that are being collected. A frame that a slow peer has taken a part of
//! outlives its message, and stays entered until the peer has taken the rest; nobody has to remember it.
//!
//! Invariant: `held` is the sum of all that is entered; a [`Charge`] strikes itself out.
//! Absent on purpose: what to do when it is too much (`mod.rs`: the oldest messages go).
//! Next: `message.rs`.

use std::cell::Cell;
use std::rc::Rc;

/// The sum, shared by all who enter something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Rc<Cell<usize>>);

impl Ledger {
    /// Bytes held at the moment.
    pub(crate) fn held(&self) -> usize {
        self.0.get()
    }

    pub(crate) fn enter(&self, bytes: usize) {
        self.0.set(self.0.get() + bytes);
    }

    pub(crate) fn strike(&self, bytes: usize) {
        debug_assert!(bytes <= self.0.get(), "more is struck out than was entered");
        self.0.set(self.0.get().saturating_sub(bytes));
    }

    /// Enters bytes that are struck out when the charge is dropped.
    pub(crate) fn charge(&self, bytes: usize) -> Charge {
        self.enter(bytes);
        Charge { ledger: self.clone(), bytes }
    }
}

/// An entry of the ledger that strikes itself out.
#[derive(Debug)]
pub(crate) struct Charge {
    ledger: Ledger,
    bytes: usize,
}

impl Charge {
    /// Changes the entry: what it stands for has grown or shrunk.
    pub(crate) fn set(&mut self, bytes: usize) {
        self.ledger.strike(self.bytes);
        self.ledger.enter(bytes);
        self.bytes = bytes;
    }
}

impl Charge {
    /// Makes one entry of two of the same ledger.
    pub(crate) fn join(&mut self, mut other: Charge) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.ledger.strike(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_is_struck_out() {
        let ledger = Ledger::default();
        let mut first = ledger.charge(10);
        let second = ledger.charge(5);
        assert_eq!(ledger.held(), 15);
        first.set(100);
        drop(second);
        assert_eq!(ledger.held(), 100);
        drop(first);
        assert_eq!(ledger.held(), 0);
    }
}

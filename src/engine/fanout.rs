//! The fan-out: subscribers of channels that have news, a slice of them each turn.
//!
//! `Engine::turn` calls. The hub says who is next (dense memory, hot channels in rotation); here each gets all it lacks in one
//! write, most often the very slice that its neighbour got. Ten thousand subscribers are some hundred and sixty slices, and between two
//! of them everybody else is served.
//!
//! Invariants: a turn visits at most its share; whoever is blocked is passed over and catches up when the poll says that it can,
//! so one slow reader holds nobody.
//!
//! Next: `deadlines.rs`.

use super::Engine;
use super::handler::Handler;
use super::output::Taken;
use super::transport::Transport;

impl<T: Transport, H: Handler> Engine<T, H> {
    /// One slice of visits.
    pub(crate) fn fan_out(&mut self) {
        for _ in 0..self.core.limits.visits_per_turn_max {
            let Some(slot) = self.core.hub.next_visit() else { return };
            self.visit(slot);
        }
    }

    /// Gives one subscriber what it lacks, as far as a batch goes.
    fn visit(&mut self, slot: u32) {
        // Most visits end here: everything was taken, and the wheel need not know.
        if self.deliver(slot) == Taken::Part {
            self.serve(slot);
        }
    }
}

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
use super::connection::{Fate, Life, Reading, Subscription};
use super::core::Core;
use super::event::{Cause, Stall};
use super::exchange::call;
use super::handler::Handler;
use super::output::Taken;
use super::transport::Transport;

impl Core {
    /// Who has to go: the longest blocked of those who hold what is too much. That is a frame or a large answer when the hub holds more
    /// than it may and has nothing left to let go of; and a large answer when those take more than a quarter of what may be held, so that
    /// whoever asks and does not read cannot push everybody's messages out.
    pub(crate) fn next_to_cut(&self) -> Option<u32> {
        let with_answer = self.stalled.first_with_answer();
        if self.hub.is_overfull() {
            let with_frame = self.stalled.first_with_frame();
            // Since when each is blocked, and the write timeout has counted.
            let longer = |a: u32, b: u32| if self.at(a).wrote.since(self.at(b).wrote) <= 0 { a } else { b };
            return with_answer.into_iter().chain(with_frame).reduce(longer);
        }
        with_answer.filter(|_| self.answers.held() > self.limits.memory_bytes_max / 4)
    }
}

impl<T: Transport, H: Handler> Engine<T, H> {
    // TOUR 6.3
    /// One slice of visits.
    pub(crate) fn fan_out(&mut self) {
        for _ in 0..self.core.limits.visits_per_turn_max {
            let Some(slot) = self.core.hub.next_visit() else { return };
            self.visit(slot);
            self.cut_for_memory();
        }
    }

    /// Gives one subscriber what it lacks, as far as a batch goes.
    fn visit(&mut self, slot: u32) {
        if self.core.at(slot).subscription == Subscription::Parked {
            return self.bring_news(slot);
        }
        if !self.can_be_given(slot) {
            // Its head is not out, or something else is on its way, or it is blocked: it will ask by itself.
            return self.core.hub.block(slot);
        }
        // Most visits end here: everything was taken, and the wheel need not know.
        if self.deliver(slot) == Taken::Part {
            self.serve(slot);
        }
    }

    /// Tells the handler of an exchange whose answer was held back.
    fn bring_news(&mut self, slot: u32) {
        if self.core.at(slot).life != Life::Open {
            return;
        }
        let state = &mut self.states[slot as usize];
        let called = call(&mut self.handler, &mut self.core, state, slot, |h, ctx| h.news(ctx));
        self.after_call(slot, called);
        // Who has not taken it waits for more, and holds no ring meanwhile.
        if self.core.at(slot).subscription == Subscription::Parked && self.core.hub.lacks(slot) {
            self.core.hub.block(slot);
        }
        self.serve(slot);
    }

    /// Goes on with publishers that were held until subscribers had caught up. Each may publish, so the next is asked for after it.
    pub(crate) fn release_publishers(&mut self) {
        self.core.has_publishers_to_release = false;
        for _ in 0..self.core.limits.resumptions_per_turn_max {
            let Some(id) = self.core.hub.next_released() else { return };
            if let Ok(slot) = self.core.slot_of(id) {
                self.core.buffers(slot).is_held = false;
                self.core.set_reading(slot, Reading::Flowing);
                self.serve(slot);
            }
        }
        // There may be more of them, and nothing else need happen that would make another turn.
        self.core.has_publishers_to_release = true;
    }

    /// Keeps to the bound on memory when all of the turn's frames have been made: old messages go, and if those are not enough, who
    /// has been blocked longest is cut.
    pub(crate) fn keep_to_memory(&mut self) {
        self.core.hub.keep_bounds();
        self.cut_for_memory();
    }

    /// Cuts whoever has to go, a bounded number.
    pub(crate) fn cut_for_memory(&mut self) {
        for _ in 0..self.core.limits.resumptions_per_turn_max {
            let Some(slot) = self.core.next_to_cut() else { return };
            self.fail(slot, Cause::Stalled(Stall::Reading));
            self.core.at_mut(slot).fate = Fate::Drop;
            self.serve(slot);
        }
    }
}

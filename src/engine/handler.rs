//! `Handler`: all that most users ever implement.
//!
//! The engine calls it, one call at a time, and nothing re-enters: whatever a handler does inside a call (answer, close,
//! publish) is noted, and happens when the call has returned. Calls are made inside `catch_unwind`, so a handler that
//! panics loses one exchange and not the server.
//!
//! Next: `ctx.rs`, what a handler can do.

use super::core::Core;
use super::ctx::Ctx;
use super::event::Event;

/// An application: it is told what happens to every exchange and answers through [`Ctx`].
///
/// ```
/// use encke::{Ctx, Event, Handler};
///
/// struct Hello;
///
/// impl Handler for Hello {
///     type State = ();
///
///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
///         if let Event::Begin(_) = event {
///             let _ = ctx.respond(200, &[("Content-Type", "text/plain")], b"Hello\n");
///         }
///     }
/// }
/// ```
pub trait Handler {
    /// What the handler keeps for one exchange: made by `default` before `Begin`, dropped after `End`. It lies in a vector,
    /// so `()` costs nothing, and a large one is best a `Box` inside an `Option`.
    type State: Default;

    /// Something happened to the exchange that `ctx` stands for.
    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, Self::State>);

    /// A write said [`Full`](crate::WriteError::Full), and by now the peer has taken half of what it was owed.
    fn drained(&mut self, ctx: &mut Ctx<'_, Self::State>) {
        let _ = ctx;
    }

    /// There is something for this exchange, which was [`park`](Ctx::park)ed: messages, a gap, or the end of a channel.
    /// [`take_news`](Ctx::take_news) gives it. Who does not take it is called again when more comes.
    fn news(&mut self, ctx: &mut Ctx<'_, Self::State>) {
        let _ = ctx;
    }

    /// A timer of this exchange, set by [`Ctx::set_timer`], has gone off. Timers are forgotten at `End`.
    fn timer(&mut self, key: u64, ctx: &mut Ctx<'_, Self::State>) {
        let _ = (key, ctx);
    }

    /// A timer that belongs to no exchange, set by [`Core::set_alarm`], has gone off.
    fn alarm(&mut self, key: u64, core: &mut Core) {
        let _ = (key, core);
    }
}

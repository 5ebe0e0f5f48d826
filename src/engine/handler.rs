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

// TOUR 2.2
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
    ///
    /// ```
    /// use encke::{Ctx, Event, Handler, Limits, testing};
    ///
    /// /// Sends a large text in pieces, as fast as it is taken.
    /// struct Text(String);
    ///
    /// impl Text {
    ///     fn go_on(&self, ctx: &mut Ctx<'_, usize>) {
    ///         for line in self.0.lines().skip(*ctx.state) {
    ///             if ctx.write(line.as_bytes()).is_err() {
    ///                 return;
    ///             }
    ///             *ctx.state += 1;
    ///         }
    ///         ctx.close();
    ///     }
    /// }
    ///
    /// impl Handler for Text {
    ///     type State = usize;
    ///
    ///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, usize>) {
    ///         if let Event::Begin(_) = event {
    ///             self.go_on(ctx);
    ///         }
    ///     }
    ///
    ///     fn drained(&mut self, ctx: &mut Ctx<'_, usize>) {
    ///         self.go_on(ctx);
    ///     }
    /// }
    ///
    /// let limits = Limits { output_bytes_max: 1000, ..Limits::default() };
    /// let mut server = testing::Server::new(Text("0123456789\n".repeat(1000)), limits);
    /// let peer = server.get("/");
    /// assert_eq!(server.answers(peer)?[0].body.len(), 10_000);
    /// # Ok::<(), encke::http::peer::PeerError>(())
    /// ```
    fn drained(&mut self, ctx: &mut Ctx<'_, Self::State>) {
        let _ = ctx;
    }

    /// There is something for this exchange, which was [`park`](Ctx::park)ed: messages, a gap, or the end of a channel.
    /// [`take_news`](Ctx::take_news) gives it. Who does not take it is called again when more comes.
    ///
    /// ```
    /// use encke::{Ctx, Event, Handler, Limits, Message, Since, WireFormat, testing};
    ///
    /// struct Poll;
    ///
    /// impl Handler for Poll {
    ///     type State = ();
    ///
    ///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    ///         if let Event::Begin(_) = event {
    ///             let _ = ctx.park(&["news"], Since::Head, WireFormat::STREAM);
    ///         }
    ///     }
    ///
    ///     fn news(&mut self, ctx: &mut Ctx<'_, ()>) {
    ///         let mut lines = Vec::new();
    ///         ctx.take_news(64 * 1024, &mut lines);
    ///         let _ = ctx.respond(200, &[("Content-Type", "text/plain")], &lines);
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Poll, Limits::default());
    /// let peer = server.get("/");
    /// assert_eq!(server.received(peer), "", "the answer is held back");
    /// server.run(|_, core| core.publish("news", Message::new("Hello")))?;
    /// assert!(server.received(peer).ends_with("\r\n\r\nHello\n"));
    /// # Ok::<(), encke::WriteError>(())
    /// ```
    fn news(&mut self, ctx: &mut Ctx<'_, Self::State>) {
        let _ = ctx;
    }

    /// A timer of this exchange, set by [`Ctx::set_timer`], has gone off. Timers are forgotten at `End`.
    ///
    /// ```
    /// use encke::{Ctx, Event, Handler, Limits, testing};
    /// use std::time::Duration;
    ///
    /// /// Answers late, to make peers test their patience.
    /// struct Late;
    ///
    /// impl Handler for Late {
    ///     type State = ();
    ///
    ///     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
    ///         if let Event::Begin(_) = event {
    ///             ctx.set_timer(0, Duration::from_secs(3));
    ///         }
    ///     }
    ///
    ///     fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, ()>) {
    ///         let _ = ctx.respond(200, &[], b"At last.\n");
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Late, Limits::default());
    /// let peer = server.get("/");
    /// server.advance(Duration::from_secs(3));
    /// assert!(server.received(peer).ends_with("At last.\n"));
    /// ```
    fn timer(&mut self, key: u64, ctx: &mut Ctx<'_, Self::State>) {
        let _ = (key, ctx);
    }

    /// A timer that belongs to no exchange, set by [`Core::set_alarm`], has gone off.
    ///
    /// ```
    /// use encke::{Core, Ctx, Event, Handler, Limits, testing};
    /// use std::time::Duration;
    ///
    /// /// Closes at a time of its own choosing.
    /// struct Shop;
    ///
    /// impl Handler for Shop {
    ///     type State = ();
    ///
    ///     fn event(&mut self, _: Event<'_>, _: &mut Ctx<'_, ()>) {}
    ///
    ///     fn alarm(&mut self, _: u64, core: &mut Core) {
    ///         core.shutdown();
    ///     }
    /// }
    ///
    /// let mut server = testing::Server::new(Shop, Limits::default());
    /// server.run(|_, core| core.set_alarm(0, Duration::from_secs(8 * 3600)));
    /// server.advance(Duration::from_secs(8 * 3600));
    /// assert!(server.engine().is_finished());
    /// ```
    fn alarm(&mut self, key: u64, core: &mut Core) {
        let _ = (key, core);
    }
}

//! Encke: an HTTP/1.1 Comet engine. One thread, one poll, tens of thousands of open answers.
//!
//! A handler is told the four events of each request and its answer; what is published to a channel flows to everybody who
//! listens, whatever they read. `Begin` is first and comes once, `End` is last and comes once; nobody gets what is another's; nothing is
//! skipped in silence; each wait has an end and each buffer a bound.
//!
//! ```
//! use encke::{Ctx, Event, Handler, Limits, Message, Reactor, Since, WireFormat, testing};
//!
//! struct News;
//!
//! impl Handler for News {
//!     type State = ();
//!
//!     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
//!         if let Event::Begin(_) = event {
//!             let _ = ctx.subscribe(&["news"], Since::Head, WireFormat::SSE);
//!             let _ = ctx.start(200, &[("Content-Type", "text/event-stream")]);
//!         }
//!     }
//! }
//!
//! # fn serve() -> std::io::Result<()> {
//! // In production:
//! Reactor::bind("127.0.0.1:8080", News, Limits::default())?.run()?;
//! # Ok(())
//! # }
//!
//! // In a test, without sockets and clocks:
//! let mut server = testing::Server::new(News, Limits::default());
//! let peer = server.get("/");
//! server.run(|_, core| core.publish("news", Message::new("Hello")))?;
//! assert_eq!(server.answers(peer)?[0].text(), "id: 1-1\ndata: Hello\n\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The plan of the house
//!
//! ```text
//!   command/   the command line                                testing/   peers and time for tests
//!   server/    `encke serve`: one Handler among others         client/    `encke subscribe`, `encke publish`
//!  ┌───────────────────────────────────────────────────────────────┐
//!  │ reactor/   poll, accept, wakers, the system's clock: the door │
//!  └──┬──────────────────────────────────────────────────────▲─────┘
//!    1 opened, ready, commands, now               7 closed, next deadline
//!  ┌──▼──────────────────────────────────────────────────────┴─────┐
//!  │ engine/    exchanges, output, fan-out, timers: a whole server │
//!  │            3 events ──► your Handler ──► 4 respond, publish   │
//!  └──┬──────────▲────────────────────────────┬─────────▲──────────┘
//!    2 bytes     heads, bodies               5 message  6 frames behind a cursor
//!  ┌──▼──────────┴─────────────────┐   ┌──────▼─────────┴──────────┐
//!  │ http/   heads, framing, chunks│   │ hub/   rings, cursors     │
//!  └───────────────────────────────┘   └───────────────────────────┘
//!    limits, time, id, error: words that everybody uses
//! ```
//!
//! # Three ways in
//!
//! * [`Reactor::run`]: this thread serves, and [`Reactor::remote`] is the way in from others.
//! * [`Reactor::turn`], [`Reactor::next_deadline`] and its descriptor: a server inside a loop of your own.
//! * [`Engine`] over your own [`Transport`](engine::Transport): no sockets and no clock but those that you bring.
//!
//! # Where to go on
//!
//! | to | read |
//! | --- | --- |
//! | write an application | [`Handler`], [`Event`], [`Ctx`]; for channels [`Ctx::subscribe`], [`Ctx::park`], [`Core::publish`] |
//! | write from other threads | [`Remote`] for the whole, [`Handle`] for one exchange |
//! | set bounds | [`Limits`] |
//! | test a handler | [`testing`] |
//! | use the codec alone | [`http`], and [`http::peer`] for the other side |
//!
//! Without `default-features` this is all there is; the features `server` and `client` add the `encke` command, its
//! application and what asks it.
//!
//! Next: `engine/event.rs`.

// TOUR 1.1
#![forbid(unsafe_code)]

// The demo has a file in common with an example, which names this crate as its users do.
#[cfg(feature = "server")]
extern crate self as encke;

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "command")]
pub mod command;
pub mod engine;
mod error;
#[cfg(feature = "command")]
mod exit;
pub mod http;
mod hub;
mod id;
mod limits;
mod reactor;
#[cfg(feature = "server")]
mod server;
pub mod testing;
pub mod time;
#[cfg(any(feature = "client", feature = "server"))]
mod values;

pub use engine::{
    Cause, Core, Counters, Ctx, End, Engine, Event, Fields, HalfClose, Handle, Handler, PostError, Read,
    Remote, Stall, TurnTimes,
};
pub use error::{Refusal, WriteError};
pub use http::RequestHead;
pub use hub::json;
pub use hub::{
    ChannelInfo, Format, Hub, HubStats, Message, MessageId, MessageView, News, Notice, Novelty, Pressure,
    Published, Since, Subscribed, WireFormat,
};
pub use id::{ConnectionId, ExchangeId};
pub use limits::{Limits, LimitsError};
pub use reactor::{Address, Reactor, Socket};
#[cfg(feature = "server")]
pub use server::channel_name;

/// The README's own examples, compiled with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

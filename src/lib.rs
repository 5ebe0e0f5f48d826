//! Encke: an HTTP/1.1 Comet engine. One thread, one poll, tens of thousands of open answers.
//!
//! ```no_run
//! use encke::{Ctx, Event, Handler};
//!
//! struct Hello;
//!
//! impl Handler for Hello {
//!     type State = ();
//!
//!     fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
//!         if let Event::Begin(request) = event {
//!             let text = format!("Hello, {}\n", request.path());
//!             let _ = ctx.respond(200, &[("Content-Type", "text/plain")], text.as_bytes());
//!         }
//!     }
//! }
//! # fn main() {}
//! ```
//!
//! Next: `engine/event.rs`.

#![forbid(unsafe_code)]

pub mod engine;
mod error;
pub mod http;
mod hub;
mod id;
mod limits;
mod reactor;
#[cfg(feature = "server")]
pub mod server;
pub mod testing;
pub mod time;

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

/// The README's own examples, compiled with the other examples.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

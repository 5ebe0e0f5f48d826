//! The guest: the application that the embedding examples have in common, so that each of them shows its loop and little else.
//!
//! ```text
//! curl localhost:8080/            how many exchanges are open
//! curl -N localhost:8080/news     a stream of server-sent events: the channel `news`, or whatever the path says
//! curl localhost:8080/later       an answer half a second later, by a timer: a loop that forgets the deadline never gives it
//! ```
//!
//! Nothing is published in here: that is the hosts' part, each from a source of its own.

use std::time::Duration;

use encke::{Ctx, Event, Handler, Since, WireFormat, WriteError};

pub(crate) struct Guest;

impl Handler for Guest {
    type State = ();

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
        let Event::Begin(request) = event else { return };
        let answered = match request.path().trim_start_matches('/') {
            "" => {
                let text = format!("{} open\n", ctx.core().exchanges());
                ctx.respond(200, &[("Content-Type", "text/plain")], text.as_bytes())
            }
            "later" => {
                ctx.set_timer(0, Duration::from_millis(500));
                Ok(())
            }
            channel => listen(channel, ctx),
        };
        if let Err(error) = answered {
            // Such as a name that no channel may have.
            let _ = ctx.respond(400, &[("Content-Type", "text/plain")], format!("{error}\n").as_bytes());
        }
    }

    fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, ()>) {
        let _ = ctx.respond(200, &[("Content-Type", "text/plain")], b"half a second later\n");
    }
}

fn listen(channel: &str, ctx: &mut Ctx<'_, ()>) -> Result<(), WriteError> {
    if !ctx.is_head_request() {
        ctx.subscribe(&[channel], Since::Head, WireFormat::SSE)?;
    }
    ctx.start(200, &[("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")])
}

/// The port that stands at this place of the command line, or the usual one. What is none ends the program.
pub(crate) fn port(place: usize, usual: u16) -> u16 {
    let Some(word) = std::env::args().nth(place) else { return usual };
    word.parse().unwrap_or_else(|_| {
        eprintln!("a port is a number from 0 to 65535, and not {word:?}");
        std::process::exit(2)
    })
}

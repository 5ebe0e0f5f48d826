//! A clock: every half second the time, to everybody who listens, by a timer of the engine and no thread.
//!
//! `cargo run --example clock`, or with another port than 8080 as its argument; then `localhost:8080` in a browser, or
//!
//! ```text
//! $ curl -N localhost:8080/clock
//! 20:42:58.5
//! 20:42:59.0
//! 20:42:59.5
//! ^C
//! $ curl -N -H 'Accept: text/event-stream' localhost:8080/clock
//! id: 1795552978158-4
//! data: 20:43:00.0
//!
//! id: 1795552978158-5
//! data: 20:43:00.5
//!
//! ^C
//! ```
//!
//! while the server says
//!
//! ```text
//! listening on http://127.0.0.1:8080
//! somebody listens: ticking
//! nobody listens: at rest
//! somebody listens: ticking
//! nobody listens: at rest
//! ```
//!
//! One alarm serves all ([`Core::set_alarm`]): it publishes one message, which is encoded once for each of the two formats, and the
//! fan-out does the rest. It is set when the first one comes and forgotten when the last has gone, so that a clock that nobody looks at
//! costs no wake-up.
//!
//! It does not drift. Each tick asks what time it is and sets the alarm for the next half second *of the day*; one that waited for "half a
//! second from now" would be late by all its latenesses together.
//!
//! An old tick is worth nothing, so the ring holds one: whoever did not read for a while gets the time that it is.

mod serve;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use encke::{Core, Ctx, Event, Handler, Limits, Message, RequestHead, Since, WireFormat};
use serve::{Arguments, STREAM, log, not_allowed, refuse};

const CHANNEL: &str = "clock";

/// The name of the only alarm.
const TICK: u64 = 0;

const HALF: Duration = Duration::from_millis(500);

fn main() -> std::io::Result<()> {
    let limits = Limits { history_count_max: 1, ..Limits::default() };
    let reactor = Arguments::read().bind(Clock::default(), limits)?;
    serve::run(reactor, |_, _, _| {})
}

#[derive(Default)]
struct Clock {
    /// How many listen. It ticks while there are any.
    listeners: usize,
}

/// What an exchange is about.
#[derive(Default, PartialEq, Eq)]
enum Part {
    #[default]
    Visitor,
    Listener,
}

impl Handler for Clock {
    type State = Part;

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, Part>) {
        match event {
            Event::Begin(head) if !matches!(head.method(), "GET" | "HEAD") => not_allowed(ctx, "GET, HEAD"),
            Event::Begin(head) => match head.path() {
                "/" => {
                    let _ =
                        ctx.respond(200, &[("Content-Type", "text/html; charset=utf-8")], PAGE.as_bytes());
                }
                "/clock" => self.listen(head, ctx),
                _ => refuse(ctx, 404, "the clock is at /clock, and a page that shows it at /"),
            },
            Event::End(_) if *ctx.state == Part::Listener => self.leave(ctx.core()),
            _ => {}
        }
    }

    fn alarm(&mut self, _: u64, core: &mut Core) {
        let now = since_midnight_of_1970();
        // The nearest: a timer goes off a moment late, and the clock of the day may have been set back a little meanwhile.
        let tick = ((now + HALF / 2).as_millis() / HALF.as_millis()) as u64;
        // A name that is none and too many channels are what it could fail for.
        let _ = core.publish(CHANNEL, Message::new(&face(tick)));
        wake_at(tick + 1, now, core);
    }
}

impl Clock {
    fn listen(&mut self, head: &RequestHead<'_>, ctx: &mut Ctx<'_, Part>) {
        let wants_events = head.field_str("Accept").is_some_and(|list| list.contains("text/event-stream"));
        let (format, content_type) = match wants_events {
            true => (WireFormat::SSE, "text/event-stream"),
            false => (WireFormat::STREAM, "text/plain; charset=utf-8"),
        };
        let fields = [&[("Content-Type", content_type)], &STREAM[..]].concat();
        let _ = ctx.start(200, &fields);
        if ctx.is_head_request() || ctx.subscribe(&[CHANNEL], Since::Head, format).is_err() {
            return ctx.close();
        }
        *ctx.state = Part::Listener;
        self.listeners += 1;
        if self.listeners == 1 {
            log::note("somebody listens: ticking");
            let now = since_midnight_of_1970();
            wake_at((now.as_millis() / HALF.as_millis()) as u64 + 1, now, ctx.core());
        }
    }

    fn leave(&mut self, core: &mut Core) {
        self.listeners -= 1;
        if self.listeners == 0 {
            core.cancel_alarm(TICK);
            log::note("nobody listens: at rest");
        }
    }
}

/// Sets the alarm for a half second of the day, from what time it is.
fn wake_at(tick: u64, now: Duration, core: &mut Core) {
    core.set_alarm(TICK, Duration::from_millis(tick * HALF.as_millis() as u64).saturating_sub(now));
}

/// The time of the day (UTC) when so many half seconds have passed since 1970.
fn face(tick: u64) -> String {
    let seconds = tick / 2;
    format!("{:02}:{:02}:{:02}.{}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60, tick % 2 * 5)
}

fn since_midnight_of_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The page comes back by itself when the server was away: that is EventSource's part.
const PAGE: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>The time</title>
<style>body { display: grid; place-items: center; height: 90vh; font: 15vw ui-monospace, monospace }</style>
<time>--:--:--</time>
<script>
  new EventSource('/clock').onmessage = (tick) => document.querySelector('time').textContent = tick.data
</script>
";

//! `/demo/random/stream`: the first article's `TestComet`, a number every three seconds to each peer, by a timer of its exchange.
//!
//! What `examples/random.rs` does with a thread for each peer, as the article does. Forms and GETs are welcome, data are not.
//!
//! Invariants: at most [`SENDERS_MAX`] peers, and each at most every [`INTERVAL_SECONDS`]'s start; a peer that does not read misses
//! numbers, which are worth something only while they are new.
//!
//! Next: `chat.rs`.

use std::time::Duration;

use super::super::access::Visitor;
use super::super::reply::{NO_STORE, NOSNIFF, allow, refuse, respond, start};
use super::super::routes::{Pending, Waiting, options};
use super::Visit as DemoVisit;
use super::chance::Dice;
use crate::engine::Ctx;
use crate::error::Refusal;
use crate::http::{Framing, RequestHead, form, query};

/// How many streams there may be: with the shortest interval, 6,400 lines a second in all.
pub(super) const SENDERS_MAX: usize = 64;

/// The article's `Thread.sleep(3000)`.
const INTERVAL: Duration = Duration::from_secs(3);

const INTERVAL_SECONDS: std::ops::RangeInclusive<f64> = 0.01..=3600.0;

/// The article's own, set at `Begin`: so long without a number, and the exchange is closed.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A registration is a few words.
const FORM_BYTES_MAX: u64 = 64 * 1024;

const METHODS: &str = "GET, HEAD, POST, OPTIONS";

const FIELDS: [(&str, &str); 4] =
    [("Content-Type", "text/plain; charset=utf-8"), NO_STORE, ("X-Accel-Buffering", "no"), NOSNIFF];

/// The servlet.
#[derive(Default)]
pub(super) struct Random {
    senders: usize,
}

/// A peer.
pub(crate) enum Visit {
    /// Its request is not complete.
    Registering {
        interval: Duration,
        visitor: Visitor<'static>,
    },
    Sending {
        interval: Duration,
        dice: Dice,
    },
}

impl Random {
    pub(super) fn begin(&mut self, head: &RequestHead<'_>, visitor: Visitor<'_>, ctx: &mut Ctx<'_, Pending>) {
        match head.method() {
            "GET" | "HEAD" | "POST" => {}
            "OPTIONS" => return options(head, METHODS, &visitor, ctx),
            _ => return allow(ctx, &visitor, 405, METHODS),
        }
        match registration(head) {
            Ok(_) if head.is_head() => {
                let _ = start(ctx, &visitor, 200, &FIELDS);
                ctx.close();
            }
            Ok(interval) => {
                let _ = ctx.set_refusal_fields(&visitor.fields());
                ctx.collect_body(FORM_BYTES_MAX);
                *ctx.state =
                    DemoVisit::Random(Visit::Registering { interval, visitor: visitor.keep() }).pending();
            }
            Err(refusal) => refuse_data(ctx, &visitor, refusal),
        }
    }

    /// A form, which has to be one, and then the end of the request: the head goes out, and the first number.
    pub(super) fn read(&mut self, body: Option<&[u8]>, ctx: &mut Ctx<'_, Pending>) {
        let Some(Waiting::Demo(DemoVisit::Random(Visit::Registering { interval, visitor }))) =
            ctx.state.as_deref()
        else {
            return;
        };
        let (interval, visitor) = (*interval, visitor.clone());
        let refusal = match body {
            Some(body) => form::find(body, "requestInfo").err(),
            None if self.senders == SENDERS_MAX => {
                Some(Refusal::new(503, "there are as many senders as there may be; try again in a moment"))
            }
            None => {
                self.senders += 1;
                *ctx.state = DemoVisit::Random(Visit::Sending { interval, dice: Dice::default() }).pending();
                ctx.set_timeout(TIMEOUT);
                let _ = start(ctx, &visitor, 200, &FIELDS);
                return send(ctx);
            }
        };
        if let Some(refusal) = refusal {
            *ctx.state = None;
            refuse(ctx, &visitor, refusal);
        }
    }

    pub(super) fn end(&mut self, visit: &Visit) {
        if matches!(visit, Visit::Sending { .. }) {
            self.senders -= 1;
        }
    }
}

/// A number, and the timer for the next.
pub(super) fn send(ctx: &mut Ctx<'_, Pending>) {
    let Some(Waiting::Demo(DemoVisit::Random(Visit::Sending { interval, dice }))) = ctx.state.as_deref_mut()
    else {
        return;
    };
    let (line, interval) = (format!("random:{}\n", dice.roll(10)), *interval);
    // Full: this one is missed. Ended: there will be no timer either.
    let _ = ctx.write(line.as_bytes());
    ctx.set_timer(0, interval);
}

/// How often a request asks for a number, or why it does not get any.
fn registration(head: &RequestHead<'_>) -> Result<Duration, Refusal> {
    let has_data = !matches!(head.framing(), Framing::None | Framing::Length(0));
    if has_data && !form::is_form(head) {
        // 415 and not 405, for a POST is welcome, nor 400, for nothing is malformed (RFC 9110 §15.5.16).
        return Err(Refusal::new(415, "this servlet does not accept data; send a form, or nothing"));
    }
    query::find(head.query().unwrap_or_default(), "interval")?.map_or(Ok(INTERVAL), |text| seconds(&text))
}

fn seconds(text: &str) -> Result<Duration, Refusal> {
    let seconds = text.parse().ok().filter(|seconds| INTERVAL_SECONDS.contains(seconds));
    let refusal = Refusal::new(400, "interval is a number of seconds, from 0.01 to 3600");
    seconds.map(Duration::from_secs_f64).ok_or(refusal)
}

/// A refusal; one of data says what is taken instead.
pub(super) fn refuse_data(ctx: &mut Ctx<'_, Pending>, visitor: &Visitor<'_>, refusal: Refusal) {
    if refusal.status != 415 {
        return refuse(ctx, visitor, refusal);
    }
    let fields = [
        ("Content-Type", "application/json"),
        ("Accept", "application/x-www-form-urlencoded"),
        NOSNIFF,
        NO_STORE,
    ];
    respond(ctx, visitor, 415, &fields, super::super::reply::error_body(refusal.why).as_bytes());
}

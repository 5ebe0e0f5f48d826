//! `/demo/chat/stream`: the articles' `ChatServlet`. A GET is an HTML document that never ends; a POST says something.
//!
//! What is said goes to the channel [`SAID`] and what the room says to [`ROOM`], in which it can be heard in every other mode too. Text
//! becomes HTML in the wire format (`words.rs`, which the example has too). A body with a length is one message or a few, answered
//! 204; a chunked one is a conversation, whose sender listens on the same connection and leaves when the body ends.
//!
//! Unlike `examples/chat` it has no thread: `publish` is a call away.
//!
//! Invariant: where publishing takes a key, who shows none has nothing published, not even a name; and neither has a page of another
//! site.
//!
//! Next: `words.rs`.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::super::access::Visitor;
use super::super::config::Policy;
use super::super::publish;
use super::super::reply::{NO_STORE, NOSNIFF, allow, refuse, respond, start};
use super::super::routes::{Pending, Waiting, options};
use super::Visit as DemoVisit;
use super::random::refuse_data;
use super::topics::LISTENERS_MAX;
use super::words::{self, HTML, LINE_BYTES_MAX, Lines};
use crate::engine::{Core, Ctx, End, HalfClose};
use crate::error::Refusal;
use crate::http::{Framing, RequestHead, form, query};
use crate::hub::{Message, Since, WireFormat};

/// What people say, and what the room says of who comes and goes: two channels, so that a crowd at the door pushes nothing out that was
/// said. Whoever is here hears both, in one order.
const SAID: &str = "demo/chat";
const ROOM: &str = "demo/chat/room";

/// A body with a length.
const POST_BYTES_MAX: u64 = 64 * 1024;

const HEAD: &[u8] =
    b"<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>Chat</title></head><body bgcolor=\"#FFFFFF\">\n";
const TAIL: &[u8] = b"</body></html>\n";

/// Should a tag get through all the same, it can do nothing.
const FIELDS: [(&str, &str); 5] = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'self'"),
    NO_STORE,
    ("X-Accel-Buffering", "no"),
    NOSNIFF,
];

const METHODS: &str = "GET, HEAD, POST, PUT, OPTIONS";

/// The servlet. It knows names, and no connections.
pub(super) struct Chat {
    html: WireFormat,
    /// Who is here, of those whose name others may see, and in how many windows.
    present: BTreeMap<Rc<str>, usize>,
    /// Numbers for guests and doors.
    count: u64,
    /// How many listen here, whatever they call themselves: each coming and going is told to all of them.
    guests: usize,
}

impl Default for Chat {
    fn default() -> Chat {
        Chat { html: WireFormat::STREAM, present: BTreeMap::new(), count: 0, guests: 0 }
    }
}

/// What is kept for one exchange.
pub(crate) enum Visit {
    /// It posts a body with a length.
    Posting {
        user: Rc<str>,
        is_form: bool,
        visitor: Visitor<'static>,
    },
    Here(Guest),
}

/// Who listens.
pub(crate) struct Guest {
    user: Rc<str>,
    /// Whether others are told that it comes and goes, and that it is here.
    is_announced: bool,
    talk: Option<Talk>,
}

/// A body without an end.
struct Talk {
    lines: Lines,
    /// A channel that nobody else hears. Ending it ends this exchange, when all that was said before has gone out to it.
    door: String,
}

impl Chat {
    /// Adds the format in which a document is written.
    pub(super) fn prepare(&mut self, core: &mut Core) {
        self.html = core.add_format(HTML).unwrap_or(self.html);
    }

    pub(super) fn begin(
        &mut self,
        head: &RequestHead<'_>,
        policy: &Policy,
        visitor: Visitor<'_>,
        ctx: &mut Ctx<'_, Pending>,
    ) {
        // Others hear of who comes if all may publish: a name is text too. Whose POST was let in may; of a GET nobody was asked.
        let is_announced = matches!(head.method(), "POST" | "PUT")
            || (policy.access.keys.is_none() && !is_sent_by_another_site(head));
        let outcome = match head.method() {
            "OPTIONS" => return options(head, METHODS, &visitor, ctx),
            "HEAD" => {
                let _ = start(ctx, &visitor, 200, &FIELDS);
                return ctx.close();
            }
            "GET" => self.listen(head, is_announced, &visitor, ctx),
            "POST" | "PUT" => self.hear(head, is_announced, &visitor, ctx),
            _ => return allow(ctx, &visitor, 405, METHODS),
        };
        if let Err(refusal) = outcome {
            refuse_data(ctx, &visitor, refusal);
        }
    }

    fn listen(
        &mut self,
        head: &RequestHead<'_>,
        is_announced: bool,
        visitor: &Visitor<'_>,
        ctx: &mut Ctx<'_, Pending>,
    ) -> Result<(), Refusal> {
        let query = head.query().unwrap_or_default();
        if query::find(query, "who")?.is_some() {
            self.tell_who(visitor, ctx);
            return Ok(());
        }
        // Whatever it brings.
        ctx.discard_body();
        let guest = Guest { user: self.name(query)?, is_announced, talk: None };
        self.let_in(guest, &[SAID, ROOM], visitor, ctx)
    }

    fn hear(
        &mut self,
        head: &RequestHead<'_>,
        is_announced: bool,
        visitor: &Visitor<'_>,
        ctx: &mut Ctx<'_, Pending>,
    ) -> Result<(), Refusal> {
        let is_form = form::is_form(head);
        let content_type = head.field("Content-Type").unwrap_or(b"text/plain");
        let is_text = content_type.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"text/"));
        if !is_text && !is_form {
            return Err(Refusal::new(415, "say it as text, or with a form"));
        }
        let user = self.name(head.query().unwrap_or_default())?;
        if head.framing() == Framing::Chunked && !is_form {
            self.count += 1;
            let door = format!("demo//door-{}", self.count);
            let channels = [SAID, ROOM, &door];
            let talk = Talk { lines: Lines::default(), door: door.clone() };
            return self.let_in(Guest { user, is_announced, talk: Some(talk) }, &channels, visitor, ctx);
        }
        let _ = ctx.set_refusal_fields(&visitor.fields());
        ctx.collect_body(POST_BYTES_MAX);
        ctx.set_timeout(Duration::ZERO);
        ctx.pause_while_pressed(SAID);
        *ctx.state =
            DemoVisit::Chat(Visit::Posting { user, is_form, visitor: visitor.clone().keep() }).pending();
        Ok(())
    }

    /// The servlet's BEGIN: the head goes out, then what was said lately, and from then on all that is said.
    fn let_in(
        &mut self,
        guest: Guest,
        channels: &[&str],
        visitor: &Visitor<'_>,
        ctx: &mut Ctx<'_, Pending>,
    ) -> Result<(), Refusal> {
        if self.guests == LISTENERS_MAX {
            return Err(Refusal::new(503, "as many are in the chat as may; try again in a moment"));
        }
        ctx.subscribe(channels, Since::Start, self.html).map_err(publish::refusal)?;
        self.guests += 1;
        // A silent chat is still one. Who is gone without a word is found by the heartbeats.
        ctx.set_timeout(Duration::ZERO);
        let _ = start(ctx, visitor, 200, &FIELDS);
        let _ = ctx.write(HEAD);
        if guest.is_announced {
            let windows = self.present.entry(Rc::clone(&guest.user)).or_default();
            *windows += 1;
            if *windows == 1 {
                announce(&guest.user, "has joined", ctx.core());
            }
        }
        *ctx.state = DemoVisit::Chat(Visit::Here(guest)).pending();
        Ok(())
    }

    /// A part of a conversation, a whole message, or the end of either.
    pub(super) fn read(&mut self, body: Option<&[u8]>, ctx: &mut Ctx<'_, Pending>) {
        let Some(mut waiting) = ctx.state.take() else { return };
        match &mut *waiting {
            Waiting::Demo(DemoVisit::Chat(Visit::Posting { user, is_form, visitor })) => {
                return match post(user, *is_form, body.unwrap_or_default(), ctx.core()) {
                    // A browser that gets 204 stays where it is.
                    Ok(()) => respond(ctx, visitor, 204, &[], b""),
                    Err(refusal) => refuse(ctx, visitor, refusal),
                };
            }
            Waiting::Demo(DemoVisit::Chat(Visit::Here(Guest { user, talk: Some(talk), .. }))) => {
                talk_on(user, talk, body, ctx);
            }
            _ => {}
        }
        *ctx.state = Some(waiting);
    }

    /// The servlet's END: the tags, unless the answer broke, and the name leaves the list.
    pub(super) fn end(&mut self, visit: Visit, why: End, ctx: &mut Ctx<'_, Pending>) {
        let Visit::Here(guest) = visit else { return };
        self.guests -= 1;
        if why != End::Failed {
            let _ = ctx.write(TAIL);
        }
        if !guest.is_announced {
            return;
        }
        let Some(windows) = self.present.get_mut(&guest.user) else { return };
        *windows -= 1;
        if *windows == 0 {
            self.present.remove(&guest.user);
            announce(&guest.user, "has left", ctx.core());
        }
    }

    fn tell_who(&self, visitor: &Visitor<'_>, ctx: &mut Ctx<'_, Pending>) {
        let line = |(name, windows): (&Rc<str>, &usize)| match windows {
            1 => format!("{name}\n"),
            _ => format!("{name} ({windows})\n"),
        };
        let names: String = self.present.iter().map(line).collect();
        let fields = [("Content-Type", "text/plain; charset=utf-8"), NO_STORE, NOSNIFF];
        respond(ctx, visitor, 200, &fields, names.as_bytes());
    }

    /// What a peer calls itself, which proves nothing; or a guest's number.
    fn name(&mut self, query: &str) -> Result<Rc<str>, Refusal> {
        let asked = query::find(query, "user")?.unwrap_or_default();
        Ok(words::name(&asked).map_or_else(
            || {
                self.count += 1;
                format!("guest-{}", self.count).into()
            },
            Rc::from,
        ))
    }
}

/// Whether a page from elsewhere has had its visitor's browser send this (Fetch Metadata): an image's address would be enough. A GET has
/// no `Origin`.
fn is_sent_by_another_site(head: &RequestHead<'_>) -> bool {
    head.field("Sec-Fetch-Site").is_some_and(|site| !matches!(site, b"same-origin" | b"none"))
}

/// Says the lines of a body with a length, all of which are said or none.
fn post(user: &str, is_form: bool, body: &[u8], core: &mut Core) -> Result<(), Refusal> {
    words::said(body, is_form)?.iter().try_for_each(|text| say(user, text, core))
}

/// Says the lines that are whole; at the body's end also the last, and then its sender leaves.
fn talk_on(user: &str, talk: &mut Talk, body: Option<&[u8]>, ctx: &mut Ctx<'_, Pending>) {
    match body {
        Some(bytes) => talk.lines.add(bytes),
        None => talk.lines.end(),
    }
    // That there is no room for its channel is told to who posts; here the answer has begun.
    let said = talk.lines.hand_over(|line| {
        let _ = say(user, line, ctx.core());
        Ok(())
    });
    match (said, body) {
        (Err(_), _) => {
            let _ = ctx.write(format!("<i>a line has at most {LINE_BYTES_MAX} bytes</i><br>\n").as_bytes());
            ctx.close();
        }
        (Ok(()), Some(_)) => {
            ctx.pause_while_pressed(SAID);
        }
        (Ok(()), None) => {
            // It has said all, and may shut down its sending side: it still wants to hear that, and the end.
            ctx.on_half_close(HalfClose::Keep);
            ctx.core().end_channel(&talk.door);
        }
    }
}

fn say(user: &str, text: &str, core: &mut Core) -> Result<(), Refusal> {
    core.publish(SAID, Message::new(&format!("[{user}]: {text}"))).map(drop).map_err(publish::refusal)
}

/// What the room itself has to say. It is not worth an error.
fn announce(user: &str, what: &str, core: &mut Core) {
    let text = format!("{user} {what}");
    let _ = core.publish(ROOM, Message { event: Some("room"), ..Message::new(&text) });
}

//! `ChatServlet` and `MessageSender`, as Tomcat's documentation and the third article have them.
//!
//! `cargo run --example chat`, or with another port than 8080 as its argument; then open <http://localhost:8080/?user=bob>, or
//!
//! ```text
//! $ curl -N 'localhost:8080/chat?user=ann'
//! <!doctype html>
//! <html><head><meta charset="utf-8"><title>Chat</title></head><body bgcolor="#FFFFFF">
//! <i>ann has joined</i><br>
//! ```
//!
//! and in another terminal, where a message, a form and a conversation are posted
//!
//! ```text
//! $ curl -H 'Content-Type: text/plain' -d 'as text' 'localhost:8080/chat?user=bob'
//! $ curl -d 'message=hello, <b>all</b>' 'localhost:8080/chat?user=bob'
//! $ (echo one line; sleep 1; printf 'half a '; sleep 1; echo line; printf 'last words') | curl -NT . 'localhost:8080/chat?user=eve'
//! <!doctype html>
//! <html><head><meta charset="utf-8"><title>Chat</title></head><body bgcolor="#FFFFFF">
//! <i>ann has joined</i><br>
//! [bob]: as text<br>
//! [bob]: hello, &lt;b&gt;all&lt;/b&gt;<br>
//! <i>eve has joined</i><br>
//! [eve]: one line<br>
//! [eve]: half a line<br>
//! [eve]: last words<br>
//! <i>you have left</i><br>
//! </body></html>
//! $ curl 'localhost:8080/chat?who'
//! ann
//! ```
//!
//! What the original does, and what is done here instead:
//!
//! | there | here |
//! | --- | --- |
//! | a list of responses, walked for each message, in which the dead stay | a channel of the engine, which its subscribers leave with their `End` |
//! | blocking writes under the list's lock: who does not read stops all | nobody is written to here; the engine passes over whoever is not ready |
//! | the message list is looked at outside of its lock, and a wake-up is lost | `sender.rs` |
//! | text goes into the document as it was typed | `words.rs`: a message is text, and HTML is how the wire format writes it |
//! | READ logs what it has read, 512 bytes at a time, whatever was cut in two | each line is a message, as soon as its end is there |
//! | `END` without the tags if the server stops | the tags, always; but none behind an answer that broke |
//!
//! A body with a length is one message, or a few, and is answered 204. A chunked one is a conversation: its sender listens on the same connection, and
//! leaves when the body ends. Names are what peers call themselves, and prove nothing.
//!
//! Next: `sender.rs`, `words.rs`.

pub(crate) mod sender;
mod words;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use encke::http::{Framing, form, query};
use encke::{Core, Ctx, End, Event, ExchangeId, HalfClose, Handler, Limits, Message, Reactor, Read, Refusal};
use encke::{Remote, RequestHead, Since, WireFormat};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use self::sender::{MessageSender, Queue, Word};
use self::words::{HTML, LINE_BYTES_MAX, Lines, NOTHING, Stop, said};

/// What people say, and what the room says of who comes and goes: two channels, so that a crowd at the door pushes nothing out that was
/// said. Whoever is here hears both, in one order.
const SAID: &str = "said";
const ROOM: &str = "room";

/// A body with a length.
const POST_BYTES_MAX: u64 = 64 * 1024;

/// The timer of a talker whose lines found no room.
const GO_ON: u64 = 0;

const HEAD: &[u8] =
    b"<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>Chat</title></head><body bgcolor=\"#FFFFFF\">\n";
const TAIL: &[u8] = b"</body></html>\n";

/// Should a tag get through all the same, it can do nothing.
const FIELDS: [(&str, &str); 4] = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'self'"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
];

const PAGE_FIELDS: [(&str, &str); 2] = [
    ("Content-Type", "text/html; charset=utf-8"),
    (
        "Content-Security-Policy",
        "default-src 'none'; frame-src 'self'; form-action 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    ),
];

fn main() -> io::Result<()> {
    let word = std::env::args().nth(1).unwrap_or_else(|| "8080".to_owned());
    let port: u16 = word.parse().unwrap_or_else(|_| {
        eprintln!("a port is a number from 0 to 65535, and not {word:?}");
        std::process::exit(2)
    });
    let chat = Chat::default();
    let queue = Arc::clone(&chat.queue);
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    serve(&format!("127.0.0.1:{port}"), chat, |address, _| {
        println!("listening on http://{address}");
        thread::spawn(move || {
            let mut signals = signals.forever();
            signals.next();
            queue.add(Word::Stop);
            // From somebody who will not wait.
            if let Some(second) = signals.next() {
                std::process::exit(128 + second);
            }
        });
    })
}

/// Serves until a shutdown, and returns when the sender has ended too.
pub(crate) fn serve(
    address: &str,
    chat: Chat,
    ready: impl FnOnce(SocketAddr, Remote<Chat>),
) -> io::Result<()> {
    let queue = Arc::clone(&chat.queue);
    let mut reactor = Reactor::bind(address, chat, Limits::default())?;
    let now = reactor.engine().core().now();
    reactor.engine_mut().run(now, |chat, core| chat.html = core.add_format(HTML).unwrap_or(chat.html));
    let sender = MessageSender { queue: Arc::clone(&queue), remote: reactor.remote() };
    let sender = thread::Builder::new().name("MessageSender".to_owned()).spawn(|| sender.run())?;
    if let Some(address) = reactor.local_addr() {
        ready(address, reactor.remote());
    }
    let outcome = reactor.run();
    // A command that is still on its way is dropped with the engine, so the sender does not wait for it.
    drop(reactor);
    queue.close();
    sender.join().map_err(|_| io::Error::other("the sender panicked"))?;
    outcome
}

/// The servlet: `ChatServlet`. It knows names, and no connections.
pub(crate) struct Chat {
    pub(crate) queue: Arc<Queue>,
    html: WireFormat,
    /// Who is here, and in how many windows.
    present: BTreeMap<Arc<str>, usize>,
    /// Talkers whose lines found no room in the queue.
    waiting: Vec<ExchangeId>,
    /// Numbers for guests and doors.
    count: u64,
}

impl Default for Chat {
    fn default() -> Chat {
        let queue = Arc::default();
        Chat { queue, html: WireFormat::STREAM, present: BTreeMap::new(), waiting: Vec::new(), count: 0 }
    }
}

/// What is kept for one exchange.
#[derive(Default)]
pub(crate) enum Visit {
    /// It was answered.
    #[default]
    Nobody,
    /// It posts a body with a length.
    Posting {
        user: Arc<str>,
        is_form: bool,
    },
    Listening(Arc<str>),
    Talking(Box<Talker>),
}

/// Who listens and sends a body without an end.
pub(crate) struct Talker {
    user: Arc<str>,
    lines: Lines,
    /// A channel that nobody else hears. Ending it ends this exchange, when all that was said before has gone out to it.
    door: String,
    is_complete: bool,
}

impl Handler for Chat {
    type State = Visit;

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, Visit>) {
        match event {
            Event::Begin(head) => {
                if let Err(refusal) = self.begin(head, ctx) {
                    refuse(refusal, ctx);
                }
            }
            Event::Read(Read::Data(bytes)) => match &mut *ctx.state {
                Visit::Talking(talker) => {
                    talker.lines.add(bytes);
                    self.talk(ctx);
                }
                Visit::Posting { user, is_form } => {
                    let said = said(bytes, *is_form).and_then(|texts| self.post(&user.clone(), &texts));
                    match said {
                        // A browser that gets 204 stays where it is.
                        Ok(()) => drop(ctx.respond(204, &[], b"")),
                        Err(refusal) => refuse(refusal, ctx),
                    }
                }
                Visit::Listening(_) | Visit::Nobody => {}
            },
            Event::Read(Read::Done) => match &mut *ctx.state {
                Visit::Talking(talker) => {
                    talker.lines.end();
                    talker.is_complete = true;
                    // It has said all, and may shut down its sending side: it still wants to hear that, and the end.
                    ctx.on_half_close(HalfClose::Keep);
                    self.talk(ctx);
                }
                Visit::Posting { .. } => refuse(NOTHING, ctx),
                Visit::Listening(_) | Visit::Nobody => {}
            },
            // What was lost gets its `End` too.
            Event::Error(_) => {}
            Event::End(why) => self.end(why, ctx),
        }
    }

    fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, Visit>) {
        self.talk(ctx);
    }
}

impl Chat {
    fn begin(&mut self, head: &RequestHead<'_>, ctx: &mut Ctx<'_, Visit>) -> Result<(), Refusal> {
        let query = head.query().unwrap_or_default();
        let asked = query::find(query, "user")?.unwrap_or_default();
        match (head.path(), head.method()) {
            ("/", "GET" | "HEAD") => self.give_page(&asked, ctx),
            ("/chat", "GET") if query::find(query, "who")?.is_some() => self.tell_who(ctx),
            ("/chat", "HEAD") => {
                let _ = ctx.start(200, &FIELDS);
                ctx.close();
            }
            ("/chat", "GET") => {
                // Whatever it brings.
                ctx.discard_body();
                let user = self.name(&asked);
                self.let_in(&user, &[SAID, ROOM], ctx)?;
                *ctx.state = Visit::Listening(user);
            }
            ("/chat", "POST" | "PUT") => {
                check_sender(head)?;
                let is_form = form::is_form(head);
                if head.framing() == Framing::Chunked && !is_form {
                    self.begin_talk(&asked, ctx)?;
                } else {
                    ctx.collect_body(POST_BYTES_MAX);
                    ctx.pause_while_pressed(SAID);
                    *ctx.state = Visit::Posting { user: self.name(&asked), is_form };
                }
            }
            ("/chat" | "/", _) => return Err(NOT_ALLOWED),
            _ => return Err(Refusal::new(404, "only / and /chat are here")),
        }
        Ok(())
    }

    fn begin_talk(&mut self, asked: &str, ctx: &mut Ctx<'_, Visit>) -> Result<(), Refusal> {
        self.count += 1;
        let (user, door) = (self.name(asked), format!("door-{}", self.count));
        self.let_in(&user, &[SAID, ROOM, &door], ctx)?;
        let talker = Talker { user, door, lines: Lines::default(), is_complete: false };
        *ctx.state = Visit::Talking(Box::new(talker));
        Ok(())
    }

    /// The servlet's BEGIN: the head goes out, then what was said lately, and from then on all that is said.
    fn let_in(
        &mut self,
        user: &Arc<str>,
        channels: &[&str],
        ctx: &mut Ctx<'_, Visit>,
    ) -> Result<(), Refusal> {
        // The hub may have no room for one more channel.
        ctx.subscribe(channels, Since::Start, self.html).map_err(|_| TOO_MUCH)?;
        // A silent chat is still one. Who is gone without a word is found by the heartbeats.
        ctx.set_timeout(Duration::ZERO);
        let _ = ctx.start(200, &FIELDS).and_then(|()| ctx.write(HEAD));
        let windows = self.present.entry(Arc::clone(user)).or_default();
        *windows += 1;
        if *windows == 1 {
            self.queue.add(Word::Joined(Arc::clone(user)));
        }
        Ok(())
    }

    /// Hands on what lines there are. If there is no room for them, their sender is not read until there is.
    fn talk(&mut self, ctx: &mut Ctx<'_, Visit>) {
        let Visit::Talking(talker) = &mut *ctx.state else { return };
        match talker.lines.hand_over(|text| self.queue.say(&talker.user, &[text])) {
            Ok(()) if talker.is_complete => self.queue.add(Word::Goodbye { door: talker.door.clone() }),
            Ok(()) => {
                if !ctx.pause_while_pressed(SAID) {
                    ctx.resume_reading();
                }
            }
            Err(Stop::Full) => {
                ctx.pause_reading();
                self.waiting.push(ctx.id());
            }
            Err(Stop::TooLong) => {
                let _ =
                    ctx.write(format!("<i>a line has at most {LINE_BYTES_MAX} bytes</i><br>\n").as_bytes());
                ctx.close();
            }
        }
    }

    fn post(&self, user: &Arc<str>, texts: &[String]) -> Result<(), Refusal> {
        let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
        self.queue.say(user, &texts).map_err(|_| TOO_MUCH)
    }

    /// Called by the sender, through its `Remote`, with what comes next.
    fn hand_out(&mut self, words: Vec<Word>, core: &mut Core) {
        for word in words {
            let published = match word {
                Word::Said { user, text } => {
                    core.publish(SAID, Message::new(&format!("[{user}]: {text}"))).map(drop)
                }
                Word::Joined(user) => tell(&format!("{user} has joined"), core),
                Word::Left(user) => tell(&format!("{user} has left"), core),
                Word::Goodbye { door } => {
                    // It may have been broken off, and its channel gone with it.
                    core.end_channel(&door);
                    Ok(())
                }
                Word::Stop => {
                    core.shutdown();
                    Ok(())
                }
            };
            if let Err(error) = published {
                eprintln!("a message could not be published: {error}");
            }
        }
        for id in self.waiting.drain(..) {
            core.set_timer(id, GO_ON, Duration::ZERO);
        }
    }

    /// The servlet's END: the tags, unless the answer broke, and the name leaves the list.
    fn end(&mut self, why: End, ctx: &mut Ctx<'_, Visit>) {
        let user = match std::mem::take(ctx.state) {
            Visit::Listening(user) => user,
            Visit::Talking(talker) => talker.user,
            Visit::Posting { .. } | Visit::Nobody => return,
        };
        if why != End::Failed {
            let _ = ctx.write(TAIL);
        }
        let Some(windows) = self.present.get_mut(&user) else { return };
        *windows -= 1;
        if *windows == 0 {
            self.present.remove(&user);
            self.queue.add(Word::Left(user));
        }
    }

    fn tell_who(&self, ctx: &mut Ctx<'_, Visit>) {
        let line = |(name, windows): (&Arc<str>, &usize)| match windows {
            1 => format!("{name}\n"),
            _ => format!("{name} ({windows})\n"),
        };
        let names: String = self.present.iter().map(line).collect();
        let _ = ctx.respond(200, &[TEXT, ("Cache-Control", "no-store")], names.as_bytes());
    }

    fn give_page(&mut self, asked: &str, ctx: &mut Ctx<'_, Visit>) {
        // A name has nothing in it that means something in HTML or in a query, but blanks.
        let user = self.name(asked).replace(' ', "+");
        let page = include_str!("page.html").replace("{user}", &user);
        let _ = ctx.respond(200, &PAGE_FIELDS, page.as_bytes());
    }

    fn name(&mut self, asked: &str) -> Arc<str> {
        words::name(asked).map_or_else(
            || {
                self.count += 1;
                format!("guest-{}", self.count).into()
            },
            Arc::from,
        )
    }
}

/// What the room itself has to say.
fn tell(text: &str, core: &mut Core) -> Result<(), encke::WriteError> {
    core.publish(ROOM, Message { event: Some("room"), ..Message::new(text) }).map(drop)
}

/// Whether a body may be said here. Pages of others can post forms and text to this machine, and browsers say whose page it was.
fn check_sender(head: &RequestHead<'_>) -> Result<(), Refusal> {
    if let Some(origin) = head.field_str("Origin") {
        let host = origin.split_once("://").map(|(_, host)| host);
        if host != head.host() {
            return Err(Refusal::new(403, "a page from elsewhere may not speak here"));
        }
    }
    let content_type = head.field("Content-Type").unwrap_or(b"text/plain");
    let is_text = content_type.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"text/"));
    if is_text || form::is_form(head) {
        Ok(())
    } else {
        Err(Refusal::new(415, "say it as text, or with a form"))
    }
}

const NOT_ALLOWED: Refusal = Refusal::new(405, "listen with GET, speak with POST");
const TOO_MUCH: Refusal = Refusal::new(503, "more is said than can be heard; try again in a moment");

const TEXT: (&str, &str) = ("Content-Type", "text/plain; charset=utf-8");

fn refuse(refusal: Refusal, ctx: &mut Ctx<'_, Visit>) {
    let fields: &[_] = match refusal.status {
        405 => &[TEXT, ("Allow", "GET, HEAD, POST, PUT")],
        415 => &[TEXT, ("Accept", "text/plain, application/x-www-form-urlencoded")],
        503 => &[TEXT, ("Retry-After", "1")],
        _ => &[TEXT],
    };
    let _ = ctx.respond(refusal.status, fields, format!("{}\n", refusal.why).as_bytes());
}

//! Orders: a push API as the first article found it at a market place, and beside it the polling that it replaces, both counted.
//!
//! `cargo run --example orders`, or with another port than 8080 as its argument. In one terminal a seller listens:
//!
//! ```text
//! $ curl -N 'localhost:8080/stream?seller=lin'
//! {"id":"1795554739351-0","kinds":["created","paid","shipped","closed"],"seller":"lin"}
//! {"id":"1795554739351-1","kind":"created","order":1}
//! {"id":"1795554739351-2","kind":"paid","order":1}
//! {"id":"1795554739351-3","kinds":["paid","closed"]}
//! {"id":"1795554739351-4","kind":"closed","order":1}
//! {"end":"another stream of this seller has begun"}
//! ```
//!
//! and in another the world turns:
//!
//! ```text
//! $ curl -X POST 'localhost:8080/orders?seller=lin'
//! {"id":"1795554739351-1","kind":"created","order":1}
//! $ curl -X POST 'localhost:8080/orders/1?kind=paid'
//! {"id":"1795554739351-2","kind":"paid","order":1}
//! $ curl -X DELETE 'localhost:8080/subscriptions?seller=lin&kinds=shipped,created'
//! {"kinds":["paid","closed"]}
//! $ curl -X POST 'localhost:8080/orders/1?kind=shipped'
//! {"id":null,"kind":"shipped","order":1}
//! $ curl -X POST 'localhost:8080/orders/1?kind=closed'
//! {"id":"1795554739351-4","kind":"closed","order":1}
//! $ curl 'localhost:8080/orders?seller=lin&since=1795554739351-2'
//! {"cursor":"1795554739351-4","changes":[{"id":"1795554739351-3","kinds":["paid","closed"]},{"id":"1795554739351-4","kind":"closed","order":1}]}
//! $ curl 'localhost:8080/orders?seller=lin'
//! {"cursor":"1795554739351-4","orders":[{"kind":"closed","order":1}]}
//! $ curl -N 'localhost:8080/stream?seller=lin&since=1-1'      # an id of before a restart
//! {"seller":"lin"}
//! {"id":"1795554739351-0","gap":true}
//! {"id":"1795554739351-1","kind":"created","order":1}
//! {"id":"1795554739351-2","kind":"paid","order":1}
//! {"id":"1795554739351-3","kinds":["paid","closed"]}
//! {"id":"1795554739351-4","kind":"closed","order":1}
//! ^C
//! ```
//!
//! | request | what it does |
//! | --- | --- |
//! | `POST /orders?seller=S` | somebody has ordered: `{"id","order","kind":"created"}` |
//! | `POST /orders/N?kind=K` | the order is now `paid`, `shipped` or `closed`, if it can be |
//! | `GET /stream?seller=S` | the push API: a line for each change, from now on; with `&since=ID`, or the field `Last-Event-ID`, from there on |
//! | `POST`, `DELETE /subscriptions?seller=S&kinds=K,K` | subscribes to kinds of change, and unsubscribes; `GET` tells |
//! | `GET /orders?seller=S&since=ID` | the same by polling: what has changed since, at once |
//! | `GET /orders?seller=S` | all orders as they are, and the cursor to go on with: where a client begins, and where one goes that was told of a gap |
//!
//! The stream. Its first line tells where it begins, so being cut before the first change loses nothing. A line `{"id","gap":true}` says that changes
//! before it are gone, for instance because the server was started anew: get the orders as they are, and go on. An empty line is a heartbeat
//! (`--heartbeat SECONDS`), `{"end":"why"}` the last one of a stream that ends well: at a shutdown, after `--stream-max SECONDS`, and when another
//! stream of the same seller begins, for the peer that has vanished without a word is found out last by its own connection.
//!
//! Kinds belong to the seller and not to the connection, and are looked at when an order changes and not when it is sent (`shop.rs`). So a change
//! of subscription has a place in the log, which a line in the stream tells, and what is heard is the same for everybody: one who is a little behind, one who
//! was cut and comes back, and one who polls. A filter on each connection would have to know how far its peer has read, and two of
//! them would disagree.
//!
//! What it replaces, as a number (`simulate.rs`): `cargo run --release --example orders -- --simulate 60 --orders 2`
//!
//! ```text
//! 60 s, 2 orders, 8 changes; both have heard all of them, in order
//!
//!                     requests   in vain  bytes up  bytes down   delay: half   worst
//! stream                     1         0        52         787        0.2 ms     0.2 ms
//! polling each 1 s          57        50      4196       10376      561.8 ms   961.8 ms
//! ```
//!
//! With `--simulate 30 --orders 20` hardly a poll is in vain (5 of 31), and still it is twice the bytes and half a second late.
//!
//! Nobody is asked who he is: this listens on the own machine alone, and a market place would look at a key.

mod poll;
#[path = "../serve/mod.rs"]
mod serve;
mod shop;
mod simulate;
mod stream;

use std::time::Duration;

use encke::http::query;
use encke::{Core, Ctx, End, Event, Handler, Limits, MessageId, Refusal, RequestHead};
use serde_json::json;
use serve::{Arguments, not_allowed, refuse};
use shop::{Kind, Kinds, Shop};

fn main() -> std::io::Result<()> {
    let mut arguments = Arguments::read();
    let heartbeat = arguments.take_seconds("--heartbeat").unwrap_or(Duration::from_secs(15));
    // A stream that waits has heartbeats, which find out who is gone; it needs no other timeout.
    let limits = Limits { heartbeat, comet_timeout: Duration::ZERO, ..Limits::default() };
    let stream_max = arguments.take_seconds("--stream-max").unwrap_or(Duration::from_secs(3600));
    let market = Market { shop: Shop::default(), stream_max };
    if let Some(length) = arguments.take_seconds("--simulate") {
        let orders = arguments.take("--orders").unwrap_or(20);
        let poll_every = arguments.take_seconds("--poll-every").unwrap_or(Duration::from_secs(1));
        arguments.end();
        return simulate::run(market, limits, length, orders, poll_every);
    }
    let reactor = arguments.bind(market, limits)?;
    serve::run(reactor, |market, core, _| market.shop.prepare(core))
}

/// The market place: its orders, and what is asked of them.
struct Market {
    shop: Shop,
    /// How long a stream may last: whoever spreads streams over several servers wants them to come back now and then.
    stream_max: Duration,
}

impl Handler for Market {
    /// Of a stream, whose it is.
    type State = Option<Box<str>>;

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, Self::State>) {
        match event {
            Event::Begin(head) => match methods(head.path()) {
                Some(methods) if !methods.split(", ").any(|method| method == head.method()) => {
                    not_allowed(ctx, methods);
                }
                _ => {
                    if let Err(refusal) = self.begin(head, ctx) {
                        refuse(ctx, refusal.status, refusal.why);
                    }
                }
            },
            Event::End(why) => {
                let Some(seller) = ctx.state.take() else { return };
                let id = ctx.id();
                self.shop.forget_stream(&seller, id);
                if why == End::Shutdown {
                    let _ =
                        ctx.write(stream::last_line("the server stops; come back in a moment").as_bytes());
                }
            }
            // Bodies are not looked at, and fatal errors are followed by the end.
            Event::Read(_) | Event::Error(_) => {}
        }
    }

    fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, Self::State>) {
        let _ = ctx.write(stream::last_line("it was long enough; come back").as_bytes());
        ctx.close();
    }
}

impl Market {
    fn begin(&mut self, head: &RequestHead<'_>, ctx: &mut Ctx<'_, Option<Box<str>>>) -> Result<(), Refusal> {
        let asked = Asked::read(head)?;
        match (head.method(), head.path()) {
            ("GET" | "HEAD", "/stream") => {
                stream::open(asked.seller()?, asked.since, &mut self.shop, ctx)?;
                ctx.set_timer(0, self.stream_max);
            }
            ("GET" | "HEAD", "/orders") => match asked.since {
                Some(since) => poll::changes(asked.seller()?, since, &self.shop, ctx)?,
                None => poll::all(asked.seller()?, &self.shop, ctx),
            },
            ("POST", "/orders") => {
                let change = self.shop.create(asked.seller()?, ctx.core())?;
                serve::json(ctx, 201, &change);
            }
            (_, "/subscriptions") => {
                let kinds = self.subscriptions(head.method(), &asked, ctx.core())?;
                serve::json(ctx, 200, &json!({ "kinds": kinds.names() }));
            }
            ("POST", path) => {
                let number = order_number(path).ok_or(NOT_FOUND)?;
                let kind = asked
                    .kind
                    .ok_or(Refusal::new(400, "say what has become of it: kind=paid, for instance"))?;
                let change = self.shop.advance(number, kind, ctx.core())?;
                serve::json(ctx, 200, &change);
            }
            _ => return Err(NOT_FOUND),
        }
        Ok(())
    }

    fn subscriptions(&mut self, method: &str, asked: &Asked, core: &mut Core) -> Result<Kinds, Refusal> {
        let seller = asked.seller()?;
        let before = self.shop.kinds(seller);
        match (method, asked.kinds) {
            ("GET" | "HEAD", _) => Ok(before),
            (_, None) => Err(Refusal::new(400, "say which: kinds=paid,shipped, for instance")),
            ("POST", Some(kinds)) => self.shop.subscribe(seller, before.with(kinds), core),
            (_, Some(kinds)) => self.shop.subscribe(seller, before.without(kinds), core),
        }
    }
}

/// What may be asked of a path, if there is something.
fn methods(path: &str) -> Option<&'static str> {
    match path {
        "/stream" => Some("GET, HEAD"),
        "/orders" => Some("GET, HEAD, POST"),
        "/subscriptions" => Some("GET, HEAD, POST, DELETE"),
        _ => order_number(path).map(|_| "POST"),
    }
}

fn order_number(path: &str) -> Option<usize> {
    path.strip_prefix("/orders/")?.parse().ok()
}

const NOT_FOUND: Refusal = Refusal::new(404, "there are /stream, /orders, /orders/NUMBER and /subscriptions");

/// What a request says in its query.
#[derive(Default)]
struct Asked {
    seller: Option<String>,
    since: Option<MessageId>,
    kind: Option<Kind>,
    kinds: Option<Kinds>,
}

impl Asked {
    fn read(head: &RequestHead<'_>) -> Result<Asked, Refusal> {
        const NO_KIND: Refusal = Refusal::new(400, "a kind is created, paid, shipped or closed");
        const NO_ID: Refusal = Refusal::new(400, "since is an id that a stream or a list has told");
        const NO_EVENT: Refusal = Refusal::new(400, "Last-Event-ID is an id that a stream has told");
        let mut asked = Asked::default();
        for pair in query::pairs(head.query().unwrap_or_default()) {
            let (name, value) = pair?;
            match name.as_ref() {
                "seller" if !value.is_empty() => asked.seller = Some(value.into_owned()),
                "since" => asked.since = Some(MessageId::parse(&value).ok_or(NO_ID)?),
                "kind" => asked.kind = Some(Kind::read(&value).ok_or(NO_KIND)?),
                "kinds" => asked.kinds = Some(Kinds::read(&value).ok_or(NO_KIND)?),
                _ => {}
            }
        }
        // It is newer than what the query says. An empty one is how a client says that it has heard nothing yet.
        if let Some(id) = head.field_str("Last-Event-ID").filter(|id| !id.is_empty()) {
            asked.since = Some(MessageId::parse(id).ok_or(NO_EVENT)?);
        }
        Ok(asked)
    }

    fn seller(&self) -> Result<&str, Refusal> {
        self.seller.as_deref().ok_or(Refusal::new(400, "say whose orders: seller=NAME"))
    }
}

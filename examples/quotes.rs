//! Quotes: a market whose prices move, and a message only where one has.
//!
//! `cargo run --example quotes`, or with another port than 8080 as its argument. `--seed N` is another market, `--every MS` a faster one;
//! with the same seed the same prices follow each other. Then
//!
//! ```text
//! $ curl -N 'localhost:8080/quotes?symbol=ENCKE&symbol=TAIL'        # with --seed 7
//! {"id":"1795554737034-0","snapshot":{"ENCKE":"3.30","TAIL":"0.95"}}
//! {"id":"1795554737034-3","channel":"TAIL","event":null,"data":"0.94"}
//! {"id":"1795554737034-6","channel":"TAIL","event":null,"data":"0.97"}
//! {"id":"1795554737034-10","channel":"TAIL","event":null,"data":"0.98"}
//! ^C
//! $ curl -N -H 'Accept: text/event-stream' 'localhost:8080/quotes?symbol=ENCKE'
//! id: 1795554737034-10
//! event: snapshot
//! data: {"id":"1795554737034-10","snapshot":{"ENCKE":"3.30"}}
//!
//! id: 1795554737034-13
//! data: {"id":"1795554737034-13","channel":"ENCKE","event":null,"data":"3.29"}
//!
//! ^C
//! $ curl -N 'localhost:8080/quotes?symbol=ENCKE&symbol=TAIL&since=1795554737034-6'     # cut off there, and back: no snapshot
//! {"id":"1795554737034-10","channel":"TAIL","event":null,"data":"0.98"}
//! {"id":"1795554737034-11","channel":"TAIL","event":null,"data":"0.99"}
//! {"id":"1795554737034-13","channel":"ENCKE","event":null,"data":"3.29"}
//! ^C
//! ```
//!
//! A symbol is a channel, and several of them are one subscription with *one* cursor: the hub counts all its messages with one
//! counter, so one id says of every symbol what was heard of it.
//!
//! Who comes gets the prices as they are, and then exactly the changes behind them:
//!
//! ```text
//!   the hub's sequence   … 41  42  43 ◄─ head     prices as they are after 43
//!                                   │
//!                     subscribe ────┘ at 43       44  45 …  flow by themselves
//! ```
//!
//! There is no moment between the two in which a change could be lost or come twice, and no lock that makes it so: this is one thread, and
//! nothing else happens while a callback runs. The id in the snapshot is the cursor, so whoever is cut right behind it comes back with it
//! and gets changes alone. Who was away so long that some of them are gone gets a snapshot again, which is better than what is missing. Who
//! reads too slowly is told of the gap in the stream, and then gets what is held: the newest price of each symbol always is.
//!
//! The snapshot is one line for all symbols. One for each could be cut in the middle, and no id could say so.

mod serve;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use encke::http::query;
use encke::{
    Core, Ctx, Event, Handler, Limits, Message, MessageId, Refusal, RequestHead, Since, Subscribed,
    WireFormat, WriteError,
};
use serde_json::{Map, Value, json};
use serve::{Arguments, STREAM, not_allowed, refuse};

/// The name of the only alarm.
const STEP: u64 = 0;

fn main() -> std::io::Result<()> {
    let mut arguments = Arguments::read();
    let seed = arguments.take("--seed").unwrap_or(1);
    let every = Duration::from_millis(arguments.take("--every").unwrap_or(250).max(1));
    let reactor = arguments.bind(Market::new(seed, every), Limits::default())?;
    serve::run(reactor, |market, core, _| core.set_alarm(STEP, market.every))
}

/// All that is traded, and the chance that moves it.
struct Market {
    stocks: Vec<Stock>,
    dice: Dice,
    every: Duration,
}

struct Stock {
    symbol: &'static str,
    price: Price,
}

/// An amount of money, in cents: nobody counts it in floating point.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Price(u32);

impl Handler for Market {
    type State = ();

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
        let Event::Begin(head) = event else { return };
        if !matches!(head.method(), "GET" | "HEAD") {
            return not_allowed(ctx, "GET, HEAD");
        }
        if head.path() != "/quotes" {
            return refuse(ctx, 404, "the market is at /quotes; ?symbol=NAME chooses, also several times");
        }
        match Asked::read(head, &self.stocks) {
            Ok(asked) => self.open(&asked, ctx),
            Err(refusal) => refuse(ctx, refusal.status, refusal.why),
        }
    }

    fn alarm(&mut self, _: u64, core: &mut Core) {
        for stock in &mut self.stocks {
            let before = stock.price;
            stock.price.step(&mut self.dice);
            if stock.price != before {
                // It could fail for want of channels, of which there are five.
                let _ = core.publish(stock.symbol, Message::new(&stock.price.to_string()));
            }
        }
        core.set_alarm(STEP, self.every);
    }
}

impl Market {
    fn new(seed: u64, every: Duration) -> Market {
        let stocks = [("COMET", 10_000), ("ENCKE", 330), ("TAOBAO", 6_800), ("TOMCAT", 700), ("TAIL", 95)];
        let stocks = stocks.map(|(symbol, cents)| Stock { symbol, price: Price(cents) });
        Market { stocks: stocks.into(), dice: Dice(seed), every }
    }

    /// Opens a stream: the prices as they are and then what changes, or only what has changed since.
    fn open(&self, asked: &Asked<'_>, ctx: &mut Ctx<'_, ()>) {
        let content_type =
            if asked.format == WireFormat::NDJSON { "application/x-ndjson" } else { "text/event-stream" };
        let fields = [&[("Content-Type", content_type)], &STREAM[..]].concat();
        let _ = ctx.start(200, &fields);
        if ctx.is_head_request() {
            return ctx.close();
        }
        match asked.subscribe(ctx) {
            Ok((subscribed, Opening::Snapshot)) => {
                // Written here it stands behind the head and before the first change.
                let _ = ctx.write(self.snapshot(asked, subscribed.at).as_bytes());
            }
            Ok((_, Opening::Changes)) => {}
            Err(_) => ctx.abort(),
        }
    }

    /// The prices as they are, under the id of the place in the sequence at which they are so.
    fn snapshot(&self, asked: &Asked<'_>, at: MessageId) -> String {
        let chosen = self.stocks.iter().filter(|stock| asked.symbols.contains(stock.symbol));
        let prices: Map<String, Value> =
            chosen.map(|stock| (stock.symbol.to_owned(), stock.price.to_string().into())).collect();
        let line = json!({ "id": at.to_string(), "snapshot": prices });
        match asked.format {
            WireFormat::NDJSON => format!("{line}\n"),
            _ => format!("id: {at}\nevent: snapshot\ndata: {line}\n\n"),
        }
    }
}

/// What somebody wants to hear.
struct Asked<'a> {
    symbols: BTreeSet<&'a str>,
    /// Where it was cut off.
    since: Option<MessageId>,
    format: WireFormat,
}

/// With what a stream begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opening {
    Snapshot,
    Changes,
}

impl<'a> Asked<'a> {
    /// Nothing asked for is everything.
    fn read(head: &RequestHead<'_>, stocks: &'a [Stock]) -> Result<Asked<'a>, Refusal> {
        const UNKNOWN: Refusal =
            Refusal::new(404, "no such symbol; there are COMET, ENCKE, TAOBAO, TOMCAT and TAIL");
        let mut symbols = BTreeSet::new();
        let mut since = None;
        for pair in query::pairs(head.query().unwrap_or_default()) {
            let (name, value) = pair?;
            match name.as_ref() {
                "symbol" => {
                    symbols.insert(stocks.iter().find(|stock| stock.symbol == value).ok_or(UNKNOWN)?.symbol);
                }
                "since" => since = MessageId::parse(&value),
                _ => {}
            }
        }
        if symbols.is_empty() {
            symbols.extend(stocks.iter().map(|stock| stock.symbol));
        }
        // EventSource repeats its URL and says in the field where it was cut, so the field wins. What is no id, and what is one of before
        // a restart, is answered with a snapshot, as if nothing had been said.
        if let Some(id) = head.field_str("Last-Event-ID") {
            since = MessageId::parse(id);
        }
        let wants_events = head.field_str("Accept").is_some_and(|list| list.contains("text/event-stream"));
        let format = if wants_events { WireFormat::SSE_ENVELOPE } else { WireFormat::NDJSON };
        Ok(Asked { symbols, since, format })
    }

    /// Subscribes behind the cursor, or where the sequence stands if there is none, or if some of what lies behind it is gone.
    fn subscribe(&self, ctx: &mut Ctx<'_, ()>) -> Result<(Subscribed, Opening), WriteError> {
        let channels: Vec<&str> = self.symbols.iter().copied().collect();
        if let Some(id) = self.since {
            let subscribed = ctx.subscribe(&channels, Since::Id(id), self.format)?;
            if !subscribed.gap {
                return Ok((subscribed, Opening::Changes));
            }
            ctx.unsubscribe();
        }
        Ok((ctx.subscribe(&channels, Since::Head, self.format)?, Opening::Snapshot))
    }
}

impl Price {
    /// One step of a walk that stands still half of the time, and never goes below a cent.
    fn step(&mut self, dice: &mut Dice) {
        match dice.roll() % 8 {
            0 => self.0 += 1,
            1 => self.0 += 3,
            2 => self.0 = self.0.saturating_sub(1).max(1),
            3 => self.0 = self.0.saturating_sub(3).max(1),
            _ => {}
        }
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): a few lines, and the same numbers for the same seed on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }
}

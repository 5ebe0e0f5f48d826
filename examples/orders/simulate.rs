//! What it replaces, as a number: the same orders heard by a stream and by polling, side by side, and every byte of both counted.
//!
//! ```text
//!   buyer ──► POST /orders …        ┌─► stream client: one request
//!   (a seed)            the server ─┤
//!                                   └─► polling client: a request each second, on one connection, which is the best that polling can have
//! ```
//!
//! A delay is from the moment at which the buyer begins to send to the one at which the seller's program has the line. Bytes are those of
//! HTTP, heads and chunk sizes included; TCP and IP come on top, and more so where there are more packets.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use encke::http::peer::{Piece, Request, ResponseReader};
use encke::{Limits, Reactor};
use serde_json::Value;

use crate::Market;
use crate::serve::say;
use crate::shop::Kind;

const SELLER: &str = "lin";

/// Nothing here takes so long, unless something is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves, orders and listens, and says what it has cost.
pub(crate) fn run(
    market: Market,
    limits: Limits,
    length: Duration,
    orders: usize,
    poll_every: Duration,
) -> io::Result<()> {
    let (ready, served) = mpsc::channel();
    let server = thread::spawn(move || -> io::Result<()> {
        let mut reactor = Reactor::bind("127.0.0.1:0", market, limits)?;
        let now = reactor.engine().core().now();
        reactor.engine_mut().run(now, |market, core| market.shop.prepare(core));
        let _ = ready.send((reactor.local_addr(), reactor.remote()));
        reactor.run()
    });
    let Ok((Some(address), remote)) = served.recv() else {
        return Err(io::Error::other("it does not listen"));
    };
    let changes = orders * Kind::ALL.len();
    // Both begin before anything happens.
    let (begun, both) = mpsc::channel();
    let also_begun = begun.clone();
    let streaming = thread::spawn(move || stream(address, changes, &begun));
    let polling = thread::spawn(move || poll(address, changes, poll_every, &also_begun));
    both.iter().take(2).for_each(drop);
    let sent = buy(address, orders, length)?;
    let streaming = streaming.join().map_err(|_| io::Error::other("the stream's client panicked"))??;
    let polling = polling.join().map_err(|_| io::Error::other("the polling client panicked"))??;
    let _ = remote.post(|_, core| core.shutdown());
    server.join().map_err(|_| io::Error::other("the server panicked"))??;
    let told = sent.iter().map(|(id, _)| id);
    for account in [&streaming, &polling] {
        if !account.heard.iter().map(|(id, _)| id).eq(told.clone()) {
            return Err(io::Error::other("not everything that was told has been heard"));
        }
    }
    let seconds = length.as_secs_f64();
    say(format_args!(
        "{seconds} s, {orders} orders, {changes} changes; both have heard all of them, in order\n"
    ));
    say("                    requests   in vain  bytes up  bytes down   delay: half   worst");
    streaming.report("stream", &sent);
    polling.report(&format!("polling each {} s", poll_every.as_secs_f64()), &sent);
    Ok(())
}

/// What one way to listen has cost and brought.
#[derive(Default)]
struct Account {
    requests: usize,
    /// Requests that brought nothing.
    in_vain: usize,
    up: usize,
    down: usize,
    heard: Vec<(String, Instant)>,
}

impl Account {
    fn report(&self, name: &str, sent: &[(String, Instant)]) {
        // Both are in the order of the log.
        let pairs = sent.iter().zip(&self.heard);
        let mut delays: Vec<Duration> =
            pairs.map(|((_, sent), (_, heard))| heard.duration_since(*sent)).collect();
        delays.sort_unstable();
        let millis = |delay: Option<&Duration>| delay.map_or(0.0, |delay| delay.as_secs_f64() * 1e3);
        say(format_args!(
            "{name:<20}{:>8}{:>10}{:>10}{:>12}{:>11.1} ms{:>8.1} ms",
            self.requests,
            self.in_vain,
            self.up,
            self.down,
            millis(delays.get(delays.len() / 2)),
            millis(delays.last()),
        ));
    }

    fn hear(&mut self, change: &Value) {
        if let (Some(id), Some(_)) = (change["id"].as_str(), change["order"].as_u64()) {
            self.heard.push((id.to_owned(), Instant::now()));
        }
    }
}

/// Listens by the stream until all has been heard.
fn stream(address: SocketAddr, changes: usize, begun: &mpsc::Sender<()>) -> io::Result<Account> {
    let mut line = Line::open(address)?;
    let mut account = Account { requests: 1, ..Account::default() };
    line.ask("GET", &format!("/stream?seller={SELLER}"))?;
    let mut text = Vec::new();
    while account.heard.len() < changes {
        let Some(bytes) = line.piece()? else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        text.extend(bytes);
        while let Some(end) = text.iter().position(|&byte| byte == b'\n') {
            let change: Vec<u8> = text.drain(..=end).collect();
            account.hear(&serde_json::from_slice(&change).unwrap_or_default());
            // The first line tells that the stream has begun; nobody waits for the others.
            let _ = begun.send(());
        }
    }
    Ok(Account { up: line.up, down: line.down, ..account })
}

/// Asks again and again until all has been heard.
fn poll(
    address: SocketAddr,
    changes: usize,
    every: Duration,
    begun: &mpsc::Sender<()>,
) -> io::Result<Account> {
    let mut line = Line::open(address)?;
    let mut account = Account::default();
    let mut since = String::new();
    while account.heard.len() < changes {
        line.ask("GET", &format!("/orders?seller={SELLER}{since}"))?;
        let answer = line.answer()?;
        let before = account.heard.len();
        answer["changes"].as_array().into_iter().flatten().for_each(|change| account.hear(change));
        account.requests += 1;
        account.in_vain += usize::from(account.heard.len() == before);
        since = format!("&since={}", answer["cursor"].as_str().unwrap_or_default());
        let _ = begun.send(());
        thread::sleep(every);
    }
    Ok(Account { up: line.up, down: line.down, ..account })
}

/// Orders, pays, ships and closes over so long a time. Gives the ids and when they were sent for, in order.
fn buy(address: SocketAddr, orders: usize, length: Duration) -> io::Result<Vec<(String, Instant)>> {
    let mut line = Line::open(address)?;
    let mut sent = Vec::new();
    let mut numbers = vec![0; orders];
    let begin = Instant::now();
    for (moment, order, kind) in script(orders, length) {
        thread::sleep(moment.saturating_sub(begin.elapsed()));
        let target = match kind {
            Kind::Created => format!("/orders?seller={SELLER}"),
            _ => format!("/orders/{}?kind={}", numbers[order], kind.name()),
        };
        let now = Instant::now();
        line.ask("POST", &target)?;
        let change = line.answer()?;
        numbers[order] = change["order"].as_u64().unwrap_or_default();
        sent.push((change["id"].as_str().unwrap_or_default().to_owned(), now));
    }
    Ok(sent)
}

/// When each order is created, paid, shipped and closed: at four moments, spread by a seed.
fn script(orders: usize, length: Duration) -> Vec<(Duration, usize, Kind)> {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut script = Vec::new();
    for order in 0..orders {
        let mut moments = Kind::ALL.map(|_| {
            // Xorshift (Marsaglia 2003).
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            length.mul_f64((seed >> 40) as f64 / (1u64 << 24) as f64)
        });
        moments.sort_unstable();
        script.extend(moments.into_iter().zip(Kind::ALL).map(|(moment, kind)| (moment, order, kind)));
    }
    script.sort_by_key(|(moment, ..)| *moment);
    script
}

/// A connection of a client, which counts its bytes.
struct Line {
    socket: TcpStream,
    reader: ResponseReader,
    input: Vec<u8>,
    up: usize,
    down: usize,
}

impl Line {
    fn open(address: SocketAddr) -> io::Result<Line> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Line { socket, reader: ResponseReader::new(), input: Vec::new(), up: 0, down: 0 })
    }

    fn ask(&mut self, method: &str, target: &str) -> io::Result<()> {
        let mut bytes = Vec::new();
        Request { method, target, ..Request::default() }.write(&mut bytes);
        self.up += bytes.len();
        self.reader.expect(method);
        self.socket.write_all(&bytes)
    }

    /// The next bytes of an answer's body; none if it is complete.
    fn piece(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let (used, piece) = self.reader.read(&self.input).map_err(io::Error::other)?;
            let found = match piece {
                Piece::Data(bytes) => Some(Some(bytes.to_vec())),
                Piece::Done => Some(None),
                _ => None,
            };
            let is_dry = piece == Piece::More;
            self.input.drain(..used);
            if let Some(found) = found {
                return Ok(found);
            }
            if is_dry {
                let mut buffer = [0; 16 * 1024];
                let count = self.socket.read(&mut buffer)?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.down += count;
                self.input.extend_from_slice(&buffer[..count]);
            }
        }
    }

    /// The whole of an answer.
    fn answer(&mut self) -> io::Result<Value> {
        let mut body = Vec::new();
        while let Some(bytes) = self.piece()? {
            body.extend(bytes);
        }
        serde_json::from_slice(&body).map_err(io::Error::other)
    }
}

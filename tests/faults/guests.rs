//! Guests: everything that peers do to a push server, well or badly, over blocking sockets and by the draw of a seed.
//!
//! `soak.rs` lets a crew of them come and go for as long as it lasts. Each act opens connections, does one thing with them and leaves, by a
//! FIN or by a reset. What a guest hears is checked: of each publisher every message in order, or the notice of a gap before the next.
//!
//! Always holds: an act ends by itself within seconds, whatever the server does, and leaves no connection open.
//!
//! Next: `soak.rs`.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::rng::Rng;
use crate::support::{PATIENCE, get};

/// The channels of which guests speak.
pub(crate) const CHANNELS: [&str; 6] = ["news", "sport", "chat/one", "chat/two", "weather", "alerts"];

/// What of a channel can be asked for as a stream.
pub(crate) const STREAMS: [&str; 6] = [
    "mode=sse",
    "mode=sse&envelope=1",
    "mode=stream",
    "mode=ndjson",
    "mode=iframe&callback=page.hear",
    "mode=stream&type=application/x-ndjson",
];

/// What a guest may do, how often of a hundred times, and how it is called.
type Act = (&'static str, usize, fn(&mut Guest));

const ACTS: [Act; 12] = [
    ("publish", 30, Guest::publish),
    ("stream", 26, Guest::hear_streams),
    ("poll", 8, Guest::poll),
    ("jsonp", 6, Guest::poll_by_scripts),
    ("ask", 8, Guest::ask_this_and_that),
    ("pipeline", 6, Guest::pipeline),
    ("be cut", 5, Guest::leave_in_the_middle),
    ("break HTTP", 4, Guest::break_http),
    ("half a request", 3, Guest::leave_half_a_request),
    ("read slowly", 2, Guest::read_slowly),
    ("HTTP/1.0", 1, Guest::hear_as_in_the_old_days),
    ("delete", 1, Guest::delete),
];

/// One guest, which comes again and again.
pub(crate) struct Guest {
    address: SocketAddr,
    /// Its number, which its messages carry.
    number: usize,
    rng: Rng,
    /// How many messages it has published in each channel.
    published: [u32; CHANNELS.len()],
    /// Connections on which it has sent half a request, and waits.
    waiting: Vec<Line>,
    /// What it did how often.
    pub(crate) done: BTreeMap<&'static str, usize>,
    /// Messages that it has heard.
    pub(crate) heard: usize,
}

impl Guest {
    pub(crate) fn new(address: SocketAddr, number: usize) -> Guest {
        let rng = Rng::new(number as u64);
        Guest {
            address,
            number,
            rng,
            published: [0; CHANNELS.len()],
            waiting: Vec::new(),
            done: BTreeMap::new(),
            heard: 0,
        }
    }

    /// Does one thing after the other until the time is up.
    pub(crate) fn stay(&mut self, end: Instant) {
        while Instant::now() < end {
            let mut drawn = self.rng.between(0, 99);
            let fits = |(_, share, _): &&Act| {
                let is_drawn = drawn < *share;
                drawn = drawn.saturating_sub(*share);
                is_drawn
            };
            let (name, _, act) = ACTS.iter().find(fits).expect("the shares are a hundred together");
            act(self);
            *self.done.entry(name).or_default() += 1;
        }
        self.waiting.clear();
    }

    // ---- those who behave

    /// Publishes some messages on one connection, in each way in which that can be done.
    fn publish(&mut self) {
        let channel = *self.rng.pick(&CHANNELS);
        let mut line = Line::connect(self.address);
        for _ in 0..self.rng.between(1, 12) {
            let size = self.rng.magnitude(1, 4_000);
            let request = self.message(channel, size);
            line.send(&request);
            let answer = line.answer();
            assert!(answer.starts_with("HTTP/1.1 200 "), "a message is refused: {answer}");
            // So that it does not go as fast as it can.
            line.listen(Duration::from_millis(3), |_| false);
        }
        self.leave(line);
    }

    /// The next message of this guest to a channel, as a request.
    fn message(&mut self, channel: &'static str, size: usize) -> String {
        let index = CHANNELS.iter().position(|name| *name == channel).expect("one of them");
        self.published[index] += 1;
        let mark = format!("{}.{}", self.number * CHANNELS.len() + index, self.published[index]);
        let text = format!("[{mark}]{}", "x".repeat(size));
        let path = format!("POST /channels/{channel}");
        match self.rng.between(0, 3) {
            0 => post(&format!("{path}?event=tick"), "", &text),
            1 => post(&path, &format!("Idempotency-Key: {mark}\r\n"), &text),
            2 => {
                let head =
                    format!("{path} HTTP/1.1\r\nHost: encke.test\r\nTransfer-Encoding: chunked\r\n\r\n");
                format!("{head}{:x}\r\n{text}\r\n0\r\n\r\n", text.len())
            }
            _ => post(&path, "", &text),
        }
    }

    /// Listens to a few streams at a time.
    fn hear_streams(&mut self) {
        let mut lines = Vec::new();
        for _ in 0..self.rng.between(1, 4) {
            let (channel, more) = (*self.rng.pick(&CHANNELS), *self.rng.pick(&CHANNELS));
            let mode = *self.rng.pick(&STREAMS);
            let also = if self.rng.chance(30) { format!("&channel={more}") } else { String::new() };
            let mut line = Line::connect(self.address);
            line.send(&get(&format!("/channels/{channel}?{mode}{also}"), ""));
            lines.push(line);
        }
        for mut line in lines {
            let wait = self.rng.millis(5, 150);
            let head = line.head();
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            let mut hearing = Hearing::default();
            line.listen(wait, |bytes| hearing.hear(bytes));
            self.heard += hearing.count;
            self.leave(line);
        }
    }

    /// Asks for news again and again on one connection, each time from where the last answer ended.
    fn poll(&mut self) {
        self.poll_with("");
    }

    fn poll_by_scripts(&mut self) {
        self.poll_with("&callback=page.hear");
    }

    fn poll_with(&mut self, query: &str) {
        let channel = *self.rng.pick(&CHANNELS);
        let mut line = Line::connect(self.address);
        let (mut since, mut hearing) = (String::new(), Hearing::default());
        for _ in 0..self.rng.between(1, 5) {
            let wait = self.rng.between(0, 100);
            let path = format!("/channels/{channel}?mode=poll&timeout={wait}ms{query}{since}");
            line.send(&get(&path, ""));
            let answer = line.answer();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            hearing.hear(answer.as_bytes());
            let cursor = answer.lines().find_map(|field| field.strip_prefix("Last-Event-ID: "));
            since = format!("&since={}", cursor.expect("an answer says where it ends"));
        }
        self.heard += hearing.count;
        self.leave(line);
    }

    fn ask_this_and_that(&mut self) {
        let channel = *self.rng.pick(&CHANNELS);
        let head = "HTTP/1.1\r\nHost: encke.test\r\n\r\n";
        let mut line = Line::connect(self.address);
        for request in [
            format!("GET /channels/{channel}?mode=info {head}"),
            format!("GET /healthz {head}"),
            format!("GET /metrics {head}"),
            format!("GET / {head}"),
        ] {
            line.send(&request);
            assert!(line.answer().starts_with("HTTP/1.1 200 "), "{request}");
        }
        line.send(&format!("OPTIONS /channels/{channel} {head}"));
        assert!(line.head().starts_with("HTTP/1.1 204 "));
        line.send(&format!("HEAD /channels/{channel}?mode=sse {head}"));
        assert!(line.head().starts_with("HTTP/1.1 200 "));
        self.leave(line);
    }

    /// Sends many requests in one piece, and reads as many answers.
    fn pipeline(&mut self) {
        let mut all = String::new();
        let count = self.rng.between(5, 30);
        for _ in 0..count {
            let channel = *self.rng.pick(&CHANNELS);
            all += &match self.rng.between(0, 3) {
                0 => self.message(channel, 100),
                1 => get(&format!("/channels/{channel}?mode=poll&timeout=0"), ""),
                2 => get(&format!("/channels/{channel}?mode=info"), ""),
                _ => get("/healthz", ""),
            };
        }
        let mut line = Line::connect(self.address);
        line.send(&all);
        for _ in 0..count {
            let answer = line.answer();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        self.leave(line);
    }

    fn hear_as_in_the_old_days(&mut self) {
        let channel = *self.rng.pick(&CHANNELS);
        let mut line = Line::connect(self.address);
        line.send(&format!("GET /channels/{channel} HTTP/1.0\r\n\r\n"));
        let head = line.head();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let mut hearing = Hearing::default();
        line.listen(Duration::from_millis(50), |bytes| hearing.hear(bytes));
        self.heard += hearing.count;
        self.leave(line);
    }

    fn delete(&mut self) {
        let channel = *self.rng.pick(&CHANNELS);
        let mut line = Line::connect(self.address);
        line.send(&format!("DELETE /channels/{channel} HTTP/1.1\r\nHost: encke.test\r\n\r\n"));
        let answer = line.answer();
        assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 404 "), "{answer}");
        self.leave(line);
    }

    // ---- those who do not

    /// Reads nothing while more is published than anybody's buffers hold, and then all that there is: a notice, or the end.
    fn read_slowly(&mut self) {
        let channel = *self.rng.pick(&CHANNELS);
        let mode = *self.rng.pick(&STREAMS);
        let request = get(&format!("/channels/{channel}?{mode}"), "");
        let mut slow = Line::sending_with_a_small_window(self.address, &request);
        let mut publisher = Line::connect(self.address);
        for _ in 0..20 {
            let request = self.message(channel, 60_000);
            publisher.send(&request);
            let answer = publisher.answer();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        let mut hearing = Hearing::default();
        slow.head();
        slow.listen(Duration::from_millis(500), |bytes| hearing.hear(bytes));
        self.heard += hearing.count;
        self.leave(slow);
        self.leave(publisher);
    }

    /// Is gone while messages are on their way to it.
    fn leave_in_the_middle(&mut self) {
        let channel = *self.rng.pick(&CHANNELS);
        let mut lines: Vec<Line> = STREAMS.iter().map(|_| Line::connect(self.address)).collect();
        for (line, mode) in lines.iter_mut().zip(STREAMS) {
            line.send(&get(&format!("/channels/{channel}?{mode}"), ""));
        }
        let mut publisher = Line::connect(self.address);
        let requests: String = (0..8).map(|_| self.message(channel, 3_000)).collect();
        publisher.send(&requests);
        lines.into_iter().for_each(|line| self.leave(line));
        for _ in 0..8 {
            assert!(publisher.answer().starts_with("HTTP/1.1 200 "));
        }
        self.leave(publisher);
    }

    /// Sends what no server may take for a request.
    fn break_http(&mut self) {
        const WRONG: [&str; 9] = [
            "\u{16}\u{3}\u{1}\u{2} hello\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "POST /channels/news HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST /channels/news HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
            "POST /channels/news HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
            "POST /channels/news HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n",
            "GET /channels/news?mode=telepathy HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        ];
        let mut line = Line::connect(self.address);
        match self.rng.between(0, WRONG.len()) {
            9 => line.send(&get("/", &format!("X-Long: {}\r\n", "x".repeat(20_000)))),
            which => line.send(WRONG[which]),
        }
        let head = line.head();
        let status = head.split(' ').nth(1).unwrap_or_default();
        assert!(status.starts_with(['4', '5']), "{head}");
        self.leave(line);
    }

    /// Leaves behind half a head or half a body, or waits with it: in rounds that are long enough, until the server has had enough.
    fn leave_half_a_request(&mut self) {
        let mut line = Line::connect(self.address);
        line.send(match self.rng.between(0, 2) {
            0 => "GET /channels/news HTTP/1.1\r\nHo",
            1 => "POST /channels/news HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhalf",
            _ => "POST /channels/news HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n40\r\nhalf",
        });
        match self.rng.between(0, 3) {
            0 => self.waiting.push(line),
            _ => self.leave(line),
        }
    }

    fn leave(&mut self, line: Line) {
        if self.rng.chance(50) {
            line.reset();
        }
    }
}

/// A POST of `text`.
pub(crate) fn post(line: &str, fields: &str, text: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: encke.test\r\n{fields}Content-Length: {}\r\n\r\n{text}", text.len())
}

/// A connection that bears everything: its end may come at any time.
pub(crate) struct Line {
    stream: TcpStream,
    seen: Vec<u8>,
}

impl Line {
    pub(crate) fn connect(address: SocketAddr) -> Line {
        Line { stream: TcpStream::connect(address).expect("somebody listens"), seen: Vec::new() }
    }

    /// One that has sent this.
    pub(crate) fn sending(address: SocketAddr, bytes: &str) -> Line {
        let mut line = Line::connect(address);
        line.send(bytes);
        line
    }

    /// One that has sent this, and whose peer soon has to wait for it.
    pub(crate) fn sending_with_a_small_window(address: SocketAddr, bytes: &str) -> Line {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a descriptor is left");
        socket.set_recv_buffer_size(32 * 1024).expect("a buffer can be small");
        socket.connect(&address.into()).expect("somebody listens");
        let mut line = Line { stream: socket.into(), seen: Vec::new() };
        line.send(bytes);
        line
    }

    /// Sends; a server that has closed already is no failure.
    pub(crate) fn send(&mut self, bytes: &str) {
        let _ = self.stream.write_all(bytes.as_bytes());
    }

    /// Reads on for at most `wait`, until `found` says that it is enough or the end has come. What was read is gone.
    pub(crate) fn listen(&mut self, wait: Duration, mut found: impl FnMut(&[u8]) -> bool) {
        let end = Instant::now() + wait;
        loop {
            if found(&std::mem::take(&mut self.seen)) || !self.read_more(end) {
                return;
            }
        }
    }

    /// Reads on until at least so many bytes have come.
    pub(crate) fn listen_for(&mut self, bytes: usize) {
        let mut count = 0;
        self.listen(PATIENCE, |part| {
            count += part.len();
            count >= bytes
        });
        assert!(count >= bytes, "{count} of {bytes} bytes came");
    }

    /// Reads what comes next, if it does before `end`.
    fn read_more(&mut self, end: Instant) -> bool {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || self.stream.set_read_timeout(Some(left)).is_err() {
            return false;
        }
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.seen.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) => error.kind() == ErrorKind::Interrupted,
        }
    }

    /// The next head, or what there was of it when the end came.
    pub(crate) fn head(&mut self) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen.windows(4).position(|four| four == b"\r\n\r\n") {
                let rest = self.seen.split_off(at + 4);
                let head = std::mem::replace(&mut self.seen, rest);
                return String::from_utf8_lossy(&head).into_owned();
            }
            if !self.read_more(end) {
                assert!(Instant::now() < end, "no head comes");
                return String::from_utf8_lossy(&std::mem::take(&mut self.seen)).into_owned();
            }
        }
    }

    /// The next answer whole, one of a known length.
    pub(crate) fn answer(&mut self) -> String {
        let head = self.head();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length: usize = length.and_then(|text| text.parse().ok()).unwrap_or_default();
        let end = Instant::now() + PATIENCE;
        while self.seen.len() < length && self.read_more(end) {}
        let rest = self.seen.split_off(length.min(self.seen.len()));
        let body = std::mem::replace(&mut self.seen, rest);
        head + &String::from_utf8_lossy(&body)
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

/// What was heard of each publisher in each channel, by the numbers in its messages: `[PUBLISHER.NUMBER]`.
///
/// It knows nothing of formats. The bytes of a message's frame are never cut by others', so its mark stands in the stream as it is.
#[derive(Default)]
struct Hearing {
    last: BTreeMap<u32, u32>,
    /// What may be the beginning of a mark.
    rest: Vec<u8>,
    count: usize,
}

/// How a gap is told: as an event, as a field, as a member.
const GAPS: [&[u8]; 3] = [b"encke-gap", b"Encke-Gap: true", b"\"gap\":true"];

impl Hearing {
    /// Hears what comes next. It is never enough.
    #[track_caller]
    fn hear(&mut self, bytes: &[u8]) -> bool {
        if let Some(wrong) = self.find_wrong(bytes) {
            panic!("{wrong}");
        }
        false
    }

    /// Hears what comes next, and says what is wrong with it.
    fn find_wrong(&mut self, bytes: &[u8]) -> Option<String> {
        self.rest.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.rest);
        let mut at = 0;
        while at < all.len() {
            match all[at] {
                b'[' => match mark(&all[at + 1..]) {
                    Mark::Of(publisher, number) => {
                        self.count += 1;
                        let before = self.last.insert(publisher, number);
                        if before.is_some_and(|before| number != before + 1) {
                            return Some(format!(
                                "{number} of {publisher} came after {before:?}, and nobody was told"
                            ));
                        }
                    }
                    Mark::Cut => break,
                    Mark::None => {}
                },
                // Whoever is told of a gap goes on from wherever the stream does.
                b'e' | b'E' | b'"' if GAPS.iter().any(|gap| all[at..].starts_with(gap)) => self.last.clear(),
                b'e' | b'E' | b'"' if GAPS.iter().any(|gap| gap.starts_with(&all[at..])) => break,
                _ => {}
            }
            at += 1;
        }
        self.rest = all[at..].to_vec();
        None
    }
}

enum Mark {
    None,
    /// More has to come before one can tell.
    Cut,
    Of(u32, u32),
}

fn mark(bytes: &[u8]) -> Mark {
    let is_inside = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
    let inside = bytes.iter().take_while(is_inside).count();
    let text = std::str::from_utf8(&bytes[..inside]).expect("digits");
    match (bytes.get(inside), text.split_once('.')) {
        (None, _) => Mark::Cut,
        (Some(b']'), Some((publisher, number))) => match (publisher.parse(), number.parse()) {
            (Ok(publisher), Ok(number)) => Mark::Of(publisher, number),
            _ => Mark::None,
        },
        _ => Mark::None,
    }
}

#[test]
fn a_hole_that_nobody_was_told_of_is_noticed() {
    let heard = |stream: &str| {
        let mut hearing = Hearing::default();
        let wrong = stream.as_bytes().chunks(3).find_map(|part| hearing.find_wrong(part));
        (hearing.count, wrong.is_some())
    };
    assert_eq!(heard("[1.4]x\r\n[2.7] [1.5]\n[2.8] [ [.] [1.x]"), (4, false));
    assert_eq!(heard("[1.4] event: encke-gap\n [1.9]"), (2, false));
    assert_eq!(heard("[1.4] [1.6]"), (2, true), "a hole");
    assert_eq!(heard("[1.4] [1.4]"), (2, true), "twice");
}

//! A fleet of event sources: thousands of peers on one poll, who come back with their cursors when they are cut, as a browser's do.
//!
//! Each message carries the life of the server in which it was published, and its number in that life: `LIFE.NUMBER`. So every peer can tell
//! what it missed and what came twice.
//!
//! ```text
//!   connect ─► head ─► blocks: retry, id, gap, data ─► cut ─► retry is over ─► connect with Last-Event-ID ─► …
//! ```
//!
//! Always holds: a message is the next of its life, or a gap was told since the one before it. Another life begins with its first message and
//! behind a notice.
//!
//! Next: `restarts.rs`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use encke::http::peer::{Piece, Request, ResponseReader};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, SockRef, Socket, Type};

use crate::support::PATIENCE;

/// Peers from one source address: many thousands from the same one make the kernel search long for a port.
const PER_ADDRESS: usize = 2_500;
/// Connections begun before the poll is asked again: fewer than a listener's backlog.
const STORM: usize = 100;

/// One event source.
pub(crate) struct Source {
    link: Option<Link>,
    /// The last id that came.
    cursor: Option<String>,
    retry: Duration,
    /// What was heard last: the life, and the number in it.
    pub(crate) last: (u32, u32),
    /// Whether a gap was told since.
    is_told: bool,
    /// Heads that told of a gap, and events that did.
    pub(crate) gap_heads: usize,
    pub(crate) gap_events: usize,
    /// How often its answer has begun.
    pub(crate) answers: usize,
    /// How often it was cut.
    pub(crate) cuts: usize,
    /// Messages that it has heard.
    heard: usize,
}

struct Link {
    stream: TcpStream,
    reader: ResponseReader,
    /// Bytes of a block that is not complete.
    text: Vec<u8>,
    has_asked: bool,
}

/// What has become of a link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Over,
}

/// All of them.
pub(crate) struct Fleet {
    poll: Poll,
    address: SocketAddr,
    pub(crate) sources: Vec<Source>,
    /// Of whom the poll has told.
    ready: VecDeque<usize>,
    /// The latest message that anybody has heard.
    pub(crate) latest: (u32, u32),
    /// When who comes back.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    /// How long those who were cut were told to wait, since [`Fleet::note_returns`].
    pub(crate) waits: Vec<Duration>,
    /// When each came back, since [`Fleet::note_returns`].
    pub(crate) returns: Vec<Instant>,
    /// Connections that nobody took.
    pub(crate) refused: usize,
}

impl Fleet {
    /// So many peers, who all come at once.
    pub(crate) fn new(address: SocketAddr, count: usize) -> Fleet {
        let now = Instant::now();
        Fleet {
            poll: Poll::new().expect("a poll"),
            address,
            sources: (0..count).map(|_| Source::new()).collect(),
            ready: VecDeque::new(),
            latest: (0, 0),
            due: (0..count).map(|index| Reverse((now, index))).collect(),
            waits: Vec::new(),
            returns: Vec::new(),
            refused: 0,
        }
    }

    /// Lets them live until something is so.
    #[track_caller]
    pub(crate) fn live_until(&mut self, what: &str, mut is_so: impl FnMut(&Fleet) -> bool) {
        let begun = Instant::now();
        let mut events = Events::with_capacity(1024);
        while !is_so(self) {
            assert!(begun.elapsed() < 3 * PATIENCE, "{what}: this does not come to be; {}", self.summary());
            // One after the other, so that what is waited for is seen as soon as it is so.
            if let Some(index) = self.ready.pop_front() {
                self.hear(index);
                continue;
            }
            self.connect_those_who_are_due();
            self.poll.poll(&mut events, Some(Duration::from_millis(5))).expect("the poll works");
            self.ready.extend(events.iter().map(|event| event.token().0));
        }
    }

    /// Cuts every second link, every second of those by a reset.
    pub(crate) fn cut_half(&mut self) {
        for index in (0..self.sources.len()).step_by(2) {
            if let Some(link) = &self.sources[index].link
                && index % 4 == 0
            {
                SockRef::from(&link.stream).set_linger(Some(Duration::ZERO)).expect("linger can be set");
            }
            self.lose(index);
        }
    }

    /// Forgets who has come back so far.
    pub(crate) fn note_returns(&mut self) {
        self.returns.clear();
        self.waits.clear();
        self.refused = 0;
    }

    /// Whether all were cut once.
    pub(crate) fn all_were_cut(&self) -> bool {
        self.sources.iter().all(|source| source.cuts == 1)
    }

    /// How many are connected.
    fn count_linked(&self) -> usize {
        self.sources.iter().filter(|source| source.link.is_some()).count()
    }

    /// Messages that all of them have heard, together.
    pub(crate) fn heard(&self) -> usize {
        self.sources.iter().map(|source| source.heard).sum()
    }

    /// Whether all have heard this message last.
    pub(crate) fn all_have(&self, message: (u32, u32)) -> bool {
        self.sources.iter().all(|source| source.last == message)
    }

    /// What can be said of all, for whom a test fails.
    fn summary(&self) -> String {
        let last = || self.sources.iter().map(|source| source.last);
        let asked = |source: &&Source| source.link.as_ref().is_some_and(|link| link.has_asked);
        format!(
            "{} are connected and {} have asked, {} have returned, {} wait; they have heard {:?} to {:?}",
            self.count_linked(),
            self.sources.iter().filter(asked).count(),
            self.returns.len(),
            self.due.len(),
            last().min(),
            last().max()
        )
    }

    fn connect_those_who_are_due(&mut self) {
        for _ in 0..STORM {
            let Some(&Reverse((at, index))) = self.due.peek() else { return };
            if at > Instant::now() {
                return;
            }
            self.due.pop();
            match self.connect(index) {
                Ok(link) => self.sources[index].link = Some(link),
                Err(_) => self.come_later(index),
            }
        }
    }

    fn connect(&self, index: usize) -> io::Result<Link> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        let source = Ipv4Addr::new(127, 0, 9, 1 + (index / PER_ADDRESS) as u8);
        socket.bind(&SocketAddr::from((source, 0)).into())?;
        match socket.connect(&self.address.into()) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
                return Err(error);
            }
            _ => {}
        }
        let mut stream = TcpStream::from_std(socket.into());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(index), interest)?;
        Ok(Link { stream, reader: ResponseReader::new(), text: Vec::new(), has_asked: false })
    }

    fn come_later(&mut self, index: usize) {
        self.due.push(Reverse((Instant::now() + self.sources[index].retry, index)));
    }

    fn lose(&mut self, index: usize) {
        if let Some(link) = self.sources[index].link.take() {
            self.refused += usize::from(!link.has_asked);
            if link.has_asked {
                self.sources[index].cuts += 1;
                self.waits.push(self.sources[index].retry);
            }
            self.come_later(index);
        }
    }

    /// The poll has told of one of them.
    fn hear(&mut self, index: usize) {
        let source = &mut self.sources[index];
        let has_asked = |source: &Source| source.link.as_ref().is_some_and(|link| link.has_asked);
        let had_asked = has_asked(source);
        let state = source.go_on();
        if has_asked(source) && !had_asked {
            self.returns.push(Instant::now());
        }
        self.latest = self.latest.max(source.last);
        if state == State::Over {
            self.lose(index);
        }
    }
}

impl Source {
    /// One that has heard nothing.
    fn new() -> Source {
        Source {
            link: None,
            cursor: None,
            retry: Duration::from_secs(1),
            last: (1, 0),
            is_told: false,
            gap_heads: 0,
            gap_events: 0,
            answers: 0,
            cuts: 0,
            heard: 0,
        }
    }

    /// Asks if that was not done yet, and hears all that has come.
    fn go_on(&mut self) -> State {
        let Some(link) = &mut self.link else { return State::Open };
        if !link.has_asked {
            match link.ask(self.cursor.as_deref()) {
                Ok(()) if link.has_asked => {}
                Ok(()) => return State::Open,
                Err(_) => return State::Over,
            }
        }
        let mut buffer = [0; 16 * 1024];
        loop {
            let Some(link) = &mut self.link else { return State::Open };
            match link.stream.read(&mut buffer) {
                Ok(0) => return State::Over,
                Ok(count) => self.take(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return State::Open,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return State::Over,
            }
        }
    }

    fn take(&mut self, mut bytes: &[u8]) {
        let Some(link) = &mut self.link else { return };
        loop {
            let (used, piece) = link.reader.read(bytes).expect("an answer");
            bytes = &bytes[used..];
            match piece {
                Piece::Informational(_) => {}
                Piece::Head(head) => {
                    assert_eq!(head.status, 200);
                    self.answers += 1;
                    self.gap_heads += usize::from(head.field("Encke-Gap").is_some());
                }
                Piece::Data(data) => link.text.extend_from_slice(data),
                Piece::Done | Piece::More => break,
            }
        }
        let text = std::mem::take(&mut link.text);
        let mut rest = &text[..];
        while let Some(end) = rest.windows(2).position(|two| two == b"\n\n") {
            self.hear_block(&String::from_utf8_lossy(&rest[..end]));
            rest = &rest[end + 2..];
        }
        if let Some(link) = &mut self.link {
            link.text.extend_from_slice(rest);
        }
    }

    fn hear_block(&mut self, block: &str) {
        let (mut event, mut data) = ("message", None);
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("retry", millis)) => {
                    self.retry = Duration::from_millis(millis.parse().expect("a number"));
                }
                Some(("id", id)) => self.cursor = Some(id.to_owned()),
                Some(("event", name)) => event = name,
                Some(("data", text)) => data = Some(text),
                _ => {}
            }
        }
        match (event, data) {
            ("encke-gap", _) => {
                self.gap_events += 1;
                self.is_told = true;
            }
            ("message", Some(text)) => self.hear_message(text),
            _ => {}
        }
    }

    fn hear_message(&mut self, text: &str) {
        let mark = text.split(' ').next().and_then(|mark| mark.split_once('.'));
        let mark = mark.and_then(|(life, number)| Some((life.parse().ok()?, number.parse().ok()?)));
        let (life, number): (u32, u32) = mark.unwrap_or_else(|| panic!("{text:?} is nobody's message"));
        if let Some(wrong) = self.find_wrong(life, number) {
            panic!("{wrong}");
        }
    }

    /// Hears a message, and says what is wrong with its coming now.
    fn find_wrong(&mut self, life: u32, number: u32) -> Option<String> {
        let (last_life, last_number) = std::mem::replace(&mut self.last, (life, number));
        let is_told = std::mem::take(&mut self.is_told);
        self.heard += 1;
        let is_right = match life.checked_sub(last_life) {
            Some(0) => number == last_number + 1 || is_told && number > last_number,
            Some(_) => number == 1 && is_told,
            None => false,
        };
        let told = if is_told { "behind a notice" } else { "and nobody was told" };
        (!is_right).then(|| format!("{life}.{number} came behind {last_life}.{last_number}, {told}"))
    }
}

impl Link {
    /// Asks for the stream, from the cursor on if there is one. A request is short enough to be taken whole.
    fn ask(&mut self, cursor: Option<&str>) -> io::Result<()> {
        let mut wire = Vec::new();
        let from = cursor.map(|id| [("Last-Event-ID", id)]);
        let fields = from.as_ref().map_or(&[][..], |fields| &fields[..]);
        Request { target: "/channels/news?mode=sse", fields, ..Request::default() }.write(&mut wire);
        match self.stream.write(&wire) {
            Ok(count) => assert_eq!(count, wire.len()),
            // It is not connected yet, or nobody listens: then reading says so.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        self.reader.expect("GET");
        self.has_asked = true;
        Ok(())
    }
}

#[test]
fn what_is_missing_or_comes_twice_is_noticed() {
    let is_right = |last, is_told, (life, number)| {
        Source { last, is_told, ..Source::new() }.find_wrong(life, number).is_none()
    };
    assert!(is_right((1, 4), false, (1, 5)));
    assert!(is_right((1, 4), true, (1, 9)), "a gap that was told");
    assert!(is_right((1, 4), true, (2, 1)), "another life");
    assert!(!is_right((1, 4), false, (1, 6)), "a hole");
    assert!(!is_right((1, 4), true, (1, 4)), "twice");
    assert!(!is_right((1, 4), false, (2, 1)), "another life, and nobody was told");
    assert!(!is_right((1, 4), true, (2, 2)), "a hole in the other life");
    assert!(!is_right((2, 4), true, (1, 5)), "back to the life before");
}

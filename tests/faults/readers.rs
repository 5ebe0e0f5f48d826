//! A thousand readers who stop beside a thousand who read: those lose nothing, memory stays within its bounds, the others are cut, and
//! when they come back they get what they missed or are told that it is gone.
//!
//! `tests/slow_readers.rs` holds the single properties; here all of it happens at once, with as many as the promise names. Those who stop do
//! so at different moments: at the beginning, or after a quarter, a half or three quarters of the messages.

use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::thread::spawn;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use crate::machine::{KIB, MIB, kernel_bytes, pause, queued_bytes, user_bytes};
use crate::siege::attackers_address;
use crate::support::{PATIENCE, Peer, Server, get};
use crate::{Form, alone, tell};

/// Bytes of a message, but for its number.
const MESSAGE_BYTES: usize = 8 * KIB;

/// What the server's channels may hold together.
const MEMORY: usize = 16 * MIB;

/// What a reader costs the server besides, its entry and its place in the audience, whether it reads or not.
const EACH_MAX: usize = KIB;

/// What a reader who stops may cost the kernel, both ends together: what is not sent is bounded on the listener, what is not read by the
/// reader's own buffer, and both count with the kernel's overhead.
const KERNEL_EACH_MAX: usize = 512 * KIB;

/// One who reads a channel's messages as lines, up to its end.
struct Reader {
    stream: mio::net::TcpStream,
    /// What has come of a line.
    part: Vec<u8>,
    /// How many messages it reads before it stops.
    stops_behind: usize,
    numbers: Vec<usize>,
    cursor: String,
    gaps: usize,
    /// The number that has to come, unless a gap was told of.
    next: Option<usize>,
    /// Messages that are missing in silence, or come out of their order.
    wrong: usize,
    has_begun: bool,
}

impl Reader {
    /// Subscribes, with perhaps a line of the head that says where it stood.
    fn subscribe(address: SocketAddr, index: usize, stops_behind: usize, line: &str) -> Reader {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a descriptor is left");
        if stops_behind < usize::MAX {
            socket.set_recv_buffer_size(16 * KIB).expect("a small buffer");
        }
        let source = SocketAddr::from((attackers_address(index / 500), 0));
        socket.bind(&source.into()).expect("a port is left");
        socket.connect(&address.into()).expect("somebody listens");
        let mut stream = TcpStream::from(socket);
        stream.write_all(get("/channels/news?mode=ndjson", line).as_bytes()).expect("the server reads");
        stream.set_nonblocking(true).expect("it can be");
        Reader {
            stream: mio::net::TcpStream::from_std(stream),
            part: Vec::new(),
            stops_behind,
            numbers: Vec::new(),
            cursor: String::new(),
            gaps: 0,
            next: Some(0),
            wrong: 0,
            has_begun: false,
        }
    }

    fn has_stopped(&self) -> bool {
        self.has_begun && self.numbers.len() >= self.stops_behind
    }

    /// Reads what there is, unless it has stopped; says whether there may be more to come.
    fn read(&mut self) -> std::io::Result<bool> {
        let mut buffer = [0; 16 * KIB];
        while !self.has_stopped() {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(count) => self.take(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Takes the next bytes of the answer apart: sizes of chunks and blank lines are passed over.
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes.read_until(b'\n', &mut self.part).expect("memory can be read");
            if self.part.last() != Some(&b'\n') {
                return;
            }
            let line = std::mem::take(&mut self.part);
            let line = String::from_utf8_lossy(&line);
            self.has_begun |= line.starts_with("HTTP/1.1 200 ");
            if line.starts_with("{\"gap\":true") || line == "Encke-Gap: true\r\n" {
                self.gaps += 1;
                self.next = None;
            }
            if let Some(number) = after(&line, "\"data\":\"n", '-') {
                let number = number.parse().expect("a number");
                self.wrong += usize::from(self.next.is_some_and(|next| next != number));
                self.next = Some(number + 1);
                self.numbers.push(number);
                self.cursor = after(&line, "\"id\":\"", '"').expect("an id").to_owned();
            }
        }
    }
}

/// What stands between a mark and an end.
fn after<'a>(line: &'a str, mark: &str, end: char) -> Option<&'a str> {
    let (_, rest) = line.split_once(mark)?;
    rest.split_once(end).map(|(found, _)| found)
}

/// Reads for everybody, until all who do not stop have the last message; gives them all back.
fn read_all(mut readers: Vec<Reader>, messages: usize, all_have_begun: &Sender<()>) -> Vec<Reader> {
    let mut poll = Poll::new().expect("a poll");
    for (index, reader) in readers.iter_mut().enumerate() {
        let registry = poll.registry();
        registry.register(&mut reader.stream, Token(index), Interest::READABLE).expect("it can be watched");
    }
    let mut events = Events::with_capacity(1024);
    let is_healthy = |reader: &Reader| reader.stops_behind == usize::MAX;
    let (mut beginning, mut reading) = (readers.len(), readers.iter().filter(|r| is_healthy(r)).count());
    let mut heard = Instant::now();
    while reading > 0 {
        poll.poll(&mut events, Some(Duration::from_millis(100))).expect("the poll works");
        for event in &events {
            let reader = &mut readers[event.token().0];
            let (had_begun, had) = (reader.has_begun, reader.numbers.len());
            let outcome = reader.read();
            assert!(
                !is_healthy(reader) || matches!(outcome, Ok(true)),
                "a healthy reader was cut: {outcome:?}"
            );
            if reader.has_begun && !had_begun {
                beginning -= 1;
                if beginning == 0 {
                    let _ = all_have_begun.send(());
                }
            }
            if is_healthy(reader) && reader.numbers.len() > had {
                heard = Instant::now();
                reading -= usize::from(reader.numbers.last() == Some(&(messages - 1)));
            }
        }
        assert!(heard.elapsed() < PATIENCE, "{reading} healthy readers hear nothing any more");
    }
    readers
}

/// One who stopped reads what it had got, comes back where it stood, and gets the rest or is told.
#[track_caller]
fn come_back(server: &Server, mut reader: Reader, messages: usize) -> Return {
    reader.stops_behind = usize::MAX;
    // What the systems between have got is there: the rest of it all, or a part and then the reset.
    let begun = Instant::now();
    while matches!(reader.read(), Ok(true)) && reader.numbers.last() != Some(&(messages - 1)) {
        assert!(begun.elapsed() < PATIENCE, "neither the rest nor an end comes");
    }
    assert_eq!(reader.wrong, 0, "in order, and what was missing was told");
    if reader.numbers.last() == Some(&(messages - 1)) {
        return Return::Unneeded;
    }
    let field = match reader.cursor.as_str() {
        // It has got nothing, not even the place where it stood: everything is news.
        "" => "Last-Event-ID: 0-0\r\n".to_owned(),
        cursor => format!("Last-Event-ID: {cursor}\r\n"),
    };
    let mut again = Reader::subscribe(server.address, 0, usize::MAX, &field);
    again.next = reader.next;
    let begun = Instant::now();
    while again.numbers.last() != Some(&(messages - 1)) {
        assert!(matches!(again.read(), Ok(true)), "who comes back is served");
        assert!(begun.elapsed() < PATIENCE, "the last message does not come");
        pause(Duration::from_micros(100));
    }
    assert_eq!(again.wrong, 0, "what was missed comes in order, or a notice");
    match again.gaps {
        0 => Return::Whole,
        _ => Return::Told,
    }
}

/// What somebody who comes back gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Return {
    /// It was not blocked: all that it had not read fitted into the kernel's buffers.
    Unneeded,
    Whole,
    /// What is held, and the notice that more is gone.
    Told,
}

#[test]
fn a_thousand_who_read_lose_nothing_beside_a_thousand_who_stop() {
    let _alone = alone();
    let form = Form::of_this_run();
    let (each, messages) = (form.pick(60, 1_000), form.pick(240, 400));
    // Who reads is late at times on a busy machine, where this one thread reads for a thousand.
    let (cut_after, grace) = form.pick(("5s", "3s"), ("10s", "5s"));
    let server =
        Server::start(&["--write-timeout", cut_after, "--grace", grace, "--memory", &MEMORY.to_string()]);
    let before = (user_bytes(server.id()), kernel_bytes());
    let readers: Vec<Reader> = (0..2 * each)
        .map(|index| {
            let stops_behind = if index % 2 == 0 { usize::MAX } else { index / 2 % 4 * messages / 4 };
            Reader::subscribe(server.address, index, stops_behind, "")
        })
        .collect();
    let (begun, all_have_begun) = channel();
    let reading = spawn(move || read_all(readers, messages, &begun));
    all_have_begun.recv_timeout(PATIENCE).expect("everybody is served");

    let mut publisher = Peer::connect(server.address);
    let started = Instant::now();
    let (mut user, mut kernel, mut queued) = (0, 0, 0);
    for number in 0..messages {
        let text = format!("n{number}-{}", "x".repeat(MESSAGE_BYTES));
        let length = text.len();
        publisher.send(&format!(
            "POST /channels/news HTTP/1.1\r\nHost: encke.test\r\nContent-Length: {length}\r\n\r\n{text}"
        ));
        publisher.until("}\n");
        if number % 20 == 0 {
            user = user.max(user_bytes(server.id()));
            kernel = kernel.max(kernel_bytes());
            queued = queued.max(queued_bytes(server.address));
            assert!(server.metric("encke_memory_bytes") <= MEMORY as f64);
        }
    }
    let readers = reading.join().expect("those who read are served");
    let took = started.elapsed();
    // Whoever is blocked is cut. The engine counts from the last byte that the kernel took, the kernel (TCP_USER_TIMEOUT) from the last that the
    // reader took: where messages come slowly the kernel may be first by a moment.
    let ended = Instant::now();
    while server.metric("encke_blocked_peers") > 0.0 {
        assert!(ended.elapsed() < 2 * PATIENCE, "who does not read is not cut");
        pause(Duration::from_millis(50));
    }
    let cut_in = ended.elapsed();
    let cuts = server.metric("encke_cuts_total");
    let (user, kernel) = (user.saturating_sub(before.0), kernel.saturating_sub(before.1));
    assert!(user <= MEMORY + 2 * each * EACH_MAX + 8 * MIB, "the server grew by {user} bytes");
    assert!(queued <= each * KERNEL_EACH_MAX + 64 * MIB, "{queued} bytes wait in the kernel");
    let (healthy, stopped): (Vec<Reader>, Vec<Reader>) =
        readers.into_iter().partition(|reader| reader.stops_behind == usize::MAX);
    for reader in &healthy {
        assert!(reader.numbers.iter().copied().eq(0..messages), "all of them, in order");
        assert_eq!(reader.gaps, 0);
    }
    drop(healthy);
    let returns: Vec<Return> =
        stopped.into_iter().map(|reader| come_back(&server, reader, messages)).collect();
    let count = |wanted| returns.iter().filter(|came| **came == wanted).count();
    let (told, whole, unneeded) = (count(Return::Told), count(Return::Whole), count(Return::Unneeded));
    tell(
        "readers who stop",
        format_args!(
            "{each} who read got all {messages} messages of 8 KiB beside {each} who stop, in {took:.1?}; the server grew by {} KiB, the kernel \
             by {} KiB, of which {} KiB unread or unsent; {} cut within {cut_in:.1?}, {cuts} of them by the engine; of those who came back {whole} \
             got everything and {told} were told",
            user / KIB,
            kernel / KIB,
            queued / KIB,
            each - unneeded,
        ),
    );
    assert!(told > 0 && whole > 0, "both happen");
    assert!(unneeded <= each / 4, "{unneeded} were not cut");
}

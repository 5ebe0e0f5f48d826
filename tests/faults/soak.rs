//! The soak: guests of every kind come and go for half an hour, and the server keeps nothing of them.
//!
//! The command runs with an allocator that counts (`examples/counted_serve.rs`). Between two rounds of guests everybody leaves, and then
//! what is allocated and not freed is asked for. It has to be the same each time: to the byte in the long form.
//!
//! ```text
//!   height ─► [ round ─► roll call ─► live bytes, memory, descriptors ] ─► [ round … ] ─► …
//! ```
//!
//! A few things are kept on purpose and bounded: tables as large as the largest crowd needed, and some spare buffers of at most 4 KiB, as
//! large as whoever used them last needed. So a crowd larger than any round comes first, in all states at once, and at
//! each roll call the same guests use every spare buffer for the same thing. What is left over then depends on nobody.
//!
//! Next: `guests.rs`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::guests::{CHANNELS, Guest, Line, STREAMS, post};
use crate::machine::{KIB, descriptors, resident_bytes, waited_for_a_processor};
use crate::running;
use crate::support::{PATIENCE, Server, get};
use crate::{Form, alone, tell};

/// Guests at a time, each with up to eight connections.
const GUESTS: usize = 32;
/// Rounds at most: between two, everybody leaves.
const ROUNDS: u32 = 60;
/// Waits that are short, and still long enough for guests who share a busy machine with others.
const FLAGS: [&str; 17] = [
    "--jsonp",
    "--history-count=200",
    "--history-bytes=256KiB",
    "--history-age=10s",
    "--memory=16MiB",
    "--heartbeat=500ms",
    "--poll-timeout=1s",
    "--head-timeout=10s",
    "--body-timeout=10s",
    "--keep-alive=20s",
    "--write-timeout=5s",
    "--grace=200ms",
    "--drain=2s",
    "--max-head=16KiB",
    "--max-body=1MiB",
    "--max-connections=16384",
    "--listen=127.0.0.1:0",
];

/// How much of the time has passed before what is left over may not change any more.
const SETTLED: (u32, u32) = (1, 6);
/// How far the process' size may be from what it was then, in percent.
const RESIDENT_PERCENT_MAX: usize = 10;
/// By how many bytes what is allocated may differ between two sights in the short form, where a busy machine makes now one table and now another
/// a little larger than any crowd before. Thousands of guests come in that time, and one byte kept of each is more.
const LIVE_SPREAD_MAX: usize = 2 * KIB;
/// A turn that took long, as the log has it.
const LONG_TURN: &str = "a turn took ";

/// The command with the counting allocator.
pub(crate) struct Counted {
    pub(crate) server: Server,
    questions: PipeWriter,
    answers: BufReader<PipeReader>,
    /// Lines of the log.
    log: Vec<String>,
    /// Its descriptors while nobody is there.
    pub(crate) descriptors: usize,
}

impl Counted {
    pub(crate) fn start() -> Counted {
        let (stdin, questions) = std::io::pipe().expect("a pipe");
        let (answers, stderr) = std::io::pipe().expect("a pipe");
        let mut command = Command::new(running::path("counted_serve"));
        let server = Server::spawn(command.args(FLAGS).stdin(stdin).stderr(stderr));
        let descriptors = descriptors(server.id());
        Counted { server, questions, answers: BufReader::new(answers), log: Vec::new(), descriptors }
    }

    /// Bytes that are allocated and not freed.
    fn live_bytes(&mut self) -> usize {
        self.questions.write_all(b"\n").expect("it reads");
        loop {
            let mut line = String::new();
            self.answers.read_line(&mut line).expect("it answers");
            match line.trim().strip_prefix("live ") {
                Some(count) => return count.parse().expect("a number"),
                None => self.log.push(line.trim().to_owned()),
            }
        }
    }

    /// Waits until it has closed all connections.
    #[track_caller]
    pub(crate) fn until_nobody_is_there(&self) {
        let begun = Instant::now();
        while descriptors(self.server.id()) != self.descriptors {
            assert!(begun.elapsed() < PATIENCE, "{} descriptors", descriptors(self.server.id()));
            std::thread::yield_now();
        }
    }

    /// What happens while it is stopped, it finds all at once.
    fn all_at_once(&self, act: impl FnOnce()) {
        self.server.signal("STOP");
        act();
        self.server.signal("CONT");
    }

    /// Looks at what is left when everybody has gone.
    pub(crate) fn look(&mut self, begun: Instant) -> Sight {
        self.until_nobody_is_there();
        roll_call(self.server.address);
        self.until_nobody_is_there();
        let live = self.live_bytes();
        Sight { after: begun.elapsed(), live, resident: resident_bytes(self.server.id()) }
    }
}

/// What was left at a moment at which nobody was there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    after: Duration,
    pub(crate) live: usize,
    resident: usize,
}

#[test]
fn after_any_number_of_guests_of_every_kind_the_server_is_what_it_was() {
    let _alone = alone();
    let seconds =
        std::env::var("ENCKE_SOAK").map(|text| text.parse().expect("ENCKE_SOAK is a number of seconds"));
    let length = Duration::from_secs(seconds.unwrap_or(Form::of_this_run().pick(20, 30 * 60)));
    let mut counted = Counted::start();
    let address = counted.server.address;
    height(&counted);
    counted.look(Instant::now());
    // Turns were long because the process was stopped.
    counted.log.clear();
    let (begun, waited) = (Instant::now(), waited_for_a_processor(counted.server.id()));
    let mut guests: Vec<Guest> = (1..=GUESTS).map(|number| Guest::new(address, number)).collect();
    let mut sights: Vec<Sight> = Vec::new();
    while begun.elapsed() < length {
        let end = Instant::now() + length / ROUNDS;
        std::thread::scope(|scope| {
            guests.iter_mut().for_each(|guest| drop(scope.spawn(move || guest.stay(end))));
        });
        sights.push(counted.look(begun));
    }
    let waited = waited_for_a_processor(counted.server.id()) - waited;
    let held_up = check_log(&counted.log, waited);
    let settled: Vec<Sight> =
        sights.iter().copied().filter(|sight| sight.after >= length * SETTLED.0 / SETTLED.1).collect();
    report(&counted, &guests, &settled, held_up);
    assert_same(&settled);
    let published = counted.server.metric("encke_messages_published_total");
    assert!(published > 0.0 && counted.server.metric("encke_panics_total") == 0.0);
}

/// That nothing has changed from one sight to the next.
fn assert_same(sights: &[Sight]) {
    let first = sights[0];
    for sight in sights {
        let spread = sight.live.abs_diff(first.live);
        let spread_max = Form::of_this_run().pick(LIVE_SPREAD_MAX, 0);
        assert!(spread <= spread_max, "live bytes have changed between two sights: {sights:#?}");
        let most = first.resident * (100 + RESIDENT_PERCENT_MAX) / 100;
        let least = first.resident * (100 - RESIDENT_PERCENT_MAX) / 100;
        assert!((least..=most).contains(&sight.resident), "the process has grown or shrunk: {sights:#?}");
    }
}

/// That nothing was logged, but of turns that took long while other processes had the processor. Says how many.
fn check_log(log: &[String], waited: Duration) -> usize {
    let mut held_up = Duration::ZERO;
    for line in log {
        let millis = line.split(LONG_TURN).nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        held_up += Duration::from_millis(millis.unwrap_or_else(|| panic!("it complains: {line}")));
    }
    assert!(held_up <= waited, "turns took {held_up:?}, and it waited for a processor {waited:?}: {log:#?}");
    log.len()
}

fn report(counted: &Counted, guests: &[Guest], settled: &[Sight], held_up: usize) {
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    for guest in guests {
        guest.done.iter().for_each(|(name, count)| *done.entry(name).or_default() += count);
    }
    let heard: usize = guests.iter().map(|guest| guest.heard).sum();
    let metric = |name: &str| counted.server.metric(name);
    let (first, last) = (settled[0], settled[settled.len() - 1]);
    let residents = || settled.iter().map(|sight| sight.resident);
    tell(
        "soak",
        format_args!(
            "{:.0?} with {GUESTS} guests: {} connections, {} requests, {} refused, {} messages published, {heard} heard and checked, \
             {} gaps told, {} cut. On {} sights from {:.0?} on: {} live bytes at the first and {} at the last, resident {} to {} KiB, \
             {} descriptors, {held_up} turns held up by other processes. {done:?}",
            last.after,
            metric("encke_connections_opened_total"),
            metric("encke_requests_total"),
            metric("encke_requests_refused_total"),
            metric("encke_messages_published_total"),
            metric("encke_gaps_total"),
            metric("encke_cuts_total"),
            settled.len(),
            first.after,
            first.live,
            last.live,
            residents().min().unwrap_or_default() / KIB,
            residents().max().unwrap_or_default() / KIB,
            counted.descriptors,
        ),
    );
}

/// A crowd larger than any round, in all states at once: every table is as large as it will ever be.
pub(crate) fn height(counted: &Counted) {
    let address = counted.server.address;
    // More channels and more audiences than guests ever have, each with more subscribers; and these hear nothing.
    let quiet = ["q1", "q2", "q3", "q4", "q5", "q6", "q7", "q8"];
    let quiet_streams = (0..3).flat_map(|_| every_stream(&quiet));
    let requests = quiet_streams.chain(every_stream(&CHANNELS));
    let mut lines: Vec<Line> = requests.map(|request| Line::sending(address, &request)).collect();
    lines.iter_mut().for_each(|line| drop(line.head()));
    let mut publishers: Vec<Line> = (0..300).map(|_| Line::connect(address)).collect();
    // Purses of grace that were emptied and filled again are remembered for ten seconds, and here are more than in any ten seconds to come.
    for _ in 0..4 {
        let mut silent = crowd_that_does_not_read(counted, &mut publishers);
        counted.all_at_once(|| publish(&mut publishers, 30_000));
        publishers.iter_mut().for_each(|line| drop(line.answer()));
        read_on(&mut silent);
    }
    // Channels are deleted that hold publishers.
    let silent = crowd_that_does_not_read(counted, &mut publishers);
    let mut deleter = Line::connect(address);
    counted.all_at_once(|| {
        publish(&mut publishers, 30_000);
        let delete = |channel| format!("DELETE /channels/{channel} HTTP/1.1\r\nHost: encke.test\r\n\r\n");
        deleter.send(&CHANNELS.map(delete).concat());
    });
    publishers.iter_mut().for_each(|line| drop(line.answer()));
    // Polls that wait, heads and bodies that do not end, and then everybody leaves in the same moment.
    for request in [
        &get("/channels/news?mode=poll", ""),
        "GET / HTTP/1.1\r\nHo",
        "POST /channels/news HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    ] {
        lines.extend((0..300).map(|_| Line::sending(address, request)));
    }
    counted.all_at_once(|| drop((lines, silent, publishers)));
}

/// Requests for streams of every kind; each pair of channels is an audience.
fn every_stream<'a>(channels: &'a [&'a str]) -> impl Iterator<Item = String> + 'a {
    let pairs = || channels.iter().flat_map(|one| channels.iter().map(move |other| (one, other)));
    STREAMS.iter().flat_map(move |mode| {
        pairs().map(move |(one, other)| get(&format!("/channels/{one}?{mode}&channel={other}"), ""))
    })
}

/// Subscribers who do not read, and what is published until their peer waits for them.
fn crowd_that_does_not_read(counted: &Counted, publishers: &mut [Line]) -> Vec<Line> {
    let address = counted.server.address;
    let requests = (0..3).flat_map(|_| every_stream(&CHANNELS));
    let silent = requests.map(|request| Line::sending_with_a_small_window(address, &request)).collect();
    for size in [20, 500, 3_000] {
        counted.all_at_once(|| publish(publishers, size));
        publishers.iter_mut().for_each(|line| drop(line.answer()));
    }
    silent
}

/// All publish, whose number is divided among the channels. Answers are not read.
fn publish(publishers: &mut [Line], size: usize) {
    for (line, channel) in publishers.iter_mut().zip(CHANNELS.iter().cycle()) {
        line.send(&post(&format!("POST /channels/{channel}"), "", &"x".repeat(size)));
    }
}

/// They read what there is, many at a time.
fn read_on(silent: &mut [Line]) {
    std::thread::scope(|scope| {
        for some in silent.chunks_mut(8) {
            scope.spawn(|| {
                some.iter_mut().for_each(|line| line.listen(Duration::from_millis(150), |_| false))
            });
        }
    });
}

/// The last guests before a look at what is left, the same each time: they use each spare buffer for something that is too large to be kept.
fn roll_call(address: SocketAddr) {
    let large = "x".repeat(10_000);
    // All at once they publish something large. Who is told to go on has its buffers.
    let head =
        "POST /channels/roll HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\nExpect: 100-continue\r\n\r\n";
    call(address, [head, &large]);
    let delete = |line: &mut Line, channel: &str| {
        line.send(&format!("DELETE /channels/{channel} HTTP/1.1\r\nHost: encke.test\r\n\r\n"));
        line.answer();
    };
    let mut last = Line::connect(address);
    CHANNELS.iter().for_each(|channel| delete(&mut last, channel));
    // A message that is larger than the hub's scratch buffers keep.
    let mut reader = Line::sending(address, &get("/channels/roll?mode=sse", ""));
    reader.head();
    last.send(&post("POST /channels/roll", "", &"x".repeat(40_000)));
    last.answer();
    reader.listen_for(40_000);
    drop(reader);
    // The queue of ages gives memory back when most of it is for messages that are gone, behind one that is not: which therefore may
    // not become too old while this goes on.
    for channel in ["news"].into_iter().chain(["roll"; 300]) {
        last.send(&post(&format!("POST /channels/{channel}"), "", "x"));
        last.answer();
    }
    ["roll", "news"].iter().for_each(|channel| delete(&mut last, channel));
    drop(last);
    // All at once they send a large half of a head, and then the rest. Whose request before it is answered has that half in its buffers.
    let half = format!("{}GET /metrics HTTP/1.1\r\nHost: a\r\nX-Large: {large}", get("/healthz", ""));
    call(address, [&half, "\r\n\r\n"]);
}

/// Guests, more than there are spare buffers, who send the first part and are answered, and then the second.
fn call(address: SocketAddr, parts: [&str; 2]) {
    let mut lines: Vec<Line> = (0..100).map(|_| Line::connect(address)).collect();
    for part in parts {
        lines.iter_mut().for_each(|line| line.send(part));
        for line in &mut lines {
            let answer = line.answer();
            assert!(answer.starts_with("HTTP/1.1 "), "somebody is cut at the roll call: {answer:?}");
        }
    }
}

//! Links that are cut by the thousand, by a FIN or by a reset, half of them while messages are on their way to them.
//!
//! In this process, so that every event can be counted: exactly one `End` for each `Begin`, the state of each exchange dropped, every
//! descriptor given back. Then the same against the command, whose memory is counted (`soak.rs`).
//!
//! Next: `restarts.rs`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread::{JoinHandle, spawn};
use std::time::Instant;

use encke::{Cause, Core, Ctx, Event, Handler, Limits, Message, Reactor, Remote, Since, WireFormat};

use crate::guests::{Line, post};
use crate::machine::descriptors;
use crate::soak::{Counted, height};
use crate::support::{PATIENCE, Peer, get};
use crate::{Form, alone, tell};

/// Links open at once: both ends of each are in this process.
const ROUND: usize = 1_000;
/// Messages of a fan-out that is cut.
const BURST: usize = 40;

/// How often what happened.
#[derive(Default)]
struct Counts {
    begins: AtomicUsize,
    ends: AtomicUsize,
    /// `End` without a `Begin` before it, as a second one would be.
    strays: AtomicUsize,
    resets: AtomicUsize,
    fins: AtomicUsize,
    others: AtomicUsize,
    /// States that are not dropped.
    states: AtomicUsize,
}

impl Counts {
    fn of(count: &AtomicUsize) -> usize {
        count.load(Ordering::SeqCst)
    }
}

fn add(count: &AtomicUsize) {
    count.fetch_add(1, Ordering::SeqCst);
}

/// What an exchange has from its `Begin` to its `End`.
struct Life(Arc<Counts>);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.states.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts every event, and answers everybody with the channel `news`.
struct Counting(Arc<Counts>);

impl Handler for Counting {
    type State = Option<Life>;

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, Option<Life>>) {
        match event {
            Event::Begin(_) => {
                add(&self.0.begins);
                add(&self.0.states);
                *ctx.state = Some(Life(self.0.clone()));
                ctx.subscribe(&["news"], Since::Head, WireFormat::SSE).expect("a good name");
                ctx.start(200, &[]).expect("it may answer");
            }
            Event::Error(Cause::Reset) => add(&self.0.resets),
            Event::Error(Cause::Disconnected) => add(&self.0.fins),
            Event::Error(_) => add(&self.0.others),
            Event::End(_) if ctx.state.is_none() => add(&self.0.strays),
            Event::End(_) => add(&self.0.ends),
            Event::Read(_) => {}
        }
    }
}

/// The reactor on its thread, which ends with the test.
struct Running {
    address: SocketAddr,
    counts: Arc<Counts>,
    remote: Remote<Counting>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start() -> Running {
        let counts = Arc::new(Counts::default());
        let (sender, receiver) = channel();
        let handler = Counting(counts.clone());
        let thread = spawn(move || {
            let mut reactor = Reactor::bind("127.0.0.1:0", handler, Limits::default()).expect("a free port");
            let address = reactor.local_addr().expect("a port");
            sender.send((address, reactor.remote())).expect("the test waits");
            reactor.run().expect("the poll works");
        });
        let (address, remote) = receiver.recv_timeout(PATIENCE).expect("the reactor starts");
        Running { address, counts, remote, thread: Some(thread) }
    }

    /// Asks the engine something.
    fn ask<R: Send + 'static>(&self, question: impl FnOnce(&mut Core) -> R + Send + 'static) -> R {
        let (sender, receiver) = channel();
        let posted = self.remote.post(move |_, core| sender.send(question(core)).expect("the test waits"));
        assert!(posted.is_ok(), "there is room");
        receiver.recv_timeout(PATIENCE).expect("the loop goes on")
    }

    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&Counts) -> bool) {
        let begun = Instant::now();
        while !is_so(&self.counts) {
            assert!(begun.elapsed() < PATIENCE, "{what}");
            std::thread::yield_now();
        }
    }

    /// Opens links, and waits until each of them has the head of its answer.
    fn connect(&self, count: usize) -> Vec<Peer> {
        let mut peers: Vec<Peer> = (0..count)
            .map(|_| Peer::ask(self.address, &get("/news", "Accept: text/event-stream\r\n")))
            .collect();
        for peer in &mut peers {
            peer.until("\r\n\r\n");
        }
        peers
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.remote.post(|_, core| core.shutdown());
        if let Some(thread) = self.thread.take() {
            let outcome = thread.join();
            assert!(outcome.is_ok() || std::thread::panicking(), "the reactor panicked");
        }
    }
}

/// Every second one by a reset.
fn cut(peers: Vec<Peer>) {
    for (number, peer) in peers.into_iter().enumerate() {
        match number % 2 {
            0 => drop(peer),
            _ => peer.reset(),
        }
    }
}

#[test]
fn every_link_that_is_cut_ends_exactly_once_and_leaves_nothing() {
    let _alone = alone();
    let rounds = Form::of_this_run().pick(1, 10);
    let running = Running::start();
    // The mailbox has been used once.
    running.ask(|_| ());
    let before = descriptors(std::process::id());
    let (mut halfway, mut begun_in) = (0, 0);
    let begun = Instant::now();
    for round in 1..=rounds {
        let mut peers = running.connect(ROUND);
        // Half of them while nothing is under way…
        cut(peers.split_off(ROUND / 2));
        running
            .until("half of them end", |counts| Counts::of(&counts.ends) == (round - 1) * ROUND + ROUND / 2);
        // …and half in the middle of a fan-out. The first message has begun to go out when the command has been answered.
        let delivered = running.ask(|core| core.hub().stats().delivered);
        let posted = running.remote.post(|_, core| {
            for number in 0..BURST {
                core.publish("news", Message::new(&format!("{number} {}", "x".repeat(4_000))))
                    .expect("a good name");
            }
        });
        assert!(posted.is_ok());
        running.ask(|_| ());
        cut(peers);
        running.until("all of them end", |counts| Counts::of(&counts.ends) == round * ROUND);
        let made = running.ask(|core| core.hub().stats().delivered) - delivered;
        halfway += usize::from(made > 0 && made < (BURST * ROUND / 2) as u64);
        begun_in += made as usize;
    }
    let took = begun.elapsed();
    let links = rounds * ROUND;
    let counts = &running.counts;
    let of = Counts::of;
    assert_eq!((of(&counts.begins), of(&counts.ends), of(&counts.strays)), (links, links, 0));
    assert_eq!(of(&counts.resets) + of(&counts.fins) + of(&counts.others), links, "one cause each");
    assert_eq!(of(&counts.states), 0, "states that were not dropped");
    let left = running.ask(|core| (core.connections(), core.exchanges(), core.hub().stats().subscribers));
    assert_eq!(left, (0, 0, 0));
    let after = descriptors(std::process::id());
    assert_eq!(after, before, "descriptors");
    assert!(of(&counts.resets) > 0 && of(&counts.fins) > 0, "both kinds are seen");
    tell(
        "links cut",
        format_args!(
            "{links} links cut in {took:.1?}, half of them in fan-outs of {BURST} messages ({halfway} of {rounds} were under way, {begun_in} of {} \
             messages handed over): {} Begin, {} End, {} told as FIN, {} as reset, {} otherwise, {before} descriptors before and {after} after",
            BURST * links / 2,
            of(&counts.begins),
            of(&counts.ends),
            of(&counts.fins),
            of(&counts.resets),
            of(&counts.others),
        ),
    );
}

/// Comes in one of the states that a connection can be in, and has reached it when this returns.
fn come(address: SocketAddr, number: usize) -> Line {
    let mut line = Line::connect(address);
    match number % 5 {
        0 => {}
        1 => line.send("GET /healthz HTTP/1.1\r\nHost: encke.te"),
        2 => {
            line.send(&get("/healthz", ""));
            line.answer();
        }
        3 => line.send(&get("/channels/news?mode=poll", "")),
        _ => {
            line.send(&get("/channels/news?mode=sse", ""));
            line.head();
        }
    }
    line
}

#[test]
fn after_ten_thousand_connects_and_disconnects_counts_and_memory_are_what_they_were() {
    let _alone = alone();
    let (rounds, crowd) = (Form::of_this_run().pick(10, 30), 1_000);
    let mut counted = Counted::start();
    let address = counted.server.address;
    let come_all = || -> Vec<Line> {
        let mut lines: Vec<Line> = (0..crowd).map(|number| come(address, number)).collect();
        lines[0].send(&post("POST /channels/news", "", "all of you"));
        lines
    };
    let leave_all = |lines: Vec<Line>| {
        for (number, line) in lines.into_iter().enumerate() {
            match number / 5 % 2 {
                0 => drop(line),
                _ => line.reset(),
            }
        }
    };
    // Tables and queues grow before, as for the soak, and to the size of this crowd.
    height(&counted);
    leave_all(come_all());
    let begun = Instant::now();
    let before = counted.look(begun);
    for _ in 0..rounds {
        leave_all(come_all());
        counted.until_nobody_is_there();
    }
    let took = begun.elapsed();
    let after = counted.look(begun);
    // The one that asks is there.
    for name in
        ["encke_subscribers", "encke_channels", "encke_messages", "encke_memory_bytes", "encke_blocked_peers"]
    {
        assert_eq!(counted.server.metric(name), 0.0, "{name}");
    }
    tell(
        "come and gone",
        format_args!(
            "{} connections in five states came and went in {took:.1?}: {} live bytes before and {} after, {} descriptors before and after",
            rounds * crowd,
            before.live,
            after.live,
            counted.descriptors,
        ),
    );
    assert_eq!(after.live, before.live, "live bytes");
}

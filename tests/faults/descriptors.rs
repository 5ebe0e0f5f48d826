//! No descriptor is left: accepting pauses, costs nothing and is told once; whoever waits is served as soon as there is one.
//!
//! The bound of open files is set on the running server from outside (`prlimit`), so it is the kernel's own `EMFILE`.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::machine::{pause, processor_time};
use crate::support::{Folder, PATIENCE, Peer, Server, encke, get};
use crate::visitor::HEALTHY;
use crate::{Form, alone, tell};

/// What the server says when it has no descriptor.
const TOLD: &str = "accepting pauses until a connection closes";

/// How much of a processor's time may go by while nothing can be done, in percent.
const BUSY_MAX: f64 = 5.0;

/// A server with its log in a file.
struct Logged {
    server: Server,
    folder: Folder,
}

impl Logged {
    #[track_caller]
    fn start() -> Logged {
        let folder = Folder::new("descriptors");
        let log = File::create(folder.path("log")).expect("a new file");
        let server = Server::spawn(encke().args(["--listen", "127.0.0.1:0"]).stderr(log));
        Logged { server, folder }
    }

    /// How often it has said that accepting pauses.
    fn times_told(&self) -> usize {
        fs::read_to_string(self.folder.path("log")).expect("a log").matches(TOLD).count()
    }

    /// Lets it open so many files more than it has.
    fn allow(&self, more: usize) {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.server.id())).expect("it runs").flatten();
        let open: BTreeSet<u64> =
            entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        // The bound is one of numbers, of which the lowest that is free is always taken.
        let bound = (0..).filter(|number| !open.contains(number)).nth(more);
        let server = Pid::from_raw(i32::try_from(self.server.id()).expect("a process")).expect("a process");
        // The hard limit stays as it was inherited: one that is lowered needs a privilege to be raised.
        let maximum = getrlimit(Resource::Nofile).maximum;
        prlimit(Some(server), Resource::Nofile, Rlimit { current: bound, maximum })
            .expect("one's own child can be bounded");
    }

    #[track_caller]
    fn until_told(&self) {
        let begun = Instant::now();
        while self.times_told() == 0 {
            assert!(begun.elapsed() < PATIENCE, "it does not say that it has no descriptor");
            pause(Duration::from_millis(1));
        }
    }

    /// Somebody who asks for the stream, and is perhaps not heard yet.
    fn subscriber(&self) -> Peer {
        let mut peer = Peer::connect_from(HEALTHY, self.server.address);
        peer.send(&get("/channels/news?mode=ndjson", ""));
        peer
    }
}

#[test]
fn without_descriptors_accepting_pauses_and_whoever_waits_is_served_later() {
    let _alone = alone();
    let form = Form::of_this_run();
    let (places, stuck_for) =
        (form.pick(50, 1_000), form.pick(Duration::from_secs(1), Duration::from_secs(10)));
    let logged = Logged::start();
    let server = &logged.server;
    // One more, by which to publish while nobody comes in.
    logged.allow(places + 1);
    let mut publisher = Peer::connect(server.address);
    let mut publish = |text: &str| {
        let length = text.len();
        publisher.send(&format!(
            "POST /channels/news HTTP/1.1\r\nHost: encke.test\r\nContent-Length: {length}\r\n\r\n{text}"
        ));
        publisher.until("}\n")
    };
    publish("first");
    let mut inside: Vec<Peer> = (0..places).map(|_| logged.subscriber()).collect();
    inside.iter_mut().for_each(|peer| drop(peer.until("\r\n\r\n")));
    let mut waiting: Vec<Peer> = (0..places).map(|_| logged.subscriber()).collect();
    logged.until_told();

    // While it can do nothing, it does nothing but serve those inside.
    let before = processor_time(server.id());
    pause(stuck_for);
    let busy = (processor_time(server.id()) - before).as_secs_f64() / stuck_for.as_secs_f64() * 100.0;
    assert!(busy <= BUSY_MAX, "{busy:.1}% of a processor while it waits for a descriptor");
    let answer = publish("meanwhile");
    assert!(answer.contains(&format!("\"subscribers\":{places}")), "{answer}");
    inside.iter_mut().for_each(|peer| drop(peer.until("meanwhile")));
    assert_eq!(logged.times_told(), 1, "told once, however often it was tried");

    // One by one they leave, and each makes room for one who waits.
    let freed = Instant::now();
    for (leaver, next) in inside.drain(..).zip(&mut waiting) {
        leaver.reset();
        next.until("\r\n\r\n");
    }
    let served_in = freed.elapsed();
    assert_eq!(logged.times_told(), 1, "told once for the whole of it");
    assert!(publish("later").contains(&format!("\"subscribers\":{places}")));
    waiting.iter_mut().for_each(|peer| drop(peer.until("later")));
    tell(
        "no descriptors",
        format_args!(
            "{places} inside and as many waiting: {busy:.1}% busy over {stuck_for:?}, told {} time(s), then all {places} served in {served_in:.1?}",
            logged.times_told()
        ),
    );
}

#[test]
fn a_raised_bound_is_found_without_anybody_leaving() {
    let _alone = alone();
    let logged = Logged::start();
    logged.allow(1);
    let mut first = logged.subscriber();
    first.until("\r\n\r\n");
    let mut second = logged.subscriber();
    logged.until_told();
    let raised = Instant::now();
    logged.allow(1);
    second.until("\r\n\r\n");
    tell("no descriptors, bound raised", format_args!("served {:.1?} later", raised.elapsed()));
}

//! Every embedding example as its user has it: a program that was started, with real sockets, in the loop that it shows.
//!
//! Each is asked for the same: a request is served, a stream gets what the host's own source tells, a timer goes off in time, fifty idle
//! subscribers cost not one wake-up and no CPU, and the host's word ends it. Then what `echo_upgrade` and `bare_engine` show.
#![cfg(target_os = "linux")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use support::{PATIENCE, Peer, get};

/// An example that runs, and where it listens.
struct Program {
    child: Child,
    addresses: Vec<SocketAddr>,
    _out: BufReader<ChildStdout>,
}

impl Program {
    /// Starts an example, and returns when it has said where it listens.
    #[track_caller]
    fn start(name: &str) -> Program {
        Program::spawn(name, &mut example(name))
    }

    /// Starts it where it may have so many descriptors and no more.
    #[track_caller]
    fn start_with_descriptors(name: &str, count: usize) -> Program {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("ulimit -n {count}; exec \"$0\" \"$@\"")])
            .arg(example(name).get_program());
        Program::spawn(name, &mut shell)
    }

    #[track_caller]
    fn spawn(name: &str, command: &mut Command) -> Program {
        let mut child = command.args(["0", "0"]).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("the first line");
        let words = line.split_whitespace().map(|word| word.trim_start_matches("http://"));
        let addresses: Vec<SocketAddr> = words.filter_map(|word| word.parse().ok()).collect();
        assert!(!addresses.is_empty(), "{name} says {line:?}");
        Program { child, addresses, _out: out }
    }

    fn http(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// How often its threads went to sleep, all together: each wake-up is followed by one.
    fn sleeps(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it runs");
        let of_one = |task: std::io::Result<std::fs::DirEntry>| {
            let path = task.expect("a thread").path().join("status");
            let status = std::fs::read_to_string(path).expect("it runs");
            let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            count.expect("Linux tells").trim().parse::<u64>().expect("a number")
        };
        tasks.map(of_one).sum()
    }

    /// CPU time so far, in hundredths of a second: a loop that spins never sleeps, and is found by this.
    fn cpu(&self) -> u64 {
        let path = format!("/proc/{}/stat", self.child.id());
        let stat = std::fs::read_to_string(path).expect("it runs");
        // The name before may hold anything, also a bracket.
        let fields = stat.rsplit_once(')').expect("a name in brackets").1;
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum()
    }

    /// How many descriptors it has.
    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }

    /// Kilobytes of memory that it holds, at most so far.
    fn memory_max(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Sends SIGTERM.
    fn signal(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    }

    #[track_caller]
    fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An example, built as the sources are now: cargo does not do that for a test that is run alone.
#[track_caller]
fn example(name: &str) -> Command {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        // This test lies in target/PROFILE/deps.
        let own = std::env::current_exe().expect("a path");
        let folder = own.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps");
        let profile = folder.file_name().and_then(|name| name.to_str()).expect("a profile");
        let profile = if profile == "debug" { "dev" } else { profile };
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--examples", "--profile", profile])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(status.expect("cargo runs").success(), "the examples are built");
        folder.join("examples")
    });
    Command::new(folder.join(name))
}

/// That a program does nothing at all for a second, in which one of its peers waits in vain.
fn assert_idle(name: &str, program: &Program, peer: &mut Peer) {
    // Once it sleeps it stays asleep: this read runs into its timeout, which is the second that nothing may happen in.
    peer.set_patience(Duration::from_millis(200));
    assert!(peer.drain().is_err(), "nothing comes");
    let (sleeps, cpu) = (program.sleeps(), program.cpu());
    peer.set_patience(Duration::from_secs(1));
    assert!(peer.drain().is_err(), "nothing comes");
    peer.set_patience(PATIENCE);
    let (woken, spent) = (program.sleeps() - sleeps, program.cpu() - cpu);
    println!("{name}: {woken} wake-ups and {spent} hundredths of CPU in a second");
    assert_eq!((woken, spent), (0, 0), "wake-ups, and CPU, in a second without anything to do");
}

/// Puts an embedding example through all that it promises. `tell` is the host's own source.
fn try_host(name: &str, channel: &str, tell: fn(&Program, &str)) {
    let mut program = Program::start(name);

    let answer =
        Peer::ask(program.http(), &get("/", "Connection: close\r\n")).drain().expect("a whole answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n1 open\n"), "{answer}");

    let begun = Instant::now();
    Peer::ask(program.http(), &get("/later", "")).until("\r\n\r\nhalf a second later\n");
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(500) && took < Duration::from_secs(5), "{took:?}");

    let mut peers: Vec<Peer> =
        (0..50).map(|_| Peer::ask(program.http(), &get(&format!("/{channel}"), ""))).collect();
    for peer in &mut peers {
        assert!(peer.until("\r\n\r\n").starts_with("HTTP/1.1 200 OK\r\n"));
    }
    tell(&program, "hello");
    for peer in &mut peers {
        peer.until("data: hello\n\n\r\n");
    }

    assert_idle(name, &program, &mut peers[0]);

    tell(&program, "again");
    for peer in &mut peers {
        peer.until("data: again\n\n\r\n");
    }
    tell(&program, "stop");
    for peer in &mut peers {
        assert_eq!(peer.drain().expect("the stream ends by itself"), "0\r\n\r\n");
    }
    assert!(program.wait().success());
}

/// A line to a port of the host's.
fn say(address: SocketAddr, text: &str) {
    let mut stream = TcpStream::connect(address).expect("the host listens");
    stream.write_all(format!("{text}\n").as_bytes()).expect("the host reads");
}

fn say_by_datagram(program: &Program, text: &str) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.send_to(text.as_bytes(), program.addresses[1]).expect("the host listens");
}

#[test]
fn embed_in_your_own_loop_keeps_its_promises() {
    try_host("embed_in_your_own_loop", "udp", say_by_datagram);
}

#[test]
fn in_tokio_keeps_its_promises() {
    try_host("in_tokio", "lines", |program, text| say(program.addresses[1], text));
}

#[test]
fn in_tokio_takes_every_line_but_one_without_end() {
    let program = Program::start("in_tokio");
    let mut listener = Peer::ask(program.http(), &get("/lines", ""));
    listener.until("\r\n\r\n");
    let longest = "x".repeat(4096);
    let mut teller = TcpStream::connect(program.addresses[1]).expect("the host listens");
    teller.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    // Latin-1 is no UTF-8.
    teller.write_all(b"caf\xe9 au lait\r\n").expect("the host reads");
    teller.write_all(format!("{longest}\nnext\n").as_bytes()).expect("the host reads");
    listener.until("data: caf\u{fffd} au lait\n\n");
    listener.until(&format!("data: {longest}\n\n"));
    listener.until("data: next\n\n");
    teller.write_all(format!("{longest}x").as_bytes()).expect("the host reads");
    assert_eq!(teller.read(&mut [0]).expect("an end, as all was read"), 0);
}

#[test]
fn in_mio_keeps_its_promises() {
    try_host("in_mio", "lines", |program, text| say(program.http(), text));
}

/// Has a host run out of descriptors at its own listener, which it has to outlive, and without a spin. Then they are free again.
#[track_caller]
fn exhaust(name: &str, own: fn(&Program) -> SocketAddr) -> Program {
    const DESCRIPTORS: usize = 40;
    let mut program = Program::start_with_descriptors(name, DESCRIPTORS);
    let mut crowd: Vec<Peer> = (0..2 * DESCRIPTORS).map(|_| Peer::connect(own(&program))).collect();
    let begun = Instant::now();
    while program.descriptors() < DESCRIPTORS {
        assert!(begun.elapsed() < PATIENCE, "{name} has {} descriptors", program.descriptors());
        std::thread::yield_now();
    }
    let cpu = program.cpu();
    let last = crowd.last_mut().expect("a crowd");
    last.set_patience(Duration::from_secs(1));
    let _ = last.drain();
    let spent = program.cpu() - cpu;
    assert!(spent < 30, "{name} spends {spent} hundredths of CPU on waiting for descriptors");
    assert!(program.child.try_wait().expect("a child can be waited for").is_none(), "{name} runs on");
    crowd.into_iter().for_each(Peer::reset);
    let mut late = Peer::ask(program.http(), &get("/", "Connection: close\r\n"));
    assert!(late.drain().expect("a whole answer").ends_with(" open\n"));
    program
}

#[test]
fn no_host_ends_for_want_of_descriptors() {
    exhaust("embed_in_your_own_loop", Program::http);
    exhaust("in_mio", Program::http);
    let mut program = exhaust("in_tokio", |program| program.addresses[1]);
    say(program.addresses[1], "stop");
    assert!(program.wait().success());
}

/// That nobody can connect once a host has been told to stop, also while it still has somebody to wait for. `tell` is its own source.
#[track_caller]
fn assert_closes_its_door(name: &str, tell: fn(&Program, &str)) {
    let mut program = Program::start(name);
    let mut listener = Peer::ask(program.http(), &get("/lines", ""));
    listener.until("\r\n\r\n");
    tell(&program, "stop");
    // It is told that this is the end, and does not close its own side: so long the host waits for it.
    listener.drain().expect("the stream ends");
    let begun = Instant::now();
    while TcpStream::connect(program.http()).is_ok() {
        assert!(begun.elapsed() < PATIENCE, "{name} listens on");
    }
    assert!(
        program.child.try_wait().expect("a child can be waited for").is_none(),
        "{name} listens to its end"
    );
    drop(listener);
    assert!(program.wait().success());
}

#[test]
fn who_hosts_an_engine_stops_listening_when_a_shutdown_begins() {
    assert_closes_its_door("in_mio", |program, text| say(program.http(), text));
    assert_closes_its_door("embed_in_your_own_loop", say_by_datagram);
}

#[test]
fn in_mio_knows_its_two_protocols_however_the_bytes_are_cut() {
    let program = Program::start("in_mio");
    let mut listener = Peer::ask(program.http(), "G");
    listener.send("ET /lines HTTP/1.1\r\nHost: a\r\n");
    listener.send("\r\n");
    listener.until("\r\n\r\n");
    let mut teller = Peer::ask(program.http(), "one\ntw");
    teller.send("o\n");
    listener.until("data: one\n\n");
    listener.until("data: two\n\n");
    // A line without end is not waited for.
    let stream = TcpStream::connect(program.http()).expect("the host listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let endless = std::thread::spawn({
        let mut stream = stream.try_clone().expect("a descriptor is left");
        move || while stream.write_all(&[b'x'; 1024]).is_ok() {}
    });
    let mut rest = Vec::new();
    assert!({ &stream }.read_to_end(&mut rest).is_err() || rest.is_empty());
    endless.join().expect("the writer is cut off");
}

#[test]
fn in_mio_takes_lines_as_they_come_and_its_visitors_at_their_first_word() {
    let program = Program::start("in_mio");
    let mut listener = Peer::ask(program.http(), &get("/lines", ""));
    listener.until("\r\n\r\n");
    // A line that looks like HTTP's, from somebody who speaks in lines.
    let _teller = Peer::ask(program.http(), "hello\nHello again\n4 and no line yet");
    listener.until("data: hello\n\n");
    listener.until("data: Hello again\n\n");
    // Far more than a line may be long, at once, and cut where no line ends.
    let burst: String = (0..3000).map(|number| format!("number {number}\n")).collect();
    let _crier = Peer::ask(program.http(), &burst);
    for number in 0..3000 {
        listener.until(&format!("data: number {number}\n\n"));
    }
}

#[test]
fn a_port_that_is_none_is_told_in_one_sentence() {
    for name in ["chat", "echo_upgrade", "embed_in_your_own_loop", "in_mio", "in_tokio", "random"] {
        let output = example(name).arg("70000").output().expect("it runs");
        let told = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{name} says {told}");
        assert_eq!(told, "a port is a number from 0 to 65535, and not \"70000\"\n", "{name}");
    }
}

#[test]
fn an_example_drains_at_a_signal_and_ends_at_the_second() {
    for (name, path) in [("quotes", "/quotes"), ("random", "/testComet.do")] {
        let mut program = Program::start(name);
        let mut peer = Peer::ask(program.http(), &get(path, ""));
        peer.until("HTTP/1.1 ");
        program.signal();
        // It is told the end and does not close its own side: so long the example waits for it.
        peer.drain().expect("an end");
        program.signal();
        assert_eq!(program.wait().code(), Some(128 + 15), "{name}: as a shell tells of a SIGTERM");
    }
}

#[test]
fn echo_upgrade_gives_back_what_it_gets_and_does_not_read_what_nobody_takes() {
    const TOTAL: usize = 32 * 1024 * 1024;
    let mut program = Program::start("echo_upgrade");
    let request = get("/", "Connection: upgrade\r\nUpgrade: echo\r\n");
    let mut peer = Peer::ask(program.http(), &request);
    let head = peer.until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    let tunnels: Vec<Peer> = (0..49).map(|_| Peer::ask(program.http(), &request)).collect();
    assert_idle("echo_upgrade", &program, &mut peer);
    peer.send("hello");
    assert_eq!(peer.take(5), "hello");
    let before = program.memory_max();

    // Sends without reading, until nothing is taken any more: by then the kernel holds what it can, and the example its bound.
    let mut stream = peer.into_stream();
    stream.set_write_timeout(Some(Duration::from_millis(500))).expect("a timeout can be set");
    // No power of two, so that a piece that is lost or doubled shows.
    let pattern: Vec<u8> = (0..251).collect();
    let mut piece = pattern.repeat(TOTAL / pattern.len() + 1);
    piece.truncate(TOTAL);
    let mut sent = 0;
    while let Ok(count) = stream.write(&piece[sent..(sent + 65_536).min(TOTAL)]) {
        sent += count;
        assert!(sent < TOTAL, "everything is taken of a peer that does not read");
    }
    let held = program.memory_max() - before;
    println!("{sent} bytes sent and not read cost the example {held} kB");
    assert!(held < 2048, "{held} kB");

    // Then both at once, and all comes back as it went.
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let mut writer = stream.try_clone().expect("a descriptor is left");
    let rest = piece[sent..].to_vec();
    let sending = std::thread::spawn(move || {
        writer.write_all(&rest)?;
        writer.shutdown(Shutdown::Write)
    });
    let mut heard = Vec::with_capacity(TOTAL);
    stream.read_to_end(&mut heard).expect("all of it comes back, and then the end");
    assert!(heard == piece, "in order and whole, though its sender shut down its side first");
    sending.join().expect("the writer ends").expect("everything is taken");

    drop(tunnels);
    let stop = "POST /stop HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    let answer = Peer::ask(program.http(), stop).drain().expect("a whole answer");
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
    assert!(program.wait().success());
}

#[test]
fn echo_upgrade_tells_others_what_it_speaks() {
    let program = Program::start("echo_upgrade");
    for request in
        [get("/", "Connection: close\r\n"), get("/", "Connection: close, upgrade\r\nUpgrade: websocket\r\n")]
    {
        let answer = Peer::ask(program.http(), &request).drain().expect("a whole answer");
        assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains("Upgrade: echo\r\n"), "{answer}");
    }
    let old = "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    let answer = Peer::ask(program.http(), old).drain().expect("a whole answer");
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[test]
fn bare_engine_prints_the_transcript_of_its_header() {
    let output = example("bare_engine").output().expect("it runs");
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).expect("text");
    let source = include_str!("../examples/bare_engine.rs");
    let block = source.split("```").nth(1).expect("a block").strip_prefix("text\n").expect("of text");
    let lines = block.lines().map(|line| line.trim_start_matches("//!"));
    let shown: Vec<&str> = lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect();
    assert_eq!(printed.trim_end(), shown.join("\n").trim_end());
}

#[test]
fn the_guide_shows_what_the_examples_are() {
    let sources = [
        include_str!("../examples/in_mio.rs"),
        include_str!("../examples/in_tokio.rs"),
        include_str!("../examples/embed_in_your_own_loop/host.rs"),
    ];
    let guide = include_str!("../docs/embedding.md");
    let shown: Vec<&str> =
        guide.split("```rs\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(shown.len(), 3, "a block that is not run is cut from an example");
    for block in shown {
        assert!(sources.iter().any(|source| source.contains(block)), "no example has\n{block}");
    }
}

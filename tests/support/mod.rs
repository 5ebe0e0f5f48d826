//! What tests over real sockets share: the command as a child that cannot outlive its test, and a peer that waits for facts.
//!
//! Nothing here waits for a length of time. A peer reads until what it waits for is there, and gives up after [`PATIENCE`], which
//! only a broken server ever needs.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// How long anything may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running `encke`, on a port of its own.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    _out: BufReader<ChildStdout>,
}

impl Server {
    /// Starts the command with these flags, and returns when it listens.
    #[track_caller]
    pub(crate) fn start(flags: &[&str]) -> Server {
        Server::start_at("127.0.0.1:0", flags)
    }

    /// Starts it at an address of the test's choosing.
    #[track_caller]
    pub(crate) fn start_at(address: &str, flags: &[&str]) -> Server {
        Server::spawn(encke().args(["--listen", address]).args(flags))
    }

    /// Starts what a test has prepared: the command, perhaps with a log or in an environment of the test's own.
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Server {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the command starts");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("the first line");
        let address = line.trim().rsplit("http://").next().and_then(|text| text.parse().ok());
        Server { child, address: address.unwrap_or_else(|| panic!("{line}")), _out: out }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// A number of the metrics page.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut peer = Peer::ask(self.address, &get("/metrics", "Connection: close\r\n"));
        let page = peer.drain().expect("a whole answer");
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {page}")).parse().expect("a number")
    }

    /// Waits until a number of the metrics page is so.
    #[track_caller]
    pub(crate) fn until_metric(&self, name: &str, value: f64) {
        let begun = Instant::now();
        while self.metric(name) != value {
            assert!(begun.elapsed() < PATIENCE, "{name} is {} and not {value}", self.metric(name));
        }
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "the server does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the command to its end, which has to come by itself: its exit code and the one line that it says.
#[track_caller]
pub(crate) fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let output = encke().args(arguments).stdin(Stdio::null()).output().expect("the command runs");
    let text = String::from_utf8(output.stderr).expect("text");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(output.stdout.is_empty());
    (output.status.code(), text)
}

/// A folder of a test's own, which goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// `name` is the test's.
    #[track_caller]
    pub(crate) fn new(name: &str) -> Folder {
        // Not below the target folder: a socket's path has room for some hundred bytes.
        let path = std::env::temp_dir().join(format!("encke-{}-{name}", std::process::id()));
        std::fs::create_dir(&path).expect("a new folder");
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A path as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Writes a file that only its owner can read, and gives its path.
    #[track_caller]
    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        use std::os::unix::fs::OpenOptionsExt;
        let options = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).clone();
        let mut file = options.open(self.path(name)).expect("a new file");
        file.write_all(content.as_bytes()).expect("room for it");
        self.text(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The command under test.
pub(crate) fn encke() -> Command {
    Command::new(env!("CARGO_BIN_EXE_encke"))
}

/// One connection, as a peer has it.
pub(crate) struct Peer {
    stream: TcpStream,
    /// What was read and not yet asked for.
    pub(crate) seen: String,
}

impl Peer {
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Peer {
        Peer::on(TcpStream::connect(address).expect("somebody listens"))
    }

    /// Connects from an address of its own: many thousands from the same one make the kernel search long for a port.
    #[track_caller]
    pub(crate) fn connect_from(source: Ipv4Addr, address: SocketAddr) -> Peer {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a descriptor is left");
        socket.bind(&SocketAddr::from((source, 0)).into()).expect("a port is left");
        socket.connect(&address.into()).expect("somebody listens");
        Peer::on(socket.into())
    }

    fn on(stream: TcpStream) -> Peer {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Peer { stream, seen: String::new() }
    }

    /// Connects to a path. For what a test does, a stream is a stream.
    #[track_caller]
    pub(crate) fn connect_unix(path: &Path) -> Peer {
        Peer::on_unix(UnixStream::connect(path).expect("somebody listens"))
    }

    /// One end of a Unix-domain stream.
    #[track_caller]
    pub(crate) fn on_unix(stream: UnixStream) -> Peer {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Peer { stream: TcpStream::from(OwnedFd::from(stream)), seen: String::new() }
    }

    /// Connects and sends.
    #[track_caller]
    pub(crate) fn ask(address: SocketAddr, bytes: &str) -> Peer {
        let mut peer = Peer::connect(address);
        peer.send(bytes);
        peer
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).expect("the server reads");
    }

    /// Sends to a server that may have closed the connection.
    pub(crate) fn try_send(&mut self, bytes: &str) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_bytes())
    }

    /// Reads until `mark` has come; gives everything up to and with it.
    #[track_caller]
    pub(crate) fn until(&mut self, mark: &str) -> String {
        match self.try_until(mark) {
            Ok(Some(found)) => found,
            Ok(None) => panic!("the end came before {mark:?}: {:?}", self.seen),
            Err(error) => panic!("{error} before {mark:?}: {:?}", self.seen),
        }
    }

    /// The same of a server that may close the connection before: then there is nothing.
    #[track_caller]
    pub(crate) fn try_until(&mut self, mark: &str) -> std::io::Result<Option<String>> {
        // Not for each read alone: heartbeats would keep a test waiting for ever.
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < PATIENCE, "{mark:?} does not come: {:?}", self.seen);
            if let Some(at) = self.seen.find(mark) {
                let rest = self.seen.split_off(at + mark.len());
                return Ok(Some(std::mem::replace(&mut self.seen, rest)));
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer)? {
                0 => return Ok(None),
                count => self.seen.push_str(&String::from_utf8_lossy(&buffer[..count])),
            }
        }
    }

    /// Reads exactly so many bytes.
    #[track_caller]
    pub(crate) fn take(&mut self, count: usize) -> String {
        let mut rest = vec![0; count.saturating_sub(self.seen.len())];
        self.stream.read_exact(&mut rest).expect("as many bytes as were announced");
        self.seen.push_str(&String::from_utf8_lossy(&rest));
        let more = self.seen.split_off(count);
        std::mem::replace(&mut self.seen, more)
    }

    /// Reads to the end; gives everything that is left, or how it failed.
    pub(crate) fn drain(&mut self) -> std::io::Result<String> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest)?;
        self.seen.push_str(&String::from_utf8_lossy(&rest));
        Ok(std::mem::take(&mut self.seen))
    }

    /// Closes the sending side.
    pub(crate) fn finish(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("the connection is open");
    }

    /// Closes with a reset.
    pub(crate) fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("linger can be set");
    }

    /// The connection itself, of which everything read so far was asked for.
    pub(crate) fn into_stream(self) -> TcpStream {
        assert_eq!(self.seen, "", "something was read and not asked for");
        self.stream
    }

    /// Gives up reading after `wait` instead of [`PATIENCE`].
    pub(crate) fn set_patience(&self, wait: Duration) {
        self.stream.set_read_timeout(Some(wait)).expect("a timeout can be set");
    }
}

/// A GET of `path`, with further lines of its head, each with its CRLF.
pub(crate) fn get(path: &str, lines: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: encke.test\r\n{lines}\r\n")
}

/// Publishes and gives the answer's body.
#[track_caller]
pub(crate) fn publish(address: SocketAddr, channel: &str, text: &str) -> String {
    let length = text.len();
    let head =
        format!("POST /channels/{channel} HTTP/1.1\r\nHost: encke.test\r\nContent-Length: {length}\r\n\r\n");
    let mut peer = Peer::ask(address, &(head + text));
    peer.until("\r\n\r\n");
    peer.until("}\n")
}

/// The `id` in a publish's answer.
#[track_caller]
pub(crate) fn id_of(answer: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(answer).expect("the answer is JSON");
    value["id"].as_str().expect("it has an id").to_owned()
}

/// The number behind the word `name`, in the line of a file of /proc that begins with `line`.
#[track_caller]
pub(crate) fn number(path: &str, line: &str, name: &str) -> usize {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let line = text.lines().find(|found| found.starts_with(line));
    let mut words = line.unwrap_or_else(|| panic!("{path} has no {line:?}")).split_whitespace();
    words.find(|word| *word == name).unwrap_or_else(|| panic!("{path} has no {name}"));
    words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{path}: {name} is no number"))
}

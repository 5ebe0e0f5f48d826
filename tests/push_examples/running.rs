//! An example as a child, on a port of its own, and what its peers read of it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Instant;

use serde_json::Value;

use crate::support::{PATIENCE, Peer, get};

/// A running example.
pub(crate) struct Example {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What it says, unless nobody listens any more.
    out: Option<BufReader<ChildStdout>>,
}

impl Example {
    /// Starts an example with these arguments and returns when it listens.
    #[track_caller]
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Example {
        Example::spawn(Command::new(path(name)), name, arguments)
    }

    /// The same with a command that becomes the example, in an environment of the test's own.
    #[track_caller]
    pub(crate) fn spawn(mut command: Command, name: &str, arguments: &[&str]) -> Example {
        let mut child = command
            .args(arguments)
            .arg("0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}; cargo build --examples makes it"));
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        out.read_line(&mut line).expect("the first line");
        let address = line.trim().rsplit("http://").next().and_then(|text| text.parse().ok());
        Example { child, address: address.unwrap_or_else(|| panic!("{name}: {line}")), out: Some(out) }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it says.
    #[track_caller]
    pub(crate) fn says(&mut self) -> String {
        let mut line = String::new();
        self.out.as_mut().expect("somebody listens").read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }

    /// Closes the pipe in which it says something: from now on nobody reads that.
    pub(crate) fn deafen(&mut self) {
        self.out = None;
    }

    /// Asks and gives the status and the JSON of the whole answer.
    #[track_caller]
    pub(crate) fn ask(&self, request: &str) -> (u16, Value) {
        whole(&mut Peer::ask(self.address, request))
    }

    /// Opens a stream of JSON lines.
    #[track_caller]
    pub(crate) fn stream(&self, path: &str) -> Lines {
        Lines::of(Peer::ask(self.address, &get(path, "")))
    }

    /// Asks it to stop, as a terminal does.
    pub(crate) fn stop(&self) {
        let status = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits until it has stopped. Peers that are still there hold it up for as long as its engine lingers, so they are let go before.
    #[track_caller]
    pub(crate) fn wait(mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            std::thread::yield_now();
        }
    }

    /// A number out of a file that Linux keeps of the process.
    #[cfg(target_os = "linux")]
    #[track_caller]
    pub(crate) fn proc(&self, file: &str, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/{file}", self.id())).expect("it runs");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
        value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Examples lie beside the folder in which this test lies.
pub(crate) fn path(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the test has a path");
    own.ancestors().nth(2).expect("target/PROFILE").join("examples").join(name)
}

/// A whole answer: its status and its JSON.
#[track_caller]
pub(crate) fn whole(peer: &mut Peer) -> (u16, Value) {
    let head = peer.until("\r\n\r\n");
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a whole answer");
    let body = peer.take(length.parse().expect("a number"));
    (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body:?}")))
}

/// A stream whose lines are JSON, one a chunk.
pub(crate) struct Lines {
    peer: Peer,
    pub(crate) head: String,
}

impl Lines {
    /// Reads the head.
    #[track_caller]
    pub(crate) fn of(mut peer: Peer) -> Lines {
        let head = peer.until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        Lines { peer, head }
    }

    /// The content of the next chunk; of the last, nothing.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> String {
        let size = self.peer.until("\r\n");
        let size = usize::from_str_radix(size.trim_end(), 16).expect("a chunk's size");
        let mut content = self.peer.take(size + 2);
        assert!(content.ends_with("\r\n"), "{content:?}");
        content.truncate(size);
        content
    }

    /// The next line.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Value {
        let line = self.chunk();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    pub(crate) fn peer(&mut self) -> &mut Peer {
        &mut self.peer
    }
}

/// The id of a line.
#[track_caller]
pub(crate) fn id(line: &Value) -> String {
    line["id"].as_str().unwrap_or_else(|| panic!("no id in {line}")).to_owned()
}

/// Which place in the sequence an id stands for.
#[track_caller]
pub(crate) fn place(id: &str) -> u64 {
    id.split_once('-').and_then(|(_, place)| place.parse().ok()).unwrap_or_else(|| panic!("{id}"))
}

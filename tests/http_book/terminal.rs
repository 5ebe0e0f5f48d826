//! The reader's side: a server of its own for each section, a shell for each command, and what both print.
//!
//! Nothing waits for a length of time. A command that stays open is waited for until the server has begun its exchange, which its counter
//! of requests tells; one that is stopped, until the server has no such subscriber any more; and what a page says is printed, until it is
//! there.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use crate::pattern::{Verdict, compare};
use crate::support::{Folder, PATIENCE, encke};

/// Where every page says that the server is.
const ADDRESSES: [&str; 2] = ["127.0.0.1:8080", "push.example.org:8080"];

/// A server as a page starts it, and a way of asking it that no page can hinder: a path.
pub(crate) struct Server {
    child: Child,
    pub(crate) greeting: String,
    address: String,
    epoch: String,
    control: std::path::PathBuf,
    host: String,
    /// Requests of our own.
    asked: u64,
}

impl Server {
    /// Starts `encke` in this folder with a page's flags, and returns when it listens.
    pub(crate) fn start(folder: &Folder, flags: &[&str]) -> Result<Server, String> {
        let path = folder.path(".control");
        let mut command = encke();
        command.current_dir(folder.path("."));
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(flags.iter().map(|flag| flag.replace(":8080", ":0")));
        command.arg("--listen").arg(format!("unix:{}", path.display()));
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let mut out = BufReader::new(child.stdout.take().ok_or("it prints nothing")?);
        let mut greeting = String::new();
        while !greeting.contains("Ctrl-C") {
            if out.read_line(&mut greeting).map_err(|error| error.to_string())? == 0 {
                return Err(format!("the server did not start: {greeting}"));
            }
        }
        let port = greeting.lines().find_map(|line| line.split_once("http://")?.1.rsplit(':').next());
        let address = port.map_or(String::new(), |port| format!("127.0.0.1:{}", port.trim()));
        let host = flags.windows(2).find(|two| two[0] == "--host").map_or("encke.test", |two| two[1]);
        let (epoch, host) = (String::new(), host.to_owned());
        let mut server = Server { child, greeting, address, epoch, control: path, host, asked: 0 };
        let poll = server.ask("/channels/book?mode=poll&timeout=0");
        let cursor = poll.split_once("{\"cursor\":\"").and_then(|(_, rest)| rest.split_once("-0\""));
        server.epoch = cursor.ok_or_else(|| format!("no cursor: {poll}"))?.0.to_owned();
        server.greeting = server.anonymous(&server.greeting);
        Ok(server)
    }

    /// A whole answer to a GET.
    fn ask(&mut self, path: &str) -> String {
        self.asked += 1;
        let mut stream = UnixStream::connect(&self.control).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.host);
        stream.write_all(head.as_bytes()).expect("the server reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        answer
    }

    /// A number of the metrics page.
    fn metric(&mut self, name: &str) -> u64 {
        let page = self.ask("/metrics");
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {name}: {page}"))
    }

    /// Requests of others.
    fn requests(&mut self) -> u64 {
        self.metric("encke_requests_total ") - self.asked
    }

    /// What a page says, as it has to be said to this server.
    fn in_person(&self, text: &str) -> String {
        ADDRESSES
            .iter()
            .fold(text.replace("EPOCH", &self.epoch), |text, other| text.replace(other, &self.address))
    }

    /// What this server says, as a page would have it.
    fn anonymous(&self, text: &str) -> String {
        text.replace(&self.epoch, "EPOCH").replace(&self.address, ADDRESSES[0])
    }

    /// Stops as the reader would, and waits for the end.
    pub(crate) fn stop(&mut self) -> Result<ExitStatus, String> {
        signal(&self.child.id().to_string());
        let begun = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) if begun.elapsed() < PATIENCE => std::thread::yield_now(),
                other => return Err(format!("the server does not end: {other:?}")),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a shell looks for commands: first where the one under test is.
fn path() -> String {
    let own = Path::new(env!("CARGO_BIN_EXE_encke")).parent().map(|folder| folder.display().to_string());
    format!("{}:{}", own.unwrap_or_default(), std::env::var("PATH").unwrap_or_default())
}

/// Sends SIGTERM to a process, or with a minus sign before its number to a group.
fn signal(target: &str) {
    let _ = Command::new("kill").args(["-TERM", "--", target]).stderr(Stdio::null()).status();
}

/// A command that runs in a shell of its own.
pub(crate) struct Job {
    child: Child,
    output: Receiver<Vec<u8>>,
    errors: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    has_ended: bool,
}

impl Job {
    /// Starts a command, as the page has it.
    pub(crate) fn start(text: &str, folder: &Folder, server: &Server) -> Result<Job, String> {
        let mut child = Command::new("sh")
            .args(["-c", &server.in_person(text)])
            .current_dir(folder.path("."))
            // Nothing of the person's own: no settings of curl, no proxy.
            .env("CURL_HOME", folder.path("."))
            .env("NO_PROXY", "*")
            .env("PATH", path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("no shell: {error}"))?;
        let output = pump(child.stdout.take().ok_or("no output")?);
        let errors = pump(child.stderr.take().ok_or("no errors")?);
        Ok(Job { child, output, errors, seen: Vec::new(), has_ended: false })
    }

    /// Starts a command that stays open, and waits until the server has begun to answer it.
    pub(crate) fn open(text: &str, folder: &Folder, server: &mut Server) -> Result<Job, String> {
        let before = server.requests();
        let mut job = Job::start(text, folder, server)?;
        let begun = Instant::now();
        while server.requests() == before && !job.has_ended {
            job.take_what_is_there();
            if begun.elapsed() > PATIENCE {
                return Err("the server never saw it".to_owned());
            }
        }
        Ok(job)
    }

    /// Waits until this is printed.
    pub(crate) fn wait_for(&mut self, prints: &[String], server: &Server) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let printed = self.printed(server);
            match compare(prints, &printed.lines().collect::<Vec<_>>()) {
                Verdict::Whole => return Ok(()),
                Verdict::Wrong => return Err(difference(prints, &printed)),
                Verdict::Partial if self.has_ended => return Err(difference(prints, &printed)),
                Verdict::Partial => self.read(begun)?,
            }
        }
    }

    /// Waits for the end, and for exactly this to be printed until then.
    pub(crate) fn finish(&mut self, prints: &[String], server: &Server) -> Result<String, String> {
        let begun = Instant::now();
        while !self.has_ended {
            self.read(begun).map_err(|why| format!("{why}\n{}", self.printed(server)))?;
        }
        let printed = self.printed(server);
        let status = self.child.wait().map_err(|error| error.to_string())?;
        // By a signal, or as a shell counts those who end because of one.
        let is_killed = status.code().is_none_or(|code| code == 128 + 15);
        if !status.success() && !is_killed {
            let errors: Vec<u8> = self.errors.iter().flatten().collect();
            return Err(format!("{status}: {}\n{printed}", String::from_utf8_lossy(&errors)));
        }
        match compare(prints, &printed.lines().collect::<Vec<_>>()) {
            Verdict::Whole => Ok(printed),
            _ => Err(difference(prints, &printed)),
        }
    }

    /// Stops it, as Ctrl-C would, and waits until the server knows.
    pub(crate) fn kill(&mut self, server: &mut Server) -> Result<(), String> {
        self.take_what_is_there();
        if self.has_ended {
            return Err("it has ended by itself, so there is nothing to stop".to_owned());
        }
        let before = server.metric("encke_subscribers ");
        self.signal();
        let begun = Instant::now();
        while server.metric("encke_subscribers ") >= before {
            if begun.elapsed() > PATIENCE {
                return Err("the server does not notice that it is gone".to_owned());
            }
        }
        Ok(())
    }

    pub(crate) fn signal(&self) {
        signal(&format!("-{}", self.child.id()));
    }

    /// What has been printed, as the page would have it; of a command that runs, whole lines only.
    fn printed(&self, server: &Server) -> String {
        let end = match self.has_ended {
            true => self.seen.len(),
            false => self.seen.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1),
        };
        server.anonymous(&String::from_utf8_lossy(&self.seen[..end])).replace("\r\n", "\n")
    }

    fn read(&mut self, begun: Instant) -> Result<(), String> {
        match self.output.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
            Ok(bytes) => self.seen.extend(bytes),
            Err(RecvTimeoutError::Disconnected) => self.has_ended = true,
            Err(RecvTimeoutError::Timeout) => return Err("nothing more is printed".to_owned()),
        }
        Ok(())
    }

    fn take_what_is_there(&mut self) {
        use std::sync::mpsc::TryRecvError;
        loop {
            match self.output.try_recv() {
                Ok(bytes) => self.seen.extend(bytes),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.has_ended = true;
                    return;
                }
            }
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.has_ended {
            self.signal();
        }
        let _ = self.child.wait();
    }
}

/// Reads in a thread, which ends with the pipe.
fn pump(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

fn difference(prints: &[String], printed: &str) -> String {
    format!("--- the page says\n{}\n--- it printed\n{printed}---", prints.join("\n"))
}

/// Whether there is a curl on this machine.
pub(crate) fn require_curl() {
    let found = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    assert!(
        found.is_ok_and(|status| status.success()),
        "this test runs the commands of the documentation with curl, and there is none here: install it, for instance with apt-get install curl"
    );
}

/// Reads a page of the repository.
#[track_caller]
pub(crate) fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

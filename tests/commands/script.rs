//! A server that says what a test tells it to, one connection after the other, and tells what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::support::PATIENCE;

/// What is done on one connection, after a request has come.
pub(crate) enum Act {
    /// Says this.
    Say(String),
    /// Waits for the next request on the same connection.
    Hear,
    /// Waits for the next head, and reads nothing of its body.
    HearHead,
    /// Waits until the test says so.
    Wait(Receiver<()>),
    /// Leaves it open until the test ends.
    Hold,
}

/// Says this to one request, and closes.
pub(crate) fn say(text: &str) -> Vec<Act> {
    vec![Act::Say(text.to_owned())]
}

/// Says this to one request, and leaves it open.
pub(crate) fn hold(text: &str) -> Vec<Act> {
    vec![Act::Say(text.to_owned()), Act::Hold]
}

/// A whole answer of this status and body.
pub(crate) fn answer(status: u16, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Because\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// The head of an event stream that ends with its connection.
pub(crate) const EVENTS: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// The scripted server.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    asked: Receiver<(Instant, String)>,
    thread: Option<JoinHandle<()>>,
    /// Dropped with the test, which lets go what is held.
    end: Option<Sender<()>>,
}

impl Scripted {
    /// Plays one script for each connection that comes.
    pub(crate) fn new(scripts: Vec<Vec<Act>>) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is left");
        let address = listener.local_addr().expect("bound");
        let (tell, asked) = channel();
        let (end, ended) = channel();
        let thread = std::thread::spawn(move || {
            let mut held = Vec::new();
            for script in scripts {
                let Ok((stream, _)) = listener.accept() else { return };
                if let Some(stream) = play(stream, script, &tell) {
                    held.push(stream);
                }
            }
            // Whoever comes now is turned away.
            drop(listener);
            let _ = ended.recv();
        });
        Scripted { address, asked, thread: Some(thread), end: Some(end) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request, head and body, and when it came.
    #[track_caller]
    pub(crate) fn asked(&self) -> (Instant, String) {
        self.asked.recv_timeout(PATIENCE).expect("somebody asks")
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.end = None;
        // A script that nobody has come for still waits at the door.
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            let _ = TcpStream::connect(self.address);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Plays a script; what is to be held is given back.
fn play(mut stream: TcpStream, script: Vec<Act>, tell: &Sender<(Instant, String)>) -> Option<TcpStream> {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let mut reader = BufReader::new(stream.try_clone().expect("a descriptor is left"));
    let _ = tell.send((Instant::now(), request(&mut reader)?));
    for act in script {
        match act {
            Act::Say(text) => stream.write_all(text.as_bytes()).ok()?,
            Act::Hear => drop(tell.send((Instant::now(), request(&mut reader)?))),
            Act::HearHead => drop(tell.send((Instant::now(), head(&mut reader)?))),
            Act::Wait(go) => go.recv_timeout(PATIENCE).ok()?,
            Act::Hold => return Some(stream),
        }
    }
    None
}

/// The head of a request, if one comes.
fn head(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        if reader.read_line(&mut text).ok()? == 0 {
            return None;
        }
    }
    Some(text)
}

/// A request, if one comes.
fn request(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let text = head(reader)?;
    let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(text + &String::from_utf8_lossy(&body))
}

//! Encke inside a tokio runtime of one thread, beside tasks of the host's own.
//!
//! The host has a line server on a second port, in async Rust: each line is published to the channel `lines` through a `Remote`, and
//! `stop` stops everything. `cargo run --example in_tokio`, or with two other ports behind it, and then, each in a terminal:
//!
//! ```text
//! curl -N localhost:8080/lines
//! printf 'hello from a task\n' | nc -N localhost 8081
//! printf 'stop\n' | nc -N localhost 8081
//! ```
//!
//! To tokio the reactor is one descriptor and one moment. The task that drives it sleeps until either, and takes no part in anything else:
//! tokio's tasks and Encke's exchanges take turns on the same thread.

mod guest;

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use encke::{Handler, Limits, Message, PostError, Reactor, Remote};
use guest::Guest;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// The longest line of the host's protocol.
const LINE_BYTES_MAX: usize = 4096;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let reactor = Reactor::bind(("127.0.0.1", guest::port(1, 8080)), Guest, Limits::default())?;
    let lines = TcpListener::bind(("127.0.0.1", guest::port(2, 8081))).await?;
    println!("listening on http://{} and for lines on {}", reactor.addresses()[0], lines.local_addr()?);
    tokio::spawn(take_lines(lines, reactor.remote()));
    drive(reactor).await
}

/// Drives a reactor until its shutdown is over. This is all that there is to it.
async fn drive<H: Handler>(mut reactor: Reactor<H>) -> io::Result<()> {
    // A copy of the descriptor, which stands for the same poll: so that it stays open and is the same for as long as tokio watches it.
    // That is what the constructor's unsafe successor asks of its caller, and no code here is unsafe.
    let descriptor = reactor.as_fd().try_clone_to_owned()?;
    #[allow(deprecated, reason = "its successor is unsafe, for descriptors that nobody owns")]
    let descriptor = AsyncFd::with_interest(descriptor, Interest::READABLE)?;
    while !reactor.is_finished() {
        tokio::select! {
            // Forgotten before the turn, so that what comes during the turn is told again.
            ready = descriptor.readable() => ready?.clear_ready(),
            () = sleep_until(reactor.next_deadline()) => {}
        }
        reactor.turn(Some(Duration::ZERO))?;
        // A turn is a bounded piece of work. If there is more, the host's tasks come first.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Without a deadline there is no timer either: an idle program sleeps for good.
async fn sleep_until(due: Option<std::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(Instant::from_std(due)).await,
        None => std::future::pending().await,
    }
}

/// The host's own server. Out of descriptors it waits a moment: others have to leave first.
async fn take_lines(listener: TcpListener, remote: Remote<Guest>) {
    let mut is_told = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                is_told = false;
                tokio::spawn(hear(stream, remote.clone()));
            }
            // Who has left before its turn says nothing about the next.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if !std::mem::replace(&mut is_told, true) {
                    eprintln!("accepting pauses: {error}");
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// One who speaks in lines, to the end. Nobody waits for this task, so it says itself what went wrong.
async fn hear(stream: TcpStream, remote: Remote<Guest>) {
    if let Err(error) = publish_lines(stream, remote).await {
        eprintln!("a connection for lines is closed: {error}");
    }
}

async fn publish_lines(stream: TcpStream, remote: Remote<Guest>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(line) = next_line(&mut reader).await? {
        let mut command: Command = Box::new(move |_, core| {
            if line == "stop" {
                core.shutdown();
            } else if let Err(error) = core.publish("lines", Message::new(&line)) {
                eprintln!("a line is not published: {error}");
            }
        });
        // A full mailbox gives the command back. Not reading on is what slows the sender down.
        while let Err(PostError::Full(back)) = remote.post(command) {
            command = back;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(())
}

/// The next line, or none if that was all. What is not UTF-8 is replaced, and costs nobody the connection.
async fn next_line(reader: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    // One byte more, which is the line's end or shows that there is none.
    let mut bounded = reader.take(LINE_BYTES_MAX as u64 + 1);
    if bounded.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    let is_ended = line.pop_if(|last| *last == b'\n').is_some();
    if !is_ended && line.len() > LINE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
    }
    line.pop_if(|last| is_ended && *last == b'\r');
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

type Command = Box<dyn FnOnce(&mut Guest, &mut encke::Core) + Send>;

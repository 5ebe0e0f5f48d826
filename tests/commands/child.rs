//! A command as a child, whose pipes are read and written by threads: lines are waited for, never for a length of time.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use crate::support::{PATIENCE, encke};

/// A running command, which cannot outlive its test.
pub(crate) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    out: Receiver<String>,
    err: Receiver<String>,
}

/// What a command has left when it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// Lines that nobody had asked for yet.
    pub(crate) out: Vec<String>,
    pub(crate) err: Vec<String>,
}

impl Ended {
    /// What it says in the end.
    #[track_caller]
    pub(crate) fn last_word(&self) -> &str {
        self.err.last().unwrap_or_else(|| panic!("it says nothing: {self:?}"))
    }
}

/// Starts `encke` with these arguments.
#[track_caller]
pub(crate) fn start(arguments: &[&str]) -> Running {
    let mut command = encke();
    command.args(arguments);
    Running::of(command)
}

/// Runs `encke` with these arguments and this input to its end.
#[track_caller]
pub(crate) fn run(arguments: &[&str], input: &str) -> Ended {
    let mut running = start(arguments);
    running.write(input);
    running.close();
    running.wait()
}

impl Running {
    #[track_caller]
    pub(crate) fn of(mut command: Command) -> Running {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let input = child.stdin.take();
        let out = lines(child.stdout.take().expect("piped"));
        let err = lines(child.stderr.take().expect("piped"));
        Running { child, input, out, err }
    }

    /// The next line that it prints.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        match self.out.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(why) => panic!("{why}; it said {:?}", self.err.try_iter().collect::<Vec<_>>()),
        }
    }

    /// The next lines that it prints.
    #[track_caller]
    pub(crate) fn lines(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.line()).collect()
    }

    /// Waits until it says this on standard error; gives the line.
    #[track_caller]
    pub(crate) fn says(&mut self, part: &str) -> String {
        let begun = Instant::now();
        let mut said = Vec::new();
        loop {
            match self.err.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => said.push(line),
                Err(why) => panic!("{why}: it says {said:?} and not {part:?}"),
            }
        }
    }

    /// Writes to its standard input.
    #[track_caller]
    pub(crate) fn write(&mut self, text: &str) {
        let input = self.input.as_mut().expect("still open");
        // Who does not read has ended, and says itself why.
        let _ = input.write_all(text.as_bytes());
    }

    /// Waits until it has read everything that was written.
    #[track_caller]
    pub(crate) fn until_read(&self) {
        let (input, begun) = (self.input.as_ref().expect("still open"), Instant::now());
        while rustix::io::ioctl_fionread(input).expect("a pipe") > 0 {
            assert!(begun.elapsed() < PATIENCE, "it does not read");
        }
    }

    /// Closes its standard input.
    pub(crate) fn close(&mut self) {
        self.input = None;
    }

    /// Sends a signal, by its name.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits until it has ended by itself.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let begun = Instant::now();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        for (pipe, seen) in [(&self.out, &mut out), (&self.err, &mut err)] {
            loop {
                match pipe.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())) {
                    Ok(line) => seen.push(line),
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => panic!("it does not end; it has printed {seen:?}"),
                }
            }
        }
        // Its pipes are closed, so it is over.
        let code = self.child.wait().expect("a child can be waited for").code();
        Ended { code, out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe, read by a thread that ends with it.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

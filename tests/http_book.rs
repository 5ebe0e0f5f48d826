//! The documentation as a test: every command of `docs/http.md`, `docs/commands.md` and the README is run, and prints what the page says.
//!
//! ```text
//!   docs/http.md ─► page.rs: sections, commands ─► terminal.rs: a server, a shell each ─► pattern.rs: the page beside what was printed
//! ```
//!
//! What the pages may contain is told at the head of `page.rs`. A page is run as a reader would: with `sh`, a real `curl` and the command
//! itself. Where it says 127.0.0.1:8080, the test has a port of its own; where it says `EPOCH`, that server's.
//!
//! `supported.rs` does the same with `docs/SUPPORTED.md`, whose tables are sent.

#[path = "http_book/page.rs"]
mod page;
#[path = "http_book/pattern.rs"]
mod pattern;
mod support;
#[path = "http_book/supported.rs"]
mod supported;
#[path = "http_book/terminal.rs"]
mod terminal;

use std::collections::BTreeSet;

use page::{Command, Section};
use support::Folder;
use terminal::{Job, Server};

/// What a run has come by.
#[derive(Default)]
struct Report {
    commands: usize,
    /// Texts of the commands.
    texts: String,
    /// Statuses of all answers whose heads were printed.
    statuses: BTreeSet<u16>,
    failures: Vec<String>,
}

/// Which commands of a page are nobody's to run, and which stay open without saying so.
#[derive(Clone, Copy)]
struct Habits {
    /// First words of blocks that only a reader can run.
    left_to_the_reader: &'static [&'static str],
    /// The README does not show everything: who prints is not compared where nothing is shown, and a block with nothing but
    /// one command that listens is a terminal of its own.
    is_terse: bool,
}

const BOOK: Habits = Habits { left_to_the_reader: &[], is_terse: false };
const README: Habits = Habits { left_to_the_reader: &["cargo"], is_terse: true };

/// Runs all sections of a page.
fn run(name: &str, text: &str, habits: Habits) -> Report {
    terminal::require_curl();
    let mut report = Report::default();
    for (number, section) in page::read(text).iter().enumerate() {
        let folder = Folder::new(&format!("{}-{number}", name.replace('/', "-")));
        let mut run = Run { habits, folder, server: None, jobs: Vec::new(), report: &mut report };
        if let Err(failure) = run.section(section) {
            report.failures.push(format!("{name}:{failure}"));
        }
    }
    report
}

/// A section that is being run.
struct Run<'r> {
    habits: Habits,
    folder: Folder,
    server: Option<Server>,
    /// Commands that stay open, and what they print. The server's place is empty.
    jobs: Vec<Option<(Command, Job)>>,
    report: &'r mut Report,
}

impl Run<'_> {
    fn section(&mut self, section: &Section) -> Result<(), String> {
        for block in &section.blocks {
            let first = block.commands.first().and_then(|command| command.text.split(' ').next());
            if first.is_some_and(|word| self.habits.left_to_the_reader.contains(&word)) {
                continue;
            }
            let is_alone = block.commands.len() == 1;
            for command in &block.commands {
                let mut command = command.clone();
                if self.habits.is_terse {
                    let listens = ["curl -N", "target/release/encke subscribe"];
                    command.stays |= is_alone && listens.iter().any(|words| command.text.starts_with(words));
                    if command.prints.is_empty() {
                        command.prints.push("…".to_owned());
                    }
                }
                let (line, text) = (command.line, command.text.clone());
                self.command(command).map_err(|why| format!("{line}: {text}\n{why}"))?;
            }
        }
        self.close()
    }

    /// Ends everything that is still open, when it has printed what it is to print.
    fn close(&mut self) -> Result<(), String> {
        for (command, mut job) in self.jobs.iter_mut().filter_map(Option::take) {
            let Some(server) = &self.server else { continue };
            let outcome = job.wait_for(&command.prints, server).and_then(|()| {
                job.signal();
                job.finish(&command.prints, server)
            });
            let printed = outcome.map_err(|why| format!("{}: {}\n{why}", command.line, command.text))?;
            note(&printed, self.report);
        }
        Ok(())
    }

    fn command(&mut self, mut command: Command) -> Result<(), String> {
        // Where cargo has put it, which is how somebody calls it who has not installed it.
        if let Some(installed) = command.text.strip_prefix("target/release/") {
            command.text = installed.to_owned();
        }
        self.report.commands += 1;
        self.report.texts.push_str(&format!("{}\n", command.text));
        if is_server(&command.text) {
            return self.serve(command);
        }
        if command.text == "kill %encke" {
            let server = self.server.as_mut().ok_or("no server runs")?;
            let status = server.stop()?;
            // Whoever listens has a whole answer now, and ends by itself.
            for (stopped, mut job) in self.jobs.iter_mut().filter_map(Option::take) {
                note(&job.finish(&stopped.prints, server)?, self.report);
            }
            return if status.success() { Ok(()) } else { Err(status.to_string()) };
        }
        if self.server.is_none() {
            self.server = Some(Server::start(&self.folder, &[])?);
        }
        let server = self.server.as_mut().expect("just started");
        if let Some(number) = command.text.strip_prefix("kill %") {
            let number: usize = number.parse().map_err(|_| "kill %2 is what is understood here")?;
            let place = number.checked_sub(1).and_then(|index| self.jobs.get_mut(index));
            let (stopped, mut job) = place.and_then(Option::take).ok_or("there is no such command")?;
            job.wait_for(&stopped.prints, server)?;
            job.kill(server)?;
            let printed = job.finish(&stopped.prints, server)?;
            note(&printed, self.report);
        } else if command.stays {
            let job = Job::open(&command.text, &self.folder, server)?;
            self.jobs.push(Some((command, job)));
        } else {
            let printed = Job::start(&command.text, &self.folder, server)?.finish(&command.prints, server)?;
            note(&printed, self.report);
        }
        Ok(())
    }

    /// A server with flags, in the place of the one before.
    fn serve(&mut self, command: Command) -> Result<(), String> {
        let flags: Vec<&str> =
            command.text.split_whitespace().skip(1).map(|flag| flag.trim_matches('\'')).collect();
        self.close().map_err(|why| format!("before it: {why}"))?;
        self.server = None;
        let server = Server::start(&self.folder, &flags)?;
        let greeting: Vec<&str> = server.greeting.lines().collect();
        if !command.prints.is_empty()
            && pattern::compare(&command.prints, &greeting) != pattern::Verdict::Whole
        {
            return Err(format!("it says {}", server.greeting));
        }
        self.server = Some(server);
        if command.stays {
            self.jobs.push(None);
        }
        Ok(())
    }
}

/// Whether a command is one that serves. The others are run like any command.
fn is_server(text: &str) -> bool {
    let mut words = text.split(' ');
    words.next() == Some("encke") && words.next().is_none_or(|word| word.starts_with('-') || word == "serve")
}

fn note(printed: &str, report: &mut Report) {
    let status = |line: &str| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse::<u16>().ok();
    report.statuses.extend(printed.lines().filter_map(status));
}

#[track_caller]
fn assert_none(failures: &[String]) {
    assert!(failures.is_empty(), "\n\n{}\n", failures.join("\n\n"));
}

#[test]
fn every_command_of_the_book_prints_what_the_book_says() {
    let report = run("docs/http.md", &terminal::page("docs/http.md"), BOOK);
    assert_none(&report.failures);
    assert!(report.commands >= 130, "only {} commands were run", report.commands);
    let missing: Vec<&u16> = STATUSES.iter().filter(|status| !report.statuses.contains(status)).collect();
    assert!(missing.is_empty(), "no answer has the status {missing:?}");
    let missing: Vec<&&str> = WORDS.iter().filter(|word| !report.texts.contains(**word)).collect();
    assert!(missing.is_empty(), "no command has {missing:?}");
}

/// Every status that the command can answer with, but 500, which takes a bug.
const STATUSES: [u16; 16] = [100, 200, 204, 400, 401, 403, 404, 405, 408, 413, 414, 417, 421, 431, 501, 503];

/// What the contract has: modes, parameters, methods, fields, paths and the flags that change answers.
const WORDS: [&str; 42] = [
    "mode=sse",
    "mode=stream",
    "mode=ndjson",
    "mode=poll",
    "mode=iframe",
    "mode=info",
    "envelope=1",
    "event=",
    "since=",
    "channel=",
    "callback=",
    "timeout=",
    "type=application/octet-stream",
    "type=application/x-ndjson",
    "-d ",
    "-X DELETE",
    "-X OPTIONS",
    "-X PUT",
    "-I ",
    "Accept: text/event-stream",
    "Accept: application/x-ndjson",
    "Accept: application/json",
    "Last-Event-ID: ",
    "Idempotency-Key: ",
    "Authorization: Bearer ",
    "Origin: ",
    "Access-Control-Request-Method: ",
    "Upgrade: h2c",
    "Expect: ",
    "/healthz",
    "/metrics",
    "--http1.0",
    "--unix-socket ",
    "--jsonp",
    "--publish-key-file ",
    "--cors-origin ",
    "--host ",
    "--no-demo",
    "--heartbeat ",
    "--comet-timeout ",
    "--max-channels ",
    "--max-connections-per-ip ",
];

#[test]
fn every_command_of_the_commands_page_prints_what_the_page_says() {
    let report = run("docs/commands.md", &terminal::page("docs/commands.md"), BOOK);
    assert_none(&report.failures);
    assert!(report.commands >= 25, "only {} commands were run", report.commands);
}

#[test]
fn the_commands_of_the_readme_work() {
    let report = run("README.md", &terminal::page("README.md"), README);
    assert_none(&report.failures);
    assert!(report.commands >= 6, "only {} commands were run", report.commands);
}

/// A test that cannot object proves nothing: each of these pages is wrong in one line, and the test finds it.
#[test]
fn a_wrong_line_is_found() {
    let publish = "$ curl -s -d 'Hello' http://127.0.0.1:8080/channels/news\n";
    let listen = "$ curl -sN http://127.0.0.1:8080/channels/news &\n";
    let good = format!("{listen}Hello\n{publish}{{\"id\":\"EPOCH-1\",\"subscribers\":1}}\n$ kill %1\n");
    let run = |commands: &str| run("forged", &format!("## Forged\n```console\n{commands}```\n"), BOOK);
    assert_none(&run(&good).failures);
    for (right, wrong) in [
        ("EPOCH-1", "EPOCH-2"),
        ("EPOCH-1", "17-1"),
        ("\"subscribers\":1}", "\"subscribers\":1"),
        ("&\nHello\n", "&\nGoodbye\n"),
        ("}\n$", "}\nmore\n$"),
        ("1}\n", "1}\n$ curl -s http://127.0.0.1:8080/healthz\n"),
        ("1}\n", "1}\n$ false\n"),
        ("kill %1", "kill %2"),
        ("kill %1", "kill %encke\n$ curl -s http://127.0.0.1:8080/healthz"),
    ] {
        assert!(good.contains(right), "{right}");
        let failures = run(&good.replacen(right, wrong, 1)).failures;
        assert_eq!(failures.len(), 1, "{right} -> {wrong}: nobody minds");
        assert!(failures[0].starts_with("forged:"), "{failures:?}");
    }
}

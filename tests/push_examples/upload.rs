//! Uploads: memory stays flat behind a slow disk, progress comes while the peer still sends, and what goes wrong is told and leaves nothing.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::Value;

use crate::running::{Example, Lines, whole};
use crate::support::{Folder, PATIENCE, Peer};

/// Starts it with a folder of the test's own.
#[track_caller]
fn start(folder: &Folder) -> Example {
    Example::start("upload", &["--folder", &folder.text("")])
}

fn put(target: &str, length: usize, lines: &str) -> String {
    format!("PUT /uploads/{target} HTTP/1.1\r\nHost: encke.test\r\nContent-Length: {length}\r\n{lines}\r\n")
}

/// The names in a folder, sorted.
#[track_caller]
fn names(folder: &Folder) -> Vec<String> {
    let entries = fs::read_dir(folder.path("")).expect("the folder is there");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Waits until something about a folder is so.
#[track_caller]
fn until(folder: &Folder, is_so: impl Fn(&[String]) -> bool) {
    let begun = Instant::now();
    while !is_so(&names(folder)) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", names(folder));
        thread::yield_now();
    }
}

#[test]
fn a_file_has_its_name_when_it_is_whole() {
    let folder = Folder::new("whole");
    let upload = start(&folder);
    let text = "0123456789".repeat(30_000);
    let mut peer = Peer::ask(upload.address, &put("a%20file", text.len(), ""));
    peer.send(&text[..200_000]);
    until(&folder, |names| names == [".a file.1.part"]);
    peer.send(&text[200_000..]);
    assert_eq!(whole(&mut peer), (201, serde_json::json!({ "complete": true, "written": 300_000 })));
    assert_eq!(names(&folder), ["a file"]);
    assert!(fs::read_to_string(folder.path("a file")).expect("it is there") == text);
    // The same connection, and the file anew, in chunks.
    peer.send("POST /uploads/a%20file HTTP/1.1\r\nHost: encke.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnew\r\n0\r\n\r\n");
    assert_eq!(whole(&mut peer).0, 201);
    assert_eq!(fs::read(folder.path("a file")).expect("it is there"), b"new");
    for (target, status) in [("..", 400), ("a%2Fb", 400), (".hidden", 400), ("", 400), ("a/b", 400)] {
        assert_eq!(upload.ask(&put(target, 0, "")).0, status, "{target}");
    }
    assert_eq!(names(&folder), ["a file"]);
    drop(peer);
    upload.stop();
    assert!(upload.wait().success());
}

#[test]
fn half_a_file_stands_on_nobody_elses() {
    let folder = Folder::new("half");
    let upload = start(&folder);
    // A finished file may be called as one likes, also so.
    assert_eq!(upload.ask(&(put("x.2.part", 5, "") + "first")).0, 201);
    // A server that was killed has left these, of which nobody knows whose they are.
    fs::write(folder.path(".x.1.part"), "left").expect("a new file");
    let mut peer = Peer::ask(upload.address, &put("x", 1_000_000, ""));
    peer.send(&"x".repeat(300_000));
    until(&folder, |names| names == [".x.1.part", ".x.2.part", "x.2.part"]);
    drop(peer);
    until(&folder, |names| names == [".x.1.part", "x.2.part"]);
    assert_eq!(upload.ask(&(put("x", 5, "") + "whole")).0, 201);
    assert_eq!(names(&folder), [".x.1.part", "x", "x.2.part"]);
    let text = |name| fs::read_to_string(folder.path(name)).expect("it is there");
    assert_eq!(
        (text("x"), text("x.2.part"), text(".x.1.part")),
        ("whole".into(), "first".into(), "left".into())
    );
}

#[test]
fn a_peer_that_asks_first_is_told_to_go_on() {
    let folder = Folder::new("expect");
    let upload = start(&folder);
    let mut peer = Peer::ask(upload.address, &put("file", 5, "Expect: 100-continue\r\n"));
    assert_eq!(peer.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    peer.send("hello");
    assert_eq!(whole(&mut peer).0, 201);
    // Nobody is asked to send what has no place.
    fs::create_dir(folder.path("taken")).expect("a new folder");
    let mut peer = Peer::ask(upload.address, &put("taken", 5, "Expect: 100-continue\r\n"));
    let (status, error) = whole(&mut peer);
    assert_eq!(status, 500, "{error}");
    assert_eq!(names(&folder), ["file", "taken"]);
}

#[test]
fn progress_comes_while_the_peer_still_sends() {
    let folder = Folder::new("progress");
    let upload = start(&folder);
    let mut lines = Lines::of({
        let mut peer = Peer::ask(upload.address, &put("file?progress", 300_000, ""));
        peer.send(&"x".repeat(100_000));
        peer
    });
    let first = lines.next();
    assert!((1..=100_000).contains(&first["written"].as_u64().expect("a number")), "{first}");
    lines.peer().send(&"x".repeat(200_000));
    let last = std::iter::repeat_with(|| lines.next()).find(|line| line["complete"] == true).expect("an end");
    assert_eq!(last["written"], 300_000);
    assert_eq!(lines.chunk(), "", "a complete answer");
    assert_eq!(names(&folder), ["file"]);
}

#[test]
fn a_peer_that_has_only_finished_sending_hears_all_of_its_progress() {
    let folder = Folder::new("finish");
    // So slow that the end of the sending side is found while the answer goes on.
    let upload = Example::start("upload", &["--folder", &folder.text(""), "--rate", "1000000"]);
    let mut lines = Lines::of({
        let mut peer = Peer::ask(upload.address, &put("file?progress", 300_000, ""));
        peer.send(&"x".repeat(300_000));
        peer.finish();
        peer
    });
    let last = std::iter::repeat_with(|| lines.next()).find(|line| line["complete"] == true).expect("an end");
    assert_eq!(last["written"], 300_000);
    assert_eq!(lines.chunk(), "", "a complete answer");
    assert_eq!(fs::read(folder.path("file")).expect("it is there").len(), 300_000);
    assert_eq!(names(&folder), ["file"]);
}

#[test]
fn a_peer_that_vanishes_leaves_nothing_behind() {
    let folder = Folder::new("vanish");
    let upload = start(&folder);
    for (target, is_reset) in [("a", false), ("b", true), ("c?progress", false), ("d?progress", true)] {
        let mut peer = Peer::ask(upload.address, &put(target, 1_000_000, ""));
        peer.send(&"x".repeat(300_000));
        until(&folder, |names| names.len() == 1 && names[0].ends_with(".part"));
        match is_reset {
            true => peer.reset(),
            false => drop(peer),
        }
        until(&folder, <[String]>::is_empty);
    }
    // A shutdown in the middle of one that is told its progress.
    let mut peer = Peer::ask(upload.address, &put("e?progress", 1_000_000, ""));
    peer.send(&"x".repeat(300_000));
    peer.until("written");
    upload.stop();
    assert!(
        peer.until("\r\n0\r\n\r\n").contains("\"error\":\"the server stops"),
        "no half answer looks whole"
    );
    drop(peer);
    assert!(upload.wait().success());
    assert!(names(&folder).is_empty(), "{:?}", names(&folder));
}

#[test]
fn a_slow_disk_does_not_keep_half_a_file_behind_a_shutdown() {
    let folder = Folder::new("slow");
    // A byte a second: the first piece takes hours.
    let upload = Example::start("upload", &["--folder", &folder.text(""), "--rate", "1"]);
    let mut peer = Peer::ask(upload.address, &put("file", 1_000_000, ""));
    peer.send(&"x".repeat(100_000));
    let is_begun = |name: &String| fs::metadata(folder.path(name)).is_ok_and(|part| part.len() > 0);
    until(&folder, |names| names.iter().any(is_begun));
    // A peer that vanishes is not waited for either.
    drop(peer);
    until(&folder, <[String]>::is_empty);
    let mut peer = Peer::ask(upload.address, &put("file", 1_000_000, ""));
    peer.send(&"x".repeat(100_000));
    until(&folder, |names| names.iter().any(is_begun));
    upload.stop();
    drop(peer);
    assert!(upload.wait().success());
    assert!(names(&folder).is_empty(), "{:?}", names(&folder));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_and_takes_nobody_else_along() {
    let folder = Folder::new("full");
    std::os::unix::fs::symlink("/dev/full", folder.path("full")).expect("a link");
    let upload = start(&folder);
    let mut other = Peer::ask(upload.address, &put("other", 200_000, ""));
    other.send(&"x".repeat(100_000));
    until(&folder, |names| names.iter().any(|name| name.ends_with(".part")));
    for target in ["full", "full?progress"] {
        let mut peer = Peer::ask(upload.address, &put(target, 10_000_000, ""));
        peer.send(&"x".repeat(100_000));
        let (status, error) = whole(&mut peer);
        assert_eq!((status, &error["error"]), (507, &Value::from("the disk is full")));
    }
    other.send(&"x".repeat(100_000));
    assert_eq!(whole(&mut other).0, 201);
    assert_eq!(names(&folder), ["full", "other"]);
}

/// How much is sent.
const MIB: u64 = 200;

/// How much more memory it may take than at the beginning, and how much may be under way in all: the kernel's buffers are the most of it.
const GROWTH_MAX_KIB: u64 = 2048;
const UNDER_WAY_MAX: u64 = 24 << 20;

#[test]
#[cfg(target_os = "linux")]
fn memory_is_flat_whatever_the_size() {
    let folder = Folder::new("memory");
    let made = std::process::Command::new("mkfifo").arg(folder.path("pipe")).status();
    assert!(made.expect("mkfifo runs").success());
    let upload = start(&folder);
    let block: Arc<Vec<u8>> =
        Arc::new((0..1u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect());
    let sent = Arc::new(AtomicU64::new(0));
    let mut sender = TcpStream::connect(upload.address).expect("somebody listens");
    sender.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let sending = thread::spawn({
        let (block, sent) = (Arc::clone(&block), Arc::clone(&sent));
        move || {
            sender
                .write_all(put("pipe", (MIB << 20) as usize, "Connection: close\r\n").as_bytes())
                .expect("it reads");
            for piece in (0..MIB).flat_map(|_| block.chunks(64 << 10)) {
                sender.write_all(piece).expect("it reads in the end");
                sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
            }
            let mut answer = String::new();
            sender.read_to_string(&mut answer).expect("an answer");
            answer
        }
    });
    // The disk: a pipe, and this test takes its time with reading it.
    let mut disk = fs::File::open(folder.path("pipe")).expect("the writer opens the other end");
    let begun = Instant::now();
    while sent.load(Ordering::SeqCst) < 1 << 20 {
        assert!(begun.elapsed() < PATIENCE, "nothing is sent");
        thread::yield_now();
    }
    let mut found = vec![0; block.len()];
    let (mut first, mut most, mut farthest) = (None, 0, 0);
    for number in 0..MIB {
        farthest = farthest.max(sent.load(Ordering::SeqCst).saturating_sub(number << 20));
        disk.read_exact(&mut found).expect("all of it comes");
        assert!(found == **block, "block {number} is another");
        if number % 4 == 3 {
            let memory = upload.proc("smaps_rollup", "Anonymous:");
            first.get_or_insert(memory);
            most = most.max(memory);
        }
    }
    assert_eq!(disk.read(&mut found).expect("the end"), 0);
    let answer = sending.join().expect("the sender ends");
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let first = first.expect("it was measured");
    println!(
        "{MIB} MiB: {first} KiB of anonymous memory after 4 MiB, at most {most} KiB; {farthest} bytes under way"
    );
    assert!(most <= first + GROWTH_MAX_KIB, "{first} KiB became {most}");
    assert!(farthest <= UNDER_WAY_MAX, "the peer was not held: {farthest} bytes were under way");
}

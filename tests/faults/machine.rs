//! What the machine says: the memory and the time of a process, what it has open, and what the kernel holds for sockets.
//!
//! User and kernel memory are told apart. The user's is what a process alone has written to; the kernel's is the whole machine's
//! (`/proc/net/sockstat`), with the peers' ends in it, which are on this machine too.

#![allow(dead_code, reason = "the faults use their parts")]

use std::fs;
use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::number;

/// A kibibyte.
pub(crate) const KIB: usize = 1024;
/// A mebibyte.
pub(crate) const MIB: usize = 1024 * KIB;

/// Raises this process' soft limit of open files to the hard one. Children inherit it.
pub(crate) fn raise_file_limit() {
    let hard = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard })
        .expect("the soft limit may be raised");
}

/// Bytes of memory that a process alone has written to.
#[track_caller]
pub(crate) fn user_bytes(process: u32) -> usize {
    number(&format!("/proc/{process}/smaps_rollup"), "Anonymous:", "Anonymous:") * KIB
}

/// Bytes that the kernel holds in the buffers of all TCP sockets of this machine.
#[track_caller]
pub(crate) fn kernel_bytes() -> usize {
    const PAGE: usize = 4096;
    number("/proc/net/sockstat", "TCP:", "mem") * PAGE
}

/// Bytes of payload that lie in the queues of a server's sockets, unread or not yet acknowledged by their peers.
#[track_caller]
pub(crate) fn queued_bytes(server: SocketAddr) -> usize {
    let port = format!(":{:04X}", server.port());
    let text = fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    let queues = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let is_ours = words.next()?.ends_with(&port);
        let (unsent, unread) = words.nth(2)?.split_once(':')?;
        let bytes = usize::from_str_radix(unsent, 16).ok()? + usize::from_str_radix(unread, 16).ok()?;
        is_ours.then_some(bytes)
    });
    queues.sum()
}

/// The processor's time that a process has had, its threads and the kernel's work for it together. Counted in hundredths of a second.
#[track_caller]
pub(crate) fn processor_time(process: u32) -> Duration {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    // Behind the command's name, which may hold anything, the twelfth and thirteenth words are utime and stime.
    let words = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = words.skip(11).take(2).map(|word| word.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

/// Lets time pass, for what has a rate. Nothing is awaited by it.
pub(crate) fn pause(time: Duration) {
    let (_keep, never) = channel::<()>();
    let _ = never.recv_timeout(time);
}

/// Bytes of a process that are in memory.
#[track_caller]
pub(crate) fn resident_bytes(process: u32) -> usize {
    number(&format!("/proc/{process}/status"), "VmRSS:", "VmRSS:") * KIB
}

/// How many descriptors a process has.
#[track_caller]
pub(crate) fn descriptors(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).expect("it runs").count()
}

/// How long a process' first thread was ready to run and had no processor.
#[track_caller]
pub(crate) fn waited_for_a_processor(process: u32) -> Duration {
    let path = format!("/proc/{process}/schedstat");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let nanos = text.split_whitespace().nth(1).and_then(|word| word.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_else(|| panic!("{path}: {text}")))
}

//! What an example says: it is there for who reads it, and nobody is served worse because nobody does.

use crate::running::Example;
use crate::support::{Peer, get};

/// Together more than a pipe holds (64 KiB on Linux) and the lines that may wait: each is logged with 1200 bytes.
const REGISTRATIONS: usize = 400;

/// Registers, with as much as is logged of it, and hears a number.
#[track_caller]
fn register(random: &Example) {
    let info = "%1b".repeat(200);
    let request = get(&format!("/testComet.do?interval=3600&requestInfo={info}"), "");
    Peer::ask(random.address, &request).until("random:");
}

#[test]
fn who_is_logged_is_served_when_nobody_reads_the_log() {
    let mut random = Example::start("random", &[]);
    register(&random);
    assert!(random.says().contains("(requestInfo of a registration): \"\\u{1b}"), "it is said");
    for _ in 0..REGISTRATIONS {
        register(&random);
    }
    // And it ends, although there is much that it would say.
    random.stop();
    assert!(random.wait().success());
}

#[test]
fn who_is_logged_is_served_when_the_log_has_no_reader() {
    let mut random = Example::start("random", &[]);
    random.deafen();
    for _ in 0..10 {
        register(&random);
    }
    random.stop();
    assert!(random.wait().success());
}

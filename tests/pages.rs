//! The demo's pages in a browser: what a visitor sees, in two windows, after a restart, on a phone, in the dark, without a mouse.
//!
//! Each test is a fact of `tests/pages/facts.mjs`, which drives Chromium. It needs Node.js, Chromium and one npm package, so it is built
//! only with the feature `browser-tests`:
//!
//! ```text
//! apt-get install nodejs npm chromium
//! npm ci --prefix tests/pages
//! cargo test --features browser-tests --test pages
//! ```
//!
//! Invariant: nothing is left behind. A fact that is told to end closes its browser and its servers, and it is told so when its
//! standard input ends, however that happens.

use std::path::Path;
use std::process::{Command, Stdio};

const INSTALL: &str = "the tests of the pages need Node.js, Chromium and a package: \
    apt-get install nodejs npm chromium && npm ci --prefix tests/pages";

#[track_caller]
fn holds(fact: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages");
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    assert!(Path::new(&chromium).exists(), "there is no {chromium}: {INSTALL}; or set CHROMIUM");
    assert!(folder.join("node_modules/playwright-core").exists(), "{INSTALL}");
    let child = Command::new("node")
        .arg(folder.join("facts.mjs"))
        .arg(fact)
        .env("ENCKE", env!("CARGO_BIN_EXE_encke"))
        .env("CHROMIUM", chromium)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}: {INSTALL}"));
    // `wait_with_output` would close the pipe at once, and that is what tells the fact to end.
    let mut child = child;
    let held = child.stdin.take();
    let output = child.wait_with_output().expect("node can be waited for");
    drop(held);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{fact}\n{said}");
}

macro_rules! facts {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            holds(stringify!($name));
        })*
    };
}

facts! {
    every_page_is_live_in_two_windows
    pages_survive_a_restart_and_tell_of_what_is_missing
    another_window_takes_over_and_nothing_is_lost_or_doubled
    a_window_that_comes_later_is_told_what_was_and_counts_only_what_is
    a_message_with_a_type_of_its_own_is_shown_like_any_other
    a_window_that_was_cut_off_catches_up_and_says_so
    seven_windows_share_one_connection_and_can_still_publish
    what_is_typed_is_shown_as_text
    all_can_be_done_with_the_keyboard_and_seen
    a_phone_never_scrolls_sideways
    text_can_be_read_in_light_and_dark
    without_the_key_a_page_says_so_and_with_it_publishes
    the_lines_for_the_shell_name_this_server_and_can_be_copied
    a_stream_of_ones_own_starts_counts_and_stops
}

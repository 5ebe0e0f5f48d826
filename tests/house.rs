//! The plan of the house, held by a test: who may import whom, and what every file owes its reader.
//!
//! It reads the sources as text, so it is simple and can be fooled on purpose; it is there for slips. Every rule is also shown a
//! source that breaks it, since a rule that cannot object proves nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, from the ground up. A room may use those before it; `testing` is used by none, and `server` and `client` are two ends
/// that know nothing of each other.
const ROOMS: [&str; 10] =
    ["ground", "http", "hub", "engine", "testing", "reactor", "server", "client", "command", "main"];

/// Crates that are let in by some rooms only.
const KEPT_TO: [(&str, &[&str]); 15] = [
    ("httparse", &["http"]),
    ("httpdate", &["http", "client"]),
    ("slab", &["engine", "hub"]),
    ("mio", &["reactor", "server"]),
    ("socket2", &["reactor", "server", "client"]),
    ("rustix", &["reactor", "server", "client"]),
    ("clap", &["server", "client", "command"]),
    ("clap_complete", &["command"]),
    ("clap_mangen", &["command"]),
    ("fastrand", &["client"]),
    ("form_urlencoded", &["client"]),
    ("iri_string", &["client"]),
    ("serde_json", &["client"]),
    ("signal_hook", &["server", "client"]),
    ("subtle", &["server"]),
];

/// The longest file. Tests and the docs of items are not counted: an example makes a file longer and no harder.
const LINES_MAX: usize = 450;

/// One source file: which room it stands in, and its text.
struct Source {
    name: String,
    room: &'static str,
    text: String,
}

impl Source {
    fn new(name: &str, text: &str) -> Source {
        let first = name.split('/').next().unwrap_or_default().trim_end_matches(".rs");
        let room = ROOMS.into_iter().find(|room| *room == first).unwrap_or("ground");
        Source { name: name.to_owned(), room, text: text.to_owned() }
    }

    /// The lines that are neither comments nor tests, numbered from one.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text[..end].lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        lines.filter(|(_, line)| !line.starts_with("//"))
    }

    fn height(&self) -> usize {
        ROOMS.iter().position(|room| *room == self.room).unwrap_or(0)
    }
}

fn collect(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, "rs", &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
        Source::new(&name, &fs::read_to_string(path).expect("readable"))
    };
    paths.iter().filter(|path| !path.to_string_lossy().contains("/tests/")).map(read).collect()
}

/// Imports that point upwards, and crates where they do not belong.
fn wrong_imports(source: &Source) -> Vec<String> {
    // The front door and the command name every room; that is what they are for.
    if matches!(source.name.as_str(), "lib.rs" | "main.rs") {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    for (number, line) in source.code() {
        for (height, room) in ROOMS.iter().enumerate().skip(1) {
            let names_it =
                line.contains(&format!("crate::{room}::")) || line.contains(&format!("use crate::{room};"));
            if names_it && height > source.height() {
                wrong.push(format!("{}:{number} reaches up into {room}/", source.name));
            }
            if names_it && *room == "server" && source.room == "client" {
                wrong.push(format!("{}:{number} looks into the other end", source.name));
            }
            if names_it && *room == "testing" {
                wrong.push(format!("{}:{number} serves with what only tests use", source.name));
            }
        }
        if source.room == "hub" && line.contains("crate::http") && !line.contains("crate::http::chunked") {
            wrong.push(format!("{}:{number} uses more of http/ than the chunk encoder", source.name));
        }
        for (name, rooms) in KEPT_TO {
            let is_used = line.contains(&format!("{name}::")) || line.starts_with(&format!("use {name};"));
            if is_used && !rooms.contains(&source.room) {
                wrong.push(format!("{}:{number} uses {name}", source.name));
            }
        }
    }
    wrong
}

/// What would make the rooms below the reactor depend on more than what they are handed.
fn wrong_below_the_reactor(source: &Source) -> Vec<String> {
    const FORBIDDEN: [&str; 7] = [
        "TcpStream",
        "SystemTime::now",
        "Instant::now",
        "std::thread",
        "std::fs",
        "std::env",
        "std::time::Instant",
    ];
    if matches!(source.room, "reactor" | "server" | "client" | "command" | "main") || source.name == "lib.rs"
    {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    for (number, line) in source.code() {
        for word in FORBIDDEN.iter().filter(|word| line.contains(*word)) {
            wrong.push(format!("{}:{number} uses {word}", source.name));
        }
    }
    // A map with random order may be looked up, never walked: a seed has to replay exactly.
    let maps: Vec<&str> = source
        .code()
        .filter(|(_, line)| line.contains(": HashMap<"))
        .filter_map(|(_, line)| line.split(':').next()?.split_whitespace().last())
        .collect();
    for (number, line) in source.code() {
        for map in &maps {
            let walks =
                [".iter()", ".iter_mut()", ".keys()", ".values()", ".values_mut()", ".drain()", ".retain("];
            if walks.iter().any(|walk| line.contains(&format!("{map}{walk}"))) {
                wrong.push(format!("{}:{number} walks a HashMap", source.name));
            }
        }
    }
    wrong
}

/// What a file owes its reader.
fn wrong_manners(source: &Source) -> Vec<String> {
    let mut wrong = Vec::new();
    if !source.text.starts_with("//! ") {
        wrong.push(format!("{} does not say what it is", source.name));
    }
    let lines = source
        .text
        .find("#[cfg(test)]\nmod tests {")
        .map_or(&source.text[..], |end| &source.text[..end])
        .lines();
    let count = lines.filter(|line| !line.trim_start().starts_with("///")).count();
    if count > LINES_MAX {
        wrong.push(format!("{} has {count} lines: two thoughts?", source.name));
    }
    for (number, line) in source.code() {
        for word in ["todo!", "unimplemented!", "FIXME", "dbg!("] {
            if line.contains(word) {
                wrong.push(format!("{}:{number} left {word}", source.name));
            }
        }
        if line.contains("unsafe ") && !line.contains("unsafe_code") {
            wrong.push(format!("{}:{number} is unsafe", source.name));
        }
    }
    wrong
}

/// What no test may do: wait for luck, or be left out.
fn wrong_in_tests(name: &str, text: &str) -> Vec<String> {
    let words = [concat!("thread::", "sleep"), concat!("#[ig", "nore")];
    let lines = text.lines().enumerate();
    lines
        .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
        .map(|(index, _)| format!("{name}:{} sleeps or is left out", index + 1))
        .collect()
}

#[track_caller]
fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn imports_point_downwards() {
    assert_none(sources().iter().flat_map(wrong_imports).collect());
}

#[test]
fn below_the_reactor_nothing_asks_the_machine() {
    assert_none(sources().iter().flat_map(wrong_below_the_reactor).collect());
}

#[test]
fn every_file_says_what_it_is_and_holds_one_thought() {
    assert_none(sources().iter().flat_map(wrong_manners).collect());
}

#[test]
fn no_test_sleeps_or_is_left_out() {
    let mut paths = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), "rs", &mut paths);
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "rs", &mut paths);
    assert!(paths.len() > 20, "the sources were found");
    let read = |path: &PathBuf| {
        wrong_in_tests(&path.to_string_lossy(), &fs::read_to_string(path).expect("readable"))
    };
    assert_none(paths.iter().flat_map(read).collect());
}

#[test]
fn the_rules_object_to_what_they_forbid() {
    let plant = |name: &str, text: &str| Source::new(name, text);
    assert_eq!(wrong_imports(&plant("hub/ring.rs", "use crate::engine::Core;\n")).len(), 1);
    assert_eq!(wrong_imports(&plant("hub/ring.rs", "use crate::http::RequestHead;\n")).len(), 1);
    assert_eq!(wrong_imports(&plant("hub/ring.rs", "use crate::http::chunked;\n")).len(), 0);
    assert_eq!(wrong_imports(&plant("time.rs", "use crate::http::Version;\n")).len(), 1);
    assert_eq!(wrong_imports(&plant("reactor/a.rs", "use crate::testing::Link;\n")).len(), 1);
    assert_eq!(wrong_imports(&plant("server/a.rs", "use crate::client::Exit;\n")).len(), 1);
    assert_eq!(wrong_imports(&plant("client/a.rs", "use crate::server::Flags;\n")).len(), 1);
    assert_eq!(wrong_imports(&plant("testing/a.rs", "use crate::engine::Engine;\n")).len(), 0);
    assert_eq!(wrong_imports(&plant("engine/a.rs", "let token = mio::Token(1);\n")).len(), 1);
    assert_eq!(wrong_imports(&plant("engine/a.rs", "use httparse::Header;\n")).len(), 1);
    assert_eq!(wrong_below_the_reactor(&plant("engine/a.rs", "let now = Instant::now();\n")).len(), 1);
    assert_eq!(wrong_below_the_reactor(&plant("testing/a.rs", "let now = Instant::now();\n")).len(), 1);
    assert_eq!(wrong_below_the_reactor(&plant("reactor/a.rs", "let now = Instant::now();\n")).len(), 0);
    let walk = "names: HashMap<String, u32>,\nfor x in self.names.values() {\n";
    assert_eq!(wrong_below_the_reactor(&plant("hub/a.rs", walk)).len(), 1);
    assert_eq!(wrong_manners(&plant("hub/a.rs", "use x;\n")).len(), 1);
    assert_eq!(wrong_manners(&plant("hub/a.rs", "//! A.\ntodo!()\n")).len(), 1);
    assert_eq!(wrong_manners(&plant("hub/a.rs", &format!("//! A.\n{}", "x\n".repeat(LINES_MAX)))).len(), 1);
    assert_eq!(
        wrong_manners(&plant("hub/a.rs", &format!("//! A.\n{}", "/// x\n".repeat(LINES_MAX)))).len(),
        0
    );
    assert_eq!(wrong_in_tests("a.rs", concat!("std::thread::", "sleep(wait);\n")).len(), 1);
}

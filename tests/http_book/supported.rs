//! `docs/SUPPORTED.md` as a test: what its tables say is answered is sent, what they cannot show names the test that holds it, and
//! its flags are those of the command.
//!
//! The heading of a table's first column says how its cells are sent: `request line`, `field`, `host`, `POST with`, `chunked body`,
//! or `bytes` as they are, also with the end of the peer's sending side behind them. A cell may hold several in backticks; `\r`,
//! `\n`, `\t`, `\\` and `\x1b` are bytes. The second column begins with the status, and whatever stands there in backticks is
//! part of the answer.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;

use crate::support::{PATIENCE, Server, encke};
use crate::terminal::page;

struct Table {
    headings: Vec<String>,
    /// Each with its line in the page.
    rows: Vec<(usize, Vec<String>)>,
}

fn tables(page: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut is_inside = false;
    for (index, line) in page.lines().enumerate() {
        let Some(cells) = cells(line) else {
            is_inside = false;
            continue;
        };
        match (is_inside, tables.last_mut()) {
            (true, Some(table)) if cells.iter().all(|cell| cell.starts_with("--")) => {
                assert!(table.rows.is_empty());
            }
            (true, Some(table)) => {
                assert_eq!(cells.len(), table.headings.len(), "line {}: {line}", index + 1);
                table.rows.push((index + 1, cells));
            }
            _ => tables.push(Table { headings: cells, rows: Vec::new() }),
        }
        is_inside = true;
    }
    tables
}

/// The cells of a line of a table; a bar inside of one has a backslash before it.
fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.strip_prefix('|')?.strip_suffix('|')?.replace("\\|", "\u{0}");
    Some(inside.split('|').map(|cell| trimmed(cell).replace('\u{0}', "|")).collect())
}

/// Without the one blank at either side: in backticks others count.
fn trimmed(cell: &str) -> String {
    cell.trim().to_owned()
}

/// What stands in backticks.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap_or_else(|_| panic!("no byte: {text}"))
            }
            other => panic!("{other:?} is not understood: {text}"),
        });
    }
    out
}

/// A request out of a cell, if the heading of its column says how.
fn request(heading: &str, cell: &str) -> Option<Vec<u8>> {
    let (before, behind) = match heading {
        "request line" => ("", "\r\nHost: a\r\nConnection: close\r\n\r\n"),
        "field" => ("GET /healthz HTTP/1.1\r\nHost: a\r\n", "\r\nConnection: close\r\n\r\n"),
        "host" => ("GET /healthz HTTP/1.1\r\nConnection: close\r\nHost: ", "\r\n\r\n"),
        "POST with" => ("POST /channels/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n", ""),
        "chunked body" => (
            "POST /channels/a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
            "",
        ),
        "bytes" | "bytes, then the end" => ("", ""),
        _ => return None,
    };
    Some([before.as_bytes(), &unescaped(cell), behind.as_bytes()].concat())
}

fn ask(server: &Server, heading: &str, bytes: &[u8]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(server.address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(bytes)?;
    if heading.ends_with("the end") {
        stream.shutdown(Shutdown::Write)?;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// What is wrong with the rows that can be sent, and how many were.
fn run(page: &str) -> (usize, Vec<String>) {
    let server = Server::start(&[]);
    let (mut sent, mut wrong) = (0, Vec::new());
    for table in tables(page).iter().filter(|table| request(&table.headings[0], "").is_some()) {
        for (line, row) in &table.rows {
            let status = row[1].split(' ').next().unwrap_or_default();
            for cell in code(&row[0]) {
                let bytes = request(&table.headings[0], cell).expect("asked above");
                let answer =
                    ask(&server, &table.headings[0], &bytes).unwrap_or_else(|error| error.to_string());
                sent += 1;
                let is_right = answer.starts_with(&format!("HTTP/1.1 {status} "))
                    && code(&row[1]).iter().all(|part| answer.contains(part));
                if !is_right {
                    wrong.push(format!("line {line}: {cell}\n{answer}"));
                }
            }
        }
    }
    (sent, wrong)
}

#[test]
fn what_the_tables_say_is_answered() {
    let (sent, wrong) = run(&page("docs/SUPPORTED.md"));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
    assert!(sent >= 200, "only {sent} requests were sent");
}

#[test]
fn a_wrong_table_is_found() {
    let table = "| field | answer |\n| --- | --- |\n| `X: a`, `X : a` | 200 |\n| `X: b` | 200 `not there` |\n| `X: c` | 204 |\n";
    let (sent, wrong) = run(table);
    assert_eq!((sent, wrong.len()), (4, 3), "{wrong:?}");
}

/// All text of the sources and tests.
fn sources() -> String {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&std::fs::read_to_string(path).expect("readable"));
            }
        }
    }
    text
}

#[test]
fn what_is_held_by_a_test_is_held_by_one_that_exists() {
    let sources = sources();
    let mut named = 0;
    for table in tables(&page("docs/SUPPORTED.md")) {
        if table.headings.last().is_none_or(|heading| heading != "held by") {
            continue;
        }
        for (line, row) in &table.rows {
            let tests = code(row.last().expect("a cell"));
            assert!(!tests.is_empty(), "line {line} is held by nothing");
            for test in tests {
                assert!(sources.contains(&format!("fn {test}(")), "line {line}: there is no {test}");
                named += 1;
            }
        }
    }
    assert!(named >= 20, "only {named} tests are named");
}

#[test]
fn the_flags_are_those_of_the_command_with_their_defaults() {
    let output = encke().arg("--help").output().expect("the command runs");
    let help = String::from_utf8(output.stdout).expect("text");
    let known = told(&help);
    let text = page("docs/SUPPORTED.md");
    let mut documented = BTreeSet::new();
    for table in tables(&text).iter().filter(|table| table.headings[0] == "flag") {
        for (line, row) in &table.rows {
            for flag in code(&row[0]) {
                documented.insert(flag.to_owned());
                let (_, said) = known.iter().find(|(name, _)| name == flag).unwrap_or_else(|| {
                    panic!("line {line}: the command knows no {flag}");
                });
                let default = said.split_once("[default: ").and_then(|(_, rest)| rest.split_once(']'));
                assert!(
                    default.is_none_or(|(default, _)| default == row[2]),
                    "line {line}: {flag} {}: {said}",
                    row[2]
                );
            }
        }
    }
    let missing: Vec<_> = known.iter().filter(|(name, _)| !documented.contains(name)).collect();
    assert_eq!(missing.len(), 2, "besides --help and --version nothing is left out: {missing:?}");
}

/// The flags of a help text, and what it says of each.
fn told(help: &str) -> Vec<(String, String)> {
    let mut flags: Vec<(String, String)> = Vec::new();
    for line in help.lines().map(str::trim) {
        let is_flag = line.starts_with("--") || line.starts_with('-') && line.contains(", --");
        match (is_flag, flags.last_mut()) {
            (true, _) => {
                let from = line.find("--").expect("just seen");
                let end = line[from..].find([' ', '.']).map_or(line.len(), |at| from + at);
                flags.push((line[from..end].to_owned(), line[end..].to_owned()));
            }
            (false, Some((_, said))) => *said += &format!(" {line}"),
            (false, None) => {}
        }
    }
    flags
}

#[test]
fn every_limit_is_named() {
    let limits = page("src/limits.rs");
    let fields = limits.lines().filter_map(|line| line.strip_prefix("    pub ")?.split_once(':'));
    let text = page("docs/SUPPORTED.md");
    let missing: Vec<_> =
        fields.map(|(name, _)| name).filter(|name| !text.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "no word of {missing:?}");
}

/// Sentences that only a caller of `parse_head` without a scan before it sees.
const BEHIND_THE_SCAN: [&str; 5] = [
    "a head without an end",
    "a line that does not end in a carriage return and a line feed",
    "a malformed field name",
    "a malformed field value",
    "a malformed head",
];

#[test]
fn every_sentence_of_a_refusal_stands_in_the_documentation() {
    let (sources, mut missing) = (sources(), BTreeSet::new());
    // The examples in the documentation of items refuse with sentences of their own.
    let sources: String =
        sources.split_inclusive('\n').filter(|line| !line.trim_start().starts_with("//")).collect();
    let pages = page("docs/SUPPORTED.md") + &page("docs/http.md");
    let mut count = 0;
    for rest in sources.split("Refusal::new(").skip(1) {
        let digits = rest.trim_start().get(..3).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(rest) = digits.and_then(|_| rest.trim_start()[3..].strip_prefix(',')) else { continue };
        let Some((sentence, _)) = rest.trim_start().strip_prefix('"').and_then(|text| text.split_once('"'))
        else {
            continue;
        };
        count += 1;
        if !pages.contains(sentence) && !BEHIND_THE_SCAN.contains(&sentence) {
            missing.insert(sentence);
        }
    }
    assert!(count >= 60, "only {count} sentences were found");
    assert!(missing.is_empty(), "nowhere: {missing:#?}");
}

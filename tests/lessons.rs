//! `docs/LESSONS.md` as a test: every line of it names tests, and each of those exists in the file that is named, as a test.
//!
//! In the last column of a table, a name that ends in `.rs` is a file, and the names behind it, up to the next file, are tests of it.

#[path = "lessons/push.rs"]
mod push;
mod support;

use std::path::Path;

/// The tables of the page, and how many rows each has at least: a lesson is not forgotten by leaving out its line.
const TABLES: [(&str, usize); 3] = [("## HTTP/1.1", 13), ("## Push", 17), ("## The six classic bugs", 6)];

/// A row of a table, by its last column.
struct Row {
    line: usize,
    cells: Vec<String>,
}

fn read(path: &str) -> Result<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The rows below a heading, without the two that make the table's head.
fn rows(page: &str, heading: &str) -> Vec<Row> {
    let lines = page.lines().enumerate().skip_while(|(_, line)| *line != heading).skip(1);
    let section = lines.take_while(|(_, line)| !line.starts_with("## "));
    let table = section.filter_map(|(index, line)| {
        let inside = line.strip_prefix("| ")?.strip_suffix(" |")?;
        Some(Row { line: index + 1, cells: inside.split(" | ").map(str::to_owned).collect() })
    });
    table.skip(2).collect()
}

/// What is wrong with the tests that a row names.
fn wrong(row: &Row) -> Vec<String> {
    let names: Vec<&str> = row.cells.last().map_or("", |cell| cell).split('`').skip(1).step_by(2).collect();
    let (mut wrong, mut file, mut tests) = (Vec::new(), Err("no file is named".to_owned()), 0);
    for name in names {
        if name.ends_with(".rs") {
            file = read(name);
            continue;
        }
        tests += 1;
        match &file {
            Ok(text) if is_test(text, name) => {}
            Ok(_) => wrong.push(format!("line {}: there is no test {name} in its file", row.line)),
            Err(error) => wrong.push(format!("line {}: {name}: {error}", row.line)),
        }
    }
    if tests == 0 {
        wrong.push(format!("line {} is held by nothing", row.line));
    }
    if row.cells.len() < 3 {
        wrong.push(format!("line {} has too few columns", row.line));
    }
    wrong
}

/// Whether a source has a test of this name.
fn is_test(text: &str, name: &str) -> bool {
    let Some(at) = text.find(&format!("fn {name}()")) else { return false };
    // Attributes may stand between, a body may not.
    text[..at].rsplit(['}', ';']).next().is_some_and(|near| near.contains("#[test]"))
}

#[test]
fn every_lesson_is_held_by_tests_that_exist() {
    let page = read("docs/LESSONS.md").expect("the page is there");
    for (heading, least) in TABLES {
        let rows = rows(&page, heading);
        assert!(rows.len() >= least, "{heading} has only {} lines", rows.len());
        let wrong: Vec<String> = rows.iter().flat_map(wrong).collect();
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }
}

#[test]
fn a_page_that_names_what_is_not_there_is_found_out() {
    let page = "## Push\n\n| broke | holds | held by |\n| --- | --- | --- |\n\
                | a | b | `tests/lessons.rs`: `every_lesson_is_held_by_tests_that_exist` |\n\
                | a | b | `tests/lessons.rs`: `is_test` |\n\
                | a | b | `tests/lessons.rs`: `nobody` |\n\
                | a | b | `tests/nowhere.rs`: `every_lesson_is_held_by_tests_that_exist` |\n\
                | a | b | `every_lesson_is_held_by_tests_that_exist` |\n\
                | a | b | nothing |\n\n## Next\n\n| a | b | c |\n";
    let rows = rows(page, "## Push");
    let counts: Vec<usize> = rows.iter().map(|row| wrong(row).len()).collect();
    assert_eq!(counts, [0, 1, 1, 1, 1, 1]);
}

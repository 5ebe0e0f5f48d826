//! `SECURITY.md` and `docs/FAULTS.md`, held true: each test that they name exists, and each threat and each fault names one.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "support/marks.rs"]
mod marks;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The rows of those tables whose last column is the test.
fn rows(page: &str) -> Vec<&str> {
    let mut is_of_tests = false;
    let mut rows = Vec::new();
    for line in page.lines() {
        match line.strip_prefix("| ") {
            None => is_of_tests = false,
            Some(row) if row.ends_with("| test |") => is_of_tests = true,
            Some(row) if is_of_tests && !row.starts_with("---") => rows.push(row),
            Some(_) => {}
        }
    }
    rows
}

/// Rows that are held by nothing.
fn unheld(page: &str) -> Vec<&str> {
    rows(page).into_iter().filter(|row| marks::marks(row).is_empty()).collect()
}

#[test]
fn each_test_that_is_named_exists() {
    for name in ["SECURITY.md", "docs/FAULTS.md"] {
        let (page, root) = (page(name), root());
        assert!(marks::marks(&page).len() >= 10, "{name} names its tests");
        let objections = marks::objections(&page, &root);
        assert!(objections.is_empty(), "{name}:\n{}", objections.join("\n"));
    }
}

#[test]
fn each_threat_and_each_fault_names_the_test_that_holds_it() {
    // What the compiler holds has no test.
    let by_the_compiler = |row: &&str| row.starts_with("memory errors | `#![forbid(unsafe_code)]`");
    for name in ["SECURITY.md", "docs/FAULTS.md"] {
        let page = page(name);
        assert!(rows(&page).len() >= 10, "{name} has its rows");
        let unheld: Vec<&str> = unheld(&page).into_iter().filter(|row| !by_the_compiler(row)).collect();
        assert!(unheld.is_empty(), "{name}:\n{}", unheld.join("\n"));
    }
}

#[test]
fn a_mark_that_leads_nowhere_is_objected_to() {
    let page = "| threat | test |\n| --- | --- |\n| a | `tests/security.rs::no_such_test` |\n| b | `tests/none.rs::a` |\n| c | none |\n\
                | d | `tests/security.rs::a_mark_that_leads_nowhere_is_objected_to` |\n| e | `tests/security.rs::root` |\n";
    assert_eq!(marks::objections(page, &root()).len(), 3, "{:?}", marks::objections(page, &root()));
    assert_eq!(unheld(page), ["c | none |"]);
}

//! The tour of docs/TOUR.md, held true: each of its marks stands in the file that it names, once, and no mark stands anywhere else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The marks of the page in its order, each with the file that it sends its reader to.
fn promised(page: &str) -> Vec<(String, String)> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| TOUR ")?.split(" | ");
        let (mark, file) = (cells.next()?, cells.next()?);
        Some((mark.to_owned(), file.trim_matches('`').to_owned()))
    };
    page.lines().filter_map(row).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The marks of the sources, each with the files in which it stands.
fn found(root: &Path) -> BTreeMap<String, Vec<String>> {
    let mut paths = Vec::new();
    ["src", "examples", "tests"].iter().for_each(|folder| collect(&root.join(folder), &mut paths));
    let mut marks = BTreeMap::<String, Vec<String>>::new();
    for path in paths {
        let name = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(&path).expect("readable");
        for mark in text.lines().filter_map(|line| line.trim().strip_prefix("// TOUR ")) {
            marks.entry(mark.to_owned()).or_default().push(name.clone());
        }
    }
    marks
}

/// What a reader would stumble over.
fn objections(promised: &[(String, String)], found: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut objections = Vec::new();
    for (mark, file) in promised {
        match found.get(mark).map(Vec::as_slice) {
            Some([only]) if only == file => {}
            other => objections.push(format!("TOUR {mark} should stand in {file} and stands in {other:?}")),
        }
    }
    let leads_to = |mark: &String| promised.iter().any(|(promise, _)| promise == mark);
    objections.extend(
        found.keys().filter(|mark| !leads_to(mark)).map(|mark| format!("no stop leads to TOUR {mark}")),
    );
    let is_in_order = promised.iter().map(|(mark, _)| mark).is_sorted();
    objections.extend((!is_in_order).then(|| "the stops are not in order".to_owned()));
    objections
}

#[test]
fn every_stop_of_the_tour_is_where_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/TOUR.md")).expect("the tour");
    let promised = promised(&page);
    assert!(promised.len() >= 20, "{} stops", promised.len());
    let objections = objections(&promised, &found(root));
    assert!(objections.is_empty(), "\n{}", objections.join("\n"));
}

#[test]
fn a_tour_that_leads_astray_is_found_out() {
    let row = |mark: &str, file: &str| (mark.to_owned(), file.to_owned());
    let marks = |list: &[(&str, &[&str])]| {
        list.iter()
            .map(|(mark, files)| (mark.to_string(), files.iter().map(|file| file.to_string()).collect()))
            .collect()
    };
    let good = [row("1.1", "a.rs"), row("1.2", "b.rs")];
    let there = marks(&[("1.1", &["a.rs"]), ("1.2", &["b.rs"])]);
    assert_eq!(objections(&good, &there), [""; 0]);
    assert_eq!(objections(&good, &marks(&[("1.1", &["a.rs"]), ("1.2", &["c.rs"])])).len(), 1);
    assert_eq!(objections(&good, &marks(&[("1.1", &["a.rs", "b.rs"]), ("1.2", &["b.rs"])])).len(), 1);
    assert_eq!(objections(&good, &marks(&[("1.1", &["a.rs"])])).len(), 1);
    assert_eq!(objections(&good[..1], &there).len(), 1);
    assert_eq!(objections(&[row("1.2", "b.rs"), row("1.1", "a.rs")], &there).len(), 1);
}

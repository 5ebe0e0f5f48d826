//! Every known kind of difference between readers has an example in the corpus and a row in the README, and every row has a kind.
//!
//! The examples are called `KIND.READER`. They need node, whose parser is one of the readers.
//!
//! Next: `../README.md`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use encke_fuzz::differential::{KINDS, differences};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All kinds with those who differ so, as the examples are called.
fn known() -> BTreeSet<String> {
    let names = KINDS.iter().flat_map(|kind| {
        kind.others().into_iter().map(|other| format!("{}.{other:?}", kind.name).to_lowercase())
    });
    names.collect()
}

#[test]
fn every_kind_of_difference_has_an_example_that_shows_it() {
    for name in known() {
        let wire = fs::read(root().join("corpus/differential").join(&name)).unwrap_or_default();
        let found = differences(&wire)
            .into_iter()
            .any(|(other, kind)| kind.is_ok_and(|kind| format!("{kind}.{other:?}").to_lowercase() == name));
        assert!(found, "{name}: {:?}", differences(&wire));
    }
}

#[test]
fn no_input_that_is_kept_differs_in_an_unknown_way() {
    for entry in fs::read_dir(root().join("corpus/differential")).expect("readable") {
        let path = entry.expect("readable").path();
        encke_fuzz::differential::check(&fs::read(path).expect("readable"));
    }
}

#[test]
fn the_readme_explains_each_kind_and_no_other() {
    let text = fs::read_to_string(root().join("README.md")).expect("readable");
    let rows =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")).filter(|(_, rest)| {
            rest.starts_with("we refuse") || rest.starts_with("they refuse") || rest.starts_with("both serve")
        });
    let explained: BTreeSet<&str> = rows.map(|(name, _)| name).collect();
    let kinds: BTreeSet<&str> = KINDS.iter().map(|kind| kind.name).collect();
    assert_eq!(explained, kinds);
}

//! The planted bugs of `tests/mutants/`, as far as an ordinary run looks at them: that each can still be planted, and says what it is.
//!
//! Whether the judges catch them takes minutes, and is what `tests/mutants/run` finds out. A patch that no longer applies proves
//! nothing then, so this test fails with the change that made it so.
//!
//! Next: `mutants/README.md`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A planted bug: a file of `tests/mutants/`.
struct Mutant {
    name: String,
    path: PathBuf,
    text: String,
}

/// One place that a patch changes.
struct Hunk {
    file: String,
    /// What has to stand there before.
    before: String,
    /// Whether anything is other than it was.
    is_change: bool,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn mutants() -> Vec<Mutant> {
    let folder = fs::read_dir(root().join("tests/mutants")).expect("the folder of the bugs");
    let paths = folder.flatten().map(|entry| entry.path());
    let read = |path: PathBuf| Mutant {
        name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
        text: fs::read_to_string(&path).expect("readable"),
        path,
    };
    let mut mutants: Vec<Mutant> =
        paths.filter(|path| path.extension().is_some_and(|e| e == "patch")).map(read).collect();
    mutants.sort_by(|a, b| a.name.cmp(&b.name));
    mutants
}

/// The places that a unified diff changes.
fn hunks(patch: &str) -> Vec<Hunk> {
    let mut hunks: Vec<Hunk> = Vec::new();
    let mut file = "";
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("--- a/") {
            file = path;
        } else if line.starts_with("@@ ") {
            hunks.push(Hunk { file: file.to_owned(), before: String::new(), is_change: false });
        } else if let Some(hunk) = hunks.last_mut()
            && !line.starts_with("diff ")
            && !line.starts_with("+++ ")
        {
            let (kind, content) = line.split_at(line.len().min(1));
            hunk.is_change |= kind == "+" || kind == "-";
            if kind != "+" {
                hunk.before.push_str(content);
                hunk.before.push('\n');
            }
        }
    }
    hunks
}

/// What keeps a patch from being applied to the files that `read` gives.
fn wrong_patch(patch: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let hunks = hunks(patch);
    if !hunks.iter().any(|hunk| hunk.is_change) {
        return vec!["it changes nothing".to_owned()];
    }
    let mut wrong = Vec::new();
    for hunk in &hunks {
        match read(&hunk.file) {
            None => wrong.push(format!("there is no {}", hunk.file)),
            Some(text) if !text.contains(&hunk.before) => {
                wrong.push(format!("{} does not hold:\n{}", hunk.file, hunk.before));
            }
            Some(_) => {}
        }
    }
    wrong
}

/// What a patch owes its reader, and whoever runs it: its bug in a sentence, and the test that must fail. `knows` tells whether
/// a test target has a test of this name.
fn wrong_header(patch: &str, knows: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut lines = patch.lines();
    let bug = lines.next().and_then(|line| line.strip_prefix("Bug: "));
    if bug.is_none_or(|bug| !bug.ends_with('.')) {
        wrong.push("its first line is no `Bug: ` with a sentence".to_owned());
    }
    match lines.next().and_then(|line| line.strip_prefix("Judge: ")?.rsplit_once(' ')) {
        Some((target, test)) if !knows(target, test) => {
            wrong.push(format!("`{target}` has no test `{test}`"));
        }
        Some(_) => {}
        None => wrong.push("its second line is no `Judge: ` with a target and a test".to_owned()),
    }
    wrong
}

/// All sources of a test target, `--lib` or `--test NAME`.
fn sources_of(target: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if target == "--lib" {
        collect(&root().join("src"), &mut found);
    } else if let Some(name) = target.strip_prefix("--test ") {
        collect(&root().join("tests").join(name), &mut found);
        found.push(root().join("tests").join(format!("{name}.rs")));
    }
    found
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Whether a target has a test of this name: its last part as a function, in a file that the parts before it name.
fn knows_test(target: &str, test: &str) -> bool {
    let (modules, function) = test.rsplit_once("::").unwrap_or(("", test));
    // Unit tests stand in the file that they test, or in one of their own.
    let places = [Some(modules), modules.strip_suffix("::tests")];
    let declares = |path: &PathBuf| {
        let stem = path.with_extension("").to_string_lossy().replace('\\', "/");
        let stem = stem.trim_end_matches("/main").trim_end_matches("/mod");
        let is_place =
            |place: &str| place.is_empty() || stem.ends_with(&format!("/{}", place.replace("::", "/")));
        places.into_iter().flatten().any(is_place)
            && fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("fn {function}(")))
    };
    sources_of(target).iter().any(declares)
}

#[track_caller]
fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn each_planted_bug_says_what_it_is_and_which_test_must_catch_it() {
    let table = fs::read_to_string(root().join("tests/mutants/README.md")).expect("the table of the bugs");
    let mut wrong = Vec::new();
    for mutant in mutants() {
        wrong.extend(
            wrong_header(&mutant.text, knows_test).iter().map(|why| format!("{}: {why}", mutant.name)),
        );
        if !table.contains(&format!("| `{}` |", mutant.name)) {
            wrong.push(format!("{} is not in the table of README.md", mutant.name));
        }
    }
    assert_none(wrong);
}

#[test]
fn each_planted_bug_can_still_be_planted() {
    let mutants = mutants();
    assert!(mutants.len() >= 20, "{} bugs", mutants.len());
    let read = |file: &str| fs::read_to_string(root().join(file)).ok();
    let mut wrong = Vec::new();
    for mutant in &mutants {
        wrong.extend(wrong_patch(&mutant.text, read).iter().map(|why| format!("{}: {why}", mutant.name)));
    }
    assert_none(wrong);
}

#[test]
fn git_can_plant_what_the_text_allows() {
    let has_git = Command::new("git").arg("--version").output().is_ok_and(|output| output.status.success());
    if !has_git {
        // An unpacked crate on a machine without it; the test before this one has looked at the text.
        return;
    }
    let mut wrong = Vec::new();
    for mutant in mutants() {
        let mut git = Command::new("git");
        git.current_dir(root()).args(["apply", "--check"]).arg(&mutant.path);
        // A repository above an unpacked crate would make git look for the files there.
        git.env("GIT_CEILING_DIRECTORIES", root().parent().unwrap_or(root()));
        let output = git.output().expect("git runs");
        if !output.status.success() {
            wrong.push(format!("{}: {}", mutant.name, String::from_utf8_lossy(&output.stderr)));
        }
    }
    assert_none(wrong);
}

#[test]
fn the_rules_object_to_a_patch_that_proves_nothing() {
    let patch = "Bug: it says two.\nJudge: --lib one::says_one\n\ndiff --git a/src/one.rs b/src/one.rs\n\
                 --- a/src/one.rs\n+++ b/src/one.rs\n@@ -1,3 +1,3 @@\n fn one() -> u8 {\n-    1\n+    2\n }\n";
    let source = |text: &'static str| move |file: &str| (file == "src/one.rs").then(|| text.to_owned());
    assert_eq!(wrong_patch(patch, source("fn one() -> u8 {\n    1\n}\n")), [""; 0]);
    assert_eq!(wrong_patch(patch, source("fn one() -> u8 {\n    3\n}\n")).len(), 1, "the line is another");
    assert_eq!(wrong_patch(patch, |_| None), ["there is no src/one.rs"]);
    assert_eq!(wrong_patch("Bug: none.\nJudge: --lib x\n", source("")), ["it changes nothing"]);

    let knows = |target: &str, test: &str| (target, test) == ("--lib", "one::says_one");
    assert_eq!(wrong_header(patch, knows), [""; 0]);
    assert_eq!(wrong_header(patch, |_, _| false), ["`--lib` has no test `one::says_one`"]);
    assert_eq!(wrong_header("Bug: it says two\nJudge: --lib one::says_one\n", knows).len(), 1, "no sentence");
    assert_eq!(wrong_header("diff --git a/src/one.rs b/src/one.rs\n", knows).len(), 2, "no header");

    assert!(knows_test("--test mutants", "the_rules_object_to_a_patch_that_proves_nothing"));
    assert!(knows_test("--lib", "engine::wheel::tests::what_is_due_can_still_be_cancelled"));
    assert!(knows_test("--test simulation", "storms::storms"));
    assert!(!knows_test("--test simulation", "storms::a_storm_that_never_was"));
    assert!(!knows_test("--test simulation", "oracle::storms"), "it stands in another file");
}

//! Marks in a page that name a test, as `tests/serve.rs::help_and_version_go_to_standard_output`: whether each of those tests exists.
//!
//! A page that says which test holds a promise is worth something as long as that test is there. Its user calls [`objections`].

use std::fs;
use std::path::Path;

/// The marks of a page: what stands between backticks, and is the path of a source file, two colons, and a name.
pub(crate) fn marks(page: &str) -> Vec<(&str, &str)> {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let mark = |quoted: &'_ str| -> Option<(usize, usize)> {
        let at = quoted.find(".rs::")? + ".rs".len();
        is_name(&quoted[at + 2..]).then_some((at, at + 2))
    };
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter_map(|text| mark(text).map(|(end, begin)| (&text[..end], &text[begin..]))).collect()
}

/// What is wrong with a page's marks: files that are not there, and tests that are not in them.
pub(crate) fn objections(page: &str, root: &Path) -> Vec<String> {
    let object = |(file, name): (&str, &str)| match fs::read_to_string(root.join(file)) {
        Err(error) => Some(format!("{file}: {error}")),
        Ok(text) if !has_test(&text, name) => Some(format!("{file} has no test {name}")),
        Ok(_) => None,
    };
    marks(page).into_iter().filter_map(object).collect()
}

/// Whether a source has a test of that name: the attribute, and then, perhaps behind others, the function.
fn has_test(source: &str, name: &str) -> bool {
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if line == "#[test]" {
            is_test = true;
        } else if !line.starts_with("#[") {
            if is_test && line.starts_with(&format!("fn {name}()")) {
                return true;
            }
            is_test = false;
        }
    }
    false
}

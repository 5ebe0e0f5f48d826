//! Every public type, trait and function of the library has an example that runs.
//!
//! ```text
//!   a type, a trait, a function, a method that does something ─► its own example, which names it
//!   a getter or a constructor                                 ─► its own, or its type's, which calls it
//!                                                             ─► or a line here, and some neighbour's, which calls it
//!   a method of a trait                                       ─► its own, or the trait's, which writes it
//! ```
//!
//! It reads the sources as text. In this crate everything that says `pub` alone can be reached from outside (`unreachable_pub` warns of the
//! rest), so a line that begins with `pub fn` is a promise to a reader. That each item has docs at all is `missing_docs`' business, and that the
//! examples hold is `cargo test --doc`'s.
//!
//! Invariant: no list here has a line too many: what has got an example has to leave it.

use std::fs;
use std::path::{Path, PathBuf};

/// Getters that their type's example leaves out and a neighbour's uses: one of their own would say the same again.
const SHOWN_BY_A_NEIGHBOUR: [&str; 24] = [
    "Core::blocked",
    "Core::counters",
    "Core::exchanges",
    "Core::idle",
    "Core::is_open",
    "Core::is_shutting_down",
    "Core::now",
    "Core::parked",
    "Core::turns",
    "Ctx::id",
    "Ctx::is_open",
    "Ctx::now",
    "Engine::handler",
    "Engine::is_finished",
    "Hub::stats",
    "Link::is_open",
    "Reactor::addresses",
    "Reactor::engine",
    "Reactor::is_finished",
    "Reactor::local_addr",
    "Server::engine",
    "Server::new",
    "Server::now",
    "Server::received",
];

/// Rooms that are no library: the command, whose one public function is what `main` calls.
const NOT_THE_LIBRARY: [&str; 4] = ["client/", "command/", "main.rs", "server/"];

/// A public item, and the examples in its docs.
struct Item {
    /// `Type::method`, or the name alone.
    name: String,
    place: String,
    /// The code of all fences that are compiled.
    examples: String,
    /// Whether all of them run, too.
    runs: bool,
    kind: Kind,
}

/// How much an item has to show for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A type, a trait, a function, or a method that does something: all of them change what they are called on.
    Full,
    /// A method that only looks, or a function that makes its type.
    Plain,
    /// A method of a trait, which is written rather than called.
    Written,
}

impl Item {
    /// Its last name, as it stands in a call.
    fn short(&self) -> &str {
        self.name.rsplit("::").next().unwrap_or(&self.name)
    }

    /// The type that a method is of.
    fn owner(&self) -> Option<&str> {
        self.name.split_once("::").map(|(owner, _)| owner)
    }

    fn has_example(&self) -> bool {
        let is_named = |code: &str| self.owner().is_none() || mentions(code, self.short());
        self.runs && !self.examples.is_empty() && is_named(&self.examples)
    }

    /// Whether the example of its type is enough, and there.
    fn is_shown_by_its_type(&self, items: &[Item]) -> bool {
        let owner = items.iter().find(|item| Some(item.name.as_str()) == self.owner() && item.runs);
        owner.is_some_and(|owner| match self.kind {
            Kind::Full => false,
            Kind::Plain => calls(&owner.examples, self.short()),
            Kind::Written => owner.examples.contains(&format!("fn {}(", self.short())),
        })
    }
}

/// Whether code calls a method or function of this name.
fn calls(code: &str, name: &str) -> bool {
    [".", "::"].iter().any(|before| code.contains(&format!("{before}{name}(")))
}

/// Whether a word stands somewhere in the code.
fn mentions(code: &str, word: &str) -> bool {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|other| other == word)
}

/// The code of the fences in a doc comment, and whether all of it runs.
fn examples(docs: &[&str]) -> (String, bool) {
    let (mut code, mut runs, mut fence) = (String::new(), true, None);
    for line in docs {
        let line = line.trim_start_matches("///").trim_start_matches("//!").trim();
        match (line.strip_prefix("```"), fence) {
            (Some(_), Some(_)) => fence = None,
            (Some(info), None) => {
                fence = Some(info);
                runs &= !(info.contains("no_run") || info.contains("ignore"));
            }
            (None, Some("text")) | (None, None) => {}
            (None, Some(_)) => code = code + line.trim_start_matches("# ") + "\n",
        }
    }
    (code, runs)
}

/// The item that a line declares: what kind it is, and its name.
fn declared(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("pub ")?;
    let line = line.strip_prefix("const ").filter(|rest| rest.starts_with("fn ")).unwrap_or(line);
    let (kind, rest) = line.split_once(' ')?;
    let is_item = matches!(kind, "fn" | "struct" | "enum" | "trait" | "type" | "union");
    is_item.then(|| (kind, rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or(rest)))
}

/// The type that an `impl` line is about, if it is no trait's.
fn implemented(line: &str) -> Option<&str> {
    let mut rest = line.strip_prefix("impl")?.trim_start();
    if rest.starts_with('<') {
        let (mut depth, mut before) = (0, ' ');
        let end = rest.find(|c| {
            depth += i32::from(c == '<') - i32::from(c == '>' && before != '-');
            before = c;
            depth == 0
        })?;
        rest = rest[end + 1..].trim_start();
    }
    let name = rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
    (!rest.contains(" for ")).then_some(name)
}

/// What kind of method begins at the front of `code`.
fn kind_of_method(code: &str, is_trait: bool) -> Kind {
    let signature = code.split(['{', ';']).next().unwrap_or(code);
    let changes = signature.contains("&mut self") || !signature.contains("->");
    match (is_trait, changes) {
        (true, _) => Kind::Written,
        (false, true) => Kind::Full,
        (false, false) => Kind::Plain,
    }
}

/// The public items of one file.
fn items(place: &str, text: &str) -> Vec<Item> {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines: Vec<&str> = text[..end].lines().collect();
    let (mut found, mut docs, mut owner, mut is_trait) = (Vec::new(), Vec::new(), None, false);
    for (index, &whole) in lines.iter().enumerate() {
        let line = whole.trim();
        if line.starts_with("///") {
            docs.push(line);
            continue;
        }
        if line.starts_with("#[") || line.ends_with(")]") || line.starts_with("reason = ") {
            continue;
        }
        let is_inside = whole.starts_with(' ');
        if !is_inside && !line.is_empty() {
            owner = implemented(line);
            is_trait = false;
        }
        let written = format!("pub {line}");
        let declared = match declared(line) {
            None if is_trait && whole.starts_with("    fn ") => declared(&written),
            other => other,
        };
        let item = match (declared, is_inside, owner) {
            (Some((_, name)), true, Some(owner)) => {
                Some((format!("{owner}::{name}"), kind_of_method(&lines[index..].join(" "), is_trait)))
            }
            (Some((kind, name)), false, _) => {
                is_trait = kind == "trait";
                owner = if is_trait { line.split([' ', ':', '<']).nth(2) } else { owner };
                Some((name.to_owned(), Kind::Full))
            }
            _ => None,
        };
        if let Some((name, kind)) = item {
            let (examples, runs) = examples(&docs);
            found.push(Item { name, place: format!("{place}:{}", index + 1), examples, runs, kind });
        }
        docs.clear();
    }
    found
}

/// What is wrong with the items, given the list of those that a neighbour shows. `others` is the code of the examples of modules.
fn wrong(items: &[Item], others: &str, by_a_neighbour: &[&str]) -> Vec<String> {
    let mut wrong = Vec::new();
    for item in items {
        let is_shown = item.has_example() || item.is_shown_by_its_type(items);
        match (is_shown, by_a_neighbour.contains(&item.name.as_str())) {
            (true, true) => {
                wrong.push(format!("{} {} is shown: take it off the list", item.place, item.name))
            }
            (false, false) => wrong.push(format!("{} {} has no example that runs", item.place, item.name)),
            (false, true) if item.kind == Kind::Full => {
                wrong.push(format!(
                    "{} {} does something: it needs an example of its own",
                    item.place, item.name
                ));
            }
            _ => {}
        }
    }
    for name in by_a_neighbour {
        let short = name.rsplit("::").next().unwrap_or(name);
        if !items.iter().any(|item| item.name == *name) {
            wrong.push(format!("{name} is on the list and is no public item"));
        } else if !calls(others, short) && !items.iter().any(|item| item.runs && calls(&item.examples, short))
        {
            wrong.push(format!("{name} is shown by no neighbour"));
        }
    }
    wrong
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources are there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The library's files: name and text.
fn library() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    let name =
        |path: &PathBuf| path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
    let read = |path: &PathBuf| (name(path), fs::read_to_string(path).expect("readable"));
    let is_library = |(name, _): &(String, String)| {
        !NOT_THE_LIBRARY.iter().any(|other| name.starts_with(other)) && !name.contains("/tests/")
    };
    paths.iter().map(read).filter(is_library).collect()
}

#[test]
fn every_public_item_has_an_example() {
    let library = library();
    let items: Vec<Item> = library.iter().flat_map(|(name, text)| items(name, text)).collect();
    assert!(items.len() > 200, "the items were found: {}", items.len());
    let modules: String = library
        .iter()
        .map(|(_, text)| {
            examples(&text.lines().take_while(|line| line.starts_with("//!")).collect::<Vec<_>>()).0
        })
        .collect();
    let wrong = wrong(&items, &modules, &SHOWN_BY_A_NEIGHBOUR);
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), items.len(), wrong.join("\n"));
}

#[test]
fn the_rule_objects_to_what_it_forbids() {
    let planted = "\
/// A thing.
///
/// ```
/// let thing = Thing::new();
/// assert_eq!(thing.size(), 0);
/// ```
#[derive(Debug)]
pub struct Thing<'a> {
    pub size: usize,
}

impl<'a, F: Fn(usize) -> usize> Thing<'a> {
    /// A new one.
    #[must_use]
    pub const fn new() -> Thing<'a> {}

    /// How large.
    pub fn size(&self) -> usize {}

    /// How heavy.
    pub fn weight(&self) -> usize {}

    /// Grows.
    ///
    /// ```text
    /// thing.grow();
    /// ```
    pub fn grow(&mut self) {}

    /// Inside.
    pub(crate) fn inside(&self) {}
}

/// What things do.
///
/// ```
/// impl Act for Thing<'_> {
///     fn act(&self) {}
/// }
/// ```
pub trait Act {
    /// Acts.
    fn act(&self) {}

    /// Does not.
    fn rest(&self) {}
}

impl Act for Thing<'_> {
    fn act(&self) {}
}

/// An example that is not run.
///
/// ```no_run
/// idle();
/// ```
pub fn idle() {}

#[cfg(test)]
mod tests {
    pub fn test() {}
}
";
    let items = items("planted.rs", planted);
    let kinds: Vec<(&str, Kind)> = items.iter().map(|item| (item.name.as_str(), item.kind)).collect();
    let expected = [
        ("Thing", Kind::Full),
        ("Thing::new", Kind::Plain),
        ("Thing::size", Kind::Plain),
        ("Thing::weight", Kind::Plain),
        ("Thing::grow", Kind::Full),
        ("Act", Kind::Full),
        ("Act::act", Kind::Written),
        ("Act::rest", Kind::Written),
        ("idle", Kind::Full),
    ];
    assert_eq!(kinds, expected);

    let lacking: Vec<&str> = ["Thing::weight", "Thing::grow", "Act::rest", "idle"].into();
    let said = wrong(&items, "", &[]);
    assert_eq!(said.len(), lacking.len(), "{said:#?}");
    for (line, name) in said.iter().zip(lacking) {
        assert!(
            line.starts_with("planted.rs:") && line.ends_with(&format!(" {name} has no example that runs"))
        );
    }

    let said = wrong(
        &items,
        "let grams = thing.weight();",
        &["Thing::size", "Thing::weight", "Thing::grow", "Thing::gone"],
    );
    for ending in [
        "Thing::size is shown: take it off the list",
        "Thing::grow does something: it needs an example of its own",
        "Thing::gone is on the list and is no public item",
        "idle has no example that runs",
    ] {
        assert!(said.iter().any(|line| line.ends_with(ending)), "{ending:?} is not among {said:#?}");
    }
    assert!(!said.iter().any(|line| line.contains("Thing::weight")), "a neighbour shows it");
    let said = wrong(&items, "", &["Thing::weight"]);
    assert!(said.iter().any(|line| line == "Thing::weight is shown by no neighbour"));
}

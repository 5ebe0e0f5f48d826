//! A page of Markdown as somebody reads it who tries everything: sections, and the commands in their `console` blocks.
//!
//! | in the page | means |
//! | --- | --- |
//! | `## ` | a new section: a new server, and ids begin at 1 |
//! | `$ ` in a `console` block | a command; a `\` at its end goes on in the next line |
//! | the lines below it | what it prints |
//! | ` &` at its end | it stays open, and the lines below it come when they come |
//! | `$ kill %2` | the second of the section's commands with a `&` is stopped, as soon as it has printed what it is to print |
//!
//! Blocks of other languages are not looked at.

/// What stands between two headings.
#[derive(Debug, Default)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) blocks: Vec<Block>,
}

/// One `console` block: what is done in one terminal.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) commands: Vec<Command>,
}

/// A command and what it prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// Its line in the page, from one.
    pub(crate) line: usize,
    pub(crate) text: String,
    pub(crate) prints: Vec<String>,
    /// Whether it ends in `&`, which is not part of the text.
    pub(crate) stays: bool,
}

/// Reads a page.
pub(crate) fn read(page: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let mut fence: Option<&str> = None;
    for (index, line) in page.lines().enumerate() {
        let section = sections.last_mut().expect("there is one");
        match (fence, line.strip_prefix("```")) {
            (None, Some(language)) => {
                fence = Some(language.trim());
                if language.trim() == "console" {
                    section.blocks.push(Block::default());
                }
            }
            (Some(_), Some(_)) => fence = None,
            (Some("console"), None) => {
                let block = section.blocks.last_mut().expect("opened with the fence");
                block.add(index + 1, &anonymous(line));
            }
            (Some(_), None) => {}
            (None, None) => {
                if let Some(title) = line.strip_prefix("## ") {
                    sections.push(Section { title: title.to_owned(), blocks: Vec::new() });
                }
            }
        }
    }
    assert!(fence.is_none(), "a fence that does not end");
    for block in sections.iter_mut().flat_map(|section| &mut section.blocks) {
        block.commands.iter_mut().for_each(Command::finish);
    }
    sections
}

impl Block {
    fn add(&mut self, line: usize, text: &str) {
        if let Some(text) = text.strip_prefix("$ ") {
            self.commands.push(Command { line, text: text.to_owned(), prints: Vec::new(), stays: false });
            return;
        }
        let command =
            self.commands.last_mut().unwrap_or_else(|| panic!("line {line} is printed by no command"));
        match command.text.strip_suffix('\\') {
            Some(begun) if command.prints.is_empty() => {
                command.text = format!("{} {}", begun.trim_end(), text.trim_start());
            }
            _ => command.prints.push(text.to_owned()),
        }
    }
}

impl Command {
    fn finish(&mut self) {
        if let Some(text) = self.text.strip_suffix(" &") {
            self.text = text.to_owned();
            self.stays = true;
        }
        while self.prints.last().is_some_and(String::is_empty) {
            self.prints.pop();
        }
    }
}

/// A number of 13 digits is the time at which somebody's server began: here it is called `EPOCH`.
fn anonymous(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, digits) = rest.split_at(at);
        let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        out.push_str(before);
        out.push_str(if length == 13 { "EPOCH" } else { &digits[..length] });
        rest = &digits[length..];
    }
    out + rest
}

#[test]
fn a_page_is_taken_apart() {
    let page =
        "# A\n```sh\n$ no\n```\n## B\n```console\n$ a \\\n    b\nout\n\n$ c &\n$ d 1795491933067-1\n\n```\n";
    let sections = read(page);
    assert_eq!(sections.len(), 2);
    assert_eq!((&sections[1].title[..], sections[1].blocks.len()), ("B", 1));
    let command = |line, text: &str, prints: &[&str], stays| Command {
        line,
        text: text.to_owned(),
        prints: prints.iter().map(|line| (*line).to_owned()).collect(),
        stays,
    };
    let expected = [
        command(7, "a b", &["out"], false),
        command(11, "c", &[], true),
        command(12, "d EPOCH-1", &[], false),
    ];
    assert_eq!(sections[1].blocks[0].commands, expected);
}

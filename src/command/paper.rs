//! What the command prints about itself: words for shells, and manual pages.
//!
//! `mod.rs` calls. Both are made from the command line's own description, so they cannot say anything else than `--help` does.
//!
//! Next: `server/mod.rs`.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;

pub(crate) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  encke completions bash > ~/.local/share/bash-completion/completions/encke
  encke completions zsh > ~/.zfunc/_encke
  encke completions fish > ~/.config/fish/completions/encke.fish";

pub(crate) const MAN_EXAMPLES: &str = "\
Examples:
  encke man > encke.1
  encke man subscribe > encke-subscribe.1
  encke man | man -l -";

/// What a shell runs to complete the words of the command.
pub(crate) fn completions(shell: Shell) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "encke", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The page of the command, or of one of its commands.
pub(crate) fn manual(command: Option<&str>) -> Result<String, String> {
    let mut cli = Cli::command();
    cli.build();
    let page = match command {
        None => cli,
        Some(name) => match cli.find_subcommand(name) {
            Some(found) => found.clone(),
            None => return Err(format!("there is no command '{name}' (encke --help tells what there is)")),
        },
    };
    let mut text = Vec::new();
    let source = concat!("encke ", env!("CARGO_PKG_VERSION"));
    let rendered = clap_mangen::Man::new(page).source(source).render(&mut text);
    rendered.map_err(|error| format!("the page cannot be written: {error}"))?;
    // What stands at the end of each help are examples: they have a section of their own, whose lines stay as they are.
    let text = String::from_utf8_lossy(&text);
    let Some((before, after)) = text.split_once(".SH EXTRA\nExamples:\n") else {
        return Ok(text.into_owned());
    };
    let (examples, rest) = after.split_once("\n.SH").unwrap_or((after, ""));
    Ok(format!("{before}.SH EXAMPLES\n.nf\n{examples}\n.fi\n.SH{rest}"))
}

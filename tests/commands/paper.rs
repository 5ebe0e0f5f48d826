//! Completions and manual pages.

use std::process::Stdio;

use crate::support::{encke, refused};

fn prints(arguments: &[&str]) -> String {
    let output = encke().args(arguments).stdin(Stdio::null()).output().expect("the command runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn every_shell_gets_completions_that_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = prints(&["completions", shell]);
        for word in ["subscribe", "publish", "serve", "since", "history-count"] {
            assert!(text.contains(word), "{shell} does not know {word}");
        }
    }
    // And what bash gets is a program that it runs, and that then completes.
    let completes = "COMP_WORDS=(encke sub) COMP_CWORD=1; _encke encke sub encke; echo \"${COMPREPLY[*]}\"";
    let script = format!("{}\n{completes}", prints(&["completions", "bash"]));
    let output = std::process::Command::new("bash").args(["-c", &script]).output().expect("there is a bash");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "subscribe\n", "{output:?}");
}

#[test]
fn every_command_has_a_manual_page_with_its_flags_and_examples() {
    for (command, flag) in [
        ("serve", r"\-\-history\-count"),
        ("subscribe", r"\-\-since"),
        ("publish", r"\-\-window"),
        ("completions", "SHELL"),
        ("man", "COMMAND"),
    ] {
        let page = prints(&["man", command]);
        assert!(page.contains(&format!(".TH encke-{command} 1")), "{page}");
        assert!(page.contains(flag) && page.contains(".SH EXAMPLES\n"), "{page}");
    }
    let page = prints(&["man"]);
    assert!(page.contains(".TH encke 1") && page.contains(r"encke\-subscribe(1)"), "{page}");
    let (code, line) = refused(&["man", "nothing"]);
    assert!(code == Some(2) && line.contains("'nothing'"), "{line}");
}

//! Pages: the documents of the demo and the files that belong to them, all of which are in the binary.
//!
//! Each document is `frame.html` around its own part. `mod.rs` calls [`find`].
//!
//! Invariants: nothing is loaded from elsewhere; a page's command lines name the host that it was asked of, and a key where one is asked
//! for, so that they work as they stand, also without a script.
//!
//! Next: `stream.rs`; then `../pages/live.js`.

use super::super::access::Visitor;
use super::super::config::Policy;
use super::super::routes::{Pending, page};
use crate::engine::Ctx;
use crate::http::RequestHead;

const FRAME: &str = include_str!("../pages/frame.html");

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A document: its path, its title, its script and its own part.
struct Document {
    path: &'static str,
    title: &'static str,
    script: &'static str,
    part: &'static str,
}

macro_rules! document {
    ($path:literal, $title:literal, $name:literal) => {
        Document {
            path: $path,
            title: $title,
            script: concat!("/demo/", $name, ".js"),
            part: include_str!(concat!("../pages/", $name, ".html")),
        }
    };
}

/// In the order in which the pages' menu shows them.
const DOCUMENTS: [Document; 7] = [
    document!("/", "Start", "start"),
    document!("/demo/random", "Random", "random"),
    document!("/demo/chat", "Chat", "chat"),
    document!("/demo/clock", "Clock", "clock"),
    document!("/demo/quotes", "Quotes", "quotes"),
    document!("/demo/orders", "Orders", "orders"),
    document!("/demo/compare", "Compare", "compare"),
];

macro_rules! script {
    ($name:literal) => {
        (concat!("/demo/", $name, ".js"), SCRIPT, include_str!(concat!("../pages/", $name, ".js")))
    };
}

/// What documents refer to.
const FILES: [(&str, &str, &str); 13] = [
    ("/demo/encke.css", "text/css; charset=utf-8", include_str!("../pages/encke.css")),
    ("/demo/comet.svg", "image/svg+xml", include_str!("../pages/comet.svg")),
    // What a browser asks for beside a page without an icon, such as the text below.
    ("/favicon.ico", "image/svg+xml", include_str!("../pages/comet.svg")),
    ("/demo/http.txt", "text/plain; charset=utf-8", include_str!("../../../docs/http.md")),
    script!("live"),
    script!("page"),
    script!("start"),
    script!("random"),
    script!("chat"),
    script!("clock"),
    script!("quotes"),
    script!("orders"),
    script!("compare"),
];

/// Something that is read and not heard.
pub(super) enum Page {
    Document(String),
    File(&'static str, &'static str),
}

/// What is at the request's path, if it is one of these.
pub(super) fn find(head: &RequestHead<'_>, policy: &Policy) -> Option<Page> {
    let path = head.path();
    if let Some(document) = DOCUMENTS.iter().find(|document| document.path == path) {
        return Some(Page::Document(document.text(head, policy)));
    }
    let file = FILES.iter().find(|(name, ..)| *name == path);
    file.map(|&(_, content_type, content)| Page::File(content_type, content))
}

impl Page {
    pub(super) fn give(&self, head: &RequestHead<'_>, visitor: &Visitor<'_>, ctx: &mut Ctx<'_, Pending>) {
        match self {
            Page::Document(text) => page(head, HTML, text, visitor, ctx),
            Page::File(content_type, content) => page(head, content_type, content, visitor, ctx),
        }
    }
}

impl Document {
    fn text(&self, head: &RequestHead<'_>, policy: &Policy) -> String {
        let is_plain = |host: &&str| host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
        let host = head.host().filter(|host| !host.is_empty()).filter(is_plain);
        let is_locked = policy.access.keys.is_some();
        let text = FRAME
            .replace("{menu}", &self.menu())
            .replace("{part}", self.part)
            .replace("{title}", self.title)
            .replace("{script}", self.script)
            .replace("{locked}", if is_locked { "yes" } else { "no" })
            .replace("{version}", env!("CARGO_PKG_VERSION"))
            .replace("127.0.0.1:8080", host.unwrap_or("127.0.0.1:8080"));
        if is_locked { text.replace("curl -d", "curl -H 'Authorization: Bearer KEY' -d") } else { text }
    }

    /// Links to all documents, of which this is the one.
    fn menu(&self) -> String {
        let item = |other: &Document| {
            let here = if other.path == self.path { " aria-current=\"page\"" } else { "" };
            format!("<li><a href=\"{}\"{here}>{}</a></li>", other.path, other.title)
        };
        DOCUMENTS.iter().map(item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_binary_carries_for_the_demo_stays_small() {
        let files =
            FILES.iter().filter(|(name, ..)| *name != "/demo/http.txt").map(|(_, _, content)| content.len());
        let parts = DOCUMENTS.iter().map(|document| document.part.len());
        let bytes: usize = files.chain(parts).sum();
        assert!(bytes + FRAME.len() < 80 * 1024, "{bytes}");
    }

    #[test]
    fn nothing_is_loaded_from_elsewhere_and_no_script_stands_in_a_document() {
        let texts = FILES.iter().filter(|(name, ..)| *name != "/demo/http.txt").map(|(_, _, text)| *text);
        for text in texts.chain(DOCUMENTS.iter().map(|document| document.part)).chain([FRAME]) {
            for word in [
                "src=\"http",
                "href=\"http",
                "url(http",
                "@import",
                "from 'http",
                "innerHTML",
                "style=\"",
                "onclick=",
            ] {
                assert!(!text.contains(word), "{word}");
            }
        }
        for text in DOCUMENTS.iter().map(|document| document.part).chain([FRAME]) {
            assert_eq!(text.matches("<script").count(), text.matches("<script type=\"module\" src=").count());
        }
    }
}

//! Who may do what: host names, origins of pages, and keys.
//!
//! `routes.rs` asks [`visitor`](Access::visitor) and [`admit`](Access::admit) once for each request, before anything else; `reply.rs` adds a
//! visitor's fields to every answer.
//!
//! | asked of | rule | else |
//! | --- | --- | --- |
//! | every request | its host is one of `--host`, if any are given | 421 |
//! | POST, DELETE, PUT in the demo | its `Origin`, if it has one, is Host's own or in `--cors-origin` | 403 |
//! | the same and `mode=info`, of a channel or of the demo | it carries a key of `--publish-key-file`, if there is one | 401 |
//!
//! Any page on the web may have its visitor's browser send `text/plain` to `localhost`, without asking anybody first (a "simple"
//! request of the Fetch standard). What it cannot do is leave out or forge the `Origin` field; programs send none and are not
//! concerned. The names of hosts keep out pages whose own name has been made to point here (DNS rebinding).
//!
//! Invariant: an answer depends on the `Origin` only where `--cors-origin` is given, and then every answer says so: `Vary`.
//! Absent on purpose: cookies. Nothing here is done in a visitor's name, so credentials are never allowed.
//!
//! Next: `reply.rs`.

use std::borrow::Cow;

use super::keys::Keys;
use super::origin::{canonical, canonical_host, is_of_host, split_port};
use super::routes::parameter;
use crate::error::Refusal;
use crate::http::RequestHead;

/// What the server was started with.
#[derive(Debug, Default)]
pub(crate) struct Access {
    /// One of these is asked for where things are changed; without any, nothing is.
    pub(crate) keys: Option<Keys>,
    pub(crate) origins: Origins,
    /// In canonical form; empty is any.
    pub(crate) hosts: Vec<String>,
}

/// Of which origins pages are let in, besides the server's own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Origins {
    #[default]
    None,
    /// In canonical form.
    Listed(Vec<String>),
    Any,
}

/// As whom a request is answered, which decides the fields that every answer to it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Visitor<'a> {
    /// It makes no difference.
    Anybody,
    /// No page of an origin that is let in, where others are.
    Stranger,
    /// A page of this origin, which is let in: as it was sent.
    Guest(Cow<'a, str>),
}

impl Access {
    /// As whom a request is to be answered, whether or not it is served.
    pub(crate) fn visitor<'h>(&self, head: &RequestHead<'h>) -> Visitor<'h> {
        if self.origins == Origins::None {
            return Visitor::Anybody;
        }
        match sole_origin(head) {
            Some(origin) if self.origins.include(origin) => Visitor::Guest(origin.into()),
            _ => Visitor::Stranger,
        }
    }

    /// Whether a request is served, or why not.
    pub(crate) fn admit(&self, head: &RequestHead<'_>, visitor: &Visitor<'_>) -> Result<(), Refusal> {
        if !self.is_asked_by_name(head) {
            return Err(Refusal::new(
                421,
                "this server does not answer for that host; ask it by a name that it was started with",
            ));
        }
        if is_change(head) && !matches!(visitor, Visitor::Guest(_)) && is_foreign(head) {
            return Err(Refusal::new(
                403,
                "a page of another origin may not change anything here; have its origin allowed with --cors-origin, or send the request without a browser",
            ));
        }
        match &self.keys {
            Some(keys) if needs_key(head) && !shows_key(head, keys) => {
                Err(Refusal::new(401, "this needs a key; send one as Authorization: Bearer KEY"))
            }
            _ => Ok(()),
        }
    }

    fn is_asked_by_name(&self, head: &RequestHead<'_>) -> bool {
        let host = || canonical_host(split_port(head.host()?).0);
        self.hosts.is_empty() || host().is_some_and(|host| self.hosts.contains(&host))
    }
}

impl Origins {
    fn include(&self, origin: &str) -> bool {
        match (self, canonical(origin)) {
            (Origins::Listed(listed), Some(origin)) => listed.contains(&origin),
            (Origins::Any, Some(_)) => true,
            (Origins::None, _) | (_, None) => false,
        }
    }
}

impl<'a> Visitor<'a> {
    /// What every answer to this visitor says (Fetch standard, "HTTP responses").
    pub(crate) fn fields(&self) -> Vec<(&str, &str)> {
        const VARY: (&str, &str) = ("Vary", "Origin");
        match self {
            Visitor::Anybody => Vec::new(),
            Visitor::Stranger => vec![VARY],
            Visitor::Guest(origin) => vec![
                ("Access-Control-Allow-Origin", origin),
                VARY,
                ("Access-Control-Expose-Headers", "Last-Event-ID, Encke-Gap"),
            ],
        }
    }

    /// The visitor for longer than the request's head is there: for an answer that comes later.
    pub(crate) fn keep(self) -> Visitor<'static> {
        match self {
            Visitor::Anybody => Visitor::Anybody,
            Visitor::Stranger => Visitor::Stranger,
            Visitor::Guest(origin) => Visitor::Guest(Cow::Owned(origin.into_owned())),
        }
    }

    /// Whether a browser asks on this visitor's behalf what it may send: a preflight (Fetch standard, "CORS-preflight request").
    pub(crate) fn is_preflight(&self, head: &RequestHead<'_>) -> bool {
        matches!(self, Visitor::Guest(_)) && head.field("Access-Control-Request-Method").is_some()
    }
}

/// The request's `Origin`, if it has exactly one.
fn sole_origin<'h>(head: &RequestHead<'h>) -> Option<&'h str> {
    let mut origins = head.fields_named("Origin");
    let origin = origins.next().and_then(|origin| str::from_utf8(origin).ok())?;
    origins.next().is_none().then_some(origin)
}

/// Whether the request comes from a page that is not this server's own.
fn is_foreign(head: &RequestHead<'_>) -> bool {
    let host = head.host().unwrap_or_default();
    let is_own = || sole_origin(head).is_some_and(|origin| is_of_host(origin, host));
    head.field("Origin").is_some() && !is_own()
}

/// A PUT changes nothing but in the demo's chat, which hears it like a POST.
fn is_change(head: &RequestHead<'_>) -> bool {
    matches!(head.method(), "POST" | "DELETE")
        || (head.method() == "PUT" && head.path().starts_with("/demo/"))
}

fn needs_key(head: &RequestHead<'_>) -> bool {
    // A query that cannot be read asks for nothing, and is refused where it is read.
    let is_info = || parameter(head, "mode").is_ok_and(|mode| mode.as_deref() == Some("info"));
    let is_look = || matches!(head.method(), "GET" | "HEAD") && is_info();
    ["/channels/", "/demo/"].iter().any(|start| head.path().starts_with(start))
        && (is_change(head) || is_look())
}

fn shows_key(head: &RequestHead<'_>, keys: &Keys) -> bool {
    let mut fields = head.fields_named("Authorization");
    match (fields.next(), fields.next()) {
        (Some(field), None) => keys.admit(field),
        _ => false,
    }
}

//! Where to listen: what `--listen` may say, and who could come in there.
//!
//! `config.rs` reads the flag's words, `run.rs` opens what they name.
//!
//! Next: `origin.rs`.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use crate::reactor::Address;

/// One thing to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Listen {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Listen {
    /// Reads all of them, and refuses one that is there twice.
    pub(super) fn read_all(texts: &[String]) -> Result<Vec<Listen>, String> {
        let mut all: Vec<Listen> = Vec::with_capacity(texts.len());
        for text in texts {
            let listen = Listen::read(text)?;
            let is_free_port = matches!(listen, Listen::Tcp(address) if address.port() == 0);
            if all.contains(&listen) && !is_free_port {
                return Err(format!("--listen {listen} is there twice; leave one out"));
            }
            all.push(listen);
        }
        Ok(all)
    }

    /// `ADDR:PORT`, a port of this machine, or `unix:PATH`.
    fn read(text: &str) -> Result<Listen, String> {
        match text.strip_prefix("unix:") {
            Some("") => return Err("--listen unix: needs a path, like unix:/run/encke.sock".to_owned()),
            Some(path) => return Ok(Listen::Unix(path.into())),
            None => {}
        }
        let full = if text.parse::<u16>().is_ok() { format!("127.0.0.1:{text}") } else { text.to_owned() };
        let mut found = full.to_socket_addrs().map_err(|error| {
            format!("--listen {text}: not an address with a port, like 127.0.0.1:8080 ({error})")
        })?;
        let address =
            found.next().ok_or_else(|| format!("--listen {text}: the name stands for no address"))?;
        Ok(Listen::Tcp(address))
    }

    /// Whether others than this machine's own programs can come in. A path has a mode to keep them out.
    pub(super) fn is_public(&self) -> bool {
        match self {
            Listen::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            Listen::Unix(_) => false,
        }
    }

    /// Whether it is every IPv6 address, and with that, on most systems, every IPv4 address: to be opened after those that
    /// have the same port for themselves.
    pub(crate) fn is_everybody(&self) -> bool {
        matches!(self, Listen::Tcp(SocketAddr::V6(address)) if address.ip().is_unspecified())
    }
}

impl fmt::Display for Listen {
    /// As it would be given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => Address::Tcp(*address).fmt(f),
            Listen::Unix(path) => Address::Unix(path.clone()).fmt(f),
        }
    }
}

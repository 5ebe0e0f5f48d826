//! What the server says when it is there: where it listens, and what to try.
//!
//! `run.rs` prints it once. The first line ends in the first address, for programs that start the server with port 0.
//!
//! Invariant: the commands work as they stand, but for the key that only its owner can put in.
//!
//! Next: `routes.rs`.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::config::{Demo, Policy};
use super::origin::canonical_host;
use crate::reactor::Address;

/// What the policy makes of the commands.
pub(super) struct Greeting {
    /// Whether to publish takes a key.
    is_locked: bool,
    hosts: Vec<String>,
    demo: Demo,
}

/// Takes from the policy what the greeting needs, as the application owns the policy then.
pub(super) fn greeting(policy: &Policy) -> Greeting {
    let access = &policy.access;
    Greeting { is_locked: access.keys.is_some(), hosts: access.hosts.clone(), demo: policy.demo }
}

impl Greeting {
    /// The text, for a server that listens there.
    pub(super) fn text(&self, addresses: &[Address]) -> String {
        let mut text = format!("encke {} listens on ", env!("CARGO_PKG_VERSION"));
        let indent = text.len() - "and ".len();
        for (index, address) in addresses.iter().enumerate() {
            let lead = if index == 0 { String::new() } else { format!("{:indent$}and ", "") };
            let _ = match address {
                Address::Tcp(address) => writeln!(text, "{lead}http://{address}"),
                Address::Unix(_) => writeln!(text, "{lead}{address}"),
            };
        }
        if let Some(address) = addresses.first() {
            self.try_out(address, &mut text);
        }
        text.push_str("Ctrl-C stops it.\n");
        text
    }

    fn try_out(&self, address: &Address, text: &mut String) {
        let (mut words, host) = match address {
            Address::Tcp(address) => (String::new(), at_home(*address).to_string()),
            Address::Unix(path) => {
                (format!("--unix-socket {} ", quoted(&path.to_string_lossy())), "localhost".to_owned())
            }
        };
        let name = match address {
            Address::Tcp(address) => canonical_host(&bracketed(at_home(*address).ip())),
            Address::Unix(_) => Some(host.clone()),
        };
        let is_known = self.hosts.is_empty() || name.is_some_and(|name| self.hosts.contains(&name));
        if let Some(known) = self.hosts.first().filter(|_| !is_known) {
            let _ = write!(words, "-H 'Host: {known}' ");
        }
        let key = if self.is_locked { "-H 'Authorization: Bearer KEY' " } else { "" };
        let _ = writeln!(text, "  receive   curl -N {words}http://{host}/channels/news");
        let _ = writeln!(text, "  publish   curl {words}{key}-d 'Hello' http://{host}/channels/news");
        if self.demo == Demo::Shown && is_known && matches!(address, Address::Tcp(_)) {
            let _ = writeln!(text, "  look      http://{host}/");
        }
    }
}

/// The address by which this machine reaches a listener that listens at all of its addresses.
fn at_home(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// A word that a shell takes as it is, in quotes if it has to be.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: Greeting = Greeting { is_locked: false, hosts: Vec::new(), demo: Demo::Shown };

    fn tcp(text: &str) -> Address {
        Address::Tcp(text.parse().expect("an address"))
    }

    #[test]
    fn each_address_has_its_line_and_the_first_is_what_to_try() {
        let text = OPEN.text(&[tcp("0.0.0.0:80"), Address::Unix("/run/e.sock".into())]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with(" listens on http://0.0.0.0:80"), "{text}");
        assert_eq!(lines[1].trim_start(), "and unix:/run/e.sock");
        assert_eq!(lines[0].find("http"), lines[1].find("unix"));
        assert_eq!(lines[2], "  receive   curl -N http://127.0.0.1:80/channels/news");
        assert_eq!(lines[4], "  look      http://127.0.0.1:80/");
    }

    #[test]
    fn a_path_is_tried_with_curls_own_flag() {
        let text = OPEN.text(&[Address::Unix("/tmp/it's mine".into())]);
        let command = "curl -N --unix-socket '/tmp/it'\\''s mine' http://localhost/channels/news";
        assert!(text.contains(command) && !text.contains("look"), "{text}");
    }

    #[test]
    fn the_commands_name_what_the_server_asks_for() {
        let strict = Greeting { is_locked: true, hosts: vec!["push.example".into()], demo: Demo::Hidden };
        let text = strict.text(&[tcp("127.0.0.1:80")]);
        let publish = "curl -H 'Host: push.example' -H 'Authorization: Bearer KEY' -d 'Hello' http://127.0.0.1:80/channels/news";
        assert!(text.contains(publish) && !text.contains("look"), "{text}");
        let by_name = Greeting { hosts: vec!["a".into(), "[::1]".into()], ..OPEN };
        assert!(!by_name.text(&[tcp("[::1]:80")]).contains("Host:"));
    }
}

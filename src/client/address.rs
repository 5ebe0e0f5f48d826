//! Where a request goes: an address as people write it, and where a redirect leads.
//!
//! `flags.rs` parses with it, `subscribe.rs` and `publish.rs` ask it what to write. Splitting, encoding and resolving are the crate
//! `iri-string`'s business (RFC 3986, RFC 3987).
//!
//! Invariant: what is here can be connected to: `http`, with a host, in ASCII and without blanks.
//!
//! Next: `connection.rs`.

use std::path::PathBuf;

use iri_string::types::{IriReferenceStr, IriStr, UriString};

/// An address that can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    uri: UriString,
    host: String,
    port: u16,
    /// The Unix-domain socket that is meant; host and port are then only for the field `Host`.
    pub(crate) socket: Option<PathBuf>,
}

const LIKE: &str = "no address like http://127.0.0.1:8080/channels/news";

const NO_TLS: &str = "encke speaks no TLS: use curl -N for https, or put a proxy between that does, as \
    socat TCP-LISTEN:8443,fork,bind=127.0.0.1 OPENSSL:HOST:443 and http://127.0.0.1:8443 with --header 'Host: HOST'";

impl Address {
    /// Reads `http://HOST[:PORT]/PATH`, the same without `http://`, or `unix:SOCKET:/PATH`.
    pub(crate) fn parse(text: &str) -> Result<Address, String> {
        if let Some(rest) = text.strip_prefix("unix:") {
            let (socket, path) = rest
                .split_once(":/")
                .filter(|(socket, _)| !socket.is_empty())
                .ok_or("a socket is asked as unix:/run/encke.sock:/channels/news")?;
            let address = Address::from_iri(&format!("http://localhost/{path}"))?;
            return Ok(Address { socket: Some(socket.into()), ..address });
        }
        match text.contains("://") {
            true => Address::from_iri(text),
            false => Address::from_iri(&format!("http://{text}")),
        }
    }

    fn from_iri(text: &str) -> Result<Address, String> {
        let iri = IriStr::new(text).map_err(|_| LIKE)?;
        match iri.scheme_str().to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => return Err(NO_TLS.to_owned()),
            other => return Err(format!("{other} is not spoken here, only http")),
        }
        let authority = iri.authority_components().ok_or(LIKE)?;
        if authority.userinfo().is_some() {
            return Err(
                "a name or password does not belong in an address: use --key-file or --header".to_owned()
            );
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = match authority.port() {
            None | Some("") => 80,
            Some(port) => port.parse().map_err(|_| "a port is 1 to 65535")?,
        };
        if host.is_empty() || port == 0 {
            return Err(LIKE.to_owned());
        }
        if !host.is_ascii() {
            return Err("a host is named in ASCII; write its xn-- form".to_owned());
        }
        let host = host.to_owned();
        let uri = iri.to_absolute().encode_to_uri().to_string();
        let uri = UriString::try_from(uri).map_err(|_| LIKE)?;
        Ok(Address { uri, host, port, socket: None })
    }

    /// The name or number to connect to.
    pub(crate) fn host(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The value of `Host`.
    pub(crate) fn host_field(&self) -> String {
        let bracketed = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 80 { bracketed } else { format!("{bracketed}:{}", self.port) }
    }

    /// What stands in the request line.
    pub(crate) fn target(&self) -> String {
        let path = self.uri.path_str();
        let slash = if path.starts_with('/') { "" } else { "/" };
        match self.uri.query_str() {
            Some(query) => format!("{slash}{path}?{query}"),
            None => format!("{slash}{path}"),
        }
    }

    /// The request line's target with a parameter, in the place of those of the same name.
    pub(crate) fn target_with(&self, name: &str, value: &str) -> String {
        let target = self.target();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let is_other = |pair: &&str| !pair.is_empty() && pair.split('=').next() != Some(name);
        let mut pairs: Vec<&str> = query.split('&').filter(is_other).collect();
        let own = format!("{name}={value}");
        pairs.push(&own);
        format!("{path}?{}", pairs.join("&"))
    }

    /// Where a `Location` leads from here.
    pub(crate) fn redirected(&self, location: &str) -> Result<Address, String> {
        let reference = IriReferenceStr::new(location).map_err(|_| "a redirect to no address")?;
        let resolved = reference.resolve_against(self.uri.to_absolute().as_ref()).to_string();
        let mut there = Address::from_iri(&resolved)?;
        if self.has_origin_of(&there) {
            there.socket.clone_from(&self.socket);
        }
        Ok(there)
    }

    /// Whether both are the same server's, so that it may see the other's keys.
    pub(crate) fn has_origin_of(&self, other: &Address) -> bool {
        self.host.eq_ignore_ascii_case(&other.host) && self.port == other.port
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.socket {
            Some(socket) => write!(f, "unix:{}:{}", socket.display(), self.target()),
            None => write!(f, "http://{}{}", self.host_field(), self.target()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_understood_as_people_write_them() {
        for (text, host, port, field, target) in [
            ("http://127.0.0.1:8080/channels/news", "127.0.0.1", 8080, "127.0.0.1:8080", "/channels/news"),
            ("127.0.0.1:8080/channels/news", "127.0.0.1", 8080, "127.0.0.1:8080", "/channels/news"),
            ("localhost", "localhost", 80, "localhost", "/"),
            ("HTTP://push.example.org?a=b", "push.example.org", 80, "push.example.org", "/?a=b"),
            ("http://[::1]:8080/x", "::1", 8080, "[::1]:8080", "/x"),
            ("http://[::1]/x", "::1", 80, "[::1]", "/x"),
            ("http://a:81/x?y=1&z#part", "a", 81, "a:81", "/x?y=1&z"),
            ("http://a/channels/\u{e9}t\u{e9}", "a", 80, "a", "/channels/%C3%A9t%C3%A9"),
            (
                "unix:/run/encke.sock:/channels/news?mode=sse",
                "localhost",
                80,
                "localhost",
                "/channels/news?mode=sse",
            ),
        ] {
            let address = Address::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(address.host(), (host, port), "{text}");
            assert_eq!((address.host_field(), address.target()), (field.to_owned(), target.to_owned()));
        }
        let socket = Address::parse("unix:run/e.sock:/x").expect("a socket").socket;
        assert_eq!(socket, Some("run/e.sock".into()));
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_a_way_out() {
        for (text, part) in [
            ("https://a/", "curl"),
            ("ftp://a/", "only http"),
            ("", "like http://"),
            ("http:///x", "like http://"),
            ("http://a b/", "like http://"),
            ("http://a:0/", "like http://"),
            ("http://a:65536/", "1 to 65535"),
            ("http://bob:secret@a/", "--key-file"),
            ("http://b\u{fc}cher.example/", "xn--"),
            ("unix:/run/encke.sock", "unix:/run/encke.sock:/channels/news"),
        ] {
            let why = Address::parse(text).expect_err(text);
            assert!(why.contains(part) && !why.contains("secret"), "{text}: {why}");
        }
    }

    #[test]
    fn redirects_are_resolved() {
        let here = Address::parse("http://a:81/b/c?d").expect("an address");
        for (location, there) in [
            ("/x", "http://a:81/x"),
            ("x?y", "http://a:81/b/x?y"),
            ("../x", "http://a:81/x"),
            ("//e/x", "http://e/x"),
            ("http://e:82/", "http://e:82/"),
        ] {
            assert_eq!(here.redirected(location).map(|there| there.to_string()), Ok(there.to_owned()));
        }
        assert!(here.redirected("https://a/").is_err_and(|why| why.contains("TLS")));
        assert!(!here.has_origin_of(&here.redirected("//a/x").expect("an address")));
    }

    #[test]
    fn a_parameter_takes_the_place_of_its_namesakes() {
        for (text, target) in [
            ("http://a/x", "/x?timeout=0"),
            ("http://a/x?timeout=5&b=timeout", "/x?b=timeout&timeout=0"),
            ("http://a/x?&timeouts=1", "/x?timeouts=1&timeout=0"),
        ] {
            assert_eq!(Address::parse(text).expect("an address").target_with("timeout", "0"), target);
        }
    }
}

//! Keys for publishing: the file that they are read from, and how one is recognised.
//!
//! `config.rs` reads the file once, at start; `access.rs` asks at each request that has to show a key.
//!
//! Invariants: how long the comparison takes does not tell how much of a guess is right, nor which of several keys it resembles; and no
//! complaint, log line or `Debug` says a key.
//!
//! Next: `access.rs`.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use subtle::{Choice, ConstantTimeEq};

/// No list of keys is longer, so whatever is longer is another file.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// The keys of which one lets a request change things. There is at least one, and there may be several: an old one stays while its
/// users move to the next.
pub(crate) struct Keys(Box<[Box<str>]>);

impl Keys {
    /// Reads a file, and says besides if others may read it too.
    pub(crate) fn read(path: &Path) -> Result<(Keys, Option<String>), String> {
        let name = path.display();
        let unreadable = |error: std::io::Error| format!("--publish-key-file {name} cannot be read: {error}");
        let file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.mode();
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(format!("--publish-key-file {name} is longer than 64KiB: name a list of keys"));
        }
        let keys = Keys::parse(&bytes).map_err(|why| format!("--publish-key-file {name}: {why}"))?;
        let is_exposed = mode & 0o077 != 0;
        let warning = is_exposed.then(|| format!("others than its owner can read {name}: chmod 600 {name}"));
        Ok((keys, warning))
    }

    /// One key a line; empty lines and those that begin with `#` are passed over.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Keys, String> {
        let mut keys = Vec::new();
        for (index, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            match str::from_utf8(line) {
                Ok(key) if line.iter().all(u8::is_ascii_graphic) => keys.push(key.into()),
                _ => {
                    let number = index + 1;
                    return Err(format!("line {number} is no key, which is visible ASCII without blanks"));
                }
            }
        }
        if keys.is_empty() {
            return Err("there is no key in it; write one a line".to_owned());
        }
        Ok(Keys(keys.into()))
    }

    /// Whether the field `Authorization` carries one of the keys: `Bearer KEY`, the scheme in any case (RFC 6750 §2.1).
    pub(crate) fn admit(&self, authorization: &[u8]) -> bool {
        const SCHEME: &[u8] = b"Bearer ";
        let Some((scheme, given)) = authorization.split_at_checked(SCHEME.len()) else { return false };
        scheme.eq_ignore_ascii_case(SCHEME) && self.has(given.trim_ascii_start())
    }

    /// All keys are compared whatever comes of the first. What shows is only whether the lengths are equal, which is no secret.
    fn has(&self, given: &[u8]) -> bool {
        self.0.iter().fold(Choice::from(0), |found, key| found | key.as_bytes().ct_eq(given)).into()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_key_a_line_and_may_explain_them() {
        let keys = Keys::parse(b"# since May\n\nfirst-key\r\n  second~key/+=  \n#old\n").expect("two keys");
        assert!(keys.has(b"first-key") && keys.has(b"second~key/+="));
        for wrong in [&b""[..], b"#old", b"old", b"first-ke", b"first-keyy", b"first-key\r", b"first-key\n"] {
            assert!(!keys.has(wrong), "{}", wrong.escape_ascii());
        }
        assert_eq!(format!("{keys:?}"), "2 keys");
    }

    #[test]
    fn what_is_no_list_of_keys_is_refused_without_saying_it() {
        for (file, part) in [
            (&b""[..], "no key"),
            (b"\n# nothing\n \n", "no key"),
            (b"good\nse cret\n", "line 2"),
            (b"se\0cret", "line 1"),
            ("schl\u{fc}ssel".as_bytes(), "line 1"),
            (b"\xff\xfe", "line 1"),
        ] {
            let why = Keys::parse(file).expect_err("no keys");
            assert!(why.contains(part) && !why.contains("cret"), "{why}");
        }
    }

    #[test]
    fn the_scheme_is_bearer_in_any_case() {
        let keys = Keys::parse(b"k1").expect("a key");
        for field in ["Bearer k1", "bearer k1", "BEARER   k1"] {
            assert!(keys.admit(field.as_bytes()), "{field}");
        }
        for field in
            ["", "k1", "Bearer", "Bearer ", "Bearerk1", "Basic k1", "Bearer k1 k1", "Bearer k1,", "Bearer k2"]
        {
            assert!(!keys.admit(field.as_bytes()), "{field}");
        }
    }
}

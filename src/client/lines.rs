//! Lines out of bytes that come in parts: what JSON streams and plain ones consist of.
//!
//! `messages.rs` calls for answers, `input.rs` has the same rule for standard input: a line ends at a line feed, and a carriage return
//! before it belongs to the end.
//!
//! Invariant: no more is kept than the bound.
//!
//! Next: `messages.rs`.

use super::messages::Halt;

/// A stream of lines that is being read.
#[derive(Debug)]
pub(crate) struct Lines {
    bytes_max: usize,
    partial: Vec<u8>,
}

impl Lines {
    pub(crate) fn new(bytes_max: usize) -> Lines {
        Lines { bytes_max, partial: Vec::new() }
    }

    /// Takes what has come, and tells the lines that it completes.
    pub(crate) fn take(
        &mut self,
        mut bytes: &[u8],
        tell: &mut dyn FnMut(&[u8]) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            if self.partial.is_empty() {
                tell(without_cr(&bytes[..end]))?;
            } else {
                self.keep(&bytes[..end])?;
                tell(without_cr(&self.partial))?;
                self.partial.clear();
            }
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes)
    }

    /// Nothing comes any more: tells the last line, if it had no end.
    pub(crate) fn finish(&mut self, tell: &mut dyn FnMut(&[u8]) -> Result<(), Halt>) -> Result<(), Halt> {
        if self.partial.is_empty() { Ok(()) } else { tell(without_cr(&std::mem::take(&mut self.partial))) }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Halt> {
        if self.partial.len() + bytes.len() > self.bytes_max {
            return Err(Halt::too_large(self.bytes_max));
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }
}

/// A line without what is left of its end.
pub(crate) fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_they_were_cut() {
        let text = b"a\r\n\nb\rc\nlast";
        for at in 0..=text.len() {
            let (mut lines, mut seen) = (Lines::new(100), Vec::new());
            let mut tell = |line: &[u8]| {
                seen.push(String::from_utf8_lossy(line).into_owned());
                Ok(())
            };
            for part in [&text[..at], &text[at..]] {
                lines.take(part, &mut tell).expect("within the bound");
            }
            lines.finish(&mut tell).expect("within the bound");
            assert_eq!(seen, ["a", "", "b\rc", "last"], "cut at {at}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_bounded() {
        let mut lines = Lines::new(10);
        assert!(lines.take(b"12345678901", &mut |_| Ok(())).is_err());
    }
}

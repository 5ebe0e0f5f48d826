//! Reads an event stream as the standard says (WHATWG HTML §9.2.5 and §9.2.6).
//!
//! `messages.rs` feeds it what comes, cut however it likes, and is told blocks, waits and comments.
//!
//! ```text
//!   bytes ─► lines (LF, CR or CRLF; a BOM first is nothing) ─► fields ─► at a blank line, a block
//! ```
//!
//! What always holds: how the bytes were cut does not matter; a block that the end cuts off is not told; no more is kept than the
//! bound.
//!
//! One thing is as browsers have it and not as the standard says: the last event id of a new connection begins with the one that the
//! request carried, not empty. Else a block without an id, which Encke sends first to who returns, would forget the place.
//!
//! Next: `lines.rs`.

use std::mem;
use std::time::Duration;

use super::messages::Halt;

/// What was found in a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// A block has ended, behind which the stream stands at this id. Without data there is no event.
    Block { id: &'a str, event: Option<&'a str>, data: Option<&'a str> },
    /// When to come back.
    Retry(Duration),
    /// Nothing, which keeps the connection alive.
    Comment,
}

/// An event stream that is being read.
#[derive(Debug)]
pub(crate) struct EventStream {
    bytes_max: usize,
    line: Vec<u8>,
    /// Whether a line feed would belong to the line before.
    is_behind_cr: bool,
    is_first_line: bool,
    data: String,
    event: String,
    id: String,
}

impl EventStream {
    /// A new stream, asked for with this id.
    pub(crate) fn new(id: &str, bytes_max: usize) -> EventStream {
        EventStream {
            bytes_max,
            line: Vec::new(),
            is_behind_cr: false,
            is_first_line: true,
            data: String::new(),
            event: String::new(),
            id: id.to_owned(),
        }
    }

    /// Takes what has come.
    pub(crate) fn take(
        &mut self,
        mut bytes: &[u8],
        tell: &mut dyn FnMut(Item<'_>) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        if mem::take(&mut self.is_behind_cr) {
            match bytes.first() {
                Some(b'\n') => bytes = &bytes[1..],
                Some(_) => {}
                None => self.is_behind_cr = true,
            }
        }
        while let Some(end) = bytes.iter().position(|&byte| matches!(byte, b'\n' | b'\r')) {
            self.keep(&bytes[..end])?;
            let is_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            match bytes.first() {
                Some(b'\n') if is_cr => bytes = &bytes[1..],
                None => self.is_behind_cr = is_cr,
                _ => {}
            }
            let line = mem::take(&mut self.line);
            self.line_ended(&line, tell)?;
            // The room is used again.
            self.line = line;
            self.line.clear();
        }
        self.keep(bytes)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Halt> {
        if self.line.len() + self.data.len() + bytes.len() > self.bytes_max {
            return Err(Halt::too_large(self.bytes_max));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn line_ended(
        &mut self,
        mut line: &[u8],
        tell: &mut dyn FnMut(Item<'_>) -> Result<(), Halt>,
    ) -> Result<(), Halt> {
        if mem::take(&mut self.is_first_line) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        if line.is_empty() {
            return self.block_ended(tell);
        }
        let line = String::from_utf8_lossy(line);
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "" => return tell(Item::Comment),
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "event" => value.clone_into(&mut self.event),
            "id" if !value.contains('\0') => value.clone_into(&mut self.id),
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                return tell(Item::Retry(Duration::from_millis(value.parse().unwrap_or(u64::MAX))));
            }
            _ => {}
        }
        Ok(())
    }

    fn block_ended(&mut self, tell: &mut dyn FnMut(Item<'_>) -> Result<(), Halt>) -> Result<(), Halt> {
        let event = Some(self.event.as_str()).filter(|event| !event.is_empty());
        let told = tell(Item::Block { id: &self.id, event, data: self.data.strip_suffix('\n') });
        self.data.clear();
        self.event.clear();
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a stream tells, a line each; read whole, byte by byte and cut at every point, always the same.
    fn told(stream: &[u8]) -> Vec<String> {
        let read = |cuts: &[&[u8]]| {
            let mut reader = EventStream::new("", 1 << 20);
            let mut seen = Vec::new();
            for part in cuts {
                let mut tell = |item: Item<'_>| {
                    seen.push(match item {
                        Item::Block { id, event, data } => format!("{id:?} {event:?} {data:?}"),
                        Item::Retry(wait) => format!("retry {}", wait.as_millis()),
                        Item::Comment => "comment".to_owned(),
                    });
                    Ok(())
                };
                reader.take(part, &mut tell).expect("within the bound");
            }
            seen
        };
        let whole = read(&[stream]);
        assert_eq!(read(&stream.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
        for at in 0..=stream.len() {
            assert_eq!(read(&[&stream[..at], &stream[at..]]), whole, "cut at {at}");
        }
        whole
    }

    #[test]
    fn the_examples_of_the_standard_are_read_as_it_says() {
        let stocks = b"data: YHOO\ndata: +2\ndata: 10\n\n";
        assert_eq!(told(stocks), [r#""" None Some("YHOO\n+2\n10")"#]);
        let four =
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
        assert_eq!(
            told(four),
            [
                "comment",
                r#""" None None"#,
                r#""1" None Some("first event")"#,
                r#""" None Some("second event")"#,
                r#""" None Some(" third event")"#,
            ]
        );
        assert_eq!(
            told(b"data\n\ndata\ndata\n\ndata:"),
            [r#""" None Some("")"#, r#""" None Some("\n")"#],
            "the last block is not complete"
        );
        assert_eq!(told(b"data:test\n\ndata: test\n\n"), [r#""" None Some("test")"#; 2]);
    }

    #[test]
    fn lines_end_in_any_of_three_ways() {
        let expected = [r#""" None Some("a\nb")"#, r#""" None Some("c")"#];
        for stream in [
            "data:a\ndata:b\n\ndata:c\n\n",
            "data:a\rdata:b\r\rdata:c\r\r",
            "data:a\r\ndata:b\r\n\r\ndata:c\r\n\r\n",
        ] {
            assert_eq!(told(stream.as_bytes()), expected, "{stream:?}");
        }
        assert_eq!(told(b"data:a\r\ndata:b\n\rdata:c\r\n\n"), expected);
    }

    #[test]
    fn a_bom_is_nothing_at_the_start_and_a_letter_elsewhere() {
        assert_eq!(told(b"\xef\xbb\xbfdata:a\n\n"), [r#""" None Some("a")"#]);
        assert_eq!(told(b"\xef\xbb\xbf\xef\xbb\xbfdata:a\n\n"), [r#""" None None"#], "another field");
        assert_eq!(told("data:\u{feff}\n\n".as_bytes()), [format!("\"\" None {:?}", Some("\u{feff}"))]);
    }

    #[test]
    fn ids_stay_until_another_comes_and_have_no_nul() {
        assert_eq!(
            told(b"id: 1\ndata:a\n\ndata:b\n\nid: 2\0\ndata:c\n\nid: 3\n\nid:\ndata:d\n\n"),
            [
                r#""1" None Some("a")"#,
                r#""1" None Some("b")"#,
                r#""1" None Some("c")"#,
                r#""3" None None"#,
                r#""" None Some("d")"#,
            ]
        );
        let mut reader = EventStream::new("7", 100);
        let mut ids = Vec::new();
        let mut tell = |item: Item<'_>| {
            if let Item::Block { id, .. } = item {
                ids.push(id.to_owned());
            }
            Ok(())
        };
        reader.take(b"retry: 1\n\n", &mut tell).expect("within the bound");
        assert_eq!(ids, ["7"], "who returns stays where it was");
    }

    #[test]
    fn types_belong_to_their_block_and_waits_are_digits() {
        assert_eq!(
            told(b"event: x\ndata:a\n\ndata:b\n\nevent: y\n\nretry: 250\nretry: 1s\nretry: -1\nretry\nRETRY: 5\n"),
            [r#""" Some("x") Some("a")"#, r#""" None Some("b")"#, r#""" Some("y") None"#, "retry 250"]
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(told(b"data:\xff\xc3\n\n"), ["\"\" None Some(\"\u{fffd}\u{fffd}\")"]);
    }

    #[test]
    fn what_is_larger_than_the_bound_ends_it() {
        for stream in [&b"data: 12345678901234567890"[..], b"data: 123456\ndata: 123456\ndata: 123456\n"] {
            let mut reader = EventStream::new("", 20);
            assert!(reader.take(stream, &mut |_| Ok(())).is_err());
        }
    }
}

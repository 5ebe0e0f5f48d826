//! The words that people write: TIME, SIZE and COUNT, and how a size is said back.
//!
//! The flags of all commands name these as their parsers, `server/config.rs` says sizes in its complaints, and `server/ask.rs` reads a
//! time out of a query.
//!
//! Invariant: what is read is finite: a time of at most 100 days, a size and a count that fit their types.
//!
//! Next: `exit.rs`.

use std::time::Duration;

/// A wait, where 0 is never.
pub(crate) fn time_or_never(text: &str) -> Result<Duration, String> {
    const WRONG: &str = "not a time like 500ms, 1.5s, 2m or 1h";
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (whole, fraction) = text[..digits].split_once('.').unwrap_or((&text[..digits], "0"));
    // Nine digits are nanoseconds of the finest unit that anybody means.
    let fraction_digits = u32::try_from(fraction.len()).unwrap_or(u32::MAX);
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) || fraction_digits > 9 {
        return Err(WRONG.to_owned());
    }
    let millis = match &text[digits..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err("the unit of a time is ms, s, m or h".to_owned()),
    };
    let whole: u64 = whole.parse().map_err(|_| "too long".to_owned())?;
    let fraction: u64 = fraction.parse().map_err(|_| WRONG.to_owned())?;
    let part = Duration::from_micros(fraction * millis * 1_000 / 10_u64.pow(fraction_digits));
    let wait =
        whole.checked_mul(millis).map(|whole| Duration::from_millis(whole) + part).ok_or("too long")?;
    if wait > Duration::from_secs(100 * 24 * 3600) {
        return Err("at most 100 days, 2400h".to_owned());
    }
    let is_zero = text[..digits].bytes().all(|byte| matches!(byte, b'0' | b'.'));
    if wait < Duration::from_millis(1) && !is_zero {
        return Err("at least 1ms".to_owned());
    }
    Ok(wait)
}

/// A wait that has to end.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    match time_or_never(text) {
        Ok(Duration::ZERO) => Err("this wait must have an end, so not 0".to_owned()),
        other => other,
    }
}

/// A number of bytes.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 =
        text[..digits].parse().map_err(|_| "not a size like 65536, 16KiB or 1MiB".to_owned())?;
    let unit = match &text[digits..] {
        "" | "B" => 1,
        "KiB" | "K" | "k" => 1 << 10,
        "MiB" | "M" => 1 << 20,
        "GiB" | "G" => 1 << 30,
        _ => return Err("the unit of a size is KiB, MiB or GiB".to_owned()),
    };
    number.checked_mul(unit).ok_or_else(|| "too large".to_owned())
}

/// A number of things.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    // Digits alone: Rust would read +5 as well.
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().map_err(|_| "not a number like 1000".to_owned()),
        false => Err("not a number like 1000".to_owned()),
    }
}

/// A size as it would be given.
#[cfg(feature = "server")]
pub(crate) fn size_text(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|&(_, unit)| bytes >= unit && bytes.is_multiple_of(unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_or_is_in_seconds() {
        for (text, millis) in [
            ("500ms", 500),
            ("15", 15_000),
            ("15s", 15_000),
            ("1.5", 1_500),
            ("0.25m", 15_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "s",
            "-1s",
            "0.5ms",
            "0.0000001",
            ".5",
            "1.",
            "1.2.3",
            "1.0000000001",
            "5parsec",
            "2401h",
            "99999999999999999999",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
        assert_eq!(time_or_never("0"), Ok(Duration::ZERO));
        assert!(time("0").is_err());
    }

    #[cfg(feature = "server")]
    #[test]
    fn a_size_is_said_back_as_it_is_given() {
        for text in ["1B", "1023B", "1KiB", "1025B", "3MiB", "2GiB"] {
            assert_eq!(size(text).map(size_text), Ok(text.to_owned()));
        }
        assert!(size("1 MiB").is_err() && size("99999999999GiB").is_err() && size("MiB").is_err());
    }

    #[test]
    fn a_count_is_digits() {
        assert_eq!(count("100000"), Ok(100_000));
        for text in ["", "+5", "-5", "5k", "1e3", "99999999999999999999"] {
            assert!(count(text).is_err(), "{text}");
        }
    }
}

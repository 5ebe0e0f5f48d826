//! What a page says that is printed, beside what was printed.
//!
//! `…` stands for anything: inside a line for the rest of it or a part, as a line of its own for any number of lines. Blank lines at the
//! end do not count.

/// How far what was printed agrees with the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of it is there, and nothing else.
    Whole,
    /// So far so good.
    Partial,
    /// Whatever comes, it will not agree.
    Wrong,
}

const ANYTHING: &str = "…";

/// Compares lines with the page's.
pub(crate) fn compare(page: &[String], printed: &[&str]) -> Verdict {
    // The places in the page up to which it may agree with the lines so far; all of them, for `…` leaves a choice.
    let mut places = vec![false; page.len() + 1];
    places[0] = true;
    skip(page, &mut places);
    for line in printed {
        let mut next = vec![false; page.len() + 1];
        for place in (0..=page.len()).filter(|&place| places[place]) {
            match page.get(place) {
                Some(pattern) if pattern == ANYTHING => next[place] = true,
                Some(pattern) if line_matches(pattern, line) => next[place + 1] = true,
                None if line.is_empty() => next[place] = true,
                _ => {}
            }
        }
        skip(page, &mut next);
        places = next;
    }
    match (places[page.len()], places.contains(&true)) {
        (true, _) => Verdict::Whole,
        (false, true) => Verdict::Partial,
        (false, false) => Verdict::Wrong,
    }
}

/// A line `…` may stand for no line at all.
fn skip(page: &[String], places: &mut [bool]) {
    for place in 0..page.len() {
        if places[place] && page[place] == ANYTHING {
            places[place + 1] = true;
        }
    }
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split(ANYTHING);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[test]
fn lines_agree_as_far_as_they_came() {
    use Verdict::{Partial, Whole, Wrong};
    for (page, printed, verdict) in [
        ("a|b", "a|b", Whole),
        ("a|b", "a", Partial),
        ("a|b", "a|b|c", Wrong),
        ("a|b", "a|c", Wrong),
        ("a|b", "a|b||", Whole),
        ("a||b", "a|b", Wrong),
        ("id: …-1", "id: 17-1", Whole),
        ("id: …-1", "id: 17-2", Wrong),
        ("…x…y", "axbxcy", Whole),
        ("…x…y", "axbc", Wrong),
        ("…|b", "b", Whole),
        ("…|b", "a|b|b", Whole),
        ("…|b", "a", Partial),
        ("a|…", "a", Whole),
        ("a|…", "a|b|c", Whole),
        ("a|…|d", "a|b|d|c", Partial),
        ("", "a", Wrong),
    ] {
        let page: Vec<String> = page.split('|').filter(|_| !page.is_empty()).map(str::to_owned).collect();
        assert_eq!(compare(&page, &printed.split('|').collect::<Vec<_>>()), verdict, "{page:?} {printed}");
    }
}

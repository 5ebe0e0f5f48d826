//! A channel's name, out of the path of a request.
//!
//! Next: `sse.rs`.

use encke::channel_name;

use super::query::decode;

pub fn check(data: &[u8]) {
    let Ok(path) = std::str::from_utf8(data) else { return };
    let name = channel_name(path);
    assert!(name.as_ref().err().is_none_or(|refusal| refusal.status == 400));
    assert_eq!(name.as_ref().ok(), model(path).as_ref(), "{name:?}");
    let Ok(name) = name else { return };
    // A name has one way to be written with every byte encoded, and is found by it.
    let coded: String =
        name.bytes().map(|byte| if byte == b'/' { "/".to_owned() } else { format!("%{byte:02X}") }).collect();
    assert_eq!(channel_name(&coded).as_ref(), Ok(&name));
}

/// As docs/http.md tells it.
fn model(path: &str) -> Option<String> {
    let segments: Option<Vec<String>> =
        path.split('/').map(|segment| decode(segment.as_bytes(), b'+')).collect();
    let segments = segments?;
    let is_good = |segment: &String| {
        !matches!(&segment[..], "" | "." | "..")
            && !segment.contains(['/', '*'])
            && !segment.chars().any(|char| char < ' ' || ('\u{7f}'..='\u{9f}').contains(&char))
    };
    let name = segments.join("/");
    let is_reserved = name.starts_with("encke-") || name.starts_with('$');
    (segments.iter().all(is_good) && name.len() <= 255 && !is_reserved).then_some(name)
}

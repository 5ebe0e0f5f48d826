//! What a peer hears of a line of the list, read as answers.

use encke::http::peer::{PeerError, Piece, ResponseReader};

use crate::cases::{Case, Then};

/// A status and the body that came with it.
pub(crate) type Answer = (u16, String);

/// The answers in these bytes, after which the connection has ended or has not. Interim answers are left out.
///
/// `methods` are those of the requests, as far as they are known; whatever is said besides is read as an answer to GET.
pub(crate) fn answers(mut bytes: &[u8], methods: &[&str], is_over: bool) -> Result<Vec<Answer>, PeerError> {
    let mut reader = ResponseReader::new();
    let mut methods = methods.iter();
    let mut answers: Vec<Answer> = Vec::new();
    loop {
        if reader.expected() == 0 && !bytes.is_empty() {
            reader.expect(methods.next().unwrap_or(&"GET"));
        }
        let (used, piece) = reader.read(bytes)?;
        bytes = &bytes[used..];
        match (piece, answers.last_mut()) {
            (Piece::Head(head), _) => answers.push((head.status, String::new())),
            (Piece::Data(data), Some((_, body))) => body.push_str(&String::from_utf8_lossy(data)),
            (Piece::More, _) => break,
            _ => {}
        }
    }
    if is_over && reader.expected() > 0 {
        reader.end_of_input()?;
    }
    Ok(answers)
}

/// The methods of what a case's answers are answers to.
pub(crate) fn methods(case: &Case) -> Vec<&str> {
    let method = |head: &str| ["HEAD", "GET"][usize::from(!head.starts_with("HEAD "))];
    let mut methods: Vec<&str> = case.served.iter().map(|seen| method(&seen.head)).collect();
    let behind = |count: usize| case.wire.windows(5).filter(|five| five == b"HEAD ").count() > count;
    // The last of all HEADs, if it is not one of those that are served.
    if matches!(case.then, Then::Refuses(..))
        && behind(methods.iter().filter(|method| **method == "HEAD").count())
    {
        methods.push("HEAD");
    }
    methods
}

/// That the last of the answers is a refusal with this status and sentence. To HEAD, nothing says why.
#[track_caller]
pub(crate) fn is_refusal(answer: &Answer, status: u16, sentence: &str, method: Option<&&str>, shown: &str) {
    let body = match method {
        Some(&"HEAD") => String::new(),
        _ => format!("{{\"error\":\"{sentence}\"}}\n"),
    };
    assert_eq!(answer, &(status, body), "{shown}");
}

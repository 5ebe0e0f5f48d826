//! Forms: queries that came as bodies, of any bytes and with a bound on their number.
//!
//! Next: `channel.rs`.

use encke::Refusal;
use encke::http::form::{self, PAIRS_MAX};

use super::pieces::Lot;
use super::query::{check_find, model};

pub fn check(data: &[u8]) {
    check_form(data);
    // Now and then more pairs than a fuzzer would write.
    let mut lot = Lot::of(data);
    if data.len() < 64 && lot.below(32) == 0 {
        let copies = 1 + lot.below(2 * PAIRS_MAX);
        check_form(&[data, b"&"].concat().repeat(copies));
    }
}

fn check_form(body: &[u8]) {
    let read: Vec<Result<(String, String), Refusal>> =
        form::pairs(body).map(|pair| pair.map(|(name, value)| (name.into(), value.into()))).collect();
    if std::str::from_utf8(body).is_err() {
        assert!(matches!(read[..], [Err(Refusal { status: 400, .. })]));
        return;
    }
    let expected = model(body);
    assert_eq!(read.len(), expected.len().min(PAIRS_MAX + 1));
    for (index, (read, expected)) in read.iter().zip(&expected).enumerate() {
        match read {
            Err(refusal) if index == PAIRS_MAX => assert_eq!(refusal.status, 413),
            Err(refusal) => assert_eq!((refusal.status, expected), (400, &None)),
            Ok(pair) => assert_eq!(Some(pair), expected.as_ref()),
        }
    }
    if read.len() < 20 {
        check_find(&read, |name| form::find(body, name).map(|value| value.map(String::from)));
    }
}

//! Messages as requests, and the answers to them: one round of `encke publish` on one connection.
//!
//! `publish.rs` has the queue and says what goes out.
//!
//! Invariant: answers are handed over in the order of the requests, and complete; what a connection still gave before it broke is not
//! lost.
//!
//! Next: `progress.rs`.

use std::time::{Duration, SystemTime};

use super::connection::{Broken, Connection};
use super::flags::PublishFlags;
use super::input::Line;
use super::status::{SENTENCE_BYTES_MAX, retry_after};
use crate::http::peer::{Piece, Request, RequestBody};

/// A message on its way.
pub(crate) struct Message {
    pub(crate) line: Line,
    /// Its `Idempotency-Key`.
    pub(crate) key: String,
}

impl Message {
    /// What it is called in complaints. A text of the command line is no line.
    pub(crate) fn name(&self) -> String {
        match self.line.number {
            0 => "the message".to_owned(),
            number => format!("line {number}"),
        }
    }
}

/// An answer, or what has come of it.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// When the server wants to be asked again.
    pub(crate) asked: Option<Duration>,
    /// Whether another answer may follow on the connection.
    pub(crate) keeps_alive: bool,
    /// Its beginning.
    pub(crate) body: Vec<u8>,
}

/// What all requests have in common.
pub(crate) struct Posts {
    target: String,
    host: String,
    fields: Vec<(String, String)>,
}

impl Posts {
    pub(crate) fn new(flags: &PublishFlags, mut fields: Vec<(String, String)>) -> Posts {
        let target = match &flags.event {
            Some(event) => {
                let event: String = form_urlencoded::byte_serialize(event.as_bytes()).collect();
                flags.address.target_with("event", &event)
            }
            None => flags.address.target(),
        };
        let given = fields.iter().position(|(name, _)| name.eq_ignore_ascii_case("Host"));
        let host = given.map_or_else(|| flags.address.host_field(), |at| fields.remove(at).1);
        Posts { target, host, fields }
    }

    /// The requests of these, in their order.
    pub(crate) fn write<'m>(
        &self,
        messages: impl Iterator<Item = &'m Message>,
        connection: &mut Connection,
    ) -> Vec<u8> {
        let is_given = |name: &str| self.fields.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        let own = [
            ("User-Agent", concat!("encke/", env!("CARGO_PKG_VERSION"))),
            ("Content-Type", "text/plain; charset=utf-8"),
        ];
        let mut fields: Vec<(&str, &str)> = own.into_iter().filter(|(name, _)| !is_given(name)).collect();
        fields.extend(self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let mut wire = Vec::new();
        for message in messages {
            fields.push(("Idempotency-Key", &message.key));
            let request = Request {
                method: "POST",
                target: &self.target,
                host: Some(&self.host),
                fields: &fields,
                body: RequestBody::Length(message.line.text.as_bytes()),
                ..Request::default()
            };
            connection.write(&request, &mut wire);
            fields.pop();
        }
        wire
    }
}

/// Hears complete answers: at least one, and those that have come with it. Behind one that ends the connection nothing counts.
pub(crate) fn hear_answers(
    connection: &mut Connection,
    wait: Duration,
    answers: &mut Vec<Answer>,
) -> Result<(), Broken> {
    // An answer in parts is waited for: what has come of it is kept nowhere else.
    let mut answer: Option<Answer> = None;
    while answer.is_some() || answers.is_empty() {
        let heard = connection.hear(Some(wait), |piece| {
            match (piece, &mut answer) {
                (Piece::Head(head), _) => {
                    let asked = retry_after(&head, SystemTime::now());
                    let keeps_alive = head.keeps_alive();
                    answer = Some(Answer { status: head.status, asked, keeps_alive, body: Vec::new() });
                }
                (Piece::Data(bytes), Some(answer)) => {
                    let room = SENTENCE_BYTES_MAX.saturating_sub(answer.body.len());
                    answer.body.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
                (Piece::Done, _) => {
                    answers.extend(answer.take());
                    if is_last(answers) {
                        return Err(Broken::Cut("the server has closed it".to_owned()));
                    }
                }
                (Piece::Informational(_) | Piece::Data(_) | Piece::More, _) => {}
            }
            Ok(())
        });
        if is_last(answers) {
            return Ok(());
        }
        heard?;
    }
    Ok(())
}

fn is_last(answers: &[Answer]) -> bool {
    answers.last().is_some_and(|answer| !answer.keeps_alive)
}

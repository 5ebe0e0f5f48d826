//! The engine, driven by a script: what peers do, what the clock does, what others do, and what a handler does about it.
//!
//! ```text
//!   script ─► acts, one a line ─► testing::Server ─► the engine ─► Player: does what the letters in the path say
//!                                        │                             │
//!                                  links, counts                    Ledger: every event, by exchange
//!                                        └──────────► the law ◄────────┘
//! ```
//!
//! The first line's first letter chooses the limits; each line after it is an act:
//!
//! | line | what happens | | line | what happens |
//! | --- | --- | --- | --- | --- |
//! | `+` | one more peer connects | | `*3` | `news` gets a message of 3 × 50 bytes |
//! | `g1sw.c` | peer 1 sends `GET /sw.c` | | `e` | `news` ends |
//! | `k1…`, `h1…` | the same in HTTP/1.0 with keep-alive, as HEAD | | `w2` `c2` `a2` | writes to, closes, aborts exchange 2 from outside |
//! | `p1…` | a POST of five bytes | | `W2` `C2` | the same through its handle |
//! | `q1…` | a POST of five bytes, chunked, that waits for 100 | | `@4` | time goes on, the more the higher |
//! | `>1…` | peer 1 sends the rest of the line, a bar being CRLF | | `r` | a remote publishes |
//! | `-1` `x1` `!1` | peer 1 half-closes, closes, resets | | `S` | the engine shuts down |
//! | `~1` `=1` | peer 1 stops reading after a few bytes, reads on | | | |
//!
//! In a path, each group of letters up to a dot is what the handler does at its next event, timer or news: see `Player::act`.
//!
//! What always holds, and is checked: the table of `../../../src/engine/event.rs`; an answer has nothing in it that was written for
//! another; what is framed is well framed; when all is over nothing is left.
//!
//! Next: `player.rs`.

use std::time::Duration;

use encke::http::peer::PeerError;
use encke::testing::{Answer, Peer, Server};
use encke::{Core, End, Limits, Message};

use super::player::{Fate, Player};

/// Peers of one script.
const PEERS_MAX: usize = 5;
/// Lines of one script that are carried out.
const LINES_MAX: usize = 200;

pub fn check(data: &[u8]) {
    let mut lines = data.split(|&byte| byte == b'\n').take(LINES_MAX);
    let limits = limits(lines.next().and_then(|line| line.first()).copied().unwrap_or(0));
    let mut stage = Stage { server: Server::new(Player::default(), limits), peers: Vec::new() };
    stage.server.allow_panics();
    for line in lines {
        if let Some((&letter, rest)) = line.split_first() {
            stage.carry_out(letter, rest);
            stage.judge();
        }
    }
    stage.finish(data.len());
}

/// What a script plays on.
struct Stage {
    server: Server<Player>,
    peers: Vec<Seat>,
}

struct Seat {
    peer: Peer,
    /// Whether it may still send.
    sends: bool,
}

/// Generous limits, or such that everything is exceeded.
fn limits(letter: u8) -> Limits {
    let defaults = Limits::default();
    let few = Limits {
        connections_max: 2,
        head_bytes_max: 128,
        head_fields_max: 3,
        body_bytes_max: 20,
        discard_bytes_max: 10,
        output_bytes_max: 100,
        history_count_max: 3,
        history_bytes_max: 300,
        batch_bytes_max: 100,
        read_bytes_per_turn_max: 7,
        requests_per_turn_max: 1,
        visits_per_turn_max: 1,
        commands_per_turn_max: 1,
        resumptions_per_turn_max: 1,
        commands_max: 2,
        ..defaults.clone()
    };
    match letter % 4 {
        0 => defaults,
        1 => few,
        2 => Limits {
            connections_max: 64,
            keep_alive_timeout: Duration::ZERO,
            memory_bytes_max: 64 << 10,
            ..few
        },
        _ => Limits {
            comet_timeout: Duration::ZERO,
            heartbeat: Duration::ZERO,
            output_bytes_max: 1,
            ..defaults
        },
    }
}

impl Stage {
    fn carry_out(&mut self, letter: u8, rest: &[u8]) {
        let number = rest.first().map_or(0, |&digit| usize::from(digit.wrapping_sub(b'0')));
        match letter {
            b'+' if self.peers.len() < PEERS_MAX => {
                let peer = self.server.connect();
                self.peers.push(Seat { peer, sends: true });
            }
            b'@' => {
                let millis = [1, 9, 11, 100, 1_100, 2_100, 5_100, 16_000, 31_000, 61_000];
                self.server.advance(Duration::from_millis(millis[number % millis.len()]));
            }
            b'*' => {
                let text = "news\n".repeat(10 * (number % 16));
                let _ = self.server.run(|_, core| core.publish("news", Message::new(&text)));
            }
            b'e' => {
                let _ = self.server.run(|_, core| core.end_channel("news"));
            }
            b'r' => {
                let command = |_: &mut Player, core: &mut Core| {
                    let _ = core.publish("news", Message::new("remote"));
                };
                let _ = self.server.engine().remote().post(command);
                self.server.work();
            }
            b'S' => self.server.run(|_, core| core.shutdown()),
            b'w' | b'c' | b'a' => self.server.run(|player, core| player.meddle(letter, number, core)),
            b'W' | b'C' => {
                self.server.run(|player, _| player.meddle_by_handle(letter, number));
            }
            _ => self.act_of_a_peer(letter, number, rest.get(1..).unwrap_or_default()),
        }
    }

    fn act_of_a_peer(&mut self, letter: u8, number: usize, rest: &[u8]) {
        let count = self.peers.len();
        let Some(Seat { peer, sends }) = self.peers.get_mut(number % count.max(1)) else { return };
        let peer = *peer;
        match letter {
            b'-' | b'x' | b'!' => {
                *sends = false;
                match letter {
                    b'-' => self.server.half_close(peer),
                    b'x' => self.server.close(peer),
                    _ => self.server.reset(peer),
                }
            }
            b'~' => self.server.stop_reading_after(peer, rest.len()),
            b'=' => self.server.resume_reading(peer),
            _ if *sends => {
                if let Some(bytes) = request(letter, rest) {
                    self.server.send(peer, bytes);
                }
            }
            _ => {}
        }
    }

    /// What has to hold at every moment.
    fn judge(&self) {
        let core = self.server.engine().core();
        let ledger = self.server.handler().ledger.borrow();
        if let Some(objection) = &ledger.objection {
            panic!("{objection}");
        }
        assert_eq!(core.exchanges(), ledger.open(), "exchanges that have begun and not ended");
        assert_eq!(core.counters().panics, ledger.panics, "panics that nobody asked for");
        assert!(core.connections() <= core.limits().connections_max + PEERS_MAX, "more than have come");
        assert!(core.hub().stats().subscribers <= core.exchanges());
    }

    /// All leave, one way or the other, and nothing may be left; then what they have heard is looked at.
    fn finish(mut self, how: usize) {
        let peers: Vec<Peer> = self.peers.iter().map(|seat| seat.peer).collect();
        match how % 3 {
            0 => {}
            1 => peers.iter().for_each(|&peer| self.server.close(peer)),
            _ => {
                peers.iter().for_each(|&peer| self.server.reset(peer));
                assert_eq!(self.server.engine().core().connections(), 0, "connections that were reset");
            }
        }
        self.judge();
        // Who has closed may have closed its sending side only, and a handler that never answers keeps it waiting for ever.
        self.server.run(|_, core| core.shutdown());
        // Longer than any message is held, and than anybody waits for anything.
        self.server.advance(Duration::from_secs(3600));
        self.judge();
        let engine = self.server.engine();
        let (core, stats) = (engine.core(), engine.core().hub().stats());
        let left = (core.connections(), core.exchanges(), core.idle(), core.blocked(), core.parked());
        assert_eq!(left, (0, 0, 0, 0, 0), "connections, exchanges, idle, blocked and parked");
        let left = (stats.channels, stats.subscribers, stats.messages, stats.bytes, stats.memory, stats.held);
        assert_eq!(left, (0, 0, 0, 0, 0, 0), "channels, subscribers, messages, bytes, memory and held");
        assert_eq!(engine.next_deadline(), None, "a deadline");
        let ledger = self.server.handler().ledger.borrow();
        assert_eq!(ledger.states.get(), 0, "states of exchanges that were not dropped");
        drop(ledger);
        self.peers.iter().for_each(|seat| self.check_answers(seat.peer));
    }

    /// Answers are well framed, in order, and whole only if their exchanges ended well.
    fn check_answers(&self, peer: Peer) {
        let answers = match self.server.answers(peer) {
            Ok(answers) => answers,
            Err(PeerError::Truncated | PeerError::Unanswered) => return,
            // What the engine says of itself before it was asked (a 503, a 408) has a body; if the peer asks with HEAD only then, nobody
            // can tell that it was no answer to that.
            Err(_) if self.server.received(peer).ends_with("\"}\n") => return,
            Err(error) => panic!("{error}: {:?}", self.server.received(peer)),
        };
        let ledger = self.server.handler().ledger.borrow();
        let mut last = None;
        for answer in &answers {
            let Some(name) = answer.head.field("X-Exchange") else { continue };
            let number: usize = String::from_utf8_lossy(name).parse().expect("as it was written");
            assert!(last < Some(number), "answers out of order");
            last = Some(number);
            check_pollution(answer, number);
            let is_streamed = answer.head.field("Transfer-Encoding").is_some();
            let life = &ledger.lives[number];
            if answer.is_complete && is_streamed && !life.is_head {
                let ended_well = matches!(life.fate, Fate::Ended(End::Closed | End::Shutdown));
                assert!(ended_well, "a broken answer looks whole: {:?}", life.fate);
            }
        }
    }
}

/// Every line that a handler writes is `=NUMBER.`, and nobody may hear another's.
fn check_pollution(answer: &Answer, number: usize) {
    let text = answer.text();
    for piece in text.split('=').skip(1) {
        if let Some((name, _)) = piece.split_once('.') {
            assert_eq!(name, number.to_string(), "written for another");
        }
    }
}

/// The bytes of a request, or of anything.
fn request(letter: u8, rest: &[u8]) -> Option<Vec<u8>> {
    let (front, behind) = match letter {
        b'g' => ("GET /", " HTTP/1.1\r\nHost: a\r\n\r\n"),
        b'h' => ("HEAD /", " HTTP/1.1\r\nHost: a\r\n\r\n"),
        b'k' => ("GET /", " HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
        b'p' => ("POST /", " HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"),
        b'q' => (
            "POST /",
            " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        b'>' => {
            let pieces: Vec<&[u8]> = rest.split(|&byte| byte == b'|').collect();
            return Some(pieces.join(&b"\r\n"[..]));
        }
        _ => return None,
    };
    Some([front.as_bytes(), rest, behind.as_bytes()].concat())
}

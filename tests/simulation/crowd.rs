//! The crowd of a storm: peers of every kind, drawn from the seed.
//!
//! Called by: `storms.rs`.
//!
//! Next: `audience.rs`, those of them who hear channels; then `storms.rs`.

use std::time::Duration;

use encke::http::Version;

use crate::audience::{channel, heavy, listener, poller, publisher, punctual, returning, subscriber};
use crate::rng::Rng;
use crate::script::{Ask, Body, Pace, Step};
use crate::shape::Shape;
use crate::world::World;

/// Peers of whom more is expected than of others.
#[derive(Clone, Default)]
pub(crate) struct Crowd {
    /// They do nothing wrong and have nothing done to them: they get every answer whole.
    pub(crate) honest: Vec<usize>,
    /// They listen to the end, and hear everything or are told.
    pub(crate) diligent: Vec<usize>,
    /// They come back with their cursors, on whatever links, and miss nothing in between without being told.
    pub(crate) returning: Vec<usize>,
    /// They send their messages with the heads, on good links: whenever they wait, it is because they are held.
    pub(crate) punctual: Vec<usize>,
    /// Their long-polls take their time on purpose.
    pub(crate) patient: Vec<usize>,
}

/// Fills a world with peers of all kinds.
pub(crate) fn populate(world: &mut World, rng: &mut Rng) -> Crowd {
    let is_roomy = world.engine.core().limits().connections_max > 100;
    let mut crowd = Crowd::default();
    // Whoever is blocked for a moment may have to go then, though it has done nothing wrong.
    let is_heavy = rng.chance(10);
    if is_heavy {
        for _ in 0..3 {
            let at = rng.millis(0, 3_000);
            let shape = Shape { inbound_max: rng.magnitude(2_000, 50_000), ..Shape::CALM };
            let script = heavy(rng);
            world.peer_at(at, shape, script);
        }
    }
    for _ in 0..rng.between(15, 40) {
        let at = rng.millis(0, 4_000);
        let mut shape = Shape::drawn(rng);
        let script = match rng.between(0, 15) {
            0..=2 => subscriber(rng),
            3..=4 => publisher(rng),
            11..=13 => {
                let script = if rng.chance(50) { returning(rng) } else { poller(rng) };
                crowd.returning.push(world.peer_at(at, shape, script));
                continue;
            }
            14 => {
                let index = world.peer_at(at, Shape::CALM, punctual(rng));
                crowd.punctual.push(index);
                continue;
            }
            15 => {
                let script = vec![Step::Ask(Ask::get(format!("b=end:{},respond:200:ok", channel(rng))))];
                world.peer_at(at + Duration::from_secs(1), shape, script);
                continue;
            }
            5 => talker(rng),
            6 => liar(rng),
            7 if rng.chance(30) => glutton(rng),
            7 => quitter(rng),
            8 => {
                shape.outbound_max = shape.outbound_max.max(500);
                let index = world.peer_at(at, shape, listener(rng));
                crowd.diligent.extend((is_roomy && !is_heavy).then_some(index));
                continue;
            }
            _ => {
                // A link of one byte is slow enough for every timeout there is.
                shape.inbound_max = shape.inbound_max.max(500);
                shape.outbound_max = shape.outbound_max.max(500);
                let index = world.peer_at(at, shape, keep_alive_user(rng));
                crowd.honest.extend(is_roomy.then_some(index));
                continue;
            }
        };
        world.peer_at(at, shape, script);
    }
    crowd
}

pub(crate) fn appetite(rng: &mut Rng) -> Step {
    Step::Appetite(match rng.between(0, 5) {
        0 => Pace::NEVER,
        1 => Pace { bytes: rng.magnitude(1, 500), every: rng.millis(1, 500) },
        _ => Pace::PROMPT,
    })
}

pub(crate) fn version(rng: &mut Rng) -> Version {
    if rng.chance(20) { Version::Http10 } else { Version::Http11 }
}

pub(crate) fn body(rng: &mut Rng) -> Body {
    let text = |rng: &mut Rng| {
        let length = rng.magnitude(1, 300);
        (0..length).map(|_| b'a' + rng.between(0, 25) as u8).collect::<Vec<u8>>()
    };
    match rng.between(0, 2) {
        0 => Body::None,
        1 => Body::Length(text(rng)),
        _ => Body::Chunked((0..rng.between(1, 5)).map(|_| text(rng)).collect()),
    }
}

pub(crate) fn pace(rng: &mut Rng) -> Step {
    Step::Pace(match rng.between(0, 3) {
        0 => Pace { bytes: rng.magnitude(1, 100), every: rng.millis(1, 50) },
        _ => Pace::PROMPT,
    })
}

/// Talks with a streaming handler: echoes, pauses, fills, tunnels, stale handles, panics.
fn talker(rng: &mut Rng) -> Vec<Step> {
    let query = *rng.pick(&[
        "b=start&r=echo&d=close",
        "b=pause,timer:300&k=resume&r=echo,pause,timer:50&d=close",
        "b=start,fill:3000&f=close",
        "b=fill:500&f=close&e=w:last",
        "b=start,stale,timer:100&k=stale,close",
        "b=w:x,timer:100&k=panic&x=w:no",
        "b=panic",
        "b=discard&d=respond:200:ok",
        "b=to:100&t=stale,w:again",
        "b=to:100&t=close",
        "d=w:x,abort",
        "b=keep,w:x,timer:2000&k=w:y,close",
        "b=tell",
        "b=sized:30,w:0123456789,close",
        "e=panic",
        "b=start,lend",
        "b=start,lend,timer:900&k=w:mine,close",
        "b=start,lend,lend&d=w:done&t=close",
    ]);
    let ask = Ask { version: version(rng), ..Ask::post(query, body(rng)) };
    let head = Ask { method: "HEAD", ..Ask::get("b=w:x,close") };
    let fields = vec![("Expect", "100-continue")];
    let expecting = Ask { fields, ..Ask::post("d=respond:200:ok", body(rng)) };
    let fields = vec![("Connection", "upgrade"), ("Upgrade", "echo")];
    let query = *rng.pick(&[
        "b=up:echo&r=echo,stale",
        "b=up:echo,keep&r=echo&d=close",
        "d=up:echo,keep,timer:3000&r=echo&k=close",
    ]);
    let tunnel = Ask { fields, ..Ask::get(query) };
    let mut script = vec![appetite(rng), pace(rng), Step::Ask(ask), Step::Wait(rng.millis(0, 4_000))];
    match rng.between(0, 3) {
        0 => script.extend([Step::Ask(head), Step::Ask(Ask::get("b=stale,respond:204:x"))]),
        1 => script.push(Step::Ask(expecting)),
        2 => script.extend([
            Step::Ask(tunnel),
            Step::Wait(rng.millis(0, 900)),
            Step::Body(b"raw bytes".to_vec()),
        ]),
        _ => {}
    }
    script.push(Step::Wait(rng.millis(0, 4_000)));
    script.push(rng.pick(&[Step::Fin, Step::Reset, Step::Leave]).clone());
    script
}

/// Sends what is not HTTP, or not quite.
fn liar(rng: &mut Rng) -> Vec<Step> {
    let bytes: Vec<u8> = match rng.between(0, 4) {
        0 => (0..rng.magnitude(1, 3_000)).map(|_| rng.next() as u8).collect(),
        1 => vec![b'a'; rng.magnitude(1, 20_000)],
        2 => b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec(),
        3 => b"\r\n\r\nGET / HTT".to_vec(),
        _ => b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n".to_vec(),
    };
    let mut script = vec![pace(rng)];
    if rng.chance(50) {
        script.push(Step::Ask(Ask::get("b=respond:200:first")));
    }
    script.extend([Step::Raw(bytes, vec!["GET"]), Step::Sent]);
    script.push(rng.pick(&[Step::End, Step::Fin, Step::Leave, Step::Wait(Duration::from_secs(9))]).clone());
    script.push(Step::Leave);
    script
}

/// Goes away in the middle of a request.
fn quitter(rng: &mut Rng) -> Vec<Step> {
    let query = *rng.pick(&[
        "b=start&r=echo",
        "b=collect:9999",
        "b=pause,timer:500&k=resume",
        "b=w:x",
        "b=tell,pause",
    ]);
    let pace = Step::Pace(Pace { bytes: rng.magnitude(1, 200), every: rng.millis(1, 200) });
    let ask = Step::Ask(Ask::post(query, body(rng)));
    let wait = Step::Wait(rng.millis(0, 3_000));
    vec![pace, ask, wait, rng.pick(&[Step::Fin, Step::Reset, Step::Leave]).clone()]
}

/// Asks for more and more and reads little of it, or nothing.
fn glutton(rng: &mut Rng) -> Vec<Step> {
    let mut script = vec![appetite(rng)];
    for _ in 0..rng.between(5, 40) {
        let query = *rng.pick(&["b=fill:3000&f=close", "b=respond:200:ok", "b=big:2000,close"]);
        script.push(Step::Ask(Ask::get(query)));
    }
    script
        .extend([Step::Wait(rng.millis(0, 9_000)), rng.pick(&[Step::Fin, Step::Reset, Step::Leave]).clone()]);
    script
}

/// Does everything right: one request after the other, or pipelined, each with an answer that ends.
fn keep_alive_user(rng: &mut Rng) -> Vec<Step> {
    let mut script = Vec::new();
    let count = rng.between(1, 8);
    for asked in 1..=count {
        let query = *rng.pick(&[
            "b=respond:200:ok",
            "b=timer:50&k=respond:200:late",
            "b=start,w:a,timer:20&k=w:b,close",
            "d=close",
        ]);
        script.push(Step::Ask(Ask::get(format!("{query}&alone=1"))));
        if rng.chance(50) {
            script.push(Step::Answers(asked));
        }
    }
    script.extend([Step::Answers(count), Step::Leave]);
    script
}

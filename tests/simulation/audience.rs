//! Those of the crowd who hear channels or publish to them.
//!
//! Called by: `crowd.rs`.
//!
//! Next: `storms.rs`.

use std::time::Duration;

use crate::crowd::{appetite, body, pace, version};
use crate::rng::Rng;
use crate::script::{Ask, Body, CURSOR, Departure, Step};
use crate::world::CHANNELS;

/// The formats whose messages have ids.
const WITH_IDS: [&str; 4] = ["sse", "ndjson", "envelope", "iframe"];

pub(crate) fn channel(rng: &mut Rng) -> &'static str {
    CHANNELS[rng.between(0, CHANNELS.len() - 1)]
}

/// One channel, or several.
pub(crate) fn channels(rng: &mut Rng) -> &'static str {
    const SETS: [&str; 7] = ["news", "chat", "odd", "news", "news.chat", "odd.news", "news.chat.odd"];
    SETS[rng.between(0, SETS.len() - 1)]
}

/// Hears channels for a while, in any format, from anywhere, and leaves in any way.
pub(crate) fn subscriber(rng: &mut Rng) -> Vec<Step> {
    let format = *rng.pick(&["sse", "stream", "stream", "ndjson", "envelope", "iframe"]);
    let since = *rng.pick(&["", "start", "7-1", "7-9", "7-99999", "8-1"]);
    let more = *rng.pick(&[
        "",
        ",w:hello",
        ",timer:700&k=w:tick,timer:300",
        ",timer:900&k=close",
        ",timer:700&k=unsub,w:quiet",
        "&e=w:bye",
        "&t=w:waiting",
    ]);
    let ask = Ask {
        version: version(rng),
        ..Ask::get(format!("b=start,sub:{}:{format}:{since}{more}", channels(rng)))
    };
    let first = appetite(rng);
    let second = appetite(rng);
    let wait = Step::Wait(rng.millis(100, 9_000));
    let again = Step::Wait(rng.millis(100, 9_000));
    let mut script = vec![first, Step::Ask(ask), wait, second, again];
    if rng.chance(20) {
        script.push(Step::Ask(Ask::get("b=respond:200:behind")));
    }
    script.push(rng.pick(&[Step::Fin, Step::Reset, Step::Leave, Step::Leave]).clone());
    script
}

/// Hears channels until long after the last message, and reads at once.
pub(crate) fn listener(rng: &mut Rng) -> Vec<Step> {
    let since = *rng.pick(&["", "start", "7-3"]);
    let format = *rng.pick(&WITH_IDS);
    let ask = Ask {
        version: version(rng),
        ..Ask::get(format!("b=start,sub:{}:{format}:{since}&alone=1", channels(rng)))
    };
    vec![Step::Ask(ask), Step::Wait(Duration::from_secs(60)), Step::Leave]
}

/// A stream that is lost again and again, and taken up with the last id.
pub(crate) fn returning(rng: &mut Rng) -> Vec<Step> {
    let (channels, format) = (channels(rng), *rng.pick(&WITH_IDS));
    let mut script = vec![appetite(rng)];
    for _ in 0..rng.between(2, 8) {
        let ask = Ask::get(format!("b=hear:{channels}:{format}:{CURSOR}"));
        script.extend([Step::Ask(Ask { version: version(rng), ..ask }), Step::Wait(rng.millis(10, 3_000))]);
        script.extend(rng.chance(20).then(|| appetite(rng)));
        let how = *rng.pick(&[Departure::Leave, Departure::Leave, Departure::Reset]);
        let away = if rng.chance(20) { rng.millis(0, 8_000) } else { rng.millis(0, 1_000) };
        script.push(Step::Return(how, away));
    }
    script.extend([Step::Ask(Ask::get(format!("b=hear:{channels}:{format}:{CURSOR}")))]);
    script.extend([Step::Wait(rng.millis(100, 9_000)), Step::Leave]);
    script
}

/// Asks and asks, each time behind what it has got.
pub(crate) fn poller(rng: &mut Rng) -> Vec<Step> {
    let (channels, bytes_max) = (channels(rng), *rng.pick(&[1, 100, 500, 100_000]));
    let more = *rng.pick(&["", ",tell", ",to:150", ",timer:20&k=take", "&e=stale"]);
    let mut script = Vec::new();
    for _ in 0..rng.between(3, 20) {
        let query = format!("b=park:{channels}:{bytes_max}:{CURSOR}{more}");
        script.extend([Step::Ask(Ask { version: version(rng), ..Ask::get(query) })]);
        // Whoever does not wait for an answer knows nothing of it, and asks again from where it stood.
        let (how, wait) = match rng.between(0, 9) {
            0 => (Departure::Leave, Step::Wait(rng.millis(0, 500))),
            _ => (Departure::IfOver, Step::Answered),
        };
        script.extend([wait, Step::Return(how, rng.millis(0, 300))]);
    }
    script.push(Step::Leave);
    script
}

/// Publishes, pipelined, with bodies of every kind.
pub(crate) fn publisher(rng: &mut Rng) -> Vec<Step> {
    let mut script = vec![appetite(rng), pace(rng)];
    let count = rng.between(1, 12);
    for number in 0..count {
        let channel = channel(rng);
        let key = if rng.chance(30) { format!("k{}", rng.between(0, 3)) } else { String::new() };
        script.push(Step::Ask(match rng.between(0, 9) {
            0..=3 => Ask::get(format!("b=pub:{channel}:m{number}:{key},respond:200:ok")),
            4 => Ask::get(format!(
                "b=pub:{channel}:{}:{key},respond:200:ok",
                "x".repeat(rng.magnitude(1, 200))
            )),
            5 => Ask::get(format!("b=burst:{channel}:{},respond:200:ok", rng.magnitude(1, 300))),
            _ => {
                let hold = if rng.chance(50) { format!("hold:{channel},") } else { String::new() };
                let collect = *rng.pick(&["collect:5000", "max:5000"]);
                Ask::post(format!("b={hold}{collect}&d=pubread:{channel}:{key},respond:200:ok"), body(rng))
            }
        }));
        if rng.chance(30) {
            script.push(Step::Wait(rng.millis(1, 500)));
        }
    }
    script.push(Step::Wait(rng.millis(0, 3_000)));
    script.push(Step::Leave);
    script
}

/// Publishes large messages, collected, to more memory than there may be.
pub(crate) fn heavy(rng: &mut Rng) -> Vec<Step> {
    let mut script = vec![pace(rng)];
    for _ in 0..rng.between(1, 8) {
        let body = Body::Length(vec![b'h'; rng.magnitude(1_000, 40_000)]);
        let query = format!("b=collect:100000&d=pubread:{},respond:200:ok", channel(rng));
        script.extend([Step::Ask(Ask::post(query, body)), Step::Answered]);
        script.push(Step::Return(Departure::IfOver, rng.millis(0, 300)));
    }
    script.push(Step::Leave);
    script
}

/// Publishes one message after the other, each sent at once and as soon as the one before is answered, and waits whenever it is asked to.
pub(crate) fn punctual(rng: &mut Rng) -> Vec<Step> {
    let (channel, mut script) = (channel(rng), Vec::new());
    let count = rng.between(5, 40);
    for number in 0..count {
        let body = Body::Length(format!("p{number}").into_bytes());
        let query = format!("b=hold:{channel},max:5000&d=pubread:{channel},respond:200:ok&alone=1");
        script.extend([Step::Ask(Ask::post(query, body)), Step::Answered]);
        script.extend(rng.chance(30).then(|| Step::Wait(rng.millis(1, 300))));
    }
    script.push(Step::Leave);
    script
}

//! The market: a snapshot and then exactly the changes behind it, whenever one comes and however often one is cut.

use serde_json::Value;

use crate::running::{Example, id, place};
use crate::support::{Peer, get};

/// The price of a symbol as the changes up to a place leave it.
fn price_at<'a>(changes: &'a [Value], symbol: &str, through: u64) -> Option<&'a Value> {
    let mut known = changes.iter().filter(|line| line["channel"] == symbol && place(&id(line)) <= through);
    known.next_back().map(|line| &line["data"])
}

#[test]
fn a_newcomer_gets_a_snapshot_and_exactly_the_changes_behind_it() {
    let market = Example::start("quotes", &["--seed", "7", "--every", "2"]);
    // One who hears everything from the beginning, and some who come while prices move.
    let mut all = market.stream("/quotes");
    let begin = all.next();
    let mut told: Vec<Value> = (0..20).map(|_| all.next()).collect();
    let newcomers: Vec<_> = (0..5)
        .map(|_| {
            let mut newcomer = market.stream("/quotes?symbol=ENCKE&symbol=TAIL");
            let snapshot = newcomer.next();
            let changes: Vec<Value> = (0..12).map(|_| newcomer.next()).collect();
            (snapshot, changes)
        })
        .collect();
    let last = newcomers.iter().map(|(_, changes)| place(&id(&changes[11]))).max().expect("there are some");
    while place(&id(&told[told.len() - 1])) < last {
        told.push(all.next());
    }
    let is_chosen = |line: &&Value| line["channel"] == "ENCKE" || line["channel"] == "TAIL";
    for (snapshot, changes) in &newcomers {
        let from = place(&id(snapshot));
        for symbol in ["ENCKE", "TAIL"] {
            let known = price_at(&told, symbol, from).unwrap_or(&begin["snapshot"][symbol]);
            assert_eq!(&snapshot["snapshot"][symbol], known, "{symbol} at {from}");
        }
        assert_eq!(snapshot["snapshot"].as_object().map(serde_json::Map::len), Some(2), "what was chosen");
        let expected = told.iter().filter(is_chosen).filter(|line| place(&id(line)) > from);
        assert!(expected.take(changes.len()).eq(changes), "from {from}: {changes:?}");
    }
    for symbol in ["COMET", "ENCKE", "TAOBAO", "TOMCAT", "TAIL"] {
        let mut last = &begin["snapshot"][symbol];
        for line in told.iter().filter(|line| line["channel"] == symbol) {
            assert!(&line["data"] != last, "a message without a change: {line}");
            last = &line["data"];
        }
    }
    drop(all);
    market.stop();
    assert!(market.wait().success());
}

#[test]
fn who_comes_back_gets_the_changes_alone_and_who_comes_too_late_a_snapshot() {
    let market = Example::start("quotes", &["--every", "2"]);
    let mut all = market.stream("/quotes?symbol=TAIL");
    let at = id(&all.next());
    let told: Vec<Value> = (0..10).map(|_| all.next()).collect();
    let mut back = market.stream(&format!("/quotes?symbol=TAIL&since={at}"));
    assert!(told.iter().all(|line| *line == back.next()), "exactly what was told behind {at}");
    let events = get(
        &format!("/quotes?symbol=TAIL&since={at}"),
        &format!("Last-Event-ID: {}\r\nAccept: text/event-stream\r\n", id(&told[7])),
    );
    let mut events = Peer::ask(market.address, &events);
    let before = events.until(&format!("id: {}\ndata: ", id(&told[8])));
    assert_eq!(before.matches("\nid: ").count(), 1, "the field wins over the query: {before}");
    let data: Value = serde_json::from_str(&events.until("\n")).expect("an envelope");
    assert_eq!(data, told[8]);
    let mut late = market.stream("/quotes?symbol=TAIL&since=1-1");
    assert!(late.next()["snapshot"]["TAIL"].is_string(), "an id of before a restart");
    let (status, _) = market.ask(&get("/quotes?symbol=HALLEY", ""));
    assert_eq!(status, 404);
}

#[test]
fn the_same_seed_is_the_same_market() {
    let prices = |seed: &str| -> Vec<(Value, Value)> {
        let market = Example::start("quotes", &["--seed", seed, "--every", "2"]);
        let mut all = market.stream("/quotes?since=1-1");
        let begin = all.next();
        // It may have moved before anybody came; from the beginning it is heard with the id of the beginning.
        let (epoch, _) = begin["id"].as_str().and_then(|id| id.split_once('-')).expect("an id");
        let mut all = market.stream(&format!("/quotes?since={epoch}-0"));
        (0..30).map(|_| all.next()).map(|line| (line["channel"].clone(), line["data"].clone())).collect()
    };
    assert_eq!(prices("3"), prices("3"));
    assert!(prices("3") != prices("4"));
}

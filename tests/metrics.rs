//! `GET /metrics`: a page that Prometheus can read, and numbers that are true.
//!
//! The parser here is stricter than Prometheus' own, and is shown pages that break each of its rules. Where `promtool` is at hand, `.ci/run`
//! asks it too.

mod support;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Instant;

use support::{PATIENCE, Peer, Server, get, id_of, publish};

/// One family of the page: what it is called, and its samples in their order.
#[derive(Debug)]
struct Family {
    name: String,
    kind: String,
    samples: Vec<Sample>,
}

/// One line with a number.
#[derive(Debug)]
struct Sample {
    name: String,
    /// As they stand between the braces.
    labels: String,
    value: f64,
}

/// Reads a page of the text format, version 0.0.4, or says which line is wrong.
fn read(page: &str) -> Result<Vec<Family>, String> {
    let mut families: Vec<Family> = Vec::new();
    let mut helped: Option<&str> = None;
    let body = page.strip_suffix('\n').ok_or("the last line does not end")?;
    for line in body.split('\n') {
        let wrong = |why: &str| format!("{why}: {line}");
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| wrong("no help"))?;
            if helped.is_some() || help.trim().is_empty() || families.iter().any(|known| known.name == name) {
                return Err(wrong("help that is out of place, empty or there twice"));
            }
            helped = Some(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or_else(|| wrong("no type"))?;
            if helped.take() != Some(name) || !["counter", "gauge", "histogram"].contains(&kind) {
                return Err(wrong("a type without its help, or one that is none"));
            }
            if !is_name(name) || (kind == "counter") != name.ends_with("_total") {
                return Err(wrong("a name that does not fit"));
            }
            families.push(Family { name: name.to_owned(), kind: kind.to_owned(), samples: Vec::new() });
        } else {
            let sample = sample(line).ok_or_else(|| wrong("no sample"))?;
            let family =
                families.last_mut().filter(|_| helped.is_none()).ok_or_else(|| wrong("no family"))?;
            if !family.has(&sample.name) {
                return Err(wrong("a sample of another family"));
            }
            family.samples.push(sample);
        }
    }
    families.iter().try_for_each(Family::check)?;
    Ok(families)
}

fn is_name(name: &str) -> bool {
    name.starts_with("encke_") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn sample(line: &str) -> Option<Sample> {
    let (key, value) = line.rsplit_once(' ')?;
    let (name, labels) = match key.split_once('{') {
        Some((name, rest)) => (name, rest.strip_suffix('}')?),
        None => (key, ""),
    };
    let is_label = |label: &str| {
        let quoted = |text: &str| text.len() > 2 && text.starts_with('"') && text.ends_with('"');
        label.split_once('=').is_some_and(|(name, value)| !name.is_empty() && quoted(value))
    };
    let is_good = is_name(name) && (labels.is_empty() || labels.split(',').all(is_label));
    let value = value.parse().ok().filter(|value: &f64| value.is_finite() && *value >= 0.0)?;
    is_good.then(|| Sample { name: name.to_owned(), labels: labels.to_owned(), value })
}

impl Family {
    fn has(&self, name: &str) -> bool {
        match name.strip_prefix(&self.name[..]) {
            Some("") => self.kind != "histogram",
            Some("_bucket" | "_sum" | "_count") => self.kind == "histogram",
            _ => false,
        }
    }

    fn check(&self) -> Result<(), String> {
        let wrong = |why: &str| Err(format!("{}: {why}", self.name));
        let mut seen = HashSet::new();
        if self.samples.is_empty() || !self.samples.iter().all(|one| seen.insert((&one.name, &one.labels))) {
            return wrong("no samples, or one that is there twice");
        }
        if self.kind != "histogram" {
            return Ok(());
        }
        let bound = |one: &Sample| one.labels.strip_prefix("le=\"")?.strip_suffix('"')?.parse::<f64>().ok();
        let of = |part: &str| {
            let name = format!("{}{part}", self.name);
            self.samples.iter().filter(move |one| one.name == name)
        };
        let buckets: Vec<&Sample> = of("_bucket").collect();
        let bounds: Option<Vec<f64>> = buckets.iter().map(|one| bound(one)).collect();
        let Some(bounds) = bounds else { return wrong("a bucket without a bound") };
        if !bounds.windows(2).all(|two| two[0] < two[1]) || bounds.last() != Some(&f64::INFINITY) {
            return wrong("bounds that do not rise to infinity");
        }
        if !buckets.windows(2).all(|two| two[0].value <= two[1].value) {
            return wrong("buckets that are not cumulative");
        }
        let (sums, counts): (Vec<_>, Vec<_>) = (of("_sum").collect(), of("_count").collect());
        match (&sums[..], &counts[..], buckets.last()) {
            ([_], [count], Some(all)) if count.value == all.value => Ok(()),
            _ => wrong("a count that is not that of all"),
        }
    }
}

/// The page of a server, read.
#[track_caller]
fn metrics(address: SocketAddr) -> Vec<Family> {
    let mut peer = Peer::ask(address, &get("/metrics", "Connection: close\r\n"));
    let head = peer.until("\r\n\r\n");
    assert!(head.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{head}");
    read(&peer.drain().expect("the connection closes")).expect("the page is well-formed")
}

/// One number; `name` may have labels, as on the page.
#[track_caller]
fn value(page: &[Family], name: &str) -> f64 {
    let is_it = |one: &&Sample| match one.labels.is_empty() {
        true => one.name == name,
        false => format!("{}{{{}}}", one.name, one.labels) == name,
    };
    let found = page.iter().flat_map(|family| &family.samples).find(is_it);
    found.unwrap_or_else(|| panic!("there is no {name}")).value
}

/// Asks again until a number is there.
#[track_caller]
fn wait_for(address: SocketAddr, name: &str, expected: f64) {
    let begun = Instant::now();
    while value(&metrics(address), name) != expected {
        assert!(begun.elapsed() < PATIENCE, "{name} is never {expected}");
    }
}

#[test]
fn the_page_is_well_formed_and_the_documentation_names_every_family() {
    let server = Server::start(&[]);
    let page = metrics(server.address);
    let book =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/http.md")).expect("it is there");
    for family in &page {
        assert!(book.contains(&family.name), "docs/http.md says nothing of {}", family.name);
    }
    assert!(page.len() >= 25, "only {} families", page.len());
}

#[test]
fn a_publish_is_counted_and_so_is_each_delivery() {
    let server = Server::start(&[]);
    let mut peers: Vec<Peer> =
        (0..3).map(|_| Peer::ask(server.address, &get("/channels/news?mode=sse", ""))).collect();
    peers.iter_mut().for_each(|peer| drop(peer.until("id: ")));
    let before = metrics(server.address);
    assert_eq!(value(&before, "encke_subscribers"), 3.0);
    assert_eq!(value(&before, "encke_connections{state=\"streaming\"}"), 3.0);
    publish(server.address, "news", "Hello");
    peers.iter_mut().for_each(|peer| drop(peer.until("data: Hello\n\n")));
    let after = metrics(server.address);
    for (name, change) in [
        ("encke_messages_published_total", 1.0),
        ("encke_messages_delivered_total", 3.0),
        ("encke_deliveries_total", 3.0),
        ("encke_messages", 1.0),
        ("encke_message_bytes", 5.0),
        // The publish, and the page itself.
        ("encke_requests_total", 2.0),
        ("encke_gaps_total", 0.0),
        ("encke_cuts_total", 0.0),
        ("encke_subscribers", 0.0),
    ] {
        assert_eq!(value(&after, name) - value(&before, name), change, "{name}");
    }
    for name in [
        "encke_received_bytes_total",
        "encke_sent_bytes_total",
        "encke_turn_seconds_count",
        "encke_memory_bytes",
    ] {
        assert!(value(&after, name) > value(&before, name), "{name} stands still");
    }
}

#[test]
fn no_counter_falls() {
    let server = Server::start(&[]);
    let before = metrics(server.address);
    for number in 0..20 {
        publish(server.address, &format!("c{number}"), "x");
        let answer = Peer::ask(server.address, "nonsense\r\n\r\n").drain();
        assert!(answer.is_ok_and(|answer| answer.starts_with("HTTP/1.1 400 ")));
    }
    let after = metrics(server.address);
    for (old, new) in before.iter().zip(&after).filter(|(family, _)| family.kind != "gauge") {
        assert_eq!(old.name, new.name);
        for (old, new) in old.samples.iter().zip(&new.samples) {
            assert!(old.value <= new.value, "{} fell", old.name);
        }
    }
    assert_eq!(value(&after, "encke_requests_refused_total"), 20.0);
    assert_eq!(value(&after, "encke_channels"), 20.0);
}

#[test]
fn who_is_told_of_a_gap_is_counted() {
    let server = Server::start(&["--history-count", "1"]);
    let first = id_of(&publish(server.address, "news", "one"));
    publish(server.address, "news", "two");
    publish(server.address, "news", "three");
    let path = format!("/channels/news?mode=sse&since={first}");
    let mut peer = Peer::ask(server.address, &get(&path, ""));
    peer.until("data: three\n\n");
    assert_eq!(value(&metrics(server.address), "encke_gaps_total"), 1.0);
}

#[test]
fn a_poll_is_parked_and_then_it_is_not() {
    let server = Server::start(&[]);
    let mut poll = Peer::ask(server.address, &get("/channels/news?mode=poll", ""));
    wait_for(server.address, "encke_connections{state=\"polling\"}", 1.0);
    publish(server.address, "news", "Hello");
    poll.until("Hello");
    let page = metrics(server.address);
    assert_eq!(value(&page, "encke_connections{state=\"polling\"}"), 0.0);
    assert_eq!(
        (value(&page, "encke_subscribers"), value(&page, "encke_messages_delivered_total")),
        (0.0, 1.0)
    );
}

#[test]
fn who_does_not_read_is_blocked_and_then_cut() {
    let server = Server::start(&["--write-timeout", "500ms", "--grace", "10ms"]);
    let mut peer = Peer::ask(server.address, &get("/channels/news?mode=sse", ""));
    peer.until("id: ");
    let payload = "x".repeat(500_000);
    // As many as it takes to fill the sockets between.
    let mut published = 0;
    while value(&metrics(server.address), "encke_blocked_peers") == 0.0 {
        publish(server.address, "news", &payload);
        published += 1;
        assert!(published < 100, "fifty megabytes, and nobody is blocked");
    }
    wait_for(server.address, "encke_cuts_total", 1.0);
    let page = metrics(server.address);
    assert_eq!((value(&page, "encke_blocked_peers"), value(&page, "encke_subscribers")), (0.0, 0.0));
}

#[test]
fn the_parser_objects_to_what_is_wrong() {
    let good = "# HELP encke_a_total A.\n# TYPE encke_a_total counter\nencke_a_total 1\n\
                # HELP encke_b B.\n# TYPE encke_b gauge\nencke_b{state=\"x\"} 2\nencke_b{state=\"y\"} 3\n\
                # HELP encke_c_seconds C.\n# TYPE encke_c_seconds histogram\n\
                encke_c_seconds_bucket{le=\"0.5\"} 1\nencke_c_seconds_bucket{le=\"+Inf\"} 2\n\
                encke_c_seconds_sum 0.75\nencke_c_seconds_count 2\n";
    assert_eq!(read(good).expect("it is good").len(), 3);
    for (right, wrong) in [
        ("encke_a_total 1\n", ""),
        ("encke_a_total 1\n", "encke_a_total 1\nencke_a_total 1\n"),
        ("encke_a_total 1", "encke_a_total -1"),
        ("encke_a_total 1", "encke_a_total one"),
        ("encke_a_total 1", "encke_b 1"),
        ("# HELP encke_a_total A.\n", ""),
        ("# HELP encke_a_total A.", "# HELP encke_a_total "),
        ("# TYPE encke_a_total counter", "# TYPE encke_a_total gauge"),
        ("# TYPE encke_b gauge", "# TYPE encke_b counter"),
        ("# TYPE encke_b gauge\n", ""),
        ("encke_b B.\n# TYPE encke_b gauge", "encke_a_total B.\n# TYPE encke_a_total counter"),
        ("state=\"y\"", "state=\"x\""),
        ("state=\"y\"", "state=y"),
        ("le=\"0.5\"} 1", "le=\"0.5\"} 3"),
        ("le=\"+Inf\"} 2", "le=\"+Inf\"} 3"),
        ("le=\"+Inf\"", "le=\"1\""),
        ("le=\"0.5\"", "state=\"x\""),
        ("encke_c_seconds_sum 0.75\n", ""),
        ("encke_c_seconds_count 2\n", "encke_c_seconds_count 2"),
    ] {
        assert!(good.contains(right), "{right}");
        assert!(read(&good.replacen(right, wrong, 1)).is_err(), "{right} -> {wrong}: nobody minds");
    }
}

//! Orders: the push API, its cursor, its kinds, and the polling that it replaces.

use serde_json::{Value, json};

use crate::running::{Example, Lines, id, path, place, whole};
use crate::support::{Peer, get};

fn post(path: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: encke.test\r\n\r\n")
}

/// Orders, and gives the change.
#[track_caller]
fn order(shop: &Example, seller: &str) -> Value {
    let (status, change) = shop.ask(&post(&format!("/orders?seller={seller}")));
    assert_eq!(status, 201, "{change}");
    change
}

/// Makes something of an order, and gives the change.
#[track_caller]
fn advance(shop: &Example, order: &Value, kind: &str) -> Value {
    let (status, change) = shop.ask(&post(&format!("/orders/{}?kind={kind}", order["order"])));
    assert_eq!(status, 200, "{change}");
    change
}

#[test]
fn a_seller_hears_each_change_of_its_orders_and_of_no_others() {
    let shop = Example::start("orders", &[]);
    let mut lin = shop.stream("/stream?seller=lin");
    let first = lin.next();
    assert_eq!(first["kinds"], json!(["created", "paid", "shipped", "closed"]));
    let mut wang = shop.stream("/stream?seller=wang");
    wang.next();
    let one = order(&shop, "lin");
    let two = order(&shop, "wang");
    let paid = advance(&shop, &one, "paid");
    let told: Vec<Value> = (0..2).map(|_| lin.next()).collect();
    assert_eq!(told, [one.clone(), paid]);
    assert_eq!(wang.next(), two);
    for (number, kind, expected) in
        [("1", "paid", 409), ("1", "created", 409), ("9", "paid", 404), ("1", "lost", 400)]
    {
        let (status, error) = shop.ask(&post(&format!("/orders/{number}?kind={kind}")));
        assert_eq!(status, expected, "{error}");
    }
    advance(&shop, &one, "closed");
    assert_eq!(lin.next()["kind"], "closed", "and nothing of what was refused");
    shop.stop();
    assert_eq!(lin.next()["end"], "the server stops; come back in a moment");
    assert_eq!(lin.chunk(), "", "a complete answer");
    drop((lin, wang));
    assert!(shop.wait().success());
}

#[test]
fn who_was_cut_catches_up_exactly_and_after_a_restart_is_told() {
    let shop = Example::start("orders", &[]);
    let mut stream = shop.stream("/stream?seller=lin");
    let begin = id(&stream.next());
    let mut changes: Vec<Value> = (0..5).map(|_| order(&shop, "lin")).collect();
    let heard = stream.next();
    drop(stream);
    for number in 1..5 {
        changes.push(advance(&shop, &changes[number], "paid"));
    }
    for since in [begin, id(&heard)] {
        let mut back = shop.stream(&format!("/stream?seller=lin&since={since}"));
        assert_eq!(id(&back.next()), since, "where it goes on");
        let lacking = changes.iter().filter(|change| place(&id(change)) > place(&since));
        lacking.for_each(|change| assert_eq!(*change, back.next()));
    }
    drop(shop);
    let shop = Example::start("orders", &[]);
    let known = order(&shop, "lin");
    let mut back = Lines::of(Peer::ask(
        shop.address,
        &get("/stream?seller=lin", &format!("Last-Event-ID: {}\r\n", id(&heard))),
    ));
    assert!(back.head.contains("Encke-Gap: true\r\n"), "{}", back.head);
    assert_eq!(back.next().get("id"), None, "no cursor before the notice");
    assert_eq!(back.next()["gap"], true);
    assert_eq!(back.next(), known);
    // What to do about it: the orders as they are, and then what changes.
    let (_, all) = shop.ask(&get("/orders?seller=lin", ""));
    assert_eq!(all["orders"], json!([{ "order": 1, "kind": "created" }]));
    let mut on =
        shop.stream(&format!("/stream?seller=lin&since={}", all["cursor"].as_str().expect("a cursor")));
    on.next();
    let paid = advance(&shop, &known, "paid");
    assert_eq!(on.next(), paid);
}

#[test]
fn an_empty_last_event_id_is_none() {
    let shop = Example::start("orders", &[]);
    let known = order(&shop, "lin");
    let ask =
        |path: &str, field: &str| Peer::ask(shop.address, &get(path, &format!("Last-Event-ID:{field}\r\n")));
    for empty in ["", " ", " \t"] {
        let first = Lines::of(ask("/stream?seller=lin", empty)).next();
        assert_eq!(
            (&first["id"], first.get("kinds").is_some()),
            (&known["id"], true),
            "from now on: {first}"
        );
    }
    // Nor does it hide what the query says.
    let (_, list) = whole(&mut ask(&format!("/orders?seller=lin&since={}", id(&known)), ""));
    assert_eq!(list["changes"], json!([]));
    // Who has sent something else is told where.
    let told = |peer: &mut Peer| {
        let (status, error) = whole(peer);
        assert_eq!(status, 400);
        error["error"].as_str().expect("a sentence").to_owned()
    };
    let wrong = told(&mut ask("/stream?seller=lin&since=1-1", " x"));
    assert!(wrong.starts_with("Last-Event-ID "), "{wrong}");
    let wrong = told(&mut ask("/stream?seller=lin&since=x", " 1-1"));
    assert!(wrong.starts_with("since "), "{wrong}");
}

#[test]
fn another_method_is_told_which_there_are() {
    let shop = Example::start("orders", &[]);
    for (method, path, allowed) in [
        ("POST", "/stream", "GET, HEAD"),
        ("DELETE", "/orders", "GET, HEAD, POST"),
        ("PUT", "/orders?kind=none", "GET, HEAD, POST"),
        ("GET", "/orders/1", "POST"),
        ("PATCH", "/subscriptions", "GET, HEAD, POST, DELETE"),
    ] {
        let mut peer = Peer::ask(shop.address, &get(path, "").replace("GET", method));
        let head = peer.until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 405 "), "{method} {path}: {head}");
        assert!(head.contains(&format!("Allow: {allowed}\r\n")), "{method} {path}: {head}");
    }
    for (method, path) in [("GET", "/"), ("POST", "/orders/first"), ("DELETE", "/orders/"), ("PUT", "/other")]
    {
        assert_eq!(shop.ask(&get(path, "").replace("GET", method)).0, 404, "{method} {path}");
    }
    // HEAD is what GET would be, without its content.
    order(&shop, "lin");
    for path in ["/orders?seller=lin", "/subscriptions?seller=lin", "/orders"] {
        let [get, head] = ["GET", "HEAD"].map(|method| {
            let request = get(path, "Connection: close\r\n").replace("GET", method);
            Peer::ask(shop.address, &request).drain().expect("a whole answer")
        });
        let without_date = |head: &str| -> String {
            head.split_inclusive('\n').filter(|line| !line.starts_with("Date: ")).collect()
        };
        let (expected, _) = get.split_once("\r\n\r\n").expect("a head");
        assert_eq!(without_date(head.trim_end()), without_date(expected), "{path}");
    }
    let changes = get("/orders?seller=lin&since=1-1", "Connection: close\r\n").replace("GET", "HEAD");
    let head = Peer::ask(shop.address, &changes).drain().expect("a whole answer");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn kinds_can_be_left_out_and_taken_in_while_the_stream_runs() {
    let shop = Example::start("orders", &[]);
    let mut stream = shop.stream("/stream?seller=lin");
    let begin = id(&stream.next());
    let kinds = |method: &str, kinds: &str| {
        let request =
            format!("{method} /subscriptions?seller=lin{kinds} HTTP/1.1\r\nHost: encke.test\r\n\r\n");
        shop.ask(&request).1["kinds"].clone()
    };
    let one = order(&shop, "lin");
    assert_eq!(kinds("DELETE", "&kinds=created,shipped"), json!(["paid", "closed"]));
    assert_eq!(order(&shop, "lin")["id"], Value::Null, "told to nobody");
    let paid = advance(&shop, &one, "paid");
    advance(&shop, &one, "shipped");
    assert_eq!(kinds("POST", "&kinds=shipped"), json!(["paid", "shipped", "closed"]));
    assert_eq!(kinds("POST", "&kinds=shipped"), kinds("GET", ""), "nothing new, and no line");
    let closed = advance(&shop, &one, "closed");
    let told: Vec<Value> = (0..5).map(|_| stream.next()).collect();
    assert_eq!(told[0], one);
    assert_eq!(told[1]["kinds"], json!(["paid", "closed"]));
    assert_eq!(told[2], paid);
    assert_eq!(told[3]["kinds"], json!(["paid", "shipped", "closed"]));
    assert_eq!(told[4], closed);
    // Who was away, and who polls, hear the same.
    let mut away = shop.stream(&format!("/stream?seller=lin&since={begin}"));
    away.next();
    assert!(told.iter().all(|line| *line == away.next()));
    let (_, list) = shop.ask(&get(&format!("/orders?seller=lin&since={begin}"), ""));
    assert_eq!(list["changes"], Value::from(told));
    assert_eq!(list["cursor"], closed["id"]);
}

#[test]
fn a_stream_has_heartbeats_and_an_end_that_says_why() {
    let shop = Example::start("orders", &["--heartbeat", "0.05", "--stream-max", "1"]);
    let mut first = shop.stream("/stream?seller=lin");
    first.next();
    assert_eq!(first.chunk(), "\n", "a heartbeat");
    let mut second = shop.stream("/stream?seller=lin");
    second.next();
    let end = std::iter::repeat_with(|| first.chunk()).find(|line| line != "\n").expect("an end");
    assert_eq!(end, "{\"end\":\"another stream of this seller has begun\"}\n");
    assert_eq!(first.chunk(), "", "a complete answer");
    let end = std::iter::repeat_with(|| second.chunk()).find(|line| line != "\n").expect("an end");
    assert_eq!(end, "{\"end\":\"it was long enough; come back\"}\n");
    assert_eq!(second.chunk(), "");
    // The connection is as good as before.
    second.peer().send(&get("/orders?seller=lin", ""));
    assert_eq!(whole(second.peer()).1["orders"], json!([]));
}

#[test]
fn what_it_replaces_is_a_number() {
    let output = std::process::Command::new(path("orders"))
        .args(["--simulate", "1", "--orders", "5", "--poll-every", "0.05"])
        .output()
        .expect("cargo build --examples makes it");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let numbers = |name: &str| -> Vec<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{text}"));
        line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    let (stream, poll) = (numbers("stream"), numbers("polling each 0.05 s"));
    assert!(text.contains("20 changes; both have heard all of them"), "{text}");
    assert_eq!(stream[..2], [1.0, 0.0], "{text}");
    assert!(poll[0] > 5.0 && poll[2] > 5.0 * stream[2] && poll[3] > stream[3], "{text}");
    assert!(poll[4] > stream[4], "half of the delays: {text}");
}

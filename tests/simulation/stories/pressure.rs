//! Pressure: publishers who wait for readers, and for how long.

use super::{get, ms, publish_to, tells_of, world};
use crate::crowd::Crowd;
use crate::script::{Ask, Body, Pace, Step};
use crate::shape::Shape;
use crate::world::World;

/// A link that is full after a hundred and fifty bytes.
const SMALL: Shape = Shape { outbound_max: 150, ..Shape::CALM };

/// Publishes its body to `news`, and waits if it should.
fn post(body: &str) -> Step {
    let query = "b=hold:news,max:9999&d=pubread:news,respond:200:ok";
    Step::Ask(Ask::post(query, Body::Length(body.as_bytes().to_vec())))
}

fn publisher(world: &mut World, at: u64, bodies: &[&str]) {
    let posts = bodies.iter().flat_map(|body| [post(body), Step::Answered]);
    world.peer_at(ms(at), Shape::CALM, posts.chain([Step::Leave]).collect());
}

/// Hears `news` and reads only when it has waited.
fn sleeper(wait: u64) -> Vec<Step> {
    let (sleeps, wakes) = (Step::Appetite(Pace::NEVER), Step::Appetite(Pace::PROMPT));
    vec![sleeps, get("b=start,sub:news:sse"), Step::Wait(ms(wait)), wakes, Step::Wait(ms(2000)), Step::Leave]
}

fn punctual(peers: &[usize]) -> Crowd {
    Crowd { punctual: peers.to_vec(), ..Crowd::default() }
}

#[test]
fn a_publisher_waits_until_its_readers_have_caught_up() {
    let mut world = world(|limits| limits.history_count_max = 4);
    world.peer_at(ms(0), SMALL, sleeper(400));
    publisher(&mut world, 100, &["one", "two", "three", "four", "five"]);
    tells_of(
        punctual(&[1]),
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=start,sub:news:sse
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news from 0
       0.000 app 0.0: Read(Done)
       0.100 peer 1 connects
       0.100 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.100 app 1.0: Begin
       0.100 app 1.0: Read("one")
       0.100 app 1.0: Read(Done)
       0.100 app 1.0: publishes news 1
       0.100 app 1.0: End(Closed)
       0.100 peer 1 hears 200 content-length: 8
       0.100 peer 1 hears "=1.0.ok\n"
       0.100 peer 1 hears the end of the answer
       0.100 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.101 app 1.1: Begin
       0.101 app 1.1: Read("two")
       0.101 app 1.1: Read(Done)
       0.101 app 1.1: publishes news 2
       0.101 app 1.1: End(Closed)
       0.101 peer 1 hears 200 content-length: 8
       0.101 peer 1 hears "=1.1.ok\n"
       0.101 peer 1 hears the end of the answer
       0.101 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.102 app 1.2: Begin
       0.102 app 1.2: Read("three")
       0.102 app 1.2: Read(Done)
       0.102 app 1.2: publishes news 3
       0.102 app 1.2: End(Closed)
       0.102 peer 1 hears 200 content-length: 8
       0.102 peer 1 hears "=1.2.ok\n"
       0.102 peer 1 hears the end of the answer
       0.102 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.103 app 1.3: Begin
       0.103 app 1.3: Read("four")
       0.103 app 1.3: Read(Done)
       0.103 app 1.3: publishes news 4
       0.103 app 1.3: End(Closed)
       0.103 peer 1 hears 200 content-length: 8
       0.103 peer 1 hears "=1.3.ok\n"
       0.103 peer 1 hears the end of the answer
       0.103 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.104 app 1.4: Begin
       0.104 app 1.4: waits for news
       0.400 peer 0 hears 200 transfer-encoding: chunked
       0.400 peer 0 hears "id: 7-1\ndata: one@1.0\n\n"
       0.400 peer 0 hears "id: 7-2\ndata: tw"
       0.400 app 1.4: Read("five")
       0.400 app 1.4: Read(Done)
       0.400 app 1.4: publishes news 5
       0.400 app 1.4: End(Closed)
       0.400 peer 1 hears 200 content-length: 8
       0.400 peer 1 hears "=1.4.ok\n"
       0.400 peer 1 hears the end of the answer
       0.400 peer 1 leaves
       0.401 peer 0 hears "o@1.1\n\n"
       0.401 peer 0 hears "id: 7-3\ndata: three@1.2\n\n"
       0.401 peer 0 hears "id: 7-4\ndata: four@1.3\n\n"
       0.401 peer 0 hears "id: 7-5\ndata: five@1.4\n\n"
       2.400 peer 0 leaves
       2.400 app 0.0: Error(Disconnected)
       2.400 app 0.0: End(Failed)
        "#,
    );
}

#[test]
fn a_publisher_goes_on_when_the_grace_of_its_readers_is_over() {
    let mut world = world(|limits| {
        limits.history_count_max = 4;
        limits.grace = ms(1000);
    });
    world.peer_at(ms(0), SMALL, sleeper(4000));
    publisher(&mut world, 100, &["one", "two", "three", "four", "five", "six"]);
    tells_of(
        punctual(&[1]),
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=start,sub:news:sse
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news from 0
       0.000 app 0.0: Read(Done)
       0.100 peer 1 connects
       0.100 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.100 app 1.0: Begin
       0.100 app 1.0: Read("one")
       0.100 app 1.0: Read(Done)
       0.100 app 1.0: publishes news 1
       0.100 app 1.0: End(Closed)
       0.100 peer 1 hears 200 content-length: 8
       0.100 peer 1 hears "=1.0.ok\n"
       0.100 peer 1 hears the end of the answer
       0.100 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.101 app 1.1: Begin
       0.101 app 1.1: Read("two")
       0.101 app 1.1: Read(Done)
       0.101 app 1.1: publishes news 2
       0.101 app 1.1: End(Closed)
       0.101 peer 1 hears 200 content-length: 8
       0.101 peer 1 hears "=1.1.ok\n"
       0.101 peer 1 hears the end of the answer
       0.101 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.102 app 1.2: Begin
       0.102 app 1.2: Read("three")
       0.102 app 1.2: Read(Done)
       0.102 app 1.2: publishes news 3
       0.102 app 1.2: End(Closed)
       0.102 peer 1 hears 200 content-length: 8
       0.102 peer 1 hears "=1.2.ok\n"
       0.102 peer 1 hears the end of the answer
       0.102 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.103 app 1.3: Begin
       0.103 app 1.3: Read("four")
       0.103 app 1.3: Read(Done)
       0.103 app 1.3: publishes news 4
       0.103 app 1.3: End(Closed)
       0.103 peer 1 hears 200 content-length: 8
       0.103 peer 1 hears "=1.3.ok\n"
       0.103 peer 1 hears the end of the answer
       0.103 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.104 app 1.4: Begin
       0.104 app 1.4: waits for news
       1.105 app 1.4: Read("five")
       1.105 app 1.4: Read(Done)
       1.105 app 1.4: publishes news 5
       1.105 app 1.4: End(Closed)
       1.105 peer 1 hears 200 content-length: 8
       1.105 peer 1 hears "=1.4.ok\n"
       1.105 peer 1 hears the end of the answer
       1.105 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       1.105 app 1.5: Begin
       1.105 app 1.5: Read("six")
       1.105 app 1.5: Read(Done)
       1.105 app 1.5: publishes news 6
       1.105 app 1.5: End(Closed)
       1.106 peer 1 hears 200 content-length: 8
       1.106 peer 1 hears "=1.5.ok\n"
       1.106 peer 1 hears the end of the answer
       1.106 peer 1 leaves
       4.000 peer 0 hears 200 transfer-encoding: chunked
       4.000 peer 0 hears "id: 7-1\ndata: one@1.0\n\n"
       4.000 peer 0 hears "id: 7-2\ndata: tw"
       4.001 peer 0 hears "o@1.1\n\n"
       4.001 peer 0 hears "id: 7-3\ndata: three@1.2\n\n"
       4.001 peer 0 hears "id: 7-4\ndata: four@1.3\n\n"
       4.001 peer 0 hears "id: 7-5\ndata: five@1.4\n\n"
       4.001 peer 0 hears "id: 7-6\ndata: six@1.5\n\n"
       6.000 peer 0 leaves
       6.000 app 0.0: Error(Disconnected)
       6.000 app 0.0: End(Failed)
        "#,
    );
}

#[test]
fn a_publisher_goes_on_when_the_patience_of_its_channel_is_over() {
    let mut world = world(|limits| {
        limits.history_count_max = 4;
        limits.grace = ms(10_000);
    });
    world.peer_at(ms(0), SMALL, sleeper(9000));
    publisher(&mut world, 100, &["one", "two", "three", "four", "five", "six"]);
    tells_of(
        punctual(&[1]),
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=start,sub:news:sse
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news from 0
       0.000 app 0.0: Read(Done)
       0.100 peer 1 connects
       0.100 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.100 app 1.0: Begin
       0.100 app 1.0: Read("one")
       0.100 app 1.0: Read(Done)
       0.100 app 1.0: publishes news 1
       0.100 app 1.0: End(Closed)
       0.100 peer 1 hears 200 content-length: 8
       0.100 peer 1 hears "=1.0.ok\n"
       0.100 peer 1 hears the end of the answer
       0.100 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.101 app 1.1: Begin
       0.101 app 1.1: Read("two")
       0.101 app 1.1: Read(Done)
       0.101 app 1.1: publishes news 2
       0.101 app 1.1: End(Closed)
       0.101 peer 1 hears 200 content-length: 8
       0.101 peer 1 hears "=1.1.ok\n"
       0.101 peer 1 hears the end of the answer
       0.101 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.102 app 1.2: Begin
       0.102 app 1.2: Read("three")
       0.102 app 1.2: Read(Done)
       0.102 app 1.2: publishes news 3
       0.102 app 1.2: End(Closed)
       0.102 peer 1 hears 200 content-length: 8
       0.102 peer 1 hears "=1.2.ok\n"
       0.102 peer 1 hears the end of the answer
       0.102 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.103 app 1.3: Begin
       0.103 app 1.3: Read("four")
       0.103 app 1.3: Read(Done)
       0.103 app 1.3: publishes news 4
       0.103 app 1.3: End(Closed)
       0.103 peer 1 hears 200 content-length: 8
       0.103 peer 1 hears "=1.3.ok\n"
       0.103 peer 1 hears the end of the answer
       0.103 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       0.104 app 1.4: Begin
       0.104 app 1.4: waits for news
       2.604 app 1.4: Read("five")
       2.604 app 1.4: Read(Done)
       2.604 app 1.4: publishes news 5
       2.604 app 1.4: End(Closed)
       2.604 peer 1 hears 200 content-length: 8
       2.604 peer 1 hears "=1.4.ok\n"
       2.604 peer 1 hears the end of the answer
       2.604 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       2.604 app 1.5: Begin
       2.604 app 1.5: waits for news
       2.604 app 1.5: Read("six")
       2.604 app 1.5: Read(Done)
       2.604 app 1.5: publishes news 6
       2.604 app 1.5: End(Closed)
       2.605 peer 1 hears 200 content-length: 8
       2.605 peer 1 hears "=1.5.ok\n"
       2.605 peer 1 hears the end of the answer
       2.605 peer 1 leaves
       9.000 peer 0 hears 200 transfer-encoding: chunked
       9.000 peer 0 hears "id: 7-1\ndata: one@1.0\n\n"
       9.000 peer 0 hears "id: 7-2\ndata: tw"
       9.001 peer 0 hears "o@1.1\n\n"
       9.001 peer 0 hears "id: 7-3\ndata: three@1.2\n\n"
       9.001 peer 0 hears "id: 7-4\ndata: four@1.3\n\n"
       9.001 peer 0 hears "id: 7-5\ndata: five@1.4\n\n"
       9.001 peer 0 hears "id: 7-6\ndata: six@1.5\n\n"
      11.000 peer 0 leaves
      11.000 app 0.0: Error(Disconnected)
      11.000 app 0.0: End(Failed)
        "#,
    );
}

#[test]
fn all_who_are_held_go_on_at_once_though_a_turn_lets_one_go() {
    let mut world = world(|limits| {
        limits.history_count_max = 20;
        limits.resumptions_per_turn_max = 1;
        limits.grace = ms(1000);
    });
    world.peer_at(ms(0), SMALL, sleeper(4000));
    for number in 0..18 {
        publish_to(&mut world, "news", 50 + number, format!("n{number}"));
    }
    // Nothing follows from it that they are read again: their bodies are still to come.
    let head = "POST /?p=0&n=0&b=hold:news HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
    // And the first two do not even wait to be let go.
    for wait in [200, 200, 2000, 2000] {
        let script = vec![Step::Raw(head.into(), vec!["POST"]), Step::Wait(ms(wait)), Step::Reset];
        world.peer_at(ms(100), Shape::CALM, script);
    }
    world.run_until(ms(900)).expect("a calm world");
    assert_eq!(world.engine.core().hub().stats().held, 2, "who has left is not held");
    world.run_until(ms(1_200)).expect("a calm world");
    assert_eq!(world.engine.core().hub().stats().held, 0, "grace was over at 1,060 ms");
}

#[test]
fn who_was_blocked_for_a_moment_has_its_grace_when_it_is_blocked_again() {
    let mut world = world(|limits| {
        limits.history_count_max = 4;
        limits.grace = ms(1000);
    });
    let (sleeps, wakes) = (|| Step::Appetite(Pace::NEVER), || Step::Appetite(Pace::PROMPT));
    let script = vec![
        get("b=start,sub:news:sse"),
        Step::Wait(ms(50)),
        sleeps(),
        Step::Wait(ms(60)),
        wakes(),
        Step::Wait(ms(2_900)),
        sleeps(),
        Step::Wait(ms(500)),
        wakes(),
        Step::Wait(ms(1_000)),
        Step::Leave,
    ];
    world.peer_at(ms(0), SMALL, script);
    // Longer than the link: it is blocked until it reads, and then it has everything.
    publish_to(&mut world, "news", 100, "x".repeat(200));
    publish_to(&mut world, "news", 3_020, "y".repeat(200));
    publish_to(&mut world, "news", 3_030, "z".repeat(200));
    publisher(&mut world, 3_100, &["one", "two", "three"]);
    tells_of(
        punctual(&[1]),
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=start,sub:news:sse
       0.000 app 0.0: Begin
       0.000 app 0.0: hears news from 0
       0.000 app 0.0: Read(Done)
       0.000 peer 0 hears 200 transfer-encoding: chunked
       0.100 app outside: publishes news 1
       0.110 peer 0 hears 146 bytes
       0.111 peer 0 hears 70 bytes
       3.020 app outside: publishes news 2
       3.030 app outside: publishes news 3
       3.100 peer 1 connects
       3.100 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       3.100 app 1.0: Begin
       3.100 app 1.0: Read("one")
       3.100 app 1.0: Read(Done)
       3.100 app 1.0: publishes news 4
       3.100 app 1.0: End(Closed)
       3.100 peer 1 hears 200 content-length: 8
       3.100 peer 1 hears "=1.0.ok\n"
       3.100 peer 1 hears the end of the answer
       3.100 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       3.101 app 1.1: Begin
       3.101 app 1.1: waits for news
       3.510 peer 0 hears 146 bytes
       3.510 app 1.1: Read("two")
       3.510 app 1.1: Read(Done)
       3.510 app 1.1: publishes news 5
       3.510 app 1.1: End(Closed)
       3.510 peer 1 hears 200 content-length: 8
       3.510 peer 1 hears "=1.1.ok\n"
       3.510 peer 1 hears the end of the answer
       3.510 peer 1 asks POST b=hold:news,max:9999&d=pubread:news,respond:200:ok
       3.510 app 1.2: Begin
       3.510 app 1.2: waits for news
       3.511 peer 0 hears 70 bytes
       3.511 peer 0 hears 74 bytes
       3.511 app 1.2: Read("three")
       3.511 app 1.2: Read(Done)
       3.511 app 1.2: publishes news 6
       3.511 app 1.2: End(Closed)
       3.511 peer 1 hears 200 content-length: 8
       3.511 peer 1 hears "=1.2.ok\n"
       3.511 peer 1 hears the end of the answer
       3.511 peer 1 leaves
       3.512 peer 0 hears 142 bytes
       3.512 peer 0 hears "id"
       3.513 peer 0 hears ": 7-4\ndata: one@1.0\n\n"
       3.513 peer 0 hears "id: 7-5\ndata: two@1.1\n\n"
       3.513 peer 0 hears "id: 7-6\ndata: three@1.2\n\n"
       4.510 peer 0 leaves
       4.510 app 0.0: Error(Disconnected)
       4.510 app 0.0: End(Failed)
        "#,
    );
}

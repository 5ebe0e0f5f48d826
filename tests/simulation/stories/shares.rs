//! Shares of a turn: what does not fit into one goes on in the next, although no poll reminds of it.

use super::{get, guest, ms, tells, world};
use crate::script::{Pace, Step};
use crate::shape::Shape;

#[test]
fn requests_beyond_a_share_are_served_in_the_turns_after_it() {
    let mut world = world(|limits| {
        limits.requests_per_turn_max = 1;
        limits.read_bytes_per_turn_max = 64;
    });
    let ask = || get("b=respond:200:x");
    guest(&mut world, vec![ask(), ask(), ask(), Step::Answers(3), Step::Leave]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=respond:200:x
       0.000 peer 0 asks GET b=respond:200:x
       0.000 peer 0 asks GET b=respond:200:x
       0.000 app 0.0: Begin
       0.000 app 0.0: End(Closed)
       0.000 peer 0 hears 200 content-length: 7
       0.000 peer 0 hears "=0.0.x\n"
       0.000 peer 0 hears the end of the answer
       0.001 app 0.1: Begin
       0.001 app 0.1: End(Closed)
       0.001 app 0.2: Begin
       0.001 app 0.2: End(Closed)
       0.001 peer 0 hears 200 content-length: 7
       0.001 peer 0 hears "=0.1.x\n"
       0.001 peer 0 hears the end of the answer
       0.001 peer 0 hears 200 content-length: 7
       0.001 peer 0 hears "=0.2.x\n"
       0.001 peer 0 hears the end of the answer
       0.001 peer 0 leaves
        "#,
    );
}

#[test]
fn one_edge_is_enough_to_catch_up_batch_by_batch() {
    let mut world = world(|limits| limits.batch_bytes_max = 1);
    let publish = get("b=pub:news:a,pub:news:b,pub:news:c,pub:news:d,pub:news:e,pub:news:f,respond:200:ok");
    guest(&mut world, vec![publish, Step::Answers(1), Step::Leave]);
    let (sleeps, wakes) = (Step::Appetite(Pace::NEVER), Step::Appetite(Pace::PROMPT));
    let (wait, again) = (Step::Wait(ms(1000)), Step::Wait(ms(1000)));
    let ask = get("b=start,sub:news:stream:start");
    // Room for the head and not for the second message.
    let shape = Shape { outbound_max: 120, ..Shape::CALM };
    world.peer_at(ms(100), shape, vec![sleeps, ask, wait, wakes, again, Step::Leave]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=pub:news:a,pub:news:b,pub:news:c,pub:news:d,pub:news:e,pub:news:f,respond:200:ok
       0.000 app 0.0: Begin
       0.000 app 0.0: publishes news 1
       0.000 app 0.0: publishes news 2
       0.000 app 0.0: publishes news 3
       0.000 app 0.0: publishes news 4
       0.000 app 0.0: publishes news 5
       0.000 app 0.0: publishes news 6
       0.000 app 0.0: End(Closed)
       0.000 peer 0 hears 200 content-length: 8
       0.000 peer 0 hears "=0.0.ok\n"
       0.000 peer 0 hears the end of the answer
       0.000 peer 0 leaves
       0.100 peer 1 connects
       0.100 peer 1 asks GET b=start,sub:news:stream:start
       0.100 app 1.0: Begin
       0.100 app 1.0: hears news from 0
       0.100 app 1.0: Read(Done)
       1.100 peer 1 hears 200 transfer-encoding: chunked
       1.100 peer 1 hears "a@0.0\n"
       1.100 peer 1 hears "b@0.0"
       1.101 peer 1 hears "\n"
       1.101 peer 1 hears "c@0.0\n"
       1.101 peer 1 hears "d@0.0\n"
       1.101 peer 1 hears "e@0.0\n"
       1.101 peer 1 hears "f@0.0\n"
       2.100 peer 1 leaves
       2.100 app 1.0: Error(Disconnected)
       2.100 app 1.0: End(Failed)
        "#,
    );
}

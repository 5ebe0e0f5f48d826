//! Bounds: full buffers, a full table, idle connections.

use super::{get, guest, ms, tells, world};
use crate::script::{Ask, Body, Pace, Step};
use crate::shape::{OnReset, Shape};

#[test]
fn full_and_drained() {
    let mut world = world(|limits| limits.output_bytes_max = 100);
    let slowly = Step::Appetite(Pace { bytes: 60, every: ms(100) });
    let shape = Shape { outbound_max: 60, ..Shape::CALM };
    world.peer_at(ms(0), shape, vec![slowly, get("b=start,fill:150&f=close"), Step::Answers(1), Step::Leave]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=start,fill:150&f=close
       0.000 app 0.0: Begin
       0.000 app 0.0: refused: Full
       0.000 app 0.0: Read(Done)
       0.000 app 0.0: drained
       0.000 app 0.0: refused: Full
       0.100 peer 0 hears 200 transfer-encoding: chunked
       0.100 peer 0 hears "=0.0.150\n"
       0.100 peer 0 hears "=0"
       0.100 app 0.0: drained
       0.100 app 0.0: refused: Full
       0.200 peer 0 hears ".0.141\n"
       0.200 peer 0 hears "=0.0.132\n"
       0.200 peer 0 hears "=0.0.123\n"
       0.200 peer 0 hears "=0.0.114\n"
       0.200 peer 0 hears "=0.0.1"
       0.200 app 0.0: drained
       0.200 app 0.0: refused: Full
       0.300 peer 0 hears "05\n"
       0.300 peer 0 hears "=0.0.96\n"
       0.300 peer 0 hears "=0.0.88\n"
       0.300 peer 0 hears "=0.0.80\n"
       0.300 peer 0 hears "=0.0.72\n"
       0.300 app 0.0: drained
       0.300 app 0.0: End(Closed)
       0.400 peer 0 hears "=0.0.64\n"
       0.400 peer 0 hears "=0.0.56\n"
       0.400 peer 0 hears "=0.0.48\n"
       0.400 peer 0 hears "=0.0.40\n"
       0.400 peer 0 hears "=0.0.32\n"
       0.500 peer 0 hears "=0.0.24\n"
       0.500 peer 0 hears "=0.0.16\n"
       0.500 peer 0 hears "=0.0.8\n"
       0.500 peer 0 hears "=0.0.1\n"
       0.500 peer 0 hears the end of the answer
       0.500 peer 0 leaves
        "#,
    );
}

#[test]
fn table_full_evicts_oldest_idle_else_503() {
    let mut world = world(|limits| limits.connections_max = 2);
    let busy = || vec![get("b=w:busy,timer:500&k=close"), Step::Answers(1), Step::Wait(ms(900)), Step::Leave];
    let idle = || vec![get("b=respond:200:x"), Step::End];
    world.peer_at(ms(0), Shape::CALM, idle());
    world.peer_at(ms(50), Shape::CALM, busy());
    world.peer_at(ms(100), Shape::CALM, busy());
    world.peer_at(ms(200), Shape::CALM, vec![get("b=respond:200:never"), Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks GET b=respond:200:x
       0.000 app 0.0: Begin
       0.000 app 0.0: End(Closed)
       0.000 peer 0 hears 200 content-length: 7
       0.000 peer 0 hears "=0.0.x\n"
       0.000 peer 0 hears the end of the answer
       0.050 peer 1 connects
       0.050 peer 1 asks GET b=w:busy,timer:500&k=close
       0.050 app 1.0: Begin
       0.050 app 1.0: Read(Done)
       0.050 peer 1 hears 200 transfer-encoding: chunked
       0.050 peer 1 hears "=1.0.busy\n"
       0.100 peer 2 connects
       0.100 peer 2 asks GET b=w:busy,timer:500&k=close
       0.100 peer 0 hears the connection close
       0.100 app 2.0: Begin
       0.100 app 2.0: Read(Done)
       0.100 peer 2 hears 200 transfer-encoding: chunked
       0.100 peer 2 hears "=2.0.busy\n"
       0.200 peer 3 connects
       0.200 peer 3 asks GET b=respond:200:never
       0.200 peer 3 hears 503 content-length: 81, connection: close, retry-after: 2
       0.200 peer 3 hears 81 bytes
       0.200 peer 3 hears the end of the answer
       0.200 peer 3 hears the connection close
       0.550 app 1.0: timer 1
       0.550 app 1.0: End(Closed)
       0.550 peer 1 hears the end of the answer
       0.600 app 2.0: timer 1
       0.600 app 2.0: End(Closed)
       0.600 peer 2 hears the end of the answer
       1.450 peer 1 leaves
       1.500 peer 2 leaves
        "#,
    );
}

#[test]
fn an_idle_connection_closes_after_the_keep_alive_timeout() {
    let mut world = world(|limits| limits.keep_alive_timeout = ms(2000));
    guest(&mut world, vec![get("b=respond:200:x"), Step::End]);
    guest(&mut world, vec![Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 1 connects
       0.000 peer 0 asks GET b=respond:200:x
       0.000 app 0.0: Begin
       0.000 app 0.0: End(Closed)
       0.000 peer 0 hears 200 content-length: 7
       0.000 peer 0 hears "=0.0.x\n"
       0.000 peer 0 hears the end of the answer
       2.010 peer 0 hears the connection close
      10.010 peer 1 hears the connection close
        "#,
    );
}

#[test]
fn leftovers_of_a_refused_body_do_not_take_the_answer_with_them() {
    let mut world = world(|limits| limits.body_bytes_max = 10);
    let pace = Step::Pace(Pace { bytes: 500, every: ms(10) });
    let (later, now) = (Step::Appetite(Pace::NEVER), Step::Appetite(Pace::PROMPT));
    let ask = Ask::post("b=collect:10", Body::Chunked(vec![vec![b'x'; 1000]; 5]));
    // On this link a reset takes away what the peer has not read.
    let shape = Shape { on_reset: OnReset::Loses, ..Shape::CALM };
    world.peer_at(ms(0), shape, vec![pace, later, Step::Ask(ask), Step::Wait(ms(500)), now, Step::End]);
    tells(
        world,
        r#"
       0.000 peer 0 connects
       0.000 peer 0 asks POST b=collect:10
       0.000 app 0.0: Begin
       0.000 app 0.0: Error(Protocol 413)
       0.000 app 0.0: End(Failed)
       0.500 peer 0 hears 413 content-length: 53, connection: close
       0.500 peer 0 hears "{\"error\":\"the body is larger than is accepted here\"}\n"
       0.500 peer 0 hears the end of the answer
       0.500 peer 0 hears the connection close
        "#,
    );
}

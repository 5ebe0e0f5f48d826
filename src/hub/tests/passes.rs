//! Passes: who is visited, in which order, and that nobody is forgotten.

use super::*;

#[test]
fn only_those_who_lack_something_are_visited() {
    let mut hub = hub();
    for name in 0..5 {
        listen(&mut hub, name, "a", Since::Head, WireFormat::SSE);
    }
    assert_eq!((hub.next_visit(), hub.has_visits()), (None, false));
    say(&mut hub, "a", "1");
    drain(&mut hub, 3);
    assert!(hub.has_visits());
    assert_eq!(finish_passes(&mut hub), [0, 1, 2, 4]);
}

#[test]
fn messages_during_a_pass_bring_another_pass_and_each_gets_all_at_once() {
    let mut hub = hub();
    for name in 0..4 {
        listen(&mut hub, name, "a", Since::Head, WireFormat::STREAM);
    }
    say(&mut hub, "a", "1");
    let mut heard = Vec::new();
    while let Some(name) = hub.next_visit() {
        heard.push((name, drain(&mut hub, name)));
        if heard.len() == 2 {
            say(&mut hub, "a", "2");
            say(&mut hub, "a", "3");
        }
    }
    let expected: [(u32, &[u8]); 6] =
        [(0, b"1\n"), (1, b"1\n"), (2, b"1\n2\n3\n"), (3, b"1\n2\n3\n"), (0, b"2\n3\n"), (1, b"2\n3\n")];
    assert!(heard.iter().map(|(name, bytes)| (*name, &bytes[..])).eq(expected), "{heard:?}");
}

#[test]
fn hot_channels_take_turns_of_64_visits() {
    let mut hub = hub();
    for name in 0..300 {
        let channel = if name < 200 { "large" } else { "small" };
        listen(&mut hub, name, channel, Since::Head, WireFormat::SSE);
    }
    say(&mut hub, "large", "1");
    say(&mut hub, "small", "2");
    let visited = finish_passes(&mut hub);
    let expected = (0..64).chain(200..264).chain(64..128).chain(264..300).chain(128..200);
    assert!(visited.iter().copied().eq(expected), "{visited:?}");
}

#[test]
fn a_busy_channel_does_not_keep_a_quiet_one_waiting() {
    let mut hub = hub();
    for name in 0..100 {
        listen(&mut hub, name, "busy", Since::Head, WireFormat::STREAM);
    }
    listen(&mut hub, 100, "quiet", Since::Head, WireFormat::STREAM);
    say(&mut hub, "busy", "1");
    say(&mut hub, "quiet", "1");
    for visits in 1.. {
        let name = hub.next_visit().unwrap();
        drain(&mut hub, name);
        if name == 100 {
            assert!(visits <= 65, "after {visits} visits");
            break;
        }
        say(&mut hub, "busy", "more");
    }
}

#[test]
fn in_a_pass_all_who_stay_are_visited_once_whoever_comes_and_goes() {
    for seed in 1..60 {
        let mut dice = Dice(seed * 77_777);
        let mut hub = hub();
        let mut present = vec![false; 300];
        for (name, here) in present.iter_mut().enumerate().take(200) {
            listen(&mut hub, name as u32, "a", Since::Head, WireFormat::SSE);
            *here = true;
        }
        say(&mut hub, "a", "1");
        let mut stayed: Vec<usize> = (0..200).collect();
        let mut visits = vec![0; 300];
        // Whoever is visited takes nothing and so goes on lacking: a second visit would show.
        while let Some(visited) = hub.next_visit() {
            visits[visited as usize] += 1;
            assert!(present[visited as usize], "a visit to somebody who left");
            for _ in 0..dice.roll(3) {
                let name = dice.roll(300);
                if present[name] {
                    hub.leave(name as u32);
                    stayed.retain(|&other| other != name);
                } else {
                    listen(&mut hub, name as u32, "a", Since::Start, WireFormat::SSE);
                    visits[name] = 0;
                }
                present[name] = !present[name];
            }
        }
        for name in (0..300).filter(|&name| present[name]) {
            assert_eq!(visits[name], 1, "seed {seed}: {name}");
        }
        assert!(!stayed.is_empty() && stayed.len() < 200);
    }
}

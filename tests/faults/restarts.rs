//! A server that is killed, or stopped, while a message is on its way to thousands, and is there again: everybody returns with a cursor,
//! and either resumes or is told of a gap. Nobody misses anything in silence, and nothing comes twice.
//!
//! `fleet.rs` holds that with every message. What this file adds is when the fault comes, and what the returns look like: they
//! are spread, as each answer has told its reader a time of its own to wait (`retry:`).
//!
//! Next: `fleet.rs`.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::fleet::Fleet;
use crate::guests::{Line, post};
use crate::support::Server;
use crate::{Form, alone, tell};

/// Rings that hold all that is published here.
const FLAGS: [&str; 4] = ["--history-count", "2000", "--history-bytes", "4MiB"];
/// Messages that everybody has before anything happens.
const FIRST: u32 = 5;
/// Messages in the middle of which it happens.
const BURST: u32 = 40;
/// Messages of the second life, in two parts.
const SECOND: u32 = 20;
/// The most of all returns that may come within the same tenth of a second, in percent: were they not spread, it would be all of them.
const BUSIEST_PERCENT_MAX: usize = 15;

/// Sends messages of a life in one piece, without waiting for the answers.
fn publish(publisher: &mut Line, life: u32, numbers: std::ops::RangeInclusive<u32>) {
    let message = |number| post("POST /channels/news", "", &format!("{life}.{number} {}", "x".repeat(4_000)));
    publisher.send(&numbers.map(message).collect::<String>());
}

/// How many answers say that a message was taken.
fn accepted(publisher: &mut Line, most: u32) -> u32 {
    let accepted = (0..most).take_while(|_| publisher.answer().starts_with("HTTP/1.1 200 "));
    accepted.count() as u32
}

/// A server, and a fleet that has heard the first messages.
fn a_fleet_that_listens() -> (Server, Fleet) {
    let server = Server::start(&FLAGS);
    let mut fleet = Fleet::new(server.address, Form::of_this_run().pick(500, 5_000));
    fleet.live_until("everybody is there", |fleet| fleet.sources.iter().all(|source| source.answers == 1));
    publish(&mut Line::connect(server.address), 1, 1..=FIRST);
    fleet.live_until("the first messages are heard", |fleet| fleet.all_have((1, FIRST)));
    fleet.note_returns();
    (server, fleet)
}

/// Publishes many messages, and returns when the first of them was heard by somebody.
fn in_the_middle_of_a_fan_out(fleet: &mut Fleet, publisher: &mut Line) {
    publish(publisher, 1, FIRST + 1..=FIRST + BURST);
    fleet.live_until("somebody hears more", |fleet| fleet.latest > (1, FIRST));
}

/// Sends a signal at once: a process that has to be started for it would let the fan-out end.
fn signal(server: &Server, signal: Signal) {
    let process = Pid::from_raw(server.id() as i32).expect("a process has a number");
    kill_process(process, signal).expect("it runs");
}

/// The most of all that fall within the same tenth of a second, in percent.
fn busiest(times: impl Iterator<Item = Duration>) -> usize {
    let mut tenths = vec![0_usize; 1];
    for time in times {
        let tenth = time.as_millis() as usize / 100;
        tenths.resize(tenths.len().max(tenth + 1), 0);
        tenths[tenth] += 1;
    }
    let all: usize = tenths.iter().sum();
    tenths.iter().max().copied().unwrap_or_default() * 100 / all.max(1)
}

/// How the returns are spread, and that it is as far as the server can see to it: a machine that is busy with something else lets all come
/// late, and together.
fn spread(fleet: &Fleet) -> String {
    let first = *fleet.returns.iter().min().expect("somebody returns");
    let returned = busiest(fleet.returns.iter().map(|at| at.duration_since(first)));
    let told = busiest(fleet.waits.iter().copied());
    let (least, most) = (fleet.waits.iter().min(), fleet.waits.iter().max());
    let (least, most) = (least.copied().unwrap_or_default(), most.copied().unwrap_or_default());
    assert!(
        told <= BUSIEST_PERCENT_MAX,
        "{told} % of all are told to return within the same tenth of a second"
    );
    format!(
        "{} returns, told to wait {least:.1?} to {most:.1?}: {told} % of them for the busiest tenth of a second, in which {returned} % came",
        fleet.returns.len()
    )
}

/// The next life, at the same address: some messages before everybody returns, some after the half of them are there.
fn live_again(fleet: &mut Fleet, server: &Server) {
    let mut publisher = Line::connect(server.address);
    publish(&mut publisher, 2, 1..=SECOND / 2);
    let half = fleet.sources.len() / 2;
    fleet.live_until("half of them return", |fleet| fleet.returns.len() >= half);
    publish(&mut publisher, 2, SECOND / 2 + 1..=SECOND);
    fleet.live_until("everybody hears all of the second life", |fleet| fleet.all_have((2, SECOND)));
    assert_eq!(accepted(&mut publisher, SECOND), SECOND);
}

/// That everybody was told of the gap, in the head and in the stream, and the line of figures.
fn check_returns(fault: &str, fleet: &Fleet, at_the_fault: &str) {
    let told = |source: &&crate::fleet::Source| source.gap_heads == 1 && source.gap_events == 1;
    let told = fleet.sources.iter().filter(told).count();
    tell(
        fault,
        format_args!(
            "{} event sources; {at_the_fault}; {told} told of the gap, each of them has every message of the second life once; {}; {} came \
             before the server was there",
            fleet.sources.len(),
            spread(fleet),
            fleet.refused
        ),
    );
    assert_eq!(told, fleet.sources.len());
}

/// How often it is tried to be there in the middle: on a machine that is busy with something else the server may have handed everything over to
/// the kernel before this process is woken to kill it.
const TRIES: usize = 5;

/// A server that was killed in the middle of a fan-out and is back, its fleet, and what the least and the most were that somebody had; none if it
/// was not the middle.
fn killed_and_back() -> Option<(Server, Fleet, u32, u32)> {
    let (mut server, mut fleet) = a_fleet_that_listens();
    let mut publisher = Line::connect(server.address);
    in_the_middle_of_a_fan_out(&mut fleet, &mut publisher);
    signal(&server, Signal::KILL);
    server.wait();
    let address = server.address.to_string();
    let server = Server::start_at(&address, &FLAGS);
    fleet.live_until("everybody is cut", Fleet::all_were_cut);
    let numbers = || fleet.sources.iter().map(|source| source.last.1);
    let (least, most) = (numbers().min()?, numbers().max()?);
    (least < most).then_some((server, fleet, least, most))
}

#[test]
fn a_server_killed_in_the_middle_of_a_fan_out_is_back_and_everybody_is_told() {
    let _alone = alone();
    let found = (0..TRIES).find_map(|_| killed_and_back());
    let (server, mut fleet, least, most) = found.expect("once it is the middle of a fan-out");
    live_again(&mut fleet, &server);
    let at = format!("killed when they had {least} to {most} of {} messages", FIRST + BURST);
    check_returns("killed and back", &fleet, &at);
}

#[test]
fn a_server_stopped_in_the_middle_of_a_fan_out_hands_everything_over_first() {
    let _alone = alone();
    let (mut server, mut fleet) = a_fleet_that_listens();
    let mut publisher = Line::connect(server.address);
    in_the_middle_of_a_fan_out(&mut fleet, &mut publisher);
    let heard = fleet.heard();
    signal(&server, Signal::TERM);
    fleet.live_until("everybody is let go", Fleet::all_were_cut);
    let taken = FIRST + accepted(&mut publisher, BURST);
    assert!(fleet.all_have((1, taken)), "whoever was let go lacks something of {taken}");
    assert!(heard < fleet.sources.len() * taken as usize, "it was not the middle of a fan-out");
    assert!(server.wait().success());
    let address = server.address.to_string();
    let server = Server::start_at(&address, &FLAGS);
    live_again(&mut fleet, &server);
    let at = format!(
        "stopped with {heard} of {} deliveries made, of which none is missing",
        fleet.sources.len() * taken as usize
    );
    check_returns("stopped and back", &fleet, &at);
}

#[test]
fn those_who_are_cut_in_the_middle_of_a_fan_out_resume_where_they_were() {
    let _alone = alone();
    let (server, mut fleet) = a_fleet_that_listens();
    let mut publisher = Line::connect(server.address);
    in_the_middle_of_a_fan_out(&mut fleet, &mut publisher);
    fleet.cut_half();
    let numbers = fleet.sources.iter().step_by(2).map(|source| source.last.1);
    let lacked: u32 = numbers.map(|number| FIRST + BURST - number).sum();
    assert!(lacked > 0, "it was not the middle of a fan-out");
    let half = fleet.sources.len() / 2;
    fleet.live_until("everybody is back and has everything", |fleet| {
        fleet.returns.len() == half && fleet.all_have((1, FIRST + BURST))
    });
    assert_eq!(accepted(&mut publisher, BURST), BURST);
    assert!(
        fleet.sources.iter().all(|source| source.gap_heads + source.gap_events == 0),
        "nothing was missing"
    );
    tell(
        "cut and back",
        format_args!(
            "{half} of {} event sources cut when they lacked {lacked} deliveries: all resumed, none twice and none told of a gap; {}",
            fleet.sources.len(),
            spread(&fleet)
        ),
    );
    server.until_metric("encke_subscribers", fleet.sources.len() as f64);
}

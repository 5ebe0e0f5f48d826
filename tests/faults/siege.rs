//! A siege: a crowd of attackers on one thread, who come back when they are cut, until it is lifted.
//!
//! What they do is data ([`Attack`]). They come from several addresses, a few hundred each. A siege is bounded: each attacker does something
//! once in [`TICKS`] times [`TICK`], at most one in ten comes back in that time, and all of it ends when the siege is lifted or dropped.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{JoinHandle, spawn};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::support::{PATIENCE, publish};

/// The time between two parts of the crowd.
const TICK: Duration = Duration::from_millis(25);

/// In how many parts the crowd does what it does: all of it in half a second.
const TICKS: usize = 20;

/// How many attackers share an address.
const PER_ADDRESS: usize = 250;

/// What an attacker does to keep a connection and give nothing for it.
#[derive(Clone)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// Sent at once.
    pub(crate) opening: String,
    /// Sent each half second.
    pub(crate) drip: &'static str,
    /// How many bytes it reads each half second.
    pub(crate) reads: usize,
    /// How large the messages are that somebody publishes meanwhile in the channel `busy`, twenty a second; 0 is nobody.
    pub(crate) busy: usize,
}

/// What a siege has come to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// How often an attacker had to come again.
    pub(crate) returns: usize,
    /// Drips that were sent, or bytes that were read.
    pub(crate) drips: usize,
}

/// A siege that goes on.
pub(crate) struct Siege {
    /// It is lifted when these are gone.
    lift: Option<[Sender<()>; 2]>,
    thread: Option<JoinHandle<Tally>>,
    publisher: Option<JoinHandle<()>>,
}

impl Siege {
    /// Lays siege: returns when everybody stands there and has sent its opening.
    #[track_caller]
    pub(crate) fn lay(address: SocketAddr, attack: &Attack, attackers: usize) -> Siege {
        let (lift, lifted) = channel();
        let (lift_busy, lifted_busy) = channel();
        let (standing, stands) = channel();
        let attack = attack.clone();
        let busy = attack.busy;
        let thread = spawn(move || besiege(address, &attack, attackers, &standing, &lifted));
        let publisher = (busy > 0).then(|| spawn(move || keep_busy(address, busy, &lifted_busy)));
        let siege = Siege { lift: Some([lift, lift_busy]), thread: Some(thread), publisher };
        stands.recv_timeout(PATIENCE).expect("everybody finds the server");
        siege
    }

    /// Ends it, and says what it has come to.
    pub(crate) fn lift(mut self) -> Tally {
        self.lift = None;
        self.thread.take().expect("it goes on until now").join().expect("attackers do not fail")
        // Whoever publishes is waited for when this is dropped.
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        self.lift = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(publisher) = self.publisher.take() {
            let _ = publisher.join();
        }
    }
}

/// An address from which attackers come.
pub(crate) fn attackers_address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 66, u8::try_from(number + 1).expect("a few addresses are enough"))
}

fn besiege(
    address: SocketAddr,
    attack: &Attack,
    attackers: usize,
    standing: &Sender<()>,
    lifted: &Receiver<()>,
) -> Tally {
    let come = |index: usize| come(address, attackers_address(index / PER_ADDRESS), attack);
    let mut crowd: Vec<Option<TcpStream>> = (0..attackers).map(come).collect();
    let _ = standing.send(());
    let mut tally = Tally::default();
    let returns_max = (attackers / (10 * TICKS)).max(1);
    let mut tick = 0;
    while lifted.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
        let mut returns = 0;
        for index in (tick % TICKS..attackers).step_by(TICKS) {
            match crowd[index].as_mut().map(|stream| go_on(stream, attack)) {
                Some(Ok(drips)) => tally.drips += drips,
                Some(Err(())) | None if returns < returns_max => {
                    returns += 1;
                    crowd[index] = come(index);
                }
                Some(Err(())) | None => crowd[index] = None,
            }
        }
        tally.returns += returns;
        tick += 1;
    }
    for stream in crowd.into_iter().flatten() {
        // No port stays behind in TIME-WAIT.
        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    tally
}

/// An attacker connects and sends its opening.
fn come(address: SocketAddr, source: Ipv4Addr, attack: &Attack) -> Option<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a descriptor is left");
    // Whoever wants to take little says so.
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.bind(&SocketAddr::from((source, 0)).into()).expect("a port is left");
    socket.connect_timeout(&address.into(), PATIENCE).expect("the server listens");
    socket.set_nonblocking(true).expect("it can be");
    let mut stream = TcpStream::from(socket);
    // A server that has no place may have closed already.
    stream.write_all(attack.opening.as_bytes()).ok()?;
    Some(stream)
}

/// What one attacker does in its turn; fails when it has been cut.
fn go_on(stream: &mut TcpStream, attack: &Attack) -> Result<usize, ()> {
    if !matches!(stream.take_error(), Ok(None)) || matches!(stream.peek(&mut [0]), Ok(0)) {
        return Err(());
    }
    if attack.reads > 0 {
        let mut buffer = vec![0; attack.reads];
        match stream.read(&mut buffer) {
            Ok(0) => return Err(()),
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return Err(()),
        }
    }
    match stream.write(attack.drip.as_bytes()) {
        Ok(count) => Ok(usize::from(count > 0)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        Err(_) => Err(()),
    }
}

/// Publishes in the channel `busy`, until it is told not to. A publisher that the server holds waits.
fn keep_busy(address: SocketAddr, bytes: usize, lifted: &Receiver<()>) {
    while lifted.recv_timeout(2 * TICK) == Err(RecvTimeoutError::Timeout) {
        publish(address, "busy", &"x".repeat(bytes));
    }
}

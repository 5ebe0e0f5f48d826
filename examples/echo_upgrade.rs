//! An upgrade: the connection becomes a tunnel, and whatever comes in goes back. `cargo run --example echo_upgrade`, or with another port
//! behind it, and then:
//!
//! ```text
//! (printf 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n'; cat) | nc localhost 8080
//! curl -X POST localhost:8080/stop
//! ```
//!
//! What it shows is back-pressure: a peer that sends and does not read is not read from either. A write says `Full` when the peer is
//! owed as much as it may be; then the piece in hand is kept, reading stops, and [`drained`](Handler::drained) goes on with both. So
//! a peer is never owed more than `Limits::output_bytes_max` and two pieces, whatever it does.
//!
//! And the end: a peer that has sent everything shuts down its sending side, as `nc` does at the end of its input with `-N`. By default that
//! counts as going away. Here it is kept, told as `Read(Done)`, and gets the rest of its echo before the tunnel closes.

use encke::{Ctx, Event, HalfClose, Handler, Limits, Reactor, Read, WriteError};

struct Echo;

impl Handler for Echo {
    /// The piece that found no room.
    type State = Vec<u8>;

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, Vec<u8>>) {
        match event {
            Event::Begin(request) if request.upgrade() == Some("echo") => match ctx.upgrade("echo", &[]) {
                Ok(()) => ctx.on_half_close(HalfClose::Keep),
                Err(_) => drop(ctx.respond(400, &[], b"an upgrade comes without a body, over HTTP/1.1\n")),
            },
            Event::Begin(request) => {
                if (request.method(), request.path()) == ("POST", "/stop") {
                    ctx.core().shutdown();
                }
                let _ = ctx.respond(426, &[("Upgrade", "echo")], b"this server speaks `Upgrade: echo`\n");
            }
            Event::Read(Read::Data(piece)) => {
                if ctx.write(piece) == Err(WriteError::Full) {
                    ctx.state.extend_from_slice(piece);
                    ctx.pause_reading();
                }
            }
            // The peer has sent everything: what it is owed goes out, then the end. It comes behind a piece that found no room,
            // since reading has stopped for that.
            Event::Read(Read::Done) => ctx.close(),
            // A timeout that is borne, or the end of all: the state is dropped by itself.
            Event::Error(_) | Event::End(_) => {}
        }
    }

    fn drained(&mut self, ctx: &mut Ctx<'_, Vec<u8>>) {
        let piece = std::mem::take(ctx.state);
        // There is room for it now: half of the bound is free, and a write is taken whole or not at all.
        let _ = ctx.write(&piece);
        ctx.resume_reading();
    }
}

fn main() -> std::io::Result<()> {
    let word = std::env::args().nth(1).unwrap_or_else(|| "8080".to_owned());
    let port: u16 = word.parse().unwrap_or_else(|_| {
        eprintln!("a port is a number from 0 to 65535, and not {word:?}");
        std::process::exit(2)
    });
    let mut reactor = Reactor::bind(("127.0.0.1", port), Echo, Limits::default())?;
    println!("listening on http://{}", reactor.addresses()[0]);
    reactor.run()
}

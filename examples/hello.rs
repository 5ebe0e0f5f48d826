//! The smallest server: every path is greeted. `cargo run --example hello`, which says nothing and listens on port 8080; then
//! `curl localhost:8080/world`.

use encke::{Ctx, Event, Handler, Limits, Reactor};

struct Hello;

impl Handler for Hello {
    type State = ();

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, ()>) {
        if let Event::Begin(request) = event {
            let text = format!("Hello, {}\n", request.path().trim_start_matches('/'));
            let _ = ctx.respond(200, &[("Content-Type", "text/plain; charset=utf-8")], text.as_bytes());
        }
    }
}

fn main() -> std::io::Result<()> {
    Reactor::bind("127.0.0.1:8080", Hello, Limits::default())?.run()
}

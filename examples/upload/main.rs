//! Upload: a body of any size goes to a disk that is slower than its sender, and memory stays as it was.
//!
//! `cargo run --example upload`, or with another port than 8080 as its argument. `--folder PATH` is where files go, by default `uploads` below the
//! system's folder for what is temporary; `--rate BYTES` makes the disk as slow as that, `--max BYTES` bounds a file.
//!
//! ```text
//! $ curl -T big.bin localhost:8080/uploads/big.bin
//! {"complete":true,"written":3000000}
//! $ curl -NT big.bin 'localhost:8080/uploads/again?progress'      # with --rate 5000000
//! {"received":504832,"written":65536}
//! {"received":1029120,"written":586752}
//! {"received":1553408,"written":1111040}
//! {"received":2077696,"written":1635328}
//! {"received":2601984,"written":2159616}
//! {"received":3000000,"written":2683904}
//! {"complete":true,"written":3000000}
//! $ ln -s /dev/full uploads/full; curl -iT big.bin localhost:8080/uploads/full
//! HTTP/1.1 100 Continue
//!
//! HTTP/1.1 507 Insufficient Storage
//! Date: Tue, 24 Nov 2026 20:55:47 GMT
//! Content-Type: application/json
//! Cache-Control: no-store
//! Content-Length: 54
//! Connection: close
//!
//! {"error":"the disk is full","status":507,"written":0}
//! ```
//!
//! How it flows:
//!
//! ```text
//!   peer ═══► Read(Data) ──► queue of eight pieces ──► writer thread ──► .file.1.part ──► file
//!     ▲            │ full: pause_reading                    │ written
//!     └── feels it ┘             resume_reading ◄───────────┘ and a line of progress
//! ```
//!
//! A disk blocks, and who blocks must not be the engine's thread: it serves everybody. So each upload has a writer of its own (`writer.rs`), and
//! at most [`PIECES_MAX`] pieces are on the way to it. One more, and nothing is read from the peer until half of them are written: TCP
//! tells it to wait, and it waits with its own memory.
//!
//! Input and output are two halves of one exchange: with `?progress` the answer begins when the first bytes are on the disk, and goes on
//! while the peer still sends. Without it the status tells: 201, or 507 when the disk is full. (It does so with `?progress` too if
//! nothing could be written at all. Once a head is out only a line can tell, and does.)
//!
//! A file has its name when all of it is on the disk, and not before: a peer that vanishes in the middle leaves nothing behind, a server that is
//! killed a `.part`. That has a dot in front and is never an old file, so no upload can touch what another has finished. `100 Continue` is asked
//! for by curl before it sends much, and given when the file could be opened, because reading is paused until then.

#[path = "../serve/mod.rs"]
mod serve;
mod writer;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use std::{fs, io};

use encke::http::query;
use encke::time::Instant;
use encke::{Cause, Ctx, End, Event, HalfClose, Handler, Limits, Read, Refusal, Remote, RequestHead};
use serde_json::json;
use serve::{Arguments, STREAM, refuse, say};
use writer::{Told, Writer};

/// How many pieces of a body may be on their way to the disk. The engine lends at most 64 KiB at once, so this is half a megabyte.
const PIECES_MAX: usize = 8;

/// Each is a thread.
const UPLOADS_MAX: usize = 64;

/// The time between two lines of progress.
const PROGRESS: Duration = Duration::from_millis(100);

/// The timer by which a writer knocks.
const NEWS: u64 = 0;

fn main() -> io::Result<()> {
    let mut arguments = Arguments::read();
    let folder: Option<PathBuf> = arguments.take("--folder");
    let folder = folder.unwrap_or_else(|| std::env::temp_dir().join("uploads"));
    let bytes_max = arguments.take("--max").unwrap_or(1 << 40);
    let rate = arguments.take("--rate").unwrap_or(u64::MAX).max(1);
    fs::create_dir_all(&folder)?;
    let (places, last_writer) = channel();
    let uploads = Uploads { folder, bytes_max, rate, places: Arc::new(places), remote: None };
    let reactor = arguments.bind(uploads, Limits::default())?;
    serve::run(reactor, |uploads, _, remote| {
        say(format_args!("files go to {}", uploads.folder.display()));
        uploads.remote = Some(remote);
    })?;
    // Every writer knows by now whether its file is whole. One that hangs, in a pipe that nobody reads for instance, is not waited for.
    let _ = last_writer.recv_timeout(Duration::from_secs(2));
    Ok(())
}

struct Uploads {
    folder: PathBuf,
    bytes_max: u64,
    rate: u64,
    /// Each writer holds a share, so this counts them; and when the last share is gone, so are all writers. Nothing is ever sent.
    places: Arc<Sender<Infallible>>,
    /// The way back for writers. It is there before anybody comes.
    remote: Option<Remote<Uploads>>,
}

/// One body on its way.
struct Upload {
    writer: Writer,
    news: Receiver<Told>,
    /// What the writer was given and has not done: pieces of the body, and its end.
    pieces: usize,
    received: u64,
    written: u64,
    progress: Progress,
}

/// Whether the peer wants to hear how far it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Unwanted,
    /// It does, and nothing was on the disk yet.
    Awaited,
    /// It was told at this moment.
    Told(Instant),
}

impl Handler for Uploads {
    type State = Option<Box<Upload>>;

    fn event(&mut self, event: Event<'_>, ctx: &mut Ctx<'_, Self::State>) {
        match event {
            Event::Begin(head) => {
                if let Err(refusal) = self.begin(head, ctx) {
                    refuse(ctx, refusal.status, refusal.why);
                }
            }
            Event::Read(Read::Data(bytes)) => {
                let Some(upload) = ctx.state else { return };
                upload.received += bytes.len() as u64;
                upload.pieces += 1;
                upload.writer.write(bytes);
                if upload.pieces >= PIECES_MAX {
                    ctx.pause_reading();
                }
            }
            Event::Read(Read::Done) => {
                let Some(upload) = ctx.state else { return };
                upload.pieces += 1;
                upload.writer.finish();
            }
            // A peer that has sent nothing for so long, although all of it was written. While the disk is what everybody waits for, it is no
            // fault of the peer.
            Event::Error(Cause::Timeout) if ctx.state.as_ref().is_some_and(|upload| upload.pieces == 0) => {
                ctx.abort()
            }
            Event::Error(_) => {}
            Event::End(why) => {
                if why == End::Shutdown {
                    last_line(
                        &json!({ "error": "the server stops; send it again in a moment", "status": 503 }),
                        ctx,
                    );
                }
                // The writer learns by this that no more will come, and that nobody wants what there is.
                *ctx.state = None;
            }
        }
    }

    fn timer(&mut self, _: u64, ctx: &mut Ctx<'_, Self::State>) {
        while let Some(told) = ctx.state.as_ref().and_then(|upload| upload.news.try_recv().ok()) {
            hear(told, ctx);
        }
    }
}

impl Uploads {
    fn begin(
        &mut self,
        head: &RequestHead<'_>,
        ctx: &mut Ctx<'_, Option<Box<Upload>>>,
    ) -> Result<(), Refusal> {
        const NOT_FOUND: Refusal = Refusal::new(404, "send a file with PUT or POST to /uploads/NAME");
        const NO_PLACE: Refusal =
            Refusal::new(503, "as many files are coming as may come; try again in a moment");
        let name = head.path().strip_prefix("/uploads/").filter(|_| matches!(head.method(), "PUT" | "POST"));
        let name = query::decode_path_segment(name.ok_or(NOT_FOUND)?)?;
        if name.is_empty() || name.starts_with('.') || name.len() > 200 || name.chars().any(char::is_control)
        {
            return Err(Refusal::new(
                400,
                "a name has 1 to 200 bytes, no control characters and no dot in front",
            ));
        }
        let progress = match query::find(head.query().unwrap_or_default(), "progress")? {
            Some(_) => Progress::Awaited,
            None => Progress::Unwanted,
        };
        let remote = self.remote.clone().ok_or(NO_PLACE)?;
        if Arc::strong_count(&self.places) > UPLOADS_MAX {
            return Err(NO_PLACE);
        }
        let whole = self.folder.join(&*name);
        let (sender, news) = channel();
        let (id, place) = (ctx.id(), Arc::clone(&self.places));
        let tell = move |told| {
            let _place = &place;
            // Who has gone needs no news. There is always room for a letter: an upload has hardly more of them under way than pieces.
            let _ = sender
                .send(told)
                .map(|()| remote.post(move |_, core| core.set_timer(id, NEWS, Duration::ZERO)));
        };
        let writer = Writer::start(whole, self.rate, tell).map_err(|_| NO_PLACE)?;
        ctx.set_body_max(self.bytes_max);
        // Who has sent all may shut down its sending side, and still waits to be told. A body that is cut off is an error all the same.
        ctx.on_half_close(HalfClose::Keep);
        // Until the file is open, so that a peer which asks before it sends is told to go on when it can.
        ctx.pause_reading();
        *ctx.state = Some(Box::new(Upload { writer, news, pieces: 0, received: 0, written: 0, progress }));
        Ok(())
    }
}

/// What a writer has told.
fn hear(told: Told, ctx: &mut Ctx<'_, Option<Box<Upload>>>) {
    let Some(upload) = ctx.state else { return };
    match told {
        Told::Opened => ctx.resume_reading(),
        Told::Written(bytes) => {
            upload.pieces -= 1;
            upload.written += bytes as u64;
            if upload.pieces <= PIECES_MAX / 2 {
                ctx.resume_reading();
            }
            say_progress(ctx);
        }
        Told::Finished => {
            let line = json!({ "written": upload.written, "complete": true });
            finish(201, &line, ctx);
        }
        Told::Failed(error) => {
            use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
            let (status, why) = match error.kind() {
                StorageFull | QuotaExceeded | FileTooLarge => (507, "the disk is full".to_owned()),
                _ => (500, format!("it cannot be written: {error}")),
            };
            finish(status, &json!({ "error": why, "status": status, "written": upload.written }), ctx);
        }
    }
}

/// A line of progress for who wants it, now and then; the first begins the answer.
fn say_progress(ctx: &mut Ctx<'_, Option<Box<Upload>>>) {
    let now = ctx.now().at;
    let Some(upload) = ctx.state else { return };
    let is_first = match upload.progress {
        Progress::Awaited => true,
        Progress::Told(before) if now.since(before) >= PROGRESS => false,
        Progress::Told(_) | Progress::Unwanted => return,
    };
    upload.progress = Progress::Told(now);
    let line = json!({ "received": upload.received, "written": upload.written });
    if is_first {
        let _ = ctx.start(200, &[&[("Content-Type", "application/x-ndjson")], &STREAM[..]].concat());
    }
    // A peer that does not read its progress misses some of it; the next line says more.
    let _ = ctx.write(format!("{line}\n").as_bytes());
}

/// The end of it: the last line of an answer that has begun, or the answer.
fn finish(status: u16, line: &serde_json::Value, ctx: &mut Ctx<'_, Option<Box<Upload>>>) {
    match last_line(line, ctx) {
        true => ctx.close(),
        false => serve::json(ctx, status, line),
    }
}

/// Writes the last line, if the answer is one of lines; says whether it is.
fn last_line(line: &serde_json::Value, ctx: &mut Ctx<'_, Option<Box<Upload>>>) -> bool {
    let is_told = ctx.state.as_ref().is_some_and(|upload| matches!(upload.progress, Progress::Told(_)));
    if is_told {
        // A peer that has read none of its progress will not read this either.
        let _ = ctx.write(format!("{line}\n").as_bytes());
    }
    is_told
}

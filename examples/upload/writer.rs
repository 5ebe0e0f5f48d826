//! A writer: the thread that may wait for the disk, and the only one that touches the file.
//!
//! ```text
//!   Opened ─► Written* ─► Finished        all of it is on the disk, under its name
//!      └─────────┴─────► Failed           the disk would not have it
//!                └─────► nothing          nobody sends any more, or nobody could be told: the peer has gone
//! ```
//!
//! Invariant: a name stands for a whole file. Until then it is a `.part` with a dot in front, which no peer's name has, and a new one: so
//! nothing that is there is written over but by a whole file of its name. Whoever does not finish a `.part` removes it. A peer that was told
//! something else than success has no file.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError, TrySendError};
use std::sync::mpsc::{channel, sync_channel};
use std::thread;
use std::time::Duration;

use crate::PIECES_MAX;

/// What a writer says of its work.
pub(crate) enum Told {
    /// There is a file to write to.
    Opened,
    /// A piece of so many bytes is written.
    Written(usize),
    /// All is written, and the file has its name.
    Finished,
    /// It cannot be written, and what there was of it is gone.
    Failed(io::Error),
}

/// The other end of it: gives pieces. One that is dropped has been left by its peer, before `finish` or after.
pub(crate) struct Writer {
    pieces: SyncSender<Piece>,
    /// Nothing is ever sent: when it goes, whoever wished for the file has gone.
    _wish: Sender<Infallible>,
}

enum Piece {
    Data(Vec<u8>),
    End,
}

impl Writer {
    /// Begins to write what becomes `whole` in the end.
    pub(crate) fn start(
        whole: PathBuf,
        rate: u64,
        tell: impl Fn(Told) + Send + 'static,
    ) -> io::Result<Writer> {
        // One more, for the end.
        let (pieces, queue) = sync_channel(PIECES_MAX + 1);
        let (wish, wished) = channel();
        thread::Builder::new().name("writer".to_owned()).spawn(move || {
            match work(&whole, rate, &queue, &wished, &tell) {
                Ok(Outcome::Whole) => tell(Told::Finished),
                Ok(Outcome::Left) => {}
                Err(error) => tell(Told::Failed(error)),
            }
        })?;
        Ok(Writer { pieces, _wish: wish })
    }

    /// Hands over a piece. It never waits: whoever has [`PIECES_MAX`] of them under way reads no more.
    pub(crate) fn write(&self, bytes: &[u8]) {
        self.send(Piece::Data(bytes.to_vec()));
    }

    /// That was all.
    pub(crate) fn finish(&self) {
        self.send(Piece::End);
    }

    fn send(&self, piece: Piece) {
        // A writer that has failed takes nothing any more, and has told so.
        let sent = self.pieces.try_send(piece);
        debug_assert!(!matches!(sent, Err(TrySendError::Full(_))), "more pieces than are counted");
    }
}

/// What has become of a file.
enum Outcome {
    Whole,
    Left,
}

fn work(
    whole: &Path,
    rate: u64,
    queue: &Receiver<Piece>,
    wished: &Receiver<Infallible>,
    tell: &impl Fn(Told),
) -> io::Result<Outcome> {
    let mut sink = Sink::open(whole)?;
    tell(Told::Opened);
    for piece in queue {
        match piece {
            Piece::Data(bytes) => {
                sink.file().write_all(&bytes)?;
                // As long as a disk of that rate takes, or until nobody wants it any more.
                let time = Duration::from_secs_f64(bytes.len() as f64 / rate as f64);
                if wished.recv_timeout(time) == Err(RecvTimeoutError::Disconnected) {
                    return Ok(Outcome::Left);
                }
                tell(Told::Written(bytes.len()));
            }
            Piece::End => {
                return sink.finish(wished);
            }
        }
    }
    Ok(Outcome::Left)
}

/// Where bytes go.
enum Sink<'a> {
    /// A new file.
    File { file: File, part: Part, whole: &'a Path },
    /// Something that is there and is no file, such as a pipe or `/dev/full`: it is written to as it is.
    Device(File),
}

/// Half a file, which goes away with this unless it was made whole.
struct Part(Option<PathBuf>);

impl Part {
    /// A new file, and the part that stands for it.
    fn create(whole: &Path) -> io::Result<(File, Part)> {
        let name = whole.file_name().unwrap_or_default().to_string_lossy();
        let mut number = 1u64;
        loop {
            let path = whole.with_file_name(format!(".{name}.{number}.part"));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                // Of another upload that is under way, or left by a server that was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                opened => return Ok((opened?, Part(Some(path)))),
            }
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // If it cannot be removed, its name says what it is.
            let _ = fs::remove_file(path);
        }
    }
}

impl<'a> Sink<'a> {
    fn open(whole: &'a Path) -> io::Result<Sink<'a>> {
        match fs::metadata(whole) {
            // Better now than when all of it was sent.
            Ok(there) if there.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            Ok(there) if !there.is_file() => Ok(Sink::Device(OpenOptions::new().write(true).open(whole)?)),
            _ => {
                let (file, part) = Part::create(whole)?;
                Ok(Sink::File { file, part, whole })
            }
        }
    }

    fn file(&mut self) -> &mut File {
        match self {
            Sink::File { file, .. } | Sink::Device(file) => file,
        }
    }

    /// Brings what is in the system's memory to the disk, which may find out only now that it is full, and gives the file its name if
    /// somebody still wants it.
    fn finish(self, wished: &Receiver<Infallible>) -> io::Result<Outcome> {
        let Sink::File { file, mut part, whole } = self else { return Ok(Outcome::Whole) };
        file.sync_all()?;
        if wished.try_recv() == Err(TryRecvError::Disconnected) {
            return Ok(Outcome::Left);
        }
        if let Some(path) = &part.0 {
            fs::rename(path, whole)?;
        }
        part.0 = None;
        Ok(Outcome::Whole)
    }
}

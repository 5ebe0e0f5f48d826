//! A listener on a path: how the path is had, who may connect, and how it is given back.
//!
//! `listener.rs` calls [`UnixDoor::bind`], and drops the door when the reactor stops listening.
//!
//! Invariants: nobody can connect before the mode is set, for nothing connects to a socket that does not listen; nothing is unlinked that
//! is not a socket, or that somebody answers at; and the path is removed at the end only if it still names what was bound here.
//!
//! Absent on purpose: a lock. Two servers that take over the same dead path at the same instant are not kept apart.
//!
//! Next: `socket.rs`.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mio::net::UnixListener;
use socket2::{Domain, SockAddr, Socket, Type};

use super::listener::BACKLOG;

/// Its owner and its group may connect.
const MODE: u32 = 0o660;

/// An open listener on a path.
pub(crate) struct UnixDoor {
    /// Dropped before the socket: while that is open, no other file can have the same number. None if somebody else has bound it, whose the
    /// path then is.
    _name: Option<Name>,
    path: PathBuf,
    pub(crate) socket: UnixListener,
}

/// A path, and what it named when it was bound.
struct Name {
    path: PathBuf,
    file: (u64, u64),
}

impl UnixDoor {
    /// A listener at `path`, which is taken over if it names a socket that nobody answers at.
    pub(crate) fn bind(path: &Path) -> io::Result<UnixDoor> {
        if path.as_os_str().is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is empty"));
        }
        // So that a later change of the working directory does not change what is removed.
        let path = std::path::absolute(path)?;
        let address = SockAddr::unix(&path)?;
        remove_if_dead(&path, &address)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&address)?;
        let name = Name { file: file_of(&path)?, path };
        fs::set_permissions(&name.path, Permissions::from_mode(MODE))?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        let path = name.path.clone();
        Ok(UnixDoor { _name: Some(name), path, socket: UnixListener::from_std(socket.into()) })
    }

    /// Takes over a listener that somebody else has bound. Its mode stays as it is, and so does its path at the end.
    pub(crate) fn from_std(listener: std::os::unix::net::UnixListener) -> io::Result<UnixDoor> {
        listener.set_nonblocking(true)?;
        // One without a name, or with one outside of the file system, has the empty path.
        let path = listener.local_addr()?.as_pathname().unwrap_or(Path::new("")).to_owned();
        Ok(UnixDoor { _name: None, path, socket: UnixListener::from_std(listener) })
    }

    /// Where it listens.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if file_of(&self.path).is_ok_and(|file| file == self.file) {
            // Failing leaves a dead path, which the next server takes over.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes what a server that has died left behind.
fn remove_if_dead(path: &Path, address: &SockAddr) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something that is no socket is there"));
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // One that is too busy to accept would make a blocking connect wait.
    socket.set_nonblocking(true)?;
    let refusal = socket.connect(address).err().map(|error| error.kind());
    match refusal {
        Some(io::ErrorKind::ConnectionRefused) => fs::remove_file(path),
        Some(io::ErrorKind::NotFound) => Ok(()),
        // Whoever may not ask does not know.
        Some(io::ErrorKind::PermissionDenied) => Err(io::ErrorKind::PermissionDenied.into()),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// What a path names, whatever its name: the device and the number of the file.
fn file_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

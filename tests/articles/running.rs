//! An example on a thread of its own, as its `main` would run it, and what its peers hear.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{JoinHandle, spawn};

use encke::Remote;

use crate::support::PATIENCE;

/// What an example's `serve` calls when it listens.
pub(crate) type Ready<H> = Box<dyn FnOnce(SocketAddr, Remote<H>) + Send>;

/// An example that ends with its test.
pub(crate) struct Running<H> {
    pub(crate) address: SocketAddr,
    pub(crate) remote: Remote<H>,
    thread: Option<JoinHandle<()>>,
    ended: Receiver<()>,
}

impl<H: 'static> Running<H> {
    /// Runs `serve`, and returns when it listens.
    #[track_caller]
    pub(crate) fn start(serve: impl FnOnce(Ready<H>) -> io::Result<()> + Send + 'static) -> Running<H> {
        let (ready, is_ready) = channel();
        let (end, ended) = channel();
        let thread = spawn(move || {
            let told = move |address, remote| ready.send((address, remote)).expect("the test waits");
            serve(Box::new(told)).expect("the poll works");
            // A test that has failed no longer listens.
            let _ = end.send(());
        });
        let (address, remote) = is_ready.recv_timeout(PATIENCE).expect("the example listens");
        Running { address, remote, thread: Some(thread), ended }
    }

    /// Begins the shutdown, as a signal does.
    pub(crate) fn stop(&self) {
        let _ = self.remote.post(|_, core| core.shutdown());
    }

    /// Waits until `serve` has returned.
    #[track_caller]
    pub(crate) fn wait(&mut self) {
        self.ended.recv_timeout(PATIENCE).expect("the example ends");
        if let Some(thread) = self.thread.take() {
            thread.join().expect("it did not panic");
        }
    }
}

impl<H> Drop for Running<H> {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        let _ = self.remote.post(|_, core| core.shutdown());
        if !std::thread::panicking() {
            self.ended.recv_timeout(PATIENCE).expect("the example ends");
            thread.join().expect("it did not panic");
        }
    }
}

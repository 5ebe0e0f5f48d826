//! A wire between a command and a server that a test cuts: now, or each time so many bytes have gone up.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// The wire.
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

struct Inner {
    server: SocketAddr,
    /// Both ends of all connections.
    ends: Mutex<Vec<TcpStream>>,
    /// After so many bytes to the server a connection is cut, whatever is on its way.
    cut_after: usize,
    cuts: AtomicUsize,
    is_over: AtomicBool,
}

impl Wire {
    /// A wire to this server, cut each time `cut_after` bytes have gone up one connection.
    pub(crate) fn to(server: SocketAddr, cut_after: usize) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is left");
        let address = listener.local_addr().expect("bound");
        let inner = Inner {
            server,
            ends: Mutex::default(),
            cut_after,
            cuts: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        };
        let inner = Arc::new(inner);
        let shared = inner.clone();
        let thread = std::thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(far) = TcpStream::connect(shared.server) else { continue };
                shared.join(near, far);
            }
        });
        Wire { address, inner, thread: Some(thread) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Cuts everything that is connected.
    pub(crate) fn cut(&self) {
        for end in self.inner.ends.lock().expect("nobody has panicked").drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// How often it was cut by itself.
    pub(crate) fn cuts(&self) -> usize {
        self.inner.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.inner.is_over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
        self.cut();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Inner {
    fn join(self: &Arc<Inner>, near: TcpStream, far: TcpStream) {
        let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor is left");
        self.ends.lock().expect("nobody has panicked").extend([clone(&near), clone(&far)]);
        let (up, down) = ((clone(&near), clone(&far)), (far, near));
        let inner = self.clone();
        std::thread::spawn(move || inner.carry(up.0, up.1, inner.cut_after));
        let inner = self.clone();
        std::thread::spawn(move || inner.carry(down.0, down.1, usize::MAX));
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, mut left: usize) {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let carried = count.min(left);
            left -= carried;
            if to.write_all(&buffer[..carried]).is_err() {
                break;
            }
            if left == 0 {
                self.cuts.fetch_add(1, Ordering::Relaxed);
                break;
            }
        }
        for end in [&from, &to] {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

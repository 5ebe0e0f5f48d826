//! The other side of the wire: what writes requests and reads responses.
//!
//! The simulator's scripted peers and the load generator use it, and the tests of the codec itself. Nothing that serves
//! does.
//!
//! What always holds: the reader is as strict with a server as the server is with its peers, so every test that reads
//! an answer with it is a test of the answer's framing. The writer is not: it writes what it is told, for tests have to
//! tell lies.
//!
//! Next: `request.rs`, then `response.rs`.

mod request;
mod response;

pub use request::{Request, RequestBody};
pub use response::{PeerError, Piece, ResponseHead, ResponseReader};

//! Tests of this floor over real sockets, each under every driver of the machine. The other end is a
//! plain blocking socket in a thread: it shares no code with what is tested.

mod listeners;
pub(super) mod poll;
mod pumps;
mod streams;
mod tasks;
mod timers;

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use super::clock::{self, Tick};
use super::stream::Stream;

/// Long enough for anything that must happen, short enough to see that it does not.
const PATIENCE: Duration = Duration::from_secs(20);

fn soon() -> Tick {
    clock::now() + PATIENCE
}

/// A connection: our end under the driver, the other end as a plain socket.
fn connected() -> (Stream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let peer = TcpStream::connect(listener.local_addr().expect("bound")).expect("loopback works");
    peer.set_read_timeout(Some(PATIENCE)).expect("a valid time");
    peer.set_write_timeout(Some(PATIENCE)).expect("a valid time");
    let (ours, _) = listener.accept().expect("the peer is in the queue");
    (Stream::from_tcp(ours).expect("the driver takes it"), peer)
}

/// Closes a plain socket with a reset.
fn reset(peer: TcpStream) {
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).expect("a socket option");
}

/// Bytes that differ at each place, so that a shift or a swap shows.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

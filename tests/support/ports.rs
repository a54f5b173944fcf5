//! Ports for gateways. A gateway binds with SO_REUSEPORT, so two tests that picked the same port
//! would silently share it: each port is therefore held by a UDP socket of the same number, which
//! disturbs no TCP and frees itself with the process that holds it.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range that the kernel gives to port 0, so that no backend ever takes one of them.
const FIRST: u16 = 18_000;
const COUNT: u16 = 14_000;

/// A TCP port that nobody else uses as long as this lives.
#[derive(Debug)]
pub struct Port {
    pub number: u16,
    _guard: UdpSocket,
}

/// A free port of five digits.
pub fn free_port() -> Port {
    free_port_where(|_| true)
}

/// A free port whose number pleases the caller.
pub fn free_port_where(pleases: impl Fn(u16) -> bool) -> Port {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Other processes start elsewhere, so that they seldom meet at all.
    let start = (std::process::id().wrapping_mul(7919) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let number = FIRST + (u32::from(start) + u32::from(step)) as u16 % COUNT;
        if !pleases(number) {
            continue;
        }
        let Ok(guard) = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)) else { continue };
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, number)).is_ok() {
            return Port { number, _guard: guard };
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}

/// A port that refuses connections as long as this lives: bound, never listening.
pub struct DeadPort {
    pub number: u16,
    _socket: socket2::Socket,
    _port: Port,
}

pub fn dead_port() -> DeadPort {
    dead_port_where(|_| true)
}

pub fn dead_port_where(pleases: impl Fn(u16) -> bool) -> DeadPort {
    let port = free_port_where(pleases);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
        .expect("a socket can be opened");
    let address = std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, port.number));
    socket.bind(&address.into()).expect("the port was free a moment ago");
    DeadPort { number: port.number, _socket: socket, _port: port }
}

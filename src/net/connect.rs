//! Connecting to a backend: where to, until when, and what a failure means.
//! Names are resolved off the loop: only addresses come here.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd};
use std::path::PathBuf;

use monoio::net::{TcpStream, UnixStream};
use socket2::{Domain, Protocol, SockAddr, Type};

use super::clock::Tick;
use super::descriptors;
use super::monoio_socket::MonoioSocket;
use super::ring::{self, RingSocket};
use super::socket::{Below, Socket, own};
use super::stream::Stream;
use super::timer::timeout_at;

/// Where a backend listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Why a connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// Nobody listens there (or the Unix socket's file is missing).
    Refused,
    /// No answer before the deadline, ours or the kernel's.
    Timeout,
    /// No route to the host or its network.
    Unreachable,
    /// Our own side has no free port to that address.
    NoLocalPort,
    /// Our own side has no free descriptor or memory.
    OutOfFds,
    /// Anything else; the error itself tells.
    Other,
}

impl ConnectFailure {
    /// Whether an error number says that this side has no descriptor, port or memory left.
    pub fn is_of_our_side(errno: i32) -> bool {
        let failure = Self::of(&io::Error::from_raw_os_error(errno));
        matches!(failure, Self::NoLocalPort | Self::OutOfFds)
    }

    /// Sorts an error of `Stream::connect`.
    pub fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ECONNREFUSED | libc::ENOENT) => Self::Refused,
            Some(libc::ETIMEDOUT) => Self::Timeout,
            Some(libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EHOSTDOWN | libc::ENETDOWN) => {
                Self::Unreachable
            }
            Some(libc::EADDRNOTAVAIL) => Self::NoLocalPort,
            Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Self::OutOfFds,
            _ if error.kind() == io::ErrorKind::TimedOut => Self::Timeout,
            _ => Self::Other,
        }
    }
}

impl Stream {
    /// Connects to a backend with the read sizes of the upstream side; TCP gets NODELAY. Fails with
    /// `TimedOut` at the deadline; the attempt is then given up and its socket closed.
    pub async fn connect(to: &Endpoint, deadline: Tick) -> io::Result<Self> {
        let attempt = async {
            let below = match ring::current() {
                Some(ring) => {
                    let (domain, protocol, address) = match to {
                        Endpoint::Tcp(address) => {
                            (Domain::for_address(*address), Some(Protocol::TCP), (*address).into())
                        }
                        Endpoint::Unix(path) => (Domain::UNIX, None, SockAddr::unix(path)?),
                    };
                    let raw = socket2::Socket::new(domain, Type::STREAM, protocol)?;
                    Below::Ring(RingSocket::connect(ring, raw.into(), address).await?)
                }
                None => Below::Monoio(match to {
                    Endpoint::Tcp(address) => {
                        MonoioSocket::new(TcpStream::connect_addr(*address).await?)
                    }
                    Endpoint::Unix(path) => {
                        let stream = UnixStream::connect(path).await?;
                        MonoioSocket::adopt(own(stream.into_raw_fd()))?
                    }
                }),
            };
            io::Result::Ok(Socket::new(below, matches!(to, Endpoint::Tcp(_))))
        };
        let socket = match timeout_at(deadline, attempt).await {
            Ok(connected) => connected?,
            Err(elapsed) => return Err(elapsed.into()),
        };
        if descriptors::is_reserved(socket.as_fd().as_raw_fd()) {
            return Err(descriptors::exhausted());
        }
        if socket.is_tcp() {
            socket.options().set_tcp_nodelay(true)?;
        }
        Ok(Self::of_upstream(socket))
    }
}

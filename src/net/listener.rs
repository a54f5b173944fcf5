//! Listeners: bound before the workers start, so that errors are reported at start; adopted by a
//! worker each (`SO_REUSEPORT`). Accepting is a system call of ours after a readiness wait, not the
//! driver's accept: that one lacks CLOEXEC, allocates, and loses the connection when it is dropped.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use monoio::net::TcpListener;
use socket2::{Domain, Protocol, SockAddr, Socket as Raw, Type};

use super::ring::{self, Watched};
use super::socket::{self, Socket};
use super::stream::{Stream, canonical};
use super::turn;

/// Accepted in a row before the worker looks at its other sockets.
const BURST: u32 = 32;

/// Who connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerAddr {
    /// IPv4 clients of a dual-stack listener are shown as IPv4.
    Ip(SocketAddr),
    /// A local process, over a Unix socket.
    Unix,
}

impl PeerAddr {
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.ip()),
            Self::Unix => None,
        }
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(out),
            Self::Unix => out.write_str("unix"),
        }
    }
}

/// A listening socket that no worker has yet. `Send`.
pub struct BoundListener {
    fd: OwnedFd,
    path: Option<PathBuf>,
}

/// Binds and listens on TCP with `SO_REUSEPORT` and `SO_REUSEADDR`, so that each worker has a listener
/// of its own. The unspecified IPv6 address takes IPv4 as well; where the kernel has no IPv6,
/// `None` listens on IPv4 alone. Port 0 lets the kernel choose: bind the others to `port()`.
pub fn bind(address: Option<IpAddr>, port: u16, backlog: i32) -> io::Result<BoundListener> {
    match address {
        Some(address) => bind_tcp(SocketAddr::new(address, port), backlog),
        None => {
            match bind_tcp(SocketAddr::new(std::net::Ipv6Addr::UNSPECIFIED.into(), port), backlog) {
                Err(error)
                    if matches!(
                        error.raw_os_error(),
                        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::ENOPROTOOPT)
                    ) =>
                {
                    bind_tcp(SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), port), backlog)
                }
                bound => bound,
            }
        }
    }
}

/// Whether the port is free for us alone: binds once without `SO_REUSEPORT`, which fails where any
/// other process listens, also one that would share the port. Does not listen itself: a client that
/// came in between would be reset. The socket closes at once.
pub fn probe(address: Option<IpAddr>, port: u16) -> io::Result<()> {
    let address = address.unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into());
    let raw = Raw::new(Domain::for_address(SocketAddr::new(address, port)), Type::STREAM, None)?;
    raw.set_reuse_address(true)?;
    raw.bind(&SocketAddr::new(address, port).into())
}

fn bind_tcp(address: SocketAddr, backlog: i32) -> io::Result<BoundListener> {
    let raw = Raw::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    raw.set_reuse_address(true)?;
    raw.set_reuse_port(true)?;
    if address.is_ipv6() {
        raw.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Accepted sockets inherit it: one system call less a connection.
    raw.set_tcp_nodelay(true)?;
    raw.bind(&address.into())?;
    raw.listen(backlog)?;
    Ok(BoundListener { fd: raw.into(), path: None })
}

/// Binds and listens on a Unix socket, for the admin interface. A socket file that nobody listens on
/// any more is replaced; anything else at `path` is an error.
pub fn bind_unix(path: &Path, backlog: i32) -> io::Result<BoundListener> {
    let raw = Raw::new(Domain::UNIX, Type::STREAM, None)?;
    let address = SockAddr::unix(path)?;
    match raw.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_over(path, &address) => {
            fs::remove_file(path)?;
            raw.bind(&address)?;
        }
        bound => bound?,
    }
    raw.listen(backlog)?;
    Ok(BoundListener { fd: raw.into(), path: Some(path.to_owned()) })
}

fn is_left_over(path: &Path, address: &SockAddr) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refuses = || {
        let probe = Raw::new(Domain::UNIX, Type::STREAM, None)?;
        probe.connect(address)
    };
    is_socket && refuses().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

impl BoundListener {
    /// Takes a listening descriptor that another process has handed over.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd, path: None }
    }

    /// The port it listens on; none for Unix sockets.
    pub fn port(&self) -> Option<u16> {
        Some(self.local_addr()?.port())
    }

    /// The address it listens on; none for Unix sockets.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        socket2::SockRef::from(&self.fd).local_addr().ok()?.as_socket()
    }

    /// The descriptor, to hand it over.
    pub fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Another listener on the same queue (not of `SO_REUSEPORT`): for a Unix socket that several
    /// workers serve.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { fd: self.fd.try_clone()?, path: None })
    }

    /// Makes it the current worker's.
    pub fn adopt(self) -> io::Result<Listener> {
        let is_unix =
            socket2::SockRef::from(&self.fd).local_addr().is_ok_and(|address| address.is_unix());
        socket2::SockRef::from(&self.fd).set_nonblocking(true)?;
        let fd = self.fd.as_raw_fd();
        let ready = match ring::current() {
            Some(ring) => Ready::Ring(Watched::new(ring, self.fd)),
            None => {
                // SAFETY: the descriptor is ours and listens; monoio only waits for its readiness, for
                // which the address family does not matter.
                let raw = unsafe { std::net::TcpListener::from_raw_fd(self.fd.into_raw_fd()) };
                Ready::Monoio(TcpListener::from_std(raw)?)
            }
        };
        Ok(Listener {
            ready,
            fd,
            is_unix,
            burst: std::cell::Cell::new(0),
            _file: self.path.map(SocketFile),
        })
    }
}

/// Removes the socket's file when the listener goes.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What waits for connections; owns the descriptor.
enum Ready {
    Ring(Watched),
    Monoio(TcpListener),
}

/// A worker's listener.
pub struct Listener {
    ready: Ready,
    fd: RawFd,
    is_unix: bool,
    burst: std::cell::Cell<u32>,
    _file: Option<SocketFile>,
}

impl Listener {
    /// The next connection, with CLOEXEC and NODELAY. May be dropped at any time: no connection is
    /// lost. Errors of a single connection that died in the queue are skipped; after
    /// `is_out_of_fds` the caller waits before it asks again.
    pub async fn accept(&self) -> io::Result<(Stream, PeerAddr)> {
        if self.burst.get() >= BURST {
            self.burst.set(0);
            turn::yield_now().await;
        }
        loop {
            match self.try_accept() {
                Ok((fd, address)) => {
                    self.burst.set(self.burst.get() + 1);
                    let socket = Socket::adopt(fd, !self.is_unix)?;
                    return Ok((Stream::of_client(socket), address));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.burst.set(0);
                    match &self.ready {
                        Ready::Ring(watched) => watched.readable().await?,
                        Ready::Monoio(listener) => listener.readable(false).await?,
                    }
                }
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn try_accept(&self) -> io::Result<(OwnedFd, PeerAddr)> {
        let nonblock = if socket::is_epoll() { libc::SOCK_NONBLOCK } else { 0 };
        // SAFETY: socket2 passes a place for an address and its length, which the call fills; the
        // descriptor is open as long as `self.ready` lives.
        let (fd, address) = unsafe {
            SockAddr::try_init(|address, len| {
                socket::check(libc::accept4(
                    self.fd,
                    address.cast(),
                    len,
                    libc::SOCK_CLOEXEC | nonblock,
                ))
            })
        }?;
        let peer = address.as_socket().map_or(PeerAddr::Unix, |ip| PeerAddr::Ip(canonical(ip)));
        Ok((socket::own(fd), peer))
    }

    /// The address it listens on; none for Unix sockets.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        if self.is_unix {
            return None;
        }
        // SAFETY: the descriptor is open as long as `self.ready` lives, which outlives this borrow.
        let fd = unsafe { BorrowedFd::borrow_raw(self.fd) };
        socket2::SockRef::from(&fd).local_addr().ok()?.as_socket()
    }

    /// The descriptor, to hand it over to a new process.
    pub fn as_raw_fd(&self) -> RawFd {
        self.fd
    }
}

/// Errors that accept(2) reports for the connection that was next, not for the listener.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EINTR
                | libc::EPROTO
                | libc::ENETDOWN
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::EOPNOTSUPP
                | libc::ENETUNREACH
                | libc::EPERM
        )
    )
}

/// Whether our side has run out of descriptors or memory: wait a little, close something, ask again.
pub fn is_out_of_fds(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

//! One connected socket under the driver, shared by the two halves of a stream. The only file that
//! submits reads and writes: everything above works with blocks.

use std::cell::Cell;
use std::io;
use std::net;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net as unix;

use super::block::Block;
use super::driver;
use super::monoio_socket::MonoioSocket;
use super::ring::{self, RingSocket};
use super::write_list::Writing;

/// A TCP or Unix socket. At most one reader and one writer at a time: the halves own those roles.
pub(super) struct Socket {
    pub(super) below: Below,
    is_tcp: bool,
    /// Bytes that the kernel took of all sends.
    sent: Cell<u64>,
}

/// Which driver runs the socket: the one of its thread.
pub(super) enum Below {
    Ring(RingSocket),
    Monoio(MonoioSocket),
}

impl Socket {
    pub fn new(below: Below, is_tcp: bool) -> Self {
        Self { below, is_tcp, sent: Cell::new(0) }
    }

    /// Takes a connected descriptor that already has the driver's blocking mode.
    pub fn adopt(fd: OwnedFd, is_tcp: bool) -> io::Result<Self> {
        let below = match ring::current() {
            Some(ring) => Below::Ring(RingSocket::new(ring, fd)),
            None => Below::Monoio(MonoioSocket::adopt(fd)?),
        };
        Ok(Self::new(below, is_tcp))
    }

    /// Takes a connected TCP socket. A ring wants blocking sockets (it returns `EAGAIN` on others),
    /// epoll wants the opposite.
    pub fn adopt_tcp(stream: net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(is_epoll())?;
        Self::adopt(stream.into(), true)
    }

    /// Takes a connected Unix socket.
    pub fn adopt_unix(stream: unix::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(is_epoll())?;
        Self::adopt(stream.into(), false)
    }

    pub fn is_tcp(&self) -> bool {
        self.is_tcp
    }

    fn raw(&self) -> RawFd {
        match &self.below {
            Below::Ring(socket) => socket.raw(),
            Below::Monoio(socket) => socket.raw(),
        }
    }

    /// Sends some of the block from `at` on.
    pub async fn send(&self, block: Block, at: usize) -> (io::Result<usize>, Block) {
        match &self.below {
            Below::Ring(socket) => socket.send(block, at).await,
            Below::Monoio(socket) => socket.send(block, at).await,
        }
    }

    /// Sends some of the list's next vectors.
    pub async fn send_vectors(&self, list: Writing) -> (io::Result<usize>, Writing) {
        match &self.below {
            Below::Ring(socket) => socket.send_vectors(list).await,
            Below::Monoio(socket) => socket.send_vectors(list).await,
        }
    }

    /// Notes bytes that the kernel took.
    pub fn note_sent(&self, bytes: usize) {
        self.sent.set(self.sent.get().wrapping_add(bytes as u64));
    }

    /// Bytes that the kernel took of all sends.
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Waits until a read would not block: bytes, end or error. Holds no buffer; may be dropped.
    pub async fn readable(&self) -> io::Result<()> {
        match &self.below {
            Below::Ring(socket) => {
                std::future::poll_fn(|cx| socket.poll_readable(cx)).await;
                Ok(())
            }
            Below::Monoio(socket) => socket.readable().await,
        }
    }

    /// Whether bytes, an end or an error wait to be read. One system call at most, no waiting. An
    /// armed read has seen all that came before the worker's present turn: then none.
    pub fn is_pending(&self) -> bool {
        if let Below::Ring(socket) = &self.below
            && (socket.has_arrived() || socket.is_watching())
        {
            return socket.has_arrived();
        }
        match self.try_recv(&mut [0], true) {
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            Ok(_) => true,
        }
    }

    /// Bytes that can be had without waiting and without overtaking a read in flight; nothing when
    /// there are none, or they cannot be had in this way.
    pub fn take_arrived(&self) -> Option<io::Result<Block>> {
        match &self.below {
            Below::Ring(socket) => socket.try_take().map(Ok),
            Below::Monoio(_) => {
                let mut bytes = Block::small();
                bytes.resize(super::block::SMALL, 0);
                match self.try_recv(&mut bytes, false) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                    Err(error) => Some(Err(error)),
                    Ok(received) => {
                        bytes.truncate(received);
                        Some(Ok(bytes))
                    }
                }
            }
        }
    }

    /// Ends our side of the conversation (FIN).
    pub fn shut_down(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open as long as `self` lives.
        check(unsafe { libc::shutdown(self.raw(), libc::SHUT_WR) }).map(drop)
    }

    /// A read without waiting and without the driver; `peek` leaves the bytes where they are.
    fn try_recv(&self, into: &mut [u8], peek: bool) -> io::Result<usize> {
        let flags = libc::MSG_DONTWAIT | if peek { libc::MSG_PEEK } else { 0 };
        // SAFETY: the pointer and the length describe `into`; the descriptor is open.
        let received =
            unsafe { libc::recv(self.raw(), into.as_mut_ptr().cast(), into.len(), flags) };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// A write without waiting and without the driver, for a last alert.
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the pointer and the length describe `bytes`; the descriptor is open.
        let sent = unsafe { libc::send(self.raw(), bytes.as_ptr().cast(), bytes.len(), flags) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// A view for socket options.
    pub fn options(&self) -> socket2::SockRef<'_> {
        socket2::SockRef::from(self)
    }
}

impl std::os::fd::AsFd for Socket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as `self` lives, which the borrow cannot outlive.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(self.raw()) }
    }
}

/// Whether the driver below wants non-blocking sockets.
pub(super) fn is_epoll() -> bool {
    driver::current() == Some(driver::DriverKind::Epoll)
}

/// The result of a system call as Rust says it.
pub(super) fn check(result: i32) -> io::Result<i32> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Takes ownership of a descriptor fresh from a system call or from its former owner.
pub(super) fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the callers pass a descriptor that they have just been given and tell nobody about.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

//! One connected socket under the driver, shared by the two halves of a stream. The only file that
//! submits reads and writes: everything above works with blocks.

use std::cell::UnsafeCell;
use std::io;
use std::net;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net as unix;

use monoio::buf::Slice;
use monoio::io::{AsyncReadRent, AsyncWriteRent, CancelHandle, CancelableAsyncReadRent};
use monoio::net::{TcpStream, UnixStream};

use super::block::Block;
use super::driver;
use super::write_list::Writing;

/// A TCP or Unix socket. At most one reader and one writer at a time: the halves own those roles.
pub(super) struct Socket {
    raw: UnsafeCell<Raw>,
    fd: RawFd,
}

enum Raw {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Calls the same method on either kind of socket.
macro_rules! either {
    ($socket:expr, $stream:ident => $call:expr) => {
        // SAFETY: single-threaded (`Socket` is not `Send`), and monoio's methods use the exclusive
        // reference only to clone the shared descriptor before their first suspension, as its own
        // `Split` relies on: the reading and the writing half never touch the same state.
        match unsafe { &mut *$socket.raw.get() } {
            Raw::Tcp($stream) => $call,
            Raw::Unix($stream) => $call,
        }
    };
}

impl Socket {
    /// Takes a connected TCP socket. The ring wants blocking sockets (it returns `EAGAIN` on others),
    /// epoll wants the opposite.
    pub fn adopt_tcp(stream: net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(is_epoll())?;
        let fd = stream.as_raw_fd();
        Ok(Self { raw: UnsafeCell::new(Raw::Tcp(TcpStream::from_std(stream)?)), fd })
    }

    /// Takes a connected Unix socket.
    pub fn adopt_unix(stream: unix::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(is_epoll())?;
        let fd = stream.as_raw_fd();
        Ok(Self { raw: UnsafeCell::new(Raw::Unix(UnixStream::from_std(stream)?)), fd })
    }

    /// Takes a just accepted descriptor that already has the driver's blocking mode.
    pub fn adopt_accepted(fd: OwnedFd, is_unix: bool) -> io::Result<Self> {
        let raw_fd = fd.as_raw_fd();
        let raw = if is_unix {
            Raw::Unix(UnixStream::from_std(fd.into())?)
        } else {
            Raw::Tcp(TcpStream::from_std(fd.into())?)
        };
        Ok(Self { raw: UnsafeCell::new(raw), fd: raw_fd })
    }

    pub fn from_tcp(stream: TcpStream) -> Self {
        let fd = stream.as_raw_fd();
        Self { raw: UnsafeCell::new(Raw::Tcp(stream)), fd }
    }

    pub fn from_unix(stream: UnixStream) -> Self {
        let fd = stream.as_raw_fd();
        Self { raw: UnsafeCell::new(Raw::Unix(stream)), fd }
    }

    pub fn is_tcp(&self) -> bool {
        // SAFETY: a shared look at the discriminant, which never changes.
        matches!(unsafe { &*self.raw.get() }, Raw::Tcp(_))
    }

    /// Reads once into an empty block: at most its capacity.
    pub async fn recv(&self, block: Block) -> (io::Result<usize>, Block) {
        debug_assert!(block.is_empty());
        either!(self, stream => stream.read(block).await)
    }

    /// As `recv`, and ends with `ECANCELED` when cancelled before anything came.
    pub async fn recv_cancelable(
        &self,
        block: Block,
        cancel: CancelHandle,
    ) -> (io::Result<usize>, Block) {
        debug_assert!(block.is_empty());
        either!(self, stream => stream.cancelable_read(block, cancel).await)
    }

    /// Sends some of the slice.
    pub async fn send(&self, bytes: Slice<Block>) -> (io::Result<usize>, Slice<Block>) {
        either!(self, stream => stream.write(bytes).await)
    }

    /// Sends some of the list's next vectors.
    pub async fn send_vectors(&self, list: Writing) -> (io::Result<usize>, Writing) {
        either!(self, stream => stream.writev(list).await)
    }

    /// Waits until a read would not block: bytes, end or error. Holds no buffer; may be dropped.
    pub async fn readable(&self) -> io::Result<()> {
        either!(self, stream => stream.readable(false).await)
    }

    /// Ends our side of the conversation (FIN).
    pub fn shut_down(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open as long as `self.raw` lives.
        check(unsafe { libc::shutdown(self.fd, libc::SHUT_WR) }).map(drop)
    }

    /// A read without waiting and without the driver; `peek` leaves the bytes where they are.
    pub fn try_recv(&self, into: &mut [u8], peek: bool) -> io::Result<usize> {
        let flags = libc::MSG_DONTWAIT | if peek { libc::MSG_PEEK } else { 0 };
        // SAFETY: the pointer and the length describe `into`; the descriptor is open.
        let received = unsafe { libc::recv(self.fd, into.as_mut_ptr().cast(), into.len(), flags) };
        usize::try_from(received).map_err(|_| io::Error::last_os_error())
    }

    /// A write without waiting and without the driver, for a last alert.
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: the pointer and the length describe `bytes`; the descriptor is open.
        let sent = unsafe { libc::send(self.fd, bytes.as_ptr().cast(), bytes.len(), flags) };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// A view for socket options.
    pub fn options(&self) -> socket2::SockRef<'_> {
        socket2::SockRef::from(self)
    }
}

impl std::os::fd::AsFd for Socket {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        // SAFETY: the descriptor is open as long as `self.raw` lives, which the borrow cannot outlive.
        unsafe { std::os::fd::BorrowedFd::borrow_raw(self.fd) }
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

/// Takes ownership of a descriptor that a system call has just returned.
pub(super) fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the callers pass a descriptor fresh from `accept4`, which nobody else knows.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

//! One connected socket under the driver, shared by the two halves of a stream. The only file that
//! submits reads and writes: everything above works with blocks.

use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::io;
use std::net;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net as unix;

use monoio::buf::Slice;
use monoio::io::{AsyncReadRent, AsyncWriteRent, CancelHandle, CancelableAsyncReadRent};
use monoio::net::{TcpStream, UnixStream};

use super::block::Block;
use super::driver;
use super::write_list::Writing;

/// A TCP or Unix socket. At most one reader and one writer at a time: the halves own those roles.
pub(super) struct Socket {
    /// monoio's TCP stream for both: all that we use of it (recv, send, writev, poll) is the same on
    /// any connected stream socket, and one type keeps every future that holds an operation small.
    stream: UnsafeCell<TcpStream>,
    fd: RawFd,
    is_tcp: bool,
    /// Bytes that the kernel took of all sends.
    sent: Cell<u64>,
}

impl Socket {
    fn new(stream: TcpStream, is_tcp: bool) -> Self {
        let fd = stream.as_raw_fd();
        Self { stream: UnsafeCell::new(stream), fd, is_tcp, sent: Cell::new(0) }
    }

    /// Takes a connected descriptor that already has the driver's blocking mode.
    pub fn adopt(fd: OwnedFd, is_tcp: bool) -> io::Result<Self> {
        Ok(Self::new(TcpStream::from_std(fd.into())?, is_tcp))
    }

    /// Takes a connected TCP socket. The ring wants blocking sockets (it returns `EAGAIN` on others),
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

    pub fn from_tcp(stream: TcpStream) -> Self {
        Self::new(stream, true)
    }

    pub fn from_unix(stream: UnixStream) -> io::Result<Self> {
        Self::adopt(own(stream.into_raw_fd()), false)
    }

    pub fn is_tcp(&self) -> bool {
        self.is_tcp
    }

    #[allow(clippy::mut_from_ref, reason = "monoio wants it, see below")]
    fn stream(&self) -> &mut TcpStream {
        // SAFETY: single-threaded (`Socket` is not `Send`), and monoio's methods use the exclusive
        // reference only to clone the shared descriptor before their first suspension, as its own
        // `Split` relies on: the reading and the writing half never touch the same state.
        unsafe { &mut *self.stream.get() }
    }

    /// Reads once into an empty block: at most its capacity.
    pub fn recv(&self, block: Block) -> impl Future<Output = (io::Result<usize>, Block)> {
        debug_assert!(block.is_empty());
        self.stream().read(block)
    }

    /// As `recv`, and ends with `ECANCELED` when cancelled before anything came.
    pub fn recv_cancelable(
        &self,
        block: Block,
        cancel: CancelHandle,
    ) -> impl Future<Output = (io::Result<usize>, Block)> {
        debug_assert!(block.is_empty());
        self.stream().cancelable_read(block, cancel)
    }

    /// Sends some of the slice.
    pub fn send(
        &self,
        bytes: Slice<Block>,
    ) -> impl Future<Output = (io::Result<usize>, Slice<Block>)> {
        self.stream().write(bytes)
    }

    /// Sends some of the list's next vectors.
    pub fn send_vectors(
        &self,
        list: Writing,
    ) -> impl Future<Output = (io::Result<usize>, Writing)> {
        self.stream().writev(list)
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
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.stream().readable(false)
    }

    /// Ends our side of the conversation (FIN).
    pub fn shut_down(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open as long as `self.stream` lives.
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
        // SAFETY: the descriptor is open as long as `self.stream` lives, which the borrow cannot outlive.
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

/// Takes ownership of a descriptor fresh from a system call or from its former owner.
pub(super) fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the callers pass a descriptor that they have just been given and tell nobody about.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

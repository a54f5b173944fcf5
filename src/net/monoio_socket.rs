//! A connected socket under monoio: the rungs below our own ring.

use std::cell::UnsafeCell;
use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use monoio::buf::IoBuf;
use monoio::io::{AsyncReadRent, AsyncWriteRent, CancelHandle, CancelableAsyncReadRent};
use monoio::net::TcpStream;

use super::block::Block;
use super::write_list::Writing;

/// See the module.
pub(super) struct MonoioSocket {
    /// monoio's TCP stream for Unix sockets, too: all that we use of it (recv, send, writev, poll) is
    /// the same on any connected stream socket, and one type keeps every future that holds an
    /// operation small.
    stream: UnsafeCell<TcpStream>,
    fd: RawFd,
}

impl MonoioSocket {
    /// Takes a connected descriptor that already has the driver's blocking mode.
    pub fn adopt(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self::new(TcpStream::from_std(fd.into())?))
    }

    pub fn new(stream: TcpStream) -> Self {
        let fd = stream.as_raw_fd();
        Self { stream: UnsafeCell::new(stream), fd }
    }

    pub fn raw(&self) -> RawFd {
        self.fd
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

    /// Sends some of the block from `at` on.
    pub async fn send(&self, block: Block, at: usize) -> (io::Result<usize>, Block) {
        let (sent, slice) = self.stream().write(block.slice(at..)).await;
        (sent, slice.into_inner())
    }

    /// Sends some of the list's next vectors.
    pub fn send_vectors(
        &self,
        list: Writing,
    ) -> impl Future<Output = (io::Result<usize>, Writing)> {
        self.stream().writev(list)
    }

    /// Waits until a read would not block: bytes, end or error. Holds no buffer; may be dropped.
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.stream().readable(false)
    }
}

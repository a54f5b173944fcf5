//! A socket on the ring: sending, connecting, waiting for readiness, closing. Reading is `receiver`.

use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::task::{Context, Poll};

use io_uring::{opcode, types};
use socket2::SockAddr;

use super::super::block::Block;
use super::super::placed::place;
use super::super::write_list::Writing;
use super::Ring;
use super::operation::Operation;
use super::receiver::Receiver;
use super::slots::Kept;

/// Longest send whose end may be told a turn late.
const QUIET_MAX: usize = 8 * 1024;

/// A descriptor whose operations go through a ring. Closed by the ring, after what was queued for it
/// before: its number cannot be reused under an entry that still names it.
struct Descriptor {
    ring: Rc<Ring>,
    fd: Option<OwnedFd>,
    raw: RawFd,
}

impl Descriptor {
    fn new(ring: Rc<Ring>, fd: OwnedFd) -> Self {
        let raw = fd.as_raw_fd();
        Self { ring, fd: Some(fd), raw }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if let Some(fd) = self.fd.take()
            && !self.ring.is_down()
        {
            self.ring.close(fd.into_raw_fd());
        }
    }
}

/// A connected stream socket. At most one reader and one writer at a time.
pub(crate) struct RingSocket {
    receiver: Rc<Receiver>,
    descriptor: Descriptor,
}

impl RingSocket {
    /// Takes a connected descriptor in blocking mode.
    pub fn new(ring: Rc<Ring>, fd: OwnedFd) -> Self {
        let receiver = Rc::new(Receiver::new(fd.as_raw_fd()));
        Self { receiver, descriptor: Descriptor::new(ring, fd) }
    }

    /// Connects `fd` (in blocking mode). Dropped meanwhile, the attempt ends and the socket closes.
    pub async fn connect(ring: Rc<Ring>, fd: OwnedFd, to: SockAddr) -> io::Result<Self> {
        let socket = Self::new(ring, fd);
        let mut to = place(to);
        let (at, len) = {
            let to = to.as_mut();
            (to.as_ptr(), to.len())
        };
        let entry = opcode::Connect::new(types::Fd(socket.descriptor.raw), at.cast(), len).build();
        // SAFETY: the address stays in its place, which the operation owns.
        let connecting =
            unsafe { Operation::start(&socket.descriptor.ring, entry, Kept::Address(to)) };
        connecting.await.0?;
        Ok(socket)
    }

    pub fn raw(&self) -> RawFd {
        self.descriptor.raw
    }

    /// The next bytes; an empty block at the peer's orderly end.
    pub fn poll_recv(&self, cx: &Context<'_>) -> Poll<io::Result<Block>> {
        self.receiver.poll_recv(&self.descriptor.ring, cx)
    }

    /// Ready when a read would not wait.
    pub fn poll_readable(&self, cx: &Context<'_>) -> Poll<()> {
        self.receiver.poll_readable(&self.descriptor.ring, cx)
    }

    /// Whether bytes or an end have been received that nobody has taken.
    pub fn has_arrived(&self) -> bool {
        self.receiver.has_arrived()
    }

    /// Whether `has_arrived` is true as soon as something waits, up to the worker's present turn.
    pub fn is_watching(&self) -> bool {
        self.receiver.is_watching()
    }

    /// Bytes that have been received already.
    pub fn try_take(&self) -> Option<Block> {
        self.receiver.try_take()
    }

    /// Whether waiting for bytes costs a block at the moment.
    pub fn holds_block(&self) -> bool {
        self.receiver.holds_block()
    }

    /// Waits without a block from now on.
    pub fn rest(&self) {
        self.receiver.rest(&self.descriptor.ring);
    }

    /// Sends the block from `at` on: all of it, unless the connection breaks in between.
    pub async fn send(&self, block: Block, at: usize) -> (io::Result<usize>, Block) {
        let bytes = &block[at..];
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let entry = opcode::Send::new(types::Fd(self.descriptor.raw), bytes.as_ptr(), len)
            .flags(libc::MSG_NOSIGNAL | libc::MSG_WAITALL)
            .build();
        // SAFETY: the bytes are on the heap and the operation owns the block.
        let sending = unsafe { Operation::start(&self.descriptor.ring, entry, Kept::Block(block)) };
        match sending.await {
            (sent, Kept::Block(block)) => (sent, block),
            (sent, _) => (sent, Block::empty()),
        }
    }

    /// Sends some of the list's next vectors.
    pub async fn send_vectors(&self, list: Writing) -> (io::Result<usize>, Writing) {
        let (at, len) = list.vectors();
        let quiet = quiet(list.left());
        let entry = opcode::Writev::new(types::Fd(self.descriptor.raw), at, len).build();
        // SAFETY: the vectors and what they point to are on the heap (or static) and belong to the
        // list, which the operation owns.
        let sending = unsafe {
            let kept = Kept::List(place(list));
            Operation::start_quiet(&self.descriptor.ring, entry, kept, quiet)
        };
        match sending.await {
            (sent, Kept::List(mut list)) => (sent, std::mem::take(list.as_mut().get_mut())),
            (sent, _) => (sent, Writing::default()),
        }
    }
}

impl Drop for RingSocket {
    fn drop(&mut self) {
        self.receiver.close(&self.descriptor.ring);
    }
}

/// The result of a whole send that nobody is in a hurry to hear of: a short one, which is followed by
/// waiting for the peer. Pieces of a large body are told at once, to be followed by the next.
fn quiet(len: usize) -> i32 {
    if len <= QUIET_MAX { len as i32 } else { 0 }
}

/// A descriptor that is only waited for: a listener.
pub(crate) struct Watched {
    descriptor: Descriptor,
}

impl Watched {
    pub fn new(ring: Rc<Ring>, fd: OwnedFd) -> Self {
        Self { descriptor: Descriptor::new(ring, fd) }
    }

    /// Waits until there is something to read or to accept. May be dropped.
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        let fd = types::Fd(self.descriptor.raw);
        let entry = opcode::PollAdd::new(fd, libc::POLLIN as u32).build();
        // SAFETY: the entry points to nothing.
        let polling = unsafe { Operation::start(&self.descriptor.ring, entry, Kept::Nothing) };
        async move { polling.await.0.map(drop) }
    }
}

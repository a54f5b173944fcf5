//! The reading side of a socket: what has arrived, and the operation that is armed for more.
//!
//! As a rule one multishot receive is armed for the life of the connection: it writes into the shared
//! small blocks, so that waiting costs neither a block nor an operation for each read. When a read
//! fills its block, or blocks pile up unread, it is cancelled, and the socket is read once at a time
//! into blocks of its own that grow up to 64 KiB, until reads are short again: what a peer sends ahead
//! of its reader then waits in the kernel, and the peer's window closes.
//!
//! Everything belongs to the socket, not to the future that waits: dropping that one loses nothing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use io_uring::{cqueue, opcode, types};

use super::super::block::{self, Block};
use super::Ring;
use super::buffers;
use super::slots::{Key, Owner};

/// With this many bytes of blocks unread the multishot receive is cancelled. What the kernel has
/// already written comes on top: at most 32 small blocks, its own bound for one go.
const UNREAD_MAX: usize = 8 * block::SMALL;
/// Short reads in a row before the next one gets a smaller block.
const SHORT_READS: u8 = 2;

/// How the peer's side has ended; it is told again and again.
#[derive(Clone, Copy, Debug)]
enum End {
    Fin,
    Error(i32),
}

/// The operation in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Armed {
    Nothing,
    Multishot(Key),
    Once(Key),
    /// Cancelled; its last completion has not come yet.
    Ending(Key),
}

struct State {
    fd: RawFd,
    /// What has arrived, oldest first: one block as a rule, more behind it.
    first: Option<Block>,
    /// A box, since most connections never have more than one.
    rest: Option<Box<VecDeque<Block>>>,
    /// Bytes of memory in those blocks.
    held: usize,
    end: Option<End>,
    waker: Option<Waker>,
    armed: Armed,
    /// The class of the next read; the small one stands for the multishot receive.
    size: usize,
    short_reads: u8,
    /// The kernel found no shared block: the next read brings its own.
    is_starved: bool,
    is_closed: bool,
}

/// See the module.
pub(super) struct Receiver {
    state: RefCell<State>,
}

impl Receiver {
    pub fn new(fd: RawFd) -> Self {
        let state = State {
            fd,
            first: None,
            rest: None,
            held: 0,
            end: None,
            waker: None,
            armed: Armed::Nothing,
            size: block::SMALL,
            short_reads: 0,
            is_starved: false,
            is_closed: false,
        };
        Self { state: RefCell::new(state) }
    }

    /// The next bytes, or an empty block at the peer's end.
    pub fn poll_recv(self: &Rc<Self>, ring: &Ring, cx: &Context<'_>) -> Poll<io::Result<Block>> {
        let mut state = self.state.borrow_mut();
        if let Some(block) = state.pop() {
            return Poll::Ready(Ok(block));
        }
        match state.end {
            Some(End::Fin) => return Poll::Ready(Ok(Block::empty())),
            Some(End::Error(error)) => {
                return Poll::Ready(Err(io::Error::from_raw_os_error(error)));
            }
            None => {}
        }
        state.wait(cx);
        self.arm(&mut state, ring);
        Poll::Pending
    }

    /// Ready when `poll_recv` would be.
    pub fn poll_readable(self: &Rc<Self>, ring: &Ring, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state.borrow_mut();
        if state.has_arrived() {
            return Poll::Ready(());
        }
        state.wait(cx);
        self.arm(&mut state, ring);
        Poll::Pending
    }

    /// Whether bytes or an end are here already.
    pub fn has_arrived(&self) -> bool {
        self.state.borrow().has_arrived()
    }

    /// Whether the armed read would have shown by now what waits on an idle connection.
    pub fn is_watching(&self) -> bool {
        matches!(self.state.borrow().armed, Armed::Multishot(_))
    }

    /// What is here already, without waiting.
    pub fn try_take(&self) -> Option<Block> {
        self.state.borrow_mut().pop()
    }

    /// Whether a read holds a block while it waits.
    pub fn holds_block(&self) -> bool {
        matches!(self.state.borrow().armed, Armed::Once(_) | Armed::Ending(_))
    }

    /// Goes back to waiting without a block; loses nothing.
    pub fn rest(&self, ring: &Ring) {
        let mut state = self.state.borrow_mut();
        (state.size, state.short_reads) = (block::SMALL, 0);
        if state.first.is_none() {
            state.rest = None;
        }
        if matches!(state.armed, Armed::Once(_)) {
            state.cancel(ring);
        }
    }

    /// The socket goes: what has arrived and what is in flight is nobody's any more.
    pub fn close(&self, ring: &Ring) {
        let mut state = self.state.borrow_mut();
        state.is_closed = true;
        state.cancel(ring);
        let dropped = (state.first.take(), state.rest.take(), state.waker.take());
        drop(state);
        drop(dropped);
    }

    fn arm(self: &Rc<Self>, state: &mut State, ring: &Ring) {
        if state.armed != Armed::Nothing || state.is_closed {
            return;
        }
        if ring.is_down() {
            state.end = Some(End::Error(libc::ECANCELED));
            return;
        }
        let fd = types::Fd(state.fd);
        if state.size == block::SMALL && !state.is_starved {
            let owner = Owner::Receiver { receiver: self.clone(), block: None };
            let entry = opcode::RecvMulti::new(fd, buffers::GROUP).build();
            // SAFETY: points to nothing: the kernel takes blocks of the registered ring.
            state.armed = Armed::Multishot(unsafe { ring.start(entry, owner) });
            return;
        }
        state.is_starved = false;
        let mut block = Block::with_capacity(state.size);
        let (at, len) = (block.as_mut_ptr(), block.capacity());
        let owner = Owner::Receiver { receiver: self.clone(), block: Some(block) };
        let entry = opcode::Recv::new(fd, at, len as u32).build();
        // SAFETY: the block is in the slot, untouched, until the completion comes.
        state.armed = Armed::Once(unsafe { ring.start(entry, owner) });
    }

    /// A completion of the armed operation. `block` is what the kernel wrote into, with the written
    /// bytes shown.
    pub fn completed(self: &Rc<Self>, ring: &Ring, result: i32, flags: u32, block: Option<Block>) {
        let mut state = self.state.borrow_mut();
        if !cqueue::more(flags) {
            if matches!(state.armed, Armed::Once(_)) && result > 0 {
                state.saw(result as usize, block.as_ref().map_or(0, |block| block.capacity()));
            }
            state.armed = Armed::Nothing;
        }
        if state.is_closed {
            drop(state);
            return drop(block);
        }
        match (result, block) {
            (1.., Some(block)) => {
                let is_full = block.len() == block.capacity();
                state.push(block);
                if matches!(state.armed, Armed::Multishot(_)) {
                    if is_full {
                        state.size = block::MEDIUM;
                    }
                    if is_full || state.held > UNREAD_MAX {
                        state.cancel(ring);
                    }
                } else if is_full && state.size == block::SMALL {
                    state.size = block::MEDIUM;
                }
            }
            (0, _) => state.end = Some(End::Fin),
            (1.., None) => state.end = Some(End::Error(libc::EIO)),
            (result, _) => match -result {
                libc::ENOBUFS => {
                    state.is_starved = true;
                    ring.grow_buffers();
                }
                // We have cancelled it, or a signal came.
                libc::ECANCELED | libc::EINTR | libc::EAGAIN => {}
                error => state.end = Some(End::Error(error)),
            },
        }
        if !state.has_arrived() {
            // Somebody may still wait: the cancelled operation brought nothing.
            if state.waker.is_some() {
                self.arm(&mut state, ring);
            }
            return;
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl State {
    fn has_arrived(&self) -> bool {
        self.first.is_some() || self.end.is_some()
    }

    fn wait(&mut self, cx: &Context<'_>) {
        match &self.waker {
            Some(known) if known.will_wake(cx.waker()) => {}
            _ => self.waker = Some(cx.waker().clone()),
        }
    }

    fn pop(&mut self) -> Option<Block> {
        let block = self.first.take()?;
        self.first = self.rest.as_mut().and_then(|rest| rest.pop_front());
        self.held -= block.capacity();
        Some(block)
    }

    /// Little bytes join what waits already, so that many small packets hold few blocks.
    fn push(&mut self, block: Block) {
        let last = self.rest.as_mut().and_then(|rest| rest.back_mut()).or(self.first.as_mut());
        match last {
            Some(last) if last.room() >= block.len() => last.extend_from_slice(&block),
            _ => {
                self.held += block.capacity();
                if self.first.is_none() {
                    self.first = Some(block);
                } else {
                    self.rest.get_or_insert_default().push_back(block);
                }
            }
        }
    }

    /// Chooses the size of the next read after one that brought `received` of `capacity` bytes.
    fn saw(&mut self, received: usize, capacity: usize) {
        let below = if capacity > block::MEDIUM { block::MEDIUM } else { block::SMALL };
        if received == capacity {
            self.size = if capacity < block::MEDIUM { block::MEDIUM } else { block::LARGE };
            self.short_reads = 0;
        } else if received >= below / 4 * 3 {
            self.short_reads = 0;
        } else {
            self.short_reads += 1;
            if self.short_reads >= SHORT_READS {
                (self.size, self.short_reads) = (below, 0);
            }
        }
    }

    fn cancel(&mut self, ring: &Ring) {
        if let Armed::Multishot(key) | Armed::Once(key) = self.armed {
            self.armed = Armed::Ending(key);
            ring.cancel(key);
        }
    }
}

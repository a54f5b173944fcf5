//! Our own driver: one io_uring and one queue of tasks for a worker. Receives are multishot into shared
//! pooled blocks, timers come from the wheel, the clock is read once a turn.
//!
//! Needs Linux 6.1 (`DEFER_TASKRUN`; buffer rings are 5.19, multishot receives 6.0). Whether they work
//! is found out by doing it; where they do not, the rungs below run on monoio. Nothing here knows
//! streams, TLS or HTTP. Why and how much it gains: docs/design/driver.md.

mod buffers;
mod io;
mod operation;
mod receiver;
mod remote;
mod slots;
mod socket;
mod tasks;
mod turns;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use io_uring::{cqueue, opcode, squeue, types};

use buffers::Buffers;
use io::{Completion, Io};
use remote::Remote;
use slots::{Kept, Key, Owner, Slots, State};
use tasks::Tasks;

use super::placed::Placed;

pub(super) use socket::{RingSocket, Watched};
pub(super) use turns::{probe, run};

/// Completions that nobody waits for: of cancelling and closing.
const IGNORED: u64 = u64::MAX;
/// Another thread has left a message.
const KICKED: u64 = u64::MAX - 1;

/// A turn with this many completions is a busy one: more will come at once.
const BUSY: usize = 8;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Ring>>> = const { RefCell::new(None) };
}

/// The ring that runs on this thread, if there is one.
pub(super) fn current() -> Option<Rc<Ring>> {
    CURRENT.with_borrow(Clone::clone)
}

/// One worker's driver.
pub(super) struct Ring {
    io: RefCell<Io>,
    slots: RefCell<Slots>,
    buffers: RefCell<Buffers>,
    tasks: Tasks,
    remote: Arc<Remote>,
    /// Wakes for short sends that went out whole. Their tasks wait for the peer next, as a rule: on a
    /// busy worker what the peer says comes within a turn, and one poll does for both. So these wait
    /// for the end of the next turn.
    late: RefCell<Vec<Waker>>,
    /// Tasks that wait for the next turn, and how many turns there were.
    yielded: RefCell<Vec<Waker>>,
    turns: Cell<u64>,
    is_down: Cell<bool>,
    /// The list in which completions are worked off.
    completions: RefCell<Vec<Completion>>,
}

impl Ring {
    fn new() -> std::io::Result<Self> {
        Self::over(Io::new()?, buffers::FIRST)
    }

    fn over(io: Io, first_blocks: u16) -> std::io::Result<Self> {
        let buffers = Buffers::register(&io.submitter(), first_blocks)?;
        let remote = Arc::new(Remote::new()?);
        Ok(Self {
            io: RefCell::new(io),
            slots: RefCell::new(Slots::new()),
            buffers: RefCell::new(buffers),
            tasks: Tasks::new(remote.clone()),
            remote,
            late: RefCell::default(),
            yielded: RefCell::default(),
            turns: Cell::new(0),
            is_down: Cell::new(false),
            completions: RefCell::default(),
        })
    }

    /// Starts a task.
    pub fn spawn(&self, work: Placed<dyn Future<Output = ()>>) {
        self.tasks.spawn(work);
    }

    /// Gives way until the driver has looked at everything.
    pub fn yield_now(self: Rc<Self>) -> impl Future<Output = ()> {
        let mut until = None;
        poll_fn(move |cx| match until {
            Some(turn) if self.turns.get() >= turn => Poll::Ready(()),
            _ => {
                until.get_or_insert(self.turns.get() + 1);
                self.yielded.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }
        })
    }

    /// Whether the driver has ended: nothing can be started any more.
    fn is_down(&self) -> bool {
        self.is_down.get()
    }

    /// Queues an operation.
    ///
    /// SAFETY: what `entry` points to must stay in place and untouched until its completion; what
    /// `owner` holds does.
    unsafe fn start(&self, entry: squeue::Entry, owner: Owner) -> Key {
        let key = self.slots.borrow_mut().insert(owner);
        // SAFETY: the caller's promise.
        unsafe { self.io.borrow_mut().push(&entry.user_data(key.user_data())) };
        key
    }

    fn poll_slot(&self, key: Key, waker: &Waker) -> Poll<(i32, Kept)> {
        self.slots.borrow_mut().poll(key, waker)
    }

    /// A future is gone before its operation has ended.
    fn abandon(&self, key: Key) {
        let (is_in_flight, gone) = self.slots.borrow_mut().abandon(key);
        drop(gone);
        if is_in_flight {
            self.cancel(key);
        }
    }

    fn cancel(&self, key: Key) {
        if self.is_down() {
            return;
        }
        self.push_free(opcode::AsyncCancel::new(key.user_data()).build());
    }

    fn close(&self, fd: RawFd) {
        self.push_free(opcode::Close::new(types::Fd(fd)).build());
    }

    /// Queues an entry that points to nothing and whose answer does not matter.
    fn push_free(&self, entry: squeue::Entry) {
        // SAFETY: the callers' entries hold numbers only.
        unsafe { self.io.borrow_mut().push(&entry.user_data(IGNORED)) };
    }

    fn grow_buffers(&self) {
        self.buffers.borrow_mut().grow();
    }

    fn watch_remote(&self) {
        let entry = opcode::PollAdd::new(types::Fd(self.remote.fd()), libc::POLLIN as u32).build();
        // SAFETY: the entry points to nothing.
        unsafe { self.io.borrow_mut().push(&entry.user_data(KICKED)) };
    }

    /// Works off what the kernel has completed.
    fn reap(&self) -> usize {
        let mut completions = self.completions.take();
        self.io.borrow_mut().take(&mut completions);
        let n = completions.len();
        let is_busy = n >= BUSY;
        let mut has_taken = false;
        for Completion { user_data, result, flags } in completions.drain(..) {
            let written = match cqueue::buffer_select(flags) {
                Some(id) => {
                    has_taken = true;
                    self.buffers.borrow_mut().take(id, usize::try_from(result).unwrap_or(0))
                }
                None => None,
            };
            match user_data {
                IGNORED => {}
                KICKED => {
                    self.tasks.look_away();
                    if !self.is_down() {
                        self.watch_remote();
                    }
                }
                _ => self.completed(Key::of(user_data), result, flags, written, is_busy),
            }
        }
        self.completions.replace(completions);
        if has_taken {
            self.buffers.borrow_mut().publish();
        }
        n
    }

    fn completed(
        &self,
        key: Key,
        result: i32,
        flags: u32,
        written: Option<super::Block>,
        is_busy: bool,
    ) {
        let mut slots = self.slots.borrow_mut();
        match slots.owner(key) {
            Some(Owner::Future { state, quiet, .. }) => {
                let is_late = is_busy && result > 0 && result == *quiet;
                let before = std::mem::replace(state, State::Done(result));
                drop(slots);
                match before {
                    State::Waiting(Some(waker)) if is_late => self.late.borrow_mut().push(waker),
                    State::Waiting(Some(waker)) => waker.wake(),
                    _ => {}
                }
            }
            Some(Owner::Receiver { receiver, .. }) if cqueue::more(flags) => {
                let receiver = receiver.clone();
                drop(slots);
                receiver.completed(self, result, flags, written);
            }
            Some(Owner::Receiver { .. } | Owner::Nobody { .. }) => {
                let gone = slots.remove(key);
                drop(slots);
                if let Some(Owner::Receiver { receiver, block }) = gone {
                    let written = written.or_else(|| {
                        let mut block = block?;
                        let received = usize::try_from(result).ok()?;
                        // SAFETY: the kernel wrote this many bytes from the start, at most the
                        // capacity it was told, and is done with the block.
                        unsafe { block.show(received) };
                        Some(block)
                    });
                    receiver.completed(self, result, flags, written);
                }
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;

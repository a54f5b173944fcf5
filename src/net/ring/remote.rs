//! Wakes from other threads: a locked list and an eventfd that the worker's ring polls. Messages
//! between threads are rare; nothing here is on the path of a request.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::socket::check;
use super::tasks::Away;

/// Tells one run of a driver from all others of the process; 0 is none.
static TOKENS: AtomicU64 = AtomicU64::new(1);

/// What another thread wants done with a task of this worker; carries one of the task's counts.
pub(super) enum Message {
    Wake(Away),
    Release(Away),
}

struct Inbox {
    messages: Vec<Message>,
    /// The eventfd was written to since the list was last emptied.
    is_kicked: bool,
    is_closed: bool,
}

/// The part of a driver that other threads reach.
pub(super) struct Remote {
    /// Which run it belongs to.
    pub token: u64,
    inbox: Mutex<Inbox>,
    /// Whether the list holds something, to be asked without the lock.
    has_messages: AtomicBool,
    event: OwnedFd,
}

impl Remote {
    pub fn new() -> io::Result<Self> {
        // SAFETY: a plain system call; the descriptor is ours alone.
        let event = unsafe {
            let fd = check(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?;
            OwnedFd::from_raw_fd(fd)
        };
        let inbox = Inbox { messages: Vec::new(), is_kicked: false, is_closed: false };
        Ok(Self {
            token: TOKENS.fetch_add(1, Ordering::Relaxed),
            inbox: Mutex::new(inbox),
            has_messages: AtomicBool::new(false),
            event,
        })
    }

    /// What the ring polls.
    pub fn fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a message, and wakes the worker for it when it is a wake. It comes back, with the lock
    /// held, when the worker's driver has gone: the caller then owns what only that thread touched.
    pub fn send(&self, message: Message) -> Option<(Message, impl Sized + '_)> {
        let mut inbox = self.lock();
        if inbox.is_closed {
            return Some((message, inbox));
        }
        let wakes = matches!(message, Message::Wake(_));
        inbox.messages.push(message);
        self.has_messages.store(true, Ordering::Release);
        if wakes && !std::mem::replace(&mut inbox.is_kicked, true) {
            // SAFETY: eight bytes that live until the call returns. It fails only when the counter is
            // full: then the worker is kicked already.
            unsafe { libc::write(self.event.as_raw_fd(), (&raw const KICK).cast(), 8) };
        }
        None
    }

    /// Moves what other threads have left into `into`.
    pub fn take(&self, into: &mut Vec<Message>) {
        if !self.has_messages.load(Ordering::Acquire) {
            return;
        }
        let mut inbox = self.lock();
        self.has_messages.store(false, Ordering::Relaxed);
        if std::mem::replace(&mut inbox.is_kicked, false) {
            let mut count = 0_u64;
            // SAFETY: room for eight bytes; empties the counter, so that the next kick is an edge.
            unsafe { libc::read(self.event.as_raw_fd(), (&raw mut count).cast(), 8) };
        }
        into.append(&mut inbox.messages);
    }

    /// From now on messages come back to their senders. `last` gets those that are left, with the lock
    /// held.
    pub fn close(&self, last: impl FnMut(Message)) {
        let mut inbox = self.lock();
        inbox.is_closed = true;
        std::mem::take(&mut inbox.messages).into_iter().for_each(last);
    }
}

static KICK: u64 = 1;

//! The tasks of one worker: a queue of those that are ready, and wakers that cost no locked operation
//! on the worker's own thread. From another thread a waker goes through `Remote`.
//!
//! A task's counts: `here` belongs to the worker's thread alone, `away` counts the copies that other
//! threads have made. Their sum is the number of references; it is looked at only by the worker's
//! thread, or under the lock of `Remote` once the worker's driver is closed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

use super::super::placed::Placed;
use super::remote::{Message, Remote};

thread_local! {
    /// The token of the driver that runs on this thread; 0 without one.
    static TOKEN: Cell<u64> = const { Cell::new(0) };
    /// Tasks that are ready, of the driver that runs on this thread.
    static READY: RefCell<VecDeque<TaskRef>> = const { RefCell::new(VecDeque::new()) };
}

/// Says which driver's tasks this thread may touch; 0 for none.
pub(super) fn set_token(token: u64) {
    TOKEN.set(token);
}

type Work = Placed<dyn Future<Output = ()>>;

struct Task {
    token: u64,
    here: Cell<isize>,
    away: AtomicIsize,
    is_queued: Cell<bool>,
    /// Its place in the list of all.
    place: Cell<usize>,
    /// Nothing for the root future, which lives on the stack of `run`, and after the end.
    work: RefCell<Option<Work>>,
    is_root: bool,
    remote: Arc<Remote>,
}

/// A counted reference; stays on the worker's thread.
pub(super) struct TaskRef(NonNull<Task>);

impl TaskRef {
    fn new(remote: &Arc<Remote>, work: Option<Work>) -> Self {
        let task = Box::new(Task {
            token: remote.token,
            here: Cell::new(1),
            away: AtomicIsize::new(0),
            is_queued: Cell::new(false),
            place: Cell::new(usize::MAX),
            is_root: work.is_none(),
            work: RefCell::new(work),
            remote: remote.clone(),
        });
        Self(NonNull::from(Box::leak(task)))
    }

    fn task(&self) -> &Task {
        // SAFETY: counted, so the task is there; only its own thread has a `TaskRef`.
        unsafe { self.0.as_ref() }
    }

    pub fn is_root(&self) -> bool {
        self.task().is_root
    }

    /// A waker without a count, for one poll.
    pub fn waker(&self) -> ManuallyDrop<Waker> {
        let data = self.0.as_ptr().cast_const().cast();
        // SAFETY: `TABLE` keeps the contract of `RawWaker`; this one is never dropped and does not
        // outlive `self`.
        ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(data, &TABLE)) })
    }

    /// Runs the task until it waits; `true` when it has ended.
    pub fn poll(&self) -> bool {
        let task = self.task();
        task.is_queued.set(false);
        let mut work = task.work.borrow_mut();
        let Some(future) = &mut *work else { return false };
        let waker = self.waker();
        // A panic is caught inside (`net::task`).
        let ended = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        let done = if ended { work.take() } else { None };
        drop(work);
        drop(done);
        ended
    }

    /// The root's mark is taken off by the loop, which polls it itself.
    pub fn begin(&self) {
        self.task().is_queued.set(false);
    }

    /// Puts it into the queue, unless it is there.
    pub fn wake(&self) {
        if !self.task().is_queued.replace(true) {
            READY.with_borrow_mut(|ready| ready.push_back(self.clone()));
        }
    }
}

impl Clone for TaskRef {
    fn clone(&self) -> Self {
        let here = &self.task().here;
        here.set(here.get() + 1);
        Self(self.0)
    }
}

impl Drop for TaskRef {
    fn drop(&mut self) {
        // SAFETY: one of the task's counts is ours; we are on its own thread (`TaskRef` never leaves
        // it), and its driver is not closed before all of these are gone.
        unsafe { release(self.0) };
    }
}

/// Gives one count back, and the task when it was the last.
///
/// SAFETY: the caller owns a count, and is the one who may touch `here` (see the module).
unsafe fn release(at: NonNull<Task>) {
    // SAFETY: the count keeps it valid until the line below.
    let task = unsafe { at.as_ref() };
    let here = task.here.get() - 1;
    task.here.set(here);
    // Acquire: what other threads did with their copies is over.
    if here + task.away.load(Ordering::Acquire) == 0 {
        // SAFETY: made by `Box` in `new`; nobody else has a reference. Its work is gone already: the
        // list of all holds a count as long as there is some.
        drop(unsafe { Box::from_raw(at.as_ptr()) });
    }
}

/// A count on its way from another thread.
pub(super) struct Away(NonNull<Task>);

// SAFETY: a counted pointer; what is behind it is touched by the worker's thread only (or under the
// lock of `Remote`, see the module).
unsafe impl Send for Away {}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The task behind a waker, and whether its driver runs on this thread.
///
/// SAFETY: `data` must come from a waker of this table that was not dropped.
unsafe fn behind(data: *const ()) -> (NonNull<Task>, bool) {
    // SAFETY: wakers of this table hold a task, which is not null and valid while they live; `token`
    // never changes.
    unsafe {
        let at = NonNull::new_unchecked(data.cast_mut().cast::<Task>());
        (at, at.as_ref().token == TOKEN.get())
    }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: called with a live waker; `here` is touched on the task's own thread only.
    unsafe {
        let (at, is_here) = behind(data);
        if is_here {
            let here = &at.as_ref().here;
            here.set(here.get() + 1);
        } else {
            at.as_ref().away.fetch_add(1, Ordering::Relaxed);
        }
    }
    RawWaker::new(data, &TABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: called with a live waker, whose count goes to the message or is given back.
    unsafe {
        let (at, is_here) = behind(data);
        if is_here {
            TaskRef(at).wake();
        } else {
            send_away(Message::Wake(Away(at)));
        }
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: called with a live waker, whose count stays with it; a message gets one of its own.
    unsafe {
        let (at, is_here) = behind(data);
        if is_here {
            ManuallyDrop::new(TaskRef(at)).wake();
        } else {
            at.as_ref().away.fetch_add(1, Ordering::Relaxed);
            send_away(Message::Wake(Away(at)));
        }
    }
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: called with a live waker, whose count is given back.
    unsafe {
        let (at, is_here) = behind(data);
        if is_here {
            release(at);
        } else {
            send_away(Message::Release(Away(at)));
        }
    }
}

fn send_away(message: Message) {
    let (Message::Wake(Away(at)) | Message::Release(Away(at))) = message;
    // SAFETY: the message's count keeps the task valid; `remote` never changes.
    let remote = unsafe { at.as_ref() }.remote.clone();
    if let Some((_message, _lock)) = remote.send(message) {
        // SAFETY: the message's count is ours again. The worker's driver is closed: with the lock
        // held we are the only one who touches `here`.
        unsafe { release(at) };
    }
}

/// The tasks of one driver.
pub(super) struct Tasks {
    remote: Arc<Remote>,
    all: RefCell<Vec<TaskRef>>,
    messages: RefCell<Vec<Message>>,
}

impl Tasks {
    pub fn new(remote: Arc<Remote>) -> Self {
        Self { remote, all: RefCell::default(), messages: RefCell::default() }
    }

    /// The task that stands for the future of `run`.
    pub fn root(&self) -> TaskRef {
        TaskRef::new(&self.remote, None)
    }

    /// Starts a task.
    pub fn spawn(&self, work: Work) {
        let task = TaskRef::new(&self.remote, Some(work));
        task.wake();
        let mut all = self.all.borrow_mut();
        task.task().place.set(all.len());
        all.push(task);
    }

    /// The next task that is ready.
    pub fn next(&self) -> Option<TaskRef> {
        READY.with_borrow_mut(VecDeque::pop_front)
    }

    pub fn has_ready(&self) -> bool {
        READY.with_borrow(|ready| !ready.is_empty())
    }

    /// Takes a task that has ended off the list of all.
    pub fn ended(&self, task: &TaskRef) {
        let place = task.task().place.replace(usize::MAX);
        let mut all = self.all.borrow_mut();
        if place < all.len() {
            let gone = all.swap_remove(place);
            if let Some(moved) = all.get(place) {
                moved.task().place.set(place);
            }
            drop(all);
            drop(gone);
        }
    }

    /// Does what other threads have asked for.
    pub fn look_away(&self) {
        let mut messages = self.messages.borrow_mut();
        self.remote.take(&mut messages);
        for message in messages.drain(..) {
            match message {
                // The message's count becomes a reference of this thread.
                Message::Wake(Away(at)) => TaskRef(at).wake(),
                Message::Release(Away(at)) => drop(TaskRef(at)),
            }
        }
    }

    /// Drops the futures of all tasks; tasks that their destructors start, too.
    pub fn end_all(&self) {
        loop {
            let task = self.all.borrow_mut().pop();
            let Some(task) = task else { break };
            task.task().place.set(usize::MAX);
            let work = task.task().work.borrow_mut().take();
            // Wrapped by `net::task`, which catches panics of destructors only in `poll`.
            let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(work)));
            drop(dropped);
        }
        READY.with_borrow_mut(std::mem::take);
    }

    /// Lets go of the list of wakes from other threads; later ones find it closed.
    pub fn close(&self) {
        self.remote.close(|message| {
            let (Message::Wake(Away(at)) | Message::Release(Away(at))) = message;
            // SAFETY: the message's count is ours, and the lock is held: what other threads release
            // from now on they do under it, too.
            unsafe { release(at) };
        });
    }
}

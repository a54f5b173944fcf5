//! The turns of a worker: run what is ready, enter the kernel once, work off completions, timers and
//! wakes of other threads. Also the driver's beginning and its end.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use io_uring::opcode::AsyncCancel2;
use io_uring::types::CancelBuilder;

use super::super::clock::{self, Tick};
use super::super::{block, wheel};
use super::io::Wait;
use super::tasks::{self, TaskRef};
use super::{CURRENT, Ring};

/// Most tasks run before the kernel is asked again: a task that wakes itself starves nobody.
const TASKS_MAX: u32 = 512;
/// A wait that ends this late was not one of a process that ran: it was stopped, or starved.
const LATE: Duration = Duration::from_millis(25);
/// For so many turns at most, timers wait for what a process finds after it stood still. The kernel
/// hands out some twenty completions a turn.
const TURNS_AFTER_A_STOP: u32 = 1024;
/// After so many tasks of one turn the clock is read again.
const TASKS_A_TICK: u32 = 16;
/// The end of a driver waits this long for what is in flight, in steps.
const END_STEP: Duration = Duration::from_millis(10);
const END_STEPS: u32 = 100;

/// Whether this kernel, and what filters its system calls, allows all that the driver does: a ring of
/// full size, the ring of blocks, and a multishot receive that brings bytes.
pub(in super::super) fn probe() -> io::Result<()> {
    let ring = Rc::new(Ring::new()?);
    let tried = try_multishot(&ring);
    end(&ring);
    tried
}

fn try_multishot(ring: &Rc<Ring>) -> io::Result<()> {
    let (ours, mut other) = std::os::unix::net::UnixStream::pair()?;
    let socket = super::RingSocket::new(ring.clone(), ours.into());
    let cx = Context::from_waker(std::task::Waker::noop());
    for byte in [1, 2] {
        io::Write::write_all(&mut other, &[byte])?;
        // The first poll arms; one entry into the kernel brings what is there.
        let mut polled = socket.poll_recv(&cx);
        for _ in 0..2 {
            if polled.is_ready() {
                break;
            }
            ring.io.borrow_mut().enter(Wait::AtMost(END_STEP))?;
            ring.reap();
            polled = socket.poll_recv(&cx);
        }
        match polled {
            Poll::Ready(Ok(block)) if block[..] == [byte] && !socket.holds_block() => {}
            Poll::Ready(Err(error)) => return Err(error),
            _ => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
    }
    Ok(())
}

/// Runs `future` on a ring of this thread until it ends, then drops all tasks and closes what is in
/// flight. An error means that the ring could not be made; the future was not touched.
pub(in super::super) fn run<F: Future>(future: F) -> Result<F::Output, (io::Error, F)> {
    match Ring::new() {
        Ok(ring) => Ok(run_on(Rc::new(ring), future)),
        Err(error) => Err((error, future)),
    }
}

pub(super) fn run_on<F: Future>(ring: Rc<Ring>, future: F) -> F::Output {
    // Declared first, dropped last: the future goes before the driver.
    let _running = Running::enter(ring.clone());
    let future = pin!(future);
    ring.turns(future)
}

impl Ring {
    fn turns<F: Future>(&self, mut future: Pin<&mut F>) -> F::Output {
        let root = self.tasks.root();
        root.wake();
        self.watch_remote();
        let mut late = Vec::new();
        let mut turns_without_timers = 0;
        let mut looked_at = clock::now();
        loop {
            if let Some(output) = self.run_ready(&root, future.as_mut()) {
                return output;
            }
            let (more, next) = match turns_without_timers {
                // By the time of the last look at the sockets, though it may be later by now.
                0 => wheel::fire(looked_at),
                _ => (true, None),
            };
            let is_busy = more
                || self.tasks.has_ready()
                || !self.yielded.borrow().is_empty()
                || !self.late.borrow().is_empty();
            let wait = match next {
                _ if is_busy => Wait::No,
                Some(at) => {
                    clock::refresh();
                    Wait::AtMost(at.since(clock::now()))
                }
                None => Wait::ForEver,
            };
            let due = if is_busy { clock::now() } else { next.unwrap_or(Tick::NEVER) };
            self.enter(wait);
            clock::refresh();
            looked_at = clock::now();
            if looked_at.since(due) >= LATE {
                // What arrived while the process stood still counts before the deadlines that passed.
                // A wait that a signal ended has not looked at it.
                self.enter(Wait::No);
                turns_without_timers = TURNS_AFTER_A_STOP;
            }
            std::mem::swap(&mut *self.late.borrow_mut(), &mut late);
            let brought_nothing = self.reap() == 0;
            turns_without_timers = match turns_without_timers {
                n if n > 0 && (!brought_nothing || self.tasks.has_ready()) => n - 1,
                _ => 0,
            };
            // Behind what has just arrived for the same tasks.
            late.drain(..).for_each(std::task::Waker::wake);
            self.tasks.look_away();
            self.turns.set(self.turns.get() + 1);
            let mut yielded = self.yielded.take();
            yielded.drain(..).for_each(std::task::Waker::wake);
            self.yielded.replace(yielded);
        }
    }

    fn enter(&self, wait: Wait) {
        if let Err(error) = self.io.borrow_mut().enter(wait) {
            panic!("the ring of this worker is broken: {error}");
        }
    }

    /// Runs ready tasks; the output of the root future when it has ended.
    fn run_ready<F: Future>(&self, root: &TaskRef, mut future: Pin<&mut F>) -> Option<F::Output> {
        for n in 1..=TASKS_MAX {
            let task = self.tasks.next()?;
            if task.is_root() {
                task.begin();
                let waker = root.waker();
                let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
                if let Poll::Ready(output) = polled {
                    return Some(output);
                }
            } else if task.poll() {
                self.tasks.ended(&task);
            }
            if n % TASKS_A_TICK == 0 {
                clock::refresh();
            }
        }
        None
    }
}

/// Says that a driver runs on this thread while it lives, and ends it; also when the root panics.
struct Running(Rc<Ring>);

impl Running {
    fn enter(ring: Rc<Ring>) -> Self {
        tasks::set_token(ring.remote.token);
        wheel::drive_by_turns(true);
        CURRENT.replace(Some(ring.clone()));
        clock::refresh();
        Self(ring)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let ring = &self.0;
        ring.tasks.end_all();
        ring.yielded.take();
        ring.late.take();
        end(ring);
        CURRENT.replace(None);
        wheel::drive_by_turns(false);
        clock::stop();
        // What has ended above may have woken tasks: no reference may be left when others may count.
        tasks::forget_ready();
        tasks::set_token(0);
        ring.tasks.close();
    }
}

/// Cancels what is in flight and waits for it, so that no memory is lent any more. What does not end
/// in time is left to the kernel for ever.
fn end(ring: &Ring) {
    let everything = AsyncCancel2::new(CancelBuilder::any()).build();
    ring.push_free(everything);
    ring.is_down.set(true);
    for _ in 0..END_STEPS {
        let has_unsent = ring.io.borrow_mut().has_unsent();
        let in_flight = ring.slots.borrow().in_flight();
        if in_flight == 0 && !has_unsent {
            break;
        }
        let wait = if in_flight == 0 { Wait::No } else { Wait::AtMost(END_STEP) };
        if ring.io.borrow_mut().enter(wait).is_err() {
            break;
        }
        ring.reap();
    }
    if ring.slots.borrow().in_flight() == 0 {
        let io = ring.io.borrow();
        ring.buffers.borrow_mut().release(&io.submitter());
    } else {
        let _lent = block::keep_lent();
        ring.slots.borrow_mut().forget();
        ring.buffers.borrow_mut().forget();
    }
}

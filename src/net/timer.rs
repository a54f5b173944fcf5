//! Deadlines for the floors above: one future that can be moved, and a wrapper that gives another
//! future a deadline. Resolution is a slot of the wheel (8.4 ms); never early.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::clock::{self, Tick};
use super::wheel::{self, Key};

/// A deadline fires up to this long after its time.
pub const RESOLUTION: std::time::Duration = wheel::SLOT;

/// Ready when its time has come; `reset` moves it, before or after. Registers with the worker's
/// wheel at its first poll, so that a deadline that is never waited for costs nothing.
pub struct Deadline {
    at: Tick,
    key: Option<Key>,
    /// Timers belong to the wheel of their thread.
    _local: std::marker::PhantomData<*const ()>,
}

impl Deadline {
    /// Fires at `at`; at once when that is past.
    pub const fn at(at: Tick) -> Self {
        Self { at, key: None, _local: std::marker::PhantomData }
    }

    /// Never fires until it is reset.
    pub const fn never() -> Self {
        Self::at(Tick::NEVER)
    }

    /// When it fires.
    pub fn when(&self) -> Tick {
        self.at
    }

    /// Moves it. To a later time this costs one store. A deadline that has fired or was at `NEVER` is
    /// waited for again by polling it after this.
    pub fn reset(&mut self, at: Tick) {
        self.at = at;
        match self.key {
            Some(key) if at == Tick::NEVER => {
                wheel::remove(key);
                self.key = None;
            }
            Some(key) => wheel::reset(key, at),
            None => {}
        }
    }
}

impl Future for Deadline {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.key {
            Some(key) if wheel::has_fired(key, cx.waker()) => Poll::Ready(()),
            Some(_) => Poll::Pending,
            None if self.at == Tick::NEVER => Poll::Pending,
            None if self.at <= clock::now() => Poll::Ready(()),
            None => {
                self.key = Some(wheel::insert(self.at, cx.waker()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            wheel::remove(key);
        }
    }
}

/// The deadline came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("deadline exceeded")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(_: Elapsed) -> Self {
        io::ErrorKind::TimedOut.into()
    }
}

/// `future` until `at`. When both are ready, the future wins: after a stall of the process, what
/// arrived meanwhile counts.
pub fn timeout_at<F: Future>(at: Tick, future: F) -> Timeout<F> {
    Timeout { future, deadline: Deadline::at(at) }
}

/// Waits until `at`.
pub fn sleep_until(at: Tick) -> Deadline {
    Deadline::at(at)
}

/// See `timeout_at`. Dropping it drops the future inside.
pub struct Timeout<F> {
    future: F,
    deadline: Deadline,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `future` is pinned with `self` and never moved out; `deadline` is `Unpin`.
        let (future, deadline) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &mut this.deadline)
        };
        if let Poll::Ready(output) = future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(deadline).poll(cx).map(|()| Err(Elapsed))
    }
}

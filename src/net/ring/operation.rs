//! One operation as a future. Dropped while it is in flight it is cancelled, and what it has lent
//! stays with the ring until the kernel is done.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use io_uring::squeue;

use super::Ring;
use super::slots::{Kept, Key, Owner, State};

/// See the module. Resolves to what the kernel answered and what it was lent.
pub(super) struct Operation<'a> {
    ring: &'a Ring,
    key: Option<Key>,
}

impl<'a> Operation<'a> {
    /// Queues `entry`.
    ///
    /// SAFETY: `entry` may point only into `kept`, to memory that stays in place when `kept` moves, or
    /// to memory that is valid for ever.
    pub unsafe fn start(ring: &'a Ring, entry: squeue::Entry, kept: Kept) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self::start_quiet(ring, entry, kept, 0) }
    }

    /// As `start`, and the result `quiet` may be told a turn late.
    ///
    /// SAFETY: as for `start`.
    pub unsafe fn start_quiet(
        ring: &'a Ring,
        entry: squeue::Entry,
        kept: Kept,
        quiet: i32,
    ) -> Self {
        if ring.is_down() {
            return Self { ring, key: None };
        }
        let owner = Owner::Future { kept, state: State::Waiting(None), quiet };
        // SAFETY: `kept` stays in the slot until the completion has come.
        Self { ring, key: Some(unsafe { ring.start(entry, owner) }) }
    }
}

impl Future for Operation<'_> {
    type Output = (io::Result<usize>, Kept);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(key) = self.key else {
            return Poll::Ready((
                Err(io::Error::from_raw_os_error(libc::ECANCELED)),
                Kept::Nothing,
            ));
        };
        self.ring.poll_slot(key, cx.waker()).map(|(result, kept)| {
            self.key = None;
            let result = usize::try_from(result)
                .map_err(|_| io::Error::from_raw_os_error(result.saturating_neg()));
            (result, kept)
        })
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.ring.abandon(key);
        }
    }
}

//! The armed reader of a connection: while a request is served, the next read is already in flight.
//! It is at once the pipelining buffer, the next request's read, and the detector of a client that
//! left. Reader and server run in one task, joined by a `Slot` on that task's stack; nothing is
//! allocated for a request.
//!
//! ```text
//! let slot = Slot::new();
//! let reader = pin!(pump(&mut recv, &slot));
//! drive(&slot, reader, async { while let Ok(block) = slot.next_block().await { … } }).await;
//! ```

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use monoio::io::Canceller;

use super::block::Block;
use super::clock::{self, Tick};
use super::placed::place;
use super::stream::RecvHalf;
use super::timer::Deadline;

/// With this many blocks waiting nothing is read, so that a client that sends more is held back by
/// its own window.
const DEPTH: usize = 2;
/// Places: a read that was in flight when bytes were put back still finds one.
const PLACES: usize = DEPTH + 1;
/// How long an armed read may wait before it gives its block back.
const IDLE: Duration = Duration::from_secs(5);

/// How the peer ended its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// In order: it sent all it wanted to and may still read (FIN, on TLS close_notify).
    Fin,
    /// Abruptly: a reset, a time-out of the kernel, a truncated or broken TLS session.
    Reset,
}

/// What the reader and the server of a connection share. Belongs to one task.
#[derive(Default)]
pub struct Slot {
    blocks: RefCell<[Option<Block>; PLACES]>,
    closed: Cell<Option<Closed>>,
    /// The server did something that the reader waits for: polls the reader once more.
    wants_reader: Cell<bool>,
    is_full: Cell<bool>,
    is_stopping: Cell<bool>,
    is_finished: Cell<bool>,
    is_resting: Cell<bool>,
    block_waiter: Cell<Option<Waker>>,
    closed_waiter: Cell<Option<Waker>>,
}

impl Slot {
    pub fn new() -> Self {
        Self::default()
    }

    /// The next bytes; after the last of them, how the peer ended. Keeps answering that.
    pub async fn next_block(&self) -> Result<Block, Closed> {
        poll_fn(|cx| self.poll_block(cx)).await
    }

    /// The next bytes if they are here already.
    pub fn try_next(&self) -> Option<Block> {
        let mut blocks = self.blocks.borrow_mut();
        let block = blocks[0].take()?;
        blocks.rotate_left(1);
        if self.is_full.replace(is_full(&blocks)) && !self.is_full.get() {
            self.wants_reader.set(true);
        }
        Some(block)
    }

    /// Puts bytes that were not used in front of those that follow, such as the rest of a block after
    /// a request's head and body.
    pub fn put_back(&self, block: Block) {
        if block.is_empty() {
            return;
        }
        let mut blocks = self.blocks.borrow_mut();
        if is_full(&blocks)
            && let Some(first) = &mut blocks[0]
        {
            let mut joined = block;
            joined.reserve(first.len());
            joined.extend_from_slice(first);
            *first = joined;
        } else {
            blocks.rotate_right(1);
            blocks[0] = Some(block);
        }
        self.is_full.set(is_full(&blocks));
    }

    /// Whether bytes wait.
    pub fn has_block(&self) -> bool {
        self.blocks.borrow()[0].is_some()
    }

    /// Whether and how the peer has ended, as soon as it is known: bytes may still wait before it.
    pub fn closed(&self) -> Option<Closed> {
        self.closed.get()
    }

    /// Waits until the peer ends its side. Not noticed while both places of the slot are taken.
    pub async fn wait_closed(&self) -> Closed {
        poll_fn(|cx| match self.closed.get() {
            Some(closed) => Poll::Ready(closed),
            None => {
                remember(&self.closed_waiter, cx);
                Poll::Pending
            }
        })
        .await
    }

    /// Ends the reader without losing a byte: its read in flight is cancelled, what it held stays in
    /// the slot. For upgrades: afterwards the reading half is free again.
    pub async fn stop(&self) {
        poll_fn(|cx| {
            if self.is_finished.get() {
                return Poll::Ready(());
            }
            if !self.is_stopping.replace(true) {
                self.wants_reader.set(true);
            }
            remember(&self.block_waiter, cx);
            Poll::Pending
        })
        .await;
    }

    /// Whether the connection holds no block because nothing has come for five seconds.
    pub fn is_resting(&self) -> bool {
        self.is_resting.get()
    }

    /// As `next_block`, for hand-written futures.
    pub fn poll_block(&self, cx: &mut Context<'_>) -> Poll<Result<Block, Closed>> {
        if let Some(block) = self.try_next() {
            return Poll::Ready(Ok(block));
        }
        if let Some(closed) = self.closed.get() {
            return Poll::Ready(Err(closed));
        }
        remember(&self.block_waiter, cx);
        Poll::Pending
    }

    fn put(&self, block: Block, cx: &Context<'_>) {
        let mut blocks = self.blocks.borrow_mut();
        // A read begins only below `DEPTH`, and putting back never goes beyond it.
        let place = blocks.iter_mut().find(|place| place.is_none()).expect("one place is free");
        *place = Some(block);
        self.is_full.set(is_full(&blocks));
        wake_another(&self.block_waiter, cx);
    }

    fn close(&self, closed: Closed, cx: &Context<'_>) {
        self.closed.set(Some(closed));
        wake_another(&self.block_waiter, cx);
        wake_another(&self.closed_waiter, cx);
    }

    async fn room(&self) {
        poll_fn(|_| {
            if self.is_full.get() && !self.is_stopping.get() {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}

fn is_full(blocks: &[Option<Block>; PLACES]) -> bool {
    blocks[DEPTH - 1].is_some()
}

fn remember(place: &Cell<Option<Waker>>, cx: &Context<'_>) {
    let known = place.take().filter(|waker| waker.will_wake(cx.waker()));
    place.set(Some(known.unwrap_or_else(|| cx.waker().clone())));
}

/// Wakes a waiter, unless it is the task that runs: `drive` polls its server next anyway, and waking
/// oneself would cost another turn. A part of the server with a waker of its own needs it.
fn wake_another(place: &Cell<Option<Waker>>, cx: &Context<'_>) {
    if let Some(waker) = place.take()
        && !waker.will_wake(cx.waker())
    {
        waker.wake();
    }
}

/// What a read ended with.
enum Read {
    Bytes(Block),
    Closed(Closed),
    /// Cancelled before anything came, since the connection idles or the slot stops.
    Nothing,
}

impl Read {
    fn of(result: io::Result<Block>) -> Self {
        match result {
            Ok(block) if block.is_empty() => Self::Closed(Closed::Fin),
            Ok(block) => Self::Bytes(block),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Self::Nothing,
            Err(_) => Self::Closed(Closed::Reset),
        }
    }
}

/// Keeps a read in flight and puts what comes into `slot`, until the peer ends or `Slot::stop`.
/// After 5 s without bytes it gives its block back and only waits for readiness.
pub fn pump<'a>(recv: &'a mut RecvHalf, slot: &'a Slot) -> impl Future<Output = ()> + 'a {
    pump_with(recv, slot, IDLE)
}

pub(super) async fn pump_with(recv: &mut RecvHalf, slot: &Slot, idle_after: Duration) {
    // One for the connection, not one a read: making it allocates. Dropped while the connection rests.
    let mut canceller = None;
    let mut idle = Deadline::never();
    loop {
        slot.room().await;
        if slot.is_stopping.get() {
            return;
        }
        let read = if recv.ring_socket().is_some() {
            read_ring(recv, slot, &mut idle, idle_after).await
        } else {
            read(recv, slot, &mut canceller, &mut idle, idle_after).await
        };
        match read {
            Read::Bytes(block) => {
                let mut block = Some(block);
                poll_fn(|cx| Poll::Ready(block.take().map(|block| slot.put(block, cx)))).await;
            }
            Read::Closed(closed) => {
                poll_fn(|cx| {
                    slot.close(closed, cx);
                    Poll::Ready(())
                })
                .await;
                return;
            }
            Read::Nothing if slot.is_stopping.get() => return,
            Read::Nothing => {
                canceller = None;
                rest(recv, slot).await;
            }
        }
    }
}

/// One read, given up when it has waited for `IDLE` or the slot stops.
async fn read(
    recv: &mut RecvHalf,
    slot: &Slot,
    canceller: &mut Option<Canceller>,
    idle: &mut Deadline,
    idle_after: Duration,
) -> Read {
    let handle = canceller.get_or_insert_with(Canceller::new).handle();
    let due = clock::now() + idle_after;
    // In pooled memory: an idle connection does not keep the room for it.
    let mut reading = place(recv.recv_until(Some(&handle)));
    let mut is_cancelled = false;
    let result = poll_fn(|cx| {
        if let Poll::Ready(result) = Pin::new(&mut reading).poll(cx) {
            return Poll::Ready(result);
        }
        if !is_cancelled && (slot.is_stopping.get() || has_idled(idle, due, cx)) {
            is_cancelled = true;
            // The result is awaited: bytes that came at the same moment are in it.
            *canceller = canceller.take().map(Canceller::cancel);
        }
        Poll::Pending
    })
    .await;
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ECANCELED) && is_cancelled => {
            Read::Nothing
        }
        result => Read::of(result),
    }
}

/// One read on our own ring: what is in flight belongs to the socket, so that nothing is cancelled
/// and nothing awaited. As a rule no block is held while it waits; where one is (after large reads),
/// it is given back after `idle_after`.
async fn read_ring(
    recv: &mut RecvHalf,
    slot: &Slot,
    idle: &mut Deadline,
    idle_after: Duration,
) -> Read {
    let mut due = None;
    poll_fn(|cx| {
        if let Poll::Ready(result) = recv.poll_ring(cx) {
            slot.is_resting.set(false);
            return Poll::Ready(Read::of(result));
        }
        if slot.is_stopping.get() {
            slot.is_resting.set(false);
            return Poll::Ready(Read::Nothing);
        }
        let holds_block = recv.ring_socket().is_some_and(|socket| socket.holds_block());
        slot.is_resting.set(!holds_block);
        if holds_block {
            let due = *due.get_or_insert_with(|| clock::now() + idle_after);
            if has_idled(idle, due, cx) {
                recv.rest();
            }
        }
        Poll::Pending
    })
    .await
}

/// The deadline is moved only when it fires, not for each read: many reads share one wheel entry.
fn has_idled(idle: &mut Deadline, due: Tick, cx: &mut Context<'_>) -> bool {
    if idle.when() == Tick::NEVER {
        idle.reset(due);
    }
    while Pin::new(&mut *idle).poll(cx).is_ready() {
        if clock::now() >= due {
            idle.reset(Tick::NEVER);
            return true;
        }
        idle.reset(due);
    }
    false
}

/// Waits without a block until there is something to read.
async fn rest(recv: &mut RecvHalf, slot: &Slot) {
    recv.rest();
    slot.is_resting.set(true);
    let mut readable = pin!(recv.readable());
    poll_fn(|cx| match readable.as_mut().poll(cx) {
        // An error of the wait shows in the read that follows.
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending if slot.is_stopping.get() => Poll::Ready(()),
        Poll::Pending => Poll::Pending,
    })
    .await;
    slot.is_resting.set(false);
}

/// Runs the reader beside `serve` until `serve` ends. The reader may be driven again afterwards, by
/// the same task: it then goes on with the read that is in flight.
pub fn drive<'a, R, S>(slot: &'a Slot, reader: Pin<&'a mut R>, serve: S) -> Drive<'a, R, S>
where
    R: Future<Output = ()>,
    S: Future,
{
    Drive { slot, reader, serve }
}

/// See `drive`.
pub struct Drive<'a, R, S> {
    slot: &'a Slot,
    reader: Pin<&'a mut R>,
    serve: S,
}

impl<R: Future<Output = ()>, S: Future> Future for Drive<'_, R, S> {
    type Output = S::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<S::Output> {
        // SAFETY: `serve` is pinned with `self` and never moved out; the other fields are `Unpin`.
        let (slot, reader, mut serve) = unsafe {
            let this = self.get_unchecked_mut();
            (this.slot, &mut this.reader, Pin::new_unchecked(&mut this.serve))
        };
        loop {
            slot.wants_reader.set(false);
            if !slot.is_finished.get() && reader.as_mut().poll(cx).is_ready() {
                slot.is_finished.set(true);
                wake_another(&slot.block_waiter, cx);
            }
            if let Poll::Ready(output) = serve.as_mut().poll(cx) {
                return Poll::Ready(output);
            }
            if !slot.wants_reader.get() {
                return Poll::Pending;
            }
        }
    }
}

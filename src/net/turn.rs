//! A real turn of the driver for a task that has used its share. Waking oneself will not do: monoio
//! puts such a task at the front of its queue, where it starves sockets and timers, and its 0-ms
//! timer is either ready at once or a millisecond late. So a byte goes through a socket pair: the
//! task runs again when the driver has looked at all sockets.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::task::{Poll, Waker};

use super::block::Block;
use super::monoio_socket::MonoioSocket;
use super::{driver, ring, socket, task};

thread_local! {
    static TURN: RefCell<Turn> = const { RefCell::new(Turn::new()) };
}

/// The tasks that wait for the next turn, and the pair's writing end once somebody has.
struct Turn {
    ring: Option<UnixStream>,
    /// A byte is under way.
    is_rung: bool,
    /// Counts the turns that were taken.
    taken: u64,
    waiting: Vec<Waker>,
}

impl Turn {
    const fn new() -> Self {
        Self { ring: None, is_rung: false, taken: 0, waiting: Vec::new() }
    }

    /// Registers a waiter; `false` when no turn can be announced (out of descriptors).
    fn wait(&mut self, waker: &Waker) -> bool {
        if self.ring.is_none() {
            let Ok((ours, other)) = UnixStream::pair() else { return false };
            let is_set = other.set_nonblocking(socket::is_epoll());
            let (Ok(()), Ok(other)) = (is_set, MonoioSocket::adopt(other.into())) else {
                return false;
            };
            self.ring = Some(ours);
            task::spawn(listen(other));
        }
        if !self.is_rung {
            let Some(ring) = &mut self.ring else { return false };
            if ring.write(&[1]).is_err() {
                return false;
            }
            self.is_rung = true;
        }
        self.waiting.push(waker.clone());
        true
    }
}

/// Gives way: everything else that is ready runs, sockets and timers are looked at, then the task
/// goes on. About two system calls a turn, shared by all that wait for it.
pub async fn yield_now() {
    if let Some(ring) = ring::current() {
        return ring.yield_now().await;
    }
    let mut waits_for = None;
    poll_fn(|cx| {
        TURN.with_borrow_mut(|turn| match waits_for {
            Some(number) if turn.taken >= number => Poll::Ready(()),
            Some(_) => {
                turn.waiting.push(cx.waker().clone());
                Poll::Pending
            }
            None if turn.wait(cx.waker()) => {
                waits_for = Some(turn.taken + 1);
                Poll::Pending
            }
            None => Poll::Ready(()),
        })
    })
    .await;
}

/// The task at the reading end: a byte means that a turn was taken.
async fn listen(socket: MonoioSocket) {
    let mut block = Block::small();
    loop {
        block.clear();
        let (received, back) = socket.recv(block).await;
        block = back;
        if !matches!(received, Ok(1..)) {
            return;
        }
        let woken = TURN.with_borrow_mut(|turn| {
            turn.is_rung = false;
            turn.taken += 1;
            std::mem::take(&mut turn.waiting)
        });
        for waker in woken {
            waker.wake();
        }
    }
}

/// Ends the listening task (its socket sees the end) when the worker's driver goes down.
pub(super) fn stop() {
    debug_assert!(driver::current().is_some());
    TURN.replace(Turn::new());
}

//! Messages between threads: a bounded mailbox and a single answer. The sending side works anywhere,
//! the receiving side is awaited in a worker or on the control thread. A worker that sleeps in its
//! ring is woken through the driver's eventfd.
//!
//! A short lock guards each: control messages are rare, the data path has none.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a mailbox for at most `capacity` messages.
pub fn mailbox<T>(capacity: usize) -> (MailboxSender<T>, Mailbox<T>) {
    let shared = Arc::new(Mutex::new(State {
        queue: VecDeque::with_capacity(capacity),
        capacity,
        waker: None,
        senders: 1,
        is_closed: false,
    }));
    (MailboxSender { shared: shared.clone() }, Mailbox { shared })
}

struct State<T> {
    queue: VecDeque<T>,
    capacity: usize,
    waker: Option<Waker>,
    senders: usize,
    is_closed: bool,
}

/// Why a message was not taken; it comes back.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused<T> {
    /// The mailbox holds as many messages as it may.
    Full(T),
    /// The receiver is gone.
    Closed(T),
}

/// Puts messages in, from any thread. Clone it for more senders.
pub struct MailboxSender<T> {
    shared: Arc<Mutex<State<T>>>,
}

impl<T> MailboxSender<T> {
    /// Never waits.
    pub fn try_send(&self, message: T) -> Result<(), Refused<T>> {
        let waker = {
            let mut state = lock(&self.shared);
            if state.is_closed {
                return Err(Refused::Closed(message));
            }
            if state.queue.len() >= state.capacity {
                return Err(Refused::Full(message));
            }
            state.queue.push_back(message);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Whether the receiver is gone.
    pub fn is_closed(&self) -> bool {
        lock(&self.shared).is_closed
    }

    /// How many messages wait, for a gauge.
    pub fn len(&self) -> usize {
        lock(&self.shared).queue.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Clone for MailboxSender<T> {
    fn clone(&self) -> Self {
        lock(&self.shared).senders += 1;
        Self { shared: self.shared.clone() }
    }
}

impl<T> Drop for MailboxSender<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = lock(&self.shared);
            state.senders -= 1;
            if state.senders == 0 { state.waker.take() } else { None }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Takes messages out, in one place.
pub struct Mailbox<T> {
    shared: Arc<Mutex<State<T>>>,
}

impl<T> Mailbox<T> {
    /// The next message; `None` when all senders are gone and nothing is left.
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next message if there is one already.
    pub fn try_recv(&mut self) -> Option<T> {
        lock(&self.shared).queue.pop_front()
    }

    /// As `recv`, for hand-written futures.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = lock(&self.shared);
        if let Some(message) = state.queue.pop_front() {
            return Poll::Ready(Some(message));
        }
        if state.senders == 0 {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T> Drop for Mailbox<T> {
    fn drop(&mut self) {
        let (queue, waker) = {
            let mut state = lock(&self.shared);
            state.is_closed = true;
            (std::mem::take(&mut state.queue), state.waker.take())
        };
        // Messages may hold senders of their own: dropped outside the lock.
        drop((queue, waker));
    }
}

/// Makes a channel for one answer.
pub fn oneshot<T>() -> (OneshotSender<T>, Oneshot<T>) {
    let shared = Arc::new(Mutex::new(Answer::Waiting(None)));
    (OneshotSender { shared: Some(shared.clone()) }, Oneshot { shared })
}

enum Answer<T> {
    Waiting(Option<Waker>),
    Given(T),
    /// One of the two is gone, or the answer was taken.
    Over,
}

/// Gives the answer, from any thread.
pub struct OneshotSender<T> {
    shared: Option<Arc<Mutex<Answer<T>>>>,
}

impl<T> OneshotSender<T> {
    /// Gives it; it comes back when nobody waits any more.
    pub fn send(mut self, value: T) -> Result<(), T> {
        let Some(shared) = self.shared.take() else { return Err(value) };
        let waker = {
            let mut answer = lock(&shared);
            match &mut *answer {
                Answer::Waiting(waker) => {
                    let waker = waker.take();
                    *answer = Answer::Given(value);
                    waker
                }
                Answer::Given(_) | Answer::Over => return Err(value),
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Whether nobody waits any more.
    pub fn is_closed(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| matches!(*lock(shared), Answer::Over))
    }
}

impl<T> Drop for OneshotSender<T> {
    fn drop(&mut self) {
        let Some(shared) = self.shared.take() else { return };
        let waker = {
            let mut answer = lock(&shared);
            match &mut *answer {
                Answer::Waiting(waker) => {
                    let waker = waker.take();
                    *answer = Answer::Over;
                    waker
                }
                Answer::Given(_) | Answer::Over => None,
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Waits for the answer; `None` when the sender went away without one.
pub struct Oneshot<T> {
    shared: Arc<Mutex<Answer<T>>>,
}

impl<T> Future for Oneshot<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut answer = lock(&self.shared);
        match &mut *answer {
            Answer::Waiting(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Answer::Given(_) | Answer::Over => {
                match std::mem::replace(&mut *answer, Answer::Over) {
                    Answer::Given(value) => Poll::Ready(Some(value)),
                    _ => Poll::Ready(None),
                }
            }
        }
    }
}

impl<T> Drop for Oneshot<T> {
    fn drop(&mut self) {
        let old = std::mem::replace(&mut *lock(&self.shared), Answer::Over);
        drop(old);
    }
}

#[cfg(test)]
mod tests {
    use super::super::on_each_driver::on_each_driver;
    use super::*;
    use std::thread;

    #[test]
    fn a_mailbox_is_bounded_and_closes() {
        let (sender, mut mailbox) = mailbox(2);
        assert_eq!(sender.try_send(1), Ok(()));
        assert_eq!(sender.try_send(2), Ok(()));
        assert_eq!(sender.try_send(3), Err(Refused::Full(3)));
        assert_eq!(mailbox.try_recv(), Some(1));
        assert_eq!(sender.len(), 1);
        drop(mailbox);
        assert_eq!(sender.try_send(4), Err(Refused::Closed(4)));
    }

    #[test]
    fn another_thread_wakes_a_sleeping_worker() {
        on_each_driver(|| async {
            let (ping, mut pings) = mailbox(1);
            let (pong, mut pongs) = mailbox(1);
            let other = thread::spawn(move || {
                super::super::on_each_driver::block_on(async move {
                    while let Some(number) = pings.recv().await {
                        assert!(pong.try_send(number).is_ok());
                    }
                });
            });
            // Each round the worker has gone to sleep in its driver before the answer comes, or it
            // has not: both happen over so many.
            for number in 0..2000 {
                assert!(ping.try_send(number).is_ok());
                assert_eq!(pongs.recv().await, Some(number));
            }
            drop(ping);
            assert_eq!(pongs.recv().await, None);
            other.join().expect("the other thread ends well");
        });
    }

    #[test]
    fn answers_come_once() {
        on_each_driver(|| async {
            let (sender, receiver) = oneshot();
            let other = thread::spawn(move || sender.send(7));
            assert_eq!(receiver.await, Some(7));
            assert_eq!(other.join().expect("the other thread ends well"), Ok(()));

            let (sender, receiver) = oneshot::<u8>();
            let other = thread::spawn(move || drop(sender));
            assert_eq!(receiver.await, None);
            other.join().expect("the other thread ends well");

            let (sender, receiver) = oneshot();
            drop(receiver);
            assert!(sender.is_closed());
            assert_eq!(sender.send(1), Err(1));
        });
    }
}

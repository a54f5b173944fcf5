//! A few threads for work that would hold up a worker's loop: over 200 µs of pure computing. The
//! queue is bounded; a worker never waits for room, and gets its result as a future.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

type Job = Box<dyn FnOnce() + Send>;

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeError {
    /// The queue is full: answer as when the gateway is overloaded.
    Busy,
    /// The work panicked, or the threads are gone.
    Failed,
}

/// The threads. They end when this and all clones are gone and the queue is empty.
#[derive(Clone)]
pub struct Compute {
    queue: SyncSender<Job>,
    panics: Arc<AtomicU64>,
}

impl Compute {
    /// `queue_max` jobs may wait.
    pub fn start(n_threads: usize, queue_max: usize) -> std::io::Result<Self> {
        let (queue, jobs) = sync_channel::<Job>(queue_max.max(1));
        let jobs = Arc::new(Mutex::new(jobs));
        for n in 0..n_threads.max(1) {
            let jobs = Arc::clone(&jobs);
            std::thread::Builder::new()
                .name(format!("ringway-cpu-{n}"))
                .spawn(move || work(&jobs))?;
        }
        Ok(Self { queue, panics: Arc::default() })
    }

    /// Runs `work` on one of the threads. Dropping the result lets the work finish for nobody.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Computed<T>, ComputeError> {
        let slot = Arc::new(Mutex::new(Slot { state: State::Waiting, waker: None }));
        let given = Given(Arc::clone(&slot));
        let panics = Arc::clone(&self.panics);
        let job = Box::new(move || {
            // The work's own state goes with it; the slot says `Failed`.
            given.set(match catch_unwind(AssertUnwindSafe(work)) {
                Ok(result) => State::Done(result),
                Err(_) => {
                    panics.fetch_add(1, Ordering::Relaxed);
                    State::Failed
                }
            });
        });
        match self.queue.try_send(job) {
            Ok(()) => Ok(Computed(slot)),
            Err(TrySendError::Full(_)) => Err(ComputeError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(ComputeError::Failed),
        }
    }

    /// Jobs that panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: one thread waits for a job, the others for the lock.
        let Ok(job) = lock(jobs).recv() else { return };
        job();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The result to come.
pub struct Computed<T>(Arc<Mutex<Slot<T>>>);

struct Slot<T> {
    state: State<T>,
    waker: Option<Waker>,
}

enum State<T> {
    Waiting,
    Done(T),
    Failed,
    Taken,
}

/// The job's end of the slot: unset means failed.
struct Given<T>(Arc<Mutex<Slot<T>>>);

impl<T> Given<T> {
    fn set(&self, state: State<T>) {
        let mut slot = lock(&self.0);
        if matches!(slot.state, State::Waiting) {
            slot.state = state;
        }
        let waker = slot.waker.take();
        drop(slot);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Given<T> {
    fn drop(&mut self) {
        self.set(State::Failed);
    }
}

impl<T> Future for Computed<T> {
    type Output = Result<T, ComputeError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = lock(&self.0);
        match std::mem::replace(&mut slot.state, State::Taken) {
            State::Done(result) => Poll::Ready(Ok(result)),
            State::Failed | State::Taken => Poll::Ready(Err(ComputeError::Failed)),
            State::Waiting => {
                slot.state = State::Waiting;
                slot.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    fn wait<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime starts");
        runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(10), future).await })
            .expect("an answer in time")
    }

    #[test]
    fn results_come_back_and_panics_stay_there() {
        let compute = Compute::start(2, 8).expect("threads start");
        let sum = compute.run(|| (1..=100).sum::<u32>()).expect("there is room");
        assert_eq!(wait(sum), Ok(5050));
        for _ in 0..4 {
            let failed = compute.run(|| -> u32 { panic!("on purpose") }).expect("there is room");
            assert_eq!(wait(failed), Err(ComputeError::Failed));
        }
        assert_eq!(wait(compute.run(|| 1).expect("there is room")), Ok(1));
        assert_eq!(compute.panics(), 4);
    }

    #[test]
    fn a_full_queue_says_so_at_once() {
        let compute = Compute::start(1, 2).expect("threads start");
        let (release, released) = channel::<()>();
        let (begun, begin) = channel();
        let first = compute.run(move || {
            begun.send(()).expect("the test listens");
            let _ = released.recv();
            1
        });
        begin.recv_timeout(Duration::from_secs(10)).expect("the job begins");
        let waiting = [compute.run(|| 2), compute.run(|| 3)];
        assert_eq!(compute.run(|| 4).err(), Some(ComputeError::Busy));
        drop(release);
        assert_eq!(wait(first.expect("there was room")), Ok(1));
        for (computed, expected) in waiting.into_iter().zip([2, 3]) {
            assert_eq!(wait(computed.expect("there was room")), Ok(expected));
        }
    }
}

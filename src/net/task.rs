//! Detached tasks of one worker. A panic inside a task ends that task alone: monoio would let it
//! unwind through the worker.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use super::placed::place;
use super::ring;

/// Panics caught so far, in all workers. Rare enough for a shared counter.
static PANICS: AtomicU64 = AtomicU64::new(0);
static ON_PANIC: OnceLock<fn(&str)> = OnceLock::new();

/// Starts `future` as a task of this worker. Nobody waits for it; its box is the one allocation.
/// The caller must be inside `driver::run`.
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    let caught = Caught { future: Some(future) };
    match ring::current() {
        Some(ring) => ring.spawn(place(caught).erase()),
        None => drop(monoio::spawn(caught)),
    }
}

/// How many tasks have panicked since the process started.
pub fn panics() -> u64 {
    PANICS.load(Relaxed)
}

/// Sets what is told of each caught panic, once for the process: it gets the panic's text and runs
/// on the worker, after the task's future was dropped. `false` when something was set before.
pub fn on_panic(tell: fn(&str)) -> bool {
    ON_PANIC.set(tell).is_ok()
}

struct Caught<F> {
    future: Option<F>,
}

impl<F: Future<Output = ()>> Future for Caught<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: the future inside is pinned with `self`: it is never moved, only dropped in place.
        let future = unsafe { &mut self.get_unchecked_mut().future };
        let polled = catch_unwind(AssertUnwindSafe(|| match future {
            // SAFETY: as above.
            Some(future) => unsafe { Pin::new_unchecked(future) }.poll(cx),
            None => Poll::Ready(()),
        }));
        let panicked = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => None,
            Err(panic) => Some(panic),
        };
        // Destructors run here, where a panic of theirs is caught as well.
        let dropped = catch_unwind(AssertUnwindSafe(|| *future = None));
        for panic in panicked.into_iter().chain(dropped.err()) {
            report(&*panic);
        }
        Poll::Ready(())
    }
}

fn report(panic: &(dyn Any + Send)) {
    PANICS.fetch_add(1, Relaxed);
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "a panic without text",
    };
    if let Some(tell) = ON_PANIC.get() {
        let _ = catch_unwind(AssertUnwindSafe(|| tell(text)));
    }
}

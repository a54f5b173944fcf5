//! Many futures in one task, each with its own ready bit and waker: a wake polls only what is ready,
//! so fifty backend calls cost fifty times one, not fifty times fifty. Wakes may come from any thread;
//! those of the set's own, which are nearly all, use neither lock nor atomic. No allocation once warm:
//! futures live in pooled places, the bits and wakers are pooled too.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use super::placed::{Placed, place};

/// How many empty lists a thread keeps.
const KEEP: usize = 64;

/// A reusable set of futures of one type (`Placed::erase` makes them so).
pub struct FanOut<F: Future> {
    calls: Vec<Option<Placed<F>>>,
    running: usize,
    ready: Option<&'static Ready>,
    /// Bits taken from `ready` and not worked off yet.
    taken: Vec<u64>,
}

impl<F: Future> Default for FanOut<F> {
    fn default() -> Self {
        let (calls, taken) = lists();
        Self { calls, running: 0, ready: None, taken }
    }
}

impl<F: Future> FanOut<F> {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a future, which is polled at the next `poll_next`. The number is its place: counted from
    /// 0 since the set was made or cleared.
    pub fn push(&mut self, future: F) -> usize {
        let index = self.calls.len();
        self.calls.push(Some(place(future)));
        self.running += 1;
        let words = self.calls.len().div_ceil(64);
        if self.taken.len() < words {
            self.taken.push(0);
        }
        self.taken[index / 64] |= 1 << (index % 64);
        index
    }

    /// How many have not ended.
    pub fn running(&self) -> usize {
        self.running
    }

    pub fn is_empty(&self) -> bool {
        self.running == 0
    }

    /// Drops one future, whether or not it has ended; `false` when it had. The losers of a race.
    pub fn cancel(&mut self, index: usize) -> bool {
        let was_running = self.calls.get_mut(index).is_some_and(|call| call.take().is_some());
        self.running -= usize::from(was_running);
        was_running
    }

    /// Takes one future out as it is, to let it end elsewhere.
    pub fn take(&mut self, index: usize) -> Option<Placed<F>> {
        let call = self.calls.get_mut(index)?.take();
        self.running -= usize::from(call.is_some());
        call
    }

    /// Drops all futures and starts counting at 0 again.
    pub fn clear(&mut self) {
        self.calls.clear();
        self.taken.clear();
        self.running = 0;
        // What was dropped is not woken again: the next use begins without bits.
        if let Some(ready) = self.ready.take() {
            ready.recycle();
        }
    }

    /// The next future that ends, with its place; `None` when all have.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, F::Output)>> {
        if self.running == 0 {
            return Poll::Ready(None);
        }
        let ready = match self.ready {
            Some(ready) if ready.holds(self.calls.len()) => ready,
            old => {
                // More futures than the old bits could tell apart: all are polled anew, so that each
                // holds a waker of the new set.
                if let Some(old) = old {
                    for (index, call) in self.calls.iter().enumerate() {
                        self.taken[index / 64] |= u64::from(call.is_some()) << (index % 64);
                    }
                    old.recycle();
                }
                *self.ready.insert(Ready::for_calls(self.calls.len()))
            }
        };
        ready.set_parent(cx.waker());
        loop {
            let Some(word) = self.taken.iter().position(|bits| *bits != 0) else {
                if ready.take_into(&mut self.taken) {
                    continue;
                }
                return Poll::Pending;
            };
            let bit = self.taken[word].trailing_zeros() as usize;
            self.taken[word] &= !(1 << bit);
            let index = word * 64 + bit;
            let Some(Some(call)) = self.calls.get_mut(index) else { continue };
            let Some(waker) = ready.waker(index) else { continue };
            if let Poll::Ready(output) = call.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.calls[index] = None;
                self.running -= 1;
                return Poll::Ready(Some((index, output)));
            }
        }
    }

    /// As `poll_next`, to be awaited.
    pub async fn next(&mut self) -> Option<(usize, F::Output)> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

// The futures are in pooled places of their own.
impl<F: Future> Unpin for FanOut<F> {}

impl<F: Future> Drop for FanOut<F> {
    fn drop(&mut self) {
        self.clear();
        let calls = erased(std::mem::take(&mut self.calls));
        let taken = std::mem::take(&mut self.taken);
        if calls.capacity() == 0 {
            return;
        }
        let _ = LISTS.try_with(|lists| {
            if let Ok(mut lists) = lists.try_borrow_mut()
                && lists.len() < KEEP
            {
                lists.push((calls, taken));
            }
        });
    }
}

/// A place of any set, as far as its size goes: `Placed<F>` is one pointer whatever `F` is.
type AnyPlace = Option<NonNull<()>>;

thread_local! {
    /// Empty lists of sets that are gone, for the next ones.
    static LISTS: RefCell<Vec<(Vec<AnyPlace>, Vec<u64>)>> = const { RefCell::new(Vec::new()) };
}

fn lists<F>() -> (Vec<Option<Placed<F>>>, Vec<u64>) {
    let pooled = LISTS.try_with(|lists| lists.try_borrow_mut().ok()?.pop()).ok().flatten();
    let (calls, taken) = pooled.unwrap_or_default();
    // Collecting what an owned list gives, elements of the same size, goes into that list's memory.
    (calls.into_iter().map(|_| None).collect(), taken)
}

/// The memory of an empty list. Its elements name borrowed futures, which a pool must not do.
fn erased<F>(calls: Vec<Option<Placed<F>>>) -> Vec<AnyPlace> {
    debug_assert!(calls.is_empty());
    calls.into_iter().map(|_| None).collect()
}

/// The ready bits of a set, and the nodes that its wakers point to. Never freed, only used again by
/// its thread: so a waker is a plain pointer, free to clone and to drop, and may outlive its set. A
/// late wake then costs the next set one poll too many, which any future puts up with.
struct Ready {
    /// The thread that polls the set; the cells are its alone.
    owner: u64,
    bits: Box<[Cell<u64>]>,
    /// The task that polls the set.
    parent: Cell<Option<Waker>>,
    nodes: Box<[Node]>,
    /// Wakes from other threads.
    elsewhere: Elsewhere,
}

/// What other threads may touch.
struct Elsewhere {
    bits: Box<[AtomicU64]>,
    /// A copy of `parent`, written once per set.
    parent: Mutex<Option<Waker>>,
}

/// What a waker points to.
struct Node {
    index: usize,
    of: Cell<*const Ready>,
}

thread_local! {
    /// Those that no set uses.
    static POOL: RefCell<Vec<&'static Ready>> = const { RefCell::new(Vec::new()) };
    static THREAD: u64 = THREADS.fetch_add(1, Ordering::Relaxed);
}

/// Numbers threads, so that no number comes twice.
static THREADS: AtomicU64 = AtomicU64::new(1);

impl Ready {
    fn for_calls(n: usize) -> &'static Ready {
        let words = n.div_ceil(64);
        let pooled = POOL.try_with(|pool| {
            let pool = &mut *pool.borrow_mut();
            let at = pool.iter().rposition(|ready| ready.bits.len() >= words)?;
            Some(pool.swap_remove(at))
        });
        pooled.ok().flatten().unwrap_or_else(|| Ready::new(words))
    }

    #[cold]
    fn new(words: usize) -> &'static Ready {
        let ready: &'static Ready = Box::leak(Box::new(Ready {
            owner: THREAD.with(|thread| *thread),
            bits: (0..words).map(|_| Cell::new(0)).collect(),
            parent: Cell::new(None),
            nodes: (0..words * 64)
                .map(|index| Node { index, of: Cell::new(std::ptr::null()) })
                .collect(),
            elsewhere: Elsewhere {
                bits: (0..words).map(|_| AtomicU64::new(0)).collect(),
                parent: Mutex::new(None),
            },
        }));
        ready.nodes.iter().for_each(|node| node.of.set(ready));
        ready
    }

    /// Back to the pool. Dropping the waker may run code of the task: after both borrows.
    fn recycle(&'static self) {
        let ours = self.parent.take();
        let theirs = self.elsewhere.parent.lock().unwrap_or_else(PoisonError::into_inner).take();
        for (bits, elsewhere) in self.bits.iter().zip(&self.elsewhere.bits) {
            bits.set(0);
            elsewhere.store(0, Ordering::Relaxed);
        }
        let _ = POOL.try_with(|pool| pool.borrow_mut().push(self));
        drop((ours, theirs));
    }

    fn holds(&self, n: usize) -> bool {
        n <= self.nodes.len()
    }

    fn set_parent(&self, waker: &Waker) {
        let known = self.parent.take();
        if known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.parent.set(known);
            return;
        }
        self.parent.set(Some(waker.clone()));
        let mut parent = self.elsewhere.parent.lock().unwrap_or_else(PoisonError::into_inner);
        let old = parent.replace(waker.clone());
        drop(parent);
        drop((known, old));
    }

    /// Moves the bits that were set into `taken`; `false` when there were none.
    fn take_into(&self, taken: &mut [u64]) -> bool {
        let mut any = 0;
        for ((word, bits), elsewhere) in taken.iter_mut().zip(&self.bits).zip(&self.elsewhere.bits)
        {
            *word |= bits.replace(0);
            // The load spares a locked operation where no other thread woke anything.
            if elsewhere.load(Ordering::Relaxed) != 0 {
                *word |= elsewhere.swap(0, Ordering::Acquire);
            }
            any |= *word;
        }
        any != 0
    }

    /// The waker of one future, borrowed: it needs no drop.
    fn waker(&'static self, index: usize) -> Option<ManuallyDrop<Waker>> {
        let node: *const Node = self.nodes.get(index)?;
        // SAFETY: the table below keeps the contract of `RawWaker`: the node lives for ever.
        Some(ManuallyDrop::new(unsafe { Waker::from_raw(RawWaker::new(node.cast(), &TABLE)) }))
    }

    fn wake_here(&self, index: usize) {
        let (bits, bit) = (&self.bits[index / 64], 1 << (index % 64));
        if bits.replace(bits.get() | bit) & bit != 0 {
            return;
        }
        // Taken out while it wakes: what runs then may come back here.
        if let Some(parent) = self.parent.take() {
            parent.wake_by_ref();
            self.parent.set(Some(parent));
        }
    }
}

impl Elsewhere {
    fn wake(&self, index: usize) {
        let bit = 1 << (index % 64);
        // Release: what the waking side did is visible to the poll that takes the bit.
        if self.bits[index / 64].fetch_or(bit, Ordering::Release) & bit == 0 {
            let parent = self.parent.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(parent) = &*parent {
                parent.wake_by_ref();
            }
        }
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake_by_ref, wake_by_ref, release);

unsafe fn clone(node: *const ()) -> RawWaker {
    RawWaker::new(node, &TABLE)
}

unsafe fn wake_by_ref(node: *const ()) {
    // SAFETY: wakers of this table point to nodes, which live for ever; `index` and `of` are never
    // written after the node was made known.
    let (index, ready) = unsafe {
        let node = &*node.cast::<Node>();
        (node.index, node.of.get())
    };
    // SAFETY: as above, and `owner` is never written.
    let owner = unsafe { (*ready).owner };
    if THREAD.try_with(|thread| *thread) == Ok(owner) {
        // SAFETY: this is the one thread that uses the cells.
        unsafe { (*ready).wake_here(index) };
    } else {
        // SAFETY: what stands in `elsewhere` may be used from any thread; the reference is to it alone.
        unsafe { (*std::ptr::addr_of!((*ready).elsewhere)).wake(index) };
    }
}

/// Nothing is counted.
unsafe fn release(_: *const ()) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::pin::Pin;
    use std::rc::Rc;

    /// Waits for its switch and counts its polls.
    struct Switched {
        on: Rc<Cell<bool>>,
        waker: Rc<RefCell<Option<Waker>>>,
        polls: Rc<Cell<u32>>,
    }

    impl Future for Switched {
        type Output = u32;

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
            self.polls.set(self.polls.get() + 1);
            if self.on.get() {
                return Poll::Ready(self.polls.get());
            }
            *self.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        }
    }

    type Switch = (Rc<Cell<bool>>, Rc<RefCell<Option<Waker>>>);

    fn fifty(set: &mut FanOut<Switched>, polls: &Rc<Cell<u32>>) -> Vec<Switch> {
        (0..50)
            .map(|_| {
                let (on, waker) = Switch::default();
                set.push(Switched { on: on.clone(), waker: waker.clone(), polls: polls.clone() });
                (on, waker)
            })
            .collect()
    }

    #[test]
    fn a_wake_polls_only_what_is_ready() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut set = FanOut::new();
        for _round in 0..3 {
            let polls = Rc::default();
            let switches = fifty(&mut set, &polls);
            assert!(set.poll_next(&mut cx).is_pending());
            assert_eq!(polls.get(), 50);
            for (at, (on, waker)) in switches.iter().enumerate().rev() {
                on.set(true);
                waker.borrow_mut().take().expect("it was polled").wake();
                match set.poll_next(&mut cx) {
                    Poll::Ready(Some((index, _))) => assert_eq!(index, at),
                    _ => panic!("call {at} is ready"),
                }
            }
            assert_eq!(polls.get(), 100, "one poll to start and one to end for each");
            assert!(matches!(set.poll_next(&mut cx), Poll::Ready(None)));
            set.clear();
        }
    }

    #[test]
    fn wakes_from_other_threads_arrive() {
        let mut set = FanOut::new();
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..80).map(|_| super::super::wake::oneshot::<usize>()).unzip();
        for receiver in receivers {
            set.push(receiver);
        }
        let sending = std::thread::spawn(move || {
            for (at, sender) in senders.into_iter().enumerate() {
                assert!(sender.send(at).is_ok());
            }
        });
        let mut seen = [false; 80];
        super::super::on_each_driver::block_on(async {
            while let Some((index, value)) = set.next().await {
                assert_eq!(value, Some(index));
                seen[index] = true;
            }
        });
        sending.join().expect("the sending thread ends well");
        assert!(seen.iter().all(|seen| *seen));
    }

    /// A waker that outlives its set, here or on another thread, costs the next set a poll at most.
    #[test]
    fn late_wakes_are_harmless() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut set = FanOut::new();
        let polls = Rc::default();
        let switches = fifty(&mut set, &polls);
        assert!(set.poll_next(&mut cx).is_pending());
        let here = switches[7].1.borrow().clone().expect("it was polled");
        let there = here.clone();
        set.clear();
        let fresh = fifty(&mut set, &polls);
        assert!(set.poll_next(&mut cx).is_pending());
        here.wake();
        std::thread::spawn(move || there.wake()).join().expect("waking cannot fail");
        assert!(set.poll_next(&mut cx).is_pending(), "nothing is ready");
        for (on, waker) in &fresh {
            on.set(true);
            waker.take().into_iter().for_each(Waker::wake);
        }
        let ended = std::iter::from_fn(|| match set.poll_next(&mut cx) {
            Poll::Ready(end) => end,
            Poll::Pending => None,
        });
        assert_eq!(ended.count(), 50);
        drop(set);
        // The thread of the set is gone before its last waker.
        let last = std::thread::spawn(|| {
            let kept = std::sync::Arc::new(Mutex::new(None));
            let mut set = FanOut::new();
            let seen = kept.clone();
            set.push(poll_fn(move |cx| {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
                Poll::<()>::Pending
            }));
            assert!(set.poll_next(&mut Context::from_waker(Waker::noop())).is_pending());
            kept.lock().unwrap_or_else(PoisonError::into_inner).take()
        });
        last.join().expect("the thread ends well").expect("it was polled").wake();
    }

    #[test]
    fn cancelled_and_taken_calls_are_not_waited_for() {
        let mut cx = Context::from_waker(Waker::noop());
        let mut set = FanOut::new();
        let polls = Rc::default();
        let switches = fifty(&mut set, &polls);
        assert!(set.poll_next(&mut cx).is_pending());
        assert!(set.cancel(3));
        assert!(!set.cancel(3));
        let mut taken = set.take(4).expect("it runs");
        assert_eq!(set.running(), 48);
        switches[4].0.set(true);
        assert!(taken.as_mut().poll(&mut cx).is_ready());
        for (on, waker) in &switches {
            on.set(true);
            waker.take().into_iter().for_each(Waker::wake);
        }
        let mut ended = 0;
        while let Poll::Ready(Some(_)) = set.poll_next(&mut cx) {
            ended += 1;
        }
        assert_eq!(ended, 48);
    }
}

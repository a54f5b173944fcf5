//! Pinned futures in pooled memory: an exchange or a backend call gets its place without a heap
//! allocation once the worker is warm. Free places are kept by size, per thread.

use std::alloc::{self, Layout};
use std::cell::RefCell;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll};

/// Sizes are rounded up to this.
const STEP: usize = 64;
/// Larger futures come from the allocator each time.
const SIZE_MAX: usize = 16 * 1024;
/// How many free places of a size a thread keeps.
const KEEP: usize = 256;
const ALIGN: usize = 64;

/// Puts a future (or anything) into pooled memory, pinned there until it is dropped.
#[inline]
pub fn place<F>(value: F) -> Placed<F> {
    let at = take(layout_of(Layout::new::<F>())).cast::<F>();
    // SAFETY: the memory fits the value's layout and is ours alone.
    unsafe { at.write(value) };
    Placed { at }
}

/// A value in pooled memory. Dropping it runs the destructor and gives the memory back.
pub struct Placed<F: ?Sized> {
    at: NonNull<F>,
}

impl<F: ?Sized> Placed<F> {
    /// The value, pinned.
    pub fn as_mut(&mut self) -> Pin<&mut F> {
        // SAFETY: the value is valid until we drop it, borrowed through `self`, and never moves: its
        // place is given back only after its destructor.
        unsafe { Pin::new_unchecked(self.at.as_mut()) }
    }
}

impl<'a, F: Future + 'a> Placed<F> {
    /// Forgets which future it is, so that different ones fit one list.
    pub fn erase(self) -> Placed<dyn Future<Output = F::Output> + 'a> {
        let at: NonNull<dyn Future<Output = F::Output> + 'a> = self.at;
        std::mem::forget(self);
        Placed { at }
    }
}

impl<F: ?Sized> Deref for Placed<F> {
    type Target = F;

    fn deref(&self) -> &F {
        // SAFETY: the value is valid until we drop it, and borrowed through `self`.
        unsafe { self.at.as_ref() }
    }
}

impl<F: Unpin + ?Sized> DerefMut for Placed<F> {
    fn deref_mut(&mut self) -> &mut F {
        self.as_mut().get_mut()
    }
}

impl<F: Future + ?Sized> Future for Placed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Placed::as_mut(&mut self).poll(cx)
    }
}

// A `Placed` may move: what it points to stays.
impl<F: ?Sized> Unpin for Placed<F> {}

impl<F: ?Sized> Drop for Placed<F> {
    fn drop(&mut self) {
        /// Gives the memory back even when the destructor panics.
        struct GiveBack(NonNull<u8>, Layout);
        impl Drop for GiveBack {
            fn drop(&mut self) {
                give(self.0, self.1);
            }
        }
        // SAFETY: the value is valid; its size is read before it is destroyed.
        let layout = layout_of(Layout::for_value(unsafe { self.at.as_ref() }));
        let _place = GiveBack(self.at.cast(), layout);
        // SAFETY: dropped once, here; nobody can reach it afterwards.
        unsafe { self.at.drop_in_place() };
    }
}

/// The layout of the memory behind a value.
fn layout_of(value: Layout) -> Layout {
    let size = value.size().next_multiple_of(STEP).max(STEP);
    let align = value.align().max(ALIGN);
    Layout::from_size_align(size, align).expect("a value's size rounded up to 64 is a valid size")
}

fn class(layout: Layout) -> Option<usize> {
    (layout.size() <= SIZE_MAX && layout.align() == ALIGN).then(|| layout.size() / STEP - 1)
}

/// Free places by size; each holds the address of the next in its first word.
struct Free {
    heads: [Option<NonNull<u8>>; SIZE_MAX / STEP],
    counts: [u16; SIZE_MAX / STEP],
}

thread_local! {
    static FREE: RefCell<Free> =
        const { RefCell::new(Free { heads: [None; SIZE_MAX / STEP], counts: [0; SIZE_MAX / STEP] }) };
}

fn take(layout: Layout) -> NonNull<u8> {
    let pooled = class(layout).and_then(|at| {
        FREE.try_with(|free| {
            let free = &mut *free.borrow_mut();
            let place = free.heads[at].take()?;
            // SAFETY: a free place begins with the next one's address, written in `give`.
            free.heads[at] = unsafe { place.cast::<Option<NonNull<u8>>>().read() };
            free.counts[at] -= 1;
            Some(place)
        })
        .ok()
        .flatten()
    });
    pooled.unwrap_or_else(|| {
        // SAFETY: the size is at least 64.
        NonNull::new(unsafe { alloc::alloc(layout) })
            .unwrap_or_else(|| alloc::handle_alloc_error(layout))
    })
}

fn give(place: NonNull<u8>, layout: Layout) {
    let is_kept = class(layout).is_some_and(|at| {
        FREE.try_with(|free| {
            let free = &mut *free.borrow_mut();
            if usize::from(free.counts[at]) == KEEP {
                return false;
            }
            // SAFETY: the place is free, ours, at least a word long and aligned to 64.
            unsafe { place.cast::<Option<NonNull<u8>>>().write(free.heads[at]) };
            free.heads[at] = Some(place);
            free.counts[at] += 1;
            true
        })
        .unwrap_or(false)
    });
    if !is_kept {
        // SAFETY: allocated in `take` with the same layout, and free.
        unsafe { alloc::dealloc(place.as_ptr(), layout) };
    }
}

impl Drop for Free {
    fn drop(&mut self) {
        for (at, head) in self.heads.iter_mut().enumerate() {
            let layout = Layout::from_size_align((at + 1) * STEP, ALIGN)
                .expect("a multiple of 64 up to 16 KiB is a valid size");
            while let Some(place) = *head {
                // SAFETY: as in `take`, then as in `give`.
                unsafe {
                    *head = place.cast::<Option<NonNull<u8>>>().read();
                    alloc::dealloc(place.as_ptr(), layout);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::rc::Rc;

    struct CountsDrops(Rc<Cell<u32>>, [u8; 100]);

    impl Drop for CountsDrops {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn memory_is_used_again_and_destructors_run() {
        let drops = Rc::new(Cell::new(0));
        let mut first = place(CountsDrops(drops.clone(), [7; 100]));
        let at = std::ptr::from_ref(&*first.as_mut());
        drop(first);
        assert_eq!(drops.get(), 1);
        let mut again = place(CountsDrops(drops.clone(), [8; 100]));
        assert!(std::ptr::eq(at, &*again.as_mut()));
        assert_eq!(again.as_mut().1, [8; 100]);
        drop(again);
        assert_eq!(drops.get(), 2);
    }

    #[test]
    fn odd_sizes_and_alignments() {
        #[repr(align(256))]
        struct Aligned(u8);
        let mut aligned = place(Aligned(1));
        assert_eq!(std::ptr::from_ref(&*aligned.as_mut()) as usize % 256, 0);
        assert_eq!(aligned.as_mut().0, 1);
        assert_eq!(place([3_u8; 40_000]).as_mut()[39_999], 3);
        drop(place(()));
    }

    #[test]
    fn erased_futures_run() {
        let number = 5;
        let mut list = [place(async { number }).erase(), place(std::future::ready(7)).erase()];
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let sum: i32 = list
            .iter_mut()
            .map(|future| match future.as_mut().poll(&mut cx) {
                Poll::Ready(value) => value,
                Poll::Pending => 0,
            })
            .sum();
        assert_eq!(sum, 12);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let held: Vec<_> = (0..KEEP + 50).map(|_| place([0_u8; 500])).collect();
        drop(held);
        let at = class(layout_of(Layout::new::<[u8; 500]>())).expect("500 bytes are pooled");
        FREE.with_borrow(|free| assert_eq!(usize::from(free.counts[at]), KEEP));
    }
}

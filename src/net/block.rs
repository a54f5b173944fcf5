//! Blocks: owned, pooled buffers that may be lent to the kernel. Size classes and their free lists
//! are thread-local and bounded; each block is charged to the process budget while somebody holds
//! it. A block derefs to `Vec<u8>`, so that everything can append to it. Why: docs/design/buffers.md.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};

use monoio::buf::{IoBuf, IoBufMut};

use super::budget;

/// Smallest class: a request head, an idle connection's armed read.
pub const SMALL: usize = 2 * 1024;
/// A usual response.
pub const MEDIUM: usize = 16 * 1024;
/// Streaming; larger classes are powers of two.
pub const LARGE: usize = 64 * 1024;
/// Largest class that is kept in a free list; beyond it memory goes straight back.
const POOLED_MAX: usize = 1024 * 1024;

/// How many blocks of each pooled class a thread keeps, at most 17 MiB together: 2, 16, 64, 128,
/// 256, 512 KiB and 1 MiB. Ten thousand connections that go idle must not leave their blocks here.
const KEEP: [usize; 7] = [512, 256, 64, 16, 8, 4, 2];

/// An owned buffer from the pool. Dropping it gives it back.
pub struct Block {
    bytes: Vec<u8>,
    /// What the budget was charged for this block.
    charged: usize,
}

impl Block {
    /// An empty block of 2 KiB.
    pub fn small() -> Self {
        Self::of_class(SMALL)
    }

    /// An empty block of 16 KiB.
    pub fn medium() -> Self {
        Self::of_class(MEDIUM)
    }

    /// An empty block of 64 KiB.
    pub fn large() -> Self {
        Self::of_class(LARGE)
    }

    /// An empty block with room for at least `n` bytes.
    pub fn with_capacity(n: usize) -> Self {
        Self::of_class(class(n))
    }

    /// A block without memory: costs nothing, is charged nothing. Appending to it allocates outside
    /// the classes: call `grow` first.
    pub const fn empty() -> Self {
        Self { bytes: Vec::new(), charged: 0 }
    }

    /// A block of the fitting class with a copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut block = Self::with_capacity(bytes.len());
        block.extend_from_slice(bytes);
        block
    }

    fn of_class(size: usize) -> Self {
        let bytes = POOL
            .try_with(|pool| pool.borrow_mut().take(size))
            .ok()
            .flatten()
            .unwrap_or_else(|| Vec::with_capacity(size));
        let charged = bytes.capacity();
        budget::count(charged as isize, 0);
        Self { bytes, charged }
    }

    /// A small block for a driver to receive into, charged to nobody until it is handed over.
    pub(super) fn stock() -> Self {
        let mut block = Self::small();
        let size = mem::take(&mut block.charged) as isize;
        budget::count(-size, size);
        block
    }

    /// Charges a block of `stock` to whoever gets it, and shows what was received.
    ///
    /// # Safety
    ///
    /// As `show`.
    pub(super) unsafe fn hand_over(&mut self, received: usize) {
        let size = self.bytes.capacity();
        budget::count(size as isize, -(size as isize));
        self.charged = size;
        // SAFETY: the caller's promise.
        unsafe { self.show(received) };
    }

    /// Shows the first `received` bytes, which the kernel has written.
    ///
    /// # Safety
    ///
    /// The kernel wrote that many bytes from the start, at most the capacity, and writes no more.
    pub(super) unsafe fn show(&mut self, received: usize) {
        debug_assert!(received <= self.bytes.capacity());
        // SAFETY: the caller's promise. Test: `recv_shows_only_written_bytes`.
        unsafe { self.bytes.set_len(received) };
    }

    /// Makes the capacity at least `min` bytes by moving to the fitting class; content stays.
    pub fn grow(&mut self, min: usize) {
        if min > self.bytes.capacity() {
            let mut larger = Self::with_capacity(min);
            larger.bytes.extend_from_slice(&self.bytes);
            *self = larger;
        }
    }

    /// Makes room for `more` bytes after the content; hides `Vec::reserve`, which knows no classes.
    pub fn reserve(&mut self, more: usize) {
        self.grow(self.bytes.len().saturating_add(more));
    }

    /// Bytes that still fit without growing.
    pub fn room(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    /// Charges what `Vec` has grown by itself since the block was made. Sending does it, too.
    pub fn settle(&mut self) {
        let capacity = self.bytes.capacity();
        if capacity != self.charged {
            budget::count(capacity as isize - self.charged as isize, 0);
            self.charged = capacity;
        }
    }
}

impl Default for Block {
    fn default() -> Self {
        Self::empty()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.charged != 0 {
            budget::count(-(self.charged as isize), 0);
        }
        let bytes = mem::take(&mut self.bytes);
        if bytes.capacity() == 0 {
            return;
        }
        if KEEP_LENT.try_with(Cell::get).unwrap_or(false) {
            mem::forget(bytes);
            return;
        }
        // A pool that is borrowed or gone (the thread ends) leaves the memory to the allocator.
        let _ = POOL.try_with(|pool| {
            if let Ok(mut pool) = pool.try_borrow_mut() {
                pool.give(bytes);
            }
        });
    }
}

impl Deref for Block {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Block {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Block({} of {} bytes)", self.bytes.len(), self.bytes.capacity())
    }
}

// SAFETY: the bytes are on the heap and stay where they are when the block moves; a block lent to
// the driver is owned by the operation, so nobody can grow or free it meanwhile.
unsafe impl IoBuf for Block {
    fn read_ptr(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.bytes.len()
    }
}

// SAFETY: as above; `bytes_total` is the capacity behind the pointer.
unsafe impl IoBufMut for Block {
    fn write_ptr(&mut self) -> *mut u8 {
        self.bytes.as_mut_ptr()
    }

    fn bytes_total(&mut self) -> usize {
        self.bytes.capacity()
    }

    unsafe fn set_init(&mut self, received: usize) {
        // SAFETY: the kernel wrote `received` bytes from the start (the completion's result, at most
        // the capacity that was submitted), and the block came back with that completion: there is
        // no other writer. Test: `recv_shows_only_written_bytes`. Gain: docs/design/buffers.md.
        unsafe { self.show(received) };
    }
}

/// The class for `n` bytes.
fn class(n: usize) -> usize {
    [SMALL, MEDIUM, LARGE].into_iter().find(|class| n <= *class).unwrap_or_else(|| {
        // Larger than half of the address space: let `Vec` report it.
        n.checked_next_power_of_two().unwrap_or(n)
    })
}

/// Place of a class in the pool; none for what is not exactly a pooled class.
fn index(size: usize) -> Option<usize> {
    match size {
        SMALL => Some(0),
        MEDIUM => Some(1),
        LARGE..=POOLED_MAX if size.is_power_of_two() => {
            Some(2 + (size / LARGE).trailing_zeros() as usize)
        }
        _ => None,
    }
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool::new()) };
    static KEEP_LENT: Cell<bool> = const { Cell::new(false) };
}

/// Free blocks of one thread.
struct Pool {
    lists: [Vec<Vec<u8>>; KEEP.len()],
    /// Shortest length of each list since the last trim: what nobody needed.
    lowest: [usize; KEEP.len()],
}

impl Pool {
    const fn new() -> Self {
        Self { lists: [const { Vec::new() }; KEEP.len()], lowest: [0; KEEP.len()] }
    }

    fn take(&mut self, size: usize) -> Option<Vec<u8>> {
        let at = index(size)?;
        let bytes = self.lists[at].pop()?;
        self.lowest[at] = self.lowest[at].min(self.lists[at].len());
        budget::count(0, -(size as isize));
        Some(bytes)
    }

    fn give(&mut self, mut bytes: Vec<u8>) {
        let size = bytes.capacity();
        if let Some(at) = index(size)
            && self.lists[at].len() < KEEP[at]
        {
            bytes.clear();
            self.lists[at].push(bytes);
            budget::count(0, size as isize);
        }
    }

    fn trim(&mut self) {
        for (list, lowest) in self.lists.iter_mut().zip(&mut self.lowest) {
            let unneeded = (*lowest).div_ceil(2).min(list.len());
            for bytes in list.drain(..unneeded) {
                budget::count(0, -(bytes.capacity() as isize));
            }
            *lowest = list.len();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let held: usize = self.lists.iter().flatten().map(Vec::capacity).sum();
        budget::count(0, -(held as isize));
    }
}

/// Gives half of the blocks that this thread has not needed since the last call back to the
/// allocator. A worker calls it every few seconds.
pub fn trim() {
    let _ = POOL.try_with(|pool| pool.borrow_mut().trim());
}

/// While it lives, dropped blocks of this thread are neither pooled nor freed: for the moment in
/// which a ring goes down and the kernel may still write into what it was lent.
pub(super) fn keep_lent() -> impl Drop {
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            KEEP_LENT.set(false);
        }
    }
    KEEP_LENT.set(true);
    Guard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes() {
        for (case, n, expected) in [
            ("nothing", 0, SMALL),
            ("exactly small", 2048, SMALL),
            ("just above small", 2049, MEDIUM),
            ("just above medium", 16385, LARGE),
            ("just above large", 65537, 131_072),
            ("exactly a power", 131_072, 131_072),
        ] {
            assert_eq!(Block::with_capacity(n).capacity(), expected, "{case}");
        }
    }

    #[test]
    fn a_dropped_block_is_used_again() {
        let first = Block::small();
        let at = first.as_ptr();
        drop(first);
        let mut again = Block::small();
        assert_eq!(again.as_ptr(), at);
        assert!(again.is_empty());
        again.extend_from_slice(b"x");
    }

    #[test]
    fn blocks_are_charged_while_they_are_held() {
        // The sum belongs to the whole process, in which other tests run: look at this thread.
        let before = budget::used_here();
        let mut block = Block::small();
        assert_eq!(budget::used_here() - before, 2048);
        block.grow(5000);
        assert_eq!(budget::used_here() - before, 16384);
        block.extend(std::iter::repeat_n(0, 20_000));
        block.settle();
        assert_eq!(budget::used_here() - before, block.capacity() as isize);
        drop(block);
        assert_eq!(budget::used_here(), before);
    }

    #[test]
    fn a_block_may_be_freed_by_another_thread() {
        let before = budget::used_here();
        let block = Block::large();
        std::thread::spawn(move || drop(block)).join().expect("the other thread ends well");
        assert_eq!(budget::used_here() - before, LARGE as isize);
        // This thread keeps what it was charged; the sum is right because the other one is negative.
    }

    #[test]
    fn grow_keeps_the_content() {
        let mut block = Block::copy_of(b"head");
        block.reserve(100_000);
        assert!(block.room() >= 100_000);
        assert_eq!(&block[..], b"head");
    }

    #[test]
    fn free_lists_are_bounded_and_trimmed() {
        let held: Vec<_> = (0..KEEP[2] + 10).map(|_| Block::large()).collect();
        drop(held);
        POOL.with(|pool| assert_eq!(pool.borrow().lists[2].len(), KEEP[2]));
        trim(); // the mark starts at zero: this one only sets it
        trim();
        POOL.with(|pool| assert_eq!(pool.borrow().lists[2].len(), KEEP[2] / 2));
    }
}

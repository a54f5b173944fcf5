//! The blocks that the kernel receives into: a ring of pooled blocks, shared by all connections of a
//! worker, so that an idle connection holds none. What arrives is handed over as the block itself;
//! a fresh one takes its place.

use std::alloc::{self, Layout};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

use super::super::block::Block;

/// Places in the ring that is shared with the kernel, 16 bytes each; a power of two.
const PLACES: u16 = 2048;
/// Blocks in it at first: 512 KiB, touched only as far as they are used.
pub(super) const FIRST: u16 = 256;
/// The one group of this driver.
pub(super) const GROUP: u16 = 0;

/// See the module.
pub(super) struct Buffers {
    /// What the kernel reads: `PLACES` entries, the tail in the spare bytes of the first.
    shared: NonNull<BufRingEntry>,
    /// Our side of the tail; wraps.
    tail: u16,
    /// What the kernel may write into, by buffer id.
    blocks: Vec<Option<Block>>,
}

fn layout() -> Layout {
    const { assert!(PLACES.is_power_of_two()) };
    Layout::from_size_align(usize::from(PLACES) * size_of::<BufRingEntry>(), 4096)
        .expect("32 KiB in pages is a valid layout")
}

impl Buffers {
    /// Registers the ring of blocks and puts `first` blocks into it.
    pub fn register(submitter: &Submitter<'_>, first: u16) -> io::Result<Self> {
        // SAFETY: the layout's size is not zero.
        let memory = unsafe { alloc::alloc_zeroed(layout()) };
        let shared = NonNull::new(memory.cast::<BufRingEntry>())
            .unwrap_or_else(|| alloc::handle_alloc_error(layout()));
        // SAFETY: page-aligned memory of `PLACES` entries, which lives until `release` has taken the
        // group from the kernel (or for ever).
        let registered =
            unsafe { submitter.register_buf_ring(shared.as_ptr().addr() as u64, PLACES, GROUP) };
        if let Err(error) = registered {
            // SAFETY: allocated above with this layout; the kernel has refused it.
            unsafe { alloc::dealloc(memory, layout()) };
            return Err(error);
        }
        let mut buffers = Self { shared, tail: 0, blocks: Vec::with_capacity(first.into()) };
        buffers.add(first);
        Ok(buffers)
    }

    /// Twice as many blocks: the kernel has found none.
    pub fn grow(&mut self) {
        let room = usize::from(PLACES) - self.blocks.len();
        self.add(self.blocks.len().min(room) as u16);
    }

    fn add(&mut self, n: u16) {
        for _ in 0..n {
            let id = self.blocks.len() as u16;
            self.blocks.push(None);
            self.give(id);
        }
        self.publish();
    }

    /// Puts a fresh block under `id`; seen by the kernel after `publish`.
    fn give(&mut self, id: u16) {
        let mut block = Block::stock();
        let at = usize::from(self.tail & (PLACES - 1));
        // SAFETY: `at` is one of the `PLACES` entries. The kernel reads only those before the tail
        // that it was told of; there are never more blocks than places, so this one is not among
        // them. `set_*` leave the spare bytes, where the tail is, alone.
        let entry = unsafe { self.shared.add(at).as_mut() };
        entry.set_addr(block.as_mut_ptr().addr() as u64);
        entry.set_len(block.capacity() as u32);
        entry.set_bid(id);
        self.blocks[usize::from(id)] = Some(block);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel what was given.
    pub fn publish(&mut self) {
        // SAFETY: the tail lies in the first entry, which is valid and aligned to 2; the kernel only
        // reads it. Release: the entries are written before it.
        unsafe {
            let tail = BufRingEntry::tail(self.shared.as_ptr()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }

    /// The block that the kernel wrote `received` bytes into; another takes its place. Nothing when
    /// the kernel names an id that it was not given (it does not).
    pub fn take(&mut self, id: u16, received: usize) -> Option<Block> {
        let mut block = self.blocks.get_mut(usize::from(id))?.take()?;
        debug_assert!(received <= block.capacity());
        // SAFETY: the completion says that the kernel wrote this many bytes from the start, and that
        // it is done with this buffer. Test: `recv_shows_only_written_bytes`.
        unsafe { block.hand_over(received.min(block.capacity())) };
        self.give(id);
        Some(block)
    }

    /// Takes everything back from the kernel, once nothing is in flight.
    pub fn release(&mut self, submitter: &Submitter<'_>) {
        if submitter.unregister_buf_ring(GROUP).is_err() {
            return self.forget();
        }
        for mut block in self.blocks.drain(..).flatten() {
            // SAFETY: no byte is claimed to be written.
            unsafe { block.hand_over(0) };
        }
        // SAFETY: allocated in `register`; the kernel has given it back, and nobody uses it any more:
        // `blocks` is empty, so `take` finds nothing.
        unsafe { alloc::dealloc(self.shared.as_ptr().cast(), layout()) };
    }

    /// How many blocks there are.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Leaves the memory to the kernel for ever: it may still be written to.
    pub fn forget(&mut self) {
        std::mem::forget(std::mem::take(&mut self.blocks));
    }
}

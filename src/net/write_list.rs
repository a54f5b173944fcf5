//! A vectored write: ranges into owned blocks, sent in order without copying. What goes to the ring
//! is the list itself, which owns the blocks and the vectors; both are pooled.

use std::cell::RefCell;
use std::io::IoSlice;
use std::ops::Range;

use monoio::buf::IoVecBuf;

use super::block::Block;

/// Most vectors of one system call. The kernel copies them each time, also those that do not fit
/// into the socket any more.
const VECTORS_MAX: usize = 64;
/// How many lists a thread keeps.
const KEEP: usize = 64;

/// Blocks and the ranges of them to send. Reusable; dropping it gives its memory back to the pool.
#[derive(Default)]
pub struct WriteList {
    parts: Parts,
}

#[derive(Default)]
struct Parts {
    blocks: Vec<Block>,
    ranges: Vec<Part>,
    /// Bytes in all ranges.
    len: usize,
    /// The block that `copy` appends to, if the last range ends at its end.
    scratch: Option<usize>,
    vectors: Vec<libc::iovec>,
}

#[derive(Clone, Copy)]
enum Part {
    Of { block: usize, at: usize, len: usize },
    Static(&'static [u8]),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Of { len, .. } => *len,
            Self::Static(bytes) => bytes.len(),
        }
    }
}

thread_local! {
    static POOL: RefCell<Vec<Parts>> = const { RefCell::new(Vec::new()) };
}

impl WriteList {
    /// An empty list from this thread's pool.
    pub fn new() -> Self {
        let parts = POOL.try_with(|pool| pool.borrow_mut().pop()).ok().flatten();
        Self { parts: parts.unwrap_or_default() }
    }

    /// Gives a block to the list without sending any of it; the number names it in `push`.
    pub fn own(&mut self, mut block: Block) -> usize {
        block.settle();
        self.parts.blocks.push(block);
        self.parts.blocks.len() - 1
    }

    /// Sends bytes of a block that the list owns. Panics when the range is not within the block:
    /// ranges come from our own parsers.
    pub fn push(&mut self, block: usize, range: Range<usize>) {
        assert!(range.start <= range.end && range.end <= self.parts.blocks[block].len());
        let len = range.end - range.start;
        // Neighbours become one vector.
        if let Some(Part::Of { block: last, at, len: last_len }) = self.parts.ranges.last_mut()
            && *last == block
            && *at + *last_len == range.start
        {
            *last_len += len;
        } else if len > 0 {
            self.parts.ranges.push(Part::Of { block, at: range.start, len });
        }
        self.parts.len += len;
        self.parts.scratch = None;
    }

    /// Sends a whole block.
    pub fn push_block(&mut self, block: Block) -> usize {
        let len = block.len();
        let number = self.own(block);
        self.push(number, 0..len);
        number
    }

    /// Sends bytes that live as long as the process.
    pub fn push_static(&mut self, bytes: &'static [u8]) {
        if !bytes.is_empty() {
            self.parts.ranges.push(Part::Static(bytes));
            self.parts.len += bytes.len();
            self.parts.scratch = None;
        }
    }

    /// Sends a copy of `bytes`: cheaper than a vector below about 2 KiB. Copies in a row share one
    /// vector.
    pub fn copy(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let open = self.parts.scratch.filter(|at| self.parts.blocks[*at].room() >= bytes.len());
        let at = match open {
            Some(at) => at,
            None => {
                let wanted = Block::with_capacity(bytes.len().max(super::block::MEDIUM));
                self.own(wanted)
            }
        };
        let start = self.parts.blocks[at].len();
        self.parts.blocks[at].extend_from_slice(bytes);
        self.push(at, start..start + bytes.len());
        self.parts.scratch = Some(at);
    }

    /// A block of the list.
    pub fn block(&self, number: usize) -> &Block {
        &self.parts.blocks[number]
    }

    /// Bytes to send.
    pub fn len(&self) -> usize {
        self.parts.len
    }

    pub fn is_empty(&self) -> bool {
        self.parts.len == 0
    }

    /// The ranges in the order of sending.
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.ranges.iter().map(|part| self.parts.bytes(part))
    }

    /// Forgets ranges and blocks (which go back to their pool); keeps the list's own memory.
    pub fn clear(&mut self) {
        self.parts.clear();
    }

    /// Begins the sending.
    pub(super) fn start(mut self) -> Writing {
        let mut writing =
            Writing { parts: std::mem::take(&mut self.parts), next: 0, within: 0, len: 0 };
        writing.load();
        writing
    }
}

impl Parts {
    fn bytes(&self, part: &Part) -> &[u8] {
        match part {
            Part::Of { block, at, len } => &self.blocks[*block][*at..*at + *len],
            Part::Static(bytes) => bytes,
        }
    }

    fn clear(&mut self) {
        self.blocks.clear();
        self.ranges.clear();
        self.vectors.clear();
        self.len = 0;
        self.scratch = None;
    }
}

impl Drop for WriteList {
    fn drop(&mut self) {
        let mut parts = std::mem::take(&mut self.parts);
        parts.clear();
        if parts.ranges.capacity() > 0 {
            let _ = POOL.try_with(|pool| {
                if let Ok(mut pool) = pool.try_borrow_mut()
                    && pool.len() < KEEP
                {
                    pool.push(parts);
                }
            });
        }
    }
}

/// A list on its way: the next range, how much of it was sent, and the vectors of this call.
#[derive(Default)]
pub(super) struct Writing {
    parts: Parts,
    next: usize,
    within: usize,
    /// Vectors loaded for this call.
    len: usize,
}

impl Writing {
    /// Fills the vectors with what comes next.
    fn load(&mut self) {
        let Parts { blocks, ranges, vectors, .. } = &mut self.parts;
        vectors.clear();
        let mut skip = self.within;
        for part in ranges[self.next..].iter().take(VECTORS_MAX) {
            let bytes = match part {
                Part::Of { block, at, len } => &blocks[*block][*at..*at + *len],
                Part::Static(bytes) => bytes,
            };
            let bytes = &bytes[skip..];
            skip = 0;
            vectors.push(libc::iovec {
                iov_base: bytes.as_ptr().cast_mut().cast(),
                iov_len: bytes.len(),
            });
        }
        self.len = vectors.len();
    }

    /// Notes that `sent` bytes have left, and loads what follows.
    pub fn advance(&mut self, mut sent: usize) {
        while let Some(part) = self.parts.ranges.get(self.next) {
            let left = part.len() - self.within;
            if sent < left {
                self.within += sent;
                break;
            }
            sent -= left;
            self.next += 1;
            self.within = 0;
        }
        self.load();
    }

    /// The vectors of this call, for the kernel.
    pub fn vectors(&self) -> (*const libc::iovec, u32) {
        (self.parts.vectors.as_ptr(), self.len as u32)
    }

    /// Bytes that have not been sent, as far as they are in the vectors of this call.
    pub fn left(&self) -> usize {
        self.parts.vectors.iter().map(|vector| vector.iov_len).sum()
    }

    pub fn is_done(&self) -> bool {
        self.next == self.parts.ranges.len()
    }

    /// The list again, with all its ranges.
    pub fn finish(mut self) -> WriteList {
        self.parts.vectors.clear();
        WriteList { parts: std::mem::take(&mut self.parts) }
    }
}

// SAFETY: the vectors and the bytes they point to are on the heap (or static) and owned by this
// value, which nobody can change while the operation owns it; moving it moves neither.
unsafe impl IoVecBuf for Writing {
    fn read_iovec_ptr(&self) -> *const libc::iovec {
        self.parts.vectors.as_ptr()
    }

    fn read_iovec_len(&self) -> usize {
        self.len
    }
}

// The kernel reads what the standard library calls an `IoSlice`.
const _: () = assert!(size_of::<IoSlice<'_>>() == size_of::<libc::iovec>());

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(list: WriteList, step: usize) -> Vec<u8> {
        let mut writing = list.start();
        let mut out = Vec::new();
        while !writing.is_done() {
            assert!(writing.len <= VECTORS_MAX && writing.len > 0);
            let mut left = step;
            for vector in &writing.parts.vectors {
                // SAFETY: the vectors describe blocks that `writing` owns.
                let bytes = unsafe {
                    std::slice::from_raw_parts(vector.iov_base.cast::<u8>(), vector.iov_len)
                };
                let taken = left.min(bytes.len());
                out.extend_from_slice(&bytes[..taken]);
                left -= taken;
            }
            writing.advance(step - left);
        }
        assert_eq!(writing.finish().len(), out.len());
        out
    }

    fn list() -> (WriteList, Vec<u8>) {
        let mut list = WriteList::new();
        let block = list.own(Block::copy_of(b"0123456789"));
        list.push(block, 2..4);
        list.push(block, 4..6);
        list.push(block, 0..0);
        list.push_static(b"static");
        list.copy(b"one");
        list.copy(b"two");
        list.push(block, 9..10);
        list.copy(b"three");
        for at in 0..200 {
            list.push(block, at % 10..at % 10 + 1);
            list.push_static(b"-");
        }
        let whole = list.slices().flatten().copied().collect();
        (list, whole)
    }

    #[test]
    fn neighbours_share_a_vector() {
        let mut list = WriteList::new();
        let block = list.own(Block::copy_of(b"0123456789"));
        list.push(block, 2..4);
        list.push(block, 4..6);
        list.copy(b"one");
        list.copy(b"two");
        assert_eq!(list.slices().collect::<Vec<_>>(), [&b"2345"[..], b"onetwo"]);
        assert_eq!(list.len(), 10);
    }

    #[test]
    fn any_partial_write_gives_the_same_bytes() {
        for step in [1, 2, 3, 7, 64, 100, 100_000] {
            let (list, whole) = list();
            assert_eq!(list.len(), whole.len());
            assert_eq!(sent(list, step), whole, "{step} bytes a write");
        }
    }
}

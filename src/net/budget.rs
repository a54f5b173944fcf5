//! The memory budget of the process: bytes held in blocks, counted by each thread for itself and
//! summed when somebody asks. No read-modify-write, no shared cache line on the data path.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// No limit was set.
pub const UNLIMITED: usize = usize::MAX;

static LIMIT: AtomicUsize = AtomicUsize::new(UNLIMITED);
/// How full the memory of the process is, blocks and everything else, in thousandths of what the
/// kernel allows: written by the control thread.
static PROCESS: AtomicUsize = AtomicUsize::new(0);
static CELLS: Mutex<Vec<Arc<Cell>>> = Mutex::new(Vec::new());
/// What threads that are gone have left: blocks may be freed by another thread than their maker.
static DEPARTED: Cell = Cell { charged: AtomicIsize::new(0), pooled: AtomicIsize::new(0) };

/// One thread's count. Only that thread writes; a block that wanders makes one cell negative and
/// another too high, the sum stays right. Padded to two cache lines (adjacent-line prefetch).
#[repr(align(128))]
struct Cell {
    charged: AtomicIsize,
    pooled: AtomicIsize,
}

thread_local! {
    static OWN: OnceCell<Registered> = const { OnceCell::new() };
    static CEILING: std::cell::Cell<isize> = const { std::cell::Cell::new(isize::MAX) };
}

struct Registered(Arc<Cell>);

impl Registered {
    fn new() -> Self {
        let cell = Arc::new(Cell { charged: AtomicIsize::new(0), pooled: AtomicIsize::new(0) });
        CELLS.lock().unwrap_or_else(PoisonError::into_inner).push(cell.clone());
        Self(cell)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut cells = CELLS.lock().unwrap_or_else(PoisonError::into_inner);
        cells.retain(|cell| !Arc::ptr_eq(cell, &self.0));
        DEPARTED.charged.fetch_add(self.0.charged.load(Relaxed), Relaxed);
        DEPARTED.pooled.fetch_add(self.0.pooled.load(Relaxed), Relaxed);
    }
}

/// Adds to the bytes charged and pooled by this thread.
pub(super) fn count(charged: isize, pooled: isize) {
    let counted = OWN.try_with(|own| {
        let cell = &own.get_or_init(Registered::new).0;
        cell.charged.store(cell.charged.load(Relaxed).wrapping_add(charged), Relaxed);
        cell.pooled.store(cell.pooled.load(Relaxed).wrapping_add(pooled), Relaxed);
    });
    if counted.is_err() {
        // The thread is ending and its cell is gone.
        DEPARTED.charged.fetch_add(charged, Relaxed);
        DEPARTED.pooled.fetch_add(pooled, Relaxed);
    }
}

fn sum(of: impl Fn(&Cell) -> isize) -> usize {
    let cells = CELLS.lock().unwrap_or_else(PoisonError::into_inner);
    let total = cells.iter().fold(of(&DEPARTED), |total, cell| total.wrapping_add(of(cell)));
    usize::try_from(total).unwrap_or(0)
}

/// Bytes in blocks that somebody holds, over all threads.
pub fn used() -> usize {
    sum(|cell| cell.charged.load(Relaxed))
}

/// Bytes in blocks that wait in free lists, over all threads.
pub fn pooled() -> usize {
    sum(|cell| cell.pooled.load(Relaxed))
}

/// Bytes in blocks that this thread has taken and not given back; negative when it frees what
/// others made. Costs one load, so that a hot path may ask.
pub fn used_here() -> isize {
    OWN.try_with(|own| own.get().map_or(0, |own| own.0.charged.load(Relaxed))).unwrap_or(0)
}

/// The limit in bytes; `UNLIMITED` when none was set.
pub fn limit() -> usize {
    LIMIT.load(Relaxed)
}

/// Sets the limit in bytes for the whole process. Nothing is refused here: the callers ask.
pub fn set_limit(bytes: usize) {
    LIMIT.store(bytes, Relaxed);
}

/// How full the budget is, in thousandths of the limit; 0 without a limit. The overload steps of
/// docs/reference/hardening.md section 1 are 920, 950 and 980.
pub fn fullness() -> usize {
    match limit() {
        UNLIMITED => 0,
        0 => 1000,
        limit => usize::try_from(used() as u128 * 1000 / limit as u128).unwrap_or(usize::MAX),
    }
}

/// Notes how full the memory of the whole process is, in thousandths of what the kernel allows.
pub fn set_process_fullness(thousandths: usize) {
    PROCESS.store(thousandths, Relaxed);
}

/// See [`set_process_fullness`].
pub fn process_fullness() -> usize {
    PROCESS.load(Relaxed)
}

/// Sets how far `used_here` of this thread may go: its worker's share of what is left, looked up
/// some times a second.
pub fn set_ceiling(bytes: isize) {
    let _ = CEILING.try_with(|ceiling| ceiling.set(bytes));
}

/// Whether this thread may take `more` bytes for something that grows with what a peer sends. Costs
/// two loads. On threads without a ceiling: yes.
pub fn fits(more: usize) -> bool {
    let ceiling = CEILING.try_with(std::cell::Cell::get).unwrap_or(isize::MAX);
    used_here().saturating_add_unsigned(more) <= ceiling
}

//! The cells that workers count in: one writer each, any number of readers. An addition is a relaxed
//! load and a relaxed store, no read-modify-write; a second writer would lose counts, nothing worse,
//! so the handles that write cannot be shared (`!Sync`).

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::histogram::Histogram;
use super::names::{self, Count, Level};

/// One number.
#[derive(Debug, Default)]
pub struct Cell(AtomicU64);

impl Cell {
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    pub fn sub(&self, n: u64) {
        self.0.store(self.get().saturating_sub(n), Ordering::Relaxed);
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Reasons why a connection is closed; more are not counted.
pub const REASONS_MAX: usize = 32;

/// What a worker counts whatever the plan. Aligned so that no two workers share a cache line (the
/// prefetcher takes pairs of 64 bytes).
#[repr(align(128))]
pub(super) struct FixedCells {
    pub counts: [Cell; Count::ALL.len()],
    pub levels: [Cell; Level::ALL.len()],
    /// By index into the table of reasons.
    pub closed: [Cell; REASONS_MAX],
}

/// A worker's handle to its cells. One per worker.
pub struct WorkerCells {
    cells: Arc<FixedCells>,
    only_one_writer: PhantomData<std::cell::Cell<()>>,
}

impl WorkerCells {
    pub(super) fn new() -> (Self, Arc<FixedCells>) {
        let cells = Arc::new(FixedCells {
            counts: Default::default(),
            levels: Default::default(),
            closed: Default::default(),
        });
        (Self { cells: Arc::clone(&cells), only_one_writer: PhantomData }, cells)
    }

    pub fn count(&self, what: Count, n: u64) {
        self.cells.counts[what as usize].add(n);
    }

    pub fn set(&self, what: Level, value: u64) {
        self.cells.levels[what as usize].set(value);
    }

    pub fn up(&self, what: Level) {
        self.cells.levels[what as usize].add(1);
    }

    /// Never below zero.
    pub fn down(&self, what: Level) {
        self.cells.levels[what as usize].sub(1);
    }

    /// Counts a closed connection by index into the table of reasons; others are not counted.
    pub fn closed(&self, reason: usize) {
        if let Some(cell) = self.cells.closed.get(reason) {
            cell.add(1);
        }
    }
}

/// The labels of an endpoint: its method and its path in router syntax (`/a/:id`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointLabels {
    pub method: Box<str>,
    pub route: Box<str>,
}

/// The labels of a backend: its method, its pattern, and the endpoint it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BackendLabels {
    pub method: Box<str>,
    pub pattern: Box<str>,
    pub endpoint: EndpointLabels,
}

/// What a plan counts: endpoints and backends by their numbers in the plan. Answers that belong to
/// no endpoint (404, health) are entries of their own, as the server likes.
#[derive(Debug, Default)]
pub struct Layout {
    pub endpoints: Vec<EndpointLabels>,
    pub backends: Vec<BackendLabels>,
}

/// The cells of one plan on one worker. An entry takes memory (2 KB) with its first request only, so
/// that ten thousand endpoints do not multiply by the workers.
pub(super) struct IndexedCells {
    pub layout: Arc<Layout>,
    pub endpoints: Box<[OnceLock<Box<Entry>>]>,
    pub backends: Box<[OnceLock<Box<Entry>>]>,
}

/// One endpoint or backend.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct Entry {
    pub latency: Histogram,
    pub tally: Tally,
}

/// A worker's handle to the cells of a plan. Dropping it hands the counts to the registry.
pub struct PlanCells {
    cells: Arc<IndexedCells>,
    only_one_writer: PhantomData<std::cell::Cell<()>>,
}

impl PlanCells {
    pub(super) fn new(layout: Arc<Layout>) -> (Self, Arc<IndexedCells>) {
        let cells = Arc::new(IndexedCells {
            endpoints: layout.endpoints.iter().map(|_| OnceLock::new()).collect(),
            backends: layout.backends.iter().map(|_| OnceLock::new()).collect(),
            layout,
        });
        (Self { cells: Arc::clone(&cells), only_one_writer: PhantomData }, cells)
    }

    /// Counts an answered request: endpoint and outcome by their numbers.
    pub fn request(&self, endpoint: u32, status: u16, outcome: u16, took: Duration) {
        if let Some(entry) = self.cells.endpoints.get(endpoint as usize) {
            let key = u32::from(names::status_class(status)) << 16 | u32::from(outcome);
            entry.get_or_init(Box::default).count(key, took);
        }
    }

    /// Counts a finished call: backend and outcome by their numbers.
    pub fn call(&self, backend: u32, outcome: u16, took: Duration) {
        if let Some(entry) = self.cells.backends.get(backend as usize) {
            entry.get_or_init(Box::default).count(u32::from(outcome), took);
        }
    }
}

impl Entry {
    fn count(&self, key: u32, took: Duration) {
        self.latency.record(took);
        self.tally.cell(key).add(1);
    }
}

/// Counts by key. Few keys are ever used of the many possible, so there is a slot for each key that
/// was seen, in chunks that never move.
#[derive(Default)]
pub(super) struct Tally {
    slots: [Slot; 6],
    more: OnceLock<Box<Tally>>,
}

#[derive(Default)]
struct Slot {
    /// The key plus one; 0 while the slot is free.
    key: AtomicU32,
    count: Cell,
}

impl Tally {
    fn cell(&self, key: u32) -> &Cell {
        for slot in &self.slots {
            let taken = slot.key.load(Ordering::Relaxed);
            if taken == 0 {
                slot.key.store(key + 1, Ordering::Release);
            }
            if taken == 0 || taken == key + 1 {
                return &slot.count;
            }
        }
        self.more.get_or_init(Box::default).cell(key)
    }

    pub fn for_each(&self, mut seen: impl FnMut(u32, u64)) {
        let mut chunk = Some(self);
        while let Some(tally) = chunk {
            for slot in &tally.slots {
                if let Some(key) = slot.key.load(Ordering::Acquire).checked_sub(1) {
                    seen(key, slot.count.get());
                }
            }
            chunk = tally.more.get().map(|more| &**more);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_keeps_every_key() {
        let tally = Tally::default();
        for round in 0..3 {
            for key in 0..40_u32 {
                tally.cell(key * 65_536).add(u64::from(key) + round);
            }
        }
        let mut seen = Vec::new();
        tally.for_each(|key, count| seen.push((key, count)));
        let expected: Vec<_> = (0..40).map(|key| (key * 65_536, u64::from(key) * 3 + 3)).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn levels_stay_at_zero_and_unknown_numbers_are_ignored() {
        let (worker, cells) = WorkerCells::new();
        worker.down(Level::PoolIdle);
        worker.closed(70);
        assert_eq!(cells.levels[Level::PoolIdle as usize].get(), 0);
        let (plan, _) = PlanCells::new(Arc::new(Layout::default()));
        plan.request(3, 200, 0, Duration::ZERO);
        plan.call(3, 0, Duration::ZERO);
    }
}

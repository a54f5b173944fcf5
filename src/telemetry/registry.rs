//! All cells of the process, and their sums. Workers take their handles here at start and with each
//! plan; a scrape adds up what all of them counted, also of plans that are gone, so that counters
//! never go back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cells::{
    BackendLabels, EndpointLabels, Entry, FixedCells, IndexedCells, Layout, PlanCells, WorkerCells,
};
use super::histogram::Summed;
use super::names::{Count, Family, Level};

/// The labels that come in as numbers.
#[derive(Clone, Copy, Debug)]
pub struct Tables {
    /// Of requests and backend calls.
    pub outcomes: &'static [&'static str],
    /// Why client connections were closed.
    pub close_reasons: &'static [&'static str],
}

/// A number that somebody else keeps: read at each scrape, so it must be quick and lock nothing long.
pub type Reading = Box<dyn Fn() -> u64 + Send + Sync>;

/// See the module. One per process, in an `Arc`.
pub struct Registry {
    pub(super) tables: Tables,
    reloads_ok: AtomicU64,
    reloads_failed: AtomicU64,
    generation: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    workers: Vec<Arc<FixedCells>>,
    plans: Vec<Arc<IndexedCells>>,
    /// What the plans counted whose workers have let go of them.
    retired: Totals,
    readings: Vec<(&'static Family, Box<str>, Reading)>,
    drivers: BTreeMap<Box<str>, u64>,
}

impl Registry {
    pub fn new(tables: Tables) -> Arc<Self> {
        debug_assert!(tables.close_reasons.len() <= super::cells::REASONS_MAX);
        Arc::new(Self {
            tables,
            reloads_ok: AtomicU64::new(0),
            reloads_failed: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            state: Mutex::default(),
        })
    }

    /// The cells of a new worker, and the driver that its start settled on.
    pub fn worker(&self, driver: &str) -> WorkerCells {
        let (handle, cells) = WorkerCells::new();
        let mut state = self.state();
        state.workers.push(cells);
        *state.drivers.entry(driver.into()).or_default() += 1;
        handle
    }

    /// The cells of a plan for one worker.
    pub fn plan(&self, layout: &Arc<Layout>) -> PlanCells {
        let (handle, cells) = PlanCells::new(Arc::clone(layout));
        let mut state = self.state();
        state.fold();
        state.plans.push(cells);
        handle
    }

    /// Counts a reload that put a new plan in force.
    pub fn reloaded(&self) {
        self.reloads_ok.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a reload that was refused.
    pub fn reload_failed(&self) {
        self.reloads_failed.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of the plan in force.
    pub fn set_generation(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// Adds a number that is read at each scrape. `label` is the value of the family's label, "" for
    /// a family without; several readings of one label are added up.
    pub fn observe(&self, family: &'static Family, label: &str, reading: Reading) {
        debug_assert_eq!(family.labels.is_empty(), label.is_empty());
        self.state().readings.push((family, label.into(), reading));
    }

    /// Everything added up.
    pub fn sum(&self) -> Sums {
        let mut state = self.state();
        state.fold();
        let mut totals = state.retired.clone();
        state.plans.iter().for_each(|plan| totals.add(plan));
        let mut single: BTreeMap<(&'static str, Box<str>), u64> = BTreeMap::new();
        let mut add = |family: &Family, label: &str, n: u64| {
            let sum = single.entry((family.name, label.into())).or_default();
            *sum = sum.wrapping_add(n);
        };
        for count in Count::ALL {
            let (family, label) = count.family();
            add(family, label, 0);
            for worker in &state.workers {
                add(family, label, worker.counts[count as usize].get());
            }
        }
        for level in Level::ALL {
            let (family, label) = level.family();
            add(family, label, 0);
            for worker in &state.workers {
                add(family, label, worker.levels[level as usize].get());
            }
        }
        for worker in &state.workers {
            for (reason, cell) in self.tables.close_reasons.iter().zip(&worker.closed) {
                add(&super::names::CONNECTIONS_CLOSED, reason, cell.get());
            }
        }
        for (driver, n) in &state.drivers {
            add(&super::names::DRIVER_INFO, driver, *n);
        }
        for (family, label, reading) in &state.readings {
            add(family, label, reading());
        }
        add(&super::names::RELOADS, "ok", self.reloads_ok.load(Ordering::Relaxed));
        add(&super::names::RELOADS, "failed", self.reloads_failed.load(Ordering::Relaxed));
        add(&super::names::PLAN_GENERATION, "", self.generation.load(Ordering::Relaxed));
        let running = state.workers.iter().filter(|cells| Arc::strong_count(cells) > 1).count();
        add(&super::names::WORKERS, "", running as u64);
        add(&super::names::BUILD_INFO, crate::VERSION, 1);
        Sums { totals, single }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A reading that panicked leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keeps the sums of plans that no worker writes to any more, and frees their cells.
    fn fold(&mut self) {
        let Self { plans, retired, .. } = self;
        plans.retain(|plan| {
            let is_live = Arc::strong_count(plan) > 1;
            if !is_live {
                // The counts were stored before the writer let go.
                std::sync::atomic::fence(Ordering::Acquire);
                retired.add(plan);
            }
            is_live
        });
    }
}

/// What a scrape writes.
pub struct Sums {
    pub(super) totals: Totals,
    /// Families with at most one label: by name and label.
    pub(super) single: BTreeMap<(&'static str, Box<str>), u64>,
}

/// Sums by endpoint and backend, whatever their numbers were in which plan.
#[derive(Clone, Default)]
pub(super) struct Totals {
    pub endpoints: BTreeMap<EndpointLabels, Total>,
    pub backends: BTreeMap<BackendLabels, Total>,
}

#[derive(Clone, Default)]
pub(super) struct Total {
    pub latency: Summed,
    /// By the key of `cells::Tally`.
    pub tally: BTreeMap<u32, u64>,
}

impl Totals {
    fn add(&mut self, plan: &IndexedCells) {
        for (labels, entry) in plan.layout.endpoints.iter().zip(&plan.endpoints) {
            if let Some(entry) = entry.get() {
                self.endpoints.entry(labels.clone()).or_default().add(entry);
            }
        }
        for (labels, entry) in plan.layout.backends.iter().zip(&plan.backends) {
            if let Some(entry) = entry.get() {
                self.backends.entry(labels.clone()).or_default().add(entry);
            }
        }
    }
}

impl Total {
    fn add(&mut self, entry: &Entry) {
        self.latency.add(&entry.latency);
        entry.tally.for_each(|key, count| {
            let sum = self.tally.entry(key).or_default();
            *sum = sum.wrapping_add(count);
        });
    }
}

//! How much memory requests and responses may have: from `ringway.memory` or what the kernel allows,
//! less what everything else needs. Looked after by the control thread, never by a worker.
//!
//! What counts is of two kinds. Blocks are counted to the byte when they are taken. The rest (code,
//! plan, connections, what the allocator keeps) only shows in what the kernel says of the process
//! or its control group: the least of it within ten seconds is its floor, and what is above is the
//! allocator's, which the next blocks use again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::admission::{Load, Steps};
use crate::config::model::Service;
use crate::control::{Handle, Restart, Run, Task};
use crate::net::cgroup::{MemoryGroups, resident_bytes};
use crate::net::{budget, worker};
use crate::telemetry::logger::Logger;
use crate::telemetry::names;
use crate::telemetry::registry::Registry;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(100);
/// The floor is the least within this time.
const WINDOW: Duration = Duration::from_secs(10);
/// Percent of what the kernel allows that blocks may have where the file does not say.
const BLOCKS_SHARE: u64 = 75;
/// Percent that they keep, however much everything else needs.
const BLOCKS_LEAST: u64 = 5;

/// What the configuration says.
#[derive(Clone, Copy, Debug)]
struct Settings {
    /// `ringway.memory`.
    wanted: Option<u64>,
    steps: Steps,
}

impl Settings {
    fn of(service: &Service) -> Settings {
        Settings { wanted: service.ringway.memory_bytes, steps: Steps::of(&service.limits) }
    }
}

/// The watch as the rest of the process sees it.
pub struct Memory {
    settings: Arc<ArcSwap<Settings>>,
}

#[derive(Default)]
struct Seen {
    resident: AtomicU64,
    allowed: AtomicU64,
}

impl Memory {
    /// Looks once, so that the workers start with a limit, then goes on on the control thread.
    pub fn start(
        service: &Service,
        control: &Handle,
        registry: &Registry,
        logger: &Logger,
    ) -> Memory {
        let settings = Arc::new(ArcSwap::from_pointee(Settings::of(service)));
        let seen = Arc::new(Seen::default());
        let mut watch = Watch::new(logger.clone(), seen.clone());
        watch.look(&settings.load());
        observe(registry, &seen);
        let (shared, own) = (settings.clone(), logger.clone());
        let start: Arc<dyn Fn() -> Run + Send + Sync> = Arc::new(move || {
            let mut watch = Watch::new(own.clone(), seen.clone());
            let settings = shared.clone();
            Box::pin(async move {
                loop {
                    tokio::time::sleep(PERIOD).await;
                    watch.look(&settings.load());
                }
            })
        });
        let task = Task { name: "memory", restart: Restart::Always, start };
        if control.spawn(task).is_err() {
            logger.warning("[SERVICE: Ringway] Memory is looked at only once: no control thread");
        }
        Memory { settings }
    }

    /// Another configuration is in force.
    pub fn set(&self, service: &Service) {
        self.settings.store(Arc::new(Settings::of(service)));
    }
}

fn observe(registry: &Registry, seen: &Arc<Seen>) {
    let family = &names::MEMORY;
    registry.observe(family, "blocks_free", Box::new(|| budget::pooled() as u64));
    registry.observe(family, "blocks_limit", Box::new(|| shown(budget::limit())));
    let own = seen.clone();
    registry.observe(family, "resident", Box::new(move || own.resident.load(Relaxed)));
    let own = seen.clone();
    registry.observe(family, "allowed", Box::new(move || own.allowed.load(Relaxed)));
}

/// Without a limit there is nothing to show.
fn shown(limit: usize) -> u64 {
    if limit == budget::UNLIMITED { 0 } else { limit as u64 }
}

struct Watch {
    groups: MemoryGroups,
    machine: Option<u64>,
    floor: Floor,
    step: Load,
    logger: Logger,
    seen: Arc<Seen>,
}

impl Watch {
    fn new(logger: Logger, seen: Arc<Seen>) -> Watch {
        Watch {
            groups: MemoryGroups::own(),
            machine: worker::machine_memory(),
            floor: Floor::default(),
            step: Load::Normal,
            logger,
            seen,
        }
    }

    fn look(&mut self, settings: &Settings) {
        let group = self.groups.fullest();
        let resident = resident_bytes().unwrap_or(0);
        let blocks = (budget::used() + budget::pooled()) as u64;
        let used = resident.max(group.map_or(0, |group| group.used));
        let floor = self.floor.saw(Instant::now(), used.saturating_sub(blocks));
        let by_group = group.map_or(0, |group| thousandths(group.used, group.limit));
        let by_machine = self.machine.map_or(0, |machine| thousandths(resident, machine));
        let process = by_group.max(by_machine);
        let allowed = [group.map(|group| group.limit), self.machine].into_iter().flatten().min();
        budget::set_limit(limit(settings.wanted, allowed, floor));
        budget::set_process_fullness(process);
        self.seen.resident.store(resident, Relaxed);
        self.seen.allowed.store(allowed.unwrap_or(0), Relaxed);
        self.tell(settings.steps, budget::fullness(), process);
    }

    /// A line for each step up, and one when it is over.
    fn tell(&mut self, steps: Steps, blocks: usize, process: usize) {
        let step = steps.at(blocks.max(process));
        let before = std::mem::replace(&mut self.step, step);
        let what = match step {
            _ if step == before => return,
            Load::Normal => {
                self.logger.info("[SERVICE: Ringway] Memory: enough again");
                return;
            }
            _ if step < before => return,
            Load::Closing => "connections close after their answer",
            Load::Refusing => "endpoints answer 503",
            Load::Full => "nothing is accepted",
        };
        self.logger.warning(format_args!(
            "[SERVICE: Ringway] Memory: requests and responses have {} % of their share, the \
             process {} % of what it may have: {what}",
            blocks / 10,
            process / 10,
        ));
    }
}

fn thousandths(used: u64, of: u64) -> usize {
    let share = u128::from(used) * 1000 / u128::from(of.max(1));
    usize::try_from(share).unwrap_or(usize::MAX)
}

/// Bytes that blocks may have.
fn limit(wanted: Option<u64>, allowed: Option<u64>, floor: u64) -> usize {
    let share = |percent| allowed.map(|bytes| bytes / 100 * percent);
    let room = allowed.map(|bytes| bytes.saturating_sub(floor));
    let Some(most) = wanted.or_else(|| share(BLOCKS_SHARE)) else { return budget::UNLIMITED };
    let least = share(BLOCKS_LEAST).unwrap_or(0).min(most);
    let bytes = room.map_or(most, |room| most.min(room)).max(least);
    usize::try_from(bytes).unwrap_or(budget::UNLIMITED)
}

/// The least of what was seen within the window.
#[derive(Default)]
struct Floor {
    /// Times go up, and so do the values: who is beaten by a later one is gone.
    seen: VecDeque<(Instant, u64)>,
}

impl Floor {
    fn saw(&mut self, now: Instant, bytes: u64) -> u64 {
        while self.seen.back().is_some_and(|(_, known)| *known >= bytes) {
            self.seen.pop_back();
        }
        self.seen.push_back((now, bytes));
        while self.seen.front().is_some_and(|(at, _)| now.duration_since(*at) > WINDOW) {
            self.seen.pop_front();
        }
        self.seen.front().map_or(bytes, |(_, least)| *least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn what_blocks_may_have() {
        for (case, wanted, allowed, floor, expected) in [
            ("nobody says anything", None, None, 5, u64::MAX),
            ("the file", Some(64 * MIB), None, 500 * MIB, 64 * MIB),
            ("three quarters of what is allowed", None, Some(400 * MIB), 20 * MIB, 300 * MIB),
            ("less where the rest needs more", None, Some(400 * MIB), 150 * MIB, 250 * MIB),
            ("the file, within reason", Some(1024 * MIB), Some(400 * MIB), 100 * MIB, 300 * MIB),
            ("never nothing", None, Some(400 * MIB), 400 * MIB, 20 * MIB),
            ("never more than the file says", Some(MIB), Some(400 * MIB), 400 * MIB, MIB),
        ] {
            assert_eq!(limit(wanted, allowed, floor) as u64, expected, "{case}");
        }
    }

    #[test]
    fn the_floor_is_the_least_of_a_while() {
        let (mut floor, start) = (Floor::default(), Instant::now());
        for (second, seen, expected) in [
            (0, 50, 50),
            (1, 90, 50),
            (2, 40, 40),
            (3, 60, 40),
            (9, 80, 40),
            (13, 70, 60),
            (14, 90, 70),
        ] {
            let now = start + Duration::from_secs(second);
            assert_eq!(floor.saw(now, seen), expected, "second {second}");
        }
    }

    #[test]
    fn shares_of_memory() {
        assert_eq!(thousandths(98, 100), 980);
        assert_eq!(thousandths(u64::MAX, 1), usize::MAX);
        assert_eq!(thousandths(5, 0), 5000);
    }
}

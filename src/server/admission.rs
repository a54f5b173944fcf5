//! Whether a worker takes more: connections against their caps and the open files, requests and
//! bodies against the memory. What refuses stands here; who is refused how, stands at the callers.
//! Source: docs/reference/hardening.md section 1, 4.3; docs/operations.md.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::config::model::Limits;
use crate::net::{budget, descriptors};
use crate::telemetry::names::Count;

/// The first pause of an acceptor that may not accept, and the longest: a second after there is
/// room, connections are taken again.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_LAST: Duration = Duration::from_millis(200);

/// The steps of an overload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    /// Nothing to do.
    Normal,
    /// Connections close after the answer they are at.
    Closing,
    /// Endpoints answer 503.
    Refusing,
    /// No connection is accepted either, and no body grows.
    Full,
}

/// Where the steps begin, in thousandths of the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps([usize; 3]);

impl Steps {
    /// Those of a configuration.
    pub fn of(limits: &Limits) -> Steps {
        let shares = [limits.overload_close, limits.overload_refuse, limits.overload_stop];
        Steps(shares.map(|percent| percent as usize * 10))
    }

    /// The step at so many thousandths.
    pub fn at(self, thousandths: usize) -> Load {
        let Steps([close, refuse, stop]) = self;
        match thousandths {
            n if n >= stop => Load::Full,
            n if n >= refuse => Load::Refusing,
            n if n >= close => Load::Closing,
            _ => Load::Normal,
        }
    }

    /// The bytes at which each step begins.
    fn bytes(self, limit: usize) -> [usize; 3] {
        let Steps(steps) = self;
        steps.map(|step| (limit as u128 * step as u128 / 1000).min(usize::MAX as u128) as usize)
    }
}

/// Client connections of one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerAddress {
    /// Who holds half of the connections gets none of the last quarter.
    Automatic,
    /// So many of this worker.
    AtMost(usize),
    /// No bound.
    Unbounded,
}

/// Why nothing is accepted for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// As many connections are open as may be.
    Connections,
    /// The memory is nearly used up.
    Memory,
    /// Only reserved descriptors are left, or none.
    Files,
    /// The listener failed for another reason.
    Listener,
}

impl Pause {
    /// What counts it.
    pub fn count(self) -> Count {
        match self {
            Pause::Connections => Count::PausedByConnections,
            Pause::Memory => Count::PausedByMemory,
            Pause::Files => Count::PausedByFiles,
            Pause::Listener => Count::PausedByListener,
        }
    }
}

/// What a worker may take.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Workers of the process, which share the memory.
    pub n_workers: usize,
    /// Client connections of one worker.
    pub connections: usize,
    /// The same for one address.
    pub per_address: PerAddress,
}

/// One worker's.
pub struct Admission {
    caps: Caps,
    per_address: RefCell<HashMap<IpAddr, u32>>,
    /// Bytes held by this thread from which each step is reached, as of the last look.
    steps: Cell<[isize; 3]>,
    /// The step that the memory of the whole process asks for, as of the last look.
    process: Cell<Load>,
    /// The last connection took a reserved descriptor.
    is_on_reserve: Cell<bool>,
    pause: Cell<Duration>,
}

impl Admission {
    /// For one worker.
    pub fn new(caps: Caps) -> Admission {
        Admission {
            caps,
            per_address: RefCell::default(),
            steps: Cell::new([isize::MAX; 3]),
            process: Cell::new(Load::Normal),
            is_on_reserve: Cell::new(false),
            pause: Cell::new(PAUSE_FIRST),
        }
    }

    /// Looks at the memory, some times a second. Between two looks this thread may go on by its
    /// share of what was left, so that all workers together keep to the limit.
    pub fn look(&self, steps: Steps) {
        self.process.set(steps.at(budget::process_fullness()));
        let here = budget::used_here();
        self.steps.set(match budget::limit() {
            budget::UNLIMITED => [isize::MAX; 3],
            limit => shares(here, budget::used(), steps.bytes(limit), self.caps.n_workers),
        });
        let [_, _, stop] = self.steps.get();
        let is_full = self.process.get() == Load::Full;
        budget::set_ceiling(if is_full { here.min(stop) } else { stop });
    }

    /// What the memory asks for, now.
    pub fn load(&self) -> Load {
        let here = budget::used_here();
        let [close, refuse, stop] = self.steps.get();
        let own = match here {
            n if n >= stop => Load::Full,
            n if n >= refuse => Load::Refusing,
            n if n >= close => Load::Closing,
            _ => Load::Normal,
        };
        own.max(self.process.get())
    }

    /// Why the next connection has to wait, if it has to.
    pub fn pause(&self, n_connections: usize) -> Option<Pause> {
        if n_connections >= self.caps.connections {
            return Some(Pause::Connections);
        }
        if self.load() == Load::Full {
            return Some(Pause::Memory);
        }
        if self.is_on_reserve.get() {
            if !descriptors::has_room() {
                return Some(Pause::Files);
            }
            self.is_on_reserve.set(false);
        }
        None
    }

    /// How long the next pause is: each is twice the one before.
    pub fn next_pause(&self) -> Duration {
        let pause = self.pause.get();
        self.pause.set((pause * 2).min(PAUSE_LAST));
        pause
    }

    /// A connection was accepted.
    pub fn accepted(&self, is_on_reserve: bool) {
        self.pause.set(PAUSE_FIRST);
        self.is_on_reserve.set(is_on_reserve);
    }

    /// Whether a connection of this address may come to `n_connections` others, or it has enough.
    pub fn admits(&self, address: Option<IpAddr>, n_connections: usize) -> bool {
        let Some(address) = address else { return true };
        let held = || self.per_address.borrow().get(&address).copied().unwrap_or(0) as usize;
        match self.caps.per_address {
            PerAddress::Unbounded => true,
            PerAddress::AtMost(max) => held() < max,
            PerAddress::Automatic => {
                let max = self.caps.connections;
                n_connections < max - max / 4 || held() < max.div_ceil(2)
            }
        }
    }

    /// A connection of this address was taken.
    pub fn came(&self, address: Option<IpAddr>) {
        if let Some(address) = address.filter(|_| self.caps.per_address != PerAddress::Unbounded) {
            *self.per_address.borrow_mut().entry(address).or_default() += 1;
        }
    }

    /// One of this address is gone.
    pub fn left(&self, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        let mut counts = self.per_address.borrow_mut();
        if let Some(count) = counts.get_mut(&address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

/// Bytes that a thread may hold up to each step: what it holds, and its share of what is left.
fn shares(here: isize, used: usize, steps: [usize; 3], n_workers: usize) -> [isize; 3] {
    steps.map(|step| {
        let step = isize::try_from(step).unwrap_or(isize::MAX);
        let used = isize::try_from(used).unwrap_or(isize::MAX);
        let left = step.saturating_sub(used);
        here.saturating_add(left / isize::try_from(n_workers).unwrap_or(isize::MAX).max(1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_with(connections: usize, per_address: PerAddress) -> Admission {
        Admission::new(Caps { n_workers: 1, connections, per_address })
    }

    #[test]
    fn steps_of_an_overload() {
        let steps = Steps::of(&Limits::default());
        for (thousandths, load) in [
            (0, Load::Normal),
            (919, Load::Normal),
            (920, Load::Closing),
            (949, Load::Closing),
            (950, Load::Refusing),
            (979, Load::Refusing),
            (980, Load::Full),
            (usize::MAX, Load::Full),
        ] {
            assert_eq!(steps.at(thousandths), load, "{thousandths}");
        }
    }

    #[test]
    fn what_is_left_is_shared() {
        for (case, here, used, step, workers, expected) in [
            ("all is free", 0, 0, 1000, 1, 1000),
            ("half is used by us", 500, 500, 1000, 1, 1000),
            ("half is used by others", 0, 500, 1000, 1, 500),
            ("two share what is left", 100, 500, 1000, 2, 350),
            ("nothing is left", 500, 1000, 1000, 2, 500),
            ("too much is used", 800, 1400, 1000, 2, 600),
            ("we free what others took", -300, 0, 1000, 1, 700),
        ] {
            assert_eq!(shares(here, used, [step; 3], workers), [expected; 3], "{case}");
        }
    }

    #[test]
    fn pauses_double_until_one_is_accepted() {
        let admission = one_with(1, PerAddress::Automatic);
        let ms = |admission: &Admission| admission.next_pause().as_millis();
        let pauses: Vec<_> = (0..7).map(|_| ms(&admission)).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 200, 200]);
        admission.accepted(false);
        assert_eq!(ms(&admission), 10);
        assert_eq!(admission.pause(0), None);
        assert_eq!(admission.pause(1), Some(Pause::Connections));
    }

    #[test]
    fn connections_of_one_address() {
        let address = |last| Some(IpAddr::from([10, 0, 0, last]));
        let (greedy, other) = (address(1), address(2));
        let fill = |admission: &Admission| {
            (0..100)
                .take_while(|n| {
                    let may = admission.admits(greedy, *n);
                    may.then(|| admission.came(greedy));
                    may
                })
                .count()
        };
        let admission = one_with(16, PerAddress::Automatic);
        assert_eq!(fill(&admission), 12, "three quarters are free for everybody");
        for n in 12..16 {
            assert!(admission.admits(other, n), "the last quarter is for others");
            admission.came(other);
        }
        (0..4).for_each(|_| admission.left(other));
        (0..5).for_each(|_| admission.left(greedy));
        assert!(admission.admits(greedy, 15), "less than half is never refused");
        let admission = one_with(16, PerAddress::AtMost(2));
        assert_eq!(fill(&admission), 2);
        assert!(admission.admits(other, 2));
        assert!(admission.admits(None, 2), "a Unix socket has no address");
        admission.left(greedy);
        assert!(admission.admits(greedy, 1));
        assert_eq!(fill(&one_with(4, PerAddress::Unbounded)), 100);
    }
}

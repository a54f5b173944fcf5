//! Which host of a backend is next: in turn or at random, stepping over hosts that rest.
//! Source: docs/reference/lura-core.md 3.3; design: differences, row 23.

use std::cell::Cell;

use crate::plan::Balance;

/// Per-core state of all backends' choices: one counter per backend and one generator.
pub struct Balancer {
    next: Vec<Cell<u32>>,
    state: Cell<u64>,
}

impl Balancer {
    /// For a plan with `n` backends. The seed spreads the workers' starting points.
    pub fn new(n: usize, seed: u64) -> Balancer {
        let balancer = Balancer { next: Vec::new(), state: Cell::new(seed | 1) };
        let next = (0..n).map(|_| Cell::new(balancer.random() as u32)).collect();
        Balancer { next, ..balancer }
    }

    /// The index of the next host among `n`, the first in this order that `rests` says is awake;
    /// where all rest, the first anyway.
    pub fn pick(
        &self,
        backend: usize,
        n: usize,
        how: Balance,
        mut rests: impl FnMut(usize) -> bool,
    ) -> usize {
        if n <= 1 {
            return 0;
        }
        let start = match (how, self.next.get(backend)) {
            (Balance::RoundRobin, Some(counter)) => {
                counter.set(counter.get().wrapping_add(1));
                counter.get() as usize % n
            }
            _ => self.random() as usize % n,
        };
        (0..n).map(|step| (start + step) % n).find(|at| !rests(*at)).unwrap_or(start)
    }

    /// xorshift64*: enough to spread load, nothing else.
    fn random(&self) -> u64 {
        let mut x = self.state.get();
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.state.set(x);
        x.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_turn() {
        let balancer = Balancer::new(1, 7);
        let first = balancer.pick(0, 3, Balance::RoundRobin, |_| false);
        for step in 1..7 {
            assert_eq!(balancer.pick(0, 3, Balance::RoundRobin, |_| false), (first + step) % 3);
        }
    }

    #[test]
    fn at_random_reaches_all_evenly() {
        let balancer = Balancer::new(1, 42);
        let mut hits = [0u32; 4];
        for _ in 0..40_000 {
            hits[balancer.pick(0, 4, Balance::Random, |_| false)] += 1;
        }
        assert!(hits.iter().all(|h| (9_500..10_500).contains(h)), "{hits:?}");
    }

    #[test]
    fn steps_over_hosts_that_rest() {
        let balancer = Balancer::new(1, 3);
        for _ in 0..10 {
            assert_eq!(balancer.pick(0, 3, Balance::Random, |at| at != 1), 1);
        }
        assert!(balancer.pick(0, 3, Balance::Random, |_| true) < 3, "all rest: one is tried");
        assert_eq!(balancer.pick(9, 1, Balance::RoundRobin, |_| true), 0);
    }
}

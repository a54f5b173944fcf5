//! A histogram of durations in fixed log-linear buckets. Written by one thread without a lock or a
//! read-modify-write, read by any.
//!
//! Error bound: a bucket is at most 1/8 (12.5 %) as wide as its lower bound, 1 µs below 8 µs. The
//! exported cumulative counts are exact but for the one bucket that an exported bound falls into,
//! whose content is split in proportion. Values from 268 s on share the last bucket; the sum is exact
//! to the microsecond.

use std::time::Duration;

use super::cells::Cell;

/// Eight buckets for each power of two.
const SPLIT_BITS: u32 = 3;
const SPLIT: usize = 1 << SPLIT_BITS;
/// The last power of two that has its own buckets: 2^27 µs to 2^28 µs.
const LAST_POWER: u32 = 27;
const N_BUCKETS: usize = ((LAST_POWER - SPLIT_BITS + 2) as usize) * SPLIT;

/// KrakenD's bounds for times, in microseconds (docs/reference/krakend-components.md 20.2).
pub const BOUNDS_US: [u64; 20] = [
    10_000, 20_000, 50_000, 75_000, 100_000, 125_000, 150_000, 175_000, 200_000, 250_000, 300_000,
    350_000, 500_000, 750_000, 1_000_000, 1_500_000, 2_000_000, 3_500_000, 5_000_000, 10_000_000,
];

/// The cells of one histogram: 1.7 KB.
pub struct Histogram {
    buckets: [Cell; N_BUCKETS],
    sum_us: Cell,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [const { Cell::new() }; N_BUCKETS], sum_us: Cell::new() }
    }
}

impl Histogram {
    /// Counts one duration. Only the thread that owns the cells may call it.
    pub fn record(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket(us)].add(1);
        self.sum_us.add(us);
    }
}

/// The sum of several histograms.
#[derive(Clone, Debug)]
pub struct Summed {
    buckets: Box<[u64; N_BUCKETS]>,
    sum_us: u64,
}

impl Default for Summed {
    fn default() -> Self {
        Self { buckets: Box::new([0; N_BUCKETS]), sum_us: 0 }
    }
}

impl Summed {
    pub fn add(&mut self, histogram: &Histogram) {
        for (sum, cell) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *sum = sum.wrapping_add(cell.get());
        }
        self.sum_us = self.sum_us.wrapping_add(histogram.sum_us.get());
    }

    pub fn merge(&mut self, other: &Self) {
        for (sum, count) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *sum = sum.wrapping_add(*count);
        }
        self.sum_us = self.sum_us.wrapping_add(other.sum_us);
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// All durations together, in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// How many durations were at most each of `BOUNDS_US`.
    pub fn cumulative(&self) -> [u64; BOUNDS_US.len()] {
        BOUNDS_US.map(|bound| {
            let mut below = 0_u64;
            for (at, count) in self.buckets.iter().enumerate() {
                let (from, to) = range(at);
                if to <= bound {
                    below = below.wrapping_add(*count);
                } else {
                    let share = u128::from(*count) * u128::from(bound.saturating_sub(from));
                    let share = share / u128::from(to - from);
                    return below.wrapping_add(u64::try_from(share).unwrap_or(*count));
                }
            }
            below
        })
    }
}

fn bucket(us: u64) -> usize {
    if us < SPLIT as u64 {
        return us as usize;
    }
    let power = us.ilog2().min(LAST_POWER);
    let within = (us >> (power - SPLIT_BITS)) as usize - SPLIT;
    (power - SPLIT_BITS + 1) as usize * SPLIT + within.min(SPLIT - 1)
}

/// Which microseconds a bucket holds: from, and up to but not with.
fn range(at: usize) -> (u64, u64) {
    if at < SPLIT {
        return (at as u64, at as u64 + 1);
    }
    let shift = (at / SPLIT - 1) as u32;
    let from = ((SPLIT + at % SPLIT) as u64) << shift;
    (from, from + (1 << shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_cover_every_duration_once_and_narrowly() {
        let mut next = 0;
        for at in 0..N_BUCKETS {
            let (from, to) = range(at);
            assert_eq!(from, next, "bucket {at}");
            assert_eq!((bucket(from), bucket(to - 1)), (at, at));
            assert!(from < 8 || (to - from) * 8 <= from, "bucket {at} is too wide");
            next = to;
        }
        assert_eq!(next, 1 << 28);
        assert_eq!(bucket(u64::MAX), N_BUCKETS - 1);
    }

    #[test]
    fn exported_counts_stay_within_the_error_bound() {
        let histogram = Histogram::default();
        let mut values = Vec::new();
        let mut seed = 1_u64;
        for _ in 0..10_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let us = 100 * (1 + (seed >> 40) % 60_000);
            values.push(us);
            histogram.record(Duration::from_micros(us));
        }
        let mut summed = Summed::default();
        summed.add(&histogram);
        assert_eq!(summed.count(), 10_000);
        assert_eq!(summed.sum_us(), values.iter().sum::<u64>());
        let exported = summed.cumulative();
        assert!(exported.is_sorted());
        for (bound, count) in BOUNDS_US.into_iter().zip(exported) {
            let within = |limit: u64| values.iter().filter(|us| **us <= limit).count() as u64;
            let (low, high) = (within(bound - bound / 8), within(bound + bound / 8));
            assert!((low..=high).contains(&count), "{bound}: {count} not in {low}..={high}");
        }
    }
}

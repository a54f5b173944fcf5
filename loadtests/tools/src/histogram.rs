//! Durations in log-linear buckets: a power of two is split into 128, so that a percentile is told
//! within 0.8 % and recording is an addition.

/// Bits of the split of a power of two.
const SPLIT_BITS: u32 = 7;
const SPLIT: u64 = 1 << SPLIT_BITS;

/// Nanoseconds, up to all that fits.
pub struct Histogram {
    buckets: Vec<u64>,
    n: u64,
    sum: u128,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { buckets: vec![0; bucket(u64::MAX) + 1], n: 0, sum: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, nanos: u64) {
        self.buckets[bucket(nanos)] += 1;
        self.n += 1;
        self.sum += u128::from(nanos);
        self.max = self.max.max(nanos);
    }

    /// How many were counted.
    pub fn n(&self) -> u64 {
        self.n
    }

    /// The longest, in nanoseconds.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// Nanoseconds; 0 of nothing.
    pub fn mean(&self) -> u64 {
        if self.n == 0 { 0 } else { (self.sum / u128::from(self.n)) as u64 }
    }

    /// The least duration, as the upper end of its bucket, that so large a share does not exceed.
    pub fn percentile(&self, share: f64) -> u64 {
        let wanted = ((self.n as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (at, n) in self.buckets.iter().enumerate() {
            seen += n;
            if seen >= wanted {
                return end_of(at).min(self.max);
            }
        }
        self.max
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < SPLIT {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - SPLIT_BITS;
    ((u64::from(shift) << SPLIT_BITS) + (nanos >> shift)) as usize
}

/// The largest duration of a bucket.
fn end_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * SPLIT {
        return bucket;
    }
    let shift = (bucket >> SPLIT_BITS) - 1;
    let first = (bucket - (shift << SPLIT_BITS)) << shift;
    first + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_own_end() {
        for nanos in [0, 1, 127, 128, 255, 256, 257, 1_000, 123_456_789, u64::MAX] {
            let (at, end) = (bucket(nanos), end_of(bucket(nanos)));
            assert!(end >= nanos && bucket(end) == at, "{nanos}");
            assert!((end - nanos) as f64 <= nanos as f64 / 127.0, "{nanos} in {at} to {end}");
        }
    }

    #[test]
    fn percentiles() {
        let mut all = Histogram::default();
        (1..=1000).for_each(|n| all.record(n * 1000));
        for (share, expected) in [(0.5, 500_000), (0.99, 990_000), (0.999, 999_000)] {
            let found = all.percentile(share);
            assert!(found >= expected && found <= expected + expected / 127, "{share}: {found}");
        }
        assert_eq!((all.percentile(1.0), all.max(), all.n()), (1_000_000, 1_000_000, 1000));
        assert_eq!(Histogram::default().percentile(0.5), 0);
    }
}

//! Time as the workers use it: monotonic nanoseconds for deadlines, wall seconds for `Date`.
//! The only place that reads a clock.

use std::cell::Cell;
use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point of monotonic time in nanoseconds; the same scale on all threads of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// Later than everything: a deadline that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Tick {
    type Output = Self;

    /// Saturates at `NEVER`.
    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Tick {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

thread_local! {
    /// The time of this turn on a worker whose driver reads it once a turn; 0 elsewhere.
    static TURN: Cell<u64> = const { Cell::new(0) };
}

/// The monotonic clock. On a worker of our own ring it is the time at which this turn of the loop (or
/// its last few tasks) began; elsewhere it is read, about 20 ns a call.
pub fn now() -> Tick {
    match TURN.get() {
        0 => read(),
        turn => Tick(turn),
    }
}

/// Begins a turn of this thread's loop.
pub(super) fn refresh() {
    TURN.set(read().0);
}

/// From now on this thread reads the clock each time.
pub(super) fn stop() {
    TURN.set(0);
}

fn read() -> Tick {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer; CLOCK_MONOTONIC exists on every Linux, so the
    // call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    Tick(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// CPU time of all threads of this process so far.
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer; the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Seconds since 1970, for `Date` and log lines; 0 before that.
pub fn wall_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Time since 1970 in nanoseconds, for traces and logs with fractions.
pub fn wall_nanos() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_saturate() {
        assert_eq!(Tick::NEVER + Duration::from_secs(1), Tick::NEVER);
        assert_eq!(Tick(5) - Tick(7), Duration::ZERO);
        assert_eq!(Tick(5) + Duration::from_nanos(2), Tick(7));
    }

    #[test]
    fn the_clock_does_not_go_back() {
        let first = now();
        assert!(now() >= first);
        assert!(wall_seconds() > 1_700_000_000);
        let used = cpu_time();
        assert!(cpu_time() >= used && used > Duration::ZERO);
    }
}

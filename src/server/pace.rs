//! Whether a client sends its content fast enough: no pause over `body_idle`, and at least
//! `body_rate_min` over each ten seconds. Only time in which the client is waited for counts: a
//! backend that takes its time, and a process that was busy, are no fault of the client.
//! No clock of its own. Source: docs/reference/hardening.md section 1, 4.2.

use std::time::Duration;

use crate::net::clock::Tick;

/// The minimum rate is an average over this long.
pub const WINDOW: Duration = Duration::from_secs(10);

/// The client is too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSlow;

/// The pace of one request's content.
pub struct Pace {
    idle: Duration,
    /// Bytes a second; 0: none.
    rate_min: u64,
    /// `read_timeout`: all of it has to be there.
    total: Option<Tick>,
    /// Since when the client is waited for; `NEVER`: it is not.
    waits_since: Tick,
    /// Up to where the wait under way is part of `waited`.
    counted_to: Tick,
    /// Waited for in this window.
    waited: Duration,
    /// Came in this window, and what the windows before had too much.
    bytes: u64,
}

impl Pace {
    /// At the start of the content.
    pub fn new(idle: Duration, rate_min: u32, total: Option<Tick>) -> Pace {
        Pace {
            idle,
            rate_min: u64::from(rate_min),
            total,
            waits_since: Tick::NEVER,
            counted_to: Tick::NEVER,
            waited: Duration::ZERO,
            bytes: 0,
        }
    }

    /// The client is waited for from `now` on. When to [`Pace::judge`] it, unless something comes.
    pub fn waits(&mut self, now: Tick) -> Tick {
        self.waits_since = now;
        self.counted_to = now;
        self.next(now)
    }

    fn next(&self, now: Tick) -> Tick {
        let idle = self.waits_since + self.idle;
        let rate = match self.rate_min {
            0 => Tick::NEVER,
            _ => now + WINDOW.saturating_sub(self.waited),
        };
        idle.min(rate).min(self.total.unwrap_or(Tick::NEVER))
    }

    /// Nothing came until `now`: when to judge it next, if it is not too slow.
    pub fn judge(&mut self, now: Tick) -> Result<Tick, TooSlow> {
        self.count(now)?;
        if now.since(self.waits_since) >= self.idle {
            return Err(TooSlow);
        }
        Ok(self.next(now))
    }

    /// So many bytes came.
    pub fn came(&mut self, now: Tick, bytes: usize) -> Result<(), TooSlow> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        let judged = self.count(now);
        self.waits_since = Tick::NEVER;
        self.counted_to = Tick::NEVER;
        judged
    }

    /// Adds the wait up to `now`, and closes the window when it is over.
    fn count(&mut self, now: Tick) -> Result<(), TooSlow> {
        if self.total.is_some_and(|total| now >= total) {
            return Err(TooSlow);
        }
        if self.counted_to != Tick::NEVER {
            self.waited += now.since(self.counted_to);
            self.counted_to = now;
        }
        if self.rate_min == 0 || self.waited < WINDOW {
            return Ok(());
        }
        let due = self.rate_min.saturating_mul(self.waited.as_secs());
        if self.bytes < due {
            return Err(TooSlow);
        }
        // Who was ahead may pause for as long as anybody may.
        let ahead_max = self.rate_min.saturating_mul(self.idle.as_secs());
        self.bytes = (self.bytes - due).min(ahead_max);
        self.waited = Duration::ZERO;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Tick {
        Tick(seconds * 1_000_000_000)
    }

    const IDLE: Duration = Duration::from_secs(30);

    fn pace() -> Pace {
        Pace::new(IDLE, 240, None)
    }

    #[test]
    fn a_drip_is_too_slow_after_ten_seconds() {
        for (case, bytes_a_second, ends) in
            [("one byte", 1, Some(10)), ("one below", 239, Some(10)), ("at the limit", 240, None)]
        {
            let mut pace = pace();
            let mut ended = None;
            for second in 0..100 {
                pace.waits(s(second));
                if pace.came(s(second + 1), bytes_a_second).is_err() {
                    ended = Some(second + 1);
                    break;
                }
            }
            assert_eq!(ended, ends, "{case}");
        }
    }

    /// The window's end is no deadline for the next piece.
    #[test]
    fn a_fast_client_may_pause_at_the_end_of_a_window() {
        let mut pace = pace();
        for second in 0..9 {
            pace.waits(s(second));
            assert_eq!(pace.came(s(second + 1), 100_000), Ok(()));
        }
        assert_eq!(pace.waits(s(9)), s(10), "the window is looked at");
        let next = pace.judge(s(10)).expect("fast enough");
        assert_eq!(next, s(20));
        assert_eq!(pace.judge(s(20)), Ok(s(30)), "it was far ahead");
        assert_eq!(pace.judge(s(30)), Ok(s(39)), "then the pause counts alone");
        assert_eq!(pace.judge(s(39)), Err(TooSlow));
    }

    #[test]
    fn what_was_ahead_is_used_up() {
        let mut pace = pace();
        pace.waits(s(0));
        assert_eq!(pace.came(s(1), 4_800), Ok(()));
        pace.waits(s(1));
        assert_eq!(pace.judge(s(10)), Ok(s(20)));
        assert_eq!(pace.judge(s(20)), Ok(s(30)));
        assert_eq!(pace.judge(s(30)), Err(TooSlow), "4,800 bytes are enough for 20 s");
    }

    /// A backend that does not read for a minute, while the client has bytes ready all the time.
    #[test]
    fn the_backends_slowness_is_not_the_clients() {
        let mut pace = pace();
        for minute in 0..10 {
            let from = 60 * minute;
            assert_eq!(pace.came(s(from), 10), Ok(()), "it was there at once");
            pace.waits(s(from + 59));
            assert_eq!(pace.came(s(from + 60), 400), Ok(()));
        }
    }

    #[test]
    fn pauses_without_a_rate() {
        let mut pace = Pace::new(IDLE, 0, None);
        for n in 0..20 {
            assert_eq!(pace.waits(s(29 * n)), s(29 * n + 30));
            assert_eq!(pace.came(s(29 * (n + 1)), 1), Ok(()), "one byte each 29 s is allowed then");
        }
        pace.waits(s(1000));
        assert_eq!(pace.judge(s(1030)), Err(TooSlow));
    }

    #[test]
    fn the_whole_request_has_its_time() {
        let mut pace = Pace::new(IDLE, 240, Some(s(5)));
        assert_eq!(pace.waits(s(0)), s(5));
        assert_eq!(pace.came(s(4), 1 << 20), Ok(()));
        assert_eq!(pace.waits(s(4)), s(5));
        assert_eq!(pace.came(s(5), 1 << 20), Err(TooSlow));
    }

    #[test]
    fn times_near_the_end_of_the_clock() {
        let late = Tick(u64::MAX - 1);
        let mut pace = Pace::new(IDLE, 240, None);
        assert_eq!(pace.waits(late), Tick::NEVER);
        assert_eq!(pace.judge(late), Ok(Tick::NEVER));
        assert_eq!(pace.came(late, 1), Ok(()));
    }
}

//! The kinds of limits: how each is read, and how its default and its range are shown.

use crate::config::diagnostic::Diagnostics;
use crate::config::duration::shown as shown_time;
use crate::config::node::Node;
use crate::config::size::{self, Bytes};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Reads the block's keys.
pub(super) struct Reader<'n, 'd> {
    pub block: Node<'n>,
    pub found: &'d mut Diagnostics,
}

impl Reader<'_, '_> {
    /// A limit in time cannot be turned off: zero is refused.
    pub fn time(&mut self, key: &str, range: RangeInclusive<Duration>, into: &mut Duration) {
        let Some(time) = self.block.duration(key, *range.end(), self.found) else { return };
        match self.block.get(key) {
            Some(node) if time.is_zero() => {
                self.found.refuse(node, "is out of range", "a time above zero");
            }
            _ => *into = time.max(*range.start()),
        }
    }

    pub fn count(&mut self, key: &str, range: RangeInclusive<u32>, into: &mut u32) {
        *into = self.block.number_in(key, range, self.found).unwrap_or(*into);
    }

    /// A share of the open files where nothing is set.
    pub fn files(&mut self, key: &str, range: RangeInclusive<u32>, into: &mut Option<u32>) {
        *into = self.block.number_in(key, range, self.found).or(*into);
    }

    pub fn per_ip(&mut self, key: &str, range: RangeInclusive<u32>, into: &mut Option<u32>) {
        self.files(key, range, into);
    }

    pub fn bytes64(&mut self, key: &str, range: RangeInclusive<u64>, into: &mut u64) {
        let Some(node) = self.block.get(key) else { return };
        let Some(Bytes(bytes)) = node.read(self.found) else { return };
        if range.contains(&bytes) {
            *into = bytes;
            return;
        }
        self.found.refuse(node, "is out of range", &allowed::bytes64(&range));
    }

    pub fn bytes32(&mut self, key: &str, range: RangeInclusive<u32>, into: &mut u32) {
        let mut bytes = u64::from(*into);
        self.bytes64(key, u64::from(*range.start())..=u64::from(*range.end()), &mut bytes);
        *into = u32::try_from(bytes).unwrap_or(*into);
    }
}

/// Defaults, as a file would say them.
pub(super) mod shown {
    use super::{Duration, shown_time, size};

    pub fn time(time: &Duration) -> String {
        shown_time(*time)
    }

    pub fn count(count: &u32) -> String {
        count.to_string()
    }

    pub fn files(_: &Option<u32>) -> String {
        "45 % of the open files".to_owned()
    }

    pub fn per_ip(_: &Option<u32>) -> String {
        "automatic".to_owned()
    }

    pub fn bytes32(bytes: &u32) -> String {
        size::shown(u64::from(*bytes))
    }

    pub fn bytes64(bytes: &u64) -> String {
        size::shown(*bytes)
    }
}

/// Ranges, both ends as a file would say them.
pub(super) mod allowed {
    use super::{Duration, RangeInclusive, shown, size};

    pub fn time(range: &RangeInclusive<Duration>) -> String {
        format!("{} to {}", shown::time(range.start()), shown::time(range.end()))
    }

    pub fn count(range: &RangeInclusive<u32>) -> String {
        format!("{} to {}", range.start(), range.end())
    }

    pub fn files(range: &RangeInclusive<u32>) -> String {
        count(range)
    }

    pub fn per_ip(range: &RangeInclusive<u32>) -> String {
        count(range)
    }

    pub fn bytes32(range: &RangeInclusive<u32>) -> String {
        bytes64(&(u64::from(*range.start())..=u64::from(*range.end())))
    }

    pub fn bytes64(range: &RangeInclusive<u64>) -> String {
        format!("{} to {}", size::shown(*range.start()), size::shown(*range.end()))
    }
}

//! Keys of objects: their hashes, and finding doubled ones without comparing all with all.
//!
//! Hashes are seeded per process, since backends choose the keys: a flood of colliding keys must
//! not make a merge quadratic.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use foldhash::fast::RandomState;

static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// The process' hash function.
#[derive(Clone, Copy)]
pub(super) struct KeyHash(&'static RandomState);

impl KeyHash {
    pub(super) fn new() -> KeyHash {
        KeyHash(&STATE)
    }

    /// Of a key's decoded text.
    #[inline(always)]
    pub(super) fn of(self, name: &[u8]) -> u32 {
        let mut hasher = self.0.build_hasher();
        hasher.write(name);
        hasher.finish() as u32
    }
}

/// Which hashes may be present: 1024 bits. Mostly spares the table, since most objects have no
/// doubled keys and most answers share none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct KeyFilter {
    words: [u64; 16],
}

impl KeyFilter {
    /// Adds a hash: may it have been there before?
    #[inline(always)]
    pub(super) fn enter(&mut self, hash: u32) -> bool {
        // The table takes the low bits.
        let bit = 1 << (hash >> 26);
        let word = &mut self.words[(hash >> 22) as usize & 15];
        let was_set = *word & bit != 0;
        *word |= bit;
        was_set
    }

    /// Adds all of another: may one have been there before?
    #[inline(always)]
    pub(super) fn enter_all(&mut self, other: &KeyFilter) -> bool {
        let mut common = 0;
        for (mine, theirs) in self.words.iter_mut().zip(other.words) {
            common |= *mine & theirs;
            *mine |= theirs;
        }
        common != 0
    }
}

/// Finds equal keys among numbered ones: open addressing, pooled, at most half full.
#[derive(Debug, Default)]
pub(super) struct KeyTable {
    /// Hash in the upper half, number + 1 in the lower; 0 is free.
    slots: Vec<u64>,
    mask: usize,
}

impl KeyTable {
    /// Forgets everything and makes room for `n` keys.
    pub(super) fn begin(&mut self, n: usize) {
        let n_slots = (n * 2).next_power_of_two();
        self.slots.clear();
        self.slots.resize(n_slots, 0);
        self.mask = n_slots - 1;
    }

    /// Enters key `number`. When `same` says that an entered key of equal hash is equal, it takes
    /// that key's place and the other's number comes back.
    #[inline(always)]
    pub(super) fn enter(
        &mut self,
        hash: u32,
        number: u32,
        mut same: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let mut at = hash as usize & self.mask;
        loop {
            let slot = &mut self.slots[at];
            let other = (*slot as u32).wrapping_sub(1);
            let free = *slot == 0;
            let equal = !free && (*slot >> 32) as u32 == hash && same(other);
            if free || equal {
                *slot = u64::from(hash) << 32 | u64::from(number + 1);
                return equal.then_some(other);
            }
            at = (at + 1) & self.mask;
        }
    }
}

//! A bit for each byte of a chunk, the first byte lowest: one word, or eight in a vector.

use std::ops::{BitAnd, BitOr, BitXor, Not};

/// Bytes of one word of bits.
pub(super) const BLOCK: usize = 64;

/// The bits of a chunk.
pub(super) trait Bits:
    Copy + BitAnd<Output = Self> + BitOr<Output = Self> + BitXor<Output = Self> + Not<Output = Self>
{
    /// As words, the first lowest.
    type Words: AsRef<[u64]> + AsMut<[u64]>;
    /// Bytes of a chunk.
    const LEN: usize;

    fn words(self) -> Self::Words;
    fn of(words: Self::Words) -> Self;
    /// Each word is this one.
    fn all(word: u64) -> Self;
    fn is_empty(self) -> bool;
    /// One byte further; `carry`, 0 or 1, is what the first byte gets.
    fn up(self, carry: u64) -> Self;
    /// The last byte's bit.
    fn last(self) -> u64;
    /// As one long number: the sum, and the carry out of it.
    fn plus(self, other: Self, carry: u64) -> (Self, u64);
}

impl Bits for u64 {
    type Words = [u64; 1];
    const LEN: usize = BLOCK;

    #[inline(always)]
    fn words(self) -> [u64; 1] {
        [self]
    }
    #[inline(always)]
    fn of([word]: [u64; 1]) -> u64 {
        word
    }
    #[inline(always)]
    fn all(word: u64) -> u64 {
        word
    }
    #[inline(always)]
    fn is_empty(self) -> bool {
        self == 0
    }
    #[inline(always)]
    fn up(self, carry: u64) -> u64 {
        self << 1 | carry
    }
    #[inline(always)]
    fn last(self) -> u64 {
        self >> 63
    }
    #[inline(always)]
    fn plus(self, other: u64, carry: u64) -> (u64, u64) {
        let (sum, carry) = self.carrying_add(other, carry != 0);
        (sum, u64::from(carry))
    }
}

/// Calls `visit` with each set bit, lowest first, until it says `false`.
#[inline(always)]
pub(super) fn each(words: &[u64], mut visit: impl FnMut(usize) -> bool) -> bool {
    for (n, word) in words.iter().enumerate() {
        let mut left = *word;
        while left != 0 {
            if !visit(n * BLOCK + left.trailing_zeros() as usize) {
                return false;
            }
            left &= left - 1;
        }
    }
    true
}

/// The highest set bit.
pub(super) fn highest(words: &[u64]) -> Option<usize> {
    let words = words.iter().enumerate().rev();
    let mut set = words.filter_map(|(n, word)| Some(n * BLOCK + word.checked_ilog2()? as usize));
    set.next()
}

/// Sets the bits from `from` up to before `end`, as far as there are words.
#[inline(always)]
pub(super) fn mark(words: &mut [u64], from: usize, end: usize) {
    let mut from = from;
    while from < end {
        let Some(word) = words.get_mut(from / BLOCK) else { return };
        let n = (end - from).min(BLOCK - from % BLOCK);
        *word |= (!0 >> (BLOCK - n)) << (from % BLOCK);
        from += n;
    }
}

/// The lowest `n` bits; all if there are not so many.
#[inline(always)]
pub(super) fn below<B: Bits>(n: usize) -> B {
    let mut words = B::all(0).words();
    mark(words.as_mut(), 0, n);
    B::of(words)
}

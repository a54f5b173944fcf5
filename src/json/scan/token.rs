//! Token by token: for trees, which want each value, and for a number or word that is a whole
//! document. Also a model of the machine in [`super::blocks`].
//!
//! Strings are looked at in blocks of 64 bytes.

use super::super::nest::Nest;
use super::super::special::{is_utf8, special_string, word_at};
use super::DEPTH_MAX;

/// Reads pieces of one document. `None` from any method: not JSON.
///
/// Small and `Copy`: loops work on a copy of their own, which stays in registers, so whatever is
/// not inlined takes the body instead of `self`.
#[derive(Clone, Copy)]
pub(in crate::json) struct Scanner<'b> {
    pub(in crate::json) body: &'b [u8],
    /// A string so far had a lone surrogate.
    has_lone: bool,
    /// A string so far had bytes above 0x7f.
    has_high: bool,
    /// A string since the last reset had a backslash.
    pub(in crate::json) escaped: bool,
    pub(in crate::json) depth_max: usize,
    /// Where the block that was looked at last begins.
    block_at: usize,
    /// Which of its bytes end a stretch of plain ASCII text: lowest bit first.
    stops: u64,
}

impl<'b> Scanner<'b> {
    pub(in crate::json) fn new(body: &'b [u8]) -> Scanner<'b> {
        Scanner::within(body, DEPTH_MAX)
    }

    #[inline(always)]
    pub(in crate::json) fn within(body: &'b [u8], depth_max: usize) -> Scanner<'b> {
        let (has_lone, has_high, escaped) = (false, false, false);
        let (block_at, stops) = (usize::MAX, 0);
        Scanner { body, has_lone, has_high, escaped, depth_max, block_at, stops }
    }

    /// Some string of the value from `start` to `end`, which is all that was read, holds invalid
    /// UTF-8 or a lone surrogate. All else in a valid value is ASCII, so its text is checked at
    /// once: a string alone is too short for vectors.
    #[inline(always)]
    pub(in crate::json) fn bad_text(&self, start: usize, end: usize) -> bool {
        self.has_lone || self.has_high && !is_utf8(self.body.get(start..end).unwrap_or_default())
    }

    /// The byte at `at`; past the end NUL, which the grammar has nowhere.
    #[inline(always)]
    pub(in crate::json) fn peek(&self, at: usize) -> u8 {
        peek(self.body, at)
    }

    /// Past whitespace.
    #[inline(always)]
    pub(in crate::json) fn space(&self, at: usize) -> usize {
        self.next(at).0
    }

    /// The first byte that is no whitespace, and where it stands.
    #[inline(always)]
    pub(in crate::json) fn next(&self, at: usize) -> (usize, u8) {
        let byte = self.peek(at);
        if byte > b' ' { (at, byte) } else { next_after_space(self.body, at) }
    }

    /// One value of any kind that begins at `at` inside `depth` open containers; its end.
    #[inline(always)]
    pub(in crate::json) fn value(
        &mut self,
        at: usize,
        depth: usize,
        nest: &mut Nest,
    ) -> Option<usize> {
        let first = self.peek(at);
        if first == b'"' {
            return self.string(at);
        }
        if first != b'{' && first != b'[' {
            return self.scalar(at, first);
        }
        let (end, after) = self.container(at, first == b'{', depth, nest)?;
        *self = after;
        Some(end)
    }

    /// `true`, `false`, `null` or a number.
    #[inline(always)]
    fn scalar(&self, at: usize, first: u8) -> Option<usize> {
        if first.is_ascii_digit() || first == b'-' {
            return number(self.body, at);
        }
        match first {
            b't' => self.word(at, b"true"),
            b'f' => self.word(at, b"false"),
            b'n' => self.word(at, b"null"),
            _ => None,
        }
    }

    #[inline(always)]
    fn word(&self, at: usize, word: &[u8]) -> Option<usize> {
        let end = at + word.len();
        (self.body.get(at..end)? == word).then_some(end)
    }

    /// A whole array or object, validated and left alone; with the state of the scanner after it.
    #[inline(never)]
    fn container(
        mut self,
        open: usize,
        is_object: bool,
        outside: usize,
        nest: &mut Nest,
    ) -> Option<(usize, Scanner<'b>)> {
        nest.clear();
        let mut closing = 0;
        let mut at = open;
        let mut byte = if is_object { b'{' } else { b'[' };
        // A value begins at `at` with `byte`, or whitespace before it.
        'value: loop {
            if byte == b'"' {
                at = self.string(at)?;
                byte = self.peek(at);
            } else if byte == b'{' || byte == b'[' {
                if outside + nest.depth >= self.depth_max {
                    return None;
                }
                nest.push(byte == b'{');
                closing = byte + 2;
                (at, byte) = self.next(at + 1);
                if byte != closing {
                    if closing == b'}' {
                        (at, byte) = self.key(at)?;
                    }
                    continue 'value;
                }
            } else if byte > b' ' {
                at = self.scalar(at, byte)?;
                byte = self.peek(at);
            } else {
                (at, byte) = self.after_space(at)?;
                continue 'value;
            }
            // After a value: another one, or the end of one or several containers.
            loop {
                if byte == b',' {
                    at += 1;
                    if closing == b'}' {
                        (at, byte) = self.key(at)?;
                    } else {
                        byte = self.peek(at);
                    }
                    continue 'value;
                }
                if byte == closing {
                    let Some(in_object) = nest.pop() else { return Some((at + 1, self)) };
                    closing = if in_object { b'}' } else { b']' };
                    at += 1;
                    byte = self.peek(at);
                } else if byte <= b' ' {
                    (at, byte) = self.after_space(at)?;
                } else {
                    return None;
                }
            }
        }
    }

    /// The same as `next` where whitespace is due; `None` when there is none.
    #[inline(always)]
    fn after_space(&self, at: usize) -> Option<(usize, u8)> {
        let next = next_after_space(self.body, at);
        (next.0 != at).then_some(next)
    }

    /// A key with its colon: what follows, a value or whitespace before it, and where. Compact
    /// documents have no whitespace here, so the expected byte is asked for first.
    #[inline(always)]
    pub(in crate::json) fn key(&mut self, mut at: usize) -> Option<(usize, u8)> {
        if self.peek(at) != b'"' {
            at = next_after_space(self.body, at).0;
            if self.peek(at) != b'"' {
                return None;
            }
        }
        let end = self.string(at)?;
        let at = self.colon(end)?;
        Some((at, self.peek(at)))
    }

    /// One past the colon after a key.
    #[inline(always)]
    pub(in crate::json) fn colon(&self, at: usize) -> Option<usize> {
        if self.peek(at) == b':' {
            return Some(at + 1);
        }
        let (at, byte) = next_after_space(self.body, at);
        (byte == b':').then_some(at + 1)
    }

    /// A string whose opening quote stands at `open`; one past the closing quote.
    ///
    /// Where a string ends decides where the next one begins, so that chain is kept short: a block
    /// is looked at once, and each further string in it costs a shift and a count.
    #[inline(always)]
    pub(in crate::json) fn string(&mut self, open: usize) -> Option<usize> {
        let mut at = open + 1;
        loop {
            let block_at = at & !(BLOCK - 1);
            if block_at != self.block_at {
                self.block_at = block_at;
                self.stops = match self.body.get(block_at..).and_then(|rest| rest.first_chunk()) {
                    Some(block) => stops(block),
                    None => last_stops(self.body, block_at),
                };
            }
            let left = self.stops >> (at & (BLOCK - 1));
            if left != 0 {
                at += left.trailing_zeros() as usize;
                break;
            }
            at = block_at + BLOCK;
        }
        if self.peek(at) == b'"' {
            return Some(at + 1);
        }
        let special = special_string(self.body, at)?;
        self.escaped |= special.escaped;
        self.has_lone |= special.has_lone;
        self.has_high |= special.has_high;
        Some(special.end)
    }
}

#[inline(always)]
fn peek(body: &[u8], at: usize) -> u8 {
    body.get(at).copied().unwrap_or(0)
}

/// Indentation is mostly runs of blanks: eight at once.
#[inline(never)]
fn next_after_space(body: &[u8], mut at: usize) -> (usize, u8) {
    const BLANKS: u64 = u64::from_le_bytes([b' '; 8]);
    loop {
        match peek(body, at) {
            b' ' => {
                at += 1;
                while let Some(word) = word_at(body, at) {
                    let same = ((word ^ BLANKS).trailing_zeros() / 8) as usize;
                    at += same;
                    if same < 8 {
                        break;
                    }
                }
            }
            b'\n' | b'\r' | b'\t' => at += 1,
            byte => return (at, byte),
        }
    }
}

/// A number that begins with `-` or a digit (RFC 8259 section 6).
#[inline(always)]
pub(super) fn number(body: &[u8], mut at: usize) -> Option<usize> {
    if peek(body, at) == b'-' {
        at += 1;
    }
    match peek(body, at) {
        b'0' => at += 1,
        b'1'..=b'9' => at = digits(body, at + 1),
        _ => return None,
    }
    let next = peek(body, at);
    if next == b'.' || next | 0x20 == b'e' { fraction(body, at) } else { Some(at) }
}

#[inline(never)]
fn fraction(body: &[u8], mut at: usize) -> Option<usize> {
    if peek(body, at) == b'.' {
        if !peek(body, at + 1).is_ascii_digit() {
            return None;
        }
        at = digits(body, at + 2);
    }
    if peek(body, at) | 0x20 == b'e' {
        at += 1;
        if matches!(peek(body, at), b'+' | b'-') {
            at += 1;
        }
        if !peek(body, at).is_ascii_digit() {
            return None;
        }
        at = digits(body, at + 1);
    }
    Some(at)
}

/// Past digits. Eight at once was measured and is slower: numbers are short.
#[inline(always)]
fn digits(body: &[u8], mut at: usize) -> usize {
    while peek(body, at).is_ascii_digit() {
        at += 1;
    }
    at
}

/// The stops of the end of the body, filled up with NULs, which are stops too.
#[inline(never)]
fn last_stops(body: &[u8], block_at: usize) -> u64 {
    let mut block = [0; BLOCK];
    let rest = body.get(block_at..).unwrap_or_default();
    for (to, from) in block.iter_mut().zip(rest) {
        *to = *from;
    }
    stops(&block)
}

/// Bytes that are looked at together.
pub(in crate::json) const BLOCK: usize = 64;

/// Which bytes of a block are quote, backslash, control or above 0x7f.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code)]
fn stops(block: &[u8; BLOCK]) -> u64 {
    // SAFETY: SSE2 is part of the x86-64 baseline, so every CPU that runs this code has it; the
    // function itself is safe code. Test: `blocks_agree_with_words`. Gain: docs/design/json.md.
    unsafe { stops_sse2(block) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn stops_sse2(block: &[u8; BLOCK]) -> u64 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_set1_epi8,
    };
    let (rows, _) = block.as_chunks::<16>();
    rows.iter().rev().fold(0, |stops, row| {
        let whole = u128::from_le_bytes(*row);
        // Becomes one unaligned load.
        let bytes = _mm_set_epi64x((whole >> 64) as i64, whole as i64);
        let quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
        let escapes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
        // As signed numbers, everything above 0x7f is below the blank too.
        let others = _mm_cmplt_epi8(bytes, _mm_set1_epi8(b' ' as i8));
        let row = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, escapes), others));
        stops << 16 | u64::from(row as u32)
    })
}

/// The quotes, backslashes and controls of a block; not 0: there are bytes above 0x7f.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code)]
pub(in crate::json) fn text_stops(block: &[u8; BLOCK]) -> (u64, u64) {
    // SAFETY: as above. Test: `blocks_agree_with_words`. Gain: docs/design/json.md.
    unsafe { text_stops_sse2(block) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn text_stops_sse2(block: &[u8; BLOCK]) -> (u64, u64) {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x,
        _mm_set1_epi8, _mm_setzero_si128, _mm_xor_si128,
    };
    let (rows, _) = block.as_chunks::<16>();
    let start = (0, _mm_setzero_si128());
    let (stops, all) = rows.iter().rev().fold(start, |(stops, all), row| {
        let whole = u128::from_le_bytes(*row);
        let bytes = _mm_set_epi64x((whole >> 64) as i64, whole as i64);
        let escapes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
        // The quote becomes 0x20, the first behind the controls, and the blank 0x22.
        let swapped = _mm_xor_si128(bytes, _mm_set1_epi8(2));
        let others = _mm_cmpeq_epi8(_mm_min_epu8(swapped, _mm_set1_epi8(0x20)), swapped);
        let row = _mm_movemask_epi8(_mm_or_si128(escapes, others));
        (stops << 16 | u64::from(row as u32), _mm_or_si128(all, bytes))
    });
    (stops, u64::from(_mm_movemask_epi8(all) as u32))
}

/// The same with words.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn stops(block: &[u8; BLOCK]) -> u64 {
    let (stops, high) = marks_words(block);
    stops | high
}

/// The same with words.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(in crate::json) fn text_stops(block: &[u8; BLOCK]) -> (u64, u64) {
    marks_words(block)
}

/// Portable form. Sums stay inside their bytes, so each mark is exact.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline(always)]
fn marks_words(block: &[u8; BLOCK]) -> (u64, u64) {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    const LOW: u64 = !HIGH;
    let not_zero = |x: u64| ((x & LOW) + LOW) | x;
    // Gathers the highest bit of each byte in the top byte.
    let gather = |bits: u64| ((bits & HIGH) >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    let (words, _) = block.as_chunks::<8>();
    words.iter().rev().fold((0, 0), |(stops, high), word| {
        let word = u64::from_le_bytes(*word);
        let quotes = !not_zero(word ^ (ONES * u64::from(b'"')));
        let escapes = !not_zero(word ^ (ONES * u64::from(b'\\')));
        let controls = !(((word & LOW) + ONES * 0x60) | word);
        (stops << 8 | gather(quotes | escapes | controls), high << 8 | gather(word))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, marks_words, stops, text_stops};

    fn is_stop(byte: u8) -> bool {
        matches!(byte, b'"' | b'\\' | 0..=0x1f | 0x80..)
    }

    const NEAR: &[u8] = b"az\x1f\x20\x7f\x80\xff\"\\!#[]\x01\x00";

    proptest! {
        #[test]
        fn blocks_agree_with_words(bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), BLOCK),
            prop::collection::vec(prop::sample::select(NEAR), BLOCK),
        ]) {
            let block: [u8; BLOCK] = bytes.try_into().expect("as long as a block");
            let model = block.iter().rev().fold(0, |all, byte| all << 1 | u64::from(is_stop(*byte)));
            prop_assert_eq!(stops(&block), model);
            let high = block.iter().rev().fold(0, |all, byte| all << 1 | u64::from(*byte >> 7));
            prop_assert_eq!(marks_words(&block), (model & !high, high));
            let (ends, some_high) = text_stops(&block);
            prop_assert_eq!((ends, some_high != 0), (model & !high, high != 0));
        }
    }
}

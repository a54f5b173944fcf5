//! The validating scanner: is this JSON, and where does each value end?
//!
//! One pass, no recursion, no allocation below 64 levels. Strict RFC 8259 grammar with Go's
//! limits (docs/reference/lura-core.md 4.5). Text that is no Unicode does not stop the scanner: it
//! is noted, and the caller's policy decides. The fast path only says *that* a document is wrong;
//! *why* is found by [`super::diagnose`], byte by byte.
//!
//! Strings are looked at in blocks of sixteen bytes: by SSE2 on x86-64, elsewhere as two words.

use super::diagnose;
use super::error::{JsonError, Kind, Shape};

/// Arrays and objects inside each other, as in Go's encoding/json.
pub const DEPTH_MAX: usize = 10_000;

/// What we render may be deeper than what was read: `collection` and `group` wrap it.
pub(super) const RENDERED_DEPTH_MAX: usize = DEPTH_MAX + 2;

/// What a document is made of, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// First byte of the value.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
    /// Kind of the value.
    pub shape: Shape,
    /// Some string holds invalid UTF-8 or a lone surrogate escape.
    pub needs_repair: bool,
}

impl Scanned {
    /// Where the first byte after the value that is no whitespace stands, if there is one.
    pub fn trailing(&self, body: &[u8]) -> Option<u32> {
        trailing(body, self.end as usize)
    }
}

/// Validates the first value of `body`. Bytes after it are not looked at.
pub fn scan(body: &[u8]) -> Result<Scanned, JsonError> {
    scan_within(body, DEPTH_MAX)
}

/// The same with another limit of depth.
pub(super) fn scan_within(body: &[u8], depth_max: usize) -> Result<Scanned, JsonError> {
    check_len(body)?;
    let mut scanner = Scanner { depth_max, ..Scanner::new(body) };
    let start = scanner.space(0);
    match scanner.value(start, 0, &mut Nest::default()) {
        Some(end) => Ok(Scanned {
            start: start as u32,
            end: end as u32,
            shape: shape_of(scanner.peek(start)),
            needs_repair: scanner.bad_text,
        }),
        None => Err(diagnose::diagnose(body)),
    }
}

/// Ranges are `u32`.
pub(super) fn check_len(body: &[u8]) -> Result<(), JsonError> {
    match u32::try_from(body.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(JsonError { kind: Kind::TooLong, at: u32::MAX }),
    }
}

/// The first byte from `end` on that is no whitespace.
pub(super) fn trailing(body: &[u8], end: usize) -> Option<u32> {
    let at = Scanner::new(body).space(end);
    (at < body.len()).then_some(at as u32)
}

/// The kind of the valid value that begins with this byte.
pub(super) fn shape_of(first: u8) -> Shape {
    match first {
        b'{' => Shape::Object,
        b'[' => Shape::Array,
        b'"' => Shape::String,
        b't' | b'f' => Shape::Bool,
        b'n' => Shape::Null,
        _ => Shape::Number,
    }
}

/// Which of the open containers are objects: one bit a level, the innermost lowest.
#[derive(Debug, Default)]
pub(super) struct Nest {
    bits: u64,
    depth: usize,
    /// Full words of the levels further out; empty below 64 levels.
    outer: Vec<u64>,
}

impl Nest {
    #[inline(always)]
    fn push(&mut self, is_object: bool) {
        if self.depth.is_multiple_of(64) && self.depth != 0 {
            self.outer.push(self.bits);
        }
        self.bits = (self.bits << 1) | u64::from(is_object);
        self.depth += 1;
    }

    /// Leaves a level: is the one around it an object? `None` when there is none.
    #[inline(always)]
    fn pop(&mut self) -> Option<bool> {
        self.depth -= 1;
        self.bits >>= 1;
        if self.depth.is_multiple_of(64) {
            if self.depth == 0 {
                return None;
            }
            self.bits = self.outer.pop().unwrap_or(0);
        }
        Some(self.bits & 1 == 1)
    }

    fn clear(&mut self) {
        self.bits = 0;
        self.depth = 0;
        self.outer.clear();
    }
}

/// Reads pieces of one document. `None` from any method: not JSON.
pub(super) struct Scanner<'b> {
    pub(super) body: &'b [u8],
    /// A string so far held invalid UTF-8 or a lone surrogate.
    pub(super) bad_text: bool,
    /// A string since the last reset had a backslash.
    pub(super) escaped: bool,
    pub(super) depth_max: usize,
}

impl<'b> Scanner<'b> {
    pub(super) fn new(body: &'b [u8]) -> Scanner<'b> {
        Scanner { body, bad_text: false, escaped: false, depth_max: DEPTH_MAX }
    }

    /// The byte at `at`; past the end NUL, which the grammar has nowhere.
    #[inline(always)]
    pub(super) fn peek(&self, at: usize) -> u8 {
        self.body.get(at).copied().unwrap_or(0)
    }

    /// Past whitespace.
    #[inline(always)]
    pub(super) fn space(&self, at: usize) -> usize {
        if self.peek(at) > b' ' { at } else { self.space_slow(at) }
    }

    /// Indentation is mostly runs of blanks: eight at once.
    #[inline(never)]
    fn space_slow(&self, mut at: usize) -> usize {
        const BLANKS: u64 = u64::from_le_bytes([b' '; 8]);
        loop {
            match self.peek(at) {
                b' ' => {
                    at += 1;
                    while let Some(word) = word_at(self.body, at) {
                        let same = ((word ^ BLANKS).trailing_zeros() / 8) as usize;
                        at += same;
                        if same < 8 {
                            break;
                        }
                    }
                }
                b'\n' | b'\r' | b'\t' => at += 1,
                _ => return at,
            }
        }
    }

    /// One value of any kind that begins at `at` inside `depth` open containers; its end.
    #[inline(always)]
    pub(super) fn value(&mut self, at: usize, depth: usize, nest: &mut Nest) -> Option<usize> {
        match self.peek(at) {
            b'"' => self.string(at),
            b'{' => self.container(at, true, depth, nest),
            b'[' => self.container(at, false, depth, nest),
            _ => self.scalar(at),
        }
    }

    /// `true`, `false`, `null` or a number.
    #[inline(always)]
    fn scalar(&self, at: usize) -> Option<usize> {
        match self.peek(at) {
            b'-' | b'0'..=b'9' => self.number(at),
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

    /// A number that begins with `-` or a digit (RFC 8259 section 6).
    #[inline(always)]
    fn number(&self, mut at: usize) -> Option<usize> {
        if self.peek(at) == b'-' {
            at += 1;
        }
        match self.peek(at) {
            b'0' => at += 1,
            b'1'..=b'9' => at = self.digits(at + 1),
            _ => return None,
        }
        let next = self.peek(at);
        if next == b'.' || next | 0x20 == b'e' { self.fraction(at) } else { Some(at) }
    }

    #[inline(never)]
    fn fraction(&self, mut at: usize) -> Option<usize> {
        if self.peek(at) == b'.' {
            if !self.peek(at + 1).is_ascii_digit() {
                return None;
            }
            at = self.digits(at + 2);
        }
        if self.peek(at) | 0x20 == b'e' {
            at += 1;
            if matches!(self.peek(at), b'+' | b'-') {
                at += 1;
            }
            if !self.peek(at).is_ascii_digit() {
                return None;
            }
            at = self.digits(at + 1);
        }
        Some(at)
    }

    #[inline(always)]
    fn digits(&self, mut at: usize) -> usize {
        while self.peek(at).is_ascii_digit() {
            at += 1;
        }
        at
    }

    /// A whole array or object, validated and left alone.
    #[inline(never)]
    fn container(
        &mut self,
        open: usize,
        is_object: bool,
        outside: usize,
        nest: &mut Nest,
    ) -> Option<usize> {
        nest.clear();
        let mut at = open;
        let mut in_object = is_object;
        // Entering a container: `at` stands on its first byte.
        'enter: loop {
            if outside + nest.depth >= self.depth_max {
                return None;
            }
            nest.push(in_object);
            at = self.space(at + 1);
            let mut first = true;
            // Here a member, an element or (only at the start) the closing byte is due.
            'next: loop {
                let closes = first && self.peek(at) == if in_object { b'}' } else { b']' };
                first = false;
                if !closes {
                    if in_object {
                        at = self.key(at)?;
                    }
                    match self.peek(at) {
                        b'"' => at = self.string(at)?,
                        byte @ (b'{' | b'[') => {
                            in_object = byte == b'{';
                            continue 'enter;
                        }
                        _ => at = self.scalar(at)?,
                    }
                    at = self.space(at);
                }
                // After a value: more of the same, or the end of one or several containers.
                loop {
                    match self.peek(at) {
                        b',' => {
                            at = self.space(at + 1);
                            continue 'next;
                        }
                        b'}' if in_object => {}
                        b']' if !in_object => {}
                        _ => return None,
                    }
                    match nest.pop() {
                        Some(outer) => in_object = outer,
                        None => return Some(at + 1),
                    }
                    at = self.space(at + 1);
                }
            }
        }
    }

    /// A key with its colon; where the value begins.
    #[inline(always)]
    pub(super) fn key(&mut self, at: usize) -> Option<usize> {
        if self.peek(at) != b'"' {
            return None;
        }
        let end = self.string(at)?;
        self.colon(end)
    }

    /// The colon after a key; where the value begins.
    #[inline(always)]
    pub(super) fn colon(&self, at: usize) -> Option<usize> {
        let at = self.space(at);
        if self.peek(at) != b':' {
            return None;
        }
        Some(self.space(at + 1))
    }

    /// A string whose opening quote stands at `open`; one past the closing quote.
    #[inline(always)]
    pub(super) fn string(&mut self, open: usize) -> Option<usize> {
        let mut at = open + 1;
        while let Some(block) = block_at(self.body, at) {
            let clean = clean_bytes::<true>(block);
            at += clean;
            if clean < 16 {
                if self.peek(at) == b'"' {
                    return Some(at + 1);
                }
                return self.string_special(at);
            }
        }
        self.string_tail(at)
    }

    /// The last bytes of the body, too few for a block.
    #[inline(never)]
    fn string_tail(&mut self, mut at: usize) -> Option<usize> {
        loop {
            match *self.body.get(at)? {
                b'"' => return Some(at + 1),
                b'\\' | 0x80.. => return self.string_special(at),
                0..=0x1f => return None,
                _ => at += 1,
            }
        }
    }

    /// The rest of a string from its first byte that is no plain ASCII on.
    #[inline(never)]
    fn string_special(&mut self, from: usize) -> Option<usize> {
        let mut at = from;
        loop {
            while let Some(block) = block_at(self.body, at) {
                let clean = clean_bytes::<false>(block);
                at += clean;
                if clean < 16 {
                    break;
                }
            }
            match *self.body.get(at)? {
                b'"' => break,
                b'\\' => {
                    self.escaped = true;
                    at = self.escape(at)?;
                }
                0..=0x1f => return None,
                _ => at += 1,
            }
        }
        // Escapes are ASCII, so the whole rest is checked at once.
        if std::str::from_utf8(self.body.get(from..at)?).is_err() {
            self.bad_text = true;
        }
        Some(at + 1)
    }

    /// An escape whose backslash stands at `at`; one past it (past both halves of a pair).
    #[inline(always)]
    fn escape(&mut self, at: usize) -> Option<usize> {
        match self.peek(at + 1) {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
            b'u' => {
                let unit = hex4(self.body, at + 2)?;
                if unit & 0xf800 != 0xd800 {
                    return Some(at + 6);
                }
                if unit < 0xdc00 && low_surrogate(self.body, at + 6).is_some() {
                    return Some(at + 12);
                }
                self.bad_text = true;
                Some(at + 6)
            }
            _ => None,
        }
    }
}

/// Four hexadecimal digits at `at`.
pub(super) fn hex4(body: &[u8], at: usize) -> Option<u32> {
    body.get(at..at + 4)?
        .iter()
        .try_fold(0, |value, byte| Some(value << 4 | char::from(*byte).to_digit(16)?))
}

/// The second half of a surrogate pair: `\u` and DC00 to DFFF at `at`.
pub(super) fn low_surrogate(body: &[u8], at: usize) -> Option<u32> {
    if body.get(at..at + 2)? != b"\\u" {
        return None;
    }
    hex4(body, at + 2).filter(|unit| unit & 0xfc00 == 0xdc00)
}

#[inline(always)]
fn word_at(body: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*body.get(at..)?.first_chunk()?))
}

#[inline(always)]
fn block_at(body: &[u8], at: usize) -> Option<&[u8; 16]> {
    body.get(at..)?.first_chunk()
}

/// How many bytes at the start of a block are neither quote, backslash nor control (nor, when
/// `ASCII`, above 0x7f); 16 when all are.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code)]
fn clean_bytes<const ASCII: bool>(block: &[u8; 16]) -> usize {
    // SAFETY: SSE2 is part of the x86-64 baseline, so every CPU that runs this code has it; the
    // function itself is safe code. Test: `blocks_agree_with_words`. Gain: `benches/json.rs`.
    unsafe { clean_bytes_sse2::<ASCII>(block) }
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "sse2")]
fn clean_bytes_sse2<const ASCII: bool>(block: &[u8; 16]) -> usize {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_cmplt_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set_epi64x, _mm_set1_epi8,
    };
    let [low, high] = words(block);
    // Becomes one unaligned load.
    let bytes = _mm_set_epi64x(high as i64, low as i64);
    let quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
    let escapes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
    let others = if ASCII {
        // As signed numbers, everything above 0x7f is below the blank too.
        _mm_cmplt_epi8(bytes, _mm_set1_epi8(b' ' as i8))
    } else {
        _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes)
    };
    let stops = _mm_or_si128(_mm_or_si128(quotes, escapes), others);
    (_mm_movemask_epi8(stops) | 0x1_0000).trailing_zeros() as usize
}

/// The same with words.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn clean_bytes<const ASCII: bool>(block: &[u8; 16]) -> usize {
    clean_bytes_words::<ASCII>(block)
}

#[inline(always)]
fn words(block: &[u8; 16]) -> [u64; 2] {
    let whole = u128::from_le_bytes(*block);
    [whole as u64, (whole >> 64) as u64]
}

/// Portable form. A borrow can mark a byte wrongly only above one that is marked rightly, and
/// only the lowest mark is read.
#[cfg(any(test, not(target_arch = "x86_64")))]
#[inline(always)]
fn clean_bytes_words<const ASCII: bool>(block: &[u8; 16]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let stops = |word: u64| {
        let zero = |x: u64| x.wrapping_sub(ONES) & !x;
        let controls = word.wrapping_sub(ONES * 0x20) & !word;
        let high = if ASCII { word } else { 0 };
        let quotes = zero(word ^ (ONES * u64::from(b'"')));
        let escapes = zero(word ^ (ONES * u64::from(b'\\')));
        (quotes | escapes | controls | high) & HIGH
    };
    let [low, high] = words(block);
    match (stops(low), stops(high)) {
        (0, 0) => 16,
        (0, second) => 8 + (second.trailing_zeros() / 8) as usize,
        (first, _) => (first.trailing_zeros() / 8) as usize,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{clean_bytes, clean_bytes_words};

    proptest! {
        #[test]
        fn blocks_agree_with_words(block in prop_oneof![
            any::<[u8; 16]>(),
            any::<[u8; 16]>().prop_map(|block| block.map(|byte| b"az \x1f\x20\x7f\x80\xff\"\\!#[]"[usize::from(byte) % 14])),
        ]) {
            prop_assert_eq!(clean_bytes::<true>(&block), clean_bytes_words::<true>(&block));
            prop_assert_eq!(clean_bytes::<false>(&block), clean_bytes_words::<false>(&block));
            let first = |stops: fn(u8) -> bool| block.iter().position(|b| stops(*b)).unwrap_or(16);
            prop_assert_eq!(
                clean_bytes::<false>(&block),
                first(|b| matches!(b, b'"' | b'\\' | 0..=0x1f))
            );
            prop_assert_eq!(
                clean_bytes::<true>(&block),
                first(|b| matches!(b, b'"' | b'\\' | 0..=0x1f | 0x80..))
            );
        }
    }
}

//! Strings with escapes or characters above 0x7f: the scanner's slower path, and what escapes stand
//! for.

use super::scan::{BLOCK, text_stops};

/// A string that is not plain ASCII.
pub(super) struct Special {
    /// One past its closing quote.
    pub(super) end: usize,
    pub(super) escaped: bool,
    /// It has a lone surrogate.
    pub(super) has_lone: bool,
    /// It or what follows it closely has bytes above 0x7f, which are not checked.
    pub(super) has_high: bool,
}

/// The rest of a string from its first byte that is no plain ASCII on.
#[inline(never)]
pub(super) fn special_string(body: &[u8], from: usize) -> Option<Special> {
    let mut at = from;
    let mut special = Special { end: 0, escaped: false, has_lone: false, has_high: false };
    loop {
        while let Some(block) = body.get(at..)?.first_chunk::<BLOCK>() {
            let (stops, high) = text_stops(block);
            special.has_high |= high != 0;
            at += stops.trailing_zeros() as usize;
            if stops != 0 {
                break;
            }
        }
        let byte = *body.get(at)?;
        match byte {
            b'"' => break,
            b'\\' => {
                let (after, is_lone) = escape(body, at)?;
                special.escaped = true;
                special.has_lone |= is_lone;
                at = after;
            }
            0..=0x1f => return None,
            // Only near the end of the body.
            _ => {
                special.has_high |= byte > 0x7f;
                at += 1;
            }
        }
    }
    special.end = at + 1;
    Some(special)
}

/// Text is checked with vectors where the CPU has any: docs/design/json.md.
pub(super) fn is_utf8(text: &[u8]) -> bool {
    simdutf8::basic::from_utf8(text).is_ok()
}

/// An escape whose backslash stands at `at`: one past it (past both halves of a pair), and is it a
/// lone surrogate?
#[inline(always)]
pub(super) fn escape(body: &[u8], at: usize) -> Option<(usize, bool)> {
    match *body.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some((at + 2, false)),
        b'u' => {
            let unit = hex4(body, at + 2)?;
            if unit & 0xf800 != 0xd800 {
                Some((at + 6, false))
            } else if unit < 0xdc00 && low_surrogate(body, at + 6).is_some() {
                Some((at + 12, false))
            } else {
                Some((at + 6, true))
            }
        }
        _ => None,
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
pub(super) fn word_at(body: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*body.get(at..)?.first_chunk()?))
}

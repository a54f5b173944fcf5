//! Strings with escapes or characters above 0x7f: the scanner's slower path, and what escapes stand
//! for.

/// A string that is not plain ASCII.
pub(super) struct Special {
    /// One past its closing quote.
    pub(super) end: usize,
    pub(super) escaped: bool,
    pub(super) bad_text: bool,
}

/// The rest of a string from its first byte that is no plain ASCII on.
#[inline(never)]
pub(super) fn special_string(body: &[u8], from: usize) -> Option<Special> {
    let mut at = from;
    let mut seen = 0;
    let mut special = Special { end: 0, escaped: false, bad_text: false };
    loop {
        while let Some(word) = word_at(body, at) {
            seen |= word;
            let clean = clean_bytes(word);
            at += clean;
            if clean < 8 {
                break;
            }
        }
        let byte = *body.get(at)?;
        match byte {
            b'"' => break,
            b'\\' => {
                let (after, is_lone) = escape(body, at)?;
                special.escaped = true;
                special.bad_text |= is_lone;
                at = after;
            }
            0..=0x1f => return None,
            _ => {
                seen |= u64::from(byte);
                at += 1;
            }
        }
    }
    // Escapes are ASCII, so the whole rest is checked at once.
    if seen & HIGH != 0 {
        special.bad_text |= std::str::from_utf8(body.get(from..at)?).is_err();
    }
    special.end = at + 1;
    Some(special)
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

/// How many bytes at the start of a word are neither quote, backslash nor control; 8 when all
/// are. A borrow can mark a byte wrongly only above one that is marked rightly, and only the
/// lowest mark is read.
#[inline(always)]
fn clean_bytes(word: u64) -> usize {
    let below = |x: u64, limit: u64| x.wrapping_sub(ONES * limit) & !x;
    let quotes = below(word ^ (ONES * u64::from(b'"')), 1);
    let escapes = below(word ^ (ONES * u64::from(b'\\')), 1);
    let stops = (quotes | escapes | below(word, 0x20)) & HIGH;
    (stops.trailing_zeros() / 8) as usize
}

pub(super) const ONES: u64 = u64::from_le_bytes([1; 8]);
pub(super) const HIGH: u64 = ONES << 7;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::clean_bytes;

    proptest! {
        #[test]
        fn clean_bytes_are_counted(word in prop_oneof![
            any::<[u8; 8]>(),
            prop::array::uniform8(prop::sample::select(&b"az\x1f\x20\x7f\x80\xff\"\\!#[]\x01\x00"[..])),
        ]) {
            let stops = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
            let first = word.iter().position(stops).unwrap_or(8);
            prop_assert_eq!(clean_bytes(u64::from_le_bytes(word)), first);
        }
    }
}

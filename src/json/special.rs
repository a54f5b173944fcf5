//! What is special in strings: escapes and what they stand for, characters above 0x7f.

/// Text is checked with vectors where the CPU has any, at ten times the speed of the standard
/// library from some hundred bytes on: docs/design/json.md.
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

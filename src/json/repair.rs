//! The slow path for text that is no Unicode: the same document with U+FFFD, as Go would hold it.
//!
//! Go replaces each byte that begins no valid sequence (not each maximal run, as Rust's lossy
//! conversion does) and each lone surrogate escape: docs/reference/lura-core.md 4.5.

use super::special::{hex4, low_surrogate};

const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Appends `value`, a document that the scanner accepted, with its strings made Unicode. Both
/// kinds of damage stand only inside strings, so structure need not be looked at.
#[cold]
pub(super) fn repair(value: &[u8], out: &mut Vec<u8>) {
    let mut rest = value;
    loop {
        let (valid, bad) = match std::str::from_utf8(rest) {
            Ok(_) => (rest.len(), false),
            Err(error) => (error.valid_up_to(), true),
        };
        let (text, after) = rest.split_at_checked(valid).unwrap_or((rest, b""));
        surrogates(text, out);
        if !bad {
            return;
        }
        out.extend_from_slice(REPLACEMENT);
        rest = after.get(1..).unwrap_or_default();
    }
}

/// Copies text and replaces lone surrogate escapes.
fn surrogates(text: &[u8], out: &mut Vec<u8>) {
    let mut copied = 0;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', text.get(at..).unwrap_or_default()) {
        at += found;
        let unit = if text.get(at + 1) == Some(&b'u') { hex4(text, at + 2) } else { None };
        at += match unit {
            None => 2,
            Some(unit) if unit & 0xf800 != 0xd800 => 6,
            Some(unit) if unit < 0xdc00 && low_surrogate(text, at + 6).is_some() => 12,
            Some(_) => {
                out.extend_from_slice(text.get(copied..at).unwrap_or_default());
                out.extend_from_slice(REPLACEMENT);
                copied = at + 6;
                6
            }
        };
    }
    out.extend_from_slice(text.get(copied..).unwrap_or_default());
}

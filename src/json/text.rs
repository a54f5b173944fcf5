//! Strings of JSON: writing them as Go's encoder does, and reading what they stand for.

use super::special::{hex4, low_surrogate};

/// Which characters beside the necessary ones are escaped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// Go's `SetEscapeHTML(false)`.
    #[default]
    Plain,
    /// Also `<`, `>` and `&`: Go's default.
    Html,
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` as a JSON string with its quotes; each byte that is no UTF-8 becomes `\ufffd`.
/// U+2028 and U+2029 are always escaped.
pub fn quote(text: &[u8], escape: Escape, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    for chunk in text.utf8_chunks() {
        escaped(chunk.valid().as_bytes(), escape, out);
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
    out.push(b'"');
}

/// Appends valid UTF-8 with what must be escaped escaped.
fn escaped(text: &[u8], escape: Escape, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| special(*byte, escape)) {
        let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, b""));
        out.extend_from_slice(plain);
        let taken = match *from {
            [byte @ (b'"' | b'\\'), ..] => {
                out.extend_from_slice(&[b'\\', byte]);
                1
            }
            [0xe2, 0x80, last @ (0xa8 | 0xa9), ..] => {
                out.extend_from_slice(b"\\u202");
                out.push(hex_digit(last));
                3
            }
            [0xe2, ..] => {
                out.push(0xe2);
                1
            }
            [byte, ..] => {
                short_escape(byte, out);
                1
            }
            [] => 0,
        };
        rest = from.get(taken..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// May this byte begin something that is escaped?
#[inline(always)]
fn special(byte: u8, escape: Escape) -> bool {
    match byte {
        0..=0x1f | b'"' | b'\\' | 0xe2 => true,
        b'<' | b'>' | b'&' => escape == Escape::Html,
        _ => false,
    }
}

fn short_escape(byte: u8, out: &mut Vec<u8>) {
    let letter = match byte {
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[hex_digit(byte >> 4), hex_digit(byte)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

fn hex_digit(value: u8) -> u8 {
    HEX[usize::from(value & 0xf)]
}

/// Appends JSON bytes with `<`, `>`, `&`, U+2028 and U+2029 escaped; in a valid document those
/// stand only in strings.
pub(super) fn escape_html(json: &[u8], out: &mut Vec<u8>) {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'<' | b'>' | b'&' | 0xe2)) {
        let (plain, from) = rest.split_at_checked(at).unwrap_or((rest, b""));
        out.extend_from_slice(plain);
        let taken = match *from {
            [0xe2, 0x80, last @ (0xa8 | 0xa9), ..] => {
                out.extend_from_slice(b"\\u202");
                out.push(hex_digit(last));
                3
            }
            [0xe2, ..] => {
                out.push(0xe2);
                1
            }
            [byte, ..] => {
                short_escape(byte, out);
                1
            }
            [] => 0,
        };
        rest = from.get(taken..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Appends what a valid JSON string (with its quotes) stands for; a lone surrogate is U+FFFD.
pub fn unquote(string: &[u8], out: &mut Vec<u8>) {
    let inner = string.get(1..string.len().saturating_sub(1)).unwrap_or_default();
    let mut at = 0;
    loop {
        let rest = inner.get(at..).unwrap_or_default();
        let Some(plain) = memchr::memchr(b'\\', rest) else {
            out.extend_from_slice(rest);
            return;
        };
        out.extend_from_slice(rest.get(..plain).unwrap_or_default());
        at += plain;
        let letter = inner.get(at + 1).copied().unwrap_or_default();
        at += 2;
        let byte = match letter {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                at += unicode(inner, at, out);
                continue;
            }
            other => other,
        };
        out.push(byte);
    }
}

/// Appends the character whose hexadecimal digits begin at `at`; how many bytes it took.
fn unicode(inner: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let unit = hex4(inner, at).unwrap_or(0xfffd);
    let low = if unit & 0xfc00 == 0xd800 { low_surrogate(inner, at + 4) } else { None };
    let (code, taken) = match low {
        Some(low) => (0x10000 + ((unit & 0x3ff) << 10 | low & 0x3ff), 10),
        None => (unit, 4),
    };
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    taken
}

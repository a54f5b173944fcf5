//! Paths: decoded for routing, and encoded again for a backend byte for byte as Go's
//! `url.Parse(host + path).RequestURI()` does, which is how KrakenD sends them
//! (docs/reference/lura-core.md 2.4, 3.2, 3.3). The tables of the tests come from Go and from
//! recorded answers of KrakenD.

use memchr::memchr;

use super::percent::{self, BadEscape, Plus, escaped, hex, is_unreserved};

/// A decoded path, and what routing must know about how it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    pub path: &'a [u8],
    /// Some `/` was written `%2F`: such a path never matches a parameter.
    pub has_encoded_slash: bool,
    /// It holds a NUL: 400.
    pub has_nul: bool,
}

/// Decodes a path as Go's `PathUnescape`. Borrows where nothing is encoded, else fills `scratch`,
/// whose former content is lost.
pub fn decode<'a>(raw: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<Decoded<'a>, BadEscape> {
    if memchr(b'%', raw).is_none() {
        return Ok(Decoded { path: raw, has_encoded_slash: false, has_nul: false });
    }
    scratch.clear();
    percent::decode(raw, Plus::Plus, scratch)?;
    let slashes = |text: &[u8]| text.iter().filter(|byte| **byte == b'/').count();
    let has_encoded_slash = slashes(raw) != slashes(scratch);
    let has_nul = memchr(0, scratch).is_some();
    Ok(Decoded { path: scratch, has_encoded_slash, has_nul })
}

/// Appends a decoded path as Go's `URL.EscapedPath` writes it when it knows nothing else.
pub fn encode(decoded: &[u8], out: &mut Vec<u8>) {
    for byte in decoded {
        if is_plain(*byte) { out.push(*byte) } else { percent::push_escaped(*byte, out) }
    }
}

/// Appends a decoded path as it goes to a backend: `push_value`, then `finish`.
pub fn wire_path(decoded: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    push_value(decoded, out);
    // `push_value` has escaped each `%`, so there is no bad escape to find.
    let finished = finish(out, from);
    debug_assert!(finished.is_ok());
}

/// Appends a parameter's value into a path that `finish` will complete. What would end the path or
/// read as an escape is escaped; KrakenD lets it through or fails (docs/reference/lura-core.md 3.2).
pub fn push_value(value: &[u8], out: &mut Vec<u8>) {
    for byte in value {
        if matches!(byte, b'%' | b'?' | b'#' | 0..=0x1f | 0x7f) {
            percent::push_escaped(*byte, out);
        } else {
            out.push(*byte);
        }
    }
}

/// Completes the path that stands in `out[from..]`, a pattern's own text (which may hold escapes)
/// with values put in by `push_value`. As in Go, a path of which every byte may stand in a path is
/// sent as it is; one bad byte anywhere, and all of it is decoded and encoded by the narrower set of
/// `encode`: `[` stays alone, but becomes `%5B` beside a space. An empty path becomes `/`.
pub fn finish(out: &mut Vec<u8>, from: usize) -> Result<(), BadEscape> {
    let path = out.get(from..).unwrap_or_default();
    percent::check(path)?;
    if path.is_empty() {
        out.push(b'/');
    } else if !path.iter().all(|byte| is_valid_encoded(*byte)) {
        decode_tail(out, from);
        encode_tail(out, from);
    }
    Ok(())
}

/// Whether a value can be put into a path without changing how the rest is sent. For the plan: with
/// only such values and a pattern that `finish` left alone, `finish` has nothing to do.
#[inline]
pub fn is_wire_safe(value: &[u8]) -> bool {
    value.iter().all(|byte| *byte != b'%' && is_valid_encoded(*byte))
}

/// Decodes `out[from..]`, whose escapes are sound, where it stands.
fn decode_tail(out: &mut Vec<u8>, from: usize) {
    let (mut read_at, mut write_at) = (from, from);
    while let Some([byte, rest @ ..]) = out.get(read_at..) {
        let escape = match (byte, rest) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        let (decoded, len) = match escape {
            Some((high, low)) => (high << 4 | low, 3),
            None => (*byte, 1),
        };
        out[write_at] = decoded; // `write_at` never passes `read_at`
        write_at += 1;
        read_at += len;
    }
    out.truncate(write_at);
}

/// Encodes `out[from..]` where it stands, from its end so that nothing is overwritten unread.
fn encode_tail(out: &mut Vec<u8>, from: usize) {
    let tail = out.get(from..).unwrap_or_default();
    let n_escapes = tail.iter().filter(|byte| !is_plain(**byte)).count();
    let mut read_at = out.len();
    out.resize(read_at + 2 * n_escapes, 0);
    let mut write_at = out.len();
    while write_at > read_at {
        // While two cursors differ there is an escape to the left of `read_at`, so it is over `from`.
        read_at -= 1;
        let byte = out[read_at];
        if is_plain(byte) {
            write_at -= 1;
            out[write_at] = byte;
        } else {
            write_at -= 3;
            out[write_at..write_at + 3].copy_from_slice(&escaped(byte));
        }
    }
}

/// What Go's `escape` leaves in a path.
const fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@')
}

/// What Go's `validEncoded` accepts in a path that was written by somebody else.
const fn is_valid_encoded(byte: u8) -> bool {
    is_plain(byte) || matches!(byte, b'!' | b'\'' | b'(' | b')' | b'*' | b'[' | b']' | b'%')
}

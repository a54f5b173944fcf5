//! Values of one backend's data as parameters of the next (sequential proxy).
//! Source: docs/reference/lura-core.md 3.10.

use super::part::Part;

/// Appends the value at `path` (keys, outermost first) as KrakenD puts it into a parameter.
/// False when a key is missing or something on the way is no object.
pub fn parameter<K: AsRef<[u8]>>(part: &Part, body: &[u8], path: &[K], out: &mut Vec<u8>) -> bool {
    let _ = (part, body, path, out);
    false
}

//! Queries as Go reads and writes them (`url.ParseQuery`, `Values.Encode`): pairs that hold `;` or a
//! bad escape vanish silently, output is sorted by key (docs/reference/lura-core.md 2.6, 3.3).

use memchr::memchr;

use super::percent::{self, Plus, is_unreserved};
use crate::http::Span;

/// The pairs of a raw query, still encoded. Those that Go drops are left out.
pub fn pairs(raw: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    raw.split(|byte| *byte == b'&').filter_map(|text| {
        if text.is_empty() || memchr(b';', text).is_some() || percent::check(text).is_err() {
            return None;
        }
        let equals = memchr(b'=', text).unwrap_or(text.len());
        let (key, value) = text.split_at(equals);
        Some(Pair { key, value: value.get(1..).unwrap_or_default() })
    })
}

/// One `key=value`, still encoded; without `=` the value is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    pub key: &'a [u8],
    pub value: &'a [u8],
}

impl Pair<'_> {
    /// Appends the decoded key.
    pub fn push_key(&self, out: &mut Vec<u8>) {
        push_decoded(self.key, out);
    }

    /// Appends the decoded value.
    pub fn push_value(&self, out: &mut Vec<u8>) {
        push_decoded(self.value, out);
    }
}

/// Appends the decoded first value of a key (Go's `Values.Get`); `false` if there is no such key.
pub fn push_first(raw: &[u8], key: &[u8], out: &mut Vec<u8>) -> bool {
    let before = out.len();
    for pair in pairs(raw) {
        pair.push_key(out);
        let found = out.get(before..) == Some(key);
        out.truncate(before);
        if found {
            pair.push_value(out);
            return true;
        }
    }
    false
}

/// Appends a key or value as Go's `QueryEscape`: a space becomes `+`, all but unreserved bytes are
/// percent-encoded. Also for parameters that a pattern puts into its query.
pub fn push_escaped(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b' ' => out.push(b'+'),
            byte if is_unreserved(*byte) => out.push(*byte),
            byte => percent::push_escaped(*byte, out),
        }
    }
}

/// Reusable memory for filtering and re-encoding queries.
#[derive(Clone, Debug, Default)]
pub struct QueryEncoder {
    /// Decoded keys and values.
    text: Vec<u8>,
    pairs: Vec<(Span, Span)>,
}

impl QueryEncoder {
    pub fn new() -> QueryEncoder {
        QueryEncoder::default()
    }

    /// Appends the pairs whose decoded key is kept, as Go's `Values.Encode` writes them: sorted by
    /// key, values of one key in their order, `key=value` joined by `&`. Returns how many; with 0
    /// nothing was appended.
    pub fn encode(&mut self, raw: &[u8], keep: impl Fn(&[u8]) -> bool, out: &mut Vec<u8>) -> usize {
        self.text.clear();
        self.pairs.clear();
        for pair in pairs(raw) {
            let key_at = self.text.len();
            pair.push_key(&mut self.text);
            let value_at = self.text.len();
            if !keep(self.text.get(key_at..).unwrap_or_default()) {
                self.text.truncate(key_at);
                continue;
            }
            pair.push_value(&mut self.text);
            let key = Span::new(key_at, value_at - key_at);
            let value = Span::new(value_at, self.text.len() - value_at);
            // Targets are far shorter than what a span can hold (`HeadLimits::target`).
            self.pairs.extend(key.zip(value));
        }
        let QueryEncoder { text, pairs } = self;
        // Unstable sorting needs no memory; the place in `text` keeps equal keys in their order.
        pairs.sort_unstable_by(|(a, _), (b, _)| {
            a.of(text).cmp(b.of(text)).then_with(|| a.at.cmp(&b.at))
        });
        for (at, (key, value)) in pairs.iter().enumerate() {
            if at > 0 {
                out.push(b'&');
            }
            push_escaped(key.of(text), out);
            out.push(b'=');
            push_escaped(value.of(text), out);
        }
        pairs.len()
    }
}

/// `pairs` has seen to the escapes.
fn push_decoded(text: &[u8], out: &mut Vec<u8>) {
    let decoded = percent::decode(text, Plus::Space, out);
    debug_assert!(decoded.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(raw: &[u8], keep: impl Fn(&[u8]) -> bool) -> (usize, String) {
        let mut out = Vec::new();
        let n_pairs = QueryEncoder::new().encode(raw, keep, &mut out);
        (n_pairs, String::from_utf8_lossy(&out).into_owned())
    }

    /// Printed by Go 1.26: `u.Query().Encode()`.
    #[test]
    fn queries_are_read_and_written_as_go_does() {
        for (raw, expected) in [
            ("", ""),
            ("a=1", "a=1"),
            ("a", "a="),
            ("a=", "a="),
            ("=b", "=b"),
            ("=", "="),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1", "a=2&a=1"),
            ("a=1;b=2&c=3", "c=3"),
            ("a=%zz&b=1", "b=1"),
            ("%zz=1&b=2", "b=2"),
            ("a=b+c", "a=b+c"),
            ("a=b%2Bc", "a=b%2Bc"),
            ("a+b=1", "a+b=1"),
            ("k=v%2Fw&z", "k=v%2Fw&z="),
            ("&&a=1&&", "a=1"),
            ("a=1=2", "a=1%3D2"),
            ("z=1&A=2&a=3&_=4", "A=2&_=4&a=3&z=1"),
            ("a%3Db=c%26d", "a%3Db=c%26d"),
            ("\u{e9}=\u{fc}", "%C3%A9=%C3%BC"),
            ("a=1&b=2&a=3&c=4&a=0", "a=1&a=3&a=0&b=2&c=4"),
            ("%61=1&a=2", "a=1&a=2"),
            ("a=%", ""),
            ("?a=1", "%3Fa=1"),
            ("a=~-_.!*'()", "a=~-_.%21%2A%27%28%29"),
        ] {
            assert_eq!(encoded(raw.as_bytes(), |_| true).1, expected, "{raw}");
        }
        assert_eq!(encoded(b"a=\xff", |_| true).1, "a=%FF");
    }

    /// Printed by Go 1.26: what `url.QueryEscape` leaves.
    #[test]
    fn each_byte_is_escaped_as_go_does() {
        let kept = b"-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
        for byte in 0..=255u8 {
            let expected = match byte {
                b' ' => b"+".to_vec(),
                byte if kept.contains(&byte) => vec![byte],
                byte => format!("%{byte:02X}").into_bytes(),
            };
            let mut out = Vec::new();
            push_escaped(&[byte], &mut out);
            assert_eq!(out, expected, "{byte:02x}");
        }
    }

    #[test]
    fn filters_by_decoded_key() {
        let names: [&[u8]; 2] = [b"a", b"x y"];
        let keep = |key: &[u8]| names.contains(&key);
        for (case, raw, expected) in [
            ("none", "b=1", (0, "")),
            ("some", "b=1&a=2&A=3", (1, "a=2")),
            ("encoded key", "x%20y=1&%61=2", (2, "a=2&x+y=1")),
            ("all values", "a=1&b=1&a=2", (2, "a=1&a=2")),
        ] {
            let (n_pairs, text) = encoded(raw.as_bytes(), keep);
            assert_eq!((n_pairs, text.as_str()), expected, "{case}");
        }
    }

    #[test]
    fn many_equal_keys_keep_their_order() {
        let raw: Vec<_> = (0..200).map(|n| format!("{}={n}", ["b", "a"][n % 2])).collect();
        let (n_pairs, text) = encoded(raw.join("&").as_bytes(), |_| true);
        let odd = (0..200).filter(|n| n % 2 == 1).map(|n| format!("a={n}"));
        let even = (0..200).filter(|n| n % 2 == 0).map(|n| format!("b={n}"));
        assert_eq!((n_pairs, text), (200, odd.chain(even).collect::<Vec<_>>().join("&")));
    }

    #[test]
    fn first_values() {
        for (raw, key, expected) in [
            ("a=1&a=2", "a", Some("1")),
            ("b=1&%61=x+y", "a", Some("x y")),
            ("a", "a", Some("")),
            ("a=;&a=2", "a", Some("2")),
            ("A=1", "a", None),
            ("", "a", None),
        ] {
            let mut out = b"old".to_vec();
            let found = push_first(raw.as_bytes(), key.as_bytes(), &mut out);
            assert_eq!(found, expected.is_some(), "{raw}");
            assert_eq!(out, [b"old", expected.unwrap_or_default().as_bytes()].concat(), "{raw}");
        }
    }
}

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

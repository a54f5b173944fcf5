//! `Part`: what one backend contributes to an answer, as ranges of its body.
//!
//! A part never owns the body: whoever renders hands the same body in again. Parts are pooled;
//! `clear` keeps every capacity, so that a warm part costs no allocation.

/// The decoded and selected data of one backend.
#[derive(Debug, Default)]
pub struct Part {
    /// The data is Go's nil map: it renders as `null` when alone and is skipped by a merge.
    pub(super) nil: bool,
}

impl Part {
    /// An empty object.
    pub fn new() -> Part {
        Part::default()
    }
    /// Back to an empty object; capacities stay.
    pub fn clear(&mut self) {}
    /// The top level was `null` and nothing wrapped it.
    pub fn is_nil(&self) -> bool {
        self.nil
    }
    /// No member at the top: what makes `X-Krakend-Completed` false (docs/reference/lura-core.md 5.2).
    pub fn is_empty(&self) -> bool {
        true
    }
    /// Bytes that rendering will need, about.
    pub fn len_hint(&self) -> usize {
        0
    }
    /// Bytes after the first value were ignored (the caller counts these).
    pub fn had_trailing(&self) -> bool {
        false
    }
    /// The body went through the repair of text that is no Unicode.
    pub fn was_repaired(&self) -> bool {
        false
    }
    /// Becomes `return_error_details`' object: `{"error_<name>":{"http_status_code":…,
    /// "http_body":"…","http_body_encoding":"…"}}`, empty members omitted
    /// (docs/reference/lura-core.md 4.4).
    pub fn set_error_details(&mut self, name: &str, status: u16, body: &[u8], encoding: &[u8]) {
        let _ = (name, status, body, encoding);
    }
}

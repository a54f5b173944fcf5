//! Rendering: the parts of an endpoint become one answer by copying ranges.
//! Source: docs/reference/lura-core.md 3.9 (merge), 5.1 (renderers).

use super::part::Part;

/// Ranges shorter than this are copied, longer ones offered as ranges (design: iovecs cost more).
pub const RANGE_MIN: usize = 2048;

/// Where an answer goes.
pub trait Sink {
    /// Small bytes, valid only during the call.
    fn copy(&mut self, bytes: &[u8]);
    /// A large range of body `source` (index in the slice of parts): `bytes` stand at `at` there.
    fn range(&mut self, source: u16, at: u32, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    fn copy(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
    fn range(&mut self, _source: u16, _at: u32, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// What is rendered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rendering {
    /// The object.
    #[default]
    Json,
    /// The value of the top-level key `collection`, or `[]`.
    JsonCollection,
    /// The top-level `content` as plain text, when it is a string.
    String,
}

/// How an endpoint renders; part of the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RenderOptions {
    pub rendering: Rendering,
    /// Keys sorted at every level and strings re-encoded, as Go does.
    pub sort_keys: bool,
    /// `<`, `>`, `&` and U+2028/9 escaped, as Go does.
    pub escape_html: bool,
}

/// The pooled working memory of rendering; one per core or exchange is enough.
#[derive(Debug, Default)]
pub struct Renderer {}

impl Renderer {
    /// Without memory yet.
    pub fn new() -> Renderer {
        Renderer::default()
    }
    /// Renders `parts` (each with the body it was decoded from) in the given order: of a key that
    /// several have, the last wins and stands once.
    pub fn render(
        &mut self,
        parts: &[(&Part, &[u8])],
        options: &RenderOptions,
        out: &mut impl Sink,
    ) {
        let _ = (parts, options, out);
    }
}

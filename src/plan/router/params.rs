//! What a lookup leaves behind: the spans of the path parameters, and reusable scratch space.
//! One per exchange; clearing keeps the capacity, so a warm lookup allocates nothing.

/// The parameters of the route that was found, in the order of the pattern. The names are
/// `Router::names`; a plan compiles them to these positions before traffic.
#[derive(Default)]
pub struct Params {
    pub(super) walk: Walk,
    /// The path that was looked up when it is not the path that was asked (`remove_extra_slash`).
    pub(super) cleaned: Vec<u8>,
    /// The target of a redirect to a fixed path.
    pub(super) fixed: Vec<u8>,
}

/// One parameter's value as offsets into the decoded path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamSpan {
    pub start: u32,
    pub end: u32,
}

impl Params {
    pub fn new() -> Self {
        Self::default()
    }

    /// Offsets into what `path` gives.
    pub fn spans(&self) -> &[ParamSpan] {
        &self.walk.spans
    }

    /// The path that the spans point into: `asked`, or with `remove_extra_slash` its clean form.
    pub fn path<'a>(&'a self, asked: &'a [u8]) -> &'a [u8] {
        if self.cleaned.is_empty() { asked } else { &self.cleaned }
    }

    /// The value at `index`; empty when the route has no such parameter. A catch-all's value begins
    /// with a slash.
    pub fn value<'a>(&'a self, index: usize, asked: &'a [u8]) -> &'a [u8] {
        self.walk.spans.get(index).map_or(b"", |span| span.of(self.path(asked)))
    }

    /// All values in order.
    pub fn values<'a>(&'a self, asked: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let path = self.path(asked);
        self.walk.spans.iter().map(move |span| span.of(path))
    }
}

impl ParamSpan {
    /// The bytes; empty when `path` is not the path of the lookup.
    pub fn of(self, path: &[u8]) -> &[u8] {
        path.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// The state of a walk down the tree.
#[derive(Default)]
pub(super) struct Walk {
    pub spans: Vec<ParamSpan>,
    pub choices: Vec<Choice>,
}

/// An edge that was passed over for one that comes first.
pub(super) struct Choice {
    pub edge: Edge,
    pub at: u32,
    pub n_spans: u32,
}

#[derive(Clone, Copy)]
pub(super) enum Edge {
    /// To the node behind a parameter.
    Param(u32),
    /// A catch-all: its route.
    Rest(u32),
}

impl Walk {
    pub fn clear(&mut self) {
        self.spans.clear();
        self.choices.clear();
    }

    pub fn push(&mut self, start: usize, end: usize) {
        self.spans.push(ParamSpan { start: start as u32, end: end as u32 });
    }
}

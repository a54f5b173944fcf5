//! Places of the YAML parser as byte offsets: it counts characters.

use crate::config::source::{SourceId, Span};
use saphyr_parser::{Marker, Span as Marks};

/// Characters to bytes: the parser counts characters.
pub(super) struct Places<'t> {
    text: &'t str,
    shift: usize,
    source: SourceId,
    /// Byte offset of every 256th character; empty for ASCII, where both counts are the same.
    steps: Vec<usize>,
}

impl<'t> Places<'t> {
    const STEP: usize = 256;

    /// `shift`: bytes that were cut off in front of the text.
    pub(super) fn new(text: &'t str, shift: usize, source: SourceId) -> Self {
        let steps = match text.is_ascii() {
            true => Vec::new(),
            false => text.char_indices().step_by(Self::STEP).map(|(at, _)| at).collect(),
        };
        Places { text, shift, source, steps }
    }

    /// Byte offset of a mark, in the whole file.
    pub(super) fn offset(&self, mark: &Marker) -> usize {
        let index = mark.index();
        if self.steps.is_empty() {
            return index.min(self.text.len()) + self.shift;
        }
        let step = (index / Self::STEP).min(self.steps.len() - 1);
        let start = self.steps[step];
        let rest = self.text.get(start..).unwrap_or("");
        let within = rest.char_indices().nth(index - step * Self::STEP);
        start + within.map_or(rest.len(), |(at, _)| at) + self.shift
    }

    /// Byte range between two marks.
    pub(super) fn span(&self, marks: Marks) -> Span {
        Span::new(self.source, self.offset(&marks.start)..self.offset(&marks.end))
    }
}

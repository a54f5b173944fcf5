//! The texts that a configuration came from, and how a place in them is named: file, line, column.
//!
//! Knows nothing of what the text means. Columns count characters, as editors do; spans are bytes.

use std::ops::Range;

/// Which text of [`Sources`] a span points into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SourceId(pub u16);

/// A range of bytes in one source. An empty range still names a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// The text that the range belongs to.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span of a byte range; offsets beyond 4 GiB saturate (larger files are refused earlier).
    pub fn new(source: SourceId, range: Range<usize>) -> Self {
        let small = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { source, start: small(range.start), end: small(range.end.max(range.start)) }
    }

    /// The bytes of the span as a range.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A place as people name it: both figures begin at 1, columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// One text with its name and the index of its lines.
#[derive(Clone, Debug)]
pub struct Source {
    name: String,
    text: String,
    line_starts: Vec<u32>,
    /// Characters before every [`STEP`]th byte, so that a column in a file of one line is not
    /// counted from its start each time.
    chars_before: Vec<u32>,
}

/// Bytes between two counts of characters.
const STEP: usize = 1024;

/// Bytes that begin a character.
fn starts(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

impl Source {
    /// Indexes the lines once, so that a place is found by binary search.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let after_breaks = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| small(at + 1));
        let line_starts = std::iter::once(0).chain(after_breaks).collect();
        let mut n_chars = 0;
        let mut chars_before = vec![0];
        for step in text.as_bytes().chunks_exact(STEP) {
            n_chars += starts(step);
            chars_before.push(small(n_chars));
        }
        Source { name: name.into(), line_starts, chars_before, text }
    }

    /// How many characters begin before a byte.
    fn chars_until(&self, offset: usize) -> usize {
        let step = (offset / STEP).min(self.chars_before.len() - 1);
        let rest = self.text.as_bytes().get(step * STEP..offset).unwrap_or_default();
        self.chars_before.get(step).map_or(0, |n| *n as usize) + starts(rest)
    }

    /// The name that diagnostics show: the path as the user gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text of a range; empty when the range does not fit the text.
    pub fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or("")
    }

    /// Line and column of a byte offset; an offset inside a character names that character.
    pub fn place(&self, offset: usize) -> Place {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line_starts.partition_point(|start| *start as usize <= offset).max(1);
        let column = self.chars_until(offset) - self.chars_until(self.line_start(line));
        Place { line, column: column + 1 }
    }

    /// Byte offset where a line (from 1) begins; the end of the text for a line that is not there.
    pub fn line_start(&self, line: usize) -> usize {
        let start = self.line_starts.get(line.saturating_sub(1));
        start.map_or(self.text.len(), |start| *start as usize)
    }
}

/// Every text that one configuration was read from: the file first, then what changed it.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    list: Vec<Source>,
}

impl Sources {
    /// The id that the next text will get.
    pub fn next_id(&self) -> SourceId {
        SourceId(u16::try_from(self.list.len()).unwrap_or(u16::MAX))
    }

    /// Adds a text and returns its id.
    pub fn add(&mut self, source: Source) -> SourceId {
        let id = self.next_id();
        self.list.push(source);
        id
    }

    /// The source of an id.
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.list.get(usize::from(id.0))
    }

    /// The text that a span covers.
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.source).map_or("", |source| source.slice(span.range()))
    }

    /// The place where a span begins.
    pub fn place(&self, span: Span) -> Place {
        self.get(span.source)
            .map_or(Place { line: 1, column: 1 }, |source| source.place(span.start as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let source = Source::new("f", "ab\n\u{e9}\u{20ac}x\r\n\nlast");
        for (case, offset, line, column) in [
            ("start", 0, 1, 1),
            ("end of line", 2, 1, 3),
            ("second line", 3, 2, 1),
            ("after a two-byte character", 5, 2, 2),
            ("inside a character", 6, 2, 2),
            ("after a three-byte character", 8, 2, 3),
            ("empty line", 11, 3, 1),
            ("last line", 13, 4, 2),
            ("beyond", 99, 4, 5),
        ] {
            assert_eq!(source.place(offset), Place { line, column }, "{case}");
        }
    }

    #[test]
    fn columns_in_long_lines() {
        let text = format!("\n{}x", "\u{e9}a".repeat(5_000));
        let source = Source::new("f", text.as_str());
        for (index, (offset, _)) in text.char_indices().enumerate().skip(1) {
            assert_eq!(source.place(offset), Place { line: 2, column: index });
        }
    }
}

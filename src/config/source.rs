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
}

impl Source {
    /// Indexes the lines once, so that a place is found by binary search.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let starts = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
        let line_starts =
            std::iter::once(0).chain(starts).map(|at| u32::try_from(at).unwrap_or(u32::MAX));
        Source { name: name.into(), line_starts: line_starts.collect(), text }
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
        let start = self.line_starts.get(line - 1).map_or(0, |start| *start as usize);
        Place { line, column: self.slice(start..offset).chars().count() + 1 }
    }

    /// Byte offset of a line (from 1) and a column in characters (from 0).
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let start =
            self.line_starts.get(line.saturating_sub(1)).map_or(self.text.len(), |s| *s as usize);
        let rest = self.text.get(start..).unwrap_or("");
        start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
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
    fn offsets_and_places_agree() {
        let source = Source::new("f", "a\n\u{e9}bc\n");
        for offset in [0, 1, 2, 4, 5, 6, 7] {
            let place = source.place(offset);
            assert_eq!(source.offset(place.line, place.column - 1), offset);
        }
    }
}

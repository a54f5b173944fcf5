//! Writing one part: the longest possible ranges of its body, with commas, colons and braces
//! between.

use super::merge::{RANGE_MIN, Sink};
use super::part::{Flags, Member, Part, Piece, Range};
use super::text::{self, Escape};

/// What the bytes pass on their way to a sink.
pub(super) trait Output {
    /// Bytes of ours, or short ones of a body.
    fn copy(&mut self, bytes: &[u8]);
    /// A long range of a body.
    fn range(&mut self, source: usize, at: u32, bytes: &[u8]);
    /// The next bytes are a value that must not be re-encoded.
    fn verbatim(&mut self) {}

    /// A range of what a part points into.
    #[inline(always)]
    fn raw(&mut self, source: usize, part: &Part, range: Range, main: &[u8]) {
        let bytes = range.of(main);
        if bytes.len() >= RANGE_MIN && !part.repaired {
            self.range(source, range.at, bytes);
        } else {
            self.copy(bytes);
        }
    }
}

/// Straight into the sink.
pub(super) struct Direct<'s, S>(pub(super) &'s mut S);

impl<S: Sink> Output for Direct<'_, S> {
    #[inline(always)]
    fn copy(&mut self, bytes: &[u8]) {
        self.0.copy(bytes);
    }

    #[inline(always)]
    fn range(&mut self, source: usize, at: u32, bytes: &[u8]) {
        match u16::try_from(source) {
            Ok(source) => self.0.range(source, at, bytes),
            Err(_) => self.0.copy(bytes),
        }
    }
}

/// Escapes `<`, `>`, `&`, U+2028 and U+2029. No call ends inside a character.
pub(super) struct Html<'s, S> {
    pub(super) out: &'s mut S,
    pub(super) escaped: Vec<u8>,
}

impl<S: Sink> Html<'_, S> {
    fn is_clean(bytes: &[u8]) -> bool {
        memchr::memchr3(b'<', b'>', b'&', bytes).is_none()
            && memchr::memmem::find(bytes, b"\xe2\x80").is_none()
    }
}

impl<S: Sink> Output for Html<'_, S> {
    fn copy(&mut self, bytes: &[u8]) {
        if Self::is_clean(bytes) {
            self.out.copy(bytes);
            return;
        }
        self.escaped.clear();
        text::escape_html(bytes, &mut self.escaped);
        self.out.copy(&self.escaped);
    }

    fn range(&mut self, source: usize, at: u32, bytes: &[u8]) {
        if Self::is_clean(bytes) {
            Direct(self.out).range(source, at, bytes);
        } else {
            self.copy(bytes);
        }
    }
}

/// Collects an answer that is to be sorted.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) bytes: Vec<u8>,
    /// Where values begin that are not re-encoded.
    pub(super) verbatim: Vec<u32>,
}

impl Sorted {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.verbatim.clear();
    }
}

impl Output for Sorted {
    fn copy(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn range(&mut self, _source: usize, _at: u32, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn verbatim(&mut self) {
        self.verbatim.push(self.bytes.len() as u32);
    }
}

/// Writes one part.
pub(super) struct Splicer<'w, O> {
    source: usize,
    part: &'w Part,
    main: &'w [u8],
    escape: Escape,
    text: &'w mut Vec<u8>,
    out: &'w mut O,
    /// A comma is due before the next member.
    pub(super) comma: bool,
}

impl<'w, O: Output> Splicer<'w, O> {
    pub(super) fn new(
        source: usize,
        (part, body): (&'w Part, &'w [u8]),
        escape: Escape,
        text: &'w mut Vec<u8>,
        out: &'w mut O,
    ) -> Splicer<'w, O> {
        Splicer { source, part, main: part.main(body), escape, text, out, comma: false }
    }

    /// The part alone.
    pub(super) fn part(&mut self) {
        if self.part.group.is_some() {
            self.out.copy(b"{");
            self.heads();
            self.out.copy(b"}");
        } else {
            self.data();
        }
    }

    /// What the group wraps: the members as an object, or null.
    pub(super) fn data(&mut self) {
        if self.part.nil {
            self.out.copy(b"null");
        } else if let Some(whole) = self.part.whole {
            self.raw(whole);
        } else {
            self.out.copy(b"{");
            self.comma = false;
            self.members(&self.part.members);
            self.out.copy(b"}");
        }
        self.comma = true;
    }

    /// Everything at the top, as members of an object around.
    pub(super) fn heads(&mut self) {
        let Some(group) = &self.part.group else {
            let ends = (self.part.members.first(), self.part.members.last());
            match (self.part.whole, ends) {
                (Some(_), (Some(first), Some(last))) => {
                    self.begin();
                    self.raw(Range::new(first.key.at as usize, last.value.end()));
                }
                _ => self.members(&self.part.members),
            }
            return;
        };
        self.begin();
        self.out.copy(group.key(self.main, &self.part.scratch));
        self.out.copy(b":");
        self.data();
    }

    /// The same without those that a later part overwrites.
    pub(super) fn heads_without(&mut self, overwritten: &[bool]) {
        if overwritten.iter().all(|gone| !gone) {
            self.heads();
        } else if self.part.group.is_none() {
            // Stretches between those that go.
            let members = &self.part.members;
            let mut from = 0;
            let ends = overwritten.iter().enumerate().filter(|(_, gone)| **gone);
            for end in ends.map(|(at, _)| at).chain([members.len()]) {
                self.members(members.get(from..end).unwrap_or_default());
                from = end + 1;
            }
        }
    }

    fn members(&mut self, mut members: &[Member]) {
        while let Some((member, rest)) = members.split_first() {
            members = rest;
            self.begin();
            if !member.flags.is_raw() {
                self.out.copy(member.key(self.main, &self.part.scratch));
                self.out.copy(b":");
                self.value(member);
                continue;
            }
            let mut end = member.value.end();
            while let Some((next, rest)) = members.split_first()
                && next.flags.has(Flags::FOLLOWS)
                && next.flags.is_raw()
            {
                end = next.value.end();
                members = rest;
            }
            self.raw(Range::new(member.key.at as usize, end));
        }
    }

    /// The value of one member.
    pub(super) fn value(&mut self, member: &Member) {
        if member.flags.has(Flags::TEXT) {
            self.out.verbatim();
            self.text.clear();
            text::quote(member.value.of(self.main), self.escape, self.text);
            self.out.copy(self.text);
        } else if member.flags.has(Flags::VALUE_IN_SCRATCH) {
            self.out.verbatim();
            self.out.copy(member.value.of(&self.part.scratch));
        } else if member.flags.has(Flags::COMPOSED) {
            self.pieces(member.value.of(&self.part.pieces));
        } else {
            self.raw(member.value);
        }
        self.comma = true;
    }

    fn pieces(&mut self, mut pieces: &[Piece]) {
        while let Some((piece, rest)) = pieces.split_first() {
            pieces = rest;
            match *piece {
                Piece::Gone => {}
                Piece::Open => {
                    self.out.copy(b"{");
                    self.comma = false;
                }
                Piece::Close => {
                    self.out.copy(b"}");
                    self.comma = true;
                }
                Piece::Key(range) => {
                    self.begin();
                    self.raw(range);
                    self.out.copy(b":");
                }
                Piece::Run { range, .. } => {
                    self.begin();
                    let mut end = range.end();
                    while let Some((Piece::Run { range, follows: true }, rest)) =
                        pieces.split_first()
                    {
                        end = range.end();
                        pieces = rest;
                    }
                    self.raw(Range::new(range.at as usize, end));
                }
            }
        }
    }

    /// The comma before a member, if one is due.
    #[inline(always)]
    fn begin(&mut self) {
        if self.comma {
            self.out.copy(b",");
        }
        self.comma = true;
    }

    #[inline(always)]
    fn raw(&mut self, range: Range) {
        self.out.raw(self.source, self.part, range, self.main);
    }
}

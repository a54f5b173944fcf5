//! `Part`: what one backend contributes to an answer, as ranges of its body.
//!
//! A part never owns the body: whoever renders hands the same body in again. Parts are pooled;
//! `clear` keeps every capacity, so that a warm part costs no allocation.

use super::keys::{KeyFilter, KeyHash, KeyTable};
use super::nest::Nest;
use super::select::Name;
use super::text::{self, Escape};
use super::walk::Frame;

/// The decoded and selected data of one backend.
#[derive(Debug, Default)]
pub struct Part {
    /// The data is Go's nil map.
    pub(super) nil: bool,
    pub(super) trailing: bool,
    /// Ranges point into `repaired_body` instead of the body.
    pub(super) repaired: bool,
    /// The object with its braces, when nothing of it was changed or dropped.
    pub(super) whole: Option<Range>,
    /// The key that wraps the members.
    pub(super) group: Option<Member>,
    /// What stands at the top (inside the group, if there is one); no key twice.
    pub(super) members: Vec<Member>,
    /// Has all hashes of the top, perhaps more.
    pub(super) filter: KeyFilter,
    /// Filtered values: each composed member owns a stretch.
    pub(super) pieces: Vec<Piece>,
    /// Keys and values that no body has.
    pub(super) scratch: Vec<u8>,
    pub(super) repaired_body: Vec<u8>,
    // Working memory of decoding, empty afterwards.
    pub(super) frames: Vec<Frame>,
    pub(super) marks: Vec<Member>,
    pub(super) table: KeyTable,
    pub(super) nest: Nest,
}

/// A stretch of a body, of the scratch, or of the pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) at: u32,
    pub(super) len: u32,
}

impl Range {
    #[inline(always)]
    pub(super) fn new(at: usize, end: usize) -> Range {
        Range { at: at as u32, len: (end - at) as u32 }
    }

    #[inline(always)]
    pub(super) fn end(self) -> usize {
        self.at as usize + self.len as usize
    }

    #[inline(always)]
    pub(super) fn of<T>(self, all: &[T]) -> &[T] {
        all.get(self.at as usize..self.end()).unwrap_or_default()
    }
}

/// One key with its value. Unless a flag says otherwise, ranges are of the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Member {
    /// Of the decoded key.
    pub(super) hash: u32,
    pub(super) flags: Flags,
    /// With its quotes.
    pub(super) key: Range,
    /// What the key stands for.
    pub(super) name: Range,
    pub(super) value: Range,
}

/// What is special about a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags(u8);

impl Flags {
    /// Stands right behind the previous member, with a comma between.
    pub(super) const FOLLOWS: Flags = Flags(1);
    pub(super) const NAME_IN_SCRATCH: Flags = Flags(2);
    pub(super) const KEY_IN_SCRATCH: Flags = Flags(4);
    /// The value is a stretch of the pieces.
    pub(super) const COMPOSED: Flags = Flags(8);
    /// The value is a stretch of the body that has to be quoted.
    pub(super) const TEXT: Flags = Flags(16);
    /// The value is JSON of ours that is never re-encoded.
    pub(super) const VALUE_IN_SCRATCH: Flags = Flags(32);
    /// Overwritten by a later member, or filtered away: only hides earlier ones of its key.
    pub(super) const DEAD: Flags = Flags(64);

    const NOT_RAW: u8 =
        Flags::KEY_IN_SCRATCH.0 | Flags::COMPOSED.0 | Flags::TEXT.0 | Flags::VALUE_IN_SCRATCH.0;

    #[inline(always)]
    pub(super) fn has(self, flag: Flags) -> bool {
        self.0 & flag.0 != 0
    }

    #[inline(always)]
    pub(super) fn set(&mut self, flag: Flags) {
        self.0 |= flag.0;
    }

    #[inline(always)]
    pub(super) fn unset(&mut self, flag: Flags) {
        self.0 &= !flag.0;
    }

    /// Key and value stand in the body as they go out.
    #[inline(always)]
    pub(super) fn is_raw(self) -> bool {
        self.0 & Flags::NOT_RAW == 0
    }
}

/// A token of a filtered value. Commas and colons are made when it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Was overwritten by a later member.
    Gone,
    Open,
    Close,
    /// A key with its quotes; an object follows.
    Key(Range),
    /// A whole member; `follows`: it stands right behind the previous one.
    Run {
        range: Range,
        follows: bool,
    },
}

impl Member {
    /// The decoded key.
    #[inline(always)]
    pub(super) fn name<'b>(&self, main: &'b [u8], scratch: &'b [u8]) -> &'b [u8] {
        self.name.of(if self.flags.has(Flags::NAME_IN_SCRATCH) { scratch } else { main })
    }

    /// The key as it is written.
    #[inline(always)]
    pub(super) fn key<'b>(&self, main: &'b [u8], scratch: &'b [u8]) -> &'b [u8] {
        self.key.of(if self.flags.has(Flags::KEY_IN_SCRATCH) { scratch } else { main })
    }
}

impl Part {
    /// An empty object.
    pub fn new() -> Part {
        Part::default()
    }

    /// Back to an empty object; capacities stay.
    pub fn clear(&mut self) {
        self.nil = false;
        self.trailing = false;
        self.repaired = false;
        self.group = None;
        self.clear_data();
        self.repaired_body.clear();
        self.frames.clear();
    }

    /// Forgets members, not what is known about the document.
    pub(super) fn clear_data(&mut self) {
        self.whole = None;
        self.filter = KeyFilter::default();
        self.members.clear();
        self.pieces.clear();
        self.scratch.clear();
        self.marks.clear();
    }

    /// The top level was `null` and nothing wrapped it: renders as `null` when alone and is
    /// skipped by a merge.
    pub fn is_nil(&self) -> bool {
        self.nil && self.group.is_none()
    }

    /// No member at the top: what makes `X-Krakend-Completed` false (docs/reference/lura-core.md 5.2).
    pub fn is_empty(&self) -> bool {
        self.group.is_none() && self.members.is_empty()
    }

    /// Bytes after the first value were ignored (the caller counts these).
    pub fn had_trailing(&self) -> bool {
        self.trailing
    }

    /// The body went through the repair of text that is no Unicode.
    pub fn was_repaired(&self) -> bool {
        self.repaired
    }

    /// Bytes that rendering will need: exact for untouched objects, else a little more. Text that
    /// needs escapes may take more than that.
    pub fn len_hint(&self) -> usize {
        if let Some(whole) = self.whole {
            return whole.len as usize + self.group.map_or(0, |group| group.key.len as usize + 3);
        }
        let mut hint = self.group.map_or(0, |group| group.key.len as usize + 3) + 4;
        let mut run_end = 0;
        for member in &self.members {
            let (key, value) = (member.key.len as usize, member.value.len as usize);
            if member.flags.has(Flags::COMPOSED) {
                hint += key + 2 + pieces_len(member.value.of(&self.pieces));
            } else if member.flags.is_raw() {
                let at = member.key.at as usize;
                let from =
                    if member.flags.has(Flags::FOLLOWS) { run_end } else { at.saturating_sub(1) };
                run_end = member.value.end();
                hint += run_end - from;
            } else {
                hint += key + value + 4;
            }
        }
        hint
    }

    /// Both hold the same data, in the same ranges.
    pub(super) fn is_as(&self, other: &Part) -> bool {
        (self.nil, self.trailing, self.repaired, self.whole, &self.group, &self.members)
            == (
                other.nil,
                other.trailing,
                other.repaired,
                other.whole,
                &other.group,
                &other.members,
            )
            && (&self.pieces, &self.scratch, &self.repaired_body)
                == (&other.pieces, &other.scratch, &other.repaired_body)
    }

    /// Becomes `return_error_details`' object: `{"error_<name>":{"http_status_code":…,
    /// "http_body":"…","http_body_encoding":"…"}}`, empty members omitted
    /// (docs/reference/lura-core.md 4.4). `body` is text, up to 256 MiB.
    pub fn set_error_details(&mut self, name: &str, status: u16, body: &[u8], encoding: &[u8]) {
        self.clear();
        let key = self.scratch.len();
        text::quote(name.as_bytes(), Escape::Plain, &mut self.scratch);
        self.scratch.splice(key + 1..key + 1, *b"error_");
        let mut member = self.key_in_scratch(key);
        let value = self.scratch.len();
        self.scratch.extend_from_slice(b"{\"http_status_code\":");
        self.scratch.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
        for (key, text) in [("http_body", body), ("http_body_encoding", encoding)] {
            if !text.is_empty() {
                self.scratch.extend_from_slice(b",\"");
                self.scratch.extend_from_slice(key.as_bytes());
                self.scratch.extend_from_slice(b"\":");
                text::quote(text, Escape::Plain, &mut self.scratch);
            }
        }
        self.scratch.push(b'}');
        member.value = Range::new(value, self.scratch.len());
        member.flags.set(Flags::VALUE_IN_SCRATCH);
        self.members.push(member);
    }

    /// The member whose quoted key is the scratch from `at` on; without a value.
    pub(super) fn key_in_scratch(&mut self, at: usize) -> Member {
        let key = Range::new(at, self.scratch.len());
        let mut name = Range { at: key.at + 1, len: key.len.saturating_sub(2) };
        if memchr::memchr(b'\\', key.of(&self.scratch)).is_some() {
            let decoded = self.scratch.len();
            let quoted = key.of(&self.scratch).to_vec();
            text::unquote(&quoted, &mut self.scratch);
            name = Range::new(decoded, self.scratch.len());
        }
        let mut flags = Flags::KEY_IN_SCRATCH;
        flags.set(Flags::NAME_IN_SCRATCH);
        let hash = KeyHash::new().of(name.of(&self.scratch));
        self.filter.enter(hash);
        Member { hash, flags, key, name, value: Range::default() }
    }

    /// Writes a key of the plan into the scratch.
    pub(super) fn plan_key(&mut self, name: &Name) -> Member {
        self.filter.enter(name.hash);
        let at = self.scratch.len();
        name.quoted(&mut self.scratch);
        let key = Range::new(at, self.scratch.len());
        let mut range = Range { at: key.at + 1, len: key.len.saturating_sub(2) };
        if range.len as usize != name.text.len() {
            range = Range::new(self.scratch.len(), self.scratch.len() + name.text.len());
            self.scratch.extend_from_slice(&name.text);
        }
        let mut flags = Flags::KEY_IN_SCRATCH;
        flags.set(Flags::NAME_IN_SCRATCH);
        Member { hash: name.hash, flags, key, name: range, value: Range::default() }
    }

    /// What ranges point into.
    #[inline(always)]
    pub(super) fn main<'b>(&'b self, body: &'b [u8]) -> &'b [u8] {
        if self.repaired { &self.repaired_body } else { body }
    }
}

/// Bytes that pieces become.
fn pieces_len(pieces: &[Piece]) -> usize {
    let mut run_end = 0;
    let len = |piece: &Piece| match piece {
        Piece::Gone => 0,
        Piece::Open | Piece::Close => 1,
        Piece::Key(range) => range.len as usize + 2,
        Piece::Run { range, follows } => {
            let from = if *follows { run_end } else { (range.at as usize).saturating_sub(1) };
            run_end = range.end();
            run_end - from
        }
    };
    pieces.iter().map(len).sum()
}

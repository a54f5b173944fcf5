//! The field lines of a head as a reusable list of spans, and finding fields in it.

use super::error::HeadError;
use super::head::HeadLimits;
use super::lines::line_max;
use crate::http::tokens::is_token_byte;
use crate::http::{HeaderId, HeaderSet, Span};

/// More field lines than this are refused whatever the configuration says: their slots live on the
/// stack while a head is read.
pub(super) const FIELDS_MAX: usize = 256;

/// One field line in 16 bytes: the id of its name, and where name and value stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    name_at: u32,
    value_at: u32,
    name_len: u16,
    value_len: u16,
    pub id: HeaderId,
}

const _: () = assert!(size_of::<Field>() == 16);

impl Field {
    pub fn new(id: HeaderId, name: Span, value: Span) -> Field {
        let (name_at, name_len) = (name.at, name.len);
        Field { name_at, value_at: value.at, name_len, value_len: value.len, id }
    }

    /// The name as it was sent.
    #[inline]
    pub fn name<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        self.name_span().of(buf)
    }

    /// The value without spaces around it; may be empty, may hold bytes over 0x7f.
    #[inline]
    pub fn value<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        self.value_span().of(buf)
    }

    pub fn name_span(&self) -> Span {
        Span { at: self.name_at, len: self.name_len }
    }

    pub fn value_span(&self) -> Span {
        Span { at: self.value_at, len: self.value_len }
    }
}

/// The fields of one message in the order they were sent. `clear` keeps the memory.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    list: Vec<Field>,
    ids: HeaderSet,
}

impl Fields {
    /// The first value of this id.
    #[inline]
    pub fn find<'b>(&self, id: HeaderId, buf: &'b [u8]) -> Option<&'b [u8]> {
        if !self.ids.contains(id) {
            return None;
        }
        self.list.iter().find(|field| field.id == id).map(|field| field.value(buf))
    }

    /// All values of this id, in order.
    pub fn values<'a, 'b: 'a>(
        &'a self,
        id: HeaderId,
        buf: &'b [u8],
    ) -> impl Iterator<Item = &'b [u8]> + 'a {
        let list = if self.ids.contains(id) { self.list.as_slice() } else { &[] };
        list.iter().filter(move |field| field.id == id).map(move |field| field.value(buf))
    }

    /// The first value of a name without an id, whatever its case.
    pub fn find_named<'b>(&self, name: &[u8], buf: &'b [u8]) -> Option<&'b [u8]> {
        self.values_named(name, buf).next()
    }

    /// All values of a name without an id, whatever its case. For names with an id use `values`.
    pub fn values_named<'a, 'b: 'a>(
        &'a self,
        name: &'a [u8],
        buf: &'b [u8],
    ) -> impl Iterator<Item = &'b [u8]> + 'a {
        let list = if self.ids.contains(HeaderId::Other) { self.list.as_slice() } else { &[] };
        list.iter()
            .filter(move |field| {
                field.id == HeaderId::Other && field.name(buf).eq_ignore_ascii_case(name)
            })
            .map(move |field| field.value(buf))
    }

    /// Which ids are present.
    pub fn ids(&self) -> HeaderSet {
        self.ids
    }

    pub fn as_slice(&self) -> &[Field] {
        &self.list
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Field> {
        self.list.iter()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn push(&mut self, field: Field) {
        self.ids.insert(field.id);
        self.list.push(field);
    }

    pub fn clear(&mut self) {
        self.list.clear();
        self.ids = HeaderSet::EMPTY;
    }

    /// Reads all field lines from `from` on in one pass if they are there, plain and within the
    /// limits; returns the offset after the head. `None` says nothing but that `Lines` has to look: it
    /// gives the same result where this one gives any (see `fuzz::fuzz_head`). Not httparse: its slots
    /// are filled before and copied after, which for a head of five fields is half of the work.
    pub(super) fn read_at_once(
        &mut self,
        buf: &[u8],
        from: usize,
        head_end_max: usize,
        limits: &HeadLimits,
    ) -> Option<usize> {
        let end = self.read_plain(buf, from, head_end_max, limits);
        if end.is_none() {
            self.clear();
        }
        end
    }

    fn read_plain(
        &mut self,
        buf: &[u8],
        from: usize,
        head_end_max: usize,
        limits: &HeadLimits,
    ) -> Option<usize> {
        let section = buf.get(..buf.len().min(head_end_max))?;
        let line_max = line_max(limits);
        let fields_max = limits.fields.min(FIELDS_MAX);
        let mut at = from;
        loop {
            let rest = section.get(at..)?;
            if let [b'\r', b'\n', ..] = rest {
                return Some(at + 2);
            }
            let line = plain_line(rest)?;
            if line.len > line_max || self.list.len() == fields_max {
                return None;
            }
            let name = Span::new(at, line.name_len)?;
            let value = Span::new(at + line.value_at, line.value_len)?;
            self.push(Field::new(HeaderId::of(name.of(buf)), name, value));
            at += line.len;
        }
    }

    /// Reads the field lines `buf[from..to]`: complete, ended by an empty line, `n_lines` of them,
    /// each ended by CRLF and none folded, as `Lines` has seen to.
    pub(super) fn read(
        &mut self,
        buf: &[u8],
        from: usize,
        to: usize,
        n_lines: usize,
    ) -> Result<(), HeadError> {
        // The slots must be filled before use; most heads need few of them.
        match n_lines {
            0..=16 => self.read_at_most::<16>(buf, from, to),
            17..=32 => self.read_at_most::<32>(buf, from, to),
            33..=100 => self.read_at_most::<100>(buf, from, to),
            _ => self.read_at_most::<FIELDS_MAX>(buf, from, to),
        }
    }

    fn read_at_most<const N: usize>(
        &mut self,
        buf: &[u8],
        from: usize,
        to: usize,
    ) -> Result<(), HeadError> {
        let section = buf.get(from..to).unwrap_or_default();
        let mut slots = [httparse::EMPTY_HEADER; N];
        let parsed = match httparse::parse_headers(section, &mut slots) {
            Ok(httparse::Status::Complete((len, parsed))) if len == section.len() => parsed,
            _ => return Err(HeadError::Field),
        };
        self.push_all(buf, parsed)
    }

    fn push_all(&mut self, buf: &[u8], parsed: &[httparse::Header<'_>]) -> Result<(), HeadError> {
        let base = buf.as_ptr().addr();
        let span = |part: &[u8]| Span::new(part.as_ptr().addr().wrapping_sub(base), part.len());
        self.list.reserve(parsed.len());
        for header in parsed {
            let name = header.name.as_bytes();
            let spans = span(name).zip(span(header.value));
            let Some((name_span, value_span)) = spans else { return Err(HeadError::LineTooLong) };
            self.push(Field::new(HeaderId::of(name), name_span, value_span));
        }
        Ok(())
    }
}

/// A complete field line, offsets from its start.
struct PlainLine {
    name_len: usize,
    value_at: usize,
    value_len: usize,
    /// With its CRLF.
    len: usize,
}

/// Reads a line of the plainest kind: a token, a colon, spaces, a value without tabs, CRLF. For
/// anything else, right or wrong, `None`.
#[inline]
fn plain_line(text: &[u8]) -> Option<PlainLine> {
    let name_len = text.iter().position(|byte| !is_token_byte(*byte))?;
    if name_len == 0 || text.get(name_len) != Some(&b':') {
        return None;
    }
    let mut value_at = name_len + 1;
    while text.get(value_at) == Some(&b' ') {
        value_at += 1;
    }
    let value_and_more = text.get(value_at..)?;
    let mut value_len = until_control(value_and_more)?;
    let line_end = value_at + value_len;
    if text.get(line_end..line_end + 2) != Some(b"\r\n") {
        return None;
    }
    while value_len > 0 && value_and_more.get(value_len - 1) == Some(&b' ') {
        value_len -= 1;
    }
    Some(PlainLine { name_len, value_at, value_len, len: line_end + 2 })
}

/// Where the first control byte stands (tab is one), eight bytes at a time.
#[inline]
fn until_control(text: &[u8]) -> Option<usize> {
    let (words, tail) = text.as_chunks::<8>();
    for (nth, word) in words.iter().enumerate() {
        let found = controls(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(nth * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    let at = tail.iter().position(|byte| *byte < b' ' || *byte == 0x7f)?;
    Some(words.len() * 8 + at)
}

/// The lowest bit that is set stands in the first byte that is below 0x20 or is 0x7f. Bytes after
/// that one may be marked wrongly: borrows go upwards only.
#[inline]
fn controls(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    let below = word.wrapping_sub(ONES * 0x20) & !word;
    let delete = word ^ (ONES * 0x7f);
    let delete = delete.wrapping_sub(ONES) & !delete;
    (below | delete) & HIGH
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_control_byte_is_found_wherever_it_stands() {
        for byte in 0..=255_u8 {
            for at in 0..20 {
                let mut text = [b'a'; 24];
                text[at] = byte;
                text[20] = b'\r';
                let control = byte < 0x20 || byte == 0x7f;
                assert_eq!(
                    until_control(&text),
                    Some(if control { at } else { 20 }),
                    "{byte} {at}"
                );
            }
        }
        assert_eq!(until_control(b"no end of a line"), None);
        assert_eq!(until_control(&[0xff; 9]), None);
    }

    #[test]
    fn plain_lines_only() {
        for (case, text, expected) in [
            ("plain", "Host: a\r\n", Some(("Host", "a"))),
            ("no space", "a:b\r\n", Some(("a", "b"))),
            ("spaces around", "a:   b c  \r\n", Some(("a", "b c"))),
            ("empty value", "a:\r\n", Some(("a", ""))),
            ("only spaces", "a:  \r\n", Some(("a", ""))),
            ("bytes over 0x7f", "a: caf\u{e9}\r\n", Some(("a", "caf\u{e9}"))),
            ("tab", "a:\tb\r\n", None),
            ("bare LF", "a: b\n", None),
            ("bare CR", "a: b\rc\r\n", None),
            ("no end", "a: b", None),
            ("half an end", "a: b\r", None),
            ("no name", ": b\r\n", None),
            ("space in the name", "a b: c\r\n", None),
            ("space before the colon", "a : b\r\n", None),
            ("folded", " a: b\r\n", None),
            ("no colon", "abc\r\n", None),
            ("NUL", "a: \0\r\n", None),
        ] {
            let found = plain_line(text.as_bytes()).map(|line| {
                assert_eq!(line.len, text.len(), "{case}");
                let value = &text[line.value_at..line.value_at + line.value_len];
                (&text[..line.name_len], value)
            });
            assert_eq!(found, expected, "{case}");
        }
    }

    proptest! {
        /// What is plain here is the same for httparse, which judges all else.
        #[test]
        fn plain_lines_are_what_httparse_reads(
            text in "[a-zA-Z:\\- \t\r\n\u{0}\u{7f}é]{0,12}: [ -~\té\u{1}]{0,20}\r\n"
        ) {
            if let Some(line) = plain_line(text.as_bytes()) {
                let whole = [&text.as_bytes()[..line.len], b"\r\n"].concat();
                let mut slots = [httparse::EMPTY_HEADER; 2];
                let parsed = match httparse::parse_headers(&whole, &mut slots) {
                    Ok(httparse::Status::Complete((_, parsed))) => parsed,
                    other => panic!("{other:?}"),
                };
                prop_assert_eq!(parsed.len(), 1);
                prop_assert_eq!(parsed[0].name, &text[..line.name_len]);
                let value = &text.as_bytes()[line.value_at..line.value_at + line.value_len];
                prop_assert_eq!(parsed[0].value, value);
            }
        }
    }
}

//! The field lines of a head as a reusable list of spans, and finding fields in it.

use super::error::HeadError;
use super::head::HeadLimits;
use super::lines::line_max;
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

    /// Reads all field lines from `from` on in one pass if they are there, well-formed and within
    /// the limits; returns the offset after the head. `None` says nothing but that `Lines` has to
    /// look: it gives the same result where this one gives any (see `fuzz::fuzz_head`).
    pub(super) fn read_at_once(
        &mut self,
        buf: &[u8],
        from: usize,
        head_end_max: usize,
        limits: &HeadLimits,
    ) -> Option<usize> {
        // The slots must be filled before use; few heads have more fields.
        let mut slots = [httparse::EMPTY_HEADER; 32];
        let section = buf.get(from..buf.len().min(head_end_max))?;
        let Ok(httparse::Status::Complete((len, parsed))) =
            httparse::parse_headers(section, &mut slots)
        else {
            return None;
        };
        let end = from + len;
        // httparse takes a bare LF for a line end: each line must be followed by another one, or
        // by the empty one, and end in CRLF.
        let empty_at = end.checked_sub(2)?;
        if parsed.len() > limits.fields || !ends_in_crlf(buf, end) {
            return None;
        }
        let base = buf.as_ptr().addr();
        let mut lines = parsed.iter().map(|header| header.name.as_ptr().addr().wrapping_sub(base));
        let mut line_at = lines.next().unwrap_or(empty_at);
        for next_at in lines.chain((!parsed.is_empty()).then_some(empty_at)) {
            if !ends_in_crlf(buf, next_at) || next_at.wrapping_sub(line_at) > line_max(limits) {
                return None;
            }
            line_at = next_at;
        }
        let pushed = self.push_all(buf, parsed);
        if pushed.is_err() {
            self.clear();
        }
        pushed.ok().map(|()| end)
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

fn ends_in_crlf(buf: &[u8], at: usize) -> bool {
    buf.get(at.wrapping_sub(2)..at) == Some(b"\r\n")
}

impl<'a> IntoIterator for &'a Fields {
    type Item = &'a Field;
    type IntoIter = std::slice::Iter<'a, Field>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

//! Finds the lines of a head in a buffer that grows, and enforces the limits while doing so.
//! Each byte is looked at once however the input is cut, and verdicts depend on bytes only, never
//! on where a read ended: limits use a window, and a line is judged at its start and at its end.

use memchr::memchr;

use super::error::HeadError;
use super::head::{HeadLimits, Progress};

/// Where the walk through a head stands. All offsets are in the buffer that is parsed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lines {
    /// The start of the start line, after skipped empty lines.
    pub start: usize,
    /// The start of the first field line; 0 while the start line is not complete.
    pub fields_at: usize,
    /// How many field lines are complete.
    pub n_fields: usize,
    /// Whether the fields were tried in one pass, before this walk through their lines.
    pub tried_at_once: bool,
    /// The start of the line that is not complete yet.
    line_at: usize,
    /// No LF stands before this offset in that line.
    scan_at: usize,
    n_empty: usize,
    skipping_done: bool,
}

/// A complete line, without its CRLF.
pub(super) struct Line {
    pub from: usize,
    pub to: usize,
}

impl Lines {
    /// Whether a buffer of this length can be the one that was walked, grown.
    pub fn fits(&self, buf_len: usize) -> bool {
        self.scan_at <= buf_len
    }

    /// Skips the empty lines that a client may send before a request (RFC 9112 section 2.2).
    pub fn skip_empty(&mut self, buf: &[u8], max: usize) -> Result<Progress, HeadError> {
        while !self.skipping_done {
            match buf.get(self.start..) {
                Some([b'\r', b'\n', ..]) if self.n_empty == max => {
                    return Err(HeadError::LeadingLines);
                }
                Some([b'\r', b'\n', ..]) => {
                    self.n_empty += 1;
                    self.start += 2;
                }
                Some([b'\r', _, ..]) => return Err(HeadError::RequestLine),
                Some([] | [b'\r']) | None => return Ok(Progress::NeedMore),
                Some(_) => self.skipping_done = true,
            }
            self.line_at = self.start;
            self.scan_at = self.start;
        }
        Ok(Progress::Done)
    }

    /// The start line, once it is complete. `too_long` is what an overlong one is called.
    pub fn start_line(
        &mut self,
        buf: &[u8],
        limits: &HeadLimits,
        too_long: HeadError,
    ) -> Result<Option<Line>, HeadError> {
        let line = self.line(buf, limits, too_long)?;
        if line.is_some() {
            self.fields_at = self.line_at;
        }
        Ok(line)
    }

    /// Walks over the field lines; `Done` when the empty line at the end of the head was passed.
    pub fn fields(&mut self, buf: &[u8], limits: &HeadLimits) -> Result<Progress, HeadError> {
        let fields_max = limits.fields.min(super::fields::FIELDS_MAX);
        loop {
            match self.partial(buf, limits) {
                [b' ' | b'\t', ..] => return Err(HeadError::Folded),
                // A lone CR at the start of a line never gets better; do not wait for the LF.
                [b'\r', other, ..] if *other != b'\n' => return Err(HeadError::LineEnd),
                _ => {}
            }
            let Some(line) = self.line(buf, limits, HeadError::LineTooLong)? else {
                return Ok(Progress::NeedMore);
            };
            if line.from == line.to {
                return Ok(Progress::Done);
            }
            if self.n_fields == fields_max {
                return Err(HeadError::TooManyFields);
            }
            self.n_fields += 1;
        }
    }

    /// The offset after the lines that are complete.
    pub fn end(&self) -> usize {
        self.line_at
    }

    /// The offset that the end of the head must not exceed.
    pub fn head_end_max(&self, limits: &HeadLimits) -> usize {
        self.start.saturating_add(limits.bytes.min(BYTES_MAX))
    }

    /// What may be looked at from the start of the line that is not complete yet: nothing past a
    /// limit, else a read that ends there would give another verdict than one that does not.
    pub fn partial<'b>(&self, buf: &'b [u8], limits: &HeadLimits) -> &'b [u8] {
        let line_end = self.line_at.saturating_add(line_max(limits));
        let end = buf.len().min(line_end).min(self.head_end_max(limits));
        buf.get(self.line_at..end).unwrap_or_default()
    }

    #[inline]
    fn line(
        &mut self,
        buf: &[u8],
        limits: &HeadLimits,
        too_long: HeadError,
    ) -> Result<Option<Line>, HeadError> {
        let line_end = self.line_at.saturating_add(line_max(limits));
        let head_end = self.head_end_max(limits);
        let window_end = buf.len().min(line_end).min(head_end);
        let window = buf.get(self.scan_at..window_end).unwrap_or_default();
        let Some(found) = memchr(b'\n', window) else {
            self.scan_at = window_end;
            return match window_end {
                end if end == line_end => Err(too_long),
                end if end == head_end => Err(HeadError::HeadTooLong),
                _ => Ok(None),
            };
        };
        let (from, lf_at) = (self.line_at, self.scan_at + found);
        let to = match buf.get(from..lf_at) {
            Some([.., b'\r']) => lf_at - 1,
            _ => return Err(HeadError::LineEnd),
        };
        self.line_at = lf_at + 1;
        self.scan_at = self.line_at;
        Ok(Some(Line { from, to }))
    }
}

/// A span cannot hold more than 65,535 bytes.
pub(super) fn line_max(limits: &HeadLimits) -> usize {
    limits.line.min(usize::from(u16::MAX))
}

/// Offsets are `u32`; nobody wants heads of this size anyway.
const BYTES_MAX: usize = 1 << 24;

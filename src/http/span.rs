//! A place in a buffer, instead of a borrowed slice: it survives that the buffer grows or moves.

/// `len` bytes from offset `at` of the buffer that was parsed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    pub at: u32,
    pub len: u16,
}

impl Span {
    /// `None` where the range does not fit: an offset over 4 GiB or more than 65,535 bytes.
    pub fn new(at: usize, len: usize) -> Option<Span> {
        Some(Span { at: u32::try_from(at).ok()?, len: u16::try_from(len).ok()? })
    }

    /// The bytes meant. Empty where `buf` is not the buffer that the span was made for.
    #[inline]
    pub fn of<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        buf.get(self.at as usize..self.end()).unwrap_or_default()
    }

    /// The offset after the last byte.
    #[inline]
    pub fn end(&self) -> usize {
        self.at as usize + usize::from(self.len)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_another_buffer_is_empty() {
        let span = Span { at: 2, len: 3 };
        assert_eq!(span.of(b"abcdef"), b"cde");
        assert_eq!(span.of(b"abcd"), b"");
        assert_eq!(Span::new(0, 65_536), None);
    }
}

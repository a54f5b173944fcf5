//! The chunked transfer coding (RFC 9112 section 7.1), strict: only CRLF ends a line, sizes are hex
//! digits, extensions follow the grammar and are dropped, framing may not outweigh the content
//! (docs/reference/hardening.md A9–A12). See LIFECYCLE.md.
//! The decoder reads byte by byte outside of chunk data and keeps what it must know, so the caller
//! never has to keep half a line.

use super::trailers::{Trailers, TrailersReader};
use crate::http::tokens::{is_token_byte, is_value_byte};

/// What the next bytes of the input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The input is used up, all of it framing. Call again with the bytes that follow it.
    NeedMore,
    /// `skip` bytes of framing, then `len` (> 0) bytes of content; call again with what follows.
    Data { skip: usize, len: usize },
    /// The message ended after `consumed` bytes of the input; what follows is not part of it.
    End { consumed: usize },
}

/// What `decode_in_place` made of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InPlace {
    /// The buffer ends with content. Append what arrives and call again with its length of now.
    NeedMore,
    /// The message is complete. The content ends at this offset; bytes after it are not part of it.
    End { content_end: usize },
}

/// What is wrong with a chunked message. The connection cannot be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChunkError {
    /// A size that is not 1–16 hex digits, or over `u64`.
    Size,
    /// A line that does not end in CRLF.
    LineEnd,
    /// Bytes other than CRLF after a chunk's content.
    DataEnd,
    /// An extension outside of the grammar.
    Extension,
    /// A size line over 256 bytes.
    LineTooLong,
    /// Framing far above the content: over 16 KiB + 16 bytes for each byte of content.
    Overhead,
    /// A malformed trailer field.
    Trailer,
    /// Trailers over 8 KiB or 32 fields.
    TrailersTooLarge,
}

impl ChunkError {
    /// The status that tells a client.
    pub fn status(self) -> u16 {
        match self {
            ChunkError::TrailersTooLarge => 431,
            ChunkError::Size
            | ChunkError::LineEnd
            | ChunkError::DataEnd
            | ChunkError::Extension
            | ChunkError::LineTooLong
            | ChunkError::Overhead
            | ChunkError::Trailer => 400,
        }
    }

    /// What to log; never holds anything the peer sent.
    pub fn text(self) -> &'static str {
        match self {
            ChunkError::Size => "invalid chunk size",
            ChunkError::LineEnd => "chunk line does not end in CRLF",
            ChunkError::DataEnd => "chunk longer than its size",
            ChunkError::Extension => "invalid chunk extension",
            ChunkError::LineTooLong => "chunk line too long",
            ChunkError::Overhead => "more chunk framing than content",
            ChunkError::Trailer => "malformed trailer field",
            ChunkError::TrailersTooLarge => "trailers too large",
        }
    }
}

impl std::fmt::Display for ChunkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for ChunkError {}

/// One size line in bytes, its CRLF counted.
const LINE_MAX: u16 = 256;
/// Framing that is free, and framing allowed for each byte of content: a 1-byte chunk has 5.
const OVERHEAD_FREE: u64 = 16 * 1024;
const OVERHEAD_PER_BYTE: u64 = 16;

/// Decodes one message. `clear` makes it ready for the next and keeps its memory; it allocates only
/// for trailers that are kept.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    state: State,
    /// The size while it is read, then the bytes of the chunk that are still to come.
    left: u64,
    n_digits: u8,
    line_len: u16,
    overhead: u64,
    content: u64,
    trailers: TrailersReader,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    /// In an extension.
    Extension(Extension),
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
    Ended,
}

/// `*( BWS ";" BWS name [ BWS "=" BWS value ] )` (RFC 9112 section 7.1.1). Bad whitespace is not
/// accepted: nobody sends it, and before the CRLF it is how sizes are disguised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    /// After `;`.
    NameStart,
    Name,
    /// After `=`.
    ValueStart,
    Value,
    Quoted,
    QuotedPair,
    /// After the closing quote.
    QuotedEnd,
}

impl Decoder {
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Ready for another message.
    pub fn clear(&mut self) {
        let mut trailers = std::mem::take(&mut self.trailers);
        trailers.clear();
        *self = Decoder { trailers, ..Decoder::default() };
    }

    /// Reads from the start of the input up to the next content or the end. After an error or
    /// `End` do not call it again before `clear`.
    pub fn step(&mut self, input: &[u8]) -> Result<Step, ChunkError> {
        let mut at = 0;
        loop {
            if self.state == State::Data {
                let rest = input.len() - at;
                if rest == 0 {
                    return Ok(Step::NeedMore);
                }
                // What does not fit in `usize` is more than the input anyway.
                let len = usize::try_from(self.left).map_or(rest, |left| left.min(rest));
                self.left -= len as u64;
                self.content = self.content.saturating_add(len as u64);
                if self.left == 0 {
                    self.state = State::DataCr;
                }
                return Ok(Step::Data { skip: at, len });
            }
            if self.state == State::Ended {
                return Ok(Step::End { consumed: at });
            }
            let Some(byte) = input.get(at) else { return Ok(Step::NeedMore) };
            at += 1;
            self.overhead += 1;
            let allowed = self.content.saturating_mul(OVERHEAD_PER_BYTE);
            if self.overhead > allowed.saturating_add(OVERHEAD_FREE) {
                return Err(ChunkError::Overhead);
            }
            self.state = self.framing_byte(*byte)?;
        }
    }

    /// Decodes what was appended to a buffer that grows: `buf[..from]` is other data and content
    /// decoded before, `buf[from..]` came from the peer. The content moves down over the framing;
    /// surplus bytes after the end of the message stay behind it.
    pub fn decode_in_place(
        &mut self,
        buf: &mut Vec<u8>,
        from: usize,
    ) -> Result<InPlace, ChunkError> {
        let (mut read_at, mut write_at) = (from.min(buf.len()), from.min(buf.len()));
        loop {
            let input = buf.get(read_at..).unwrap_or_default();
            match self.step(input)? {
                Step::NeedMore => {
                    buf.truncate(write_at);
                    return Ok(InPlace::NeedMore);
                }
                Step::Data { skip, len } => {
                    let data_at = read_at + skip;
                    buf.copy_within(data_at..data_at + len, write_at);
                    read_at = data_at + len;
                    write_at += len;
                }
                Step::End { consumed } => {
                    let surplus_at = read_at + consumed;
                    let n_surplus = buf.len() - surplus_at;
                    buf.copy_within(surplus_at.., write_at);
                    buf.truncate(write_at + n_surplus);
                    return Ok(InPlace::End { content_end: write_at });
                }
            }
        }
    }

    /// Bytes of content decoded so far.
    pub fn content_len(&self) -> u64 {
        self.content
    }

    /// The trailer fields that may be passed on, complete after the end.
    pub fn trailers(&self) -> Trailers<'_> {
        self.trailers.kept()
    }

    /// Takes one byte of framing and says what comes next.
    #[inline]
    fn framing_byte(&mut self, byte: u8) -> Result<State, ChunkError> {
        match self.state {
            State::Size | State::Extension(_) | State::SizeLf => {
                self.line_len += 1;
                if self.line_len > LINE_MAX {
                    return Err(ChunkError::LineTooLong);
                }
                self.size_line_byte(byte)
            }
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Size),
            State::DataCr | State::DataLf => Err(ChunkError::DataEnd),
            State::Trailers => match self.trailers.byte(byte)? {
                true => Ok(State::Ended),
                false => Ok(State::Trailers),
            },
            // `step` never brings a byte here.
            State::Data | State::Ended => Ok(self.state),
        }
    }

    fn size_line_byte(&mut self, byte: u8) -> Result<State, ChunkError> {
        match (self.state, byte) {
            (State::SizeLf, b'\n') => {
                self.line_len = 0;
                self.n_digits = 0;
                Ok(if self.left == 0 { State::Trailers } else { State::Data })
            }
            (State::SizeLf, _) => Err(ChunkError::LineEnd),
            (State::Extension(extension), _) => extension_byte(extension, byte),
            (_, b'\r' | b';') if self.n_digits == 0 => Err(ChunkError::Size),
            (_, b'\r') => Ok(State::SizeLf),
            (_, b';') => Ok(State::Extension(Extension::NameStart)),
            (_, b'\n') => Err(ChunkError::LineEnd),
            _ => {
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    b'a'..=b'f' => byte - b'a' + 10,
                    b'A'..=b'F' => byte - b'A' + 10,
                    _ => return Err(ChunkError::Size),
                };
                // 16 digits are exactly 64 bits, so nothing is shifted out.
                if self.n_digits == 16 {
                    return Err(ChunkError::Size);
                }
                let before = if self.n_digits == 0 { 0 } else { self.left };
                self.left = before << 4 | u64::from(digit);
                self.n_digits += 1;
                Ok(State::Size)
            }
        }
    }
}

fn extension_byte(extension: Extension, byte: u8) -> Result<State, ChunkError> {
    use Extension::*;
    let next = match (extension, byte) {
        (NameStart, _) if is_token_byte(byte) => Name,
        (ValueStart, b'"') => Quoted,
        (ValueStart, _) if is_token_byte(byte) => Value,
        (Name, b'=') => ValueStart,
        (Name, _) if is_token_byte(byte) => Name,
        (Value, _) if is_token_byte(byte) => Value,
        (Name | Value | QuotedEnd, b';') => NameStart,
        (Name | Value | QuotedEnd, b'\r') => return Ok(State::SizeLf),
        (Quoted, b'"') => QuotedEnd,
        (Quoted, b'\\') => QuotedPair,
        (Quoted | QuotedPair, _) if is_value_byte(byte) => Quoted,
        (_, b'\n') => return Err(ChunkError::LineEnd),
        _ => return Err(ChunkError::Extension),
    };
    Ok(State::Extension(next))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::encode;
    use super::*;

    #[test]
    fn steps() {
        let text = b"5;a=b;c=\"d\\\"\"\r\nhello\r\n00a\r\n0123456789\r\n0;x\r\n\r\nGET";
        let mut decoder = Decoder::new();
        let mut at = 0;
        let mut events = Vec::new();
        loop {
            let step = decoder.step(&text[at..]).expect("well-formed");
            events.push(step);
            match step {
                Step::Data { skip, len } => at += skip + len,
                Step::NeedMore | Step::End { .. } => break,
            }
        }
        let expected = [
            Step::Data { skip: 15, len: 5 },
            Step::Data { skip: 7, len: 10 },
            Step::End { consumed: 9 },
        ];
        assert_eq!(events, expected);
        assert_eq!(&text[at + 9..], b"GET");
        assert_eq!(decoder.content_len(), 15);
        assert!(decoder.trailers().is_empty());

        decoder.clear();
        assert_eq!(decoder.step(b"0\r\nDigest: x\r\n\r\n"), Ok(Step::End { consumed: 16 }));
        assert_eq!(decoder.trailers().find(crate::http::HeaderId::Digest), Some(&b"x"[..]));
        decoder.clear();
        assert!(decoder.trailers().is_empty());
    }

    #[test]
    fn a_size_is_not_kept_from_the_chunk_before() {
        let mut buf = b"f\r\n0123456789abcde\r\n1\r\nx\r\n0\r\n\r\n".to_vec();
        let verdict = Decoder::new().decode_in_place(&mut buf, 0);
        assert_eq!(verdict, Ok(InPlace::End { content_end: 16 }));
        assert_eq!(buf, b"0123456789abcdex");
    }

    #[test]
    fn in_place_keeps_what_stands_before_and_after() {
        let (mut decoder, mut buf) = (Decoder::new(), b"head".to_vec());
        let mut from = buf.len();
        for part in ["3\r", "\nab", "c\r\n2", "\r\nde\r\n0\r\n\r", "\nNEXT"] {
            buf.extend_from_slice(part.as_bytes());
            match decoder.decode_in_place(&mut buf, from).expect("well-formed") {
                InPlace::NeedMore => from = buf.len(),
                InPlace::End { content_end } => {
                    assert_eq!(
                        (&buf[..content_end], &buf[content_end..]),
                        (&b"headabcde"[..], &b"NEXT"[..])
                    );
                    return;
                }
            }
        }
        assert_eq!(buf, b"", "the message ended above");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_however_it_is_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            size in 1usize..30,
        ) {
            let mut text = Vec::new();
            chunks.iter().for_each(|chunk| encode::chunk(&mut text, chunk));
            encode::last_chunk(&mut text);
            let (mut decoder, mut buf) = (Decoder::new(), Vec::new());
            let mut verdict = InPlace::NeedMore;
            for part in text.chunks(size) {
                prop_assert_eq!(verdict, InPlace::NeedMore);
                let from = buf.len();
                buf.extend_from_slice(part);
                verdict = decoder.decode_in_place(&mut buf, from).expect("well-formed");
            }
            prop_assert_eq!(verdict, InPlace::End { content_end: buf.len() });
            prop_assert_eq!(buf, chunks.concat());
        }
    }
}

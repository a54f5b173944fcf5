//! Which byte of a chunk is what. The portable form, which is also the model that the others are
//! tested against.

use super::bits::{BLOCK, Bits};

/// What strings are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text<B> {
    pub(super) quotes: B,
    pub(super) backslashes: B,
    /// Below 0x20.
    pub(super) controls: B,
    /// Above 0x7f.
    pub(super) high: B,
}

/// What stands between strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks<B> {
    pub(super) spaces: B,
    /// `{` and `[`.
    pub(super) opens: B,
    /// `}` and `]`.
    pub(super) closes: B,
    /// Of brackets: it is a brace. Of other bytes: anything.
    pub(super) braces: B,
    pub(super) commas: B,
    pub(super) colons: B,
    pub(super) digits: B,
    pub(super) zeros: B,
    pub(super) minuses: B,
}

/// What only some numbers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fractions<B> {
    pub(super) dots: B,
    /// `e` and `E`.
    pub(super) exponents: B,
    pub(super) pluses: B,
}

/// One way of looking at chunks. A value of the type is the proof that this CPU can. Chunks are as
/// long as [`Bits::LEN`] says; bytes that are missing are NUL.
pub(super) trait Look: Copy {
    type Bits: Bits;

    /// Some byte is a quote.
    fn has_quotes(self, chunk: &[u8]) -> bool;
    fn text(self, chunk: &[u8]) -> Text<Self::Bits>;
    fn both(self, chunk: &[u8]) -> (Text<Self::Bits>, Marks<Self::Bits>);
    fn fractions(self, chunk: &[u8]) -> Fractions<Self::Bits>;
    /// Each bit becomes the parity of itself, all below and `carry`, which then is that of all.
    fn parity(self, bits: Self::Bits, carry: &mut u64) -> Self::Bits;
}

/// Portable, without `unsafe`.
#[derive(Clone, Copy)]
pub(super) struct Words;

impl Look for Words {
    type Bits = u64;

    #[inline(always)]
    fn text(self, chunk: &[u8]) -> Text<u64> {
        let block = &block(chunk);
        Text {
            quotes: which(block, |byte| byte == b'"'),
            backslashes: which(block, |byte| byte == b'\\'),
            controls: which(block, |byte| byte < b' '),
            high: which(block, |byte| byte > 0x7f),
        }
    }

    #[inline(always)]
    fn has_quotes(self, chunk: &[u8]) -> bool {
        chunk.contains(&b'"')
    }

    #[inline(always)]
    fn both(self, chunk: &[u8]) -> (Text<u64>, Marks<u64>) {
        let block = &block(chunk);
        let marks = Marks {
            spaces: which(block, |byte| {
                (byte == b' ') | (byte == b'\n') | (byte == b'\t') | (byte == b'\r')
            }),
            opens: which(block, |byte| byte | 0x20 == b'{'),
            closes: which(block, |byte| byte | 0x20 == b'}'),
            braces: which(block, |byte| byte & 0x20 != 0),
            commas: which(block, |byte| byte == b','),
            colons: which(block, |byte| byte == b':'),
            digits: which(block, |byte| byte.wrapping_sub(b'0') < 10),
            zeros: which(block, |byte| byte == b'0'),
            minuses: which(block, |byte| byte == b'-'),
        };
        (self.text(chunk), marks)
    }

    #[inline(always)]
    fn fractions(self, chunk: &[u8]) -> Fractions<u64> {
        let block = &block(chunk);
        Fractions {
            dots: which(block, |byte| byte == b'.'),
            exponents: which(block, |byte| byte | 0x20 == b'e'),
            pluses: which(block, |byte| byte == b'+'),
        }
    }

    #[inline(always)]
    fn parity(self, bits: u64, carry: &mut u64) -> u64 {
        let parity = [1, 2, 4, 8, 16, 32].iter().fold(bits, |bits, by| bits ^ bits << by);
        let parity = parity ^ carry.wrapping_neg();
        *carry = parity >> 63;
        parity
    }
}

/// The first bytes of a chunk.
#[inline(always)]
pub(super) fn block(chunk: &[u8]) -> [u8; BLOCK] {
    chunk.first_chunk().copied().unwrap_or([0; BLOCK])
}

/// The bytes that a question is true of. The answers are made for all bytes first, which compilers
/// turn into vectors, and then gathered by multiplying, eight at once.
#[inline(always)]
fn which(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let answers = block.map(|byte| u8::from(is(byte)));
    let (words, _) = answers.as_chunks::<8>();
    words.iter().rev().fold(0, |bits, word| {
        let gathered = u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        bits << 8 | gathered
    })
}

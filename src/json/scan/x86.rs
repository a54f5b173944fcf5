//! Looking at chunks with AVX-512 or AVX2; a CPU with neither looks at words.

use std::arch::x86_64::*;
use std::sync::atomic::{AtomicU8, Ordering};

use super::bits::{BLOCK, Bits};
use super::blocks::{Machine, Status};
use super::masks::{Fractions, Look, Marks, Text, Words, block};

/// The best way of looking; found out once a process.
static BEST: AtomicU8 = AtomicU8::new(0);
const AVX512: u8 = 1;
const AVX2: u8 = 2;
const BASELINE: u8 = 3;

fn find() -> u8 {
    let helpers = is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("popcnt")
        && is_x86_feature_detected!("avx2");
    let best = if helpers
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("vpclmulqdq")
    {
        AVX512
    } else if helpers {
        AVX2
    } else {
        BASELINE
    };
    BEST.store(best, Ordering::Relaxed);
    best
}

#[inline]
fn best() -> u8 {
    match BEST.load(Ordering::Relaxed) {
        0 => find(),
        best => best,
    }
}

/// There is more than the baseline.
#[inline]
pub(super) fn is_fast() -> bool {
    best() != BASELINE
}

/// Runs the machine in the best way that this CPU has.
#[inline]
#[allow(unsafe_code)]
pub(super) fn run(
    machine: &mut Machine,
    needs_avx2: bool,
    body: &[u8],
    until: usize,
    noted: &mut Vec<u32>,
) -> Status {
    match best() {
        // SAFETY: `find` saw that this CPU has the features of the function, which itself is safe
        // code. Test: `each_way_sees_the_same`. Gain: docs/design/json.md.
        AVX512 if !needs_avx2 => unsafe { run_avx512(machine, body, until, noted) },
        // SAFETY: as above.
        AVX512 | AVX2 => unsafe { run_avx2(machine, body, until, noted) },
        _ => machine.run(Words, body, until, noted),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,vpclmulqdq,avx2,pclmulqdq,bmi1,bmi2,popcnt")]
fn run_avx512(machine: &mut Machine, body: &[u8], until: usize, noted: &mut Vec<u32>) -> Status {
    machine.run(Avx512(()), body, until, noted)
}

#[target_feature(enable = "avx2,pclmulqdq,bmi1,bmi2,popcnt")]
fn run_avx2(machine: &mut Machine, body: &[u8], until: usize, noted: &mut Vec<u32>) -> Status {
    machine.run(Avx2(()), body, until, noted)
}

/// Only made where AVX-512 is known to be there.
#[derive(Clone, Copy)]
struct Avx512(());

#[allow(unsafe_code)]
impl Look for Avx512 {
    type Bits = avx512::Eight;

    #[inline(always)]
    fn has_quotes(self, chunk: &[u8]) -> bool {
        // SAFETY: a value of this type is only made in functions with these features.
        unsafe { avx512::has_quotes(chunk) }
    }
    #[inline(always)]
    fn text(self, chunk: &[u8]) -> Text<avx512::Eight> {
        // SAFETY: a value of this type is only made in functions with these features.
        unsafe { avx512::text(chunk) }
    }
    #[inline(always)]
    fn both(self, chunk: &[u8]) -> (Text<avx512::Eight>, Marks<avx512::Eight>) {
        // SAFETY: as above.
        unsafe { avx512::both(chunk) }
    }
    #[inline(always)]
    fn fractions(self, chunk: &[u8]) -> Fractions<avx512::Eight> {
        // SAFETY: as above.
        unsafe { avx512::fractions(chunk) }
    }
    #[inline(always)]
    fn parity(self, bits: avx512::Eight, carry: &mut u64) -> avx512::Eight {
        // SAFETY: as above.
        unsafe { avx512::parity(bits, carry) }
    }
}

/// Only made where AVX2 is known to be there.
#[derive(Clone, Copy)]
struct Avx2(());

#[allow(unsafe_code)]
impl Look for Avx2 {
    type Bits = u64;

    #[inline(always)]
    fn has_quotes(self, chunk: &[u8]) -> bool {
        self.text(chunk).quotes != 0
    }
    #[inline(always)]
    fn text(self, chunk: &[u8]) -> Text<u64> {
        // SAFETY: a value of this type is only made in functions with these features.
        unsafe { avx2::text(&block(chunk)) }
    }
    #[inline(always)]
    fn both(self, chunk: &[u8]) -> (Text<u64>, Marks<u64>) {
        let block = block(chunk);
        // SAFETY: as above.
        unsafe { (avx2::text(&block), avx2::marks(&block)) }
    }
    #[inline(always)]
    fn fractions(self, chunk: &[u8]) -> Fractions<u64> {
        // SAFETY: as above.
        unsafe { avx2::fractions(&block(chunk)) }
    }
    #[inline(always)]
    fn parity(self, bits: u64, carry: &mut u64) -> u64 {
        // SAFETY: as above.
        let parity = unsafe { parity(bits) } ^ carry.wrapping_neg();
        *carry = parity >> 63;
        parity
    }
}

/// Multiplying without carries by all ones adds up what is below each bit.
#[inline]
#[target_feature(enable = "pclmulqdq")]
fn parity(bits: u64) -> u64 {
    let product = _mm_clmulepi64_si128(_mm_set_epi64x(0, bits as i64), _mm_set1_epi8(-1), 0);
    _mm_cvtsi128_si64(product) as u64
}

mod avx512 {
    use std::ops::{BitAnd, BitOr, BitXor, Not};

    use super::*;

    /// Eight words. Only made by code that runs where AVX-512 is known to be there.
    #[derive(Clone, Copy)]
    pub(super) struct Eight(__m512i);

    macro_rules! operator {
        ($trait:ident, $method:ident, $intrinsic:ident) => {
            impl $trait for Eight {
                type Output = Eight;
                #[inline(always)]
                #[allow(unsafe_code)]
                fn $method(self, other: Eight) -> Eight {
                    // SAFETY: a value of this type proves AVX-512.
                    Eight(unsafe { $intrinsic(self.0, other.0) })
                }
            }
        };
    }
    operator!(BitAnd, bitand, _mm512_and_si512);
    operator!(BitOr, bitor, _mm512_or_si512);
    operator!(BitXor, bitxor, _mm512_xor_si512);

    impl Not for Eight {
        type Output = Eight;
        #[inline(always)]
        #[allow(unsafe_code)]
        fn not(self) -> Eight {
            // SAFETY: a value of this type proves AVX-512.
            unsafe { Eight(_mm512_xor_si512(self.0, _mm512_set1_epi64(-1))) }
        }
    }

    #[allow(unsafe_code)]
    impl Bits for Eight {
        type Words = [u64; 8];
        const LEN: usize = 8 * BLOCK;

        #[inline(always)]
        fn words(self) -> [u64; 8] {
            let mut words = [0; 8];
            // SAFETY: a value of this type proves AVX-512; there is room for eight words.
            unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), self.0) };
            words
        }
        #[inline(always)]
        fn of(words: [u64; 8]) -> Eight {
            // SAFETY: only called where AVX-512 is; eight words are read.
            Eight(unsafe { _mm512_loadu_si512(words.as_ptr().cast()) })
        }
        #[inline(always)]
        fn all(word: u64) -> Eight {
            // SAFETY: only called where AVX-512 is.
            Eight(unsafe { _mm512_set1_epi64(word as i64) })
        }
        #[inline(always)]
        fn is_empty(self) -> bool {
            // SAFETY: a value of this type proves AVX-512.
            unsafe { _mm512_test_epi64_mask(self.0, self.0) == 0 }
        }
        #[inline(always)]
        fn up(self, carry: u64) -> Eight {
            // SAFETY: a value of this type proves AVX-512.
            unsafe {
                let first = _mm512_set1_epi64((carry << 63) as i64);
                let below = _mm512_alignr_epi64::<7>(self.0, first);
                let carries = _mm512_srli_epi64::<63>(below);
                Eight(_mm512_or_si512(_mm512_slli_epi64::<1>(self.0), carries))
            }
        }
        #[inline(always)]
        fn last(self) -> u64 {
            // SAFETY: a value of this type proves AVX-512.
            unsafe { u64::from(_mm512_movepi64_mask(self.0) >> 7) }
        }
        #[inline(always)]
        fn plus(self, other: Eight, carry: u64) -> (Eight, u64) {
            // SAFETY: a value of this type proves AVX-512.
            unsafe {
                let ones = _mm512_set1_epi64(-1);
                let sum = _mm512_add_epi64(self.0, other.0);
                let over = u32::from(_mm512_cmplt_epu64_mask(sum, self.0));
                // A carry runs through words of all ones.
                let full = u32::from(_mm512_cmpeq_epi64_mask(sum, ones));
                let carries = ((over << 1 | carry as u32) + full) ^ full;
                let sum = _mm512_mask_sub_epi64(sum, carries as u8, sum, ones);
                (Eight(sum), u64::from(carries >> 8))
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,vpclmulqdq")]
    pub(super) fn parity(bits: Eight, carry: &mut u64) -> Eight {
        let ones = _mm512_set1_epi64(-1);
        let even = _mm512_clmulepi64_epi128::<0x00>(bits.0, ones);
        let odd = _mm512_clmulepi64_epi128::<0x01>(bits.0, ones);
        let inside = _mm512_unpacklo_epi64(even, odd);
        // The parity of whole words, handed on from word to word: a bit each.
        let mut words = u64::from(_mm512_movepi64_mask(inside)) << 1 | *carry;
        words ^= words << 1;
        words ^= words << 2;
        words ^= words << 4;
        words ^= words << 8;
        *carry = words >> 8 & 1;
        Eight(_mm512_mask_xor_epi64(inside, words as u8, inside, ones))
    }

    /// The bits of eight blocks, from what is asked of each.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,vpclmulqdq")]
    fn gather<const N: usize>(chunk: &[u8], ask: impl Fn(__m512i) -> [u64; N]) -> [Eight; N] {
        let mut words = [[0; 8]; N];
        let (blocks, _) = chunk.as_chunks::<BLOCK>();
        for (n, block) in blocks.iter().enumerate().take(8) {
            let answers = ask(load(block));
            for (words, answer) in words.iter_mut().zip(answers) {
                words[n] = answer;
            }
        }
        // Kept in memory: put together in registers, the masks would all go through one port.
        std::hint::black_box(&mut words).map(Eight::of)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,vpclmulqdq")]
    #[allow(unsafe_code)]
    fn load(block: &[u8; BLOCK]) -> __m512i {
        // SAFETY: the block has as many bytes as are read, and need not be aligned.
        unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,vpclmulqdq")]
    fn is(bytes: __m512i, byte: u8) -> u64 {
        _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte as i8))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,vpclmulqdq")]
    fn of_text(bytes: __m512i) -> [u64; 4] {
        [
            is(bytes, b'"'),
            is(bytes, b'\\'),
            _mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(b' ' as i8)),
            _mm512_movepi8_mask(bytes),
        ]
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,vpclmulqdq")]
    pub(super) fn has_quotes(chunk: &[u8]) -> bool {
        let (blocks, _) = chunk.as_chunks::<BLOCK>();
        blocks.iter().take(8).fold(0, |all, block| all | is(load(block), b'"')) != 0
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,vpclmulqdq")]
    pub(super) fn text(chunk: &[u8]) -> Text<Eight> {
        let [quotes, backslashes, controls, high] = gather(chunk, |bytes| of_text(bytes));
        Text { quotes, backslashes, controls, high }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,vpclmulqdq")]
    pub(super) fn both(chunk: &[u8]) -> (Text<Eight>, Marks<Eight>) {
        let bit = _mm512_set1_epi8(0x20);
        let table = _mm512_broadcast_i32x4(super::spaces());
        let answers = gather(chunk, |bytes| {
            let braced = _mm512_or_si512(bytes, bit);
            let from_zero = _mm512_sub_epi8(bytes, _mm512_set1_epi8(b'0' as i8));
            let [quotes, backslashes, controls, high] = of_text(bytes);
            [
                quotes,
                backslashes,
                controls,
                high,
                _mm512_cmpeq_epi8_mask(bytes, _mm512_shuffle_epi8(table, bytes)),
                is(braced, b'{'),
                is(braced, b'}'),
                _mm512_test_epi8_mask(bytes, bit),
                is(bytes, b','),
                is(bytes, b':'),
                _mm512_cmplt_epu8_mask(from_zero, _mm512_set1_epi8(10)),
                is(bytes, b'0'),
                is(bytes, b'-'),
            ]
        });
        let [quotes, backslashes, controls, high, rest @ ..] = answers;
        let [spaces, opens, closes, braces, commas, colons, digits, zeros, minuses] = rest;
        (
            Text { quotes, backslashes, controls, high },
            Marks { spaces, opens, closes, braces, commas, colons, digits, zeros, minuses },
        )
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,vpclmulqdq")]
    pub(super) fn fractions(chunk: &[u8]) -> Fractions<Eight> {
        let bit = _mm512_set1_epi8(0x20);
        let [dots, exponents, pluses] = gather(chunk, |bytes| {
            [is(bytes, b'.'), is(_mm512_or_si512(bytes, bit), b'e'), is(bytes, b'+')]
        });
        Fractions { dots, exponents, pluses }
    }
}

/// Whitespace at the place of its lower half byte; the others match nothing.
#[inline]
#[target_feature(enable = "sse2")]
fn spaces() -> __m128i {
    _mm_setr_epi8(0x20, 100, 100, 100, 17, 100, 113, 2, 100, 9, 10, 112, 100, 13, 100, 100)
}

mod avx2 {
    use super::*;

    #[inline]
    #[target_feature(enable = "avx2")]
    #[allow(unsafe_code)]
    fn load(block: &[u8; BLOCK]) -> [__m256i; 2] {
        let (halves, _) = block.as_chunks::<32>();
        let [low, high] = halves else { return [_mm256_setzero_si256(); 2] };
        // SAFETY: each half has as many bytes as are read, and need not be aligned.
        unsafe {
            [_mm256_loadu_si256(low.as_ptr().cast()), _mm256_loadu_si256(high.as_ptr().cast())]
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn bits([low, high]: [__m256i; 2]) -> u64 {
        let (low, high) = (_mm256_movemask_epi8(low), _mm256_movemask_epi8(high));
        u64::from(low as u32) | u64::from(high as u32) << 32
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn is([low, high]: [__m256i; 2], byte: u8) -> u64 {
        let byte = _mm256_set1_epi8(byte as i8);
        bits([_mm256_cmpeq_epi8(low, byte), _mm256_cmpeq_epi8(high, byte)])
    }

    /// Bytes up to `max`.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn is_below([low, high]: [__m256i; 2], max: u8) -> u64 {
        let max = _mm256_set1_epi8(max as i8);
        bits([
            _mm256_cmpeq_epi8(_mm256_min_epu8(low, max), low),
            _mm256_cmpeq_epi8(_mm256_min_epu8(high, max), high),
        ])
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn text(block: &[u8; BLOCK]) -> Text<u64> {
        let bytes = load(block);
        Text {
            quotes: is(bytes, b'"'),
            backslashes: is(bytes, b'\\'),
            controls: is_below(bytes, 0x1f),
            high: bits(bytes),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn marks(block: &[u8; BLOCK]) -> Marks<u64> {
        let bytes = load(block);
        let [low, high] = bytes;
        let bit = _mm256_set1_epi8(0x20);
        let braced = [_mm256_or_si256(low, bit), _mm256_or_si256(high, bit)];
        let table = _mm256_broadcastsi128_si256(super::spaces());
        let zero = _mm256_set1_epi8(b'0' as i8);
        Marks {
            spaces: bits([
                _mm256_cmpeq_epi8(low, _mm256_shuffle_epi8(table, low)),
                _mm256_cmpeq_epi8(high, _mm256_shuffle_epi8(table, high)),
            ]),
            opens: is(braced, b'{'),
            closes: is(braced, b'}'),
            // The bit moves to the top of its byte.
            braces: bits([_mm256_slli_epi16(low, 2), _mm256_slli_epi16(high, 2)]),
            commas: is(bytes, b','),
            colons: is(bytes, b':'),
            digits: is_below([_mm256_sub_epi8(low, zero), _mm256_sub_epi8(high, zero)], 9),
            zeros: is(bytes, b'0'),
            minuses: is(bytes, b'-'),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn fractions(block: &[u8; BLOCK]) -> Fractions<u64> {
        let bytes = load(block);
        let [low, high] = bytes;
        let bit = _mm256_set1_epi8(0x20);
        Fractions {
            dots: is(bytes, b'.'),
            exponents: is([_mm256_or_si256(low, bit), _mm256_or_si256(high, bit)], b'e'),
            pluses: is(bytes, b'+'),
        }
    }
}

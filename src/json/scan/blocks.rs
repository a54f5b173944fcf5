//! The machine behind the scanner: a chunk of 64 or 512 bytes a step, grammar as arithmetic on bits.
//!
//! A chunk becomes bit masks ([`super::masks`]). Where strings are is a parity of quotes; what may
//! follow what is a shift past whitespace; a key's end is a carry. Only brackets are visited one by
//! one, since only they need a memory, and words like `true`. No decision on a byte depends on a
//! later one, so what stands behind the end of the value cannot spoil it.

use super::super::special::{escape, is_utf8};
use super::bits::{BLOCK, Bits, below, each, highest, mark};
use super::masks::{Fractions, Look, Marks, Text};
use super::token::number;

/// The longest chunk.
const CHUNK_MAX: usize = 8 * BLOCK;

/// Text is checked as soon as there is so much of it, so that it is still in the nearest cache.
const TEXT_MAX: usize = 4096;

/// Texts with more ASCII between them than this are checked alone.
const GAP_MAX: usize = 512;

/// How far the machine came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// There is more to read.
    More,
    /// The value ends before this byte.
    Done(usize),
    /// This is not JSON.
    Bad,
}

/// The machine between two chunks.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// Where the next chunk begins.
    pub(super) at: usize,
    /// The value is a string.
    is_string: bool,
    depth_max: u64,
    /// What is inside so many containers is noted.
    noted_max: u64,
    /// Some string is no Unicode text.
    pub(super) bad_text: bool,
    /// Some string has a backslash.
    pub(super) has_escapes: bool,
    nest: Nest,
    /// The full words of the nest, outermost first; the first is empty.
    outer: Vec<u64>,
    carry: Carry,
}

/// The open containers.
#[derive(Clone, Copy, Debug, Default)]
struct Nest {
    /// Which of the innermost ones are objects: one bit a level, the innermost lowest.
    bits: u64,
    depth: u64,
}

/// What a chunk tells the next. Unless it says otherwise, a field is one bit: 0 or 1.
#[derive(Clone, Copy, Debug, Default)]
struct Carry {
    /// The next byte is inside a string.
    in_string: u64,
    /// The next byte follows a backslash that counts.
    escaped: u64,
    /// That string is a key.
    in_key: u64,
    /// The second half of a pair of escapes ends here (in the body); it is no surrogate alone.
    pair_end: usize,
    /// Text above 0x7f that is not checked yet, in the body: from here; 0 for none.
    text_at: usize,
    /// Up to here: the end of the last chunk that had any.
    text_end: usize,
    // What the next token follows: see `wrong_tokens`.
    colon: u64,
    low: u64,
    high: u64,
    /// The last byte belongs to a number or word.
    scalar: u64,
    /// Where a number or word ends that began earlier and is checked already, in the body.
    word_end: usize,
}

/// What the brackets of a chunk say.
struct Levels<B> {
    /// Bytes whose innermost container is an object.
    in_object: B,
    /// Bytes whose tokens are noted.
    noted: B,
    /// Bytes up to the end of the value: all of them if it does not end here.
    live: B,
    /// The last byte of the value.
    end: Option<usize>,
}

/// The tokens of a chunk.
struct Tokens<B> {
    /// From an opening quote up to before the closing one.
    in_string: B,
    begins: B,
    ends: B,
    /// The byte behind a number or word.
    scalar_ends: B,
    /// First bytes of strings, numbers, words and containers.
    starts: B,
}

impl Machine {
    /// For the container or string that begins at `start`.
    pub(super) fn begin(start: usize, is_string: bool, depth_max: usize, noted: usize) -> Machine {
        // The value is due as after a colon.
        let carry = Carry { colon: 1, ..Carry::default() };
        let (depth_max, noted_max) = (depth_max as u64, noted as u64);
        Machine { at: start, is_string, depth_max, noted_max, carry, ..Machine::default() }
    }

    /// Steps until `until` is reached, in whole chunks. `noted` gets where each token begins and
    /// the byte behind it, of keys and values inside at most `noted_max` containers.
    #[inline(always)]
    pub(super) fn run<L: Look>(
        &mut self,
        look: L,
        body: &[u8],
        until: usize,
        noted: &mut Vec<u32>,
    ) -> Status {
        let len = L::Bits::LEN;
        let mut last = [b' '; CHUNK_MAX];
        while self.at < until {
            let rest = body.get(self.at..).unwrap_or_default();
            let chunk = match rest.get(..len) {
                Some(chunk) => chunk,
                None if rest.is_empty() => return Status::Bad,
                None => {
                    for (to, from) in last.iter_mut().zip(rest) {
                        *to = *from;
                    }
                    last.get(..len).unwrap_or_default()
                }
            };
            match self.step(look, body, chunk, noted) {
                Status::More => self.at += len,
                ended => return ended,
            }
        }
        Status::More
    }

    #[inline(always)]
    fn step<L: Look>(
        &mut self,
        look: L,
        body: &[u8],
        chunk: &[u8],
        noted: &mut Vec<u32>,
    ) -> Status {
        if self.carry.in_string != 0 && !look.has_quotes(chunk) {
            return self.inside(body, look.text(chunk));
        }
        let (text, mut marks) = look.both(chunk);
        let escaped = escaped(text.backslashes, &mut self.carry.escaped);
        let quotes = text.quotes & !escaped;
        let in_string = look.parity(quotes, &mut self.carry.in_string);
        let outside = !(in_string | quotes);
        marks.spaces = marks.spaces & outside;
        marks.opens = marks.opens & outside;
        marks.closes = marks.closes & outside;
        marks.commas = marks.commas & outside;
        marks.colons = marks.colons & outside;
        let (begins, ends) = (quotes & in_string, quotes & !in_string);
        let Some(levels) = self.levels(&marks, ends) else { return Status::Bad };

        let between = marks.spaces | marks.opens | marks.closes | marks.commas | marks.colons;
        let scalars = outside & !between;
        let behind = scalars.up(self.carry.scalar);
        self.carry.scalar = scalars.last();
        let (scalar_begins, scalar_ends) = (scalars & !behind, behind & !scalars);
        let starts = begins | scalar_begins | marks.opens;
        let tokens = Tokens { in_string, begins, ends, scalar_ends, starts };
        let mut wrong = text.controls & in_string;
        wrong = wrong | wrong_tokens(&marks, &tokens, levels.in_object, &mut self.carry);
        if !scalars.is_empty() {
            let Some(words) = self.words(body, &marks, scalars, scalar_begins, levels.live) else {
                return Status::Bad;
            };
            let numbers = scalars & !words;
            marks.digits = marks.digits & numbers;
            marks.minuses = marks.minuses & numbers;
            wrong = wrong | wrong_numbers(look, chunk, &marks, numbers, scalar_begins & !words);
        }
        let escapes = text.backslashes & !escaped & in_string & levels.live;
        if !(wrong & levels.live).is_empty() {
            return Status::Bad;
        }
        if !escapes.is_empty() && !self.escapes(body, escapes.words().as_ref()) {
            return Status::Bad;
        }
        let len = levels.end.map_or(L::Bits::LEN, |end| end + 1);
        self.utf8(body, text.high & levels.live, len);

        let closed = ends | marks.closes;
        let found = (starts | closed.up(0) | scalar_ends) & levels.noted & levels.live;
        if !found.is_empty() {
            note(found.words().as_ref(), self.at, noted);
        }
        if let Some(end) = levels.end {
            if self.carry.text_at != 0 {
                self.check_text(body);
            }
            return Status::Done(self.at + end + 1);
        }
        if closed.last() != 0 && self.is_noted() {
            noted.push((self.at + L::Bits::LEN) as u32);
        }
        Status::More
    }

    /// A chunk that is nothing but the inside of a string.
    #[inline(always)]
    fn inside<B: Bits>(&mut self, body: &[u8], text: Text<B>) -> Status {
        let escaped = escaped(text.backslashes, &mut self.carry.escaped);
        let starts = text.backslashes & !escaped;
        if !text.controls.is_empty() {
            return Status::Bad;
        }
        if !starts.is_empty() && !self.escapes(body, starts.words().as_ref()) {
            return Status::Bad;
        }
        self.utf8(body, text.high, B::LEN);
        Status::More
    }

    /// What is inside the open containers, but in none of their values, is noted.
    #[inline(always)]
    fn is_noted(&self) -> bool {
        self.nest.depth.wrapping_sub(1) < self.noted_max
    }

    /// Follows the brackets; `None` when they do not match or are too many.
    #[inline(always)]
    fn levels<B: Bits>(&mut self, marks: &Marks<B>, string_ends: B) -> Option<Levels<B>> {
        let mut in_object = (self.nest.bits & 1).wrapping_neg();
        let mut is_noted = u64::from(self.is_noted()).wrapping_neg();
        let mut levels = Levels {
            in_object: B::all(in_object),
            noted: B::all(is_noted),
            live: B::all(!0),
            end: None,
        };
        if self.is_string {
            each(string_ends.words().as_ref(), |at| {
                levels.end = Some(at);
                levels.live = below(at + 1);
                false
            });
            return Some(levels);
        }
        let brackets = marks.opens | marks.closes;
        if brackets.is_empty() {
            return Some(levels);
        }
        let (brackets, opens, braces) =
            (brackets.words(), marks.opens.words(), marks.braces.words());
        let mut objects = levels.in_object.words();
        let mut depths = levels.noted.words();
        let words = brackets.as_ref().iter().zip(opens.as_ref()).zip(braces.as_ref());
        let results = objects.as_mut().iter_mut().zip(depths.as_mut());
        let (depth_max, noted_max) = (self.depth_max, self.noted_max);
        let mut nest = self.nest;
        let mut wrong = 0;
        'words: for (n, (((brackets, opens), braces), (objects, depths))) in
            words.zip(results).enumerate()
        {
            (*objects, *depths) = (in_object, is_noted);
            let mut left = *brackets;
            while left != 0 {
                let at = left.trailing_zeros();
                let above = !1 << at;
                left &= left - 1;
                let (opens, brace) = (opens >> at & 1, braces >> at & 1);
                wrong |= !opens & (nest.bits ^ brace) & 1;
                if (nest.depth + opens) & 63 != 1 {
                    nest.bits = if opens != 0 { nest.bits << 1 | brace } else { nest.bits >> 1 };
                    nest.depth = nest.depth.wrapping_add(opens << 1).wrapping_sub(1);
                } else {
                    turn(&mut nest, &mut self.outer, opens != 0, brace);
                    if nest.depth == 0 {
                        let end = n * BLOCK + at as usize;
                        levels.end = Some(end);
                        levels.live = below(end + 1);
                        break 'words;
                    }
                }
                wrong |= u64::from(nest.depth > depth_max);
                let now = (nest.bits & 1).wrapping_neg();
                *objects ^= (in_object ^ now) & above;
                in_object = now;
                let now = u64::from(nest.depth.wrapping_sub(1) < noted_max).wrapping_neg();
                *depths ^= (is_noted ^ now) & above;
                is_noted = now;
            }
        }
        self.nest = nest;
        levels.in_object = B::of(objects);
        if self.noted_max != 0 {
            levels.noted = B::of(depths);
        }
        (wrong == 0).then_some(levels)
    }

    /// Reads words, and the number that the next chunk continues, whole. Their bytes in this
    /// chunk; `None` when one is wrong.
    #[inline(always)]
    fn words<B: Bits>(
        &mut self,
        body: &[u8],
        marks: &Marks<B>,
        scalars: B,
        begins: B,
        live: B,
    ) -> Option<B> {
        let special = begins & !(marks.digits | marks.minuses) & live;
        let is_cut = scalars.last() != 0;
        if special.is_empty() && !is_cut && self.carry.word_end <= self.at {
            return Some(B::all(0));
        }
        let (mut special, begins) = (special.words(), (begins & live).words());
        if is_cut && let Some(cut) = highest(begins.as_ref()) {
            mark(special.as_mut(), cut, cut + 1);
        }
        let mut words = B::all(0).words();
        mark(words.as_mut(), 0, self.carry.word_end.saturating_sub(self.at));
        self.read_words(body, special.as_ref(), words.as_mut()).then(|| B::of(words))
    }

    /// The same for those that begin at `begins`.
    #[inline(never)]
    fn read_words(&mut self, body: &[u8], begins: &[u64], words: &mut [u64]) -> bool {
        each(begins, |bit| {
            let at = self.at + bit;
            let end = match body.get(at..).unwrap_or_default() {
                [b't', b'r', b'u', b'e', ..] | [b'n', b'u', b'l', b'l', ..] => at + 4,
                [b'f', b'a', b'l', b's', b'e', ..] => at + 5,
                [b'-' | b'0'..=b'9', ..] => number(body, at).unwrap_or(0),
                _ => 0,
            };
            mark(words, bit, end.saturating_sub(self.at));
            self.carry.word_end = end;
            end != 0
        })
    }

    /// Checks the escapes whose backslashes are given.
    #[inline(never)]
    fn escapes(&mut self, body: &[u8], starts: &[u64]) -> bool {
        self.has_escapes = true;
        each(starts, |at| {
            let at = self.at + at;
            if at < self.carry.pair_end {
                return true;
            }
            let Some((end, is_lone)) = escape(body, at) else { return false };
            self.bad_text |= is_lone;
            self.carry.pair_end = end;
            true
        })
    }

    /// Takes up the first `len` bytes of a chunk as text, if any of them is above 0x7f.
    #[inline(always)]
    fn utf8<B: Bits>(&mut self, body: &[u8], high: B, len: usize) {
        if !high.is_empty() {
            self.add_text(body, len);
        }
    }

    /// Text is checked in long stretches, since each call costs as much as some hundred bytes. All
    /// that stands between strings is ASCII and does not disturb.
    #[inline(never)]
    fn add_text(&mut self, body: &[u8], len: usize) {
        let carry = &mut self.carry;
        if carry.text_at != 0 && self.at - carry.text_end > GAP_MAX {
            self.check_text(body);
        }
        let carry = &mut self.carry;
        if carry.text_at == 0 {
            // What stands at 0 is a quote or a bracket at most.
            carry.text_at = self.at.max(1);
        }
        carry.text_end = self.at + len;
        if carry.text_end - carry.text_at >= TEXT_MAX {
            // The next chunk may go on with the last character: it is checked there.
            let end = last_character(body, carry.text_end);
            carry.text_end = end;
            self.check_text(body);
            self.carry.text_at = end;
            self.carry.text_end = self.at + len;
        }
    }

    /// Checks what is due as text.
    #[inline(never)]
    fn check_text(&mut self, body: &[u8]) {
        let text = body.get(self.carry.text_at..self.carry.text_end.min(body.len()));
        self.carry.text_at = 0;
        self.bad_text = self.bad_text || !is_utf8(text.unwrap_or_default());
    }
}

/// Where the character begins that is the last or reaches beyond `end`: at most three bytes before
/// it. What stands before it is UTF-8 or not, whatever follows.
fn last_character(body: &[u8], end: usize) -> usize {
    let begins = |at: &usize| body.get(*at).is_some_and(|byte| *byte >= 0xc0);
    (end.saturating_sub(3)..end).rev().find(begins).unwrap_or(end)
}

/// Notes each bit as the place in the body that it stands for.
#[inline(never)]
fn note(bits: &[u64], at: usize, noted: &mut Vec<u32>) {
    each(bits, |bit| {
        noted.push((at + bit) as u32);
        true
    });
}

/// A bracket that leaves a word of the nest, or begins one.
#[cold]
fn turn(nest: &mut Nest, outer: &mut Vec<u64>, opens: bool, brace: u64) {
    if opens {
        outer.push(nest.bits);
        nest.bits = brace;
        nest.depth += 1;
    } else {
        nest.bits = outer.pop().unwrap_or_default();
        nest.depth -= 1;
    }
}

/// Tokens that must not stand where they stand. Each token follows exactly one other, so it is
/// enough to ask each whether it may follow that one. Two masks tell four kinds apart: after a value
/// (01), after a key (10), after an opening bracket (11), after a comma (00, unless after a colon).
#[inline(always)]
fn wrong_tokens<B: Bits>(
    marks: &Marks<B>,
    tokens: &Tokens<B>,
    in_object: B,
    carry: &mut Carry,
) -> B {
    let spaces = marks.spaces;
    let is_compact = spaces.is_empty();
    let after_colon = follow(marks.colons, B::all(0), &mut carry.colon, spaces, is_compact);
    // A carry runs from each key's first byte to its closing quote.
    let keys = tokens.begins & in_object & !after_colon;
    let (sum, in_key) = tokens.in_string.plus(keys, carry.in_key);
    carry.in_key = in_key;
    let key_ends = sum & tokens.ends;
    let low_ends = (tokens.ends ^ key_ends) | marks.closes | marks.opens;
    let low = follow(low_ends, tokens.scalar_ends, &mut carry.low, spaces, is_compact);
    let high_ends = key_ends | marks.opens;
    let high = follow(high_ends, B::all(0), &mut carry.high, spaces, is_compact);
    (marks.commas & (!low | high))
        | (marks.colons & (low | !high))
        | (marks.closes & !low)
        | (tokens.starts & (low ^ high))
        | (tokens.starts & in_object & !(tokens.begins | after_colon))
}

/// The first byte that is no whitespace after each of `ends`; `behind` are such places already, or
/// whitespace.
#[inline(always)]
fn follow<B: Bits>(ends: B, behind: B, carry: &mut u64, spaces: B, is_compact: bool) -> B {
    let next = ends.up(*carry) | behind;
    *carry = ends.last();
    if is_compact {
        return next;
    }
    let (sum, runs_on) = (next & spaces).plus(spaces, 0);
    *carry |= runs_on;
    (sum | next) & !spaces
}

/// Bytes of numbers that break RFC 8259 section 6. Each number begins at a bit of `begins` and
/// ends in the same chunk.
#[inline(always)]
fn wrong_numbers<L: Look>(
    look: L,
    chunk: &[u8],
    marks: &Marks<L::Bits>,
    numbers: L::Bits,
    begins: L::Bits,
) -> L::Bits {
    let (digits, minuses) = (marks.digits, marks.minuses);
    let integers = (begins & !minuses) | (begins & minuses).up(0);
    let runs = digits & !digits.up(0);
    let wrong = (integers & marks.zeros).up(0) & digits;
    if (numbers & !(digits | minuses)).is_empty() {
        return wrong | (runs ^ integers) | (minuses & !begins);
    }
    let Fractions { dots, exponents, pluses } = look.fractions(chunk);
    let (dots, exponents, pluses) = (dots & numbers, exponents & numbers, pluses & numbers);
    let fractions = dots.up(0);
    let after_e = exponents.up(0);
    let signs = after_e & (pluses | minuses);
    let firsts = integers | fractions | (after_e & !signs) | signs.up(0);
    let integer_ends = behind_runs(integers, digits);
    let fraction_ends = behind_runs(fractions, digits);
    wrong
        | (runs ^ firsts)
        | (dots & !integer_ends)
        | (exponents & !(integer_ends | fraction_ends))
        | (minuses & !(begins | after_e))
        | (pluses & !after_e)
        | (numbers & !(digits | minuses | dots | exponents | pluses))
}

/// The byte behind each run of digits that begins at a bit of `begins`.
#[inline(always)]
fn behind_runs<B: Bits>(begins: B, digits: B) -> B {
    digits.plus(begins & digits, 0).0 & !digits
}

/// Which bytes follow a backslash that counts.
#[inline(always)]
fn escaped<B: Bits>(backslashes: B, carry: &mut u64) -> B {
    if *carry == 0 && backslashes.is_empty() {
        return backslashes;
    }
    let mut words = backslashes.words();
    for word in words.as_mut() {
        *word = escaped_in_word(*word, carry);
    }
    B::of(words)
}

fn escaped_in_word(backslashes: u64, carry: &mut u64) -> u64 {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    // A run of backslashes that begins at an odd place counts the other way round.
    let starts = backslashes & !*carry;
    let follows = starts << 1 | *carry;
    let odd = starts & !EVEN & !follows;
    let (sum, cut) = odd.overflowing_add(starts);
    *carry = u64::from(cut);
    (EVEN ^ sum << 1) & follows
}

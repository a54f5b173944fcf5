//! New inputs from old ones: bytes changed, put in, taken out, doubled, spliced from others, numbers
//! made large, bytes that parsers care about; and now and then noise.

/// Small and the same everywhere (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.max(1))
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Less than `n`; 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n.max(1)
    }
}

/// Pieces that mean something to one parser or another.
const SPICE: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"\0",
    b":",
    b";",
    b",",
    b"%",
    b"%00",
    b"%2f",
    b"%2e%2e",
    b"/",
    b"//",
    b"/./",
    b"/../",
    b"?",
    b"#",
    b"&",
    b"=",
    b"+",
    b"*",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\u",
    b"\\ud800",
    b"\\\"",
    b"-",
    b"0",
    b"1e400",
    b"null",
    b"true",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xe2\x80\xa8",
    b"chunked",
    b"Host: a\r\n",
    b"Content-Length: 0\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"18446744073709551616",
    b"ffffffffffffffff",
    b"4294967295",
    b"$ref",
    b"<<: *a\n",
    b"- ",
    b"|",
];

/// Makes inputs out of a corpus; what it made lately is changed further.
pub struct Mutator {
    corpus: &'static [&'static [u8]],
    len_max: usize,
    input: Vec<u8>,
}

impl Mutator {
    pub fn new(corpus: &'static [&'static [u8]], len_max: usize) -> Mutator {
        Mutator { corpus, len_max, input: Vec::new() }
    }

    pub fn next(&mut self, random: &mut Random) -> &[u8] {
        match random.below(16) {
            0 => {
                let len = random.below(64);
                self.input.clear();
                self.input.extend((0..len).map(|_| random.next() as u8));
            }
            // Goes on from the last one.
            1..4 => {}
            _ => {
                self.input.clear();
                self.input.extend_from_slice(self.corpus[random.below(self.corpus.len())]);
            }
        }
        for _ in 0..=random.below(5) {
            self.mutate(random);
        }
        self.input.truncate(self.len_max);
        &self.input
    }

    fn mutate(&mut self, random: &mut Random) {
        let input = &mut self.input;
        let at = random.below(input.len() + 1);
        let rest = input.len() - at;
        match random.below(9) {
            0 if rest > 0 => input[at] ^= 1 << random.below(8),
            1 if rest > 0 => input[at] = random.next() as u8,
            2 => {
                let end = at + random.below(rest.min(16) + 1);
                input.drain(at..end);
            }
            3 => input.truncate(at),
            4 => {
                // A piece again, somewhere else.
                let piece = input[at..at + random.below(rest.min(64) + 1)].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            5 => {
                let other = self.corpus[random.below(self.corpus.len())];
                let from = random.below(other.len() + 1);
                let len = random.below(other.len() - from + 1);
                input.splice(at..at, other[from..from + len].iter().copied());
            }
            6 => {
                // Much of the same.
                let byte = SPICE[random.below(SPICE.len())];
                let times = 1 << random.below(7);
                input.splice(at..at, byte.repeat(times));
            }
            _ => {
                let piece = SPICE[random.below(SPICE.len())];
                let end = if random.below(2) == 0 { at } else { (at + piece.len()).min(at + rest) };
                input.splice(at..end, piece.iter().copied());
            }
        }
    }
}

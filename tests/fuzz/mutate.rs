//! New inputs from old ones: bytes changed, put in, taken out, doubled, spliced from others; whole
//! lines moved; words of a dictionary put in, numbers sent to their edges; now and then noise.

use crate::words::{EDGES, EVERYWHERE};

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

/// Inputs that did something new are kept up to here; then one takes another's place.
const POOL_MAX: usize = 2_000;

/// Makes inputs out of a pool; what it made lately is changed further.
pub struct Mutator {
    pool: Vec<Vec<u8>>,
    /// The committed ones stay.
    n_committed: usize,
    words: Vec<&'static [u8]>,
    len_max: usize,
    input: Vec<u8>,
}

impl Mutator {
    pub fn new(
        pool: Vec<Vec<u8>>,
        dictionaries: &'static [&'static [&'static [u8]]],
        len_max: usize,
    ) -> Mutator {
        let words = dictionaries.iter().flat_map(|words| words.iter().copied()).collect();
        Mutator { n_committed: pool.len(), pool, words, len_max, input: Vec::new() }
    }

    /// Takes an input that did something new.
    pub fn keep(&mut self, input: Vec<u8>, random: &mut Random) {
        if self.pool.len() < POOL_MAX {
            self.pool.push(input);
        } else {
            let at = self.n_committed + random.below(POOL_MAX - self.n_committed);
            self.pool[at] = input;
        }
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
                self.input.extend_from_slice(&self.pool[random.below(self.pool.len())]);
            }
        }
        for _ in 0..=random.below(5) {
            match random.below(3) {
                0 => self.bytes(random),
                1 => self.structure(random),
                _ => self.word(random),
            }
        }
        self.input.truncate(self.len_max);
        &self.input
    }

    fn bytes(&mut self, random: &mut Random) {
        let input = &mut self.input;
        let at = random.below(input.len() + 1);
        let rest = input.len() - at;
        match random.below(7) {
            0 if rest > 0 => input[at] ^= 1 << random.below(8),
            1 if rest > 0 => input[at] = random.next() as u8,
            2 => {
                input.drain(at..at + random.below(rest.min(16) + 1));
            }
            3 => input.truncate(at),
            4 => {
                // A piece again, somewhere else.
                let piece = input[at..at + random.below(rest.min(64) + 1)].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            5 if rest > 0 => input[at] ^= 0x20,
            _ => {
                let other = &self.pool[random.below(self.pool.len())];
                let from = random.below(other.len() + 1);
                let len = random.below(other.len() - from + 1);
                input.splice(at..at, other[from..from + len].iter().copied());
            }
        }
    }

    /// Lines as units: doubled, swapped, left out, taken from elsewhere; numbers replaced.
    fn structure(&mut self, random: &mut Random) {
        let lines: Vec<&[u8]> = self.input.split_inclusive(|byte| *byte == b'\n').collect();
        let (one, two) = (random.below(lines.len()), random.below(lines.len()));
        let mut lines = lines;
        match random.below(5) {
            _ if lines.is_empty() => return,
            0 => lines.insert(two, lines[one]),
            1 => lines.swap(one, two),
            2 => {
                lines.remove(one);
            }
            3 => {
                let other = &self.pool[random.below(self.pool.len())];
                let others: Vec<_> = other.split_inclusive(|byte| *byte == b'\n').collect();
                if !others.is_empty() {
                    lines.insert(one, others[random.below(others.len())]);
                }
            }
            _ => return self.number(random),
        }
        self.input = lines.concat();
    }

    /// A number becomes one at the edge of what fits.
    fn number(&mut self, random: &mut Random) {
        let is_start = |at: usize| {
            self.input[at].is_ascii_digit() && (at == 0 || !self.input[at - 1].is_ascii_digit())
        };
        let starts: Vec<usize> = (0..self.input.len()).filter(|at| is_start(*at)).collect();
        if starts.is_empty() {
            return;
        }
        let at = starts[random.below(starts.len())];
        let len = self.input[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let edge = EDGES[random.below(EDGES.len())];
        self.input.splice(at..at + len, edge.iter().copied());
    }

    fn word(&mut self, random: &mut Random) {
        let own = !self.words.is_empty() && random.below(3) > 0;
        let words = if own { &self.words[..] } else { EVERYWHERE };
        let word = words[random.below(words.len())];
        let at = random.below(self.input.len() + 1);
        if random.below(8) == 0 {
            // Much of the same.
            let times = 1 << random.below(7);
            self.input.splice(at..at, word.repeat(times));
            return;
        }
        let covers = random.below(2) * word.len();
        let end = (at + covers).min(self.input.len());
        self.input.splice(at..end, word.iter().copied());
    }
}

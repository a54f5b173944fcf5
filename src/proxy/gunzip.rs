//! gzip content of backends, decoded within bounds: size and ratio are checked while it grows, and
//! a long one lets others run. Source: docs/reference/hardening.md E1; docs/reference/lura-core.md 4.5.

use flate2::{Decompress, FlushDecompress, Status};

use crate::config::model::Limits;
use crate::net::{Block, budget, failpoint, yield_now};
use crate::upstream::CallError;

/// Output between two turns of the driver: about 200 µs of work.
const TURN: usize = 256 * 1024;

/// Bounds of one decoded body.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Decoded bytes at most.
    pub max: usize,
    /// Decoded to coded bytes.
    pub ratio: usize,
    /// The ratio counts from here on: small bodies of one letter are no bombs.
    pub free: usize,
}

impl Bounds {
    /// Those of a configuration, for content that is streamed: in any size.
    pub fn of(limits: &Limits) -> Bounds {
        let (ratio, free) = (limits.inflate_ratio as usize, limits.inflate_free as usize);
        Bounds { max: usize::MAX, ratio, free }
    }
}

/// A gzip stream that is decoded piece by piece. Several members may follow each other (RFC 1952
/// section 2.2).
pub struct Gunzip {
    inflate: Decompress,
    state: State,
    header: Vec<u8>,
    trailer: Vec<u8>,
    crc: flate2::Crc,
    coded: usize,
    decoded: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Content,
    Trailer,
    /// A member ended; another one may begin.
    Between,
}

impl Default for Gunzip {
    fn default() -> Self {
        Gunzip::new()
    }
}

/// Output of one call of the decoder.
const PIECE: usize = 16 * 1024;

/// The fixed part of a member's header.
const HEADER_LEN: usize = 10;
/// Name, comment and extra field together.
const HEADER_MAX: usize = 64 * 1024;

impl Gunzip {
    /// At the start of a stream.
    pub fn new() -> Gunzip {
        Gunzip {
            inflate: Decompress::new(false),
            state: State::Header,
            header: Vec::new(),
            trailer: Vec::new(),
            crc: flate2::Crc::new(),
            coded: 0,
            decoded: 0,
        }
    }

    /// Decodes from `input` into `out` until the input is used up or `out` grew by `limit` bytes.
    /// Returns how much of the input was used.
    pub fn step(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        limit: usize,
        bounds: Bounds,
    ) -> Result<usize, CallError> {
        let mut used = 0;
        let end = out.len() + limit;
        while used < input.len() && out.len() < end {
            let rest = &input[used..];
            match self.state {
                State::Header | State::Between => {
                    self.state = State::Header;
                    let before = self.header.len();
                    self.header.extend_from_slice(rest);
                    match header_len(&self.header)? {
                        Some(len) => {
                            used += len.saturating_sub(before);
                            self.header.clear();
                            self.state = State::Content;
                        }
                        None if self.header.len() > HEADER_MAX => return Err(CallError::BadGzip),
                        None => used = input.len(),
                    }
                }
                State::Content => {
                    let from = out.len();
                    // Never all the room there is: a block that doubled would be one long step.
                    out.resize(from + (end - from).min(PIECE), 0);
                    let (in_before, out_before) =
                        (self.inflate.total_in(), self.inflate.total_out());
                    let status = self
                        .inflate
                        .decompress(rest, &mut out[from..], FlushDecompress::None)
                        .map_err(|_| CallError::BadGzip)?;
                    let took = (self.inflate.total_in() - in_before) as usize;
                    let gave = (self.inflate.total_out() - out_before) as usize;
                    out.truncate(from + gave);
                    used += took;
                    self.coded += took;
                    self.decoded += gave;
                    self.crc.update(&out[from..]);
                    if self.decoded > bounds.max {
                        return Err(CallError::TooLarge);
                    }
                    if self.decoded > bounds.free && self.decoded / self.coded.max(1) > bounds.ratio
                    {
                        return Err(CallError::GzipBomb);
                    }
                    match status {
                        Status::StreamEnd => self.state = State::Trailer,
                        Status::BufError | Status::Ok if took == 0 && gave == 0 => {
                            return Err(CallError::BadGzip);
                        }
                        Status::Ok | Status::BufError => {}
                    }
                }
                State::Trailer => {
                    let take = (8 - self.trailer.len()).min(rest.len());
                    self.trailer.extend_from_slice(&rest[..take]);
                    used += take;
                    if self.trailer.len() == 8 {
                        self.end_member()?;
                    }
                }
            }
        }
        Ok(used)
    }

    fn end_member(&mut self) -> Result<(), CallError> {
        let word = |at: usize| {
            let bytes: [u8; 4] = self.trailer[at..at + 4].try_into().unwrap_or_default();
            u32::from_le_bytes(bytes)
        };
        if word(0) != self.crc.sum() || word(4) != self.crc.amount() {
            return Err(CallError::BadGzip);
        }
        self.trailer.clear();
        self.crc.reset();
        self.inflate.reset(false);
        self.state = State::Between;
        Ok(())
    }

    /// Whether the stream may end here.
    pub fn is_complete(&self) -> bool {
        self.state == State::Between
    }

    /// How much was decoded so far.
    pub fn decoded(&self) -> usize {
        self.decoded
    }
}

/// The length of a member's header, once all of it is there (RFC 1952 section 2.3).
fn header_len(bytes: &[u8]) -> Result<Option<usize>, CallError> {
    // As Go: a stream shorter than a header is cut, whatever its bytes are.
    if bytes.len() < HEADER_LEN {
        return Ok(None);
    }
    if bytes[..3] != [0x1f, 0x8b, 8] || bytes[3] & 0xe0 != 0 {
        return Err(CallError::BadGzip);
    }
    let flags = bytes[3];
    let mut at = HEADER_LEN;
    if flags & 4 != 0 {
        let Some(len) = bytes.get(at..at + 2) else { return Ok(None) };
        at += 2 + usize::from(u16::from_le_bytes([len[0], len[1]]));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let Some(end) = bytes.get(at..).and_then(|b| b.iter().position(|b| *b == 0)) else {
                return Ok(None);
            };
            at += end + 1;
        }
    }
    if flags & 2 != 0 {
        let Some(sum) = bytes.get(at..at + 2) else { return Ok(None) };
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[..at]);
        // The lower half of the header's CRC-32; Go refuses a wrong one too.
        if u16::from_le_bytes([sum[0], sum[1]]) != crc.sum() as u16 {
            return Err(CallError::BadGzip);
        }
        at += 2;
    }
    Ok((bytes.len() >= at).then_some(at))
}

/// Decodes a whole body. A cut stream is `Truncated`, as Go's `unexpected EOF`.
pub async fn gunzip(coded: &[u8], bounds: Bounds) -> Result<Block, CallError> {
    let mut gunzip = Gunzip::new();
    let mut out = Block::with_capacity((coded.len() * 4).clamp(2 * 1024, 64 * 1024));
    let mut used = 0;
    failpoint("gunzip");
    while used < coded.len() {
        // Growing holds the old memory and the new for a moment.
        if out.room() < TURN && !budget::fits(out.len() + TURN) {
            return Err(CallError::OverBudget);
        }
        used += gunzip.step(&coded[used..], &mut out, TURN, bounds)?;
        out.settle();
        if used < coded.len() {
            yield_now().await;
        }
    }
    out.settle();
    if gunzip.is_complete() {
        Ok(out)
    } else {
        Err(CallError::Truncated { received: coded.len() as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const BOUNDS: Bounds = Bounds { max: 16 << 20, ratio: 100, free: 1 << 20 };

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::GzBuilder::new()
            .filename("a")
            .comment("b")
            .extra(vec![1, 2, 3])
            .write(Vec::new(), flate2::Compression::default());
        encoder.write_all(data).expect("writing to memory");
        encoder.finish().expect("writing to memory")
    }

    fn decode(coded: &[u8], split: usize, bounds: Bounds) -> Result<(Vec<u8>, bool), CallError> {
        let mut gunzip = Gunzip::new();
        let mut out = Vec::new();
        for piece in coded.chunks(split.max(1)) {
            let mut used = 0;
            while used < piece.len() {
                used += gunzip.step(&piece[used..], &mut out, 1000, bounds)?;
            }
        }
        Ok((out, gunzip.is_complete()))
    }

    #[test]
    fn any_split_gives_the_same() {
        let data: Vec<u8> = (0..100_000u32).flat_map(|n| n.to_le_bytes()).collect();
        let mut coded = gzip(&data);
        coded.extend(gzip(b"second member"));
        let mut expected = data;
        expected.extend_from_slice(b"second member");
        for split in [1, 7, 4096, usize::MAX / 2] {
            assert_eq!(decode(&coded, split, BOUNDS), Ok((expected.clone(), true)), "{split}");
        }
    }

    /// The stream with flag 2 and this checksum of its header; `good` has name, comment and extra.
    fn with_header_sum(good: &[u8], sum: u16) -> Vec<u8> {
        let mut coded = good.to_vec();
        coded[3] |= 2;
        let end = header_len(good).expect("a header").expect("all of it");
        coded.splice(end..end, sum.to_le_bytes());
        coded
    }

    #[test]
    fn a_header_with_its_own_checksum() {
        let mut good = gzip(b"hello");
        let end = header_len(&good).expect("a header").expect("all of it");
        let mut crc = flate2::Crc::new();
        good[3] |= 2;
        crc.update(&good[..end]);
        good[3] &= !2;
        let coded = with_header_sum(&good, crc.sum() as u16);
        assert_eq!(decode(&coded, 1, BOUNDS), Ok((b"hello".to_vec(), true)));
    }

    #[test]
    fn broken_streams() {
        let good = gzip(b"hello hello hello");
        let mut bad_crc = good.clone();
        let at = bad_crc.len() - 5;
        bad_crc[at] ^= 1;
        for (case, coded) in [
            ("not gzip", &b"plain text that is none"[..]),
            ("bad checksum", &bad_crc),
            ("bad checksum of the header", &with_header_sum(&good, 0x6161)),
            ("junk after the end", &[&good[..], b"junk, long enough"].concat()),
        ] {
            assert_eq!(decode(coded, 5, BOUNDS), Err(CallError::BadGzip), "{case}");
        }
        let (_, complete) = decode(&good[..good.len() - 3], 5, BOUNDS).expect("a good start");
        assert!(!complete, "a cut stream is not complete");
    }

    /// A step gives as much as it was allowed to, whatever room the buffer has.
    #[test]
    fn a_step_ends_at_its_limit() {
        let coded = gzip(&vec![0; 1 << 20]);
        let (mut gunzip, mut out) = (Gunzip::new(), Vec::with_capacity(1 << 20));
        let used = gunzip.step(&coded, &mut out, 1000, BOUNDS).expect("a good start");
        assert_eq!(out.len(), 1000);
        assert!(used < coded.len());
    }

    #[test]
    fn bombs() {
        let zeros = gzip(&vec![0; 8 << 20]);
        assert_eq!(decode(&zeros, 4096, BOUNDS), Err(CallError::GzipBomb));
        let small = Bounds { max: 1000, ..BOUNDS };
        assert_eq!(decode(&gzip(&[7; 5000]), 64, small), Err(CallError::TooLarge));
    }
}

//! The validating scanner: is this JSON, and where does each value end?
//!
//! One pass, no recursion, no allocation below 64 levels. Strict RFC 8259 grammar with Go's
//! limits (docs/reference/lura-core.md 4.5). Text that is no Unicode does not stop the scanner: it
//! is noted, and the caller's policy decides. The fast path only says *that* a document is wrong;
//! *why* is found by [`super::diagnose`], byte by byte.
//!
//! [`Scan`] can stop after any chunk of 64 or 512 bytes and go on later, so that a long document does
//! not hold its worker. How chunks are looked at is chosen once a process: with AVX-512 or AVX2 on
//! x86-64, and with words (no vectors of our own) on older CPUs and on all other kinds, aarch64 and
//! wasm32 among them. Tokens are looked at with SSE2 on x86-64, with words elsewhere.

mod bits;
mod blocks;
mod masks;
mod token;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::diagnose;
use super::error::{JsonError, Kind, Shape};
use super::nest::Nest;
use blocks::{Machine, Status};
pub(super) use token::{BLOCK, Scanner, text_stops};

/// Arrays and objects inside each other, as in Go's encoding/json.
pub const DEPTH_MAX: usize = 10_000;

/// What we render may be deeper than what was read: `collection` and `group` wrap it.
pub(super) const RENDERED_DEPTH_MAX: usize = DEPTH_MAX + 2;

/// Documents from here on are scanned in chunks, where that is faster; below, token by token.
pub(super) const CHUNKS_FROM: usize = 1024;

/// What a document is made of, seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// First byte of the value.
    pub start: u32,
    /// One past its last byte.
    pub end: u32,
    /// Kind of the value.
    pub shape: Shape,
    /// Some string holds invalid UTF-8 or a lone surrogate escape.
    pub needs_repair: bool,
}

impl Scanned {
    /// Where the first byte after the value that is no whitespace stands, if there is one.
    pub fn trailing(&self, body: &[u8]) -> Option<u32> {
        trailing(body, self.end as usize)
    }
}

/// Validates the first value of `body`. Bytes after it are not looked at.
pub fn scan(body: &[u8]) -> Result<Scanned, JsonError> {
    scan_within(body, DEPTH_MAX)
}

/// The same with another limit of depth.
pub(super) fn scan_within(body: &[u8], depth_max: usize) -> Result<Scanned, JsonError> {
    check_len(body)?;
    if body.len() < CHUNKS_FROM || !is_fast() {
        let scanned = scan_tokens(body, depth_max);
        return scanned.ok_or_else(|| diagnose::diagnose(body));
    }
    let mut scan = Scan::begin(body, depth_max, 0);
    match scan.resume(body, usize::MAX, &mut Vec::new()) {
        Progress::Done(scanned) => Ok(scanned),
        // Without a limit there is no third.
        Progress::Bad | Progress::More => Err(diagnose::diagnose(body)),
    }
}

/// The same token by token.
pub(super) fn scan_tokens(body: &[u8], depth_max: usize) -> Option<Scanned> {
    let mut scanner = Scanner::within(body, depth_max);
    let start = scanner.space(0);
    let end = scanner.value(start, 0, &mut Nest::default())?;
    Some(Scanned {
        start: start as u32,
        end: end as u32,
        shape: shape_of(scanner.peek(start)),
        needs_repair: scanner.bad_text(start, end),
    })
}

/// How far a scan came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// There is more to read.
    More,
    /// The value is complete.
    Done(Scanned),
    /// It is not JSON.
    Bad,
}

/// The validation of one value, which can stop and go on.
#[derive(Debug)]
pub(super) struct Scan {
    start: usize,
    shape: Shape,
    machine: Machine,
    way: Way,
}

impl Scan {
    /// Finds the value; with `noted`, keys and values inside so many containers will be noted.
    pub(super) fn begin(body: &[u8], depth_max: usize, noted: usize) -> Scan {
        let scanner = Scanner::new(body);
        let start = scanner.space(0);
        let shape = shape_of(scanner.peek(start));
        let machine = Machine::begin(start, shape == Shape::String, depth_max, noted);
        Scan { start, shape, machine, way: Way::Best }
    }

    /// Its kind, if it is valid.
    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Some string so far has a backslash.
    pub(super) fn has_escapes(&self) -> bool {
        self.machine.has_escapes
    }

    /// Reads on for about `len` bytes of the same body. Where keys and values begin, and the byte
    /// behind each, is added to `noted`, in the order of the document.
    pub(super) fn resume(&mut self, body: &[u8], len: usize, noted: &mut Vec<u32>) -> Progress {
        if !matches!(self.shape, Shape::Object | Shape::Array | Shape::String) {
            let end = Scanner::new(body).value(self.start, 0, &mut Nest::default());
            return end.map_or(Progress::Bad, |end| self.done(end));
        }
        let until = self.machine.at.saturating_add(len);
        match run(&mut self.machine, self.way, body, until, noted) {
            Status::More => Progress::More,
            Status::Done(end) => self.done(end),
            Status::Bad => Progress::Bad,
        }
    }

    fn done(&self, end: usize) -> Progress {
        Progress::Done(Scanned {
            start: self.start as u32,
            end: end as u32,
            shape: self.shape,
            needs_repair: self.machine.bad_text,
        })
    }
}

/// A way of looking at chunks; for tests, which compare all that this CPU has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Best,
    Words,
    /// Also where AVX-512 would be the best.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

/// All ways that this CPU has.
pub(super) fn ways() -> Vec<Way> {
    [
        Some(Way::Best),
        Some(Way::Words),
        #[cfg(target_arch = "x86_64")]
        x86::is_fast().then_some(Way::Avx2),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Scans in pieces of about `len` bytes.
pub(super) fn scan_cut(body: &[u8], way: Way, len: usize) -> Option<Scanned> {
    let mut scan = Scan::begin(body, DEPTH_MAX, 0);
    scan.way = way;
    loop {
        match scan.resume(body, len, &mut Vec::new()) {
            Progress::More => {}
            Progress::Done(scanned) => return Some(scanned),
            Progress::Bad => return None,
        }
    }
}

/// This CPU has a way of looking at chunks that beats tokens.
pub(super) fn is_fast() -> bool {
    #[cfg(target_arch = "x86_64")]
    return x86::is_fast();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Runs the machine.
fn run(machine: &mut Machine, way: Way, body: &[u8], until: usize, noted: &mut Vec<u32>) -> Status {
    #[cfg(target_arch = "x86_64")]
    if way != Way::Words {
        return x86::run(machine, way == Way::Avx2, body, until, noted);
    }
    let _ = way;
    machine.run(masks::Words, body, until, noted)
}

/// Ranges are `u32`.
pub(super) fn check_len(body: &[u8]) -> Result<(), JsonError> {
    match u32::try_from(body.len()) {
        Ok(_) => Ok(()),
        Err(_) => Err(JsonError { kind: Kind::TooLong, at: u32::MAX }),
    }
}

/// The first byte from `end` on that is no whitespace.
pub(super) fn trailing(body: &[u8], end: usize) -> Option<u32> {
    let at = Scanner::new(body).space(end);
    (at < body.len()).then_some(at as u32)
}

/// The kind of the valid value that begins with this byte.
pub(super) fn shape_of(first: u8) -> Shape {
    match first {
        b'{' => Shape::Object,
        b'[' => Shape::Array,
        b'"' => Shape::String,
        b't' | b'f' => Shape::Bool,
        b'n' => Shape::Null,
        _ => Shape::Number,
    }
}

//! Decoding a long body piece by piece: [`Decoding::step`] does a bounded amount of work, so that
//! whoever calls it can let others run between. The result is that of [`super::decode::decode`],
//! however it is cut.
//!
//! The scanner notes where keys and values stand as deep as the selection looks; each piece's notes
//! are taken up at once, so that there are never many.

use super::decode::{
    DecodeSpec, Encoding, Read, Utf8, accept, check_trailing, decode_tokens, enters, finish,
};
use super::diagnose::Diagnosis;
use super::error::{JsonError, Kind};
use super::keys::KeyFilter;
use super::part::{Flags, Member, Part, Range};
use super::repair::repair;
use super::scan::{DEPTH_MAX, Progress, Scan, Scanned, check_len};
use super::walk::{Action, Walk, drop_dead, last_wins_from};

/// Bytes scanned before their notes are taken up.
const PIECE: usize = 16 * 1024;

/// What taking up a note costs, in bytes scanned.
const NOTE_COST: usize = 32;

/// A body on its way into a part.
#[derive(Debug)]
pub struct Decoding<'d> {
    body: &'d [u8],
    spec: &'d DecodeSpec,
    out: &'d mut Part,
    /// What is read instead of the body, if its text had to be repaired.
    repaired: Option<Vec<u8>>,
    phase: Phase,
    scan: Scan,
    /// Where keys and values begin and end that are not taken up yet.
    noted: Vec<u32>,
    filter: KeyFilter,
    may_double: bool,
    /// A member that is passed over: its action, where its value begins, and how deep we are in it.
    passing: Option<(Action, Member, u32, usize)>,
}

#[derive(Debug)]
enum Phase {
    /// No document, or too long: done at once.
    Whole,
    Reading,
    /// Of doubled keys the last stays: the members before this one are looked at.
    Settling(usize, Read, usize),
    /// Finding out what is wrong.
    Diagnosing(Diagnosis),
}

impl<'d> Decoding<'d> {
    /// Clears `out`. Until a step has given the result, `out` says nothing.
    pub fn begin(body: &'d [u8], spec: &'d DecodeSpec, out: &'d mut Part) -> Decoding<'d> {
        out.clear();
        let is_document = spec.encoding != Encoding::String && check_len(body).is_ok();
        let phase = if is_document { Phase::Reading } else { Phase::Whole };
        let (scan, filter) = (Scan::begin(b"", DEPTH_MAX, 0), KeyFilter::default());
        let (noted, repaired, passing) = (Vec::new(), None, None);
        let may_double = false;
        let mut decoding =
            Decoding { body, spec, out, repaired, phase, scan, noted, filter, may_double, passing };
        decoding.begin_reading();
        decoding
    }

    fn begin_reading(&mut self) {
        let main = self.repaired.as_deref().unwrap_or(self.body);
        let mut scan = Scan::begin(main, DEPTH_MAX, 0);
        if enters(scan.shape(), self.spec) {
            scan = Scan::begin(main, DEPTH_MAX, self.spec.selection.depth());
            if !self.spec.selection.keeps_all() {
                Walk::new(main, &self.spec.selection, self.out).open();
            }
        }
        self.scan = scan;
        self.noted.clear();
        self.filter = KeyFilter::default();
        self.may_double = false;
        self.passing = None;
    }

    /// Works on for about as long as scanning `len` bytes takes: 64 KiB are about 30 µs. The
    /// result, once; `None` as long as there is more to do.
    pub fn step(&mut self, len: usize) -> Option<Result<(), JsonError>> {
        if matches!(self.phase, Phase::Whole) {
            return Some(decode_tokens(self.body, self.spec, self.out));
        }
        let mut left = len;
        loop {
            if let Some(result) = self.piece(&mut left) {
                if let Some(main) = self.repaired.take() {
                    self.out.repaired = true;
                    self.out.repaired_body = main;
                }
                return Some(finish(result, self.body, self.spec, self.out));
            }
            if left == 0 {
                return None;
            }
        }
    }

    /// A bounded piece of work, whose cost is taken off `left`.
    fn piece(&mut self, left: &mut usize) -> Option<Result<(), JsonError>> {
        match &mut self.phase {
            Phase::Whole => None,
            Phase::Reading => {
                let main = self.repaired.as_deref().unwrap_or(self.body);
                let progress = self.scan.resume(main, PIECE.min(*left), &mut self.noted);
                *left = left.saturating_sub(PIECE + NOTE_COST * self.noted.len());
                if progress == Progress::Bad {
                    self.phase = Phase::Diagnosing(Diagnosis::default());
                    return None;
                }
                if enters(self.scan.shape(), self.spec) {
                    self.take_up();
                }
                match progress {
                    Progress::Done(scanned) => self.ended(scanned),
                    _ => None,
                }
            }
            Phase::Settling(at, ..) => {
                let from = *at;
                let n = (*left / NOTE_COST).clamp(64, 4096);
                *left = left.saturating_sub(n * NOTE_COST);
                *at = from + n;
                self.settle(from, n)
            }
            Phase::Diagnosing(diagnosis) => {
                let main = self.repaired.as_deref().unwrap_or(self.body);
                let until = PIECE / 4;
                *left = left.saturating_sub(PIECE);
                Some(Err(diagnosis.step(main, until)?))
            }
        }
    }

    /// The document is valid.
    fn ended(&mut self, scanned: Scanned) -> Option<Result<(), JsonError>> {
        let value = Range::new(scanned.start as usize, scanned.end as usize);
        let read = Read { value, shape: scanned.shape, bad_text: scanned.needs_repair };
        if self.repaired.is_none() {
            if let Err(error) = check_trailing(self.body, &read, self.spec, self.out) {
                return Some(Err(error));
            }
            if read.bad_text {
                return self.repair(read.value);
            }
        }
        if !enters(read.shape, self.spec) {
            return Some(accept(&read, self.spec, self.out));
        }
        if self.spec.selection.keeps_all() {
            self.out.filter = self.filter;
            let n = self.out.members.len();
            if self.may_double {
                self.out.table.begin(n);
                self.phase = Phase::Settling(0, read, n);
                return None;
            }
            self.out.whole = Some(read.value);
        } else {
            let main = self.repaired.as_deref().unwrap_or(self.body);
            Walk::new(main, &self.spec.selection, self.out).close();
        }
        Some(Ok(()))
    }

    /// Looks for doubled keys among the next `n` members.
    fn settle(&mut self, from: usize, n: usize) -> Option<Result<(), JsonError>> {
        let main = self.repaired.as_deref().unwrap_or(self.body);
        let part = &mut *self.out;
        last_wins_from(from, n, &mut part.members, main, &part.scratch, &mut part.table);
        if from + n < part.members.len() {
            return None;
        }
        let Phase::Settling(_, read, n_before) = &self.phase else { return None };
        drop_dead(&mut part.members);
        if part.members.len() == *n_before {
            part.whole = Some(read.value);
        }
        Some(Ok(()))
    }

    /// Reads once more, from a copy with its text repaired.
    #[cold]
    fn repair(&mut self, value: Range) -> Option<Result<(), JsonError>> {
        if self.spec.policy.utf8 == Utf8::Refuse {
            return Some(Err(JsonError { kind: Kind::NotText, at: 0 }));
        }
        self.out.clear_data();
        self.out.frames.clear();
        let mut main = std::mem::take(&mut self.out.repaired_body);
        main.clear();
        repair(value.of(self.body), &mut main);
        let is_short = check_len(&main);
        self.repaired = Some(main);
        if let Err(error) = is_short {
            return Some(Err(error));
        }
        self.begin_reading();
        None
    }

    /// Takes up what was noted, but not what is not complete.
    fn take_up(&mut self) {
        let main = self.repaired.as_deref().unwrap_or(self.body);
        let has_escapes = self.scan.has_escapes();
        let walk = Walk::new(main, &self.spec.selection, self.out);
        let taken = if self.spec.selection.keeps_all() {
            plain(walk, &self.noted, has_escapes, &mut self.filter, &mut self.may_double)
        } else {
            selected(walk, &self.noted, has_escapes, &mut self.passing)
        };
        self.noted.drain(..taken);
    }
}

fn is_escaped(main: &[u8], at: u32, end: u32, has_escapes: bool) -> bool {
    let key = main.get(at as usize..end as usize).unwrap_or_default();
    has_escapes && memchr::memchr(b'\\', key).is_some()
}

/// All members of an object, of which four places each are noted; how many places were taken.
fn plain(
    mut walk: Walk<'_>,
    noted: &[u32],
    has_escapes: bool,
    filter: &mut KeyFilter,
    may_double: &mut bool,
) -> usize {
    let main = walk.scanner.body;
    let (members, _) = noted.as_chunks::<4>();
    for [key, key_end, value, value_end] in members {
        let is_escaped = is_escaped(main, *key, *key_end, has_escapes);
        let mut member = walk.named(*key as usize, *key_end as usize, is_escaped);
        *may_double |= filter.enter(member.hash);
        member.value = Range::new(*value as usize, *value_end as usize);
        if !walk.part.members.is_empty() {
            member.flags.set(Flags::FOLLOWS);
        }
        walk.part.members.push(member);
    }
    members.len() * 4
}

/// The members that target and filter leave; how many places were taken.
fn selected(
    mut walk: Walk<'_>,
    noted: &[u32],
    has_escapes: bool,
    passing: &mut Option<(Action, Member, u32, usize)>,
) -> usize {
    let main = walk.scanner.body;
    let byte = |at: u32| main.get(at as usize).copied().unwrap_or_default();
    let mut taken = 0;
    while let Some(&at) = noted.get(taken) {
        if let Some((action, member, value, depth)) = passing {
            // What begins a value never stands behind one.
            let begins =
                matches!(byte(at), b'"' | b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n');
            *depth = if begins { *depth + 1 } else { *depth - 1 };
            if *depth == 0 {
                let range = Range::new(*value as usize, at as usize);
                walk.keep_or_drop(action, *member, range);
                *passing = None;
            }
            taken += 1;
        } else if byte(at) != b'"' {
            walk.close();
            taken += 1;
        } else {
            let Some([_, key_end, value]) = noted.get(taken..taken + 3) else { break };
            taken += 3;
            let is_escaped = is_escaped(main, at, *key_end, has_escapes);
            let member = walk.named(at as usize, *key_end as usize, is_escaped);
            let action = walk.action(&member);
            if byte(*value) != b'{' || walk.enter(&action, member) != Some(true) {
                *passing = Some((action, member, *value, 1));
            }
        }
    }
    taken
}

//! A bounded queue of log records between one worker and the writer thread, without a lock: words
//! in a ring, one thread writes, one reads. Full means dropped and counted, never waited for.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Texts of a record.
pub(super) const N_TEXTS: usize = 5;
const HEADER_WORDS: usize = 5;
/// A text is cut here: longer than any request line that the gateway takes.
const TEXT_MAX: usize = 16 * 1024;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Access = 0,
    Log = 1,
}

/// A record as the worker has it.
pub(super) struct Draft<'a> {
    pub kind: Kind,
    pub level: u8,
    pub status: u16,
    pub unix_nanos: u64,
    pub took_nanos: u64,
    pub texts: [&'a [u8]; N_TEXTS],
}

/// A record as the writer gets it; reusable.
#[derive(Default)]
pub(super) struct Record {
    pub is_log: bool,
    pub level: u8,
    pub status: u16,
    pub unix_nanos: u64,
    pub took_nanos: u64,
    bytes: Vec<u8>,
    ranges: [(usize, usize); N_TEXTS],
}

impl Record {
    pub fn text(&self, at: usize) -> &[u8] {
        let (from, to) = self.ranges.get(at).copied().unwrap_or_default();
        self.bytes.get(from..to).unwrap_or_default()
    }
}

#[repr(align(128))]
struct Position(AtomicUsize);

pub(super) struct Ring {
    words: Box<[AtomicU64]>,
    /// Words read so far, written by the reader.
    read: Position,
    /// Words written so far, written by the worker.
    written: Position,
    dropped: AtomicU64,
}

impl Ring {
    /// `bytes` is rounded up to a power of two, at least 4 KiB.
    pub fn new(bytes: usize) -> Self {
        let n_words = bytes.max(4096).next_power_of_two() / 8;
        Self {
            words: (0..n_words).map(|_| AtomicU64::new(0)).collect(),
            read: Position(AtomicUsize::new(0)),
            written: Position(AtomicUsize::new(0)),
            dropped: AtomicU64::new(0),
        }
    }

    /// Records that found no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.read.0.load(Ordering::Acquire) == self.written.0.load(Ordering::Acquire)
    }

    /// For the one worker. Says how full the ring is then; `None` when the record was dropped.
    pub fn push(&self, draft: &Draft<'_>) -> Option<Fill> {
        let texts = draft.texts.map(|text| &text[..text.len().min(TEXT_MAX)]);
        let need = HEADER_WORDS + texts.iter().map(|text| text.len().div_ceil(8)).sum::<usize>();
        let written = self.written.0.load(Ordering::Relaxed);
        let used = written.wrapping_sub(self.read.0.load(Ordering::Acquire));
        if self.words.len() - used < need {
            self.dropped.store(self.dropped() + 1, Ordering::Relaxed);
            return None;
        }
        let mut at = written;
        let mut put = |word: u64| {
            self.words[at & (self.words.len() - 1)].store(word, Ordering::Relaxed);
            at = at.wrapping_add(1);
        };
        put(need as u64
            | u64::from(draft.kind as u8) << 32
            | u64::from(draft.level) << 40
            | u64::from(draft.status) << 48);
        put(draft.unix_nanos);
        put(draft.took_nanos);
        let len = |at: usize| texts.get(at).map_or(0, |text| text.len() as u64);
        put((0..4).map(|at| len(at) << (16 * at)).sum());
        put(len(4));
        for text in texts {
            let chunks = text.chunks_exact(8);
            let mut last = [0; 8];
            let rest = chunks.remainder();
            last[..rest.len()].copy_from_slice(rest);
            for chunk in chunks {
                put(u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
            }
            if !rest.is_empty() {
                put(u64::from_le_bytes(last));
            }
        }
        debug_assert_eq!(at, written.wrapping_add(need));
        // The words are visible before the position that says so.
        self.written.0.store(at, Ordering::Release);
        Some(if used + need > self.words.len() / 2 { Fill::OverHalf } else { Fill::UnderHalf })
    }

    /// For the one reader.
    pub fn pop(&self, record: &mut Record) -> bool {
        let mut at = self.read.0.load(Ordering::Relaxed);
        if at == self.written.0.load(Ordering::Acquire) {
            return false;
        }
        let start = at;
        let mut take = || {
            let word = self.words[at & (self.words.len() - 1)].load(Ordering::Relaxed);
            at = at.wrapping_add(1);
            word
        };
        let head = take();
        record.is_log = (head >> 32) as u8 == Kind::Log as u8;
        record.level = (head >> 40) as u8;
        record.status = (head >> 48) as u16;
        record.unix_nanos = take();
        record.took_nanos = take();
        let lens = [take(), take()];
        record.bytes.clear();
        for (text, range) in record.ranges.iter_mut().enumerate() {
            let len = usize::from((lens[text / 4] >> (16 * (text % 4))) as u16);
            let from = record.bytes.len();
            for _ in 0..len.div_ceil(8) {
                record.bytes.extend_from_slice(&take().to_le_bytes());
            }
            record.bytes.truncate(from + len);
            *range = (from, from + len);
        }
        let need = (head & 0xffff_ffff) as usize;
        debug_assert_eq!(at, start.wrapping_add(need));
        self.read.0.store(start.wrapping_add(need), Ordering::Release);
        true
    }
}

/// How full a ring is after a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fill {
    UnderHalf,
    OverHalf,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft<'a>(n: u64, texts: [&'a [u8]; N_TEXTS]) -> Draft<'a> {
        let status = (n % 1000) as u16;
        Draft { kind: Kind::Access, level: 3, status, unix_nanos: n, took_nanos: n * 2, texts }
    }

    #[test]
    fn a_record_comes_out_as_it_went_in() {
        let ring = Ring::new(0);
        let mut record = Record::default();
        let long = vec![b'x'; 1000];
        for n in 0..500 {
            let at = n as usize % 20;
            let texts = [&long[..at], b"", b"12345678", &long[..at * 7], b"end"];
            assert!(ring.push(&draft(n, texts)).is_some());
            assert!(!ring.is_empty() && ring.pop(&mut record));
            assert_eq!((record.is_log, record.level), (false, 3));
            assert_eq!((record.unix_nanos, record.took_nanos), (n, n * 2));
            assert_eq!(u64::from(record.status), n % 1000);
            for (at, text) in texts.iter().enumerate() {
                assert_eq!(record.text(at), *text);
            }
        }
        assert!(!ring.pop(&mut record) && ring.is_empty());
    }

    #[test]
    fn a_full_ring_drops_the_newest_and_counts() {
        let ring = Ring::new(4096);
        let mut record = Record::default();
        let mut kept = 0;
        let mut fills = Vec::new();
        for n in 0..1000 {
            if let Some(fill) = ring.push(&draft(n, [b"10.0.0.1", b"GET", b"/some/path", b"", b""]))
            {
                fills.push(fill);
                kept += 1;
            }
        }
        assert_eq!(ring.dropped(), 1000 - kept);
        assert_eq!((fills.first(), fills.last()), (Some(&Fill::UnderHalf), Some(&Fill::OverHalf)));
        for n in 0..kept {
            assert!(ring.pop(&mut record));
            assert_eq!(record.unix_nanos, n);
        }
        assert!(!ring.pop(&mut record));
        assert!(ring.push(&draft(1, [b""; N_TEXTS])).is_some(), "there is room again");
    }

    #[test]
    fn two_threads_lose_nothing_that_was_taken() {
        let ring = Ring::new(4096);
        let taken = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let (mut record, mut taken) = (Record::default(), Vec::new());
                while taken.last() != Some(&u64::MAX) {
                    if ring.pop(&mut record) {
                        let expected = record.unix_nanos.to_string();
                        if record.unix_nanos != u64::MAX {
                            assert_eq!(record.text(2), expected.as_bytes());
                        }
                        taken.push(record.unix_nanos);
                    }
                }
                taken
            });
            for n in 0..20_000_u64 {
                let text = n.to_string();
                ring.push(&draft(n, [b"a", b"bc", text.as_bytes(), b"", b"z"]));
            }
            let end = Draft { unix_nanos: u64::MAX, took_nanos: 0, ..draft(0, [b""; N_TEXTS]) };
            while ring.push(&end).is_none() {}
            reader.join().expect("the reader's assertions hold")
        });
        assert!(taken.is_sorted());
    }
}

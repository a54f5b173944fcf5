//! Huge pages for the memory that a working process uses, and for no other.
//!
//! The allocator spreads its pages over a large range. Were all of it advised to be of huge pages,
//! a gateway that does nothing would hold 2 MiB for every few KiB that it touched: 22 MiB instead of
//! 9. Without any, a merge costs 5 to 10 % more, since its memory misses the translation buffer. So
//! the range starts with small pages, and a process that works has those stretches of 2 MiB collapsed
//! that it fills to a quarter. Source: madvise(2), `MADV_COLLAPSE` (Linux 6.1).

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use super::clock;

/// Bytes of a huge page, x86-64 and AArch64 with small pages of 4 KiB.
const HUGE: usize = 2 * 1024 * 1024;
const SMALL: usize = 4096;
/// Small pages of a stretch that must be in use: fewer would waste more than they gain.
const DENSE: usize = HUGE / SMALL / 4;
/// Between looks: at first, and when there is nothing to do.
const FIRST: Duration = Duration::from_millis(500);
const LAST: Duration = Duration::from_secs(16);
/// Working means: more than this share of a core since the last look.
const WORKING: f64 = 0.05;

/// Starts the thread that looks after the memory of the calling thread's allocator. Does nothing
/// where the machine's owner has turned huge pages off.
pub fn start() -> io::Result<()> {
    let setting = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    if !setting.is_ok_and(|text| !text.contains("[never]")) {
        return Ok(());
    }
    // Some byte of the heap tells where the heap is.
    let probe = Box::new(0_u8);
    let at = std::ptr::from_ref(probe.as_ref()).addr();
    thread::Builder::new().name("ringway-memory".to_owned()).spawn(move || {
        look_after(at);
        drop(probe);
    })?;
    Ok(())
}

fn look_after(heap: usize) {
    let mut pause = FIRST;
    let mut used = clock::cpu_time();
    let mut known = 0;
    loop {
        thread::sleep(pause);
        let now = clock::cpu_time();
        let share = now.saturating_sub(used).as_secs_f64() / pause.as_secs_f64();
        used = now;
        if share < WORKING {
            pause = FIRST;
            continue;
        }
        let collapsed = match heap_range(heap).and_then(collapse_dense) {
            Ok(collapsed) => collapsed,
            // No `/proc`, no permission: small pages it is.
            Err(_) => return,
        };
        pause = if collapsed > known { FIRST } else { (pause * 2).min(LAST) };
        known = collapsed;
    }
}

/// The mapping that holds this address.
fn heap_range(at: usize) -> io::Result<Range<usize>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    maps.lines().filter_map(range).find(|range| range.contains(&at)).ok_or_else(not_found)
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// The addresses that begin a line of `/proc/PID/maps`.
fn range(line: &str) -> Option<Range<usize>> {
    let (from, to) = line.split_whitespace().next()?.split_once('-')?;
    Some(usize::from_str_radix(from, 16).ok()?..usize::from_str_radix(to, 16).ok()?)
}

/// Collapses the dense stretches of a range; how many there are, old ones included.
fn collapse_dense(range: Range<usize>) -> io::Result<usize> {
    let pagemap = File::open("/proc/self/pagemap")?;
    let mut collapsed = 0;
    for from in stretches(range) {
        if n_present(&pagemap, from)? >= DENSE && collapse(from) {
            collapsed += 1;
        }
    }
    Ok(collapsed)
}

/// Where the whole huge pages of a range begin.
fn stretches(range: Range<usize>) -> impl Iterator<Item = usize> {
    let first = range.start.next_multiple_of(HUGE);
    (first..range.end).step_by(HUGE).filter(move |from| range.end - from >= HUGE)
}

/// Small pages of the stretch that are in memory.
fn n_present(pagemap: &File, from: usize) -> io::Result<usize> {
    const ENTRY: usize = size_of::<u64>();
    let mut entries = [0; HUGE / SMALL * ENTRY];
    pagemap.read_exact_at(&mut entries, (from / SMALL * ENTRY) as u64)?;
    // The highest bit of an entry: present. Little endian: in its last byte.
    Ok(entries.chunks_exact(ENTRY).filter(|entry| entry[ENTRY - 1] & 0x80 != 0).count())
}

/// Whether the stretch is of one huge page now.
fn collapse(from: usize) -> bool {
    let at = std::ptr::with_exposed_provenance_mut(from);
    // SAFETY: the stretch lies within one mapping of this process when it was looked up; the kernel
    // moves its pages without changing a byte, and answers an error for one that has gone since.
    // Test: `dense_stretches_are_collapsed_and_keep_their_bytes`. Gain: docs/performance.md.
    unsafe { libc::madvise(at, HUGE, libc::MADV_COLLAPSE) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_maps() {
        for (line, expected) in [
            (
                "20000000000-20040000000 rw-p 00000000 00:00 0",
                Some(0x200_0000_0000..0x200_4000_0000),
            ),
            ("7ffe-8000 r--p 0 00:00 0 [stack]", Some(0x7ffe..0x8000)),
            ("", None),
            ("x-y rw-p", None),
        ] {
            assert_eq!(range(line), expected, "{line}");
        }
    }

    #[test]
    fn only_whole_stretches_count() {
        let starts = |range| stretches(range).collect::<Vec<_>>();
        assert_eq!(starts(0..HUGE), [0]);
        assert_eq!(starts(1..3 * HUGE + 1), [HUGE, 2 * HUGE]);
        assert_eq!(starts(1..2 * HUGE - 1), [0; 0]);
    }

    #[test]
    fn dense_stretches_are_collapsed_and_keep_their_bytes() {
        let mut memory: Vec<u8> = Vec::with_capacity(8 * HUGE);
        let start = memory.as_ptr().addr();
        let range = start..start + memory.capacity();
        let pagemap = File::open("/proc/self/pagemap").expect("/proc is there");
        let present = |range: Range<usize>| -> Vec<usize> {
            stretches(range).map(|from| n_present(&pagemap, from).expect("readable")).collect()
        };
        // Up to the middle: what was never touched is not there, what was is.
        memory.resize(4 * HUGE, 7);
        let before = present(range.clone());
        assert!(before.len() >= 7, "{before:?}");
        assert_eq!(before.first(), Some(&(HUGE / SMALL)), "{before:?}");
        assert_eq!(before.last(), Some(&0), "{before:?}");
        // Kernels before 6.1 cannot; those that can leave the empty ones alone.
        let collapsed = collapse_dense(range.clone()).expect("/proc is there");
        assert!(collapsed <= 4, "{collapsed}");
        assert_eq!(present(range).last(), Some(&0));
        assert!(memory.iter().all(|byte| *byte == 7));
    }
}

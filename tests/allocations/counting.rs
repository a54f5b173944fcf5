//! A global allocator that counts for each thread by itself, and can be told to note where a thread
//! allocates. Counts are read from any thread, found by the thread's number.

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, AtomicUsize, Ordering};

/// Threads that can be told apart; later ones share the last place.
const THREADS_MAX: usize = 512;

/// Sites noted of one measurement: finding the name of each takes milliseconds.
const NOTES_MAX: u64 = 100;

/// What one thread did.
pub struct Thread {
    number: AtomicI32,
    allocations: AtomicU64,
    /// Bytes that it allocated less those that it freed.
    held: AtomicI64,
    notes: AtomicBool,
    n_notes: AtomicU64,
}

static THREADS: [Thread; THREADS_MAX] = [const {
    Thread {
        number: AtomicI32::new(0),
        allocations: AtomicU64::new(0),
        held: AtomicI64::new(0),
        notes: AtomicBool::new(false),
        n_notes: AtomicU64::new(0),
    }
}; THREADS_MAX];
static NEXT: AtomicUsize = AtomicUsize::new(0);
static SITES: Mutex<Option<HashMap<String, u64>>> = Mutex::new(None);

thread_local! {
    static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
    /// While a site is noted, which itself allocates.
    static IS_NOTING: Cell<bool> = const { Cell::new(false) };
}

/// The calling thread's counts.
pub fn here() -> Option<&'static Thread> {
    let at = OWN.try_with(|own| {
        if own.get() == usize::MAX {
            let at = NEXT.fetch_add(1, Ordering::Relaxed).min(THREADS_MAX - 1);
            // SAFETY: asks for a number and has no other effect.
            THREADS[at].number.store(unsafe { libc::gettid() }, Ordering::Relaxed);
            own.set(at);
        }
        own.get()
    });
    THREADS.get(at.ok()?)
}

/// The counts of the thread with this name.
pub fn named(name: &str) -> Option<&'static Thread> {
    for task in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
        let comm = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if comm.trim_end() == name {
            let number: i32 = task.file_name().to_str()?.parse().ok()?;
            return THREADS.iter().find(|t| t.number.load(Ordering::Relaxed) == number);
        }
    }
    None
}

impl Thread {
    /// Allocations and growths so far.
    pub fn allocations(&self) -> u64 {
        self.allocations.load(Ordering::Relaxed)
    }

    /// Bytes that the thread holds more than it gave back.
    pub fn held(&self) -> i64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Notes from now on where the thread allocates.
    pub fn note(&self) {
        *SITES.lock().expect("nothing panics with it") = Some(HashMap::new());
        self.n_notes.store(0, Ordering::Relaxed);
        self.notes.store(true, Ordering::Relaxed);
    }

    /// Ends that; each site with how often it was seen, the most frequent first.
    pub fn noted(&self) -> Vec<(String, u64)> {
        self.notes.store(false, Ordering::Relaxed);
        let sites = SITES.lock().expect("nothing panics with it").take().unwrap_or_default();
        let mut sites: Vec<_> = sites.into_iter().collect();
        sites.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        sites
    }

    fn add(&self, allocations: u64, bytes: i64) {
        // One writer: the thread itself.
        let count = self.allocations.load(Ordering::Relaxed);
        self.allocations.store(count + allocations, Ordering::Relaxed);
        self.held.store(self.held.load(Ordering::Relaxed) + bytes, Ordering::Relaxed);
        if allocations > 0 && self.notes.load(Ordering::Relaxed) {
            self.note_site();
        }
    }

    #[cold]
    fn note_site(&self) {
        if self.n_notes.fetch_add(1, Ordering::Relaxed) >= NOTES_MAX {
            return;
        }
        IS_NOTING.set(true);
        let site = site(&Backtrace::force_capture().to_string());
        if let Ok(mut sites) = SITES.lock()
            && let Some(sites) = &mut *sites
        {
            *sites.entry(site).or_default() += 1;
        }
        IS_NOTING.set(false);
    }
}

/// The lines of a backtrace that name the gateway's own code, innermost first.
fn site(trace: &str) -> String {
    let ours = trace.lines().map(str::trim).filter(|line| line.contains("/src/"));
    let ours = ours.filter(|line| !line.contains("/rustc/") && !line.contains("/registry/"));
    ours.take(6).collect::<Vec<_>>().join("\n    ")
}

fn count(allocations: u64, bytes: i64) {
    if !IS_NOTING.try_with(Cell::get).unwrap_or(true)
        && let Some(thread) = here()
    {
        thread.add(allocations, bytes);
    }
}

/// Counts, and passes everything on to the system's allocator.
pub struct Counting;

// SAFETY: passes everything on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, layout.size() as i64);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, -(layout.size() as i64));
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, size as i64 - layout.size() as i64);
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(at, layout, size) }
    }
}

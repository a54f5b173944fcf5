//! The one thread that writes to standard output: it drains the workers' rings and the queue of
//! control-side lines, formats, and writes whole batches. Nobody waits for it: a full queue and a
//! broken or stuck sink cost log lines, which are counted, never a request.
//!
//! While there is work it looks every 10 ms, so that a batch is worth its system call; with none it
//! sleeps until a worker's first record wakes it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::access_log::{self, Access};
use super::logger::{Level, Logger, Settings};
use super::names;
use super::registry::Registry;
use super::ring::{Draft, Fill, Kind, Record, Ring};

/// Bytes of a worker's ring: some 2,000 requests.
pub const RING_BYTES: usize = 256 * 1024;
/// Bytes of control-side lines that may wait.
const QUEUE_BYTES: usize = 256 * 1024;
/// One write has about this many bytes.
const BATCH_BYTES: usize = 64 * 1024;
/// Records of one ring that are written before the next ring's turn.
const TURN_RECORDS: usize = 4096;
const TURN: Duration = Duration::from_millis(10);
/// A wake-up that was lost in a race is made good after this long.
const IDLE_TURN: Duration = Duration::from_millis(250);
/// How long a non-blocking sink that takes nothing is tried.
const STUCK: Duration = Duration::from_secs(1);

/// The thread. Dropping it stops it after one last flush of at most a second.
pub struct LogWriter {
    shared: Arc<Shared>,
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl LogWriter {
    /// Starts the thread on a sink, such as `std::io::stdout()`.
    pub fn start(sink: Box<dyn Write + Send>, settings: Settings) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            settings: ArcSwap::from_pointee(settings),
            rings: Mutex::default(),
            queue: Mutex::default(),
            retired_drops: AtomicU64::new(0),
            queue_drops: AtomicU64::new(0),
            sink_drops: AtomicU64::new(0),
            idle: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            thread: OnceLock::new(),
        });
        let (finished, done) = sync_channel(1);
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("ringway-log".to_owned())
            .spawn(move || run(&own, sink, &finished))?;
        // Set once, here.
        let _ = shared.thread.set(thread.thread().clone());
        Ok(Self { shared, done, thread: Some(thread) })
    }

    /// A worker's way to the log. `ring_bytes` as `RING_BYTES`.
    pub fn lane(&self, ring_bytes: usize) -> Lane {
        let ring = Arc::new(Ring::new(ring_bytes));
        self.shared.rings().push(Arc::clone(&ring));
        Lane { ring, shared: Arc::clone(&self.shared), only_one_writer: PhantomData }
    }

    /// The way of control-side code to the log.
    pub fn logger(&self) -> Logger {
        Logger(Arc::clone(&self.shared))
    }

    /// Changes style and level, as a reload does.
    pub fn set(&self, settings: Settings) {
        self.shared.settings.store(Arc::new(settings));
    }

    /// Lets the registry show what was lost.
    pub fn observe(&self, registry: &Registry) {
        let shared = Arc::clone(&self.shared);
        registry.observe(&names::LOG_DROPPED, "full", Box::new(move || shared.full_drops()));
        let shared = Arc::clone(&self.shared);
        let lost = move || shared.sink_drops.load(Ordering::Relaxed);
        registry.observe(&names::LOG_DROPPED, "sink", Box::new(lost));
    }

    /// Writes what is queued and ends the thread; false when the sink took too long for it.
    pub fn finish(mut self, patience: Duration) -> bool {
        self.stop(patience)
    }

    fn stop(&mut self, patience: Duration) -> bool {
        let Some(thread) = self.thread.take() else { return true };
        self.shared.stop.store(true, Ordering::Release);
        self.shared.wake();
        match self.done.recv_timeout(patience) {
            // A stuck thread is left behind: the process ends around it.
            Err(RecvTimeoutError::Timeout) => false,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => thread.join().is_ok(),
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.stop(Duration::from_secs(1));
    }
}

/// A worker's way to the log: no lock, no system call but a wake-up after a pause.
pub struct Lane {
    ring: Arc<Ring>,
    shared: Arc<Shared>,
    only_one_writer: PhantomData<std::cell::Cell<()>>,
}

impl Lane {
    /// Notes an answered request.
    pub fn access(&self, access: &Access<'_>) {
        self.push(&access.draft());
    }

    /// Notes an error of a request: `[ENDPOINT: /a/:id] text`.
    pub fn error(&self, unix_nanos: u64, endpoint: &str, text: &[u8]) {
        self.log(unix_nanos, Level::Error, [b"[ENDPOINT: ", endpoint.as_bytes(), b"] ", text]);
    }

    /// Notes a line of any kind, of four parts.
    pub fn log(&self, unix_nanos: u64, level: Level, [a, b, c, d]: [&[u8]; 4]) {
        if self.shared.settings().wants(level) {
            let texts = [a, b, c, d, b""];
            let (level, status, took_nanos) = (level as u8, 0, 0);
            self.push(&Draft { kind: Kind::Log, level, status, unix_nanos, took_nanos, texts });
        }
    }

    fn push(&self, draft: &Draft<'_>) {
        let fill = self.ring.push(draft);
        if fill == Some(Fill::OverHalf) || self.shared.idle.load(Ordering::Relaxed) {
            self.shared.wake();
        }
    }
}

pub(super) struct Shared {
    settings: ArcSwap<Settings>,
    rings: Mutex<Vec<Arc<Ring>>>,
    queue: Mutex<Queue>,
    /// Drops of rings whose worker is gone.
    retired_drops: AtomicU64,
    queue_drops: AtomicU64,
    sink_drops: AtomicU64,
    /// The thread sleeps and wants to be woken.
    idle: AtomicBool,
    stop: AtomicBool,
    thread: OnceLock<Thread>,
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<(u64, Level, String)>,
    bytes: usize,
}

impl Shared {
    pub fn settings(&self) -> arc_swap::Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// Queues a control-side line, or drops it.
    pub fn enqueue(&self, unix_nanos: u64, level: Level, text: String) {
        let mut queue = lock(&self.queue);
        if queue.bytes + text.len() > QUEUE_BYTES {
            self.queue_drops.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.bytes += text.len();
        queue.lines.push_back((unix_nanos, level, text));
        drop(queue);
        if self.idle.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    fn full_drops(&self) -> u64 {
        let live: u64 = self.rings().iter().map(|ring| ring.dropped()).sum();
        live + self.retired_drops.load(Ordering::Relaxed) + self.queue_drops.load(Ordering::Relaxed)
    }

    fn rings(&self) -> MutexGuard<'_, Vec<Arc<Ring>>> {
        lock(&self.rings)
    }

    fn wake(&self) {
        // One wake-up is enough until the thread sleeps again.
        self.idle.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// The guarded data is whole at every moment: a panic elsewhere is no reason to stop logging.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(shared: &Shared, sink: Box<dyn Write + Send>, finished: &SyncSender<()>) {
    let mut drain = Drain { shared, sink, page: Vec::new(), n_lines: 0, record: Record::default() };
    loop {
        let is_last = shared.stop.load(Ordering::Acquire);
        let was_busy = drain.turn();
        if is_last {
            break;
        }
        if was_busy {
            std::thread::park_timeout(TURN);
        } else {
            shared.idle.store(true, Ordering::SeqCst);
            if drain.is_empty() && !shared.stop.load(Ordering::Acquire) {
                std::thread::park_timeout(IDLE_TURN);
            }
            shared.idle.store(false, Ordering::Relaxed);
        }
    }
    // The receiver may be gone: nobody waits then.
    let _ = finished.send(());
}

struct Drain<'a> {
    shared: &'a Shared,
    sink: Box<dyn Write + Send>,
    page: Vec<u8>,
    n_lines: u64,
    record: Record,
}

impl Drain<'_> {
    fn is_empty(&self) -> bool {
        self.shared.rings().iter().all(|ring| ring.is_empty())
            && lock(&self.shared.queue).lines.is_empty()
    }

    /// Writes what is queued now; false when there was nothing.
    fn turn(&mut self) -> bool {
        let settings = self.shared.settings.load_full();
        let mut was_busy = false;
        // Taken out, so that no worker's start waits for the sink.
        let lines = {
            let mut queue = lock(&self.shared.queue);
            queue.bytes = 0;
            std::mem::take(&mut queue.lines)
        };
        for (unix_nanos, level, text) in lines {
            was_busy = true;
            settings.line(unix_nanos, level, &[text.as_bytes()], &mut self.page);
            self.counted();
        }
        let rings = self.shared.rings().clone();
        for ring in &rings {
            // Not more than a ring holds, so that a busy worker does not keep the others waiting.
            for _ in 0..TURN_RECORDS {
                if !ring.pop(&mut self.record) {
                    break;
                }
                was_busy = true;
                let record = &self.record;
                if record.is_log {
                    let parts = [0, 1, 2, 3].map(|at| record.text(at));
                    let level = Level::of(record.level);
                    settings.line(record.unix_nanos, level, &parts, &mut self.page);
                } else {
                    access_log::line(record, settings.access_colours, &mut self.page);
                }
                self.counted();
            }
        }
        drop(rings);
        self.flush();
        self.forget_dead_rings();
        was_busy
    }

    fn counted(&mut self) {
        self.n_lines += 1;
        if self.page.len() >= BATCH_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let mut rest = self.page.as_slice();
        let mut stuck_since = None;
        while !rest.is_empty() {
            match self.sink.write(rest) {
                Ok(n) if n > 0 => rest = &rest[n.min(rest.len())..],
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) if why.kind() == ErrorKind::WouldBlock => {
                    let since = *stuck_since.get_or_insert_with(Instant::now);
                    if since.elapsed() > STUCK {
                        break;
                    }
                    std::thread::sleep(TURN);
                }
                // Closed, full or broken: these lines are lost, later ones may not be.
                Ok(_) | Err(_) => break,
            }
        }
        let is_flushed = self.sink.flush().is_ok();
        if !rest.is_empty() || !is_flushed {
            let written = self.page.len() - rest.len();
            let lost = if is_flushed { share(self.n_lines, written, self.page.len()) } else { 0 };
            let lost = self.n_lines - lost;
            self.shared.sink_drops.fetch_add(lost, Ordering::Relaxed);
        }
        self.page.clear();
        self.n_lines = 0;
    }

    fn forget_dead_rings(&self) {
        self.shared.rings().retain(|ring| {
            let has_writer = Arc::strong_count(ring) > 1;
            // What a worker pushed before it let go is seen from here on.
            std::sync::atomic::fence(Ordering::Acquire);
            let is_live = has_writer || !ring.is_empty();
            if !is_live {
                self.shared.retired_drops.fetch_add(ring.dropped(), Ordering::Relaxed);
            }
            is_live
        });
    }
}

/// How many of `n` records the first `written` of `len` bytes hold, about.
fn share(n: u64, written: usize, len: usize) -> u64 {
    n * written as u64 / (len as u64).max(1)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Condvar;

    use super::*;

    /// A sink that keeps what it is given, and that can be closed or made to wait.
    #[derive(Clone, Default)]
    struct Sink(Arc<(Mutex<Inside>, Condvar)>);

    #[derive(Default)]
    struct Inside {
        bytes: Vec<u8>,
        failure: Option<ErrorKind>,
        is_stuck: bool,
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (inside, changed) = &*self.0;
            let mut inside = changed
                .wait_while(inside.lock().expect("no test panics in here"), |now| now.is_stuck)
                .expect("no test panics in here");
            match inside.failure {
                Some(kind) => Err(kind.into()),
                None => {
                    // Half at a time, as a pipe may.
                    let n = bytes.len().div_ceil(2);
                    inside.bytes.extend_from_slice(&bytes[..n]);
                    Ok(n)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink {
        fn change(&self, change: impl FnOnce(&mut Inside)) {
            change(&mut self.0.0.lock().expect("no test panics in here"));
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            let inside = self.0.0.lock().expect("no test panics in here");
            String::from_utf8_lossy(&inside.bytes).into_owned()
        }

        fn start(&self) -> LogWriter {
            LogWriter::start(Box::new(self.clone()), Settings::default()).expect("a thread starts")
        }
    }

    fn access(path: &[u8]) -> Access<'_> {
        Access {
            unix_nanos: 0,
            status: 200,
            took: Duration::from_micros(5),
            client_ip: b"127.0.0.1",
            method: b"GET",
            path,
            query: b"",
            errors: b"",
        }
    }

    fn until(what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !holds() {
            assert!(Instant::now() < deadline, "not in time: {what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn lines_arrive_without_a_flush_and_in_the_lane_s_order() {
        let sink = Sink::default();
        let writer = sink.start();
        let lane = writer.lane(RING_BYTES);
        // Wait until the thread sleeps, so that the first record has to wake it.
        until("idle", || writer.shared.idle.load(Ordering::Relaxed));
        lane.error(0, "/a/:id", b"no hosts available");
        lane.access(&access(b"/a/1"));
        until("both lines", || sink.text().lines().count() == 2);
        assert_eq!(
            sink.text(),
            "1970/01/01 00:00:00 KRAKEND ERROR: [ENDPOINT: /a/:id] no hosts available\n\
             [GIN] 1970/01/01 - 00:00:00 | 200 |      5µs |       127.0.0.1 | GET      \"/a/1\"\n"
        );
        writer.logger().info("up");
        until("the control line", || sink.text().ends_with("KRAKEND INFO: up\n"));
        assert!(writer.finish(Duration::from_secs(5)));
    }

    #[test]
    fn the_end_flushes_what_many_lanes_queued() {
        let sink = Sink::default();
        let writer = sink.start();
        std::thread::scope(|scope| {
            for worker in 0..3_u8 {
                let lane = writer.lane(RING_BYTES);
                scope.spawn(move || {
                    for _ in 0..500 {
                        lane.access(&access(&[b'/', b'a' + worker]));
                    }
                });
            }
        });
        assert_eq!(writer.shared.full_drops(), 0);
        assert!(writer.finish(Duration::from_secs(5)));
        for worker in ["\"/a\"", "\"/b\"", "\"/c\""] {
            assert_eq!(sink.text().matches(worker).count(), 500, "{worker}");
        }
    }

    #[test]
    fn a_stuck_sink_costs_lines_and_no_time() {
        let sink = Sink::default();
        let writer = sink.start();
        let lane = writer.lane(4096);
        sink.change(|inside| inside.is_stuck = true);
        let start = Instant::now();
        for _ in 0..10_000 {
            lane.access(&access(b"/"));
            writer.logger().error("x".repeat(1000));
        }
        assert!(start.elapsed() < Duration::from_secs(5), "somebody waited for the sink");
        assert!(writer.shared.full_drops() > 10_000);
        drop(lane);
        assert!(!writer.finish(Duration::from_millis(50)), "the sink is still stuck");
        sink.change(|inside| inside.is_stuck = false);
        until("what was queued", || sink.text().contains("\"/\""));
    }

    #[test]
    fn a_broken_sink_is_counted_and_tried_again() {
        for kind in [ErrorKind::BrokenPipe, ErrorKind::StorageFull] {
            let sink = Sink::default();
            let writer = sink.start();
            let lane = writer.lane(RING_BYTES);
            sink.change(|inside| inside.failure = Some(kind));
            for _ in 0..7 {
                lane.access(&access(b"/lost"));
            }
            let lost = || writer.shared.sink_drops.load(Ordering::Relaxed);
            until("the loss", || lost() == 7);
            sink.change(|inside| inside.failure = None);
            lane.access(&access(b"/kept"));
            until("the next line", || sink.text().contains("/kept"));
            assert!(!sink.text().contains("/lost") && lost() == 7);
            let tables = super::super::registry::Tables { outcomes: &[], close_reasons: &[] };
            let registry = Registry::new(tables);
            writer.observe(&registry);
            let mut page = Vec::new();
            registry.write(super::super::prometheus::Format::Text, &mut page);
            let page = String::from_utf8_lossy(&page);
            assert!(page.contains("ringway_log_dropped_total{reason=\"sink\"} 7\n"), "{page}");
        }
    }

    #[test]
    fn events_of_tracing_come_in_with_their_fields() {
        use tracing_subscriber::layer::SubscriberExt;

        let sink = Sink::default();
        let writer = sink.start();
        let subscriber =
            tracing_subscriber::registry().with(super::super::logger::Bridge(writer.logger()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(host = "a.example", n = 2, "no answer");
            tracing::info!(target: "hickory_proto", "chatter of a library");
        });
        assert!(writer.finish(Duration::from_secs(5)));
        let text = sink.text();
        assert!(text.ends_with("KRAKEND WARNING: no answer host=\"a.example\" n=2\n"), "{text}");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_reload_changes_level_and_style() {
        let sink = Sink::default();
        let writer = sink.start();
        let lane = writer.lane(RING_BYTES);
        writer.set(Settings { level: Level::Critical, ..Settings::default() });
        lane.error(0, "/", b"unwanted");
        writer.logger().error("unwanted");
        writer.logger().critical("wanted");
        drop(lane);
        assert!(writer.finish(Duration::from_secs(5)));
        assert!(sink.text().ends_with("KRAKEND CRITICAL: wanted\n") && !sink.text().contains("un"));
    }
}

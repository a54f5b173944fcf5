//! The ladder of drivers: which ring set-up this kernel (and its seccomp filter) allows, and the
//! runtime of one worker on it. Reads no environment: the caller passes `RINGWAY_DRIVER` as a value.
//! Why these rungs and sizes: docs/design/driver.md.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;

use io_uring::{IoUring, Probe, opcode};
use monoio::time::TimeDriver;
use monoio::{IoUringDriver, LegacyDriver, Runtime, RuntimeBuilder};

use super::{block, ring as own_ring, turn, wheel};

/// Submission queue entries of each worker's ring.
const SQ_ENTRIES: u32 = 4096;
/// Completion queue entries: four times the submissions, so that a burst of completions never
/// overflows into the kernel's list (monoio does not drain that one while parking fails).
const CQ_ENTRIES: u32 = 16384;

/// What drives a worker, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DriverKind {
    /// Our own ring: multishot receives into shared blocks (Linux 6.1).
    Multishot,
    /// io_uring, completions run when the worker asks for them (Linux 6.1).
    DeferTaskrun,
    /// io_uring, completions run at the next system call (Linux 6.0).
    CoopTaskrun,
    /// io_uring without flags (Linux 5.6 or later with the operations we need).
    PlainRing,
    /// epoll, where io_uring is absent or forbidden.
    Epoll,
}

impl DriverKind {
    /// All kinds, in the order in which they are tried.
    pub const LADDER: [Self; 5] =
        [Self::Multishot, Self::DeferTaskrun, Self::CoopTaskrun, Self::PlainRing, Self::Epoll];

    /// Whether this kind uses a ring.
    pub fn is_ring(self) -> bool {
        self != Self::Epoll
    }

    fn below(self) -> Option<Self> {
        Self::LADDER.into_iter().find(|kind| *kind > self)
    }
}

impl fmt::Display for DriverKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Multishot => "io_uring (multishot)",
            Self::DeferTaskrun => "io_uring (SINGLE_ISSUER, DEFER_TASKRUN)",
            Self::CoopTaskrun => "io_uring (SINGLE_ISSUER, COOP_TASKRUN)",
            Self::PlainRing => "io_uring (no flags)",
            Self::Epoll => "epoll",
        })
    }
}

thread_local! {
    static CURRENT: Cell<Option<DriverKind>> = const { Cell::new(None) };
}

/// The driver below the current thread's `run`, if there is one.
pub fn current() -> Option<DriverKind> {
    CURRENT.get()
}

/// Finds the best driver that works here. `wish` is the value of `RINGWAY_DRIVER`: `epoll`,
/// `io_uring`, `monoio` (the rings below our own, to compare) or absent. Each fall to a lower rung is one line of the second value; a wish for
/// `io_uring` that cannot be met ends in `Epoll` with the reason, so that the gateway still starts.
pub fn probe(wish: Option<&str>) -> (DriverKind, Vec<String>) {
    let mut reasons = Vec::new();
    let mut kind = DriverKind::Multishot;
    match wish {
        Some("epoll") => return (DriverKind::Epoll, reasons),
        Some("monoio") => kind = DriverKind::DeferTaskrun,
        None | Some("" | "io_uring") => {}
        Some(other) => reasons.push(format!(
            "driver {other:?} is unknown (allowed: epoll, io_uring, monoio): choosing automatically"
        )),
    }
    while kind.is_ring() {
        let Err(error) = try_ring(kind) else { break };
        kind = fall(kind, &error, &mut reasons);
    }
    (kind, reasons)
}

/// The next rung to try after `error`, with its line.
fn fall(kind: DriverKind, error: &io::Error, reasons: &mut Vec<String>) -> DriverKind {
    // Only an unknown flag is a matter of the rung. A missing or forbidden system call, or memory
    // that is not there, is the same on each of them. Our own ring asks for more than the others: what
    // it misses besides, they can do without.
    let next = match error.raw_os_error() {
        Some(libc::EINVAL) => kind.below().unwrap_or(DriverKind::Epoll),
        Some(libc::ENOSYS | libc::EPERM | libc::EACCES | libc::ENOMEM) => DriverKind::Epoll,
        _ if kind == DriverKind::Multishot => DriverKind::DeferTaskrun,
        _ => DriverKind::Epoll,
    };
    reasons.push(format!("{kind} is not available ({error}): falling back to {next}"));
    next
}

fn try_ring(kind: DriverKind) -> io::Result<()> {
    if kind == DriverKind::Multishot {
        return own_ring::probe();
    }
    let ring: IoUring = ring_builder(kind).build(SQ_ENTRIES)?;
    let mut supported = Probe::new();
    ring.submitter().register_probe(&mut supported)?;
    let needed = [
        ("accept", opcode::Accept::CODE),
        ("cancel", opcode::AsyncCancel::CODE),
        ("close", opcode::Close::CODE),
        ("connect", opcode::Connect::CODE),
        ("poll", opcode::PollAdd::CODE),
        ("read", opcode::Read::CODE),
        ("recv", opcode::Recv::CODE),
        ("send", opcode::Send::CODE),
        ("timeout", opcode::Timeout::CODE),
        ("writev", opcode::Writev::CODE),
    ];
    match needed.iter().find(|(_, code)| !supported.is_supported(*code)) {
        Some((name, _)) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("the kernel's io_uring lacks the operation {name}"),
        )),
        // The third system call, `io_uring_enter`, may be filtered alone.
        None => ring.submit().map(drop),
    }
}

fn ring_builder(kind: DriverKind) -> io_uring::Builder {
    let mut builder = IoUring::builder();
    builder.dontfork().setup_cqsize(CQ_ENTRIES);
    match kind {
        DriverKind::DeferTaskrun => {
            builder.setup_single_issuer().setup_defer_taskrun();
        }
        DriverKind::CoopTaskrun => {
            builder.setup_single_issuer().setup_coop_taskrun();
        }
        DriverKind::Multishot | DriverKind::PlainRing | DriverKind::Epoll => {}
    }
    builder
}

/// Runs `future` on the current thread until it ends. When the ring cannot be set up after all
/// (this worker's share of memory or descriptors is gone), lower rungs are taken: `current` tells
/// which one runs. An error means that not even epoll works.
///
/// Tasks that are still pending at the end are not dropped but leaked with the driver (a waker of
/// an operation in flight owns its task): end them first, or end the process.
pub fn run<F: Future>(kind: DriverKind, future: F) -> io::Result<F::Output> {
    let (mut kind, mut future) = (kind, future);
    let mut ignored = Vec::new();
    if kind == DriverKind::Multishot {
        let running = Running::enter(kind);
        match own_ring::run(future) {
            Ok(output) => return Ok(output),
            Err((error, back)) => {
                future = back;
                kind = fall(kind, &error, &mut ignored);
            }
        }
        drop(running);
    }
    while kind.is_ring() {
        let built = RuntimeBuilder::<IoUringDriver>::new()
            .uring_builder(ring_builder(kind))
            .with_entries(SQ_ENTRIES)
            .enable_timer()
            .build();
        match built {
            Ok(runtime) => return Ok(ring(runtime, kind, future)),
            Err(error) => kind = fall(kind, &error, &mut ignored),
        }
    }
    let mut runtime =
        RuntimeBuilder::<LegacyDriver>::new().with_entries(SQ_ENTRIES).enable_timer().build()?;
    let _running = Running::enter(kind);
    Ok(runtime.block_on(to_the_end(future)))
}

fn ring<F: Future>(
    mut runtime: Runtime<TimeDriver<IoUringDriver>>,
    kind: DriverKind,
    future: F,
) -> F::Output {
    let _running = Running::enter(kind);
    let output = runtime.block_on(to_the_end(future));
    // The kernel tears a ring down behind our back: what is still lent to it is never given back to
    // the allocator. On the normal way out the process ends here.
    let _lent = block::keep_lent();
    drop(runtime);
    output
}

/// The future, then an orderly end of the tasks that this floor runs for itself.
async fn to_the_end<F: Future>(future: F) -> F::Output {
    let output = future.await;
    wheel::stop();
    turn::yield_now().await;
    turn::stop();
    output
}

/// Says which driver runs while it lives; a panic of the root future clears it too.
struct Running;

impl Running {
    fn enter(kind: DriverKind) -> Self {
        CURRENT.set(Some(kind));
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

//! The two queues of one worker's ring: pushing entries, entering the kernel, taking completions.
//! Knows nothing of what the entries mean.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use io_uring::{IoUring, cqueue, opcode, squeue, types};

/// Submission queue entries. One turn of a busy worker uses a few hundred.
const SQ_ENTRIES: u32 = 4096;
/// Completion queue entries: a burst of completions finds room without the kernel's overflow list.
const CQ_ENTRIES: u32 = 16384;

/// `io_uring_enter`: look at completions, and the argument is a `GetEvents`.
const ENTER_GETEVENTS: u32 = 1;
const ENTER_EXT_ARG: u32 = 1 << 3;

/// What the kernel reads behind `IORING_ENTER_EXT_ARG`.
#[repr(C)]
struct GetEvents {
    sigmask: u64,
    sigmask_len: u32,
    pad: u32,
    timespec: u64,
}

/// A completion, copied out of the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Completion {
    pub user_data: u64,
    /// At least 0, or a negated error number.
    pub result: i32,
    pub flags: u32,
}

/// How long an `enter` may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// Not at all: there is other work.
    No,
    /// Until something completes, at most this long.
    AtMost(Duration),
    /// Until something completes.
    ForEver,
}

/// See the module.
pub(super) struct Io {
    ring: IoUring,
    /// Entries that found the queue full while the kernel took none, in order.
    held: VecDeque<squeue::Entry>,
}

impl Io {
    /// Sets the ring up and makes sure that the kernel has what we use of it.
    pub fn new() -> io::Result<Self> {
        Self::with_entries(SQ_ENTRIES, CQ_ENTRIES)
    }

    /// As `new` with other sizes, for tests of full queues.
    pub fn with_entries(submissions: u32, completions: u32) -> io::Result<Self> {
        let ring: IoUring = IoUring::builder()
            .dontfork()
            .setup_cqsize(completions)
            .setup_single_issuer()
            .setup_defer_taskrun()
            .build(submissions)?;
        let mut supported = io_uring::Probe::new();
        ring.submitter().register_probe(&mut supported)?;
        let needed = [
            ("cancel", opcode::AsyncCancel::CODE),
            ("close", opcode::Close::CODE),
            ("connect", opcode::Connect::CODE),
            ("poll", opcode::PollAdd::CODE),
            ("recv", opcode::Recv::CODE),
            ("send", opcode::Send::CODE),
            ("writev", opcode::Writev::CODE),
        ];
        if let Some((name, _)) = needed.iter().find(|(_, code)| !supported.is_supported(*code)) {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!("the kernel's io_uring lacks the operation {name}"),
            ));
        }
        // Without these an entry's memory would have to live longer, completions could get lost, and
        // a wait could have no end of its own. All are older than what the builder asked for.
        let params = ring.params();
        if !(params.is_feature_submit_stable()
            && params.is_feature_nodrop()
            && params.is_feature_ext_arg())
        {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        Ok(Self { ring, held: VecDeque::new() })
    }

    /// For registering buffers.
    pub fn submitter(&self) -> io_uring::Submitter<'_> {
        self.ring.submitter()
    }

    /// Queues an entry; the kernel sees it at the next `enter`, or at once when the queue is full.
    ///
    /// SAFETY: what the entry points to must stay valid until its completion has been taken.
    pub unsafe fn push(&mut self, entry: &squeue::Entry) {
        if self.held.is_empty() {
            // SAFETY: the caller's promise.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return;
            }
            // An error leaves the queue full; the entry is held then.
            let _ = self.ring.submit();
            // SAFETY: as above.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return;
            }
        }
        self.held.push_back(entry.clone());
    }

    fn push_held(&mut self) {
        let mut queue = self.ring.submission();
        while let Some(entry) = self.held.front() {
            // SAFETY: promised to `push`; what the entry points to is as valid as it was.
            if unsafe { queue.push(entry) }.is_err() {
                break;
            }
            self.held.pop_front();
        }
    }

    /// Whether entries wait for the kernel.
    pub fn has_unsent(&mut self) -> bool {
        !self.held.is_empty() || !self.ring.submission().is_empty()
    }

    /// Hands over what was pushed, lets the kernel do its deferred work, and sleeps as `wait` says.
    /// A signal, a full completion queue or a time that ran out are no errors: the turn goes on.
    pub fn enter(&mut self, wait: Wait) -> io::Result<()> {
        if !self.held.is_empty() {
            self.push_held();
        }
        let wait = if self.held.is_empty() { wait } else { Wait::No };
        let to_submit = self.ring.submission().len() as u32;
        let timespec = match wait {
            Wait::AtMost(time) => {
                types::Timespec::new().sec(time.as_secs()).nsec(time.subsec_nanos())
            }
            Wait::No | Wait::ForEver => types::Timespec::new(),
        };
        let timespec_at = match wait {
            Wait::AtMost(_) => (&raw const timespec).addr() as u64,
            Wait::No | Wait::ForEver => 0,
        };
        let events = GetEvents { sigmask: 0, sigmask_len: 0, pad: 0, timespec: timespec_at };
        let wanted = u32::from(wait != Wait::No);
        // SAFETY: `events` and the timespec it names live until the call returns, and the flags say
        // that it is of this type. The entries keep their promises to `push`.
        let entered = unsafe {
            let flags = ENTER_GETEVENTS | ENTER_EXT_ARG;
            self.ring.submitter().enter(to_submit, wanted, flags, Some(&events))
        };
        match entered {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN | libc::ENOMEM) => {
                    Ok(())
                }
                _ => Err(error),
            },
        }
    }

    /// Moves all completions into `into`.
    pub fn take(&mut self, into: &mut Vec<Completion>) {
        let entries = self.ring.completion().map(|entry: cqueue::Entry| Completion {
            user_data: entry.user_data(),
            result: entry.result(),
            flags: entry.flags(),
        });
        into.extend(entries);
    }
}

//! One name and what is known of it: read by workers without a lock, written by the control thread.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::Notify;

/// A shared name. Its addresses change under its readers; the last good answer stays until a better
/// one comes.
pub struct Name {
    host: Box<str>,
    addresses: ArcSwap<Arc<[IpAddr]>>,
    /// Goes up with each change of the addresses.
    generation: AtomicU64,
    /// A first answer or failure has come.
    is_settled: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
    trouble: ArcSwapOption<String>,
    failures: AtomicU64,
    /// Somebody asked since the last look-up.
    is_used: AtomicBool,
    /// The look-ups pause until somebody asks.
    is_asleep: AtomicBool,
    pub(super) used: Notify,
}

impl Name {
    /// A name that has to be looked up.
    pub(super) fn open(host: &str) -> Self {
        Self::with(host, Vec::new(), false)
    }

    /// An address, or `localhost`: known at once and for ever.
    pub(super) fn fixed(host: &str) -> Option<Self> {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let addresses = match bare.trim_end_matches('.') {
            "localhost" => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            _ => vec![bare.parse().ok()?],
        };
        Some(Self::with(host, addresses, true))
    }

    /// A name that is refused.
    pub(super) fn refused(host: &str, why: &str) -> Self {
        let name = Self::with(host, Vec::new(), true);
        name.failed(why.to_owned());
        name
    }

    fn with(host: &str, addresses: Vec<IpAddr>, is_settled: bool) -> Self {
        Self {
            host: host.into(),
            addresses: ArcSwap::from_pointee(addresses.into()),
            generation: AtomicU64::new(u64::from(is_settled)),
            is_settled: AtomicBool::new(is_settled),
            waiting: Mutex::default(),
            trouble: ArcSwapOption::empty(),
            failures: AtomicU64::new(0),
            is_used: AtomicBool::new(true),
            is_asleep: AtomicBool::new(false),
            used: Notify::new(),
        }
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    /// What is known now, IPv4 first, each in the order of the answer; empty when nothing is known
    /// yet or the first look-ups failed. Keeps the name fresh: only names that are asked for are
    /// looked up again.
    pub fn addresses(&self) -> Arc<[IpAddr]> {
        self.touch();
        Arc::clone(&self.addresses.load())
    }

    /// Changes when the addresses do, so that a worker may keep its own copy and ask only for this.
    /// Keeps the name fresh as `addresses` does.
    pub fn generation(&self) -> u64 {
        self.touch();
        self.generation.load(Ordering::Acquire)
    }

    /// Ready when a first answer or a first failure has come; the waker may belong to any thread.
    /// Ready with an empty list of addresses means: fail the call now.
    pub fn wait(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_settled.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.touch();
        let mut waiting = self.waiting();
        // Settled between the look and the lock: nobody would wake us.
        if self.is_settled.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        // A task that is polled often would fill the list; only its own last entries are looked at,
        // so that thousands of waiters do not search through each other.
        if !waiting.iter().rev().take(16).any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Why the last look-up failed; `None` after a good one.
    pub fn trouble(&self) -> Option<Arc<String>> {
        self.trouble.load_full()
    }

    /// Look-ups that failed so far.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(super) fn has_answer(&self) -> bool {
        !self.addresses.load().is_empty()
    }

    pub(super) fn answered(&self, addresses: &[IpAddr]) {
        self.trouble.store(None);
        if self.addresses.load()[..] != *addresses {
            self.addresses.store(Arc::new(addresses.into()));
            self.generation.fetch_add(1, Ordering::Release);
        }
        self.settle();
    }

    pub(super) fn failed(&self, why: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.trouble.store(Some(Arc::new(why)));
        self.settle();
    }

    /// Whether somebody asked since this was last called.
    pub(super) fn take_used(&self) -> bool {
        self.is_used.swap(false, Ordering::AcqRel)
    }

    /// Ends when somebody asks.
    pub(super) async fn sleep(&self) {
        self.is_asleep.store(true, Ordering::SeqCst);
        // Asked between the last look and now: that reader did not see us asleep.
        if !self.is_used.load(Ordering::SeqCst) {
            self.used.notified().await;
        }
        self.is_asleep.store(false, Ordering::SeqCst);
    }

    fn touch(&self) {
        // A load first: the line stays shared between the workers while nothing changes.
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::SeqCst);
            if self.is_asleep.swap(false, Ordering::SeqCst) {
                self.used.notify_one();
            }
        }
    }

    fn settle(&self) {
        self.is_settled.store(true, Ordering::Release);
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.into_iter().for_each(Waker::wake);
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Name")
            .field("host", &self.host)
            .field("addresses", &self.addresses.load())
            .field("trouble", &self.trouble.load())
            .finish_non_exhaustive()
    }
}

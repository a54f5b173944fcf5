//! Per-core pools of connections, one per origin: last in, first out; released only after a
//! complete, reusable message; closed by drop. Nothing here is shared between cores.
//! Source: docs/reference/lura-core.md 1.3, 4.2; docs/reference/hardening.md 4.1.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::dial;
use super::error::CallError;
use super::transport::Transport;
use crate::control::names::{Name, Names};
use crate::net::clock::{self, Tick};
use crate::net::failpoint;
use crate::net::placed::place;
use crate::net::stream::Stream;
use crate::net::tls::TlsClientConfig;
use crate::plan::{OriginKey, OriginSpec};

/// Idle connections that nobody wants are looked at this often, for those that the backend closed.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Origins that no plan names (redirect targets) kept per core.
const FOREIGN_ORIGINS_MAX: usize = 256;

/// All pools of one core.
pub struct Upstream {
    /// Settings in force; swapped with the plan.
    transport: RefCell<Rc<Transport>>,
    tls: RefCell<Option<Arc<TlsClientConfig>>>,
    names: Arc<Names>,
    by_key: RefCell<HashMap<OriginKey, Rc<Origin>>>,
    foreign: RefCell<VecDeque<OriginKey>>,
    totals: Rc<Totals>,
    looked_at: Cell<Tick>,
}

/// Connections of one core over all origins.
#[derive(Default)]
pub struct Totals {
    /// Idle ones.
    pub idle: Cell<usize>,
    /// Open ones, idle or busy.
    pub open: Cell<usize>,
    /// Bytes received from backends.
    pub received: Cell<u64>,
    /// Bytes sent to backends.
    pub sent: Cell<u64>,
}

impl Upstream {
    /// Empty pools.
    pub fn new(transport: Transport, tls: Option<Arc<TlsClientConfig>>, names: Arc<Names>) -> Self {
        Upstream {
            transport: RefCell::new(Rc::new(transport)),
            tls: RefCell::new(tls),
            names,
            by_key: RefCell::default(),
            foreign: RefCell::default(),
            totals: Rc::default(),
            looked_at: Cell::new(clock::now()),
        }
    }

    /// Settings of a new plan. Pools carry over, save those of origins that it has no more, and
    /// those whose connections were made under other settings.
    pub fn reconfigure(
        &self,
        transport: Transport,
        tls: Option<Arc<TlsClientConfig>>,
        wanted: &[Arc<OriginSpec>],
    ) {
        let same_tls = match (&*self.tls.borrow(), &tls) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        let same_transport = **self.transport.borrow() == transport;
        *self.transport.borrow_mut() = Rc::new(transport);
        *self.tls.borrow_mut() = tls;
        let wanted: HashSet<&OriginKey> = wanted.iter().map(|spec| &spec.key).collect();
        self.by_key
            .borrow_mut()
            .retain(|key, _| same_transport && (same_tls || !key.is_tls) && wanted.contains(key));
        self.foreign.borrow_mut().clear();
    }

    /// The pool of an origin of the plan, made at first use.
    pub fn origin(&self, spec: &OriginSpec) -> Rc<Origin> {
        if let Some(origin) = self.by_key.borrow().get(&spec.key) {
            return origin.clone();
        }
        let origin = self.make(&spec.key, &spec.authority);
        self.by_key.borrow_mut().insert(spec.key.clone(), origin.clone());
        origin
    }

    /// The pool of an origin that a redirect names; the map of those is bounded.
    pub fn foreign_origin(&self, key: &OriginKey) -> Rc<Origin> {
        if let Some(origin) = self.by_key.borrow().get(key) {
            return origin.clone();
        }
        let mut foreign = self.foreign.borrow_mut();
        if foreign.len() >= FOREIGN_ORIGINS_MAX
            && let Some(oldest) = foreign.pop_front()
        {
            self.by_key.borrow_mut().remove(&oldest);
        }
        foreign.push_back(key.clone());
        let origin = self.make(key, &key.authority());
        self.by_key.borrow_mut().insert(key.clone(), origin.clone());
        origin
    }

    fn make(&self, key: &OriginKey, authority: &str) -> Rc<Origin> {
        Rc::new_cyclic(|own| Origin {
            key: key.clone(),
            authority: authority.into(),
            name: self.names.name(&key.host),
            tls: key.is_tls.then(|| self.tls.borrow().clone()).flatten(),
            transport: self.transport.borrow().clone(),
            idle: RefCell::default(),
            opening: Cell::new(0),
            waiters: RefCell::default(),
            rests_until: Cell::new(None),
            refusals: Cell::new(0),
            totals: self.totals.clone(),
            own: own.clone(),
        })
    }

    /// Counts for gauges.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Closes connections that were idle for longer than `idle_connection_timeout`, and now and then
    /// those that the backend closed: a pool that is not used any more would keep them for ever.
    pub fn sweep(&self) {
        let now = clock::now();
        let looks = now.since(self.looked_at.get()) >= LOOK_EVERY;
        if looks {
            self.looked_at.set(now);
        }
        for origin in self.by_key.borrow().values() {
            origin.sweep(now, looks);
        }
    }

    /// Closes all idle connections (shutdown).
    pub fn close_idle(&self) {
        for origin in self.by_key.borrow().values() {
            let closed = std::mem::take(&mut *origin.idle.borrow_mut()).len();
            origin.totals.idle.set(origin.totals.idle.get().saturating_sub(closed));
            origin.totals.open.set(origin.totals.open.get().saturating_sub(closed));
        }
    }
}

/// One origin's connections on one core.
pub struct Origin {
    /// What it is.
    pub key: OriginKey,
    /// The bytes of `Host`.
    pub authority: Box<str>,
    /// Its addresses, resolved off the workers.
    pub name: Arc<Name>,
    /// The client side of TLS, where the scheme is `https`.
    pub tls: Option<Arc<TlsClientConfig>>,
    /// Settings.
    pub transport: Rc<Transport>,
    idle: RefCell<Vec<Idle>>,
    opening: Cell<usize>,
    waiters: RefCell<VecDeque<Weak<Waiter>>>,
    rests_until: Cell<Option<Tick>>,
    refusals: Cell<u32>,
    totals: Rc<Totals>,
    own: Weak<Origin>,
}

struct Idle {
    stream: Stream,
    since: Tick,
}

/// A call that waits for a connection or for leave to open one.
#[derive(Default)]
struct Waiter {
    waker: Cell<Option<Waker>>,
    stream: RefCell<Option<Stream>>,
    may_open: Cell<bool>,
}

/// A connection on loan. Dropped without [`Lease::release`] it closes.
pub struct Lease {
    stream: Option<Stream>,
    origin: Rc<Origin>,
    /// It served another call before, so it may have died meanwhile.
    pub is_reused: bool,
}

impl Origin {
    /// An idle connection. It is always looked at first (without waiting), however fresh it is and
    /// however safe a replay would be: bytes that came behind the last response would be taken for
    /// the next one, which is somebody else's (docs/reference/hardening.md A15).
    pub fn take(self: &Rc<Self>) -> Option<Lease> {
        self.take_idle().map(|stream| self.lease(stream, true))
    }

    /// A new connection, whatever is idle: where none was, or for the one replay after a stale one.
    pub async fn open(self: &Rc<Self>) -> Result<Lease, CallError> {
        if self.opening.get() >= self.transport.opens_max {
            if let Some(stream) = place(self.wait()).await? {
                return Ok(self.lease(stream, true));
            }
        } else {
            self.opening.set(self.opening.get() + 1);
        }
        // From here one of `opening` is ours; the guard gives it back, also when we are dropped.
        let opening = Opening(self);
        failpoint("connect");
        let result = place(dial::connect(self)).await;
        drop(opening);
        match result {
            Ok(stream) => {
                self.refusals.set(0);
                self.rests_until.set(None);
                self.totals.open.set(self.totals.open.get() + 1);
                Ok(self.lease(stream, false))
            }
            Err(error) => {
                // That we have no descriptor or port is no fault of the host.
                if !error.is_ours() {
                    self.rest();
                }
                Err(error)
            }
        }
    }

    /// Whether it refused connections lately and should be stepped over if there is another host.
    pub fn rests(&self, now: Tick) -> bool {
        self.rests_until.get().is_some_and(|until| now < until)
    }

    fn rest(&self) {
        if self.transport.rest.is_zero() {
            return;
        }
        let n = self.refusals.get().min(16);
        self.refusals.set(n + 1);
        let rest = self.transport.rest.saturating_mul(1 << n).min(self.transport.rest_max);
        self.rests_until.set(Some(clock::now() + rest));
    }

    fn lease(self: &Rc<Self>, stream: Stream, is_reused: bool) -> Lease {
        Lease { stream: Some(stream), origin: self.clone(), is_reused }
    }

    fn take_idle(&self) -> Option<Stream> {
        let mut idle = self.idle.borrow_mut();
        if idle.is_empty() {
            return None;
        }
        let now = clock::now();
        while let Some(Idle { stream, since }) = idle.pop() {
            self.totals.idle.set(self.totals.idle.get().saturating_sub(1));
            let age = now - since;
            let too_old = self.transport.idle_timeout.is_some_and(|max| age > max);
            if too_old || stream.is_stale() {
                self.totals.open.set(self.totals.open.get().saturating_sub(1));
                continue;
            }
            return Some(stream);
        }
        None
    }

    fn give_back(&self, stream: Stream) {
        if let Some(waiter) = self.next_waiter() {
            *waiter.stream.borrow_mut() = Some(stream);
            if let Some(waker) = waiter.waker.take() {
                waker.wake();
            }
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let transport = &self.transport;
        if !transport.keeps_alive
            || idle.len() >= transport.idle_max_per_origin
            || self.totals.idle.get() >= transport.idle_max
        {
            self.totals.open.set(self.totals.open.get().saturating_sub(1));
            return;
        }
        self.totals.idle.set(self.totals.idle.get() + 1);
        idle.push(Idle { stream, since: clock::now() });
    }

    fn next_waiter(&self) -> Option<Rc<Waiter>> {
        let mut waiters = self.waiters.borrow_mut();
        while let Some(waiter) = waiters.pop_front() {
            if let Some(waiter) = waiter.upgrade() {
                return Some(waiter);
            }
        }
        None
    }

    /// Waits for a connection that comes back, or (`None`) for leave to open one.
    async fn wait(&self) -> Result<Option<Stream>, CallError> {
        if self.waiters.borrow().len() >= self.transport.waiters_max {
            self.waiters.borrow_mut().retain(|waiter| waiter.strong_count() > 0);
            if self.waiters.borrow().len() >= self.transport.waiters_max {
                return Err(CallError::PoolBusy);
            }
        }
        let waiter = Rc::new(Waiter::default());
        self.waiters.borrow_mut().push_back(Rc::downgrade(&waiter));
        // Dropped while waiting: what was handed to us goes to the next one.
        let handed = Handed { origin: self, waiter };
        poll_fn(|cx| {
            if handed.waiter.may_open.get() || handed.waiter.stream.borrow().is_some() {
                return Poll::Ready(());
            }
            handed.waiter.waker.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
        handed.waiter.may_open.set(false);
        Ok(handed.waiter.stream.borrow_mut().take())
    }

    fn opened(&self) {
        // The right to open passes straight to the next waiter.
        if let Some(waiter) = self.next_waiter() {
            waiter.may_open.set(true);
            if let Some(waker) = waiter.waker.take() {
                waker.wake();
            }
        } else {
            self.opening.set(self.opening.get().saturating_sub(1));
        }
    }

    fn sweep(&self, now: Tick, looks: bool) {
        let max = self.transport.idle_timeout;
        if max.is_none() && !looks {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        let before = idle.len();
        idle.retain(|one| {
            let age = now - one.since;
            let is_over = max.is_some_and(|max| age > max);
            let is_closed = looks && one.stream.is_stale();
            !is_over && !is_closed
        });
        let closed = before - idle.len();
        self.totals.idle.set(self.totals.idle.get().saturating_sub(closed));
        self.totals.open.set(self.totals.open.get().saturating_sub(closed));
    }
}

/// Holds one of `Origin::opening` while a connection is made.
struct Opening<'a>(&'a Rc<Origin>);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.opened();
    }
}

struct Handed<'a> {
    origin: &'a Origin,
    waiter: Rc<Waiter>,
}

impl Drop for Handed<'_> {
    fn drop(&mut self) {
        if self.waiter.may_open.get() {
            self.origin.opened();
        }
        if let Some(stream) = self.waiter.stream.borrow_mut().take() {
            self.origin.give_back(stream);
        }
    }
}

impl Lease {
    /// The connection.
    pub fn stream(&mut self) -> &mut Stream {
        self.stream.as_mut().expect("a lease holds its stream until it is released")
    }

    /// Counts bytes that came.
    pub(super) fn count_received(&self, n: usize) {
        let received = &self.origin.totals.received;
        received.set(received.get() + n as u64);
    }

    /// Counts bytes that left.
    pub(super) fn count_sent(&self, n: u64) {
        let sent = &self.origin.totals.sent;
        sent.set(sent.get() + n);
    }

    /// Whose connection it is.
    pub fn origin(&self) -> &Rc<Origin> {
        &self.origin
    }

    /// Back to the pool: the message ended exactly, and both sides keep the connection.
    pub fn release(mut self) {
        failpoint("release");
        if let Some(stream) = self.stream.take() {
            // A pool that a reload dropped takes nothing back.
            if self.origin.own.strong_count() > 0 {
                self.origin.give_back(stream);
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.stream.is_some() {
            let open = &self.origin.totals.open;
            open.set(open.get().saturating_sub(1));
        }
    }
}

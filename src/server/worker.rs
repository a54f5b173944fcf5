//! A worker: one thread, one ring, its own pools, its own share of the cells. What connections of
//! this thread share stands here; nothing here is shared with another thread.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::admission::{Admission, Load, Steps};
use super::exchange::Exchange;
use crate::net::clock::Tick;
use crate::plan::Plan;
use crate::proxy::{Core, CorePlan};
use crate::telemetry::cells::{BackendLabels, EndpointLabels, Layout, PlanCells};
use crate::telemetry::writer::Lane;

/// Exchanges kept for reuse.
const EXCHANGES_KEPT: usize = 1024;

/// The labels of a plan's cells: its endpoints, then two entries for answers of none of them.
pub fn layout(plan: &Plan) -> Layout {
    let endpoint =
        |method: &str, route: &str| EndpointLabels { method: method.into(), route: route.into() };
    let mut layout = Layout::default();
    for one in &plan.endpoints {
        let labels = endpoint(&one.method, &one.path);
        for backend in &one.backends {
            layout.backends.push(BackendLabels {
                method: backend.method.clone(),
                pattern: backend.url.shown.clone(),
                endpoint: labels.clone(),
            });
        }
        layout.endpoints.push(labels);
    }
    layout.endpoints.push(endpoint("", "builtin"));
    layout.endpoints.push(endpoint("", "unrouted"));
    layout
}

/// The entry of health, debug, echo and OPTIONS.
pub fn builtin_entry(plan: &Plan) -> u32 {
    plan.endpoints.len() as u32
}

/// The entry of 404, 405, redirects, and requests refused before they are routed.
pub fn unrouted_entry(plan: &Plan) -> u32 {
    plan.endpoints.len() as u32 + 1
}

/// One thread's state.
pub struct Worker {
    /// Number of the worker, from 0.
    pub index: usize,
    /// Pools, clocks, cells.
    pub core: Core,
    /// The access log.
    pub lane: Lane,
    /// Whether it takes more.
    pub admission: Admission,
    /// When the process started, for the health route.
    pub started: Tick,
    plan: RefCell<Rc<CorePlan>>,
    // Boxed: an exchange is moved by its pointer only.
    #[allow(clippy::vec_box)]
    exchanges: RefCell<Vec<Box<Exchange>>>,
    n_connections: Cell<usize>,
    is_draining: Cell<bool>,
    /// What connections keep here for their life, by place.
    connections: RefCell<Places>,
    /// The few others who wait: the acceptor, and whoever waits for the last connection to go.
    drain_waiters: RefCell<Vec<Waker>>,
}

/// What connections keep with their worker, by place; free places are used again.
#[derive(Default)]
struct Places {
    all: Vec<Kept>,
    free: Vec<u32>,
}

/// Here and not in the connection's future, which is to be small.
#[derive(Default)]
struct Kept {
    /// Of the connection's task, once it waited.
    waker: Option<Waker>,
    /// The client's address, which counts its connections.
    address: Option<IpAddr>,
}

impl Places {
    fn put(&mut self, address: Option<IpAddr>) -> u32 {
        let kept = Kept { waker: None, address };
        match self.free.pop() {
            Some(place) => {
                self.all[place as usize] = kept;
                place
            }
            None => {
                self.all.push(kept);
                self.all.len() as u32 - 1
            }
        }
    }

    fn give_back(&mut self, place: u32) -> Option<IpAddr> {
        self.free.push(place);
        std::mem::take(&mut self.all[place as usize]).address
    }
}

impl Worker {
    /// A worker that serves `plan`.
    pub fn new(
        index: usize,
        core: Core,
        lane: Lane,
        plan: CorePlan,
        admission: Admission,
        started: Tick,
    ) -> Worker {
        Worker {
            index,
            core,
            lane,
            admission,
            started,
            plan: RefCell::new(Rc::new(plan)),
            exchanges: RefCell::default(),
            n_connections: Cell::new(0),
            is_draining: Cell::new(false),
            connections: RefCell::default(),
            drain_waiters: RefCell::default(),
        }
    }

    /// The plan in force.
    pub fn plan(&self) -> Rc<CorePlan> {
        self.plan.borrow().clone()
    }

    /// Puts another plan in force. Policies' state carries over by name; exchanges in flight keep
    /// the old plan until their answers are written, with the same state.
    pub fn swap(&self, plan: Arc<Plan>, cells: PlanCells) {
        let old = self.plan();
        let locals = old.locals.clone();
        locals.borrow_mut().keep_same(&old.plan.slots, &plan.slots);
        let next = CorePlan::new(plan, cells, locals, self.index as u64 + 1);
        *self.plan.borrow_mut() = Rc::new(next);
    }

    /// An exchange from the pool.
    pub fn exchange(&self) -> Box<Exchange> {
        self.exchanges.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives an exchange back.
    pub fn recycle(&self, mut exchange: Box<Exchange>) {
        let mut exchanges = self.exchanges.borrow_mut();
        if exchanges.len() < EXCHANGES_KEPT {
            exchange.clear();
            exchanges.push(exchange);
        }
    }

    /// Counts a connection from this address for as long as the guard lives.
    pub fn connected(self: &Rc<Self>, address: Option<IpAddr>) -> Connected {
        self.n_connections.set(self.n_connections.get() + 1);
        self.core.cells.up(crate::telemetry::names::Level::ConnectionsOpen);
        self.admission.came(address);
        let place = self.connections.borrow_mut().put(address);
        Connected { worker: self.clone(), place, has_waker: Cell::new(false) }
    }

    /// What the memory asks for.
    pub fn load(&self) -> Load {
        self.admission.load()
    }

    /// Looks at the memory.
    pub fn look_at_memory(&self) {
        self.admission.look(Steps::of(&self.plan.borrow().plan.limits));
    }

    /// Open client connections.
    pub fn n_connections(&self) -> usize {
        self.n_connections.get()
    }

    /// Begins the end: connections close after the answer they are at.
    pub fn drain(&self) {
        self.is_draining.set(true);
        self.wake_connections();
        self.wake_drain_waiters();
    }

    /// Whether connections close after their answer.
    pub fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    /// Ready when draining begins.
    pub async fn draining(&self) {
        poll_fn(|cx| {
            if self.is_draining.get() {
                return Poll::Ready(());
            }
            self.remember(cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Ready when no connection is left.
    pub async fn idle(&self) {
        poll_fn(|cx| {
            if self.n_connections.get() == 0 {
                return Poll::Ready(());
            }
            self.remember(cx.waker());
            Poll::Pending
        })
        .await;
    }

    fn remember(&self, waker: &Waker) {
        let mut waiters = self.drain_waiters.borrow_mut();
        if !waiters.iter().any(|known| known.will_wake(waker)) {
            waiters.push(waker.clone());
        }
    }

    fn wake_drain_waiters(&self) {
        let waiters = std::mem::take(&mut *self.drain_waiters.borrow_mut());
        for waker in waiters {
            waker.wake();
        }
    }

    fn wake_connections(&self) {
        for waker in self.connections.borrow().all.iter().filter_map(|kept| kept.waker.as_ref()) {
            waker.wake_by_ref();
        }
    }
}

/// A counted connection.
pub struct Connected {
    worker: Rc<Worker>,
    /// Its place among what the worker keeps.
    place: u32,
    /// Its task is known, so that draining wakes it.
    has_waker: Cell<bool>,
}

impl Connected {
    /// Its worker.
    pub fn worker(&self) -> &Rc<Worker> {
        &self.worker
    }

    /// Ready when draining begins. Costs no more than a look once the task is known: a connection
    /// is one task for all its life.
    pub fn poll_draining(&self, cx: &Context<'_>) -> Poll<()> {
        if self.worker.is_draining.get() {
            return Poll::Ready(());
        }
        if !self.has_waker.replace(true)
            && let Some(kept) =
                self.worker.connections.borrow_mut().all.get_mut(self.place as usize)
        {
            kept.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let worker = &self.worker;
        let address = worker.connections.borrow_mut().give_back(self.place);
        worker.admission.left(address);
        worker.n_connections.set(worker.n_connections.get().saturating_sub(1));
        worker.core.cells.down(crate::telemetry::names::Level::ConnectionsOpen);
        if worker.is_draining.get() && worker.n_connections.get() == 0 {
            worker.wake_drain_waiters();
        }
    }
}

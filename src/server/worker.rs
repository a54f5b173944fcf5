//! A worker: one thread, one ring, its own pools, its own share of the cells. What connections of
//! this thread share stands here; nothing here is shared with another thread.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

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
    /// The most client connections of this worker.
    pub connections_max: usize,
    /// When the process started, for the health route.
    pub started: Tick,
    plan: RefCell<Rc<CorePlan>>,
    // Boxed: an exchange is moved by its pointer only.
    #[allow(clippy::vec_box)]
    exchanges: RefCell<Vec<Box<Exchange>>>,
    n_connections: Cell<usize>,
    /// Fullness of the memory budget in thousandths, as of the last look.
    pressure: Cell<usize>,
    is_draining: Cell<bool>,
    /// The tasks of connections, by the place that each keeps for its life: what draining wakes.
    connections: RefCell<Places>,
    /// The few others who wait: the acceptor, and whoever waits for the last connection to go.
    drain_waiters: RefCell<Vec<Waker>>,
}

/// Wakers by place; free places are used again.
#[derive(Default)]
struct Places {
    wakers: Vec<Option<Waker>>,
    free: Vec<u32>,
}

impl Places {
    fn put(&mut self, waker: Waker) -> u32 {
        match self.free.pop() {
            Some(place) => {
                self.wakers[place as usize] = Some(waker);
                place
            }
            None => {
                self.wakers.push(Some(waker));
                self.wakers.len() as u32 - 1
            }
        }
    }

    fn give_back(&mut self, place: u32) {
        self.wakers[place as usize] = None;
        self.free.push(place);
    }
}

impl Worker {
    /// A worker that serves `plan`.
    pub fn new(
        index: usize,
        core: Core,
        lane: Lane,
        plan: CorePlan,
        connections_max: usize,
        started: Tick,
    ) -> Worker {
        Worker {
            index,
            core,
            lane,
            connections_max,
            started,
            plan: RefCell::new(Rc::new(plan)),
            exchanges: RefCell::default(),
            n_connections: Cell::new(0),
            pressure: Cell::new(0),
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

    /// Counts a connection for as long as the guard lives.
    pub fn connected(self: &Rc<Self>) -> Connected {
        self.n_connections.set(self.n_connections.get() + 1);
        self.core.cells.up(crate::telemetry::names::Level::ConnectionsOpen);
        Connected { worker: self.clone(), place: Cell::new(None) }
    }

    /// What the fullness of the memory budget asks for.
    pub fn load(&self) -> Load {
        Load::of(self.pressure.get())
    }

    /// Notes how full the memory budget is.
    pub fn set_pressure(&self, thousandths: usize) {
        self.pressure.set(thousandths);
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
        for waker in self.connections.borrow().wakers.iter().flatten() {
            waker.wake_by_ref();
        }
    }
}

/// The steps of an overload (docs/reference/hardening.md section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Load {
    /// Nothing to do.
    Normal,
    /// Connections close after the answer they are at.
    Closing,
    /// Endpoints answer 503.
    Refusing,
    /// No connection is accepted either.
    Full,
}

impl Load {
    /// The step at so many thousandths of the memory budget.
    fn of(thousandths: usize) -> Load {
        match thousandths {
            0..920 => Load::Normal,
            920..950 => Load::Closing,
            950..980 => Load::Refusing,
            _ => Load::Full,
        }
    }
}

/// A counted connection.
pub struct Connected {
    worker: Rc<Worker>,
    /// Its place among the tasks that draining wakes, taken when it first waits.
    place: Cell<Option<u32>>,
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
        if self.place.get().is_none() {
            let place = self.worker.connections.borrow_mut().put(cx.waker().clone());
            self.place.set(Some(place));
        }
        Poll::Pending
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let worker = &self.worker;
        if let Some(place) = self.place.get() {
            worker.connections.borrow_mut().give_back(place);
        }
        worker.n_connections.set(worker.n_connections.get().saturating_sub(1));
        worker.core.cells.down(crate::telemetry::names::Level::ConnectionsOpen);
        if worker.is_draining.get() && worker.n_connections.get() == 0 {
            worker.wake_drain_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_an_overload() {
        for (thousandths, load) in [
            (0, Load::Normal),
            (919, Load::Normal),
            (920, Load::Closing),
            (949, Load::Closing),
            (950, Load::Refusing),
            (980, Load::Full),
            (usize::MAX, Load::Full),
        ] {
            assert_eq!(Load::of(thousandths), load, "{thousandths}");
        }
    }
}

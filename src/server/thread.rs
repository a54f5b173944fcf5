//! A worker's thread: its driver, its listener, its housekeeping, and the commands that reach it.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::admission::{Admission, Caps, Pause};
use super::connection;
use super::prepare::Prepared;
use super::worker::{Worker, layout};
use crate::control::names::Names;
use crate::http::date::DateCache;
use crate::net::clock::{self, Tick};
use crate::net::driver::{self, DriverKind};
use crate::net::listener::{BoundListener, Listener, PeerAddr, is_out_of_fds};
use crate::net::wake::Mailbox;
use crate::net::worker::Core as CpuCore;
use crate::net::{Stream, failpoint, timer};
use crate::proxy::{Core, CorePlan};
use crate::telemetry::names::{Count, Level};
use crate::telemetry::registry::Registry;
use crate::telemetry::writer::{Lane, LogWriter};
use crate::upstream::Upstream;

/// Gauges, pressure, idle connections: looked after this often.
const HOUSEKEEPING: Duration = Duration::from_millis(100);

/// A turn of the loop over this counts as stalled.
const STALL: Duration = Duration::from_millis(10);

/// Turns of the driver within which the accepting task has ended, many times over.
const TURNS_TO_CLOSE: usize = 100;

/// What a worker is told.
pub enum Command {
    /// Serve this from now on.
    Swap(Prepared),
    /// Finish what is in flight and end.
    Drain,
}

/// What a thread is started with.
pub struct Start {
    /// Number of the worker, from 0.
    pub index: usize,
    /// The core to be pinned to.
    pub core: Option<CpuCore>,
    /// The driver that the probe found.
    pub driver: DriverKind,
    /// Its own listener.
    pub listener: BoundListener,
    /// The first plan.
    pub prepared: Prepared,
    /// Resolved names.
    pub names: Arc<Names>,
    /// Cells of the process.
    pub registry: Arc<Registry>,
    /// Its way to the access log.
    pub lane: Lane,
    /// Commands.
    pub mailbox: Mailbox<Command>,
    /// What it may take.
    pub caps: Caps,
    /// When the process started.
    pub started: Tick,
    /// Told once it listens, or why it cannot.
    pub ready: Sender<Result<DriverKind, String>>,
}

/// The thread's life, from its start to the end of its drain.
pub fn run(start: Start) {
    if let Some(core) = start.core {
        // Not pinned is slower, not wrong: a container may forbid it.
        let _ = crate::net::worker::pin(core);
    }
    let ready = start.ready.clone();
    let kind = start.driver;
    if let Err(error) = driver::run(kind, serve(start)) {
        let _ = ready.send(Err(format!("no driver works: {error}")));
    }
}

async fn serve(start: Start) {
    let Start { index, driver, listener, prepared, names, registry, lane, mut mailbox, .. } = start;
    let kind = driver::current().unwrap_or(driver);
    let listener = match listener.adopt() {
        Ok(listener) => Rc::new(listener),
        Err(error) => {
            let _ = start.ready.send(Err(format!("the listener cannot be used: {error}")));
            return;
        }
    };
    let cells = registry.worker(&kind.to_string());
    let layout = Arc::new(layout(&prepared.plan));
    let plan_cells = registry.plan(&layout);
    let plan = CorePlan::new(prepared.plan.clone(), plan_cells, Rc::default(), index as u64 + 1);
    let core = Core {
        upstream: Upstream::new(prepared.transport.clone(), prepared.tls.clone(), names),
        date: RefCell::new(DateCache::new()),
        cells,
    };
    let worker =
        Rc::new(Worker::new(index, core, lane, plan, Admission::new(start.caps), start.started));
    worker.look_at_memory();
    let accepting = Rc::new(Accepting { worker: worker.clone(), listener: listener.clone() });
    crate::net::spawn(lasting(worker.clone(), move || accepting.clone().run()));
    let kept = worker.clone();
    crate::net::spawn(lasting(worker.clone(), move || housekeeping(kept.clone())));
    let _ = start.ready.send(Ok(kind));
    loop {
        match mailbox.recv().await {
            Some(Command::Swap(prepared)) => {
                let layout = Arc::new(super::worker::layout(&prepared.plan));
                let cells = registry.plan(&layout);
                worker.core.upstream.reconfigure(
                    prepared.transport,
                    prepared.tls,
                    &prepared.plan.origins,
                );
                worker.swap(prepared.plan, cells);
            }
            Some(Command::Drain) => worker.drain(),
            // The process is over, or it drains: the last connection ends the thread.
            None => break,
        }
        if worker.is_draining() {
            worker.idle().await;
            break;
        }
    }
    worker.core.upstream.close_idle();
    // A program that goes on without us wants its port back: the accepting task lets go of the
    // listener in its next turn, and the driver closes it in the one after that.
    worker.drain();
    for _ in 0..TURNS_TO_CLOSE {
        if Rc::strong_count(&listener) == 1 {
            break;
        }
        crate::net::yield_now().await;
    }
    drop(listener);
    crate::net::yield_now().await;
    crate::net::yield_now().await;
}

/// A task that a worker cannot be without: after a panic, which may cost the connection that was
/// just accepted, it is made anew.
async fn lasting<F: Future<Output = ()>>(worker: Rc<Worker>, make: impl Fn() -> F) {
    while connection::caught(Box::pin(make())).await.is_none() {
        worker.core.cells.count(Count::Panics, 1);
        timer::sleep_until(clock::now() + worker.admission.next_pause()).await;
    }
}

struct Accepting {
    worker: Rc<Worker>,
    listener: Rc<Listener>,
}

impl Accepting {
    async fn run(self: Rc<Self>) {
        let worker = &self.worker;
        loop {
            // What waits in the queue when the end begins is still taken: closing it would reset it.
            if !worker.is_draining()
                && let Some(why) = worker.admission.pause(worker.n_connections())
            {
                self.pause(why).await;
                continue;
            }
            let accepted = {
                let mut accept = std::pin::pin!(self.listener.accept());
                let mut draining = std::pin::pin!(worker.draining());
                std::future::poll_fn(|cx| {
                    use std::task::Poll;
                    if let Poll::Ready(accepted) = accept.as_mut().poll(cx) {
                        return Poll::Ready(Some(accepted));
                    }
                    draining.as_mut().poll(cx).map(|()| None)
                })
                .await
            };
            match accepted {
                None => return,
                Some(Ok((stream, peer))) => self.accepted(stream, peer),
                Some(Err(error)) if is_out_of_fds(&error) => self.pause(Pause::Files).await,
                Some(Err(_)) => self.pause(Pause::Listener).await,
            }
        }
    }

    /// Nothing is accepted for a moment; nothing is asked of the listener either.
    async fn pause(&self, why: Pause) {
        self.worker.core.cells.count(why.count(), 1);
        timer::sleep_until(clock::now() + self.worker.admission.next_pause()).await;
    }

    fn accepted(&self, stream: Stream, peer: PeerAddr) {
        failpoint("accept");
        let worker = &self.worker;
        worker.core.cells.count(Count::Accepted, 1);
        worker.admission.accepted(stream.is_on_reserve());
        if !worker.admission.admits(peer.ip(), worker.n_connections()) {
            worker.core.cells.count(Count::RefusedPerIp, 1);
            stream.reset();
            return;
        }
        crate::net::spawn(connection::serve(worker.clone(), stream, peer.ip()));
    }
}

/// Keeps gauges and pressure fresh, closes connections that were idle too long, and notes turns of
/// the loop that took too long.
async fn housekeeping(worker: Rc<Worker>) {
    loop {
        let due = clock::now() + HOUSEKEEPING;
        timer::sleep_until(due).await;
        // The wheel itself is up to a tick late; what is beyond that was a turn that ran on.
        if clock::now().since(due) > STALL + timer::RESOLUTION {
            worker.core.cells.count(Count::StalledTurns, 1);
        }
        failpoint("housekeeping");
        worker.look_at_memory();
        let totals = worker.core.upstream.totals();
        worker.core.cells.set(Level::PoolOpen, totals.open.get() as u64);
        worker.core.cells.set(Level::PoolIdle, totals.idle.get() as u64);
        worker.core.cells.count(Count::BackendReceived, totals.received.take());
        worker.core.cells.count(Count::BackendSent, totals.sent.take());
        worker.core.upstream.sweep();
        if worker.is_draining() && worker.n_connections() == 0 {
            return;
        }
    }
}

/// The log's settings as the configuration has them.
pub fn log_settings(service: &crate::config::model::Service) -> crate::telemetry::logger::Settings {
    use crate::config::model::LogLevel;
    use crate::telemetry::logger::{Level as Shown, Settings, Style};
    use std::io::IsTerminal as _;
    let level = match service.logging.level {
        LogLevel::Debug => Shown::Debug,
        LogLevel::Info => Shown::Info,
        LogLevel::Notice => Shown::Notice,
        LogLevel::Warning => Shown::Warning,
        LogLevel::Error => Shown::Error,
        LogLevel::Critical => Shown::Critical,
    };
    let style = match (service.logging.has_block, service.logging.stdout) {
        (false, _) => Style::Basic,
        (true, true) => Style::Pretty { prefix: "".into() },
        (true, false) => Style::Silent,
    };
    Settings { style, level, access_colours: std::io::stdout().is_terminal() }
}

/// Starts the log's thread on standard output.
pub fn log_writer(service: &crate::config::model::Service) -> std::io::Result<LogWriter> {
    LogWriter::start(Box::new(std::io::stdout()), log_settings(service))
}

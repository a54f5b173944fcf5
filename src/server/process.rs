//! The process: what is started in which order, what signals do, how it ends.
//! Source: docs/reference/lura-core.md 6; design: reload, upgrade, shutdown.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::admission::{Caps, PerAddress};
use super::memory::Memory;
use super::prepare::Prepared;
use super::thread::{self, Command, Start, log_settings, log_writer};
use crate::admin::listener::{self as admin, State};
use crate::config::diagnostic::Diagnostics;
use crate::config::model::Service;
use crate::control::signals::{Signal, Signals};
use crate::control::{Control, Options};
use crate::net::driver;
use crate::net::listener::{self, BoundListener};
use crate::net::wake::{MailboxSender, mailbox};
use crate::net::{budget, clock, descriptors, worker};
use crate::plan::Environment;
use crate::plan::policy::{Registration, Slots};
use crate::proxy::outcome::LABELS;
use crate::telemetry::logger::Logger;
use crate::telemetry::names;
use crate::telemetry::registry::{Registry, Tables};
use crate::telemetry::writer::RING_BYTES;

use super::connection::CLOSE_REASONS;

/// Connections waiting to be accepted, per worker.
const BACKLOG: i32 = 4096;

/// Percent of the open files that clients may have, since a connection may need one to a backend.
const CLIENTS_SHARE: u64 = 45;

/// Connections of clients that are always possible.
const CONNECTIONS_LEAST: u64 = 16;

/// How often the end of a drain is looked for.
const DRAIN_POLL: Duration = Duration::from_millis(20);

/// A configuration that was read again.
pub struct Reread {
    /// The service; `None` when the file is refused.
    pub service: Option<Service>,
    /// What was found, as text for the log.
    pub problems: Vec<String>,
}

/// Reads the configuration again, for reloads.
pub type Reader = Box<dyn Fn(&Verify<'_>) -> Result<Reread, String> + Send>;

/// Looks further than the model can, as `run` will.
pub type Verify<'a> = dyn Fn(&Service, &mut Diagnostics) + 'a;

/// What the process is started with.
pub struct Launch {
    /// The configuration.
    pub service: Service,
    /// The ordered list of policies.
    pub registrations: Vec<Registration>,
    /// `RINGWAY_DRIVER`.
    pub driver: Option<String>,
    /// For SIGHUP; `None`: the configuration is not a file.
    pub reader: Option<Reader>,
    /// Who asks for a reload and for the end.
    pub steering: Steering,
    /// Told the port once it listens.
    pub listening: Option<Box<dyn FnOnce(u16) + Send>>,
}

/// Who asks for a reload and for the end.
pub enum Steering {
    /// SIGHUP, SIGTERM, SIGINT.
    Signals,
    /// The program that embeds the gateway; its signals stay its own. A sender that is gone means
    /// the end too.
    Channel(Receiver<Signal>),
}

/// Why the process did not come up.
#[derive(Debug)]
pub struct StartError(pub String);

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// How many workers a configuration gets on this machine.
pub fn n_workers(service: &Service) -> usize {
    service.ringway.workers.unwrap_or_else(worker::default_count).max(1)
}

struct Running {
    senders: Vec<MailboxSender<Command>>,
    threads: Vec<std::thread::JoinHandle<()>>,
    registry: Arc<Registry>,
    state: Arc<State>,
    logger: Logger,
    log: crate::telemetry::writer::LogWriter,
    workers: usize,
    generation: u64,
    /// Names of the policies' state in the plan in force.
    slots: Slots,
    max_wait: Duration,
    /// What is in force.
    prepared: Prepared,
    memory: Memory,
}

/// Serves until a signal ends it.
pub fn run(launch: Launch) -> Result<(), StartError> {
    let started = clock::now();
    let Launch { service, registrations, driver, reader, steering, listening } = launch;
    let n_fds = worker::raise_nofile().unwrap_or(1024);
    let workers = n_workers(&service);
    let mut found = Diagnostics::default();
    let environment = Environment { workers, slots: None };
    let prepared = super::prepare(&service, &registrations, environment, 1, &mut found)
        .ok_or_else(|| StartError("the configuration is refused; see `ringway check`".into()))?;
    descriptors::reserve(n_fds, u64::from(service.limits.reserved_files));
    let log = log_writer(&service)
        .map_err(|error| StartError(format!("the log's thread does not start: {error}")))?;
    let logger = log.logger();
    if let Some(other) =
        driver.as_deref().filter(|d| !matches!(*d, "" | "epoll" | "io_uring" | "monoio"))
    {
        return Err(StartError(format!(
            "RINGWAY_DRIVER is {other:?}; allowed: \"epoll\", \"io_uring\", \"monoio\", or not set"
        )));
    }
    let (kind, falls) = driver::probe(driver.as_deref());
    // One line says which driver it is: the reason of the last fall, or this one.
    let driver_line = falls.is_empty();
    for fall in falls {
        logger.warning(format_args!("[SERVICE: Ringway] {fall}"));
    }
    warn_of_proxies(&logger);
    let control = Control::start(Options::default())
        .map_err(|error| StartError(format!("the control thread does not start: {error}")))?;
    let (_handlers, signals) = match steering {
        Steering::Channel(asked) => (None, asked),
        Steering::Signals => {
            let (handlers, sender, signals) = Signals::start()
                .map_err(|error| StartError(format!("no signal handlers: {error}")))?;
            (Some((handlers, sender)), signals)
        }
    };
    let registry = Registry::new(Tables { outcomes: LABELS, close_reasons: CLOSE_REASONS });
    registry.set_generation(1);
    observe(&registry, &control);
    let memory = Memory::start(&service, &control.handle(), &registry, &logger);
    log.observe(&registry);
    let state = Arc::new(State::new(registry.clone()));
    if let Some(address) = &service.ringway.admin {
        admin::start(address, state.clone(), &control.handle())
            .map_err(|error| StartError(format!("ringway.admin: {error}")))?;
    }
    let listeners = bind(&service, workers)?;
    // From here the kernel takes connections for us.
    state.set_ready(true);
    let port = listeners.first().and_then(BoundListener::port).unwrap_or(service.port);
    let per_address = match service.limits.connections_per_ip {
        None => PerAddress::Automatic,
        Some(0) => PerAddress::Unbounded,
        Some(max) => PerAddress::AtMost((max as usize).div_ceil(workers)),
    };
    let connections = connections_max(&service, n_fds, &logger).div_ceil(workers);
    let caps = Caps { n_workers: workers, connections, per_address };
    let cores = worker::allowed_cores();
    let (ready, arrived) = channel();
    let mut running = Running {
        senders: Vec::new(),
        threads: Vec::new(),
        registry: registry.clone(),
        state: state.clone(),
        logger: logger.clone(),
        log,
        workers,
        generation: 1,
        slots: prepared.plan.slots.clone(),
        prepared: prepared.clone(),
        memory,
        max_wait: service.max_shutdown_wait_time,
    };
    for (index, listener) in listeners.into_iter().enumerate() {
        let (sender, mailbox) = mailbox(16);
        let start = Start {
            index,
            core: (workers <= cores.len()).then(|| cores[index]),
            driver: kind,
            listener,
            prepared: prepared.clone(),
            names: control.names().clone(),
            registry: registry.clone(),
            lane: running.log.lane(RING_BYTES),
            mailbox,
            caps,
            started,
            ready: ready.clone(),
        };
        let thread = std::thread::Builder::new()
            .name(format!("ringway-{index}"))
            .spawn(move || thread::run(start))
            .map_err(|error| StartError(format!("worker {index} does not start: {error}")))?;
        running.senders.push(sender);
        running.threads.push(thread);
    }
    drop(ready);
    for _ in 0..workers {
        match arrived.recv() {
            Ok(Ok(_)) => {}
            Ok(Err(why)) => return Err(StartError(why)),
            Err(_) => return Err(StartError("a worker ended while it started".into())),
        }
    }
    if driver_line {
        logger.info(format_args!("[SERVICE: Ringway] {workers} workers on {kind}"));
    }
    logger.info(format_args!("[SERVICE: Gin] Listening on port: {port}"));
    if let Some(listening) = listening {
        listening(port);
    }
    while let Ok(Signal::Reload) = signals.recv() {
        running.reload(&registrations, reader.as_ref());
    }
    logger.info("[SERVICE: Ringway] Asked to stop: finishing what is in flight");
    running.drain(&signals);
    Ok(())
}

fn bind(service: &Service, workers: usize) -> Result<Vec<BoundListener>, StartError> {
    let failed = |port: u16, error: std::io::Error| {
        let address = service.listen_ip.map_or_else(|| "*".into(), |ip| ip.to_string());
        StartError(format!("cannot listen on {address}:{port}: {error}"))
    };
    // Another process that also sets SO_REUSEPORT would share our port in silence: a listener
    // without it finds that out first.
    if service.port != 0 {
        listener::probe(service.listen_ip, service.port)
            .map_err(|error| failed(service.port, error))?;
    }
    let first = listener::bind(service.listen_ip, service.port, BACKLOG)
        .map_err(|error| failed(service.port, error))?;
    let port = first.port().unwrap_or(service.port);
    let mut listeners = vec![first];
    for _ in 1..workers {
        let next = listener::bind(service.listen_ip, port, BACKLOG);
        listeners.push(next.map_err(|error| failed(port, error))?);
    }
    Ok(listeners)
}

/// Client connections of the process: what the file says, never more than the open files allow.
fn connections_max(service: &Service, n_fds: u64, logger: &Logger) -> usize {
    let reserved = u64::from(service.limits.reserved_files);
    let most = (n_fds.saturating_sub(reserved) * CLIENTS_SHARE / 100).max(CONNECTIONS_LEAST);
    let wanted = service.limits.connections.map_or(most, u64::from);
    if wanted > most {
        logger.warning(format_args!(
            "[SERVICE: Ringway] limits.connections is {wanted}, but {n_fds} open files are enough \
             for {most}: raise the limit of open files"
        ));
    }
    usize::try_from(wanted.min(most)).unwrap_or(usize::MAX)
}

/// KrakenD's transport honours these; ours does not yet, and says so once.
fn warn_of_proxies(logger: &Logger) {
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"];
    let set: Vec<&str> = names
        .into_iter()
        .filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
        .collect();
    if !set.is_empty() {
        logger.warning(format_args!(
            "[SERVICE: Ringway] {} set, but backends are called directly: proxies of the \
             environment are not used",
            set.join(", ")
        ));
    }
}

fn observe(registry: &Registry, control: &Control) {
    registry.observe(&names::BUDGET_CHARGED, "", Box::new(|| budget::used() as u64));
    registry.observe(&names::PANICS, "", Box::new(crate::net::task::panics));
    let resolved = control.names().clone();
    registry.observe(&names::NAME_LOOKUPS, "asked", Box::new(move || resolved.asked()));
    let resolved = control.names().clone();
    registry.observe(&names::NAME_LOOKUPS, "failed", Box::new(move || resolved.failed()));
    let handle = control.handle();
    registry.observe(&names::TASK_RESTARTS, "", Box::new(move || handle.restarts()));
}

impl Running {
    /// A new plan for all workers, or the reasons why the old one stays.
    fn reload(&mut self, registrations: &[Registration], reader: Option<&Reader>) {
        let Some(reader) = reader else {
            self.logger.warning("[SERVICE: Ringway] Reload: the configuration is not a file");
            return;
        };
        let (workers, slots) = (self.workers, self.slots.clone());
        let next = self.generation + 1;
        let prepared = std::cell::RefCell::new(None);
        let verify = |service: &Service, found: &mut Diagnostics| {
            let environment = Environment { workers, slots: Some(&slots) };
            *prepared.borrow_mut() =
                super::prepare(service, registrations, environment, next, found);
        };
        let reread = match reader(&verify) {
            Ok(reread) => reread,
            Err(why) => Reread { service: None, problems: vec![why] },
        };
        let prepared: Option<Prepared> = prepared.take();
        let (Some(service), Some(mut prepared)) = (reread.service, prepared) else {
            self.registry.reload_failed();
            for problem in &reread.problems {
                self.logger.error(format_args!("[SERVICE: Ringway] Reload: {problem}"));
            }
            self.logger.error(
                "[SERVICE: Ringway] Reload refused: the configuration before it stays in force",
            );
            return;
        };
        for problem in &reread.problems {
            self.logger.warning(format_args!("[SERVICE: Ringway] Reload: {problem}"));
        }
        self.log.set(log_settings(&service));
        self.memory.set(&service);
        self.max_wait = service.max_shutdown_wait_time;
        prepared.keep_from(&self.prepared);
        for sender in &self.senders {
            let mut command = Command::Swap(prepared.clone());
            // A full mailbox empties as soon as its worker turns.
            while let Err(crate::net::wake::Refused::Full(back)) = sender.try_send(command) {
                command = back;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        self.generation = next;
        self.slots = prepared.plan.slots.clone();
        self.prepared = prepared;
        self.registry.set_generation(next);
        self.registry.reloaded();
        self.logger.info(format_args!(
            "[SERVICE: Ringway] Reload: plan {next} in force, {} endpoints",
            service.endpoints.len()
        ));
    }

    /// Readiness off, no new connections, what is in flight may finish within the limit. A second
    /// signal ends it at once.
    fn drain(self, signals: &Receiver<Signal>) {
        self.state.set_ready(false);
        for sender in &self.senders {
            let _ = sender.try_send(Command::Drain);
        }
        let until = Instant::now() + self.max_wait;
        while self.threads.iter().any(|thread| !thread.is_finished()) {
            if Instant::now() >= until {
                self.logger.error("[SERVICE: Gin] context deadline exceeded");
                break;
            }
            match signals.recv_timeout(DRAIN_POLL) {
                Ok(Signal::Stop) => {
                    self.logger.warning("[SERVICE: Ringway] Asked again: ending at once");
                    break;
                }
                Ok(Signal::Reload) | Err(RecvTimeoutError::Timeout) => {}
                // The embedding program has nothing more to say: no reason to hurry.
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(DRAIN_POLL),
            }
        }
        self.logger.info("[SERVICE: Gin] Router execution ended");
        self.log.finish(Duration::from_secs(1));
    }
}

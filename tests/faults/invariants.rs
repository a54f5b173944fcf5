//! What holds after every fault, whatever it was (docs/reference/hardening.md 4): the process lives,
//! a canary on another backend is answered, descriptors and charged memory are back, no connection
//! to a backend is lost between pool and call, each request has one line and one count, and each
//! answer belongs to its request.

use crate::support::backend::Plan;
use crate::support::metrics::{CHARGED_BYTES, Metrics, REQUESTS};
use crate::support::{
    Answer, Backend, Connection, Gateway, GatewayBuilder, Recorded, Response, answer, backend_with,
    call, gateway, ms, process, until,
};
use std::cell::Cell;
use std::time::Duration;

/// How long the canary may take while something else is broken.
const CANARY: Duration = Duration::from_secs(2);

/// Blocks that connections kept open may hold for their next read.
const SLACK_BYTES: f64 = 64.0 * 1024.0;

/// The pair of sockets by which a worker lets its driver work, made when it first has to.
const LAZY_FILES: usize = 2;

/// The two profiles: `krakend` answers 500 to nearly everything, `safe` tells the cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Krakend,
    Safe,
}

impl Profile {
    pub const BOTH: [Profile; 2] = [Profile::Krakend, Profile::Safe];

    /// The status of a failure whose status under `rfc` this is.
    pub fn status(self, rfc: u16) -> u16 {
        match self {
            Profile::Krakend => 500,
            Profile::Safe => rfc,
        }
    }

    /// A gateway of this profile with one worker.
    pub fn gateway(self) -> GatewayBuilder {
        let name = match self {
            Profile::Krakend => "krakend",
            Profile::Safe => "safe",
        };
        gateway().one_worker().ringway("profile", name)
    }
}

/// A gateway under test with its canary and what it held when nothing had happened yet.
pub struct Site {
    pub gw: Gateway,
    _canary: Backend,
    files: usize,
    charged: f64,
    /// Requests that the gateway answered, as this test knows them.
    answered: Cell<u64>,
    asked: Cell<u64>,
}

/// A backend whose JSON answers name the `id` of the query.
pub fn honest() -> Backend {
    answering(|id| answer(200).body(format!(r#"{{"id":"{id}"}}"#)))
}

/// A backend that answers each request as this makes of its `id`.
pub fn answering(make: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Backend {
    backend_with(move |request| Plan::of(make(&id_of(request)), request))
}

/// The value of `id` in a recorded target.
pub fn id_of(request: &Recorded) -> String {
    let query = request.target.split_once('?').map_or("", |(_, query)| query);
    let id = query.split('&').find_map(|pair| pair.strip_prefix("id="));
    id.unwrap_or_default().to_owned()
}

impl Site {
    /// Adds the canary and the admin listener, starts, and notes what is held at rest.
    #[track_caller]
    pub fn start(builder: GatewayBuilder) -> Site {
        let canary = honest();
        let gw = builder
            .admin()
            .endpoint("/canary", [call(&canary, "/canary")])
            .input_query_strings(&["id"])
            .start();
        let site = Site {
            gw,
            _canary: canary,
            files: 0,
            charged: 0.0,
            answered: Cell::new(0),
            asked: Cell::new(0),
        };
        site.canary();
        site.canary();
        let (mut files, mut charged) = (0, 0.0);
        // The connections of the start and of these two are closed in their own time.
        until("it is at rest", || {
            let metrics = site.gw.metrics();
            let before = files;
            files = site.files(&metrics);
            charged = metrics.sum(CHARGED_BYTES, &[]);
            metrics.sum("ringway_connections_open", &[]) == 0.0 && files == before
        });
        Site { files, charged, ..site }
    }

    /// Descriptors without those of connections to backends, which are kept on purpose.
    fn files(&self, metrics: &Metrics) -> usize {
        let pooled = metrics.sum("ringway_pool_connections", &["state=\"open\""]);
        // The connection that asked for the metrics closes in its own time.
        let counts = (0..5).map(|_| {
            std::thread::sleep(ms(2));
            process::open_files(self.gw.pid())
        });
        counts.min().unwrap_or_default().saturating_sub(pooled as usize)
    }

    /// A number that no other request of this site has.
    pub fn next_id(&self) -> String {
        self.asked.set(self.asked.get() + 1);
        format!("n{}", self.asked.get())
    }

    /// Says that the gateway answered so many requests that went past [`Site::ask`].
    pub fn counts(&self, n: u64) {
        self.answered.set(self.answered.get() + n);
    }

    /// A GET on a connection of its own.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.counts(1);
        self.gw.get(target)
    }

    #[track_caller]
    pub fn send(&self, request: impl AsRef<[u8]>) -> Response {
        self.counts(1);
        self.gw.send(request)
    }

    /// Asks an honest endpoint and wants its own answer.
    #[track_caller]
    pub fn honest(&self, path: &str) {
        let id = self.next_id();
        self.get(&format!("{path}?id={id}")).status(200).body(format!(r#"{{"id":"{id}"}}"#));
    }

    /// The canary answers in time, and with its own answer.
    #[track_caller]
    pub fn canary(&self) {
        self.counts(1);
        let id = self.next_id();
        let mut client = Connection::open(self.gw.address);
        client.patience(CANARY);
        client
            .send(format!("GET /canary?id={id} HTTP/1.1\r\nHost: gw\r\n\r\n"))
            .status(200)
            .body(format!(r#"{{"id":"{id}"}}"#));
    }

    /// How often a route ended so.
    pub fn outcomes(&self, route: &str, outcome: &str) -> u64 {
        let labels = [format!("route=\"{route}\""), format!("outcome=\"{outcome}\"")];
        self.gw.metrics().sum(REQUESTS, &[&labels[0], &labels[1]]) as u64
    }

    /// A request is counted when its answer is on its way: a moment after the client has it.
    #[track_caller]
    pub fn counted(&self, route: &str, outcome: &str, n: u64) {
        let mut seen = Vec::new();
        let end = std::time::Instant::now() + crate::support::PATIENCE;
        while std::time::Instant::now() < end {
            let page = self.gw.admin_get("/metrics");
            let page = String::from_utf8_lossy(&page.bytes).into_owned();
            let of_route = format!("route=\"{route}\"");
            seen = page
                .lines()
                .filter(|line| line.starts_with(REQUESTS) && line.contains(&of_route))
                .map(str::to_owned)
                .collect();
            if self.outcomes(route, outcome) == n {
                return;
            }
            std::thread::sleep(ms(5));
        }
        panic!("{route} ended {n} times as {outcome}? {seen:#?}");
    }

    /// Lines of the access log so far.
    pub fn lines(&self) -> usize {
        self.gw.stdout().lines().filter(|line| line.starts_with("[GIN]")).count()
    }

    /// Everything that must hold once the fault is over.
    #[track_caller]
    pub fn settled(&mut self) {
        self.settles(true);
    }

    /// The same where nobody can know how many requests were complete: a count for each line.
    #[track_caller]
    pub fn settled_whatever_was_answered(&mut self) {
        self.settles(false);
    }

    #[track_caller]
    fn settles(&mut self, knows: bool) {
        assert!(self.gw.is_alive(), "the gateway ended\n{}", self.gw.log());
        self.canary();
        let wanted = self.answered.get() as f64;
        let (files, charged) = (self.files, self.charged);
        let mut state = String::new();
        let end = std::time::Instant::now() + crate::support::PATIENCE;
        loop {
            let metrics = self.gw.metrics();
            let pool = |state: &str| metrics.sum("ringway_pool_connections", &[state]);
            let (open, idle) = (pool("state=\"open\""), pool("state=\"idle\""));
            let clients = metrics.sum("ringway_connections_open", &[]);
            let counted = metrics.sum(REQUESTS, &[]);
            let bytes = metrics.sum(CHARGED_BYTES, &[]);
            let dropped = metrics.sum("ringway_log_dropped_total", &[]);
            let lines = self.lines() as f64 + dropped;
            let now = self.files(&metrics);
            let is_settled = clients == 0.0
                && open == idle
                && now <= files + LAZY_FILES
                && bytes <= charged + SLACK_BYTES
                && lines == counted
                && (!knows || counted == wanted);
            if is_settled {
                return;
            }
            if std::time::Instant::now() > end {
                break;
            }
            state = format!(
                "client connections: {clients}\nto backends: {open} open, {idle} idle\n\
                 descriptors: {now}, at first {files}\ncharged: {bytes}, at first {charged}\n\
                 requests: {counted} counted, {lines} logged, {wanted} sent"
            );
            std::thread::sleep(ms(10));
        }
        let open = process::open_file_names(self.gw.pid()).join(" ");
        panic!("the gateway does not come to rest:\n{state}\n{open}");
    }
}

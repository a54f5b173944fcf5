//! The root object: what the whole gateway shares. Source: docs/reference/lura-core.md 1.3.

use super::backend::ServiceHosts;
use super::endpoint::Inherited;
use super::extra::Extra;
use super::{
    Behaviour, Endpoint, ExtraBlock, Limits, Logging, OutputEncoding, Profile, Reading, Ringway,
    Router, ServerTimeouts, TIMEOUT_MAX, TTL_MAX, TlsClient, Transport,
};
use crate::config::host::Host;
use crate::config::known::{Level, Scope, check_keys, check_own_keys};
use crate::config::node::{Node, NodeId, Tree};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The whole configuration, checked and with every default filled in.
#[derive(Clone, Debug)]
pub struct Service {
    /// The tree that the ids of this model belong to.
    pub tree: Arc<Tree>,
    /// `name`: shown in logs and by `check`; no effect.
    pub name: String,
    /// `port`: 1 to 65535, default 8080 (also for 0).
    pub port: u16,
    /// `listen_ip`: an IP literal; absent or empty: all interfaces, IPv6 and IPv4.
    pub listen_ip: Option<IpAddr>,
    /// `timeout`: the endpoints' default, 2 s. Endpoints have it resolved already.
    pub timeout: Duration,
    /// `cache_ttl`: the endpoints' default; zero: no `Cache-Control`.
    pub cache_ttl: Duration,
    /// `read_timeout`, `write_timeout`, `idle_timeout`, `read_header_timeout`.
    pub server: ServerTimeouts,
    /// How backends are called: connections, time limits.
    pub transport: Transport,
    /// `client_tls`: TLS towards backends; `None`: TLS 1.2 and 1.3, the system's roots.
    pub client_tls: Option<TlsClient>,
    /// `disable_rest`: the relaxed syntax of placeholders in endpoint paths.
    pub disable_rest: bool,
    /// `debug_endpoint`: `/__debug/*` answers and logs what it received.
    pub debug_endpoint: bool,
    /// `echo_endpoint`: `/__echo/*` answers with what it received.
    pub echo_endpoint: bool,
    /// `max_shutdown_wait_time`: how long requests in flight may finish; default 30 s.
    pub max_shutdown_wait_time: Duration,
    /// `extra_config.router`.
    pub router: Router,
    /// `extra_config.telemetry/logging`.
    pub logging: Logging,
    /// `extra_config.ringway`: what belongs to the process.
    pub ringway: Ringway,
    /// `extra_config.ringway.limits`, with KrakenD's own keys applied.
    pub limits: Limits,
    /// The profile and its switches; endpoints and backends carry their own resolved copy.
    pub behaviour: Behaviour,
    /// `endpoints`, in the order of the file.
    pub endpoints: Vec<Endpoint>,
    /// Every other known block of the service's `extra_config`.
    pub extra: Vec<ExtraBlock>,
}

impl Service {
    /// The node of an id kept in this model: to report a problem at its place.
    pub fn node(&self, id: NodeId) -> Node<'_> {
        self.tree.at(id)
    }
}

/// The endpoints' time when nobody says otherwise.
const TIMEOUT: Duration = Duration::from_secs(2);
/// How long requests in flight may finish when nobody says otherwise.
const SHUTDOWN: Duration = Duration::from_secs(30);

impl Service {
    /// Reads the whole tree. `None` when the root is not an object; otherwise the problems decide.
    pub(in crate::config) fn read(reading: &mut Reading<'_>) -> Option<Service> {
        let tree = Arc::clone(reading.tree);
        let root = tree.root();
        if !root.expect_table(reading.found) {
            return None;
        }
        check_version(root, reading);
        check_keys(root, Scope::Root, reading.found);
        // Read for its type alone; it acts with service discovery only.
        root.duration("dns_cache_ttl", TIMEOUT_MAX, reading.found);
        let extra = Extra::of(root, Level::Service, reading);
        let own = extra
            .block("ringway")
            .filter(|block| check_own_keys(*block, Scope::Ringway, reading.found));
        let profile = Profile::read(own, reading.found);
        let mut behaviour = Behaviour::of(profile);
        let mut ringway = Ringway::default();
        if let Some(block) = own {
            behaviour = behaviour.read(block, reading.found);
            ringway = Ringway::read(block, reading.found);
        }
        let mut router = Router::new(profile == Profile::Krakend);
        if let Some(block) = extra.object("router", reading) {
            router = router.read(block, reading.found);
        }
        let logging = match extra.object("telemetry/logging", reading) {
            Some(block) => Logging::read(block, reading.found),
            None => Logging::default(),
        };
        let server = ServerTimeouts::read(root, reading.found);
        let limits_block = own.and_then(|block| block.get("limits"));
        let limits = Limits::read(root, limits_block, &server, reading.found);
        let transport = Transport::read(root, reading.found);
        let client_tls = TlsClient::read(root, reading);
        let found = &mut *reading.found;
        let port = root.number_in("port", 0..=u16::MAX, found).filter(|port| *port != 0);
        let listen_ip = read_listen_ip(root, reading);
        let found = &mut *reading.found;
        let some = |time: &Duration| !time.is_zero();
        let timeout = root.duration("timeout", TIMEOUT_MAX, found).filter(some).unwrap_or(TIMEOUT);
        let cache_ttl = root.duration("cache_ttl", TTL_MAX, found).unwrap_or_default();
        let shutdown = root.duration("max_shutdown_wait_time", TIMEOUT_MAX, found).filter(some);
        let written: Vec<_> = root.get("host").into_iter().flat_map(Node::elements).collect();
        let hosts: Vec<_> = written.iter().filter_map(|node| Host::cleaned(*node, found)).collect();
        let output: String = root.field("output_encoding", found).unwrap_or_default();
        if let Some(node) = root.get("output_encoding") {
            OutputEncoding::check(node, &output, None, found);
        }
        let inherited = Inherited {
            timeout,
            cache_ttl,
            hosts: ServiceHosts { list: &hosts, n_written: written.len() },
            output_encoding: &output,
            disable_rest: root.field("disable_rest", found).unwrap_or(false),
            behaviour,
        };
        let endpoints = read_endpoints(root, &inherited, reading);
        check_duplicates(&tree, &endpoints, &router, reading);
        let found = &mut *reading.found;
        Some(Service {
            name: root.field("name", found).unwrap_or_default(),
            port: port.unwrap_or(8080),
            listen_ip,
            timeout,
            cache_ttl,
            server,
            transport,
            client_tls,
            disable_rest: inherited.disable_rest,
            debug_endpoint: root.field("debug_endpoint", found).unwrap_or(false),
            echo_endpoint: root.field("echo_endpoint", found).unwrap_or(false),
            max_shutdown_wait_time: shutdown.unwrap_or(SHUTDOWN),
            router,
            logging,
            ringway,
            limits,
            behaviour,
            endpoints,
            extra: extra.rest(reading),
            tree,
        })
    }
}

fn check_version(root: Node<'_>, reading: &mut Reading<'_>) {
    const VERSION: i64 = 3;
    let node = root.get("version");
    let version = match node {
        None => 0,
        Some(node) => match node.read(reading.found) {
            Some(version) => version,
            None => return,
        },
    };
    if version != VERSION {
        reading
            .found
            .error(
                node.unwrap_or(root),
                format!("unsupported version: {version} (want: {VERSION})"),
            )
            .allowed("\"version\": 3");
    }
}

fn read_listen_ip(root: Node<'_>, reading: &mut Reading<'_>) -> Option<IpAddr> {
    let node = root.get("listen_ip")?;
    let text: String = node.read(reading.found)?;
    if text.is_empty() {
        return None;
    }
    let ip = text.parse().ok();
    if ip.is_none() {
        reading
            .found
            .error(node, format!("invalid ip address {text}"))
            .allowed("an address such as \"127.0.0.1\" or \"::1\"");
    }
    ip
}

fn read_endpoints(
    root: Node<'_>,
    inherited: &Inherited<'_>,
    reading: &mut Reading<'_>,
) -> Vec<Endpoint> {
    let list: Vec<_> = root.get("endpoints").into_iter().flat_map(Node::elements).collect();
    if list.is_empty() {
        let at = root.get("endpoints").unwrap_or(root);
        reading.found.warn(at, "no endpoints: every request is answered with 404");
    }
    list.into_iter().filter_map(|node| Endpoint::read(node, inherited, reading)).collect()
}

/// The same method and path twice, after cleaning. Conflicts of parameters are the router's to
/// find. KrakenD panics at start.
fn check_duplicates(
    tree: &Tree,
    endpoints: &[Endpoint],
    router: &Router,
    reading: &mut Reading<'_>,
) {
    let mut seen: HashMap<_, &Endpoint, foldhash::fast::RandomState> = HashMap::default();
    for endpoint in endpoints {
        let (method, route) = (endpoint.method, endpoint.path.route.as_str());
        if !router.disable_health
            && method == super::Method::Get
            && route == router.health_path.as_str()
        {
            let words = format!("GET {route} is the health route");
            reading.found.error(tree.at(endpoint.path_at), words);
        }
        if let Some(first) = seen.get(&(method, route)) {
            let words = format!("{} {route} is there twice", method.as_str());
            reading
                .found
                .error(tree.at(endpoint.path_at), words)
                .also(tree.at(first.path_at), "the first one is here")
                .help("each path may have each method once");
        } else {
            seen.insert((method, route), endpoint);
        }
    }
}

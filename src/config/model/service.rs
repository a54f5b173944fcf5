//! The root object: what the whole gateway shares. Source: docs/reference/lura-core.md 1.3.

use super::{
    Behaviour, Endpoint, ExtraBlock, Limits, Logging, Ringway, Router, ServerTimeouts, TlsClient,
    Transport,
};
use crate::config::node::{Node, NodeId, Tree};
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

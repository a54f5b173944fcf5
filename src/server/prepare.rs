//! From a checked configuration to what the workers take over: plan, transport, TLS. `check` and
//! `run` both come through here, so that they accept and refuse the same files.

use std::sync::Arc;
use std::time::Duration;

use crate::config::diagnostic::Diagnostics;
use crate::config::host::Scheme;
use crate::config::model::{self, NamedFile, Service};
use crate::net::tls::{ClientCertificate, TlsClientConfig, TlsClientOptions, TlsVersion};
use crate::plan::policy::Registration;
use crate::plan::{Environment, Plan, compile};
use crate::upstream::Transport;

/// What a worker needs to serve a configuration.
#[derive(Clone)]
pub struct Prepared {
    /// The plan.
    pub plan: Arc<Plan>,
    /// How backends are called, for one worker.
    pub transport: Transport,
    /// The client side of TLS, where a backend needs it.
    pub tls: Option<Arc<TlsClientConfig>>,
    /// What it was made of: the same again keeps the connections that were made with it.
    pub tls_options: Arc<TlsClientOptions>,
}

impl Prepared {
    /// Takes over what did not change, so that pools carry over a reload.
    pub fn keep_from(&mut self, before: &Prepared) {
        if self.tls_options == before.tls_options && before.tls.is_some() {
            self.tls = before.tls.clone();
        }
    }
}

/// Compiles a service. Problems go into `found`; with an error among them
/// there is nothing to serve.
pub fn prepare(
    service: &Service,
    registrations: &[Registration],
    environment: Environment<'_>,
    generation: u64,
    found: &mut Diagnostics,
) -> Option<Prepared> {
    // A redirect may lead to https although no host says so: the default then serves it.
    let tls_options = match &service.client_tls {
        Some(tls) => options(tls),
        None => TlsClientOptions::default(),
    };
    let tls = tls(service, &tls_options, found);
    let mut plan = compile(service, registrations, environment, found)?;
    plan.generation = generation;
    if found.has_errors() {
        return None;
    }
    let transport = transport(service, environment.workers);
    let tls_options = Arc::new(tls_options);
    Some(Prepared { plan: Arc::new(plan), transport, tls, tls_options })
}

fn tls(
    service: &Service,
    options: &TlsClientOptions,
    found: &mut Diagnostics,
) -> Option<Arc<TlsClientConfig>> {
    let needs_tls = service
        .endpoints
        .iter()
        .flat_map(|endpoint| &endpoint.backends)
        .flat_map(|backend| &backend.hosts)
        .any(|host| host.scheme == Scheme::Https);
    match (TlsClientConfig::build(options), &service.client_tls) {
        (Ok(config), _) => Some(Arc::new(config)),
        (Err(error), Some(tls)) => {
            found.error(service.node(tls.at), format!("client_tls cannot work: {error}"));
            None
        }
        (Err(error), None) if needs_tls => {
            let root = service.node(crate::config::node::NodeId::ROOT);
            found.error(root, format!("https backends cannot be called: {error}")).help(
                "install the system's CA certificates, or name a file in client_tls.ca_certs",
            );
            None
        }
        (Err(_), None) => None,
    }
}

fn options(tls: &model::TlsClient) -> TlsClientOptions {
    let version = |version: model::TlsVersion| match version {
        model::TlsVersion::Tls12 => TlsVersion::Tls12,
        model::TlsVersion::Tls13 => TlsVersion::Tls13,
    };
    let content = |file: &NamedFile| file.content.as_ref().map(|bytes| bytes.to_vec());
    TlsClientOptions {
        insecure: tls.allow_insecure_connections,
        ca_certs: tls.ca_certs.iter().filter_map(content).collect(),
        disable_system_ca_pool: tls.disable_system_ca_pool,
        min_version: Some(version(tls.min_version)),
        max_version: Some(version(tls.max_version)),
        curve_preferences: tls.curve_preferences.clone(),
        cipher_suites: tls.cipher_suites.clone(),
        client_certs: tls
            .client_certs
            .iter()
            .filter_map(|pair| {
                Some(ClientCertificate {
                    certificate: content(&pair.certificate)?,
                    private_key: content(&pair.private_key)?,
                })
            })
            .collect(),
        alpn: Vec::new(),
    }
}

/// Process figures divided by the workers, rounded up.
fn transport(service: &Service, workers: usize) -> Transport {
    let set = &service.transport;
    let workers = workers.max(1);
    let share = |n: u32| (n as usize).div_ceil(workers);
    Transport {
        keeps_alive: !set.disable_keep_alives,
        asks_for_gzip: !set.disable_compression,
        idle_max: set.max_idle_connections.map_or(usize::MAX, share),
        idle_max_per_origin: share(set.max_idle_connections_per_host),
        idle_timeout: set.idle_connection_timeout,
        response_head_timeout: set.response_header_timeout,
        continue_timeout: set.expect_continue_timeout,
        connect_timeout: set.dialer_timeout,
        fallback_delay: set.dialer_fallback_delay,
        tcp_keep_alive: set.dialer_keep_alive,
        replays: service.limits.replays > 0,
        rest: if service.behaviour.next_host { Duration::from_secs(1) } else { Duration::ZERO },
        ..Transport::defaults()
    }
}

/// Looks as far as `run` will, for whoever only checks: routes, policies, TLS.
pub fn verify(service: &Service, registrations: &[Registration], found: &mut Diagnostics) {
    let environment = Environment { workers: super::n_workers(service), slots: None };
    let _ = prepare(service, registrations, environment, 0, found);
}

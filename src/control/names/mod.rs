//! Names to addresses, off the workers: hosts file and DNS (A, AAAA) with the system's settings,
//! looked up again when their time is over while somebody uses them. One query in flight per name; a
//! failed one leaves the last good answer in place.

mod hosts;
mod name;
#[cfg(test)]
mod tests;

pub use name::Name;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
    ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use hosts::Hosts;

/// Addresses of one name; more are cut off.
pub const ADDRESSES_MAX: usize = 64;
/// Names of one process; a configuration names its hosts one by one.
const NAMES_MAX: usize = 65_536;
/// Queries in flight for all names together.
const IN_FLIGHT_MAX: usize = 64;
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);

/// How names are looked up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Default `/etc/hosts`.
    pub hosts: PathBuf,
    pub servers: Servers,
    /// An answer holds at least this long, whatever its TTL: default 1 s.
    pub ttl_min: Duration,
    /// And at most this long: default 5 min.
    pub ttl_max: Duration,
    /// One look-up with all its retries: default 15 s.
    pub patience: Duration,
}

/// Who is asked.
#[derive(Clone, Debug)]
pub enum Servers {
    /// `/etc/resolv.conf`, read again when it changes.
    System,
    /// These, each try limited to this time.
    At(Vec<SocketAddr>, Duration),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: "/etc/hosts".into(),
            servers: Servers::System,
            ttl_min: Duration::from_secs(1),
            ttl_max: Duration::from_secs(300),
            patience: Duration::from_secs(15),
        }
    }
}

/// All names of the process.
pub struct Names {
    options: Options,
    state: Mutex<State>,
    /// Names came that no task looks after.
    fresh: Notify,
    in_flight: Semaphore,
    asked: AtomicU64,
    failed: AtomicU64,
    hosts: Mutex<Hosts>,
    resolver: Mutex<Option<(Option<SystemTime>, TokioResolver)>>,
}

#[derive(Default)]
struct State {
    names: HashMap<Box<str>, Arc<Name>>,
    fresh: Vec<Arc<Name>>,
}

impl Names {
    pub(super) fn new(options: Options) -> Arc<Self> {
        Arc::new(Self {
            hosts: Mutex::new(Hosts::new(options.hosts.clone())),
            options,
            state: Mutex::default(),
            fresh: Notify::new(),
            in_flight: Semaphore::new(IN_FLIGHT_MAX),
            asked: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            resolver: Mutex::default(),
        })
    }

    /// The entry of a host as it stands in a URL: a name, an address, an address in brackets. The
    /// look-up begins at once. Entries that nobody holds or uses any more go away by themselves.
    pub fn name(&self, host: &str) -> Arc<Name> {
        let host = host.to_ascii_lowercase();
        let mut state = self.state();
        if let Some(known) = state.names.get(host.as_str()) {
            return Arc::clone(known);
        }
        if let Some(fixed) = Name::fixed(&host) {
            return Arc::new(fixed);
        }
        if state.names.len() >= NAMES_MAX {
            return Arc::new(Name::refused(&host, "too many host names"));
        }
        let name = Arc::new(Name::open(&host));
        state.names.insert(host.into(), Arc::clone(&name));
        state.fresh.push(Arc::clone(&name));
        drop(state);
        self.fresh.notify_one();
        name
    }

    /// Look-ups so far.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Look-ups that failed so far.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Names whose last look-up failed, and why.
    pub fn troubles(&self) -> Vec<(Box<str>, Arc<String>)> {
        let state = self.state();
        let trouble = |name: &Arc<Name>| Some((name.host().into(), name.trouble()?));
        state.names.values().filter_map(trouble).collect()
    }

    /// Looks after all names; runs on the control thread. After a crash it takes them all up again.
    pub(super) async fn run(self: Arc<Self>) {
        let mut tasks = JoinSet::new();
        {
            let mut state = self.state();
            state.fresh = state.names.values().cloned().collect();
        }
        loop {
            for name in std::mem::take(&mut self.state().fresh) {
                tasks.spawn(Arc::clone(&self).keep(name));
            }
            tokio::select! {
                () = self.fresh.notified() => {}
                Some(ended) = tasks.join_next() => if ended.is_err() {
                    // A name is without its task: end, and take all of them up again.
                    return;
                },
            }
        }
    }

    /// Keeps one name fresh until nobody holds it.
    async fn keep(self: Arc<Self>, name: Arc<Name>) {
        let mut retry = RETRY_FIRST;
        loop {
            name.take_used();
            self.asked.fetch_add(1, Ordering::Relaxed);
            let pause = match self.look_up(&name).await {
                Ok((addresses, ttl)) => {
                    name.answered(&addresses);
                    retry = RETRY_FIRST;
                    ttl.clamp(self.options.ttl_min, self.options.ttl_max)
                }
                Err(why) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    if name.trouble().is_none_or(|known| *known != why) {
                        let kept = if name.has_answer() { ", keeping the last answer" } else { "" };
                        tracing::warn!("[SERVICE: DNS] {}: {why}{kept}", name.host());
                    }
                    name.failed(why);
                    let pause = retry;
                    retry = (retry * 2).min(RETRY_LAST);
                    pause.max(self.options.ttl_min)
                }
            };
            tokio::time::sleep(jittered(pause)).await;
            while !name.take_used() {
                if self.forget(&name) {
                    return;
                }
                // Looks up from its sleep now and then, whether anybody holds it still.
                let _ = tokio::time::timeout(self.options.ttl_max, name.sleep()).await;
            }
        }
    }

    /// Takes a name out that nobody but the registry and its task holds.
    fn forget(&self, name: &Arc<Name>) -> bool {
        let mut state = self.state();
        // Under the lock nobody can get it from the registry meanwhile.
        let is_alone = Arc::strong_count(name) == 2;
        if is_alone {
            state.names.remove(name.host());
        }
        is_alone
    }

    async fn look_up(&self, name: &Name) -> Result<(Vec<IpAddr>, Duration), String> {
        let host = name.host();
        if let Some(found) = lock(&self.hosts).find(host) {
            let found = found.iter().copied().take(ADDRESSES_MAX).collect();
            return Ok((found, self.options.ttl_max.min(Duration::from_secs(30))));
        }
        let _permit = self.in_flight.acquire().await.map_err(|why| why.to_string())?;
        let resolver = self.resolver()?;
        let query = host.to_owned();
        // A task of its own: a panic inside is a failed look-up.
        let query = tokio::spawn(async move { resolver.lookup_ip(query).await });
        let aborted = AbortOnDrop(query.abort_handle());
        let answer = tokio::time::timeout(self.options.patience, query).await;
        drop(aborted);
        let answer = answer
            .map_err(|_| "no answer in time".to_owned())?
            .map_err(|why| why.to_string())?
            .map_err(|why| why.to_string())?;
        let mut addresses = Vec::new();
        for address in answer.iter() {
            if addresses.len() < ADDRESSES_MAX && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if addresses.is_empty() {
            return Err("no addresses in the answer".to_owned());
        }
        let ttl = answer.as_lookup().answers().iter().map(|record| record.ttl).min();
        Ok((addresses, Duration::from_secs(ttl.unwrap_or(0).into())))
    }

    /// The resolver, made anew when the system's settings have changed.
    fn resolver(&self) -> Result<TokioResolver, String> {
        let changed = match self.options.servers {
            Servers::At(..) => None,
            Servers::System => {
                std::fs::metadata("/etc/resolv.conf").and_then(|about| about.modified()).ok()
            }
        };
        let mut kept = lock(&self.resolver);
        if let Some((since, resolver)) = kept.as_ref()
            && *since == changed
        {
            return Ok(resolver.clone());
        }
        let mut builder = match &self.options.servers {
            Servers::System => TokioResolver::builder_tokio().map_err(|why| why.to_string())?,
            Servers::At(servers, patience) => {
                let servers = servers.iter().map(|at| {
                    let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                    connections.iter_mut().for_each(|connection| connection.port = at.port());
                    NameServerConfig::new(at.ip(), true, connections.into())
                });
                let config = ResolverConfig::from_name_servers(servers.collect());
                let provider = TokioRuntimeProvider::default();
                let mut builder = TokioResolver::builder_with_config(config, provider);
                builder.options_mut().timeout = *patience;
                builder
            }
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // The hosts file and the time to live are ours.
        options.use_hosts_file = ResolveHosts::Never;
        options.cache_size = 0;
        let resolver = builder.build().map_err(|why| why.to_string())?;
        *kept = Some((changed, resolver.clone()));
        Ok(resolver)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Up to a tenth longer, so that the names of one start do not stay in step.
fn jittered(pause: Duration) -> Duration {
    let chance = std::hash::RandomState::new().build_hasher().finish() % 1024;
    pause + pause.mul_f64(chance as f64 / 10_240.0)
}

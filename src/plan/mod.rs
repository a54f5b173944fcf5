//! What the hot path reads: policies' traits, router, head templates, endpoints; compiled before traffic.
//! No I/O: files, environment and time come in as values.

mod client_ip;
mod compile;
mod endpoint;
mod explain;
mod forward;
pub mod fuzz;
mod head_template;
mod origin;
pub mod policy;
pub mod router;
mod url_template;

use std::sync::Arc;
use std::time::Duration;

pub use client_ip::{Cidr, ClientIp, is_forwarding};
pub use compile::{Environment, compile};
pub use endpoint::{
    Backend, BackendId, Balance, Builtin, Chain, Decode, Endpoint, EndpointId, Host, OnStatus,
    Output, Route,
};
pub use explain::explain;
pub use forward::{FieldFilter, Names, QueryFilter};
pub use head_template::{Content, Incoming, Redirected, WireOptions, Written};
pub use origin::{OriginId, OriginKey, OriginSpec, Origins};
pub use url_template::{UrlTemplate, Values};

use crate::config::model::{Behaviour, Limits, ServerTimeouts};
use crate::http::h1::HeadLimits;

/// Share of the endpoint's timeout that a merge has, in percent.
pub const MERGE_SHARE: u32 = 85;

/// Share of the endpoint's timeout that a race of equal calls has, in percent.
pub const RACE_SHARE: u32 = 75;

/// A part of a timeout.
pub fn share(timeout: Duration, percent: u32) -> Duration {
    // Rounding does not show: timeouts are far coarser than a nanosecond.
    timeout / 100 * percent
}

/// Everything that traffic needs to know. Immutable; swapped as a whole.
pub struct Plan {
    /// Counts the plans of this process.
    pub generation: u64,
    /// The profile and its switches.
    pub behaviour: Behaviour,
    /// Bounds on clients and backends.
    pub limits: Limits,
    /// Bounds on request heads.
    pub head_limits: HeadLimits,
    /// Bounds on response heads.
    pub backend_head_limits: HeadLimits,
    /// Method and path to route.
    pub router: router::Router,
    /// What the router's numbers mean.
    pub routes: Vec<Route>,
    /// By [`EndpointId`].
    pub endpoints: Vec<Endpoint>,
    /// Backends over all endpoints.
    pub n_backends: usize,
    /// By [`OriginId`].
    pub origins: Vec<Arc<OriginSpec>>,
    /// Policies of the stage `Service`.
    pub service_chain: Chain,
    /// Policies of the stage `Engine`.
    pub engine_chain: Chain,
    /// Whether that stage has nothing to look at where a route has no parameters.
    pub engine_sees_only_params: bool,
    /// All policies in force, in order, for people to read.
    pub listed: Vec<policy::Listed>,
    /// Names of the per-core slots that policies asked for.
    pub slots: policy::Slots,
    /// The `X-Krakend` line.
    pub banner: Box<str>,
    /// Whose address counts as the client's.
    pub client_ip: ClientIp,
    /// `router.app_engine`.
    pub app_engine: bool,
    /// `router.error_body.404`, as JSON text.
    pub not_found_body: Option<String>,
    /// `router.error_body.405`, as JSON text.
    pub not_allowed_body: Option<String>,
    /// `router.return_error_msg`.
    pub returns_error_text: bool,
    /// Not `router.disable_path_decoding`.
    pub checks_params: bool,
    /// Not `router.disable_access_log`.
    pub access_log: bool,
    /// `router.logger_skip_paths`.
    pub skip_paths: Vec<Box<[u8]>>,
    /// 502 and 504 instead of KrakenD's 500.
    pub uses_rfc_statuses: bool,
    /// The service's `timeout`: bounds what policies wait for where no endpoint has its own.
    pub timeout: Duration,
    /// `max_shutdown_wait_time`.
    pub max_shutdown_wait: Duration,
    /// `read_timeout`, `write_timeout` and the like.
    pub server: ServerTimeouts,
}

impl Plan {
    /// The endpoint of an id from this plan.
    pub fn endpoint(&self, id: EndpointId) -> Option<&Endpoint> {
        self.endpoints.get(id.0 as usize)
    }
}

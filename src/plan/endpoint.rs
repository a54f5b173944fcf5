//! What the hot path reads: routes, endpoints and backends, with everything decided that can be
//! decided before traffic. Immutable; shared by all cores.

use std::sync::Arc;
use std::time::Duration;

use super::forward::{FieldFilter, QueryFilter};
use super::origin::OriginId;
use super::policy::{Needs, Policy};
use super::url_template::UrlTemplate;
use crate::config::model::MergeOrder;
use crate::json::decode::DecodeSpec;
use crate::json::merge::RenderOptions;

/// Index of an endpoint in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EndpointId(pub u32);

/// Index of a backend in its plan, over all endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BackendId(pub u32);

/// What a route leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// A configured endpoint.
    Endpoint(EndpointId),
    /// One of the gateway's own.
    Builtin(Builtin),
}

/// The gateway's own routes on the public listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// `/__health` or `health_path`.
    Health,
    /// `/__debug/`.
    Debug,
    /// `/__echo/`.
    Echo,
}

/// One endpoint.
pub struct Endpoint {
    /// Method in upper case.
    pub method: Box<str>,
    /// Path in router syntax (`/a/:id`), as logs and metrics show it.
    pub path: Box<str>,
    /// Names of the path parameters as the file has them, in order.
    pub params: Box<[Box<str>]>,
    /// All backends of one request together.
    pub timeout: Duration,
    /// How the answer is written.
    pub output: Output,
    /// Which backend wins where several give the same key.
    pub merge_order: MergeOrder,
    /// 502 and 504 instead of KrakenD's 500.
    pub uses_rfc_statuses: bool,
    /// Status line and fixed fields of a complete answer (up to, not including, `Date`).
    pub head_complete: Arc<[u8]>,
    /// The same for a partial or empty one.
    pub head_incomplete: Arc<[u8]>,
    /// At least one.
    pub backends: Box<[Backend]>,
    /// Policies of the stage `Handler`, in order.
    pub handler: Chain,
    /// Policies of the stage `Pipe`, in order.
    pub pipe: Chain,
    /// What all its policies need together.
    pub needs: Needs,
    /// Whether the request body has to be held: several consumers, or a policy that reads it.
    pub holds_body: bool,
    /// Whether a query is looked at at all.
    pub reads_query: bool,
}

/// A stage's policies in order.
pub type Chain = Box<[Arc<dyn Policy>]>;

/// `output_encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Rendered from the parts.
    Rendered(RenderOptions),
    /// The single backend's answer, streamed as it comes.
    NoOp,
}

/// One backend of an endpoint.
pub struct Backend {
    /// Its place among all backends of the plan: index of its metric cells.
    pub id: BackendId,
    /// Method as it goes on the wire.
    pub method: Box<str>,
    /// Method as the file has it, shown in error texts.
    pub shown_method: Box<str>,
    /// `url_pattern`.
    pub url: UrlTemplate,
    /// Where it may be sent; chosen by `balance`.
    pub hosts: Box<[Host]>,
    /// How a host is chosen.
    pub balance: Balance,
    /// Which of the client's fields go along.
    pub fields: FieldFilter,
    /// Which query parameters go along.
    pub query: QueryFilter,
    /// How the answer is read.
    pub decode: Decode,
    /// What a status other than 200 or 201 means.
    pub on_status: OnStatus,
    /// `concurrent_calls`, at least 1.
    pub concurrent_calls: u16,
    /// `backend/http/client.send_body_on_redirect`.
    pub sends_body_on_redirect: bool,
    /// Whether another host is tried when one cannot be connected to.
    pub tries_next_host: bool,
    /// Longest pause of a streamed answer.
    pub stream_idle: Duration,
    /// Policies of the stage `Backend`.
    pub chain: Chain,
    /// Policies of the stage `Executor`.
    pub executor: Chain,
}

/// One host of a backend.
#[derive(Clone, Debug)]
pub struct Host {
    /// Whose pool is used.
    pub origin: OriginId,
    /// The bytes of `Host`.
    pub authority: Box<str>,
    /// Path of the host entry itself (`disable_host_sanitize`), put first.
    pub prefix: Box<[u8]>,
    /// The host as configured, shown in error texts.
    pub shown: Box<str>,
    /// The request line's target up to ` HTTP/1.1` and `Host`, where nothing of it depends on the
    /// request.
    pub fixed_line: Option<Box<[u8]>>,
}

/// How a host is chosen among several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// In turn: what KrakenD does on one core.
    RoundRobin,
    /// Uniformly at random: what it does on several.
    Random,
}

/// How a backend's body is read.
#[derive(Debug)]
pub enum Decode {
    /// Not at all: every status is good, the body streams or is dropped.
    NoOp,
    /// Into a part.
    Json(Box<DecodeSpec>),
}

/// `backend/http`: what a status other than 200 or 201 means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnStatus {
    /// A failure without more.
    Fail,
    /// `return_error_code`: a failure that carries status, body and content type.
    FailWithCode,
    /// `return_error_details`: an incomplete answer with the object `error_<name>`.
    Details(Box<str>),
}

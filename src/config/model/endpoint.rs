//! One endpoint: what clients ask for. Source: docs/reference/lura-core.md 1.4.

use super::{Backend, Behaviour, ExtraBlock, Names, OutputEncoding};
use crate::config::node::NodeId;
use crate::config::path::EndpointPath;
use std::time::Duration;

/// The methods that an endpoint may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method {
    /// `GET`, the default.
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl Method {
    /// All of them, as messages list them.
    pub const ALL: [Method; 5] =
        [Method::Get, Method::Post, Method::Put, Method::Patch, Method::Delete];

    /// The method as it goes over the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// Upper or lower case; `None` for any other method.
    pub fn of(text: &str) -> Option<Method> {
        Self::ALL.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(text))
    }
}

/// One route and the backends behind it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The object in the file.
    pub at: NodeId,
    /// `endpoint`, or the object when the key is missing.
    pub path_at: NodeId,
    /// `method`, or the object when the key is missing.
    pub method_at: NodeId,
    /// `endpoint`: the path clients ask for.
    pub path: EndpointPath,
    /// `method`: GET (default), POST, PUT, PATCH, DELETE.
    pub method: Method,
    /// `backend`: one or more, in the order of the file.
    pub backends: Vec<Backend>,
    /// `timeout`: all backends together. Absent or `"0s"`: the service's.
    pub timeout: Duration,
    /// `cache_ttl`: `Cache-Control: public, max-age` of complete answers, whole seconds. Absent or
    /// `"0s"`: the service's. Under 1 s but not zero: `max-age=0`.
    pub cache_ttl: Duration,
    /// `concurrent_calls`: identical calls to each backend, the first complete answer wins; ≥ 1.
    pub concurrent_calls: u32,
    /// `input_query_strings`: parameters that reach the backends; `*` all; default none.
    pub input_query_strings: Names,
    /// `input_headers`: header fields that reach the backends, canonical; `*` all; empty or absent:
    /// `Content-Type` alone.
    pub input_headers: Names,
    /// `output_encoding`: how the answer is written. Absent: the service's, else `json`.
    pub output_encoding: OutputEncoding,
    /// The service's behaviour with the endpoint's own `ringway` switches.
    pub behaviour: Behaviour,
    /// Every other known block of the endpoint's `extra_config`.
    pub extra: Vec<ExtraBlock>,
}

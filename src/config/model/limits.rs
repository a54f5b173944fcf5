//! `extra_config.ringway.limits`: bounds against hostile or broken peers, all in force by default.
//! Source: docs/reference/hardening.md 1. Where KrakenD has a key of its own, that one wins.

use std::time::Duration;

/// Every bound; nothing is unlimited unless the field says how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `head_timeout`: a request head must be complete within this, default 10 s.
    /// KrakenD's `read_header_timeout` (else `read_timeout`) wins.
    pub head_timeout: Duration,
    /// `head_bytes`: request line and fields together, default 64 KiB. `max_header_bytes` wins.
    pub head_bytes: u32,
    /// `head_fields`: number of fields, default 100.
    pub head_fields: u32,
    /// `line_bytes`: one field line, default 16 KiB.
    pub line_bytes: u32,
    /// `target_bytes`: the request target, default 8 KiB.
    pub target_bytes: u32,
    /// `query_params`: parameters of one query, default 256.
    pub query_params: u32,
    /// `pipelined`: requests waiting on one connection, default 32.
    pub pipelined: u32,
    /// `body_idle`: longest pause in a request body, default 30 s.
    pub body_idle: Duration,
    /// `body_rate_min`: bytes a second averaged over 10 s, default 240; 0: none.
    pub body_rate_min: u32,
    /// `body_bytes`: a request body that must be held, default 16 MiB; streamed bodies are free.
    pub body_bytes: u64,
    /// `write_idle`: longest pause of a client that takes its answer, default 30 s.
    pub write_idle: Duration,
    /// `keep_alive`: idle time between requests, default 75 s. `idle_timeout` (else
    /// `read_timeout`) wins.
    pub keep_alive: Duration,
    /// `connection_requests`: requests on one connection, default 10,000.
    pub connection_requests: u32,
    /// `connection_age`: a connection is closed after its next answer, default 1 h ± 10 %.
    pub connection_age: Duration,
    /// `connections`: client connections at once; absent: 45 % of the file limit.
    pub connections: Option<u32>,
    /// `connections_per_ip`: of these, from one address; absent: decided from `connections`.
    pub connections_per_ip: Option<u32>,
    /// `drain_bytes`: read of a body nobody wants before its connection is closed, default 64 KiB.
    pub drain_bytes: u32,
    /// `drain_time`: the same in time, default 1 s.
    pub drain_time: Duration,
    /// `backend_head_bytes`: head of a backend's response, default 64 KiB.
    pub backend_head_bytes: u32,
    /// `backend_head_fields`: its number of fields, default 100.
    pub backend_head_fields: u32,
    /// `backend_body_bytes`: a response body that must be held, decoded, default 16 MiB.
    pub backend_body_bytes: u64,
    /// `inflate_ratio`: decoded to coded bytes, counted from 1 MiB decoded on, default 100.
    pub inflate_ratio: u32,
    /// `json_depth`: nesting of a backend's JSON, default 10,000.
    pub json_depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        const KIB: u32 = 1024;
        const MIB: u64 = 1024 * 1024;
        Limits {
            head_timeout: Duration::from_secs(10),
            head_bytes: 64 * KIB,
            head_fields: 100,
            line_bytes: 16 * KIB,
            target_bytes: 8 * KIB,
            query_params: 256,
            pipelined: 32,
            body_idle: Duration::from_secs(30),
            body_rate_min: 240,
            body_bytes: 16 * MIB,
            write_idle: Duration::from_secs(30),
            keep_alive: Duration::from_secs(75),
            connection_requests: 10_000,
            connection_age: Duration::from_secs(3600),
            connections: None,
            connections_per_ip: None,
            drain_bytes: 64 * KIB,
            drain_time: Duration::from_secs(1),
            backend_head_bytes: 64 * KIB,
            backend_head_fields: 100,
            backend_body_bytes: 16 * MIB,
            inflate_ratio: 100,
            json_depth: 10_000,
        }
    }
}

//! `extra_config.ringway.limits`: bounds against hostile or broken peers, all in force by default.
//! Source: docs/reference/hardening.md 1. Where KrakenD has a key of its own, that one wins.

use super::{ServerTimeouts, TIMEOUT_MAX};
use crate::config::diagnostic::Diagnostics;
use crate::config::known::{Scope, check_own_keys};
use crate::config::node::Node;
use crate::config::size::{self, Bytes};
use std::ops::RangeInclusive;
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
    /// `connection_age`: a connection is closed after its next answer, default 1 h.
    pub connection_age: Duration,
    /// `connections`: client connections at once; absent: 45 % of the file limit.
    pub connections: Option<u32>,
    /// `connections_per_ip`: of these, from one address; absent: no bound of its own, since a load
    /// balancer in front is one address.
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
        }
    }
}

impl Limits {
    /// The block `limits`, if there is one, then KrakenD's own keys of the root object.
    pub(super) fn read(
        root: Node<'_>,
        block: Option<Node<'_>>,
        server: &ServerTimeouts,
        found: &mut Diagnostics,
    ) -> Limits {
        let mut limits = Limits::default();
        if let Some(block) = block
            && check_own_keys(block, Scope::RingwayLimits, found)
        {
            limits.read_block(block, found);
        }
        let whole = server.read_timeout;
        if let Some(time) = server.read_header_timeout.or(whole) {
            limits.head_timeout = time;
        }
        if let Some(time) = server.idle_timeout.or(whole) {
            limits.keep_alive = time;
        }
        const HEAD_BYTES_MAX: u32 = 16 << 20;
        match root.number_in("max_header_bytes", 0..=HEAD_BYTES_MAX, found) {
            None | Some(0) => {}
            Some(bytes) => {
                limits.head_bytes = bytes;
                // A field line and the target are parts of the head: KrakenD knows no other bound.
                limits.line_bytes = limits.line_bytes.max(bytes);
                limits.target_bytes = limits.target_bytes.max(bytes);
            }
        }
        limits
    }

    fn read_block(&mut self, block: Node<'_>, found: &mut Diagnostics) {
        const SECOND: Duration = Duration::from_secs(1);
        let head: RangeInclusive<u64> = 256..=16 << 20;
        let held: RangeInclusive<u64> = 1024..=1 << 40;
        let mut reader = Reader { block, found };
        reader.time("head_timeout", &mut self.head_timeout);
        reader.small("head_bytes", head.clone(), &mut self.head_bytes);
        reader.count("head_fields", 1..=10_000, &mut self.head_fields);
        reader.small("line_bytes", head.clone(), &mut self.line_bytes);
        reader.small("target_bytes", head.clone(), &mut self.target_bytes);
        reader.count("query_params", 1..=100_000, &mut self.query_params);
        reader.time("body_idle", &mut self.body_idle);
        reader.count("body_rate_min", 0..=1 << 30, &mut self.body_rate_min);
        reader.large("body_bytes", held.clone(), &mut self.body_bytes);
        reader.time("write_idle", &mut self.write_idle);
        reader.time("keep_alive", &mut self.keep_alive);
        reader.count("connection_requests", 1..=u32::MAX, &mut self.connection_requests);
        reader.time("connection_age", &mut self.connection_age);
        reader.optional("connections", &mut self.connections);
        reader.optional("connections_per_ip", &mut self.connections_per_ip);
        reader.small("drain_bytes", 0..=1 << 30, &mut self.drain_bytes);
        reader.time("drain_time", &mut self.drain_time);
        reader.small("backend_head_bytes", head, &mut self.backend_head_bytes);
        reader.count("backend_head_fields", 1..=10_000, &mut self.backend_head_fields);
        reader.large("backend_body_bytes", held, &mut self.backend_body_bytes);
        reader.count("inflate_ratio", 1..=1_000_000, &mut self.inflate_ratio);
        // A drain that lasts keeps a connection that nobody wants.
        if let Some(node) = block.get("drain_time")
            && self.drain_time > 60 * SECOND
        {
            reader.found.refuse(node, "is out of range", "up to \"60s\"");
        }
    }
}

struct Reader<'n, 'd> {
    block: Node<'n>,
    found: &'d mut Diagnostics,
}

impl Reader<'_, '_> {
    /// A limit in time cannot be turned off: zero is refused.
    fn time(&mut self, key: &str, into: &mut Duration) {
        let Some(time) = self.block.duration(key, TIMEOUT_MAX, self.found) else { return };
        match self.block.get(key) {
            Some(node) if time.is_zero() => {
                self.found.refuse(node, "is out of range", "a time above zero");
            }
            _ => *into = time,
        }
    }

    fn count(&mut self, key: &str, range: RangeInclusive<u32>, into: &mut u32) {
        *into = self.block.number_in(key, range, self.found).unwrap_or(*into);
    }

    fn optional(&mut self, key: &str, into: &mut Option<u32>) {
        *into = self.block.number_in(key, 1..=u32::MAX, self.found).or(*into);
    }

    fn large(&mut self, key: &str, range: RangeInclusive<u64>, into: &mut u64) {
        let Some(node) = self.block.get(key) else { return };
        let Some(Bytes(bytes)) = node.read(self.found) else { return };
        if range.contains(&bytes) {
            *into = bytes;
            return;
        }
        let allowed = format!("{} to {}", size::shown(*range.start()), size::shown(*range.end()));
        self.found.refuse(node, "is out of range", &allowed);
    }

    fn small(&mut self, key: &str, range: RangeInclusive<u64>, into: &mut u32) {
        let mut bytes = u64::from(*into);
        self.large(key, range, &mut bytes);
        *into = u32::try_from(bytes).unwrap_or(*into);
    }
}

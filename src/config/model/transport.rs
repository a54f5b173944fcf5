//! Time limits of the listener and of the connections to backends.
//! Source: docs/reference/lura-core.md 1.3, 4.2, 6.

use super::TIMEOUT_MAX;
use crate::config::diagnostic::Diagnostics;
use crate::config::node::Node;
use crate::config::read::Nanoseconds;
use std::time::Duration;

/// Time limits towards clients; `None`: not set. Head and idle limits are already in
/// [`super::Limits`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerTimeouts {
    /// `read_timeout`: a whole request, head and body.
    pub read_timeout: Option<Duration>,
    /// `write_timeout`: from the end of the request head to the last byte of the answer.
    pub write_timeout: Option<Duration>,
    /// `idle_timeout`: between requests.
    pub idle_timeout: Option<Duration>,
    /// `read_header_timeout`: the head.
    pub read_header_timeout: Option<Duration>,
}

/// How connections to backends are made and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// `disable_keep_alives`: a new connection for every call.
    pub disable_keep_alives: bool,
    /// `disable_compression`: no `Accept-Encoding: gzip` of our own.
    pub disable_compression: bool,
    /// `max_idle_connections`: kept open, all backends and workers together; `None`: no bound.
    pub max_idle_connections: Option<u32>,
    /// `max_idle_connections_per_host`: the same for one host, default 250.
    pub max_idle_connections_per_host: u32,
    /// `idle_connection_timeout`: how long one is kept; `None`: for ever.
    pub idle_connection_timeout: Option<Duration>,
    /// `response_header_timeout`: from the request sent to the response head; `None`: the
    /// endpoint's timeout alone.
    pub response_header_timeout: Option<Duration>,
    /// `expect_continue_timeout`: wait for `100 Continue`; `None`: do not wait.
    pub expect_continue_timeout: Option<Duration>,
    /// `dialer_timeout`: connecting; `None`: the endpoint's timeout alone.
    pub dialer_timeout: Option<Duration>,
    /// `dialer_fallback_delay`: head start of IPv6 before IPv4 is tried; default 300 ms; `None`
    /// (negative): no second family at the same time.
    pub dialer_fallback_delay: Option<Duration>,
    /// `dialer_keep_alive`: pause between TCP probes, default 15 s; `None` (negative): no probes.
    pub dialer_keep_alive: Option<Duration>,
}

impl Default for Transport {
    fn default() -> Self {
        Transport {
            disable_keep_alives: false,
            disable_compression: false,
            max_idle_connections: None,
            max_idle_connections_per_host: 250,
            idle_connection_timeout: None,
            response_header_timeout: None,
            expect_continue_timeout: None,
            dialer_timeout: None,
            dialer_fallback_delay: Some(Duration::from_millis(300)),
            dialer_keep_alive: Some(Duration::from_secs(15)),
        }
    }
}

/// A timeout for which zero means that there is none.
fn timeout(root: Node<'_>, key: &str, found: &mut Diagnostics) -> Option<Duration> {
    root.duration(key, TIMEOUT_MAX, found).filter(|time| !time.is_zero())
}

impl ServerTimeouts {
    pub(super) fn read(root: Node<'_>, found: &mut Diagnostics) -> ServerTimeouts {
        ServerTimeouts {
            read_timeout: timeout(root, "read_timeout", found),
            write_timeout: timeout(root, "write_timeout", found),
            idle_timeout: timeout(root, "idle_timeout", found),
            read_header_timeout: timeout(root, "read_header_timeout", found),
        }
    }
}

impl Transport {
    pub(super) fn read(root: Node<'_>, found: &mut Diagnostics) -> Transport {
        let default = Transport::default();
        let some = |count: &u32| *count != 0;
        let idle = root.number_in("max_idle_connections", 0..=u32::MAX, found).filter(some);
        let per_host =
            root.number_in("max_idle_connections_per_host", 0..=u32::MAX, found).filter(some);
        Transport {
            disable_keep_alives: root.field("disable_keep_alives", found).unwrap_or(false),
            disable_compression: root.field("disable_compression", found).unwrap_or(false),
            max_idle_connections: idle,
            max_idle_connections_per_host: per_host
                .unwrap_or(default.max_idle_connections_per_host),
            idle_connection_timeout: timeout(root, "idle_connection_timeout", found),
            response_header_timeout: timeout(root, "response_header_timeout", found),
            expect_continue_timeout: timeout(root, "expect_continue_timeout", found),
            dialer_timeout: timeout(root, "dialer_timeout", found),
            dialer_fallback_delay: or_off(
                root,
                "dialer_fallback_delay",
                default.dialer_fallback_delay,
                found,
            ),
            dialer_keep_alive: or_off(root, "dialer_keep_alive", default.dialer_keep_alive, found),
        }
    }
}

/// A time for which zero means the default and a negative one means off.
fn or_off(
    root: Node<'_>,
    key: &str,
    default: Option<Duration>,
    found: &mut Diagnostics,
) -> Option<Duration> {
    let negative = root.get(key).and_then(|node| {
        // Problems are told by the reading below.
        let Nanoseconds(ns) = node.read(&mut Diagnostics::default())?;
        (ns < 0).then_some(())
    });
    if negative.is_some() {
        return None;
    }
    timeout(root, key, found).or(default)
}

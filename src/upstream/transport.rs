//! What the file says about connections to backends, resolved for one worker.
//! Source: docs/reference/lura-core.md 1.3, 4.2.

use std::time::Duration;

/// Settings of all connections to backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// `disable_keep_alives`: every call has a connection of its own.
    pub keeps_alive: bool,
    /// `disable_compression` is off: gzip is asked for.
    pub asks_for_gzip: bool,
    /// Idle connections of this worker over all origins; `usize::MAX`: unlimited.
    pub idle_max: usize,
    /// Idle connections of this worker per origin.
    pub idle_max_per_origin: usize,
    /// `idle_connection_timeout`; `None`: kept until the backend closes.
    pub idle_timeout: Option<Duration>,
    /// `response_header_timeout`; `None`: only the exchange's deadline.
    pub response_head_timeout: Option<Duration>,
    /// `expect_continue_timeout`; `None`: content is sent at once.
    pub continue_timeout: Option<Duration>,
    /// `dialer_timeout`; `None`: only the exchange's deadline.
    pub connect_timeout: Option<Duration>,
    /// `dialer_fallback_delay`: head start of IPv6 over IPv4 (RFC 8305). `None`: no racing.
    pub fallback_delay: Option<Duration>,
    /// `dialer_keep_alive`: interval of TCP keep-alive probes; `None`: none.
    pub tcp_keep_alive: Option<Duration>,
    /// Largest content collected, in bytes.
    pub response_body_max: usize,
    /// A host that refuses connections rests this long, doubling up to `rest_max`; zero: never.
    pub rest: Duration,
    /// See `rest`.
    pub rest_max: Duration,
    /// Connections opened at once per origin and worker; further calls wait.
    pub opens_max: usize,
    /// A request whose kept connection died may be sent once more, where that is safe.
    pub replays: bool,
    /// Calls that may wait for a connection per origin and worker.
    pub waiters_max: usize,
}

impl Transport {
    /// KrakenD's defaults for a process with `workers` workers.
    pub fn defaults() -> Transport {
        Transport {
            keeps_alive: true,
            asks_for_gzip: true,
            idle_max: usize::MAX,
            idle_max_per_origin: 250,
            idle_timeout: None,
            response_head_timeout: None,
            continue_timeout: None,
            connect_timeout: None,
            fallback_delay: Some(Duration::from_millis(300)),
            tcp_keep_alive: Some(Duration::from_secs(15)),
            response_body_max: 16 << 20,
            rest: Duration::from_secs(1),
            rest_max: Duration::from_secs(30),
            opens_max: 256,
            replays: true,
            waiters_max: 16_384,
        }
    }
}

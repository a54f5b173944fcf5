//! Every metric: its name, help, labels, and what counts into it. The manual's table is made from
//! this list. Names that KrakenD has keep its spelling; the others begin with `ringway_`.
//! Source: docs/reference/krakend-components.md 20.2.

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One metric. `name` is without `_total`, which counters get when they are written.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    pub name: &'static str,
    pub help: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, help, kind: Kind::Counter, labels }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, help, kind: Kind::Gauge, labels }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, help, kind: Kind::Histogram, labels }
}

/// KrakenD's `http.server.duration`, by endpoint.
pub static SERVER_DURATION: Family = histogram(
    "http_server_duration_seconds",
    &["http_request_method", "http_route"],
    "Time from the request's head to the end of its answer, by endpoint.",
);
/// KrakenD's `krakend.backend.duration`, by backend.
pub static BACKEND_DURATION: Family = histogram(
    "krakend_backend_duration_seconds",
    &["http_request_method", "http_route", "krakend_endpoint_method", "krakend_endpoint_route"],
    "Time of the calls to a backend, from connect or reuse to the end of its answer.",
);
pub static REQUESTS: Family = counter(
    "ringway_requests",
    &["method", "route", "status", "outcome"],
    "Requests answered, by endpoint, class of the status and outcome.",
);
pub static BACKEND_CALLS: Family = counter(
    "ringway_backend_calls",
    &["method", "pattern", "endpoint_method", "endpoint", "outcome"],
    "Calls to backends, by backend and outcome.",
);
pub static CONNECTIONS_OPEN: Family =
    gauge("ringway_connections_open", &[], "Client connections that are open now.");
pub static CONNECTIONS_ACCEPTED: Family =
    counter("ringway_connections_accepted", &[], "Client connections accepted.");
pub static CONNECTIONS_CLOSED: Family =
    counter("ringway_connections_closed", &["reason"], "Client connections closed, by reason.");
pub static POOL_CONNECTIONS: Family = gauge(
    "ringway_pool_connections",
    &["state"],
    "Connections to backends: all that are open, and those that are idle.",
);
pub static RECEIVED_BYTES: Family =
    counter("ringway_received_bytes", &["side"], "Bytes received from clients and backends.");
pub static SENT_BYTES: Family =
    counter("ringway_sent_bytes", &["side"], "Bytes sent to clients and backends.");
pub static BUDGET_CHARGED: Family = gauge(
    "ringway_budget_charged_bytes",
    &[],
    "Memory of pooled blocks that is charged to the budget now.",
);
pub static MEMORY: Family = gauge(
    "ringway_memory_bytes",
    &["kind"],
    "Memory: what blocks may have and what waits to be used again, what the process has in RAM, \
     and what the kernel allows; 0 without a limit.",
);
pub static ACCEPT_PAUSES: Family = counter(
    "ringway_accept_pauses",
    &["reason"],
    "Pauses in which a worker accepted no connection, 10 to 200 ms each.",
);
pub static CONNECTIONS_REFUSED: Family = counter(
    "ringway_connections_refused",
    &["reason"],
    "Client connections that were reset as soon as they were accepted.",
);
pub static LOG_DROPPED: Family = counter(
    "ringway_log_dropped",
    &["reason"],
    "Log records lost: the queue was full, or standard output could not be written.",
);
pub static PANICS: Family =
    counter("ringway_panics", &[], "Panics caught; each cost one connection or one task.");
pub static RELOADS: Family =
    counter("ringway_reloads", &["result"], "Reloads of the configuration, by result.");
pub static PLAN_GENERATION: Family = gauge(
    "ringway_plan_generation",
    &[],
    "Number of the plan in force; 1 is the one of the start.",
);
pub static WORKERS: Family = gauge("ringway_workers", &[], "Worker threads that are running.");
pub static DRIVER_INFO: Family =
    gauge("ringway_driver_info", &["driver"], "Workers by the driver that their start settled on.");
pub static BUILD_INFO: Family =
    gauge("ringway_build_info", &["version"], "Always 1; the version is in the label.");
pub static STALLED_TURNS: Family =
    counter("ringway_stalled_turns", &[], "Turns of a worker's loop that took over 10 ms.");
pub static CLIENT_ABORTS: Family = counter(
    "ringway_client_aborts",
    &[],
    "Requests whose client was gone before the answer was complete.",
);
pub static JSON_TRAILING: Family = counter(
    "ringway_json_trailing_ignored",
    &[],
    "Backend bodies with bytes after the first JSON value, which were ignored.",
);
pub static NAME_LOOKUPS: Family =
    counter("ringway_name_lookups", &["result"], "Look-ups of host names, by result.");
pub static TASK_RESTARTS: Family = counter(
    "ringway_control_task_restarts",
    &[],
    "Tasks of the control thread that ended or panicked and were started again.",
);

/// All families, in the order in which they are written.
pub static ALL: [&Family; 26] = [
    &SERVER_DURATION,
    &BACKEND_DURATION,
    &REQUESTS,
    &BACKEND_CALLS,
    &CONNECTIONS_OPEN,
    &CONNECTIONS_ACCEPTED,
    &CONNECTIONS_CLOSED,
    &POOL_CONNECTIONS,
    &RECEIVED_BYTES,
    &SENT_BYTES,
    &BUDGET_CHARGED,
    &MEMORY,
    &ACCEPT_PAUSES,
    &CONNECTIONS_REFUSED,
    &LOG_DROPPED,
    &PANICS,
    &RELOADS,
    &PLAN_GENERATION,
    &WORKERS,
    &DRIVER_INFO,
    &BUILD_INFO,
    &STALLED_TURNS,
    &CLIENT_ABORTS,
    &JSON_TRAILING,
    &NAME_LOOKUPS,
    &TASK_RESTARTS,
];

/// What a worker counts: only ever grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    Accepted,
    ClientReceived,
    ClientSent,
    BackendReceived,
    BackendSent,
    ClientAborts,
    Panics,
    StalledTurns,
    JsonTrailing,
    PausedByConnections,
    PausedByMemory,
    PausedByFiles,
    PausedByListener,
    RefusedPerIp,
}

impl Count {
    pub const ALL: [Self; 14] = [
        Self::Accepted,
        Self::ClientReceived,
        Self::ClientSent,
        Self::BackendReceived,
        Self::BackendSent,
        Self::ClientAborts,
        Self::Panics,
        Self::StalledTurns,
        Self::JsonTrailing,
        Self::PausedByConnections,
        Self::PausedByMemory,
        Self::PausedByFiles,
        Self::PausedByListener,
        Self::RefusedPerIp,
    ];

    /// The family and the value of its label, "" where it has none.
    pub fn family(self) -> (&'static Family, &'static str) {
        match self {
            Self::Accepted => (&CONNECTIONS_ACCEPTED, ""),
            Self::ClientReceived => (&RECEIVED_BYTES, "client"),
            Self::ClientSent => (&SENT_BYTES, "client"),
            Self::BackendReceived => (&RECEIVED_BYTES, "backend"),
            Self::BackendSent => (&SENT_BYTES, "backend"),
            Self::ClientAborts => (&CLIENT_ABORTS, ""),
            Self::Panics => (&PANICS, ""),
            Self::StalledTurns => (&STALLED_TURNS, ""),
            Self::JsonTrailing => (&JSON_TRAILING, ""),
            Self::PausedByConnections => (&ACCEPT_PAUSES, "connections"),
            Self::PausedByMemory => (&ACCEPT_PAUSES, "memory"),
            Self::PausedByFiles => (&ACCEPT_PAUSES, "files"),
            Self::PausedByListener => (&ACCEPT_PAUSES, "listener"),
            Self::RefusedPerIp => (&CONNECTIONS_REFUSED, "per_ip"),
        }
    }
}

/// What a worker measures: goes up and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Level {
    ConnectionsOpen,
    PoolOpen,
    PoolIdle,
}

impl Level {
    pub const ALL: [Self; 3] = [Self::ConnectionsOpen, Self::PoolOpen, Self::PoolIdle];

    /// The family and the value of its label, "" where it has none.
    pub fn family(self) -> (&'static Family, &'static str) {
        match self {
            Self::ConnectionsOpen => (&CONNECTIONS_OPEN, ""),
            Self::PoolOpen => (&POOL_CONNECTIONS, "open"),
            Self::PoolIdle => (&POOL_CONNECTIONS, "idle"),
        }
    }
}

/// The class of a status as a label: "1xx" to "5xx", "other".
pub fn status_class(status: u16) -> u8 {
    match status {
        100..=599 => (status / 100) as u8,
        _ => 0,
    }
}

/// The label of a `status_class`.
pub fn status_label(class: u8) -> &'static str {
    match class {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_well_formed() {
        let mut seen = std::collections::HashSet::new();
        for family in ALL {
            let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(plain(family.name) && !family.name.ends_with("_total"), "{}", family.name);
            assert!(family.labels.iter().all(|label| plain(label)), "{}", family.name);
            assert!(family.help.ends_with('.') && !family.help.contains('\n'), "{}", family.name);
            assert!(seen.insert(family.name), "{} twice", family.name);
        }
        for (at, count) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, at);
            let (family, label) = count.family();
            assert_eq!(family.labels.is_empty(), label.is_empty(), "{count:?}");
        }
        for (at, level) in Level::ALL.into_iter().enumerate() {
            assert_eq!(level as usize, at);
            let (family, label) = level.family();
            assert_eq!(family.labels.is_empty(), label.is_empty(), "{level:?}");
        }
    }
}

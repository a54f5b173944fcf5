//! The keys of every kind of object, except the namespaces of `extra_config`.
//! Sources: docs/reference/lura-core.md 1.3, 1.4, 1.5, 1.9, 2.1, 3.x; krakend-components.md 18.1, 24.

use super::{Class, Known};

/// A kind of object that has keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole file.
    Root,
    /// An element of `endpoints`.
    Endpoint,
    /// An element of `backend`.
    Backend,
    /// `client_tls`.
    ClientTls,
    /// An element of `client_tls.client_certs`.
    ClientCertificate,
    /// `extra_config.router`.
    Router,
    /// `extra_config.router.error_body`.
    ErrorBody,
    /// `extra_config.telemetry/logging`.
    Logging,
    /// `extra_config.proxy` of an endpoint.
    EndpointProxy,
    /// `extra_config.proxy` of a backend.
    BackendProxy,
    /// `extra_config.backend/http`.
    BackendHttp,
    /// `extra_config.backend/http/client`.
    BackendHttpClient,
    /// `extra_config.ringway` of the service.
    Ringway,
    /// `extra_config.ringway` of an endpoint.
    EndpointRingway,
    /// `extra_config.ringway` of a backend.
    BackendRingway,
    /// `extra_config.ringway.json`.
    RingwayJson,
    /// `extra_config.ringway.http1`.
    RingwayHttp1,
    /// `extra_config.ringway.limits`.
    RingwayLimits,
}

impl Scope {
    /// Every scope, in the order of the manual.
    pub const ALL: [Scope; 18] = [
        Scope::Root,
        Scope::Endpoint,
        Scope::Backend,
        Scope::ClientTls,
        Scope::ClientCertificate,
        Scope::Router,
        Scope::ErrorBody,
        Scope::Logging,
        Scope::EndpointProxy,
        Scope::BackendProxy,
        Scope::BackendHttp,
        Scope::BackendHttpClient,
        Scope::Ringway,
        Scope::EndpointRingway,
        Scope::BackendRingway,
        Scope::RingwayJson,
        Scope::RingwayHttp1,
        Scope::RingwayLimits,
    ];

    /// The heading in the manual.
    pub fn title(self) -> &'static str {
        match self {
            Scope::Root => "The root object",
            Scope::Endpoint => "An endpoint",
            Scope::Backend => "A backend",
            Scope::ClientTls => "`client_tls`",
            Scope::ClientCertificate => "`client_tls.client_certs[]`",
            Scope::Router => "`router` (service)",
            Scope::ErrorBody => "`router.error_body`",
            Scope::Logging => "`telemetry/logging` (service)",
            Scope::EndpointProxy => "`proxy` (endpoint)",
            Scope::BackendProxy => "`proxy` (backend)",
            Scope::BackendHttp => "`backend/http` (backend)",
            Scope::BackendHttpClient => "`backend/http/client` (backend)",
            Scope::Ringway => "`ringway` (service)",
            Scope::EndpointRingway => "`ringway` (endpoint)",
            Scope::BackendRingway => "`ringway` (backend)",
            Scope::RingwayJson => "`ringway.json`",
            Scope::RingwayHttp1 => "`ringway.http1`",
            Scope::RingwayLimits => "`ringway.limits`",
        }
    }
}

const fn acts(key: &'static str, does: &'static str) -> Known {
    Known { key, class: Class::Acts, does }
}

const fn refused(key: &'static str, does: &'static str) -> Known {
    Known { key, class: Class::RefusedUntilBuilt, does }
}

const fn warned(key: &'static str, does: &'static str) -> Known {
    Known { key, class: Class::WarnedAbout, does }
}

/// The known keys of a scope.
pub fn keys(scope: Scope) -> &'static [Known] {
    match scope {
        Scope::Root => ROOT,
        Scope::Endpoint => ENDPOINT,
        Scope::Backend => BACKEND,
        Scope::ClientTls => CLIENT_TLS,
        Scope::ClientCertificate => CLIENT_CERTIFICATE,
        Scope::Router => ROUTER,
        Scope::ErrorBody => ERROR_BODY,
        Scope::Logging => LOGGING,
        Scope::EndpointProxy => ENDPOINT_PROXY,
        Scope::BackendProxy => BACKEND_PROXY,
        Scope::BackendHttp => BACKEND_HTTP,
        Scope::BackendHttpClient => BACKEND_HTTP_CLIENT,
        Scope::Ringway => RINGWAY,
        Scope::EndpointRingway => ENDPOINT_RINGWAY,
        Scope::BackendRingway => BACKEND_RINGWAY,
        Scope::RingwayJson => RINGWAY_JSON,
        Scope::RingwayHttp1 => RINGWAY_HTTP1,
        Scope::RingwayLimits => crate::config::model::limits::KNOWN,
    }
}

const ROOT: &[Known] = &[
    acts("version", "must be 3"),
    acts("name", "is shown in logs and by `check`"),
    acts("endpoints", "lists what clients can ask for"),
    acts("timeout", "is the endpoints' default, 2 s"),
    acts("cache_ttl", "is the endpoints' default, none"),
    acts("host", "lists the backends' default hosts"),
    acts("port", "is the port to listen on, 8080"),
    acts("listen_ip", "is the address to listen on, all of them"),
    acts("output_encoding", "is the endpoints' default, json"),
    acts("extra_config", "holds the namespaces"),
    acts("read_timeout", "bounds a whole request"),
    acts("write_timeout", "bounds a whole answer"),
    acts("idle_timeout", "bounds the pause between requests"),
    acts("read_header_timeout", "bounds a request head, 10 s"),
    acts("max_header_bytes", "bounds a request head, 64 KiB (KrakenD: 1 MiB)"),
    acts("disable_keep_alives", "calls each backend over a new connection"),
    acts("disable_compression", "asks backends for no gzip"),
    acts("max_idle_connections", "bounds the idle connections to backends, unlimited"),
    acts("max_idle_connections_per_host", "bounds those to one host, 250"),
    acts("idle_connection_timeout", "closes idle connections to backends, never"),
    acts("response_header_timeout", "bounds the wait for a backend's head"),
    acts("expect_continue_timeout", "bounds the wait for a backend's 100 Continue"),
    acts("dialer_timeout", "bounds connecting to a backend"),
    acts("dialer_fallback_delay", "is the head start of IPv6, 300 ms"),
    acts("dialer_keep_alive", "is the pause between TCP probes, 15 s"),
    acts("disable_rest", "relaxes the placeholders in endpoint paths"),
    acts("client_tls", "says how TLS is spoken to backends"),
    acts("debug_endpoint", "opens /__debug/"),
    acts("echo_endpoint", "opens /__echo/"),
    acts("allow_insecure_connections", "turns off the check of backends' certificates"),
    acts(
        "max_shutdown_wait_time",
        "bounds the end of requests in flight, 30 s (KrakenD: for ever)",
    ),
    refused("plugin", "loads Go plugins"),
    refused("tls", "serves TLS"),
    refused("use_h2c", "serves HTTP/2 without TLS"),
    refused("async_agent", "consumes message queues"),
    refused("sequential_start", "starts agents before the listener"),
    warned("dns_cache_ttl", "belongs to `sd: \"dns\"`, which is refused"),
];

const ENDPOINT: &[Known] = &[
    acts("endpoint", "is the path"),
    acts("method", "is GET (default), POST, PUT, PATCH or DELETE"),
    acts("backend", "lists what is called, one or more"),
    acts("concurrent_calls", "sends identical calls, the first complete answer wins"),
    acts("timeout", "bounds all backends together"),
    acts("cache_ttl", "sets Cache-Control of complete answers"),
    acts("input_query_strings", "lists the parameters that are forwarded"),
    acts("input_headers", "lists the fields that are forwarded"),
    acts("output_encoding", "says how the answer is written"),
    acts("extra_config", "holds the namespaces"),
];

const BACKEND: &[Known] = &[
    acts("url_pattern", "is the path and query to ask for"),
    acts("method", "is the endpoint's if absent"),
    acts("host", "lists the hosts, the service's if absent"),
    acts("disable_host_sanitize", "uses the hosts as they are written"),
    acts("encoding", "says how the answer is read"),
    acts("is_collection", "expects an array"),
    acts("target", "makes an inner object the answer"),
    acts("group", "puts the answer under a key"),
    acts("allow", "lists what is kept"),
    acts("deny", "lists what is dropped"),
    acts("mapping", "renames keys"),
    acts("sd", "finds hosts: static; `dns` is refused"),
    acts("input_headers", "lists the fields that this backend gets"),
    acts("input_query_strings", "lists the parameters that this backend gets"),
    acts("extra_config", "holds the namespaces"),
    warned("sd_scheme", "belongs to `sd: \"dns\"`, which is refused"),
    warned("timeout", "has no effect in a backend (KrakenD: neither), the endpoint's counts"),
    warned("concurrentcalls", "has no effect in a backend, the endpoint's concurrent_calls counts"),
    warned("urlkeys", "is overwritten by KrakenD"),
    warned("concurrent_calls", "has no effect in a backend, the endpoint's counts"),
];

const CLIENT_TLS: &[Known] = &[
    acts("allow_insecure_connections", "turns off the check of certificates"),
    acts("ca_certs", "lists files with further roots"),
    acts("disable_system_ca_pool", "trusts only ca_certs"),
    acts("min_version", "is TLS12 or TLS13 (default)"),
    acts("max_version", "is TLS12 or TLS13 (default)"),
    acts("curve_preferences", "lists curves by number"),
    acts("cipher_suites", "lists TLS 1.2 suites by number"),
    acts("client_certs", "lists certificates to show to backends"),
];

const CLIENT_CERTIFICATE: &[Known] =
    &[acts("certificate", "is a PEM file"), acts("private_key", "is a PEM file")];

const ROUTER: &[Known] = &[
    acts("disable_redirect_trailing_slash", "answers 404 instead of a redirect"),
    acts("disable_redirect_fixed_path", "answers 404 instead of a redirect"),
    acts("disable_handle_method_not_allowed", "answers 404 instead of 405"),
    acts("forwarded_by_client_ip", "lets forwarding fields name the client, true"),
    acts("remote_ip_headers", "lists these fields"),
    acts("trusted_proxies", "lists who may send them: everybody, in profile safe nobody"),
    acts("app_engine", "believes X-Appengine-Remote-Addr"),
    acts("remove_extra_slash", "cleans the path before the lookup"),
    acts("logger_skip_paths", "leaves paths out of the access log"),
    acts("auto_options", "answers OPTIONS for each endpoint"),
    acts("return_error_msg", "writes the error's text as body"),
    acts("disable_health", "closes the health route"),
    acts("health_path", "is /__health"),
    acts("disable_access_log", "turns the access log off"),
    acts("disable_path_decoding", "turns the check of parameters off"),
    acts("hide_version_header", "hides the version"),
    acts("error_body", "replaces the bodies of 404 and 405"),
    acts("max_multipart_memory", "has no effect on a gateway (KrakenD: neither)"),
    refused("use_h2c", "serves HTTP/2 without TLS"),
    refused("max_payload", "bounds request bodies"),
    refused("decompress_gzip", "decodes request bodies"),
    warned("disable_gzip", "turns off compression towards clients, which is never done"),
];

const ERROR_BODY: &[Known] =
    &[acts("404", "is the body for not found"), acts("405", "is the body for not allowed")];

const LOGGING: &[Known] = &[
    acts("level", "is the least important level that is logged"),
    acts("stdout", "logs to standard output"),
    warned("syslog", "logs to syslog"),
    warned("syslog_facility", "names the facility of syslog"),
    warned("prefix", "begins each line"),
    warned("format", "changes the lines"),
    warned("custom_format", "changes the lines"),
    warned("access_log_format", "changes the access log"),
    warned("access_log_custom_format", "changes the access log"),
    warned("access_log_missing_key_marker", "changes the access log"),
    warned("backend", "logs calls to backends"),
];

const ENDPOINT_PROXY: &[Known] = &[
    acts("sequential", "calls backends one after the other; refused with two or more"),
    acts("sequential_propagated_params", "has no effect without `sequential`"),
    acts("combiner", "names how answers are merged: default"),
    acts("strategy", "is parallel; other values are refused"),
    acts("force_sandboxed_request", "isolates backends, which is always done"),
    refused("static", "adds data to answers"),
    refused("flatmap_filter", "moves values about"),
    refused("max_payload", "bounds request bodies"),
    refused("decompress_gzip", "decodes request bodies"),
];

const BACKEND_PROXY: &[Known] = &[
    acts("shadow_timeout", "has no effect without `shadow`"),
    refused("shadow", "sends copies of requests"),
    refused("flatmap_filter", "moves values about"),
];

const BACKEND_HTTP: &[Known] = &[
    acts("return_error_code", "gives the backend's status and body to the client"),
    acts("return_error_details", "gives them as an object of the answer"),
];

const BACKEND_HTTP_CLIENT: &[Known] = &[
    acts("send_body_on_redirect", "follows 307 and 308 with the body"),
    refused("client_tls", "says how TLS is spoken to this backend"),
    refused("no_redirect", "stops at redirects"),
    refused("proxy_address", "calls through a proxy"),
];

const RINGWAY: &[Known] = &[
    acts("profile", "sets the defaults: krakend (default), safe"),
    acts("workers", "is the number of workers, one for each core"),
    acts("admin", "is where /metrics, /live and /ready answer, nowhere"),
    acts("memory", "bounds the bytes held for requests and responses"),
    acts("limits", "holds the bounds against hostile peers"),
    acts("merge_order", "is configuration (default) or arrival"),
    acts("json", "holds how JSON is read and written"),
    acts("statuses", "is krakend (default: 500) or rfc (safe: 502 and 504)"),
    acts("http1", "holds what belongs to HTTP/1"),
    acts("stream_idle", "bounds pauses of streamed bodies, 30 s"),
    acts("auto_head", "answers HEAD wherever GET is"),
    acts("next_host", "tries the next host when connecting failed, true"),
];

const ENDPOINT_RINGWAY: &[Known] = &[
    acts("merge_order", "is configuration or arrival"),
    acts("json", "holds how JSON is read and written"),
    acts("statuses", "is krakend or rfc"),
    acts("stream_idle", "bounds pauses of streamed bodies"),
    acts("auto_head", "answers HEAD where this GET is"),
    acts("next_host", "tries the next host when connecting failed"),
];

const BACKEND_RINGWAY: &[Known] = &[
    acts("json", "holds how JSON is read: trailing and utf8"),
    acts("stream_idle", "bounds pauses of streamed bodies"),
    acts("next_host", "tries the next host when connecting failed"),
];

const RINGWAY_JSON: &[Known] = &[
    acts("sort_keys", "writes keys sorted, as KrakenD does"),
    acts("escape_html", "escapes <, > and &, as KrakenD does"),
    acts("trailing", "is ignore (default) or refuse (safe): bytes behind the value"),
    acts("utf8", "is replace (default) or refuse (safe): invalid text"),
];

const RINGWAY_HTTP1: &[Known] = &[acts(
    "half_close_grace",
    "is how long an answer may follow a FIN, 250 ms; \"inf\": for ever",
)];

//! Bounds without a key: what is behind them is a rule of a format, or a figure that nobody had a
//! reason to change yet. They stand in the manual beside the keys.

/// One bound without a key.
pub(super) struct Fixed {
    /// What is bounded.
    pub what: &'static str,
    /// The bound.
    pub bound: &'static str,
    /// What a peer meets beyond it.
    pub beyond: &'static str,
    /// The label of that in the metrics.
    pub label: &'static str,
}

const fn fixed(
    what: &'static str,
    bound: &'static str,
    beyond: &'static str,
    label: &'static str,
) -> Fixed {
    Fixed { what, bound, beyond, label }
}

/// All of them.
pub(super) const FIXED: &[Fixed] = &[
    fixed("empty lines before a request", "2", "400, closed", "bad_request"),
    fixed("a method", "32 bytes", "400, closed", "bad_request"),
    fixed("a host name in Host or target", "255 bytes", "400, closed", "bad_request"),
    fixed(
        "a target with user name, fragment, control byte or NUL, also encoded",
        "none",
        "400, closed",
        "bad_request",
    ),
    fixed(
        "`.` or `..` as the value of a placeholder, also encoded",
        "none",
        "400",
        "bad_parameter",
    ),
    fixed("`%2F` in the value of a placeholder", "none", "404", "not_found"),
    fixed("`;` and `%5C` in it", "pass, `%5C` encoded anew", "–", "ok"),
    fixed(
        "a field whose name is with `_` for `-` one that the gateway sets or reads",
        "none passes",
        "left out of the request to the backend",
        "",
    ),
    fixed(
        "a chunk's size",
        "16 hexadecimal digits",
        "400, closed; 500 / 502 of a backend",
        "bad_request, backend_bad_chunk",
    ),
    fixed(
        "framing of a chunked body",
        "256 bytes a chunk line; 16 KiB and 16 bytes for each byte of content",
        "400, closed; 500 / 502 of a backend",
        "bad_request, backend_bad_chunk",
    ),
    fixed(
        "trailers",
        "8 KiB, 32 fields",
        "400, closed; 500 / 502 of a backend",
        "bad_request, backend_bad_chunk",
    ),
    fixed(
        "requests ahead of their answers on one connection",
        "two reads of at most 64 KiB, not parsed before their turn",
        "not read until there is room",
        "",
    ),
    fixed(
        "a streamed body in memory",
        "one piece of at most 64 KiB in each direction, and what was read ahead",
        "not read until there is room",
        "",
    ),
    fixed("nesting where a policy reads a tree", "128 levels", "the policy sees no tree", ""),
    fixed(
        "redirects of a backend that are followed",
        "10",
        "500 / 502",
        "backend_too_many_redirects",
    ),
    fixed("a TLS handshake with a backend", "10 s", "500 / 502", "backend_tls_failed"),
    fixed(
        "connections to one host that are being opened, of one worker",
        "256; 16,384 calls wait",
        "500 / 503",
        "backend_pool_busy",
    ),
    fixed(
        "what is read of a response that nobody wants, to keep its connection",
        "16 KiB, 50 ms",
        "the connection to the backend is closed",
        "",
    ),
    fixed("connections of the admin listener", "64, 5 s a request", "closed", ""),
];

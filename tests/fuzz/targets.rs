//! The list of targets: each entry point of `src/`, and those of this directory that compare.

use crate::words::{ADDRESSES, CHUNKS, CONFIG, GZIP, HTTP, JSON, PEM, TARGETS as PATHS};
use crate::{differential, forward};

/// One entry point with what it eats.
pub struct Target {
    pub name: &'static str,
    /// Panics where a promise is broken; else says what the input did, as a number.
    pub enter: fn(&[u8]) -> u64,
    /// Dictionaries.
    pub words: &'static [&'static [&'static [u8]]],
    /// Inputs that grow longer than this are cut: costs stay bounded.
    pub len_max: usize,
    /// Inputs of a short run.
    pub n: u64,
}

macro_rules! targets {
    ($($entry:path, $name:literal, $words:expr, $len_max:literal, $n:literal;)+) => {
        pub const TARGETS: &[Target] = &[$(Target {
            name: $name,
            enter: $entry,
            words: &$words,
            len_max: $len_max,
            n: $n,
        }),+];
    };
}

targets! {
    ringway::http::fuzz::fuzz_head, "http::fuzz_head", [HTTP], 1024, 2_000;
    ringway::http::fuzz::fuzz_response, "http::fuzz_response", [HTTP], 1024, 2_000;
    ringway::http::fuzz::fuzz_chunked, "http::fuzz_chunked", [CHUNKS], 1024, 6_000;
    ringway::http::fuzz::fuzz_trailers, "http::fuzz_trailers", [CHUNKS, HTTP], 1024, 4_000;
    ringway::http::fuzz::fuzz_uri, "http::fuzz_uri", [PATHS], 512, 6_000;
    ringway::http::fuzz::fuzz_authority, "http::fuzz_authority", [ADDRESSES], 300, 6_000;
    ringway::http::fuzz::fuzz_hop, "http::fuzz_hop", [HTTP], 1024, 3_000;
    ringway::http::fuzz::fuzz_field, "http::fuzz_field", [HTTP], 512, 6_000;
    ringway::http::fuzz::fuzz_quote, "http::fuzz_quote", [], 512, 4_000;
    ringway::json::fuzz::fuzz_scan, "json::fuzz_scan", [JSON], 2048, 4_000;
    ringway::json::fuzz::fuzz_decode, "json::fuzz_decode", [JSON], 1024, 300;
    ringway::config::fuzz::fuzz_config, "config::fuzz_config", [CONFIG, JSON], 4096, 300;
    ringway::config::fuzz::fuzz_values, "config::fuzz_values", [CONFIG, PATHS], 256, 50;
    ringway::config::fuzz::fuzz_syntax, "config::fuzz_syntax", [CONFIG, JSON], 2048, 1_500;
    ringway::config::fuzz::fuzz_durations, "config::fuzz_durations", [CONFIG], 128, 6_000;
    ringway::config::fuzz::fuzz_hosts, "config::fuzz_hosts", [ADDRESSES, PATHS], 256, 5_000;
    ringway::config::fuzz::fuzz_urls, "config::fuzz_urls", [CONFIG, PATHS], 256, 3_000;
    ringway::plan::router::fuzz_router, "plan::fuzz_router", [PATHS], 512, 2_000;
    ringway::plan::fuzz::fuzz_client_ip, "plan::fuzz_client_ip", [ADDRESSES], 512, 6_000;
    ringway::plan::fuzz::fuzz_url, "plan::fuzz_url", [PATHS], 512, 4_000;
    ringway::proxy::fuzz::fuzz_gunzip, "proxy::fuzz_gunzip", [GZIP], 2048, 1_500;
    ringway::proxy::fuzz::fuzz_location, "proxy::fuzz_location", [PATHS, ADDRESSES], 512, 5_000;
    ringway::telemetry::fuzz::fuzz_log, "telemetry::fuzz_log", [], 512, 3_000;
    ringway::net::tls::fuzz::fuzz_pem, "net::fuzz_pem", [PEM], 4096, 300;
    differential::requests, "differential::requests", [HTTP, CHUNKS, PATHS], 2048, 6_000;
    differential::responses, "differential::responses", [HTTP, CHUNKS], 2048, 6_000;
    forward::forward, "differential::forward", [HTTP, PATHS], 2048, 3_000;
    forward::explain, "differential::explain", [PATHS], 512, 500;
}

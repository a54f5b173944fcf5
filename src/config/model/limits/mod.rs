//! `extra_config.ringway.limits`: bounds against hostile or broken peers, all in force by default.
//! One list gives the keys, their defaults and ranges, what happens beyond them, and the page of
//! the manual. Where KrakenD has a key of its own, that one wins.
//! Source: docs/reference/hardening.md 1.

mod fixed;
mod kinds;
mod manual;

pub use manual::markdown;

use self::kinds::Reader;
use super::{ServerTimeouts, TIMEOUT_MAX};
use crate::config::diagnostic::Diagnostics;
use crate::config::known::{Class, Known, Scope, check_own_keys};
use crate::config::node::Node;
use std::time::Duration;

const KIB: u32 = 1024;
const MIB: u32 = 1024 * KIB;
const MIB64: u64 = 1024 * 1024;
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
/// A span of the codec cannot hold more.
const LINE_MAX: u32 = u16::MAX as u32;
/// The codec's list of fields holds no more.
const FIELDS_MAX: u32 = 256;
const HELD_MAX: u64 = 1 << 40;

/// One key, as the manual shows it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The key in `ringway.limits`.
    pub key: &'static str,
    /// KrakenD's key of the same meaning, which wins; empty where it has none.
    pub krakend: &'static str,
    /// The default.
    pub default: String,
    /// What is allowed.
    pub range: String,
    /// What it does, to follow the key in a sentence.
    pub does: &'static str,
    /// What a peer meets beyond it: a status, or what happens to the connection.
    pub beyond: &'static str,
    /// The label of that in the metrics; empty where nothing is refused.
    pub label: &'static str,
}

macro_rules! limits {
    ($(
        $name:ident: $type:ty = $default:expr, $kind:ident($range:expr), $krakend:literal,
        $does:literal, $beyond:literal, $label:literal;
    )*) => {
        /// Every bound; nothing is unlimited unless the field says how.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $(#[doc = concat!("It ", $does, ". Beyond it: ", $beyond, ".")] pub $name: $type,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Limits { $($name: $default,)* }
            }
        }

        impl Limits {
            /// Every key with its default, in the order of the manual.
            pub fn rows() -> Vec<Row> {
                let limits = Limits::default();
                vec![$(Row {
                    key: stringify!($name),
                    krakend: $krakend,
                    default: kinds::shown::$kind(&limits.$name),
                    range: kinds::allowed::$kind(&$range),
                    does: $does,
                    beyond: $beyond,
                    label: $label,
                },)*]
            }

            fn read_block(&mut self, reader: &mut Reader<'_, '_>) {
                $(reader.$kind(stringify!($name), $range, &mut self.$name);)*
            }
        }

        /// The same keys for the table of known ones.
        pub const KNOWN: &[Known] =
            &[$(Known { key: stringify!($name), class: Class::Acts, does: $does },)*];
    };
}

limits! {
    head_timeout: Duration = 10 * SECOND, time(MILLISECOND..=TIMEOUT_MAX),
        "read_header_timeout, else read_timeout",
        "bounds a request head in time, from its first byte, or from the connection's opening for the first one, however it drips",
        "closed without an answer", "reason head_timeout";
    head_bytes: u32 = 64 * KIB, bytes32(256..=16 * MIB), "max_header_bytes",
        "bounds a request head, request line and empty line included",
        "431, closed", "head_too_large";
    head_fields: u32 = 100, count(1..=FIELDS_MAX), "",
        "bounds the number of fields of a request head",
        "431, closed", "head_too_large";
    line_bytes: u32 = 16 * KIB, bytes32(256..=LINE_MAX), "",
        "bounds one field of a request with its CRLF; max_header_bytes raises it as far as it goes",
        "431, closed", "head_too_large";
    target_bytes: u32 = 8 * KIB, bytes32(256..=LINE_MAX), "",
        "bounds the request target; max_header_bytes raises it as far as it goes",
        "414, closed", "head_too_large";
    query_params: u32 = 256, count(1..=100_000), "",
        "bounds the parameters of a query",
        "400, closed", "too_many_parameters";
    body_idle: Duration = 30 * SECOND, time(MILLISECOND..=TIMEOUT_MAX), "",
        "bounds the wait for the next bytes of a request body; the backend's slowness does not count",
        "408, closed", "request_timeout";
    body_rate_min: u32 = 240, count(0..=1 << 30), "",
        "is the least rate of a request body in bytes a second, over each 10 s of waiting for it; 0: none",
        "408, closed", "request_timeout";
    body_bytes: u64 = 16 * MIB64, bytes64(1024..=HELD_MAX), "",
        "bounds a request body that has to be held; streamed bodies are free",
        "413, closed", "body_too_large";
    write_idle: Duration = 30 * SECOND, time(MILLISECOND..=TIMEOUT_MAX), "",
        "is the time within which a client takes 64 KiB of its answer, or all that is there of it",
        "closed in the middle", "reason write_timeout";
    keep_alive: Duration = 75 * SECOND, time(MILLISECOND..=TIMEOUT_MAX),
        "idle_timeout, else read_timeout",
        "bounds the pause between two requests of a connection",
        "closed", "reason idle";
    connection_requests: u32 = 10_000, count(1..=u32::MAX), "",
        "bounds the requests of one connection",
        "closed after the last answer", "reason finished";
    connection_age: Duration = 3600 * SECOND, time(MILLISECOND..=TIMEOUT_MAX), "",
        "bounds the age of a connection, give or take 10 % by when it was opened",
        "closed after the next answer", "reason finished";
    connections: Option<u32> = None, files(1..=u32::MAX), "",
        "bounds the client connections of the process, never above 45 % of the open files without the reserved ones; divided by the workers",
        "not accepted until there is room; waits in the kernel's queue", "accept_pauses connections";
    connections_per_ip: Option<u32> = None, per_ip(0..=u32::MAX), "",
        "bounds those of one address; unset, an address that holds half of the connections gets none of the last quarter; 0: no bound",
        "reset", "refused per_ip";
    reserved_files: u32 = 32, count(0..=65_536), "",
        "keeps open files for the admin listener and the gateway itself: no client and no backend gets one of the last ones",
        "not accepted until there is room; a backend call fails", "accept_pauses files, backend_connect_failed";
    drain_bytes: u32 = 64 * KIB, bytes32(0..=1 << 30), "",
        "bounds what is read of a request body after an answer that did not wait for it",
        "closed", "reason finished";
    drain_time: Duration = SECOND, time(MILLISECOND..=60 * SECOND), "",
        "bounds the same in time",
        "closed", "reason finished";
    overload_close: u32 = 92, count(1..=100), "",
        "is the share of the memory, in percent, from which connections close after their answer",
        "closed after the answer", "reason finished";
    overload_refuse: u32 = 95, count(1..=100), "",
        "is the share from which endpoints answer 503",
        "503 with Retry-After: 1, closed", "overload";
    overload_stop: u32 = 98, count(1..=100), "",
        "is the share from which nothing is accepted and no body grows",
        "not accepted until there is room; 503 for a body under way", "accept_pauses memory, overload";
    backend_head_bytes: u32 = 64 * KIB, bytes32(256..=16 * MIB), "",
        "bounds the head of a backend's response; one field of it has at most 65,535 bytes",
        "500 / 502", "backend_bad_head";
    backend_head_fields: u32 = 100, count(1..=FIELDS_MAX), "",
        "bounds the number of its fields",
        "500 / 502", "backend_bad_head";
    backend_interims: u32 = 16, count(0..=1000), "",
        "bounds the interim responses (1xx) before a response",
        "500 / 502", "backend_bad_interim";
    backend_interim_bytes: u32 = 64 * KIB, bytes32(0..=16 * MIB), "",
        "bounds them in bytes, all together",
        "500 / 502", "backend_bad_interim";
    backend_body_bytes: u64 = 16 * MIB64, bytes64(1024..=HELD_MAX), "",
        "bounds a response body that has to be held, decoded; streamed bodies are free",
        "500 / 502, or the others' answers", "backend_body_too_large";
    answer_bytes: u64 = 64 * MIB64, bytes64(1024..=HELD_MAX), "",
        "bounds the held response bodies of one request, all backends together",
        "as before, for the backend that goes over it", "backend_body_too_large";
    inflate_ratio: u32 = 100, count(1..=1_000_000), "",
        "bounds decoded to coded bytes of a gzip body",
        "500 / 502; a stream is cut", "backend_gzip_bomb";
    inflate_free: u32 = MIB, bytes32(0..=1 << 30), "",
        "is how much may be decoded before the ratio counts",
        "500 / 502; a stream is cut", "backend_gzip_bomb";
    json_depth: u32 = 10_000, count(1..=10_000), "",
        "bounds the nesting of a backend's JSON; less than the default costs one more pass over it",
        "500 / 502, or the others' answers", "backend_bad_json";
    replays: u32 = 1, count(0..=1), "",
        "is how often a request is sent again whose kept connection died before a byte of a response came, and of which nothing was sent or which is a GET, HEAD, OPTIONS or TRACE without body",
        "500 / 502", "backend_closed, backend_reset";
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
            limits.read_block(&mut Reader { block, found });
            limits.check_steps(block, found);
        }
        let whole = server.read_timeout;
        if let Some(time) = server.read_header_timeout.or(whole) {
            limits.head_timeout = time;
        }
        if let Some(time) = server.idle_timeout.or(whole) {
            limits.keep_alive = time;
        }
        match root.number_in("max_header_bytes", 0..=16 * MIB, found) {
            None | Some(0) => {}
            Some(bytes) => {
                limits.head_bytes = bytes;
                // A field line and the target are parts of the head: KrakenD knows no other bound.
                let line = bytes.min(LINE_MAX);
                limits.line_bytes = limits.line_bytes.max(line);
                limits.target_bytes = limits.target_bytes.max(line);
            }
        }
        limits
    }

    /// A later step of an overload must not come before an earlier one.
    fn check_steps(&self, block: Node<'_>, found: &mut Diagnostics) {
        let steps = [
            ("overload_refuse", self.overload_refuse, self.overload_close, "overload_close"),
            ("overload_stop", self.overload_stop, self.overload_refuse, "overload_refuse"),
        ];
        for (key, value, before, name) in steps {
            if value < before {
                let node = block.get(key).or_else(|| block.get(name)).unwrap_or(block);
                found.refuse(
                    node,
                    &format!("puts {key} below {name}"),
                    &format!("{key} of at least {before}"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::syntax::json_for_tests;

    fn read(block: &str) -> (Limits, Vec<String>) {
        let tree = json_for_tests(block);
        let empty = json_for_tests("{}");
        let mut found = Diagnostics::new(false);
        let server = ServerTimeouts::default();
        let limits = Limits::read(empty.root(), Some(tree.root()), &server, &mut found);
        (limits, found.iter().map(|one| one.path.to_string()).collect())
    }

    /// Every key takes both ends of its range and refuses what is beyond: the table is what is read.
    #[test]
    fn every_key_is_read_within_its_range() {
        for row in Limits::rows() {
            let (low, high) = row.range.split_once(" to ").expect("a range");
            let text = |value: &str| match value.bytes().all(|byte| byte.is_ascii_digit()) {
                true => format!("{{\"{}\": {value}}}", row.key),
                false => format!("{{\"{}\": \"{value}\"}}", row.key),
            };
            for value in [low, high] {
                let (limits, problems) = read(&text(value));
                // The steps of an overload are also held against each other.
                let problems = problems.iter().filter(|_| !row.key.starts_with("overload_"));
                assert_eq!(problems.count(), 0, "{} of {value}", row.key);
                let shown = format!("{limits:?}");
                let is_default = limits == Limits::default();
                assert!(!is_default || row.default == value, "{} of {value}: {shown}", row.key);
            }
            let (_, problems) = read(&text("-1"));
            assert_eq!(problems, [row.key], "below {}", row.key);
            let (_, problems) = read(&text("true"));
            assert_eq!(problems, [row.key], "a word for {}", row.key);
        }
    }

    #[test]
    fn steps_of_an_overload_are_in_order() {
        for (block, problems) in [
            (r#"{"overload_close": 50, "overload_refuse": 50, "overload_stop": 50}"#, &[][..]),
            (r#"{"overload_close": 96}"#, &["overload_close"]),
            (r#"{"overload_stop": 90}"#, &["overload_stop"]),
            (r#"{"overload_refuse": 99}"#, &["overload_refuse"]),
        ] {
            assert_eq!(read(block).1, problems, "{block}");
        }
    }
}

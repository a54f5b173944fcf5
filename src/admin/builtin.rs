//! The gateway's own answers on the public listener: health, debug, echo. KrakenD's payloads, which
//! probes and its own tests read. Source: docs/reference/lura-core.md 2.2.

use std::io::Write as _;
use std::time::Duration;

use crate::http::h1::RequestHead;
use crate::http::uri::query::pairs;
use crate::json::text::{Escape, quote};
use crate::telemetry::stamp::Stamp;

/// What `/__debug/` answers.
pub const PONG: &[u8] = b"{\"message\":\"pong\"}";

/// A request as debug and echo show it.
pub struct Seen<'a> {
    /// Its head.
    pub head: &'a RequestHead,
    /// The bytes that its spans refer to.
    pub bytes: &'a [u8],
    /// Its decoded path.
    pub path: &'a [u8],
    /// Its content.
    pub body: &'a [u8],
}

/// The health answer; no async agents exist, so the object of them is empty.
pub fn health(unix_nanos: u64, uptime: Duration) -> Vec<u8> {
    // Probes call it often: one allocation.
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(b"{\"agents\":{},\"now\":\"");
    Stamp::new(unix_nanos).write_go(unix_nanos, &mut out);
    let (seconds, nanos) = (uptime.as_secs(), uptime.subsec_nanos());
    let _ = write!(out, " m=+{seconds}.{nanos:09}");
    out.extend_from_slice(b"\",\"status\":\"ok\"}");
    out
}

/// The echo answer, in KrakenD's order of keys.
pub fn echo(seen: &Seen<'_>) -> Vec<u8> {
    let Seen { head, bytes, path, body } = seen;
    let mut out = b"{\"req_uri\":".to_vec();
    let text = |value: &[u8], out: &mut Vec<u8>| quote(value, Escape::Html, out);
    text(head.target.raw.of(bytes), &mut out);
    out.extend_from_slice(b",\"req_uri_details\":{\"fragment\":\"\",\"host\":");
    text(head.host.map(|span| span.of(bytes)).unwrap_or_default(), &mut out);
    out.extend_from_slice(b",\"path\":");
    text(path, &mut out);
    out.extend_from_slice(b",\"query\":");
    text(head.target.query(bytes), &mut out);
    out.extend_from_slice(b",\"user\":\"\"},\"req_method\":");
    text(head.method.as_bytes(bytes), &mut out);
    out.extend_from_slice(b",\"req_querystring\":");
    multimap(&query_values(head.target.query(bytes)), &mut out);
    out.extend_from_slice(b",\"req_body\":");
    text(body, &mut out);
    out.extend_from_slice(b",\"req_headers\":");
    multimap(&field_values(seen), &mut out);
    out.push(b'}');
    out
}

/// The lines that debug logs.
pub fn debug_lines(seen: &Seen<'_>, lines: &mut Vec<String>) {
    let Seen { head, bytes, path, body } = seen;
    let show = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    lines.push(format!("Method: {}", show(head.method.as_bytes(bytes))));
    lines.push(format!("URL: {}", show(head.target.raw.of(bytes))));
    lines.push(format!("Query: {}", go_map(&query_values(head.target.query(bytes)))));
    let param = path.strip_prefix(b"/__debug").unwrap_or(path);
    lines.push(format!("Params: [{{param {}}}]", show(param)));
    lines.push(format!("Headers: {}", go_map(&field_values(seen))));
    lines.push(format!("Body: {}", show(body)));
}

type Multimap = std::collections::BTreeMap<Vec<u8>, Vec<Vec<u8>>>;

fn query_values(query: &[u8]) -> Multimap {
    let mut map = Multimap::new();
    for pair in pairs(query) {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        pair.push_key(&mut key);
        pair.push_value(&mut value);
        map.entry(key).or_default().push(value);
    }
    map
}

/// Go keeps Host out of the map of headers.
fn field_values(seen: &Seen<'_>) -> Multimap {
    let mut map = Multimap::new();
    for field in seen.head.fields.iter() {
        if field.id == crate::http::HeaderId::Host {
            continue;
        }
        let mut name = Vec::new();
        crate::http::canonical_name(field.name(seen.bytes), &mut name);
        map.entry(name).or_default().push(field.value(seen.bytes).to_vec());
    }
    // Go takes the framing fields out as well, save Content-Length.
    map.remove(&b"Transfer-Encoding"[..]);
    map
}

fn multimap(map: &Multimap, out: &mut Vec<u8>) {
    out.push(b'{');
    for (at, (key, values)) in map.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        quote(key, Escape::Html, out);
        out.extend_from_slice(b":[");
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            quote(value, Escape::Html, out);
        }
        out.push(b']');
    }
    out.push(b'}');
}

/// Go's `%v` of a map of lists.
fn go_map(map: &Multimap) -> String {
    let mut text = "map[".to_owned();
    for (at, (key, values)) in map.iter().enumerate() {
        if at > 0 {
            text.push(' ');
        }
        let values: Vec<_> = values.iter().map(|v| String::from_utf8_lossy(v)).collect();
        text.push_str(&format!("{}:[{}]", String::from_utf8_lossy(key), values.join(" ")));
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::h1::{HeadLimits, Progress, parse_request};

    fn seen(bytes: &[u8], body: &[u8], check: impl FnOnce(&Seen<'_>)) {
        let mut head = RequestHead::default();
        assert_eq!(parse_request(bytes, &HeadLimits::DEFAULT, &mut head), Ok(Progress::Done));
        check(&Seen { head: &head, bytes, path: head.target.path(bytes), body });
    }

    #[test]
    fn echo_is_krakends() {
        let request =
            b"POST /__echo/p?y=1&y=2 HTTP/1.1\r\nHost: h\r\nx-a: 1\r\nContent-Length: 2\r\n\r\n";
        seen(request, b"{}", |seen| {
            assert_eq!(
                String::from_utf8_lossy(&echo(seen)),
                "{\"req_uri\":\"/__echo/p?y=1\\u0026y=2\",\"req_uri_details\":{\"fragment\":\"\",\
                 \"host\":\"h\",\"path\":\"/__echo/p\",\"query\":\"y=1\\u0026y=2\",\"user\":\"\"},\
                 \"req_method\":\"POST\",\"req_querystring\":{\"y\":[\"1\",\"2\"]},\"req_body\":\"{}\",\
                 \"req_headers\":{\"Content-Length\":[\"2\"],\"X-A\":[\"1\"]}}"
            );
        });
    }

    #[test]
    fn debug_says_what_came() {
        seen(b"GET /__debug/x?z=1 HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n", b"", |seen| {
            let mut lines = Vec::new();
            debug_lines(seen, &mut lines);
            let expected = [
                "Method: GET",
                "URL: /__debug/x?z=1",
                "Query: map[z:[1]]",
                "Params: [{param /x}]",
                "Headers: map[A:[b]]",
                "Body: ",
            ];
            assert_eq!(lines, expected);
        });
    }

    #[test]
    fn health_has_the_three_keys() {
        let text =
            String::from_utf8(health(1_767_323_045_990_000_000, Duration::from_millis(1230)));
        let expected = "{\"agents\":{},\"now\":\"2026-01-02 03:04:05.99 +0000 UTC m=+1.230000000\",\
                        \"status\":\"ok\"}";
        assert_eq!(text.as_deref(), Ok(expected));
    }
}

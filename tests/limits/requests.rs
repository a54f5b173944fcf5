//! Bounds of a request: exactly at each it is served, one beyond it is refused and closed, the
//! backend sees nothing of it, and the label tells the case.

use crate::both_drivers;
use crate::support::{Backend, Gateway, GatewayBuilder, answer, backend, gateway, json, until};
use serde_json::Value;

both_drivers! {
    heads,
    heads_by_default,
    krakends_key_of_the_head,
    held_bodies,
    framing_of_chunks,
    trailers,
}

const REQUESTS: &str = "ringway_requests_total";

fn limited(limits: Value) -> GatewayBuilder {
    gateway().one_worker().admin().ringway("limits", limits)
}

/// A head of exactly so many bytes, padded in one field, whose line has at most 8 KiB.
fn head_of(bytes: usize) -> String {
    let mut head = "GET /a HTTP/1.1\r\nHost: gw\r\n".to_owned();
    let end = "\r\n";
    while head.len() + end.len() < bytes {
        let room = bytes - head.len() - end.len();
        // A field takes at least six bytes: leave none or enough.
        let line = match room {
            0..=8000 => room,
            _ => 4000,
        };
        head.push_str(&format!("X: {}\r\n", "p".repeat(line - 5)));
    }
    head + end
}

fn with_line_of(bytes: usize) -> String {
    format!("GET /a HTTP/1.1\r\nHost: gw\r\nX: {}\r\n\r\n", "l".repeat(bytes - 5))
}

fn with_fields(n: usize) -> String {
    format!("GET /a HTTP/1.1\r\nHost: gw\r\n{}\r\n", "X: y\r\n".repeat(n - 1))
}

fn with_target_of(bytes: usize) -> String {
    format!("GET /a?{} HTTP/1.1\r\nHost: gw\r\n\r\n", "q".repeat(bytes - 3))
}

fn with_parameters(n: usize) -> String {
    let query: Vec<_> = (0..n).map(|n| format!("p{n}=1")).collect();
    format!("GET /a?{} HTTP/1.1\r\nHost: gw\r\n\r\n", query.join("&"))
}

/// At the limit 200; beyond it this status and the end, counted under this label.
#[track_caller]
fn at_and_beyond(
    gw: &Gateway,
    peer: &Backend,
    what: &str,
    [at, beyond]: [&str; 2],
    status: u16,
    label: &str,
) {
    let counted = |gw: &Gateway| gw.metrics().sum(REQUESTS, &[&format!("outcome=\"{label}\"")]);
    let before = counted(gw);
    let response = gw.send(at);
    assert_eq!(response.code, 200, "{what}: at the limit");
    peer.take();
    let mut client = gw.connect();
    assert!(client.try_write(beyond));
    let method = beyond.split(' ').next().unwrap_or_default();
    let response = client.response(method);
    assert_eq!(response.code, status, "{what}: one beyond the limit");
    response.header("Connection", "close");
    client.gone();
    assert!(peer.take().is_empty(), "{what}: the backend saw it");
    until(&format!("{what}: {label} is counted"), || counted(gw) - before > 0.9);
    assert!(counted(gw) - before < 1.1, "{what}: {label} is counted once");
}

fn heads() {
    let peer = backend().on("/a", "{}");
    for (key, limit, request, status, label) in [
        ("head_bytes", 600, &head_of as &dyn Fn(usize) -> String, 431, "head_too_large"),
        ("head_fields", 5, &with_fields, 431, "head_too_large"),
        ("head_fields", 256, &with_fields, 431, "head_too_large"),
        ("line_bytes", 300, &with_line_of, 431, "head_too_large"),
        ("target_bytes", 256, &with_target_of, 414, "head_too_large"),
        ("query_params", 3, &with_parameters, 400, "too_many_parameters"),
    ] {
        let gw = limited(json!({ key: limit })).endpoint("/a", [&peer]).start();
        let pair = [request(limit), request(limit + 1)];
        at_and_beyond(&gw, &peer, key, [&pair[0], &pair[1]], status, label);
    }
}

fn heads_by_default() {
    let peer = backend().on("/a", "{}");
    let gw = gateway().one_worker().admin().endpoint("/a", [&peer]).start();
    for (what, limit, request, status, label) in [
        ("the head", 64 << 10, &head_of as &dyn Fn(usize) -> String, 431, "head_too_large"),
        ("its fields", 100, &with_fields, 431, "head_too_large"),
        ("a line", 16 << 10, &with_line_of, 431, "head_too_large"),
        ("the target", 8 << 10, &with_target_of, 414, "head_too_large"),
        ("parameters", 256, &with_parameters, 400, "too_many_parameters"),
    ] {
        let pair = [request(limit), request(limit + 1)];
        at_and_beyond(&gw, &peer, what, [&pair[0], &pair[1]], status, label);
    }
}

/// `max_header_bytes` wins, and raises the bounds of what is inside of a head.
fn krakends_key_of_the_head() {
    let peer = backend().on("/a", "{}");
    let gw = limited(json!({"head_bytes": 300}))
        .service("max_header_bytes", 100_000)
        .endpoint("/a", [&peer])
        .start();
    let pair = [head_of(100_000), head_of(100_001)];
    at_and_beyond(&gw, &peer, "max_header_bytes", [&pair[0], &pair[1]], 431, "head_too_large");
    gw.send(with_line_of(60_000)).status(200);
    gw.send(with_target_of(60_000)).status(200);
}

fn post(body: usize) -> String {
    let head = format!("POST /held HTTP/1.1\r\nHost: gw\r\nContent-Length: {body}\r\n\r\n");
    head + &"b".repeat(body)
}

fn chunked(body: usize) -> String {
    let head = "POST /held HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n";
    let half = body / 2;
    let rest = body - half;
    format!(
        "{head}{half:x}\r\n{}\r\n{rest:x}\r\n{}\r\n0\r\n\r\n",
        "b".repeat(half),
        "c".repeat(rest)
    )
}

fn held_bodies() {
    let peer = backend().on("/a", "{}");
    let start = |limits| {
        limited(limits)
            .service("timeout", "60s")
            .endpoint("/held", [&peer, &peer])
            .method("POST")
            .endpoint("/streamed", [&peer])
            .method("POST")
            .start()
    };
    let gw = start(json!({"body_bytes": "1KiB"}));
    for request in [&post as &dyn Fn(usize) -> String, &chunked] {
        let pair = [request(1024), request(1025)];
        at_and_beyond(&gw, &peer, "body_bytes", [&pair[0], &pair[1]], 413, "body_too_large");
    }
    // A body that is passed on as it comes is free.
    gw.send(post(100_000).replace("/held", "/streamed")).status(200);
    // Announced is enough: nobody waits for 16 MiB that are not wanted.
    let gw = start(json!({}));
    let head = "POST /held HTTP/1.1\r\nHost: gw\r\nContent-Length: 16777217\r\n\r\n";
    gw.send(head).status(413).header("Connection", "close");
    gw.send(post(16 << 20)).status(200);
}

/// Framing that is bounded without a key.
fn framing_of_chunks() {
    let peer = backend().on("/a", answer(200).body("{}"));
    let gw = limited(json!({})).endpoint("/held", [&peer, &peer]).method("POST").start();
    let head = "POST /held HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n";
    // A chunk line of 256 bytes with its CRLF.
    let line = |bytes: usize| format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(bytes - 4));
    let pair = [line(256), line(257)].map(|body| format!("{head}{body}"));
    at_and_beyond(&gw, &peer, "a chunk line", [&pair[0], &pair[1]], 400, "bad_request");
    let digits = |n: usize| format!("{}1\r\nx\r\n0\r\n\r\n", "0".repeat(n - 1));
    let pair = [digits(16), digits(17)].map(|body| format!("{head}{body}"));
    at_and_beyond(&gw, &peer, "digits of a size", [&pair[0], &pair[1]], 400, "bad_request");
    // Little content in much framing: 16 KiB are free, then 16 bytes for each of content.
    let wasteful = format!("1;{}\r\nx\r\n", "e".repeat(200)).repeat(200);
    let thrifty = "8;ext\r\n12345678\r\n".repeat(5000);
    let pair = [thrifty, wasteful].map(|body| format!("{head}{body}0\r\n\r\n"));
    at_and_beyond(&gw, &peer, "framing", [&pair[0], &pair[1]], 400, "bad_request");
}

fn trailers() {
    let peer = backend().on("/a", "{}");
    let gw = limited(json!({})).endpoint("/held", [&peer, &peer]).method("POST").start();
    let head =
        "POST /held HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n";
    let fields = |n: usize| format!("{head}{}\r\n", "T: y\r\n".repeat(n));
    let pair = [fields(32), fields(33)];
    at_and_beyond(&gw, &peer, "fields", [&pair[0], &pair[1]], 400, "bad_request");
    let long = |bytes: usize| format!("{head}T: {}\r\n\r\n", "t".repeat(bytes));
    let pair = [long(8000), long(8192)];
    at_and_beyond(&gw, &peer, "bytes", [&pair[0], &pair[1]], 400, "bad_request");
}

//! Bounds of a backend's response: exactly at each the answer comes, one beyond it the call fails
//! with its label, and another backend's part of a merge is kept.

use crate::both_drivers;
use crate::support::{Answer, Gateway, GatewayBuilder, answer, backend, call, gateway, json};
use serde_json::Value;

both_drivers! {
    each_bound_of_a_response,
    bounds_by_default,
    a_merge_keeps_what_was_within,
    all_responses_of_a_request_together,
    nested_json,
    replays_can_be_turned_off,
    statuses_of_the_other_profile,
}

fn limited(limits: Value) -> GatewayBuilder {
    gateway().one_worker().admin().ringway("limits", limits)
}

fn calls(gw: &Gateway, label: &str) -> f64 {
    gw.metrics().sum("ringway_backend_calls_total", &[&format!("outcome=\"{label}\"")])
}

/// A response head of exactly so many bytes, with an empty object behind it.
fn head_of(bytes: usize) -> Answer {
    let mut head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n".to_owned();
    while head.len() + 2 < bytes {
        let room = bytes - head.len() - 2;
        let line = if room <= 8000 { room } else { 4000 };
        head.push_str(&format!("X: {}\r\n", "p".repeat(line - 5)));
    }
    Answer::bytes(head + "\r\n{}")
}

fn with_fields(n: usize) -> Answer {
    Answer::bytes(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{}\r\n{{}}",
        "X: y\r\n".repeat(n - 1)
    ))
}

fn after_interims(n: usize) -> Answer {
    answer(200).before("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(n)).body("{}")
}

/// Two interim responses with so many bytes together.
fn after_interim_bytes(bytes: usize) -> Answer {
    let one = |bytes: usize| {
        let frame = "HTTP/1.1 103 Early Hints\r\nL: \r\n\r\n";
        frame.replace("L: ", &format!("L: {}", "i".repeat(bytes - frame.len())))
    };
    answer(200).before(one(bytes / 2) + &one(bytes - bytes / 2)).body("{}")
}

fn object_of(bytes: usize) -> String {
    format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8))
}

fn body_of(bytes: usize) -> Answer {
    answer(200).body(object_of(bytes))
}

fn chunked_body_of(bytes: usize) -> Answer {
    body_of(bytes).chunks_of(300)
}

/// Exactly at the bound the answer is 200, one beyond it this failure.
#[track_caller]
fn at_and_beyond(limits: Value, limit: usize, made: &dyn Fn(usize) -> Answer, label: &str) {
    let peer = backend().on("/at", made(limit)).on("/beyond", made(limit + 1));
    let gw = limited(limits.clone())
        .endpoint("/at", [call(&peer, "/at")])
        .endpoint("/beyond", [call(&peer, "/beyond")])
        .start();
    let response = gw.get("/at");
    assert_eq!(response.code, 200, "{limits}: at {limit}\n{response}");
    let response = gw.get("/beyond");
    assert_eq!(response.code, 500, "{limits}: beyond {limit}\n{response}");
    assert!((calls(&gw, label) - 1.0).abs() < 0.1, "{limits}: {label} is counted");
    gw.get("/at").status(200);
}

fn each_bound_of_a_response() {
    for (key, limit, made, label) in [
        ("backend_head_bytes", 600, &head_of as &dyn Fn(usize) -> Answer, "backend_bad_head"),
        ("backend_head_fields", 7, &with_fields, "backend_bad_head"),
        ("backend_interims", 2, &after_interims, "backend_bad_interim"),
        ("backend_interims", 0, &after_interims, "backend_bad_interim"),
        ("backend_interim_bytes", 500, &after_interim_bytes, "backend_bad_interim"),
        ("backend_body_bytes", 1024, &body_of, "backend_body_too_large"),
        ("backend_body_bytes", 2000, &chunked_body_of, "backend_body_too_large"),
        ("answer_bytes", 1024, &body_of, "backend_body_too_large"),
        ("answer_bytes", 2000, &chunked_body_of, "backend_body_too_large"),
    ] {
        at_and_beyond(json!({ key: limit }), limit, made, label);
    }
    // Gzip: what counts is what comes out of it.
    let zipped = |bytes: usize| body_of(bytes).gzip();
    let limits = json!({"backend_body_bytes": 4096});
    at_and_beyond(limits, 4096, &zipped, "backend_body_too_large");
    at_and_beyond(json!({"answer_bytes": 4096}), 4096, &zipped, "backend_body_too_large");
    let tight = json!({"inflate_ratio": 2, "inflate_free": 4096});
    at_and_beyond(tight, 4096, &zipped, "backend_gzip_bomb");
}

fn bounds_by_default() {
    for (limit, made, label) in [
        (64 << 10, &head_of as &dyn Fn(usize) -> Answer, "backend_bad_head"),
        (100, &with_fields, "backend_bad_head"),
        (16, &after_interims, "backend_bad_interim"),
        (64 << 10, &after_interim_bytes, "backend_bad_interim"),
        (16 << 20, &body_of, "backend_body_too_large"),
    ] {
        at_and_beyond(json!({}), limit, made, label);
    }
    // Letters of one kind: some thousand to one, which is a bomb from 1 MiB on.
    let zipped = |bytes: usize| body_of(bytes).gzip();
    at_and_beyond(json!({}), 1 << 20, &zipped, "backend_gzip_bomb");
}

fn a_merge_keeps_what_was_within() {
    let peer = backend().on("/good", r#"{"good":1}"#).on("/long", body_of(5000));
    let gw = limited(json!({"backend_body_bytes": 1024}))
        .endpoint("/x", [call(&peer, "/good"), call(&peer, "/long")])
        .start();
    gw.get("/x").status(200).completed(false).json(r#"{"good":1}"#);
    assert!((calls(&gw, "backend_body_too_large") - 1.0).abs() < 0.1);
}

fn all_responses_of_a_request_together() {
    let peer = backend().on("/a", body_of(1000)).on("/b", body_of(1000)).on("/c", body_of(1000));
    let calls_to = |paths: &[&str]| {
        let groups = paths.iter().map(|path| call(&peer, path).group(&path[1..]));
        groups.collect::<Vec<_>>()
    };
    let gw = limited(json!({"answer_bytes": 2000}))
        .endpoint("/two", calls_to(&["/a", "/b"]))
        .endpoint("/three", calls_to(&["/a", "/b", "/c"]))
        .start();
    for _ in 0..3 {
        gw.get("/two").status(200).completed(true);
        let response = gw.get("/three");
        response.status(200).completed(false);
        // Two of the three fit, whichever came first.
        assert!((2000..2100).contains(&response.bytes.len()), "{response}");
    }
    assert!((calls(&gw, "backend_body_too_large") - 3.0).abs() < 0.1);
}

fn nested_json() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        answer(200)
            .body(format!("{{\"a\":1,\"b\":{open}{close}{}}}", if levels == 1 { "2" } else { "" }))
    };
    at_and_beyond(json!({}), 10_000, &nested, "backend_bad_json");
    at_and_beyond(json!({"json_depth": 20}), 20, &nested, "backend_bad_json");
    at_and_beyond(json!({"json_depth": 1}), 1, &nested, "backend_bad_json");
}

fn replays_can_be_turned_off() {
    for (replays, code) in [(1, 200), (0, 500)] {
        let peer = backend().on("/a", "{}").dies_after(1);
        let gw = limited(json!({"replays": replays})).endpoint("/a", [&peer]).start();
        gw.get("/a").status(200);
        // The kept connection dies at its second request.
        assert_eq!(gw.get("/a").code, code, "replays: {replays}");
    }
}

fn statuses_of_the_other_profile() {
    let peer = backend().on("/long", body_of(5000));
    let gw = limited(json!({"backend_body_bytes": 1024}))
        .ringway("statuses", "rfc")
        .endpoint("/x", [call(&peer, "/long")])
        .start();
    gw.get("/x").status(502);
}

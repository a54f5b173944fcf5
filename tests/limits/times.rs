//! Bounds in time and those of a connection's life. A bound in time is tested from its near side by
//! a peer that is well within it, and from its far side by one that never ends.

use crate::both_drivers;
use crate::support::{Gateway, GatewayBuilder, backend, gateway, json, ms, until};
use serde_json::Value;

both_drivers! {
    requests_of_a_connection,
    age_of_a_connection,
    pauses_between_requests,
    heads_that_drip,
    bodies_that_pause,
    bodies_within_their_time,
    whole_requests,
    what_is_drained,
    a_refusal_arrives_though_the_client_still_sends,
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: gw\r\n\r\n";

fn limited(limits: Value) -> GatewayBuilder {
    gateway().one_worker().admin().ringway("limits", limits)
}

#[track_caller]
fn closed_for(gw: &Gateway, reason: &str) {
    let label = format!("reason=\"{reason}\"");
    until(&format!("{reason} is counted"), || {
        gw.metrics().sum("ringway_connections_closed_total", &[&label]) >= 1.0
    });
}

fn requests_of_a_connection() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = limited(json!({"connection_requests": 3})).endpoint("/a", [&peer]).start();
    let mut client = gw.connect();
    client.send(GET).no_header("Connection");
    client.send(GET).no_header("Connection");
    client.send(GET).status(200).header("Connection", "close");
    client.closed();
    closed_for(&gw, "finished");
}

/// The answer after the age is the last one; which moment that is depends on the jitter.
fn age_of_a_connection() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = limited(json!({"connection_age": "200ms"})).endpoint("/a", [&peer]).start();
    let mut client = gw.connect();
    client.send(GET).status(200);
    std::thread::sleep(ms(250));
    client.send(GET).status(200).header("Connection", "close");
    client.closed();
    closed_for(&gw, "finished");
    let gw = limited(json!({"connection_age": "1h"})).endpoint("/a", [&peer]).start();
    let mut client = gw.connect();
    client.send(GET).status(200);
    std::thread::sleep(ms(250));
    client.send(GET).status(200).no_header("Connection");
}

fn pauses_between_requests() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    for builder in [
        limited(json!({"keep_alive": "300ms"})),
        limited(json!({})).service("idle_timeout", "300ms"),
        limited(json!({})).service("read_timeout", "300ms"),
        // KrakenD's key wins.
        limited(json!({"keep_alive": "1h"})).service("idle_timeout", "300ms"),
    ] {
        let gw = builder.endpoint("/a", [&peer]).start();
        let mut client = gw.connect();
        client.send(GET).status(200);
        client.send(GET).status(200);
        client.closed();
        closed_for(&gw, "idle");
    }
}

fn heads_that_drip() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    for builder in [
        limited(json!({"head_timeout": "300ms"})),
        limited(json!({})).service("read_header_timeout", "300ms"),
        limited(json!({})).service("read_timeout", "300ms"),
    ] {
        let gw = builder.endpoint("/a", [&peer]).start();
        // Nothing at all, half a head, and one that drips: bytes do not prolong it.
        let mut silent = gw.connect();
        let mut half = gw.connect();
        half.write("GET /a HTT");
        let mut drips = gw.connect();
        let endless = format!("GET /a HTTP/1.1\r\nHost: gw\r\nX: {}", "x".repeat(200));
        for byte in endless.bytes() {
            if !drips.try_write([byte]) {
                break;
            }
            std::thread::sleep(ms(20));
        }
        for client in [&mut silent, &mut half, &mut drips] {
            client.gone();
        }
        closed_for(&gw, "head_timeout");
        assert!(peer.take().is_empty());
        gw.get("/a").status(200);
        peer.take();
    }
}

fn bodies_that_pause() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let head = "POST /up HTTP/1.1\r\nHost: gw\r\nContent-Length: 1000\r\n\r\nabc";
    for noop in [false, true] {
        let calls = if noop { vec![&peer] } else { vec![&peer, &peer] };
        let builder = limited(json!({"body_idle": "200ms"})).endpoint("/up", calls);
        let builder = builder.method("POST").timeout(ms(60_000));
        let gw = if noop { builder.noop().start() } else { builder.start() };
        let mut client = gw.connect();
        client.write(head);
        client.response("POST").status(408).header("Connection", "close");
        client.gone();
        let label = "outcome=\"request_timeout\"";
        assert!(gw.metrics().sum("ringway_requests_total", &[label]) >= 1.0);
        assert!(!peer.take().iter().any(|request| request.complete), "streamed: {noop}");
    }
}

/// Pauses are bounded, not the whole: twelve pauses of a third of `body_idle` each.
fn bodies_within_their_time() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = limited(json!({"body_idle": "900ms"}))
        .endpoint("/up", [&peer, &peer])
        .method("POST")
        .timeout(ms(60_000))
        .start();
    let mut client = gw.connect();
    client.write("POST /up HTTP/1.1\r\nHost: gw\r\nContent-Length: 12\r\n\r\n");
    for _ in 0..12 {
        std::thread::sleep(ms(100));
        client.write("x");
    }
    client.response("POST").status(200);
}

/// `read_timeout` is for the whole request, however busy it is.
fn whole_requests() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = limited(json!({}))
        .service("read_timeout", "400ms")
        .endpoint("/up", [&peer, &peer])
        .method("POST")
        .start();
    let mut client = gw.connect();
    client.write("POST /up HTTP/1.1\r\nHost: gw\r\nContent-Length: 1000\r\n\r\n");
    for _ in 0..40 {
        if !client.try_write("x") {
            break;
        }
        std::thread::sleep(ms(50));
    }
    client.response("POST").status(408);
    client.gone();
}

/// An answer that did not wait for the body: up to the bound the connection goes on, beyond it ends.
fn what_is_drained() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = limited(json!({"drain_bytes": 1000})).endpoint("/a", [&peer]).start();
    let post = |length: usize, sent: usize| {
        let head = format!("POST /none HTTP/1.1\r\nHost: gw\r\nContent-Length: {length}\r\n\r\n");
        head + &"x".repeat(sent)
    };
    let mut client = gw.connect();
    client.send(post(1000, 1000)).status(404);
    client.send(GET).status(200);
    // What comes only after the answer is drained as well.
    client.send(post(1000, 10)).status(404);
    client.write("y".repeat(990));
    client.send(GET).status(200);
    let mut client = gw.connect();
    client.send(post(1001, 10)).status(404);
    client.gone();
    // In time: the rest of a short body does not come.
    let gw = limited(json!({"drain_time": "200ms"})).endpoint("/a", [&peer]).start();
    let mut client = gw.connect();
    client.send(post(1000, 10)).status(404);
    client.gone();
    closed_for(&gw, "finished");
}

/// Closing with unread bytes would be a reset, which takes the answer with it before the client has
/// read it. So the gateway ends its own side first and waits for a moment.
fn a_refusal_arrives_though_the_client_still_sends() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = limited(json!({"body_bytes": 1024, "drain_time": "10s"}))
        .endpoint("/held", [&peer, &peer])
        .method("POST")
        .endpoint("/a", [&peer])
        .start();
    for (what, request, status) in [
        ("too long", "POST /held HTTP/1.1\r\nHost: gw\r\nContent-Length: 50000\r\n\r\n", 413),
        ("no request", "NONSENSE\r\n\r\n", 400),
        (
            "too slow to be waited for",
            "POST /no HTTP/1.1\r\nHost: gw\r\nContent-Length: 1000000\r\n\r\n",
            404,
        ),
    ] {
        let mut client = gw.connect();
        client.write(request);
        client.write(vec![b'x'; 40_000]);
        // The answer is out and our side has ended, yet more can be sent, and nothing is reset.
        std::thread::sleep(ms(100));
        assert!(client.try_write(vec![b'x'; 1000]), "{what}");
        std::thread::sleep(ms(100));
        assert!(client.try_write(vec![b'x'; 1000]), "{what}: reset");
        client.response("POST").status(status);
        client.closed();
    }
    gw.get("/a").status(200);
}

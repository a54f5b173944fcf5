//! Near its memory limit the gateway lets go of connections, then answers 503, then accepts nothing
//! and lets no body grow; and it recovers.

use crate::both_drivers;
use crate::support::client::Connection;
use crate::support::{Gateway, answer, backend, call, gateway, json, ms, until};
use std::time::Instant;

both_drivers! {
    connections_close_then_endpoints_answer_503,
    nothing_is_accepted_and_no_body_grows,
    the_steps_are_settings,
}

const MEMORY: f64 = 64.0 * 1024.0 * 1024.0;
const REQUESTS: &str = "ringway_requests_total";

/// A client that has sent so many bytes of a body that is held and never complete.
fn holder(gw: &Gateway, bytes: usize) -> Connection {
    let mut client = gw.connect();
    client.write("POST /hold HTTP/1.1\r\nHost: gw\r\nContent-Length: 8000000\r\n\r\n");
    client.try_write(vec![b'x'; bytes]);
    client
}

/// The share of the memory that is charged.
fn charged(gw: &Gateway) -> f64 {
    gw.metrics().sum("ringway_budget_charged_bytes", &[]) / MEMORY
}

fn start(limits: serde_json::Value, peer: &crate::support::Backend) -> Gateway {
    let mut all = json!({"body_idle": "5m", "body_rate_min": 0, "connections_per_ip": 0});
    for (key, value) in limits.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
    gateway()
        .one_worker()
        .admin()
        .ringway("memory", "64MiB")
        .ringway("limits", all)
        .endpoint("/a", [peer])
        .endpoint("/hold", [call(peer, "/a"), call(peer, "/a")])
        .method("POST")
        .start()
}

/// One more holder. Its bytes arrive in their own time: waits until they are charged, or for a
/// while, since idle reads give their blocks back meanwhile.
fn hold(gw: &Gateway, holders: &mut Vec<Connection>, bytes: usize) {
    let before = charged(gw);
    holders.push(holder(gw, bytes));
    let end = Instant::now() + ms(1000);
    while charged(gw) < before + bytes as f64 / MEMORY && Instant::now() < end {
        std::thread::sleep(ms(2));
    }
}

/// Holders until this share is charged.
fn fill(gw: &Gateway, holders: &mut Vec<Connection>, share: f64, bytes: usize) {
    until("it is filled", || {
        let is_filled = charged(gw) >= share;
        if !is_filled {
            hold(gw, holders, bytes);
        }
        is_filled
    });
}

fn counted(gw: &Gateway, metric: &str, label: &str) -> f64 {
    gw.metrics().sum(metric, &[label])
}

fn connections_close_then_endpoints_answer_503() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = start(json!({}), &peer);
    gw.get("/a").status(200).no_header("Connection");
    let mut holders = Vec::new();
    fill(&gw, &mut holders, 0.85, 1_000_000);
    let (mut kept, mut closed, mut refused) = (0, 0, 0);
    until("endpoints answer 503", || {
        // What is charged falls when idle reads give their blocks back: the step counts only where
        // it was the same before and after.
        let before = charged(&gw);
        let response = gw.get("/a");
        let after = charged(&gw);
        let both = |from: f64, to: f64| [before, after].iter().all(|c| (from..to).contains(c));
        let closes = response.field("Connection") == Some("close");
        if both(0.0, 0.915) {
            response.status(200).no_header("Connection");
            kept += 1;
        } else if both(0.925, 0.945) {
            response.status(200).header("Connection", "close");
            closed += 1;
        } else if both(0.955, 0.975) {
            response.status(503).header("Retry-After", "1").header("Connection", "close");
            refused += 1;
        } else {
            assert!(response.code == 200 || (response.code == 503 && closes), "{response}");
        }
        let left = match (closed, refused) {
            (_, 1..) => return true,
            (0, _) => 0.93,
            _ => 0.96,
        };
        if after < left {
            hold(&gw, &mut holders, 100_000);
        }
        false
    });
    assert!(kept > 0 && closed > 0, "{kept} kept, {closed} closed: the steps come one by one");
    gw.get("/__health").status(200);
    assert!(counted(&gw, REQUESTS, "outcome=\"overload\"") >= 1.0);
    let closed = "ringway_connections_closed_total";
    until("it is a reason", || counted(&gw, closed, "reason=\"overload\"") >= 1.0);
    until("the log says so", || gw.log().contains("endpoints answer 503"));
    drop(holders);
    until("it recovers", || gw.get("/a").code == 200);
    until("the log says so", || gw.log().contains("Memory: enough again"));
    gw.get("/a").no_header("Connection");
    gw.stop();
}

fn nothing_is_accepted_and_no_body_grows() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(6_000_000));
    let peer = backend().on("/a", r#"{"a":1}"#).on("/long", answer(200).body(long));
    let gw =
        start(json!({"overload_close": 100, "overload_refuse": 100, "overload_stop": 100}), &peer);
    let mut holders = Vec::new();
    let refused = || counted(&gw, REQUESTS, "outcome=\"overload\"");
    // Every holder wants 8 MB: at the end of the memory one is told so, and the others go on.
    until("a body is refused", || {
        holders.push(holder(&gw, 7_900_000));
        std::thread::sleep(ms(50));
        refused() >= 1.0
    });
    let most = charged(&gw);
    assert!(most <= 1.02, "{most}");
    gw.admin_get("/live").status(200);
    drop(holders);
    until("it recovers", || gw.get("/a").code == 200);
    // Nothing is accepted either: heads under way hold a block each.
    let gw = gateway()
        .one_worker()
        .admin()
        .ringway("memory", "16MiB")
        .ringway("limits", json!({"head_timeout": "5m", "connections_per_ip": 0}))
        .endpoint("/a", [&peer])
        .start();
    gw.get("/a").status(200);
    let mut waiting = Vec::new();
    let paused = || counted(&gw, "ringway_accept_pauses_total", "reason=\"memory\"");
    let fields = format!("X: {}\r\n", "h".repeat(8000)).repeat(7);
    let head = format!("GET /a HTTP/1.1\r\nHost: gw\r\n{fields}");
    until("nothing is accepted", || {
        if paused() < 1.0 {
            waiting.push(gw.connect());
            waiting.last_mut().expect("one").try_write(&head);
            std::thread::sleep(ms(2));
        }
        paused() >= 2.0
    });
    gw.admin_get("/live").status(200);
    drop(waiting);
    until("it recovers", || gw.get("/a").code == 200);
}

fn the_steps_are_settings() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw =
        start(json!({"overload_close": 10, "overload_refuse": 20, "overload_stop": 90}), &peer);
    gw.get("/a").status(200).no_header("Connection");
    let mut holders = Vec::new();
    fill(&gw, &mut holders, 0.13, 300_000);
    gw.get("/a").status(200).header("Connection", "close");
    fill(&gw, &mut holders, 0.24, 300_000);
    gw.get("/a").status(503);
    let refused =
        gateway().ringway("limits", json!({"overload_close": 30, "overload_refuse": 20})).refused();
    refused.failed().says("overload_refuse").says("at least 30");
}

//! Near its memory limit the gateway lets go of connections, then answers 503, and recovers.

use crate::both_drivers;
use crate::support::client::Connection;
use crate::support::{Gateway, backend, call, gateway, json, ms, until};

both_drivers! {
    connections_close_then_endpoints_answer_503,
}

const MEMORY: f64 = 64.0 * 1024.0 * 1024.0;
/// What each client sends of a body that never ends.
const SENT: usize = 200 * 1024;

/// A client whose body is held and never complete.
fn holder(gw: &Gateway) -> Connection {
    let mut client = gw.connect();
    client.write("POST /hold HTTP/1.1\r\nHost: gw\r\nContent-Length: 8000000\r\n\r\n");
    client.write(vec![b'x'; SENT]);
    client
}

fn charged(gw: &Gateway) -> f64 {
    gw.metrics().sum("ringway_budget_charged_bytes", &[]) / MEMORY
}

fn connections_close_then_endpoints_answer_503() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = gateway()
        .one_worker()
        .admin()
        .ringway("memory", "64MiB")
        .ringway("limits", json!({"body_idle": "5m", "body_rate_min": 0}))
        .endpoint("/a", [&peer])
        .endpoint("/hold", [call(&peer, "/a"), call(&peer, "/a")])
        .method("POST")
        .start();
    gw.get("/a").status(200).no_header("Connection");
    let mut holders = Vec::new();
    let mut hold_one = || {
        let before = charged(&gw) * MEMORY;
        holders.push(holder(&gw));
        // All that it sent is held before the next one comes.
        until("it is held", || charged(&gw) * MEMORY >= before + SENT as f64);
    };
    while charged(&gw) < 0.88 {
        hold_one();
    }
    let (mut closed, mut refused) = (0, 0);
    while refused == 0 {
        assert!(charged(&gw) < 0.98, "503 comes before nothing is accepted");
        hold_one();
        // The worker looks at its memory ten times a second.
        std::thread::sleep(ms(250));
        let response = gw.get("/a");
        match response.code {
            200 if response.field("Connection") == Some("close") => closed += 1,
            200 => assert_eq!(closed, 0, "an answer that keeps its connection comes earlier"),
            _ => {
                response.status(503).header("Retry-After", "1").header("Connection", "close");
                refused += 1;
            }
        }
    }
    assert!(closed > 0, "connections are let go first");
    gw.get("/__health").status(200);
    assert!(gw.metrics().sum("ringway_requests_total", &["outcome=\"overload\""]) >= 1.0);
    drop(holders);
    until("it recovers", || gw.get("/a").code == 200);
    gw.stop();
}

//! What an operator sees: metrics, readiness, the access log.

use crate::both_drivers;
use crate::support::metrics::{CHARGED_BYTES, REQUESTS};
use crate::support::{answer, backend, call, gateway, ms, until};

both_drivers! {
    metrics_count_requests,
    live_and_ready,
    the_public_port_shows_none_of_it,
    one_access_log_line_a_request,
    a_log_line_cannot_be_forged,
}

fn metrics_count_requests() {
    let peer = backend().get("/a", "{}").get("/bad", answer(500));
    let gw = gateway()
        .admin()
        .endpoint("/a", [call(&peer, "/a")])
        .endpoint("/bad", [call(&peer, "/bad")])
        .start();
    let before = gw.metrics().sum(REQUESTS, &[]);
    for _ in 0..7 {
        gw.get("/a").status(200);
    }
    gw.get("/bad").status(500);
    gw.get("/none").status(404);
    until("nine requests are counted", || gw.metrics().sum(REQUESTS, &[]) - before >= 9.0);
    let metrics = gw.metrics();
    assert!((metrics.sum(REQUESTS, &[]) - before - 9.0).abs() < 0.5, "{:?}", metrics.names());
    assert!(metrics.has(CHARGED_BYTES), "{:?}", metrics.names());
    let page = gw.admin_get("/metrics");
    let kind = page.field("Content-Type").expect("a type");
    assert!(
        kind.starts_with("text/plain") || kind.starts_with("application/openmetrics-text"),
        "{kind}"
    );
}

fn live_and_ready() {
    let slow = backend().get("/slow", "{}").after(ms(1500));
    let gw = gateway().admin().service("timeout", "10s").endpoint("/slow", [&slow]).start();
    gw.admin_get("/live").status(200);
    gw.admin_get("/ready").status(200);
    gw.admin_get("/none").status(404);
    let mut busy = gw.connect();
    busy.write("GET /slow HTTP/1.1\r\nHost: gw\r\n\r\n");
    slow.wait_for(1);
    gw.signal(libc::SIGTERM);
    until("it says that it is draining", || gw.admin_get("/ready").code == 503);
    gw.admin_get("/live").status(200);
    busy.response("GET").status(200);
}

fn the_public_port_shows_none_of_it() {
    let gw = gateway().admin().start();
    for path in ["/metrics", "/live", "/ready"] {
        gw.get(path).status(404);
    }
    let closed = gateway().start();
    closed.get("/metrics").status(404);
}

fn one_access_log_line_a_request() {
    let peer = backend().get("/a", "{}");
    let gw = gateway()
        .router("logger_skip_paths", crate::support::json!(["/quiet"]))
        .endpoint("/a", [&peer])
        .endpoint("/quiet", [&peer])
        .start();
    gw.get("/quiet").status(200);
    gw.get("/a?q=1").status(200);
    gw.get("/none").status(404);
    let lines = |needle: &str| gw.stdout().lines().filter(|line| line.contains(needle)).count();
    until("both lines are there", || lines("/a?q=1") == 1 && lines("/none") == 1);
    let log = gw.stdout();
    let line = log.lines().find(|line| line.contains("/a?q=1")).expect("the line");
    for part in ["200", "GET", "127.0.0.1"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert_eq!(lines("/quiet"), 0, "{log}");
    let silent = gateway().router("disable_access_log", true).endpoint("/a", [&peer]).start();
    silent.get("/a?q=2").status(200);
    silent.get("/a").status(200);
    assert!(!silent.log().contains("/a?q=2"));
}

fn a_log_line_cannot_be_forged() {
    let gw = gateway().start();
    gw.send("GET /x%0a%1b[2J?y=\x1b[31m HTTP/1.1\r\nHost: gw\r\n\r\n");
    gw.get("/end").status(404);
    until("the last line is there", || gw.stdout().contains("/end"));
    assert!(!gw.log().contains('\x1b'), "{}", gw.log());
}

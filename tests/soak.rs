//! Mixed traffic for a long time, with everything that clients and backends do wrong: no request
//! that should succeed fails, and memory and descriptors come back. `RINGWAY_SOAK_SECONDS` says how
//! long; without it a moment is enough to see that the test itself works.

#[path = "support/mod.rs"]
mod support;

use std::time::{Duration, Instant};
use support::load::Load;
use support::{Driver, answer, backend, call, gateway, process, silence, until};

fn soak() {
    let seconds = std::env::var("RINGWAY_SOAK_SECONDS").ok().and_then(|s| s.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(2));
    let good = backend().on("/a", r#"{"a":1}"#).on("/b", r#"{"b":[1,2,3]}"#);
    let flaky = backend()
        .on("/closing", "{}")
        .on("/cut", answer(200).body(r#"{"a":1}"#).cut_body(3))
        .on("/reset", answer(200).body(r#"{"a":1}"#).reset_body(3))
        .on("/mute", silence())
        .closes_after(3);
    let gw = gateway()
        .service("timeout", "500ms")
        .router("disable_access_log", true)
        .endpoint("/merge", [call(&good, "/a"), call(&good, "/b")])
        .endpoint("/one", [call(&good, "/a")])
        .endpoint("/closing", [call(&flaky, "/closing")])
        .endpoint("/cut", [call(&flaky, "/cut")])
        .endpoint("/reset", [call(&flaky, "/reset")])
        .noop()
        .endpoint("/mute", [call(&flaky, "/mute")])
        .start();
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: gw\r\n\r\n");
    gw.get("/merge").status(200);
    let (memory, files) = (gw.rss_kib(), process::open_files(gw.pid()));
    let loads = [
        Load::start(gw.address, 2, &request("/merge"), r#"{"a":1,"b":[1,2,3]}"#),
        Load::start(gw.address, 2, &request("/one"), r#"{"a":1}"#),
        Load::start(gw.address, 1, &request("/closing"), "{}"),
    ];
    let end = Instant::now() + time;
    while Instant::now() < end {
        for path in ["/cut", "/reset", "/mute", "/none"] {
            let mut connection = gw.connect();
            connection.write(request(path));
            // Every other client does not wait for its answer.
            match path {
                "/mute" => drop(connection),
                _ => drop(connection.try_response("GET")),
            }
        }
    }
    for load in loads {
        assert!(load.done() > 0);
        let wrong = load.stop();
        assert!(wrong.is_empty(), "{} failed: {}", wrong.len(), wrong[0]);
    }
    until("the descriptors are closed", || process::open_files(gw.pid()) <= files + 16);
    let after = gw.rss_kib();
    assert!(after < memory + 32 * 1024, "RSS grew from {memory} KiB to {after} KiB");
    gw.stop();
}

#[test]
fn on_io_uring() {
    Driver::IoUring.run(soak);
}

#[test]
fn on_epoll() {
    Driver::Epoll.run(soak);
}

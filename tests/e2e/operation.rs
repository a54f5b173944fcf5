//! The life of the process: start without io_uring, reload under load, shutdown with work under
//! way.

use crate::both_drivers;
use crate::support::load::Load;
use crate::support::{Driver, PATIENCE, answer, backend, call, gateway, json, ms, until};

/// Starts and serves where the kernel forbids io_uring, and says so in one line.
fn serves_without_uring(errno: i32) {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = gateway()
        .without_uring(errno)
        .endpoint("/a", [&peer])
        .endpoint("/two", [&peer, &peer])
        .start();
    for _ in 0..20 {
        gw.get("/a").status(200).json(r#"{"a":1}"#);
        gw.get("/two").status(200).completed(true);
    }
    let log = gw.log();
    let lines: Vec<_> =
        log.lines().filter(|line| line.to_ascii_lowercase().contains("epoll")).collect();
    assert_eq!(lines.len(), 1, "one line says which driver it is\n{log}");
    gw.stop();
}

#[test]
fn starts_where_io_uring_is_unknown() {
    serves_without_uring(libc::ENOSYS);
}

#[test]
fn starts_where_io_uring_is_forbidden() {
    serves_without_uring(libc::EPERM);
}

both_drivers! {
    twenty_reloads_under_load_fail_no_request,
    pools_carry_over_a_reload,
    a_bad_file_keeps_the_old_one,
    exchanges_under_way_keep_their_plan,
    sigterm_finishes_what_is_under_way,
    sigterm_waits_no_longer_than_told,
    sigint_ends_it_too,
    no_endpoint_at_all,
    load_on_several_workers,
    a_broken_log_stops_nothing,
}

fn twenty_reloads_under_load_fail_no_request() {
    let peer = backend().on("/v1", r#"{"v":1}"#).on("/v2", r#"{"v":1}"#);
    let builder = |path: &str| gateway().endpoint("/a", [call(&peer, path)]);
    let gw = builder("/v1").endpoint("/only-first", [call(&peer, "/v1")]).start();
    let port = gw.address.port();
    let file = |path: &str| {
        let file = builder(path).service("port", port);
        file.config()
    };
    let load = Load::start(gw.address, 4, "GET /a HTTP/1.1\r\nHost: gw\r\n\r\n", r#"{"v":1}"#);
    for n in 0..20 {
        let path = if n % 2 == 0 { "/v2" } else { "/v1" };
        gw.write_config(&file(path));
        peer.take();
        gw.signal(libc::SIGHUP);
        until("the new file is in force", || {
            peer.requests().iter().any(|request| request.target == path)
        });
    }
    until("requests went on", || load.done() > 200);
    let wrong = load.stop();
    assert!(wrong.is_empty(), "{} failed: {}", wrong.len(), wrong[0]);
    gw.get("/only-first").status(404);
    gw.stop();
}

fn pools_carry_over_a_reload() {
    let peer = backend().on("/a", "{}").on("/b", "{}");
    let builder = |path: &str| gateway().one_worker().endpoint("/x", [call(&peer, path)]);
    let gw = builder("/a").start();
    let port = gw.address.port();
    let reload = |file: String, target: &str| {
        gw.write_config(&file);
        gw.signal(libc::SIGHUP);
        until("the new file is in force", || {
            gw.get("/x").status(200);
            peer.requests().last().is_some_and(|request| request.target == target)
        });
    };
    gw.get("/x").status(200);
    reload(builder("/b").service("port", port).config(), "/b");
    assert_eq!(peer.connections(), 1, "the pool came along");
    // Connections that were made under other settings do not.
    let other = builder("/a").service("port", port).service("dialer_keep_alive", "5s");
    reload(other.config(), "/a");
    assert_eq!(peer.connections(), 2);
}

fn a_bad_file_keeps_the_old_one() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = gateway().endpoint("/a", [&peer]).start();
    for text in [
        "{\"version\": 3, ",
        "{\"version\": 2}",
        "{\"version\":3,\"endpoints\":[{\"endpoint\":\"/x\"}]}",
    ] {
        let before = gw.log().len();
        gw.write_config(text);
        gw.signal(libc::SIGHUP);
        until("the log says why", || gw.log().len() > before);
        gw.get("/a").status(200).json(r#"{"a":1}"#);
    }
    gw.stop();
}

fn exchanges_under_way_keep_their_plan() {
    let slow = backend().get("/slow", r#"{"old":1}"#).after(ms(600));
    let gw = gateway().service("timeout", "10s").endpoint("/slow", [&slow]).start();
    let file = gateway().service("port", gw.address.port()).endpoint("/new", [&slow]).config();
    let mut connection = gw.connect();
    connection.write("GET /slow HTTP/1.1\r\nHost: gw\r\n\r\n");
    slow.wait_for(1);
    gw.write_config(&file);
    gw.signal(libc::SIGHUP);
    until("the new plan is in force", || gw.get("/slow").code == 404);
    connection.response("GET").status(200).json(r#"{"old":1}"#);
}

fn sigterm_finishes_what_is_under_way() {
    let slow = backend().get("/slow", r#"{"done":1}"#).after(ms(500));
    let mut gw = gateway().admin().endpoint("/slow", [&slow]).start();
    gw.admin_get("/ready").status(200);
    let mut idle = gw.connect();
    idle.send("GET /none HTTP/1.1\r\nHost: gw\r\n\r\n").status(404);
    let mut busy = gw.connect();
    busy.write("GET /slow HTTP/1.1\r\nHost: gw\r\n\r\n");
    slow.wait_for(1);
    gw.signal(libc::SIGTERM);
    busy.response("GET").status(200).json(r#"{"done":1}"#).header("Connection", "close");
    busy.patience(PATIENCE).closed();
    idle.closed();
    assert_eq!(gw.wait_exit().code(), Some(0), "{}", gw.log());
}

fn sigterm_waits_no_longer_than_told() {
    let mute = backend().get("/mute", crate::support::silence());
    let mut gw = gateway()
        .service("max_shutdown_wait_time", "300ms")
        .service("timeout", "1m")
        .endpoint("/mute", [&mute])
        .start();
    let mut connection = gw.connect();
    connection.write("GET /mute HTTP/1.1\r\nHost: gw\r\n\r\n");
    mute.wait_for(1);
    gw.signal(libc::SIGTERM);
    assert!(gw.wait_exit().code().is_some(), "{}", gw.log());
    mute.wait_abandoned(1);
}

fn sigint_ends_it_too() {
    let mut gw = gateway().start();
    gw.signal(libc::SIGINT);
    assert_eq!(gw.wait_exit().code(), Some(0), "{}", gw.log());
}

fn no_endpoint_at_all() {
    let gw = gateway().start();
    gw.get("/").status(404);
    gw.get("/__health").status(200);
    gw.stop();
}

fn load_on_several_workers() {
    let peer = backend().on("/a", r#"{"a":1}"#);
    let gw = gateway().ringway("workers", 3).endpoint("/a", [&peer]).start();
    let load = Load::start(gw.address, 12, "GET /a HTTP/1.1\r\nHost: gw\r\n\r\n", r#"{"a":1}"#);
    until("every client got answers", || load.done() > 1000);
    let wrong = load.stop();
    assert!(wrong.is_empty(), "{} failed: {}", wrong.len(), wrong[0]);
    gw.stop();
}

fn a_broken_log_stops_nothing() {
    let peer = backend().on("/a", "{}");
    let gw = gateway().endpoint("/a", [&peer]).start();
    // The harness reads slowly and may stop: nothing of that reaches the data path.
    for _ in 0..2000 {
        gw.get("/a").status(200);
    }
    gw.stop();
}

#[test]
fn the_driver_can_be_chosen() {
    Driver::Epoll.run(|| {
        let peer = backend().on("/a", answer(200).body("{}"));
        let gw = gateway().endpoint("/a", [&peer]).start();
        gw.get("/a").status(200);
        until("the log names the driver", || gw.log().to_ascii_lowercase().contains("epoll"));
    });
    let refused =
        gateway().env("RINGWAY_DRIVER", "carrier pigeon").ringway("workers", json!(1)).refused();
    refused.failed().says("RINGWAY_DRIVER");
}

/// KrakenD's transport uses proxies of the environment; ours does not, and says so once.
#[test]
fn proxies_of_the_environment_are_warned_about() {
    let peer = backend().on("/a", "{}");
    let gw = gateway()
        .env("HTTP_PROXY", "http://127.0.0.1:9")
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .endpoint("/a", [&peer])
        .start();
    gw.get("/a").status(200);
    until("the log warns", || gw.log().contains("HTTP_PROXY, HTTPS_PROXY set"));
    assert_eq!(gw.log().matches("PROXY").count(), 2, "one line: {}", gw.log());
}

//! Clients that leave (docs/reference/hardening.md 4.2): the backend sees the cancellation, the
//! abort is counted as the client's, and nothing of the request stays.

use crate::both_drivers;
use crate::invariants::{Profile, Site, honest};
use crate::support::client::Connection;
use crate::support::{Answer, Step, answer, backend, call, json, ms, until};

both_drivers! {
    client_abort_while_a_backend_works,
    client_abort_mid_request,
    client_abort_mid_response,
    client_half_close_and_the_grace,
    client_aborts_by_the_hundred,
}

const ABORTS: &str = "ringway_client_aborts_total";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: gw\r\n\r\n")
}

#[track_caller]
fn aborts(site: &Site, n: u64) {
    until(&format!("{n} aborts"), || site.gw.metrics().sum(ABORTS, &[]) as u64 == n);
}

fn client_abort_while_a_backend_works() {
    let slow = backend().on("/slow", answer(200).body("{}").after(ms(30_000)));
    for profile in Profile::BOTH {
        slow.take();
        let mut site = Site::start(
            profile
                .gateway()
                .service("timeout", "60s")
                .endpoint("/one", [call(&slow, "/slow")])
                .endpoint(
                    "/three",
                    [
                        call(&slow, "/slow"),
                        call(&slow, "/slow").group("b"),
                        call(&slow, "/slow").group("c"),
                    ],
                )
                .endpoint("/raced", [call(&slow, "/slow")])
                .key("concurrent_calls", 2)
                .endpoint("/stream", [call(&slow, "/slow")])
                .noop(),
        );
        let (mut calls, mut left) = (0, 0);
        for (path, n) in [("/one", 1), ("/three", 3), ("/raced", 2), ("/stream", 1)] {
            for how in ["reset", "close"] {
                let mut client = site.gw.connect();
                client.write(get(path));
                calls += n;
                slow.wait_for(calls);
                match how {
                    // At once.
                    "reset" => client.reset(),
                    // After the grace of a half close, which this may be.
                    _ => drop(client),
                }
                slow.wait_abandoned(calls);
                left += 1;
                site.counts(1);
                aborts(&site, left);
                site.counted("unrouted", "client_left", left);
            }
            let cancelled = || {
                site.gw.metrics().sum(
                    "ringway_backend_calls_total",
                    &[&format!("endpoint=\"{path}\""), "outcome=\"cancelled\""],
                )
            };
            until("the calls are counted as given up", || cancelled() as usize == 2 * n);
        }
        assert!(site.gw.stdout().contains("| 499 |"), "the log names the client's leaving");
        site.settled();
    }
}

fn client_abort_mid_request() {
    let peer = backend().on("/up", "{}");
    let other = honest();
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .endpoint("/held", [call(&peer, "/up"), call(&peer, "/up")])
            .method("POST")
            .endpoint("/streamed", [call(&peer, "/up")])
            .method("POST")
            .noop()
            .endpoint("/other", [call(&other, "/a")])
            .input_query_strings(&["id"]),
    );
    let head = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: gw\r\nContent-Length: 100000\r\n\r\nsome of it")
    };
    let mut left = 0;
    for how in ["reset", "close"] {
        let end = |client: Connection| match how {
            "reset" => client.reset(),
            _ => drop(client),
        };
        // In the middle of the head: no request at all, for nobody.
        for bytes in ["P", "POST /held HTTP/1.1\r\nHo", "POST /held HTTP/1.1\r\nHost: gw\r\n"] {
            let mut client = site.gw.connect();
            client.write(bytes);
            end(client);
        }
        // In the middle of content that is held: no backend hears of it.
        let mut client = site.gw.connect();
        client.write(head("/held"));
        end(client);
        left += 1;
        site.counts(1);
        // In the middle of content that is streamed: the backend sees that it is cut.
        let mut client = site.gw.connect();
        client.write(head("/streamed"));
        peer.wait_for_heads(1);
        end(client);
        left += 1;
        site.counts(1);
        until("the backend's connection is closed", || peer.open_connections() == 0);
        let seen = peer.take();
        assert!(seen.iter().all(|request| !request.complete), "a cut request seems whole");
        assert!(seen.len() == 1, "only the streamed one arrives");
        let named = |route: &str| site.outcomes(route, "client_left");
        until("they are counted as the client's", || {
            named("unrouted") + named("/held") + named("/streamed") == left
        });
        site.honest("/other");
    }
    site.settled();
}

fn client_abort_mid_response() {
    let endless = [b"10000\r\n".as_slice(), &[b'x'; 65536], b"\r\n"].concat();
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let large = format!(r#"{{"a":"{}"}}"#, "l".repeat(12 << 20));
    let peer = backend()
        .get("/endless", Answer::steps_are([Step::Send(head), Step::SendTimes(endless, 100_000)]))
        .get("/large", large.as_str());
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .service("timeout", "30s")
            .endpoint("/stream", [call(&peer, "/endless")])
            .noop()
            .endpoint("/large", [call(&peer, "/large")]),
    );
    let mut left = 0;
    for how in ["reset", "close"] {
        for path in ["/stream", "/large"] {
            let mut client = site.gw.connect();
            client.write(get(path));
            assert!(client.raw_head().starts_with("HTTP/1.1 200 "));
            // Closing with unread bytes is a reset, too.
            match how {
                "reset" => client.reset(),
                _ => drop(client),
            }
            left += 1;
            site.counts(1);
            aborts(&site, left);
            site.counted(path, "client_left", left.div_ceil(2));
        }
    }
    peer.wait_abandoned(2);
    until("what nobody reads any more is closed", || peer.open_connections() <= 1);
    site.settled();
}

fn client_half_close_and_the_grace() {
    let quick = backend().get("/quick", r#"{"a":1}"#).after(ms(50));
    let slow = backend().get("/slow", "{}").after(ms(30_000));
    let late = backend().get("/late", r#"{"a":1}"#).after(ms(900));
    for (grace, path, is_answered) in [
        ("", "/quick", true),
        ("", "/slow", false),
        ("0s", "/slow", false),
        ("inf", "/quick", true),
        ("inf", "/late", true),
    ] {
        slow.take();
        let mut builder = Profile::Safe.gateway().service("timeout", "60s");
        if !grace.is_empty() {
            builder = builder.ringway("http1", json!({ "half_close_grace": grace }));
        }
        let mut site = Site::start(
            builder
                .endpoint("/quick", [call(&quick, "/quick")])
                .endpoint("/slow", [call(&slow, "/slow")])
                .endpoint("/late", [call(&late, "/late")]),
        );
        let mut client = site.gw.connect();
        client.write(get(path));
        if path == "/slow" {
            // Only a call that the backend saw can be abandoned.
            slow.wait_for(1);
        }
        client.finish();
        site.counts(1);
        if is_answered {
            client.response("GET").status(200).body(r#"{"a":1}"#);
            client.closed();
            site.counted(path, "ok", 1);
        } else {
            slow.wait_abandoned(1);
            assert!(client.rest().is_empty(), "no answer after the grace");
            site.counted("unrouted", "client_left", 1);
        }
        site.settled();
    }
}

/// Every way to leave, again and again: whatever got an answer, everything is back afterwards.
fn client_aborts_by_the_hundred() {
    let plain = honest();
    let slow = backend().get("/slow", "{}").after(ms(30_000));
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .service("timeout", "60s")
            .endpoint("/plain", [call(&plain, "/a")])
            .input_query_strings(&["id"])
            .endpoint("/slow", [call(&slow, "/slow")]),
    );
    for n in 0..400 {
        let mut client = site.gw.connect();
        match n % 8 {
            0 => {}
            1 => drop(client.write("GET /plain HTTP/1.1\r\n").stream()),
            2 | 3 => {
                client.write(get("/plain?id=left"));
            }
            4 | 5 => {
                client.write(get("/slow"));
            }
            6 => {
                client.write(format!("{}{}", get("/plain?id=1"), get("/slow")));
            }
            _ => {
                client.write(get("/plain?id=half")).finish();
            }
        }
        if n % 2 == 0 {
            client.reset();
        }
        if n % 50 == 0 {
            site.canary();
        }
    }
    until("every call of the slow backend is given up", || slow.open_connections() == 0);
    site.settled_whatever_was_answered();
}

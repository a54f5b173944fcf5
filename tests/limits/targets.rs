//! Targets that two hops could read differently, and names of fields that alias others: bounds
//! without a key (docs/limits.md, the second table).

use crate::both_drivers;
use crate::support::{backend, call, echo, gateway, until};

both_drivers! {
    what_a_target_may_hold,
    methods_hosts_and_empty_lines,
    underscores_in_names,
}

fn what_a_target_may_hold() {
    let peer = backend().on("/b*", echo());
    let gw = gateway().one_worker().admin().endpoint("/a/{x}", [call(&peer, "/b/{x}")]).start();
    for (target, code, label) in [
        ("/a/v", 200, "ok"),
        ("/a/a%2Fb", 404, "not_found"),
        ("/a/a%2fb", 404, "not_found"),
        ("/a/a;b", 200, "ok"),
        ("/a/a%5Cb", 200, "ok"),
        ("/a/...", 200, "ok"),
        ("/a/%2e", 400, "bad_parameter"),
        ("/a/%2e%2E", 400, "bad_parameter"),
        ("/a/a%00", 400, "bad_request"),
        ("/a/v#f", 400, "bad_request"),
        ("http://u:p@gw/a/v", 400, "bad_request"),
        ("/a/\x7f", 400, "bad_request"),
    ] {
        let outcome = format!("outcome=\"{label}\"");
        let counted = || gw.metrics().sum("ringway_requests_total", &[&outcome]);
        let before = counted();
        peer.take();
        let response = gw.get(target);
        assert_eq!(response.code, code, "{target}\n{response}");
        until(&format!("{target} is counted as {label}"), || counted() - before > 0.9);
        let seen = peer.take();
        assert_eq!(seen.len(), usize::from(code == 200), "{target}");
        if let Some(request) = seen.first() {
            // What passes means nothing to the backend but itself.
            assert!(!request.target.contains(['\\', '#', '?']), "{target}: {}", request.target);
        }
    }
}

fn methods_hosts_and_empty_lines() {
    let peer = backend().on("/a", "{}");
    let gw = gateway().one_worker().endpoint("/a", [&peer]).start();
    let method = |n: usize| format!("{} /a HTTP/1.1\r\nHost: gw\r\n\r\n", "M".repeat(n));
    gw.send(method(32)).status(405);
    gw.send(method(33)).status(400);
    let host = |n: usize| format!("GET /a HTTP/1.1\r\nHost: {}\r\n\r\n", "h".repeat(n));
    gw.send(host(255)).status(200);
    gw.send(host(256)).status(400);
    let lines = |n: usize| format!("{}GET /a HTTP/1.1\r\nHost: gw\r\n\r\n", "\r\n".repeat(n));
    let mut client = gw.connect();
    client.write(lines(2));
    client.response("GET").status(200);
    let mut client = gw.connect();
    client.write(lines(3));
    client.response("GET").status(400);
}

/// `X_Forwarded_For` must not pass for `X-Forwarded-For` where a backend reads both alike.
fn underscores_in_names() {
    let peer = backend().on("/a", echo());
    let gw = gateway().one_worker().endpoint("/a", [&peer]).input_headers(&["*"]).start();
    gw.send(
        "GET /a HTTP/1.1\r\nHost: gw\r\nX_Forwarded_For: 6.6.6.6\r\nx_forwarded_host: evil\r\n\
         my_own: 1\r\n\r\n",
    )
    .status(200);
    let request = peer.request();
    let names: Vec<_> = request.fields.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    assert!(!names.iter().any(|name| name.starts_with("x_forwarded")), "{names:?}");
    assert_eq!(request.field("my_own"), Some("1"), "a name that aliases nothing passes");
}

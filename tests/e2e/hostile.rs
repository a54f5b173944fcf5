//! Heads over their limits, slow ones, and connections without any: refused and closed, and the
//! backend sees no byte of them. What two hops could read differently: `tests/hardening`.

use crate::both_drivers;
use crate::support::{Gateway, answer, backend, escaped, gateway, ms};

/// Sends it; wants one of these statuses, the end of the connection, and nothing at the backend.
fn refused(gw: &Gateway, peer: &crate::support::Backend, what: &str, bytes: &[u8], codes: &[u16]) {
    let mut connection = gw.connect();
    connection.try_write(bytes);
    let shown = escaped(&bytes[..bytes.len().min(300)]);
    match connection.try_response("GET") {
        Ok(found) => assert!(codes.contains(&found.code), "{what}: {shown}\n{found}"),
        Err(broken) => panic!("{what}: {broken:?} for {shown}"),
    }
    let rest = connection.rest();
    assert!(rest.is_empty(), "{what}: a second answer to {shown}: {}", escaped(&rest));
    gw.get("/canary").status(200).body(r#"{"canary":1}"#);
    let seen = peer.take();
    assert!(
        seen.iter().all(|request| request.target == "/canary"),
        "{what}: the backend saw {}",
        escaped(&seen[0].raw)
    );
}

fn start() -> (Gateway, crate::support::Backend) {
    let peer = backend().get("/canary", r#"{"canary":1}"#).on("/a", answer(200).body("{}"));
    let gw = gateway()
        .endpoint("/canary", [crate::support::call(&peer, "/canary")])
        .endpoint("/a", [crate::support::call(&peer, "/a")])
        .method("POST")
        .noop()
        .endpoint("/a", [crate::support::call(&peer, "/a")])
        .noop()
        .start();
    (gw, peer)
}

both_drivers! {
    too_much_of_everything,
    a_slow_head_is_cut_off,
    an_idle_connection_ends,
}

fn too_much_of_everything() {
    let (gw, peer) = start();
    let long_target = format!("GET /{} HTTP/1.1\r\nHost: gw\r\n\r\n", "a".repeat(9000));
    let long_line = format!("GET /a HTTP/1.1\r\nHost: gw\r\nX: {}\r\n\r\n", "a".repeat(17_000));
    let many = format!("GET /a HTTP/1.1\r\nHost: gw\r\n{}\r\n", "X: 1\r\n".repeat(101));
    let large = format!(
        "GET /a HTTP/1.1\r\nHost: gw\r\n{}\r\n",
        format!("X: {}\r\n", "a".repeat(8000)).repeat(10)
    );
    let name = format!(
        "POST /a HTTP/1.1\r\nHost: gw\r\ncontent-length0{}: 5\r\nContent-Length: x\r\n\r\nhello",
        "a".repeat(260)
    );
    for (what, request, codes) in [
        ("a target over 8 KiB", &long_target, vec![414]),
        ("a line over 16 KiB", &long_line, vec![431]),
        ("more than 100 fields", &many, vec![431]),
        ("more than 64 KiB", &large, vec![431]),
        ("a name that hides a length", &name, vec![400]),
    ] {
        refused(&gw, &peer, what, request.as_bytes(), &codes);
    }
}

fn a_slow_head_is_cut_off() {
    let peer = backend().get("/a", "{}");
    let gw = gateway().service("read_header_timeout", "400ms").endpoint("/a", [&peer]).start();
    let mut connection = gw.connect();
    // One byte after the other does not extend the deadline: it is a total one.
    for byte in
        b"GET /a HTTP/1.1\r\nHost: gw\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".iter()
    {
        if !connection.try_write([*byte]) {
            break;
        }
        std::thread::sleep(ms(20));
    }
    connection.rest();
    assert!(peer.requests().is_empty());
    gw.get("/a").status(200);
}

fn an_idle_connection_ends() {
    let peer = backend().get("/a", "{}");
    let gw = gateway().service("idle_timeout", "200ms").endpoint("/a", [&peer]).start();
    let mut connection = gw.connect();
    connection.send("GET /a HTTP/1.1\r\nHost: gw\r\n\r\n").status(200);
    connection.closed();
}

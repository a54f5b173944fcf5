//! Requests that two hops could read differently (docs/reference/hardening.md 2 A): refused and
//! closed, and the backend sees no byte of them.

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
    two_lengths_or_codings,
    broken_chunks,
    hosts_targets_and_first_bytes,
    too_much_of_everything,
    an_unread_body_is_no_second_request,
    an_upgrade_is_no_tunnel,
    a_slow_head_is_cut_off,
    an_idle_connection_ends,
}

fn two_lengths_or_codings() {
    let (gw, peer) = start();
    let chunks = "0\r\n\r\nX";
    let cases = [
        (
            "length and chunks",
            format!("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
        ),
        (
            "chunks and length",
            format!("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n{chunks}"),
        ),
        (
            "chunks twice",
            format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"),
        ),
        ("a list of codings", format!("Transfer-Encoding: chunked, identity\r\n\r\n{chunks}")),
        ("identity", format!("Transfer-Encoding: identity\r\n\r\n{chunks}")),
        ("a vertical tab", format!("Transfer-Encoding:\x0bchunked\r\n\r\n{chunks}")),
        ("xchunked", format!("Transfer-Encoding: xchunked\r\n\r\n{chunks}")),
        ("a space before the colon", format!("Transfer-Encoding : chunked\r\n\r\n{chunks}")),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!".into()),
        ("two lengths in one line", "Content-Length: 5, 6\r\n\r\nhello!".into()),
        ("a signed length", "Content-Length: +5\r\n\r\nhello".into()),
        ("a negative length", "Content-Length: -1\r\n\r\nhello".into()),
        ("a hex length", "Content-Length: 0x5\r\n\r\nhello".into()),
        ("an underscore", "Content-Length: 5_0\r\n\r\nhello".into()),
        ("an empty length", "Content-Length:\r\n\r\nhello".into()),
        ("a length over 64 bits", "Content-Length: 18446744073709551617\r\n\r\nhello".into()),
        ("an empty name", ": x\r\nContent-Length: 5\r\n\r\nhello".into()),
        ("a folded line", "X: a\r\n b\r\nContent-Length: 5\r\n\r\nhello".into()),
        ("a bare CR", "X: a\r b\r\nContent-Length: 5\r\n\r\nhello".into()),
        ("a NUL", "X: a\0b\r\nContent-Length: 5\r\n\r\nhello".into()),
    ];
    for (what, rest) in cases {
        let request = format!("POST /a HTTP/1.1\r\nHost: gw\r\n{rest}");
        refused(&gw, &peer, what, request.as_bytes(), &[400, 501]);
    }
    let old = "POST /a HTTP/1.0\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refused(&gw, &peer, "chunks in 1.0", old.as_bytes(), &[400, 501]);
}

fn broken_chunks() {
    let (gw, peer) = start();
    for (what, body) in [
        ("a bare line feed", "5\nhello\r\n0\r\n\r\n"),
        ("an extension with a line feed", "5;\nxx\r\nhello\r\n0\r\n\r\n"),
        ("bytes after the data", "5\r\nhelloXX0\r\n\r\n"),
        ("a NUL in an extension", "5;\0ext\r\nhello\r\n0\r\n\r\n"),
        ("only line feeds", "0\n\n"),
        ("an overflow", "FFFFFFFFFFFFFFFF1\r\nhello\r\n0\r\n\r\n"),
        ("a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("an underscore", "5_0\r\nhello\r\n0\r\n\r\n"),
        ("a blank", " 5\r\nhello\r\n0\r\n\r\n"),
        ("no size", "\r\nhello\r\n0\r\n\r\n"),
    ] {
        let request =
            format!("POST /a HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let mut connection = gw.connect();
        connection.try_write(&request);
        let found = connection.response("POST");
        assert!(found.code == 400, "{what}\n{found}");
        assert!(connection.rest().is_empty(), "{what}: something after the refusal");
        gw.get("/canary").status(200).body(r#"{"canary":1}"#);
        let whole = peer.take().iter().any(|request| request.target == "/a" && request.complete);
        assert!(!whole, "{what}: the backend got a whole request");
    }
}

fn hosts_targets_and_first_bytes() {
    let (gw, peer) = start();
    let line_feeds = "\r\n".repeat(32 * 1024);
    for (what, request, codes) in [
        ("no Host", "GET /a HTTP/1.1\r\n\r\n", vec![400]),
        ("two Hosts", "GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", vec![400]),
        ("a list of Hosts", "GET /a HTTP/1.1\r\nHost: a,b\r\n\r\n", vec![400]),
        ("userinfo in Host", "GET /a HTTP/1.1\r\nHost: a@b\r\n\r\n", vec![400]),
        ("a port too large", "GET /a HTTP/1.1\r\nHost: a:99999\r\n\r\n", vec![400]),
        ("two authorities", "GET http://a/a HTTP/1.1\r\nHost: b\r\n\r\n", vec![400]),
        ("userinfo in the target", "GET http://u@gw/a HTTP/1.1\r\nHost: gw\r\n\r\n", vec![400]),
        ("a fragment", "GET /a#f HTTP/1.1\r\nHost: gw\r\n\r\n", vec![400]),
        ("an encoded NUL", "GET /a%00 HTTP/1.1\r\nHost: gw\r\n\r\n", vec![400]),
        ("HTTP/0.9", "GET /a\r\n\r\n", vec![400, 505]),
        ("HTTP/2.0", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", vec![400, 505]),
        ("HTTP/1.2", "GET /a HTTP/1.2\r\nHost: gw\r\n\r\n", vec![400, 505]),
        ("bare line feeds", "GET /a HTTP/1.1\nHost: gw\n\n", vec![400]),
        ("TLS on the plain port", "\x16\x03\x01\x02\x00\x01", vec![400]),
        ("two blanks", "GET  /a HTTP/1.1\r\nHost: gw\r\n\r\n", vec![400]),
        ("a flood of line ends", &line_feeds, vec![400]),
    ] {
        refused(&gw, &peer, what, request.as_bytes(), &codes);
    }
    // Two empty lines before a request are allowed, and an absolute target that agrees.
    gw.send("\r\n\r\nGET /canary HTTP/1.1\r\nHost: gw\r\n\r\n").status(200);
    gw.send("GET http://gw/canary HTTP/1.1\r\nHost: gw\r\n\r\n").status(200);
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

fn an_unread_body_is_no_second_request() {
    let (gw, peer) = start();
    let smuggled = "GET /canary HTTP/1.1\r\nA: bbbbbbbbbbbbbb";
    let request = format!(
        "POST /none HTTP/1.1\r\nHost: gw\r\nContent-Length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    );
    let mut connection = gw.connect();
    connection.send(request).status(404);
    // Drained or closed, but never read as a request.
    if connection.try_write("GET /canary HTTP/1.1\r\nHost: gw\r\n\r\n")
        && let Ok(found) = connection.try_response("GET")
    {
        found.status(200).body(r#"{"canary":1}"#);
        assert_eq!(peer.requests().len(), 1);
    }
    let endless = "POST /none HTTP/1.1\r\nHost: gw\r\nContent-Length: 104857600\r\n\r\n";
    let mut connection = gw.connect();
    connection.send(endless).status(404);
    connection.try_write(vec![b'x'; 300_000]);
    connection.gone();
}

fn an_upgrade_is_no_tunnel() {
    let (gw, peer) = start();
    let request = "GET /a HTTP/1.1\r\nHost: gw\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\
                   GET /canary HTTP/1.1\r\nHost: gw\r\n\r\n";
    let mut connection = gw.connect();
    let first = connection.send(request);
    first.status(200).body("{}");
    // What follows the head is the next request, under every rule.
    connection.response("GET").status(200).body(r#"{"canary":1}"#);
    for request in peer.take() {
        assert_eq!((request.field("upgrade"), request.field("connection")), (None, None));
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

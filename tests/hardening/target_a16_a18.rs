//! Whose request it is, first bytes, pipelining: rows A16 to A18 of docs/reference/hardening.md.

use crate::both_drivers;
use crate::stage::{Stage, get};
use crate::support::{escaped, json};
use std::io::Write;

both_drivers! {
    a16_one_authority,
    a17_first_bytes,
    a18_pipelining,
}

fn a16_one_authority() {
    let stage = Stage::new();
    for (what, bytes) in [
        ("the target says another", "GET http://a/f/1 HTTP/1.1\r\nHost: b\r\n\r\n"),
        ("another port", "GET http://gw:81/f/1 HTTP/1.1\r\nHost: gw\r\n\r\n"),
        ("the port of another scheme", "GET https://gw/f/1 HTTP/1.1\r\nHost: gw:80\r\n\r\n"),
        ("two Hosts", "GET /f/1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ("the same twice", "GET /f/1 HTTP/1.1\r\nHost: gw\r\nHost: gw\r\n\r\n"),
        ("two far apart", "GET /f/1 HTTP/1.1\r\nHost: a\r\nX: y\r\nhost: b\r\n\r\n"),
        ("a list", "GET /f/1 HTTP/1.1\r\nHost: a,b\r\n\r\n"),
        ("port 0", "GET /f/1 HTTP/1.1\r\nHost: a:0\r\n\r\n"),
        ("port 99999", "GET /f/1 HTTP/1.1\r\nHost: a:99999\r\n\r\n"),
        ("an empty port", "GET /f/1 HTTP/1.1\r\nHost: a:\r\n\r\n"),
        ("a signed port", "GET /f/1 HTTP/1.1\r\nHost: a:+80\r\n\r\n"),
        ("a port of letters", "GET /f/1 HTTP/1.1\r\nHost: a:b\r\n\r\n"),
        ("userinfo", "GET /f/1 HTTP/1.1\r\nHost: a@b\r\n\r\n"),
        ("userinfo in the target", "GET http://u@gw/f/1 HTTP/1.1\r\nHost: gw\r\n\r\n"),
        ("a password in the target", "GET http://u:p@gw/f/1 HTTP/1.1\r\nHost: gw\r\n\r\n"),
        ("none", "GET /f/1 HTTP/1.1\r\n\r\n"),
        ("an empty one", "GET /f/1 HTTP/1.1\r\nHost:\r\n\r\n"),
        ("none beside an absolute target", "GET http://gw/f/1 HTTP/1.1\r\n\r\n"),
        ("a path", "GET /f/1 HTTP/1.1\r\nHost: gw/f\r\n\r\n"),
        ("a query", "GET /f/1 HTTP/1.1\r\nHost: gw?a\r\n\r\n"),
        ("a blank", "GET /f/1 HTTP/1.1\r\nHost: g w\r\n\r\n"),
        ("an escape", "GET /f/1 HTTP/1.1\r\nHost: g%77\r\n\r\n"),
        ("a backslash", "GET /f/1 HTTP/1.1\r\nHost: gw\\b\r\n\r\n"),
        ("open brackets", "GET /f/1 HTTP/1.1\r\nHost: [::1\r\n\r\n"),
        ("an IPv6 address without brackets", "GET /f/1 HTTP/1.1\r\nHost: ::1\r\n\r\n"),
        ("a zone", "GET /f/1 HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n"),
        ("no authority in the target", "GET http:///f/1 HTTP/1.1\r\nHost: gw\r\n\r\n"),
        ("another scheme", "GET ftp://gw/f/1 HTTP/1.1\r\nHost: gw\r\n\r\n"),
        ("no scheme", "GET gw/f/1 HTTP/1.1\r\nHost: gw\r\n\r\n"),
        ("an authority for GET", "GET gw:80 HTTP/1.1\r\nHost: gw\r\n\r\n"),
        ("a star for GET", "GET * HTTP/1.1\r\nHost: gw\r\n\r\n"),
        ("a fragment", "GET /f/1#x HTTP/1.1\r\nHost: gw\r\n\r\n"),
        ("a tunnel to a path", "CONNECT /f/1 HTTP/1.1\r\nHost: gw\r\n\r\n"),
    ] {
        stage.rejects_with(what, bytes, &[400]);
    }
    // The absolute form wins, and Host is rewritten; names have no case, default ports are equal.
    for (what, target, host) in [
        ("the same", "http://gw/f/1", "gw"),
        ("another case", "HTTP://GW/f/1", "gw"),
        ("a default port", "http://gw:80/f/1", "gw"),
        ("a default port of TLS", "https://gw/f/1", "gw:443"),
        ("an address", "http://[::1]:8080/f/1", "[::1]:8080"),
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let (_, request) = stage.passes(what, bytes);
        assert_eq!(request.target, "/f/1", "{what}");
        assert_eq!(request.field("host"), Some(&*stage.peer.address.to_string()), "{what}");
        let authority = target.split('/').nth(2);
        assert_eq!(request.field("x-forwarded-host"), authority, "{what}");
    }
    // No tunnel, and no proxy to other hosts.
    let mut client = stage.gw.connect();
    client.send("CONNECT gw:443 HTTP/1.1\r\nHost: gw:443\r\n\r\n");
    client.send(get("")).status(200);
    stage.canary();
    assert_eq!(stage.seen().len(), 1);
}

fn a17_first_bytes() {
    let stage = Stage::new();
    let line_ends = "\r\n".repeat(32 * 1024);
    for (what, bytes) in [
        ("HTTP/0.9", b"GET /f/1\r\n".as_slice()),
        ("HTTP/0.9 with a version", b"GET /f/1 HTTP/0.9\r\n\r\n"),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET /f/1 HTTP/1.1\r\nHost: gw\r\n\r\n"),
        ("HTTP/1.2", b"GET /f/1 HTTP/1.2\r\nHost: gw\r\n\r\n"),
        ("HTTP/3.0", b"GET /f/1 HTTP/3.0\r\nHost: gw\r\n\r\n"),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("SSLv2", b"\x80\x2e\x01\x00\x02"),
        ("a flood of line ends", line_ends.as_bytes()),
        ("three empty lines", b"\r\n\r\n\r\nGET /f/1 HTTP/1.1\r\nHost: gw\r\n\r\n"),
        ("bare line feeds before", b"\n\nGET /f/1 HTTP/1.1\r\nHost: gw\r\n\r\n"),
        ("a mark of UTF-8", b"\xef\xbb\xbfGET /f/1 HTTP/1.1\r\nHost: gw\r\n\r\n"),
        (
            "the proxy protocol",
            b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET /f/1 HTTP/1.1\r\nHost: gw\r\n\r\n",
        ),
        ("the binary proxy protocol", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"),
        ("another protocol", b"EHLO gw\r\n"),
        ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n"),
        ("noise", &[0x9f; 4096]),
        ("a response", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        // Within one read: the bytes do not end in anything that the gateway could wait for.
        stage.rejects(what, bytes);
    }
    stage.passes("two empty lines", format!("\r\n\r\n{}", get("")));
    // Between two requests as well.
    let mut client = stage.gw.connect();
    client.write(format!("{}\r\n{}", get(""), get("")));
    client.response("GET").status(200);
    client.response("GET").status(200);
}

/// Ten thousand requests in one send: answered in order, and read no faster than they are answered.
fn a18_pipelining() {
    const N: usize = 10_000;
    let stage =
        Stage::with(|builder, _| builder.ringway("limits", json!({"connection_requests": 20_000})));
    let before = stage.gw.rss_kib();
    let pad = "p".repeat(200);
    let target = |n: usize| if n.is_multiple_of(10) { format!("/f/{n}") } else { "/none".into() };
    let all: String = (0..N)
        .map(|n| format!("GET {} HTTP/1.1\r\nHost: gw\r\nX-Pad: {pad}\r\n\r\n", target(n)))
        .collect();
    let mut client = stage.gw.connect();
    let mut writer = client.stream().try_clone().expect("a second handle");
    let writing = std::thread::spawn(move || writer.write_all(all.as_bytes()).is_ok());
    for n in 0..N {
        let found = client.response("GET");
        if n.is_multiple_of(10) {
            let report: serde_json::Value = serde_json::from_slice(&found.bytes).expect("a report");
            assert_eq!(report["target"], target(n), "in order: {}", escaped(&found.bytes));
        } else {
            assert!(found.code == 404, "{n}: {found}");
        }
        if n.is_multiple_of(1000) {
            stage.canary();
        }
    }
    assert!(writing.join().expect("the writer ends"), "everything was read");
    // One at a time: the backend never holds two of them.
    let connections = stage.peer.connections();
    assert!(connections <= 4, "{connections} connections for requests that run one by one");
    let grown = stage.gw.rss_kib().saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB for requests that wait in the client's window");
    // A client that reads no answer is held back by its own window.
    let deaf = stage.gw.connect();
    deaf.stream().set_nonblocking(true).expect("a mode");
    let requests = get(&format!("X-Pad: {pad}\r\n")).repeat(64);
    let (mut taken, mut refused) = (0, 0);
    while refused < 20 && taken < 256 << 20 {
        match deaf.stream().write(&requests.as_bytes()[taken % requests.len()..]) {
            Ok(n) => taken += n,
            Err(_) => {
                refused += 1;
                stage.canary();
            }
        }
    }
    assert!(refused == 20, "{taken} bytes were taken of a client that reads nothing");
    let grown = stage.gw.rss_kib().saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB for {taken} bytes of requests");
}

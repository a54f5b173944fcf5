//! What clients and backends send cannot write the log's lines for it, nor stop it (docs/reference/
//! hardening.md F3): one line a request, control characters escaped, no secret in it.

use crate::both_drivers;
use crate::invariants::{Profile, Site, honest};
use crate::support::config::call_to;
use crate::support::{Answer, Step, backend, call, ports, until};

both_drivers! {
    f3_lines_are_the_gateways_own,
    f3_secrets_do_not_get_there,
}

/// The log so far, without the lines of its start.
fn log(site: &Site) -> String {
    site.gw.stdout()
}

/// No byte of the log does something to a terminal, and no line is anybody else's.
#[track_caller]
fn is_clean(site: &Site, what: &str) {
    let log = log(site);
    let bad = log.bytes().find(|byte| (*byte < b' ' && *byte != b'\n') || *byte == 0x7f);
    assert!(bad.is_none(), "{what}: byte {bad:?} in the log\n{log:?}");
    for line in log.lines() {
        // `[GIN] …`, `Error #01: …` under it, or `2026/11/24 15:50:44 KRAKEND INFO: …`.
        let is_service = line.split(' ').nth(2) == Some("KRAKEND");
        let is_ours = line.starts_with("[GIN] ") || line.starts_with("Error #") || is_service;
        assert!(is_ours, "{what}: a line that is not ours: {line:?}");
        assert!(!line.contains("INJECTED") || line.contains('"'), "{what}: {line:?}");
    }
}

fn f3_lines_are_the_gateways_own() {
    let dead = ports::dead_port();
    let nobody = format!("http://127.0.0.1:{}", dead.number);
    let peer = honest();
    let odd = backend()
        .get("/reason", Answer::bytes(
            b"HTTP/1.1 500 \x1b[2J\xff INJECTED\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ))
        .get("/location", Answer::steps_are([Step::Send(
            b"HTTP/1.1 302 X\r\nLocation: ftp://a/%0a\xe2\x80\xa8INJECTED\r\nContent-Length: 0\r\n\r\n"
                .to_vec(),
        )]))
        .get("/json", "\u{1b}[2J\nINJECTED");
    for profile in Profile::BOTH {
        let mut site = Site::start(
            profile
                .gateway()
                .error_texts()
                .endpoint("/a/{x}", [call(&peer, "/p/{x}")])
                .input_query_strings(&["*"])
                .endpoint("/dead/{x}", [call_to(&nobody, "/p/{x}")])
                .input_query_strings(&["*"])
                .endpoint("/reason", [call(&odd, "/reason")])
                .endpoint("/location", [call(&odd, "/location")])
                .endpoint("/json", [call(&odd, "/json")]),
        );
        let long = "p".repeat(7000);
        let huge = "p".repeat(64 * 1024);
        let bare = "Host: gw\r\n";
        // Request line and fields, and whether a request is read at all.
        let cases: Vec<(&str, Vec<u8>)> = vec![
            ("no Host in 1.1", b"GET /a/1 HTTP/1.1\r\n\r\n".to_vec()),
            ("no Host in 1.0", b"GET /a/1 HTTP/1.0\r\n\r\n".to_vec()),
            ("no User-Agent", format!("GET /a/1 HTTP/1.1\r\n{bare}\r\n").into_bytes()),
            (
                "an escape in the path",
                format!("GET /a/%1b%5b2J HTTP/1.1\r\n{bare}\r\n").into_bytes(),
            ),
            ("a raw escape", format!("GET /a/\x1b[2J HTTP/1.1\r\n{bare}\r\n").into_bytes()),
            (
                "line ends in the path",
                format!("GET /a/%0d%0a[GIN]%20INJECTED HTTP/1.1\r\n{bare}\r\n").into_bytes(),
            ),
            (
                "line ends in a path that nobody has",
                format!("GET /none/%0d%0a[GIN]%20INJECTED%00 HTTP/1.1\r\n{bare}\r\n").into_bytes(),
            ),
            (
                "line ends in the query",
                format!("GET /a/1?x=%0a[GIN]INJECTED&y=\x7f HTTP/1.1\r\n{bare}\r\n").into_bytes(),
            ),
            (
                "quotes and backslashes",
                format!("GET /a/%22%5c%22?q=\"\\ HTTP/1.1\r\n{bare}\r\n").into_bytes(),
            ),
            (
                "no UTF-8",
                [b"GET /a/%ff%fe?\xff\xfe=1 HTTP/1.1\r\n", bare.as_bytes(), b"\r\n"].concat(),
            ),
            (
                "separators of Unicode",
                format!("GET /a/%e2%80%a8%c2%85x HTTP/1.1\r\n{bare}\r\n").into_bytes(),
            ),
            (
                "an odd agent and address",
                [
                    b"GET /a/1 HTTP/1.1\r\nHost: gw\r\nUser-Agent: \xff\"\t\\\r\n".as_slice(),
                    b"X-Forwarded-For: \x80\"INJECTED, 1.2.3.4\r\nX-Real-Ip: \xff\r\n\r\n",
                ]
                .concat(),
            ),
            ("a method of one's own", format!("IN|JECT /a/1 HTTP/1.1\r\n{bare}\r\n").into_bytes()),
            (
                "a method with a control byte",
                format!("G\x1bT /a/1 HTTP/1.1\r\n{bare}\r\n").into_bytes(),
            ),
            ("a path of 7 KiB", format!("GET /a/{long} HTTP/1.1\r\n{bare}\r\n").into_bytes()),
            ("a path of 64 KiB", format!("GET /a/{huge} HTTP/1.1\r\n{bare}\r\n").into_bytes()),
            (
                "a failing path with line ends",
                format!("GET /dead/x%0aINJECTED?q=%1b[2J HTTP/1.1\r\n{bare}\r\n").into_bytes(),
            ),
            (
                "a failing path of 7 KiB",
                format!("GET /dead/{long} HTTP/1.1\r\n{bare}\r\n").into_bytes(),
            ),
            ("an odd reason", format!("GET /reason HTTP/1.1\r\n{bare}\r\n").into_bytes()),
            ("an odd redirect", format!("GET /location HTTP/1.1\r\n{bare}\r\n").into_bytes()),
            ("odd JSON", format!("GET /json HTTP/1.1\r\n{bare}\r\n").into_bytes()),
            ("no HTTP", b"\x16\x03\x01\x1b[2JINJECTED\r\n\r\n".to_vec()),
        ];
        for (what, request) in &cases {
            let before = site.lines();
            let mut client = site.gw.connect();
            client.try_write(request);
            site.counts(1);
            // A reset may overtake the refusal of what was not read.
            let _ = client.try_response("GET");
            until(&format!("{what}: one line"), || site.lines() == before + 1);
            is_clean(&site, what);
        }
        site.settled();
        is_clean(&site, "at last");
    }
}

fn f3_secrets_do_not_get_there() {
    let secrets = ["hunter2", "bearer-of-it", "crumb-of-it", "proxied-it", "key-of-it"];
    let dead = ports::dead_port();
    let nobody = format!("http://127.0.0.1:{}", dead.number);
    let peer = honest();
    let mut site = Site::start(
        Profile::Krakend
            .gateway()
            .service_extra(
                "telemetry/logging",
                crate::support::json!({
                    "level": "DEBUG", "stdout": true
                }),
            )
            .service("debug_endpoint", true)
            .error_texts()
            .endpoint("/a", [call(&peer, "/a")])
            .input_headers(&["*"])
            .endpoint("/dead", [call_to(&nobody, "/a")])
            .input_headers(&["*"]),
    );
    let fields = "Host: gw\r\nAuthorization: Bearer bearer-of-it\r\nCookie: s=crumb-of-it\r\n\
                  Proxy-Authorization: Basic proxied-it\r\nX-Api-Key: key-of-it\r\n\
                  X-Password: hunter2\r\n";
    for path in ["/a", "/dead", "/none"] {
        site.send(format!("GET {path} HTTP/1.1\r\n{fields}\r\n"));
        site.send(format!("PUT {path} HTTP/1.1\r\n{fields}Content-Length: 0\r\n\r\n"));
        site.send(format!("GET {path} HTTP/1.1\r\n{fields}Bad Name: x\r\n\r\n"));
    }
    site.settled();
    let log = site.gw.log();
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} is in the log\n{log}");
    }
}

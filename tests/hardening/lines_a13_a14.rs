//! Lines of a head and what `Connection` may name: rows A13 and A14 of docs/reference/hardening.md.

use crate::both_drivers;
use crate::stage::{Stage, get, post};

both_drivers! {
    a13_lenient_lines,
    a14_what_connection_cannot_name,
}

fn a13_lenient_lines() {
    let stage = Stage::new();
    let line = "GET /f/1 HTTP/1.1\r\n";
    let host = "Host: gw\r\n";
    for (what, bytes) in [
        ("a blank before the colon of Host", format!("{line}Host : gw\r\n\r\n")),
        ("a tab before the colon", format!("{line}{host}X\t: a\r\n\r\n")),
        ("a bare CR", format!("{line}{host}X: a\r b\r\n\r\n")),
        ("a bare CR in a name", format!("{line}{host}X\rY: a\r\n\r\n")),
        ("a NUL in a value", format!("{line}{host}X: a\0b\r\n\r\n")),
        ("a NUL in a name", format!("{line}{host}X\0: a\r\n\r\n")),
        ("a folded line", format!("{line}{host}X: a\r\n b\r\n\r\n")),
        ("a line folded with a tab", format!("{line}{host}X: a\r\n\tb\r\n\r\n")),
        ("a folded first line", format!("{line} X: a\r\n{host}\r\n")),
        ("a head ended by CR and a letter", format!("{line}{host}\rX")),
        ("CR CR LF", format!("{line}{host}X: a\r\r\n\r\n")),
        ("CR CR LF at the end", format!("{line}{host}\r\r\n")),
        ("line feeds", format!("{line}{host}X: a\n\r\n")),
        ("line feeds alone", format!("{line}{host}\n\n").replace("\r\n", "\n")),
        ("a line feed at the end", format!("{line}{host}\n")),
        ("a line feed behind the request line", format!("GET /f/1 HTTP/1.1\n{host}\r\n")),
        ("a DEL", format!("{line}{host}X: a\x7f\r\n\r\n")),
        ("a name with brackets", format!("{line}{host}X(Y): a\r\n\r\n")),
        ("a name of UTF-8", format!("{line}{host}Caf\u{e9}: a\r\n\r\n")),
        ("two blanks in the request line", format!("GET  /f/1 HTTP/1.1\r\n{host}\r\n")),
        ("a tab in the request line", format!("GET\t/f/1 HTTP/1.1\r\n{host}\r\n")),
        ("a blank behind the request line", format!("GET /f/1 HTTP/1.1 \r\n{host}\r\n")),
        ("a blank before the request line", format!(" GET /f/1 HTTP/1.1\r\n{host}\r\n")),
        ("a bare CR before the request line", format!("\rGET /f/1 HTTP/1.1\r\n{host}\r\n")),
        ("HTTP in lower case", format!("GET /f/1 http/1.1\r\n{host}\r\n")),
        ("a version of two digits", format!("GET /f/1 HTTP/1.10\r\n{host}\r\n")),
        ("a method with a colon", format!("G:T /f/1 HTTP/1.1\r\n{host}\r\n")),
    ] {
        stage.rejects(what, bytes);
    }
    // Values: spaces and tabs around them end at the gateway, bytes over 0x7f pass.
    let (_, request) = stage.passes("obs-text", get("X-A:\t caf\u{e9} \t\r\nX-B:\r\n"));
    let value = request.field("x-a").map(|text| text.chars().map(|c| c as u8).collect::<Vec<_>>());
    assert_eq!(value.as_deref(), Some("caf\u{e9}".as_bytes()));
    assert_eq!(request.field("x-b"), Some(""));
}

fn a14_what_connection_cannot_name() {
    let stage = Stage::new();
    let lines = "Connection: Transfer-Encoding, Content-Length, Host, Authorization, X-Forwarded-For, \
                 X-Forwarded-Host, X-Forwarded-Proto, X-Forwarded-Own, Forwarded, X-Real-IP, Cookie, \
                 Content-Type, X-Nominated\r\n\
                 Authorization: a\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Own: o\r\n\
                 Forwarded: for=1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\nCookie: a=b\r\nContent-Type: text/x\r\n\
                 X-Nominated: n\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n\
                 Proxy-Authorization: p\r\nProxy-Connection: close\r\nX-Stays: s\r\n";
    for (framing, content) in
        [("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"), ("Content-Length: 5", "hello")]
    {
        for path in ["/f/1", "/d/1"] {
            let bytes = post(&format!("{lines}{framing}\r\n\r\n{content}"));
            let (_, request) = stage.passes(framing, bytes.replace("/f/1", path));
            assert_eq!(request.body, b"hello", "{framing} at {path}");
            let address = stage.peer.address.to_string();
            for (name, value) in [
                ("host", address.as_str()),
                ("authorization", "a"),
                // KrakenD's profile trusts everybody: the address is the one that X-Real-IP tells.
                ("x-forwarded-for", "1.1.1.1"),
                ("x-forwarded-host", "gw"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-own", "o"),
                ("forwarded", "for=1.1.1.1"),
                ("cookie", "a=b"),
                ("content-type", "text/x"),
                ("x-stays", "s"),
            ] {
                assert_eq!(request.field(name), Some(value), "{name} at {path}");
            }
            // What may be nominated, and what belongs to one connection anyway.
            for name in [
                "x-nominated",
                "connection",
                "keep-alive",
                "te",
                "proxy-authorization",
                "proxy-connection",
            ] {
                assert_eq!(request.field(name), None, "{name} at {path}");
            }
        }
    }
}

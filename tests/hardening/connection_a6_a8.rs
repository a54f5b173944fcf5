//! What a connection is good for after a request: rows A6 to A8 and B13 of
//! docs/reference/hardening.md.

use crate::both_drivers;
use crate::stage::{Stage, get, post};
use crate::support::{Step, answer, call, escaped, gateway, json};

both_drivers! {
    a6_an_upgrade_is_no_tunnel,
    a6_an_upgrade_with_content,
    a6_a_switch_that_nobody_asked_for,
    a7_unread_content_is_no_request,
    a7_more_than_is_drained,
    a8_expectations,
    a8_an_answer_before_the_content,
    a8_content_where_none_is_usual,
    b13_h2c_is_never_forwarded,
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\
                       Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/// The tunnel itself comes with `websocket`, which is refused by name until then: no request
/// becomes one.
fn a6_an_upgrade_is_no_tunnel() {
    let peer = crate::support::backend().on("/a", "{}");
    let said = gateway()
        .endpoint("/ws", [&peer])
        .extra("websocket", json!({"input_headers": ["*"]}))
        .refused();
    assert!(said.to_string().contains("websocket"), "{said}");
    let stage = Stage::new();
    for first in [answer(426).header("Upgrade", "websocket").body("{}"), answer(200).body("{}")] {
        stage.peer.set("/f/ws", [first]);
        let mut client = stage.gw.connect();
        client.write(format!(
            "GET /f/ws HTTP/1.1\r\nHost: gw\r\n{UPGRADE}\r\nGET /f/next HTTP/1.1\r\nHost: gw\r\n\r\n\
             GET /admin HTTP/1.1\r\nHost: gw\r\n\r\n"
        ));
        client.response("GET").no_header("upgrade");
        // What follows the head is the next request, under every rule: `/admin` has no route.
        client.response("GET").status(200);
        client.response("GET").status(404);
        stage.canary();
        let seen = stage.seen();
        let targets: Vec<_> = seen.iter().map(|request| request.target.as_str()).collect();
        assert_eq!(targets, ["/f/ws", "/f/next"]);
        for request in seen {
            assert_eq!((request.field("upgrade"), request.field("connection")), (None, None));
        }
    }
}

fn a6_an_upgrade_with_content() {
    let stage = Stage::new();
    for (what, rest) in [
        ("a length", "Content-Length: 5\r\n\r\nhello"),
        ("chunks", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ] {
        stage.rejects_with(what, post(&format!("{UPGRADE}{rest}")), &[400]);
        let h2c = post(&format!("Connection: Upgrade\r\nUpgrade: h2c\r\n{rest}"));
        stage.rejects_with(what, h2c, &[400]);
    }
}

fn a6_a_switch_that_nobody_asked_for() {
    let stage = Stage::new();
    let accepted = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n\
                    HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen";
    stage.peer.set("/f/ws", [crate::support::Answer::bytes(accepted)]);
    for lines in ["", UPGRADE] {
        let mut client = stage.gw.connect();
        client.write(format!("GET /f/ws HTTP/1.1\r\nHost: gw\r\n{lines}\r\n"));
        client.response("GET").status(500).body("");
        client.send(get("")).status(200);
        stage.canary();
    }
    let page = stage.gw.metrics();
    let n = page.sum("ringway_backend_calls_total", &["outcome=\"backend_bad_interim\""]);
    assert!((n - 2.0).abs() < 0.5, "{n} calls ended by the switch");
}

/// The answers that the gateway makes itself, with the content of their request unread.
fn a7_unread_content_is_no_request() {
    let stage = Stage::with(|builder, peer| {
        builder
            .endpoint("/one", [call(peer, "/f/one")])
            .endpoint("/dir/", [call(peer, "/f/dir")])
            .endpoint("/held", [call(peer, "/f/1"), call(peer, "/f/2")])
            .method("POST")
            .ringway("limits", json!({"body_bytes": 1024}))
    });
    // Longer than what may be held, shorter than what is drained.
    let smuggled = format!("GET /f/stolen HTTP/1.1\r\nHost: gw\r\nA: {}", "b".repeat(1100));
    let many = format!("/f/1?{}", "a=1&".repeat(256));
    for (what, line, code) in [
        ("404", "POST /protected", 404),
        ("405", "POST /one", 405),
        ("redirect of a slash", "POST /held/", 307),
        ("redirect of a path", "POST //held", 307),
        ("413", "POST /held", 413),
        ("a bad parameter", "POST /f/%252e", 400),
        ("a dot segment", "POST /f/..", 400),
        ("a NUL", "POST /f/%00", 400),
        ("too many parameters", &*format!("POST {many}"), 400),
        ("health", "GET /__health", 200),
    ] {
        let chunks = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
        for (framing, content) in [
            (format!("Content-Length: {}", smuggled.len()), smuggled.clone()),
            ("Transfer-Encoding: chunked".to_owned(), chunks),
        ] {
            let head = format!("{line} HTTP/1.1\r\nHost: gw\r\n{framing}\r\n\r\n");
            for is_split in [false, true] {
                let mut client = stage.gw.connect();
                if is_split {
                    client.write(&head);
                    stage.canary();
                    client.try_write(&content);
                } else {
                    client.write(format!("{head}{content}"));
                }
                let found = client.response("POST");
                assert!(found.code == code, "{what}, {framing}: {found}");
                // Drained or closed; the content is never a request of its own.
                if client.try_write("GET /f/own HTTP/1.1\r\nHost: gw\r\n\r\n")
                    && let Ok(second) = client.try_response("GET")
                {
                    second.status(200);
                    let text = String::from_utf8_lossy(&second.bytes).into_owned();
                    assert!(text.contains("/f/own"), "{what}: {text}");
                }
                stage.canary();
                let seen = stage.seen();
                assert!(
                    seen.iter().all(|request| request.target == "/f/own"),
                    "{what}, {framing}: {seen:?}"
                );
            }
        }
    }
}

fn a7_more_than_is_drained() {
    let stage = Stage::new();
    let next = "GET /f/stolen HTTP/1.1\r\nHost: gw\r\n\r\n";
    for head in [
        "POST /none HTTP/1.1\r\nHost: gw\r\nContent-Length: 104857600\r\n\r\n",
        "POST /none HTTP/1.1\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n6400000\r\n",
    ] {
        let mut client = stage.gw.connect();
        client.send(head).status(404);
        client.try_write(vec![b'x'; 300_000]);
        client.try_write(next);
        client.gone();
        stage.canary();
        assert!(stage.seen().is_empty());
    }
    // A client that never sends what it announced waits no longer than a second.
    let mut client = stage.gw.connect();
    client.send("POST /none HTTP/1.1\r\nHost: gw\r\nContent-Length: 10\r\n\r\n").status(404);
    client.gone();
}

fn a8_expectations() {
    let stage = Stage::new();
    let length = "Content-Length: 10\r\n\r\n0123456789";
    for (what, field, code) in [
        ("folded", "Expect:\r\n 100-continue", 400),
        ("a letter before", "Expect: y 100-continue", 417),
        ("a list", "Expect: 100-continue, 100-continue", 417),
        ("a parameter", "Expect: 100-continue;q=1", 417),
        ("two", "Expect: 100-continue\r\nExpect: 100-continue", 417),
        ("another", "Expect: 200-ok", 417),
        ("nothing", "Expect:", 417),
        ("a control byte", "Expect: 100-\x0bcontinue", 400),
    ] {
        for method in ["POST", "GET", "OPTIONS"] {
            let bytes = format!("{method} /f/1 HTTP/1.1\r\nHost: gw\r\n{field}\r\n{length}");
            stage.rejects_with(what, bytes, &[code]);
        }
    }
    // The gateway says 100 itself, once somebody wants the content, in whatever case it was asked.
    let mut client = stage.gw.connect();
    client.write(post("Expect: 100-CONTINUE\r\nContent-Length: 10\r\n\r\n"));
    assert!(client.raw_head().starts_with("HTTP/1.1 100 "));
    client.write("0123456789").response("POST").status(200);
    // The route is refused before the content: the final status takes the place of 100, and the
    // connection ends since nobody knows whether the content still comes.
    let mut client = stage.gw.connect();
    client.write(
        "OPTIONS /f/1 HTTP/1.1\r\nHost: gw\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
    );
    let found = client.response("OPTIONS");
    found.status(405);
    assert!(found.interim.is_empty());
    client.try_write("0123456789");
    client.gone();
    stage.canary();
    assert_eq!(stage.seen().len(), 1);
}

/// A connection to the backend on which the content of a request was not sent whole serves nobody
/// else, whatever the backend answered.
fn a8_an_answer_before_the_content() {
    let stage = Stage::new();
    let early = |code: u16| answer(code).body("{}").early();
    for (what, answer) in [
        ("200", early(200)),
        ("417", early(417)),
        ("an answer and no end", early(200).header("Connection", "keep-alive")),
        ("nothing", crate::support::Answer::steps_are([Step::Reset]).early()),
    ] {
        stage.peer.set("/f/early", [answer]);
        for expect in ["Expect: 100-continue\r\n", ""] {
            let mut client = stage.gw.connect();
            let head = "POST /f/early HTTP/1.1\r\nHost: gw\r\n";
            client.write(format!("{head}{expect}Content-Length: 10\r\n\r\n"));
            let found = client.response("POST");
            assert!(matches!(found.code, 200 | 417 | 500), "{what}: {found}");
            // What the client sends now is the content, or nobody reads it.
            client.try_write("GET /f/stolen HTTP/1.1\r\nHost: gw\r\n\r\n");
            let _ = client.try_response("GET");
            let used = stage.peer.wait_for_heads(1)[0].connection;
            stage.peer.take();
            stage.canary();
            let seen = stage.peer.take();
            assert!(
                seen.iter().all(|request| request.connection != used),
                "{what}, {expect:?}: the connection was used again"
            );
            assert!(
                seen.iter().all(|request| request.target != "/f/stolen"),
                "{what}, {expect:?}: the content became a request"
            );
        }
    }
}

fn a8_content_where_none_is_usual() {
    let stage = Stage::new();
    let (_, request) = stage.passes("GET", get("Content-Length: 5\r\n") + "hello");
    assert_eq!((&*request.method, &*request.body), ("GET", &b"hello"[..]));
    let chunks = get("Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n";
    let (_, request) = stage.passes("GET, chunks", chunks);
    assert_eq!((&*request.method, &*request.body), ("GET", &b"hello"[..]));
    let content = "GET /f/stolen HTTP/1.1\r\nHost: gw\r\n\r\n";
    for method in ["OPTIONS", "HEAD", "DELETE", "TRACE", "BREW"] {
        let mut client = stage.gw.connect();
        let length = content.len();
        client.write(format!(
            "{method} /f/1 HTTP/1.1\r\nHost: gw\r\nContent-Length: {length}\r\n\r\n{content}\
             GET /f/own HTTP/1.1\r\nHost: gw\r\n\r\n"
        ));
        client.response(method).status(405);
        let second = client.response("GET");
        second.status(200);
        assert!(escaped(&second.bytes).contains("/f/own"), "{method}: {second}");
        stage.canary();
        let seen = stage.seen();
        assert!(seen.len() == 1 && seen[0].target == "/f/own", "{method}: {seen:?}");
    }
}

fn b13_h2c_is_never_forwarded() {
    let stage = Stage::new();
    for (what, lines) in [
        (
            "as in the row",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        ),
        ("not nominated", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"),
        (
            "beside a websocket",
            "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        ),
        (
            "in two lines",
            "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\nhttp2-settings: AA\r\n",
        ),
        ("other case", "connection: upgrade\r\nUPGRADE: H2C\r\nhttp2-SETTINGS: AAMAAABk\r\n"),
        ("TLS", "Connection: Upgrade\r\nUpgrade: TLS/1.0, h2\r\n"),
    ] {
        let (found, request) = stage.passes(what, get(lines));
        found.no_header("upgrade");
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(request.field(name), None, "{what}");
        }
    }
    // Prior knowledge: no HTTP/2 on this port (`use_h2c` is refused by name).
    stage.rejects("the preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    let said = gateway().service("use_h2c", true).refused();
    assert!(said.to_string().contains("use_h2c"), "{said}");
}

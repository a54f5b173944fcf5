//! The chunked coding of requests: rows A9 to A12 of docs/reference/hardening.md.

use crate::both_drivers;
use crate::stage::{Stage, post};
use crate::support::escaped;

both_drivers! {
    a9_terminators_and_extensions,
    a10_chunk_sizes,
    a11_more_framing_than_content,
    a12_trailers,
}

fn chunked(body: &str) -> String {
    post(&format!("Transfer-Encoding: chunked\r\n\r\n{body}"))
}

/// Broken where it came with the head: not a byte reaches the backend. Broken later: the backend
/// has half a message that never ends, on a connection that ends.
#[track_caller]
fn refuses(stage: &Stage, what: &str, body: &str) {
    stage.rejects_with(what, chunked(body), &[400]);
    let mut client = stage.gw.connect();
    client.write(chunked("1\r\nx\r\n"));
    stage.peer.wait_for_heads(1);
    client.try_write(body);
    let found = client.response("POST");
    assert!(found.code == 400, "{what}, later: {}\n{found}", escaped(body.as_bytes()));
    assert_eq!(found.field("connection"), Some("close"), "{what}, later: {found}");
    client.gone();
    let used = stage.peer.take()[0].connection;
    stage.canary();
    let seen = stage.peer.take();
    assert!(
        seen.iter().all(|request| request.connection != used && request.method == "GET"),
        "{what}, later: {seen:?}"
    );
}

fn a9_terminators_and_extensions() {
    let stage = Stage::new();
    for (what, body) in [
        ("a bare line feed behind the size", "5\nhello\r\n0\r\n\r\n"),
        ("a bare CR behind the size", "5\rhello\r\n0\r\n\r\n"),
        ("a line feed in an extension", "5;\nxx\r\nhello\r\n0\r\n\r\n"),
        ("a line feed behind an extension", "5;a\nhello\r\n0\r\n\r\n"),
        ("a line feed in quotes", "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"),
        ("a CR in quotes", "5;a=\"\r\"\r\nhello\r\n0\r\n\r\n"),
        ("two other bytes behind the data", "5\r\nhelloXX0\r\n\r\n"),
        ("a bare line feed behind the data", "5\r\nhello\n0\r\n\r\n"),
        ("a bare CR behind the data", "5\r\nhello\r0\r\n\r\n"),
        ("the line end turned round", "5\r\nhello\n\r0\r\n\r\n"),
        ("data beyond the size", "5\r\nhello!\r\n0\r\n\r\n"),
        ("a NUL in an extension", "5;\0ext\r\nhello\r\n0\r\n\r\n"),
        ("an extension without a name", "5;\r\nhello\r\n0\r\n\r\n"),
        ("a value without a name", "5;=a\r\nhello\r\n0\r\n\r\n"),
        ("open quotes", "5;a=\"b\r\nhello\r\n0\r\n\r\n"),
        ("bytes behind the quotes", "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n"),
        ("only line feeds", "0\n\n"),
        ("a line feed behind the last chunk", "0\r\n\n"),
        ("a bare CR at the end", "0\r\n\rX"),
    ] {
        refuses(&stage, what, body);
    }
    for extension in [";a", ";a=b", ";a=\"b\"", ";a=\"\\\"\"", ";a;b=c", ";a=\"b c;d\""] {
        let body = format!("5{extension}\r\nhello\r\n0{extension}\r\n\r\n");
        let (_, request) = stage.passes(extension, chunked(&body));
        assert_eq!(request.body, b"hello", "{extension}");
        assert!(!request.raw.contains(&b';'), "forwarded: {}", escaped(&request.raw));
    }
}

fn a10_chunk_sizes() {
    let stage = Stage::new();
    for (what, size) in [
        ("an overflow", "FFFFFFFFFFFFFFFF1"),
        ("17 digits", "00000000000000005"),
        ("a prefix", "0x5"),
        ("a plus", "+5"),
        ("a minus", "-5"),
        ("an underscore", "5_0"),
        ("aiohttp's", "0_2e"),
        ("a blank before", " 5"),
        ("a tab before", "\t5"),
        ("a blank behind", "5 "),
        ("a tab behind", "5\t"),
        ("a blank before an extension", "5 ;a"),
        ("a blank within an extension", "5; a"),
        ("nothing", ""),
        ("only an extension", ";a"),
        ("not hex", "5g"),
        ("a point", "5.0"),
        ("two numbers", "5,5"),
        ("a wide digit", "\u{ff15}"),
    ] {
        refuses(&stage, what, &format!("{size}\r\nhello\r\n0\r\n\r\n"));
    }
    for size in ["5", "05", "0000000000000005"] {
        let body = format!("{size}\r\nhello\r\n0000\r\n\r\n");
        let (_, request) = stage.passes(size, chunked(&body));
        assert_eq!(request.body, b"hello");
    }
    let (_, request) =
        stage.passes("hex", chunked("A\r\n0123456789\r\na\r\nabcdefghij\r\n0\r\n\r\n"));
    assert_eq!(request.body, b"0123456789abcdefghij");
}

fn a11_more_framing_than_content() {
    let stage = Stage::new();
    let size_line = format!("1;{}\r\nx\r\n", "a".repeat(4096));
    let fitting = format!("1;{}\r\nx\r\n", "a".repeat(250));
    for (what, chunk, times) in [
        ("4 KiB of extension for a byte", size_line, 100_000),
        ("252 bytes for a byte", fitting, 100_000),
        ("the size in 16 digits", format!("{:016x};{}\r\nx\r\n", 1, "a".repeat(200)), 100_000),
    ] {
        let mut client = stage.gw.connect();
        client.write(chunked(""));
        let mut sent = 0;
        let pieces = chunk.repeat(16);
        while sent < times * chunk.len() && client.try_write(&pieces) {
            sent += pieces.len();
        }
        // The free 16 KiB, what the sockets hold, and not the whole of it.
        assert!(sent < 32 << 20, "{what}: {sent} bytes were taken");
        let found = client.response("POST");
        assert!(found.code == 400, "{what}: {found}");
        client.gone();
        stage.canary();
        let whole = stage.seen().iter().any(|request| request.complete);
        assert!(!whole, "{what}: the backend got a whole request");
    }
    // One line of exactly 256 bytes is fine.
    let line = format!("5;{}\r\n", "a".repeat(252));
    stage.passes("a line of 256 bytes", chunked(&format!("{line}hello\r\n0\r\n\r\n")));
    let line = format!("5;{}\r\n", "a".repeat(253));
    refuses(&stage, "a line of 257 bytes", &format!("{line}hello\r\n0\r\n\r\n"));
}

fn a12_trailers() {
    let stage = Stage::new();
    for (what, trailers) in [
        ("as in the row", "Content-Length: 5\r\nAuthorization: Bearer x\r\n"),
        (
            "what must never become a header",
            "Transfer-Encoding: chunked\r\nHost: other\r\nCookie: a=b\r\nX-Forwarded-For: 1.1.1.1\r\n",
        ),
        ("what is harmless", "X-Sum: 1\r\nEtag: a\r\n"),
        ("what a response may have", "Grpc-Status: 0\r\nContent-Digest: a\r\n"),
    ] {
        let body = format!("5\r\nhello\r\n0\r\n{trailers}\r\n");
        for path in ["/f/1", "/d/1"] {
            let bytes = chunked(&body).replace("/f/1", path);
            let (_, request) = stage.passes(what, bytes);
            assert_eq!((&*request.body, request.trailers.len()), (&b"hello"[..], 0), "{what}");
            for name in ["authorization", "cookie", "x-sum", "etag", "grpc-status"] {
                assert_eq!(request.field(name), None, "{what} at {path}");
            }
            assert_eq!(request.field("host"), Some(&*stage.peer.address.to_string()), "{what}");
        }
    }
    for (what, trailers) in [
        ("no colon", "nothing\r\n".to_owned()),
        ("an empty name", ": x\r\n".to_owned()),
        ("folded", "X: a\r\n b\r\n".to_owned()),
        ("a blank before the colon", "X : a\r\n".to_owned()),
        ("a bare line feed", "X: a\nY: b\r\n".to_owned()),
        ("a bare CR", "X: a\rY: b\r\n".to_owned()),
        ("a NUL", "X: a\0\r\n".to_owned()),
    ] {
        let body = format!("5\r\nhello\r\n0\r\n{trailers}\r\n");
        stage.rejects_with(what, chunked(&body), &[400]);
    }
    let body = format!("5\r\nhello\r\n0\r\n{}\r\n", "X: a\r\n".repeat(33));
    stage.rejects_with("33 fields", chunked(&body), &[400, 431]);
    // More than comes in one read: the backend has half a message that never ends.
    let mut client = stage.gw.connect();
    client.write(chunked(&format!("5\r\nhello\r\n0\r\nX: {}\r\n\r\n", "a".repeat(8 * 1024))));
    client.response("POST").status(400).header("connection", "close");
    client.gone();
    stage.canary();
    assert!(stage.seen().iter().all(|request| !request.complete), "over 8 KiB");
    let fields = "X: a\r\n".repeat(32);
    stage.passes("32 fields", chunked(&format!("5\r\nhello\r\n0\r\n{fields}\r\n")));
}

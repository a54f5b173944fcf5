//! Where a request ends: rows A1 to A5 of docs/reference/hardening.md.

use crate::both_drivers;
use crate::stage::{Stage, post};

both_drivers! {
    a1_two_framings,
    a2_lenient_lengths,
    a3_empty_names,
    a4_obfuscated_codings,
    a5_framing_of_http_10,
}

fn a1_two_framings() {
    let stage = Stage::new();
    let chunks = "0\r\n\r\nX";
    for (what, lines) in [
        ("length first", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n"),
        ("coding first", "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n"),
        ("a field between", "Content-Length: 6\r\nX: y\r\nTransfer-Encoding: chunked\r\n"),
        ("no length at all", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
        ("other case", "content-LENGTH: 6\r\ntransfer-ENCODING: CHUNKED\r\n"),
        (
            "the coding nominated",
            "Connection: Transfer-Encoding\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "the length nominated",
            "Connection: Content-Length\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "a length on both sides",
            "Content-Length: 6\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n",
        ),
    ] {
        stage.rejects_with(what, post(&format!("{lines}\r\n{chunks}")), &[400]);
        let get = format!("GET /f/1 HTTP/1.1\r\nHost: gw\r\n{lines}\r\n{chunks}");
        stage.rejects_with(what, get, &[400]);
    }
}

fn a2_lenient_lengths() {
    let stage = Stage::new();
    for value in [
        "5, 6",
        "5,5",
        "5, 5",
        "+5",
        "-1",
        "-0",
        "0x5",
        "5_0",
        "5 5",
        "5;5",
        "5.0",
        "5e0",
        "\"5\"",
        "",
        "18446744073709551617",
        "18446744073709551615",
        "9223372036854775808000",
        "00000000000000000005",
        "\u{ff15}",
        "five",
    ] {
        let bytes = post(&format!("Content-Length: {value}\r\n\r\nhello"));
        stage.rejects_with(&format!("length {value:?}"), bytes, &[400]);
    }
    for (what, lines) in [
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n"),
        ("two lengths, far apart", "Content-Length: 6\r\nX: y\r\nContent-Length: 5\r\n"),
        // The row lets identical copies be collapsed or refused: they are refused.
        ("the same length twice", "Content-Length: 5\r\nContent-Length: 5\r\n"),
        ("an empty one and one", "Content-Length:\r\nContent-Length: 5\r\n"),
    ] {
        stage.rejects_with(what, post(&format!("{lines}\r\nhello")), &[400]);
    }
    // Digits only: an odd way to say 5, but everybody reads it as 5. It is written anew.
    let (_, request) = stage.passes("05", post("Content-Length: 05\r\n\r\nhello"));
    assert_eq!((request.field("content-length"), &*request.body), (Some("5"), &b"hello"[..]));
    // HAProxy took the length of the name modulo 256 and so lost it.
    let name = format!("content-length0{}", "a".repeat(255));
    let body = "GET /admin HTTP/1.1\r\nHost: gw\r\n\r\n";
    let bytes = post(&format!("{name}:\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    let (_, request) = stage.passes("a name of 270 bytes", bytes);
    assert_eq!(request.body, body.as_bytes());
    assert_eq!(request.field("content-length"), Some(&*body.len().to_string()));
}

fn a3_empty_names() {
    let stage = Stage::new();
    for (what, lines) in [
        ("before the length", ": x\r\nContent-Length: 5\r\n"),
        ("after the length", "Content-Length: 5\r\n: x\r\n"),
        ("no value either", ":\r\nContent-Length: 5\r\n"),
        ("a blank for a name", " : x\r\nContent-Length: 5\r\n"),
        ("a tab for a name", "\t: x\r\nContent-Length: 5\r\n"),
        ("no colon", "nothing\r\nContent-Length: 5\r\n"),
    ] {
        stage.rejects_with(what, post(&format!("{lines}\r\nhello")), &[400]);
        let get = format!("GET /f/1 HTTP/1.1\r\nHost: gw\r\n{lines}\r\nhello");
        stage.rejects_with(what, get, &[400]);
    }
}

fn a4_obfuscated_codings() {
    let stage = Stage::new();
    for (what, lines) in [
        ("a vertical tab", "Transfer-Encoding:\x0bchunked\r\n"),
        ("a form feed behind", "Transfer-Encoding: chunked\x0c\r\n"),
        ("a blank before the colon", "Transfer-Encoding : chunked\r\n"),
        ("a tab before the colon", "Transfer-Encoding\t: chunked\r\n"),
        ("xchunked", "Transfer-Encoding: xchunked\r\n"),
        ("chunkedx", "Transfer-Encoding: chunkedx\r\n"),
        ("chunked, identity", "Transfer-Encoding: chunked, identity\r\n"),
        ("identity, chunked", "Transfer-Encoding: identity, chunked\r\n"),
        ("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n"),
        ("chunked, chunked", "Transfer-Encoding: chunked, chunked\r\n"),
        ("a comma before", "Transfer-Encoding: ,chunked\r\n"),
        ("a comma behind", "Transfer-Encoding: chunked,\r\n"),
        ("identity", "Transfer-Encoding: identity\r\n"),
        ("a NUL", "Transfer-Encoding: chunked\0\r\n"),
        ("a parameter", "Transfer-Encoding: chunked;a=b\r\n"),
        ("quotes", "Transfer-Encoding: \"chunked\"\r\n"),
        ("nothing", "Transfer-Encoding:\r\n"),
        ("folded", "Transfer-Encoding:\r\n chunked\r\n"),
        ("folded behind", "Transfer-Encoding: chunked\r\n , identity\r\n"),
        ("two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("two codings", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
        ("identity first", "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
        ("the Kelvin sign", "Transfer-Encoding: chun\u{212a}ed\r\n"),
        ("a bare line feed", "Transfer-Encoding: chunked\nX: y\r\n"),
        ("behind a bare CR", "X: y\rTransfer-Encoding: chunked\r\n"),
    ] {
        let bytes = post(&format!("{lines}\r\n5\r\nhello\r\n0\r\n\r\n"));
        stage.rejects_with(what, bytes, &[400, 501]);
    }
    // An alias is no framing: without a length there is no content, so what follows is refused.
    for name in ["Transfer_Encoding", "Transfer.Encoding", "X-Transfer-Encoding"] {
        let mut client = stage.gw.connect();
        client.write(post(&format!("{name}: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")));
        client.response("POST").status(200);
        client.response("POST").status(400);
        client.gone();
        stage.canary();
        let seen = stage.seen();
        assert_eq!((seen.len(), &*seen[0].body), (1, &b""[..]), "{name}");
    }
    let good = post("Transfer-Encoding: \t Chunked \t\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    let (_, request) = stage.passes("one coding", good);
    assert_eq!(
        (request.field("transfer-encoding"), &*request.body),
        (Some("chunked"), &b"hello"[..])
    );
}

fn a5_framing_of_http_10() {
    let stage = Stage::new();
    let smuggled = "0\r\n\r\nGET /admin HTTP/1.1\r\nX: ";
    let row = format!(
        "Transfer-Encoding: identity, chunked\r\nContent-Length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    );
    for (what, rest) in [
        ("as in the row", row.as_str()),
        ("chunked", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        (
            "chunked and kept",
            "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        ("identity", "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello"),
        (
            "two codings",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ] {
        let bytes = format!("POST /f/1 HTTP/1.0\r\nHost: gw\r\n{rest}");
        stage.rejects_with(what, bytes, &[400, 501]);
    }
    // A request is never as long as its connection: without a length it has no content, in 1.0
    // neither, and what follows is not read since 1.0 ends its connection.
    let mut client = stage.gw.connect();
    client.write("POST /f/1 HTTP/1.0\r\nHost: gw\r\n\r\nGET /f/2 HTTP/1.1\r\nHost: gw\r\n\r\n");
    client.response("POST").status(200);
    client.gone();
    stage.canary();
    let seen = stage.seen();
    assert_eq!((seen.len(), &*seen[0].target, &*seen[0].body), (1, "/f/1", &b""[..]));
    let (_, request) = stage
        .passes("a length", "POST /f/1 HTTP/1.0\r\nHost: gw\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!((&*request.version, &*request.body), ("HTTP/1.1", &b"hello"[..]));
}

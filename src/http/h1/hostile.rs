//! The inputs of docs/reference/hardening.md table A that a head or a chunked message shows, by row.
//! Rows about connections (A7, A18, the tunnel of A6) are tested on the wire.

use super::{
    BodyKind, ChunkError, Decoder, HeadError, HeadLimits, Progress, RequestHead, ResponseHead,
    Step, parse_request, parse_response,
};
use crate::http::Method;

fn request(text: &[u8]) -> Result<Progress, HeadError> {
    parse_request(text, &HeadLimits::DEFAULT, &mut RequestHead::default())
}

fn response(text: &[u8]) -> Result<ResponseHead, HeadError> {
    let mut head = ResponseHead::default();
    let progress = parse_response(text, &HeadLimits::DEFAULT, Method::Get, &mut head)?;
    assert_eq!(progress, Progress::Done);
    Ok(head)
}

/// Each text stands in `POST / HTTP/1.1`, Host, then these lines.
fn refused(rows: &[(&str, &str, HeadError)]) {
    for (row, lines, expected) in rows {
        let text = format!("POST / HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n");
        assert_eq!(request(text.as_bytes()), Err(*expected), "{row}: {lines:?}");
    }
}

#[test]
fn a1_two_framings() {
    refused(&[
        ("A1", "Content-Length: 6\r\nTransfer-Encoding: chunked", HeadError::BothFramings),
        ("A1", "Transfer-Encoding: chunked\r\nContent-Length: 6", HeadError::BothFramings),
        ("A1", "transfer-encoding: chunked\r\ncontent-length: 0", HeadError::BothFramings),
    ]);
}

#[test]
fn a2_content_lengths() {
    let values = [
        "5, 6",
        "5,5",
        "+5",
        "-1",
        "0x5",
        "5_0",
        "5 5",
        "",
        "18446744073709551617",
        "5\t6",
        "5;",
        "\u{665}",
    ];
    for value in values {
        refused(&[("A2", &format!("Content-Length: {value}"), HeadError::ContentLength)]);
    }
    refused(&[
        ("A2", "Content-Length: 5\r\nContent-Length: 6", HeadError::ContentLength),
        ("A2", "Content-Length: 5\r\nContent-Length: 5", HeadError::ContentLength),
        ("A2", "Content-Length: 5\r\nContent-Length:", HeadError::ContentLength),
        ("A2", "Content-Length: 99999999999999999999", HeadError::ContentLength),
    ]);
    // A name that an 8-bit length would cut to Content-Length is just an unknown name.
    let long = format!("content-length0{}", "a".repeat(255));
    let text = format!("POST / HTTP/1.1\r\nHost: x\r\n{long}: 5\r\n\r\n");
    let mut head = RequestHead::default();
    let limits = HeadLimits::DEFAULT;
    assert_eq!(parse_request(text.as_bytes(), &limits, &mut head), Ok(Progress::Done));
    assert_eq!(head.body, BodyKind::None);
    // A zero in front is digits only: it means the same to everybody, and is written anew.
    let text = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 05\r\n\r\n";
    assert_eq!(parse_request(text, &limits, &mut head), Ok(Progress::Done));
    assert_eq!(head.body, BodyKind::Length(5));
}

#[test]
fn a3_empty_names() {
    refused(&[
        ("A3", ": x\r\nContent-Length: 5", HeadError::Field),
        ("A3", "Content-Length: 5\r\n:", HeadError::Field),
        ("A3", "no colon", HeadError::Field),
    ]);
}

#[test]
fn a4_transfer_encodings() {
    for value in ["xchunked", "identity", "gzip", "chunkedx", "\"chunked\"x"] {
        let error = if value.starts_with('"') {
            HeadError::TransferEncoding
        } else {
            HeadError::TransferCoding
        };
        refused(&[("A4", &format!("Transfer-Encoding: {value}"), error)]);
    }
    for value in [
        "chunked, identity",
        "identity, chunked",
        "chunked,",
        ",chunked",
        "chunked chunked",
        "",
        "chunked;a=b",
        "gzip, chunked",
    ] {
        refused(&[("A4", &format!("Transfer-Encoding: {value}"), HeadError::TransferEncoding)]);
    }
    refused(&[
        (
            "A4",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            HeadError::TransferEncoding,
        ),
        (
            "A4",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            HeadError::TransferEncoding,
        ),
        ("A4", "Transfer-Encoding : chunked", HeadError::Field),
        ("A4", "Transfer-Encoding: chunked\0", HeadError::Field),
        ("A4", "Transfer-Encoding:\x0bchunked", HeadError::Field),
        ("A4", "Transfer-Encoding:\r\n chunked", HeadError::Folded),
        ("A4", "X: y\r\n Transfer-Encoding: chunked", HeadError::Folded),
    ]);
    // Each control byte in each place: before, in and after the name and the value.
    for byte in (0..0x20u8).chain([0x7f]).filter(|byte| *byte != b'\t') {
        for at in 0..=26 {
            let mut line = b"Transfer-Encoding: chunked".to_vec();
            line.insert(at, byte);
            let text = [b"POST / HTTP/1.1\r\nHost: x\r\n", line.as_slice(), b"\r\n\r\n"].concat();
            assert!(request(&text).is_err(), "A4: {byte:02x} at {at}");
        }
    }
    // A tab is white space around the value, and nothing elsewhere.
    for at in 0..=26 {
        let mut line = b"Transfer-Encoding: chunked".to_vec();
        line.insert(at, b'\t');
        let text = [b"POST / HTTP/1.1\r\nHost: x\r\n", line.as_slice(), b"\r\n\r\n"].concat();
        assert_eq!(request(&text).is_ok(), matches!(at, 18 | 19 | 26), "A4: tab at {at}");
    }
}

#[test]
fn a5_transfer_encoding_of_http_1_0() {
    for value in ["identity, chunked\r\nContent-Length: 29", "chunked"] {
        let text = format!(
            "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: {value}\r\n\r\n0\r\n\r\nGET /admin"
        );
        assert_eq!(request(text.as_bytes()), Err(HeadError::TransferEncoding), "A5");
    }
    let mut head = RequestHead::default();
    let text = b"POST / HTTP/1.0\r\n\r\nnever until the connection ends";
    assert_eq!(parse_request(text, &HeadLimits::DEFAULT, &mut head), Ok(Progress::Done));
    assert_eq!(head.body, BodyKind::None);
}

#[test]
fn a6_upgrades_with_content() {
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    for body in ["Content-Length: 1", "Transfer-Encoding: chunked"] {
        refused(&[("A6", &format!("{upgrade}{body}"), HeadError::UpgradeWithBody)]);
    }
}

#[test]
fn a8_expectations() {
    refused(&[
        ("A8", "Expect: y 100-continue", HeadError::Expectation),
        ("A8", "Expect: 200-ok", HeadError::Expectation),
        ("A8", "Expect:", HeadError::Expectation),
        ("A8", "Expect: 100-continue\r\nExpect: 100-continue", HeadError::Expectation),
        ("A8", "Expect:\r\n 100-continue", HeadError::Folded),
    ]);
    assert_eq!(HeadError::Expectation.status(), 417);
}

#[test]
fn a9_to_a11_chunks() {
    for (row, input, expected) in [
        ("A9", "5\nhello\r\n0\r\n\r\n", ChunkError::LineEnd),
        ("A9", "5;\nxx\r\nhello", ChunkError::LineEnd),
        ("A9", "5;a=\"\n\"\r\n", ChunkError::LineEnd),
        ("A9", "5\r\nhelloXX0\r\n\r\n", ChunkError::DataEnd),
        ("A9", "5\r\nhello\n0\r\n\r\n", ChunkError::DataEnd),
        ("A9", "5\r\nhello\rX", ChunkError::DataEnd),
        ("A9", "5;\0ext\r\n", ChunkError::Extension),
        ("A9", "5;a=\"\0\"\r\n", ChunkError::Extension),
        ("A9", "5;a b\r\n", ChunkError::Extension),
        ("A9", "5;a=\r\n", ChunkError::Extension),
        ("A9", "5;\r\n", ChunkError::Extension),
        ("A9", "5\rX", ChunkError::LineEnd),
        ("A9", "0\n\n", ChunkError::LineEnd),
        ("A9", "0\r\n\n", ChunkError::LineEnd),
        ("A9", "0\r\n\rX", ChunkError::LineEnd),
        ("A10", "FFFFFFFFFFFFFFFF1\r\n", ChunkError::Size),
        ("A10", "00000000000000005\r\n", ChunkError::Size),
        ("A10", "0x5\r\n", ChunkError::Size),
        ("A10", "+5\r\n", ChunkError::Size),
        ("A10", "-5\r\n", ChunkError::Size),
        ("A10", "5_0\r\n", ChunkError::Size),
        ("A10", " 5\r\n", ChunkError::Size),
        ("A10", "5 \r\n", ChunkError::Size),
        ("A10", "5 ;a\r\n", ChunkError::Size),
        ("A10", "\r\n", ChunkError::Size),
        ("A10", ";a\r\n", ChunkError::Size),
        ("A10", "G\r\n", ChunkError::Size),
        ("A12", "0\r\n: x\r\n\r\n", ChunkError::Trailer),
        ("A12", "0\r\nX : y\r\n\r\n", ChunkError::Trailer),
        ("A12", "0\r\nX\r\n\r\n", ChunkError::Trailer),
        ("A12", "0\r\nX: a\0\r\n\r\n", ChunkError::Trailer),
        ("A12", "0\r\nX: a\r\n b\r\n\r\n", ChunkError::Trailer),
        ("A12", "0\r\nX: a\n\r\n", ChunkError::LineEnd),
        ("A12", "0\r\nX: a\rb\r\n\r\n", ChunkError::LineEnd),
    ] {
        assert_eq!(decoded(input.as_bytes()), Err(expected), "{row}: {input:?}");
    }
    // All 64 bits are a size, which no input reaches.
    assert_eq!(decoded(b"FFFFFFFFFFFFFFFF\r\nx"), Ok((1, None)));
}

#[test]
fn a11_amplification() {
    let long = format!("1;{}\r\nx\r\n", "a".repeat(4096)).repeat(100);
    assert_eq!(decoded(long.as_bytes()), Err(ChunkError::LineTooLong));
    let longest = format!("1;{}\r\nx\r\n", "a".repeat(252)).repeat(100_000);
    assert_eq!(decoded(longest.as_bytes()), Err(ChunkError::Overhead));
    let short = [b"1\r\nx\r\n".repeat(100_000).as_slice(), b"0\r\n\r\n"].concat();
    assert_eq!(decoded(&short), Ok((100_000, Some(short.len()))));
}

#[test]
fn a12_trailers_are_bounded_and_dropped() {
    let text = "0\r\nContent-Length: 5\r\nAuthorization: Bearer x\r\nHost: y\r\nCookie: z\r\n\
                Transfer-Encoding: chunked\r\nGrpc-Status: 0\r\ngrpc-message:  ok \r\nX: y\r\n\r\n";
    let mut decoder = Decoder::new();
    assert_eq!(decoder.step(text.as_bytes()), Ok(Step::End { consumed: text.len() }));
    let kept: Vec<_> = decoder.trailers().iter().map(|(id, value)| (id.name(), value)).collect();
    assert_eq!(kept, [("Grpc-Status", b"0".as_slice()), ("Grpc-Message", b"ok")]);

    let many = |n: usize| format!("0\r\n{}\r\n", "X: y\r\n".repeat(n));
    assert!(decoded(many(32).as_bytes()).is_ok());
    assert_eq!(decoded(many(33).as_bytes()), Err(ChunkError::TrailersTooLarge));
    let large = format!("0\r\nX: {}\r\n\r\n", "y".repeat(8 * 1024));
    assert_eq!(decoded(large.as_bytes()), Err(ChunkError::TrailersTooLarge));
}

#[test]
fn a13_lines() {
    refused(&[
        ("A13", "X : y", HeadError::Field),
        ("A13", "X\t: y", HeadError::Field),
        ("A13", "X: a\r b", HeadError::Field),
        ("A13", "X: a\0b", HeadError::Field),
        ("A13", "X: a\x7fb", HeadError::Field),
        ("A13", "X\u{e9}: a", HeadError::Field),
        ("A13", "X: a\r\n b", HeadError::Folded),
        ("A13", "X: a\r\n\tb", HeadError::Folded),
        ("A13", "X: a\nY: b", HeadError::LineEnd),
        ("A13", "X: a\r\n\rX", HeadError::LineEnd),
        ("A13", "X: a\n\r\n", HeadError::LineEnd),
    ]);
    for (text, expected) in [
        (&b"GET / HTTP/1.1\nHost: x\n\n"[..], HeadError::LineEnd),
        (b"GET / HTTP/1.1\r\n Host: x\r\n\r\n", HeadError::Folded),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\n", HeadError::LineEnd),
        // No line end comes after these; nobody has to wait for it.
        (b"GET / HTTP/1.1\r\nHost: x\r\n\rX", HeadError::LineEnd),
        (b"GET / HTTP/1.1\r\nHost: x\r\n ", HeadError::Folded),
    ] {
        assert_eq!(request(text), Err(expected), "A13: {:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn a15_responses() {
    for (case, text, expected) in [
        (
            "two framings",
            "200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
            HeadError::BothFramings,
        ),
        (
            "two lengths",
            "200 OK\r\nContent-Length: 1\r\nContent-Length: 2",
            HeadError::ContentLength,
        ),
        ("a list of lengths", "200 OK\r\nContent-Length: 1, 1", HeadError::ContentLength),
        ("a coding", "200 OK\r\nTransfer-Encoding: gzip", HeadError::TransferCoding),
        ("two codings", "200 OK\r\nTransfer-Encoding: gzip, chunked", HeadError::TransferEncoding),
        ("fold", "200 OK\r\nX: a\r\n b", HeadError::Folded),
        ("bare LF", "200 OK\nX: a", HeadError::LineEnd),
        ("space before colon", "200 OK\r\nX : a", HeadError::Field),
        ("two digits", "20 OK", HeadError::StatusLine),
        ("four digits", "2000 OK", HeadError::StatusLine),
        ("no digits", "abc OK", HeadError::StatusLine),
        ("below 100", "099 X", HeadError::StatusLine),
        ("two spaces", " 200 OK", HeadError::StatusLine),
        ("NUL in reason", "200 O\0K", HeadError::StatusLine),
        ("CR in reason", "200 O\rK", HeadError::StatusLine),
    ] {
        let text = format!("HTTP/1.1 {text}\r\n\r\n");
        assert_eq!(response(text.as_bytes()).err(), Some(expected), "A15: {case}");
    }
    for (case, text, expected) in [
        ("lower case", &b"http/1.1 200 OK\r\n\r\n"[..], HeadError::StatusLine),
        ("HTTP/2", b"HTTP/2.0 200 OK\r\n\r\n", HeadError::Version),
        ("HTTP/2 without minor", b"HTTP/2 200 OK\r\n\r\n", HeadError::StatusLine),
        ("surplus of the one before", b"\r\nHTTP/1.1 200 OK\r\n\r\n", HeadError::StatusLine),
        ("HTTP/0.9", b"<html>", HeadError::StatusLine),
        ("TLS alert", b"\x15\x03\x01\x00\x02", HeadError::StatusLine),
        ("ICY", b"ICY 200 OK\r\n\r\n", HeadError::StatusLine),
        (
            "chunked 1.0",
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            HeadError::TransferEncoding,
        ),
    ] {
        assert_eq!(response(text).err(), Some(expected), "A15: {case}");
    }
    // What follows the head is not the head's: the caller sees surplus by `len`.
    let text = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n";
    let head = response(text).expect("well-formed");
    assert_eq!((head.body, &text[head.len..head.len + 2]), (BodyKind::Length(2), &b"ok"[..]));
}

#[test]
fn a16_authorities() {
    for (line, hosts, expected) in [
        ("GET http://a/", "Host: b\r\n", HeadError::HostMismatch),
        ("GET http://a:81/", "Host: a\r\n", HeadError::HostMismatch),
        ("GET https://a:80/", "Host: a\r\n", HeadError::HostMismatch),
        ("CONNECT a:443", "Host: b:443\r\n", HeadError::HostMismatch),
        ("GET /", "Host: a\r\nHost: a\r\n", HeadError::HostRepeated),
        ("GET /", "Host: a\r\nX: y\r\nhost: b\r\n", HeadError::HostRepeated),
        ("GET http://a/", "Host: a\r\nHost: a\r\n", HeadError::HostRepeated),
        ("GET /", "", HeadError::HostMissing),
        ("GET http://a/", "", HeadError::HostMissing),
        ("GET /", "Host:\r\n", HeadError::Host),
        ("GET /", "Host: a:99999\r\n", HeadError::Host),
        ("GET /", "Host: a:0\r\n", HeadError::Host),
        ("GET /", "Host: a@b\r\n", HeadError::Host),
        ("GET /", "Host: a,b\r\n", HeadError::Host),
        ("GET /", "Host: a b\r\n", HeadError::Host),
        ("GET /", "Host: http://a\r\n", HeadError::Host),
        ("GET http://a:0/", "Host: a:0\r\n", HeadError::Host),
        ("GET http://[::1/", "Host: [::1]\r\n", HeadError::Host),
        ("GET http://u@a/", "Host: a\r\n", HeadError::Target),
    ] {
        let text = format!("{line} HTTP/1.1\r\n{hosts}\r\n");
        assert_eq!(request(text.as_bytes()), Err(expected), "A16: {line} {hosts}");
        assert_eq!(expected.status(), 400);
    }
}

#[test]
fn a17_first_bytes() {
    for (case, text, expected) in [
        ("HTTP/0.9", &b"GET /\r\n"[..], HeadError::RequestLine),
        ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0", HeadError::Version),
        ("TLS hello", b"\x16\x03\x01\x02\x00\x01", HeadError::RequestLine),
        ("TLS hello, one byte", b"\x16", HeadError::RequestLine),
        ("three empty lines", b"\r\n\r\n\r\n", HeadError::LeadingLines),
        ("bare LF", b"\nGET / HTTP/1.1\r\n", HeadError::RequestLine),
        ("CR", b"\rGET", HeadError::RequestLine),
        ("space", b" GET / HTTP/1.1\r\n", HeadError::RequestLine),
        ("two spaces", b"GET  / HTTP/1.1\r\n", HeadError::RequestLine),
        ("space at the end", b"GET / HTTP/1.1 \r\n", HeadError::RequestLine),
        ("tab", b"GET\t/\tHTTP/1.1\r\n", HeadError::RequestLine),
        ("a space in the target", b"GET /a b HTTP/1.1\r\n", HeadError::RequestLine),
        ("HTTP/1.2", b"GET / HTTP/1.2\r\n", HeadError::Version),
        ("HTTP/2.0", b"GET / HTTP/2.0\r\n", HeadError::Version),
        ("lower case", b"GET / http/1.1\r\n", HeadError::RequestLine),
        ("HTTP/1.10", b"GET / HTTP/1.10\r\n", HeadError::RequestLine),
        ("bad method", b"G(T / HTTP/1.1\r\n", HeadError::RequestLine),
        ("long method", &[b'A'; 33], HeadError::RequestLine),
        ("NUL in target", b"GET /\0 HTTP/1.1\r\n", HeadError::Target),
        ("fragment", b"GET /#a HTTP/1.1\r\n", HeadError::Target),
    ] {
        assert_eq!(request(text), Err(expected), "A17: {case}");
    }
    assert_eq!(request(&b"\r\n".repeat(32 * 1024)), Err(HeadError::LeadingLines));
    assert_eq!(request(b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"), Ok(Progress::Done));
    assert_eq!(HeadError::Version.status(), 505);
}

/// Content bytes, and where the message ended.
fn decoded(input: &[u8]) -> Result<(u64, Option<usize>), ChunkError> {
    let (mut decoder, mut at) = (Decoder::new(), 0);
    loop {
        match decoder.step(&input[at..])? {
            Step::NeedMore => return Ok((decoder.content_len(), None)),
            Step::Data { skip, len } => at += skip + len,
            Step::End { consumed } => return Ok((decoder.content_len(), Some(at + consumed))),
        }
    }
}

//! Ringway's HTTP/1 codec and monoio-http 0.3.12 on the same bytes, best of many windows, and what
//! each says to messages that two parsers may read differently. The decision that it supports is
//! docs/design/http1-codec.md. `cargo run --release` in this folder.

use std::hint::black_box;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use monoio_codec::{Decoded, Decoder as _};
use monoio_http::h1::codec::decoder::{
    ChunkedBodyDecoder, RequestHeadDecoder, ResponseHeadDecoder,
};
use ringway::http::Method;
use ringway::http::h1::{
    Decoder, HeadLimits, InPlace, Progress, RequestHead, ResponseHead, encode, parse_request,
    parse_response,
};

const SHORT: &[u8] = include_bytes!("../../heads/short.http");
const BROWSER: &[u8] = include_bytes!("../../heads/browser.http");
const RESPONSE: &[u8] = include_bytes!("../../heads/response.http");

/// Messages that a gateway must refuse, or it lets others' requests be smuggled.
const HOSTILE: &[(&str, &[u8])] = &[
    (
        "Content-Length beside Transfer-Encoding",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
    ),
    (
        "two different Content-Length",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n",
    ),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n"),
    ("two Host", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    ("bare LF", b"GET / HTTP/1.1\nHost: a\n\n"),
];

fn main() {
    let limits = HeadLimits::DEFAULT;
    println!("{:34} {:>10} {:>12} {:>14}", "ns", "Ringway", "monoio-http", "httparse alone");
    for (name, bytes) in [("short request head", SHORT), ("browser's request head", BROWSER)] {
        let mut head = RequestHead::default();
        let ours = best(|| {
            head.clear();
            assert_eq!(parse_request(black_box(bytes), &limits, &mut head), Ok(Progress::Done));
        });
        let mut buffer = BytesMut::new();
        let theirs = best(|| {
            fill(&mut buffer, bytes);
            let decoded = RequestHeadDecoder.decode(&mut buffer);
            assert!(matches!(black_box(decoded), Ok(Decoded::Some(_))));
        });
        let least = best(|| {
            let mut fields = [httparse::EMPTY_HEADER; 32];
            let mut request = httparse::Request::new(&mut fields);
            assert!(request.parse(black_box(bytes)).is_ok_and(|status| status.is_complete()));
        });
        row(name, ours, theirs, Some(least));
    }
    let mut head = ResponseHead::default();
    let ours = best(|| {
        head.clear();
        let progress = parse_response(black_box(RESPONSE), &limits, Method::Get, &mut head);
        assert_eq!(progress, Ok(Progress::Done));
    });
    let mut buffer = BytesMut::new();
    let theirs = best(|| {
        fill(&mut buffer, RESPONSE);
        let decoded = ResponseHeadDecoder.decode(&mut buffer);
        assert!(matches!(black_box(decoded), Ok(Decoded::Some(_))));
    });
    let least = best(|| {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut response = httparse::Response::new(&mut fields);
        assert!(response.parse(black_box(RESPONSE)).is_ok_and(|status| status.is_complete()));
    });
    row("response head", ours, theirs, Some(least));
    for (name, size, n) in [("16 chunks of 256 bytes", 256, 16), ("4 chunks of 16 KiB", 16384, 4)] {
        let mut message = Vec::new();
        for _ in 0..n {
            encode::chunk(&mut message, &vec![b'x'; size]);
        }
        encode::last_chunk(&mut message);
        let mut own = Vec::with_capacity(message.len());
        let ours = best(|| {
            own.clear();
            own.extend_from_slice(black_box(&message));
            let end = Decoder::new().decode_in_place(&mut own, 0);
            assert_eq!(end, Ok(InPlace::End { content_end: size * n }));
        });
        let theirs = best(|| {
            fill(&mut buffer, &message);
            assert_eq!(all_chunks(&mut buffer), size * n);
        });
        row(name, ours, theirs, None);
    }
    println!("\n{:44} {:>8} {:>12}", "accepts", "Ringway", "monoio-http");
    for (name, bytes) in HOSTILE {
        let ours = parse_request(bytes, &limits, &mut RequestHead::default()).is_ok();
        let theirs = RequestHeadDecoder.decode(&mut BytesMut::from(*bytes)).is_ok();
        println!("{name:44} {:>8} {:>12}", yes(ours), yes(theirs));
    }
    let chunks: &[u8] = b"\r\n\r\n";
    let ours =
        matches!(Decoder::new().decode_in_place(&mut chunks.to_vec(), 0), Ok(InPlace::End { .. }));
    let theirs = ChunkedBodyDecoder::default().decode(&mut BytesMut::from(chunks));
    let theirs = matches!(theirs, Ok(Decoded::Some(None)));
    println!("{:44} {:>8} {:>12}", "an empty chunk-size line as the end", yes(ours), yes(theirs));
}

fn all_chunks(buffer: &mut BytesMut) -> usize {
    let mut decoder = ChunkedBodyDecoder::default();
    let mut content = 0;
    loop {
        match decoder.decode(buffer) {
            Ok(Decoded::Some(Some(chunk))) => content += Bytes::len(&chunk),
            Ok(Decoded::Some(None)) => return content,
            _ => panic!("a whole message"),
        }
    }
}

/// Bytes arrive in a buffer of theirs, as from a socket; its memory is reused where nothing holds it.
fn fill(buffer: &mut BytesMut, bytes: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(black_box(bytes));
}

/// Nanoseconds of the best window: what others take of the machine only makes it slower.
fn best(mut work: impl FnMut()) -> f64 {
    const RUNS: u32 = 300;
    let window = |work: &mut dyn FnMut()| {
        let from = Instant::now();
        for _ in 0..RUNS {
            work();
        }
        from.elapsed().as_nanos() as f64 / f64::from(RUNS)
    };
    (0..2_000).map(|_| window(&mut work)).fold(f64::INFINITY, f64::min)
}

fn row(name: &str, ours: f64, theirs: f64, least: Option<f64>) {
    let least = least.map_or_else(String::new, |least| format!("{least:14.0}"));
    println!("{name:34} {ours:10.0} {theirs:12.0} {least}");
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

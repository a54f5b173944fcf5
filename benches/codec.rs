//! The HTTP/1 codec beside httparse alone: request head, response head, chunked content. What is over
//! httparse is the price of spans with known names and of the rules of docs/reference/hardening.md.
//! `against-monoio-http/` measures the same bytes with monoio-http.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringway::http::Method;
use ringway::http::h1::{
    Decoder, HeadLimits, InPlace, Progress, RequestHead, ResponseHead, Step, encode, parse_request,
    parse_response,
};

const SHORT: &[u8] = include_bytes!("heads/short.http");
const BROWSER: &[u8] = include_bytes!("heads/browser.http");
const RESPONSE: &[u8] = include_bytes!("heads/response.http");

fn requests(c: &mut Criterion) {
    let mut group = c.benchmark_group("request head");
    let limits = HeadLimits::DEFAULT;
    for (name, bytes) in [("short", SHORT), ("browser", BROWSER)] {
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        let mut head = RequestHead::default();
        group.bench_function(name, |b| {
            b.iter(|| {
                head.clear();
                let progress = parse_request(black_box(bytes), &limits, &mut head);
                assert_eq!(progress, Ok(Progress::Done));
                head.len
            });
        });
        group.bench_function(format!("{name}, httparse"), |b| {
            b.iter(|| {
                let mut fields = [httparse::EMPTY_HEADER; 32];
                let mut request = httparse::Request::new(&mut fields);
                let status = request.parse(black_box(bytes));
                assert!(status.is_ok_and(|status| status.is_complete()));
                request.headers.len()
            });
        });
    }
    group.finish();
}

fn responses(c: &mut Criterion) {
    let mut group = c.benchmark_group("response head");
    group.throughput(Throughput::Bytes(RESPONSE.len() as u64));
    let limits = HeadLimits::DEFAULT;
    let mut head = ResponseHead::default();
    group.bench_function("ours", |b| {
        b.iter(|| {
            head.clear();
            let progress = parse_response(black_box(RESPONSE), &limits, Method::Get, &mut head);
            assert_eq!(progress, Ok(Progress::Done));
            head.len
        });
    });
    group.bench_function("httparse", |b| {
        b.iter(|| {
            let mut fields = [httparse::EMPTY_HEADER; 32];
            let mut response = httparse::Response::new(&mut fields);
            let status = response.parse(black_box(RESPONSE));
            assert!(status.is_ok_and(|status| status.is_complete()));
            response.headers.len()
        });
    });
    group.finish();
}

fn chunked(c: &mut Criterion) {
    let mut group = c.benchmark_group("chunked");
    for (name, size, n) in [("16 of 256 bytes", 256, 16), ("4 of 16 KiB", 16 * 1024, 4)] {
        let mut message = Vec::new();
        for _ in 0..n {
            encode::chunk(&mut message, &vec![b'x'; size]);
        }
        encode::last_chunk(&mut message);
        group.throughput(Throughput::Bytes((size * n) as u64));
        group.bench_function(format!("{name}, events"), |b| {
            b.iter(|| {
                let (mut decoder, mut at, mut content) = (Decoder::new(), 0, 0);
                loop {
                    match decoder.step(&black_box(&message[..])[at..]) {
                        Ok(Step::Data { skip, len }) => {
                            (at, content) = (at + skip + len, content + len)
                        }
                        Ok(Step::End { .. }) => break assert_eq!(content, size * n),
                        other => panic!("a whole message: {other:?}"),
                    }
                }
            });
        });
        let mut buffer = Vec::with_capacity(message.len());
        group.bench_function(format!("{name}, in place"), |b| {
            b.iter(|| {
                buffer.clear();
                buffer.extend_from_slice(black_box(&message));
                let end = Decoder::new().decode_in_place(&mut buffer, 0);
                assert_eq!(end, Ok(InPlace::End { content_end: size * n }));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, requests, responses, chunked);
criterion_main!(benches);

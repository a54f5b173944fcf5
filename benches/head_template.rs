//! The head of a request to a backend: what each call writes, from a fixed line and from holes, with
//! no field of the client, with some and with all of them; against `format!` of the same bytes.

use std::cell::RefCell;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ringway::config::diagnostic::Diagnostics;
use ringway::config::load::{Options, load};
use ringway::http::h1::{HeadLimits, Progress, RequestHead, parse_request};
use ringway::http::uri::query::QueryEncoder;
use ringway::plan::{Content, Environment, Incoming, Plan, Values, WireOptions, compile};

const BROWSER: &[u8] = include_bytes!("heads/browser.http");

const CONFIG: &str = r#"{"version": 3, "host": ["http://backend.example.com:8080"], "endpoints": [
  {"endpoint": "/fixed", "backend": [{"url_pattern": "/orders/all"}]},
  {"endpoint": "/hole/{id}/{part}", "backend": [{"url_pattern": "/orders/{id}/items/{part}"}]},
  {"endpoint": "/some/{id}/{part}", "input_headers": ["Authorization", "Cookie"],
   "input_query_strings": ["page", "per_page"],
   "backend": [{"url_pattern": "/orders/{id}/items/{part}"}]},
  {"endpoint": "/all/{id}/{part}", "input_headers": ["*"], "input_query_strings": ["*"],
   "backend": [{"url_pattern": "/orders/{id}/items/{part}"}]}
]}"#;

struct Parameters;

impl Values for Parameters {
    fn param(&self, at: u16) -> &[u8] {
        [&b"12345"[..], b"items & more"][usize::from(at)]
    }

    fn named(&self, _name: &str) -> Option<&[u8]> {
        None
    }
}

fn plan() -> Plan {
    let none = |_: &str| Err("no files here".to_owned());
    let loaded = load(&none, "f.json", CONFIG.as_bytes(), &[], &Options::default());
    let service = loaded.service.expect("the configuration is good");
    let mut found = Diagnostics::default();
    let environment = Environment { workers: 1, slots: None };
    compile(&service, &[], environment, &mut found).expect("it compiles")
}

fn heads(c: &mut Criterion) {
    let plan = plan();
    let mut head = RequestHead::default();
    let progress = parse_request(BROWSER, &HeadLimits::DEFAULT, &mut head);
    assert_eq!(progress, Ok(Progress::Done));
    let encoder = RefCell::new(QueryEncoder::default());
    let incoming = Incoming {
        bytes: BROWSER,
        head: &head,
        query: head.target.query(BROWSER),
        encoder: &encoder,
        values: &Parameters,
        client_ip: "192.0.2.1",
        host: b"shop.example.com",
        edits: &[],
    };
    let options = WireOptions { asks_for_gzip: true, keeps_alive: true };
    let mut group = c.benchmark_group("head template");
    let mut out = Vec::with_capacity(2048);
    for endpoint in &plan.endpoints {
        let backend = &endpoint.backends[0];
        let name = endpoint.path.trim_start_matches('/').split('/').next().unwrap_or_default();
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                let incoming = black_box(&incoming);
                backend.write_head(&backend.hosts[0], incoming, Content::None, options, &mut out);
                out.len()
            });
        });
    }
    group.bench_function("fixed, format!", |b| {
        b.iter(|| {
            let (host, ip) = (black_box("backend.example.com:8080"), black_box("192.0.2.1"));
            let (agent, forwarded) = (black_box("Ringway 0.1.0"), black_box("shop.example.com"));
            format!(
                "GET /orders/all HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\
                 X-Forwarded-For: {ip}\r\nX-Forwarded-Host: {forwarded}\r\n\
                 Accept-Encoding: gzip\r\n\r\n"
            )
            .len()
        });
    });
    group.finish();
}

criterion_group!(benches, heads);
criterion_main!(benches);

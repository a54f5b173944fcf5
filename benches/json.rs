//! The json floor: scanning, selecting, merging three objects of 0.8 KB and longer documents, beside
//! serde_json's tree, simd-json's tape and sonic-rs' lazy values.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringway::json::decode::{DecodeSpec, decode};
use ringway::json::merge::{RenderOptions, Renderer};
use ringway::json::part::Part;
use ringway::json::scan::scan;
use ringway::json::select::{Selection, SelectionSpec};
use serde_json::{Map, Value};

mod json_bodies;

use json_bodies::{ORDERS, THREE as BODIES, USER, catalogue, indented};

fn scanning(c: &mut Criterion) {
    let pretty = indented(USER);
    let text = format!("{{\"text\":\"{}\"}}", "Lorem ipsum dolor sit amet, ".repeat(400));
    let umlauts = format!("{{\"text\":\"{}\"}}", "Füße, Öl und Ärger; ".repeat(400));
    let numbers = format!("[{}]", ["-12.5,1048576,0,3.14159e-2"; 200].join(","));
    let mut group = c.benchmark_group("scan");
    for (name, body) in [
        ("user", USER),
        ("orders", ORDERS),
        ("user indented", &pretty),
        ("long text", text.as_bytes()),
        ("umlauts", umlauts.as_bytes()),
        ("numbers", numbers.as_bytes()),
    ] {
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |b| b.iter(|| scan(black_box(body))));
    }
    group.finish();
}

/// Long documents: validated; validated and spliced whole; one key selected. The others do the
/// nearest that they have: serde_json and simd-json build everything (simd-json from a copy, since
/// it writes into its input), sonic-rs' `from_slice` of a lazy value reads the document once and
/// keeps its text, its `get` reads up to the key (the last one), without a look at what follows.
fn documents(c: &mut Criterion) {
    let (small, long) = (catalogue(64 << 10), catalogue(1 << 20));
    let pretty = indented(&small);
    let key = SelectionSpec { allow: vec!["took_ms".to_owned()], ..SelectionSpec::default() };
    let key = DecodeSpec { selection: Selection::new(&key), ..DecodeSpec::default() };
    let whole = DecodeSpec::default();
    for (name, body) in [("64 KB", &small), ("64 KB indented", &pretty), ("1 MB", &long)] {
        let mut group = c.benchmark_group(format!("documents, {name}"));
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function("validate", |b| b.iter(|| scan(black_box(body)).is_ok()));
        let (mut part, mut renderer, mut out) = (Part::new(), Renderer::new(), Vec::new());
        for (case, spec) in [("validate and splice", &whole), ("validate and select", &key)] {
            group.bench_function(case, |b| {
                b.iter(|| {
                    out.clear();
                    decode(black_box(body), spec, &mut part).expect("the bodies are JSON");
                    renderer.render(&[(&part, body)], &RenderOptions::default(), &mut out);
                    out.len()
                });
            });
        }
        group.bench_function("sonic-rs, lazy value", |b| {
            b.iter(|| {
                let lazy: sonic_rs::LazyValue = sonic_rs::from_slice(black_box(body))?;
                Ok::<_, sonic_rs::Error>(lazy.as_raw_str().len())
            });
        });
        group.bench_function("sonic-rs, get", |b| {
            b.iter(|| sonic_rs::get(black_box(&body[..]), ["took_ms"]).is_ok());
        });
        group.bench_function("simd-json, tape", |b| {
            b.iter(|| {
                let mut copy = black_box(body).clone();
                simd_json::to_tape(&mut copy).is_ok()
            });
        });
        group.bench_function("serde_json, tree", |b| {
            b.iter(|| serde_json::from_slice::<Value>(black_box(body)).is_ok());
        });
        group.finish();
    }
}

fn selecting(c: &mut Criterion) {
    let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>();
    let allow = SelectionSpec {
        allow: paths(&["id", "name", "address.city", "address.geo.lat", "tags"]),
        mapping: vec![("name".to_owned(), "full_name".to_owned())],
        group: Some("user".to_owned()),
        ..SelectionSpec::default()
    };
    let deny = SelectionSpec {
        deny: paths(&["email", "address.geo", "preferences"]),
        ..SelectionSpec::default()
    };
    let mut group = c.benchmark_group("select");
    group.throughput(Throughput::Bytes(USER.len() as u64));
    for (name, spec) in [("none", SelectionSpec::default()), ("allow", allow), ("deny", deny)] {
        let spec = DecodeSpec { selection: Selection::new(&spec), ..DecodeSpec::default() };
        let mut part = Part::new();
        let mut renderer = Renderer::new();
        let mut out = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                decode(black_box(USER), &spec, &mut part).expect("the bodies are JSON");
                renderer.render(&[(&part, USER)], &RenderOptions::default(), &mut out);
                out.len()
            });
        });
    }
    group.bench_function("allow, serde_json tree", |b| {
        b.iter(|| {
            let Ok(Value::Object(mut user)) = serde_json::from_slice(black_box(USER)) else {
                return 0;
            };
            let mut kept = Map::new();
            for key in ["id", "name", "address", "tags"] {
                kept.extend(user.remove_entry(key));
            }
            serde_json::to_vec(&kept).map_or(0, |out| out.len())
        });
    });
    group.finish();
}

fn merging(c: &mut Criterion) {
    let total: usize = BODIES.iter().map(|body| body.len()).sum();
    let mut group = c.benchmark_group("merge 3");
    group.throughput(Throughput::Bytes(total as u64));
    let spec = DecodeSpec::default();
    let mut parts = [Part::new(), Part::new(), Part::new()];
    let mut renderer = Renderer::new();
    let mut out = Vec::new();
    for (name, options) in [
        ("ranges", RenderOptions::default()),
        ("escape_html", RenderOptions { escape_html: true, ..RenderOptions::default() }),
        ("sort_keys", RenderOptions { sort_keys: true, ..RenderOptions::default() }),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                for (part, body) in parts.iter_mut().zip(BODIES) {
                    decode(black_box(body), &spec, part).expect("the bodies are JSON");
                }
                let [a, b, c] = &parts;
                renderer.render(
                    &[(a, BODIES[0]), (b, BODIES[1]), (c, BODIES[2])],
                    &options,
                    &mut out,
                );
                out.len()
            });
        });
    }
    // What rendering alone takes of that.
    group.bench_function("render", |b| {
        b.iter(|| {
            out.clear();
            let [a, b, c] = &parts;
            let parts = [(a, BODIES[0]), (b, BODIES[1]), (c, BODIES[2])];
            renderer.render(black_box(&parts), &RenderOptions::default(), &mut out);
            out.len()
        });
    });
    group.bench_function("serde_json tree", |b| {
        b.iter(|| {
            let mut merged = Map::new();
            for body in BODIES {
                if let Ok(Value::Object(object)) = serde_json::from_slice(black_box(body)) {
                    merged.extend(object);
                }
            }
            serde_json::to_vec(&merged).map_or(0, |out| out.len())
        });
    });
    group.finish();
}

criterion_group!(benches, scanning, documents, selecting, merging);
criterion_main!(benches);

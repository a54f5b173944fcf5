//! The router: cost per lookup at 1, 100 and 10,000 routes, beside matchit's.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use ringway::plan::router::{Options, Outcome, Params, Router, RouterBuilder};

/// Half of the routes without a parameter, a quarter with one, a quarter with two.
fn pattern(n: usize) -> String {
    let (service, resource) = (n % 97, n / 4);
    match n % 4 {
        0 | 1 => format!("/v1/service{service}/resource{resource}/list{n}"),
        2 => format!("/v1/service{service}/resource{resource}/:id"),
        _ => format!("/v1/service{service}/resource{resource}/:id/part/:part"),
    }
}

fn path(n: usize) -> String {
    pattern(n).replace(":id", "12345").replace(":part", "abcdef")
}

fn ours(n_routes: usize) -> Router {
    let mut builder = RouterBuilder::new(Options::default());
    for n in 0..n_routes {
        builder.add("GET", &pattern(n), n as u32).expect("the patterns differ");
    }
    builder.add("POST", "/other", u32::MAX >> 1).expect("the patterns differ");
    builder.build()
}

fn theirs(n_routes: usize) -> matchit::Router<u32> {
    let mut router = matchit::Router::new();
    for n in 0..n_routes {
        let pattern = pattern(n).replace(":id", "{id}").replace(":part", "{part}");
        router.insert(pattern, n as u32).expect("the patterns differ");
    }
    router
}

fn lookups(criterion: &mut Criterion) {
    for n_routes in [1, 100, 10_000] {
        let mut group = criterion.benchmark_group(format!("{n_routes} routes"));
        let (router, matchit) = (ours(n_routes), theirs(n_routes));
        let mut params = Params::new();
        // Paths spread over the table, so that not one of them stays in the cache alone.
        let spread = |kind: usize| -> Vec<String> {
            (0..64).map(|n| path((n * n_routes / 64) / 4 * 4 % n_routes.max(8) + kind)).collect()
        };
        for (name, kind) in [("static", 0), ("one parameter", 2), ("two parameters", 3)] {
            let paths: Vec<_> =
                spread(kind).into_iter().filter(|path| matchit.at(path).is_ok()).collect();
            if paths.is_empty() {
                continue; // one route has one kind
            }
            let mut next = 0;
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    next = (next + 1) % paths.len();
                    let outcome = router.lookup(b"GET", paths[next].as_bytes(), &mut params);
                    assert!(matches!(black_box(outcome), Outcome::Found { .. }));
                });
            });
            group.bench_function(format!("{name}, matchit"), |bencher| {
                bencher.iter(|| {
                    next = (next + 1) % paths.len();
                    assert!(black_box(matchit.at(&paths[next])).is_ok());
                });
            });
        }
        for (name, method, path) in [
            ("not found", "GET", "/v1/service1/nothing/here"),
            ("method not allowed", "GET", "/other"),
            ("redirect", "GET", "/V1/service0/resource0/list0/"),
        ] {
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    let outcome = router.lookup(method.as_bytes(), path.as_bytes(), &mut params);
                    assert!(!matches!(black_box(outcome), Outcome::Found { .. }));
                });
            });
        }
        group.finish();
    }
}

fn building(criterion: &mut Criterion) {
    criterion.bench_function("build 10000 routes", |bencher| bencher.iter(|| ours(10_000)));
}

criterion_group!(benches, lookups, building);
criterion_main!(benches);

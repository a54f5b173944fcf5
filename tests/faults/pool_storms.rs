//! Pools whose connections go away all at once or at the wrong moment (docs/reference/hardening.md
//! 4.1): a backend that restarts under load, one that closes just when it is used again.

use crate::both_drivers;
use crate::invariants::{Profile, Site, honest};
use crate::support::client::Connection;
use crate::support::wire::Incoming;
use crate::support::{Backend, call, ms, until};
use std::collections::HashMap;
use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

both_drivers! {
    backend_restart_under_load,
    backend_drops_its_idle_pool_at_once,
    backend_closes_just_when_it_is_used_again,
}

/// Asks until it is told to stop; counts answers, and failures by their status.
fn storm(address: SocketAddr, path: &str, ended: &AtomicBool) -> (u64, HashMap<u16, u64>) {
    let (mut good, mut bad) = (0, HashMap::new());
    let mut client = None;
    let mut n = 0;
    while !ended.load(Ordering::Relaxed) {
        n += 1;
        let id = format!("{path}{n}").replace('/', "");
        let connection = client.get_or_insert_with(|| Connection::open(address));
        let found = connection.send(format!("GET {path}?id={id} HTTP/1.1\r\nHost: gw\r\n\r\n"));
        if found.code == 200 {
            found.body(format!(r#"{{"id":"{id}"}}"#));
            good += 1;
        } else {
            found.body("");
            *bad.entry(found.code).or_default() += 1;
        }
    }
    (good, bad)
}

fn backend_restart_under_load() {
    const CLIENTS: usize = 4;
    let first = honest();
    let address = first.address;
    let mut site = Site::start(
        Profile::Safe.gateway().endpoint("/a", [call(&first, "/a")]).input_query_strings(&["id"]),
    );
    let ended = AtomicBool::new(false);
    let told = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..CLIENTS).map(|_| scope.spawn(|| storm(site.gw.address, "/a", &ended))).collect();
        until("it runs", || first.requests().len() > 50);
        drop(first);
        until("nobody listens", || {
            site.gw.metrics().sum(
                "ringway_requests_total",
                &["route=\"/a\"", "outcome=\"backend_connect_refused\""],
            ) > 20.0
        });
        let listener = TcpListener::bind(address).expect("the port is free again");
        let second = Backend::listen(
            listener,
            Some(Arc::new(|request: &_| {
                let id = crate::invariants::id_of(request);
                let body = format!(r#"{{"id":"{id}"}}"#);
                crate::support::backend::Plan::of(crate::support::answer(200).body(body), request)
            })),
        );
        until("it is found again", || second.requests().len() > 50);
        assert!(second.connections() <= 4 * CLIENTS, "{} connections", second.connections());
        ended.store(true, Ordering::Relaxed);
        let told: Vec<_> =
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect();
        drop(second);
        told
    });
    for (good, bad) in &told {
        assert!(*good > 0 && bad.keys().all(|code| *code == 502), "{good} {bad:?}");
        site.counts(good + bad.values().sum::<u64>());
    }
    // Whoever was busy when it went down lost at most that one; everybody else was refused.
    let lost: u64 = ["backend_closed", "backend_reset", "backend_truncated"]
        .iter()
        .map(|label| site.outcomes("/a", label))
        .sum();
    assert!(lost <= 2 * CLIENTS as u64, "{lost} requests on busy connections");
    site.settled();
}

/// Idle connections that die together are noticed before they are used: no request is lost, safe
/// or not.
fn backend_drops_its_idle_pool_at_once() {
    const POOL: usize = 50;
    let peer = crate::invariants::answering(|id| {
        let answer = crate::support::answer(200).body(format!(r#"{{"id":"{id}"}}"#));
        if id.starts_with("slow") { answer.after(ms(300)) } else { answer }
    });
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .endpoint("/a", [call(&peer, "/a")])
            .input_query_strings(&["id"])
            .endpoint("/a", [call(&peer, "/a")])
            .method("POST")
            .input_query_strings(&["id"]),
    );
    for round in 0..3 {
        let mut clients: Vec<Connection> = (0..POOL).map(|_| site.gw.connect()).collect();
        for (n, client) in clients.iter_mut().enumerate() {
            client.write(format!("GET /a?id=slow{n} HTTP/1.1\r\nHost: gw\r\n\r\n"));
        }
        for (n, client) in clients.iter_mut().enumerate() {
            client.response("GET").status(200).body(format!(r#"{{"id":"slow{n}"}}"#));
        }
        site.counts(POOL as u64);
        drop(clients);
        let opened = peer.connections();
        assert!(opened >= POOL, "round {round}: {opened} connections");
        peer.close_all();
        until("they are gone", || peer.open_connections() == 0);
        for n in 0..POOL {
            let id = format!("r{round}n{n}");
            let ask = |method: &str| {
                site.send(format!(
                    "{method} /a?id={id} HTTP/1.1\r\nHost: gw\r\nContent-Length: 0\r\n\r\n"
                ))
            };
            let found = if n % 2 == 0 { ask("POST") } else { ask("GET") };
            found.status(200).body(format!(r#"{{"id":"{id}"}}"#));
        }
        let again = peer.connections() - opened;
        assert!(again <= POOL, "round {round}: {again} new connections");
    }
    // A pool that dies while nobody wants it does not stay as half-closed descriptors.
    let mut clients: Vec<Connection> = (0..POOL).map(|_| site.gw.connect()).collect();
    for client in &mut clients {
        client.write("GET /a?id=slow HTTP/1.1\r\nHost: gw\r\n\r\n");
    }
    for client in &mut clients {
        client.response("GET").status(200);
    }
    site.counts(POOL as u64);
    drop(clients);
    peer.close_all();
    until("its idle connections are closed", || {
        site.gw.metrics().sum("ringway_pool_connections", &["state=\"open\""]) <= 1.0
    });
    site.settled();
}

/// A backend that answers a request and closes a little later, whether another one came or not.
struct Hasty {
    address: SocketAddr,
    ended: Arc<AtomicBool>,
    /// How often each id came whole, answered or not.
    arrived: Arc<Mutex<HashMap<String, usize>>>,
    /// Connections that ended with a request unanswered.
    raced: Arc<AtomicUsize>,
}

fn hasty() -> Hasty {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let hasty = Hasty {
        address: listener.local_addr().expect("it is bound"),
        ended: Arc::default(),
        arrived: Arc::default(),
        raced: Arc::default(),
    };
    let (ended, arrived, raced) =
        (Arc::clone(&hasty.ended), Arc::clone(&hasty.arrived), Arc::clone(&hasty.raced));
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let Ok(stream) = stream else { return };
            if ended.load(Ordering::Relaxed) {
                return;
            }
            let (arrived, raced) = (Arc::clone(&arrived), Arc::clone(&raced));
            std::thread::spawn(move || hurry(stream, n, &arrived, &raced));
        }
    });
    hasty
}

impl Drop for Hasty {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers one request, waits a moment that differs by the connection, and closes. What came
/// meanwhile was read by nobody, or is read and never answered.
fn hurry(
    stream: TcpStream,
    n: usize,
    arrived: &Mutex<HashMap<String, usize>>,
    raced: &AtomicUsize,
) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(crate::support::PATIENCE));
    let Ok(mut output) = stream.try_clone() else { return };
    let mut incoming = Incoming::new(&stream);
    let mut next = || -> Option<String> {
        let head = String::from_utf8_lossy(&incoming.head().ok()?).into_owned();
        let id = head.split_once("id=")?.1.split(' ').next()?.to_owned();
        let mut arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner);
        *arrived.entry(id.clone()).or_default() += 1;
        Some(id)
    };
    let Some(id) = next() else { return };
    let body = format!(r#"{{"id":"{id}"}}"#);
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    if output.write_all(answer.as_bytes()).is_err() {
        return;
    }
    std::thread::sleep(Duration::from_micros((n as u64 * 397) % 2500));
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_timeout(Some(ms(20)));
    if next().is_some() {
        raced.fetch_add(1, Ordering::Relaxed);
    }
}

fn backend_closes_just_when_it_is_used_again() {
    const CLIENTS: usize = 8;
    const TRIES: usize = 400;
    let peer = hasty();
    let host = format!("http://{}", peer.address);
    let at = || crate::support::config::call_to(&host, "/a");
    let mut site = Site::start(
        Profile::Safe
            .gateway()
            .endpoint("/a", [at()])
            .input_query_strings(&["id"])
            .endpoint("/a", [at()])
            .method("POST")
            .input_query_strings(&["id"]),
    );
    let address = site.gw.address;
    let failed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..CLIENTS).map(|client| scope.spawn(move || races(address, client, TRIES))).collect();
        threads.into_iter().map(|thread| thread.join().expect("each answer fits")).sum()
    });
    site.counts((CLIENTS * TRIES) as u64);
    let raced = peer.raced.load(Ordering::Relaxed);
    assert!(failed <= raced, "{failed} POST failed, {raced} connections were closed on a request");
    let arrived = peer.arrived.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for (id, n) in &arrived {
        let most = if id.starts_with("POST") { 1 } else { 2 };
        assert!(*n <= most, "{id} arrived {n} times");
    }
    site.settled();
}

/// GET and POST in turn; each GET must succeed. Returns how many POST failed.
fn races(address: SocketAddr, client: usize, tries: usize) -> usize {
    let mut connection = Connection::open(address);
    let mut failed = 0;
    for n in 0..tries {
        let method = if n % 2 == 0 { "GET" } else { "POST" };
        let id = format!("{method}-{client}-{n}");
        let length = if n % 2 == 0 { "" } else { "Content-Length: 0\r\n" };
        let found =
            connection.send(format!("{method} /a?id={id} HTTP/1.1\r\nHost: gw\r\n{length}\r\n"));
        match found.code {
            200 => {
                found.body(format!(r#"{{"id":"{id}"}}"#));
            }
            _ => {
                assert!(method == "POST", "{id}: {found}");
                found.status(502).body("");
                failed += 1;
            }
        }
        std::thread::sleep(Duration::from_micros((n as u64 * 613 + client as u64) % 1900));
    }
    failed
}

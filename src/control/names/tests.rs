//! Tests of the names against a scripted DNS server.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use std::task::Context;

use super::*;
use crate::control::{self, Control};

/// What the server does with one query.
#[derive(Clone)]
enum Reply {
    /// These addresses as far as they fit the type that was asked for, and their time to live.
    Addresses(Vec<IpAddr>, u32),
    NoSuchName,
    Silence,
    Garbage,
}

/// A DNS server on loopback, UDP and TCP, that does as the script says.
struct Server {
    at: SocketAddr,
    script: Arc<Mutex<Reply>>,
    /// Questions over UDP.
    n_asked: Arc<AtomicUsize>,
}

impl Server {
    fn start(reply: Reply) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("it is bound")) {
                break (udp, tcp);
            }
        };
        let at = udp.local_addr().expect("it is bound");
        let script = Arc::new(Mutex::new(reply));
        let n_asked = Arc::new(AtomicUsize::new(0));
        let (own, counter) = (Arc::clone(&script), Arc::clone(&n_asked));
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((len, from)) = udp.recv_from(&mut buffer) {
                counter.fetch_add(1, Ordering::SeqCst);
                let reply = lock(&own).clone();
                if let Some(answer) = answer(&buffer[..len], &reply, 512) {
                    let _ = udp.send_to(&answer, from);
                }
            }
        });
        let own = Arc::clone(&script);
        std::thread::spawn(move || {
            for stream in tcp.incoming() {
                let Ok(mut stream) = stream else { return };
                let own = Arc::clone(&own);
                std::thread::spawn(move || {
                    let mut len = [0; 2];
                    while stream.read_exact(&mut len).is_ok() {
                        let mut query = vec![0; usize::from(u16::from_be_bytes(len))];
                        if stream.read_exact(&mut query).is_err() {
                            return;
                        }
                        let reply = lock(&own).clone();
                        if let Some(answer) = answer(&query, &reply, 65_535) {
                            let len = (answer.len() as u16).to_be_bytes();
                            let _ = stream.write_all(&[&len[..], &answer].concat());
                        }
                    }
                });
            }
        });
        Self { at, script, n_asked }
    }

    fn now(&self, reply: Reply) {
        *lock(&self.script) = reply;
    }

    fn n_asked(&self) -> usize {
        self.n_asked.load(Ordering::SeqCst)
    }
}

/// The answer to a query of one question; a truncated one when it has more than `max` bytes.
fn answer(query: &[u8], reply: &Reply, max: usize) -> Option<Vec<u8>> {
    let name_len = query.get(12..)?.iter().position(|byte| *byte == 0)? + 1;
    let question = query.get(12..12 + name_len + 4)?;
    let kind = u16::from_be_bytes([question[name_len], question[name_len + 1]]);
    let (code, addresses, ttl) = match reply {
        Reply::Silence => return None,
        Reply::Garbage => return Some(query[..7].to_vec()),
        Reply::NoSuchName => (3, &Vec::new(), 0),
        Reply::Addresses(addresses, ttl) => (0, addresses, *ttl),
    };
    let mut records = Vec::new();
    let mut n_records = 0_u16;
    for address in addresses {
        let bytes = match address {
            IpAddr::V4(address) if kind == 1 => address.octets().to_vec(),
            IpAddr::V6(address) if kind == 28 => address.octets().to_vec(),
            _ => continue,
        };
        n_records += 1;
        records.extend_from_slice(&[0xc0, 12]);
        records.extend_from_slice(&kind.to_be_bytes());
        records.extend_from_slice(&[0, 1]);
        records.extend_from_slice(&ttl.to_be_bytes());
        records.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
        records.extend_from_slice(&bytes);
    }
    let is_cut = 12 + question.len() + records.len() > max;
    if is_cut {
        records.clear();
        n_records = 0;
    }
    let mut out = query[..2].to_vec();
    out.extend_from_slice(&[0x81 | if is_cut { 2 } else { 0 }, 0x80 | code, 0, 1]);
    out.extend_from_slice(&n_records.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(question);
    out.extend_from_slice(&records);
    Some(out)
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn ips(texts: &[&str], ttl: u32) -> Reply {
    Reply::Addresses(texts.iter().map(|text| ip(text)).collect(), ttl)
}

fn start(server: &Server, hosts: PathBuf) -> Control {
    let names = Options {
        hosts,
        servers: Servers::At(vec![server.at], Duration::from_millis(100)),
        ttl_min: Duration::from_millis(30),
        patience: Duration::from_millis(500),
        ..Options::default()
    };
    Control::start(control::Options { names }).expect("a thread starts")
}

fn no_hosts() -> PathBuf {
    "/nonexistent/hosts".into()
}

/// The addresses once a first answer or failure has come.
fn settled(name: &Name) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime starts").block_on(async {
        let wait = poll_fn(|cx| name.wait(cx));
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("an answer in time");
    });
    shown(name)
}

fn shown(name: &Name) -> Vec<String> {
    name.addresses().iter().map(IpAddr::to_string).collect()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn addresses_and_localhost_are_known_at_once() {
    let server = Server::start(Reply::Silence);
    let control = start(&server, no_hosts());
    for (host, expected) in [
        ("127.0.0.1", &["127.0.0.1"][..]),
        ("::1", &["::1"]),
        ("[2001:db8::7]", &["2001:db8::7"]),
        ("LocalHost", &["127.0.0.1", "::1"]),
        ("localhost.", &["127.0.0.1", "::1"]),
    ] {
        let name = control.names().name(host);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(name.wait(&mut cx).is_ready(), "{host}");
        assert_eq!(shown(&name), expected, "{host}");
    }
    assert_eq!(server.n_asked(), 0);
}

#[test]
fn many_waiters_share_one_query_and_ipv4_comes_first() {
    let server = Server::start(ips(&["2001:db8::1", "192.0.2.2", "192.0.2.1"], 300));
    let control = start(&server, no_hosts());
    std::thread::scope(|scope| {
        for n in 0..20 {
            let host = if n % 2 == 0 { "Api.Example" } else { "api.example" };
            let name = control.names().name(host);
            scope.spawn(move || {
                assert_eq!(settled(&name), ["192.0.2.2", "192.0.2.1", "2001:db8::1"]);
            });
        }
    });
    assert_eq!(server.n_asked(), 2, "one for A, one for AAAA");
    assert_eq!((control.names().asked(), control.names().failed()), (1, 0));
}

#[test]
fn the_hosts_file_comes_first_and_may_change() {
    let server = Server::start(Reply::NoSuchName);
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, "192.0.2.9 api.example api\n").expect("it is written");
    let control = start(&server, hosts.clone());
    let name = control.names().name("API.example");
    assert_eq!(settled(&name), ["192.0.2.9"]);
    assert_eq!(server.n_asked(), 0);

    let mut file = Hosts::new(hosts.clone());
    assert_eq!(file.find("api"), Some(&[ip("192.0.2.9")][..]));
    std::fs::write(&hosts, "192.0.2.10 api\n").expect("it is written");
    let later = SystemTime::now() + Duration::from_secs(5);
    let opened = std::fs::File::options().append(true).open(&hosts).expect("it opens");
    opened.set_modified(later).expect("its time can be set");
    assert_eq!(file.find("api"), Some(&[ip("192.0.2.10")][..]));
    std::fs::remove_file(&hosts).expect("it goes");
    assert_eq!(file.find("api"), None);
}

#[test]
fn answers_are_replaced_when_their_time_is_over() {
    let server = Server::start(ips(&["192.0.2.1"], 0));
    let control = start(&server, no_hosts());
    let name = control.names().name("flip.example");
    assert_eq!(settled(&name), ["192.0.2.1"]);
    let before = name.generation();
    server.now(ips(&["192.0.2.2"], 0));
    until("the new address", || shown(&name) == ["192.0.2.2"]);
    assert!(name.generation() > before);
}

#[test]
fn a_failure_ends_the_wait_and_leaves_the_last_good_answer() {
    let server = Server::start(Reply::NoSuchName);
    let control = start(&server, no_hosts());
    let name = control.names().name("late.example");
    assert!(settled(&name).is_empty());
    let why = name.trouble().expect("it says why");
    assert!(!why.is_empty() && name.failures() == 1, "{why}");
    assert_eq!(control.names().troubles().len(), 1);

    server.now(ips(&["192.0.2.1"], 0));
    until("an answer", || shown(&name) == ["192.0.2.1"]);
    assert!(name.trouble().is_none() && control.names().troubles().is_empty());
    for broken in [Reply::NoSuchName, Reply::Silence, Reply::Garbage, ips(&[], 0)] {
        let failures = name.failures();
        server.now(broken);
        until("a failure", || {
            assert_eq!(shown(&name), ["192.0.2.1"]);
            name.failures() > failures
        });
        assert!(name.trouble().is_some());
        server.now(ips(&["192.0.2.1"], 0));
        until("an answer again", || {
            name.generation();
            name.trouble().is_none()
        });
    }
    assert!(control.names().failed() >= 5);
}

#[test]
fn silence_is_a_failure_in_time() {
    let server = Server::start(Reply::Silence);
    let control = start(&server, no_hosts());
    let name = control.names().name("quiet.example");
    assert!(settled(&name).is_empty());
    assert!(name.trouble().is_some());
}

#[test]
fn a_flood_of_records_is_cut() {
    let addresses = (0..1000_u32).map(|n| IpAddr::V4((0x0a00_0000 + n).into())).collect();
    let server = Server::start(Reply::Addresses(addresses, 60));
    let control = start(&server, no_hosts());
    let name = control.names().name("flood.example");
    let found = settled(&name);
    assert_eq!(found.len(), ADDRESSES_MAX);
    assert_eq!(found.first().map(String::as_str), Some("10.0.0.0"));
}

#[test]
fn names_that_nobody_uses_are_not_asked_for_and_those_nobody_holds_go() {
    let server = Server::start(ips(&["192.0.2.1"], 0));
    let control = start(&server, no_hosts());
    let name = control.names().name("rare.example");
    settled(&name);
    let asleep = || {
        let before = control.names().asked();
        std::thread::sleep(Duration::from_millis(300));
        control.names().asked() == before
    };
    until("a pause", asleep);
    let before = control.names().asked();
    server.now(ips(&["192.0.2.2"], 0));
    assert_eq!(shown(&name), ["192.0.2.1"], "the last answer until the new one is there");
    until("a look-up", || control.names().asked() > before);
    until("the new address", || shown(&name) == ["192.0.2.2"]);

    let other = control.names().name("gone.example");
    settled(&other);
    drop(other);
    let known = |host: &str| control.names().state().names.contains_key(host);
    until("it goes", || !known("gone.example"));
    assert!(known("rare.example"));
}

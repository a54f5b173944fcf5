//! The whole gateway on one worker, log and metrics on: allocations of the worker's thread for each
//! request on open connections, once its pools are warm, and what it holds more afterwards.
//! Figures: design: what it must be.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use ringway::config::load::{Options, load};
use ringway::server::{self, Launch};

use super::counting;

/// Set in the process that measures: which driver.
const DRIVER: &str = "RINGWAY_ALLOCATIONS_OF";

const CONNECTIONS: usize = 8;
/// Warming up takes more at once than is measured: what is in flight together varies with timing.
const CONNECTIONS_WARM: usize = 16;
/// While warming up, backends take their time, so that all requests are in flight at once; `/b` and
/// `/c` more than others, so that the first parts of all merges are held at the same time.
static IS_WARMING: AtomicBool = AtomicBool::new(false);
const WARM: usize = 1_000;
const REQUESTS: usize = 10_000;
const TRIES: usize = 3;

/// An endpoint, and the most allocations of one request.
struct Case {
    path: &'static str,
    method: &'static str,
    max: u64,
}

const CASES: &[Case] = &[
    Case { path: "/passthrough", method: "GET", max: 0 },
    Case { path: "/one", method: "GET", max: 0 },
    Case { path: "/selection/12?b=2&a=1", method: "GET", max: 0 },
    Case { path: "/post", method: "POST", max: 0 },
    Case { path: "/merge", method: "GET", max: 2 },
    Case { path: "/__health", method: "GET", max: 1 },
    // Looks for the path that may have been meant.
    Case { path: "/nowhere", method: "GET", max: 6 },
];

const CONFIG: &str = r#"{
  "version": 3, "host": ["http://127.0.0.1:BACKEND"], "listen_ip": "127.0.0.1",
  "extra_config": {"ringway": {"workers": 1}},
  "endpoints": [
    {"endpoint": "/passthrough", "output_encoding": "no-op",
     "backend": [{"url_pattern": "/a", "encoding": "no-op"}]},
    {"endpoint": "/one", "backend": [{"url_pattern": "/a"}]},
    {"endpoint": "/selection/{id}", "input_query_strings": ["a", "b"], "input_headers": ["*"],
     "backend": [{"url_pattern": "/a/{id}", "allow": ["id", "name", "nested.x"],
                  "mapping": {"name": "title"}, "group": "user"}]},
    {"endpoint": "/post", "method": "POST", "backend": [{"url_pattern": "/a"}]},
    {"endpoint": "/merge", "backend": [{"url_pattern": "/a", "group": "a"},
     {"url_pattern": "/b", "group": "b"}, {"url_pattern": "/c", "group": "c"}]}
  ]
}"#;

const BODY: &str = r#"{"id":123,"name":"hello world","tags":["a","b","c"],"nested":{"x":1.5,"y":null,"z":true},"email":"someone@example.com"}"#;

/// Measured in a process of its own: the access log goes to standard output, which nobody reads.
#[test]
fn requests_allocate_as_little_as_they_may() {
    if let Ok(driver) = std::env::var(DRIVER) {
        return measure(&driver);
    }
    let own = std::env::current_exe().expect("a test knows its binary");
    for driver in ["io_uring", "epoll"] {
        let output = Command::new(&own)
            .args(["--exact", "gateway::requests_allocate_as_little_as_they_may", "--nocapture"])
            .env(DRIVER, driver)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .expect("the measuring process starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{driver}:\n{said}");
        eprintln!("{driver}\n{said}");
    }
}

fn measure(driver: &str) {
    let backend = backend();
    let text = CONFIG.replace("BACKEND", &backend.to_string());
    let none = |_: &str| Err("no files here".to_owned());
    let loaded = load(&none, "f.json", text.as_bytes(), &[], &Options::default());
    let mut service = loaded.service.expect("the configuration is good");
    service.port = 0;
    let (steering, asked) = channel();
    let (listening, arrived) = channel();
    let launch = Launch {
        service,
        registrations: ringway::policy::REGISTRATIONS.to_vec(),
        driver: Some(driver.to_owned()),
        reader: None,
        steering: server::Steering::Channel(asked),
        listening: Some(Box::new(move |port| {
            let _ = listening.send(port);
        })),
    };
    let gateway = thread::spawn(move || server::run(launch));
    let port = arrived.recv_timeout(Duration::from_secs(20)).expect("the gateway listens");
    let mut problems = Vec::new();
    for case in CASES {
        // New ones each time: a connection serves a limited number of requests.
        let mut clients: Vec<_> = (0..CONNECTIONS_WARM).map(|_| Client::connected(port)).collect();
        IS_WARMING.store(true, Ordering::Relaxed);
        rounds(&mut clients, case, WARM);
        IS_WARMING.store(false, Ordering::Relaxed);
        // Those that would only idle now: giving up a read that waited for 5 s allocates.
        clients.truncate(CONNECTIONS);
        let worker = counting::named("ringway-0").expect("the worker runs");
        settle();
        // On a busy machine more may be in flight at once than while warming up, and a pool grows
        // once more. What grows for ever, or with each request, does so each time.
        let tries = (0..TRIES).map(|_| measured(worker, &mut clients, case));
        if let Some(problem) = tries.map_while(|problem| problem).nth(TRIES - 1) {
            worker.note();
            rounds(&mut clients, case, 40);
            settle();
            problems.push(format!("{problem}; at most {} and no growth", case.max));
            let sites = worker.noted().into_iter();
            problems.extend(sites.map(|(site, n)| format!("  {n} in 40 requests:\n    {site}")));
        }
    }
    drop(steering);
    gateway.join().expect("no panic").expect("it served");
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// What the requests cost, where it is too much.
fn measured(worker: &counting::Thread, clients: &mut [Client], case: &Case) -> Option<String> {
    let (before, held) = (worker.allocations(), worker.held());
    rounds(clients, case, REQUESTS);
    settle();
    let allocations = worker.allocations() - before;
    let growth = worker.held() - held;
    let each = allocations as f64 / REQUESTS as f64;
    let line = format!("{:24} {each:.4} a request, {growth} bytes more held", case.path);
    eprintln!("{line}");
    (allocations > case.max * REQUESTS as u64 || growth > 0).then_some(line)
}

/// The worker gives back what the last answers used after they were written.
fn settle() {
    thread::sleep(Duration::from_millis(60));
}

/// All clients send, then all read, so that each round needs as many exchanges as the others.
fn rounds(clients: &mut [Client], case: &Case, n: usize) {
    for _ in 0..n / clients.len() {
        for client in &mut *clients {
            client.send(case);
        }
        for client in &mut *clients {
            client.receive();
        }
    }
}

struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    fn connected(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_nodelay(true).expect("TCP");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("TCP");
        Client { stream, received: Vec::new() }
    }

    fn send(&mut self, case: &Case) {
        let content = if case.method == "POST" { r#"{"a":1}"# } else { "" };
        let length = match content.len() {
            0 => String::new(),
            n => format!("Content-Length: {n}\r\n"),
        };
        let request = format!(
            "{} {} HTTP/1.1\r\nHost: gateway\r\nUser-Agent: test\r\nX-A: 1\r\n{length}\r\n{content}",
            case.method, case.path
        );
        self.stream.write_all(request.as_bytes()).expect("it takes a request");
    }

    fn receive(&mut self) {
        let mut piece = [0; 4096];
        loop {
            if let Some(len) = message_len(&self.received) {
                self.received.drain(..len);
                return;
            }
            let n = self.stream.read(&mut piece).expect("an answer comes");
            assert!(n > 0, "the connection stays open");
            self.received.extend_from_slice(&piece[..n]);
        }
    }
}

/// The length of the first message, once all of it is there.
fn message_len(bytes: &[u8]) -> Option<usize> {
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).expect("a head of ASCII");
    if text.contains("Transfer-Encoding: chunked") {
        // No content of these tests looks like the last chunk.
        let last = memchr::memmem::find(&bytes[head..], b"0\r\n\r\n")?;
        return Some(head + last + 5);
    }
    let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
    (bytes.len() >= head + length).then_some(head + length)
}

/// Answers each request with the same object.
fn backend() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("TCP").port();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Server: backend\r\n\r\n{BODY}",
        BODY.len()
    );
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || serve(stream, answer.as_bytes()));
        }
    });
    port
}

fn serve(mut stream: TcpStream, answer: &[u8]) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut received = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let n = stream.read(&mut piece).ok().filter(|n| *n > 0)?;
        received.extend_from_slice(&piece[..n]);
        while let Some(len) = message_len(&received) {
            if IS_WARMING.load(Ordering::Relaxed) {
                let milliseconds = match received.get(..6) {
                    Some(b"GET /b") => 2,
                    Some(b"GET /c") => 3,
                    _ => 1,
                };
                thread::sleep(Duration::from_millis(milliseconds));
            }
            received.drain(..len);
            stream.write_all(answer).ok()?;
        }
    }
}

//! Clients that are slow on purpose: a third sends heads byte by byte, a third a body, a third takes
//! its answer in sips. Whoever is closed comes back.
//!
//! Arguments: `--port N`, `--connections N`, `--seconds S` (ends then, or when standard input
//! closes), `--read PATH` (a large answer), `--post PATH`, `--core N`. Prints `ready` once all are
//! connected, and at the end one line of JSON.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use loadtest_tools::arguments::option;
use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};

/// Each connection moves once in so long.
const STEP: Duration = Duration::from_secs(1);
/// So many parts of a step, so that not all move at once.
const PARTS: usize = 100;
/// Bytes of a body in one step: above the least rate that the gateway's limits ask for, so that the
/// connections stay.
const BODY: &[u8] = &[b'x'; 300];
/// Receive buffer of a client that sips: little, else the kernel would take the answer for it.
const WINDOW: usize = 4096;

#[derive(Clone, Copy)]
enum Kind {
    Head,
    Body,
    Answer,
}

struct Slow {
    kind: Kind,
    stream: Option<TcpStream>,
    n_steps: usize,
}

struct Paths {
    to: SocketAddr,
    read: String,
    post: String,
}

fn main() -> io::Result<()> {
    let port: u16 = option("--port", 0)?;
    let n: usize = option("--connections", 4000)?;
    let time = Duration::from_secs_f64(option("--seconds", 60.0)?);
    let core: i64 = option("--core", -1)?;
    let paths = Paths {
        to: SocketAddr::from(([127, 0, 0, 1], port)),
        read: option("--read", "/".to_owned())?,
        post: option("--post", "/".to_owned())?,
    };
    if let Ok(id) = usize::try_from(core) {
        core_affinity::set_for_current(core_affinity::CoreId { id });
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let ended = is_over.clone();
    std::thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        ended.store(true, Ordering::Relaxed);
    });
    let mut all = Vec::with_capacity(n);
    for at in 0..n {
        let kind = [Kind::Head, Kind::Body, Kind::Answer][at % 3];
        all.push(Slow { kind, stream: Some(open(kind, &paths)?), n_steps: 0 });
    }
    println!("ready");
    let (start, mut closed, mut round) = (Instant::now(), 0_u64, 0_usize);
    while start.elapsed() < time && !is_over.load(Ordering::Relaxed) {
        for slow in all.iter_mut().skip(round % PARTS).step_by(PARTS) {
            if !slow.step() {
                closed += 1;
                slow.n_steps = 0;
                slow.stream = open(slow.kind, &paths).ok();
            }
        }
        round += 1;
        let next = STEP * round as u32 / PARTS as u32;
        std::thread::sleep(next.saturating_sub(start.elapsed()));
    }
    println!("{{\"connections\": {n}, \"closed\": {closed}}}");
    Ok(())
}

fn open(kind: Kind, paths: &Paths) -> io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    if matches!(kind, Kind::Answer) {
        sockopt::set_socket_recv_buffer_size(&socket, WINDOW)?;
    }
    connect(&socket, &paths.to)?;
    let mut stream = TcpStream::from(socket);
    stream.set_nonblocking(true)?;
    let start = match kind {
        Kind::Head => format!("GET {} HTTP/1.1\r\nHost: slow\r\nX-Slow: ", paths.read),
        Kind::Body => format!(
            "POST {} HTTP/1.1\r\nHost: slow\r\nContent-Type: application/json\r\n\
             Content-Length: 10000000\r\n\r\n",
            paths.post
        ),
        Kind::Answer => format!("GET {} HTTP/1.1\r\nHost: slow\r\n\r\n", paths.read),
    };
    stream.write_all(start.as_bytes())?;
    Ok(stream)
}

impl Slow {
    /// One move; false when the other side has closed.
    fn step(&mut self) -> bool {
        self.n_steps += 1;
        let Some(stream) = &mut self.stream else { return false };
        let sent = match self.kind {
            Kind::Head => stream.write(b"x").map(drop),
            Kind::Body => stream.write(BODY).map(drop),
            Kind::Answer => Ok(()),
        };
        if sent.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock) {
            return false;
        }
        // The others look only for a refusal and the end.
        let mut sip = [0; 512];
        match stream.read(&mut sip) {
            Ok(0) => false,
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

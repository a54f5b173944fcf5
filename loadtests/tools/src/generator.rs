//! The loop of the load generator: requests at their times over non-blocking connections.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::time::Timespec;

use crate::histogram::Histogram;
use crate::message::{Message, Progress};

/// What is sent.
pub struct Plan {
    /// Of 127.0.0.1.
    pub port: u16,
    /// Target; `{}` is replaced by a number below `spread`.
    pub path: String,
    pub spread: u64,
    pub connections: usize,
    /// Requests a second; 0: a closed loop.
    pub rate: f64,
    /// Before anything counts.
    pub warm: Duration,
    pub time: Duration,
    /// A connection for each request: `Connection: close`.
    pub is_new_each: bool,
}

/// What came of it.
pub struct Outcome {
    /// From the intended start to the last byte. What was not answered at the end counts with the
    /// time that it had waited until then.
    pub took: Histogram,
    pub time: Duration,
    /// Answered within the time.
    pub answered: u64,
    /// Answers other than 2xx and 3xx.
    pub status: u64,
    /// Connections that broke or could not be made, answers that were none.
    pub broken: u64,
    /// Begun or due, and not answered when the wait was over.
    pub unfinished: u64,
}

/// Answers that are still out at the end are waited for so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// The loop looks at the clock at least so often.
const NAP: Duration = Duration::from_millis(50);
/// A multiplier for the order of the paths: a prime far from powers of two and ten.
const STRIDE: u64 = 7919;

/// Runs a plan to its end.
pub fn run(plan: &Plan) -> io::Result<Outcome> {
    // Timers of this thread fire when they are due, not up to 50 µs later.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let mut load = Load {
        plan,
        epoll: epoll::create(CreateFlags::CLOEXEC)?,
        connections: Vec::with_capacity(plan.connections),
        idle: VecDeque::with_capacity(plan.connections),
        scratch: vec![0; 256 * 1024],
        request: Vec::new(),
        n_sent: 0,
        start: Instant::now(),
        outcome: Outcome {
            took: Histogram::default(),
            time: plan.time,
            answered: 0,
            status: 0,
            broken: 0,
            unfinished: 0,
        },
    };
    for at in 0..plan.connections {
        let stream = if plan.is_new_each { None } else { Some(load.connect(at)?) };
        load.connections.push(Connection { stream, message: Message::default(), intended: None });
        load.idle.push_back(at);
    }
    load.start = Instant::now();
    load.work()?;
    Ok(load.outcome)
}

struct Connection {
    stream: Option<TcpStream>,
    message: Message,
    /// When its request should have begun, in nanoseconds from the start; none: idle.
    intended: Option<u64>,
}

struct Load<'a> {
    plan: &'a Plan,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// The longest idle first, so that all are used.
    idle: VecDeque<usize>,
    scratch: Vec<u8>,
    request: Vec<u8>,
    n_sent: u64,
    start: Instant,
    outcome: Outcome,
}

impl Load<'_> {
    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// When the request with this number is due.
    fn due(&self, number: u64) -> u64 {
        (number as f64 * 1e9 / self.plan.rate) as u64
    }

    fn work(&mut self) -> io::Result<()> {
        let end = (self.plan.warm + self.plan.time).as_nanos() as u64;
        let last = end + PATIENCE.as_nanos() as u64;
        let mut events = Vec::with_capacity(1024);
        loop {
            let now = self.now();
            let wait =
                if self.plan.rate > 0.0 { self.send_due(now, end) } else { self.send_all(end) };
            let is_over = self.now() >= end;
            if is_over && (self.idle.len() == self.connections.len() || now >= last) {
                break;
            }
            events.clear();
            let wait = Timespec { tv_sec: 0, tv_nsec: wait.as_nanos() as i64 };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                self.receive(event.data.u64() as usize);
            }
        }
        self.leave(end);
        Ok(())
    }

    /// Sends what is due and finds a connection; how long until the next.
    fn send_due(&mut self, now: u64, end: u64) -> Duration {
        loop {
            let due = self.due(self.n_sent);
            if due >= end {
                return NAP;
            }
            if due > now {
                return Duration::from_nanos((due - now).min(NAP.as_nanos() as u64));
            }
            let Some(at) = self.idle.pop_front() else { return NAP };
            self.send(at, due);
        }
    }

    fn send_all(&mut self, end: u64) -> Duration {
        // As many as were idle at the beginning: a connection that cannot be made is idle again.
        for _ in 0..self.idle.len() {
            let now = self.now();
            if now >= end {
                break;
            }
            let Some(at) = self.idle.pop_front() else { break };
            self.send(at, now);
        }
        NAP
    }

    fn send(&mut self, at: usize, intended: u64) {
        let number = self.n_sent.wrapping_mul(STRIDE) % self.plan.spread.max(1);
        self.n_sent += 1;
        write_request(&mut self.request, self.plan, number);
        if self.connections[at].stream.is_none() {
            match self.connect(at) {
                Ok(stream) => self.connections[at].stream = Some(stream),
                Err(_) => return self.broke(at),
            }
        }
        let one = &mut self.connections[at];
        one.intended = Some(intended);
        one.message = Message::default();
        // A request is far smaller than an empty socket's buffer.
        match one.stream.as_mut().map(|stream| stream.write(&self.request)) {
            Some(Ok(n)) if n == self.request.len() => {}
            _ => self.broke(at),
        }
    }

    fn receive(&mut self, at: usize) {
        loop {
            let one = &mut self.connections[at];
            let Some(stream) = &mut one.stream else { return };
            match stream.read(&mut self.scratch) {
                Ok(0) if one.intended.is_none() => {
                    // Closed while idle: the next request opens another.
                    one.stream = None;
                    return;
                }
                Ok(n) => {
                    let filled = n == self.scratch.len();
                    let progress = one.message.take(&self.scratch[..n]);
                    match progress {
                        Progress::More if n > 0 && filled => {}
                        Progress::More if n > 0 => return,
                        Progress::Done { status, closes } => {
                            // What follows the end would only be seen by the next request.
                            if closes || self.plan.is_new_each {
                                one.stream = None;
                            }
                            return self.done(at, status);
                        }
                        Progress::More | Progress::Wrong => return self.broke(at),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.broke(at),
            }
        }
    }

    fn done(&mut self, at: usize, status: u16) {
        let now = self.now();
        let warm = self.plan.warm.as_nanos() as u64;
        if let Some(intended) = self.connections[at].intended.take().filter(|at| *at >= warm) {
            self.outcome.took.record(now.saturating_sub(intended));
            if now <= warm + self.plan.time.as_nanos() as u64 {
                self.outcome.answered += 1;
            }
            if !(200..400).contains(&status) {
                self.outcome.status += 1;
            }
        }
        self.idle.push_back(at);
    }

    fn broke(&mut self, at: usize) {
        let one = &mut self.connections[at];
        one.stream = None;
        one.intended = None;
        self.outcome.broken += 1;
        self.idle.push_back(at);
    }

    /// Counts what was due and never answered.
    fn leave(&mut self, end: u64) {
        let now = self.now();
        let warm = self.plan.warm.as_nanos() as u64;
        let out: Vec<u64> = self.connections.iter().filter_map(|one| one.intended).collect();
        let mut waiting = out;
        if self.plan.rate > 0.0 {
            let mut number = self.n_sent;
            while self.due(number) < end {
                waiting.push(self.due(number));
                number += 1;
            }
        }
        for intended in waiting.into_iter().filter(|at| *at >= warm && *at < end) {
            self.outcome.took.record(now.saturating_sub(intended));
            self.outcome.unfinished += 1;
        }
    }

    fn connect(&self, at: usize) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.plan.port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        epoll::add(
            &self.epoll,
            &stream,
            EventData::new_u64(at as u64),
            EventFlags::IN | EventFlags::RDHUP | EventFlags::ET,
        )?;
        Ok(stream)
    }
}

fn write_request(out: &mut Vec<u8>, plan: &Plan, number: u64) {
    out.clear();
    out.extend_from_slice(b"GET ");
    match plan.path.split_once("{}") {
        Some((before, after)) => {
            out.extend_from_slice(before.as_bytes());
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            out.extend_from_slice(after.as_bytes());
        }
        None => out.extend_from_slice(plan.path.as_bytes()),
    }
    out.extend_from_slice(b" HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    if plan.is_new_each {
        out.extend_from_slice(b"Connection: close\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers each read with one response; the first `slow` after a pause.
    fn server(slow: Duration) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut buffer = [0; 4096];
            std::thread::sleep(slow);
            while stream.read(&mut buffer).is_ok_and(|n| n > 0) {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
                if stream.write_all(answer).is_err() {
                    break;
                }
            }
        });
        port
    }

    #[test]
    fn a_request_that_had_to_wait_counts_from_when_it_was_due() {
        let plan = Plan {
            port: server(Duration::from_millis(300)),
            path: "/{}".to_owned(),
            spread: 10,
            connections: 1,
            rate: 100.0,
            warm: Duration::ZERO,
            time: Duration::from_millis(400),
            is_new_each: false,
        };
        let outcome = run(&plan).expect("it runs");
        // Forty are due; thirty of them while the server slept, on one connection: a closed loop
        // would have seen one slow answer.
        assert_eq!(outcome.took.n(), 40);
        assert_eq!((outcome.status, outcome.broken, outcome.unfinished), (0, 0, 0));
        assert!(outcome.took.percentile(0.5) >= 50_000_000, "{}", outcome.took.percentile(0.5));
    }
}

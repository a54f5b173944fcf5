//! A scripted backend on a port of its own: answers as told and records every byte that it got.

use super::answer::{Answer, Step, answer};
use super::wire::{Broken, Field, Framing, Incoming, announced, escaped, fields, find};
use super::{PATIENCE, ms, tls, until};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One request as it arrived.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Which accepted connection it came on, counted from 0.
    pub connection: usize,
    /// Every byte of it, as framed.
    pub raw: Vec<u8>,
    pub method: String,
    pub target: String,
    pub version: String,
    pub fields: Vec<Field>,
    pub body: Vec<u8>,
    pub trailers: Vec<Field>,
    /// The body came to its announced end.
    pub complete: bool,
    /// The gateway left before the answer was out.
    pub abandoned: bool,
}

impl Recorded {
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The only value of a field.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        let n = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).count();
        assert!(n <= 1, "{n} times `{name}` in\n{}", escaped(&self.raw));
        find(&self.fields, name)
    }
}

/// What to do with a request: moves before its body is read, then those that its body decides.
pub struct Plan {
    pub before_body: Vec<Step>,
    pub answer: Reply,
}

/// The moves that answer a request once its body is there.
pub type Reply = Box<dyn FnOnce(&Recorded) -> Vec<Step>>;

type Handler = dyn Fn(&Recorded) -> Plan + Send + Sync;

struct Shared {
    handler: Mutex<Option<Arc<Handler>>>,
    routes: Mutex<Routes>,
    seen: Mutex<Vec<Recorded>>,
    accepted: AtomicUsize,
    /// Bytes read off all connections, parts of messages too.
    received: AtomicUsize,
    open: Mutex<HashMap<usize, TcpStream>>,
    tls: Mutex<Option<Arc<rustls::ServerConfig>>>,
    /// Closes a connection after so many answers.
    closes_after: AtomicUsize,
    /// Closes a connection without a word when one more request than this comes on it.
    dies_after: AtomicUsize,
    ended: AtomicBool,
}

#[derive(Default)]
struct Routes {
    delay: Duration,
    list: Vec<(String, Vec<Answer>, usize)>,
}

pub struct Backend {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    listener_closed: Option<std::thread::JoinHandle<()>>,
}

/// A backend that answers 404 until it is told otherwise.
pub fn backend() -> Backend {
    Backend::listen(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"), None)
}

/// A backend whose answers are computed.
pub fn backend_with(handler: impl Fn(&Recorded) -> Plan + Send + Sync + 'static) -> Backend {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    Backend::listen(listener, Some(Arc::new(handler)))
}

impl Backend {
    pub fn listen(listener: TcpListener, handler: Option<Arc<Handler>>) -> Self {
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            handler: Mutex::new(handler),
            routes: Mutex::default(),
            seen: Mutex::default(),
            accepted: AtomicUsize::new(0),
            received: AtomicUsize::new(0),
            open: Mutex::default(),
            tls: Mutex::default(),
            closes_after: AtomicUsize::new(usize::MAX),
            dies_after: AtomicUsize::new(usize::MAX),
            ended: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        let thread = std::thread::spawn(move || accept(&listener, &accepting));
        Backend { address, shared, listener_closed: Some(thread) }
    }

    /// The delay of every answer.
    pub fn after(self, delay: Duration) -> Self {
        lock(&self.shared.routes).delay = delay;
        self
    }

    /// `route` is a path, `METHOD path`, or a path that ends in `*`.
    pub fn on(self, route: &str, answer: impl Into<Answer>) -> Self {
        self.set(route, [answer.into()]);
        self
    }

    pub fn get(self, path: &str, answer: impl Into<Answer>) -> Self {
        self.on(&format!("GET {path}"), answer)
    }

    pub fn post(self, path: &str, answer: impl Into<Answer>) -> Self {
        self.on(&format!("POST {path}"), answer)
    }

    /// One answer after the other; the last one stays.
    pub fn in_turn(self, route: &str, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.set(route, answers);
        self
    }

    /// Changes an answer while the backend runs.
    pub fn set(&self, route: &str, answers: impl IntoIterator<Item = Answer>) {
        let mut routes = lock(&self.shared.routes);
        routes.list.retain(|(key, ..)| key != route);
        routes.list.push((route.to_owned(), answers.into_iter().collect(), 0));
    }

    /// Speaks TLS with this certificate.
    pub fn tls(self, identity: &tls::Identity) -> Self {
        *lock(&self.shared.tls) = Some(identity.server_config());
        self
    }

    /// Closes each connection after so many answers, without saying so beforehand.
    pub fn closes_after(self, answers: usize) -> Self {
        self.shared.closes_after.store(answers, Ordering::SeqCst);
        self
    }

    /// Closes each connection at the moment when it is used once more than this.
    pub fn dies_after(self, answers: usize) -> Self {
        self.shared.dies_after.store(answers, Ordering::SeqCst);
        self
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT` with TLS.
    pub fn host(&self) -> String {
        match lock(&self.shared.tls).is_some() {
            true => format!("https://localhost:{}", self.address.port()),
            false => format!("http://{}", self.address),
        }
    }

    /// The path of the first route: what an endpoint calls that names no other.
    pub fn first_path(&self) -> String {
        let routes = lock(&self.shared.routes);
        let key = routes.list.first().map_or("/", |(key, ..)| key.as_str());
        key.rsplit(' ').next().unwrap_or_default().trim_end_matches('*').to_owned()
    }

    /// Everything that came so far; bodies may still be under way.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared.seen).clone()
    }

    /// The only request that came.
    #[track_caller]
    pub fn request(&self) -> Recorded {
        let mut seen = self.requests();
        let lines: Vec<_> = seen.iter().map(|r| format!("{} {}", r.method, r.target)).collect();
        assert_eq!(seen.len(), 1, "requests: {lines:?}");
        seen.remove(0)
    }

    /// Forgets what came so far and returns it.
    pub fn take(&self) -> Vec<Recorded> {
        std::mem::take(&mut *lock(&self.shared.seen))
    }

    /// Waits until so many requests came in whole.
    #[track_caller]
    pub fn wait_for(&self, n: usize) -> Vec<Recorded> {
        until(&format!("{n} requests at the backend"), || {
            self.requests().iter().filter(|request| request.complete).count() >= n
        });
        self.requests()
    }

    /// Waits until the head of so many requests came.
    #[track_caller]
    pub fn wait_for_heads(&self, n: usize) -> Vec<Recorded> {
        until(&format!("{n} request heads"), || self.requests().len() >= n);
        self.requests()
    }

    /// Waits until the gateway left so many requests without their answer.
    #[track_caller]
    pub fn wait_abandoned(&self, n: usize) {
        until(&format!("{n} abandoned requests"), || {
            self.requests().iter().filter(|request| request.abandoned).count() >= n
        });
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// How many bytes came so far, those of unfinished messages too.
    pub fn received(&self) -> usize {
        self.shared.received.load(Ordering::SeqCst)
    }

    pub fn open_connections(&self) -> usize {
        lock(&self.shared.open).len()
    }

    /// Closes every open connection, as a restart would.
    pub fn close_all(&self) {
        for stream in lock(&self.shared.open).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // The accept call returns for this last connection and sees the flag.
        let _ = TcpStream::connect_timeout(&self.address, ms(500));
        self.close_all();
        if let Some(thread) = self.listener_closed.take() {
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        let id = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let _ = stream.set_nodelay(true);
            let _ = stream.set_read_timeout(Some(3 * PATIENCE));
            let _ = stream.set_write_timeout(Some(3 * PATIENCE));
            if let Ok(copy) = stream.try_clone() {
                lock(&shared.open).insert(id, copy);
            }
            let config = lock(&shared.tls).clone();
            let _ = match config.map(|config| tls::accept(&stream, &config)) {
                None => serve(&shared, id, &stream, &stream, &stream),
                Some(Ok(session)) => {
                    let session = Mutex::new(session);
                    serve(&shared, id, &stream, tls::Half(&session), tls::Half(&session))
                }
                Some(Err(error)) => Err(error),
            };
            lock(&shared.open).remove(&id);
        });
    }
}

/// Why a connection is over.
enum Over {
    /// Its script says so, or the gateway closed between two requests.
    Done,
    /// The gateway left in the middle.
    Left,
}

fn serve(
    shared: &Shared,
    id: usize,
    socket: &TcpStream,
    input: impl Read,
    mut output: impl Write,
) -> io::Result<()> {
    let mut incoming = Incoming::new(Counted { input, total: &shared.received });
    for answered in 0.. {
        let Ok(head) = incoming.head() else { return Ok(()) };
        if answered >= shared.dies_after.load(Ordering::SeqCst) {
            return Ok(());
        }
        let (line, fields) = match fields(&head) {
            Ok(parsed) => parsed,
            Err(broken) => {
                // The test sees it as a request without a method.
                eprintln!("backend: {broken:?} in {}", escaped(&head));
                lock(&shared.seen).push(Recorded {
                    connection: id,
                    raw: head,
                    ..Default::default()
                });
                return Ok(());
            }
        };
        let mut parts = line.splitn(3, ' ').map(str::to_owned);
        let mut request = Recorded {
            connection: id,
            raw: head,
            method: parts.next().unwrap_or_default(),
            target: parts.next().unwrap_or_default(),
            version: parts.next().unwrap_or_default(),
            fields,
            ..Default::default()
        };
        let at = {
            let mut seen = lock(&shared.seen);
            seen.push(request.clone());
            seen.len() - 1
        };
        let store = |request: &Recorded| {
            // `take` may have emptied the list in between: then this request is history.
            if let Some(place) = lock(&shared.seen).get_mut(at).filter(|r| r.connection == id) {
                *place = request.clone();
            }
        };
        let plan = plan(shared, &request);
        let mut over = run(plan.before_body, socket, &mut incoming, &mut output);
        if over.is_ok() {
            let framing = announced(&request.fields);
            let framing = framing.unwrap_or_default().unwrap_or(Framing::None);
            let (mut raw, mut body) = (Vec::new(), Vec::new());
            let end =
                incoming.body(framing, &mut |piece| raw.extend_from_slice(piece), &mut |piece| {
                    body.extend_from_slice(piece)
                });
            request.raw.append(&mut raw);
            request.body = body;
            match end {
                Ok(trailers) => {
                    request.trailers = trailers;
                    request.complete = true;
                }
                Err(broken) => {
                    if let Broken::Malformed(text) = broken {
                        eprintln!("backend: {text}");
                    }
                    store(&request);
                    return Ok(());
                }
            }
            store(&request);
            over = run((plan.answer)(&request), socket, &mut incoming, &mut output);
        }
        match over {
            Ok(()) if answered + 1 >= shared.closes_after.load(Ordering::SeqCst) => return Ok(()),
            Ok(()) => {}
            Err(Over::Done) => return Ok(()),
            Err(Over::Left) => {
                request.abandoned = true;
                store(&request);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Counts what is read.
struct Counted<'a, R> {
    input: R,
    total: &'a AtomicUsize,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read(into)?;
        self.total.fetch_add(n, Ordering::SeqCst);
        Ok(n)
    }
}

/// Goes through the moves; an error means that the connection is over.
fn run(
    steps: Vec<Step>,
    socket: &TcpStream,
    incoming: &mut Incoming<impl Read>,
    output: &mut impl Write,
) -> Result<(), Over> {
    let left = |_| Over::Left;
    for step in steps {
        match step {
            Step::Wait(time) => wait(socket, time)?,
            Step::Hang => {
                wait(socket, 3 * PATIENCE)?;
                return Err(Over::Done);
            }
            Step::Send(bytes) => output.write_all(&bytes).map_err(left)?,
            Step::SendTimes(bytes, times) => {
                for _ in 0..times {
                    output.write_all(&bytes).map_err(left)?;
                }
            }
            Step::Drip(pieces, pause) => {
                for piece in pieces {
                    wait(socket, pause)?;
                    output.write_all(&piece).map_err(left)?;
                }
            }
            Step::Mark(reached) => {
                output.flush().map_err(left)?;
                reached.fetch_add(1, Ordering::SeqCst);
            }
            Step::HalfClose => socket.shutdown(Shutdown::Write).map_err(left)?,
            Step::Close => {
                let _ = output.flush();
                let _ = socket.shutdown(Shutdown::Write);
                // Closing with unread bytes would be an RST that may overtake the answer.
                let _ = socket.set_read_timeout(Some(ms(500)));
                while matches!(incoming.fill(), Ok(n) if n > 0) {}
                return Err(Over::Done);
            }
            Step::Reset => {
                let _ = output.flush();
                let socket = socket2::SockRef::from(socket);
                let _ = socket.set_linger(Some(Duration::ZERO));
                return Err(Over::Done);
            }
        }
    }
    output.flush().map_err(left)
}

/// Waits, and notices when the peer closes meanwhile.
fn wait(socket: &TcpStream, time: Duration) -> Result<(), Over> {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let _ = socket.set_read_timeout(Some(3 * PATIENCE));
            return Ok(());
        }
        let _ = socket.set_read_timeout(Some(left));
        match socket.peek(&mut [0]) {
            Ok(0) => return Err(Over::Left),
            // The next request is already there: nothing to notice but time.
            Ok(_) => std::thread::sleep(left.min(ms(5))),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {}
                io::ErrorKind::Interrupted => {}
                _ => return Err(Over::Left),
            },
        }
    }
}

fn plan(shared: &Shared, request: &Recorded) -> Plan {
    let handler = lock(&shared.handler).clone();
    if let Some(handler) = handler {
        return handler(request);
    }
    let (answer, delay) = {
        let mut routes = lock(&shared.routes);
        (routes.find(&request.method, request.path()), routes.delay)
    };
    Plan::late(answer, request, delay)
}

impl Plan {
    /// The moves of one scripted answer.
    pub fn of(answer: Answer, request: &Recorded) -> Plan {
        Plan::late(answer, request, Duration::ZERO)
    }

    fn late(answer: Answer, request: &Recorded, delay: Duration) -> Plan {
        let expects = find(&request.fields, "expect").is_some_and(|value| value == "100-continue");
        let (early, continues) = (answer.early, answer.continues && expects);
        let steps = move |request: &Recorded| {
            let mut steps = answer.steps(request);
            if !delay.is_zero() {
                steps.insert(0, Step::Wait(delay));
            }
            steps
        };
        if early {
            return Plan { before_body: steps(request), answer: Box::new(|_| Vec::new()) };
        }
        let interim = Step::Send(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
        let before_body = if continues { vec![interim] } else { Vec::new() };
        Plan { before_body, answer: Box::new(steps) }
    }
}

impl Routes {
    /// `METHOD path` before `path` before the longest `prefix*`.
    fn find(&mut self, method: &str, path: &str) -> Answer {
        let exact = [format!("{method} {path}"), path.to_owned()];
        let mut at = exact.iter().find_map(|key| self.list.iter().position(|(k, ..)| k == key));
        if at.is_none() {
            let covers = |key: &str| {
                let key = key.strip_prefix(method).map_or(key, str::trim_start);
                key.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
            };
            at = (0..self.list.len())
                .filter(|at| covers(&self.list[*at].0))
                .max_by_key(|at| self.list[*at].0.len());
        }
        let Some(at) = at else { return answer(404).body(r#"{"error":"no such route"}"#) };
        let (_, answers, hits) = &mut self.list[at];
        *hits += 1;
        answers[(*hits - 1).min(answers.len() - 1)].clone()
    }
}

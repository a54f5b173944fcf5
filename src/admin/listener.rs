//! The admin socket: `/metrics`, `/live`, `/ready`. Served by the control thread, so that it answers
//! while workers are busy; never on the public port. Source: docs/reference/hardening.md F5.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::config::model::Admin;
use crate::control::Handle;
use crate::http::h1::{HeadLimits, Progress, RequestHead, encode, parse_request};
use crate::http::{HeaderId, Method, Version};
use crate::telemetry::prometheus::Format;
use crate::telemetry::registry::Registry;

/// Requests on one connection may take this long each, answer included.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Connections at once: scrapers and probes are few.
const CONNECTIONS_MAX: usize = 64;

/// What the admin socket tells.
pub struct State {
    registry: Arc<Registry>,
    is_ready: AtomicBool,
}

impl State {
    /// Not ready yet.
    pub fn new(registry: Arc<Registry>) -> State {
        State { registry, is_ready: AtomicBool::new(false) }
    }

    /// Whether traffic should come: listening, and not draining.
    pub fn set_ready(&self, is_ready: bool) {
        self.is_ready.store(is_ready, Ordering::Relaxed);
    }
}

/// A connection of either kind, by readiness: the control thread brings no other I/O traits.
enum Conn {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

impl Conn {
    async fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let result = match self {
                Conn::Tcp(stream) => {
                    stream.readable().await?;
                    stream.try_read(into)
                }
                Conn::Unix(stream) => {
                    stream.readable().await?;
                    stream.try_read(into)
                }
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }

    async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let result = match self {
                Conn::Tcp(stream) => {
                    stream.writable().await?;
                    stream.try_write(bytes)
                }
                Conn::Unix(stream) => {
                    stream.writable().await?;
                    stream.try_write(bytes)
                }
            };
            match result {
                Ok(n) => bytes = &bytes[n..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Binds the socket and gives it to the control thread.
pub fn start(address: &Admin, state: Arc<State>, control: &Handle) -> io::Result<()> {
    let limit = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    match address {
        Admin::Tcp(address) => {
            let listener = std::net::TcpListener::bind(address)
                .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))?;
            listener.set_nonblocking(true)?;
            let work = async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => serve(Conn::Tcp(stream), &state, &limit),
                        Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    }
                }
            };
            control.once("admin", work).map_err(|_| io::ErrorKind::ResourceBusy.into())
        }
        Admin::Unix(path) => {
            // A socket that a dead process left behind is in the way; one that answers is not ours.
            if std::os::unix::net::UnixStream::connect(path).is_err() {
                let _ = std::fs::remove_file(path);
            }
            let listener = std::os::unix::net::UnixListener::bind(path)
                .map_err(|error| io::Error::new(error.kind(), format!("unix:{path}: {error}")))?;
            listener.set_nonblocking(true)?;
            let work = async move {
                let Ok(listener) = tokio::net::UnixListener::from_std(listener) else { return };
                loop {
                    match listener.accept().await {
                        Ok((stream, _)) => serve(Conn::Unix(stream), &state, &limit),
                        Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                    }
                }
            };
            control.once("admin", work).map_err(|_| io::ErrorKind::ResourceBusy.into())
        }
    }
}

fn serve(conn: Conn, state: &Arc<State>, limit: &Arc<tokio::sync::Semaphore>) {
    let Ok(permit) = limit.clone().try_acquire_owned() else { return };
    let state = state.clone();
    tokio::spawn(async move {
        let _permit = permit;
        while let Ok(Ok(true)) = tokio::time::timeout(TIMEOUT, exchange(&conn, &state)).await {}
    });
}

/// One request; `true` when another may follow.
async fn exchange(conn: &Conn, state: &State) -> io::Result<bool> {
    let mut head = RequestHead::default();
    let mut buffer = Vec::new();
    let mut piece = [0; 2048];
    loop {
        let n = conn.read(&mut piece).await?;
        if n == 0 {
            return Ok(false);
        }
        buffer.extend_from_slice(&piece[..n]);
        match parse_request(&buffer, &HeadLimits::DEFAULT, &mut head) {
            Ok(Progress::NeedMore) => {}
            Ok(Progress::Done) => break,
            Err(error) => {
                conn.write_all(&answer(error.status(), "", error.text().as_bytes(), false)).await?;
                return Ok(false);
            }
        }
    }
    let path = head.target.path(&buffer);
    let keeps = head.keep_alive && head.body.is_empty() && buffer.len() == head.len;
    let mut body = Vec::new();
    let text = "text/plain; charset=utf-8";
    let (status, content_type) = match (head.method, path) {
        (Method::Get, b"/metrics") => {
            let format = Format::of(head.find(HeaderId::Accept, &buffer).unwrap_or_default());
            state.registry.write(format, &mut body);
            (200, format.content_type())
        }
        (Method::Get, b"/live") => {
            body.extend_from_slice(b"ok\n");
            (200, text)
        }
        (Method::Get, b"/ready") if state.is_ready.load(Ordering::Relaxed) => {
            body.extend_from_slice(b"ok\n");
            (200, text)
        }
        (Method::Get, b"/ready") => {
            body.extend_from_slice(b"not ready\n");
            (503, text)
        }
        (Method::Get, _) => {
            body.extend_from_slice(b"try /metrics, /live or /ready\n");
            (404, text)
        }
        _ => {
            body.extend_from_slice(b"only GET\n");
            (405, text)
        }
    };
    conn.write_all(&answer(status, content_type, &body, keeps)).await?;
    Ok(keeps)
}

fn answer(status: u16, content_type: &str, body: &[u8], keeps: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() + 256);
    encode::status_line(&mut out, Version::H11, status);
    if !content_type.is_empty() {
        encode::field(&mut out, b"Content-Type", content_type.as_bytes());
    }
    if !keeps {
        encode::field(&mut out, b"Connection", b"close");
    }
    encode::content_length(&mut out, body.len() as u64);
    encode::end_of_head(&mut out);
    out.extend_from_slice(body);
    out
}

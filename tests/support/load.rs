//! Requests without pause from several clients at once: what goes wrong under load is returned,
//! not how fast it was.

use super::client::Connection;
use super::wire::Broken;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Clients that run until they are stopped.
pub struct Load {
    ended: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// `clients` connections that send `request` and want this body each time. A connection that
    /// the gateway closes in order between two requests is opened anew.
    pub fn start(address: SocketAddr, clients: usize, request: &str, body: &'static str) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let done = Arc::new(AtomicU64::new(0));
        let threads = (0..clients)
            .map(|_| {
                let (ended, done) = (Arc::clone(&ended), Arc::clone(&done));
                let request = request.to_owned();
                std::thread::spawn(move || run(address, &request, body, &ended, &done))
            })
            .collect();
        Load { ended, done, threads }
    }

    /// Requests answered so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Stops and returns what went wrong.
    pub fn stop(self) -> Vec<String> {
        self.ended.store(true, Ordering::Relaxed);
        self.threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|_| vec!["a client panicked".into()]))
            .collect()
    }
}

fn run(
    address: SocketAddr,
    request: &str,
    body: &str,
    ended: &AtomicBool,
    done: &AtomicU64,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut connection = None;
    let method = request.split(' ').next().unwrap_or_default();
    while !ended.load(Ordering::Relaxed) && wrong.len() < 20 {
        let fresh = connection.is_none();
        let client = connection.get_or_insert_with(|| Connection::open(address));
        let written = client.try_write(request);
        match client.try_response(method) {
            Ok(response) => {
                if response.code != 200 || response.bytes != body.as_bytes() {
                    wrong.push(format!("an unexpected answer:\n{response}"));
                }
                done.fetch_add(1, Ordering::Relaxed);
                if response.values("connection").iter().any(|v| v.eq_ignore_ascii_case("close")) {
                    connection = None;
                }
            }
            // An idle connection may be closed at any time: not a failed request, if it is rare.
            Err(Broken::Closed | Broken::Reset) if !fresh => connection = None,
            Err(broken) => {
                wrong.push(format!("{broken:?} (written: {written})"));
                connection = None;
            }
        }
    }
    wrong
}
